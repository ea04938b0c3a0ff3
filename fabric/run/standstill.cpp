#include "fabric/run/standstill.hpp"

#include <set>

namespace irqfab::run {
namespace {

using host::Waiting;
using host::WaitKind;

std::string name_of(TaskId task, const HostView& host) {
  const std::string name = host.name_of(task);
  if (!name.empty()) return name;
  return (host.machine.is_worker(task) ? "kworker" : "task") + std::to_string(raw(task));
}

std::string what(const Waiting& waiting) {
  switch (waiting.kind) {
    case WaitKind::Lock:
      return "the lock '" + waiting.what + '\'';
    case WaitKind::GracePeriod:
      return "a grace period of '" + waiting.what + '\'';
    case WaitKind::Work:
    case WaitKind::Workqueue:
      return "the work '" + waiting.what + '\'';
    case WaitKind::EventFd:
      return "an eventfd";
    case WaitKind::Timer:
      return "time to pass";
    case WaitKind::Queue:
    case WaitKind::None:
      break;
  }
  return "somebody to wake it";
}

/// Counts each interrupt once, at the first place that claims it.
class Places {
 public:
  explicit Places(Outcome& outcome) : outcome_(outcome) {}

  void claim(const std::string& place, const std::vector<SpanId>& spans) {
    std::uint64_t count = 0;
    for (const SpanId span : spans) count += seen_.insert(span).second;
    if (count > 0) outcome_.rests.push_back({place, count});
  }

 private:
  Outcome& outcome_;
  std::set<SpanId> seen_;
};

void claim_in_host(const std::string& component, const HostView& host, Places& places) {
  for (const Waiting& waiting : host.machine.waiting()) {
    if (waiting.span == kNoSpan) continue;
    places.claim(
        component + ", " + name_of(waiting.task, host) + ", which waits for " + what(waiting),
        {waiting.span});
  }
  for (const auto& [part, spans] : host.parts) places.claim(component + ", " + part, spans);
}

}  // namespace

void describe_standstill(Machine& machine, const topology::Topology& topology, const HostView* host,
                         Outcome& outcome) {
  if (outcome.in_flight > 0) {
    Places places(outcome);
    for (std::size_t c = 0; c < topology.components.size(); ++c) {
      const std::string& name = topology.components[c].name;
      if (host != nullptr && c == host->component) claim_in_host(name, *host, places);
      std::vector<SpanId> spans;
      machine.station(c).held_spans(spans);
      places.claim(name, spans);
    }
    places.claim("on the way between components", machine.moving_spans());
  }
  if (host == nullptr) return;
  for (const Waiting& waiting : host->machine.deadlocked()) {
    DeadlockRow row{name_of(waiting.task, *host), what(waiting), {}};
    for (const TaskId other : waiting.on) row.held_by.push_back(name_of(other, *host));
    outcome.deadlock.push_back(std::move(row));
  }
}

}  // namespace irqfab::run
