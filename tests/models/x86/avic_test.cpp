// AVIC as the host's software sees it: table entries at load and put, wake-ups after exits,
// inhibits. What the processor does is in tests/rules.

#include <gtest/gtest.h>

#include "tests/support/virtual_rig.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;
using Kind = VirtualSignal::Kind;

constexpr CpuId kVcpu2{2};

TEST(AvicHost, LoadAndPutKeepTheEntry) {
  VirtualRig rig(VirtualRig::avic());
  const AvicTables::Physical& entry = *rig.apics.avic_tables().at(ApicId{2});
  EXPECT_TRUE(entry.valid);
  EXPECT_EQ(entry.vcpu, kVcpu2);
  rig.apics.avic_put(kVcpu2, VcpuPut::Preempted);
  EXPECT_FALSE(entry.is_running);
  EXPECT_EQ(entry.host, ApicId{0x12});
  rig.apics.avic_load(kVcpu2, ApicId{0x33});
  EXPECT_TRUE(entry.is_running);
  EXPECT_EQ(entry.host, ApicId{0x33});
  rig.apics.avic_put(kVcpu2, VcpuPut::Blocked);
  EXPECT_FALSE(entry.is_running);
}

TEST(AvicHost, AfterTheExitTheStoppedOnesAreKicked) {
  VirtualRig rig(VirtualRig::avic());
  rig.apics.avic_put(kVcpu2, VcpuPut::Blocked);
  rig.apics.avic_put(CpuId{3}, VcpuPut::Blocked);
  const VirtualAccess access = rig.ipi(0, 0, 0xC0051);
  ASSERT_TRUE(access.exit);
  auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Doorbell);
  EXPECT_EQ(signals[0].vcpu, CpuId{1});
  rig.apics.avic_load(CpuId{3}, ApicId{0x40});  // meanwhile
  rig.complete(access);
  signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Kick);
  EXPECT_EQ(signals[0].vcpu, kVcpu2);
  EXPECT_EQ(signals[0].span, rig.apics.lapics().requested(kVcpu2, Vector{0x51}));
  EXPECT_FALSE(rig.apics.deliverable(kVcpu2));
  EXPECT_TRUE(rig.apics.has_event(kVcpu2));
  rig.apics.enter(kVcpu2, rig.env);
  EXPECT_TRUE(rig.line(2));
}

/// The defect: its sender rings a CPU that does something else, and nobody wakes the target.
TEST(AvicHost, AStaleEntryLosesTheWakeUp) {
  auto config = VirtualRig::avic();
  config.lapics.mutants.add(Mutant::AvicRunningStale);
  VirtualRig rig(config);
  rig.apics.avic_put(kVcpu2, VcpuPut::Blocked);
  EXPECT_TRUE(rig.apics.avic_tables().at(ApicId{2})->is_running);
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x51))) << "no exit, so nobody learns of it";
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Doorbell);
  EXPECT_TRUE(rig.apics.has_event(kVcpu2));
  rig.apics.avic_put(kVcpu2, VcpuPut::Preempted);
  EXPECT_FALSE(rig.apics.avic_tables().at(ApicId{2})->is_running) << "only who blocks is stale";
}

TEST(AvicHost, MessagesSetTheIrrAndKick) {
  VirtualRig rig(VirtualRig::avic());
  rig.send(rig.fixed(2, 0x51));
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_FALSE(rig.line(2));
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Kick);
  EXPECT_EQ(signals[0].host, ApicId{0x12}) << "whom the host may ring";
  rig.apics.doorbell(kVcpu2, rig.env);
  EXPECT_TRUE(rig.line(2));
}

TEST(AvicHost, UnitsPostToTheBackingPage) {
  VirtualRig rig(VirtualRig::avic());
  const PostAnswer answer = rig.post(2, 0x51);
  EXPECT_FALSE(answer.notify) << "the unit's own entry says whom to ring";
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_TRUE(rig.apics.descriptor(kVcpu2).pir().empty());
  EXPECT_EQ(rig.env.notes.front().event, Event::Posted);
  EXPECT_EQ(rig.env.notes.front().detail, 2u << 8 | 0x51);
}

