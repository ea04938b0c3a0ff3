// APIC virtualization and virtual interrupts: SDM vol. 3, chapter 30; controls: 27.2.1.1.

#include "tests/rules/rule.hpp"
#include "tests/support/virtual_rig.hpp"

namespace irqfab::rules {
namespace {

using x86::ApicvControl;
using x86::ApicvControls;
using x86::exits_as;
using x86::is_done;
using x86::VirtualRig;
using x86::VirtualSignal;
using Reg = x86::LapicRegister;

constexpr ApicvControls kAll = ApicvControls::all();
constexpr ApicvControls kShadow = x86::without_delivery(kAll);
constexpr ApicvControls kNoPosting = kAll.without(ApicvControl::ProcessPostedInterrupts);

/// A rig whose software delivers, with an interrupt that the TPR holds back at its entry.
VirtualRig held_back(unsigned vector, unsigned tpr) {
  VirtualRig rig(VirtualRig::apicv(kShadow));
  rig.write(0, Reg::kTpr, tpr);
  rig.send(rig.fixed(0, vector));
  rig.apics.enter(CpuId{0}, rig.env);
  return rig;
}
// ---- controls

void the_shadow_is_needed_by_four_controls() {
  for (const auto control :
       {ApicvControl::VirtualizeX2apicMode, ApicvControl::ApicRegisterVirtualization,
        ApicvControl::VirtualInterruptDelivery, ApicvControl::IpiVirtualization}) {
    EXPECT_FALSE(x86::can_enter(ApicvControls{}.with(control)));
  }
  EXPECT_TRUE(x86::can_enter(ApicvControls{}.with(ApicvControl::VirtualizeApicAccesses)));
}
void posting_needs_delivery() {
  EXPECT_FALSE(x86::can_enter(kAll.without(ApicvControl::VirtualInterruptDelivery)));
  EXPECT_TRUE(x86::can_enter(kAll));
}

// ---- TPR and PPR

void a_tpr_below_its_threshold_exits() {
  VirtualRig rig = held_back(0x51, 0x80);
  EXPECT_EQ(rig.apics.tpr_threshold(CpuId{0}), 5);
  EXPECT_TRUE(exits_as(rig.write(0, Reg::kTpr, 0x4F), ExitReason::TprBelowThreshold, 0));
}
void a_tpr_at_its_threshold_does_not() {
  VirtualRig rig = held_back(0x51, 0x80);
  EXPECT_TRUE(is_done(rig.write(0, Reg::kTpr, 0x50)));
  EXPECT_EQ(rig.apics.lapics().tpr(CpuId{0}), 0x50);
}
void that_exit_is_after_the_write() {
  VirtualRig rig = held_back(0x51, 0x80);
  ASSERT_TRUE(rig.write(0, Reg::kTpr, 0x20).exit);
  EXPECT_EQ(rig.apics.lapics().tpr(CpuId{0}), 0x20);
}
void with_delivery_there_is_no_threshold() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kTpr, 0x80);
  rig.post(0, 0x51);
  rig.apics.enter(CpuId{0}, rig.env);
  EXPECT_EQ(rig.apics.tpr_threshold(CpuId{0}), 0);
  EXPECT_FALSE(rig.line(0));
  EXPECT_TRUE(is_done(rig.write(0, Reg::kTpr, 0x40)));
  EXPECT_TRUE(rig.line(0));
}
void a_higher_tpr_ends_recognition() {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  ASSERT_TRUE(rig.line(0));
  rig.write(0, Reg::kTpr, 0x50);
  EXPECT_FALSE(rig.line(0));
}
void vppr_is_the_tpr_or_the_class_of_svi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kTpr, 0x35);
  EXPECT_EQ(rig.apics.lapics().ppr(CpuId{0}), 0x35);
  rig.in_service(0, 0x47);
  EXPECT_EQ(rig.apics.lapics().ppr(CpuId{0}), 0x40);
  rig.write(0, Reg::kTpr, 0x42);
  EXPECT_EQ(rig.apics.lapics().ppr(CpuId{0}), 0x42);
}

// ---- EOI

