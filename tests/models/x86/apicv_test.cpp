// Virtual local APICs as software sees them that runs vCPUs: posts, signals, entries, completion of
// exits, inhibits. What processors do is in tests/rules.

#include "models/x86/apicv.hpp"

#include <gtest/gtest.h>

#include "tests/support/virtual_rig.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;
using Kind = VirtualSignal::Kind;

TEST(VirtualSignal, EachFieldTellsSignalsApart) {
  const VirtualSignal one{Kind::Kick, CpuId{1}, ApicId{2}, Vector{3}, SpanId{4}};
  EXPECT_TRUE(one == one);
  for (const VirtualSignal& other :
       {VirtualSignal{Kind::Doorbell, CpuId{1}, ApicId{2}, Vector{3}, SpanId{4}},
        VirtualSignal{Kind::Kick, CpuId{9}, ApicId{2}, Vector{3}, SpanId{4}},
        VirtualSignal{Kind::Kick, CpuId{1}, ApicId{9}, Vector{3}, SpanId{4}},
        VirtualSignal{Kind::Kick, CpuId{1}, ApicId{2}, Vector{9}, SpanId{4}},
        VirtualSignal{Kind::Kick, CpuId{1}, ApicId{2}, Vector{3}, SpanId{9}}}) {
    EXPECT_FALSE(one == other);
  }
}

constexpr ApicvControls kAll = ApicvControls::all();
constexpr CpuId kVcpu0{0};
constexpr CpuId kVcpu2{2};

VirtualApics::Config none() { return VirtualRig::config_of(Virtualization::None, 4); }

// ---- what software accepts

TEST(VirtualApicsHost, MessagesArePostedAndKickOnce) {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_EQ(rig.send(rig.fixed(2, 0x51)), 1u);
  EXPECT_TRUE(rig.pir(2, 0x51));
  EXPECT_FALSE(rig.irr(2, 0x51));
  auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Kick);
  EXPECT_EQ(signals[0].vcpu, kVcpu2);
  EXPECT_EQ(signals[0].host, ApicId{0x12});
  EXPECT_EQ(signals[0].vector, Vector{0xF2});
  EXPECT_EQ(signals[0].span, rig.apics.descriptor(kVcpu2).span_at(Vector{0x51}));
  rig.send(rig.fixed(2, 0x52));
  EXPECT_TRUE(rig.signals().empty()) << "ON is set: somebody was told";
}

TEST(VirtualApicsHost, ItsPostSetsOnWhateverSnSays) {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.descriptor(kVcpu0).set_sn(true);
  rig.send(rig.fixed(0, 0x51));
  EXPECT_TRUE(rig.apics.descriptor(kVcpu0).on());
  EXPECT_EQ(rig.signals().size(), 1u);
}

TEST(VirtualApicsHost, AUnitsPostRespectsSn) {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.descriptor(kVcpu0).set_sn(true);
  EXPECT_FALSE(rig.post(0, 0x51).notify);
  EXPECT_TRUE(rig.post(0, 0x52, Urgency::Urgent).notify);
  EXPECT_TRUE(rig.pir(0, 0x51));
  EXPECT_TRUE(rig.signals().empty()) << "the unit sends it";
}

TEST(VirtualApicsHost, DescriptorsAreNamedInOrder) {
  auto config = VirtualRig::apicv();
  config.first_descriptor = 40;
  VirtualRig rig(config);
  rig.post(2, 0x51);
  rig.send(rig.fixed(2, 0x52));
  rig.ipi(0, 3, 0x53);
  std::vector<std::uint64_t> details;
  for (const auto& note : rig.env.notes) {
    if (note.event == Event::Posted) details.push_back(note.detail);
  }
  EXPECT_EQ(details, (std::vector<std::uint64_t>{42 << 8 | 0x51, 42 << 8 | 0x52, 43 << 8 | 0x53}));
}

