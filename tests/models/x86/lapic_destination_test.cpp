// Who gets a message (models/x86/lapic_destination.cpp).

#include <utility>

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

using LapicDestination = LapicFixture;
using LowestPriority = LapicFixture;
using LowestPriorityByHash = LapicFixture;
using Cpus = std::set<unsigned>;

TEST_F(LapicDestination, PhysicalIsTheApicIdNotTheIndex) {
  LapicBank::Config config;
  config.ids = {ApicId{0}, ApicId{8}, ApicId{2}};
  rebuild(config);
  send(fixed(8, 0x41));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  send(fixed(2, 0x42));
  EXPECT_EQ(pending_at(0x42), Cpus{2});
}

TEST_F(LapicDestination, PhysicalOfNobodyIsDropped) {
  const SpanId s = book.begin();
  EXPECT_EQ(send(fixed(4, 0x41), s), 0u);
  EXPECT_TRUE(dropped(s, DropReason::NoSuchTarget));
}

TEST_F(LapicDestination, SoftwareDisabledLapicRefusesFixedInterrupts) {
  write(1, Register::kSvr, 0xFF);
  const SpanId s = book.begin();
  EXPECT_EQ(send(fixed(1, 0x41), s), 0u);
  EXPECT_TRUE(dropped(s, DropReason::TargetDisabled));
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicDestination, SoftwareDisabledLapicKeepsAndDeliversWhatWasPending) {
  send(fixed(1, 0x41));
  write(1, Register::kSvr, 0xFF);
  EXPECT_EQ(irr(1), (Vectors{0x41}));
  EXPECT_EQ(bank.intr(CpuId{1}), Level::High);
  EXPECT_EQ(inta(1).vector, Vector{0x41});
}

TEST_F(LapicDestination, ModesThatBypassTheIrrGoToTheCpuEvenIfDisabled) {
  const struct {
    DeliveryMode mode;
    CpuLine line;
  } rows[] = {{DeliveryMode::Nmi, CpuLine::Nmi},
              {DeliveryMode::Smi, CpuLine::Smi},
              {DeliveryMode::Init, CpuLine::Init}};
  write(1, Register::kSvr, 0xFF);
  for (const auto& row : rows) {
    env.clear();
    const SpanId s = book.begin();
    EXPECT_EQ(send(of_mode(1, row.mode), s), 1u);
    const auto changes = env.messages<CpuLineChange>();
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].cpu, CpuId{1});
    EXPECT_EQ(changes[0].line, row.line);
    EXPECT_EQ(changes[0].level, Level::High);
    EXPECT_EQ(changes[0].span, s);
    EXPECT_EQ(changes[0].vector, Vector{0x41});
    EXPECT_EQ(irr(1), Vectors{});
  }
}

TEST_F(LapicDestination, IllegalVectorsMatterOnlyToModesThatUseThem) {
  ApicMessage m = of_mode(1, DeliveryMode::Nmi);
  m.vector = Vector{2};
  EXPECT_EQ(send(m), 1u);
  EXPECT_EQ(errors(1), 0u);
}

// 11.11.2: a device has no start-up message; without 8259s it has no ExtINT.
TEST_F(LapicDestination, ReservedModesOfMessagesAreDropped) {
  send(of_mode(1, DeliveryMode::Init));
  env.clear();
  for (const DeliveryMode mode :
       {DeliveryMode::Reserved, DeliveryMode::ExtInt, DeliveryMode::StartUp}) {
    const SpanId s = book.begin();
    EXPECT_EQ(send(of_mode(1, mode), s), 0u);
    EXPECT_TRUE(dropped(s, DropReason::ReservedDeliveryMode));
  }
  EXPECT_TRUE(env.messages<CpuLineChange>().empty());
}