void an_eoi_ends_svi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.in_service(0, 0x51);
  EXPECT_EQ(rig.apics.svi(CpuId{0}), Vector{0x51});
  EXPECT_TRUE(is_done(rig.eoi(0)));
  EXPECT_FALSE(rig.isr(0, 0x51));
  EXPECT_EQ(rig.apics.svi(CpuId{0}), Vector{0});
}
void svi_is_the_next_in_service() {
  VirtualRig rig(VirtualRig::apicv());
  rig.in_service(0, 0x41);
  rig.in_service(0, 0x61);
  rig.eoi(0);
  EXPECT_EQ(rig.apics.svi(CpuId{0}), Vector{0x41});
  rig.eoi(0);
  EXPECT_FALSE(rig.isr(0, 0x41)) << "the second EOI ends the other";
}
void an_eoi_of_the_bitmap_exits_with_its_vector() {
  VirtualRig rig(VirtualRig::apicv());
  x86::VectorSet bitmap;
  bitmap.add(Vector{0x51});
  rig.apics.set_eoi_exits(CpuId{0}, bitmap);
  rig.in_service(0, 0x51);
  EXPECT_TRUE(exits_as(rig.eoi(0), ExitReason::VirtualizedEoi, 0x51));
  EXPECT_FALSE(rig.isr(0, 0x51)) << "after the EOI, not instead of it";
  rig.in_service(0, 0x52);
  EXPECT_TRUE(is_done(rig.eoi(0)));
}
void the_processor_broadcasts_no_eoi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.level_in_service(0, 0x51);
  EXPECT_TRUE(is_done(rig.eoi(0)));
  EXPECT_TRUE(rig.broadcasts().empty());
}
void an_eoi_evaluates() {
  VirtualRig rig(VirtualRig::apicv());
  rig.in_service(0, 0x61);
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_FALSE(rig.line(0));
  rig.eoi(0);
  EXPECT_TRUE(rig.line(0));
}

// ---- self-IPIs

void a_self_ipi_requests_its_vector() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.write(0, Reg::kIcrLow, 0x40051)));
  EXPECT_TRUE(rig.irr(0, 0x51));
  EXPECT_TRUE(rig.line(0));
  EXPECT_EQ(rig.apics.rvi(CpuId{0}), Vector{0x51});
}
void a_lower_self_ipi_leaves_rvi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kIcrLow, 0x40051);
  rig.write(0, Reg::kIcrLow, 0x40031);
  EXPECT_EQ(rig.apics.rvi(CpuId{0}), Vector{0x51});
  EXPECT_EQ(rig.take(0), 0x51u);
  EXPECT_EQ(rig.apics.rvi(CpuId{0}), Vector{0x31});
}

// ---- IPIs

void an_ipi_is_posted_to_the_target() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x51)));
  EXPECT_TRUE(rig.pir(2, 0x51));
  EXPECT_FALSE(rig.irr(2, 0x51)) << "until the target processes it";
  EXPECT_TRUE(rig.apics.descriptor(CpuId{2}).on());
}
void the_sender_notifies_ndst_with_nv() {
  VirtualRig rig(VirtualRig::apicv());
  rig.ipi(0, 2, 0x51);
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, VirtualSignal::Kind::Notification);
  EXPECT_EQ(signals[0].host, ApicId{0x12});
  EXPECT_EQ(signals[0].vector, Vector{0xF2});
  EXPECT_EQ(signals[0].vcpu, CpuId{2});
}
void nobody_is_notified_twice() {
  VirtualRig rig(VirtualRig::apicv());
  rig.ipi(0, 2, 0x51);
  rig.signals();
  rig.ipi(1, 2, 0x52);
  EXPECT_TRUE(rig.signals().empty());
  EXPECT_TRUE(rig.pir(2, 0x52));
}
void sn_suppresses_the_notification_of_an_ipi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.descriptor(CpuId{2}).set_sn(true);
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x51)));
  EXPECT_TRUE(rig.signals().empty());
  EXPECT_FALSE(rig.apics.descriptor(CpuId{2}).on());
  EXPECT_TRUE(rig.pir(2, 0x51));
}
void an_ipi_with_an_illegal_vector_exits() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.ipi(0, 2, 0x0F), ExitReason::ApicWrite, 0x300));
  EXPECT_TRUE(is_done(rig.ipi(0, 2, 0x10)));
}
void an_ipi_beyond_the_table_exits() {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(exits_as(rig.ipi(0, 4, 0x51), ExitReason::ApicWrite, 0x300));
  EXPECT_TRUE(is_done(rig.ipi(0, 3, 0x51)));
}
void an_entry_that_is_not_valid_exits() {
  auto config = VirtualRig::apicv();
  config.lapics.ids[3] = ApicId{9};
  VirtualRig rig(config);
  EXPECT_TRUE(exits_as(rig.ipi(0, 5, 0x51), ExitReason::ApicWrite, 0x300));
  EXPECT_TRUE(is_done(rig.ipi(0, 9, 0x51)));
  EXPECT_TRUE(rig.pir(3, 0x51)) << "the table is indexed by APIC id";
}
void only_plain_unicast_is_virtualized() {
  VirtualRig rig(VirtualRig::apicv());
  for (const std::uint32_t low : {0x00851u, 0x80051u, 0xC0051u, 0x00151u, 0x00451u, 0x08051u}) {
    EXPECT_TRUE(exits_as(rig.ipi(0, 2, low), ExitReason::ApicWrite, 0x300)) << std::hex << low;
  }
  EXPECT_FALSE(rig.apics.descriptor(CpuId{2}).on());
}
void without_the_control_every_other_ipi_exits() {
  VirtualRig rig(VirtualRig::apicv(kAll.without(ApicvControl::IpiVirtualization)));
  EXPECT_TRUE(exits_as(rig.ipi(0, 2, 0x51), ExitReason::ApicWrite, 0x300));
}
void by_msr_the_destination_has_32_bits() {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0x2'0000'0051)));
  EXPECT_TRUE(rig.pir(2, 0x51));
  EXPECT_TRUE(exits_as(rig.wrmsr(0, 0x830, 0x102'0000'0051), ExitReason::ApicWrite, 0x300));
}

