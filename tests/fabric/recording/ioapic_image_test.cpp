#include "fabric/recording/ioapic_image.hpp"

#include <gtest/gtest.h>

namespace irqfab::recording {
namespace {

IoapicSetIrq sight(Pin pin, std::uint8_t vector, Mask mask = Mask::Off) {
  IoapicSetIrq event;
  event.pin = pin;
  event.vector = Vector{vector};
  event.mask = mask;
  return event;
}
std::uint64_t bits(const std::optional<EntryWritten>& written) {
  EXPECT_TRUE(written);
  return written ? written->entry.bits : 0;
}

TEST(IoapicImage, AnEntryHasEveryFieldThatIsPrinted) {
  IoapicSetIrq event = sight(Pin{4}, 0x31, Mask::On);
  event.dst = 0xF;
  event.mode = x86::DeliveryMode::LowestPriority;
  event.destination_mode = x86::DestinationMode::Logical;
  event.trigger = x86::TriggerMode::Level;
  EXPECT_EQ(entry_of(event).bits, 0x0F00'0000'0001'8931u);
}

TEST(IoapicImage, TheFirstSightOfAPinIsItsInitialEntryAndAChangeIsAWrite) {
  IoapicImage image;
  EXPECT_FALSE(image.saw(sight(Pin{5}, 0x49, Mask::On)));
  EXPECT_FALSE(image.saw(sight(Pin{5}, 0x49, Mask::On)));
  EXPECT_EQ(bits(image.saw(sight(Pin{5}, 0x4A))), 0x4Au);
  EXPECT_FALSE(image.saw(sight(Pin{5}, 0x4A)));
  ASSERT_EQ(image.initial_entries().size(), 1u);
  EXPECT_EQ(image.initial_entries()[0].pin, Pin{5});
  EXPECT_EQ(image.initial_entries()[0].entry.bits, 0x10049u);
}

TEST(IoapicImage, WritesOfTheHalvesMakeTheEntry) {
  IoapicImage image;
  EXPECT_FALSE(image.wrote({0x00, 0x19}));
  EXPECT_EQ(bits(image.wrote({0x10, 0x0100'0000})), 0x0100'0000'0001'0000u) << "masked by reset";
  EXPECT_FALSE(image.wrote({0x00, 0x18}));
  const auto low = image.wrote({0x10, 0x5831});
  EXPECT_EQ(low->pin, Pin{4});
  EXPECT_EQ(bits(low), 0x0100'0000'0000'0831u) << "read-only bits are not the guest's to set";
  IoapicSetIrq seen = sight(Pin{4}, 0x31);
  seen.dst = 1;
  seen.destination_mode = x86::DestinationMode::Logical;
  EXPECT_FALSE(image.saw(seen)) << "known from the writes";
  EXPECT_TRUE(image.initial_entries().empty());
}

TEST(IoapicImage, WritesToOtherRegistersAreNoEntries) {
  IoapicImage image;
  EXPECT_FALSE(image.wrote({0x00, 0x00}));
  EXPECT_FALSE(image.wrote({0x10, 0x0F00'0000}));
  EXPECT_FALSE(image.wrote({0x40, 0x31}));
}

TEST(IoapicImage, KeepsTheFirstPinOfAGsi) {
  IoapicImage image;
  image.learn(Gsi{9}, Pin{9});
  image.learn(Gsi{0}, Pin{2});
  image.learn(Gsi{0}, Pin{2});
  ASSERT_EQ(image.routes().size(), 2u);
  EXPECT_EQ(image.routes()[0].gsi, Gsi{0});
  EXPECT_EQ(image.routes()[0].pin, Pin{2});
}

}  // namespace
}  // namespace irqfab::recording