TEST(VirtualApicsHost, TmrIsWrittenAtAcceptance) {
  VirtualRig rig(VirtualRig::apicv());
  rig.send(rig.level(0, 0x51));
  EXPECT_TRUE(rig.apics.lapics().tmr(kVcpu0).has(Vector{0x51})) << "though it is in the PIR";
  rig.send(rig.fixed(0, 0x51));
  EXPECT_FALSE(rig.apics.lapics().tmr(kVcpu0).has(Vector{0x51}));
}

TEST(VirtualApicsHost, WithoutPostingTheIrrIsSetAndEachKicks) {
  VirtualRig rig(VirtualRig::apicv(kAll.without(Control::ProcessPostedInterrupts)));
  rig.send(rig.fixed(2, 0x51));
  rig.send(rig.fixed(2, 0x52));
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_FALSE(rig.line(2));
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 2u);
  EXPECT_EQ(signals[1].kind, Kind::Kick);
  EXPECT_EQ(signals[1].vcpu, kVcpu2);
  EXPECT_EQ(signals[1].span, rig.apics.lapics().requested(kVcpu2, Vector{0x52}));
}

TEST(VirtualApicsHost, WithoutVirtualizationTheHostIsToldAndInjectsAtTheEntry) {
  VirtualRig rig(none());
  EXPECT_FALSE(rig.apics.delivers());
  rig.send(rig.fixed(2, 0x51));
  EXPECT_FALSE(rig.line(2));
  EXPECT_TRUE(rig.apics.has_event(kVcpu2));
  EXPECT_TRUE(rig.env.messages<CpuLineChange>().empty());
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].kind, Kind::Kick);
  EXPECT_EQ(signals[0].vcpu, kVcpu2);
  EXPECT_EQ(signals[0].span, rig.apics.lapics().requested(kVcpu2, Vector{0x51}));
  rig.apics.enter(kVcpu2, rig.env);
  EXPECT_TRUE(rig.line(2));
  EXPECT_EQ(rig.env.messages<CpuLineChange>().size(), 1u);
  EXPECT_EQ(rig.take(2), 0x51u);
}

TEST(VirtualApicsHost, AProcessorDeliversByItselfWithDeliveryAndWithAvic) {
  const auto without = ApicvControls::all()
                           .without(Control::ProcessPostedInterrupts)
                           .without(Control::VirtualInterruptDelivery);
  EXPECT_TRUE(VirtualApics(VirtualRig::apicv()).delivers());
  EXPECT_TRUE(VirtualApics(VirtualRig::avic()).delivers());
  EXPECT_FALSE(VirtualApics(VirtualRig::apicv(without)).delivers());
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.inhibit(Inhibit::BlockIrq);
  EXPECT_FALSE(rig.apics.delivers());
}

TEST(VirtualApicsHost, TimersAndPinsArePostedToo) {
  VirtualRig rig(VirtualRig::apicv());
  rig.complete(rig.write(2, Register::kLvtTimer, 0x51));
  rig.complete(rig.write(2, Register::kInitialCount, 100));
  ASSERT_EQ(rig.env.delays.size(), 1u);
  const test::Delayed delay = rig.env.delays.front();
  rig.env.time += delay.delay;
  rig.apics.on_elapsed(Elapsed{delay.tag, raw(*delay.lane)}, rig.env);
  EXPECT_TRUE(rig.pir(2, 0x51));
  rig.complete(rig.write(2, Register::kLvtTimer + 0x40, 0x61));  // LINT1
  rig.apics.on_pin({LapicBank::pin_of(kVcpu2, LocalPin::Lint1), Level::High, 0, kNoSpan}, rig.env);
  EXPECT_TRUE(rig.pir(2, 0x61));
}

