// What guests do, which of it makes their vCPUs exit, and what the host does then: in its kernel,
// or in user space.
#include <utility>

#include "models/kvm/vcpu_steps.hpp"
#include "models/kvm/vcpu_threads.hpp"
#include "models/x86/register_data.hpp"

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;
using host::HostCpu;
using x86::VirtualExit;

constexpr std::uint32_t kPageOffsets = 0xFFF;
constexpr std::size_t kReasonArgument = host::kFirstArgument + 1;

constexpr std::uint64_t raw_of(ExitReason reason) { return static_cast<std::uint64_t>(reason); }

}  // namespace

// ---- in the guest -----------------------------------------------------------------------------

void VcpuThreads::on_vcpu(const Message& message, host::HostKernel& kernel, Env& env) {
  if (const auto* inta = std::get_if<Inta>(&message)) {
    on_inta(inta->cpu, kernel, env);
  } else if (const auto* write = std::get_if<RegisterWrite>(&message)) {
    say(write->cpu, *write, kernel, env);
  } else if (const auto* read = std::get_if<RegisterRead>(&message)) {
    say(read->cpu, *read, kernel, env);
  } else if (const auto* halted = std::get_if<CpuHalted>(&message)) {
    on_halted(halted->cpu, kernel, env);
  }
}

void VcpuThreads::leave_for_user(CpuId vcpu, ExitReason reason, std::uint64_t operand, SpanId by,
                                 host::HostKernel& kernel, Env& env) {
  say(vcpu, UserAccess{reason, operand, by}, kernel, env);
}

void VcpuThreads::access_ioapic(CpuId vcpu, PortId from, const Message& access,
                                host::HostKernel& kernel, Env& env) {
  if (const auto* read = std::get_if<BusRead>(&access)) {
    say(vcpu, IoapicAccess{from, *read}, kernel, env);
  } else if (const auto* write = std::get_if<BusWrite>(&access)) {
    say(vcpu, IoapicAccess{from, *write}, kernel, env);
  }
}

/// The host may have taken the vCPU out of the guest at the same time, or for what the guest said
/// just before.
void VcpuThreads::say(CpuId vcpu, const Said& said, host::HostKernel& kernel, Env& env) {
  if (row(vcpu).place == VcpuPlace::Guest) return do_now(vcpu, said, kernel, env);
  row(vcpu).said.push_back(said);
  rouse(vcpu, kNoSpan, kernel);
}

void VcpuThreads::do_now(CpuId vcpu, const Said& said, host::HostKernel& kernel, Env& env) {
  if (std::holds_alternative<Inta>(said)) {
    answer(vcpu, env);
  } else if (const auto* write = std::get_if<RegisterWrite>(&said)) {
    after_access(vcpu, chip().on_write(*write, env), kernel, env);
  } else if (const auto* read = std::get_if<RegisterRead>(&said)) {
    const x86::VirtualAccess access = chip().on_read(*read, env);
    row(vcpu).read = access.value;  // nobody waits for the answer: see last_read
    after_access(vcpu, access, kernel, env);
  } else if (const auto* user = std::get_if<UserAccess>(&said)) {
    leave(vcpu, user->reason, *user, user->by, kernel, env);
  } else {
    const Left left = std::get<IoapicAccess>(said);
    leave(vcpu, ExitReason::Mmio, left, span_of(left), kernel, env);
  }
}

/// Of an 8259's interrupt the processor knows nothing: it looks for its own again.
void VcpuThreads::answer(CpuId vcpu, Env& env) {
  const bool external = apics().lapics().extint_requested(vcpu);
  env.send(kVcpus, chip().on_inta(vcpu, env));
  if (external && apics().delivers()) apics().doorbell(vcpu, env);
}

/// Until something of it makes the vCPU leave.
void VcpuThreads::go_on_saying(CpuId vcpu, host::HostKernel& kernel, Env& env) {
  std::vector<Said>& said = row(vcpu).said;
  std::size_t done = 0;
  while (done < said.size() && row(vcpu).place == VcpuPlace::Guest) {
    const Said next = said[done++];
    do_now(vcpu, next, kernel, env);
  }
  said.erase(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(done));
}

/// What the host injects it injects at the entry. A guest that could not take it then exits as soon
/// as it can.
void VcpuThreads::on_inta(CpuId vcpu, host::HostKernel& kernel, Env& env) {
  Vcpu& v = row(vcpu);
  const bool injected = !apics().delivers() || apics().lapics().extint_requested(vcpu);
  const bool at_entry = v.place != VcpuPlace::Guest || env.now() == v.entered_at;
  if (!injected || at_entry) return say(vcpu, Inta{vcpu}, kernel, env);
  v.said.push_back(Inta{vcpu});
  const bool returns = config_.home == ApicHome::User;
  const SpanId by = waiting_for(vcpu);
  const Left left = returns ? Left{UserAccess{ExitReason::InterruptWindow, 0, by}} : Left{};
  leave(vcpu, ExitReason::InterruptWindow, left, by, kernel, env);
}

void VcpuThreads::after_access(CpuId vcpu, const x86::VirtualAccess& access,
                               host::HostKernel& kernel, Env& env) {
  pass_signals(kernel, env);
  if (!access.exit) return;
  const Left left = *access.exit;
  leave(vcpu, access.exit->reason, left, span_of(left), kernel, env);
}

/// One that has been taken out of the guest at the same time executes its HLT when it is back.
void VcpuThreads::on_halted(CpuId vcpu, host::HostKernel& kernel, Env& env) {
  if (row(vcpu).place != VcpuPlace::Guest) return;
  row(vcpu).halted = true;
  const bool returns = config_.home == ApicHome::User;
  const Left left = returns ? Left{UserAccess{ExitReason::Hlt, 0, kNoSpan}} : Left{};
  leave(vcpu, ExitReason::Hlt, left, kNoSpan, kernel, env);
}

