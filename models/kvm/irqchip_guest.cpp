// What vCPUs that are threads do to the irqchip: accesses of their guests, and what the host does
// for those that exit.

#include "models/kvm/irqchip_env.hpp"

namespace irqfab::kvm {
namespace {

using x86::LapicBank;
using x86::LapicRegister;
using x86::VirtualExit;

constexpr std::uint32_t kEoiMsr = x86::LapicMsr::kFirst + LapicRegister::kEoi / 16;

bool writes_eoi(const VirtualExit& exit) {
  if (exit.direction != VirtualExit::Direction::Write) return false;
  switch (exit.by) {
    case VirtualExit::By::Page:
      return exit.where == LapicRegister::kEoi;
    case VirtualExit::By::Msr:
      return exit.where == kEoiMsr;
    default:
      return false;
  }
}

}  // namespace

x86::VirtualAccess Irqchip::on_write(const RegisterWrite& write, Env& env) {
  GuestEnv guest(*this, env);
  if (write.offset >= LapicBank::kMsrSpace) {
    return apics_.wrmsr(write.cpu, write.offset - LapicBank::kMsrSpace, write.value, guest);
  }
  return apics_.write(write.cpu, write.offset, static_cast<std::uint32_t>(write.value), guest);
}

x86::VirtualAccess Irqchip::on_read(const RegisterRead& read, Env& env) {
  GuestEnv guest(*this, env);
  if (read.offset >= LapicBank::kMsrSpace) {
    return apics_.rdmsr(read.cpu, read.offset - LapicBank::kMsrSpace, guest);
  }
  return apics_.read(read.cpu, read.offset, guest);
}

std::optional<Vector> Irqchip::ended_by(const VirtualExit& exit) const {
  const bool by_host = exit.reason != ExitReason::VirtualizedEoi && writes_eoi(exit);
  return by_host ? lapics().isr(exit.vcpu).highest() : std::nullopt;
}

/// Of an EOI that the processor carried out, the interrupt has ended already.
x86::MsrAnswer Irqchip::complete(const VirtualExit& exit, Env& env) {
  const CpuId cpu = exit.vcpu;
  const bool virtualized = exit.reason == ExitReason::VirtualizedEoi;
  const std::optional<Vector> ending =
      virtualized ? std::optional(static_cast<Vector>(exit.qualification)) : ended_by(exit);
  level_ended_ = false;
  GuestEnv guest(*this, env);
  const x86::MsrAnswer answer = apics_.complete(exit, guest);
  const bool readdresses = exit.direction == VirtualExit::Direction::Write &&
                           exit.by == VirtualExit::By::Page &&
                           (exit.where == LapicRegister::kId || exit.where == LapicRegister::kLdr ||
                            exit.where == LapicRegister::kDfr);
  if (readdresses) request_scan();
  if (ending && !lapics().isr(cpu).has(*ending)) finish_eoi(cpu, *ending, env);
  return answer;
}

std::optional<Vector> Irqchip::take_user_eoi(CpuId cpu) {
  return std::exchange(shadows_[raw(cpu)].user_eoi, std::nullopt);
}

void Irqchip::write_ioapic(std::uint32_t offset, std::uint32_t value, Env& env) {
  IoapicEnv chip(*this, env);
  ioapic_.write(offset, value, chip);
  if (offset == x86::IoApic::kIoWin) request_scan();
}

std::uint32_t Irqchip::read_ioapic(std::uint32_t offset, Env& env) {
  IoapicEnv chip(*this, env);
  return ioapic_.read(offset, chip);
}

}  // namespace irqfab::kvm
