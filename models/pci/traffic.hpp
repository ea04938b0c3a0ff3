// The world that makes devices ask for interrupts: one generator per source and row of the
// workload. Every generator has its own random stream, so adding one changes nothing for the
// others.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/base/random.hpp"

namespace irqfab::pci {

enum class Pattern : std::uint8_t {
  Once,        // at `start`
  Periodic,    // at `start` and every `period` after it
  Poisson,     // the first gap begins at `start`; the mean gap is `period`
  ClosedLoop,  // `depth` outstanding; each is followed by the next `period` after it was served
};

class Traffic final {
 public:
  struct Generator {
    Pattern pattern = Pattern::Once;
    Raise raise{};                // what it asks for each time
    std::uint32_t functions = 0;  // edge of kRaise: which host bridge's functions
    SourceId source{};            // of the spans it causes, for ClosedLoop
    Time start = 0;
    Time end = 0;              // asks at times before this; 0: only once
    Duration period = 0;       // ps
    unsigned depth = 1;        // ClosedLoop
    std::uint64_t stream = 0;  // of its random numbers
  };
  struct Config {
    std::uint64_t seed = 1;
    std::vector<Generator> generators;  // in canonical order
  };

  static constexpr PortId kRaise = port_of(0);
  static constexpr PortId kCompletions = port_of(1);
  // A generator asks once at a time and at no price, so its requests cannot overtake each other: no
  // order has to be kept for each of a million generators towards each host bridge.
  static constexpr std::array<PortSpec, 2> kPorts = {{
      {"raise", EdgeKind::Fabric, Direction::Initiator, Order::Unordered, 1, 1024},
      {"completions", EdgeKind::Fabric, Direction::Target, Order::Ordered, 0, 1},
  }};

  explicit Traffic(const Config& config);

  LaneId lane_of(PortId port, const Message& message) const;
  /// HostCall on kCompletions says that the span `a` was handled, and with it all that its source
  /// had asked for.
  void receive(PortId port, const Message& message, Env& env);
  /// Called by the machine, no edge. HostCall with `call` kOpen sets generator `a` going, at its
  /// start time; with kClose it ends a closed loop, which cannot know the time.
  static constexpr PortId kStart = port_of(2);
  static constexpr std::uint16_t kOpen = 0;
  static constexpr std::uint16_t kClose = 1;

  void held_spans(std::vector<SpanId>&) const {}
  friend bool operator==(const Traffic& a, const Traffic& b);

 private:
  struct Row {
    Time next = 0;  // when it asks next
    Random random;
    unsigned outstanding = 0;  // ClosedLoop: asked for and not served
    bool closed = false;
  };

  void open(std::uint32_t generator, Env& env);
  void ask(std::uint32_t generator, Env& env);
  void plan_next(std::uint32_t generator, Env& env);
  void on_completion(SpanId span, Env& env);

  Config config_;
  std::vector<Row> rows_;
  std::vector<std::uint32_t> closed_loops_;  // generators, by ascending source
};

}  // namespace irqfab::pci
