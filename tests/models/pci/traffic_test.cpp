#include "models/pci/traffic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::pci {
namespace {

using test::RecordingEnv;
using Generator = Traffic::Generator;
using Asks = std::vector<std::pair<Time, std::uint16_t>>;  // when, and for which vector

Generator generator(Pattern pattern, std::uint16_t vector, Time start, Time end, Duration period) {
  Generator g;
  g.pattern = pattern;
  g.raise = {FunctionRow{0}, VectorIndex{vector}, RaiseKind::Message};
  g.source = SourceId{100u + vector};
  g.start = start;
  g.end = end;
  g.period = period;
  g.stream = vector;
  return g;
}

/// Plays the machine: opens generators at their start, brings delays back at their time, and may
/// complete what was asked for.
class World {
 public:
  explicit World(std::vector<Generator> generators, std::uint64_t seed = 1)
      : traffic(Traffic::Config{seed, generators}) {
    for (std::uint32_t g = 0; g < generators.size(); ++g) {
      at(generators[g].start, Traffic::kStart, HostCall{Traffic::kOpen, {}, g, 0});
    }
  }
  void at(Time time, PortId port, const Message& message) { due_.push_back({time, port, message}); }
  void complete(Time time, SourceId source) {
    at(time, Traffic::kCompletions, HostCall{0, {}, raw(make_span(source, 0)), 0});
  }
  void close(Time time, std::uint32_t generator) {
    at(time, Traffic::kStart, HostCall{Traffic::kClose, {}, generator, 0});
  }
  void run(Time until = kNever) {
    while (!due_.empty()) {
      const auto next = std::min_element(
          due_.begin(), due_.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
      if (next->time > until) return;
      const Due item = *next;
      due_.erase(next);
      traffic.receive(item.port, item.message, env);
      for (const auto& sent : env.sent) {
        asks.emplace_back(item.time, raw(std::get<Raise>(sent.message).vector));
        ports.push_back(sent.port);
      }
      for (const auto& delay : env.delays) {
        const LaneId lane = delay.lane.value_or(LaneId{0});
        at(item.time + delay.delay, PortId{0xFFFF}, Elapsed{delay.tag, raw(lane)});
      }
      EXPECT_TRUE(env.notes.empty());
      env.clear();
    }
  }
  Asks of(std::uint16_t vector) const {
    Asks found;
    for (const auto& ask : asks) {
      if (ask.second == vector) found.push_back(ask);
    }
    return found;
  }

  Traffic traffic;
  RecordingEnv env;
  Asks asks;
  std::vector<PortId> ports;

 private:
  struct Due {
    Time time;
    PortId port;
    Message message;
  };
  std::vector<Due> due_;
};

TEST(Traffic, OnceAsksAtItsStartAndNeverAgain) {
  World world({generator(Pattern::Once, 3, 70, 0, 10)});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{70, 3}}));
}

TEST(Traffic, WhatIsAskedForIsTheGeneratorsOwnRaise) {
  Generator g = generator(Pattern::Once, 3, 0, 0, 0);
  g.raise.row = FunctionRow{9};
  g.raise.kind = RaiseKind::IntxPulse;
  g.functions = 2;
  Traffic traffic(Traffic::Config{1, {g}});
  RecordingEnv env;
  traffic.receive(Traffic::kStart, HostCall{Traffic::kOpen, {}, 0, 0}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, port_of(spec_of(Traffic::kRaise), 2));
  const auto raise = env.messages<Raise>().at(0);
  EXPECT_EQ(raise.row, FunctionRow{9});
  EXPECT_EQ(raise.vector, VectorIndex{3});
  EXPECT_EQ(raise.kind, RaiseKind::IntxPulse);
}

TEST(Traffic, PeriodicAsksAtItsStartAndEveryPeriodBeforeItsEnd) {
  World world({generator(Pattern::Periodic, 1, 5, 26, 10)});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{5, 1}, {15, 1}, {25, 1}}));
}

TEST(Traffic, TheEndItselfIsOutside) {
  World world({generator(Pattern::Periodic, 1, 5, 25, 10)});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{5, 1}, {15, 1}}));
}

TEST(Traffic, WithoutAnEndPeriodicAsksOnce) {
  World world({generator(Pattern::Periodic, 1, 5, 0, 10)});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{5, 1}}));
}

TEST(Traffic, AnEndAtTheStartLeavesNoTimeToAsk) {
  World world(
      {generator(Pattern::Periodic, 1, 5, 5, 10), generator(Pattern::ClosedLoop, 2, 5, 5, 1)});
  world.run();
  EXPECT_TRUE(world.asks.empty());
}

TEST(Traffic, ThePeriodMayReachBeyondTheEndOfTime) {
  World world({generator(Pattern::Periodic, 1, 5, kNever, kNever - 2),
               generator(Pattern::Poisson, 2, 5, kNever, kNever)});
  world.run();
  EXPECT_EQ(world.of(1), (Asks{{5, 1}}));
  EXPECT_LE(world.of(2).size(), 30u);  // gaps below 2^64 do not wrap into the past
  EXPECT_TRUE(std::is_sorted(world.asks.begin(), world.asks.end()));
}

