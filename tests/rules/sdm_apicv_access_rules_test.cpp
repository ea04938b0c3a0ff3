// Accesses of a guest to its virtual local APIC: SDM vol. 3, 30.3 to 30.5.

#include <gtest/gtest.h>

#include "tests/rules/rule.hpp"
#include "tests/support/virtual_rig.hpp"

namespace irqfab::rules {
namespace {

using x86::ApicvControl;
using x86::ApicvControls;
using x86::exits_as;
using x86::faults;
using x86::is_done;
using x86::VirtualAccess;
using x86::VirtualRig;
using Reg = x86::LapicRegister;

constexpr ApicvControls kAll = ApicvControls::all();
constexpr ApicvControls kShadow = x86::without_delivery(kAll);

// ---- CR8 and the page

void cr8_is_bits_7_to_4_of_the_tpr() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kTpr, 0x35);
  EXPECT_TRUE(is_done(rig.apics.write_cr8(CpuId{0}, 0xA, rig.env)));
  EXPECT_EQ(rig.apics.lapics().tpr(CpuId{0}), 0xA0);
}
void reads_of_kept_registers_do_not_exit() {
  VirtualRig rig(VirtualRig::apicv());
  const VirtualAccess access = rig.read(0, Reg::kSvr);
  EXPECT_TRUE(is_done(access));
  EXPECT_EQ(access.value, 0x1FFu);
}
void reads_of_others_exit_as_reads() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.read(0, Reg::kPpr), ExitReason::ApicAccess, 0x00A0));
  EXPECT_TRUE(exits_as(rig.read(0, Reg::kCurrentCount), ExitReason::ApicAccess, 0x0390));
}
void delivery_alone_reads_what_it_writes() {
  VirtualRig rig(VirtualRig::apicv(kAll.without(ApicvControl::ApicRegisterVirtualization)));
  EXPECT_TRUE(is_done(rig.write(0, Reg::kIcrLow, 0x40051)));
  EXPECT_EQ(rig.read(0, Reg::kIcrLow).value, 0x40051u);
  EXPECT_TRUE(is_done(rig.read(0, Reg::kEoi)));
  EXPECT_TRUE(exits_as(rig.read(0, Reg::kIcrHigh), ExitReason::ApicAccess, 0x0310));
  VirtualRig shadow{VirtualRig::apicv(kShadow)};
  EXPECT_TRUE(exits_as(shadow.read(0, Reg::kIcrLow), ExitReason::ApicAccess, 0x0300));
  EXPECT_TRUE(exits_as(shadow.read(0, Reg::kEoi), ExitReason::ApicAccess, 0x00B0));
}
void writes_of_others_exit_as_writes() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kVersion, 0), ExitReason::ApicAccess, 0x1030));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIsr, 0), ExitReason::ApicAccess, 0x1100));
}
void the_tpr_has_one_byte() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kTpr, 0x12345678);
  EXPECT_EQ(rig.read(0, Reg::kTpr).value, 0x78u);
}
void icr_high_is_stored_without_exit() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.write(0, Reg::kIcrHigh, 0x12345678)));
  EXPECT_EQ(rig.read(0, Reg::kIcrHigh).value, 0x12000000u) << "bytes 2:0 are cleared";
}
void other_commands_exit_after_the_write() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIcrLow, 0x40451), ExitReason::ApicWrite, 0x300)) << "NMI";
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIcrLow, 0x4000F), ExitReason::ApicWrite, 0x300));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIcrLow, 0x48051), ExitReason::ApicWrite, 0x300));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIcrLow, 0x41051), ExitReason::ApicWrite, 0x300));
}
void other_registers_exit_with_their_offset() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kSvr, 0x1FF), ExitReason::ApicWrite, 0x0F0));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kLvtTimer, 0x10000), ExitReason::ApicWrite, 0x320));
}
void without_delivery_an_eoi_is_a_write_like_others() {
  VirtualRig rig(VirtualRig::apicv(kShadow.with(ApicvControl::ApicRegisterVirtualization)));
  EXPECT_TRUE(exits_as(rig.eoi(0), ExitReason::ApicWrite, 0x0B0));
}

