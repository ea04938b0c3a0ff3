// The real recordings in traces/, from their text to what is to be replayed.
#include <gtest/gtest.h>

#include "fabric/recording/emit.hpp"
#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using test::acts;
using test::errors_of;
using test::import;
using test::trace;

constexpr const char* kMixed = "mixed-edge-1vcpu-cpl3spin.txt.gz";
constexpr const char* kPerf = "perf-edge-1vcpu.txt.gz";
constexpr const char* kFirmware = "firmware-2vcpu.txt.gz";
constexpr const char* kLevel = "level-4vcpu-halt.txt.gz";

const Recording& mixed() {
  static const Recording recording = [] {
    auto imported = import(trace(kMixed), kMixed);
    EXPECT_TRUE(imported) << errors_of(imported);
    return imported ? *imported : Recording{};
  }();
  return recording;
}

std::string inflated(const std::string& name) {
  std::istringstream in(trace(name));
  LineSource lines{ByteSource(in)};
  std::string text;
  while (const auto line = lines.next()) text += std::string(*line) + '\n';
  return text;
}
std::string without_markers(const std::string& text) {
  std::istringstream in(text);
  std::string out, line;
  while (std::getline(in, line)) {
    if (line.find(": print:") == std::string::npos) out += line + '\n';
  }
  return out;
}

/// How a call looks next to the marker of the program that made it.
std::string kind_of(const Act& act) {
  if (std::holds_alternative<MessageSent>(act)) return "message";
  if (std::holds_alternative<IrqfdSignalled>(act)) return "irqfd-ioapic";
  const auto* line = std::get_if<LineDriven>(&act);
  if (line == nullptr) return "other";
  return line->level == Level::High ? "irq-line-edge" : "low";
}
std::string expected_kind(const std::string& source) {
  return source == "irqfd-msi" || source == "signal-msi" ? "message" : source;
}

TEST(RecordedTraces, TheMixedOneHasTheseEvents) {
  const ReadReport& read = mixed().read;
  EXPECT_EQ(read.events, 28'390u);
  EXPECT_EQ(read.format, Format::TraceCmd);
  EXPECT_EQ(read.understood_by_name, (CountByName{{"kvm_apic", 6000},
                                                  {"kvm_apic_accept_irq", 3001},
                                                  {"kvm_eoi", 6000},
                                                  {"kvm_ioapic_set_irq", 2923},
                                                  {"kvm_msi_set_irq", 1540},
                                                  {"kvm_set_irq", 2923},
                                                  {"print", 3001}}));
  EXPECT_EQ(read.ignored,
            (CountByName{{"kvm_mmio", 3000}, {"kvm_pio", 1}, {"kvm_userspace_exit", 1}}));
  EXPECT_EQ(read.lost, 0u);
}

TEST(RecordedTraces, EveryMarkerIsFollowedByTheCallThatItAnnounces) {
  const std::vector<Claim>& claims = mixed().truth.claims;
  ASSERT_EQ(claims.size(), 3000u);
  std::size_t next = 0;
  std::map<std::string, int> found;
  for (const Stimulus& stimulus : mixed().replay.stimuli) {
    const std::string kind = kind_of(stimulus.act);
    if (kind == "low" || next == claims.size()) continue;
    EXPECT_GE(stimulus.time, claims[next].time);
    ASSERT_EQ(kind, expected_kind(claims[next].source)) << "marker " << next;
    ++found[claims[next].source];
    ++next;
  }
  EXPECT_EQ(
      found,
      (std::map<std::string, int>{
          {"irq-line-edge", 721}, {"irqfd-ioapic", 740}, {"irqfd-msi", 782}, {"signal-msi", 757}}));
}

TEST(RecordedTraces, OneMessageHasNoMarker) {
  EXPECT_EQ(acts<MessageSent>(mixed().replay).size(), 782u + 757u + 1u);
  EXPECT_EQ(acts<MessageSent>(mixed().replay).back().message.vector, Vector{95});
}

TEST(RecordedTraces, WithoutMarkersTheReplayIsTheSame) {
  const auto bare = import(without_markers(inflated(kMixed)), kMixed);
  ASSERT_TRUE(bare) << errors_of(bare);
  EXPECT_EQ(bare->read.events, 28'390u - 3001u);
  EXPECT_TRUE(bare->truth.claims.empty());
  const EmitOptions options{kMixed, "mixed.events", ""};
  const auto with = emit(mixed(), options), without = emit(*bare, options);
  ASSERT_TRUE(with && without);
  EXPECT_EQ(with->scenario, without->scenario);
  EXPECT_EQ(with->records, without->records);
  EXPECT_EQ(with->nodes, without->nodes);
}

TEST(RecordedTraces, TheEntriesOfThePinsThatWereDriven) {
  const std::vector<PinEntry>& entries = mixed().replay.entries;
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].pin, Pin{20});
  EXPECT_EQ(entries[0].entry.bits, 0x43u);
  EXPECT_EQ(entries[1].pin, Pin{21});
  EXPECT_EQ(entries[1].entry.bits, 0x44u);
  EXPECT_EQ(entries[2].pin, Pin{23});
  EXPECT_EQ(entries[2].entry.bits, 0x804Cu) << "level";
  EXPECT_TRUE(acts<EntryWritten>(mixed().replay).empty()) << "none changes";
}

