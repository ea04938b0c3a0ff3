// INTx of assigned functions: the host's handler, the guest's end of the interrupt, and what lies
// between.
//
// Models: the kernel's VFIO driver for PCI (vfio.rst, "Interrupts"; vfio.h,
// VFIO_PCI_INTX_IRQ_INDEX, which is automasked), after PCI Local Bus 3.0, 6.2.2 and 6.2.3. The
// functions' wires reach a level-triggered pin of the host's IOAPIC. Its handler asks each function
// on the pin for Interrupt Status; whoever interrupts has its Interrupt Disable set and its eventfd
// signalled, and the host ends its own interrupt. Once the guest has ended its interrupt, the other
// eventfd is signalled and Interrupt Disable is cleared: a function that still interrupts does so
// again. The handler waits for the answers of the functions, which come behind their Deassert_INTx,
// so that the pin has fallen before it is looked at again. An interrupt for which no function
// stands any more, because the guest has served it together with another, is cancelled as its line
// was.
//
// Not modelled: functions without Interrupt Disable, for which the host would mask the pin (every
// function here has it, as PCI 2.3 asks for); the check of Interrupt Status before the wire is
// given back, which saves one interrupt of the host.
#include <algorithm>
#include <utility>

#include "models/pci/config_space.hpp"
#include "models/vmm/ioapic_env.hpp"
#include "models/vmm/vmm_steps.hpp"

