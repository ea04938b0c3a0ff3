// A local APIC's page (models/x86/lapic_registers.cpp), and the IPIs that its ICR sends.

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

using LapicRegisters = LapicFixture;
using Ipi = LapicFixture;
using Cpus = std::set<unsigned>;

constexpr std::uint32_t kAssert = 1u << 14;
constexpr std::uint32_t kLogicalMode = 1u << 11;

TEST_F(LapicRegisters, ResetState) {
  bank = LapicBank(config_of(3));
  EXPECT_EQ(read(2, Register::kId), 0x02000000u);
  EXPECT_EQ(read(2, Register::kVersion), 0x01050014u);
  EXPECT_EQ(read(2, Register::kTpr), 0u);
  EXPECT_EQ(read(2, Register::kLdr), 0u);
  EXPECT_EQ(read(2, Register::kDfr), 0xFFFFFFFFu);
  EXPECT_EQ(read(2, Register::kSvr), 0xFFu);
  EXPECT_EQ(read(2, Register::kEsr), 0u);
  for (std::uint32_t offset = Register::kLvtTimer; offset <= Register::kLvtError; offset += 16) {
    EXPECT_EQ(read(2, offset), 0x10000u);
  }
  for (std::uint32_t offset = Register::kIsr; offset < Register::kEsr; offset += 16) {
    EXPECT_EQ(read(2, offset), 0u);
  }
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(LapicRegisters, ReservedBitsAreNotKept) {
  const struct {
    std::uint32_t offset, kept;
  } rows[] = {{Register::kTpr, 0xFF},
              {Register::kLdr, 0xFF000000},
              {Register::kSvr, 0x11FF},
              {Register::kIcrHigh, 0xFF000000},
              {Register::kLvtTimer, 0x700FF},
              {0x330, 0x107FF},
              {0x340, 0x107FF},
              {0x350, 0x1A7FF},
              {0x360, 0x1A7FF},
              {Register::kLvtError, 0x100FF},
              {Register::kInitialCount, 0xFFFFFFFF},
              {Register::kDivideConfiguration, 0xB}};
  for (const auto& row : rows) {
    write(0, row.offset, 0xFFFFFFFF);
    EXPECT_EQ(read(0, row.offset), row.kept) << std::hex << row.offset;
  }
  write(0, Register::kDfr, 0);
  EXPECT_EQ(read(0, Register::kDfr), 0x0FFFFFFFu);
}

TEST_F(LapicRegisters, ReadOnlyRegistersIgnoreWrites) {
  send(level(0, 0x41));
  for (const std::uint32_t offset : {Register::kVersion, Register::kApr, Register::kPpr, 0x120u,
                                     0x1A0u, 0x220u, Register::kCurrentCount}) {
    const std::uint32_t before = read(0, offset);
    write(0, offset, ~before);
    EXPECT_EQ(read(0, offset), before) << std::hex << offset;
  }
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(LapicRegisters, IrrIsrAndTmrShow32VectorsEach) {
  send(level(0, 0x41));
  send(fixed(0, 0x9F));
  EXPECT_EQ(read(0, Register::kIrr + 0x20), 1u << 1);
  EXPECT_EQ(read(0, Register::kIrr + 0x40), 1u << 31);
  EXPECT_EQ(read(0, Register::kTmr + 0x20), 1u << 1);
  EXPECT_EQ(read(0, Register::kTmr + 0x40), 0u);
  inta(0);
  EXPECT_EQ(read(0, Register::kIsr + 0x40), 1u << 31);
  EXPECT_EQ(read(0, Register::kIrr + 0x40), 0u);
}

TEST_F(LapicRegisters, WithoutEoiSuppressionItsBitIsReserved) {
  LapicBank::Config config = config_of(1);
  config.eoi_suppression = EoiSuppression::Absent;
  rebuild(config);
  EXPECT_EQ(read(0, Register::kVersion), 0x00050014u);
  write(0, Register::kSvr, 0x11FF);
  EXPECT_EQ(read(0, Register::kSvr), 0x1FFu);
  send(level(0, 0x41));
  inta(0);
  eoi(0);
  EXPECT_EQ(env.messages<EoiMessage>().size(), 2u);
}

TEST_F(LapicRegisters, SoftwareDisablingMasksTheLvtAndHoldsItMasked) {
  write(0, Register::kLvtTimer, 0x20041);
  write(0, Register::kSvr, 0x1EF);
  EXPECT_EQ(read(0, Register::kLvtTimer), 0x20041u);
  write(0, Register::kSvr, 0xFF);
  EXPECT_EQ(read(0, Register::kLvtTimer), 0x30041u);
  write(0, Register::kLvtTimer, 0x42);
  EXPECT_EQ(read(0, Register::kLvtTimer), 0x10042u);
}

TEST_F(LapicRegisters, EsrShowsWhatTheLastWriteLatched) {
  send(fixed(0, 3));
  EXPECT_EQ(read(0, Register::kEsr), 0u);
  write(0, Register::kEsr, 0xFFFFFFFF);
  EXPECT_EQ(read(0, Register::kEsr), 1u << 6);
  send(fixed(0, 4));
  EXPECT_EQ(read(0, Register::kEsr), 1u << 6);
  write(0, Register::kEsr, 0);
  EXPECT_EQ(read(0, Register::kEsr), 1u << 6);
  write(0, Register::kEsr, 0);
  EXPECT_EQ(read(0, Register::kEsr), 0u);
}

TEST_F(LapicRegisters, OffsetsOfNoRegisterAreRecordedAndNoted) {
  for (const std::uint32_t offset :
       {0x000u, 0x024u, 0x0C0u, 0x101u, 0x2F0u, 0x325u, 0x3F0u, 0xFF0u, 0x1080u, 0xFFFFFFF0u}) {
    env.clear();
    EXPECT_EQ(read(0, offset), 0u) << std::hex << offset;
    EXPECT_EQ(env.count(Event::GuestError), 1u) << std::hex << offset;
    EXPECT_EQ(errors(0), 1u << 7);
    write(0, offset, 0xFFFFFFFF);
    EXPECT_EQ(env.count(Event::GuestError), 2u) << std::hex << offset;
    EXPECT_EQ(errors(0), 1u << 7);
  }
}

TEST_F(Ipi, IcrLowSendsToTheDestinationOfIcrHigh) {
  write(0, Register::kIcrHigh, 0x02000000);
  EXPECT_EQ(env.count(Event::Asserted), 0u);
  write(0, Register::kIcrLow, kAssert | 0x41);
  EXPECT_EQ(pending_at(0x41), Cpus{2});
  ASSERT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(env.notes[0].detail, static_cast<std::uint64_t>(Cause::Ipi));
  EXPECT_EQ(read(0, Register::kIcrLow), kAssert | 0x41);
}

TEST_F(Ipi, LogicalDestination) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(0, Register::kIcrHigh, 0x0A000000);
  write(0, Register::kIcrLow, kAssert | kLogicalMode | 0x41);
  EXPECT_EQ(pending_at(0x41), (Cpus{1, 3}));
}

TEST_F(Ipi, ShorthandsOverrideTheDestination) {
  const struct {
    std::uint32_t shorthand;
    Cpus expected;
  } rows[] = {{1, {1}}, {2, {0, 1, 2, 3}}, {3, {0, 2, 3}}};
  write(1, Register::kIcrHigh, 0x02000000);
  for (const auto& row : rows) {
    write(1, Register::kIcrLow, row.shorthand << 18 | kAssert | (0x40 + row.shorthand));
    EXPECT_EQ(pending_at(0x40 + row.shorthand), row.expected) << row.shorthand;
  }
}

TEST_F(Ipi, IsAnEdgeWhateverTheTriggerModeSays) {
  write(0, Register::kIcrLow, 1u << 18 | 1u << 15 | 0x41);
  EXPECT_EQ(irr(0), (Vectors{0x41}));
  EXPECT_EQ(tmr(0), Vectors{});
}

TEST_F(Ipi, SoftwareDisabledLapicStillSends) {
  write(0, Register::kSvr, 0xFF);
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, kAssert | 0x41);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

TEST_F(Ipi, IllegalVectorIsNotSentAndRecordedByTheSender) {
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, kAssert | 0x03);
  EXPECT_TRUE(dropped(env.notes.at(0).span, DropReason::IllegalVector));
  EXPECT_EQ(irr(1), Vectors{});
  EXPECT_EQ(errors(0), 1u << 5);
  EXPECT_EQ(errors(1), 0u);
}