TEST(Traffic, PoissonDrawsItsGapsFromItsOwnStreamFromTheStartOn) {
  World world({generator(Pattern::Poisson, 4, 1000, 100'000, 500)}, 42);
  world.run();
  Random random(42, 4);
  Asks expected;
  for (Time time = 1000 + random.exponential(500); time < 100'000;
       time += random.exponential(500)) {
    expected.emplace_back(time, 4);
  }
  EXPECT_EQ(world.asks, expected);
  EXPECT_GT(world.asks.size(), 100u);
}

TEST(Traffic, AnotherSeedGivesAnotherPoisson) {
  World a({generator(Pattern::Poisson, 4, 0, 100'000, 500)}, 1);
  World b({generator(Pattern::Poisson, 4, 0, 100'000, 500)}, 2);
  a.run();
  b.run();
  EXPECT_NE(a.asks, b.asks);
}

TEST(Traffic, GeneratorsDoNotDisturbEachOther) {
  const Generator poisson = generator(Pattern::Poisson, 4, 0, 100'000, 500);
  World alone({poisson});
  World among({generator(Pattern::Poisson, 1, 0, 100'000, 300), poisson,
               generator(Pattern::Periodic, 7, 3, 100'000, 91)});
  alone.run();
  among.run();
  EXPECT_EQ(alone.asks, among.of(4));
  EXPECT_FALSE(among.of(1).empty());
  EXPECT_FALSE(among.of(7).empty());
}

TEST(Traffic, EveryGeneratorIsALane) {
  World world(
      {generator(Pattern::Periodic, 1, 0, 100, 10), generator(Pattern::Periodic, 2, 0, 100, 10)});
  EXPECT_EQ(world.traffic.lane_of(Traffic::kStart, HostCall{Traffic::kOpen, {}, 1, 0}), LaneId{1});
  world.traffic.receive(Traffic::kStart, HostCall{Traffic::kOpen, {}, 1, 0}, world.env);
  ASSERT_EQ(world.env.delays.size(), 1u);
  EXPECT_EQ(world.env.delays[0].lane, LaneId{1});
  EXPECT_EQ(world.traffic.lane_of(PortId{0xFFFF}, Elapsed{world.env.delays[0].tag, 1}), LaneId{1});
}

// ---- closed loops -----------------------------------------------------------------------------

Generator loop(std::uint16_t vector, unsigned depth, Duration think) {
  Generator g = generator(Pattern::ClosedLoop, vector, 10, 1000, think);
  g.depth = depth;
  return g;
}

TEST(TrafficClosedLoop, StartsWithItsDepthOutstanding) {
  World world({loop(1, 3, 5)});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{10, 1}, {10, 1}, {10, 1}}));
}

TEST(TrafficClosedLoop, AsksAgainAPeriodAfterOneWasHandled) {
  World world({loop(1, 1, 5)});
  world.complete(30, SourceId{101});
  world.complete(50, SourceId{101});
  world.run();
  EXPECT_EQ(world.asks, (Asks{{10, 1}, {35, 1}, {55, 1}}));
}

TEST(TrafficClosedLoop, OnlyItsOwnSourceCounts) {
  World world({loop(4, 1, 7), loop(1, 1, 5)});  // not in order of source
  world.complete(20, SourceId{102});
  world.complete(30, SourceId{104});
  world.complete(40, SourceId{999});
  world.run();
  EXPECT_EQ(world.of(1), (Asks{{10, 1}}));
  EXPECT_EQ(world.of(4), (Asks{{10, 4}, {37, 4}}));
}

TEST(TrafficClosedLoop, NeverHasMoreThanItsDepthOutstanding) {
  World world({loop(1, 2, 5)});
  for (unsigned i = 0; i < 5; ++i) world.complete(20, SourceId{101});
  world.run();
  EXPECT_EQ(world.of(1), (Asks{{10, 1}, {10, 1}, {25, 1}, {25, 1}}));
}

TEST(TrafficClosedLoop, OneHandlerServesAllThatItsSourceAskedFor) {
  World world({loop(1, 3, 5)});
  world.complete(20, SourceId{101});  // of three interrupts that merged
  world.complete(40, SourceId{101});
  world.run();
  EXPECT_EQ(
      world.asks,
      (Asks{{10, 1}, {10, 1}, {10, 1}, {25, 1}, {25, 1}, {25, 1}, {45, 1}, {45, 1}, {45, 1}}));
}

TEST(TrafficClosedLoop, TwoLoopsOfOneSourceAreBothServed) {
  World world({loop(1, 1, 5), loop(1, 1, 7)});
  world.complete(20, SourceId{101});
  world.complete(21, SourceId{101});  // nothing is outstanding
  world.run();
  EXPECT_EQ(world.asks, (Asks{{10, 1}, {10, 1}, {25, 1}, {27, 1}}));
}

TEST(TrafficClosedLoop, EndsWhenItIsClosed) {
  World world({loop(1, 1, 5), loop(4, 1, 5)});
  world.close(32, 0);
  world.complete(20, SourceId{101});
  world.complete(30, SourceId{101});  // would ask at 35
  world.complete(30, SourceId{104});
  world.run();
  EXPECT_EQ(world.of(1), (Asks{{10, 1}, {25, 1}}));
  EXPECT_EQ(world.of(4), (Asks{{10, 4}, {35, 4}}));
}

TEST(Traffic, ACopyContinuesAlike) {
  World world({generator(Pattern::Poisson, 4, 0, 50'000, 500), loop(1, 2, 5)});
  world.complete(100, SourceId{101});
  world.run(20'000);
  World copy = world;
  EXPECT_EQ(copy.traffic, world.traffic);
  copy.run();
  EXPECT_FALSE(copy.traffic == world.traffic);
  world.run();
  EXPECT_EQ(copy.traffic, world.traffic);
  EXPECT_EQ(copy.asks, world.asks);
  EXPECT_TRUE(test::held_by(world.traffic).empty());
}

}  // namespace
}  // namespace irqfab::pci
