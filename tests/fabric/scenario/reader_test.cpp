#include "fabric/scenario/reader.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/fabric/scenario/corpus.hpp"

namespace irqfab::scenario {
namespace {

using test::contents;
using test::corpus;
using test::formatted;

constexpr const char* kMachine =
    "irqfab: 1\n"
    "machine:\n"
    "  cpus: 4\n"
    "  devices:\n"
    "    - { id: nvme0, bdf: 01:00.0, msix: 9 }\n"
    "    - { id: uart0, bdf: 00:05.0, intx: B }\n";

/// The scenario of kMachine and what is added; the test fails if there is none.
Scenario scenario_with(const std::string& more) {
  const auto found = read(kMachine + more, "test.yaml");
  if (found) return *found;
  ADD_FAILURE() << formatted(found.errors());
  return {};
}

std::string code_with(const std::string& more) {
  const auto found = read(kMachine + more, "test.yaml");
  return found ? "" : found.errors().at(0).code;
}

TEST(Reader, EveryValidFileOfTheCorpusIsRead) {
  for (const auto& path : corpus("valid")) {
    const auto found = read(contents(path), path.filename());
    EXPECT_TRUE(found) << formatted(found ? Diagnostics{} : found.errors());
  }
}

TEST(Reader, EveryInvalidFileOfTheCorpusGetsItsErrors) {
  std::set<std::string> places;
  for (const auto& path : corpus("invalid")) {
    const auto found = read(contents(path), path.filename());
    ASSERT_FALSE(found) << path.filename();
    auto expected = path;
    expected.replace_extension(".expected");
    const std::string text = formatted(found.errors());
    if (test::is_update()) test::write(expected, text);
    EXPECT_EQ(text, contents(expected)) << path.filename();
    for (const Diagnostic& error : found.errors()) {
      places.insert(error.code + ' ' + std::to_string(error.where.line) + ':' +
                    std::to_string(error.where.column));
    }
  }
  EXPECT_GE(places.size(), 45u) << "different errors at different places";
}

TEST(Reader, TheScenariosOfTheProjectAreRead) {
  for (const char* name : {"nvme-8q.yaml", "x86/msix-unmask-sends-current-message.yaml"}) {
    const auto found = read_file(test::source_tree() / "scenarios" / name);
    EXPECT_TRUE(found) << formatted(found ? Diagnostics{} : found.errors());
  }
}

TEST(Reader, AnEmptyMachineHasEveryDefault) {
  const auto found = read("irqfab: 1\n", "test.yaml");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->file, "test.yaml");
  EXPECT_EQ(found->machine.arch, "");
  EXPECT_EQ(found->machine.path, "");
  EXPECT_EQ(found->machine.cpus, 1u);
  EXPECT_EQ(found->machine.sockets, 1u);
  ASSERT_EQ(found->machine.host_bridges.size(), 1u);
  EXPECT_EQ(found->machine.host_bridges[0].id, "hb0");
  EXPECT_EQ(found->machine.host_bridges[0].last_bus, 255u);
  ASSERT_EQ(found->handlers.size(), 1u);
  EXPECT_EQ(found->handlers[0].steps.at(0).length, kPsPerUs);
  EXPECT_EQ(found->seed, 1u);
  EXPECT_EQ(found->until, 0u);
}

TEST(Reader, DevicesKeepTheirPlaceInTheFile) {
  const Scenario scenario = scenario_with("");
  const Device& uart = scenario.machine.host_bridges.at(0).devices.at(1);
  EXPECT_EQ(uart.rid, RequesterId{0x28});
  EXPECT_EQ(uart.intx, 1u);
  EXPECT_EQ(uart.msix, 0u);
  EXPECT_EQ(uart.where.line, 6);
  EXPECT_EQ(uart.where.column, 7);
}

TEST(Reader, BridgesWithoutASegmentGetTheirPlaceInTheList) {
  const auto found = read(
      "irqfab: 1\nmachine: { host_bridges: [ { id: a }, { id: b }, { id: c, segment: 7 } ] }\n",
      "t");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->machine.host_bridges[0].segment, 0u);
  EXPECT_EQ(found->machine.host_bridges[1].segment, 1u);
  EXPECT_EQ(found->machine.host_bridges[2].segment, 7u);
}

TEST(Reader, TheSameBdfMayStandOnTwoSegments) {
  const std::string device = "bdf: 00:01.0, msix: 1 } ] }";
  EXPECT_TRUE(read("irqfab: 1\nmachine: { host_bridges: [ { id: a, devices: [ { id: x, " + device +
                       ", { id: b, devices: [ { id: y, " + device + " ] }\n",
                   "t"));
}

