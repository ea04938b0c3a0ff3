// IA32_APIC_BASE, the modes of a local APIC and its x2APIC registers (models/x86/lapic_msr.cpp).
// SDM vol. 3, 11.4 and 11.12.

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

using Cpus = std::set<unsigned>;

constexpr std::uint64_t kDisabled = 0xFEE00000, kXapic = 0xFEE00800, kX2apic = 0xFEE00C00;

constexpr std::uint32_t msr(std::uint32_t offset) { return LapicMsr::kFirst + offset / 16; }

class LapicMsrs : public LapicFixture {
 protected:
  bool wrmsr(unsigned cpu, std::uint32_t number, std::uint64_t value) {
    return bank.wrmsr(CpuId{cpu}, number, value, env).status == MsrStatus::Done;
  }
  /// Nothing: #GP.
  std::optional<std::uint64_t> rdmsr(unsigned cpu, std::uint32_t number) {
    const MsrAnswer answer = bank.rdmsr(CpuId{cpu}, number, env);
    if (answer.status == MsrStatus::GeneralProtection) return std::nullopt;
    return answer.value;
  }
  bool enter(unsigned cpu, std::uint64_t base) { return wrmsr(cpu, LapicMsr::kApicBase, base); }
  /// All CPUs in x2APIC mode.
  void rebuild_x2apic(const LapicBank::Config& config) {
    rebuild(config);
    for (unsigned cpu = 0; cpu < config.ids.size(); ++cpu) ASSERT_TRUE(enter(cpu, kX2apic));
    env.clear();
  }
  bool noted_fault(GuestFault fault) const {
    return noted(Event::GuestError, kNoSpan) == static_cast<std::uint64_t>(fault);
  }
};
using ApicBaseMsr = LapicMsrs;
using X2apicMode = LapicMsrs;
using X2apicRegisters = LapicMsrs;
using X2apicIpi = LapicMsrs;

TEST_F(ApicBaseMsr, ResetIsXapicModeAndCpu0IsTheBootstrapProcessor) {
  EXPECT_EQ(rdmsr(0, LapicMsr::kApicBase), 0xFEE00900u);
  EXPECT_EQ(rdmsr(1, LapicMsr::kApicBase), 0xFEE00800u);
  EXPECT_EQ(bank.mode(CpuId{1}), LapicMode::Xapic);
}

// 11.12.5, figure "Local x2APIC State Transitions".
TEST_F(ApicBaseMsr, TransitionsThatAreNotInTheFigureGiveGeneralProtection) {
  const struct {
    std::uint64_t from, to;
    bool legal;
  } rows[] = {{kDisabled, kDisabled, true}, {kDisabled, kXapic, true}, {kDisabled, kX2apic, false},
              {kXapic, kDisabled, true},    {kXapic, kXapic, true},    {kXapic, kX2apic, true},
              {kX2apic, kDisabled, true},   {kX2apic, kXapic, false},  {kX2apic, kX2apic, true}};
  for (const auto& row : rows) {
    rebuild(config_of(1));
    ASSERT_TRUE(enter(0, row.from));
    env.clear();
    EXPECT_EQ(enter(0, row.to), row.legal) << std::hex << row.from << " to " << row.to;
    EXPECT_EQ(bank.apic_base(CpuId{0}), row.legal ? row.to : row.from);
    EXPECT_EQ(noted_fault(GuestFault::GeneralProtection), !row.legal);
  }
}

TEST_F(ApicBaseMsr, ReservedBitsAndExtdWithoutEnableGiveGeneralProtection) {
  for (const std::uint64_t value :
       {kXapic | 1, kXapic | 1 << 7, kXapic | 1 << 9, kDisabled | 1 << 10,
        kXapic | std::uint64_t{1} << 46, kXapic | std::uint64_t{1} << 63}) {
    EXPECT_FALSE(enter(1, value)) << std::hex << value;
    EXPECT_EQ(bank.apic_base(CpuId{1}), kXapic);
  }
}

