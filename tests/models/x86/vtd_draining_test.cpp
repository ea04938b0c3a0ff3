// A wait of the invalidation queue against traffic, in every order that the edges allow: requests
// arrive, memory samples a table entry and its data travels, software rewrites the entry,
// invalidates and waits, messages land at the interrupt controller, and the marker's answer
// returns.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "models/x86/vtd_remapper.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86 {
namespace {

using irqfab::test::RecordingEnv;

constexpr std::uint64_t kTable = 0x200000;
constexpr std::uint64_t kQueue = 0x300000;
constexpr std::uint32_t kIndex = 5;  // the entry that software rewrites
constexpr std::uint64_t kOldVector = 0x41;
constexpr std::uint64_t kNewVector = 0x51;
constexpr std::uint64_t kOtherVector = 0x61;

struct Arrival {
  unsigned input;
  std::uint32_t index;
};
/// A read on its way: to memory, and back with what memory held when it got there.
struct Read {
  BusRead asked;
  std::optional<BusData> data;
};
struct Landing {
  SpanId span;
  std::uint64_t vector;
};

/// The unit and everything around it; a value, so that every order can be tried from each state.
struct World {
  explicit World(const VtdRemapper::Config& config, const std::vector<Arrival>& traffic)
      : unit(config), arrivals(traffic), arrived(traffic.size(), false) {
    RecordingEnv env;
    unit.write_register(vtd::IRTA_REG, kTable | 7, env);
    unit.write_register(vtd::IQA_REG, kQueue, env);
    unit.write_register(vtd::GCMD_REG, 1u << 24, env);
    unit.write_register(vtd::GCMD_REG, 1u << 25 | 1u << 26, env);
  }

  VtdRemapper unit;
  std::vector<Arrival> arrivals;
  std::vector<bool> arrived;
  bool rewritten = false;
  bool rung = false;
  std::vector<Read> reads;
  std::deque<Message> output;  // ordered: only the front can land
  std::optional<MarkerDone> marker_done;
  std::vector<Landing> landings;
  unsigned waits_completed = 0;
  unsigned status_writes = 0;
};

Bytes16 bytes(std::uint64_t low, std::uint64_t high) {
  Bytes16 out{};
  std::memcpy(out.data(), &low, 8);
  std::memcpy(out.data() + 8, &high, 8);
  return out;
}
/// What memory holds: the table, and a queue of [invalidate kIndex, wait with status].
BusData memory_at(const World& world, const BusRead& read) {
  std::uint64_t low = 0;
  if (read.address == kQueue) low = 0x14 | std::uint64_t{kIndex} << 32;
  if (read.address == kQueue + 16) low = 0x25 | std::uint64_t{1} << 32;
  if (read.address >= kTable && read.address < kQueue) {
    const bool rewritable = read.address == kTable + kIndex * Irte::kBytes;
    const std::uint64_t vector = !rewritable       ? kOtherVector
                                 : world.rewritten ? kNewVector
                                                   : kOldVector;
    low = vector << 16 | 1;
  }
  return BusData{bytes(low, read.address == kQueue + 16 ? 0x400000 : 0), read.tag, BusStatus::Ok};
}

/// Carries out one call's effects on the world.
void take_effects(World& world, const RecordingEnv& env) {
  for (const auto& sent : env.sent) {
    if (sent.port == VtdRemapper::kOutput) world.output.push_back(sent.message);
    if (const auto* read = std::get_if<BusRead>(&sent.message)) {
      world.reads.push_back({*read, std::nullopt});
    }
    if (sent.port == VtdRemapper::kMemory && std::holds_alternative<BusWrite>(sent.message)) {
      ++world.status_writes;
    }
  }
  world.waits_completed += static_cast<unsigned>(env.count(Event::InvalidationWaited));
}
void receive(World& world, PortId port, const Message& message) {
  RecordingEnv env;
  world.unit.receive(port, message, env);
  take_effects(world, env);
}

/// Every schedule from a start, depth first, and what the rules found in them.
class Schedules {
 public:
  struct Found {
    std::size_t schedules = 0;
    std::size_t stale_landings = 0;  // under the old entry, after the wait was complete
    std::size_t overtakings = 0;     // of a message of the same input
    std::size_t unfinished = 0;      // schedules that end with a message or the wait missing
  };

  Found run(const World& world) {
    explore(world);
    return found_;
  }

