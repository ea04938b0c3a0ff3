// The end of a reconstruction: what could only be said once all events were seen.
#include <algorithm>
#include <limits>
#include <utility>

#include "fabric/recording/field_scanner.hpp"
#include "fabric/recording/notes.hpp"
#include "fabric/recording/reconstruct.hpp"
#include "models/x86/lapic_registers.hpp"

namespace irqfab::recording {
namespace {

constexpr std::uint64_t kLongestNs = std::numeric_limits<Time>::max() / kPsPerNs / 2;

bool is_set(const std::map<ApicId, std::uint8_t>& ids, ApicId apic, std::uint32_t dst) {
  const auto found = ids.find(apic);
  return found != ids.end() && (found->second & dst) != 0;
}

}  // namespace

bool Reconstruction::is_kworker(std::size_t actor) const {
  constexpr std::string_view kPrefix = "kworker/";
  const std::string_view name = actors_[actor].name;
  return name.substr(0, kPrefix.size()) == kPrefix;
}

/// QEMU calls its threads `CPU 0/KVM`.
std::optional<ApicId> Reconstruction::vcpu_by_name(const Actor& actor) const {
  FieldScanner in(actor.name);
  in.expect("CPU");
  const auto id = static_cast<ApicId>(in.decimal(std::numeric_limits<std::uint32_t>::max()));
  in.expect("/KVM");
  if (!in.ok() || apics_.count(id) == 0) return std::nullopt;
  return id;
}

/// Whose register it was, where the thread was not yet known to run a vCPU when it wrote.
void Reconstruction::resolve_vcpu(Draft& draft) {
  auto* written = std::get_if<RegisterWritten>(&draft.act);
  auto* sent = std::get_if<IpiSent>(&draft.act);
  if (draft.hint == Hint::Nothing || draft.knows_vcpu || (!written && !sent)) return;
  const Actor& actor = actors_[draft.actor];
  std::optional<ApicId> vcpu = actor.first_vcpu ? actor.first_vcpu : vcpu_by_name(actor);
  if (!vcpu && apics_.size() == 1) vcpu = *apics_.begin();
  if (!vcpu) {
    ++left_out_.unknown_vcpu;
    draft.hint = Hint::Nothing;
    return;
  }
  (written ? written->cpu : sent->from) = *vcpu;
}

void Reconstruction::settle_line(Draft& draft) {
  const auto* line = std::get_if<LineDriven>(&draft.act);
  if (line == nullptr || draft.hint == Hint::Nothing) return;
  const bool from_resampler = line->source == kResamplerSource;
  if (draft.hint == Hint::AfterAck) {
    ++left_out_.resampler_lows;
    draft.hint = Hint::Nothing;
  } else if (line->level == Level::High && (from_resampler || is_kworker(draft.actor))) {
    draft.act = IrqfdSignalled{line->gsi, from_resampler ? Resampling::Yes : Resampling::No};
  } else if (!from_resampler && is_kworker(draft.actor)) {
    ++left_out_.half_pulses;
    draft.hint = Hint::Nothing;
  }
}

bool Reconstruction::reaches_someone(const MsiSetIrq& message, const IdsByApic& logical_ids) const {
  const std::uint32_t dst = message.dst;
  if (dst == kBroadcast8 || dst == kBroadcast32) return true;
  if (message.destination_mode == x86::DestinationMode::Physical) {
    return apics_.count(static_cast<ApicId>(dst)) != 0;
  }
  return std::any_of(apics_.begin(), apics_.end(),
                     [&](ApicId apic) { return is_set(logical_ids, apic, dst); });
}

void Reconstruction::settle_drafts(const IdsByApic& logical_ids) {
  for (Draft& draft : drafts_) {
    if (draft.hint == Hint::FromIcr && saw_ipi_events_) draft.hint = Hint::Nothing;
    if (draft.hint == Hint::Guessed && saw_entries_) draft.hint = Hint::Nothing;
    if (!pics_.used() && std::holds_alternative<PortWritten>(draft.act)) draft.hint = Hint::Nothing;
    resolve_vcpu(draft);
    settle_line(draft);
    const auto* sent = std::get_if<MessageSent>(&draft.act);
    if (sent == nullptr || draft.hint == Hint::Nothing || draft.taken || acceptances_ == 0)
      continue;
    if (!reaches_someone(sent->message, logical_ids)) continue;
    ++left_out_.messages_not_sent;
    draft.hint = Hint::Nothing;
  }
}

Time Reconstruction::since_origin(std::uint64_t ns) const {
  return ns > origin_ns_ ? (ns - origin_ns_) * kPsPerNs : 0;
}

ThreadId Reconstruction::thread_of(std::size_t actor, Replay& replay) {
  const auto [found, is_new] =
      threads_.emplace(actor, static_cast<ThreadId>(replay.threads.size()));
  if (is_new) {
    const Actor& from = actors_[actor];
    const ThreadRole role = from.first_vcpu     ? ThreadRole::Vcpu
                            : is_kworker(actor) ? ThreadRole::Kworker
                                                : ThreadRole::Injector;
    replay.threads.push_back({from.name, from.pid, role, from.first_vcpu});
  }
  return found->second;
}

void Reconstruction::make_stimuli(Replay& replay) {
  std::vector<const Draft*> kept;
  for (const Draft& draft : drafts_) {
    if (draft.hint != Hint::Nothing) kept.push_back(&draft);
  }
  std::stable_sort(kept.begin(), kept.end(), [](const Draft* a, const Draft* b) {
    return std::tie(a->ns, a->order) < std::tie(b->ns, b->order);
  });
  replay.stimuli.reserve(kept.size());
  for (const Draft* draft : kept) {
    const ThreadId thread = thread_of(draft->actor, replay);
    replay.stimuli.push_back({since_origin(draft->ns), thread, draft->act});
  }
  for (const auto& [apic, actor] : runner_) thread_of(actor, replay);
}

/// A guest that sets a LAPIC up in the recording finds it as a reset leaves it; any other LAPIC is
/// as the guest had set it up before.
void Reconstruction::make_vcpus(const IdsByApic& logical_ids, Replay& replay) {
  std::map<ApicId, std::uint64_t> first_svr;
  std::set<ApicId> wrote_ldr;
  for (const Draft& draft : drafts_) {
    const auto* written = std::get_if<RegisterWritten>(&draft.act);
    if (written == nullptr || draft.hint == Hint::Nothing) continue;
    if (written->offset == x86::LapicRegister::kSvr) first_svr.emplace(written->cpu, draft.order);
    if (written->offset == x86::LapicRegister::kLdr) wrote_ldr.insert(written->cpu);
  }
  for (const ApicId apic : apics_) {
    Vcpu vcpu;
    vcpu.apic = apic;
    if (const auto runner = runner_.find(apic); runner != runner_.end()) {
      vcpu.thread = thread_of(runner->second, replay);
    }
    const auto svr = first_svr.find(apic);
    const auto eoi = first_eoi_.find(apic);
    vcpu.enabled = svr == first_svr.end() || (eoi != first_eoi_.end() && eoi->second < svr->second);
    if (logical_.used() && wrote_ldr.count(apic) == 0) vcpu.logical_id = logical_ids.at(apic);
    if (const auto stop = ledger_.stop_of(apic)) vcpu.stops_at = since_origin(*stop);
    replay.vcpus.push_back(vcpu);
  }
}

void Reconstruction::make_truth(GroundTruth& truth) const {
  for (const Eoied& end : handled_) {
    truth.handled.push_back({since_origin(end.ns), end.apic, end.vector});
  }
  std::stable_sort(truth.handled.begin(), truth.handled.end(),
                   [](const Handled& a, const Handled& b) { return a.time < b.time; });
  truth.eois = ledger_.eois();
  // Ends at the 8259s are all seen, and with nothing accepted no others are missing.
  if (truth.eois == EoisSeen::None && pics_.used() && !ledger_.any_accepted()) {
    truth.eois = EoisSeen::All;
  }
  truth.counts = ledger_.merged() || counts_unsure_ ? Counts::Unsure : Counts::Sure;
  for (const auto& [ns, source] : claims_) truth.claims.push_back({since_origin(ns), source});
  if (truth.eois != EoisSeen::All) return;
  for (const ApicId apic : apics_) {
    for (const AcknowledgeLedger::Pending& left : ledger_.left_by(apic)) {
      truth.in_flight.push_back({since_origin(left.accepted_ns), apic, left.vector});
    }
  }
}

Result<Recording> Reconstruction::finish(ReadReport report) {
  if (!error_ && latest_ns_ > origin_ns_ && latest_ns_ - origin_ns_ > kLongestNs) {
    fail("too-long",
         "the recording is longer than " + std::to_string(kLongestNs / 1'000'000'000 / 86'400) +
             " days",
         "timestamps of one clock");
  }
  if (!error_ && apics_.empty()) {
    fail("no-interrupt", "the recording holds no event of a virtual machine's interrupts",
         "a recording of the events kvm:*");
  }
  if (error_) return *error_;
  const IdsByApic logical_ids = logical_.ids({apics_.begin(), apics_.end()});
  settle_drafts(logical_ids);
  Recording recording;
  make_stimuli(recording.replay);
  make_vcpus(logical_ids, recording.replay);
  const IoapicImage& entries = saw_entries_ ? ioapic_ : guessed_;
  recording.replay.entries = entries.initial_entries();
  recording.replay.routes = ioapic_.routes();
  recording.replay.pics = pics_.used() ? Pics::Used : Pics::Silent;
  recording.replay.pic_setup = pics_.initial_writes();
  recording.replay.length = since_origin(latest_ns_);
  const auto service = saw_levels_ ? ledger_.usual_service() : std::nullopt;
  if (service) recording.replay.handler = *service * kPsPerNs;
  make_truth(recording.truth);
  if (!pics_.used()) left_out_.pic_inputs = pic_inputs_;
  recording.left_out = left_out_;
  recording.read = std::move(report);
  recording.mode = x2apic_ ? ApicMode::X2apic : ApicMode::Xapic;
  recording.notes = notes_on(recording, file_);
  return recording;
}

Result<Recording> reconstruct(EventReader& reader, std::string file) {
  Reconstruction work(std::move(file));
  while (true) {
    const auto event = reader.next();
    if (!event) return event.errors();
    if (!*event || !work.take(**event)) break;
  }
  return work.finish(reader.report());
}

}  // namespace irqfab::recording
