// A topology brought to life: every component a station on one timeline.
//
// With EngineKind::Tlm each has a shell on SystemC's kernel, and messages cross sockets and ports; one
// such machine a process, because SystemC elaborates once. With EngineKind::Fast the stations are
// joined directly: the same cores, queues, prices and times without SystemC, and as many machines as
// one likes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "models/base/result.hpp"
#include "models/sim/station.hpp"
#include "models/sim/timing_table.hpp"

namespace irqfab {
class ShellBase;
}

namespace irqfab::run {

/// A price that holds for one component, or some of its lanes, only.
struct NodePrice {
  std::size_t component = 0;
  LaneId first{};
  LaneId last{};
  Event event{};
  Price price;
};

enum class EngineKind : std::uint8_t { Tlm, Fast };

class Machine {
 public:
  /// `sink` may be null and must outlive the machine.
  Machine(const topology::Topology& topology, const PriceList& prices,
          const std::vector<NodePrice>& node_prices, RecordSink* sink,
          EngineKind kind = EngineKind::Tlm);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Until nothing is left to do, or up to and including `until`.
  void run(Time until = kNever);

  Engine& engine();
  const Ledger& ledger() const;
  StationBase& station(std::size_t component);

  /// The core of a component; the type must be the component's.
  template <class Core>
  Core& core(std::size_t component) {
    return static_cast<Station<Core>&>(station(component)).core();
  }

  /// Somebody outside simulated time acts on a core now; see Station::act.
  template <class Core, class Act>
  void act(std::size_t component, LaneId lane, Act&& act) {
    static_cast<Station<Core>&>(station(component)).act(lane, std::forward<Act>(act));
  }

  /// A message from outside the machine reaches a port, now or at a later time.
  void put(std::size_t component, PortId port, const Message& message, Time time);
  void put(std::size_t component, PortId port, const Message& message);

  /// Spans that some component's state holds, ascending. At a quiescent point these are the spans in
  /// flight.
  std::vector<SpanId> held_spans();
  /// Spans of messages that are on their way between components, ascending. A span can be both: the
  /// state waits while a question about it is under way.
  std::vector<SpanId> moving_spans() const;

  /// All that a run changes. Restored into the same machine, the run goes on as it did; the sink is
  /// not part of it. Error: a foreign module is bound, whose state nobody here knows.
  struct Saved {
    virtual ~Saved() = default;
  };
  Result<std::unique_ptr<Saved>> save();
  void restore(const Saved& saved);

  /// The shell of a component, to bind foreign modules to before the first run. Tlm only.
  ShellBase& shell(std::size_t component);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace irqfab::run