TEST(Reader, SourcesWithoutARowAreSpread) {
  const Scenario scenario = scenario_with("affinity: { 'nvme0:2..3': [ 1, 0 ], 'nvme0:6': 2 }\n");
  ASSERT_EQ(scenario.affinity.size(), 6u);
  EXPECT_FALSE(scenario.affinity[0].spread);
  EXPECT_EQ(scenario.affinity[0].cpus, (std::vector<CpuId>{CpuId{1}, CpuId{0}}));
  EXPECT_EQ(scenario.affinity[1].cpus, (std::vector<CpuId>{CpuId{2}}));
  const std::pair<unsigned, unsigned> rest[] = {{0, 1}, {4, 5}, {7, 8}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(scenario.affinity[i + 2].spread);
    EXPECT_EQ(scenario.affinity[i + 2].sources.first, rest[i].first);
    EXPECT_EQ(scenario.affinity[i + 2].sources.last, rest[i].second);
  }
  EXPECT_TRUE(scenario.affinity[5].sources.intx);
  EXPECT_EQ(scenario.affinity[5].sources.first, 1u) << "INTB";
}

TEST(Reader, ADeviceAloneMeansAllItsVectorsOrItsIntx) {
  const Scenario scenario =
      scenario_with("workload: [ { source: nvme0, at: 1us }, { source: uart0, at: 2us } ]\n");
  EXPECT_FALSE(scenario.workload.at(0).sources.intx);
  EXPECT_EQ(scenario.workload[0].sources.first, 0u);
  EXPECT_EQ(scenario.workload[0].sources.last, 8u);
  EXPECT_TRUE(scenario.workload.at(1).sources.intx);
}

TEST(Reader, EachKindOfLoadIsUnderstood) {
  const Scenario scenario = scenario_with(
      "until: 10ms\n"
      "workload:\n"
      "  - { source: nvme0:1, poisson: 100k/s, for: 2ms, start: 1ms }\n"
      "  - { source: nvme0:1, periodic: 3us }\n"
      "  - { source: nvme0:1, burst: { size: 32, every: 100us }, start: 4ms }\n"
      "  - { source: nvme0:1, closed-loop: { depth: 16 } }\n"
      "  - { source: uart0:INTB, at: 5us, level: { until: pulse } }\n"
      "  - { replay: boot.trace }\n");
  const auto& loads = scenario.workload;
  ASSERT_EQ(loads.size(), 6u);
  EXPECT_EQ(loads[0].kind, LoadKind::Poisson);
  EXPECT_EQ(loads[0].period, 10 * kPsPerUs);
  EXPECT_EQ(loads[0].start, kPsPerMs);
  EXPECT_EQ(loads[0].length, 2 * kPsPerMs);
  EXPECT_EQ(loads[1].kind, LoadKind::Periodic);
  EXPECT_EQ(loads[1].length, 10 * kPsPerMs) << "to the end of the run";
  EXPECT_EQ(loads[2].kind, LoadKind::Burst);
  EXPECT_EQ(loads[2].burst_size, 32u);
  EXPECT_EQ(loads[2].period, 100 * kPsPerUs);
  EXPECT_EQ(loads[2].length, 6 * kPsPerMs) << "from its start to the end of the run";
  EXPECT_EQ(loads[3].kind, LoadKind::ClosedLoop);
  EXPECT_EQ(loads[3].depth, 16u);
  EXPECT_EQ(loads[3].think, 0u);
  EXPECT_EQ(loads[4].kind, LoadKind::Once);
  EXPECT_EQ(loads[4].start, 5 * kPsPerUs);
  EXPECT_EQ(loads[4].until, LevelUntil::Pulse);
  EXPECT_EQ(loads[5].kind, LoadKind::Replay);
  EXPECT_EQ(loads[5].replay_file, "boot.trace");
}

TEST(Reader, ALoadStartsBeforeTheRunEnds) {
  const std::string row = "until: 1ms\nworkload: [ { source: nvme0:1, periodic: 1us, start: ";
  EXPECT_EQ(code_with(row + "999us } ]\n"), "");
  EXPECT_EQ(code_with(row + "1ms } ]\n"), "out-of-range");
}

