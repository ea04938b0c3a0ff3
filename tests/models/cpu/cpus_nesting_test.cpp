// Handlers that are interrupted, CPUs that halt, and work with interrupts disabled: what the rules
// of the manual leave to the model.
#include <gtest/gtest.h>

#include "tests/support/cpu_rig.hpp"

namespace irqfab::cpu {
namespace {

using test::CpuRig;
using S = StepKind;

/// Ends whatever is under way, the innermost first.
void end_all(CpuRig& rig) {
  for (unsigned n = 0; n < 100 && rig.cpus.depth(rig.cpu) > 0; ++n) rig.elapse();
}

TEST(CpusNesting, AHandlerGoesOnWithWhatWasLeftHoweverOftenItIsPreempted) {
  CpuRig rig(CpuRig::preemptible());
  rig.take(0x31, 1);
  for (std::uint64_t n = 2; n < 6; ++n) {
    rig.env.time += 100;
    rig.take(0x41, n);
    rig.elapse();
  }
  EXPECT_EQ(rig.env.delays.back().delay, 600u);
  rig.elapse();
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 5u);
  EXPECT_EQ(rig.env.count(Event::HandlerPreempted), 4u);
  EXPECT_EQ(rig.env.count(Event::HandlerResumed), 4u);
}

TEST(CpusNesting, ASpuriousAnswerLeavesTheHandlerWhereItWas) {
  CpuRig rig(CpuRig::preemptible());
  rig.take(0x31, 1);
  rig.env.time += 250;
  rig.line();
  rig.answer_spurious();
  EXPECT_EQ(rig.env.delays.back().delay, 750u);
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 1u);
}

TEST(CpusNesting, AtTheVeryEndOfAStepNothingIsLeftOfIt) {
  CpuRig rig(CpuRig::preemptible());
  rig.take(0x31, 1);
  rig.env.time += CpuRig::kLong;
  rig.take(0x41, 2);
  rig.elapse();
  EXPECT_EQ(rig.env.delays.back().delay, 0u);
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, enter 2, end 2, end 1");
}

TEST(CpusNesting, SixteenHandlersAreUnderWayAtMostAndAnNmiOnTop) {
  CpuRig rig(CpuRig::preemptible());
  for (std::uint64_t n = 1; n <= kMostInterruptFrames; ++n) rig.take(0x41, n);
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 16u);
  rig.line();
  EXPECT_EQ(rig.intas(), 16u);
  rig.tell(CpuLine::Nmi, 90);
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 17u);
  rig.elapse();  // the NMI's
  EXPECT_EQ(rig.intas(), 16u);
  rig.elapse();  // one of the others
  EXPECT_EQ(rig.intas(), 17u) << "there is room again";
  rig.answer_spurious();
  end_all(rig);
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 17u);
}

TEST(CpusNesting, AnAcknowledgeEndsTheInterruptAndNotItsHandler) {
  CpuRig::Config config = CpuRig::with({{S::Acknowledge, 0}, {S::Busy, 10}, {S::Acknowledge, 0}});
  config.completions = Cpus::Completions::Told;
  CpuRig rig(config);
  rig.take(0x41, 1);
  EXPECT_EQ(rig.eois(), 1u);
  EXPECT_EQ(rig.env.messages<HostCall>().size(), 1u);
  EXPECT_TRUE(rig.cpus.in_handler(rig.cpu));
  rig.env.notes.clear();
  rig.elapse();
  EXPECT_EQ(rig.eois(), 1u) << "once";
  EXPECT_TRUE(rig.env.notes.empty()) << "the span has ended";
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 1u);
  EXPECT_FALSE(rig.cpus.in_handler(rig.cpu));
}

TEST(CpusNesting, AnNmiHasNothingToAcknowledge) {
  CpuRig rig(CpuRig::with({{S::Acknowledge, 0}, {S::Busy, 10}}));
  rig.tell(CpuLine::Nmi, 1);
  EXPECT_EQ(rig.story(), "enter 1");
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, end 1");
  EXPECT_EQ(rig.eois(), 0u);
}

TEST(CpusNesting, AReadIsNotInterrupted) {
  CpuRig::Config config = CpuRig::with({{S::EnableInterrupts, 0}, {S::ReadDevice, 50}});
  config.served.resize(512);
  config.served[0x41] = {0, 1};
  config.sources = {{0xC000, 0, 0}};
  CpuRig rig(config);
  rig.take(0x41, 1);
  rig.tell(CpuLine::Nmi, 2);
  rig.line();
  EXPECT_EQ(rig.story(), "enter 1");
  EXPECT_EQ(rig.intas(), 1u);
  const BusRead read = rig.env.messages<BusRead>().at(0);
  rig.receive(BusData{{}, read.tag, BusStatus::Ok, read.span});
  EXPECT_EQ(rig.story(), "enter 1, enter 2");
  EXPECT_EQ(rig.intas(), 2u) << "this NMI's handler enables interrupts, too";
}

