// COMPLETION_WAIT against traffic, in every order that the edges allow: requests arrive, memory
// samples table entries and their data travels, software rewrites an entry of the device table or
// of the interrupt table, invalidates and waits, messages land at the interrupt controller, and the
// marker's answer returns.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "models/x86/amdvi_unit.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86 {
namespace {

using irqfab::test::RecordingEnv;

constexpr std::uint64_t kDevices = 0x200000;
constexpr std::uint64_t kOldTable = 0x300000;
constexpr std::uint64_t kNewTable = 0x310000;
constexpr std::uint64_t kCommands = 0x400000;
constexpr std::uint64_t kStore = 0x500000;
constexpr RequesterId kNic{0x18};
constexpr std::uint64_t kIndex = 5;  // whose interrupt software moves
constexpr std::uint64_t kOldVector = 0x41;
constexpr std::uint64_t kNewVector = 0x51;
constexpr std::uint64_t kOtherVector = 0x61;

/// What software rewrites.
enum class Rewrite : std::uint8_t { InterruptEntry, DeviceEntry };

struct Arrival {
  unsigned input;
  std::uint64_t index;
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
  World(const AmdViUnit::Config& config, Rewrite what, const std::vector<Arrival>& traffic)
      : unit(config), rewrite(what), arrivals(traffic), arrived(traffic.size(), false) {
    RecordingEnv env;
    unit.write_register(0x00, kDevices, env);
    unit.write_register(0x08, kCommands | std::uint64_t{8} << 56, env);
    unit.write_register(0x18, 1 | 1 << 12, env);
  }

