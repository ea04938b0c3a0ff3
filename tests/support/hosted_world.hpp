// A modelled host with its software as a world to explore: each host CPU is an actor, and the clock
// is one more. No time passes by itself: a delay that is under way may come at any moment, the
// oldest first.
#pragma once

#include <vector>

#include "models/host/host_machine.hpp"

namespace irqfab::test {

/// What the machine asks of its surroundings while it is explored; a value. Derive to watch events.
class WorldEnv : public Env {
 public:
  using Env::note;
  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message&) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag tag, LaneId lane) override {
    if (host::HostMachine::is_timer(tag)) delays.push_back({tag, raw(lane)});
  }
  using Env::open;
  SpanId open(Cause, SpanId, std::uint32_t) override { return make_span(SourceId{1}, opened++); }

  friend bool operator==(const WorldEnv& a, const WorldEnv& b) {
    const auto same = [](const Elapsed& x, const Elapsed& y) {
      return x.tag == y.tag && x.lane == y.lane;
    };
    return a.opened == b.opened &&
           std::equal(a.delays.begin(), a.delays.end(), b.delays.begin(), b.delays.end(), same);
  }

  std::vector<Elapsed> delays;  // of the machine, in the order in which they began
  std::uint64_t opened = 0;
};

template <class S, class E = WorldEnv>
struct HostedWorld {
  host::HostMachine machine;
  S software;
  E env;

  host::HostCpu clock() const {
    return host::HostCpu(static_cast<std::uint16_t>(machine.config().cpus));
  }
  host::CpuMask runnable() const {
    host::CpuMask actors = machine.runnable();
    if (!env.delays.empty()) actors.add(clock());
    return actors;
  }
  void step(host::HostCpu actor) {
    if (actor == clock()) {
      const Elapsed first = env.delays.front();
      env.delays.erase(env.delays.begin());
      machine.receive(PortId{0}, first, software, env);
    } else {
      machine.step(actor, software, env);
    }
  }

  friend bool operator==(const HostedWorld& a, const HostedWorld& b) {
    return a.machine == b.machine && a.software == b.software && a.env == b.env;
  }
};

}  // namespace irqfab::test
