#include "fabric/recording/fields.hpp"

#include <gtest/gtest.h>

namespace irqfab::recording {
namespace {

template <class T>
T fields(std::string_view event, std::string_view text) {
  const Fields read = read_fields(event, text);
  EXPECT_FALSE(read.error) << text << ": expected " << read.error->expected;
  EXPECT_EQ(read.rest, "") << text;
  EXPECT_TRUE(std::holds_alternative<T>(read.what)) << text;
  const T* found = std::get_if<T>(&read.what);
  return found != nullptr ? *found : T{};
}

TEST(Fields, DestinationsAndApicIdsAreHexadecimalAndVectorsDecimal) {
  const auto msi = fields<MsiSetIrq>("kvm_msi_set_irq", "dst 10 vec 65 (LowPrio|logical|level|rh)");
  EXPECT_EQ(msi.dst, 0x10u);
  EXPECT_EQ(msi.vector, Vector{65});
  EXPECT_EQ(msi.mode, x86::DeliveryMode::LowestPriority);
  EXPECT_EQ(msi.destination_mode, x86::DestinationMode::Logical);
  EXPECT_EQ(msi.trigger, x86::TriggerMode::Level);
  EXPECT_EQ(msi.hint, x86::RedirectionHint::On);
  EXPECT_EQ(fields<AcceptIrq>("kvm_apic_accept_irq", "apicid 1f vec 65 (Fixed|edge)").apic,
            ApicId{0x1F});
  EXPECT_EQ(fields<Eoi>("kvm_eoi", "apicid a vector 65").apic, ApicId{10});
}

TEST(Fields, EveryDeliveryModeIsKnown) {
  const char* names[] = {"Fixed", "LowPrio", "SMI", "Res3", "NMI", "INIT", "SIPI", "ExtINT"};
  for (std::uint8_t mode = 0; mode < 8; ++mode) {
    const auto accepted = fields<AcceptIrq>(
        "kvm_apic_accept_irq", std::string("apicid 0 vec 2 (") + names[mode] + "|edge)");
    EXPECT_EQ(accepted.mode, static_cast<x86::DeliveryMode>(mode));
  }
}

TEST(Fields, AnEoiWithNothingInServiceHasNoVector) {
  EXPECT_EQ(fields<Eoi>("kvm_eoi", "apicid 0 vector -1").vector, std::nullopt);
  EXPECT_EQ(fields<Eoi>("kvm_eoi", "apicid 0 vector 0").vector, Vector{0});
}

TEST(Fields, AnyLevelButZeroIsHigh) {
  EXPECT_EQ(fields<SetIrq>("kvm_set_irq", "gsi 20 level 0 source 0").level, Level::Low);
  EXPECT_EQ(fields<SetIrq>("kvm_set_irq", "gsi 20 level 1 source 1").level, Level::High);
  EXPECT_EQ(fields<SetIrq>("kvm_set_irq", "gsi 20 level -1 source 2").level, Level::High);
}

TEST(Fields, MaskedAndCoalescedAreOptional) {
  const auto bare =
      fields<IoapicSetIrq>("kvm_ioapic_set_irq", "pin 4 dst 1 vec 49 (Fixed|logical|edge)");
  EXPECT_EQ(bare.mask, Mask::Off);
  EXPECT_EQ(bare.coalesced, Coalescing::No);
  const auto both = fields<IoapicSetIrq>(
      "kvm_ioapic_set_irq", "pin 4 dst ff vec=49 (Fixed|physical|level|masked) (coalesced)");
  EXPECT_EQ(both.dst, 0xFF);
  EXPECT_EQ(both.vector, Vector{49}) << "the spelling before Linux 4.10";
  EXPECT_EQ(both.mask, Mask::On);
  EXPECT_EQ(both.coalesced, Coalescing::Yes);
  const auto pic = fields<PicSetIrq>("kvm_pic_set_irq", "chip 1 pin 2 (level|masked)");
  EXPECT_EQ(pic.chip, Irqchip::PicSlave);
  EXPECT_EQ(pic.mask, Mask::On);
}

TEST(Fields, RegistersHaveNamesOrOffsets) {
  EXPECT_EQ(fields<ApicAccess>("kvm_apic", "apic_write APIC_TASKPRI = 0x10").offset, 0x80u);
  EXPECT_EQ(fields<ApicAccess>("kvm_apic", "apic_write APIC_ICR2 = 0x1000000").offset, 0x310u);
  const auto icr = fields<ApicAccess>("kvm_apic", "apic_write APIC_ICR = 0xb0000440b0");
  EXPECT_EQ(icr.offset, 0x300u);
  EXPECT_EQ(icr.value, 0xB0000440B0u);
  const auto other = fields<ApicAccess>("kvm_apic", "apic_read 0x2f0 = 0x0");
  EXPECT_EQ(other.offset, 0x2F0u);
  EXPECT_EQ(other.access, Access::Read);
}

TEST(Fields, AnIpiSaysItsShorthand) {
  const auto ipi =
      fields<ApicIpi>("kvm_apic_ipi", "dst 3 vec 176 (Fixed|physical|assert|edge|all-but-self)");
  EXPECT_EQ(ipi.shorthand, Shorthand::AllButSelf);
  EXPECT_EQ(ipi.level, Level::High);
  EXPECT_EQ(
      fields<ApicIpi>("kvm_apic_ipi", "dst 3 vec 0 (INIT|physical|de-assert|level|dst)").level,
      Level::Low);
}

TEST(Fields, AcknowledgedPinsNameTheirChipOrNumberIt) {
  EXPECT_EQ(fields<AckIrq>("kvm_ack_irq", "irqchip IOAPIC pin 11").chip, Irqchip::Ioapic);
  EXPECT_EQ(fields<AckIrq>("kvm_ack_irq", "irqchip PIC slave pin 4").chip, Irqchip::PicSlave);
  EXPECT_EQ(fields<AckIrq>("kvm_ack_irq", "irqchip 2 pin 4").chip, Irqchip::Ioapic);
}

TEST(Fields, OnlyWritesToTheIoapicAreMmioOfInterest) {
  const auto write =
      fields<IoapicMmioWrite>("kvm_mmio", "mmio write len 4 gpa 0xfec00010 val 0x831");
  EXPECT_EQ(write.offset, 0x10u);
  EXPECT_EQ(write.value, 0x831u);
  fields<Other>("kvm_mmio", "mmio read len 4 gpa 0xfec00010 val 0x831");
  fields<Other>("kvm_mmio", "mmio write len 4 gpa 0xfee000b0 val 0x0");
}

TEST(Fields, OnlyBytesWrittenToThe8259sAreOfInterest) {
  const auto write = fields<PicPortWrite>("kvm_pio", "pio_write at 0x4d1 size 1 count 1 val 0xe ");
  EXPECT_EQ(write.port, 0x4D1);
  EXPECT_EQ(write.value, 0xE);
  fields<Other>("kvm_pio", "pio_read at 0x20 size 1 count 1 val 0x0 ");
  fields<Other>("kvm_pio", "pio_write at 0x22 size 1 count 1 val 0x0 ");
  fields<Other>("kvm_pio", "pio_write at 0x20 size 2 count 1 val 0x2011 ");
  fields<Other>("kvm_pio", "pio_write at 0x20 size 1 count 2 val 0x20 (...)");
  fields<Other>("kvm_pio", "pio_write at 0x20 size 1 count 1");
}

TEST(Fields, OnlyWritesToTheApicsMsrsAreOfInterest) {
  EXPECT_EQ(fields<ApicMsrWrite>("kvm_msr", "msr_write 830 = 0x40f1").index, 0x830u);
  fields<Other>("kvm_msr", "msr_write 830 = 0x40f1 (#GP)");
  fields<Other>("kvm_msr", "msr_read 80b = 0x0");
  fields<Other>("kvm_msr", "msr_write 6e0 = 0x1234");
}

TEST(Fields, EntriesAndExitsNameTheirVcpuSinceItIsPrinted) {
  EXPECT_EQ(fields<VcpuRan>("kvm_entry", "vcpu 12, rip 0xffffffff81000000").apic, ApicId{12});
  EXPECT_EQ(fields<VcpuRan>("kvm_exit", "vcpu 3 reason HLT rip 0x0 info1 0x0").apic, ApicId{3});
  fields<Other>("kvm_exit", "reason EXTERNAL_INTERRUPT rip 0x0 info 0 0");
}

TEST(Fields, MarkersLoseTheNameOfTheFunctionThatWroteThem) {
  EXPECT_EQ(fields<Marker>("print", "tracing_mark_write: inj 0 src=x vec=1").text,
            "inj 0 src=x vec=1");
  EXPECT_EQ(fields<Marker>("tracing_mark_write", "a: b").text, "a: b");
}

TEST(Fields, EventsThatAreNotUnderstoodAreOther) {
  fields<Other>("sched_switch", "anything");
  fields<Other>("kvm_pv_eoi", "apicid 0 vector 1");
}

TEST(Fields, SayWhereTheyStopToFit) {
  const Fields cut = read_fields("kvm_msi_set_irq", "dst 0 ve");
  ASSERT_TRUE(cut.error);
  EXPECT_EQ(cut.error->at, 6u);
  EXPECT_EQ(cut.error->expected, "'vec'");
  EXPECT_EQ(read_fields("kvm_msi_set_irq", "dst 0 vec 256 (Fixed|").error->at, 10u);
  EXPECT_EQ(read_fields("kvm_eoi", "apicid zero vector 1").error->at, 7u);
  EXPECT_EQ(read_fields("kvm_apic", "apic_write APIC_XYZ = 0x0").error->at, 11u);
}

TEST(Fields, TextAfterTheLastKnownFieldIsHandedBack) {
  EXPECT_EQ(read_fields("kvm_eoi", "apicid 0 vector 65 newer 1").rest, "newer 1");
  EXPECT_EQ(read_fields("kvm_entry", "vcpu 0, rip 0x0 anything").rest, "");
}

}  // namespace
}  // namespace irqfab::recording
