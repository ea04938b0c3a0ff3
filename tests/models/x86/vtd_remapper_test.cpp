#include "models/x86/vtd_remapper.hpp"

#include "tests/models/x86/vtd_fixture.hpp"

namespace irqfab::x86::test {
namespace {

class VtdRemapperTest : public VtdTest {
 protected:
  using VtdTest::VtdTest;

  void expect_blocked(unsigned reason) {
    settle();
    EXPECT_TRUE(delivered().empty());
    ASSERT_EQ(env_.count(Event::Dropped), 1u);
    EXPECT_EQ(details(Event::Dropped)[0], static_cast<std::uint64_t>(DropReason::RemapFault));
    EXPECT_EQ(recorded_fault(), reason);
  }
  static constexpr PortId kFirst = port_of(0, 0);
  static constexpr PortId kSecond = port_of(0, 1);
};

// ---- VT-d 5.1.2.2: the remappable format -------------------------------------------------------

TEST_F(VtdRemapperTest, ARequestBecomesTheMessageOfItsEntry) {
  // DST 5, V 0x71, DLM lowest priority, TM level, RH, DM logical
  set_entry(5, Irte{0x0000050000710000 | 1 << 5 | 1 << 4 | 1 << 3 | 1 << 2 | 1, 0});
  request(remappable(5), 0, span(0));
  settle();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0xFEE0500Cu);
  EXPECT_EQ(delivered()[0].data, 0xC171u);
  EXPECT_EQ(delivered()[0].size, 4);
  EXPECT_EQ(delivered()[0].span, span(0));
}

TEST_F(VtdRemapperTest, TheSubhandleCountsOnlyWithShv) {
  set_entry(5, entry(0x71));
  set_entry(7, entry(0x73));
  request(remappable(5) | 8, 2, span(0));
  request(remappable(5), 2, span(1));
  settle();
  ASSERT_EQ(delivered().size(), 2u);
  EXPECT_EQ(delivered()[0].data & 0xFF, 0x73u);
  EXPECT_EQ(delivered()[1].data & 0xFF, 0x71u);
}

TEST_F(VtdRemapperTest, HandleBit15IsAddressBit2) {
  unit_.write_register(vtd::IRTA_REG, kTable | 0xF, env_);  // 65536 entries
  unit_.write_register(vtd::GCMD_REG, kSirtp | kIre, env_);
  set_entry(0x8001, entry(0x71));
  request(0xFEE00034, 0, span(0));
  settle();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].data & 0xFF, 0x71u);
}

TEST_F(VtdRemapperTest, ReservedDataBitsAreAFaultOnlyWithShv) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0x10000, span(0));
  settle();
  EXPECT_EQ(delivered().size(), 1u);
  env_.clear();
  answered_ = 0;
  request(remappable(5) | 8, 0x10000, span(1));
  expect_blocked(0x20);
}

// ---- VT-d 5.1.3, 5.1.4: the table and its faults -----------------------------------------------

TEST_F(VtdRemapperTest, AnIndexBeyondTheTableIsAFaultAndReadsNothing) {
  set_entry(256, entry(0x71));
  request(remappable(256), 0, span(0));
  EXPECT_TRUE(open_reads().empty());
  expect_blocked(0x21);
}

TEST_F(VtdRemapperTest, TheLastEntryOfTheTableIsInIt) {
  set_entry(255, entry(0x71));
  request(remappable(255), 0, span(0));
  settle();
  EXPECT_EQ(delivered().size(), 1u);
}

TEST_F(VtdRemapperTest, HandlePlusSubhandleDoesNotWrap) {
  set_entry(0, entry(0x71));
  request(remappable(0xFFFF) | 8, 1, span(0));
  expect_blocked(0x21);
}