namespace irqfab::vmm {
namespace {

using host::Action;

/// A CPU stands still for a read of configuration space. It looks so often whether it is over.
constexpr Duration kLook = 20 * kPsPerNs;

// Steps of the handler.
enum : std::uint16_t { kEntered, kAsk, kAsked, kQuieted, kSignalled, kEnded };

}  // namespace

std::optional<std::uint32_t> Vmm::host_pin_of(host::HostCpu cpu, Vector vector) const {
  const std::vector<HostPinPlan>& pins = config_.plan.host_pins;
  const auto at = std::find_if(pins.begin(), pins.end(), [&](const HostPinPlan& pin) {
    return pin.host.cpu == cpu && pin.host.vector == vector;
  });
  if (at == pins.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - pins.begin());
}

/// locals: vector of the host, pin, function among those of the pin
Action Vmm::host_line(host::Task& task, const Here& here) {
  const std::vector<std::uint32_t>& functions = config_.plan.host_pins[task.locals[1]].functions;
  HostPin& pin = host_pins_[task.locals[1]];
  switch (task.pc) {
    case kEntered:
      task.pc = kAsk;
      pin.began = task.span;
      return host::Charge{Event::HostInterrupted, task.locals[0]};
    case kAsk:
      if (task.locals[2] < functions.size()) {
        return ask(task, functions[task.locals[2]], kAsked, here);
      }
      task.pc = kEnded;
      return host::Charge{Event::EoiBroadcast, task.locals[0]};
    case kAsked:
      if (!pin.answered) return host::Compute{kLook};
      return looked(task, functions[task.locals[2]], here);
    case kQuieted:
      if (!pin.answered) return host::Compute{kLook};
      return signal_line(task, functions[task.locals[2]], here);
    case kSignalled:
      task.span = std::exchange(pin.kept, kNoSpan);
      look_for_unread(line_of(functions[task.locals[2]]), here);
      ++task.locals[2];
      task.pc = kAsk;
      return host::go_on();
    default:
      end_host_line(task, here);
      return host::Done{};
  }
}

/// For Command and Status.
Action Vmm::ask(host::Task& task, std::uint32_t function, std::uint16_t then, const Here& here) {
  const FunctionPlan& plan = config_.plan.functions[function];
  const auto pin = static_cast<std::uint32_t>(task.locals[1]);
  host_pins_[pin].answered = false;
  here.env.send(
      port_of(spec_of(config_.bridges), plan.registers_edge),
      BusRead{plan.config_space + pci::kConfigCommand, Tag{pin | kHostRead}, kNoSpan, {}, 4});
  task.pc = then;
  return host::Compute{kLook};
}

/// One that does not interrupt, or that waits for its guest already, is passed over.
Action Vmm::looked(host::Task& task, std::uint32_t function, const Here& here) {
  const std::uint32_t dword = host_pins_[task.locals[1]].answer;
  if ((dword >> 16 & pci::kInterruptStatus) == 0 || (dword & pci::kInterruptDisable) != 0) {
    ++task.locals[2];
    task.pc = kAsk;
    return host::go_on();
  }
  functions_[function].line_off = true;
  functions_[function].command = static_cast<std::uint16_t>(dword);
  write_command(function, here);
  return ask(task, function, kQuieted, here);
}

/// The interrupt under way is that of the function that began it, or of the first if that was the
/// IOAPIC; what others on the pin have to say is told as its forks.
Action Vmm::signal_line(host::Task& task, std::uint32_t function, const Here& here) {
  const std::vector<std::uint32_t>& functions = config_.plan.host_pins[task.locals[1]].functions;
  HostPin& pin = host_pins_[task.locals[1]];
  const bool of_another = std::any_of(functions.begin(), functions.end(), [&](std::uint32_t other) {
    return other != function && names(task.span, other);
  });
  if (task.span == kNoSpan || of_another) {
    pin.kept = task.span;
    task.span = here.env.open(Cause::Fork, pin.began);
  }
  return call(task, here, kvm::LayerCall::EventfdSignal, kSignalled, {line_eventfd(function)});
}

void Vmm::end_host_line(host::Task& task, const Here& here) {
  here.env.send(config_.eois, EoiMessage{Vector(static_cast<std::uint8_t>(task.locals[0]))});
  if (task.span != kNoSpan) {
    here.env.cancel(std::exchange(task.span, kNoSpan), CancelOp::LineLow);
  }
}

bool Vmm::names(SpanId span, std::uint32_t function) const {
  const FunctionPlan& plan = config_.plan.functions[function];
  return span != kNoSpan && raw(source_of(span)) == plan.first_source + plan.vectors.size();
}

void Vmm::write_command(std::uint32_t function, const Here& here) const {
  const FunctionPlan& plan = config_.plan.functions[function];
  const Function& state = functions_[function];
  const unsigned off = state.line_off ? pci::kInterruptDisable : 0u;
  here.env.send(port_of(spec_of(config_.bridges), plan.registers_edge),
                BusWrite{plan.config_space + pci::kConfigCommand,
                         (state.command & ~unsigned{pci::kInterruptDisable}) | off,
                         kNoSpan,
                         {},
                         2});
}

/// In the context of whoever has signalled the eventfd. Of functions that share the guest's pin
/// each is told of every end.
Action Vmm::unmask_line(const host::Task& task, const Here& here) {
  const auto function = static_cast<std::uint32_t>(task.locals[0]);
  if (std::exchange(functions_[function].line_off, false)) write_command(function, here);
  return host::Done{};
}

/// The guest has ended the interrupt of every line that the VMM drives into a pin with the vector.
void Vmm::lower_lines(Vector vector, Seat& seat, IoapicEnv& env) {
  for (const std::uint32_t function : host_lines_) {
    const Gsi gsi = *config_.plan.functions[function].intx;
    const auto pin = Pin(static_cast<std::uint16_t>(raw(gsi)));
    if (!functions_[function].line_raised || ioapic_->rte(pin).vector() != vector) continue;
    functions_[function].line_raised = false;
    pins_[raw(gsi)].drive(function, Level::Low);
    ioapic_->on_pin(PinChange{pin, Level::Low, function, kNoSpan}, env);
    seat.unmasks.push(function);
  }
}

/// Nobody tells a VMM of the end where the IOAPIC is the kernel's and no irqfd resamples, or where
/// the VMM has no such notice of its own: it waits for the guest to look at the function.
bool Vmm::is_trapped(const Place& place) const {
  return place.space == Place::Space::Window && !ioapic_ && functions_[place.function].line_raised;
}

}  // namespace irqfab::vmm
