// Split transactions of a remapping unit, explored: two actors of 12 steps each in every one of
// their C(24,12) = 2,704,156 interleavings. Traffic: requests arrive, memory samples the table and
// answers, descriptors are updated, messages land. Software: it rewrites the entry, invalidates and
// waits, twice, while memory, interconnect and controller answer what the unit asks for that.
//
// The rule: once a wait's status has been written, no message arrives, at the interrupt controller
// or in a descriptor, that was translated under an entry from before it. What is checked is only
// what goes into the unit and what comes out: each version of the entry has a vector of its own.
// A step that finds nothing to do does nothing; after the last one, everything that is still under
// way comes to its end, so that each schedule is a whole story.
//
// With sanitizers, or without optimization, there are 7 steps each: 3,432 interleavings.
#include <gtest/gtest.h>

#include <array>
#include <cassert>
#include <cstring>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_remapper.hpp"

namespace irqfab::x86 {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
constexpr unsigned kSteps = 7;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
constexpr unsigned kSteps = 7;
#else
constexpr unsigned kSteps = 12;
#endif
#else
constexpr unsigned kSteps = 12;
#endif
constexpr std::size_t kSchedules = kSteps == 12 ? 2704156 : 3432;

constexpr std::uint64_t kTable = 0x200000;
constexpr std::uint64_t kQueue = 0x300000;
constexpr std::uint64_t kStatus = 0x400000;
constexpr std::uint64_t kDescriptor = 0x500000;
constexpr std::uint32_t kIndex = 5;    // the entry that software rewrites
constexpr std::uint8_t kFirst = 0x40;  // the vector of its first version; then 0x41, 0x42
constexpr Vector kNotification{0xF2};
constexpr unsigned kInputs = 2;
constexpr unsigned kRequests = 4;

/// How the three versions of the entry send their interrupts.
using Versions = std::array<Irte, 3>;

/// A queue of fixed size: worlds are copied millions of times.
template <class T>
class Line {
 public:
  bool empty() const { return size_ == 0; }
  void push(const T& item) {
    assert(size_ < items_.size());
    items_[size_++] = item;
  }
  T pop() {
    const T front = items_[0];
    for (std::size_t i = 1; i < size_; ++i) items_[i - 1] = items_[i];
    --size_;
    return front;
  }

 private:
  std::array<T, 8> items_{};
  std::size_t size_ = 0;
};

/// The unit and everything around it; a value. It is the unit's Env itself.
class World final : public Env {
 public:
  World(const VtdRemapper::Config& config, const Versions& versions)
      : unit_(config), versions_(versions) {
    unit_.write_register(vtd::IRTA_REG, kTable | 7, *this);
    unit_.write_register(vtd::IQA_REG, kQueue, *this);
    unit_.write_register(vtd::GCMD_REG, vtd::Gcmd::SIRTP::kMask, *this);
    unit_.write_register(vtd::GCMD_REG, vtd::Gcmd::IRE::kMask | vtd::Gcmd::QIE::kMask, *this);
  }

  // ---- what the actors do ----

  /// The next request, on input 0 or 1.
  void request(unsigned input) {
    constexpr std::uint64_t kAddress = 0xFEE00010 | kIndex << 5;
    const SpanId span = make_span(SourceId{input}, requests_++);
    unit_.receive(port_of(0, input), BusWrite{kAddress, 0, span, {}, 4}, *this);
  }
  /// Memory looks at the entry that a walk asks for.
  void sample() {
    if (!walks_.empty()) answers_.push(data_of(walks_.pop(), versions_[version_]));
  }
  void answer_walk() {
    if (!answers_.empty()) unit_.receive(VtdRemapper::kMemory, answers_.pop(), *this);
  }
  /// Memory updates a descriptor: that is when a post arrives.
  void update() {
    if (posts_.empty()) return;
    const PostInterrupt post = posts_.pop();
    arrive(post.span, post.vector);
    updated_.push(encode(PostAnswer{std::uint64_t{raw(kNotification)} << 16, updates_++ % 2 == 0},
                         post.tag, kNoSpan));
  }
  void answer_post() {
    if (!updated_.empty()) unit_.receive(VtdRemapper::kMemory, updated_.pop(), *this);
  }
  /// The interconnect delivers the oldest message that is no notification, and those before it.
  void land() {
    while (!output_.empty()) {
      const Message message = output_.pop();
      if (const auto* marker = std::get_if<Marker>(&message)) return landed_.push(*marker);
      const auto& write = std::get<BusWrite>(message);
      const auto vector = Vector(static_cast<std::uint8_t>(write.data));
      if (vector != kNotification) return arrive(write.span, vector);
    }
  }
  void answer_marker() {
    if (!landed_.empty()) unit_.receive(VtdRemapper::kOutput, MarkerDone{landed_.pop().tag}, *this);
  }
  void rewrite() { ++version_; }
  /// Queues an invalidation of the entry and a wait, and rings.
  void invalidate_and_wait() {
    tail_ += 2 * vtd::kDescriptorBytes;
    unit_.write_register(vtd::IQT_REG, tail_, *this);
  }
  void answer_fetch() {
    if (!fetches_.empty()) unit_.receive(VtdRemapper::kMemory, fetches_.pop(), *this);
  }

