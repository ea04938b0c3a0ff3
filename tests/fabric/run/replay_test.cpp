// Recordings of a real KVM, imported and run: the simulated vCPU takes what the recorded one took.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "fabric/recording/emit.hpp"
#include "fabric/recording/reconstruct.hpp"
#include "fabric/recording/text_reader.hpp"
#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/trace/writer.hpp"
#include "tests/support/collecting_sink.hpp"

namespace irqfab {
namespace {

std::string unpacked(const std::string& name) {
  const std::string path = std::string(IRQFAB_SOURCE_DIR) + "/traces/" + name;
  gzFile file = gzopen(path.c_str(), "rb");
  std::string text;
  char buffer[65536];
  for (int n = 0; file != nullptr && (n = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  if (file != nullptr) gzclose(file);
  return text;
}

std::string without_markers(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.find(" print: ") == std::string::npos) out += line + '\n';
  }
  return out;
}

/// Imports the text and writes scenario and calls into a folder of the test's own.
class Imported {
 public:
  explicit Imported(const std::string& text) {
    std::istringstream in(text);
    recording::TextReader reader(in, {});
    auto made = recording::reconstruct(reader, "recording");
    EXPECT_TRUE(made) << (made ? "" : format(made.errors().front()));
    recording_ = std::make_unique<recording::Recording>(std::move(*made));
    folder_ = testing::TempDir() + "irqfab-replay-" + std::to_string(::getpid());
    EXPECT_EQ(std::system(("mkdir -p " + folder_).c_str()), 0);
    write();
  }
  ~Imported() {
    std::remove((folder_ + "/replay.yaml").c_str());
    std::remove((folder_ + "/replay.events").c_str());
    std::remove(folder_.c_str());
  }
  const recording::Recording& recording() const { return *recording_; }
  std::string scenario() const { return folder_ + "/replay.yaml"; }

 private:
  void write() {
    const auto emitted = recording::emit(*recording_, {"recording", "replay.events", ""});
    ASSERT_TRUE(emitted);
    trace::TraceHeader header;
    header.nodes = emitted->nodes;
    auto writer = trace::Writer::create(folder_ + "/replay.events", header);
    ASSERT_TRUE(writer);
    for (const TraceRecord& record : emitted->records) writer->write(record);
    ASSERT_TRUE(writer->finish());
    std::ofstream(scenario()) << emitted->scenario;
  }

  std::unique_ptr<recording::Recording> recording_;
  std::string folder_;
};

struct Taken {
  std::uint64_t cpu;
  unsigned vector;
  friend bool operator==(const Taken& a, const Taken& b) {
    return a.cpu == b.cpu && a.vector == b.vector;
  }
};

std::vector<Taken> recorded(const recording::Recording& recording) {
  std::vector<Taken> taken;
  for (const auto& handled : recording.truth.handled) {
    taken.push_back({raw(handled.apic), raw(handled.vector)});
  }
  return taken;
}

/// What was handled in the simulation, in order of the ends of interrupts; the CPU and vector of
/// each are those of its acceptance.
std::vector<Taken> simulated(const std::vector<TraceRecord>& records) {
  std::map<SpanId, Taken> accepted;
  std::vector<Taken> taken;
  for (const TraceRecord& r : records) {
    if (r.event == Event::Accepted) {
      accepted[r.span] = {r.detail >> 8, static_cast<unsigned>(r.detail & 0xFF)};
    }
    if (r.event == Event::Handled) taken.push_back(accepted.at(r.span));
  }
  return taken;
}

/// For each CPU and vector: interrupts end in the order in which they were asserted.
void expect_order_per_vector(const std::vector<TraceRecord>& records) {
  std::map<SpanId, Time> asserted;
  std::map<std::uint64_t, Time> last;
  std::map<SpanId, std::uint64_t> place;
  for (const TraceRecord& r : records) {
    if (r.event == Event::Asserted) asserted[r.span] = r.time;
    if (r.event == Event::Accepted) place[r.span] = r.detail;
    if (r.event != Event::Handled) continue;
    Time& latest = last[place.at(r.span)];
    EXPECT_LE(latest, asserted.at(r.span));
    latest = asserted.at(r.span);
  }
}

void expect_replayed(const std::string& text, std::uint64_t handled) {
  const Imported imported(text);
  auto scenario = scenario::read_file(imported.scenario());
  ASSERT_TRUE(scenario) << format(scenario.errors().front());
  const auto prepared = run::prepare(std::move(*scenario), {});
  ASSERT_TRUE(prepared);
  test::CollectingSink sink;
  auto session = run::Session::create(*prepared, &sink);
  ASSERT_TRUE(session) << format(session.errors().front());
  const auto outcome = (*session)->run();
  ASSERT_TRUE(outcome);

  EXPECT_EQ(outcome->accounting.handled, handled);
  EXPECT_EQ(outcome->in_flight, 1u);
  EXPECT_EQ(outcome->accounting.asserted, handled + 1);
  EXPECT_TRUE(outcome->held());
  const auto records = sink.records();
  EXPECT_TRUE(recorded(imported.recording()) == simulated(records));
  expect_order_per_vector(records);
}

constexpr const char* kMixed = "mixed-edge-1vcpu-cpl3spin.txt.gz";
constexpr const char* kPerf = "perf-edge-1vcpu.txt.gz";

TEST(Replay, EveryInjectionOfTheTraceCmdRecordingIsHandledWhereItWas) {
  expect_replayed(unpacked(kMixed), 3000);
}

TEST(Replay, MarkersAreNoInput) { expect_replayed(without_markers(unpacked(kMixed)), 3000); }

TEST(Replay, EveryInjectionOfThePerfRecordingIsHandledWhereItWas) {
  expect_replayed(unpacked(kPerf), 2000);
}

TEST(Replay, ReportsWhatWasReadUnderstoodIgnoredAndLost) {
  const Imported imported(unpacked(kMixed));
  const recording::ReadReport& read = imported.recording().read;
  EXPECT_EQ(read.events, 28390u);
  EXPECT_EQ(read.lost, 0u);
  std::uint64_t ignored = 0;
  for (const auto& [event, count] : read.ignored) ignored += count;
  EXPECT_EQ(read.understood + ignored, read.events);
  EXPECT_EQ(read.ignored.at("kvm_mmio"), 3000u);
  EXPECT_EQ(imported.recording().left_out.artefact_eois, 3000u);
}

}  // namespace
}  // namespace irqfab
