// AVIC: AMD64 Architecture Programmer's Manual vol. 2, 15.29.

#include "tests/rules/rule.hpp"
#include "tests/support/virtual_rig.hpp"

namespace irqfab::rules {
namespace {

using x86::exits_as;
using x86::faults;
using x86::is_done;
using x86::VirtualAccess;
using x86::VirtualRig;
using x86::VirtualSignal;
using x86::X2avic;
using Reg = x86::LapicRegister;

constexpr std::uint64_t kWrite = std::uint64_t{1} << 32;
constexpr auto kNoAccel = ExitReason::UnacceleratedAccess;
constexpr auto kIncomplete = ExitReason::IncompleteIpi;

/// An IPI that exited, and why.
::testing::AssertionResult incomplete(const VirtualAccess& access, std::uint64_t icr,
                                      std::uint64_t info2) {
  if (access.exit && access.exit->info2 != info2) {
    return ::testing::AssertionFailure() << "EXITINFO2 " << std::hex << access.exit->info2;
  }
  return exits_as(access, kIncomplete, icr);
}
void logical_ids(VirtualRig& rig) {
  for (unsigned v = 0; v < 4; ++v) rig.complete(rig.write(v, Reg::kLdr, 1u << (24 + v)));
  rig.signals();
}

// ---- accesses

void the_tpr_is_accelerated() {
  VirtualRig rig(VirtualRig::avic());
  rig.post(0, 0x51);
  rig.apics.doorbell(CpuId{0}, rig.env);
  EXPECT_TRUE(is_done(rig.write(0, Reg::kTpr, 0x55)));
  EXPECT_FALSE(rig.line(0));
  EXPECT_EQ(rig.read(0, Reg::kTpr).value, 0x55u);
  EXPECT_TRUE(is_done(rig.apics.write_cr8(CpuId{0}, 4, rig.env)));
  EXPECT_TRUE(rig.line(0));
}
void the_eoi_of_an_edge_is_accelerated() {
  VirtualRig rig(VirtualRig::avic());
  rig.in_service(0, 0x51);
  rig.post(0, 0x41);
  EXPECT_TRUE(is_done(rig.eoi(0)));
  EXPECT_FALSE(rig.isr(0, 0x51));
  EXPECT_TRUE(rig.line(0)) << "and the processor looks for the next";
}
void the_eoi_of_a_level_traps() {
  VirtualRig rig(VirtualRig::avic());
  rig.send(rig.level(0, 0x51));
  rig.apics.doorbell(CpuId{0}, rig.env);
  rig.take(0);
  const VirtualAccess access = rig.eoi(0);
  ASSERT_TRUE(exits_as(access, kNoAccel, kWrite | 0x0B0));
  EXPECT_EQ(access.exit->info2, 0x51u);
  EXPECT_TRUE(rig.isr(0, 0x51)) << "the host ends it";
  rig.complete(access);
  EXPECT_FALSE(rig.isr(0, 0x51));
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{0x51});
}
void the_highest_in_service_decides() {
  VirtualRig rig(VirtualRig::avic());
  rig.send(rig.level(0, 0x41));
  rig.apics.doorbell(CpuId{0}, rig.env);
  rig.take(0);
  rig.in_service(0, 0x51);
  EXPECT_TRUE(is_done(rig.eoi(0)));
  EXPECT_TRUE(rig.eoi(0).exit);
}
void icr_high_is_plain_memory() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(is_done(rig.write(0, Reg::kIcrHigh, 0x34000000)));
  EXPECT_EQ(rig.read(0, Reg::kIcrHigh).value, 0x34000000u);
}
void priorities_are_read_without_exit() {
  VirtualRig rig(VirtualRig::avic());
  rig.in_service(0, 0x51);
  const VirtualAccess access = rig.read(0, Reg::kPpr);
  EXPECT_TRUE(is_done(access));
  EXPECT_EQ(access.value, 0x50u);
}
void timers_are_not_virtualized() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(exits_as(rig.read(0, Reg::kCurrentCount), kNoAccel, 0x390));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kInitialCount, 5), kNoAccel, kWrite | 0x380));
}
void read_only_registers_fault() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kIsr + 0x10, 5), kNoAccel, kWrite | 0x110));
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kVersion, 5), kNoAccel, kWrite | 0x030));
}

// ---- IPIs

