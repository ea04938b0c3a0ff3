// The local vector table, ExtINT, the error interrupt and start-up (models/x86/lapic_local.cpp).
// SDM vol. 3, 11.4.3, 11.5.1, 11.5.3, 11.4.7.

#include <algorithm>

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

constexpr std::uint32_t kMasked = 1u << 16, kLevel = 1u << 15, kRemoteIrr = 1u << 14,
                        kActiveLow = 1u << 13;
constexpr std::uint32_t kThermal = 0x330, kPerformance = 0x340, kLint0 = 0x350, kLint1 = 0x360;

class LocalVectorTable : public LapicFixture {
 protected:
  void SetUp() override { rebuild_with_pic(2); }
  void rebuild_with_pic(unsigned cpus) {
    LapicBank::Config config = config_of(cpus);
    config.pic = ExternalPic::Present;
    config.cmci = Cmci::Present;
    rebuild(config);
  }
  void drive(unsigned cpu, LocalPin pin, Level level, SpanId span = kNoSpan,
             std::uint32_t driver = 0) {
    bank.receive(LapicBank::kPins,
                 PinChange{LapicBank::pin_of(CpuId{cpu}, pin), level, driver, span}, env);
  }
  std::vector<CpuLine> lines() const {
    std::vector<CpuLine> told;
    for (const auto& change : env.messages<CpuLineChange>()) told.push_back(change.line);
    return told;
  }
  bool cancelled(SpanId s, CancelOp op) const {
    return noted(Event::Cancelled, s) == static_cast<std::uint64_t>(op);
  }
};
using Lint0Level = LocalVectorTable;
using ExtIntLine = LocalVectorTable;
using ErrorInterrupt = LocalVectorTable;
using StartUp = LocalVectorTable;

struct Input {
  LocalPin pin;
  std::uint32_t entry;
};
constexpr Input kInputs[] = {{LocalPin::Lint0, kLint0},
                             {LocalPin::Lint1, kLint1},
                             {LocalPin::Thermal, kThermal},
                             {LocalPin::Performance, kPerformance},
                             {LocalPin::Cmci, LapicRegister::kLvtCmci}};

TEST_F(LocalVectorTable, EveryInputDeliversItsEntrysVectorToItsCpu) {
  for (const Input& input : kInputs) {
    rebuild_with_pic(2);
    write(1, input.entry, 0x61);
    const SpanId s = book.begin();
    drive(1, input.pin, Level::High, s);
    EXPECT_EQ(irr(1), Vectors{0x61}) << std::hex << input.entry;
    EXPECT_EQ(irr(0), Vectors{});
    EXPECT_EQ(tmr(1), Vectors{});
    EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{s});
  }
}

TEST_F(LocalVectorTable, MaskedEntryKeepsNothing) {
  for (const Input& input : kInputs) {
    rebuild_with_pic(1);
    write(0, input.entry, kMasked | 0x61);
    const SpanId s = book.begin();
    drive(0, input.pin, Level::High, s);
    EXPECT_TRUE(dropped(s, DropReason::MaskedNotLatched));
    write(0, input.entry, 0x61);
    EXPECT_EQ(irr(0), Vectors{}) << std::hex << input.entry;
  }
}

TEST_F(LocalVectorTable, DeliveryModesOtherThanFixedGoToTheCpu) {
  const struct {
    std::uint32_t mode;
    CpuLine line;
  } rows[] = {{2, CpuLine::Smi}, {4, CpuLine::Nmi}, {5, CpuLine::Init}};
  for (const Input& input : kInputs) {
    for (const auto& row : rows) {
      rebuild_with_pic(2);
      write(1, input.entry, row.mode << 8);
      drive(1, input.pin, Level::High);
      EXPECT_EQ(lines(), std::vector<CpuLine>{row.line}) << std::hex << input.entry;
      EXPECT_EQ(env.count(Event::Asserted), 1u) << "nobody had begun its span";
    }
  }
}

TEST_F(LocalVectorTable, ReservedDeliveryModesDoNothing) {
  for (const std::uint32_t mode : {1u, 3u, 6u}) {
    rebuild_with_pic(1);
    write(0, kThermal, mode << 8 | 0x61);
    const SpanId s = book.begin();
    drive(0, LocalPin::Thermal, Level::High, s);
    EXPECT_TRUE(dropped(s, DropReason::ReservedDeliveryMode)) << mode;
    EXPECT_EQ(irr(0), Vectors{});
  }
}

