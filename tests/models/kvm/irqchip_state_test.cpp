// What a host sets and reads of an in-kernel irqchip (api.rst), and what a real KVM was seen to do
// then.
#include <gtest/gtest.h>

#include "models/kvm/irqchip.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::kvm {
namespace {

using x86::LapicRegister;

constexpr CpuId kCpu{0};
constexpr std::uint64_t kLevel = 1u << 15, kMasked = 1u << 16, kRemoteIrr = 1u << 14;
constexpr std::uint64_t kX2apic = 0xFEE00D00;
constexpr std::uint32_t kEoiMsr = 0x80B, kTprMsr = 0x808, kPprMsr = 0x80A;

class KvmIrqchipState : public testing::Test {
 protected:
  KvmIrqchipState() : chip(config(IrqchipKind::Full)) { enable(); }

  static Irqchip::Config config(IrqchipKind kind) {
    Irqchip::Config config;
    config.kind = kind;
    config.ids = {ApicId{0}, ApicId{1}};
    config.pic = x86::ExternalPic::Present;
    config.quirks = x86::quirks_of_kvm();
    return config;
  }
  void rebuild(const Irqchip::Config& of) {
    chip = Irqchip(of);
    enable();
  }
  void enable() {
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
      chip.set_lapic(CpuId{cpu}, {{LapicRegister::kSvr, 0x1FF}}, env);
    }
  }
  Answer line(std::uint32_t gsi, Level level) {
    const bool rise = chip.announce(Gsi{gsi}, kUserspaceSource, level);
    const SpanId span = rise ? env.open(Cause::Software, kNoSpan) : kNoSpan;
    return chip.set_line({Gsi{gsi}, kUserspaceSource, level}, span, env);
  }
  bool pending(unsigned vector) {
    return chip.lapics().irr(kCpu).has(Vector(static_cast<std::uint8_t>(vector)));
  }
  void put_in_service(unsigned vector) {
    const std::uint32_t word = 1u << vector % 32;
    chip.set_lapic(kCpu,
                   {{LapicRegister::kIrr + vector / 32 * 16, 0},
                    {LapicRegister::kIsr + vector / 32 * 16, word}},
                   env);
  }
  std::uint64_t entry(unsigned pin) {
    return chip.ioapic().rte(Pin(static_cast<std::uint16_t>(pin))).bits;
  }

  test::RecordingEnv env;
  Irqchip chip;
};

TEST_F(KvmIrqchipState, ARestoreLooksAgainAtWhatIsAsserted) {
  EXPECT_EQ(line(20, Level::High), -1);
  EXPECT_EQ(chip.ioapic_irr(), 1u << 20);
  EXPECT_EQ(chip.set_entry(Pin{20}, kLevel | 0x62, env), 0);
  EXPECT_TRUE(pending(0x62));
  EXPECT_EQ(entry(20), kLevel | kRemoteIrr | 0x62);
  EXPECT_EQ(chip.ioapic_irr(), 1u << 20);
}

TEST_F(KvmIrqchipState, AnEdgeThatWasSentLeavesTheImageAndARestoreForgetsIt) {
  chip.set_entry(Pin{20}, 0x61, env);
  EXPECT_EQ(line(20, Level::High), 1);
  EXPECT_EQ(chip.ioapic_irr(), 0u);
  EXPECT_EQ(line(20, Level::High), 0) << "no edge";
  EXPECT_EQ(chip.ioapic_irr(), 1u << 20) << "but it shows again";
  EXPECT_EQ(line(20, Level::Low), 1);
  EXPECT_EQ(line(20, Level::High), 1);
  chip.set_entry(Pin{21}, 0x62, env);
  EXPECT_EQ(line(20, Level::High), 1) << "the restore has forgotten that the line is high";
}

TEST_F(KvmIrqchipState, RemoteIrrIsRestoredAsGiven) {
  chip.set_entry(Pin{20}, kLevel | kRemoteIrr | 0x62, env);
  EXPECT_EQ(line(20, Level::High), -1);
  EXPECT_EQ(chip.set_entry(Pin{20}, kLevel | kMasked | 0x62, env), 0);
  EXPECT_EQ(entry(20), kLevel | kMasked | 0x62);
}

TEST_F(KvmIrqchipState, ALevelThatNobodyAcceptedIsTriedAgainWithEveryCall) {
  chip.set_lapic(kCpu, {{LapicRegister::kSvr, 0xFF}}, env);
  chip.set_entry(Pin{20}, kLevel | 0x62, env);
  EXPECT_EQ(line(20, Level::High), 0);
  EXPECT_EQ(entry(20), kLevel | 0x62);
  chip.set_lapic(kCpu, {{LapicRegister::kSvr, 0x1FF}}, env);
  EXPECT_EQ(line(20, Level::High), 1);
  EXPECT_EQ(entry(20), kLevel | kRemoteIrr | 0x62);
}

