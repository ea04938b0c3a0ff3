#include "models/cpu/cpus.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::cpu {
namespace {

using test::RecordingEnv;

constexpr CpuId kCpu{0};
constexpr CpuId kNext{1};
constexpr Vector kVector{0x41};     // serves one device
constexpr Vector kShared{0x51};     // serves three
constexpr Vector kBare{0x61};       // serves nobody: program 0
constexpr Vector kElsewhere{0x2A};  // the same; its end is told over the bus
constexpr std::uint32_t kEoi = 0xB0;

SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

Cpus::Config config() {
  Cpus::Config config;
  config.cpus = 2;
  config.programs = {
      {},
      {{StepKind::Busy, 100}},
      {{StepKind::ReadDevice, 30}},
      {{StepKind::MaskSource, 0}, {StepKind::Busy, 50}, {StepKind::UnmaskSource, 7}},
  };
  config.sources = {
      {0xC000, 0xC01C, 1},
      {0xD000, 0, 2},
      {0, 0xE01C, 3},
      {0xF000, 0, 2},
  };
  config.served.resize(2 * 256);
  config.served[raw(kVector)] = {0, 1};
  config.served[raw(kShared)] = {1, 3};
  config.ends = {{kElsewhere, {{0x1A0, 0x62}, {0x120, 0x61}}, {{0x120, 0x63}}}};
  return config;
}

class CpusTest : public ::testing::Test {
 protected:
  void line(Level level, CpuId cpu = kCpu) {
    cpus.receive(Cpus::kController, CpuLineChange{cpu, CpuLine::Intr, level, kNoSpan}, env);
  }
  void nmi(SpanId s, CpuId cpu = kCpu) {
    cpus.receive(Cpus::kController, CpuLineChange{cpu, CpuLine::Nmi, Level::High, s}, env);
  }
  void answer(Vector vector, SpanId s, CpuId cpu = kCpu) {
    cpus.receive(Cpus::kController, IntaAnswer{cpu, vector, false, s}, env);
  }
  void answer_spurious(CpuId cpu = kCpu) {
    cpus.receive(Cpus::kController, IntaAnswer{cpu, Vector{0xFF}, true, kNoSpan}, env);
  }
  /// The delay that the CPU asked for last passes.
  void elapse() {
    ASSERT_FALSE(env.delays.empty());
    const Tag tag = env.delays.back().tag;
    env.delays.pop_back();
    cpus.receive(PortId{0xFFFF}, Elapsed{tag, 0}, env);
  }
  void device_answers() {
    const BusRead read = env.messages<BusRead>().back();
    cpus.receive(Cpus::kBus, BusData{{}, read.tag, BusStatus::Ok, read.span}, env);
  }
  /// The controller offers `vector` to an idle CPU, which takes it.
  void take(Vector vector, SpanId s) {
    line(Level::High);
    answer(vector, s);
  }
  std::size_t intas() const { return env.messages<Inta>().size(); }
  std::size_t eois() const { return env.messages<RegisterWrite>().size(); }
  std::optional<std::uint64_t> noted(Event event, SpanId s) const {
    std::optional<std::uint64_t> detail;
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == s) detail = note.detail;
    }
    return detail;
  }

  RecordingEnv env;
  Cpus cpus{config()};
};

using CpusHandler = CpusTest;
using CpusNmi = CpusTest;
using CpusStop = CpusTest;

// ---- taking an interrupt ----------------------------------------------------------------------

TEST_F(CpusTest, ARisingLineMakesTheCpuAskWhichOne) {
  line(Level::High, kNext);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, Cpus::kController);
  EXPECT_EQ(env.messages<Inta>().at(0).cpu, kNext);
  EXPECT_TRUE(env.notes.empty());
}

TEST_F(CpusTest, ALowLineAsksNothing) {
  line(Level::Low);
  EXPECT_TRUE(env.sent.empty());
}

TEST_F(CpusTest, OneQuestionIsUnderWayAtATime) {
  line(Level::High);
  line(Level::Low);
  line(Level::High);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusTest, AskingLowersTheLine) {
  take(kVector, span(1));
  elapse();
  EXPECT_EQ(cpus.handled(kCpu), 1u);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusTest, TheAnswerStartsTheHandler) {
  take(kVector, span(1));
  EXPECT_EQ(noted(Event::HandlerEntered, span(1)), raw(kVector));
  EXPECT_TRUE(cpus.in_handler(kCpu));
  EXPECT_FALSE(cpus.in_handler(kNext));
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, 100u);
}

