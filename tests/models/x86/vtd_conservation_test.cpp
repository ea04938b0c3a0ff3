// Hostile software and hardware: random registers, tables, queues and answers. Whatever they say,
// each request's span is in one place: in the unit, sent, posted, or dropped; and once memory and
// controller have answered everything, the unit holds none.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_remapper.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86 {
namespace {

using irqfab::test::RecordingEnv;

constexpr unsigned kOperations = 20'000;  // for each of the seeds

class Chaos {
 public:
  explicit Chaos(unsigned seed) : random_(seed), unit_(config(seed)) {
    unit_.write_register(vtd::GCMD_REG, vtd::Gcmd::IRE::kMask | vtd::Gcmd::QIE::kMask, env_);
  }

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        if (!unit_.busy()) request();
        break;
      case 3:
        if (!unit_.busy()) write_register();
        break;
      default:
        answer();
    }
    take_effects();
  }
  void settle() {
    while (!asked_.empty()) {
      answer();
      take_effects();
    }
  }

  /// Where a span is: exactly one, or the book does not close.
  void check() {
    std::vector<SpanId> held;
    unit_.held_spans(held);
    for (const SpanId span : held) ++places_[span];
    for (const auto& [span, places] : places_) ASSERT_EQ(places, 1) << raw(span);
    ASSERT_EQ(places_.size(), requests_);
    for (const SpanId span : held) --places_[span];
  }
  bool holds_nothing() const {
    std::vector<SpanId> held;
    unit_.held_spans(held);
    return held.empty();
  }
  std::size_t sent() const { return sent_; }
  std::size_t posted() const { return posted_; }
  std::size_t dropped() const { return dropped_; }
  std::size_t waited() const { return waited_; }
  std::size_t events() const { return events_; }

 private:
  static VtdRemapper::Config config(unsigned seed) {
    VtdRemapper::Config config;
    config.walks = 1 + seed % 3;
    config.waiting = 1 + seed % 5;
    config.iec_entries = seed % 4;
    config.fault_records = 1 + seed % 3;
    config.posting = seed % 2 == 0 ? Posting::Present : Posting::Absent;
    config.extended_mode = seed % 4 < 2 ? ExtendedMode::Present : ExtendedMode::Absent;
    if (seed % 3 == 0) config.collapsing = vtd::FaultCollapsing::SameRequester;
    return config;
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  /// Words of which some make sense.
  std::uint64_t word() { return below(3) == 0 ? random_() : random_() & random_() & random_(); }

  void request() {
    const SpanId span = make_span(SourceId{1}, requests_++);
    places_[span] = 0;
    const std::uint64_t address = below(8) == 0 ? word() : 0xFEE00010 | (below(8) << 5);
    const std::uint8_t size = below(16) == 0 ? 8 : 4;
    unit_.receive(port_of(0, static_cast<unsigned>(below(3))),
                  BusWrite{address, word(), span, {HostBridgeId{0}, RequesterId{7}}, size}, env_);
  }
  void write_register() {
    constexpr std::array kOffsets = {vtd::GCMD_REG,   vtd::FSTS_REG,   vtd::FECTL_REG,
                                     vtd::FEDATA_REG, vtd::FEADDR_REG, vtd::IQT_REG,
                                     vtd::IQT_REG,    vtd::IQA_REG,    vtd::ICS_REG,
                                     vtd::IECTL_REG,  vtd::IRTA_REG,   vtd::FRCD_REG + 12};
    const std::uint64_t offset =
        below(4) == 0 ? below(0x400) * 4 : kOffsets[below(kOffsets.size())];
    auto value = static_cast<std::uint32_t>(word());
    if (offset == vtd::GCMD_REG && below(4) != 0) value |= 3u << 25;
    if (offset == vtd::IQT_REG && below(4) != 0) value &= 0xFF0;
    if (offset == vtd::FSTS_REG) value |= 0x11;
    unit_.write_register(offset, value, env_);
    unit_.read_register(offset, env_);
  }
  void answer() {
    if (asked_.empty()) return;
    const std::size_t at = below(asked_.size());
    const Message message = asked_[at];
    asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(at));
    const bool fails = below(16) == 0;
    if (const auto* read = std::get_if<BusRead>(&message)) {
      unit_.receive(VtdRemapper::kMemory, data_for(*read, fails), env_);
    } else if (const auto* post = std::get_if<PostInterrupt>(&message)) {
      if (fails) {
        --places_[post->span];  // it comes back
        --posted_;
        unit_.receive(VtdRemapper::kMemory, BusData{{}, post->tag, BusStatus::Error, post->span},
                      env_);
      } else {
        unit_.receive(VtdRemapper::kMemory, encode({word(), below(2) == 0}, post->tag, kNoSpan),
                      env_);
      }
    } else if (const auto* marker = std::get_if<Marker>(&message)) {
      unit_.receive(VtdRemapper::kOutput, MarkerDone{marker->tag}, env_);
    }
  }
  BusData data_for(const BusRead& read, bool fails) {
    BusData data{{}, read.tag, fails ? BusStatus::Error : BusStatus::Ok};
    std::uint64_t low = word();
    std::uint64_t high = below(2) == 0 ? 0 : word();
    if (read.span != kNoSpan && below(2) == 0) {  // an entry that works
      const Irte irte = below(2) == 0 ? posted_irte({Vector{0x71}, Urgency::Normal, low})
                                      : remapped_irte({}, InterruptMode::Xapic);
      low = irte.low;
      high = irte.high;
    } else if (read.span == kNoSpan && below(2) == 0) {  // a descriptor that works
      low = below(2) == 0 ? 0x4 : 0x35;
      high = 0;
    }
    std::memcpy(data.data.data(), &low, 8);
    std::memcpy(data.data.data() + 8, &high, 8);
    return data;
  }
  void take_effects() {
    for (const auto& sent : env_.sent) {
      if (const auto* write = std::get_if<BusWrite>(&sent.message)) {
        const auto place = places_.find(write->span);
        if (place != places_.end()) {
          ++place->second;
          ++sent_;
        }
      } else if (!std::holds_alternative<BusData>(sent.message)) {
        if (const auto* post = std::get_if<PostInterrupt>(&sent.message)) {
          ++places_[post->span];
          ++posted_;
        }
        asked_.push_back(sent.message);
      }
    }
    for (const auto& note : env_.notes) {
      if (note.event == Event::Dropped) {
        ++places_[note.span];
        ++dropped_;
      }
      waited_ += note.event == Event::InvalidationWaited;
      events_ += note.event == Event::UnitEventSent;
    }
    env_.clear();
  }

  std::mt19937_64 random_;
  VtdRemapper unit_;
  RecordingEnv env_;
  std::vector<Message> asked_;
  std::map<SpanId, int> places_;  // by request: how often it was sent, posted or dropped
  std::uint64_t requests_ = 0;
  std::size_t sent_ = 0, posted_ = 0, dropped_ = 0, waited_ = 0, events_ = 0;
};

TEST(VtdConservation, EverySpanIsInOnePlaceWhateverTheTablesAndQueuesHold) {
  std::size_t sent = 0, posted = 0, dropped = 0, waited = 0, events = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Chaos chaos(seed);
    for (unsigned n = 0; n < kOperations; ++n) {
      chaos.step();
      if (n % 1000 == 0) chaos.check();
      if (testing::Test::HasFatalFailure()) return;
    }
    chaos.settle();
    chaos.check();
    EXPECT_TRUE(chaos.holds_nothing());
    sent += chaos.sent();
    posted += chaos.posted();
    dropped += chaos.dropped();
    waited += chaos.waited();
    events += chaos.events();
  }
  EXPECT_GT(sent, 1000u);
  EXPECT_GT(posted, 1000u);
  EXPECT_GT(dropped, 1000u);
  EXPECT_GT(waited, 100u);
  EXPECT_GT(events, 10u);
}

}  // namespace
}  // namespace irqfab::x86
