// AMD's Advanced Virtual Interrupt Controller (APM vol. 2, 15.29): accesses, IPIs, table entries.

#include "models/x86/apicv.hpp"
#include "models/x86/apicv_env.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;
using By = VirtualExit::By;
using Direction = VirtualExit::Direction;

constexpr std::uint32_t kRemoteRead = 0x0C0;

enum class Shorthand : std::uint8_t { None, Self, AllIncludingSelf, AllExcludingSelf };

std::uint32_t msr_of(std::uint32_t offset) { return LapicMsr::kFirst + offset / 16; }

VirtualAccess done(std::uint64_t value = 0) { return {std::nullopt, MsrStatus::Done, value}; }

VirtualAccess general_protection(Env& env) {
  env.guest_error(GuestFault::GeneralProtection);
  return {std::nullopt, MsrStatus::GeneralProtection, 0};
}

/// AVIC_NOACCEL.
VirtualAccess no_accel(CpuId vcpu, By by, Direction direction, std::uint32_t offset,
                       std::uint64_t value) {
  const std::uint64_t write = direction == Direction::Write ? AvicNoAccel::kWrite : 0;
  const std::uint32_t where = by == By::Msr ? msr_of(offset) : offset;
  const VirtualExit exit{vcpu,
                         ExitReason::UnacceleratedAccess,
                         write | (offset & AvicNoAccel::kOffsets),
                         0,
                         by,
                         direction,
                         where,
                         value};
  return {exit, MsrStatus::Done, 0};
}

}  // namespace

VirtualAccess VirtualApics::avic_reads(CpuId vcpu, By by, std::uint32_t offset, Env& env) {
  if (avic_read(offset) == AvicAccess::Fault) {
    return no_accel(vcpu, by, Direction::Read, offset, 0);
  }
  BankEnv bank_env(*this, env);
  if (by == By::Msr) {
    const MsrAnswer answer = bank_.rdmsr(vcpu, msr_of(offset), bank_env);
    return {std::nullopt, answer.status, answer.value};
  }
  if (offset == kRemoteRead) return done();  // of the page: nobody ever wrote it
  return done(bank_.read(vcpu, offset, bank_env));
}

VirtualAccess VirtualApics::avic_writes(CpuId vcpu, By by, std::uint32_t offset,
                                        std::uint64_t value, Env& env) {
  const AvicAccess access = avic_write(offset);
  if (access == AvicAccess::Trap || access == AvicAccess::Fault) {
    return no_accel(vcpu, by, Direction::Write, offset, value);
  }
  switch (offset) {
    case Register::kTpr:
      if (by == By::Msr && value > 0xFF) return general_protection(env);
      set_tpr(vcpu, static_cast<std::uint8_t>(value), env);
      look(vcpu, kNoSpan, env);
      return done();
    case Register::kEoi:
      if (by == By::Msr && value != 0) return general_protection(env);
      return avic_eoi(vcpu, by, env);
    case Register::kIcrLow: {
      if (by == By::Msr && icr_is_refused(value)) return general_protection(env);
      const auto high = static_cast<std::uint32_t>(value >> 32);
      const std::uint32_t destination =
          by == By::Msr ? high : Icr::Destination::get(bank_.icr_high(vcpu));
      return avic_icr(vcpu, {by, static_cast<std::uint32_t>(value), destination}, env);
    }
    default: {
      BankEnv bank_env(*this, env);
      bank_.write(vcpu, offset, static_cast<std::uint32_t>(value), bank_env);
      return done();
    }
  }
}

/// Of a level-triggered interrupt somebody has to be told, so it traps, and is not carried out
/// (table 15-22).
VirtualAccess VirtualApics::avic_eoi(CpuId vcpu, By by, Env& env) {
  const Vector ended = svi(vcpu);
  const SpanId span = bank_.serviced(vcpu, ended);
  if (span != kNoSpan && bank_.tmr(vcpu).has(ended)) {
    VirtualAccess access = no_accel(vcpu, by, Direction::Write, Register::kEoi, 0);
    access.exit->info2 = raw(ended);
    return access;
  }
  if (span != kNoSpan) env.note(Event::EoiVirtualized, span, name_of(vcpu, ended));
  BankEnv bank_env(*this, env);
  bank_.retire(vcpu, bank_env);
  look(vcpu, kNoSpan, env);
  return done();
}

