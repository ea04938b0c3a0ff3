// State of a local APIC that a host puts in place (models/x86/lapic_restore.cpp).

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

class LapicRestore : public LapicFixture {
 protected:
  void restore(unsigned cpu, std::uint32_t offset, std::uint32_t value) {
    bank.restore(CpuId{cpu}, offset, value, env);
  }
};

TEST_F(LapicRestore, VectorsThatComeBeginSpansAndThoseThatGoEndTheirs) {
  const SpanId s = book.begin();
  send(fixed(1, 0x41), s);
  env.clear();
  restore(1, Register::kIrr + 0x20, 1u << 2);
  EXPECT_EQ(irr(1), Vectors{0x42});
  EXPECT_EQ(noted(Event::Cancelled, s), static_cast<std::uint64_t>(CancelOp::Reset));
  EXPECT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(test::held_by(bank).size(), 1u);
  restore(1, Register::kIrr + 0x20, 1u << 2);
  EXPECT_EQ(env.count(Event::Asserted), 1u) << "the same again is no change";
}

TEST_F(LapicRestore, LineFollowsWhatIsPendingAndInService) {
  restore(0, Register::kIrr + 0x20, 1u << 1);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
  restore(0, Register::kIsr + 0x70, 1u << 31);
  EXPECT_EQ(isr(0), Vectors{0xFF});
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  eoi(0);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
}

TEST_F(LapicRestore, TmrDecidesWhatTheEoiDoes) {
  restore(0, Register::kIsr + 0x20, 1u << 1);
  restore(0, Register::kTmr + 0x20, 1u << 1);
  EXPECT_EQ(tmr(0), Vectors{0x41});
  eoi(0);
  EXPECT_TRUE(env.noted(Event::EoiBroadcast));
  restore(0, Register::kTmr + 0x20, 0);
  EXPECT_EQ(tmr(0), Vectors{});
}

TEST_F(LapicRestore, IcrSendsNothingAndEsrKeepsItsValue) {
  restore(0, Register::kIcrHigh, 0x01000000);
  restore(0, Register::kIcrLow, 0x4041);
  EXPECT_EQ(pending_at(0x41), std::set<unsigned>{});
  EXPECT_EQ(read(0, Register::kIcrLow), 0x4041u);
  EXPECT_EQ(read(0, Register::kIcrHigh), 0x01000000u);
  restore(0, Register::kEsr, 0x40);
  EXPECT_EQ(read(0, Register::kEsr), 0x40u);
}

TEST_F(LapicRestore, EoiRegisterEndsNothing) {
  put_in_service(0, 0x41);
  restore(0, Register::kEoi, 0);
  EXPECT_EQ(isr(0), Vectors{0x41});
}

TEST_F(LapicRestore, IdAndLogicalIdOfX2apicModeStayDerived) {
  bank.wrmsr(CpuId{1}, LapicMsr::kApicBase, 0xFEE00C00, env);
  restore(1, Register::kId, 0x05000000);
  restore(1, Register::kLdr, 0x05000000);
  restore(1, Register::kIcrHigh, 300);
  restore(1, Register::kTpr, 0x35);
  EXPECT_EQ(bank.rdmsr(CpuId{1}, 0x802, env).value, 1u);
  EXPECT_EQ(bank.rdmsr(CpuId{1}, 0x80D, env).value, 2u);
  EXPECT_EQ(bank.rdmsr(CpuId{1}, 0x830, env).value, std::uint64_t{300} << 32);
  EXPECT_EQ(bank.tpr(CpuId{1}), 0x35);
}

TEST_F(LapicRestore, CpuThatDoesNotExistIsNoted) {
  restore(4, Register::kTpr, 0x35);
  EXPECT_EQ(env.count(Event::GuestError), 1u);
}

}  // namespace
}  // namespace irqfab::x86