TEST_F(CpusTest, ALineWithdrawnBeforeTheAnswerIsSpuriousAndHasNoEoi) {
  line(Level::High);
  line(Level::Low);
  answer_spurious();
  EXPECT_FALSE(cpus.in_handler(kCpu));
  EXPECT_FALSE(env.noted(Event::HandlerEntered));
  EXPECT_EQ(eois(), 0u);
  EXPECT_EQ(cpus.handled(kCpu), 0u);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusTest, AfterASpuriousAnswerALineThatRoseAgainIsAskedForAgain) {
  line(Level::High);
  line(Level::Low);
  line(Level::High);
  answer_spurious();
  EXPECT_EQ(intas(), 2u);
}

TEST_F(CpusTest, CpusAreIndependent) {
  take(kVector, span(1));
  line(Level::High, kNext);
  EXPECT_EQ(intas(), 2u);
  answer(kBare, span(2), kNext);
  EXPECT_EQ(cpus.handled(kNext), 1u);
  EXPECT_EQ(cpus.handled(kCpu), 0u);
  EXPECT_TRUE(cpus.in_handler(kCpu));
}

TEST_F(CpusTest, ALaneIsACpu) {
  const CpuLineChange change{kNext, CpuLine::Intr, Level::High, kNoSpan};
  EXPECT_EQ(cpus.lane_of(Cpus::kController, change), LaneId{1});
  EXPECT_EQ(cpus.lane_of(Cpus::kController, IntaAnswer{kNext, kVector, false, kNoSpan}), LaneId{1});
  take(kShared, span(1));
  EXPECT_EQ(cpus.lane_of(Cpus::kBus, BusData{{}, env.messages<BusRead>()[0].tag, {}}), LaneId{0});
}

TEST_F(CpusTest, ACpuThatDoesNotExistIsAGuestError) {
  const Cpus before = cpus;
  line(Level::High, CpuId{2});
  nmi(span(1), CpuId{2});
  cpus.receive(Cpus::kController, HostCall{0, {}, 2, 0}, env);
  EXPECT_EQ(env.count(Event::GuestError), 3u);
  EXPECT_TRUE(env.sent.empty());
  EXPECT_EQ(cpus, before);
}

// ---- the handler ------------------------------------------------------------------------------

TEST_F(CpusHandler, SpuriousVectorOfAnotherControllerMayNeedAnEndAllTheSame) {
  line(Level::High);
  cpus.receive(Cpus::kController, IntaAnswer{kCpu, kElsewhere, true, kNoSpan}, env);
  const auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].address, 0x120u);
  EXPECT_EQ(writes[0].data, 0x63u);
  EXPECT_FALSE(cpus.in_handler(kCpu));
  EXPECT_EQ(eois(), 0u);
}

TEST_F(CpusHandler, EndOfAVectorOfAnotherControllerIsToldOverTheBus) {
  take(kElsewhere, span(1));
  EXPECT_EQ(noted(Event::EoiWritten, span(1)), raw(kElsewhere));
  EXPECT_EQ(eois(), 0u);
  const auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].address, 0x1A0u);
  EXPECT_EQ(writes[0].data, 0x62u);
  EXPECT_EQ(writes[0].size, 1);
  EXPECT_EQ(writes[1].address, 0x120u);
  EXPECT_EQ(writes[1].data, 0x61u);
  take(kBare, span(2));
  EXPECT_EQ(eois(), 1u);
  EXPECT_EQ(env.messages<BusWrite>().size(), 2u);
}

TEST_F(CpusHandler, SaysThatItIsDoneOnlyIfSomebodyWaitsForIt) {
  Cpus::Config quiet = config();
  quiet.completions = Cpus::Completions::NotTold;
  cpus = Cpus(quiet);
  take(kVector, span(1));
  elapse();
  EXPECT_EQ(eois(), 1u);
  EXPECT_TRUE(env.messages<HostCall>().empty());
}