TEST(VirtualApicsHost, IdsBeyondAllTablesAreServedAsWell) {
  auto config = VirtualRig::apicv(kAll.without(Control::ProcessPostedInterrupts));
  config.lapics.ids = {ApicId{0}, ApicId{0xFFFF}, ApicId{0x10000}};
  VirtualRig rig = VirtualRig::by_msr(config);
  ApicMessage m = rig.fixed(0x10000, 0x51);
  m.format = DestinationFormat::X2apic;
  EXPECT_EQ(rig.send(m), 1u);
  EXPECT_EQ(rig.signals().front().host, ApicId{});
  EXPECT_TRUE(rig.irr(2, 0x51));
  EXPECT_TRUE(is_done(rig.wrmsr(0, 0x830, 0xFFFF'0000'0052)));
  EXPECT_TRUE(rig.pir(1, 0x52));
  EXPECT_TRUE(rig.wrmsr(0, 0x830, 0x10000'0000'0052).exit) << "the last index has 16 bits";
}

// ---- what is noted

TEST(VirtualApicsNotes, EachStepOfAPostedInterrupt) {
  VirtualRig rig(VirtualRig::apicv());
  rig.ipi(0, 2, 0x51);
  rig.apics.sync(kVcpu2, rig.env);
  rig.take(2);
  rig.eoi(2);
  std::vector<std::pair<Event, std::uint64_t>> noted;
  const SpanId span = rig.env.notes.front().span;
  for (const auto& note : rig.env.notes) {
    EXPECT_EQ(note.span, span);
    noted.emplace_back(note.event, note.detail);
  }
  const std::uint64_t name = 2 << 8 | 0x51;
  const std::vector<std::pair<Event, std::uint64_t>> expected = {
      {Event::Asserted, static_cast<std::uint64_t>(Cause::Ipi)},
      {Event::IpiVirtualized, 0x51},
      {Event::Posted, name},
      {Event::PirSynced, name},
      {Event::Pended, name},
      {Event::Accepted, name},
      {Event::EoiVirtualized, name},
      {Event::Handled, 0x51}};
  EXPECT_EQ(noted, expected);
}

TEST(VirtualApicsNotes, AnEoiWithoutInterruptIsTheGuestsError) {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.eoi(0)));
  ASSERT_EQ(rig.env.notes.size(), 1u);
  EXPECT_EQ(rig.env.notes[0].event, Event::GuestError);
}

// ---- entries and events

TEST(VirtualApicsEntry, TakesWhatOnTellsOf) {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x51);
  rig.apics.enter(kVcpu0, rig.env);
  EXPECT_FALSE(rig.apics.descriptor(kVcpu0).on());
  EXPECT_TRUE(rig.line(0));
}

TEST(VirtualApicsEntry, LeavesWhatNobodyToldOf) {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.descriptor(kVcpu0).set_sn(true);
  rig.post(0, 0x51);
  rig.apics.enter(kVcpu0, rig.env);
  EXPECT_FALSE(rig.line(0)) << "whoever clears SN has to look at the PIR";
  EXPECT_TRUE(rig.pir(0, 0x51));
}

TEST(VirtualApicsEntry, ThresholdIsTheClassThatTheTprHoldsBack) {
  VirtualRig rig(VirtualRig::apicv(without_delivery(kAll)));
  rig.write(0, Register::kTpr, 0x50);
  rig.send(rig.fixed(0, 0x5F));
  rig.apics.enter(kVcpu0, rig.env);
  EXPECT_EQ(rig.apics.tpr_threshold(kVcpu0), 5) << "the same class is held back";
  rig.send(rig.fixed(0, 0x61));
  rig.apics.enter(kVcpu0, rig.env);
  EXPECT_EQ(rig.apics.tpr_threshold(kVcpu0), 0) << "it can be injected now";
  EXPECT_TRUE(rig.line(0));
}