TEST_F(VtdRemapperTest, TheTableIsWhereSirtpFoundIt) {
  set_entry(5, entry(0x71));
  unit_.write_register(vtd::IRTA_REG, 0x500000 | 7, env_);
  request(remappable(5), 0, span(0));
  ASSERT_EQ(open_reads().size(), 1u);
  EXPECT_EQ(open_reads()[0].address, kTable + 5 * 16);
  EXPECT_EQ(open_reads()[0].size, 16);
}

TEST_F(VtdRemapperTest, AnAbsentEntryBlocksAndIsRecorded) {
  set_entry(5, Irte{0x710000, 0});
  request(remappable(5), 0, span(0));
  expect_blocked(0x22);
}

TEST_F(VtdRemapperTest, FpdBlocksWithoutARecord) {
  set_entry(5, Irte{0x710002, 0});
  request(remappable(5), 0, span(0));
  expect_blocked(0);
  EXPECT_EQ(reg(vtd::FSTS_REG), 0u);
}

TEST_F(VtdRemapperTest, AnEntryThatCannotBeReadIsAFault) {
  unit_.write_register(vtd::IRTA_REG, 0x2000007, env_);  // beyond the end of memory
  unit_.write_register(vtd::GCMD_REG, kSirtp | kIre, env_);
  request(remappable(5), 0, span(0));
  expect_blocked(0x23);
}

TEST_F(VtdRemapperTest, EveryReservedBitOfAPresentEntryIsAFault) {
  // 15 is IM: reserved without posting. 39:32 and 63:48 belong to extended interrupt mode.
  for (const unsigned bit : {12u, 13u, 14u, 15u, 24u, 31u, 32u, 39u, 48u, 63u}) {
    const VtdRemapper before = unit_;
    set_entry(5, Irte{entry(0x71).low | std::uint64_t{1} << bit, 0});
    request(remappable(5), 0, span(0));
    expect_blocked(0x24);
    unit_ = before;
    env_.clear();
    answered_ = 0;
  }
}

TEST_F(VtdRemapperTest, ReservedBitsOfTheHighHalfAreAFault) {
  set_entry(5, Irte{entry(0x71).low, std::uint64_t{1} << 20});
  request(remappable(5), 0, span(0));
  expect_blocked(0x24);
}

TEST_F(VtdRemapperTest, TheReservedSvtEncodingIsAFault) {
  set_entry(5, Irte{entry(0x71).low, 3u << 18});
  request(remappable(5), 0, span(0));
  expect_blocked(0x24);
}

TEST_F(VtdRemapperTest, AvailIsSoftwaresOwn) {
  set_entry(5, Irte{entry(0x71).low | 0xF00, 0});
  request(remappable(5), 0, span(0));
  settle();
  EXPECT_EQ(delivered().size(), 1u);
}

// ---- Source-id verification (SVT, SQ, SID) -----------------------------------------------------

struct Source {
  unsigned svt, sq, sid, requester;
  bool admitted;
};
class VtdSourceTest : public VtdRemapperTest, public testing::WithParamInterface<Source> {};