// ---- the exit ---------------------------------------------------------------------------------

/// `by`: the interrupt that it leaves for, kNoSpan if for none or for one that is not known here.
void VcpuThreads::leave_guest(CpuId vcpu, HostCpu cpu, ExitReason reason, SpanId by, Env& env) {
  Vcpu& v = row(vcpu);
  v.place = VcpuPlace::Host;
  ++v.exits[static_cast<std::size_t>(reason)];
  cpus_[raw(cpu)].vcpu.reset();
  env.send(kVcpus, CpuLineChange{vcpu, CpuLine::Run, Level::Low, kNoSpan});
  env.note(Event::VmExited, by, raw_of(reason));
}

/// The thread goes on with what is left to do.
void VcpuThreads::leave(CpuId vcpu, ExitReason reason, const Left& left, SpanId by,
                        host::HostKernel& kernel, Env& env) {
  row(vcpu).left = left;
  leave_guest(vcpu, kernel.machine().cpu_of(row(vcpu).thread), reason, by, env);
  kernel.wake(row(vcpu).thread);
}

/// Whose interrupt the exit is about: the one that ends by it, or whose handler left something to
/// do. After an EOI that the processor has carried out, the handler's that it interrupted, if any.
SpanId VcpuThreads::span_of(const Left& left) const {
  if (const auto* exit = std::get_if<VirtualExit>(&left)) {
    const std::optional<Vector> ending = chip().ended_by(*exit);
    return ending ? apics().lapics().serviced(exit->vcpu, *ending) : in_service(exit->vcpu);
  }
  if (const auto* user = std::get_if<UserAccess>(&left)) return user->by;
  const auto* ioapic = std::get_if<IoapicAccess>(&left);
  const auto* read = ioapic == nullptr ? nullptr : std::get_if<BusRead>(&ioapic->access);
  return read == nullptr ? kNoSpan : read->span;
}

// ---- outside ----------------------------------------------------------------------------------

Action VcpuThreads::handle_exit(CpuId vcpu, host::Task& task) {
  const Left& left = row(vcpu).left;
  task.span = span_of(left);
  if (const auto* user = std::get_if<UserAccess>(&left)) {
    return go_to_user(vcpu, user->reason, user->operand, task);
  }
  const auto* exit = std::get_if<VirtualExit>(&left);
  const ExitReason reason = exit == nullptr ? ExitReason::Mmio : exit->reason;
  if (config_.home == ApicHome::User) {
    const Action gone = go_to_user(vcpu, reason, exit == nullptr ? 0 : exit->where, task);
    // A chip's registers are the VMM's like those of the local APIC, and not a device's.
    if (exit == nullptr) task.locals[kReasonArgument] = raw_of(ExitReason::ApicAccess);
    return gone;
  }
  task.pc = step::kComplete;
  return Charge{Event::ExitHandled, raw_of(reason)};
}

Action VcpuThreads::go_to_user(CpuId vcpu, ExitReason reason, std::uint64_t operand,
                               host::Task& task) {
  ++row(vcpu).user_exits[static_cast<std::size_t>(reason)];
  task.locals[host::kFirstArgument] = raw(vcpu);
  task.locals[kReasonArgument] = raw_of(reason);
  task.locals[kReasonArgument + 1] = operand;
  task.pc = step::kCallUser;
  return Charge{Event::UserExited, raw_of(reason)};
}

/// The vCPU is on no CPU meanwhile: its descriptor stays as it is.
Action VcpuThreads::call_user(CpuId vcpu, host::Task& task) {
  row(vcpu).loaded = false;
  if (is_avic()) apics().avic_put(vcpu, x86::VcpuPut::Preempted);
  task.pc = step::kComplete;
  if (config_.user_exit) host::call(task, *config_.user_exit);
  return host::go_on();
}

/// What the guest's access left is done, before the guest goes on. Without an access there is
/// nothing left.
Action VcpuThreads::complete_exit(CpuId vcpu, host::Task& task, host::HostKernel& kernel,
                                  Env& env) {
  const Left left = std::exchange(row(vcpu).left, Left{});
  task.pc = step::kEnter;
  task.span = kNoSpan;
  if (const auto* access = std::get_if<IoapicAccess>(&left)) carry_out(*access, env);
  const auto* exit = std::get_if<VirtualExit>(&left);
  if (exit != nullptr) {
    const x86::MsrAnswer answer = chip().complete(*exit, env);
    if (exit->direction == VirtualExit::Direction::Read) row(vcpu).read = answer.value;
  }
  pass_signals(kernel, env);
  const std::optional<Vector> ended = chip().take_user_eoi(vcpu);
  if (exit == nullptr || !ended) return host::go_on();
  return go_to_user(vcpu, exit->reason, raw(*ended), task);
}

/// 32-bit accesses, as the IOAPIC has no others.
void VcpuThreads::carry_out(const IoapicAccess& access, Env& env) {
  if (const auto* read = std::get_if<BusRead>(&access.access)) {
    const auto offset = static_cast<std::uint32_t>(read->address) & kPageOffsets;
    const std::uint32_t value = chip().read_ioapic(offset, env);
    return env.send(access.from, x86::register_data(value, read->tag, read->span));
  }
  const auto& write = std::get<BusWrite>(access.access);
  if (write.size != 4) return env.guest_error(GuestFault::WrongAccessSize);
  chip().write_ioapic(static_cast<std::uint32_t>(write.address) & kPageOffsets,
                      static_cast<std::uint32_t>(write.data), env);
}

}  // namespace irqfab::kvm
