#include "models/x86/ioapic.hpp"

#include <gtest/gtest.h>

#include "tests/support/recording_env.hpp"

namespace irqfab::x86 {
namespace {

using test::RecordingEnv;

constexpr Pin kPin{20};
constexpr std::uint64_t kMasked = 0x10000;
constexpr std::uint64_t kLevel = 0x8000;
constexpr std::uint64_t kRemoteIrr = 0x4000;

SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

class IoApicTest : public ::testing::Test {
 protected:
  void set_rte(Pin pin, std::uint64_t bits) {
    write_index(static_cast<std::uint8_t>(0x11 + 2 * raw(pin)),
                static_cast<std::uint32_t>(bits >> 32));
    write_index(static_cast<std::uint8_t>(0x10 + 2 * raw(pin)), static_cast<std::uint32_t>(bits));
  }
  void write_index(std::uint8_t index, std::uint32_t value) {
    ioapic.write(IoApic::kIoRegSel, index, env);
    ioapic.write(IoApic::kIoWin, value, env);
  }
  std::uint32_t read_index(std::uint8_t index) {
    ioapic.write(IoApic::kIoRegSel, index, env);
    return ioapic.read(IoApic::kIoWin, env);
  }
  void raise(std::uint32_t driver, SpanId s, Pin pin = kPin) {
    ioapic.on_pin({pin, Level::High, driver, s}, env);
  }
  void lower(std::uint32_t driver, Pin pin = kPin) {
    ioapic.on_pin({pin, Level::Low, driver, kNoSpan}, env);
  }
  /// The spans of the messages sent since the last call, oldest first.
  std::vector<SpanId> sent() {
    std::vector<SpanId> spans;
    for (const BusWrite& message : env.messages<BusWrite>()) spans.push_back(message.span);
    env.sent.clear();
    return spans;
  }
  /// The detail of the last note of `event` on `s`, or nothing.
  std::optional<std::uint64_t> noted(Event event, SpanId s) const {
    std::optional<std::uint64_t> detail;
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == s) detail = note.detail;
    }
    return detail;
  }
  bool dropped(SpanId s, DropReason reason) const {
    return noted(Event::Dropped, s) == static_cast<std::uint64_t>(reason);
  }
  bool cancelled(SpanId s, CancelOp op) const {
    return noted(Event::Cancelled, s) == static_cast<std::uint64_t>(op);
  }
  bool coalesced(SpanId s, SpanId into) const { return noted(Event::Coalesced, s) == raw(into); }
  bool remote_irr(Pin pin = kPin) const { return ioapic.rte(pin).remote_irr(); }
  std::vector<SpanId> held() const {
    std::vector<SpanId> spans;
    ioapic.held_spans(spans);
    return spans;
  }

  RecordingEnv env;
  IoApic ioapic{[] {
    IoApic::Config config;
    config.requester = {HostBridgeId{2}, RequesterId{0xF0}};
    return config;
  }()};
};

using IoApicEdge = IoApicTest;
using IoApicLevel = IoApicTest;
using IoApicRegisters = IoApicTest;
using IoApicPorts = IoApicTest;
using Spans = std::vector<SpanId>;

TEST_F(IoApicEdge, RisingEdgeSendsTheEntrysMessageWithTheSpan) {
  set_rte(kPin, 0x0300000000000951);
  raise(0, span(1));
  const auto messages = env.messages<BusWrite>();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].address, 0xFEE0300Cu);
  EXPECT_EQ(messages[0].data, 0x4151u);
  EXPECT_EQ(messages[0].span, span(1));
  EXPECT_EQ(messages[0].requester, (Requester{HostBridgeId{2}, RequesterId{0xF0}}));
  EXPECT_EQ(messages[0].size, 4);
  EXPECT_EQ(env.sent[0].port, IoApic::kMessages);
  ASSERT_EQ(env.notes.size(), 2u);
  EXPECT_EQ(env.notes[0].event, Event::PinLatched);
  EXPECT_EQ(env.notes[1].event, Event::IoapicSent);
  EXPECT_EQ(env.notes[1].detail, raw(kPin));
  EXPECT_TRUE(held().empty());
  EXPECT_FALSE(remote_irr());
}

TEST_F(IoApicEdge, HeldHighSendsOnceAndANewEdgeAgain) {
  set_rte(kPin, 0x51);
  raise(0, span(1));
  raise(0, kNoSpan);
  EXPECT_EQ(sent(), Spans{span(1)});
  lower(0);
  EXPECT_TRUE(sent().empty());
  raise(0, span(2));
  EXPECT_EQ(sent(), Spans{span(2)});
}