TEST_F(LocalVectorTable, IllegalVectorIsRecordedAsReceived) {
  write(0, kThermal, 0x0F);
  const SpanId s = book.begin();
  drive(0, LocalPin::Thermal, Level::High, s);
  EXPECT_TRUE(dropped(s, DropReason::IllegalVector));
  EXPECT_EQ(errors(0), 1u << 6);
}

TEST_F(LocalVectorTable, PerformanceCounterMasksItsEntry) {
  write(0, kPerformance, 0x400);
  drive(0, LocalPin::Performance, Level::High);
  EXPECT_EQ(read(0, kPerformance), kMasked | 0x400u);
  drive(0, LocalPin::Performance, Level::Low);
  drive(0, LocalPin::Performance, Level::High);
  EXPECT_EQ(lines().size(), 1u);
  write(0, kThermal, 0x400);
  drive(0, LocalPin::Thermal, Level::High);
  EXPECT_EQ(read(0, kThermal), 0x400u) << "no other does";
}

TEST_F(LocalVectorTable, EdgeIsTheChangeToTheActiveLevel) {
  write(0, kLint1, 0x61);
  drive(0, LocalPin::Lint1, Level::High);
  inta(0);
  eoi(0);
  drive(0, LocalPin::Lint1, Level::Low);
  EXPECT_EQ(irr(0), Vectors{});
  const SpanId second = book.begin();
  drive(0, LocalPin::Lint1, Level::High);
  drive(0, LocalPin::Lint1, Level::High, second, 1);  // another driver: the wire was high
  EXPECT_TRUE(dropped(second, DropReason::PresentedAlready));
}

TEST_F(LocalVectorTable, ActiveLowInputAssertsWhenItFalls) {
  drive(0, LocalPin::Lint1, Level::High);
  write(0, kLint1, kActiveLow | 0x61);
  EXPECT_EQ(irr(0), Vectors{});
  drive(0, LocalPin::Lint1, Level::Low);
  EXPECT_EQ(irr(0), Vectors{0x61});
}

TEST_F(LocalVectorTable, Lint1IsAnEdgeInputWhateverItsTriggerBitSays) {
  write(0, kLint1, kLevel | 0x61);
  drive(0, LocalPin::Lint1, Level::High);
  EXPECT_EQ(tmr(0), Vectors{});
  inta(0);
  eoi(0);
  EXPECT_EQ(irr(0), Vectors{});
}

TEST_F(LocalVectorTable, WithoutCmciItsPinAndOffsetAreNothing) {
  rebuild(config_of(1));
  write(0, Register::kLvtCmci, 0x61);
  EXPECT_EQ(errors(0), 1u << 7);
  drive(0, LocalPin::Cmci, Level::High);
  EXPECT_EQ(irr(0), Vectors{});
}

TEST_F(LocalVectorTable, PinsOfNobodyAreNoted) {
  const SpanId s = book.begin();
  bank.on_pin({LapicBank::pin_of(CpuId{2}, LocalPin::Lint0), Level::High, 0, s}, env);
  bank.on_pin({Pin{5}, Level::High, 0, kNoSpan}, env);
  EXPECT_TRUE(dropped(s, DropReason::NoSuchTarget));
  EXPECT_EQ(env.count(Event::GuestError), 2u);
}

TEST_F(LocalVectorTable, SoftwareDisablingSilencesAllInputs) {
  for (const Input& input : kInputs) {
    write(0, input.entry, 0x400);
  }
  write(0, Register::kSvr, 0xFF);
  env.clear();
  for (const Input& input : kInputs) drive(0, input.pin, Level::High);
  EXPECT_TRUE(env.sent.empty());
}

// 11.5.1, "Remote IRR Flag".
TEST_F(Lint0Level, IsTakenOnceUntilItsEoiAndAgainIfStillHigh) {
  write(0, kLint0, kLevel | 0x61);
  const SpanId first = book.begin();
  drive(0, LocalPin::Lint0, Level::High, first);
  EXPECT_EQ(read(0, kLint0), kLevel | kRemoteIrr | 0x61u);
  EXPECT_EQ(tmr(0), Vectors{0x61});
  EXPECT_EQ(inta(0).span, first);
  write(0, kLint0, kLevel | 0x61);
  EXPECT_EQ(irr(0), Vectors{}) << "Remote IRR is read-only, and holds it back";
  env.clear();
  eoi(0);
  EXPECT_EQ(irr(0), Vectors{0x61});
  EXPECT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(inta(0).vector, Vector{0x61});
  drive(0, LocalPin::Lint0, Level::Low);
  eoi(0);
  EXPECT_EQ(irr(0), Vectors{});
  EXPECT_EQ(read(0, kLint0), kLevel | 0x61u);
}

