// In steady state an interrupt costs no allocation: every operator new of the process is counted. A
// program of its own, because it replaces operator new.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>
#include <sstream>

#include "fabric/run/machine.hpp"
#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/trace/sink.hpp"

namespace {

std::uint64_t allocations = 0;

void* counted(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* counted(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The other forms (arrays, nothrow) call these.
void* operator new(std::size_t size) { return counted(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace irqfab {
namespace {

constexpr Time kWarm = 10 * kPsPerMs;  // queues and pools have grown to what the load needs
constexpr Time kEnd = 19 * kPsPerMs;

std::string file(const std::string& name) {
  std::ifstream in(std::string(IRQFAB_SOURCE_DIR) + "/scenarios/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
std::string changed(std::string text, const std::string& what, const std::string& to) {
  std::size_t at = text.find(what);
  for (; at != std::string::npos; at = text.find(what, at + to.size())) {
    text.replace(at, what.size(), to);
  }
  return text;
}

struct Case {
  const char* name;
  std::string text;
  std::uint64_t least_interrupts;  // in the window that is counted
  /// A duration unlike all before widens a histogram, whatever the number of interrupts.
  std::uint64_t widenings = 0;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class Allocation : public ::testing::TestWithParam<Case> {
 protected:
  /// Runs the case; what is counted lies between kWarm and kEnd.
  void run(RecordSink* sink, const std::function<void(const Engine&)>& started) {
    auto scenario = scenario::read(GetParam().text, GetParam().name);
    ASSERT_TRUE(scenario) << format(scenario.errors().front());
    scenario->until = 1;
    const auto prepared = run::prepare(std::move(*scenario), {});
    ASSERT_TRUE(prepared) << format(prepared.errors().front());
    const auto session = run::Session::create(*prepared, sink);
    ASSERT_TRUE(session) << format(session.errors().front());
    run::Machine& machine = (*session)->machine();
    if (started) started(machine.engine());
    ASSERT_TRUE((*session)->run());
    machine.run(kWarm);
    const std::uint64_t asserted = machine.ledger().accounting().asserted;
    const std::uint64_t before = allocations;
    machine.run(kEnd);
    allocated_ = allocations - before;
    interrupts_ = machine.ledger().accounting().asserted - asserted;
  }

  std::uint64_t allocated_ = 0;
  std::uint64_t interrupts_ = 0;
};

TEST_P(Allocation, InterruptsAllocateNothing) {
  run(nullptr, nullptr);
  EXPECT_LE(allocated_, GetParam().widenings);
  EXPECT_GE(interrupts_, GetParam().least_interrupts);
}

TEST_P(Allocation, NorDoesTheirTrace) {
  auto writer = trace::Writer::create("/dev/null", {});
  ASSERT_TRUE(writer);
  trace::FileSink sink(std::move(*writer));
  run(&sink, [&](const Engine& engine) { sink.follow(engine); });
  EXPECT_LE(allocated_, GetParam().widenings);
  EXPECT_GE(interrupts_, GetParam().least_interrupts);
  EXPECT_TRUE(sink.finish({kEnd, trace::RunEnd::How::Well}, NodeId{0}));
}

INSTANTIATE_TEST_SUITE_P(
    Loads, Allocation,
    ::testing::Values(
        Case{"nvme_8q", changed(file("nvme-8q.yaml"), "for: 10ms", "for: 20ms"), 6000},
        Case{"nvme_8q_remapped",
             changed(changed(file("nvme-8q.yaml"), "for: 10ms", "for: 20ms"), "machine:\n",
                     "machine:\n  arch: x86-ir\n"),
             6000},
        Case{"nvme_8q_posted",
             changed(changed(file("nvme-8q.yaml"), "for: 10ms", "for: 20ms"), "machine:\n",
                     "machine:\n  arch: x86-pi\n"),
             6000},
        Case{"guest",
             "irqfab: 1\n"
             "machine: { path: kvm-irqfd, cpus: 2, devices: [\n"
             "  { id: n, bdf: \"00:03.0\", msix: 2 }, { id: m, bdf: \"00:04.0\", intx: A } ] }\n"
             "workload: [ { source: n, periodic: 50us, for: 20ms },\n"
             "  { source: \"m:INTA\", periodic: 73us, for: 20ms } ]\n",
             400},
        Case{"mixed_storm", changed(file("mixed-storm.yaml"), "for: 2ms", "for: 20ms"), 50000, 8}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace irqfab