TEST_F(Ipi, QuirkIllegalVectorIsSent) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::IllegalVectorAccepted);
  rebuild(config);
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, kAssert | 0x05);
  EXPECT_EQ(irr(1), (Vectors{5}));
  EXPECT_EQ(errors(0), 0u);
}

TEST_F(Ipi, InitThenStartUpReachTheCpuWithTheStartPage) {
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, kAssert | 0x500);
  write(0, Register::kIcrLow, kAssert | 0x609);
  const auto changes = env.messages<CpuLineChange>();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].line, CpuLine::Init);
  EXPECT_EQ(changes[1].line, CpuLine::Sipi);
  EXPECT_EQ(changes[1].cpu, CpuId{1});
  EXPECT_EQ(changes[1].vector, Vector{0x09});
}

TEST_F(Ipi, InitDeassertionDoesNothing) {
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, 1u << 15 | 0x500);
  EXPECT_TRUE(env.sent.empty());
  EXPECT_EQ(env.count(Event::Asserted), 0u);
  EXPECT_EQ(read(1, Register::kSvr), 0x1FFu);
}

TEST_F(Ipi, NmiToAllExcludingSelf) {
  write(2, Register::kIcrLow, 3u << 18 | kAssert | 0x400);
  Cpus told;
  for (const auto& change : env.messages<CpuLineChange>()) told.insert(raw(change.cpu));
  EXPECT_EQ(told, (Cpus{0, 1, 3}));
  EXPECT_EQ(env.count(Event::Forked), 2u);
}

TEST_F(Ipi, LowestPriorityChoosesOne) {
  for (unsigned i = 0; i < 4; ++i) set_logical(i, 1u << i);
  write(0, Register::kTpr, 0x40);
  write(0, Register::kIcrHigh, 0x0F000000);
  write(0, Register::kIcrLow, kAssert | kLogicalMode | 0x141);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

}  // namespace
}  // namespace irqfab::x86