TEST_F(Lint0Level, EoiOfAnotherVectorLeavesRemoteIrr) {
  write(0, kLint0, kLevel | 0x61);
  drive(0, LocalPin::Lint0, Level::High);
  send(level(0, 0x71));
  inta(0);
  eoi(0);
  EXPECT_EQ(read(0, kLint0), kLevel | kRemoteIrr | 0x61u);
}

TEST_F(Lint0Level, WaitsAtAMaskedPinAndIsTakenWhenUnmasked) {
  write(0, kLint0, kMasked | kLevel | 0x61);
  const SpanId s = book.begin();
  drive(0, LocalPin::Lint0, Level::High, s);
  EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{s});
  write(0, kLint0, kLevel | 0x61);
  EXPECT_EQ(inta(0).span, s);
}

TEST_F(Lint0Level, ThatFallsBeforeItIsTakenIsCancelled) {
  write(0, kLint0, kMasked | kLevel | 0x61);
  const SpanId s = book.begin();
  drive(0, LocalPin::Lint0, Level::High, s);
  drive(0, LocalPin::Lint0, Level::Low);
  EXPECT_TRUE(cancelled(s, CancelOp::LineLow));
  EXPECT_TRUE(test::held_by(bank).empty());
}

TEST_F(Lint0Level, SecondDriverMergesIntoTheOneThatWaits) {
  write(0, kLint0, kMasked | kLevel | 0x61);
  const SpanId first = book.begin();
  const SpanId second = book.begin();
  drive(0, LocalPin::Lint0, Level::High, first, 1);
  drive(0, LocalPin::Lint0, Level::High, second, 2);
  EXPECT_EQ(noted(Event::Coalesced, second), raw(first));
  drive(0, LocalPin::Lint0, Level::Low, kNoSpan, 1);
  EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{first}) << "the other still drives it";
}

TEST_F(Lint0Level, BecomingAnEdgeClearsRemoteIrr) {
  write(0, kLint0, kLevel | 0x61);
  drive(0, LocalPin::Lint0, Level::High);
  write(0, kLint0, 0x61);
  EXPECT_EQ(read(0, kLint0), 0x61u);
}

// 11.5.1, "ExtINT": the virtual wire.
TEST_F(ExtIntLine, AsksThe8259ThroughLint0AndPassesItsAnswerOn) {
  write(0, kLint0, 0x700);
  const SpanId s = book.begin();
  drive(0, LocalPin::Lint0, Level::High, s);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
  EXPECT_TRUE(test::held_by(bank).empty()) << "the 8259 holds the span";
  env.clear();
  bank.receive(LapicBank::kCpu, Inta{CpuId{0}}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, LapicBank::kPic);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  env.clear();
  bank.receive(LapicBank::kPic, IntaAnswer{CpuId{0}, Vector{0x08}, false, s}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, LapicBank::kCpu);
  EXPECT_EQ(std::get<IntaAnswer>(env.sent[0].message).vector, Vector{0x08});
  EXPECT_EQ(isr(0), Vectors{}) << "it needs no EOI here";
}

TEST_F(ExtIntLine, IsHeldBackByNoPriorityAndGoesFirst) {
  write(0, kLint0, 0x700);
  write(0, Register::kTpr, 0xFF);
  drive(0, LocalPin::Lint0, Level::High);
  EXPECT_TRUE(bank.extint_requested(CpuId{0}));
  write(0, Register::kTpr, 0);
  send(fixed(0, 0xF1));
  bank.receive(LapicBank::kCpu, Inta{CpuId{0}}, env);
  EXPECT_EQ(irr(0), Vectors{0xF1});
  bank.receive(LapicBank::kPic, IntaAnswer{CpuId{0}, Vector{0x08}, false, kNoSpan}, env);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High) << "the LAPIC's own interrupt is next";
  EXPECT_EQ(inta(0).vector, Vector{0xF1});
}

