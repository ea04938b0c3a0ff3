// Stations joined without SystemC, by a link that delivers directly.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/sim/station.hpp"
#include "tests/support/small_cores.hpp"

namespace irqfab::station_test {

using test::Answerer;
using test::kAsk;
using test::kIn;
using test::kLater;
using test::kOut;
using test::kPlain;
using test::kSilent;
using test::kSlow;
using test::Records;
using test::Relay;
using test::Walker;
using test::write;

/// What a link carried.
struct Carried {
  Time time;
  std::uint64_t data;
  std::uint16_t round;
  friend bool operator==(const Carried& a, const Carried& b) {
    return a.time == b.time && a.data == b.data && a.round == b.round;
  }
};

/// Delivers to `to`, or to nobody, and keeps the writes.
class Direct final : public Link {
 public:
  Direct(StationBase* to, PortId port) : to_(to), port_(port) {}
  void carry(const Message& message, Time departure, std::uint16_t round) override {
    if (const auto* w = std::get_if<BusWrite>(&message))
      carried.push_back({departure, w->data, round});
    if (to_ != nullptr) to_->accept(port_, message, departure, round);
  }
  std::vector<std::uint64_t> data() const {
    std::vector<std::uint64_t> all;
    for (const Carried& c : carried) all.push_back(c.data);
    return all;
  }
  std::vector<Time> times() const {
    std::vector<Time> all;
    for (const Carried& c : carried) all.push_back(c.time);
    return all;
  }

  std::vector<Carried> carried;

 private:
  StationBase* to_;
  PortId port_;
};

class StationTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kNodes = 16;

  /// A price in ps, and how soon the next may start.
  void price(Event event, Duration latency, Duration interval) {
    Price& p = prices[static_cast<std::size_t>(event)];
    p.latency = latency;
    p.interval = interval;
  }
  /// The station's lanes are the nodes from `node` on; every lane has one source, node and all.
  template <class Core>
  std::unique_ptr<Station<Core>> make(std::uint32_t node, TieClass tie = TieClass::Bridge,
                                      std::uint32_t lanes = 1) {
    StationPlan plan;
    plan.name = "s" + std::to_string(node);
    plan.first_node = NodeId{node};
    plan.lanes = lanes;
    plan.tie = tie;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) plan.first_source.push_back(node + lane);
    plan.sources = lanes;
    return std::make_unique<Station<Core>>(engine, plan, prices, Core{});
  }
  /// An edge from `from`'s port to `to`'s; `depth` bounds what waits there.
  Direct& join(StationBase& from, PortId port, StationBase* to, PortId to_port,
               Order order = Order::Ordered, unsigned depth = 0) {
    links.push_back(std::make_unique<Direct>(to, to_port));
    from.connect(port, order, links.back().get(), to, depth);
    if (depth > 0) to->fed_by(to_port, &from, port);
    return *links.back();
  }
  /// Answers of `to` go back to whoever asked.
  void join_answers(StationBase& asker, PortId port, StationBase& answerer, PortId answers) {
    join(asker, port, &answerer, answers);
    join(answerer, answers, &asker, port);
  }
  /// A span that exists already, for messages that the test itself sends.
  SpanId begin_span(Time time) {
    const SpanId span = make_span(SourceId{0}, 1000 + spans_++);
    const Key key{time, 0, TieClass::Stimulus, PortId{0}, NodeId{0}, 0};
    engine.ledger().note({time, time}, key, {time, span, 0, NodeId{0}, Event::Asserted, 0},
                         nullptr);
    return span;
  }
  /// When `event` was recorded, in canonical order.
  std::vector<Time> times(Event event, NodeId node) const {
    std::vector<Time> found;
    for (const TraceRecord& r : records.in_order()) {
      if (r.event == event && r.node == node) found.push_back(r.time);
    }
    return found;
  }
  std::vector<std::uint64_t> details(Event event) const {
    std::vector<std::uint64_t> found;
    for (const TraceRecord& r : records.in_order()) {
      if (r.event == event) found.push_back(r.detail);
    }
    return found;
  }

  PriceList prices{};
  Records records;
  Engine engine{[] {
                  Ledger::Config config;
                  config.component_of_node.assign(kNodes, 0);
                  config.components = 1;
                  config.path_of_source.assign(kNodes, 0);
                  config.paths = 1;
                  return config;
                }(),
                &records};
  std::vector<std::unique_ptr<Direct>> links;

 private:
  std::uint64_t spans_ = 0;
};

using Times = std::vector<Time>;
using Data = std::vector<std::uint64_t>;
using Life = std::vector<std::pair<Time, Event>>;

}  // namespace irqfab::station_test
