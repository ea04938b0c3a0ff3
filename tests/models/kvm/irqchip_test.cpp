// The in-kernel irqchip: what its calls answer and where interrupts come to rest (api.rst; the
// answers are those a real /dev/kvm was seen to give).
#include "models/kvm/irqchip.hpp"

#include <gtest/gtest.h>

#include "models/x86/rte.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kSvr = 0xF0, kEoi = 0xB0;
constexpr std::uint64_t kLevel = 1u << 15, kMasked = 1u << 16;

class KvmIrqchip : public testing::Test {
 protected:
  KvmIrqchip() : chip(config()) {
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) chip.write_apic(CpuId{cpu}, kSvr, 0x1FF, env);
    env.clear();
  }
  static Irqchip::Config config() {
    Irqchip::Config config;
    config.ids = {ApicId{0}, ApicId{1}};
    return config;
  }
  SpanId span() { return env.open(Cause::Software, kNoSpan); }
  Answer msi(std::uint32_t destination, std::uint32_t data) {
    return chip.signal_msi({0xFEE00000 | destination << 12, data}, span(), env);
  }
  /// As a caller does: announces the level, and opens a span for a rise.
  Answer line(std::uint32_t gsi, Level level, std::uint32_t source = kUserspaceSource) {
    const bool rise = chip.announce(Gsi{gsi}, source, level);
    return chip.set_line({Gsi{gsi}, source, level}, rise ? span() : kNoSpan, env);
  }
  bool pending(std::uint32_t cpu, unsigned vector) {
    return chip.lapics().irr(CpuId{cpu}).has(Vector(static_cast<std::uint8_t>(vector)));
  }

  test::RecordingEnv env;
  Irqchip chip;
};

TEST_F(KvmIrqchip, SignalMsiAnswersHowManyLocalApicsAccepted) {
  EXPECT_EQ(msi(0, 0x41), 1);
  EXPECT_EQ(msi(0xFF, 0x42), 2);
  EXPECT_TRUE(pending(0, 0x41));
  EXPECT_FALSE(pending(1, 0x41));
  EXPECT_TRUE(pending(1, 0x42));
}

TEST_F(KvmIrqchip, SignalMsiToNobodyAnswersZero) {
  EXPECT_EQ(msi(7, 0x41), 0);
  EXPECT_TRUE(env.noted(Event::Dropped));
}

TEST_F(KvmIrqchip, AVectorThatIsPendingAlreadyStillAnswersOne) {
  EXPECT_EQ(msi(0, 0x41), 1);
  EXPECT_EQ(msi(0, 0x41), 1);
  EXPECT_EQ(env.count(Event::Coalesced), 1u);
}

TEST_F(KvmIrqchip, AnEdgePinAnswersOneForARiseAndZeroWhileItIsHigh) {
  chip.write_entry(Pin{20}, 0x43, env);
  EXPECT_EQ(line(20, Level::High), 1);
  EXPECT_EQ(line(20, Level::High), 0);
  EXPECT_EQ(line(20, Level::Low), 1);
  EXPECT_TRUE(pending(0, 0x43));
}

TEST_F(KvmIrqchip, AMaskedPinAnswersMinusOne) {
  chip.write_entry(Pin{20}, kMasked | 0x43, env);
  EXPECT_EQ(line(20, Level::High), -1);
  EXPECT_FALSE(pending(0, 0x43));
}

TEST_F(KvmIrqchip, AGsiWithoutARouteAnswersMinusOneAndDropsTheInterrupt) {
  EXPECT_EQ(line(500, Level::High), -1);
  EXPECT_TRUE(env.noted(Event::Dropped));
}

TEST_F(KvmIrqchip, ALevelPinIsBlockedUntilItsEoiAndComesAgainWhileTheLineIsHigh) {
  chip.write_entry(Pin{23}, kLevel | 0x4C, env);
  EXPECT_EQ(line(23, Level::High), 1);
  EXPECT_EQ(chip.on_inta(CpuId{0}, env).vector, Vector{0x4C});
  EXPECT_EQ(line(23, Level::High, kResamplerSource), -1) << "Remote IRR is set";
  chip.write_apic(CpuId{0}, kEoi, 0, env);
  EXPECT_TRUE(pending(0, 0x4C)) << "the line is still high";
}

TEST_F(KvmIrqchip, AnEoiLowersTheResamplersSourceBeforeTheLineIsLookedAtAgain) {
  chip.write_entry(Pin{23}, kLevel | 0x4C, env);
  chip.add_resampler(Gsi{23});
  line(23, Level::High, kResamplerSource);
  chip.on_inta(CpuId{0}, env);
  chip.write_apic(CpuId{0}, kEoi, 0, env);
  EXPECT_FALSE(pending(0, 0x4C));
  EXPECT_EQ(chip.ioapic().level(Pin{23}), Level::Low);
}

TEST_F(KvmIrqchip, AnotherSourceKeepsTheLineHighOverTheResamplers) {
  chip.write_entry(Pin{23}, kLevel | 0x4C, env);
  chip.add_resampler(Gsi{23});
  line(23, Level::High, kResamplerSource);
  line(23, Level::High, kUserspaceSource);
  chip.on_inta(CpuId{0}, env);
  chip.write_apic(CpuId{0}, kEoi, 0, env);
  EXPECT_TRUE(pending(0, 0x4C));
}

TEST_F(KvmIrqchip, AnMsiRouteIsSentWhenTheLevelIsHighAndNotWhenItIsLow) {
  ASSERT_EQ(chip.routing().replace({{Gsi{24}, RouteTarget::Msi, Pin{0}, {0xFEE01000, 0x55}}}), 0);
  EXPECT_EQ(line(24, Level::High), 1);
  EXPECT_TRUE(pending(1, 0x55));
  chip.on_inta(CpuId{1}, env);
  EXPECT_EQ(line(24, Level::Low), -1);
  EXPECT_FALSE(pending(1, 0x55));
}

TEST_F(KvmIrqchip, ChipsChargeNothingOfTheirOwn) {
  chip.write_entry(Pin{20}, 0x43, env);
  line(20, Level::High);
  for (const test::Noted& noted : env.notes) EXPECT_TRUE(is_instant(noted.event));
}

}  // namespace
}  // namespace irqfab::kvm
