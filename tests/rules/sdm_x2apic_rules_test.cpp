// x2APIC mode: SDM vol. 3, 11.12.

#include "tests/rules/lapic_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using x86::DestinationFormat;

/// Two clusters, and ids above 8 bits.
LapicRig wide() {
  auto config = LapicRig::four();
  config.ids = {ApicId{0}, ApicId{1}, ApicId{0x12}, ApicId{0x345}};
  LapicRig rig(config);
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    rig.set_base(cpu, 0xC00);
    rig.wrmsr(cpu, 0x80F, 0x1FF);
  }
  rig.env.clear();
  return rig;
}

void registers_are_msrs() {
  LapicRig rig = wide();
  ASSERT_TRUE(rig.wrmsr(0, 0x808, 0x35));
  EXPECT_EQ(rig.rdmsr(0, 0x808), 0x35u);
  EXPECT_EQ(rig.rdmsr(0, 0x80A), 0x35u) << "PPR";
}
void there_is_no_page() {
  LapicRig rig = wide();
  EXPECT_EQ(rig.read(0, Reg::kVersion), 0xFFFFFFFFu);
  EXPECT_FALSE(rig.bank.claims(CpuId{0}, 0xFEE00000));
}
void msrs_fault_in_xapic_mode() {
  LapicRig rig;
  EXPECT_FALSE(rig.readable(0, 0x802));
  EXPECT_FALSE(rig.wrmsr(0, 0x808, 0));
}
void the_id_has_32_bits() {
  LapicRig rig = wide();
  EXPECT_EQ(rig.rdmsr(3, 0x802), 0x345u);
  EXPECT_FALSE(rig.wrmsr(3, 0x802, 1)) << "read-only";
}
void the_logical_id_follows_from_the_id() {
  LapicRig rig = wide();
  EXPECT_EQ(rig.rdmsr(2, 0x80D), 0x10004u);
  EXPECT_EQ(rig.rdmsr(3, 0x80D), 0x340020u);
  EXPECT_FALSE(rig.wrmsr(3, 0x80D, 1)) << "read-only";
}
void dfr_apr_and_icr_high_are_gone() {
  LapicRig rig = wide();
  for (const unsigned msr : {0x80E, 0x809, 0x831, 0x800, 0x8FF}) {
    EXPECT_FALSE(rig.readable(0, msr)) << msr;
    EXPECT_FALSE(rig.wrmsr(0, msr, 0)) << msr;
  }
}
void reserved_bits_fault() {
  LapicRig rig = wide();
  EXPECT_FALSE(rig.wrmsr(0, 0x808, 0x100));
  EXPECT_TRUE(rig.wrmsr(0, 0x808, 0xFF));
  EXPECT_FALSE(rig.wrmsr(0, 0x80B, 1)) << "EOI takes 0 only";
  EXPECT_FALSE(rig.wrmsr(0, 0x828, 1)) << "so does ESR";
  EXPECT_FALSE(rig.wrmsr(0, 0x830, 0x1000)) << "there is no delivery status";
}
void eoi_cannot_be_read() {
  LapicRig rig = wide();
  EXPECT_FALSE(rig.readable(0, 0x80B));
  EXPECT_FALSE(rig.readable(0, 0x83F)) << "nor SELF IPI";
}
void eoi_ends_the_highest() {
  LapicRig rig = wide();
  rig.in_service(0, 0x41);
  ASSERT_TRUE(rig.wrmsr(0, 0x80B, 0));
  EXPECT_EQ(rig.isr(0), Vectors{});
}
void one_write_of_the_icr_sends() {
  LapicRig rig = wide();
  ASSERT_TRUE(rig.wrmsr(0, 0x830, 0x34500000041));
  EXPECT_EQ(rig.with(0x41), Vectors{3});
  EXPECT_EQ(rig.rdmsr(0, 0x830), 0x34500000041u);
}
void a_logical_destination_is_a_cluster_and_its_members() {
  LapicRig rig = wide();
  rig.wrmsr(0, 0x830, 0x0000000300000841);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1}));
  rig.wrmsr(0, 0x830, 0x0001000400000842);
  EXPECT_EQ(rig.with(0x42), Vectors{2});
  rig.wrmsr(0, 0x830, 0x0001000300000843);
  EXPECT_EQ(rig.with(0x43), Vectors{});
}
void ffffffff_is_everybody() {
  LapicRig rig = wide();
  rig.wrmsr(0, 0x830, 0xFFFFFFFF00000041);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1, 2, 3}));
  rig.wrmsr(0, 0x830, 0x000000FF00000042);
  EXPECT_EQ(rig.with(0x42), Vectors{}) << "0xFF is an id like any other";
}
void self_ipi() {
  LapicRig rig = wide();
  ASSERT_TRUE(rig.wrmsr(3, 0x83F, 0x41));
  EXPECT_EQ(rig.with(0x41), Vectors{3});
  EXPECT_EQ(rig.tmr(3), Vectors{});
  EXPECT_FALSE(rig.wrmsr(3, 0x83F, 0x141));
}
void a_self_ipi_with_an_illegal_vector_is_an_error() {
  LapicRig rig = wide();
  ASSERT_TRUE(rig.wrmsr(0, 0x83F, 0x0F));
  rig.wrmsr(0, 0x828, 0);
  EXPECT_EQ(rig.rdmsr(0, 0x828), 0x20u);
}
void entering_keeps_what_there_is() {
  LapicRig rig;
  rig.fixed_to(1, 0x41);
  rig.write(1, Reg::kTpr, 0x15);
  rig.write(1, Reg::kIcrHigh, 0x55000000);
  rig.enter_x2apic(1);
  EXPECT_EQ(rig.irr(1), Vectors{0x41});
  EXPECT_EQ(rig.rdmsr(1, 0x808), 0x15u);
  EXPECT_EQ(rig.rdmsr(1, 0x80F), 0x1FFu);
  EXPECT_EQ(rig.rdmsr(1, 0x830) >> 32, 0u) << "but for the destination";
}
void modes_have_an_order() {
  LapicRig rig;
  EXPECT_FALSE(rig.set_base(1, 0x400)) << "x2APIC without enable";
  ASSERT_TRUE(rig.set_base(1, 0xC00));
  EXPECT_FALSE(rig.set_base(1, 0x800)) << "back to xAPIC";
  EXPECT_TRUE(rig.set_base(1, 0xC00)) << "staying";
  ASSERT_TRUE(rig.set_base(1, 0));
  EXPECT_FALSE(rig.set_base(1, 0xC00)) << "from disabled";
  EXPECT_TRUE(rig.set_base(1, 0x800));
  EXPECT_EQ(rig.read(1, Reg::kSvr), 0xFFu) << "reset on the way";
}
void init_keeps_the_mode() {
  LapicRig rig = wide();
  rig.fixed_to(1, 0x41);
  rig.wrmsr(0, 0x830, 0x100004500);
  EXPECT_EQ(rig.bank.mode(CpuId{1}), x86::LapicMode::X2apic);
  EXPECT_EQ(rig.rdmsr(1, 0x80D), 2u);
  EXPECT_EQ(rig.irr(1), Vectors{});
  EXPECT_EQ(rig.rdmsr(1, 0x80F), 0xFFu);
}