TEST_F(CpusHandler, EndsWithEoiAndSaysThatItIsDone) {
  take(kVector, span(1));
  env.sent.clear();
  elapse();
  EXPECT_EQ(noted(Event::HandlerStep, span(1)), 0u);
  EXPECT_EQ(noted(Event::EoiWritten, span(1)), raw(kVector));
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(env.sent[0].port, Cpus::kController);
  const auto eoi = env.messages<RegisterWrite>().at(0);
  EXPECT_EQ(eoi.cpu, kCpu);
  EXPECT_EQ(eoi.offset, kEoi);
  EXPECT_EQ(eoi.value, 0u);
  EXPECT_EQ(env.sent[1].port, Cpus::kCompletions);
  EXPECT_EQ(env.messages<HostCall>().at(0).a, raw(span(1)));
  EXPECT_FALSE(cpus.in_handler(kCpu));
  EXPECT_EQ(cpus.handled(kCpu), 1u);
  EXPECT_FALSE(env.noted(Event::Handled));  // the controller ends the span, at the EOI
}

TEST_F(CpusHandler, AVectorThatServesNobodyRunsTheFirstProgram) {
  take(kBare, span(1));
  EXPECT_EQ(noted(Event::HandlerEntered, span(1)), raw(kBare));
  EXPECT_EQ(eois(), 1u);
  EXPECT_FALSE(env.noted(Event::HandlerStep));
}

TEST_F(CpusHandler, WithoutAnyProgramAHandlerIsEmpty) {
  Cpus bare{Cpus::Config{}};
  bare.receive(Cpus::kController, CpuLineChange{kCpu, CpuLine::Intr, Level::High, kNoSpan}, env);
  bare.receive(Cpus::kController, IntaAnswer{kCpu, kVector, false, span(1)}, env);
  EXPECT_EQ(eois(), 1u);
  EXPECT_EQ(bare.handled(kCpu), 1u);
}

TEST_F(CpusHandler, NothingIsTakenWhileAHandlerRuns) {
  take(kVector, span(1));
  line(Level::High);
  EXPECT_EQ(intas(), 1u);  // IF = 0
  elapse();
  EXPECT_EQ(intas(), 2u);
  const auto eoi = std::find_if(env.sent.begin(), env.sent.end(), [](const auto& item) {
    return std::holds_alternative<RegisterWrite>(item.message);
  });
  EXPECT_TRUE(std::any_of(eoi, env.sent.end(), [](const auto& item) {
    return std::holds_alternative<Inta>(item.message);
  })) << "the question follows the EOI";
}

TEST_F(CpusHandler, ALineThatFellDuringTheHandlerIsNotAskedFor) {
  take(kVector, span(1));
  line(Level::High);
  line(Level::Low);
  elapse();
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusHandler, ReadDeviceWaitsForTheAnswerAndThenComputes) {
  take(kShared, span(1));
  const auto reads = env.messages<BusRead>();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(env.sent.back().port, Cpus::kBus);
  EXPECT_EQ(reads[0].address, 0xD000u);
  EXPECT_EQ(reads[0].span, span(1));
  EXPECT_EQ(reads[0].size, 4);
  EXPECT_TRUE(env.delays.empty());
  device_answers();
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, 30u);
  EXPECT_FALSE(env.noted(Event::HandlerStep));
  elapse();
  EXPECT_TRUE(env.noted(Event::HandlerStep));
}

TEST_F(CpusHandler, ASharedVectorVisitsEachOfItsDevices) {
  take(kShared, span(1));
  device_answers();
  elapse();
  // The second source has no device register; its program masks, computes and unmasks.
  auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].address, 0xE01Cu);
  EXPECT_EQ(writes[0].data, 1u);
  EXPECT_EQ(writes[0].size, 4);
  EXPECT_EQ(writes[0].span, kNoSpan);
  EXPECT_EQ(env.delays.back().delay, 50u);
  elapse();
  writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[1].address, 0xE01Cu);
  EXPECT_EQ(writes[1].data, 0u);
  EXPECT_EQ(env.delays.back().delay, 7u);
  EXPECT_EQ(eois(), 0u);
  elapse();
  EXPECT_EQ(env.messages<BusRead>().back().address, 0xF000u);
  EXPECT_EQ(eois(), 0u);
  device_answers();
  elapse();
  EXPECT_EQ(env.messages<BusRead>().size(), 2u);
  EXPECT_EQ(eois(), 1u);
  EXPECT_EQ(cpus.handled(kCpu), 1u);
}