void an_ipi_sets_the_irr_and_rings() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x51)));
  EXPECT_TRUE(rig.irr(2, 0x51));
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, VirtualSignal::Kind::Doorbell);
  EXPECT_EQ(signals[0].host, ApicId{0x12});
  EXPECT_EQ(signals[0].vcpu, CpuId{2});
}
void the_target_sees_it_at_the_doorbell() {
  VirtualRig rig(VirtualRig::avic());
  rig.ipi(0, 2, 0x51);
  EXPECT_FALSE(rig.line(2));
  rig.apics.doorbell(CpuId{2}, rig.env);
  EXPECT_TRUE(rig.line(2));
  EXPECT_EQ(rig.take(2), 0x51u);
}
void a_self_ipi_needs_no_doorbell() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(is_done(rig.write(0, Reg::kIcrLow, 0x40051)));
  EXPECT_TRUE(rig.line(0));
  EXPECT_TRUE(rig.signals().empty());
  EXPECT_TRUE(is_done(rig.ipi(1, 1, 0x51))) << "nor does one by id";
  EXPECT_TRUE(rig.line(1));
  EXPECT_TRUE(rig.signals().empty());
}
void only_fixed_edges_are_sent() {
  VirtualRig rig(VirtualRig::avic());
  for (const std::uint32_t low : {0x00151u, 0x00451u, 0x08051u}) {
    EXPECT_TRUE(incomplete(rig.ipi(0, 2, low), 0x02000000'00000000 | low, 0)) << std::hex << low;
  }
  EXPECT_FALSE(rig.irr(2, 0x51));
}
void vectors_below_16_are_not_sent() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(incomplete(rig.ipi(0, 2, 0x0F), 0x02000000'0000000F, 0x4'00000000));
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x10)));
}
void a_target_that_does_not_run_has_it_and_exits() {
  VirtualRig rig(VirtualRig::avic());
  rig.apics.avic_put(CpuId{2}, x86::VcpuPut::Preempted);
  EXPECT_TRUE(incomplete(rig.ipi(0, 2, 0x51), 0x02000000'00000051, 0x1'00000002));
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_TRUE(rig.signals().empty());
}
void a_target_without_entry_exits() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(incomplete(rig.ipi(0, 7, 0x51), 0x07000000'00000051, 0x2'00000007));
  rig.apics.avic_tables().at(ApicId{2})->valid = false;
  EXPECT_TRUE(incomplete(rig.ipi(0, 2, 0x51), 0x02000000'00000051, 0x2'00000002));
}
void logical_targets_are_looked_up() {
  VirtualRig rig(VirtualRig::avic());
  logical_ids(rig);
  EXPECT_TRUE(is_done(rig.ipi(0, 0b1100, 0x851)));
  EXPECT_FALSE(rig.irr(0, 0x51));
  EXPECT_FALSE(rig.irr(1, 0x51));
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_TRUE(rig.irr(3, 0x51));
  EXPECT_EQ(rig.signals().size(), 2u);
}
void one_invalid_target_stops_all() {
  VirtualRig rig(VirtualRig::avic());
  logical_ids(rig);
  EXPECT_TRUE(incomplete(rig.ipi(0, 0b10010, 0x851), 0x12000000'00000851, 0x2'00000004));
  EXPECT_FALSE(rig.irr(1, 0x51)) << "before anybody gets anything";
}
void broadcasts_pass_over_invalid_entries() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(is_done(rig.ipi(1, 0, 0xC0051)));
  for (unsigned v = 0; v < 4; ++v) EXPECT_EQ(rig.irr(v, 0x51), v != 1) << v;
  EXPECT_TRUE(is_done(rig.ipi(1, 0, 0x80052)));
  for (unsigned v = 0; v < 4; ++v) EXPECT_TRUE(rig.irr(v, 0x52)) << v;
  EXPECT_TRUE(is_done(rig.ipi(1, 0xFF, 0x00053)));
  for (unsigned v = 0; v < 4; ++v) EXPECT_TRUE(rig.irr(v, 0x53)) << v;
}
void all_ones_is_a_broadcast_in_logical_mode_too() {
  VirtualRig rig(VirtualRig::avic());
  EXPECT_TRUE(is_done(rig.ipi(1, 0xFF, 0x00851))) << "no logical id is valid";
  for (unsigned v = 0; v < 4; ++v) EXPECT_TRUE(rig.irr(v, 0x51)) << v;
}