TEST(RecordedTraces, TheSecondEoiOfThatHostIsAnArtefact) {
  EXPECT_EQ(mixed().left_out.artefact_eois, 3000u);
  EXPECT_EQ(mixed().truth.handled.size(), 3000u);
  EXPECT_EQ(mixed().left_out.earlier_eois, 0u);
}

TEST(RecordedTraces, TheVcpuStopsBetweenItsLastEoiAndTheMessageItNeverTakes) {
  const Replay& replay = mixed().replay;
  ASSERT_EQ(replay.vcpus.size(), 1u);
  ASSERT_TRUE(replay.vcpus[0].stops_at);
  const Time stop = *replay.vcpus[0].stops_at;
  EXPECT_GT(stop, mixed().truth.handled.back().time);
  ASSERT_EQ(mixed().truth.in_flight.size(), 1u);
  EXPECT_EQ(mixed().truth.in_flight[0].vector, Vector{95});
  EXPECT_LT(stop, mixed().truth.in_flight[0].time);
  const auto& last = replay.stimuli.back();
  EXPECT_TRUE(std::holds_alternative<LineDriven>(last.act)) << "the resampler is taken down";
  EXPECT_EQ(std::get<LineDriven>(last.act).source, kResamplerSource);
}

TEST(RecordedTraces, ThreadsAreTheInjectorTwoKworkersAndTheVcpu) {
  const std::vector<Thread>& threads = mixed().replay.threads;
  ASSERT_EQ(threads.size(), 4u);
  EXPECT_EQ(threads[0].role, ThreadRole::Injector);
  EXPECT_EQ(threads[1].role, ThreadRole::Kworker);
  EXPECT_EQ(threads[2].role, ThreadRole::Kworker);
  EXPECT_EQ(threads[3].role, ThreadRole::Vcpu);
  EXPECT_EQ(threads[3].pid, 5945);
}

TEST(RecordedTraces, ThePerfOneReadsTheSameWay) {
  const auto perf = import(trace(kPerf), kPerf);
  ASSERT_TRUE(perf) << errors_of(perf);
  EXPECT_EQ(perf->read.format, Format::PerfScript);
  EXPECT_EQ(perf->read.events, 10'935u);
  EXPECT_EQ(perf->read.understood, 10'935u);
  EXPECT_EQ(acts<MessageSent>(perf->replay).size(), 1024u);
  EXPECT_EQ(acts<IrqfdSignalled>(perf->replay).size(), 489u);
  EXPECT_EQ(acts<LineDriven>(perf->replay).size(), 2 * 488u + 1u);
  EXPECT_EQ(perf->replay.entries.size(), 3u);
  EXPECT_EQ(perf->truth.handled.size(), 2000u);
  EXPECT_EQ(perf->truth.in_flight.size(), 1u);
  EXPECT_TRUE(perf->truth.claims.empty());
}

std::string without(const std::string& text, const std::string& event) {
  std::istringstream in(text);
  std::string out, line;
  while (std::getline(in, line)) {
    if (line.find(event) == std::string::npos) out += line + '\n';
  }
  return out;
}

TEST(RecordedTraces, FirmwareProgramsThe8259sAndEndsTheirInterrupts) {
  const auto firmware = import(trace(kFirmware), kFirmware);
  ASSERT_TRUE(firmware) << errors_of(firmware);
  EXPECT_EQ(firmware->read.events, 8469u);
  EXPECT_EQ(firmware->replay.pics, Pics::Used);
  EXPECT_TRUE(firmware->replay.pic_setup.empty()) << "the guest initializes them itself";
  EXPECT_EQ(acts<PortWritten>(firmware->replay).size(), 26u);
  EXPECT_EQ(firmware->left_out.pic_ends, 406u);
  EXPECT_EQ(firmware->left_out.pic_inputs, 0u);
  EXPECT_EQ(firmware->truth.eois, EoisSeen::All);
  EXPECT_EQ(firmware->truth.counts, Counts::Unsure);
  ASSERT_EQ(firmware->truth.handled.size(), 406u);
  for (const Handled& end : firmware->truth.handled) EXPECT_EQ(end.vector, Vector{8});
  EXPECT_FALSE(firmware->replay.handler);
}

TEST(RecordedTraces, WithoutItsPortAccessesFirmwareIsTakenForTheUsual) {
  const auto bare = import(without(inflated(kFirmware), "kvm_pio"), kFirmware);
  ASSERT_TRUE(bare) << errors_of(bare);
  EXPECT_EQ(bare->truth.handled.size(), 406u);
  EXPECT_EQ(bare->truth.handled.front().vector, Vector{8});
  ASSERT_EQ(bare->replay.pic_setup.size(), 12u);
  EXPECT_EQ(bare->replay.pic_setup[1].value, 0x08u);
}

TEST(RecordedTraces, LevelsThatComeAgainNeedHandlersOfTheRecordedLength) {
  const auto level = import(trace(kLevel), kLevel);
  ASSERT_TRUE(level) << errors_of(level);
  EXPECT_EQ(level->read.events, 8933u);
  EXPECT_EQ(level->truth.eois, EoisSeen::All);
  EXPECT_EQ(level->truth.handled.size(), 887u);
  EXPECT_TRUE(level->truth.in_flight.empty());
  EXPECT_EQ(level->replay.handler, 27'120 * kPsPerNs);
  EXPECT_EQ(level->replay.pics, Pics::Silent);
  EXPECT_FALSE(mixed().replay.handler) << "no level was accepted there";
}

}  // namespace
}  // namespace irqfab::recording