// ---- evaluation and delivery

void only_some_operations_evaluate() {
  VirtualRig rig(VirtualRig::apicv(kNoPosting));
  rig.send(rig.fixed(0, 0x51));
  EXPECT_TRUE(rig.irr(0, 0x51));
  EXPECT_FALSE(rig.line(0)) << "the IRR changed behind the processor's back";
  rig.apics.enter(CpuId{0}, rig.env);
  EXPECT_TRUE(rig.line(0));
}
void rvi_must_be_of_a_higher_class_than_vppr() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kTpr, 0x50);
  rig.post(0, 0x5F);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_FALSE(rig.line(0));
  rig.post(0, 0x60);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_TRUE(rig.line(0));
}
void delivery_moves_rvi_to_svi() {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x31);
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_EQ(rig.take(0), 0x51u);
  EXPECT_FALSE(rig.irr(0, 0x51));
  EXPECT_TRUE(rig.isr(0, 0x51));
  EXPECT_EQ(rig.apics.rvi(CpuId{0}), Vector{0x31});
  EXPECT_EQ(rig.apics.svi(CpuId{0}), Vector{0x51});
  EXPECT_EQ(rig.apics.lapics().ppr(CpuId{0}), 0x50);
}
void delivery_ends_recognition() {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  rig.take(0);
  EXPECT_FALSE(rig.line(0));
}

// ---- posted-interrupt processing

void processing_clears_on_and_the_pir() {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x51);
  rig.post(0, 0xF1);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_FALSE(rig.apics.descriptor(CpuId{0}).on());
  EXPECT_TRUE(rig.apics.descriptor(CpuId{0}).pir().empty());
  EXPECT_TRUE(rig.irr(0, 0x51));
  EXPECT_TRUE(rig.irr(0, 0xF1));
  EXPECT_TRUE(rig.line(0));
}
void processing_leaves_sn_nv_and_ndst() {
  VirtualRig rig(VirtualRig::apicv());
  auto& descriptor = rig.apics.descriptor(CpuId{0});
  descriptor.set_sn(true);
  rig.post(0, 0x51, Urgency::Urgent);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_TRUE(descriptor.sn());
  EXPECT_EQ(descriptor.nv(), Vector{0xF2});
  EXPECT_EQ(descriptor.ndst(), 0x10u);
}
void processing_adds_to_the_irr() {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Reg::kIcrLow, 0x40061);
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_TRUE(rig.irr(0, 0x61));
  EXPECT_EQ(rig.apics.rvi(CpuId{0}), Vector{0x61});
}
void processing_leaves_the_tmr() {
  VirtualRig rig(VirtualRig::apicv());
  rig.level_in_service(0, 0x51);
  rig.post(0, 0x51);
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_TRUE(rig.apics.lapics().tmr(CpuId{0}).has(Vector{0x51}));
}
void processing_takes_what_nobody_told_of() {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.descriptor(CpuId{0}).set_sn(true);
  rig.post(0, 0x51);
  ASSERT_FALSE(rig.apics.descriptor(CpuId{0}).on());
  rig.apics.sync(CpuId{0}, rig.env);
  EXPECT_TRUE(rig.irr(0, 0x51));
}