  AmdViUnit unit;
  Rewrite rewrite;
  std::vector<Arrival> arrivals;
  std::vector<bool> arrived;
  bool rewritten = false;
  bool rung = false;
  std::vector<Read> reads;
  std::deque<Message> output;  // ordered: only the front can land
  std::optional<MarkerDone> marker_done;
  std::vector<Landing> landings;
  unsigned waits_completed = 0;
  unsigned stores = 0;
};

/// [INVALIDATE_DEVTAB_ENTRY,] INVALIDATE_INTERRUPT_TABLE, COMPLETION_WAIT with a store.
std::vector<std::uint64_t> commands_of(Rewrite rewrite) {
  const auto command = [](std::uint64_t opcode, std::uint64_t low) { return opcode << 60 | low; };
  std::vector<std::uint64_t> all;
  if (rewrite == Rewrite::DeviceEntry) all.push_back(command(2, raw(kNic)));
  all.push_back(command(5, raw(kNic)));
  all.push_back(command(1, 1 | kStore));
  return all;
}

std::uint64_t word_at(const World& world, std::uint64_t address) {
  const bool moved = world.rewritten;
  if (address >= kCommands) return commands_of(world.rewrite).at((address - kCommands) / 16);
  if (address < kOldTable) {
    const bool new_table = world.rewrite == Rewrite::DeviceEntry && moved;
    return 1 | 4 << 1 | (new_table ? kNewTable : kOldTable) | std::uint64_t{2} << 60;
  }
  const bool in_old = address < kNewTable;
  const std::uint64_t index = (address - (in_old ? kOldTable : kNewTable)) / 4;
  const bool rewritable = world.rewrite == Rewrite::InterruptEntry && moved;
  const std::uint64_t vector = index != kIndex         ? kOtherVector
                               : in_old && !rewritable ? kOldVector
                                                       : kNewVector;
  return vector << 16 | 1;
}
/// Can what the read finds change while it is on its way?
bool depends_on_time(const World& world, std::uint64_t address) {
  if (world.rewrite == Rewrite::DeviceEntry) return address < kOldTable;
  return address == kOldTable + kIndex * 4;
}
BusData memory_at(const World& world, const BusRead& read) {
  BusData answer{{}, read.tag, BusStatus::Ok};
  const std::uint64_t word = word_at(world, read.address);
  std::memcpy(answer.data.data(), &word, sizeof word);
  return answer;
}

/// Carries out one call's effects on the world.
void take_effects(World& world, const RecordingEnv& env) {
  for (const auto& sent : env.sent) {
    if (sent.port == AmdViUnit::kOutput) world.output.push_back(sent.message);
    if (const auto* read = std::get_if<BusRead>(&sent.message)) {
      world.reads.push_back({*read, std::nullopt});
    }
    if (sent.port == AmdViUnit::kMemory && std::holds_alternative<BusWrite>(sent.message)) {
      ++world.stores;
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
    std::size_t stale_caches = 0;    // ends at which a new request would find the old entry
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
        receive(next, AmdViUnit::kOutput, done);
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
    const Arrival& arrival = world.arrivals[i];
    receive(world, port_of(0, arrival.input),
            BusWrite{0xFEE00000,
                     arrival.index,
                     make_span(SourceId{arrival.input}, i),
                     {HostBridgeId{0}, kNic},
                     4});
  }
  static void ring(World& world) {
    world.rung = true;
    RecordingEnv env;
    world.unit.write_register(0x2008, 16 * commands_of(world.rewrite).size(), env);
    take_effects(world, env);
  }
  static void advance_read(World& world, std::size_t i) {
    Read& read = world.reads[i];
    if (!read.data) {
      read.data = memory_at(world, read.asked);
      if (depends_on_time(world, read.asked.address)) return;
    }
    const BusData data = *read.data;
    world.reads.erase(world.reads.begin() + static_cast<std::ptrdiff_t>(i));
    receive(world, AmdViUnit::kMemory, data);
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
        world.waits_completed != 1 || world.stores != 1) {
      ++found_.unfinished;
    }
    World after = world;
    receive(after, AmdViUnit::kInput,
            BusWrite{0xFEE00000, kIndex, kNoSpan, {HostBridgeId{0}, kNic}, 4});
    while (!after.reads.empty()) advance_read(after, 0);
    if ((std::get<BusWrite>(after.output.back()).data & 0xFF) != kNewVector) ++found_.stale_caches;
  }

  Found found_;
};

struct Case {
  const char* name;
  Rewrite rewrite;
  unsigned requests;
  std::vector<Arrival> traffic;
};
class AmdViDrainingTest : public testing::TestWithParam<Case> {
 protected:
  Schedules::Found explore(Mutants mutants) const {
    AmdViUnit::Config config;
    config.requests = GetParam().requests;
    config.dte_entries = config.irte_entries = 2;
    config.mutants = mutants;
    return Schedules().run(World(config, GetParam().rewrite, GetParam().traffic));
  }
};

TEST_P(AmdViDrainingTest, NothingOldLandsAfterTheWaitInAnySchedule) {
  const Schedules::Found found = explore(Mutants{});
  EXPECT_GT(found.schedules, 1000u);
  EXPECT_EQ(found.stale_landings, 0u);
  EXPECT_EQ(found.overtakings, 0u);
  EXPECT_EQ(found.unfinished, 0u);
  EXPECT_EQ(found.stale_caches, 0u);
  RecordProperty("schedules", static_cast<int>(found.schedules));
}

TEST_P(AmdViDrainingTest, AWaitThatDoesNotDrainIsCaught) {
  Mutants early;
  early.add(Mutant::InvalidationWaitEarly);
  const Schedules::Found found = explore(early);
  EXPECT_GT(found.stale_landings, 0u);
  EXPECT_EQ(found.overtakings, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Traffic, AmdViDrainingTest,
    testing::Values(
        Case{"TwoOfOneEntryAndInput", Rewrite::InterruptEntry, 4, {{0, kIndex}, {0, kIndex}}},
        Case{"TwoInputsOnOneEntry", Rewrite::InterruptEntry, 4, {{0, kIndex}, {1, kIndex}}},
        Case{"BehindAMissOnAnotherEntry", Rewrite::InterruptEntry, 4, {{0, 6}, {0, kIndex}}},
        Case{"OneRequestAtATime", Rewrite::InterruptEntry, 1, {{0, kIndex}, {1, 6}}},
        Case{"AnotherTable", Rewrite::DeviceEntry, 4, {{0, kIndex}, {0, kIndex}}},
        Case{"AnotherTableTwoInputs", Rewrite::DeviceEntry, 4, {{0, kIndex}, {1, kIndex}}},
        Case{"AnotherTableOneAtATime", Rewrite::DeviceEntry, 1, {{0, kIndex}, {1, kIndex}}}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace irqfab::x86