TEST_F(LapicDestination, WithTheQuirkAMessageStartsACpu) {
  LapicBank::Config config = config_of(4);
  config.quirks.add(Quirk::StartUpMessageAccepted);
  rebuild(config);
  send(of_mode(1, DeliveryMode::Init));
  env.clear();
  EXPECT_EQ(send(of_mode(1, DeliveryMode::StartUp)), 1u);
  EXPECT_EQ(env.messages<CpuLineChange>().at(0).line, CpuLine::Sipi);
  EXPECT_EQ(env.messages<CpuLineChange>().at(0).vector, Vector{0x41});
}

// 11.6.1: delivery mode 7 is reserved in the ICR.
TEST_F(LapicDestination, AnIpiIsNoExtInt) {
  LapicBank::Config config = config_of(2);
  config.pic = ExternalPic::Present;
  rebuild(config);
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, 0x4700);
  EXPECT_FALSE(bank.extint_requested(CpuId{1}));
  EXPECT_EQ(env.count(Event::Dropped), 1u);
  EXPECT_EQ(send(of_mode(1, DeliveryMode::ExtInt)), 1u);
  EXPECT_TRUE(bank.extint_requested(CpuId{1}));
}

TEST_F(LapicDestination, BroadcastReachesAllInBothModes) {
  EXPECT_EQ(send(fixed(0xFF, 0x41)), 4u);
  EXPECT_EQ(pending_at(0x41), (Cpus{0, 1, 2, 3}));
  EXPECT_EQ(send(logical(0xFF, 0x42)), 4u);
  EXPECT_EQ(pending_at(0x42), (Cpus{0, 1, 2, 3}));
}

TEST_F(LapicDestination, FlatModelIsABitForEachLapic) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  EXPECT_EQ(send(logical(0x05, 0x41)), 2u);
  EXPECT_EQ(pending_at(0x41), (Cpus{0, 2}));
  const SpanId s = book.begin();
  EXPECT_EQ(send(logical(0xF0, 0x42), s), 0u);
  EXPECT_TRUE(dropped(s, DropReason::NoSuchTarget));
}

TEST_F(LapicDestination, ClusterModelIsAClusterAndABitForEachMember) {
  set_logical(0, 0x11, 0x0FFFFFFF);
  set_logical(1, 0x12, 0x0FFFFFFF);
  set_logical(2, 0x21, 0x0FFFFFFF);
  set_logical(3, 0xF1, 0x0FFFFFFF);
  send(logical(0x12, 0x41));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  send(logical(0x13, 0x42));
  EXPECT_EQ(pending_at(0x42), (Cpus{0, 1}));
  EXPECT_EQ(send(logical(0x22, 0x43)), 0u);
  send(logical(0xF1, 0x44));
  EXPECT_EQ(pending_at(0x44), Cpus{3}) << "cluster 15 is no broadcast";
}

TEST_F(LapicDestination, EachLapicMatchesByItsOwnModel) {
  set_logical(0, 0x02, 0xFFFFFFFF);
  set_logical(1, 0x12, 0x0FFFFFFF);
  set_logical(2, 0x12, 0x5FFFFFFF);
  send(logical(0x12, 0x41));
  EXPECT_EQ(pending_at(0x41), (Cpus{0, 1})) << "model 5 is reserved";
}

TEST_F(LapicDestination, IdRegisterMovesTheDestination) {
  write(1, Register::kId, 0x09000000);
  send(fixed(9, 0x41));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  EXPECT_EQ(send(fixed(1, 0x42)), 0u);
}

TEST_F(LapicDestination, LapicsWithOneIdBothTakeIt) {
  write(3, Register::kId, 0x01000000);
  EXPECT_EQ(send(fixed(1, 0x41)), 2u);
  EXPECT_EQ(pending_at(0x41), (Cpus{1, 3}));
}

