#include "fabric/recording/pic_image.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace irqfab::recording {
namespace {

using Writes = std::vector<std::pair<unsigned, unsigned>>;  // port, value

Writes numbers(const std::vector<PortWritten>& writes) {
  Writes out;
  for (const PortWritten& write : writes) out.emplace_back(write.port, write.value);
  return out;
}
PicSetIrq sight(Irqchip chip, std::uint16_t pin, Mask mask = Mask::Off,
                x86::TriggerMode trigger = x86::TriggerMode::Edge) {
  return {chip, Pin{pin}, trigger, mask, Coalescing::No};
}
AckIrq end(Irqchip chip, std::uint16_t pin) { return {chip, Pin{pin}}; }

/// ICW1 to ICW4 of the master, then its mask.
void initialize(PicImage& image) {
  for (const PicPortWrite& write :
       {PicPortWrite{0x20, 0x11}, PicPortWrite{0x21, 0x30}, PicPortWrite{0x21, 0x04},
        PicPortWrite{0x21, 0x01}, PicPortWrite{0x21, 0xFB}}) {
    EXPECT_EQ(image.wrote(write)->value, write.value);
  }
}

TEST(PicImage, ChipsThatDeliverNothingNeedNoSetup) {
  PicImage image;
  image.saw(sight(Irqchip::PicMaster, 4));
  EXPECT_FALSE(image.acknowledged(end(Irqchip::Ioapic, 4)));
  EXPECT_FALSE(image.used());
  EXPECT_TRUE(image.initial_writes().empty());
}

TEST(PicImage, WithoutAnInitializationTheFirmwaresIsTakenAndThePinsAreAsFirstSeen) {
  PicImage image;
  EXPECT_TRUE(image.saw(sight(Irqchip::PicMaster, 0)).empty());
  EXPECT_TRUE(image.saw(sight(Irqchip::PicMaster, 1, Mask::On)).empty());
  EXPECT_TRUE(image.saw(sight(Irqchip::PicSlave, 3, Mask::Off, x86::TriggerMode::Level)).empty());
  EXPECT_EQ(image.acknowledged(end(Irqchip::PicMaster, 0)), Vector{0x08});
  EXPECT_EQ(image.acknowledged(end(Irqchip::PicSlave, 3)), Vector{0x73});
  EXPECT_TRUE(image.used());
  EXPECT_EQ(numbers(image.initial_writes()), (Writes{{0x20, 0x11},
                                                     {0x21, 0x08},
                                                     {0x21, 0x04},
                                                     {0x21, 0x01},
                                                     {0x21, 0xFA},
                                                     {0x4D0, 0x00},
                                                     {0xA0, 0x11},
                                                     {0xA1, 0x70},
                                                     {0xA1, 0x02},
                                                     {0xA1, 0x01},
                                                     {0xA1, 0xF7},
                                                     {0x4D1, 0x08}}));
}

TEST(PicImage, AMaskOrATriggerThatIsAnotherThanBeforeWasWritten) {
  PicImage image;
  image.saw(sight(Irqchip::PicSlave, 3, Mask::On));
  image.saw(sight(Irqchip::PicSlave, 4));
  EXPECT_EQ(numbers(image.saw(sight(Irqchip::PicSlave, 3))), (Writes{{0xA1, 0x00}}));
  EXPECT_TRUE(image.saw(sight(Irqchip::PicSlave, 3)).empty());
  const auto both = image.saw(sight(Irqchip::PicSlave, 4, Mask::On, x86::TriggerMode::Level));
  EXPECT_EQ(numbers(both), (Writes{{0xA1, 0x10}, {0x4D1, 0x10}}));
}

TEST(PicImage, RecordedWritesAreReplayedAsTheyAre) {
  PicImage image;
  EXPECT_FALSE(image.initialized());
  initialize(image);
  EXPECT_TRUE(image.initialized());
  EXPECT_EQ(image.acknowledged(end(Irqchip::PicMaster, 2)), std::nullopt) << "the slave's request";
  EXPECT_EQ(image.acknowledged(end(Irqchip::PicMaster, 4)), Vector{0x34});
  EXPECT_TRUE(image.initial_writes().empty()) << "out of reset";
  EXPECT_TRUE(image.saw(sight(Irqchip::PicMaster, 4, Mask::On)).empty()) << "known";
  EXPECT_EQ(image.wrote({0x4D0, 0x20})->port, 0x4D0);
  EXPECT_TRUE(image.saw(sight(Irqchip::PicMaster, 5, Mask::On, x86::TriggerMode::Level)).empty());
}

TEST(PicImage, EndsOfInterruptsAreLeftToTheHandlers) {
  PicImage image;
  initialize(image);
  EXPECT_FALSE(image.wrote({0x20, 0x20})) << "non-specific";
  EXPECT_FALSE(image.wrote({0x20, 0x64})) << "specific";
  EXPECT_TRUE(image.wrote({0x20, 0x0B})) << "OCW3: which register is read";
  EXPECT_FALSE(image.wrote({0x22, 0x20})) << "no port of theirs";
}

TEST(PicImage, PinsThatNoChipHasAreNobodys) {
  PicImage image;
  EXPECT_TRUE(image.saw(sight(Irqchip::PicMaster, 8, Mask::On)).empty());
  EXPECT_FALSE(image.acknowledged(end(Irqchip::PicSlave, 8)));
  EXPECT_FALSE(image.used());
}

}  // namespace
}  // namespace irqfab::recording
