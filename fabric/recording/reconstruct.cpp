#include "fabric/recording/reconstruct.hpp"

#include <algorithm>
#include <utility>

#include "fabric/recording/guest_access.hpp"
#include "fabric/recording/icr.hpp"

namespace irqfab::recording {
namespace {

using Reg = x86::LapicRegister;

constexpr std::size_t kMostStimuli = 16'000'000;  // 2 GB; a recording of hours
constexpr std::size_t kMostThreads = 100'000;
constexpr std::uint32_t kMostVcpus = 4096;          // KVM_MAX_VCPU_IDS
constexpr unsigned kFirstLegalVector = 16;          // SDM vol. 3, 11.5.2: 0-15 are never delivered
constexpr std::uint32_t kLastPin = 239;             // of an IOAPIC: MaxRedirEntry is 8 bits
constexpr std::uint64_t kX2apicEnabled = 1 << 10;   // IA32_APIC_BASE.EXTD
constexpr std::string_view kUnknownComm = "<...>";  // ftrace forgot the name

bool is_one_lapic(std::uint32_t dst, x86::DestinationMode mode) {
  return mode == x86::DestinationMode::Physical && dst != kBroadcast8 && dst != kBroadcast32;
}

/// The set that a message or an IPI is for, if it is one.
std::optional<std::uint32_t> logical_destination(const Act& act) {
  constexpr auto kLogical = x86::DestinationMode::Logical;
  if (const auto* sent = std::get_if<MessageSent>(&act)) {
    if (sent->message.destination_mode == kLogical) return sent->message.dst;
  } else if (const auto* sent_ipi = std::get_if<IpiSent>(&act)) {
    const ApicIpi& ipi = sent_ipi->ipi;
    if (ipi.destination_mode == kLogical && ipi.shorthand == Shorthand::None) return ipi.dst;
  }
  return std::nullopt;
}

/// Registers whose writes a replay repeats as they are.
bool is_replayed(std::uint32_t offset) {
  return offset == Reg::kTpr || offset == Reg::kLdr || offset == Reg::kDfr || offset == Reg::kSvr ||
         offset == kLvtLint0 || offset == kLvtLint1;
}

}  // namespace

void Reconstruction::fail(std::string code, std::string message, std::string expected) {
  if (error_) return;
  Diagnostic d;
  d.code = std::move(code);
  d.where.file = file_;
  d.message = std::move(message);
  d.expected = std::move(expected);
  error_ = std::move(d);
}

std::size_t Reconstruction::actor_of(const RecordedEvent& event) {
  const bool idle = event.pid <= 0;  // each CPU has an idle thread of its own, all with pid 0
  const auto key = std::make_pair(event.pid, idle ? event.cpu : 0u);
  auto found = actor_ids_.find(key);
  if (found == actor_ids_.end()) {
    if (actors_.size() >= kMostThreads) {
      fail("too-many-threads", "more than " + std::to_string(kMostThreads) + " threads",
           "a recording of one virtual machine");
      return 0;
    }
    Actor actor;
    actor.pid = event.pid;
    found = actor_ids_.emplace(key, actors_.size()).first;
    actors_.push_back(std::move(actor));
  }
  Actor& actor = actors_[found->second];
  const bool unnamed = actor.name.empty() || actor.name == kUnknownComm;
  if (unnamed) actor.name = std::string(event.comm);
  return found->second;
}

bool Reconstruction::take(const RecordedEvent& event) {
  if (std::holds_alternative<Other>(event.what)) return !error_;
  const std::size_t actor = actor_of(event);
  if (error_) return false;
  ++events_;
  if (!std::holds_alternative<Marker>(event.what)) {
    origin_ns_ = std::min(origin_ns_, event.ns);
    latest_ns_ = std::max(latest_ns_, event.ns);
  }
  At at{event.ns, actor, calls_[{actor, event.context}]};
  std::visit([&](const auto& e) { on(e, at); }, event.what);
  return !error_;
}

void Reconstruction::too_long() {
  fail("too-many-events", "more than " + std::to_string(kMostStimuli) + " interrupts",
       "a shorter recording");
}

Reconstruction::Draft& Reconstruction::draft(At at, Act act) {
  if (drafts_.size() >= kMostStimuli) {
    too_long();
    drafts_.pop_back();
  }
  Draft made;
  made.ns = at.ns;
  made.order = order();
  made.actor = at.actor;
  made.act = std::move(act);
  drafts_.push_back(std::move(made));
  return drafts_.back();
}

void Reconstruction::begin(At at, CallKind kind, Targets targets) {
  end_call(at.call);
  at.call.kind = kind;
  at.call.draft = drafts_.size() - 1;
  at.call.targets = targets;
}

void Reconstruction::end_call(Call& call) {
  call.kind = CallKind::None;
  call.takers.clear();
  call.orphans.clear();
}

/// False for an id that no virtual machine has.
bool Reconstruction::meet(ApicId apic) {
  if (raw(apic) >= kMostVcpus) {
    fail("apic-id", "APIC id " + std::to_string(raw(apic)) + " in the recording",
         "ids below " + std::to_string(kMostVcpus));
    return false;
  }
  apics_.insert(apic);
  return true;
}

void Reconstruction::runs(std::size_t actor, ApicId apic) {
  if (!meet(apic)) return;
  const auto [found, is_new] = runner_.emplace(apic, actor);
  if (!is_new && found->second != actor) {
    fail("several-machines",
         "threads " + std::to_string(actors_[found->second].pid) + " and " +
             std::to_string(actors_[actor].pid) + " both run vCPU " + std::to_string(raw(apic)),
         "a recording of one virtual machine (trace-cmd record -P, perf record -p)");
    return;
  }
  Actor& runner = actors_[actor];
  if (!runner.first_vcpu) runner.first_vcpu = apic;
  runner.vcpu = apic;
}

void Reconstruction::on(const SetIrq& e, At at) {
  const bool after_ack = at.call.acknowledging;
  Draft& made = draft(at, LineDriven{e.gsi, e.level, e.source});
  if (after_ack && e.source == kResamplerSource && e.level == Level::Low) {
    made.hint = Hint::AfterAck;
  } else {
    at.call.acknowledging = false;
  }
  begin(at, CallKind::Line, Targets::Many);
}

void Reconstruction::on(const MsiSetIrq& e, At at) {
  const bool many = !is_one_lapic(e.dst, e.destination_mode) &&
                    e.mode != x86::DeliveryMode::LowestPriority &&
                    e.hint == x86::RedirectionHint::Off;
  std::optional<Gsi> route;
  if (at.call.kind == CallKind::Line && at.call.takers.empty()) {
    Draft& line = drafts_[at.call.draft];
    const auto& driven = std::get<LineDriven>(line.act);
    if (driven.level == Level::High) {  // the GSI's route is a message
      route = driven.gsi;
      line.hint = Hint::Nothing;
    }
  }
  draft(at, MessageSent{e, route});
  begin(at, CallKind::Message, many ? Targets::Many : Targets::One);
}

void Reconstruction::on(const ApicIpi& e, At at) {
  saw_ipi_events_ = true;
  begin_ipi(e, at);
}

void Reconstruction::begin_ipi(const ApicIpi& e, At at) {
  Draft& made = draft(at, IpiSent{e, {}});
  if (const auto vcpu = actors_[at.actor].vcpu) {
    std::get<IpiSent>(made.act).from = *vcpu;
    made.knows_vcpu = true;
  }
  const bool one = e.shorthand == Shorthand::Self ||
                   (e.shorthand == Shorthand::None && is_one_lapic(e.dst, e.destination_mode)) ||
                   e.mode == x86::DeliveryMode::LowestPriority;
  begin(at, CallKind::Message, one ? Targets::One : Targets::Many);
}

/// kvm_apic_ipi says the same in better order; this is for recordings without it. In x2APIC mode
/// the write is printed after the acceptance, in xAPIC mode before it.
void Reconstruction::wrote_icr(const ApicAccess& e, At at) {
  if (saw_ipi_events_) return;
  const auto high = static_cast<std::uint32_t>(e.value >> 32);
  const std::uint32_t dst = high != 0 ? high : x86::Icr::Destination::get(actors_[at.actor].ICR2);
  ApicIpi ipi = ipi_of(static_cast<std::uint32_t>(e.value), dst);
  if (e.offset == kSelfIpi) ipi.shorthand = Shorthand::Self;
  bool taken = false;
  for (const std::size_t orphan : at.call.orphans) {
    const auto& local = std::get<LocalVector>(drafts_[orphan].act);
    if (local.vector != ipi.vector || local.mode != ipi.mode) continue;
    drafts_[orphan].hint = Hint::Nothing;
    taken = true;
  }
  begin_ipi(ipi, at);
  drafts_.back().hint = Hint::FromIcr;
  drafts_.back().taken = taken;
  if (taken) end_call(at.call);
}

void Reconstruction::on(const ApicAccess& e, At at) {
  if (e.access == Access::Read || e.offset == Reg::kEoi) return;
  if (e.offset == Reg::kIcrLow || e.offset == kSelfIpi) return wrote_icr(e, at);
  end_call(at.call);
  if (e.offset == Reg::kIcrHigh) actors_[at.actor].ICR2 = static_cast<std::uint32_t>(e.value);
  if (!is_replayed(e.offset)) return;
  Draft& made = draft(at, RegisterWritten{{}, e.offset, static_cast<std::uint32_t>(e.value)});
  if (const auto vcpu = actors_[at.actor].vcpu) {
    std::get<RegisterWritten>(made.act).cpu = *vcpu;
    made.knows_vcpu = true;
  }
}

bool Reconstruction::belongs(const AcceptIrq& e, const Call& call) const {
  if (call.kind == CallKind::None) return false;
  const Draft& cause = drafts_[call.draft];
  if (call.targets == Targets::One && cause.taken) return false;
  if (const auto* line = std::get_if<LineDriven>(&cause.act)) return line->level == Level::High;
  if (const auto* ipi = std::get_if<IpiSent>(&cause.act)) return ipi->ipi.vector == e.vector;
  const auto* sent = std::get_if<MessageSent>(&cause.act);
  return sent != nullptr && sent->message.vector == e.vector;
}

/// A destination of more than 8 bits cannot be replayed; the LAPICs that took the message can.
void Reconstruction::take_widely_addressed(const AcceptIrq& e, At at) {
  drafts_[at.call.draft].hint = Hint::Nothing;
  Draft& made = draft(at, LocalVector{e.apic, e.vector, e.mode});
  made.taken = true;
}

/// For recordings without kvm_ioapic_set_irq: the pin of the same number sends what was accepted.
void Reconstruction::guess_entry(const AcceptIrq& e, At at) {
  const Draft& line = drafts_[at.call.draft];
  const Gsi gsi = std::get<LineDriven>(line.act).gsi;
  if (raw(gsi) > kLastPin || raw(e.apic) > kBroadcast8 || !at.call.takers.empty()) return;
  IoapicSetIrq entry;
  entry.pin = static_cast<Pin>(raw(gsi));
  entry.dst = static_cast<std::uint8_t>(raw(e.apic));
  entry.vector = e.vector;
  entry.mode = e.mode;
  entry.trigger = e.trigger;
  const std::uint64_t ns = line.ns, before = line.order - 1;
  if (const auto written = guessed_.saw(entry)) {
    Draft& made = draft(at, *written);
    made.ns = ns;
    made.order = before;
    made.hint = Hint::Guessed;
  }
}

/// Not from a call: the EOI of a level that is still high, or the LAPIC's own timer or LINT input.
void Reconstruction::accept_orphan(const AcceptIrq& e, At at) {
  if (e.trigger == x86::TriggerMode::Level) {
    ++left_out_.redeliveries;
    return;
  }
  if (at.call.kind != CallKind::None) end_call(at.call);
  draft(at, LocalVector{e.apic, e.vector, e.mode}).taken = true;
  at.call.orphans.push_back(drafts_.size() - 1);
}

void Reconstruction::on(const AcceptIrq& e, At at) {
  if (!meet(e.apic)) return;
  ++acceptances_;
  std::uint64_t sent_ns = at.ns;
  using Delivery = AcknowledgeLedger::Delivery;
  Delivery delivery = Delivery::First;
  if (belongs(e, at.call)) {
    Draft& cause = drafts_[at.call.draft];
    cause.taken = true;
    sent_ns = cause.ns;
    const std::optional<std::uint32_t> set = logical_destination(cause.act);
    if (std::holds_alternative<LineDriven>(cause.act)) {
      if (!saw_entries_) guess_entry(e, at);
    } else if (set && *set > kBroadcast8 && *set != kBroadcast32) {
      take_widely_addressed(e, at);
    } else if (set) {
      logical_.took(*set, e.apic);
    }
    at.call.takers.push_back(e.apic);
  } else {
    if (e.trigger == x86::TriggerMode::Level) delivery = Delivery::Again;
    accept_orphan(e, at);
  }
  const bool is_acknowledged =
      e.mode == x86::DeliveryMode::Fixed || e.mode == x86::DeliveryMode::LowestPriority;
  if (e.trigger == x86::TriggerMode::Level) saw_levels_ = true;
  if (e.trigger == x86::TriggerMode::Level || !is_acknowledged) counts_unsure_ = true;
  if (is_acknowledged && raw(e.vector) >= kFirstLegalVector) {
    ledger_.accepted(e.apic, {e.vector, sent_ns, at.ns, delivery});
  }
}

void Reconstruction::on(const IoapicSetIrq& e, At at) {
  saw_entries_ = true;
  std::uint64_t ns = at.ns, before = order() - 1;
  if (at.call.kind == CallKind::Line) {
    const Draft& line = drafts_[at.call.draft];
    ns = line.ns;
    before = line.order - 1;
    ioapic_.learn(std::get<LineDriven>(line.act).gsi, e.pin);
    if (e.destination_mode == x86::DestinationMode::Logical) {
      for (const ApicId taker : at.call.takers) logical_.took(e.dst, taker);
    }
  } else {
    ++left_out_.pins_alone;
  }
  if (const auto written = ioapic_.saw(e)) {
    Draft& made = draft(at, *written);
    made.ns = ns;
    made.order = before;
  }
  end_call(at.call);
}

/// kvm_pic_set_irq follows the kvm_set_irq that led to it, and goes before kvm_ioapic_set_irq.
void Reconstruction::on(const PicSetIrq& e, At at) {
  ++pic_inputs_;
  std::uint64_t ns = at.ns, before = order() - 1;
  if (at.call.kind == CallKind::Line) {
    ns = drafts_[at.call.draft].ns;
    before = drafts_[at.call.draft].order - 1;
  }
  for (const PortWritten& write : pics_.saw(e)) {
    Draft& made = draft(at, write);
    made.ns = ns;
    made.order = before;
  }
}

void Reconstruction::on(const Eoi& e, At at) {
  end_call(at.call);
  at.call.acknowledging = false;
  runs(at.actor, e.apic);
  if (error_) return;
  if (!e.vector) {
    ++left_out_.artefact_eois;
    ledger_.touched(e.apic, at.ns);
    return;
  }
  first_eoi_.emplace(e.apic, order());
  if (ledger_.acknowledged(e.apic, *e.vector, at.ns) == AcknowledgeLedger::Origin::Earlier) {
    ++left_out_.earlier_eois;
    return;
  }
  if (handled_.size() >= kMostStimuli) return too_long();
  handled_.push_back({at.ns, e.apic, *e.vector});
}

void Reconstruction::on(const AckIrq& e, At at) {
  end_call(at.call);
  at.call.acknowledging = true;
  const auto ended = pics_.acknowledged(e);
  if (!ended) return;
  counts_unsure_ = true;  // the recording does not say when the guest enables interrupts
  const ApicId apic = actors_[at.actor].vcpu.value_or(ApicId{0});
  if (!meet(apic)) return;
  if (handled_.size() >= kMostStimuli) return too_long();
  handled_.push_back({at.ns, apic, *ended});
}

void Reconstruction::on(const IoapicMmioWrite& e, At at) {
  end_call(at.call);
  if (const auto written = ioapic_.wrote(e)) draft(at, *written);
}

void Reconstruction::on(const ApicMsrWrite& e, At) {
  if (e.index != kMsrApicBase || (e.value & kX2apicEnabled) != 0) x2apic_ = true;
}

void Reconstruction::on(const PicPortWrite& e, At at) {
  end_call(at.call);
  if (const auto write = pics_.wrote(e)) {
    draft(at, *write);
  } else {
    ++left_out_.pic_ends;
  }
}

void Reconstruction::on(const VcpuRan& e, At at) {
  end_call(at.call);
  runs(at.actor, e.apic);
}

void Reconstruction::on(const VcpuWoken&, At) { ++left_out_.wake_ups; }

void Reconstruction::on(const Marker& e, At at) {
  constexpr std::string_view kSource = "src=";
  const std::size_t found = e.text.find(kSource);
  if (found == std::string_view::npos) return;
  if (claims_.size() >= kMostStimuli) return too_long();
  const std::string_view name = e.text.substr(found + kSource.size());
  claims_.emplace_back(at.ns, std::string(name.substr(0, name.find(' '))));
}

void Reconstruction::on(const Other&, At) {}

}  // namespace irqfab::recording
