// Initialization of an 8259A. The quoted heading is that of the data sheet (231468).

#include "tests/models/x86/pic_fixture.hpp"

namespace irqfab::x86::test {
namespace {

using PicInitialization = PicFixture;

// "Initialization Command Words"

TEST_F(PicInitialization, ChipThatNeverWasInitializedAsksForNothing) {
  use({});
  raise(3, span(1));
  EXPECT_FALSE(wants());
  EXPECT_TRUE(pic.on_inta(CpuId{0}, env).spurious);
  EXPECT_EQ(held(), Spans{span(1)});
}

struct Sequence {
  const char* name;
  std::uint8_t icw1;
  unsigned words;  // after which INT may rise
};
class PicSequence : public PicFixture, public ::testing::WithParamInterface<Sequence> {};

TEST_P(PicSequence, EndsWithTheLastWordThatIcw1Announces) {
  const Sequence& sequence = GetParam();
  const std::uint8_t icws[] = {sequence.icw1, 0x40, 0x04, 0x01};
  const bool single = (sequence.icw1 & 2) != 0;
  unsigned sent = 0;
  for (unsigned i = 0; i < 4 && sent < sequence.words; ++i) {
    if (i == 2 && single) continue;
    pic.write(static_cast<std::uint16_t>(kMaster + (i == 0 ? 0 : 1)), icws[i], env);
    if (i == 0) raise(3, span(1));
    EXPECT_EQ(wants(), ++sent == sequence.words) << "after word " << sent;
  }
  mask(kMaster, 0x5A);  // so the next write is OCW1
  EXPECT_EQ(read(kMaster + 1), 0x5A);
}
INSTANTIATE_TEST_SUITE_P(Forms, PicSequence,
                         ::testing::Values(Sequence{"CascadedWithIcw4", 0x11, 4},
                                           Sequence{"CascadedWithoutIcw4", 0x10, 3},
                                           Sequence{"SingleWithIcw4", 0x13, 3},
                                           Sequence{"SingleWithoutIcw4", 0x12, 2}),
                         [](const auto& form) { return form.param.name; });

TEST_F(PicInitialization, Icw1ForgetsEdges) {
  raise(3, span(1));
  setup(kMaster, {kIcw1, kMasterVectors, 0x04, kIcw4});
  EXPECT_TRUE(cancelled(span(1), CancelOp::Reset));
  EXPECT_EQ(irr(), 0);
  EXPECT_FALSE(wants());
  lower(3);
  raise(3, span(2));
  EXPECT_TRUE(wants());
}

TEST_F(PicInitialization, Icw1KeepsLevelsThatAreHigh) {
  elcr(Pic::kMasterElcr, 0x20);
  raise(5, span(1));
  setup(kMaster, {kIcw1, kMasterVectors, 0x04, kIcw4});
  EXPECT_EQ(inta(), 0x25u);
  EXPECT_EQ(held(), Spans{span(1)});
}

TEST_F(PicInitialization, Icw1ClearsTheMask) {
  mask(kMaster, 0xFF);
  command(kMaster, kIcw1);
  EXPECT_EQ(read(kMaster + 1), 0);
}

TEST_F(PicInitialization, Icw1EndsWhatIsInService) {
  raise(3, span(1));
  inta();
  command(kMaster, kIcw1);
  EXPECT_TRUE(cancelled(span(1), CancelOp::Reset));
  EXPECT_TRUE(held().empty());
  EXPECT_EQ(isr(), 0);
}

TEST_F(PicInitialization, Icw1GivesIr7TheLowestPriority) {
  command(kMaster, kSetPriority | 3);
  initialize();
  raise(7);
  raise(0);
  EXPECT_EQ(inta(), 0x20u);
}

TEST_F(PicInitialization, Icw1SelectsIrrForReading) {
  command(kMaster, kReadIsr);
  initialize();
  raise(4);
  EXPECT_EQ(read(kMaster), 0x10);
}

TEST_F(PicInitialization, Icw1ClearsSpecialMaskMode) {
  command(kMaster, kSetSpecialMask);
  initialize();
  raise(3);
  inta();
  mask(kMaster, 0x08);
  raise(4);
  EXPECT_FALSE(wants());
}

TEST_F(PicInitialization, Icw1SetsTheSlaveAddressToSeven) {
  setup(kSlave, {0x13, kSlaveVectors, kIcw4});  // single: no ICW3
  raise(9);
  EXPECT_EQ(inta(), 0xFFu);
  initialize();
  setup(kMaster, {kIcw1, kMasterVectors, 0x84, kIcw4});
  setup(kSlave, {0x13, kSlaveVectors, kIcw4});
  raise(7);
  raise(9 + 1);
  command(kMaster, kSetPriority | 6);
  EXPECT_EQ(inta(), 0x2Au);
}

TEST_F(PicInitialization, WithoutIcw4ItsModesAreOff) {
  initialize(kIcw4 | kAeoi | kSfnm);
  setup(kMaster, {0x10, kMasterVectors, 0x04});
  raise(3);
  inta();
  EXPECT_EQ(isr(), 0x08);
}

TEST_F(PicInitialization, Icw4MayStoreBufferedMode) {
  EXPECT_FALSE(pic.chip(PicRole::Master).buffered());
  initialize(kIcw4 | 0x0C);
  EXPECT_TRUE(pic.chip(PicRole::Master).buffered());
  raise(3);
  EXPECT_EQ(inta(), 0x23u);
}

TEST_F(PicInitialization, Icw2HasTheUpperFiveBitsOfTheVector) {
  setup(kMaster, {kIcw1, 0xFF, 0x04, kIcw4});
  raise(3);
  EXPECT_EQ(inta(), 0xFBu);
}

struct Address {
  const char* name;
  std::uint8_t icw1;
  unsigned byte;  // for IR3
};
class PicAddressByte : public PicFixture, public ::testing::WithParamInterface<Address> {};
TEST_P(PicAddressByte, HoldsIcw1sBitsAndTheSpacing) {
  setup(kMaster, {GetParam().icw1, 0x55, 0x04});
  raise(3);
  EXPECT_EQ(inta(), GetParam().byte);
}
INSTANTIATE_TEST_SUITE_P(In8080Mode, PicAddressByte,
                         ::testing::Values(Address{"Interval4", 0xF4, 0xE0 + 12},
                                           Address{"Interval8", 0xF0, 0xC0 + 24}),
                         [](const auto& form) { return form.param.name; });

TEST_F(PicInitialization, SingleModeHasNoSlave) {
  setup(kMaster, {0x13, kMasterVectors, kIcw4});
  raise(9);
  EXPECT_EQ(inta(), 0x22u);
}

TEST_F(PicInitialization, SlaveInputsAreThoseOfIcw3) {
  setup(kMaster, {kIcw1, kMasterVectors, 0x00, kIcw4});
  raise(9);
  EXPECT_EQ(inta(), 0x22u);
}

}  // namespace
}  // namespace irqfab::x86::test
