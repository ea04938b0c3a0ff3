// What surrounds a pair of 8259As: ELCR, I/O ports, wires, quirks.

#include "tests/models/x86/pic_fixture.hpp"

namespace irqfab::x86::test {
namespace {

using PicElcr = PicFixture;
using PicPorts = PicFixture;
using PicRestore = PicFixture;

// ELCR, of the PIIX and ICH data sheets

TEST_F(PicElcr, ReservedBitsStayClear) {
  elcr(Pic::kMasterElcr, 0xFF);
  elcr(Pic::kSlaveElcr, 0xFF);
  EXPECT_EQ(read(Pic::kMasterElcr), 0xF8);
  EXPECT_EQ(read(Pic::kSlaveElcr), 0xDE);
  for (const unsigned pin : {0u, 1u, 2u, 8u, 13u}) {
    raise(pin);
    lower(pin);
  }
  EXPECT_EQ(env.count(Event::Cancelled), 5u);
}

TEST_F(PicElcr, SurvivesInitialization) {
  elcr(Pic::kMasterElcr, 0x20);
  initialize();
  EXPECT_EQ(read(Pic::kMasterElcr), 0x20);
}

TEST_F(PicElcr, ChangeToLevelFindsTheHighLine) {
  raise(5, span(1));
  inta();
  command(kMaster, kEoi);
  elcr(Pic::kMasterElcr, 0x20);
  EXPECT_EQ(opened(Cause::Resample).size(), 1u);
  EXPECT_TRUE(wants());
}

TEST_F(PicElcr, ChangeToEdgeForgetsTheLevel) {
  elcr(Pic::kMasterElcr, 0x60);
  raise(5, span(1));
  raise(6, span(2));
  elcr(Pic::kMasterElcr, 0x40);
  EXPECT_TRUE(cancelled(span(1), CancelOp::RteRewrite));
  EXPECT_EQ(held(), Spans{span(2)});
  EXPECT_EQ(inta(), 0x26u);
}

TEST_F(PicElcr, ChipsOfTheirOwnHaveNone) {
  Pic::Config config;
  config.trigger = PicTrigger::Ltim;
  use(config);
  elcr(Pic::kMasterElcr, 0xFF);
  EXPECT_EQ(read(Pic::kMasterElcr), 0xFF);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
  EXPECT_EQ(pic.chip(PicRole::Master).elcr(), 0);
}

// Ports

TEST_F(PicPorts, ReadIsAnsweredOnItsPortWithItsTag) {
  mask(kSlave, 0x5A);
  const BusRead question{kIoPortBase + 0xA1, Tag{5}, span(4), {}, 1};
  pic.receive(Pic::kRegisters, question, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, Pic::kRegisters);
  const auto answer = env.messages<BusData>().at(0);
  EXPECT_EQ(answer.data[0], 0x5A);
  EXPECT_EQ(answer.tag, Tag{5});
  EXPECT_EQ(answer.span, span(4));
  EXPECT_EQ(answer.status, BusStatus::Ok);
}

TEST_F(PicPorts, WriteReachesThePort) {
  pic.receive(Pic::kRegisters, BusWrite{kIoPortBase + 0x21, 0x5A, kNoSpan, {}, 1}, env);
  EXPECT_EQ(read(kMaster + 1), 0x5A);
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(PicPorts, OtherSizesDoNothingAndAreNoted) {
  pic.receive(Pic::kRegisters, BusWrite{kIoPortBase + 0x21, 0x5A, kNoSpan, {}, 2}, env);
  EXPECT_TRUE(faulted(GuestFault::WrongAccessSize));
  EXPECT_EQ(read(kMaster + 1), 0);
  env.clear();
  pic.receive(Pic::kRegisters, BusRead{kIoPortBase + 0x21, Tag{5}, kNoSpan, {}, 4}, env);
  EXPECT_TRUE(faulted(GuestFault::WrongAccessSize));
  EXPECT_EQ(env.messages<BusData>().at(0).data[0], 0xFF);
}

TEST_F(PicPorts, AddressesThatAreNoPortOfItAreNoted) {
  const std::uint64_t addresses[] = {0x21, kIoPortBase - 1, kIoPortBase + 0x22, kIoPortBase + 0x4D2,
                                     kIoPortBase + 0x10021};
  for (const std::uint64_t address : addresses) {
    const Pic before = pic;
    env.clear();
    pic.receive(Pic::kRegisters, BusWrite{address, 0x5A, kNoSpan, {}, 1}, env);
    EXPECT_EQ(env.count(Event::GuestError), 1u);
    pic.receive(Pic::kRegisters, BusRead{address, Tag{1}, kNoSpan, {}, 1}, env);
    EXPECT_EQ(env.count(Event::GuestError), 2u);
    EXPECT_EQ(env.messages<BusData>().at(0).data[0], 0xFF);
    EXPECT_TRUE(pic == before);
  }
}

TEST_F(PicPorts, InterruptMessageAimedAtAPortEndsAsData) {
  pic.receive(Pic::kRegisters, BusWrite{kIoPortBase + 0x21, 0x5A, span(1), {}, 1}, env);
  EXPECT_EQ(noted(Event::Dropped, span(1)), static_cast<std::uint64_t>(DropReason::NoDecode));
}

TEST_F(PicPorts, IntaIsAnsweredOnItsPort) {
  raise(3, span(1));
  env.clear();
  pic.receive(Pic::kInta, Inta{CpuId{2}}, env);
  const auto answers = env.messages<IntaAnswer>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].cpu, CpuId{2});
  EXPECT_EQ(raw(answers[0].vector), 0x23u);
  EXPECT_EQ(env.sent.back().port, Pic::kInta);
}

TEST_F(PicPorts, IntGoesToEveryPinThatItIsJoinedTo) {
  Pic::Config config;
  config.intr = {Pin{0}, Pin{4}};
  use(config);
  initialize();
  env.clear();
  raise(3, span(1));
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(env.sent[0].port, port_of(3, 0));
  EXPECT_EQ(env.sent[1].port, port_of(3, 1));
  const auto changes = env.messages<PinChange>();
  EXPECT_EQ(changes[0].pin, Pin{0});
  EXPECT_EQ(changes[1].pin, Pin{4});
  EXPECT_EQ(changes[1].level, Level::High);
  EXPECT_EQ(changes[1].span, kNoSpan);
}

TEST_F(PicPorts, IntIsSentWhenItChangesOnly) {
  raise(3);
  raise(1);
  EXPECT_EQ(env.messages<PinChange>().size(), 1u);
}

TEST_F(PicPorts, DriversOfDifferentEdgesAreDifferentDrivers) {
  elcr(Pic::kMasterElcr, 0x20);
  pic.receive(port_of(0, 0), PinChange{Pin{5}, Level::High, 0, span(1)}, env);
  pic.receive(port_of(0, 1), PinChange{Pin{5}, Level::High, 0, span(2)}, env);
  pic.receive(port_of(0, 0), PinChange{Pin{5}, Level::Low, 0, kNoSpan}, env);
  EXPECT_EQ(irr(), 0x20);
  pic.receive(port_of(0, 1), PinChange{Pin{5}, Level::Low, 0, kNoSpan}, env);
  EXPECT_EQ(irr(), 0);
}

TEST_F(PicPorts, PinThatDoesNotExistIsNotedAndEndsTheSpan) {
  raise(16, span(1));
  EXPECT_TRUE(faulted(GuestFault::TableIndexOutOfRange));
  EXPECT_EQ(noted(Event::Dropped, span(1)), static_cast<std::uint64_t>(DropReason::NoRoute));
}

TEST_F(PicPorts, CopiesAreEqualUntilOneChanges) {
  Pic copy = pic;
  EXPECT_TRUE(copy == pic);
  raise(3, span(1));
  EXPECT_FALSE(copy == pic);
}

// Quirks

class PicQuirk : public PicFixture {
 protected:
  void with(std::initializer_list<Quirk> quirks) {
    Pic::Config config;
    for (const Quirk quirk : quirks) config.quirks.add(quirk);
    use(config);
    if (!config.quirks.has(Quirk::PicReadyAtReset)) initialize();
    env.clear();
  }
};

TEST_F(PicQuirk, EdgeStaysLatchedAndTheNextOneMerges) {
  with({Quirk::PicEdgeLatched});
  raise(3, span(1));
  lower(3);
  EXPECT_TRUE(wants());
  raise(3, span(2));
  EXPECT_TRUE(coalesced(span(2), span(1)));
  EXPECT_EQ(inta(), 0x23u);
  EXPECT_EQ(held(), Spans{span(1)});
}

TEST_F(PicQuirk, LatchedEdgeSurvivesAChangeOfTriggerModeUntilItIsTaken) {
  with({Quirk::PicEdgeLatched});
  raise(5, span(1));
  lower(5);
  elcr(Pic::kMasterElcr, 0x20);
  EXPECT_EQ(held(), Spans{span(1)});
  EXPECT_EQ(inta(), 0x25u);
  command(kMaster, kEoi);
  EXPECT_FALSE(wants());
}

TEST_F(PicQuirk, LevelsAreNotLatched) {
  with({Quirk::PicEdgeLatched});
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  lower(5);
  EXPECT_TRUE(cancelled(span(1), CancelOp::LineLow));
}

TEST_F(PicQuirk, PulsedCascadeLeavesTheMastersRequestBehind) {
  with({Quirk::PicCascadePulsed});
  elcr(Pic::kSlaveElcr, 0x10);
  raise(12, span(1));
  EXPECT_EQ(pic.chip(PicRole::Master).lines(), 0);
  lower(12);
  EXPECT_TRUE(wants());
  EXPECT_EQ(inta(), kSpuriousSlave);
  EXPECT_EQ(isr(), 0x04);
}

TEST_F(PicQuirk, PulsedCascadeDoesNothingToALevel) {
  with({Quirk::PicCascadePulsed});
  pic.restore(PicRole::Master, {0, kMasterVectors, 0x04}, env);
  raise(12, span(1));
  EXPECT_FALSE(wants());
}

TEST_F(PicQuirk, ReadyAtResetDeliversFromVectorZero) {
  with({Quirk::PicReadyAtReset});
  raise(3, span(1));
  EXPECT_EQ(inta(), 3u);
  command(kMaster, kEoi);
  raise(12, span(2));
  EXPECT_EQ(inta(), 4u);
}

TEST_F(PicRestore, InitializesAndEvaluatesAgain) {
  use({});
  raise(3, span(1));
  EXPECT_FALSE(wants());
  pic.restore(PicRole::Master, {0x10, 0x48, 0xFF}, env);
  EXPECT_EQ(read(kMaster + 1), 0x10);
  EXPECT_EQ(read(Pic::kMasterElcr), 0xFF);
  EXPECT_TRUE(wants());
  EXPECT_EQ(inta(), 0x4Bu);
}

}  // namespace
}  // namespace irqfab::x86::test