TEST_F(ApicBaseMsr, AddressAndBootstrapBitAreKept) {
  EXPECT_TRUE(enter(1, 0x3FFFFFFFF900));
  EXPECT_EQ(rdmsr(1, LapicMsr::kApicBase), 0x3FFFFFFFF900u);
}

// 11.4.3.
TEST_F(ApicBaseMsr, DisablingResetsAndTakesNothing) {
  const SpanId pending = book.begin();
  send(fixed(1, 0x41), pending);
  ASSERT_TRUE(enter(1, kDisabled));
  EXPECT_EQ(noted(Event::Cancelled, pending), static_cast<std::uint64_t>(CancelOp::Reset));
  EXPECT_EQ(bank.intr(CpuId{1}), Level::Low);
  for (const DeliveryMode mode : {DeliveryMode::Fixed, DeliveryMode::Nmi, DeliveryMode::Init}) {
    const SpanId s = book.begin();
    EXPECT_EQ(send(of_mode(1, mode), s), 0u);
    EXPECT_TRUE(dropped(s, DropReason::TargetDisabled));
  }
  EXPECT_EQ(send(fixed(0xFF, 0x42)), 3u) << "a broadcast passes it by";
  ASSERT_TRUE(enter(1, kXapic));
  EXPECT_EQ(read(1, Register::kSvr), 0xFFu);
  EXPECT_EQ(read(1, Register::kId), 0x01000000u);
}

TEST_F(ApicBaseMsr, PageIsThereInXapicModeOnly) {
  for (const std::uint64_t base : {kDisabled, kX2apic}) {
    rebuild(config_of(1));
    ASSERT_TRUE(enter(0, base));
    env.clear();
    EXPECT_EQ(read(0, Register::kVersion), 0xFFFFFFFFu);
    EXPECT_TRUE(noted_fault(GuestFault::UnclaimedAddress));
    write(0, Register::kTpr, 0x55);
    EXPECT_EQ(bank.tpr(CpuId{0}), 0u);
    EXPECT_EQ(env.count(Event::GuestError), 2u);
  }
}

// 11.12.5.1, "State Changes From xAPIC Mode to x2APIC Mode".
TEST_F(X2apicMode, EnteringKeepsAllButIdLogicalIdAndUpperIcr) {
  write(1, Register::kId, 0x77000000);
  set_logical(1, 0x04);
  write(1, Register::kTpr, 0x35);
  write(1, Register::kIcrHigh, 0x02000000);
  write(1, Register::kLvtTimer, 0x20041);
  send(level(0x77, 0x61));
  ASSERT_TRUE(enter(1, kX2apic));
  EXPECT_EQ(rdmsr(1, msr(Register::kId)), 1u);
  EXPECT_EQ(rdmsr(1, msr(Register::kLdr)), 0x2u);
  EXPECT_EQ(rdmsr(1, msr(Register::kIcrLow)), 0u);
  EXPECT_EQ(rdmsr(1, msr(Register::kTpr)), 0x35u);
  EXPECT_EQ(rdmsr(1, msr(Register::kSvr)), 0x1FFu);
  EXPECT_EQ(rdmsr(1, msr(Register::kLvtTimer)), 0x20041u);
  EXPECT_EQ(irr(1), Vectors{0x61});
  EXPECT_EQ(tmr(1), Vectors{0x61});
  EXPECT_EQ(send(fixed(0x77, 0x62)), 0u);
  EXPECT_EQ(send(fixed(1, 0x62)), 1u);
}

// 11.12.10.2.
TEST_F(X2apicMode, LogicalIdIsDerivedFromTheId) {
  const struct {
    std::uint32_t id, logical;
  } rows[] = {{0, 0x1},      {15, 0x8000},      {16, 0x10001},
              {17, 0x10002}, {300, 0x00121000}, {0xFFFFF, 0xFFFF8000}};
  for (const auto& row : rows) {
    LapicBank::Config config;
    config.ids = {ApicId{row.id}};
    rebuild_x2apic(config);
    EXPECT_EQ(rdmsr(0, msr(Register::kId)), row.id);
    EXPECT_EQ(rdmsr(0, msr(Register::kLdr)), row.logical) << row.id;
  }
}