TEST_F(IoApicEdge, MaskedInputLatchesNothing) {
  set_rte(kPin, 0x51 | kMasked);
  raise(0, span(1));
  EXPECT_TRUE(dropped(span(1), DropReason::MaskedNotLatched));
  EXPECT_FALSE(env.noted(Event::PinLatched));
  set_rte(kPin, 0x51);
  EXPECT_TRUE(sent().empty());
}

TEST_F(IoApicEdge, SecondDriverOfAHighLineCausesNoEdgeAndMerges) {
  set_rte(kPin, 0x51);
  raise(0, span(1));
  raise(1, span(2));
  EXPECT_EQ(sent(), Spans{span(1)});
  EXPECT_TRUE(coalesced(span(2), span(1)));
}

TEST_F(IoApicEdge, SecondDriverSharesTheFateOfAnEdgeThatTheMaskSwallowed) {
  set_rte(kPin, 0x51 | kMasked);
  raise(0, span(1));
  set_rte(kPin, 0x51);
  raise(1, span(2));
  EXPECT_TRUE(dropped(span(2), DropReason::MaskedNotLatched));
}

TEST_F(IoApicEdge, SecondDriverNeverMergesIntoAnEarlierRiseOfTheLine) {
  set_rte(kPin, 0x51);
  raise(0, span(1));
  lower(0);
  set_rte(kPin, 0x51 | kMasked);
  raise(0, span(2));
  raise(1, span(3));
  EXPECT_TRUE(dropped(span(3), DropReason::MaskedNotLatched));
}

TEST_F(IoApicEdge, AssertionWithoutASpanBeginsOne) {
  set_rte(kPin, 0x51);
  raise(0, kNoSpan);
  ASSERT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(env.notes[0].detail, static_cast<std::uint64_t>(Cause::Device));
  EXPECT_EQ(sent(), Spans{env.notes[0].span});
}

TEST_F(IoApicEdge, NmiIsAnEdgeWhateverTheTriggerModeSays) {
  set_rte(kPin, 0x400 | kLevel);
  raise(0, span(1));
  EXPECT_EQ(sent(), Spans{span(1)});
  EXPECT_FALSE(remote_irr());
}

TEST_F(IoApicLevel, SetsRemoteIrrWhenSent) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  EXPECT_EQ(env.messages<BusWrite>().at(0).data, 0xC061u);
  EXPECT_TRUE(remote_irr());
  EXPECT_TRUE(held().empty());
}

TEST_F(IoApicLevel, StaysSentWhenTheLineFalls) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  EXPECT_FALSE(env.noted(Event::Cancelled));
  EXPECT_TRUE(remote_irr());
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_FALSE(remote_irr());
  EXPECT_EQ(sent(), Spans{span(1)});
}

TEST_F(IoApicLevel, TogglesWhileInServiceWaitForTheEoi) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  raise(0, span(2));
  EXPECT_EQ(sent(), Spans{span(1)});
  EXPECT_EQ(held(), Spans{span(2)});
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_EQ(sent(), Spans{span(2)});
  EXPECT_TRUE(held().empty());
  EXPECT_TRUE(remote_irr());
}

TEST_F(IoApicLevel, EoiWithTheLineHighSendsANewSpan) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  sent();
  env.clear();
  ioapic.on_eoi(Vector{0x61}, env);
  ASSERT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(env.notes[0].event, Event::RemoteIrrCleared);
  EXPECT_EQ(env.notes[0].detail, raw(kPin));
  EXPECT_EQ(env.notes[1].detail, static_cast<std::uint64_t>(Cause::Resample));
  EXPECT_EQ(sent(), Spans{env.notes[1].span});
  EXPECT_TRUE(remote_irr());
}

TEST_F(IoApicLevel, EoiOfAnEntryThatIsNotInServiceIsNothing) {
  set_rte(kPin, 0x61 | kLevel);
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_FALSE(env.noted(Event::RemoteIrrCleared));
}

TEST_F(IoApicLevel, EoiOfAnotherVectorChangesNothing) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  sent();
  ioapic.on_eoi(Vector{0x62}, env);
  EXPECT_TRUE(remote_irr());
  EXPECT_TRUE(sent().empty());
}