  /// Whatever is under way comes to its end.
  void settle() {
    while (!walks_.empty() || !answers_.empty() || !posts_.empty() || !updated_.empty() ||
           !output_.empty() || !landed_.empty() || !fetches_.empty()) {
      answer_fetch();
      answer_marker();
      sample();
      answer_walk();
      update();
      answer_post();
      land();
    }
  }

  // ---- what came of it ----

  bool is_stale() const { return stale_; }
  bool is_out_of_order() const { return out_of_order_; }
  bool is_complete() const {
    std::vector<SpanId> held;
    unit_.held_spans(held);
    return held.empty() && arrivals_ == requests_ && status_ == tail_ / (2 * vtd::kDescriptorBytes);
  }

 private:
  void arrive(SpanId span, Vector vector) {
    ++arrivals_;
    if (raw(vector) - unsigned{kFirst} < status_) stale_ = true;
    std::uint64_t& newest = newest_[raw(source_of(span))];
    if (sequence_of(span) + 1 < newest) out_of_order_ = true;
    newest = sequence_of(span) + 1;
  }
  static BusData data_of(const BusRead& read, const Irte& words) {
    BusData data{{}, read.tag, BusStatus::Ok};
    std::memcpy(data.data.data(), &words.low, 8);
    std::memcpy(data.data.data() + 8, &words.high, 8);
    return data;
  }
  /// Even places hold an invalidation, odd ones a wait whose status counts them.
  static BusData descriptor_for(const BusRead& read) {
    const std::uint64_t place = (read.address - kQueue) / vtd::kDescriptorBytes;
    const std::uint64_t invalidation = 0x14 | std::uint64_t{kIndex} << 32;
    const std::uint64_t wait = 0x25 | (place / 2 + 1) << 32;
    return data_of(read, place % 2 == 0 ? Irte{invalidation, 0} : Irte{wait, kStatus});
  }

  void note(Event, SpanId, std::uint64_t) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  SpanId open(Cause, SpanId, std::uint32_t) override { return make_span(SourceId{9}, 0); }
  void send(PortId port, const Message& message) override {
    if (port == VtdRemapper::kOutput) return output_.push(message);
    if (const auto* post = std::get_if<PostInterrupt>(&message)) return posts_.push(*post);
    if (const auto* write = std::get_if<BusWrite>(&message)) {
      if (write->address == kStatus) status_ = static_cast<unsigned>(write->data);
    } else if (const auto* read = std::get_if<BusRead>(&message)) {
      if (read->address >= kQueue) {
        fetches_.push(descriptor_for(*read));
      } else {
        walks_.push(*read);
      }
    }
  }

  VtdRemapper unit_;
  Versions versions_;
  Line<BusRead> walks_;
  Line<BusData> answers_;
  Line<PostInterrupt> posts_;
  Line<BusData> updated_;
  Line<BusData> fetches_;
  Line<Message> output_;
  Line<Marker> landed_;
  unsigned version_ = 0;
  unsigned status_ = 0;  // the last wait whose status was written, from 1
  unsigned requests_ = 0;
  unsigned arrivals_ = 0;
  unsigned updates_ = 0;
  std::uint32_t tail_ = 0;
  std::array<std::uint64_t, kInputs> newest_{};
  bool stale_ = false;
  bool out_of_order_ = false;
};

using Step = void (*)(World&);
using Steps = std::array<Step, 12>;

constexpr Step kRequest0 = [](World& w) { w.request(0); };
constexpr Step kRequest1 = [](World& w) { w.request(1); };
constexpr Step kSample = [](World& w) { w.sample(); };
constexpr Step kAnswerWalk = [](World& w) { w.answer_walk(); };
constexpr Step kUpdate = [](World& w) { w.update(); };
constexpr Step kAnswerPost = [](World& w) { w.answer_post(); };
constexpr Step kLand = [](World& w) { w.land(); };
constexpr Step kAnswerMarker = [](World& w) { w.answer_marker(); };
constexpr Step kAnswerFetch = [](World& w) { w.answer_fetch(); };
constexpr Step kRewrite = [](World& w) { w.rewrite(); };
constexpr Step kInvalidate = [](World& w) { w.invalidate_and_wait(); };

constexpr Steps kRemapped = {kRequest0, kSample, kRequest1,   kAnswerWalk, kRequest0, kLand,
                             kRequest0, kSample, kAnswerWalk, kLand,       kLand,     kLand};
constexpr Steps kPosted = {kRequest0, kSample, kAnswerWalk, kUpdate, kAnswerPost, kRequest1,
                           kRequest0, kSample, kAnswerWalk, kUpdate, kAnswerPost, kUpdate};
constexpr Steps kSoftware = {kRewrite,     kInvalidate,   kAnswerFetch, kAnswerFetch,
                             kLand,        kAnswerMarker, kRewrite,     kInvalidate,
                             kAnswerFetch, kAnswerFetch,  kLand,        kAnswerMarker};

struct Found {
  std::size_t schedules = 0;
  std::size_t stale = 0;
  std::size_t out_of_order = 0;
  std::size_t incomplete = 0;
  std::string first;  // schedule with one of these: T and S, for traffic and software
};

/// Depth first, with a world for each depth, so that nothing is allocated on the way.
class Interleavings {
 public:
  enum class Until : std::uint8_t { All, FirstStale };