TEST_F(ExtIntLine, FallsWithThePinAndWithTheMask) {
  write(0, kLint0, 0x700);
  drive(0, LocalPin::Lint0, Level::High);
  drive(0, LocalPin::Lint0, Level::Low);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  drive(0, LocalPin::Lint0, Level::High);
  write(0, kLint0, kMasked | 0x700);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  write(0, kLint0, 0x700);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
  write(0, Register::kSvr, 0xFF);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
}

TEST_F(ExtIntLine, WithoutAn8259NobodyIsAsked) {
  rebuild(config_of(1));
  write(0, kLint0, 0x700);
  drive(0, LocalPin::Lint0, Level::High);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
}

TEST_F(ExtIntLine, MessageMakesItsTargetAskAndMergesIntoTheAnswer) {
  const SpanId message = book.begin();
  const SpanId interrupt = book.begin();
  EXPECT_EQ(send(of_mode(1, DeliveryMode::ExtInt), message), 1u);
  EXPECT_EQ(bank.intr(CpuId{1}), Level::High);
  EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{message});
  bank.receive(LapicBank::kCpu, Inta{CpuId{1}}, env);
  bank.receive(LapicBank::kPic, IntaAnswer{CpuId{1}, Vector{0x70}, false, interrupt}, env);
  EXPECT_EQ(noted(Event::Coalesced, message), raw(interrupt));
  EXPECT_TRUE(test::held_by(bank).empty());
  EXPECT_EQ(bank.intr(CpuId{1}), Level::Low);
}

TEST_F(ExtIntLine, MessageWhoseRequestFellIsCancelled) {
  const SpanId message = book.begin();
  send(of_mode(0, DeliveryMode::ExtInt), message);
  bank.receive(LapicBank::kCpu, Inta{CpuId{0}}, env);
  bank.receive(LapicBank::kPic, IntaAnswer{CpuId{0}, Vector{0x0F}, true, kNoSpan}, env);
  EXPECT_TRUE(cancelled(message, CancelOp::LineLow));
}

TEST_F(ExtIntLine, SecondMessageMergesIntoTheFirst) {
  const SpanId first = book.begin();
  const SpanId second = book.begin();
  send(of_mode(0, DeliveryMode::ExtInt), first);
  send(of_mode(0, DeliveryMode::ExtInt), second);
  EXPECT_EQ(noted(Event::Coalesced, second), raw(first));
}

TEST_F(ExtIntLine, QuirkMessageReachesNobody) {
  LapicBank::Config config = config_of(1);
  config.pic = ExternalPic::Present;
  config.quirks.add(Quirk::ExtIntMessageIgnored);
  rebuild(config);
  const SpanId s = book.begin();
  EXPECT_EQ(send(of_mode(0, DeliveryMode::ExtInt), s), 0u);
  EXPECT_TRUE(dropped(s, DropReason::ReservedDeliveryMode));
  write(0, kLint0, 0x700);
  drive(0, LocalPin::Lint0, Level::High);
  EXPECT_TRUE(bank.extint_requested(CpuId{0})) << "LINT0 is another matter";
}

TEST_F(ExtIntLine, QuirkLint0OfTheBootstrapProcessorIsExtIntAfterReset) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::Lint0ResetsToExtInt);
  bank = LapicBank(config);
  EXPECT_EQ(read(0, kLint0), 0x700u);
  EXPECT_EQ(read(1, kLint0), 0x10000u);
  write(0, kLint0, 0x10000);
  send(of_mode(0, DeliveryMode::Init));
  EXPECT_EQ(read(0, kLint0), 0x700u);
}