TEST_F(KvmIrqchipState, EoisReachTheIoapicOnceTheVcpuHasRun) {
  chip.set_apic_base(kCpu, kX2apic, env);
  chip.set_entry(Pin{20}, kLevel | 0x62, env);
  line(20, Level::High);
  line(20, Level::Low);
  put_in_service(0x62);
  chip.write_msr(kCpu, kEoiMsr, 0, env);
  EXPECT_EQ(entry(20), kLevel | kRemoteIrr | 0x62);
  chip.enter(kCpu, env);
  put_in_service(0x62);
  chip.write_msr(kCpu, kEoiMsr, 0, env);
  EXPECT_EQ(entry(20), kLevel | 0x62);
}

TEST_F(KvmIrqchipState, TheEoiOfAnotherVcpuIsNotForwarded) {
  chip.set_entry(Pin{20}, kLevel | 0x62, env);  // to vCPU 0
  chip.set_apic_base(CpuId{1}, 0xFEE00C00, env);
  chip.enter(CpuId{1}, env);
  line(20, Level::High);
  const std::uint32_t offset = 0x62 / 32 * 16, bit = 1u << 0x62 % 32;
  chip.set_lapic(CpuId{1},
                 {{LapicRegister::kIsr + offset, bit}, {LapicRegister::kTmr + offset, bit}}, env);
  chip.write_msr(CpuId{1}, kEoiMsr, 0, env);
  EXPECT_EQ(entry(20), kLevel | kRemoteIrr | 0x62);
}

TEST_F(KvmIrqchipState, AnEoiTellsTheResamplersOfItsPinEvenOfAnEdge) {
  chip.add_resampler(Gsi{20});
  chip.set_entry(Pin{20}, 0x61, env);
  chip.enter(kCpu, env);
  line(20, Level::High);
  EXPECT_EQ(chip.on_inta(kCpu, env).vector, Vector{0x61});
  chip.write_apic(kCpu, LapicRegister::kEoi, 0, env);
  EXPECT_EQ(chip.take_acknowledged(), std::vector<Gsi>{Gsi{20}});
  EXPECT_TRUE(chip.take_acknowledged().empty());
}

TEST_F(KvmIrqchipState, ThePprOfAnIsrThatWasEmptyIsStaleUntilItIsComputed) {
  chip.set_apic_base(kCpu, kX2apic, env);
  put_in_service(0x71);
  EXPECT_EQ(chip.ppr_image(kCpu), 0u);
  chip.set_lapic(kCpu, {}, env);
  EXPECT_EQ(chip.ppr_image(kCpu), 0x70u) << "a second restore";
  put_in_service(0x91);
  EXPECT_EQ(chip.ppr_image(kCpu), 0x90u) << "it was not empty";
  for (const std::uint32_t vector : {0x91u, 0x71u}) {
    chip.write_msr(kCpu, kEoiMsr, 0, env);
    EXPECT_FALSE(chip.lapics().isr(kCpu).has(Vector(static_cast<std::uint8_t>(vector))));
  }
  put_in_service(0xB1);
  EXPECT_EQ(chip.ppr_image(kCpu), 0u);
  EXPECT_EQ(chip.read_msr(kCpu, kPprMsr, env).value, 0xB0u);
  EXPECT_EQ(chip.ppr_image(kCpu), 0xB0u) << "a read";
  chip.write_msr(kCpu, kEoiMsr, 0, env);
  put_in_service(0xC1);
  chip.write_msr(kCpu, kTprMsr, 0x20, env);
  EXPECT_EQ(chip.ppr_image(kCpu), 0xC0u) << "a write to the TPR";
}

TEST_F(KvmIrqchipState, ThePicsAnswerCountsAndItsInterruptIsAskedForFirst) {
  chip.set_pic(x86::PicRole::Master, {0, 0x40, 0}, env);
  chip.set_entry(Pin{20}, 0x61, env);
  line(20, Level::High);
  EXPECT_EQ(line(3, Level::High), 1) << "the 8259; the IOAPIC's pin is masked";
  EXPECT_EQ(chip.lapics().intr(kCpu), Level::High);
  EXPECT_EQ(chip.on_inta(kCpu, env).vector, Vector{0x43});
  EXPECT_EQ(chip.on_inta(kCpu, env).vector, Vector{0x61});
  EXPECT_EQ(line(3, Level::Low), 2);
  chip.set_pic(x86::PicRole::Master, {0xFF, 0x40, 0}, env);
  EXPECT_EQ(line(3, Level::High), -1);
}

