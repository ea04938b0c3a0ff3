// Priorities and operation command words of an 8259A. Quoted headings are those of the data sheet
// (231468).

#include "tests/models/x86/pic_fixture.hpp"

namespace irqfab::x86::test {
namespace {

using PicPriority = PicFixture;
using PicEoi = PicFixture;
using PicSpecialMask = PicFixture;
using PicStatus = PicFixture;
using PicPoll = PicFixture;

// "Fully Nested Mode"

TEST_F(PicPriority, Ir0IsTheHighest) {
  for (const unsigned pin : {7u, 3u, 0u, 5u}) raise(pin);
  EXPECT_EQ(inta(), 0x20u);
}

TEST_F(PicPriority, SlaveInputsComeWithIr2) {
  raise(3);
  raise(15);
  raise(8);
  EXPECT_EQ(inta(), 0x28u);
}

struct Nesting {
  unsigned in_service;
  unsigned requested;
  bool interrupts;
};
class PicNesting : public PicFixture, public ::testing::WithParamInterface<Nesting> {};
TEST_P(PicNesting, OnlyAHigherPriorityInterrupts) {
  raise(GetParam().in_service);
  inta();
  lower(GetParam().in_service);
  raise(GetParam().requested);
  EXPECT_EQ(wants(), GetParam().interrupts);
}
INSTANTIATE_TEST_SUITE_P(Of8259A, PicNesting,
                         ::testing::Values(Nesting{4, 3, true}, Nesting{4, 4, false},
                                           Nesting{4, 5, false}, Nesting{0, 7, false},
                                           Nesting{3, 9, true}, Nesting{9, 1, true},
                                           Nesting{9, 3, false}, Nesting{9, 8, false},
                                           Nesting{9, 10, false}));

TEST_F(PicPriority, MaskedLevelDoesNotBlockLowerOnes) {
  mask(kMaster, 0x08);
  raise(3);
  raise(4);
  EXPECT_EQ(inta(), 0x24u);
}

TEST_F(PicPriority, MaskedLevelInServiceBlocksAsBefore) {
  raise(3);
  inta();
  mask(kMaster, 0x08);
  raise(4);
  EXPECT_FALSE(wants());
}

// "Special Fully Nested Mode"

TEST_F(PicPriority, SpecialFullyNestedSlaveIsNotLockedOutByItself) {
  initialize(kIcw4 | kSfnm);
  raise(10);
  EXPECT_EQ(inta(), 0x2Au);
  raise(9);
  EXPECT_TRUE(wants());
  EXPECT_EQ(inta(), 0x29u);
  EXPECT_EQ(isr(kSlave), 0x06);
  EXPECT_EQ(isr(), 0x04);
}

TEST_F(PicPriority, SpecialFullyNestedSlaveBlocksLowerLevelsOfTheMaster) {
  initialize(kIcw4 | kSfnm);
  raise(10);
  inta();
  raise(3);
  EXPECT_FALSE(wants());
}

TEST_F(PicPriority, SpecialFullyNestedModeIsForSlavesOnly) {
  initialize(kIcw4 | kSfnm);
  raise(3);
  inta();
  lower(3);
  raise(3);
  EXPECT_FALSE(wants());
}

// "End of Interrupt", "Automatic Rotation", "Specific Rotation"

TEST_F(PicEoi, NonSpecificEndsTheHighestInService) {
  raise(5, span(5));
  inta();
  raise(2 + 1, span(3));
  inta();
  command(kMaster, kEoi);
  EXPECT_EQ(isr(), 0x20);
  EXPECT_TRUE(handled(span(3)));
  EXPECT_FALSE(handled(span(5)));
}

TEST_F(PicEoi, NonSpecificFollowsARotatedPriority) {
  raise(5);
  inta();
  raise(3);
  inta();
  command(kMaster, kSetPriority | 4);  // 5 is the highest now
  command(kMaster, kEoi);
  EXPECT_EQ(isr(), 0x08);
}

TEST_F(PicEoi, SpecificEndsTheLevelItNames) {
  raise(5, span(5));
  inta();
  raise(3, span(3));
  inta();
  command(kMaster, kSpecificEoi | 5);
  EXPECT_EQ(isr(), 0x08);
  EXPECT_EQ(noted(Event::Handled, span(5)), 0x25u);
  EXPECT_FALSE(handled(span(3)));
}

TEST_F(PicEoi, EndOfNothingIsNoted) {
  command(kMaster, kEoi);
  EXPECT_TRUE(faulted(GuestFault::EoiWithoutInterrupt));
  env.clear();
  raise(3);
  inta();
  command(kMaster, kSpecificEoi | 4);
  EXPECT_TRUE(faulted(GuestFault::EoiWithoutInterrupt));
  EXPECT_EQ(isr(), 0x08);
}

TEST_F(PicEoi, RotatingMakesTheEndedLevelTheLowest) {
  raise(4, span(4));
  inta();
  command(kMaster, kRotateOnEoi);
  EXPECT_TRUE(handled(span(4)));
  lower(4);
  raise(4);
  raise(3);
  raise(5);
  EXPECT_EQ(inta(), 0x25u);
  command(kMaster, kEoi);
  EXPECT_EQ(inta(), 0x23u);
  command(kMaster, kEoi);
  EXPECT_EQ(inta(), 0x24u);
}

TEST_F(PicEoi, RotatingTheEndOfNothingRotatesNothing) {
  command(kMaster, kRotateOnEoi);
  raise(7);
  raise(0);
  EXPECT_EQ(inta(), 0x20u);
}

TEST_F(PicEoi, RotatingOnSpecificEoiMakesItsLevelTheLowest) {
  raise(1, span(1));
  inta();
  command(kMaster, kRotateOnSpecificEoi | 1);
  EXPECT_TRUE(handled(span(1)));
  EXPECT_EQ(isr(), 0);
  raise(0);
  raise(3);
  EXPECT_EQ(inta(), 0x23u);
}

TEST_F(PicEoi, SetPriorityEndsNothing) {
  raise(4);
  inta();
  command(kMaster, kSetPriority | 4);
  EXPECT_EQ(isr(), 0x10);
  EXPECT_FALSE(env.noted(Event::Handled));
  EXPECT_FALSE(env.noted(Event::GuestError));
  raise(7);
  EXPECT_EQ(inta(), 0x27u);
}

TEST_F(PicEoi, NoOperationDoesNothing) {
  raise(4);
  inta();
  const Pic before = pic;
  command(kMaster, kNoOperation | 4);
  EXPECT_TRUE(pic == before);
}

TEST_F(PicEoi, AutomaticEndsAtTheInta) {
  initialize(kIcw4 | kAeoi);
  raise(3, span(1));
  const IntaAnswer answer = pic.on_inta(CpuId{0}, env);
  EXPECT_EQ(raw(answer.vector), 0x23u);
  EXPECT_FALSE(answer.spurious);
  EXPECT_EQ(answer.span, kNoSpan);
  EXPECT_EQ(isr(), 0);
  EXPECT_TRUE(noted(Event::Accepted, span(1)).has_value());
  EXPECT_EQ(noted(Event::Handled, span(1)), 0x23u);
  EXPECT_TRUE(held().empty());
}

TEST_F(PicEoi, AutomaticRotatesOnlyWhereToldTo) {
  for (const bool rotates : {false, true}) {
    initialize(kIcw4 | kAeoi);
    command(kMaster, rotates ? kRotateInAeoi : kStopRotatingInAeoi);
    raise(3);
    inta();
    lower(3);
    raise(3);
    raise(5);
    EXPECT_EQ(inta(), rotates ? 0x25u : 0x23u);
    lower(3);
    lower(5);
  }
}

TEST_F(PicEoi, StopRotatingInAutomaticEoi) {
  initialize(kIcw4 | kAeoi);
  command(kMaster, kRotateInAeoi);
  command(kMaster, kStopRotatingInAeoi);
  raise(3);
  inta();
  lower(3);
  raise(3);
  raise(5);
  EXPECT_EQ(inta(), 0x23u);
}

TEST_F(PicEoi, EachChipHasItsOwn) {
  raise(9, span(9));
  inta();
  command(kMaster, kEoi);
  EXPECT_FALSE(handled(span(9)));
  command(kSlave, kEoi);
  EXPECT_EQ(noted(Event::Handled, span(9)), 0x29u);
}

// "Special Mask Mode"

TEST_F(PicSpecialMask, MaskedLevelInServiceBlocksNoOther) {
  raise(3);
  inta();
  mask(kMaster, 0x08);
  command(kMaster, kSetSpecialMask);
  lower(3);
  raise(3);
  EXPECT_FALSE(wants());
  raise(6);
  EXPECT_EQ(inta(), 0x26u);
}

TEST_F(PicSpecialMask, UnmaskedLevelInServiceBlocksAsEver) {
  command(kMaster, kSetSpecialMask);
  raise(3);
  inta();
  raise(6);
  EXPECT_FALSE(wants());
}

TEST_F(PicSpecialMask, NonSpecificEoiDoesNotReachAMaskedLevel) {
  raise(3, span(3));
  inta();
  mask(kMaster, 0x08);
  command(kMaster, kSetSpecialMask);
  command(kMaster, kEoi);
  EXPECT_EQ(isr(), 0x08);
  EXPECT_TRUE(faulted(GuestFault::EoiWithoutInterrupt));
  command(kMaster, kSpecificEoi | 3);
  EXPECT_TRUE(handled(span(3)));
}

TEST_F(PicSpecialMask, ChangesOnlyWithItsEnableBit) {
  raise(3);
  inta();
  mask(kMaster, 0x08);
  raise(6);
  command(kMaster, 0x28);  // SMM without ESMM
  EXPECT_FALSE(wants());
  command(kMaster, kSetSpecialMask);
  EXPECT_TRUE(wants());
  command(kMaster, 0x08);
  EXPECT_TRUE(wants());
  command(kMaster, kResetSpecialMask);
  EXPECT_FALSE(wants());
}

// "Reading the 8259A Status"

TEST_F(PicStatus, ReadsIrrAndIsrAsSelectedAndRemembersIt) {
  raise(3);
  inta();
  raise(1);
  command(kMaster, kReadIsr);
  EXPECT_EQ(read(kMaster), 0x08);
  EXPECT_EQ(read(kMaster), 0x08);
  command(kMaster, 0x09);  // RIS without RR
  EXPECT_EQ(read(kMaster), 0x08);
  command(kMaster, kReadIrr);
  EXPECT_EQ(read(kMaster), 0x02);
}

TEST_F(PicStatus, ReadsTheMaskWithoutACommand) {
  mask(kMaster, 0x5A);
  mask(kSlave, 0xA5);
  command(kMaster, kReadIsr);
  EXPECT_EQ(read(kMaster + 1), 0x5A);
  EXPECT_EQ(read(kSlave + 1), 0xA5);
}

TEST_F(PicStatus, MaskDoesNotHideRequests) {
  mask(kMaster, 0xFF);
  raise(3);
  EXPECT_EQ(irr(), 0x08);
}

TEST_F(PicStatus, SlaveShowsAsRequestOfIr2) {
  raise(9);
  EXPECT_EQ(irr(kSlave), 0x02);
  EXPECT_EQ(irr(), 0x04);
}

// "Poll Command"

TEST_F(PicPoll, ReadAcknowledgesTheHighestRequest) {
  raise(5, span(5));
  raise(3, span(3));
  command(kMaster, kPoll);
  EXPECT_EQ(read(kMaster), 0x83);
  EXPECT_EQ(isr(), 0x08);
  EXPECT_TRUE(noted(Event::Accepted, span(3)).has_value());
  EXPECT_FALSE(wants());
  command(kMaster, kEoi);
  EXPECT_TRUE(handled(span(3)));
}

TEST_F(PicPoll, EitherAddressWillDo) {
  raise(3);
  command(kMaster, kPoll);
  EXPECT_EQ(read(kMaster + 1), 0x83);
}

TEST_F(PicPoll, OneReadOnly) {
  raise(3);
  command(kMaster, kPoll);
  read(kMaster);
  mask(kMaster, 0x11);
  EXPECT_EQ(read(kMaster + 1), 0x11);
}

TEST_F(PicPoll, WithoutARequestBit7IsClear) {
  command(kMaster, kPoll);
  EXPECT_EQ(read(kMaster), 0x07);
  EXPECT_EQ(isr(), 0);
  EXPECT_FALSE(env.noted(Event::SpuriousAnswered));
}

TEST_F(PicPoll, OverridesAReadOfStatus) {
  raise(3);
  command(kMaster, kPoll | 0x03);
  EXPECT_EQ(read(kMaster), 0x83);
  EXPECT_EQ(read(kMaster), 0);  // IRR as before, and no longer set
}

TEST_F(PicPoll, SlaveIsPolledByItself) {
  raise(9, span(9));
  command(kMaster, kPoll);
  EXPECT_EQ(read(kMaster), 0x82);
  EXPECT_EQ(isr(kSlave), 0);
  command(kSlave, kPoll);
  EXPECT_EQ(read(kSlave), 0x81);
  EXPECT_EQ(noted(Event::Accepted, span(9)), 0x29u);
}

TEST_F(PicPoll, OfTheSlaveAloneTakesTheRequestFromTheMaster) {
  raise(9);
  command(kSlave, kPoll);
  read(kSlave);
  EXPECT_FALSE(wants());
  EXPECT_EQ(irr(), 0);
}

}  // namespace
}  // namespace irqfab::x86::test