TEST_F(LapicDestination, LowestIndexKeepsTheSpanAndTheOthersGetForks) {
  write(0, Register::kSvr, 0xFF);
  const SpanId parent = book.begin();
  EXPECT_EQ(send(fixed(0xFF, 0x41), parent), 3u);
  EXPECT_EQ(noted(Event::Pended, parent), 0x141u);
  EXPECT_EQ(env.count(Event::Forked), 2u);
  EXPECT_EQ(env.count(Event::Asserted), 2u);
  const auto spans = test::held_by(bank);
  ASSERT_EQ(spans.size(), 3u);
  const SpanId child{*noted(Event::Forked, parent)};
  EXPECT_EQ(noted(Event::Asserted, child), static_cast<std::uint64_t>(Cause::Fork));
  EXPECT_EQ(noted(Event::Pended, child), 0x241u);
}

TEST_F(LapicDestination, ForksLeaveBeforeTheParentCanMerge) {
  send(fixed(0, 0x41));
  book.read(env);
  send(fixed(0xFF, 0x41), book.begin());
  book.read(env);
  EXPECT_TRUE(book.faults().empty());
  EXPECT_EQ(book.live(), test::held_by(bank));
}

TEST_F(LapicDestination, IllegalVectorOfABroadcastIsRecordedByAllThatAreEnabled) {
  write(2, Register::kSvr, 0xFF);
  EXPECT_EQ(send(fixed(0xFF, 3)), 0u);
  EXPECT_EQ(errors(0), 1u << 6);
  EXPECT_EQ(errors(2), 0u);
  EXPECT_EQ(errors(3), 1u << 6);
}

TEST_F(LowestPriority, LowestArbitrationPriorityWins) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(0, Register::kTpr, 0x90);
  write(1, Register::kTpr, 0x21);
  write(2, Register::kTpr, 0x20);
  write(3, Register::kTpr, 0x30);
  EXPECT_EQ(send(logical(0x0F, 0x41, DeliveryMode::LowestPriority)), 1u);
  EXPECT_EQ(pending_at(0x41), Cpus{2});
  EXPECT_EQ(env.count(Event::Forked), 0u);
}

TEST_F(LowestPriority, WhatIsPendingAndInServiceCounts) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  put_in_service(0, 0x61);
  send(fixed(1, 0x51));
  EXPECT_EQ(read(0, Register::kApr), 0x60u);
  EXPECT_EQ(read(1, Register::kApr), 0x50u);
  send(logical(0x03, 0x41, DeliveryMode::LowestPriority));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

TEST_F(LowestPriority, OfEqualsTheLowestIndex) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  send(logical(0x0C, 0x41, DeliveryMode::LowestPriority));
  EXPECT_EQ(pending_at(0x41), Cpus{2});
}

TEST_F(LowestPriority, DisabledLapicsDoNotTakePart) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(0, Register::kSvr, 0xFF);
  write(1, Register::kTpr, 0x70);
  send(logical(0x03, 0x41, DeliveryMode::LowestPriority));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

TEST_F(LowestPriority, RedirectionHintChoosesOneOfALogicalSet) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(0, Register::kTpr, 0x10);
  ApicMessage m = logical(0x03, 0x41);
  m.redirection_hint = RedirectionHint::On;
  EXPECT_EQ(send(m), 1u);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

TEST_F(LowestPriorityByHash, VectorChoosesTheDestinationBit) {
  LapicBank::Config config = config_of(4);
  config.quirks.add(Quirk::DestinationMap);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(1, Register::kTpr, 0xF0);  // counts for nothing
  const struct {
    unsigned destination, vector, cpu;
  } rows[] = {{0xF, 81, 1}, {0xF, 86, 2}, {0xF, 87, 3}, {0x3, 80, 0}, {0xA, 80, 1}, {0xA, 81, 3}};
  for (const auto& row : rows) {
    const std::set<unsigned> before = pending_at(row.vector);
    EXPECT_EQ(send(logical(row.destination, row.vector, DeliveryMode::LowestPriority)), 1u);
    EXPECT_EQ(pending_at(row.vector).count(row.cpu), 1u) << row.destination << " " << row.vector;
    EXPECT_LE(pending_at(row.vector).size(), before.size() + 1);
  }
}