TEST(VirtualApicsEntry, TellsTheLineOnceAndWhoRaisedIt) {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(0, 0x41);
  rig.post(0, 0x51);
  rig.apics.sync(kVcpu0, rig.env);
  rig.apics.enter(kVcpu0, rig.env);
  const auto changes = rig.env.messages<CpuLineChange>();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].cpu, kVcpu0);
  EXPECT_EQ(changes[0].line, CpuLine::Intr);
  EXPECT_EQ(changes[0].level, Level::High);
  EXPECT_EQ(changes[0].raised_by, rig.apics.lapics().requested(kVcpu0, Vector{0x51}));
}

TEST(VirtualApicsEvents, EndAHaltWhetherSeenOrNot) {
  VirtualRig rig(VirtualRig::apicv());
  EXPECT_FALSE(rig.apics.has_event(kVcpu0));
  rig.post(0, 0x51);
  EXPECT_TRUE(rig.apics.has_event(kVcpu0)) << "ON is set";
  rig.apics.sync(kVcpu0, rig.env);
  EXPECT_TRUE(rig.apics.has_event(kVcpu0)) << "it is requested";
  rig.take(0);
  EXPECT_FALSE(rig.apics.has_event(kVcpu0));
  rig.apics.descriptor(kVcpu0).set_sn(true);
  EXPECT_FALSE(rig.apics.has_event(kVcpu0));
  rig.post(0, 0x61);
  EXPECT_TRUE(rig.apics.has_event(kVcpu0)) << "nobody is to be told";
  rig.apics.descriptor(kVcpu0).set_sn(false);
  EXPECT_FALSE(rig.apics.has_event(kVcpu0)) << "the one who cleared SN forgot it";
}

TEST(VirtualApicsEvents, OnesThatThePriorityHoldsBackEndNoHalt) {
  VirtualRig rig(VirtualRig::apicv());
  rig.write(0, Register::kTpr, 0x60);
  rig.post(0, 0x51);
  rig.apics.sync(kVcpu0, rig.env);
  EXPECT_FALSE(rig.apics.has_event(kVcpu0));
}

// ---- completion

TEST(VirtualApicsCompletion, AnEoiExitTellsTheIoapicsOfLevels) {
  VirtualRig rig(VirtualRig::apicv());
  VectorSet bitmap;
  bitmap.add(Vector{0x51});
  rig.apics.set_eoi_exits(kVcpu0, bitmap);
  rig.level_in_service(0, 0x51);
  const VirtualAccess access = rig.eoi(0);
  EXPECT_TRUE(rig.broadcasts().empty());
  rig.complete(access);
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{0x51});
  rig.send(rig.fixed(0, 0x51));
  rig.apics.sync(kVcpu0, rig.env);
  rig.take(0);
  rig.complete(rig.eoi(0));
  EXPECT_EQ(rig.broadcasts().size(), 1u) << "an edge is of no interest to them";
}

TEST(VirtualApicsCompletion, ReadsAnswer) {
  VirtualRig rig(none());
  EXPECT_TRUE(is_done(rig.write(0, Register::kTpr, 0x35))) << "by the TPR shadow";
  const VirtualAccess access = rig.read(0, Register::kPpr);
  ASSERT_TRUE(exits_as(access, ExitReason::ApicAccess, 0x0A0));
  EXPECT_EQ(access.exit->direction, VirtualExit::Direction::Read);
  EXPECT_EQ(rig.complete(access).value, 0x35u);
}

TEST(VirtualApicsCompletion, MsrsAnswerOrFault) {
  VirtualRig rig(none());
  EXPECT_EQ(rig.complete(rig.rdmsr(0, LapicMsr::kApicBase)).value, 0xFEE00900u);
  EXPECT_EQ(rig.complete(rig.rdmsr(0, 0x802)).status, MsrStatus::GeneralProtection)
      << "not in xAPIC mode";
  EXPECT_EQ(rig.complete(rig.wrmsr(0, LapicMsr::kApicBase, 1)).status,
            MsrStatus::GeneralProtection);
}