TEST_F(CpusHandler, EveryInterruptVisitsTheDevicesAnew) {
  take(kVector, span(1));
  elapse();
  take(kVector, span(2));
  EXPECT_EQ(env.delays.size(), 1u);
  elapse();
  EXPECT_EQ(noted(Event::HandlerStep, span(2)), 0u);
  EXPECT_EQ(eois(), 2u);
}

TEST_F(CpusHandler, AStepOfNoLengthFallsThrough) {
  Cpus::Config c = config();
  c.programs[1] = {{StepKind::Busy, 0}, {StepKind::MaskSource, 0}, {StepKind::ReadDevice, 0}};
  cpus = Cpus(c);
  take(kVector, span(1));
  EXPECT_EQ(env.messages<BusWrite>().size(), 1u);
  EXPECT_EQ(env.messages<BusRead>().size(), 1u);
  EXPECT_TRUE(env.delays.empty());
  device_answers();
  EXPECT_TRUE(env.delays.empty());
  EXPECT_EQ(eois(), 1u);
}

TEST_F(CpusHandler, StepsForADeviceThatIsNotThereOnlyTakeTheirTime) {
  Cpus::Config c = config();
  c.programs[1] = {{StepKind::ReadDevice, 9}, {StepKind::MaskSource, 8}};
  c.sources[0] = {0, 0, 1};
  cpus = Cpus(c);
  take(kVector, span(1));
  EXPECT_EQ(env.delays.back().delay, 9u);
  elapse();
  EXPECT_EQ(env.delays.back().delay, 8u);
  elapse();
  EXPECT_TRUE(env.messages<BusRead>().empty());
  EXPECT_TRUE(env.messages<BusWrite>().empty());
  EXPECT_EQ(eois(), 1u);
}

// ---- NMI, INIT, SIPI, SMI ---------------------------------------------------------------------

TEST_F(CpusNmi, IsTakenWithoutAskingAndEndsWithoutEoi) {
  nmi(span(1));
  EXPECT_EQ(noted(Event::HandlerEntered, span(1)), 2u);
  EXPECT_EQ(noted(Event::Handled, span(1)), 2u);
  EXPECT_EQ(intas(), 0u);
  EXPECT_EQ(eois(), 0u);
  EXPECT_EQ(env.messages<HostCall>().at(0).a, raw(span(1)));
  EXPECT_TRUE(test::held_by(cpus).empty());
}

TEST_F(CpusNmi, InterruptsTheHandlerUnderWayAndGoesBeforeTheLine) {
  take(kVector, span(1));
  line(Level::High);
  nmi(span(2));
  EXPECT_TRUE(noted(Event::Handled, span(2)));
  EXPECT_FALSE(noted(Event::EoiWritten, span(1)));
  EXPECT_EQ(intas(), 1u);
  elapse();
  EXPECT_TRUE(noted(Event::EoiWritten, span(1)));
  EXPECT_EQ(intas(), 2u);
  EXPECT_TRUE(std::holds_alternative<Inta>(env.sent.back().message));
}

TEST_F(CpusNmi, WaitsForAnAnswerUnderWay) {
  line(Level::High);
  nmi(span(2));
  EXPECT_FALSE(env.noted(Event::HandlerEntered));
  line(Level::Low);
  answer(kVector, span(1));
  EXPECT_TRUE(noted(Event::Handled, span(2)));
  EXPECT_FALSE(noted(Event::EoiWritten, span(1)));
}

TEST_F(CpusNmi, OneIsLatchedAndTheNextMergesIntoIt) {
  line(Level::High);
  nmi(span(2));
  nmi(span(3));
  EXPECT_EQ(noted(Event::Coalesced, span(3)), raw(span(2)));
  answer_spurious();
  EXPECT_EQ(env.count(Event::Handled), 1u);
}

TEST_F(CpusNmi, OneMoreIsLatchedWhileItsHandlerRuns) {
  Cpus::Config c = config();
  c.programs[0] = {{StepKind::Busy, 10}};
  cpus = Cpus(c);
  nmi(span(1));
  nmi(span(2));
  EXPECT_EQ(test::held_by(cpus), (std::vector<SpanId>{span(1), span(2)}));
  elapse();
  EXPECT_TRUE(noted(Event::Handled, span(1)));
  EXPECT_TRUE(noted(Event::HandlerEntered, span(2)));
  elapse();
  EXPECT_TRUE(noted(Event::Handled, span(2)));
  EXPECT_TRUE(test::held_by(cpus).empty());
}

