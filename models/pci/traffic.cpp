#include "models/pci/traffic.hpp"

#include <algorithm>

namespace irqfab::pci {

Traffic::Traffic(const Config& config) : config_(config) {
  rows_.reserve(config_.generators.size());
  for (const Generator& generator : config_.generators) {
    rows_.push_back({generator.start, Random(config_.seed, generator.stream), 0, false});
    if (generator.pattern == Pattern::ClosedLoop) {
      closed_loops_.push_back(static_cast<std::uint32_t>(rows_.size() - 1));
    }
  }
  std::stable_sort(closed_loops_.begin(), closed_loops_.end(), [&](auto a, auto b) {
    return config_.generators[a].source < config_.generators[b].source;
  });
}

LaneId Traffic::lane_of(PortId port, const Message& message) const {
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) return LaneId{raw(elapsed->tag)};
  if (const auto* call = std::get_if<HostCall>(&message)) {
    if (port == kStart) return LaneId(call->a);
  }
  return LaneId{0};
}

void Traffic::receive(PortId port, const Message& message, Env& env) {
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) return ask(raw(elapsed->tag), env);
  const auto* call = std::get_if<HostCall>(&message);
  if (call == nullptr) return;
  if (port == kCompletions) return on_completion(SpanId{call->a}, env);
  const auto generator = static_cast<std::uint32_t>(call->a);
  if (call->call == kClose) {
    rows_[generator].closed = true;
  } else {
    open(generator, env);
  }
}

void Traffic::open(std::uint32_t generator, Env& env) {
  const Generator& g = config_.generators[generator];
  if (g.end != 0 && g.start >= g.end) return;
  if (g.pattern == Pattern::Poisson) return plan_next(generator, env);
  const unsigned at_once = g.pattern == Pattern::ClosedLoop ? g.depth : 1;
  for (unsigned i = 0; i < at_once; ++i) ask(generator, env);
}

void Traffic::ask(std::uint32_t generator, Env& env) {
  const Generator& g = config_.generators[generator];
  if (rows_[generator].closed) return;
  if (g.pattern == Pattern::Periodic || g.pattern == Pattern::Poisson) plan_next(generator, env);
  if (g.pattern == Pattern::ClosedLoop) ++rows_[generator].outstanding;
  env.send(port_of(0, g.functions), g.raise);
}

void Traffic::plan_next(std::uint32_t generator, Env& env) {
  const Generator& g = config_.generators[generator];
  Row& row = rows_[generator];
  const Duration gap = g.pattern == Pattern::Poisson ? row.random.exponential(g.period) : g.period;
  if (row.next >= g.end || gap >= g.end - row.next) return;
  row.next += gap;
  env.after(gap, Tag{generator}, LaneId{generator});
}

/// Whoever serves a source takes all that it has to offer, as a driver empties its queue: what was
/// merged into the interrupt is done with it, and a loop keeps its depth.
void Traffic::on_completion(SpanId span, Env& env) {
  auto at = std::lower_bound(
      closed_loops_.begin(), closed_loops_.end(), source_of(span),
      [&](std::uint32_t g, SourceId source) { return config_.generators[g].source < source; });
  for (; at != closed_loops_.end(); ++at) {
    const Generator& g = config_.generators[*at];
    if (g.source != source_of(span)) return;
    unsigned& outstanding = rows_[*at].outstanding;
    for (; outstanding > 0; --outstanding) env.after(g.period, Tag{*at}, LaneId{*at});
  }
}

bool operator==(const Traffic& a, const Traffic& b) {
  return std::equal(a.rows_.begin(), a.rows_.end(), b.rows_.begin(), b.rows_.end(),
                    [](const auto& x, const auto& y) {
                      return x.next == y.next && x.random == y.random &&
                             x.outstanding == y.outstanding && x.closed == y.closed;
                    });
}

}  // namespace irqfab::pci