TEST(VirtualApicsCompletion, IpisThatExitedArePosted) {
  VirtualRig rig(VirtualRig::apicv());
  rig.complete(rig.ipi(0, 0, 0xC0051));
  for (unsigned v = 1; v < 4; ++v) EXPECT_TRUE(rig.pir(v, 0x51)) << v;
  EXPECT_FALSE(rig.pir(0, 0x51));
  EXPECT_EQ(rig.signals().size(), 3u);
}

TEST(VirtualApicsCompletion, AnIcrByMsrKeepsBothHalves) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  rig.complete(rig.wrmsr(0, 0x830, 0x3'0000'0151));  // lowest priority
  EXPECT_TRUE(rig.pir(3, 0x51));
  EXPECT_EQ(rig.rdmsr(0, 0x830).value, 0x3'0000'0151u);
  rig.wrmsr(0, 0x830, 0x2'0000'0052);
  EXPECT_EQ(rig.rdmsr(0, 0x830).value, 0x2'0000'0052u);
}

TEST(VirtualApicsCompletion, ByMsrASelfShorthandExitsAndIsSent) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  const VirtualAccess access = rig.wrmsr(0, 0x830, 0x40051);
  ASSERT_TRUE(exits_as(access, ExitReason::ApicWrite, 0x300));
  EXPECT_EQ(access.exit->where, 0x830u);
  rig.complete(access);
  EXPECT_TRUE(rig.irr(0, 0x51));
}

TEST(VirtualApicsCompletion, AnIllegalSelfIpiIsAnError) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  rig.complete(rig.wrmsr(0, 0x83F, 0x0F));
  rig.complete(rig.wrmsr(0, 0x828, 0));
  EXPECT_EQ(rig.rdmsr(0, 0x828).value, 0x20u);
}

TEST(VirtualApicsCompletion, MsrsThatAreNoRegistersExit) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  const VirtualAccess access = rig.rdmsr(0, LapicMsr::kTscDeadline);
  ASSERT_TRUE(exits_as(access, ExitReason::MsrWrite, 0));
  EXPECT_EQ(access.exit->where, 0x6E0u);
  EXPECT_EQ(access.exit->direction, VirtualExit::Direction::Read);
  EXPECT_EQ(rig.complete(access).status, MsrStatus::Done);
}

TEST(VirtualApicsCompletion, DeliveryStatusIsReservedByMsrButForKvm) {
  VirtualRig strict = VirtualRig::by_msr(VirtualRig::apicv());
  EXPECT_TRUE(faults(strict.wrmsr(0, 0x830, 0x2'0000'1051)));
  auto config = VirtualRig::apicv();
  config.lapics.quirks.add(Quirk::ReservedMsrBitsIgnored);
  VirtualRig kvm = VirtualRig::by_msr(config);
  const VirtualAccess access = kvm.wrmsr(0, 0x830, 0x2'0000'1051);
  ASSERT_TRUE(access.exit) << "the processor leaves it to the host";
  EXPECT_EQ(kvm.complete(access).status, MsrStatus::Done);
  EXPECT_TRUE(kvm.pir(2, 0x51));
}

TEST(VirtualApicsCompletion, NmisReachTheCpu) {
  VirtualRig rig(VirtualRig::apicv());
  rig.complete(rig.ipi(0, 2, 0x400));
  const auto changes = rig.env.messages<CpuLineChange>();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].line, CpuLine::Nmi);
  EXPECT_EQ(changes[0].cpu, kVcpu2);
}

TEST(VirtualApicsCompletion, BelowTheThresholdNothingIsLeftToDo) {
  VirtualRig rig(VirtualRig::apicv(without_delivery(kAll)));
  rig.write(0, Register::kTpr, 0x80);
  rig.send(rig.fixed(0, 0x51));
  rig.apics.enter(kVcpu0, rig.env);
  const VirtualAccess access = rig.apics.write_cr8(kVcpu0, 0, rig.env);
  ASSERT_TRUE(exits_as(access, ExitReason::TprBelowThreshold, 0));
  EXPECT_EQ(access.exit->by, VirtualExit::By::Cr8);
  rig.complete(access);
  EXPECT_TRUE(rig.line(0));
}