TEST_F(CpusNmi, VisitsNoDeviceOfVectorTwo) {
  Cpus::Config c = config();
  c.programs[0] = {{StepKind::ReadDevice, 10}};
  c.served[2] = {1, 3};
  cpus = Cpus(c);
  nmi(span(1));
  elapse();
  EXPECT_TRUE(env.messages<BusRead>().empty());
  EXPECT_EQ(cpus.handled(kCpu), 1u);
}

TEST_F(CpusTest, InitSipiAndSmiAreTakenAtOnce) {
  take(kVector, span(1));
  std::uint64_t n = 2;
  for (const CpuLine kind : {CpuLine::Smi, CpuLine::Init, CpuLine::Sipi}) {
    EXPECT_EQ(cpus.in_handler(kCpu), n < 4) << "an INIT abandons the handler";
    cpus.receive(Cpus::kController, CpuLineChange{kCpu, kind, Level::High, span(n)}, env);
    EXPECT_TRUE(noted(Event::Handled, span(n)));
    ++n;
  }
}

// ---- a CPU that stops -------------------------------------------------------------------------

TEST_F(CpusStop, AStoppedCpuTakesNothing) {
  cpus.stop(kCpu);
  line(Level::High);
  nmi(span(1));
  EXPECT_TRUE(env.sent.empty());
  EXPECT_FALSE(env.noted(Event::HandlerEntered));
  EXPECT_EQ(test::held_by(cpus), std::vector<SpanId>{span(1)});
  line(Level::High, kNext);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusStop, AHandlerUnderWayEndsFirst) {
  take(kVector, span(1));
  line(Level::High);
  cpus.stop(kCpu);
  elapse();
  EXPECT_EQ(eois(), 1u);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusStop, WhatItHasAskedForItStillTakes) {
  line(Level::High);
  cpus.stop(kCpu);
  answer(kBare, span(1));
  EXPECT_EQ(cpus.handled(kCpu), 1u);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusStop, ACallStopsItAndIsNoted) {
  const HostCall call{0, {}, raw(kNext), 0};
  EXPECT_EQ(cpus.lane_of(Cpus::kController, call), LaneId{1});
  cpus.receive(Cpus::kController, call, env);
  EXPECT_EQ(noted(Event::VcpuStopped, kNoSpan), 1u);
  line(Level::High, kNext);
  EXPECT_EQ(intas(), 0u);
  line(Level::High, kCpu);
  EXPECT_EQ(intas(), 1u);
}

TEST_F(CpusStop, ACpuThatComesBackTakesWhatIsPending) {
  cpus.stop(kCpu);
  line(Level::High);
  EXPECT_EQ(intas(), 0u);
  cpus.resume(kCpu, env);
  EXPECT_EQ(intas(), 1u);
  answer(kBare, span(1));
  EXPECT_EQ(cpus.handled(kCpu), 1u);
}

TEST_F(CpusTest, AHandlerMayLeaveItsEoiToSomebodyElse) {
  Cpus::Config left = config();
  left.eoi = Cpus::Eoi::Left;
  cpus = Cpus(left);
  line(Level::High);
  answer(kBare, span(1));
  EXPECT_EQ(cpus.handled(kCpu), 1u);
  EXPECT_EQ(eois(), 0u);
  EXPECT_EQ(noted(Event::EoiWritten, span(1)), std::nullopt);
}

TEST_F(CpusTest, ACopyIsEqualUntilOneOfThemChanges) {
  take(kShared, span(1));
  Cpus copy = cpus;
  EXPECT_EQ(copy, cpus);
  copy.stop(kNext);
  EXPECT_FALSE(copy == cpus);
  copy = cpus;
  const Tag read = env.messages<BusRead>().back().tag;
  copy.receive(Cpus::kBus, BusData{{}, read, BusStatus::Ok, span(1)}, env);
  EXPECT_FALSE(copy == cpus);  // it computes now
  copy = cpus;
  EXPECT_EQ(copy, cpus);
}

}  // namespace
}  // namespace irqfab::cpu
