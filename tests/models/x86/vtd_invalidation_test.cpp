#include "models/x86/vtd_remapper.hpp"
#include "tests/models/x86/vtd_fixture.hpp"

namespace irqfab::x86::test {
namespace {

class VtdInvalidationTest : public VtdTest {
 protected:
  using VtdTest::VtdTest;

  std::size_t markers() const { return env_.messages<Marker>().size(); }
  void land_marker() {
    unit_.receive(VtdRemapper::kOutput, MarkerDone{env_.messages<Marker>().back().tag}, env_);
  }
  /// Writes to memory: status writes of waits.
  std::vector<BusWrite> status_writes() const {
    std::vector<BusWrite> writes;
    for (const auto& sent : env_.sent) {
      const auto* write = std::get_if<BusWrite>(&sent.message);
      if (sent.port == VtdRemapper::kMemory && write != nullptr) writes.push_back(*write);
    }
    return writes;
  }
  std::uint64_t head() { return reg(vtd::IQH_REG); }
  bool queue_error() { return (reg(vtd::FSTS_REG) & 0x10) != 0; }
  bool cached(std::uint32_t index) {
    VtdRemapper copy = unit_;
    RecordingEnv env;
    copy.receive(VtdRemapper::kInput, BusWrite{remappable(index), 0, span(99), {}, 4}, env);
    return env.noted(Event::IrteHit);
  }
  void warm(std::uint32_t index) {
    set_entry(index, entry(0x40 + index));
    request(remappable(index), 0, span(index));
    settle();
  }
};

// ---- VT-d 6.5.2.7: interrupt entry cache invalidation ------------------------------------------

TEST_F(VtdInvalidationTest, AGlobalInvalidationEmptiesTheCache) {
  warm(5);
  warm(9);
  queue(kIecGlobal);
  ring();
  settle();
  EXPECT_FALSE(cached(5));
  EXPECT_FALSE(cached(9));
  EXPECT_EQ(details(Event::IecInvalidated), (std::vector<std::uint64_t>{~std::uint64_t{0}}));
}

TEST_F(VtdInvalidationTest, ASelectiveOneRemovesItsIndexOnly) {
  warm(5);
  warm(4);
  queue(iec_selective(5, 0));
  ring();
  settle();
  EXPECT_FALSE(cached(5));
  EXPECT_TRUE(cached(4));
  EXPECT_EQ(details(Event::IecInvalidated), (std::vector<std::uint64_t>{5}));
}

TEST_F(VtdInvalidationTest, TheIndexMaskNamesAnAlignedPowerOfTwo) {
  for (const std::uint32_t index : {3u, 4u, 5u, 7u, 8u}) warm(index);
  queue(iec_selective(4, 2));
  ring();
  settle();
  EXPECT_TRUE(cached(3));
  EXPECT_FALSE(cached(4));
  EXPECT_FALSE(cached(5));
  EXPECT_FALSE(cached(7));
  EXPECT_TRUE(cached(8));
}

TEST_F(VtdInvalidationTest, ALargestMaskCoversEverything) {
  warm(5);
  queue(iec_selective(0, 31));
  ring();
  settle();
  EXPECT_FALSE(cached(5));
}

TEST_F(VtdInvalidationTest, WhatAWalkBringsAfterItsIndexWasInvalidatedIsNotCached) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  const auto reads = open_reads();
  unit_.invalidate(IndexRange{5, 0}, env_);
  answer(reads.at(0));
  EXPECT_EQ(delivered().size(), 1u) << "the request itself is older and may use it";
  EXPECT_FALSE(cached(5));
}

TEST_F(VtdInvalidationTest, AWalkOfAnotherIndexIsCachedAllTheSame) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  unit_.invalidate(IndexRange{6, 0}, env_);
  settle();
  EXPECT_TRUE(cached(5));
}

TEST_F(VtdInvalidationTest, ARequestAfterTheInvalidationDoesNotJoinTheWalkBeforeIt) {
  request(remappable(5), 0, span(0));
  unit_.invalidate_all(env_);
  request(remappable(5), 0, span(1), port_of(0, 1));
  EXPECT_EQ(open_reads().size(), 2u);
}

