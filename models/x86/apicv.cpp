// What processors of both vendors and the host do for a guest's local APICs.

#include "models/x86/apicv.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "models/x86/apicv_env.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

/// "Last PID-pointer index" has 16 bits.
constexpr std::uint32_t kMaxPidPointers = 0x10000;

LapicBank::Config bank_config(const VirtualApics::Config& config) {
  LapicBank::Config bank = config.lapics;
  bank.requests = Requests::HandedOver;
  return bank;
}

}  // namespace

VirtualApics::VirtualApics(const Config& config)
    : config_(config),
      bank_(bank_config(config)),
      vcpus_(config.lapics.ids.size()),
      tables_(config.x2avic == X2avic::Present ? kX2avicMaxIndex : kAvicMaxIndex) {
  assert(can_enter(config.controls));
  for (std::uint32_t i = 0; i < config.lapics.ids.size(); ++i) {
    const std::uint32_t id = raw(config.lapics.ids[i]);
    if (id < kMaxPidPointers) {
      if (id >= pid_pointers_.size()) pid_pointers_.resize(id + 1);
      pid_pointers_[id] = CpuId{i};
    }
    if (AvicTables::Physical* entry = tables_.at(ApicId{id})) {
      *entry = {true, false, ApicId{}, CpuId{i}};
    } else {
      inhibits_.add(Inhibit::PhysicalIdTooBig);
    }
  }
  signals_.reserve(config.lapics.ids.size() + 1);
  targets_.reserve(config.lapics.ids.size());
}

ApicvControls VirtualApics::controls() const {
  const bool delivers = config_.virtualization == Virtualization::Apicv && active();
  return delivers ? config_.controls : without_delivery(config_.controls);
}

bool VirtualApics::delivers() const {
  return avic_active() || controls().has(ApicvControl::VirtualInterruptDelivery);
}

bool VirtualApics::is_register_msr(CpuId vcpu, std::uint32_t msr) const {
  return bank_.mode(vcpu) == LapicMode::X2apic && msr >= LapicMsr::kFirst && msr <= LapicMsr::kLast;
}

// ---- lines and IRRs -----------------------------------------------------------------------------

/// Evaluation of pending virtual interrupts (SDM 30.2.1).
void VirtualApics::look(CpuId vcpu, SpanId raised_by, Env& env) {
  Level& line = vcpus_[vcpu].line;
  const Level now = bank_.intr(vcpu);
  if (line == now) return;
  line = now;
  env.send(LapicBank::kCpu, CpuLineChange{vcpu, CpuLine::Intr, now, kNoSpan, {}, raised_by});
}

bool VirtualApics::has_event(CpuId vcpu) const {
  const PostedDescriptor& descriptor = vcpus_[vcpu].descriptor;
  const bool posted = descriptor.on() || (descriptor.sn() && !descriptor.pir().empty());
  return posted || bank_.intr(vcpu) == Level::High;
}

/// SDM 30.2.2. VPPR follows from the new SVI.
IntaAnswer VirtualApics::take(CpuId vcpu, Env& env) {
  vcpus_[vcpu].line = Level::Low;
  BankEnv bank_env(*this, env);
  return bank_.on_inta(vcpu, bank_env);
}

/// A local APIC accepted an interrupt, in software.
void VirtualApics::accepted(CpuId vcpu, Vector vector, SpanId span, Env& env) {
  Vcpu& target = vcpus_[vcpu];
  if (posts()) {
    const std::uint32_t line = config_.first_descriptor + raw(vcpu);
    const PostAnswer answer = target.descriptor.post(vector, Urgency::Urgent, span, line, env);
    if (!answer.notify) return;
    const ApicId host{target.descriptor.ndst()};
    signals_.push_back({VirtualSignal::Kind::Kick, vcpu, host, target.descriptor.nv(),
                        target.descriptor.span_at(vector)});
    return;
  }
  BankEnv bank_env(*this, env);
  bank_.request(vcpu, vector, span, bank_env);
  const AvicTables::Physical* entry = tables_.at(table_id(vcpu));
  const ApicId host = entry != nullptr ? entry->host : ApicId{};
  const SpanId pending = bank_.requested(vcpu, vector);
  signals_.push_back({VirtualSignal::Kind::Kick, vcpu, host, Vector{}, pending});
}