  Interleavings(const World& start, const Steps& traffic, Until until)
      : traffic_(traffic), until_(until), worlds_(2 * kSteps + 2, start) {}

  Found run() {
    explore(0, 0);
    return found_;
  }

 private:
  void explore(unsigned traffic, unsigned software) {
    if (until_ == Until::FirstStale && found_.stale > 0) return;
    const unsigned depth = traffic + software;
    if (depth == 2 * kSteps) return finish();
    if (traffic < kSteps) {
      step(depth, 'T', traffic_[traffic]);
      explore(traffic + 1, software);
    }
    if (software < kSteps) {
      step(depth, 'S', kSoftware[software]);
      explore(traffic, software + 1);
    }
  }
  void step(unsigned depth, char actor, Step act) {
    worlds_[depth + 1] = worlds_[depth];
    schedule_[depth] = actor;
    act(worlds_[depth + 1]);
  }
  void finish() {
    World& world = worlds_[2 * kSteps + 1];
    world = worlds_[2 * kSteps];
    world.settle();
    ++found_.schedules;
    found_.stale += world.is_stale();
    found_.out_of_order += world.is_out_of_order();
    found_.incomplete += !world.is_complete();
    const bool wrong = world.is_stale() || world.is_out_of_order() || !world.is_complete();
    if (wrong && found_.first.empty()) found_.first.assign(schedule_.begin(), schedule_.end());
  }

  Steps traffic_;
  Until until_;
  std::vector<World> worlds_;
  std::array<char, 2 * kSteps> schedule_{};
  Found found_;
};

Irte sending(std::uint8_t vector) {
  ApicMessage m;
  m.vector = Vector{vector};
  return remapped_irte(m, InterruptMode::Xapic);
}
Irte posting(std::uint8_t vector) {
  return posted_irte({Vector{vector}, Urgency::Normal, kDescriptor});
}

struct Exploration {
  const char* name;
  Versions versions;
  const Steps* traffic;
};
void PrintTo(const Exploration& exploration, std::ostream* out) { *out << exploration.name; }

class VtdInterleavings : public testing::TestWithParam<Exploration> {
 protected:
  static Found explore(Interleavings::Until until, std::optional<Mutant> mutant = std::nullopt) {
    VtdRemapper::Config config;
    config.walks = 3;
    config.waiting = kRequests;
    config.iec_entries = 2;
    config.posting = Posting::Present;
    if (mutant) config.mutants.add(*mutant);
    return Interleavings(World(config, GetParam().versions), *GetParam().traffic, until).run();
  }
};

TEST_P(VtdInterleavings, NothingTranslatedUnderAnOldEntryArrivesAfterTheWait) {
  const Found found = explore(Interleavings::Until::All);
  EXPECT_EQ(found.schedules, kSchedules);
  EXPECT_EQ(found.stale, 0u) << found.first;
  EXPECT_EQ(found.out_of_order, 0u) << found.first;
  EXPECT_EQ(found.incomplete, 0u) << found.first;
}

TEST_P(VtdInterleavings, AWaitThatDoesNotDrainIsCaught) {
  EXPECT_EQ(explore(Interleavings::Until::FirstStale, Mutant::InvalidationWaitEarly).stale, 1u);
}

TEST_P(VtdInterleavings, ACacheFilledBeforeItsDataIsCaught) {
  EXPECT_EQ(explore(Interleavings::Until::FirstStale, Mutant::IecFilledEarly).stale, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Vtd, VtdInterleavings,
    testing::Values(Exploration{"Remapped",
                                {sending(kFirst), sending(kFirst + 1), sending(kFirst + 2)},
                                &kRemapped},
                    Exploration{"Posted",
                                {posting(kFirst), posting(kFirst + 1), sending(kFirst + 2)},
                                &kPosted}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace irqfab::x86