 private:
  void explore(const World& world) {
    bool moved = false;
    for (std::size_t i = 0; i < world.arrivals.size(); ++i) {
      if (!may_arrive(world, i)) continue;
      moved = true;
      step(world, [i](World& next) { arrive(next, i); });
    }
    if (!world.rewritten) {
      moved = true;
      step(world, [](World& next) { next.rewritten = true; });
    } else if (!world.rung && !world.unit.busy()) {
      moved = true;
      step(world, ring);
    }
    for (std::size_t i = 0; i < world.reads.size(); ++i) {
      moved = true;
      step(world, [i](World& next) { advance_read(next, i); });
    }
    if (!world.output.empty()) {
      moved = true;
      step(world, [this](World& next) { land(next); });
    }
    if (world.marker_done) {
      moved = true;
      step(world, [](World& next) {
        const MarkerDone done = *next.marker_done;
        next.marker_done.reset();
        receive(next, VtdRemapper::kOutput, done);
      });
    }
    if (!moved) finish(world);
  }
  template <class Step>
  void step(const World& world, Step&& change) {
    World next = world;
    change(next);
    explore(next);
  }

  static bool may_arrive(const World& world, std::size_t i) {
    if (world.arrived[i] || world.unit.busy()) return false;
    for (std::size_t older = 0; older < i; ++older) {
      if (!world.arrived[older] && world.arrivals[older].input == world.arrivals[i].input) {
        return false;
      }
    }
    return true;
  }
  static void arrive(World& world, std::size_t i) {
    world.arrived[i] = true;
    const std::uint64_t address = 0xFEE00010 | std::uint64_t{world.arrivals[i].index} << 5;
    receive(world, port_of(0, world.arrivals[i].input),
            BusWrite{address, 0, make_span(SourceId{world.arrivals[i].input}, i), {}, 4});
  }
  static void ring(World& world) {
    world.rung = true;
    RecordingEnv env;
    world.unit.write_register(vtd::IQT_REG, 0x20, env);
    take_effects(world, env);
  }
  static void advance_read(World& world, std::size_t i) {
    Read& read = world.reads[i];
    const bool of_queue = read.asked.address >= kQueue;  // never changes: when is no matter
    if (!read.data) {
      read.data = memory_at(world, read.asked);
      if (!of_queue) return;
    }
    const BusData data = *read.data;
    world.reads.erase(world.reads.begin() + static_cast<std::ptrdiff_t>(i));
    receive(world, VtdRemapper::kMemory, data);
  }
  void land(World& world) {
    const Message message = world.output.front();
    world.output.pop_front();
    if (const auto* marker = std::get_if<Marker>(&message)) {
      world.marker_done = MarkerDone{marker->tag};
      return;
    }
    const auto& write = std::get<BusWrite>(message);
    const Landing landing{write.span, write.data & 0xFF};
    if (world.waits_completed > 0 && landing.vector == kOldVector) ++found_.stale_landings;
    for (const Landing& earlier : world.landings) {
      if (source_of(earlier.span) == source_of(landing.span) &&
          sequence_of(earlier.span) > sequence_of(landing.span)) {
        ++found_.overtakings;
      }
    }
    world.landings.push_back(landing);
  }
  void finish(const World& world) {
    ++found_.schedules;
    std::vector<SpanId> held;
    world.unit.held_spans(held);
    if (!held.empty() || world.landings.size() != world.arrivals.size() ||
        world.waits_completed != 1 || world.status_writes != 1) {
      ++found_.unfinished;
    }
  }

  Found found_;
};

struct Case {
  const char* name;
  unsigned walks;
  std::vector<Arrival> traffic;
};
class VtdDrainingTest : public testing::TestWithParam<Case> {
 protected:
  Schedules::Found explore(Mutants mutants) const {
    VtdRemapper::Config config;
    config.walks = GetParam().walks;
    config.waiting = 4;
    config.iec_entries = 2;
    config.mutants = mutants;
    return Schedules().run(World(config, GetParam().traffic));
  }
};

TEST_P(VtdDrainingTest, NothingOldLandsAfterTheWaitInAnySchedule) {
  const Schedules::Found found = explore(Mutants{});
  EXPECT_GT(found.schedules, 1000u);
  EXPECT_EQ(found.stale_landings, 0u);
  EXPECT_EQ(found.overtakings, 0u);
  EXPECT_EQ(found.unfinished, 0u);
  RecordProperty("schedules", static_cast<int>(found.schedules));
}

TEST_P(VtdDrainingTest, AWaitThatDoesNotDrainIsCaught) {
  Mutants early;
  early.add(Mutant::InvalidationWaitEarly);
  const Schedules::Found found = explore(early);
  EXPECT_GT(found.stale_landings, 0u);
  EXPECT_EQ(found.overtakings, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Traffic, VtdDrainingTest,
    testing::Values(Case{"TwoOfOneEntryAndInput", 2, {{0, kIndex}, {0, kIndex}}},
                    Case{"TwoInputsOnOneEntry", 2, {{0, kIndex}, {1, kIndex}}},
                    Case{"BehindAMissOnAnotherEntry", 2, {{0, kIndex + 1}, {0, kIndex}}},
                    Case{"OneWalkAtATime", 1, {{0, kIndex}, {1, kIndex + 1}}},
                    Case{"ThreeWithOneWalk", 1, {{0, kIndex + 1}, {0, kIndex}, {1, kIndex}}}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace irqfab::x86