unsigned VirtualApics::on_message(const ApicMessage& message, SpanId span, Env& env) {
  BankEnv bank_env(*this, env);
  return bank_.on_message(message, span, bank_env);
}

void VirtualApics::on_elapsed(const Elapsed& elapsed, Env& env) {
  BankEnv bank_env(*this, env);
  bank_.receive(PortId{}, elapsed, bank_env);
}

void VirtualApics::on_pin(const PinChange& change, Env& env) {
  BankEnv bank_env(*this, env);
  bank_.on_pin(change, bank_env);
}

// ---- posted interrupts --------------------------------------------------------------------------

PostAnswer VirtualApics::post(CpuId vcpu, Vector vector, Urgency urgency, SpanId span, Env& env) {
  const std::uint32_t line = config_.first_descriptor + raw(vcpu);
  if (config_.virtualization != Virtualization::Avic) {
    return vcpus_[vcpu].descriptor.post(vector, urgency, span, line, env);
  }
  env.note(Event::Posted, span, std::uint64_t{line} << 8 | raw(vector));
  BankEnv bank_env(*this, env);
  bank_.request(vcpu, vector, span, bank_env);
  return {};
}

/// SDM 30.6, steps 3 to 6: ON is cleared, and the PIR goes to the IRR. The vector's TMR bit stays
/// as it is.
void VirtualApics::take_posted(CpuId vcpu, Env& env) {
  PostedDescriptor& descriptor = vcpus_[vcpu].descriptor;
  descriptor.set_on(false);
  BankEnv bank_env(*this, env);
  for (unsigned quarter = 0; quarter < 4; ++quarter) {
    descriptor.take_quarter(quarter, [&](Vector vector, SpanId span) {
      env.note(Event::PirSynced, span, name_of(vcpu, vector));
      bank_.request(vcpu, vector, span, bank_env);
    });
  }
}

/// After the INIT of its local APIC: the host takes back what was posted, and the table entries.
void VirtualApics::start_anew(CpuId vcpu, Env& env) {
  PostedDescriptor& descriptor = vcpus_[vcpu].descriptor;
  descriptor.set_on(false);
  for (unsigned quarter = 0; quarter < 4; ++quarter) {
    descriptor.take_quarter(quarter,
                            [&](Vector, SpanId span) { env.cancel(span, CancelOp::Reset); });
  }
  rebuild_logical();
  look(vcpu, kNoSpan, env);
}

void VirtualApics::sync(CpuId vcpu, Env& env) {
  take_posted(vcpu, env);
  look(vcpu, bank_.requested(vcpu, rvi(vcpu)), env);
}

void VirtualApics::doorbell(CpuId vcpu, Env& env) {
  look(vcpu, bank_.requested(vcpu, rvi(vcpu)), env);
}

// ---- the host -----------------------------------------------------------------------------------

/// Descriptors are synchronized even while virtualization is off: remapping units go on posting.
void VirtualApics::enter(CpuId vcpu, Env& env) {
  Vcpu& entered = vcpus_[vcpu];
  if (entered.descriptor.on()) take_posted(vcpu, env);
  // Without delivery the guest exits when it lowers its TPR so far that something can be injected
  // (SDM 25.6.8, "TPR threshold").
  const std::uint8_t requested = bank_.irr(vcpu).highest_class() >> 4;
  const std::uint8_t task = bank_.tpr(vcpu) >> 4;
  entered.tpr_threshold = delivers() || task < requested ? 0 : requested;
  look(vcpu, bank_.requested(vcpu, rvi(vcpu)), env);
}

void VirtualApics::init(CpuId vcpu, Env& env) {
  BankEnv bank_env(*this, env);
  bank_.init(vcpu, bank_env);
  start_anew(vcpu, env);
}