// ---- x2APIC mode

void x2avic_sends_by_32_bits() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic(X2avic::Present));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0x3'0000'0051)));
  EXPECT_TRUE(rig.irr(3, 0x51));
  EXPECT_TRUE(incomplete(rig.wrmsr(0, 0x830, 0x203'0000'0051), 0x203'0000'0051, 0x2'00000203));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0xFFFFFFFF'0000'0052)));
  for (unsigned v = 0; v < 4; ++v) EXPECT_TRUE(rig.irr(v, 0x52)) << v;
}
void x2avic_computes_logical_ids() {
  auto config = VirtualRig::avic(X2avic::Present);
  config.lapics.ids[3] = ApicId{0x21};
  VirtualRig rig = VirtualRig::by_msr(config);
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0x20002'0000'0851)));
  EXPECT_TRUE(rig.irr(3, 0x51));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0x00006'0000'0852)));
  EXPECT_TRUE(rig.irr(1, 0x52));
  EXPECT_TRUE(rig.irr(2, 0x52));
  EXPECT_FALSE(rig.irr(0, 0x52));
}
void x2avic_faults_on_reserved_bits() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic(X2avic::Present));
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x808, 0x100)));
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x80B, 1)));
  EXPECT_TRUE(faults(rig.wrmsr(0, 0x830, 0x2051)));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x808, 0xFF)));
}
void without_x2avic_msrs_exit() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic());
  EXPECT_TRUE(exits_as(rig.wrmsr(0, 0x808, 0x20), ExitReason::MsrWrite, 0));
  EXPECT_TRUE(rig.rdmsr(0, 0x808).exit);
}

constexpr Rule kRules[] = {
    {"15.29.3.1", "TheTprIsAccelerated", the_tpr_is_accelerated},
    {"15.29.3.1", "TheEoiOfAnEdgeIsAccelerated", the_eoi_of_an_edge_is_accelerated},
    {"15.29.9.2", "TheEoiOfALevelTraps", the_eoi_of_a_level_traps},
    {"15.29.9.2", "TheHighestInServiceDecides", the_highest_in_service_decides},
    {"15.29.3.1", "IcrHighIsPlainMemory", icr_high_is_plain_memory},
    {"15.29.3.1", "PrioritiesAreReadWithoutExit", priorities_are_read_without_exit},
    {"15.29.9.2", "TimersAreNotVirtualized", timers_are_not_virtualized},
    {"15.29.9.2", "ReadOnlyRegistersFault", read_only_registers_fault},
    {"15.29.6.1", "AnIpiSetsTheIrrAndRings", an_ipi_sets_the_irr_and_rings},
    {"15.29.8.2", "TheTargetSeesItAtTheDoorbell", the_target_sees_it_at_the_doorbell},
    {"15.29.6.1", "ASelfIpiNeedsNoDoorbell", a_self_ipi_needs_no_doorbell},
    {"15.29.9.1", "OnlyFixedEdgesAreSent", only_fixed_edges_are_sent},
    {"15.29.9.1", "VectorsBelow16AreNotSent", vectors_below_16_are_not_sent},
    {"15.29.9.1", "ATargetThatDoesNotRunHasItAndExits",
     a_target_that_does_not_run_has_it_and_exits},
    {"15.29.9.1", "ATargetWithoutEntryExits", a_target_without_entry_exits},
    {"15.29.6.1", "LogicalTargetsAreLookedUp", logical_targets_are_looked_up},
    {"15.29.9.1", "OneInvalidTargetStopsAll", one_invalid_target_stops_all},
    {"15.29.6.1", "BroadcastsPassOverInvalidEntries", broadcasts_pass_over_invalid_entries},
    {"15.29.6.1", "AllOnesIsABroadcastInLogicalModeToo",
     all_ones_is_a_broadcast_in_logical_mode_too},
    {"15.29.10", "X2avicSendsBy32Bits", x2avic_sends_by_32_bits},
    {"15.29.10", "X2avicComputesLogicalIds", x2avic_computes_logical_ids},
    {"15.29.10", "X2avicFaultsOnReservedBits", x2avic_faults_on_reserved_bits},
    {"15.29.10", "WithoutX2avicMsrsExit", without_x2avic_msrs_exit},
};

INSTANTIATE_TEST_SUITE_P(Apm2_15_29, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