// ---- MSRs

void reads_by_msr_come_from_the_page() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  rig.wrmsr(0, 0x808, 0x35);
  const VirtualAccess access = rig.rdmsr(0, 0x80A);
  EXPECT_TRUE(is_done(access));
  EXPECT_EQ(access.value, 0x35u) << "PPR, which exits by page";
}
void reserved_bits_of_the_tpr_fault() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x808, 0x100)));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x808, 0xFF)));
}
void an_eoi_by_msr_is_0() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  rig.in_service(0, 0x51);
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x80B, 1)));
  EXPECT_TRUE(rig.isr(0, 0x51));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x80B, 0)));
  EXPECT_FALSE(rig.isr(0, 0x51));
}
void self_ipi_has_8_bits_of_a_legal_vector() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x83F, 0x151)));
  EXPECT_TRUE(exits_as(rig.wrmsr(0, 0x83F, 0x0F), ExitReason::ApicWrite, 0x3F0));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x83F, 0x10)));
  EXPECT_TRUE(rig.irr(0, 0x10));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x83F, 0xFF)));
}
void reserved_bits_of_the_icr_fault() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  for (const std::uint32_t bits : {0x00002000u, 0x00010000u, 0x00100000u}) {
    EXPECT_TRUE(faults(rig.wrmsr(0, 0x830, bits | 0x51))) << std::hex << bits;
  }
}
void without_ipi_virtualization_the_icr_exits_before() {
  VirtualRig rig =
      VirtualRig::by_msr(VirtualRig::apicv(kAll.without(ApicvControl::IpiVirtualization)));
  EXPECT_TRUE(exits_as(rig.wrmsr(0, 0x830, 0x2'0000'0051), ExitReason::MsrWrite, 0));
}

constexpr Rule kRules[] = {
    {"30.3", "Cr8IsBits7To4OfTheTpr", cr8_is_bits_7_to_4_of_the_tpr},
    {"30.4.2", "ReadsOfKeptRegistersDoNotExit", reads_of_kept_registers_do_not_exit},
    {"30.4.2", "ReadsOfOthersExitAsReads", reads_of_others_exit_as_reads},
    {"30.4.2", "DeliveryAloneReadsWhatItWrites", delivery_alone_reads_what_it_writes},
    {"30.4.3.1", "WritesOfOthersExitAsWrites", writes_of_others_exit_as_writes},
    {"30.4.3.2", "TheTprHasOneByte", the_tpr_has_one_byte},
    {"30.4.3.2", "IcrHighIsStoredWithoutExit", icr_high_is_stored_without_exit},
    {"30.4.3.2", "OtherCommandsExitAfterTheWrite", other_commands_exit_after_the_write},
    {"30.4.3.3", "OtherRegistersExitWithTheirOffset", other_registers_exit_with_their_offset},
    {"30.4.3.3", "WithoutDeliveryAnEoiIsLikeOthers",
     without_delivery_an_eoi_is_a_write_like_others},
    {"30.5", "ReadsByMsrComeFromThePage", reads_by_msr_come_from_the_page},
    {"30.5", "ReservedBitsOfTheTprFault", reserved_bits_of_the_tpr_fault},
    {"30.5", "AnEoiByMsrIsZero", an_eoi_by_msr_is_0},
    {"30.5", "SelfIpiHas8BitsOfALegalVector", self_ipi_has_8_bits_of_a_legal_vector},
    {"30.5", "ReservedBitsOfTheIcrFault", reserved_bits_of_the_icr_fault},
    {"30.5", "WithoutIpiVirtualizationTheIcrExitsBefore",
     without_ipi_virtualization_the_icr_exits_before},
};

INSTANTIATE_TEST_SUITE_P(Sdm3_29Accesses, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