TEST_P(VtdSourceTest, OnlyWhomTheEntryNamesMayUseIt) {
  const Source& p = GetParam();
  set_entry(5, Irte{entry(0x71).low,
                    std::uint64_t{p.svt} << 18 | std::uint64_t{p.sq} << 16 | std::uint64_t{p.sid}});
  for (int cold_then_cached = 0; cold_then_cached < 2; ++cold_then_cached) {
    env_.clear();
    answered_ = 0;
    request(remappable(5), 0, span(0), VtdRemapper::kInput,
            RequesterId(static_cast<std::uint16_t>(p.requester)));
    settle();
    EXPECT_EQ(delivered().size(), p.admitted ? 1u : 0u);
    EXPECT_EQ(env_.count(Event::Dropped), p.admitted ? 0u : 1u);
  }
  EXPECT_EQ(recorded_fault(), p.admitted ? 0u : 0x26u);
  if (!p.admitted) {
    EXPECT_EQ(reg(vtd::FRCD_REG + 8) & 0xFFFF, p.requester);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Requesters, VtdSourceTest,
    testing::Values(Source{0, 0, 0x20, 0x18, true},       // SVT 0 asks nobody
                    Source{1, 0, 0x18, 0x18, true},       // SQ 0 compares all bits
                    Source{1, 0, 0x1C, 0x18, false},      // one bit off
                    Source{1, 0, 0x118, 0x18, false},     // another bus
                    Source{1, 1, 0x1C, 0x18, true},       // SQ 1 ignores bit 2
                    Source{1, 1, 0x19, 0x18, false},      // but not bit 0
                    Source{1, 1, 0x1A, 0x18, false},      // nor bit 1
                    Source{1, 2, 0x1E, 0x18, true},       // SQ 2 ignores bits 2:1
                    Source{1, 2, 0x19, 0x18, false},      // but not bit 0
                    Source{1, 3, 0x1F, 0x18, true},       // SQ 3 ignores the function
                    Source{1, 3, 0x10, 0x18, false},      // but not the device
                    Source{2, 0, 0x0204, 0x0100, false},  // buses 2 to 4
                    Source{2, 0, 0x0204, 0x02FF, true}, Source{2, 0, 0x0204, 0x0400, true},
                    Source{2, 0, 0x0204, 0x0500, false}));

// ---- What is not remapped ----------------------------------------------------------------------

TEST_F(VtdRemapperTest, CompatibilityFormatIsBlockedWithoutCfi) {
  request(0xFEE00000, 0x41, span(0));
  expect_blocked(0x25);
}

TEST_F(VtdRemapperTest, CompatibilityFormatPassesWithCfi) {
  unit_.write_register(vtd::GCMD_REG, kIre | kCfi, env_);
  request(0xFEE01000, 0x41, span(0));
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0xFEE01000u);
  EXPECT_EQ(delivered()[0].data, 0x41u);
  EXPECT_FALSE(env_.noted(Event::Remapped));
}

TEST_F(VtdRemapperTest, EverythingPassesWhileRemappingIsDisabled) {
  unit_.write_register(vtd::GCMD_REG, 0, env_);
  request(remappable(5), 0x41, span(0));
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, remappable(5));
}

TEST_F(VtdRemapperTest, AnInterruptRequestIsOneDword) {
  set_entry(5, entry(0x71));
  unit_.write_register(vtd::GCMD_REG, kIre | kCfi, env_);
  for (const std::uint64_t address : {remappable(5), std::uint64_t{0xFEE00000}}) {
    for (const std::uint8_t size : {std::uint8_t{2}, std::uint8_t{8}}) {
      env_.clear();
      unit_.receive(VtdRemapper::kInput, BusWrite{address, 0x41, span(0), {}, size}, env_);
      expect_blocked(0);
      EXPECT_TRUE(env_.noted(Event::GuestError));
    }
  }
}

TEST_F(VtdRemapperTest, WritesToMemoryPass) {
  request(0x1234, 0x41, kNoSpan);
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0x1234u);
}

TEST_F(VtdRemapperTest, AReadFromADeviceFindsNothing) {
  unit_.receive(kSecond, BusRead{0x1234, Tag{3}, kNoSpan, {}, 4}, env_);
  ASSERT_EQ(env_.sent.size(), 1u);
  EXPECT_EQ(env_.sent[0].port, kSecond);
  EXPECT_EQ(std::get<BusData>(env_.sent[0].message).status, BusStatus::NoDecode);
}

// ---- The interrupt entry cache -----------------------------------------------------------------