// ---- VT-d 6.5.2.8: the wait descriptor ---------------------------------------------------------

TEST_F(VtdInvalidationTest, AWaitWritesItsStatusAndMovesTheHead) {
  queue(kIecGlobal);
  queue(wait_with_status(0xABCD), kStatus);
  ring();
  settle();
  ASSERT_EQ(markers(), 1u);
  EXPECT_TRUE(status_writes().empty());
  EXPECT_EQ(head(), 0x10u);
  land_marker();
  ASSERT_EQ(status_writes().size(), 1u);
  EXPECT_EQ(status_writes()[0].address, kStatus);
  EXPECT_EQ(status_writes()[0].data, 0xABCDu);
  EXPECT_EQ(status_writes()[0].size, 4);
  EXPECT_EQ(status_writes()[0].span, kNoSpan);
  EXPECT_EQ(head(), 0x20u);
  EXPECT_EQ(details(Event::InvalidationWaited), (std::vector<std::uint64_t>{1}));
}

TEST_F(VtdInvalidationTest, TheMarkerFollowsWhatWasTranslatedBefore) {
  warm(5);
  env_.clear();
  answered_ = 0;
  request(remappable(5), 0, span(0));
  queue(wait_with_status(1), kStatus);
  ring();
  settle();
  std::vector<bool> is_marker;
  for (const auto& sent : env_.sent) {
    if (sent.port == VtdRemapper::kOutput) {
      is_marker.push_back(std::holds_alternative<Marker>(sent.message));
    }
  }
  EXPECT_EQ(is_marker, (std::vector<bool>{false, true}));
}

TEST_F(VtdInvalidationTest, AWaitDrainsOlderWalksBeforeItsMarker) {
  set_entry(5, entry(0x71));
  request(remappable(5), 0, span(0));
  const BusRead table_read = open_reads().at(0);
  queue(wait_with_status(1), kStatus);
  ring();
  answer(open_reads().at(1));
  EXPECT_EQ(markers(), 0u);
  answer(table_read);
  EXPECT_EQ(delivered().size(), 1u);
  EXPECT_EQ(markers(), 1u);
}

TEST_F(VtdInvalidationTest, AWaitDrainsRequestsThatOnlyWaitForTheirTurn) {
  warm(5);
  env_.clear();
  answered_ = 0;
  request(remappable(6), 0, span(0));  // absent: it will be blocked
  request(remappable(5), 0, span(1));
  const BusRead table_read = open_reads().at(0);
  queue(wait_with_status(1), kStatus);
  ring();
  answer(open_reads().at(1));
  EXPECT_EQ(markers(), 0u);
  answer(table_read);
  EXPECT_EQ(delivered().size(), 1u);
  EXPECT_EQ(markers(), 1u);
}

TEST_F(VtdInvalidationTest, AWaitDoesNotWaitForYoungerRequests) {
  queue(wait_with_status(1), kStatus);
  request(remappable(5), 0, span(0));
  const BusRead older = open_reads().at(0);
  ring();
  answer(open_reads().at(1));
  request(remappable(6), 0, span(1), port_of(0, 1));
  answer(older);
  EXPECT_EQ(markers(), 1u);
}

TEST_F(VtdInvalidationTest, WithoutSwThereIsNoStatusWrite) {
  queue(0x5, kStatus);
  ring();
  settle();
  land_marker();
  EXPECT_TRUE(status_writes().empty());
  EXPECT_EQ(env_.count(Event::InvalidationWaited), 1u);
  EXPECT_EQ(reg(vtd::ICS_REG), 0u);
}

TEST_F(VtdInvalidationTest, IfIsReportedInIcsUntilSoftwareClearsIt) {
  queue(0x15);
  ring();
  settle();
  EXPECT_EQ(reg(vtd::ICS_REG), 0u);
  land_marker();
  EXPECT_EQ(reg(vtd::ICS_REG), 1u);
  unit_.write_register(vtd::ICS_REG, 0, env_);
  EXPECT_EQ(reg(vtd::ICS_REG), 1u);
  unit_.write_register(vtd::ICS_REG, 1, env_);
  EXPECT_EQ(reg(vtd::ICS_REG), 0u);
}