TEST(AvicHost, InvalidTypesAreSentByTheHost) {
  VirtualRig rig(VirtualRig::avic());
  rig.complete(rig.ipi(0, 2, 0x151));
  EXPECT_TRUE(rig.irr(2, 0x51));
  rig.complete(rig.ipi(0, 2, 0x400));
  ASSERT_FALSE(rig.env.messages<CpuLineChange>().empty());
  EXPECT_EQ(rig.env.messages<CpuLineChange>().back().line, CpuLine::Nmi);
}

TEST(AvicHost, InvalidTargetsLeaveTheValidOnesToTheHost) {
  VirtualRig rig(VirtualRig::avic());
  for (unsigned v = 0; v < 4; ++v) rig.complete(rig.write(v, Register::kLdr, 1u << (24 + v)));
  rig.complete(rig.ipi(0, 0x14, 0x851));
  EXPECT_TRUE(rig.irr(2, 0x51));
}

TEST(AvicHost, AnIllegalVectorIsAnError) {
  VirtualRig rig(VirtualRig::avic());
  rig.complete(rig.ipi(0, 2, 0x0F));
  rig.complete(rig.write(0, Register::kEsr, 0));
  EXPECT_EQ(rig.read(0, Register::kEsr).value, 0x20u);
}

TEST(AvicHost, AnIpiToNobodyIsLost) {
  auto config = VirtualRig::config_of(Virtualization::Avic, 1);
  VirtualRig rig(config);
  EXPECT_TRUE(is_done(rig.ipi(0, 0, 0xC0051)));
  EXPECT_EQ(rig.env.count(Event::Dropped), 1u);
  rig.book.read(rig.env);
  EXPECT_TRUE(rig.book.live().empty());
}

TEST(AvicHost, EachTargetHasASpanOfItsOwn) {
  VirtualRig rig(VirtualRig::avic());
  rig.ipi(0, 0, 0x80051);
  EXPECT_EQ(rig.env.count(Event::Forked), 3u);
  EXPECT_EQ(rig.env.count(Event::IpiVirtualized), 1u);
  rig.book.read(rig.env);
  EXPECT_TRUE(rig.book.faults().empty());
  EXPECT_EQ(rig.book.live().size(), 4u);
  EXPECT_EQ(rig.book.live(), test::held_by(rig.apics));
}

TEST(AvicHost, RemoteReadIsMemoryThatNobodyWrote) {
  VirtualRig rig(VirtualRig::avic());
  const VirtualAccess access = rig.read(0, 0x0C0);
  EXPECT_TRUE(is_done(access));
  EXPECT_EQ(access.value, 0u);
  EXPECT_TRUE(rig.env.notes.empty());
}

TEST(AvicHost, HasNoThreshold) {
  VirtualRig rig(VirtualRig::avic());
  rig.write(0, Register::kTpr, 0x80);
  rig.send(rig.fixed(0, 0x51));
  rig.apics.enter(CpuId{0}, rig.env);
  EXPECT_EQ(rig.apics.tpr_threshold(CpuId{0}), 0);
  EXPECT_TRUE(is_done(rig.apics.write_cr8(CpuId{0}, 0, rig.env)));
  EXPECT_TRUE(rig.line(0));
}

TEST(AvicHost, ByMsrSomeReadsExitOrFault) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic(X2avic::Present));
  EXPECT_TRUE(exits_as(rig.rdmsr(0, 0x839), ExitReason::UnacceleratedAccess, 0x390));
  EXPECT_EQ(rig.rdmsr(0, 0x839).exit->where, 0x839u);
  EXPECT_TRUE(exits_as(rig.rdmsr(0, 0x832), ExitReason::MsrWrite, 0));
  EXPECT_TRUE(faults(rig.rdmsr(0, 0x80B)));
  EXPECT_EQ(rig.rdmsr(0, 0x80F).value, 0x1FFu);
}