constexpr Rule kRules[] = {
    {"11.12.1.2", "RegistersAreMsrs", registers_are_msrs},
    {"11.12.2", "ThereIsNoPage", there_is_no_page},
    {"11.12.2", "MsrsFaultInXapicMode", msrs_fault_in_xapic_mode},
    {"11.12.5.1", "TheIdHas32Bits", the_id_has_32_bits},
    {"11.12.10.2", "TheLogicalIdFollowsFromTheId", the_logical_id_follows_from_the_id},
    {"11.12.1.2", "DfrAprAndIcrHighAreGone", dfr_apr_and_icr_high_are_gone},
    {"11.12.1.3", "ReservedBitsFault", reserved_bits_fault},
    {"11.12.1.2", "EoiCannotBeRead", eoi_cannot_be_read},
    {"11.12.1.2", "EoiEndsTheHighest", eoi_ends_the_highest},
    {"11.12.9", "OneWriteOfTheIcrSends", one_write_of_the_icr_sends},
    {"11.12.10.1", "ALogicalDestinationIsAClusterAndItsMembers",
     a_logical_destination_is_a_cluster_and_its_members},
    {"11.12.9", "AllOnesIsEverybody", ffffffff_is_everybody},
    {"11.12.11", "SelfIpi", self_ipi},
    {"11.12.11", "ASelfIpiWithAnIllegalVectorIsAnError",
     a_self_ipi_with_an_illegal_vector_is_an_error},
    {"11.12.5.1", "EnteringKeepsWhatThereIs", entering_keeps_what_there_is},
    {"11.12.5", "ModesHaveAnOrder", modes_have_an_order},
    {"11.12.5.1", "InitKeepsTheMode", init_keeps_the_mode},
};

INSTANTIATE_TEST_SUITE_P(SdmX2apic, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