TEST_F(VtdInvalidationTest, ADescriptorAfterAWaitStartsWhenTheWaitIsComplete) {
  warm(5);
  queue(wait_with_status(1), kStatus);
  queue(kIecGlobal);
  ring();
  settle();
  EXPECT_TRUE(cached(5));
  land_marker();
  settle();
  EXPECT_FALSE(cached(5));
}

TEST_F(VtdInvalidationTest, EachStatusIsThatOfItsOwnDescriptor) {
  queue(wait_with_status(1), kStatus);
  queue(wait_with_status(2), kStatus + 4);
  ring();
  settle();
  land_marker();
  settle();
  ASSERT_EQ(status_writes().size(), 1u);
  land_marker();
  ASSERT_EQ(status_writes().size(), 2u);
  EXPECT_EQ(status_writes()[0].data, 1u);
  EXPECT_EQ(status_writes()[0].address, kStatus);
  EXPECT_EQ(status_writes()[1].data, 2u);
  EXPECT_EQ(status_writes()[1].address, kStatus + 4);
}

TEST_F(VtdInvalidationTest, AMarkerThatNobodyWaitsForCompletesNothing) {
  request(remappable(5), 0, span(0));
  queue(wait_with_status(1), kStatus);
  ring();
  answer(open_reads().at(1));
  unit_.receive(VtdRemapper::kOutput, MarkerDone{Tag{0}}, env_);
  EXPECT_TRUE(status_writes().empty());
  EXPECT_FALSE(env_.noted(Event::InvalidationWaited));
  answer(open_reads().at(0));
  EXPECT_EQ(markers(), 1u) << "the wait is still under way";
}

// ---- VT-d 6.5.2: the queue ---------------------------------------------------------------------

TEST_F(VtdInvalidationTest, TheQueueIsReadFromItsBaseAndWraps) {
  for (unsigned i = 0; i < 256; ++i) {
    queue(kIecGlobal);
    ring();
    settle();
  }
  const auto reads = env_.messages<BusRead>();
  ASSERT_EQ(reads.size(), 256u);
  EXPECT_EQ(reads[0].address, kQueue);
  EXPECT_EQ(reads[0].size, 16);
  EXPECT_EQ(reads[255].address, kQueue + 0xFF0);
  EXPECT_EQ(head(), 0u);
}

TEST_F(VtdInvalidationTest, QsDoublesTheQueue) {
  unit_.write_register(vtd::IQA_REG, kQueue | 1, env_);
  unit_.write_register(vtd::IQT_REG, 0x1FF0, env_);
  EXPECT_FALSE(queue_error());
}

TEST_F(VtdInvalidationTest, NothingIsFetchedWhileTheQueueIsDisabled) {
  unit_.write_register(vtd::GCMD_REG, kIre, env_);
  queue(kIecGlobal);
  ring();
  EXPECT_TRUE(open_reads().empty());
  unit_.write_register(vtd::GCMD_REG, kIre | kQie, env_);
  EXPECT_EQ(open_reads().size(), 1u);
}

TEST_F(VtdInvalidationTest, ATailBeyondTheQueueIsAnError) {
  unit_.write_register(vtd::IQT_REG, 4096, env_);
  EXPECT_TRUE(open_reads().empty());
  EXPECT_TRUE(queue_error());
}

TEST_F(VtdInvalidationTest, DescriptorsOfDmaRemappingComplete) {
  queue(0x11);  // context cache, global
  queue(0x12);  // IOTLB, global
  ring();
  settle();
  EXPECT_EQ(head(), 0x20u);
  EXPECT_FALSE(queue_error());
  EXPECT_FALSE(env_.noted(Event::IecInvalidated));
}