TEST_F(VtdRemapperTest, ACachedEntryTranslatesInTheSameCall) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  settle();
  EXPECT_EQ(details(Event::IrteFetched), (std::vector<std::uint64_t>{5}));
  env_.clear();
  request(remappable(5), 0, span(1));
  ASSERT_EQ(env_.sent.size(), 1u);
  EXPECT_EQ(delivered().size(), 1u);
  ASSERT_EQ(env_.notes.size(), 2u);
  EXPECT_EQ(env_.notes[0].event, Event::IrteHit);
  EXPECT_EQ(env_.notes[1].event, Event::Remapped);
  EXPECT_EQ(env_.notes[1].detail, 5u);
  EXPECT_EQ(env_.notes[1].span, span(1));
}

TEST_F(VtdRemapperTest, TheCacheHoldsWhatItReadUntilItIsInvalidated) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  settle();
  set_entry(5, entry(0x72));
  request(remappable(5), 0, span(1));
  unit_.invalidate_all(env_);
  request(remappable(5), 0, span(2));
  settle();
  ASSERT_EQ(delivered().size(), 3u);
  EXPECT_EQ(delivered()[1].data & 0xFF, 0x71u);
  EXPECT_EQ(delivered()[2].data & 0xFF, 0x72u);
}

TEST_F(VtdRemapperTest, IndicesThatShareALineEvictEachOtherAndAreNotConfused) {
  set_entry(5, entry(0x71));
  set_entry(5 + 64, entry(0x72));
  for (const std::uint32_t index : {5u, 5u + 64, 5u}) {
    request(remappable(index), 0, span(0));
    settle();
  }
  EXPECT_EQ(env_.count(Event::IrteFetched), 3u);
  ASSERT_EQ(delivered().size(), 3u);
  EXPECT_EQ(delivered()[1].data & 0xFF, 0x72u);
  EXPECT_EQ(delivered()[2].data & 0xFF, 0x71u);
}

TEST_F(VtdRemapperTest, AnEntryThatFaultsIsNotCached) {
  // CAP_REG.CM = 0: software need not invalidate when it makes an entry present.
  for (const Irte& bad : {Irte{0, 0}, Irte{entry(0x71).low | 1 << 12, 0}}) {
    env_.clear();
    answered_ = 0;
    set_entry(5, bad);
    request(remappable(5), 0, span(0));
    settle();
    EXPECT_TRUE(delivered().empty());
    set_entry(5, entry(0x71));
    request(remappable(5), 0, span(1));
    settle();
    EXPECT_EQ(delivered().size(), 1u);
    unit_.invalidate_all(env_);
  }
}

class VtdWithoutCacheTest : public VtdRemapperTest {
 protected:
  VtdWithoutCacheTest() : VtdRemapperTest(config()) {}
  static VtdRemapper::Config config() {
    VtdRemapper::Config config;
    config.iec_entries = 0;
    return config;
  }
};

TEST_F(VtdWithoutCacheTest, EveryRequestReadsTheTable) {
  set_entry(5, entry(0x71));
  for (unsigned i = 0; i < 2; ++i) {
    request(remappable(5), 0, span(i));
    settle();
  }
  EXPECT_EQ(env_.count(Event::IrteFetched), 2u);
  EXPECT_EQ(delivered().size(), 2u);
}

// ---- Walks, joins, order -----------------------------------------------------------------------

TEST_F(VtdRemapperTest, ASecondMissOnAnEntryJoinsTheFirst) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  request(remappable(5), 0, span(1), kSecond);
  EXPECT_EQ(open_reads().size(), 1u);
  EXPECT_EQ(open_reads()[0].span, span(0));
  settle();
  ASSERT_EQ(delivered().size(), 2u);
  EXPECT_EQ(delivered()[0].span, span(0));
  EXPECT_EQ(delivered()[1].span, span(1));
}