TEST(Reader, ADeviceMayHaveAHandlerOfItsOwn) {
  const Scenario scenario = scenario_with(
      "handler: 2us\nhandlers: { nvme0: { steps: [ mask, poll 5us, unmask ] }, uart0: 3us }\n");
  ASSERT_EQ(scenario.handlers.size(), 3u);
  EXPECT_EQ(scenario.handlers[0].device, "");
  EXPECT_EQ(scenario.handlers[0].steps.at(0).length, 2 * kPsPerUs);
  EXPECT_EQ(scenario.handlers[1].device, "nvme0");
  EXPECT_EQ(scenario.handlers[1].steps.size(), 3u);
  EXPECT_EQ(scenario.handlers[1].steps[1].kind, HandlerStepKind::Poll);
  EXPECT_EQ(scenario.handlers[2].steps.at(0).length, 3 * kPsPerUs);
}

TEST(Reader, ChangesUnderTrafficAreUnderstood) {
  const Scenario scenario = scenario_with(
      "during:\n"
      "  - { at: 1ms, every: 500us, retarget: nvme0:1..8, to: random }\n"
      "  - { retarget: nvme0:1, to: 3 }\n"
      "  - { at: 2ms, mask: nvme0:2 }\n"
      "  - { at: 3ms, unmask: nvme0:2 }\n");
  const auto& changes = scenario.during;
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_TRUE(changes[0].to_random);
  EXPECT_EQ(changes[0].every, 500 * kPsPerUs);
  EXPECT_EQ(changes[1].kind, ChangeKind::Retarget);
  EXPECT_FALSE(changes[1].to_random);
  EXPECT_EQ(changes[1].to, CpuId{3});
  EXPECT_EQ(changes[1].at, 0u);
  EXPECT_EQ(changes[2].kind, ChangeKind::Mask);
  EXPECT_EQ(changes[2].every, 0u);
  EXPECT_EQ(changes[3].kind, ChangeKind::Unmask);
}

TEST(Reader, StepsCarryTypedFields) {
  const Scenario scenario = scenario_with(
      "setup:\n"
      "  - lapic.write: { cpu: 3, reg: SVR, value: 0x1ff }\n"
      "steps:\n"
      "  - msix.entry: { device: nvme0, entry: 0, data: 65, masked: true }\n"
      "  - raise: nvme0:0\n"
      "  - raise: uart0:INTB\n"
      "  - wait: 1.5us\n"
      "  - expect: { lapic.IRR: { cpu: 0, vectors: [ 0x41, 66 ] } }\n");
  const Step& write = scenario.setup.at(0);
  EXPECT_EQ(write.op, "lapic.write");
  EXPECT_EQ(std::get<std::uint64_t>(write.find("cpu")->held), 3u);
  EXPECT_EQ(std::get<std::uint64_t>(write.find("reg")->held), 0xf0u);
  const Step& entry = scenario.steps.at(0);
  EXPECT_EQ(std::get<std::string>(entry.find("device")->held), "nvme0");
  EXPECT_EQ(std::get<std::uint64_t>(entry.find("data")->held), 65u);
  EXPECT_TRUE(std::get<bool>(entry.find("masked")->held));
  EXPECT_EQ(entry.find("address"), nullptr) << "stays as it was";
  EXPECT_EQ(std::get<std::uint64_t>(scenario.steps.at(1).find("vector")->held), 0u);
  EXPECT_EQ(std::get<std::uint64_t>(scenario.steps.at(2).find("intx")->held), 1u);
  EXPECT_EQ(std::get<std::uint64_t>(scenario.steps.at(3).find("time")->held), 1'500'000u);
  const auto& irr = std::get<ValueMap>(scenario.steps.at(4).find("lapic.IRR")->held);
  EXPECT_EQ(std::get<ValueList>(irr.at(1).second.held).size(), 2u);
  EXPECT_EQ(scenario.steps[4].where.line, 14);
}

TEST(Reader, CallsCarryTheirAnswers) {
  const auto found = read(
      "irqfab: 1\nmachine: { path: kvm-irqfd }\nsteps:\n"
      "  - kvm.irqfd: { eventfd: A, gsi: 24, answers: -EBADF }\n"
      "  - kvm.signal_msi: { address: 0xfee00000, data: 0x41, answers: 1 }\n",
      "t");
  ASSERT_TRUE(found);
  EXPECT_EQ(std::get<std::int64_t>(found->steps[0].find("answers")->held), -9);
  EXPECT_FALSE(std::get<bool>(found->steps[0].find("deassign")->held)) << "filled in";
  EXPECT_EQ(std::get<std::int64_t>(found->steps[1].find("answers")->held), 1);
}

