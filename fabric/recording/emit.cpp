#include "fabric/recording/emit.hpp"

#include <algorithm>
#include <optional>

#include "fabric/recording/emit_text.hpp"
#include "fabric/recording/icr.hpp"

namespace irqfab::recording {
namespace {

using Reg = x86::LapicRegister;
using x86::ApicMessage;
using x86::TriggerMode;

constexpr std::uint32_t kLastApicId = 254;  // 255 is the broadcast

using CpuOfWrite = Field<63, 48>;
using OffsetOfWrite = Field<47, 32>;
using ValueOfWrite = Field<31, 0>;
using PinOfEntry = Field<39, 32>;
using SourceOfLine = Field<63, 40>;
using LevelOfLine = Flag<32>;
using GsiOfLine = Field<31, 0>;
using AddressOfMessage = Field<63, 32>;
using DataOfMessage = Field<31, 0>;
/// The destination in 8 bits; nothing if it has more.
std::optional<std::uint8_t> narrow(std::uint32_t dst) {
  if (dst == kBroadcast32) return static_cast<std::uint8_t>(kBroadcast8);
  if (dst > kBroadcast8) return std::nullopt;
  return static_cast<std::uint8_t>(dst);
}

std::uint64_t detail_of(const ApicMessage& message) {
  const x86::MsiMessage msi = x86::encode(message);
  return AddressOfMessage::set(0, msi.address) | DataOfMessage::set(0, msi.data);
}

std::uint64_t register_write(ApicId cpu, std::uint32_t offset, std::uint64_t value) {
  return CpuOfWrite::set(0, raw(cpu)) | OffsetOfWrite::set(0, offset) | ValueOfWrite::set(0, value);
}

/// Puts records down in canonical order: at one time, in the order of the recording.
class Records {
 public:
  explicit Records(Emitted& out) : out_(out) {}

  void at(Time time, ThreadId thread) {
    time_ = time;
    node_ = static_cast<NodeId>(raw(thread));
  }
  void add(Event event, std::uint64_t detail) {
    TraceRecord record;
    record.time = time_;
    record.detail = detail;
    record.node = node_;
    record.event = event;
    if (!out_.records.empty() && out_.records.back().time >= time_) after_last(record);
    out_.records.push_back(record);
  }

  void operator()(const MessageSent& act) {
    const auto dst = narrow(act.message.dst);
    if (!dst) return leave_out();
    ApicMessage m;
    m.destination = static_cast<ApicId>(*dst);
    m.vector = act.message.vector;
    m.delivery_mode = act.message.mode;
    m.destination_mode = act.message.destination_mode;
    m.trigger_mode = act.message.trigger;
    m.level = m.trigger_mode == TriggerMode::Level ? Level::High : Level::Low;
    m.redirection_hint = act.message.hint;
    add(Event::SignalMsiCalled, detail_of(m));
  }
  void operator()(const LocalVector& act) {
    ApicMessage m;
    m.destination = act.apic;
    m.vector = act.vector;
    m.delivery_mode = act.mode;
    m.level = Level::Low;
    add(Event::SignalMsiCalled, detail_of(m));
  }
  void operator()(const LineDriven& act) {
    add(Event::IrqLineCalled, SourceOfLine::set(0, act.source) |
                                  LevelOfLine::set(0, static_cast<std::uint64_t>(act.level)) |
                                  GsiOfLine::set(0, raw(act.gsi)));
  }
  void operator()(const IrqfdSignalled& act) { add(Event::EventfdWritten, eventfd_of(act)); }
  void operator()(const IpiSent& act) {
    const auto dst = narrow(act.ipi.dst);
    const bool named = act.ipi.shorthand == Shorthand::None;
    if (named && !dst) return leave_out();
    if (named) {
      const std::uint32_t high = x86::Icr::Destination::set(0, *dst);
      add(Event::ApicWritten, register_write(act.from, Reg::kIcrHigh, high));
    }
    add(Event::ApicWritten, register_write(act.from, Reg::kIcrLow, icr_low(act.ipi)));
  }
  void operator()(const RegisterWritten& act) {
    add(Event::ApicWritten, register_write(act.cpu, act.offset, act.value));
  }
  void operator()(const PortWritten& act) {
    add(Event::PortWritten, std::uint64_t{act.port} << 8 | act.value);
  }
  void operator()(const EntryWritten& act) {
    add(Event::RteWritten, PinOfEntry::set(act.entry.bits, raw(act.pin)));
  }

 private:
  void leave_out() { ++out_.unaddressable; }
  /// The next place after the last record: a round later, or when those are used up, a picosecond.
  void after_last(TraceRecord& record) const {
    const TraceRecord& last = out_.records.back();
    constexpr std::uint16_t kLastRound = 0xFFFF;
    const bool full = last.round == kLastRound;
    record.time = full ? last.time + 1 : last.time;
    record.round = full ? std::uint16_t{0} : static_cast<std::uint16_t>(last.round + 1);
  }

  Emitted& out_;
  Time time_ = 0;
  NodeId node_{};
};

/// vCPUs leave the guest before anything else of that time.
void emit_records(const Replay& replay, Emitted& out) {
  std::vector<const Vcpu*> stops;
  for (const Vcpu& vcpu : replay.vcpus) {
    if (vcpu.stops_at) stops.push_back(&vcpu);
  }
  std::stable_sort(stops.begin(), stops.end(),
                   [](const Vcpu* a, const Vcpu* b) { return *a->stops_at < *b->stops_at; });
  Records records(out);
  std::size_t stopped = 0;
  const auto stop_until = [&](Time time) {
    for (; stopped < stops.size() && *stops[stopped]->stops_at <= time; ++stopped) {
      const Vcpu& vcpu = *stops[stopped];
      records.at(*vcpu.stops_at, vcpu.thread.value_or(ThreadId{}));
      records.add(Event::VcpuStopped, raw(vcpu.apic));
    }
  };
  for (const Stimulus& stimulus : replay.stimuli) {
    stop_until(stimulus.time);
    records.at(stimulus.time, stimulus.thread);
    std::visit(records, stimulus.act);
  }
  stop_until(kNever);
}

}  // namespace

std::uint64_t eventfd_of(const IrqfdSignalled& act) {
  return raw(act.gsi) + (act.resampling == Resampling::Yes ? kResamplingEventfds : 0);
}

Result<Emitted> emit(const Recording& recording, const EmitOptions& options) {
  const Replay& replay = recording.replay;
  for (const Vcpu& vcpu : replay.vcpus) {
    if (raw(vcpu.apic) <= kLastApicId) continue;
    Diagnostic d;
    d.code = "apic-id";
    d.where.file = options.recording;
    d.message = "vCPU " + std::to_string(raw(vcpu.apic)) + " in the recording";
    d.expected = "APIC ids up to 254: x2APIC destinations cannot be replayed yet";
    return d;
  }
  Emitted out;
  for (const Thread& thread : replay.threads) out.nodes.add(node_name(thread));
  emit_records(replay, out);
  out.scenario = scenario_text(recording, options);
  return out;
}

}  // namespace irqfab::recording