TEST_F(VtdRemapperTest, AHitWaitsForAnOlderMissOfItsInput) {
  set_entry(5, entry(0x71));
  set_entry(6, entry(0x72));
  request(remappable(5), 0, span(0));
  settle();
  env_.clear();
  answered_ = 0;
  request(remappable(6), 0, span(1));
  request(remappable(5), 0, span(2));
  request(0x1234, 0, kNoSpan);
  EXPECT_TRUE(delivered().empty());
  settle();
  ASSERT_EQ(delivered().size(), 3u);
  EXPECT_EQ(delivered()[0].span, span(1));
  EXPECT_EQ(delivered()[1].span, span(2));
  EXPECT_EQ(delivered()[2].address, 0x1234u);
  ASSERT_EQ(env_.count(Event::HeldForOrder), 1u) << "the write to memory is nobody's interrupt";
}

TEST_F(VtdRemapperTest, AMissThatLandsEarlyWaitsForAnOlderMissOfItsInput) {
  set_entry(5, entry(0x71));
  set_entry(6, entry(0x72));
  request(remappable(5), 0, span(0));
  request(remappable(6), 0, span(1));
  const auto reads = open_reads();
  ASSERT_EQ(reads.size(), 2u);
  answer(reads[1]);
  EXPECT_TRUE(delivered().empty());
  answer(reads[0]);
  ASSERT_EQ(delivered().size(), 2u);
  EXPECT_EQ(delivered()[0].span, span(0));
  EXPECT_EQ(delivered()[1].span, span(1));
  EXPECT_EQ(env_.count(Event::HeldForOrder), 1u);
}

TEST_F(VtdRemapperTest, AHitDoesNotWaitForAMissOfAnotherInput) {
  set_entry(5, entry(0x71));
  set_entry(6, entry(0x72));
  request(remappable(5), 0, span(0));
  settle();
  env_.clear();
  answered_ = 0;
  request(remappable(6), 0, span(1), kFirst);
  request(remappable(5), 0, span(2), kSecond);
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].span, span(2));
}

TEST_F(VtdRemapperTest, ABlockedRequestHoldsNobodyBack) {
  set_entry(6, entry(0x72));
  request(remappable(5), 0, span(0));  // absent
  request(remappable(6), 0, span(1));
  settle();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].span, span(1));
}

TEST_F(VtdRemapperTest, AnAnswerToNoQuestionIsIgnored) {
  const VtdRemapper before = unit_;
  for (const std::uint32_t tag : {0u, 3u, 4u, 5u, ~0u}) {
    unit_.receive(VtdRemapper::kMemory, BusData{{}, Tag{tag}, BusStatus::Ok}, env_);
  }
  unit_.receive(VtdRemapper::kOutput, MarkerDone{Tag{0}}, env_);
  EXPECT_TRUE(unit_ == before);
}

TEST_F(VtdRemapperTest, ItHoldsTheSpansOfRequestsThatWait) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  request(0x1234, 0, kNoSpan);
  std::vector<SpanId> held;
  unit_.held_spans(held);
  EXPECT_EQ(held, (std::vector<SpanId>{span(0)}));
  settle();
  held.clear();
  unit_.held_spans(held);
  EXPECT_TRUE(held.empty());
}

class VtdSmallTest : public VtdRemapperTest {
 protected:
  VtdSmallTest() : VtdRemapperTest(config()) {}
  static VtdRemapper::Config config() {
    VtdRemapper::Config config;
    config.walks = 2;
    config.waiting = 3;
    return config;
  }
};

TEST_F(VtdSmallTest, IsBusyWithAllWalksUnderWay) {
  request(remappable(5), 0, span(0));
  EXPECT_FALSE(unit_.busy());
  request(remappable(6), 0, span(1));
  EXPECT_TRUE(unit_.busy());
  settle();
  EXPECT_FALSE(unit_.busy());
}

TEST_F(VtdSmallTest, IsBusyWithNoRoomToWaitIn) {
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_FALSE(unit_.busy());
    request(remappable(5), 0, span(i));
  }
  EXPECT_TRUE(unit_.busy());
  settle();
  EXPECT_FALSE(unit_.busy());
}

}  // namespace
}  // namespace irqfab::x86::test