TEST_F(IoApicLevel, EoiEndsEveryEntryWithItsVectorAndTheHighOneAloneSendsAgain) {
  set_rte(Pin{3}, 0x67 | kLevel);
  set_rte(Pin{9}, 0x67 | kLevel);
  set_rte(Pin{10}, 0x68 | kLevel);
  raise(0, span(1), Pin{3});
  raise(0, span(2), Pin{9});
  raise(0, span(3), Pin{10});
  lower(0, Pin{3});
  sent();
  ioapic.on_eoi(Vector{0x67}, env);
  EXPECT_FALSE(remote_irr(Pin{3}));
  EXPECT_TRUE(remote_irr(Pin{9}));
  EXPECT_TRUE(remote_irr(Pin{10}));
  EXPECT_EQ(env.count(Event::RemoteIrrCleared), 2u);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(IoApicLevel, MaskedLineIsSentOnUnmaskingWhileItIsHigh) {
  set_rte(kPin, 0x61 | kLevel | kMasked);
  raise(0, span(1));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(held(), Spans{span(1)});
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_EQ(sent(), Spans{span(1)});
}

TEST_F(IoApicLevel, LineThatFallsBeforeItIsSentIsCancelled) {
  set_rte(kPin, 0x61 | kLevel | kMasked);
  raise(0, span(1));
  lower(0);
  EXPECT_TRUE(cancelled(span(1), CancelOp::LineLow));
  EXPECT_TRUE(held().empty());
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_TRUE(sent().empty());
}

TEST_F(IoApicLevel, EoiOfAMaskedEntryClearsRemoteIrrAndSendsNothing) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  sent();
  set_rte(kPin, 0x61 | kLevel | kMasked);
  EXPECT_TRUE(remote_irr());
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_FALSE(remote_irr());
  EXPECT_TRUE(sent().empty());
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(IoApicLevel, NoDriverTakesBackAnothersContribution) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  raise(900, span(2));
  lower(0);
  lower(0);
  EXPECT_EQ(ioapic.level(kPin), Level::High);
  lower(5);
  EXPECT_EQ(ioapic.level(kPin), Level::High);
  lower(900);
  EXPECT_EQ(ioapic.level(kPin), Level::Low);
}

TEST_F(IoApicLevel, AssertionDuringServiceBeginsToWaitAndLaterOnesMergeIntoIt) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  raise(1, span(2));
  raise(2, span(3));
  EXPECT_EQ(held(), Spans{span(2)});
  EXPECT_TRUE(coalesced(span(3), span(2)));
  sent();
  lower(0);
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_EQ(sent(), Spans{span(2)});
}

TEST_F(IoApicLevel, RewriteToEdgeClearsRemoteIrr) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  set_rte(kPin, 0x61 | kMasked);
  EXPECT_FALSE(remote_irr());
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_FALSE(remote_irr());
}

TEST_F(IoApicLevel, RewriteToEdgeCancelsWhatWaits) {
  set_rte(kPin, 0x61 | kLevel | kMasked);
  raise(0, span(1));
  set_rte(kPin, 0x61);
  EXPECT_TRUE(cancelled(span(1), CancelOp::RteRewrite));
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(held().empty());
}

TEST_F(IoApicLevel, RewriteToLevelFindsTheHighLine) {
  set_rte(kPin, 0x61);
  raise(0, span(1));
  sent();
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_EQ(sent().size(), 1u);
  EXPECT_TRUE(remote_irr());
}

TEST_F(IoApicLevel, MutantLeavesRemoteIrrSet) {
  IoApic::Config config;
  config.mutants.add(Mutant::RemoteIrrNeverCleared);
  ioapic = IoApic(config);
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  ioapic.on_eoi(Vector{0x61}, env);
  EXPECT_TRUE(remote_irr());
}

TEST_F(IoApicRegisters, ResetStateMasksEveryEntry) {
  for (std::uint8_t pin = 0; pin < 24; ++pin) {
    EXPECT_EQ(read_index(static_cast<std::uint8_t>(0x10 + 2 * pin)), kMasked);
    EXPECT_EQ(read_index(static_cast<std::uint8_t>(0x11 + 2 * pin)), 0u);
  }
}

TEST_F(IoApicRegisters, VersionNamesTheLastEntry) { EXPECT_EQ(read_index(1), 0x00170020u); }

TEST_F(IoApicRegisters, IdKeepsFourBitsAndLoadsTheArbitrationId) {
  write_index(0, 0xFFFFFFFF);
  EXPECT_EQ(read_index(0), 0x0F000000u);
  EXPECT_EQ(read_index(2), 0x0F000000u);
  write_index(2, 0x03000000);
  EXPECT_EQ(read_index(2), 0x0F000000u);
}

TEST_F(IoApicRegisters, SoftwareCannotWriteRemoteIrrDeliveryStatusOrReservedBits) {
  set_rte(kPin, 0xFFFFFFFFFFFFFFFF);
  EXPECT_EQ(ioapic.rte(kPin).bits, 0xFFFF00000001AFFFu);
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  set_rte(kPin, 0x61 | kLevel);
  EXPECT_EQ(ioapic.rte(kPin).bits, 0x61 | kLevel | kRemoteIrr);
}

TEST_F(IoApicRegisters, Version11HasNeitherEdidNorEoiRegister) {
  IoApic::Config config;
  config.version = IoApicVersion::V11;
  ioapic = IoApic(config);
  EXPECT_EQ(read_index(1), 0x00170011u);
  set_rte(kPin, 0xFFFF000000000061 | kLevel);
  EXPECT_EQ(ioapic.rte(kPin).bits, 0xFF00000000000061 | kLevel);
  raise(0, span(1));
  ioapic.write(IoApic::kEoiRegister, 0x61, env);
  EXPECT_TRUE(remote_irr());
  EXPECT_TRUE(env.noted(Event::GuestError));
}

