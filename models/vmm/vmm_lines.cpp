// The pins that INTx drives in the VMM, and the IOAPIC that user space has with a split irqchip.
//
// Models: PCI Local Bus 3.0, 2.2.6 (lines that functions share), api.rst KVM_CAP_SPLIT_IRQCHIP: the
// routes of GSIs 0..23 say what the IOAPIC's entries say, its messages go by them, and a vCPU that
// ends a level interrupt exits to here.
#include <utility>

#include "models/vmm/ioapic_env.hpp"
#include "models/vmm/vmm_steps.hpp"
#include "models/x86/register_data.hpp"

namespace irqfab::vmm {

using host::Action;
using kvm::LayerCall;

/// The pin is high while any function drives it; a further one that rises is told all the same. A
/// line that falls is work for the interrupt whose handler made it fall, if a handler did.
Action Vmm::drive(host::Task& task, Seat& seat, const DriveLine& line, const Here& here) {
  const Gsi gsi = *config_.plan.functions[line.function].intx;
  x86::WiredOr& pin = pins_[raw(gsi)];
  const Level before = pin.level();
  pin.drive(line.function, line.level);
  if (config_.plan.functions[line.function].attach == Attach::Assigned) {
    functions_[line.function].line_raised = line.level == Level::High;
    if (line.level == Level::Low) seat.unmasks.push(line.function);
  }
  if (line.level == Level::High) task.span = line.span;
  if (ioapic_) {
    IoapicEnv env(seat.pins, here.env);
    const auto input = Pin(static_cast<std::uint16_t>(raw(gsi)));
    ioapic_->on_pin(PinChange{input, line.level, line.function, line.span}, env);
    if (line.level == Level::High) task.span = kNoSpan;
    return send_pins(task, seat, here);
  }
  if (pin.level() == before && line.span == kNoSpan) return ready(task, seat, here);
  if (config_.plan.delivery == Delivery::Userspace) {
    here.vcpus.layer().chip().set_line({gsi, kvm::kUserspaceSource, pin.level()}, line.span,
                                       here.env);
    if (line.level == Level::High) task.span = kNoSpan;
    here.vcpus.pass_signals(here.kernel, here.env);
    return ready(task, seat, here);
  }
  return call(task, here, LayerCall::IrqLine, step::kReady,
              {raw(gsi), kvm::kUserspaceSource, raw(pin.level())});
}

/// What the IOAPIC has sent goes by the routes that mirror it, one call a message.
Action Vmm::send_pins(host::Task& task, Seat& seat, const Here& here) {
  if (seat.pins.empty()) return ready(task, seat, here);
  const PinMessage message = seat.pins.pop();
  task.span = message.span;
  return call(task, here, LayerCall::IrqLine, step::kPins,
              {raw(message.gsi), kvm::kUserspaceSource, raw(Level::High)});
}

/// Every level entry with the vector is open again, and a line that is still high is sent again.
Action Vmm::end_level(host::Task& task, Seat& seat, Vector vector, const Here& here) {
  IoapicEnv env(seat.pins, here.env);
  if (!config_.mutants.has(Mutant::SplitNeverResamples)) {
    lower_lines(vector, seat, env);
    ioapic_->on_eoi(vector, env);
    return send_pins(task, seat, here);
  }
  for (std::uint16_t n = 0; n < ioapic_->pins(); ++n) {
    x86::Rte entry = ioapic_->rte(Pin{n});
    if (entry.vector() != vector) continue;
    entry.set_remote_irr(false);
    ioapic_->restore(Pin{n}, entry, env);
  }
  return unlock(task);
}

/// A write may change what the mirroring routes have to say; the kernel has them before a message
/// goes by them. It need not be told for what other routes have come to meanwhile: those are told
/// by whoever changes them.
Action Vmm::access_ioapic(host::Task& task, Seat& seat, const Access& access, std::uint64_t offset,
                          const Here& here) {
  const auto place = static_cast<std::uint32_t>(offset);
  IoapicEnv env(seat.pins, here.env);
  if (access.kind == Access::Kind::Read) {
    const std::uint32_t value = ioapic_->read(place, env);
    here.env.send(access.from, x86::register_data(value, access.tag, access.span));
    task.span = kNoSpan;
    return unlock(task);
  }
  ioapic_->write(place, static_cast<std::uint32_t>(access.data), env);
  bool stale = false;
  for (std::uint16_t n = 0; n < ioapic_->pins(); ++n) {
    if (!ioapic_->rte(Pin{n}).masked()) table_.set(Gsi{n}, ioapic_->rte(Pin{n}).message());
    stale = stale || table_.uncommitted(Gsi{n});
  }
  return stale ? commit(task, here, step::kMirrored) : send_pins(task, seat, here);
}

}  // namespace irqfab::vmm