constexpr Rule kRules[] = {
    {"27.2.1.1", "FourControlsNeedTheTprShadow", the_shadow_is_needed_by_four_controls},
    {"27.2.1.1", "PostedInterruptsNeedDelivery", posting_needs_delivery},
    {"30.1.2", "ATprBelowItsThresholdExits", a_tpr_below_its_threshold_exits},
    {"30.1.2", "ATprAtItsThresholdDoesNot", a_tpr_at_its_threshold_does_not},
    {"30.1.2", "ThatExitIsAfterTheWrite", that_exit_is_after_the_write},
    {"30.1.2", "WithDeliveryThereIsNoThreshold", with_delivery_there_is_no_threshold},
    {"30.1.2", "AHigherTprEndsRecognition", a_higher_tpr_ends_recognition},
    {"30.1.3", "VpprIsTheTprOrTheClassOfSvi", vppr_is_the_tpr_or_the_class_of_svi},
    {"30.1.4", "AnEoiEndsSvi", an_eoi_ends_svi},
    {"30.1.4", "SviIsTheNextInService", svi_is_the_next_in_service},
    {"30.1.4", "AnEoiOfTheBitmapExitsWithItsVector", an_eoi_of_the_bitmap_exits_with_its_vector},
    {"30.1.4", "TheProcessorBroadcastsNoEoi", the_processor_broadcasts_no_eoi},
    {"30.1.4", "AnEoiEvaluates", an_eoi_evaluates},
    {"30.1.5", "ASelfIpiRequestsItsVector", a_self_ipi_requests_its_vector},
    {"30.1.5", "ALowerSelfIpiLeavesRvi", a_lower_self_ipi_leaves_rvi},
    {"30.1.6", "AnIpiIsPostedToTheTarget", an_ipi_is_posted_to_the_target},
    {"30.1.6", "TheSenderNotifiesNdstWithNv", the_sender_notifies_ndst_with_nv},
    {"30.1.6", "NobodyIsNotifiedTwice", nobody_is_notified_twice},
    {"30.1.6", "SnSuppressesTheNotification", sn_suppresses_the_notification_of_an_ipi},
    {"30.1.6", "AnIllegalVectorExits", an_ipi_with_an_illegal_vector_exits},
    {"30.1.6", "ADestinationBeyondTheTableExits", an_ipi_beyond_the_table_exits},
    {"30.1.6", "AnEntryThatIsNotValidExits", an_entry_that_is_not_valid_exits},
    {"30.1.6", "OnlyPlainUnicastIsVirtualized", only_plain_unicast_is_virtualized},
    {"30.1.6", "WithoutTheControlOtherIpisExit", without_the_control_every_other_ipi_exits},
    {"30.1.6", "ByMsrTheDestinationHas32Bits", by_msr_the_destination_has_32_bits},
    {"30.2.1", "OnlySomeOperationsEvaluate", only_some_operations_evaluate},
    {"30.2.1", "RviMustBeOfAHigherClassThanVppr", rvi_must_be_of_a_higher_class_than_vppr},
    {"30.2.2", "DeliveryMovesRviToSvi", delivery_moves_rvi_to_svi},
    {"30.2.2", "DeliveryEndsRecognition", delivery_ends_recognition},
    {"30.6", "ProcessingClearsOnAndThePir", processing_clears_on_and_the_pir},
    {"30.6", "ProcessingLeavesSnNvAndNdst", processing_leaves_sn_nv_and_ndst},
    {"30.6", "ProcessingAddsToTheIrr", processing_adds_to_the_irr},
    {"30.6", "ProcessingLeavesTheTmr", processing_leaves_the_tmr},
    {"30.6", "ProcessingTakesWhatNobodyToldOf", processing_takes_what_nobody_told_of},
};

INSTANTIATE_TEST_SUITE_P(Sdm3_29, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