TEST(AvicHost, ByMsrInvalidTypesAreSentByTheHost) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic(X2avic::Present));
  const VirtualAccess access = rig.wrmsr(0, 0x830, 0x2'0000'0151);
  ASSERT_TRUE(exits_as(access, ExitReason::IncompleteIpi, 0x2'0000'0151));
  rig.complete(access);
  EXPECT_TRUE(rig.irr(2, 0x51));
  rig.apics.avic_put(CpuId{3}, VcpuPut::Blocked);
  rig.signals();
  rig.complete(rig.wrmsr(0, 0x830, 0x3'0000'0051));
  ASSERT_EQ(rig.signals().size(), 1u);
}

TEST(AvicHost, AnEoiThatTrapsByMsrIsCarriedOut) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::avic(X2avic::Present));
  rig.send(rig.level(0, 0x51));
  rig.apics.doorbell(CpuId{0}, rig.env);
  rig.take(0);
  const VirtualAccess access = rig.wrmsr(0, 0x80B, 0);
  ASSERT_TRUE(exits_as(access, ExitReason::UnacceleratedAccess, 0x1'0000'00B0));
  rig.complete(access);
  EXPECT_FALSE(rig.isr(0, 0x51));
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{0x51});
}

TEST(AvicTablesOfAVm, ClusterIdsAreLookedUpByTheSendersDfr) {
  VirtualRig rig(VirtualRig::avic());
  for (unsigned v = 0; v < 4; ++v) {
    rig.complete(rig.write(v, Register::kDfr, 0x0FFFFFFF));
    rig.complete(rig.write(v, Register::kLdr, (v / 2 << 4 | 1u << v % 2) << 24));
  }
  ASSERT_TRUE(rig.apics.active());
  EXPECT_EQ(rig.apics.avic_tables().logical(5), ApicId{3});
  EXPECT_TRUE(is_done(rig.ipi(0, 0x12, 0x851)));
  EXPECT_TRUE(rig.irr(3, 0x51));
  EXPECT_FALSE(rig.irr(1, 0x51));
  EXPECT_TRUE(rig.ipi(0, 0xF1, 0x851).exit) << "cluster 15 has no entries";
}

TEST(AvicTablesOfAVm, AliasesForbidWhileTheyLast) {
  VirtualRig rig(VirtualRig::avic());
  rig.complete(rig.write(0, Register::kLdr, 0x01000000));
  rig.complete(rig.write(1, Register::kLdr, 0x01000000));
  EXPECT_TRUE(rig.apics.inhibits().has(Inhibit::LogicalIdAliased));
  EXPECT_FALSE(rig.apics.active());
  EXPECT_TRUE(exits_as(rig.eoi(0), ExitReason::ApicAccess, 0x10B0));
  rig.complete(rig.write(1, Register::kLdr, 0x02000000));
  EXPECT_TRUE(rig.apics.active());
}

TEST(AvicTablesOfAVm, AnInitForgetsTheLogicalId) {
  VirtualRig rig(VirtualRig::avic());
  rig.complete(rig.write(2, Register::kLdr, 0x04000000));
  ASSERT_EQ(rig.apics.avic_tables().logical(2), ApicId{2});
  rig.complete(rig.ipi(0, 2, 0x500));
  EXPECT_EQ(rig.apics.avic_tables().logical(2), std::nullopt);
}

TEST(AvicTablesOfAVm, X2apicModeHasNoLogicalEntries) {
  VirtualRig rig(VirtualRig::avic(X2avic::Present));
  rig.complete(rig.write(2, Register::kLdr, 0x04000000));
  rig.enter_x2apic(2);
  EXPECT_EQ(rig.apics.avic_tables().logical(2), std::nullopt);
}

}  // namespace
}  // namespace irqfab::x86