TEST(VirtualApicsCompletion, APageThatIsNobodysDoesNotExit) {
  VirtualRig rig = VirtualRig::by_msr(VirtualRig::apicv());
  EXPECT_TRUE(is_done(rig.write(0, Register::kTpr, 0x35)));
  EXPECT_EQ(rig.read(0, Register::kTpr).value, 0xFFFFFFFFu);
  EXPECT_EQ(rig.apics.lapics().tpr(kVcpu0), 0);
}

// ---- INIT

TEST(VirtualApicsInit, TakesBackWhatWasPosted) {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(2, 0x51);
  rig.complete(rig.ipi(0, 2, 0x500));
  EXPECT_TRUE(rig.apics.descriptor(kVcpu2).pir().empty());
  EXPECT_FALSE(rig.apics.descriptor(kVcpu2).on());
  EXPECT_EQ(rig.env.count(Event::Cancelled), 1u);
  EXPECT_TRUE(rig.apics.lapics().waits_for_sipi(kVcpu2));
}

TEST(VirtualApicsInit, ByTheHostToo) {
  VirtualRig rig(VirtualRig::apicv());
  rig.post(2, 0x51);
  rig.apics.sync(kVcpu2, rig.env);
  ASSERT_TRUE(rig.line(2));
  rig.post(2, 0x51);
  rig.apics.init(kVcpu2, rig.env);
  EXPECT_TRUE(rig.apics.descriptor(kVcpu2).pir().empty());
  EXPECT_TRUE(rig.apics.lapics().waits_for_sipi(kVcpu2));
  EXPECT_FALSE(rig.line(2));
  EXPECT_EQ(rig.env.count(Event::Cancelled), 2u);
}

// ---- inhibits

TEST(VirtualApicsInhibits, TurnDeliveryOffAndKickEverybody) {
  VirtualRig rig(VirtualRig::apicv());
  ASSERT_TRUE(rig.apics.active());
  rig.apics.inhibit(Inhibit::BlockIrq);
  EXPECT_FALSE(rig.apics.active());
  const auto signals = rig.signals();
  ASSERT_EQ(signals.size(), 4u);
  EXPECT_EQ(signals[3].kind, Kind::Kick);
  EXPECT_EQ(signals[3].vcpu, CpuId{3});
  EXPECT_TRUE(exits_as(rig.eoi(0), ExitReason::ApicAccess, 0x10B0));
  EXPECT_TRUE(is_done(rig.write(0, Register::kTpr, 0x20))) << "the shadow is left";
  rig.apics.inhibit(Inhibit::ApicIdModified);
  EXPECT_TRUE(rig.signals().empty()) << "it was off already";
  rig.apics.allow(Inhibit::BlockIrq);
  EXPECT_TRUE(rig.signals().empty());
  rig.apics.allow(Inhibit::ApicIdModified);
  EXPECT_TRUE(rig.apics.active());
  EXPECT_EQ(rig.signals().size(), 4u);
}

TEST(VirtualApicsInhibits, WhatUnitsPostMeanwhileIsStillTaken) {
  VirtualRig rig(VirtualRig::apicv());
  rig.apics.inhibit(Inhibit::BlockIrq);
  EXPECT_TRUE(rig.post(0, 0x51).notify);
  rig.apics.enter(kVcpu0, rig.env);
  EXPECT_TRUE(rig.line(0));
}

