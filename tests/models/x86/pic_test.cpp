// The pair of 8259As: inputs and their spans, INTA, cascade. Quoted headings are those of the data
// sheet (231468).

#include "tests/models/x86/pic_fixture.hpp"

namespace irqfab::x86::test {
namespace {

using PicEdge = PicFixture;
using PicLevel = PicFixture;
using PicCascade = PicFixture;
using PicInta = PicFixture;

// "Edge and Level Triggered Modes"

TEST_F(PicEdge, RestsAtIrrThenAtIsrUntilTheEoi) {
  raise(3, span(1));
  EXPECT_EQ(noted(Event::PinLatched, span(1)), 3u);
  EXPECT_EQ(held(), Spans{span(1)});
  EXPECT_EQ(irr(), 0x08);
  EXPECT_TRUE(wants());
  const IntaAnswer answer = pic.on_inta(CpuId{3}, env);
  EXPECT_EQ(answer.cpu, CpuId{3});
  EXPECT_EQ(raw(answer.vector), 0x23u);
  EXPECT_FALSE(answer.spurious);
  EXPECT_EQ(answer.span, span(1));
  EXPECT_EQ(noted(Event::Accepted, span(1)), 0x323u);
  EXPECT_EQ(held(), Spans{span(1)});
  EXPECT_EQ(irr(), 0);
  EXPECT_EQ(isr(), 0x08);
  EXPECT_FALSE(wants());
  command(kMaster, kEoi);
  EXPECT_EQ(noted(Event::Handled, span(1)), 0x23u);
  EXPECT_TRUE(held().empty());
  EXPECT_EQ(isr(), 0);
  EXPECT_FALSE(wants());
}

TEST_F(PicInta, IsNotedOnceForBothChipsAndBeforeTheAcceptance) {
  raise(12, span(1));
  env.clear();
  inta();
  std::vector<Event> of_span;
  for (const auto& note : env.notes) {
    if (note.span == span(1)) of_span.push_back(note.event);
  }
  EXPECT_EQ(of_span, (std::vector<Event>{Event::PicAcknowledged, Event::Accepted}));
  EXPECT_EQ(noted(Event::PicAcknowledged, span(1)), 12u);
}

TEST_F(PicEdge, ThatFallsBeforeInta) {
  raise(3, span(1));
  lower(3);
  EXPECT_TRUE(cancelled(span(1), CancelOp::LineLow));
  EXPECT_EQ(irr(), 0);
  EXPECT_FALSE(wants());
  EXPECT_EQ(inta(), kSpuriousMaster);
}

TEST_F(PicEdge, FallsAfterIntaWithoutEffect) {
  raise(3, span(1));
  inta();
  lower(3);
  EXPECT_EQ(isr(), 0x08);
  EXPECT_FALSE(env.noted(Event::Cancelled));
  command(kMaster, kEoi);
  EXPECT_TRUE(handled(span(1)));
}

TEST_F(PicEdge, HeldHighInterruptsOnce) {
  raise(3, span(1));
  inta();
  command(kMaster, kEoi);
  EXPECT_FALSE(wants());
  raise(3);
  EXPECT_FALSE(wants());
  EXPECT_TRUE(opened(Cause::Resample).empty());
}

TEST_F(PicEdge, DuringServiceWaitsForTheEoi) {
  raise(3, span(1));
  inta();
  lower(3);
  raise(3, span(2));
  EXPECT_EQ(held(), (Spans{span(2), span(1)}));
  EXPECT_FALSE(wants());
  command(kMaster, kEoi);
  EXPECT_TRUE(wants());
  EXPECT_EQ(inta(), 0x23u);
  EXPECT_EQ(held(), Spans{span(2)});
}

TEST_F(PicEdge, MaskedStaysLatched) {
  mask(kMaster, 0x08);
  raise(3, span(1));
  EXPECT_FALSE(wants());
  EXPECT_EQ(held(), Spans{span(1)});
  mask(kMaster, 0);
  EXPECT_EQ(inta(), 0x23u);
}

TEST_F(PicEdge, MaskingLowersInt) {
  raise(3, span(1));
  mask(kMaster, 0x08);
  EXPECT_FALSE(wants());
  EXPECT_EQ(inta(), kSpuriousMaster);
  EXPECT_EQ(held(), Spans{span(1)});
}

TEST_F(PicEdge, SecondDriverMergesIntoTheOneThatWaits) {
  raise(3, span(1), 0);
  raise(3, span(2), 1);
  EXPECT_TRUE(coalesced(span(2), span(1)));
  lower(3, 0);
  EXPECT_EQ(held(), Spans{span(1)});
  lower(3, 1);
  EXPECT_TRUE(cancelled(span(1), CancelOp::LineLow));
}

TEST_F(PicEdge, SecondDriverCausesNoEdgeAndMergesIntoTheRise) {
  raise(3, span(1), 0);
  inta();
  raise(3, span(2), 1);
  EXPECT_TRUE(coalesced(span(2), span(1)));
  EXPECT_EQ(irr(), 0);
}

TEST_F(PicEdge, AssertionWithoutASpanBeginsOne) {
  raise(3);
  EXPECT_EQ(opened(Cause::Device), held());
  EXPECT_EQ(held().size(), 1u);
}

class PicBothTriggers : public PicFixture, public ::testing::WithParamInterface<PicTrigger> {
 protected:
  void make_level(unsigned pin) {
    if (GetParam() == PicTrigger::Elcr) {
      elcr(pin < 8 ? Pic::kMasterElcr : Pic::kSlaveElcr, 1u << pin % 8);
    } else {
      Pic::Config config;
      config.trigger = PicTrigger::Ltim;
      use(config);
      initialize(kIcw4, kIcw1 | 0x08);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(By, PicBothTriggers, ::testing::Values(PicTrigger::Elcr, PicTrigger::Ltim),
                         [](const auto& trigger) {
                           return trigger.param == PicTrigger::Elcr ? "Elcr" : "Ltim";
                         });

TEST_P(PicBothTriggers, LevelHighAfterEoiBeginsASpanOfItsOwn) {
  for (const unsigned pin : {5u, 11u}) {
    make_level(pin);
    raise(pin, span(pin));
    const unsigned vector = inta();
    EXPECT_EQ(vector, 0x20 + pin);
    EXPECT_TRUE(opened(Cause::Resample).empty());
    if (pin >= 8) command(kSlave, kEoi);
    command(kMaster, kEoi);
    EXPECT_TRUE(handled(span(pin)));
    ASSERT_EQ(opened(Cause::Resample).size(), 1u);
    EXPECT_EQ(held(), opened(Cause::Resample));
    EXPECT_TRUE(wants());
    EXPECT_EQ(inta(), vector);
    lower(pin);
    if (pin >= 8) command(kSlave, kEoi);
    command(kMaster, kEoi);
    EXPECT_FALSE(wants());
    EXPECT_TRUE(held().empty());
    env.clear();
  }
}

TEST_F(PicLevel, RequestFollowsTheLine) {
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  EXPECT_EQ(irr(), 0x20);
  inta();
  EXPECT_EQ(irr(), 0x20);
  lower(5);
  EXPECT_EQ(irr(), 0);
  EXPECT_EQ(isr(), 0x20);
}

TEST_F(PicLevel, ThatFallsBeforeIntaIsCancelled) {
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  lower(5);
  EXPECT_TRUE(cancelled(span(1), CancelOp::LineLow));
  EXPECT_EQ(inta(), kSpuriousMaster);
}

TEST_F(PicLevel, DriverDuringServiceBeginsToWait) {
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1), 0);
  inta();
  raise(5, span(2), 1);
  raise(5, span(3), 2);
  EXPECT_TRUE(coalesced(span(3), span(2)));
  lower(5, 0);
  command(kMaster, kEoi);
  EXPECT_EQ(inta(), 0x25u);
  EXPECT_EQ(held(), Spans{span(2)});
  EXPECT_TRUE(opened(Cause::Resample).empty());
}

TEST_F(PicLevel, MaskedBeginsNothingUntilItIsUnmasked) {
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  inta();
  mask(kMaster, 0x20);
  command(kMaster, kEoi);
  EXPECT_TRUE(opened(Cause::Resample).empty());
  mask(kMaster, 0);
  EXPECT_EQ(opened(Cause::Resample).size(), 1u);
  EXPECT_TRUE(wants());
}

TEST_F(PicLevel, WithAutomaticEoiInterruptsAsLongAsItIsHigh) {
  initialize(kIcw4 | kAeoi);
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  EXPECT_EQ(inta(), 0x25u);
  EXPECT_TRUE(handled(span(1)));
  EXPECT_TRUE(wants());
  EXPECT_EQ(inta(), 0x25u);
  lower(5);
  EXPECT_FALSE(wants());
}

TEST_F(PicLevel, LtimIsIgnoredWhereElcrIs) {
  initialize(kIcw4, kIcw1 | 0x08);
  raise(5, span(1));
  inta();
  command(kMaster, kEoi);
  EXPECT_FALSE(wants());
}

// "Interrupt Sequence", spurious interrupts

TEST_F(PicInta, WithoutARequestIsIr7AndSetsNoIsrBit) {
  const IntaAnswer answer = pic.on_inta(CpuId{3}, env);
  EXPECT_EQ(raw(answer.vector), kSpuriousMaster);
  EXPECT_TRUE(answer.spurious);
  EXPECT_EQ(answer.span, kNoSpan);
  EXPECT_EQ(noted(Event::SpuriousAnswered, kNoSpan), 0x327u);
  EXPECT_EQ(isr(), 0);
}

TEST_F(PicInta, RealIr7SetsItsIsrBit) {
  raise(7, span(1));
  EXPECT_FALSE(pic.on_inta(CpuId{3}, env).spurious);
  EXPECT_EQ(isr(), 0x80);
}

TEST_F(PicInta, LowersIntAndRaisesItForWhatMayInterrupt) {
  initialize(kIcw4 | kAeoi);
  raise(3);
  raise(4);
  env.clear();
  inta();
  const auto changes = env.messages<PinChange>();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].level, Level::Low);
  EXPECT_EQ(changes[1].level, Level::High);
}

// "Cascade Mode"

TEST_F(PicCascade, BothChipsAreInServiceAndEachHasItsEoi) {
  raise(12, span(1));
  const IntaAnswer answer = pic.on_inta(CpuId{0}, env);
  EXPECT_EQ(raw(answer.vector), 0x2Cu);
  EXPECT_EQ(answer.span, span(1));
  EXPECT_EQ(noted(Event::Accepted, span(1)), 0x2Cu);
  EXPECT_EQ(isr(kSlave), 0x10);
  EXPECT_EQ(isr(), 0x04);
  EXPECT_EQ(held(), Spans{span(1)});
  command(kSlave, kEoi);
  EXPECT_TRUE(handled(span(1)));
  command(kMaster, kEoi);
  EXPECT_FALSE(env.noted(Event::GuestError));
  EXPECT_EQ(isr(), 0);
}

TEST_F(PicCascade, SlaveThatLostItsRequestAnswersIr15AndTheMastersBitIsSet) {
  raise(2, span(1));  // so the master believes that the slave asks
  const IntaAnswer answer = pic.on_inta(CpuId{3}, env);
  EXPECT_EQ(raw(answer.vector), kSpuriousSlave);
  EXPECT_TRUE(answer.spurious);
  EXPECT_EQ(noted(Event::SpuriousAnswered, kNoSpan), 0x32Fu);
  EXPECT_EQ(isr(kSlave), 0);
  EXPECT_EQ(isr(), 0x04);
  command(kMaster, kEoi);
  EXPECT_EQ(noted(Event::Handled, span(1)), 0x22u);
}

TEST_F(PicCascade, WithdrawnRequestOfTheSlaveIsWithdrawnAtTheMaster) {
  raise(12, span(1));
  lower(12);
  EXPECT_EQ(irr(), 0);
  EXPECT_FALSE(wants());
  EXPECT_EQ(inta(), kSpuriousMaster);
}

TEST_F(PicCascade, SlaveOfAnotherAddressDoesNotAnswer) {
  setup(kSlave, {kIcw1, kSlaveVectors, 0x05, kIcw4});
  raise(12, span(1));
  const IntaAnswer answer = pic.on_inta(CpuId{0}, env);
  EXPECT_EQ(raw(answer.vector), 0xFFu);
  EXPECT_TRUE(answer.spurious);
  EXPECT_EQ(isr(kSlave), 0);
  EXPECT_EQ(held(), Spans{span(1)});
}

TEST_F(PicCascade, EoiOfTheSlaveBringsItsNextRequestAsAnEdge) {
  raise(12, span(1));
  inta();
  raise(13, span(2));
  EXPECT_EQ(irr(), 0);
  command(kMaster, kEoi);
  EXPECT_FALSE(wants());
  command(kSlave, kEoi);
  EXPECT_EQ(irr(), 0x04);
  EXPECT_EQ(inta(), 0x2Du);
}

TEST_F(PicCascade, SlaveWithAutomaticEoiAsksAgainAtOnce) {
  setup(kSlave, {kIcw1, kSlaveVectors, 0x02, kIcw4 | kAeoi});
  raise(12, span(1));
  raise(13, span(2));
  EXPECT_EQ(inta(), 0x2Cu);
  EXPECT_EQ(irr(), 0x04);
  command(kMaster, kEoi);
  EXPECT_EQ(inta(), 0x2Du);
}

TEST_F(PicCascade, SlaveIsMaskedByIr2) {
  mask(kMaster, 0x04);
  raise(12);
  EXPECT_FALSE(wants());
  mask(kMaster, 0);
  EXPECT_EQ(inta(), 0x2Cu);
}

TEST_F(PicCascade, DriverOfIr2SharesTheLineWithTheSlave) {
  raise(12, span(1));
  raise(2, span(2));
  EXPECT_TRUE(coalesced(span(2), span(1)));
  lower(12);
  EXPECT_EQ(irr(), 0x04);
  lower(2);
  EXPECT_EQ(irr(), 0);
}

}  // namespace
}  // namespace irqfab::x86::test