TEST_F(LowestPriorityByHash, VectorChoosesTheMemberOfACluster) {
  LapicBank::Config config = config_of(3);
  config.quirks.add(Quirk::DestinationMap);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  set_logical(0, 0x11, 0x0FFFFFFF);
  set_logical(1, 0x12, 0x0FFFFFFF);
  set_logical(2, 0x21, 0x0FFFFFFF);
  send(logical(0x13, 80, DeliveryMode::LowestPriority));
  send(logical(0x13, 81, DeliveryMode::LowestPriority));
  EXPECT_EQ(pending_at(80), Cpus{0});
  EXPECT_EQ(pending_at(81), Cpus{1});
}

TEST_F(LowestPriorityByHash, BitOfADisabledLapicOrOfNoneLosesIt) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::DestinationMap);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  set_logical(0, 1);
  set_logical(1, 2);
  write(0, Register::kSvr, 0xFF);
  const SpanId lost = book.begin();
  EXPECT_EQ(send(logical(0x3, 0x50, DeliveryMode::LowestPriority), lost), 0u);
  EXPECT_TRUE(dropped(lost, DropReason::NoSuchTarget)) << "the map has it not";
  EXPECT_EQ(send(logical(0x3, 0x51, DeliveryMode::LowestPriority)), 1u);
  const SpanId nobody = book.begin();
  EXPECT_EQ(send(logical(0x7, 0x50, DeliveryMode::LowestPriority), nobody), 0u);
  EXPECT_TRUE(dropped(nobody, DropReason::NoSuchTarget));
}

TEST_F(LowestPriorityByHash, BitThatTwoLapicsShareReachesOne) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  set_logical(0, 1);
  set_logical(1, 1);
  EXPECT_EQ(send(logical(0x1, 0x50, DeliveryMode::LowestPriority)), 1u);
  EXPECT_EQ(pending_at(0x50), Cpus{0});
}

using DestinationMap = LapicFixture;

TEST_F(DestinationMap, ReachesOnlyWhoeverIsEnabledByTheBitsOfItsForm) {
  LapicBank::Config config = config_of(3);
  config.quirks.add(Quirk::DestinationMap);
  config.msi_destination = MsiDestination::Bits32;
  rebuild(config);
  for (unsigned cpu = 0; cpu < 3; ++cpu) set_logical(cpu, 1u << cpu);
  write(2, Register::kSvr, 0xFF);
  ApicMessage m = logical(0x106, 0x41, DeliveryMode::Nmi);
  m.format = DestinationFormat::X2apic;
  EXPECT_EQ(send(m), 1u);
  EXPECT_EQ(env.messages<CpuLineChange>().at(0).cpu, CpuId{1});
}

TEST_F(DestinationMap, IsNoneIfTwoHaveOneBitOrOneHasTwo) {
  LapicBank::Config config = config_of(3);
  config.quirks.add(Quirk::DestinationMap);
  rebuild(config);
  write(2, Register::kSvr, 0xFF);
  for (const auto& [first, second] : {std::pair{1u, 1u}, std::pair{1u, 6u}}) {
    set_logical(0, first);
    set_logical(1, second);
    set_logical(2, 8);
    EXPECT_EQ(send(logical(8, 0x41, DeliveryMode::Nmi)), 1u) << "though it is disabled";
  }
  set_logical(1, 2);
  EXPECT_EQ(send(logical(8, 0x41, DeliveryMode::Nmi)), 0u);
}