// 11.4.3: without the LAPIC, LINT0 and LINT1 are the CPU's INTR and NMI.
TEST_F(ExtIntLine, PinsOfADisabledLapicAreIntrAndNmi) {
  bank.wrmsr(CpuId{1}, LapicMsr::kApicBase, 0xFEE00000, env);
  env.clear();
  drive(1, LocalPin::Lint0, Level::High);
  EXPECT_TRUE(bank.extint_requested(CpuId{1}));
  drive(1, LocalPin::Lint1, Level::High);
  EXPECT_EQ(lines(), (std::vector<CpuLine>{CpuLine::Intr, CpuLine::Nmi}));
  drive(1, LocalPin::Thermal, Level::High);
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(ErrorInterrupt, ComesWithTheFirstErrorSinceTheLastWriteToEsr) {
  write(0, Register::kLvtError, 0xE1);
  send(fixed(0, 3));
  EXPECT_EQ(irr(0), Vectors{0xE1});
  inta(0);
  eoi(0);
  read(0, 0x0C0);
  EXPECT_EQ(irr(0), Vectors{}) << "not armed";
  EXPECT_EQ(errors(0), 1u << 6 | 1u << 7);
  write(0, Register::kIcrLow, 0x03);
  EXPECT_EQ(irr(0), Vectors{0xE1});
  EXPECT_EQ(errors(0), 1u << 5);
}

TEST_F(ErrorInterrupt, MaskedOneIsNotMadeUpFor) {
  send(fixed(0, 3));
  write(0, Register::kLvtError, 0xE1);
  EXPECT_EQ(irr(0), Vectors{});
}

TEST_F(ErrorInterrupt, WithAnIllegalVectorIsOneMoreErrorAndNoLoop) {
  write(0, Register::kLvtError, 0x05);
  read(0, 0x0C0);
  EXPECT_EQ(errors(0), 1u << 7 | 1u << 6);
}

// 11.5.3, "Redirectable IPI".
TEST_F(ErrorInterrupt, LowestPriorityIpiIsAnErrorWhereItCannotBeSent) {
  LapicBank::Config config = config_of(2);
  config.lowest_priority_ipi = LowestPriorityIpi::Refused;
  rebuild(config);
  write(0, Register::kIcrHigh, 0x01000000);
  write(0, Register::kIcrLow, 0x4141);
  EXPECT_EQ(irr(1), Vectors{});
  EXPECT_EQ(errors(0), 1u << 4);
  EXPECT_EQ(errors(1), 0u);
}

// 11.4.7.3.
TEST_F(StartUp, SipiStartsACpuOnceAfterEachInit) {
  const auto sipi = [this] {
    write(0, Register::kIcrHigh, 0x01000000);
    write(0, Register::kIcrLow, 0x4641);
  };
  const auto not_waiting = [this] {
    return std::count_if(env.notes.begin(), env.notes.end(), [](const auto& note) {
      return note.event == Event::Dropped &&
             note.detail == static_cast<std::uint64_t>(DropReason::NotWaiting);
    });
  };
  sipi();
  EXPECT_EQ(not_waiting(), 1);
  send(of_mode(1, DeliveryMode::Init));
  EXPECT_TRUE(bank.waits_for_sipi(CpuId{1}));
  sipi();
  EXPECT_FALSE(bank.waits_for_sipi(CpuId{1}));
  sipi();
  EXPECT_EQ(not_waiting(), 2);
  EXPECT_EQ(lines(), (std::vector<CpuLine>{CpuLine::Init, CpuLine::Sipi}));
}

TEST_F(StartUp, BootstrapProcessorDoesNotWait) {
  send(of_mode(0, DeliveryMode::Init));
  EXPECT_FALSE(bank.waits_for_sipi(CpuId{0}));
}

TEST_F(StartUp, InitCancelsWhatWaitsAtThePinsAndMasksTheTable) {
  write(1, kLint0, kMasked | kLevel | 0x61);
  const SpanId level = book.begin();
  const SpanId extint = book.begin();
  drive(1, LocalPin::Lint0, Level::High, level);
  send(of_mode(1, DeliveryMode::ExtInt), extint);
  send(of_mode(1, DeliveryMode::Init));
  EXPECT_TRUE(cancelled(level, CancelOp::Reset));
  EXPECT_TRUE(cancelled(extint, CancelOp::Reset));
  EXPECT_EQ(bank.intr(CpuId{1}), Level::Low);
  EXPECT_EQ(read(1, kLint0), kMasked);
}

TEST_F(LocalVectorTable, WhoDrivesAPinIsState) {
  write(1, kLint0, kMasked | kLevel | 0x61);
  drive(1, LocalPin::Lint0, Level::High, book.begin());
  const LapicBank one = bank;
  EXPECT_TRUE(bank == one);
  bank.on_pin({LapicBank::pin_of(CpuId{1}, LocalPin::Lint0), Level::High, 7, kNoSpan}, env);
  EXPECT_FALSE(bank == one) << "two drivers are not one";
}

}  // namespace
}  // namespace irqfab::x86