TEST_F(VtdInvalidationTest, AWrongDescriptorStopsTheQueueAtItself) {
  struct Wrong {
    std::uint64_t low, high;
  };
  const VtdRemapper fresh = unit_;
  for (const Wrong& wrong : {Wrong{0, 0}, Wrong{0xF, 0}, Wrong{kIecGlobal | 1 << 5, 0},
                             Wrong{kIecGlobal, 1}, Wrong{0x5 | 1 << 8, 0}, Wrong{0x25, 1}}) {
    unit_ = fresh;
    tail_ = 0;
    env_.clear();
    answered_ = 0;
    queue(kIecGlobal);
    queue(wrong.low, wrong.high);
    queue(kIecGlobal);
    ring();
    settle();
    EXPECT_EQ(head(), 0x10u) << std::hex << wrong.low;
    EXPECT_TRUE(queue_error()) << std::hex << wrong.low;
    EXPECT_EQ(env_.count(Event::IecInvalidated), 1u);
    EXPECT_EQ(markers(), 0u);
  }
}

TEST_F(VtdInvalidationTest, ClearingTheErrorStartsAgainAtTheSameDescriptor) {
  queue(0);
  ring();
  settle();
  ring();
  unit_.write_register(vtd::FSTS_REG, 0, env_);
  EXPECT_TRUE(open_reads().empty()) << "stopped until software clears IQE";
  memory_.write(kQueue, &kIecGlobal, 8);
  unit_.write_register(vtd::FSTS_REG, 0x10, env_);
  settle();
  EXPECT_FALSE(queue_error());
  EXPECT_EQ(head(), 0x10u);
}

TEST_F(VtdInvalidationTest, AQueueThatCannotBeReadIsAnError) {
  queue(kIecGlobal);
  ring();
  Bytes16 descriptor{};
  std::memcpy(descriptor.data(), &kIecGlobal, 8);
  unit_.receive(VtdRemapper::kMemory, BusData{descriptor, open_reads().at(0).tag, BusStatus::Error},
                env_);
  EXPECT_TRUE(queue_error());
  EXPECT_EQ(head(), 0u);
  EXPECT_FALSE(env_.noted(Event::IecInvalidated));
}

TEST_F(VtdInvalidationTest, DisablingTheQueueResetsTheHead) {
  queue(kIecGlobal);
  ring();
  settle();
  EXPECT_EQ(head(), 0x10u);
  unit_.write_register(vtd::GCMD_REG, kIre, env_);
  EXPECT_EQ(head(), 0u);
}

TEST_F(VtdInvalidationTest, ADescriptorUnderWayWhenTheQueueIsDisabledHasNoEffect) {
  warm(5);
  queue(kIecGlobal);
  ring();
  const BusRead old_read = open_reads().at(0);
  unit_.write_register(vtd::GCMD_REG, kIre, env_);
  unit_.write_register(vtd::IQT_REG, 0, env_);
  unit_.write_register(vtd::GCMD_REG, kIre | kQie, env_);
  ring();
  EXPECT_EQ(open_reads().size(), 1u) << "the tag is not used twice";
  answer(old_read);
  EXPECT_TRUE(cached(5));
  EXPECT_EQ(open_reads().size(), 2u);
  answer(open_reads().at(1));
  EXPECT_FALSE(cached(5));
  EXPECT_EQ(head(), 0x10u);
}

TEST_F(VtdInvalidationTest, AWaitUnderWayWhenTheQueueIsDisabledWritesNoStatus) {
  for (const bool marker_is_out : {false, true}) {
    env_.clear();
    answered_ = 0;
    tail_ = 0;
    if (!marker_is_out) request(remappable(5), 0, span(0));
    queue(wait_with_status(1), kStatus);
    ring();
    answer(open_reads().back());
    EXPECT_EQ(markers(), marker_is_out ? 1u : 0u);
    unit_.write_register(vtd::GCMD_REG, kIre, env_);
    unit_.write_register(vtd::IQT_REG, 0, env_);
    if (marker_is_out) {
      land_marker();
    } else {
      answer(open_reads().at(0));
    }
    EXPECT_EQ(markers(), marker_is_out ? 1u : 0u);
    EXPECT_TRUE(status_writes().empty());
    EXPECT_FALSE(env_.noted(Event::InvalidationWaited));
    unit_.write_register(vtd::GCMD_REG, kIre | kQie, env_);
  }
}

}  // namespace
}  // namespace irqfab::x86::test