TEST_F(DestinationMap, WithoutOneAMessageThatNamesNobodyHasAskedNobody) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::DestinationMap);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  EXPECT_FALSE(bank.asked_nobody(fixed(7, 0x41))) << "the map has no such id";
  set_logical(0, 3);
  set_logical(1, 8);
  EXPECT_TRUE(bank.asked_nobody(logical(4, 0x41)));
  EXPECT_FALSE(bank.asked_nobody(logical(8, 0x41)));
  EXPECT_FALSE(bank.asked_nobody(fixed(7, 0x41)));
  write(1, Register::kSvr, 0xFF);
  EXPECT_FALSE(bank.asked_nobody(logical(8, 0x41))) << "it is asked, and refuses";
  EXPECT_TRUE(bank.asked_nobody(logical(8, 0x41, DeliveryMode::LowestPriority)));
}

TEST_F(DestinationMap, IsNoneIfLapicsUnderstandDestinationsDifferently) {
  LapicBank::Config config = config_of(3);
  config.quirks.add(Quirk::DestinationMap);
  rebuild(config);
  set_logical(0, 1);
  set_logical(1, 2, 0x0FFFFFFF);
  set_logical(2, 8);
  write(2, Register::kSvr, 0xFF);
  EXPECT_EQ(send(logical(8, 0x41, DeliveryMode::Nmi)), 1u);
  write(1, Register::kSvr, 0xFF);
  EXPECT_EQ(send(logical(8, 0x41, DeliveryMode::Nmi)), 0u);
}

// IA32_APIC_BASE disables whatever SVR says (11.4.3).
TEST_F(LapicDestination, WhatIsDisabledByTheBaseTakesNothingThoughItsSvrStays) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::DisablingKeepsState);
  rebuild(config);
  bank.restore_apic_base(CpuId{1}, 0xFEE00000, env);
  ASSERT_TRUE(bank.software_enabled(CpuId{1}));
  EXPECT_EQ(send(fixed(1, 0x41)), 0u);
  EXPECT_EQ(irr(1), Vectors{});
}

using WideId = LapicFixture;

TEST_F(WideId, AnIdThatSoftwareChangedIsNoLongerTheOldOne) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::WideIdInXapicMode);
  rebuild(config);
  write(1, Register::kId, 5u << 24);
  EXPECT_EQ(send(fixed(1, 0x41)), 0u);
  EXPECT_EQ(send(fixed(5, 0x41)), 1u);
}

TEST_F(WideId, WithWideDestinationsOfLapicsWithOneIdTheFirstIsMeant) {
  LapicBank::Config config = config_of(1);
  config.ids = {ApicId{0}, ApicId{256}};
  config.quirks.add(Quirk::WideIdInXapicMode);
  config.quirks.add(Quirk::DestinationMap);
  rebuild(config);
  EXPECT_EQ(send(fixed(0, 0x41)), 2u);
  config.msi_destination = MsiDestination::Bits32;
  rebuild(config);
  EXPECT_EQ(send(fixed(0, 0x41)), 1u);
  EXPECT_EQ(irr(0), (Vectors{0x41}));
  ApicMessage m = fixed(256, 0x42);
  m.format = DestinationFormat::X2apic;
  EXPECT_EQ(send(m), 1u);
  EXPECT_EQ(irr(1), (Vectors{0x42}));
}

TEST_F(LowestPriorityByHash, BroadcastsGoToAllPhysicallyAndToOneLogically) {
  LapicBank::Config config = config_of(4);
  config.quirks.add(Quirk::LowestPriorityByHash);
  rebuild(config);
  ApicMessage m = fixed(0xFF, 0x41);
  m.delivery_mode = DeliveryMode::LowestPriority;
  EXPECT_EQ(send(m), 4u);
  EXPECT_EQ(send(logical(0xFF, 0x42, DeliveryMode::LowestPriority)), 1u);
  EXPECT_EQ(pending_at(0x42), Cpus{2});
  ApicMessage hint = fixed(0xFF, 0x44);
  hint.redirection_hint = RedirectionHint::On;
  EXPECT_EQ(send(hint), 1u);
  EXPECT_EQ(pending_at(0x44), Cpus{0});
}

}  // namespace
}  // namespace irqfab::x86