TEST(Reader, PricesAreByEventAndNode) {
  const Scenario scenario =
      scenario_with("prices: { PinLatched: 40ns, ioapic0.IoapicSent: 12 cycles }\n");
  ASSERT_EQ(scenario.prices.size(), 2u);
  EXPECT_EQ(scenario.prices[0].node, "");
  EXPECT_EQ(scenario.prices[0].event, "PinLatched");
  EXPECT_EQ(scenario.prices[0].value, 40'000u);
  EXPECT_FALSE(scenario.prices[0].in_cycles);
  EXPECT_EQ(scenario.prices[1].node, "ioapic0");
  EXPECT_TRUE(scenario.prices[1].in_cycles);
}

TEST(Reader, TheCommandLineWinsOverTheFile) {
  const std::string text = "irqfab: 1\nmachine: { arch: arm-gicv2m }\n";
  EXPECT_FALSE(read(text, "t"));
  const auto found = read(text, "t", {"x86", ""});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->machine.arch, "x86");
  const auto wrong = read("irqfab: 1\n", "t", {"x86-ir", "kvm-irqfd"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.errors().at(0).where.line, 0) << "it has no place in the file";
}

TEST(Reader, ErrorsOfDifferentSectionsAreToldTogether) {
  const auto found = read(std::string(kMachine) +
                              "affinity: { 'nvme1:1': 0 }\n"
                              "workload: [ { source: nvme0:9, at: 1us } ]\n"
                              "expect: [ uart1.p99 < 1us ]\n",
                          "t");
  ASSERT_FALSE(found);
  ASSERT_EQ(found.errors().size(), 3u);
  EXPECT_EQ(found.errors()[0].code, "no-such-device");
  EXPECT_EQ(found.errors()[1].code, "no-such-vector");
  EXPECT_EQ(found.errors()[2].where.line, 9);
}

TEST(Reader, ReferencesMustExist) {
  EXPECT_EQ(code_with("affinity: { 'nvme0:8': 3 }\n"), "");
  EXPECT_EQ(code_with("affinity: { 'nvme0:9': 3 }\n"), "no-such-vector");
  EXPECT_EQ(code_with("affinity: { 'nvme0:8': 4 }\n"), "no-such-cpu");
  EXPECT_EQ(code_with("steps: [ { msix.mask: { device: nvme0, entry: 8 } } ]\n"), "");
  EXPECT_EQ(code_with("steps: [ { msix.mask: { device: nvme0, entry: 9 } } ]\n"), "no-such-vector");
  EXPECT_EQ(code_with("expect: [ uart0.lost == 0 ]\n"), "");
  EXPECT_EQ(code_with("expect: [ uart1.lost == 0 ]\n"), "no-such-device");
}

TEST(ReadFile, SaysWhenThereIsNone) {
  const auto found = read_file("no/such/file.yaml");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.errors().at(0).code, "no-file");
  EXPECT_EQ(found.errors().at(0).where.line, 0);
}

TEST(ReadFile, ADirectoryIsNoScenario) {
  EXPECT_FALSE(read_file(test::source_tree() / "scenarios"));
}

/// A small generator of our own, so that every run reads the same damaged files.
class Dice {
 public:
  std::size_t below(std::size_t end) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % end;
  }

 private:
  std::uint64_t state_ = 1;
};

TEST(Reader, DamagedFilesEndInAnErrorOrAScenario) {
  constexpr std::string_view kBytes = "\n\t -:,[]{}&*!|>'\"%@`#?~0x9.\xc3\x80";
  Dice dice;
  std::size_t read_well = 0;
  for (const auto& path : corpus("valid")) {
    const std::string original = contents(path);
    for (int round = 0; round < 150; ++round) {
      std::string text = original;
      for (std::size_t i = dice.below(3) + 1; i > 0; --i) {
        const std::size_t at = dice.below(text.size());
        const std::size_t span = dice.below(4);
        const std::string_view byte = kBytes.substr(dice.below(kBytes.size()), dice.below(2));
        text.replace(at, std::min(span, text.size() - at), byte);
        if (text.empty()) text = "\n";
      }
      const auto found = read(text, "damaged.yaml");
      read_well += found ? 1 : 0;
      if (!found) {
        ASSERT_FALSE(found.errors().empty());
        for (const Diagnostic& error : found.errors()) ASSERT_FALSE(error.message.empty());
        ASSERT_FALSE(formatted(found.errors()).empty());
      }
    }
  }
  EXPECT_GT(read_well, 0u) << "the damage is too great to test anything but the parser";
}

}  // namespace
}  // namespace irqfab::scenario