TEST(CpusNesting, TheAnswerOfAReadOfBeforeAnInitMeansNothing) {
  CpuRig::Config config = CpuRig::with({{S::ReadDevice, 50}});
  config.served.resize(512);
  config.served[0x41] = {0, 1};
  config.sources = {{0xC000, 0, 0}};
  CpuRig rig(config);
  rig.take(0x41, 1);
  const BusRead read = rig.env.messages<BusRead>().at(0);
  rig.tell(CpuLine::Init, 2);
  rig.receive(BusData{{}, read.tag, BusStatus::Ok, read.span});
  EXPECT_TRUE(rig.env.delays.empty());
}

TEST(CpusNesting, AnInitKeepsTheLineAndTheCount) {
  CpuRig rig;
  rig.take(0x41, 1);
  rig.elapse();
  rig.take(0x42, 2);
  rig.line();
  rig.tell(CpuLine::Init, 3);
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 1u);
  EXPECT_EQ(rig.intas(), 2u);
  rig.execute({Instruction::Sti, Instruction::Nop});
  EXPECT_EQ(rig.intas(), 3u);
}

// ---- what takes time and cannot be interrupted ------------------------------------------------

/// Every entry of a handler takes 100, every EOI 10.
class EntryEnv final : public Env {
 public:
  using Env::note;
  void note(Event event, SpanId span, std::uint64_t) override {
    if (event == Event::EoiWritten) cursor += 10;
    if (event == Event::CpuWoken) ++woken;
    if (event != Event::HandlerEntered) return;
    entered.push_back(span);
    cursor += 100;
  }
  void send(PortId, const Message& message) override {
    if (std::holds_alternative<Inta>(message)) ++intas;
  }
  void after(Duration delay, Tag tag) override { delays.push_back({delay, tag}); }
  void after(Duration delay, Tag tag, LaneId) override { after(delay, tag); }
  using Env::open;
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }
  Time now() const override { return cursor; }

  Time cursor = 0;
  std::vector<std::pair<Duration, Tag>> delays;
  std::vector<SpanId> entered;
  unsigned intas = 0;
  unsigned woken = 0;
};

TEST(CpusBoundary, AnNmiWaitsUntilTheHandlersFirstInstruction) {
  Cpus cpus(CpuRig::busy());
  EntryEnv env;
  const auto receive = [&](const Message& message) {
    cpus.receive(Cpus::kController, message, env);
  };
  receive(CpuLineChange{CpuId{0}, CpuLine::Intr, Level::High, kNoSpan});
  receive(IntaAnswer{CpuId{0}, Vector{0x41}, false, CpuRig::span(1)});
  env.cursor = 30;  // the entry is under way, until 100
  receive(CpuLineChange{CpuId{0}, CpuLine::Nmi, Level::High, CpuRig::span(2)});
  receive(CpuLineChange{CpuId{0}, CpuLine::Intr, Level::High, kNoSpan});
  EXPECT_EQ(env.entered.size(), 1u);
  ASSERT_EQ(env.delays.size(), 2u) << "the handler's step, and one look";
  EXPECT_EQ(env.delays[1].first, 70u);
  env.cursor = 100;
  receive(Elapsed{env.delays[1].second, 0});
  ASSERT_EQ(env.entered.size(), 2u);
  EXPECT_EQ(env.entered[1], CpuRig::span(2));
  receive(Elapsed{env.delays[2].second, 0});  // the NMI's handler ends
  EXPECT_EQ(env.delays.back().first, CpuRig::kLong) << "nothing of the first's step had been done";
}

TEST(CpusBoundary, ACpuThatIsStillWritingItsEoiDoesNotSleepYet) {
  CpuRig::Config config = CpuRig::with({});
  config.idle = Idle::Halt;
  Cpus cpus(config);
  EntryEnv env;
  const CpuLineChange high{CpuId{0}, CpuLine::Intr, Level::High, kNoSpan};
  cpus.receive(Cpus::kController, high, env);
  cpus.receive(PortId{0xFFFF}, Elapsed{env.delays.at(0).second, 0}, env);
  cpus.receive(Cpus::kController, IntaAnswer{CpuId{0}, Vector{0x41}, false, CpuRig::span(1)}, env);
  EXPECT_EQ(env.cursor, 110u);
  env.cursor = 105;
  cpus.receive(Cpus::kController, high, env);
  EXPECT_EQ(env.woken, 1u);
  EXPECT_EQ(env.intas, 2u);
}