/// 15.29.6.1 and 15.29.9.1: what can go wrong is found before anybody is told, but for targets that
/// do not run.
VirtualAccess VirtualApics::avic_icr(CpuId vcpu, const Command& command, Env& env) {
  store_icr(vcpu, command, env);
  const std::uint32_t low = command.low;
  const auto incomplete = [&](std::uint64_t info2) {
    const bool by_msr = command.by == By::Msr;
    const std::uint64_t icr = std::uint64_t{bank_.icr_high(vcpu)} << 32 | low;
    const VirtualExit exit{vcpu,
                           ExitReason::IncompleteIpi,
                           icr,
                           info2,
                           command.by,
                           Direction::Write,
                           by_msr ? msr_of(Register::kIcrLow) : Register::kIcrLow,
                           by_msr ? icr : low};
    return VirtualAccess{exit, MsrStatus::Done, 0};
  };
  const bool fixed_edge =
      Icr::DeliveryMode::get(low) == static_cast<std::uint32_t>(DeliveryMode::Fixed) &&
      !Icr::TriggerMode::is_set(low);
  if (!fixed_edge) return incomplete(incomplete_ipi(IncompleteIpi::InvalidInterruptType, 0));
  const auto vector = static_cast<Vector>(Icr::Vector::get(low));
  if (raw(vector) < 16) return incomplete(incomplete_ipi(IncompleteIpi::InvalidVector, 0));
  if (static_cast<Shorthand>(Icr::Shorthand::get(low)) == Shorthand::Self) {
    self_ipi(vcpu, vector, low, env);
    return done();
  }
  if (const auto invalid = find_targets(vcpu, command)) return incomplete(*invalid);
  const auto stopped = set_irrs(vcpu, vector, low, env);
  return stopped ? incomplete(*stopped) : done();
}

/// Fills targets_; or says which entry is not valid, as EXITINFO2 does.
std::optional<std::uint64_t> VirtualApics::find_targets(CpuId vcpu, const Command& command) {
  targets_.clear();
  const auto shorthand = static_cast<Shorthand>(Icr::Shorthand::get(command.low));
  const std::uint32_t everybody = command.by == By::Msr ? kX2apicBroadcast : kXapicBroadcast;
  const bool logical = Icr::DestinationMode::is_set(command.low);
  if (shorthand == Shorthand::AllExcludingSelf) {
    find_everybody(vcpu, Sender::Excluded);
  } else if (shorthand == Shorthand::AllIncludingSelf || command.destination == everybody) {
    find_everybody(vcpu, Sender::Included);
  } else if (logical) {
    return find_logical(vcpu, command);
  } else {
    return find_physical(ApicId{command.destination}, command.destination);
  }
  return std::nullopt;
}

/// Entries that are not valid are passed over.
void VirtualApics::find_everybody(CpuId sender, Sender own) {
  for (std::uint32_t id = 0; id < tables_.entries(); ++id) {
    const AvicTables::Physical& entry = *tables_.at(ApicId{id});
    const bool left_out = own == Sender::Excluded && entry.vcpu == sender;
    if (entry.valid && !left_out) targets_.push_back(entry.vcpu);
  }
}

std::optional<std::uint64_t> VirtualApics::find_physical(ApicId id, std::uint32_t index) {
  const AvicTables::Physical* entry = tables_.at(id);
  if (entry == nullptr || !entry->valid) {
    return incomplete_ipi(IncompleteIpi::InvalidTarget, index);
  }
  targets_.push_back(entry->vcpu);
  return std::nullopt;
}

/// In x2APIC mode ids follow from the destination; in xAPIC mode the sender's DFR says how the
/// table is laid out.
std::optional<std::uint64_t> VirtualApics::find_logical(CpuId vcpu, const Command& command) {
  const std::uint32_t destination = command.destination;
  const bool x2apic = command.by == By::Msr;
  const bool flat = DestinationModel::get(bank_.dfr(vcpu)) == kFlatModel;
  const std::uint32_t cluster = x2apic ? X2apicCluster::get(destination) << 4
                                : flat ? 0
                                       : (destination >> 4) * 4;
  std::uint32_t members = x2apic || flat ? destination & 0xFFFF : destination & 0xF;
  for (; members != 0; members &= members - 1) {
    const std::uint32_t index = cluster + static_cast<std::uint32_t>(__builtin_ctz(members));
    std::optional<ApicId> id;
    if (x2apic) id = ApicId{index};
    if (!x2apic && index < AvicTables::kClusterEntries) id = tables_.logical(index);
    if (!id) return incomplete_ipi(IncompleteIpi::InvalidTarget, index);
    if (const auto invalid = find_physical(*id, index)) return invalid;
  }
  return std::nullopt;
}

