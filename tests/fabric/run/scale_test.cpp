// Machines of many functions: they run, their books close, nothing depends on how their rows are
// ordered, and a function costs a bounded number of bytes. Bytes are counted where they are asked
// for.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <string>

#include "fabric/scenario/reader.hpp"
#include "fabric/topology/x86_build.hpp"
#include "tests/fabric/run/scenario_run.hpp"

namespace {

std::size_t live_bytes = 0;

void* take(std::size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  live_bytes += malloc_usable_size(memory);
  return memory;
}
void give_back(void* memory) {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }

namespace irqfab::test {
namespace {

// Without optimisation, or with sanitizers, fewer functions at a higher rate each.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
constexpr bool kWhole = true;
#else
constexpr bool kWhole = false;
#endif

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// scenarios/scale-100k.yaml, with this many functions behind each of its four host bridges.
std::string machine_with(unsigned functions_each) {
  std::ifstream in(IRQFAB_SOURCE_DIR "/scenarios/scale-100k.yaml");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.find("count: 25000") == text.npos) throw std::runtime_error("not the file it was");
  return replaced(replaced(text, "count: 25000", "count: " + std::to_string(functions_each)),
                  "poisson: 20/s", "poisson: " + std::to_string(500'000 / functions_each) + "/s");
}

unsigned usual_size() { return kWhole ? 25'000 : 500; }

/// Resolved, or the test fails with what is wrong.
run::Prepared prepared(const std::string& text) {
  auto scenario = scenario::read(text, "scale.yaml");
  if (!scenario) throw std::runtime_error(format(scenario.errors().front()));
  auto prepared = run::prepare(std::move(*scenario), {});
  if (!prepared) throw std::runtime_error(format(prepared.errors().front()));
  return std::move(*prepared);
}

TEST(Scale, TheBooksOfAHundredThousandFunctionsClose) {
  const run::Prepared scenario = prepared(machine_with(usual_size()));
  auto session = run::Session::create(scenario, nullptr);
  ASSERT_TRUE(session);
  const auto outcome = (*session)->run();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->held());
  EXPECT_GT(outcome->accounting.asserted, 200'000u);
  EXPECT_EQ(outcome->accounting.asserted, outcome->accounting.ended());
  EXPECT_EQ(outcome->hop_total, (*session)->machine().ledger().time_in_flight());
  EXPECT_TRUE((*session)->machine().held_spans().empty());
  ASSERT_EQ(outcome->paths.size(), 4u) << "one a row, not one a function";
  std::uint64_t handled = 0;
  for (const run::PathRow& path : outcome->paths) handled += path.to_end.count;
  EXPECT_EQ(handled, outcome->accounting.handled);
}

TEST(Scale, AFunctionOfARunningMachineTakesABoundedNumberOfBytes) {
  const unsigned functions = 4 * usual_size();
  const std::size_t before = live_bytes;
  const run::Prepared scenario = prepared(machine_with(usual_size()));
  auto session = run::Session::create(scenario, nullptr);
  ASSERT_TRUE(session);
  ASSERT_TRUE((*session)->run());
  const std::size_t bytes = live_bytes - before;
  RecordProperty("bytes_per_function", static_cast<int>(bytes / functions));
  // 255 CPUs with their vectors, and everything else that is there once, take 4 MB.
  constexpr std::size_t kOnce = 4'000'000;
  constexpr std::size_t kEach = 700;
  EXPECT_LT(bytes, kOnce + kEach * functions) << bytes / functions << " bytes a function";
}

TEST(Scale, AFunctionOfAPlannedMachineTakesABoundedNumberOfBytes) {
  const auto bytes_of = [](unsigned functions_each) {
    const run::Prepared scenario = prepared(machine_with(functions_each));
    const std::size_t before = live_bytes;
    const auto built = topology::build_x86(scenario.scenario, topology::Remapping::Off, {});
    if (!built) throw std::runtime_error(format(built.errors().front()));
    return live_bytes - before;
  };
  const std::size_t few = bytes_of(1'000);
  const std::size_t many = bytes_of(5'000);
  EXPECT_LT((many - few) / (4 * 4'000), 320u);
}

TEST(Scale, VectorsAreSharedEvenlyOverTheCpusWhenTheyRunOut) {
  const run::Prepared scenario = prepared(machine_with(25'000));
  const auto built = topology::build_x86(scenario.scenario, topology::Remapping::Off, {});
  ASSERT_TRUE(built);
  const auto& cpus = std::get<cpu::Cpus::Config>(
      topology::find_component<cpu::Cpus::Config>(built->topology)->config);
  std::size_t used = 0;
  for (const auto& slot : cpus.served) {
    EXPECT_LE(slot.count, 3u);
    if (slot.count > 0) ++used;
  }
  constexpr std::size_t kVectorsOfACpu = topology::kLastVector - topology::kFirstVector + 1;
  EXPECT_EQ(used, 255 * kVectorsOfACpu);
  EXPECT_EQ(cpus.sources.size(), 100'000u);
}

TEST(Scale, TheOrderOfRowsDoesNotShow) {
  const std::string text = replaced(machine_with(250), "for: 110ms", "for: 1ms");
  std::string turned = text;
  // The first and the last host bridge, and their loads, change places; what they are stays.
  for (const char* key : {"    - id: hb", "  - { source: nic"}) {
    const std::size_t first = turned.find(key);
    const std::size_t second = turned.find(key, first + 1);
    const std::size_t last = turned.rfind(key);
    const std::size_t end = turned.find("\n\n", last) + 1;
    turned = turned.substr(0, first) + turned.substr(last, end - last) +
             turned.substr(second, last - second) + turned.substr(first, second - first) +
             turned.substr(end);
  }
  ASSERT_NE(text, turned);
  const RunResult one = run_apart(text);
  const RunResult other = run_apart(turned);
  ASSERT_GT(one.records.size(), 10'000u);
  ASSERT_EQ(one.records.size(), other.records.size());
  for (std::size_t i = 0; i < one.records.size(); ++i) {
    const TraceRecord& a = one.records[i];
    const TraceRecord& b = other.records[i];
    ASSERT_TRUE(a.time == b.time && a.span == b.span && a.node == b.node && a.event == b.event)
        << "record " << i;
  }
}

}  // namespace
}  // namespace irqfab::test