// ---- halting ----------------------------------------------------------------------------------

CpuRig::Config halting() {
  CpuRig::Config config = CpuRig::busy();
  config.idle = Idle::Halt;
  return config;
}

TEST(CpusIdle, AnIdleCpuHaltsAndIsWoken) {
  CpuRig rig(halting());
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
  rig.line(Level::High, rig.span(1));
  EXPECT_TRUE(rig.noted(Event::CpuWoken, 1));
  rig.elapse();
  rig.answer(0x41, 1);
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  rig.elapse();
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
}

TEST(CpusIdle, WhatArrivesInAHandlerNeedsNoWaking) {
  CpuRig rig(halting());
  rig.line();
  rig.elapse();
  rig.answer(0x41, 1);
  rig.line();
  rig.elapse();
  EXPECT_EQ(rig.intas(), 2u);
  EXPECT_EQ(rig.env.count(Event::CpuWoken), 1u);
}

TEST(CpusIdle, ALineThatFellWhileItWokeLetsItHaltAgain) {
  CpuRig rig(halting());
  rig.line();
  rig.line(Level::Low);
  rig.elapse();
  EXPECT_EQ(rig.intas(), 0u);
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
}

TEST(CpusIdle, APollingCpuIsNeverHalted) {
  CpuRig rig;
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  rig.take(0x41, 1);
  rig.elapse();
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  EXPECT_EQ(rig.env.count(Event::CpuWoken), 0u);
}

// ---- work with interrupts disabled ------------------------------------------------------------

CpuRig::Config stretches() {
  CpuRig::Config config = CpuRig::busy();
  config.stretch = 30;
  config.stretch_every = 100;
  return config;
}

TEST(CpusStretch, KeepsInterruptsWaitingForItsLength) {
  CpuRig rig(stretches());
  rig.call(Call::DisableForWhile, 150);
  ASSERT_EQ(rig.env.delays.size(), 2u);
  EXPECT_EQ(rig.env.delays[0].delay, 100u) << "the next one";
  EXPECT_EQ(rig.env.delays[1].delay, 30u);
  EXPECT_FALSE(rig.cpus.in_handler(rig.cpu));
  rig.line();
  EXPECT_EQ(rig.intas(), 0u);
  rig.elapse();
  EXPECT_EQ(rig.intas(), 1u);
}

TEST(CpusStretch, LetsAnNmiThrough) {
  CpuRig rig(stretches());
  rig.call(Call::DisableForWhile, 50);
  rig.env.time = 10;
  rig.tell(CpuLine::Nmi, 1);
  EXPECT_EQ(rig.story(), "enter 1");
  rig.elapse();
  EXPECT_EQ(rig.env.delays.back().delay, 20u);
  EXPECT_EQ(rig.env.count(Event::HandlerPreempted), 0u) << "it is no handler";
}

TEST(CpusStretch, IsLeftOutFromItsEndOn) {
  CpuRig rig(stretches());
  rig.call(Call::DisableForWhile, 100);
  EXPECT_EQ(rig.env.delays.size(), 1u);
}

TEST(CpusStretch, WaitsForTheHandlersUnderWay) {
  CpuRig rig(stretches());
  rig.take(0x41, 1);
  rig.call(Call::DisableForWhile, 100);
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 1u);
  rig.elapse();
  EXPECT_EQ(rig.env.delays.back().delay, 30u);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), Interrupts::Disabled);
  rig.elapse();
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), Interrupts::Enabled);
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 1u);
}

// ---- steps of a story -------------------------------------------------------------------------

TEST(CpusAccept, TakesAnInterruptWhateverIfSaysAndRunsNoHandler) {
  CpuRig rig;
  rig.cpus.set_interrupts(rig.cpu, Interrupts::Disabled);
  rig.call(Call::Accept, 0);
  EXPECT_EQ(rig.intas(), 1u);
  rig.answer(0x41, 1);
  EXPECT_EQ(rig.cpus.accepted(rig.cpu), Vector{0x41});
  EXPECT_EQ(rig.story(), "enter 1");
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 0u);
  EXPECT_EQ(rig.eois(), 0u);
}

TEST(CpusAccept, IsAnsweredNothingByACpuThatDoesNotRun) {
  CpuRig rig(halting());
  rig.call(Call::Accept, 0);
  EXPECT_EQ(rig.intas(), 0u);
  EXPECT_FALSE(rig.cpus.accepted(rig.cpu));
}

}  // namespace
}  // namespace irqfab::cpu