/// All targets have the interrupt after this, and those that run are rung. Says, as EXITINFO2 does,
/// if one does not run.
std::optional<std::uint64_t> VirtualApics::set_irrs(CpuId sender, Vector vector,
                                                    std::uint32_t icr_low, Env& env) {
  const SpanId span = env.open(Cause::Ipi, kNoSpan);
  env.note(Event::IpiVirtualized, span, icr_low);
  if (targets_.empty()) {
    env.drop(span, DropReason::NoSuchTarget);
    return std::nullopt;
  }
  BankEnv bank_env(*this, env);
  std::optional<std::uint64_t> stopped;
  // The first keeps the span, and goes last: it may end at once, by merging.
  for (std::size_t i = targets_.size(); i-- > 0;) {
    const CpuId target = targets_[i];
    SpanId own = span;
    if (i != 0) {
      own = env.open(Cause::Fork, span);
      env.note(Event::Forked, span, raw(own));
    }
    bank_.request(target, vector, own, bank_env);
    const SpanId pending = bank_.requested(target, vector);
    const ApicId id = table_id(target);
    const AvicTables::Physical& entry = *tables_.at(id);
    if (target == sender) {
      look(target, pending, env);
    } else if (entry.is_running) {
      signals_.push_back({VirtualSignal::Kind::Doorbell, target, entry.host, Vector{}, pending});
    } else {
      stopped = incomplete_ipi(IncompleteIpi::TargetNotRunning, raw(id));
    }
  }
  return stopped;
}

/// The host, after the exit of an IPI whose bits are set: whoever runs by now looks by itself.
void VirtualApics::kick_stopped(const VirtualExit& exit) {
  const auto low = static_cast<std::uint32_t>(exit.qualification);
  const auto high = static_cast<std::uint32_t>(exit.qualification >> 32);
  const std::uint32_t destination = exit.by == By::Msr ? high : Icr::Destination::get(high);
  find_targets(exit.vcpu, {exit.by, low, destination});
  const auto vector = static_cast<Vector>(Icr::Vector::get(low));
  for (const CpuId target : targets_) {
    const AvicTables::Physical& entry = *tables_.at(table_id(target));
    if (target == exit.vcpu || entry.is_running) continue;
    const SpanId pending = bank_.requested(target, vector);
    signals_.push_back({VirtualSignal::Kind::Kick, target, entry.host, Vector{}, pending});
  }
}

void VirtualApics::avic_load(CpuId vcpu, ApicId host) {
  if (AvicTables::Physical* entry = tables_.at(table_id(vcpu))) {
    entry->host = host;
    entry->is_running = true;
  }
}

void VirtualApics::avic_put(CpuId vcpu, VcpuPut why) {
  const bool stale =
      why == VcpuPut::Blocked && config_.lapics.mutants.has(Mutant::AvicRunningStale);
  if (stale) return;
  if (AvicTables::Physical* entry = tables_.at(table_id(vcpu))) entry->is_running = false;
}

/// From the LDRs and DFRs of those in xAPIC mode.
void VirtualApics::rebuild_logical() {
  if (config_.virtualization != Virtualization::Avic) return;
  tables_.clear_logical();
  bool aliased = false;
  for (std::uint32_t i = 0; i < vcpus_.size(); ++i) {
    const CpuId vcpu{i};
    if (bank_.mode(vcpu) != LapicMode::Xapic) continue;
    if (!tables_.enter_logical(table_id(vcpu), bank_.ldr(vcpu), bank_.dfr(vcpu))) aliased = true;
  }
  if (aliased) inhibit(Inhibit::LogicalIdAliased);
  if (!aliased) allow(Inhibit::LogicalIdAliased);
}

}  // namespace irqfab::x86