TEST_F(KvmIrqchipState, ALevelOfThePicThatIsHighAlreadyAnswersZero) {
  chip.set_pic(x86::PicRole::Master, {0, 0x08, 0x20}, env);
  EXPECT_EQ(line(5, Level::High), 1);
  EXPECT_EQ(line(5, Level::High), 0);
}

TEST_F(KvmIrqchipState, ASplitIrqchipHasLocalApicsOnly) {
  rebuild(config(IrqchipKind::Split));
  EXPECT_EQ(chip.set_entry(Pin{20}, 0x61, env), kENXIO);
  EXPECT_EQ(chip.set_pic(x86::PicRole::Master, {}, env), kENXIO);
  EXPECT_EQ(line(4, Level::High), -1) << "no default routes";
  EXPECT_EQ(chip.routing().replace({{Gsi{4}, RouteTarget::IoapicPin, Pin{4}, {}}}), kEINVAL);
  EXPECT_EQ(chip.routing().replace({{Gsi{4}, RouteTarget::Msi, Pin{}, {0xFEE00000, 0xC041}}}), 0);
  EXPECT_EQ(line(4, Level::High), 1);
}

TEST_F(KvmIrqchipState, ASplitIrqchipTakesOneExternalInterruptAtATime) {
  rebuild(config(IrqchipKind::Split));
  EXPECT_EQ(chip.inject_external(kCpu, Vector{0x48}, env), 0);
  EXPECT_EQ(chip.inject_external(kCpu, Vector{0x49}, env), kEEXIST);
  EXPECT_EQ(chip.on_inta(kCpu, env).vector, Vector{0x48});
  EXPECT_EQ(chip.inject_external(kCpu, Vector{0x49}, env), 0);
  EXPECT_EQ(Irqchip(config(IrqchipKind::Full)).inject_external(kCpu, Vector{0x48}, env), kENXIO);
}

TEST_F(KvmIrqchipState, WithoutAnIrqchipTheCallsAreRefused) {
  Irqchip none(config(IrqchipKind::None));
  EXPECT_EQ(none.set_lapic(kCpu, {}, env), kEINVAL);
  EXPECT_EQ(none.check_msi({0xFEE00000, 0x41}, 0), kEINVAL);
  EXPECT_EQ(none.routing().replace({}), kEINVAL);
  EXPECT_EQ(none.routing().replace({{Gsi{4}, RouteTarget::Msi, Pin{}, {0xFEE00000, 0x41}}}),
            kEINVAL);
  EXPECT_EQ(none.write_msr(kCpu, kEoiMsr, 0, env).status, x86::MsrStatus::GeneralProtection);
}

TEST_F(KvmIrqchipState, WideDestinationsKeepTheirReservedBitsClear) {
  Irqchip::Config wide = config(IrqchipKind::Full);
  wide.destination = x86::MsiDestination::Bits32;
  rebuild(wide);
  EXPECT_EQ(chip.check_msi({0x1'FEE00000, 0x41}, 0), kEINVAL);
  EXPECT_EQ(chip.check_msi({0x100'FEE00000, 0x41}, 0), 0);
  EXPECT_EQ(chip.check_msi({0xFEE00000, 0x41}, 1), 0) << "a device id";
  EXPECT_EQ(chip.check_msi({0xFEE00000, 0x41}, 2), kEINVAL);
  EXPECT_EQ(chip.routing().replace({{Gsi{4}, RouteTarget::Msi, Pin{}, {0x1'FEE00000, 0x41}}}),
            kEINVAL);
}

TEST_F(KvmIrqchipState, AHostMayGoBetweenAnyModes) {
  EXPECT_EQ(chip.set_apic_base(kCpu, kX2apic, env), 0);
  EXPECT_EQ(chip.set_apic_base(kCpu, 0xFEE00900, env), 0) << "no guest could";
  EXPECT_EQ(chip.set_apic_base(kCpu, 0xFEE00100, env), 0);
  EXPECT_EQ(chip.set_apic_base(kCpu, kX2apic, env), 0);
  EXPECT_EQ(chip.set_apic_base(kCpu, 0xFEE00500, env), kEINVAL) << "EXTD without EN";
  EXPECT_EQ(chip.set_apic_base(kCpu, 0xFEE00901, env), kEINVAL);
}

TEST_F(KvmIrqchipState, RestoringSvrLeavesTheLocalVectorTableAlone) {
  chip.set_apic_base(kCpu, kX2apic, env);
  chip.set_lapic(kCpu, {{LapicRegister::kSvr, 0xFF}}, env);
  EXPECT_EQ(chip.read_msr(kCpu, 0x835, env).value, 0x700u);
}

}  // namespace
}  // namespace irqfab::kvm