TEST_F(X2apicMode, IdOfXapicModeIsTheLowByte) {
  LapicBank::Config config;
  config.ids = {ApicId{300}};
  rebuild(config);
  EXPECT_EQ(read(0, Register::kId), 0x2C000000u);
  EXPECT_EQ(send(fixed(0x2C, 0x41)), 1u);
  ASSERT_TRUE(enter(0, kX2apic));
  EXPECT_EQ(send(fixed(0x2C, 0x42)), 0u);
}

// 11.12.5.1: INIT leaves the mode alone.
TEST_F(X2apicMode, InitKeepsModeIdAndLogicalId) {
  rebuild_x2apic(config_of(2));
  ASSERT_TRUE(wrmsr(1, msr(Register::kTpr), 0x35));
  send(of_mode(1, DeliveryMode::Init));
  EXPECT_EQ(bank.mode(CpuId{1}), LapicMode::X2apic);
  EXPECT_EQ(rdmsr(1, msr(Register::kId)), 1u);
  EXPECT_EQ(rdmsr(1, msr(Register::kLdr)), 0x2u);
  EXPECT_EQ(rdmsr(1, msr(Register::kSvr)), 0xFFu);
  EXPECT_EQ(rdmsr(1, msr(Register::kTpr)), 0u);
}