TEST_F(IoApicRegisters, EoiRegisterEndsTheVector) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  ioapic.write(IoApic::kEoiRegister, 0x61, env);
  EXPECT_FALSE(remote_irr());
}

TEST_F(IoApicRegisters, IndexBeyondTheTableReadsZeroAndIsNoted) {
  for (const unsigned index : {0x03u, 0x0Fu, 0x40u, 0x41u, 0xFFu}) {
    env.clear();
    write_index(static_cast<std::uint8_t>(index), 0xFFFFFFFF);
    EXPECT_EQ(env.count(Event::GuestError), 1u) << index;
    EXPECT_EQ(read_index(static_cast<std::uint8_t>(index)), 0u) << index;
    EXPECT_EQ(env.count(Event::GuestError), 2u) << index;
  }
}

TEST_F(IoApicRegisters, LastEntryOfTheLargestTableIsReached) {
  IoApic::Config config;
  config.pins = 120;
  ioapic = IoApic(config);
  write_index(0xFE, 0x61);
  EXPECT_EQ(read_index(0xFE), 0x61u);
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(IoApicPorts, RegisterReadIsAnsweredOnItsPortWithItsTag) {
  ioapic.receive(IoApic::kRegisters, BusWrite{0xFEC00000, 1, kNoSpan, {}, 4}, env);
  ioapic.receive(IoApic::kRegisters, BusRead{0xFEC00010, Tag{5}, span(4), {}, 4}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, IoApic::kRegisters);
  const auto answer = env.messages<BusData>().at(0);
  EXPECT_EQ(answer.tag, Tag{5});
  EXPECT_EQ(answer.span, span(4));
  EXPECT_EQ(answer.status, BusStatus::Ok);
  EXPECT_EQ(answer.data, (Bytes16{0x20, 0x00, 0x17, 0x00}));
}

TEST_F(IoApicPorts, AccessesOfOtherSizesDoNothingAndAreNoted) {
  ioapic.receive(IoApic::kRegisters, BusWrite{0xFEC00000, 1, kNoSpan, {}, 1}, env);
  ioapic.receive(IoApic::kRegisters, BusRead{0xFEC00000, Tag{5}, kNoSpan, {}, 8}, env);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
  EXPECT_EQ(ioapic.read(IoApic::kIoRegSel, env), 0u);
  EXPECT_EQ(env.messages<BusData>().size(), 1u);
}

TEST_F(IoApicPorts, InterruptMessageAimedAtThePageEndsAsData) {
  ioapic.receive(IoApic::kRegisters, BusWrite{0xFEC00000, 1, span(1), {}, 4}, env);
  EXPECT_TRUE(dropped(span(1), DropReason::NoDecode));
  EXPECT_EQ(ioapic.read(IoApic::kIoRegSel, env), 1u);
}

TEST_F(IoApicPorts, DriversOfDifferentEdgesAreDifferentDrivers) {
  set_rte(kPin, 0x61 | kLevel);
  ioapic.receive(port_of(0, 0), PinChange{kPin, Level::High, 0, span(1)}, env);
  ioapic.receive(port_of(0, 1), PinChange{kPin, Level::High, 0, span(2)}, env);
  ioapic.receive(port_of(0, 0), PinChange{kPin, Level::Low, 0, kNoSpan}, env);
  EXPECT_EQ(ioapic.level(kPin), Level::High);
  ioapic.receive(port_of(0, 1), PinChange{kPin, Level::Low, 0, kNoSpan}, env);
  EXPECT_EQ(ioapic.level(kPin), Level::Low);
}

TEST_F(IoApicPorts, EoiMessageEndsTheVector) {
  set_rte(kPin, 0x61 | kLevel);
  raise(0, span(1));
  lower(0);
  ioapic.receive(IoApic::kEoi, EoiMessage{Vector{0x61}}, env);
  EXPECT_FALSE(remote_irr());
}

TEST_F(IoApicPorts, PinThatDoesNotExistIsNotedAndEndsTheSpan) {
  raise(0, span(1), Pin{24});
  EXPECT_TRUE(env.noted(Event::GuestError));
  EXPECT_TRUE(dropped(span(1), DropReason::NoRoute));
}

TEST_F(IoApicPorts, CopiesAreEqualUntilOneChanges) {
  set_rte(kPin, 0x61 | kLevel);
  IoApic copy = ioapic;
  EXPECT_TRUE(copy == ioapic);
  raise(0, span(1));
  EXPECT_FALSE(copy == ioapic);
}

}  // namespace
}  // namespace irqfab::x86