TEST(VirtualApicsInhibits, AnotherIdForbids) {
  VirtualRig rig(VirtualRig::apicv());
  rig.complete(rig.write(2, Register::kId, 0x02000000));
  EXPECT_TRUE(rig.apics.active()) << "the one that it has";
  rig.complete(rig.write(2, Register::kId, 0x07000000));
  EXPECT_TRUE(rig.apics.inhibits().has(Inhibit::ApicIdModified));
  EXPECT_FALSE(rig.apics.active());
}

TEST(VirtualApicsInhibits, AnotherPageForbids) {
  VirtualRig rig(VirtualRig::apicv());
  rig.complete(rig.wrmsr(2, LapicMsr::kApicBase, 0xFEE00000));
  rig.complete(rig.wrmsr(2, LapicMsr::kApicBase, 0xFEC00000));
  EXPECT_TRUE(rig.apics.active()) << "a disabled one is nowhere";
  rig.complete(rig.wrmsr(2, LapicMsr::kApicBase, 0xFEE00800));
  EXPECT_TRUE(rig.apics.active());
  rig.complete(rig.wrmsr(2, LapicMsr::kApicBase, 0xFEC00800));
  EXPECT_TRUE(rig.apics.inhibits().has(Inhibit::ApicBaseModified));
}

TEST(VirtualApicsInhibits, OnlyAmdsTableIsTooShort) {
  auto config = VirtualRig::apicv();
  config.lapics.ids[3] = ApicId{300};
  EXPECT_TRUE(VirtualApics(config).active());
  config.virtualization = Virtualization::Avic;
  EXPECT_FALSE(VirtualApics(config).active());
  config.x2avic = X2avic::Present;
  EXPECT_TRUE(VirtualApics(config).active());
  config.lapics.ids[3] = ApicId{512};
  EXPECT_FALSE(VirtualApics(config).active());
}

TEST(VirtualApicsInhibits, WithoutVirtualizationItIsNeverActive) {
  EXPECT_FALSE(VirtualApics(none()).active());
}

// ---- the value

TEST(VirtualApicsValue, HoldsTheSpansOfRegistersAndDescriptors) {
  VirtualRig rig(VirtualRig::apicv());
  rig.in_service(0, 0x41);
  rig.post(0, 0x51);
  rig.apics.sync(kVcpu0, rig.env);
  rig.post(2, 0x61);
  rig.book.read(rig.env);
  EXPECT_EQ(rig.book.live().size(), 3u);
  EXPECT_EQ(rig.book.live(), test::held_by(rig.apics));
}

TEST(VirtualApicsValue, EqualityLooksAtEachPart) {
  const VirtualRig rig(VirtualRig::apicv());
  EXPECT_TRUE(rig.apics == VirtualRig(VirtualRig::apicv()).apics);
  const auto differs = [&](auto change) {
    VirtualRig other = rig;
    change(other);
    other.signals();
    return !(other.apics == rig.apics);
  };
  EXPECT_TRUE(differs([](VirtualRig& r) { r.post(0, 0x51); }));
  EXPECT_TRUE(differs([](VirtualRig& r) { r.write(0, Register::kTpr, 1); }));
  EXPECT_TRUE(differs([](VirtualRig& r) {
    VectorSet bitmap;
    bitmap.add(Vector{0x51});
    r.apics.set_eoi_exits(kVcpu0, bitmap);
  }));
  EXPECT_TRUE(differs([](VirtualRig& r) { r.apics.inhibit(Inhibit::BlockIrq); }));
  EXPECT_TRUE(differs([](VirtualRig& r) { r.apics.avic_put(kVcpu0, VcpuPut::Preempted); }));
  VirtualRig other = rig;
  other.apics.inhibit(Inhibit::BlockIrq);
  other.apics.allow(Inhibit::BlockIrq);
  EXPECT_FALSE(other.apics == rig.apics) << "signals wait to be taken";
  other.signals();
  EXPECT_TRUE(other.apics == rig.apics);
}

}  // namespace
}  // namespace irqfab::x86
