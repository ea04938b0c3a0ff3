#include "fabric/scenario/equal.hpp"

#include <algorithm>
#include <tuple>

namespace irqfab::scenario {
namespace {

/// One overload a type; a class, so that the one for lists sees them all.
struct Same {
  template <class T>
  static bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const T& x, const T& y) { return same(x, y); });
  }

  static bool same(const Sources& a, const Sources& b) {
    const auto all = [](const Sources& s) {
      return std::tie(s.device, s.intx, s.first, s.last, s.some_functions, s.first_function,
                      s.last_function);
    };
    return all(a) == all(b);
  }

  static bool same(const std::optional<Moderation>& a, const std::optional<Moderation>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return std::tie(a->count, a->time) == std::tie(b->count, b->time);
  }

  static bool same(const std::optional<Msi>& a, const std::optional<Msi>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return std::tie(a->vectors, a->maskable, a->address) ==
           std::tie(b->vectors, b->maskable, b->address);
  }

  static bool same(const Device& a, const Device& b) {
    return std::tie(a.id, a.rid, a.count, a.msix, a.intx, a.attach, a.behind) ==
               std::tie(b.id, b.rid, b.count, b.msix, b.intx, b.attach, b.behind) &&
           same(a.msi, b.msi) && same(a.moderation, b.moderation);
  }

  static bool same(const PciBridge& a, const PciBridge& b) {
    return std::tie(a.id, a.rid, a.secondary, a.subordinate, a.kind, a.behind) ==
           std::tie(b.id, b.rid, b.secondary, b.subordinate, b.kind, b.behind);
  }

  static bool same(const HostBridge& a, const HostBridge& b) {
    return std::tie(a.id, a.segment, a.first_bus, a.last_bus) ==
               std::tie(b.id, b.segment, b.first_bus, b.last_bus) &&
           same(a.devices, b.devices) && same(a.bridges, b.bridges);
  }

  static bool same(const std::optional<Host>& a, const std::optional<Host>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    const auto all = [](const Host& h) {
      return std::tie(h.cpus, h.overcommit, h.slice, h.poll_most, h.poll_start, h.poll_grow,
                      h.poll_shrink, h.virtualization, h.ipi_virtualization, h.fabric, h.irqfd,
                      h.grace, h.gsis, h.routes, h.kworkers);
    };
    return all(*a) == all(*b);
  }

  static bool same(const Ioapic& a, const Ioapic& b) {
    return std::tie(a.pins, a.version, a.inputs) == std::tie(b.pins, b.version, b.inputs);
  }

  static bool same(const std::optional<Hpet>& a, const std::optional<Hpet>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return std::tie(a->comparators, a->requester) == std::tie(b->comparators, b->requester);
  }

  static bool same(const Machine& a, const Machine& b) {
    const auto plain = [](const Machine& m) {
      return std::tie(m.arch, m.path, m.cpus, m.sockets, m.apic, m.idle, m.tick, m.off_every,
                      m.off_length, m.interrupts, m.remapping, m.posted_loops);
    };
    return plain(a) == plain(b) && same(a.ioapics, b.ioapics) &&
           same(a.host_bridges, b.host_bridges) && same(a.hpet, b.hpet) && same(a.host, b.host);
  }

  static bool same(const Affinity& a, const Affinity& b) {
    return same(a.sources, b.sources) && std::tie(a.spread, a.cpus) == std::tie(b.spread, b.cpus);
  }

  static bool same(const Load& a, const Load& b) {
    return same(a.sources, b.sources) &&
           std::tie(a.kind, a.period, a.burst_size, a.depth, a.think, a.start, a.length, a.until,
                    a.replay_file) == std::tie(b.kind, b.period, b.burst_size, b.depth, b.think,
                                               b.start, b.length, b.until, b.replay_file);
  }

  static bool same(const HandlerStep& a, const HandlerStep& b) {
    return std::tie(a.kind, a.length) == std::tie(b.kind, b.length);
  }

  static bool same(const Handler& a, const Handler& b) {
    return a.device == b.device && same(a.steps, b.steps);
  }

  static bool same(const Change& a, const Change& b) {
    return same(a.sources, b.sources) &&
           std::tie(a.kind, a.at, a.every, a.length, a.to_random, a.to) ==
               std::tie(b.kind, b.at, b.every, b.length, b.to_random, b.to);
  }

  static bool same(const Value& a, const Value& b) {
    if (a.held.index() != b.held.index()) return false;
    if (const auto* list = std::get_if<ValueList>(&a.held)) {
      return same(*list, std::get<ValueList>(b.held));
    }
    if (const auto* map = std::get_if<ValueMap>(&a.held))
      return same(*map, std::get<ValueMap>(b.held));
    if (const auto* text = std::get_if<std::string>(&a.held)) {
      return *text == std::get<std::string>(b.held);
    }
    if (const auto* flag = std::get_if<bool>(&a.held)) return *flag == std::get<bool>(b.held);
    if (const auto* number = std::get_if<std::int64_t>(&a.held)) {
      return *number == std::get<std::int64_t>(b.held);
    }
    return std::get<std::uint64_t>(a.held) == std::get<std::uint64_t>(b.held);
  }

  static bool same(const ValueMap& a, const ValueMap& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.first == y.first && same(x.second, y.second);
    });
  }

  static bool same(const Step& a, const Step& b) { return a.op == b.op && same(a.args, b.args); }

  static bool same(const Actor& a, const Actor& b) {
    return a.name == b.name && same(a.steps, b.steps);
  }

  static bool same(const Expectation& a, const Expectation& b) {
    return std::tie(a.text, a.device, a.to_handler, a.metric, a.compare, a.bound) ==
           std::tie(b.text, b.device, b.to_handler, b.metric, b.compare, b.bound);
  }

  static bool same(const PriceOverride& a, const PriceOverride& b) {
    return std::tie(a.node, a.event, a.value, a.in_cycles) ==
           std::tie(b.node, b.event, b.value, b.in_cycles);
  }
};

}  // namespace

bool same(const Scenario& a, const Scenario& b) {
  return std::tie(a.title, a.profile, a.behaviour, a.seed, a.until) ==
             std::tie(b.title, b.profile, b.behaviour, b.seed, b.until) &&
         Same::same(a.machine, b.machine) && Same::same(a.affinity, b.affinity) &&
         Same::same(a.workload, b.workload) && Same::same(a.handlers, b.handlers) &&
         Same::same(a.during, b.during) && Same::same(a.setup, b.setup) &&
         Same::same(a.steps, b.steps) && Same::same(a.afterwards, b.afterwards) &&
         Same::same(a.actors, b.actors) && Same::same(a.expect, b.expect) &&
         Same::same(a.prices, b.prices);
}

}  // namespace irqfab::scenario