MsrAnswer VirtualApics::complete(const VirtualExit& exit, Env& env) {
  switch (exit.reason) {
    case ExitReason::TprBelowThreshold:
      return {};
    case ExitReason::VirtualizedEoi: {
      BankEnv bank_env(*this, env);
      bank_.finish_eoi(exit.vcpu, static_cast<Vector>(exit.qualification), bank_env);
      return {};
    }
    case ExitReason::IncompleteIpi:
      if (cause_of(exit.info2) != IncompleteIpi::TargetNotRunning) return carry_out(exit, env);
      kick_stopped(exit);
      return {};
    default:
      return carry_out(exit, env);
  }
}

/// The host does to the registers what the guest asked for.
MsrAnswer VirtualApics::carry_out(const VirtualExit& exit, Env& env) {
  BankEnv bank_env(*this, env);
  const bool reads = exit.direction == Direction::Read;
  MsrAnswer answer;
  if (exit.by == By::Msr) {
    answer = reads ? bank_.rdmsr(exit.vcpu, exit.where, bank_env)
                   : bank_.wrmsr(exit.vcpu, exit.where, exit.value, bank_env);
  } else if (reads) {
    answer.value = bank_.read(exit.vcpu, exit.where, bank_env);
  } else {
    bank_.write(exit.vcpu, exit.where, static_cast<std::uint32_t>(exit.value), bank_env);
  }
  if (!reads) host_wrote(exit);
  return answer;
}

/// What follows from a register that the host keeps tables and inhibits by.
void VirtualApics::host_wrote(const VirtualExit& exit) {
  const CpuId vcpu = exit.vcpu;
  const bool base = exit.by == By::Msr && exit.where == LapicMsr::kApicBase;
  const bool by_page = exit.by == By::Page;
  if (base) {
    const bool moved =
        ApicBase::Address::get(bank_.apic_base(vcpu)) != ApicBase::Address::get(ApicBase::kReset);
    if (moved && bank_.mode(vcpu) != LapicMode::Disabled) inhibit(Inhibit::ApicBaseModified);
  }
  if (by_page && exit.where == Register::kId) {
    const bool modified = bank_.id(vcpu) != (raw(table_id(vcpu)) & kXapicIds);
    if (modified) inhibit(Inhibit::ApicIdModified);
  }
  const bool logical = by_page && (exit.where == Register::kLdr || exit.where == Register::kDfr);
  if (base || logical) rebuild_logical();
}

void VirtualApics::set_inhibits(Inhibits inhibits) {
  const bool was_active = active();
  inhibits_ = inhibits;
  if (active() == was_active) return;
  for (std::uint32_t i = 0; i < vcpus_.size(); ++i) {
    signals_.push_back({VirtualSignal::Kind::Kick, CpuId{i}, {}, {}, kNoSpan});
  }
}

void VirtualApics::inhibit(Inhibit why) {
  Inhibits inhibits = inhibits_;
  inhibits.add(why);
  set_inhibits(inhibits);
}

void VirtualApics::allow(Inhibit why) {
  Inhibits inhibits = inhibits_;
  inhibits.remove(why);
  set_inhibits(inhibits);
}

// ---- state --------------------------------------------------------------------------------------

void VirtualApics::held_spans(std::vector<SpanId>& out) const {
  bank_.held_spans(out);
  for (const Vcpu& vcpu : vcpus_) vcpu.descriptor.held_spans(out);
}

bool VirtualApics::Vcpu::operator==(const Vcpu& other) const {
  return descriptor == other.descriptor && eoi_exits == other.eoi_exits &&
         tpr_threshold == other.tpr_threshold && line == other.line;
}

bool operator==(const VirtualApics& a, const VirtualApics& b) {
  return std::tie(a.bank_, a.vcpus_, a.inhibits_, a.tables_, a.signals_) ==
         std::tie(b.bank_, b.vcpus_, b.inhibits_, b.tables_, b.signals_);
}

}  // namespace irqfab::x86