// 11.12.1.2, table "Local APIC Register Address Map Supported by x2APIC"; 11.12.1.3.
TEST_F(X2apicRegisters, AccessIsAsTheTableSaysAndReservedBitsGiveGeneralProtection) {
  constexpr bool kYes = true, kNo = false;
  const struct {
    std::uint32_t number;
    bool readable, writable;
    std::uint64_t good, bad;  // values written: the one is taken if the register is writable
  } rows[] = {{0x802, kYes, kNo, 0, 0},
              {0x803, kYes, kNo, 0, 0},
              {0x808, kYes, kYes, 0xFF, 0x100},
              {0x80A, kYes, kNo, 0, 0},
              {0x80B, kNo, kYes, 0, 1},
              {0x80D, kYes, kNo, 0, 0},
              {0x80F, kYes, kYes, 0x13FF, 0x400},
              {0x810, kYes, kNo, 0, 0},
              {0x81F, kYes, kNo, 0, 0},
              {0x827, kYes, kNo, 0, 0},
              {0x828, kYes, kYes, 0, 1},
              {0x830, kYes, kYes, 0x0003'0000'0004'4041, 1u << 12},
              {0x832, kYes, kYes, 0x710FF, 1u << 8},
              {0x833, kYes, kYes, 0x117FF, 1u << 13},
              {0x834, kYes, kYes, 0x117FF, 1u << 17},
              {0x835, kYes, kYes, 0x1F7FF, 1u << 11},
              {0x836, kYes, kYes, 0x1F7FF, 1u << 17},
              {0x837, kYes, kYes, 0x110FF, 1u << 10},
              {0x838, kYes, kYes, 0xFFFFFFFF, 1ull << 32},
              {0x839, kYes, kNo, 0, 0},
              {0x83E, kYes, kYes, 0xB, 0x4},
              {0x83F, kNo, kYes, 0x41, 0x141},
              // Reserved: where xAPIC mode has APR, RRD, DFR, CMCI (absent here), the upper ICR.
              {0x800, kNo, kNo, 0, 0},
              {0x809, kNo, kNo, 0, 0},
              {0x80C, kNo, kNo, 0, 0},
              {0x80E, kNo, kNo, 0, 0},
              {0x82F, kNo, kNo, 0, 0},
              {0x831, kNo, kNo, 0, 0},
              {0x840, kNo, kNo, 0, 0},
              {0x8FF, kNo, kNo, 0, 0}};
  for (const auto& row : rows) {
    rebuild_x2apic(config_of(1));
    EXPECT_EQ(rdmsr(0, row.number).has_value(), row.readable) << std::hex << row.number;
    EXPECT_EQ(noted_fault(GuestFault::GeneralProtection), !row.readable);
    EXPECT_EQ(wrmsr(0, row.number, row.good), row.writable) << std::hex << row.number;
    if (!row.writable) continue;
    EXPECT_FALSE(wrmsr(0, row.number, row.bad)) << std::hex << row.number;
    EXPECT_FALSE(wrmsr(0, row.number, row.good | 1ull << 63) && row.number != 0x830);
    if (row.readable && row.number < 0x830 && row.number != 0x80F) {
      EXPECT_EQ(rdmsr(0, row.number), row.good) << "the bad value changed nothing";
    }
  }
}

TEST_F(X2apicRegisters, AreNoneOutsideX2apicMode) {
  for (const std::uint64_t base : {kDisabled, kXapic}) {
    ASSERT_TRUE(enter(1, base));
    EXPECT_EQ(rdmsr(1, 0x808), std::nullopt);
    EXPECT_FALSE(wrmsr(1, 0x83F, 0x41));
    EXPECT_EQ(irr(1), Vectors{});
  }
}

TEST_F(X2apicRegisters, UnknownMsrsGiveGeneralProtection) {
  rebuild_x2apic(config_of(1));
  for (const std::uint32_t number : {0x1Au, 0x7FFu, 0x900u, 0xFFFFFFFFu}) {
    EXPECT_EQ(rdmsr(0, number), std::nullopt) << number;
    EXPECT_FALSE(wrmsr(0, number, 0)) << number;
  }
}

// 11.5.3: no error is recorded, the #GP says it.
TEST_F(X2apicRegisters, ReservedRegistersAreNoIllegalRegisterAddresses) {
  rebuild_x2apic(config_of(1));
  rdmsr(0, 0x80E);
  ASSERT_TRUE(wrmsr(0, msr(Register::kEsr), 0));
  EXPECT_EQ(rdmsr(0, msr(Register::kEsr)), 0u);
}

TEST_F(X2apicRegisters, CmciIsARegisterWhereItExists) {
  LapicBank::Config config = config_of(1);
  config.cmci = Cmci::Present;
  rebuild_x2apic(config);
  EXPECT_EQ(rdmsr(0, msr(Register::kVersion)), 0x01060014u);
  EXPECT_TRUE(wrmsr(0, 0x82F, 0x41));
  EXPECT_EQ(rdmsr(0, 0x82F), 0x41u);
}

TEST_F(X2apicRegisters, EoiEndsTheInterrupt) {
  rebuild_x2apic(config_of(1));
  put_in_service(0, 0x41);
  EXPECT_FALSE(wrmsr(0, msr(Register::kEoi), 0x41));
  EXPECT_EQ(isr(0), Vectors{0x41});
  EXPECT_TRUE(wrmsr(0, msr(Register::kEoi), 0));
  EXPECT_EQ(isr(0), Vectors{});
}

TEST_F(X2apicRegisters, QuirkReservedBitsOfMostAreIgnored) {
  LapicBank::Config config = config_of(1);
  config.quirks.add(Quirk::ReservedMsrBitsIgnored);
  rebuild_x2apic(config);
  EXPECT_TRUE(wrmsr(0, 0x808, 0x135));
  EXPECT_EQ(rdmsr(0, 0x808), 0x35u);
  EXPECT_TRUE(wrmsr(0, 0x80B, 7));
  EXPECT_FALSE(wrmsr(0, 0x808, 1ull << 32));
  EXPECT_FALSE(wrmsr(0, 0x828, 1));
  EXPECT_FALSE(wrmsr(0, 0x830, 1u << 20));
  EXPECT_FALSE(wrmsr(0, 0x83F, 0x141));
}

// 11.12.9.
TEST_F(X2apicIpi, IcrIsOneRegisterWith32BitsOfDestination) {
  LapicBank::Config config;
  config.ids = {ApicId{0}, ApicId{300}, ApicId{44}, ApicId{70000}};
  rebuild_x2apic(config);
  EXPECT_TRUE(wrmsr(0, 0x830, 300ull << 32 | 0x4041));
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  EXPECT_EQ(rdmsr(0, 0x830), 300ull << 32 | 0x4041);
  EXPECT_TRUE(wrmsr(0, 0x830, 70000ull << 32 | 0x4042));
  EXPECT_EQ(pending_at(0x42), Cpus{3});
}

TEST_F(X2apicIpi, BroadcastIsAllOnesAndFfIsAnId) {
  rebuild_x2apic(config_of(3));
  EXPECT_TRUE(wrmsr(1, 0x830, 0xFFull << 32 | 0x4041));
  EXPECT_EQ(pending_at(0x41), Cpus{});
  EXPECT_TRUE(wrmsr(1, 0x830, 0xFFFFFFFFull << 32 | 0x4042));
  EXPECT_EQ(pending_at(0x42), (Cpus{0, 1, 2}));
}

// 11.12.11.
TEST_F(X2apicIpi, SelfIpiIsAnEdgeForItsWriter) {
  rebuild_x2apic(config_of(3));
  EXPECT_TRUE(wrmsr(2, 0x83F, 0x91));
  EXPECT_EQ(pending_at(0x91), Cpus{2});
  EXPECT_EQ(tmr(2), Vectors{});
  EXPECT_EQ(env.notes.at(0).detail, static_cast<std::uint64_t>(Cause::Ipi));
}

TEST_F(X2apicIpi, SelfIpiWithAnIllegalVectorIsRecordedBySender) {
  rebuild_x2apic(config_of(1));
  EXPECT_TRUE(wrmsr(0, 0x83F, 0x0F));
  EXPECT_EQ(irr(0), Vectors{});
  ASSERT_TRUE(wrmsr(0, 0x828, 0));
  EXPECT_EQ(rdmsr(0, 0x828), 1u << 5);
}

TEST_F(LapicMsrs, AreReachedByMessagesBehindThePage) {
  constexpr std::uint32_t kBase = LapicBank::kMsrSpace + LapicMsr::kApicBase;
  constexpr std::uint32_t kIcr = LapicBank::kMsrSpace + 0x830;
  bank.receive(LapicBank::kCpu, RegisterWrite{CpuId{2}, kBase, kX2apic}, env);
  EXPECT_EQ(bank.mode(CpuId{2}), LapicMode::X2apic);
  bank.receive(LapicBank::kCpu, RegisterWrite{CpuId{2}, kIcr, 1ull << 32 | 0x4041}, env);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  bank.receive(LapicBank::kCpu, RegisterRead{CpuId{2}, kIcr, Tag{4}}, env);
  bank.receive(LapicBank::kCpu, RegisterRead{CpuId{2}, kIcr + 1, Tag{5}}, env);
  const auto answers = env.messages<BusData>();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].status, BusStatus::Ok);
  EXPECT_EQ(answers[0].data[4], 1);
  EXPECT_EQ(answers[0].data[1], 0x40);
  EXPECT_EQ(answers[1].status, BusStatus::Error);
  EXPECT_EQ(answers[1].tag, Tag{5});
  bank.receive(LapicBank::kCpu, RegisterWrite{CpuId{2}, kIcr + 1, 0}, env);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
}

TEST_F(LapicMsrs, CpuThatDoesNotExistGivesGeneralProtection) {
  EXPECT_EQ(rdmsr(4, LapicMsr::kApicBase), std::nullopt);
  EXPECT_FALSE(wrmsr(4, LapicMsr::kApicBase, kXapic));
  EXPECT_EQ(env.count(Event::GuestError), 2u);
}

}  // namespace
}  // namespace irqfab::x86
