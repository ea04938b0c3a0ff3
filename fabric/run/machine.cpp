#include "fabric/run/machine.hpp"

#include <algorithm>
#include <string>

#include "models/tlm/shell.hpp"

namespace irqfab::run {
namespace {

using topology::Component;
using topology::Topology;

Ledger::Config ledger_config(const Topology& topology) {
  Ledger::Config config;
  config.components = static_cast<std::uint16_t>(topology.components.size());
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    config.component_of_node.insert(config.component_of_node.end(),
                                    topology.components[c].lanes.size(),
                                    static_cast<std::uint16_t>(c));
  }
  config.path_of_source = topology.sources.path;
  config.paths = static_cast<std::uint32_t>(topology.paths.size());
  return config;
}

StationPlan plan_of(const Component& component, std::uint32_t first_node) {
  StationPlan plan;
  plan.name = component.name;
  plan.first_node = NodeId{first_node};
  plan.lanes = static_cast<std::uint32_t>(component.lanes.size());
  plan.tie = row_of(component.config).tie;
  plan.first_source = component.first_source;
  plan.sources = component.sources;
  return plan;
}

/// SystemC allows letters, digits and underscores in names without a warning.
std::string module_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; }, '_');
  return name;
}

/// From one station straight into another.
class DirectLink final : public Link {
 public:
  DirectLink(StationBase& peer, PortId port) : peer_(peer), port_(port) {}
  void carry(const Message& message, Time departure, std::uint16_t round) override {
    peer_.accept(port_, message, departure, round);
  }

 private:
  StationBase& peer_;
  PortId port_;
};

struct SavedMachine final : Machine::Saved {
  explicit SavedMachine(Engine::Saved saved) : engine(std::move(saved)) {}
  Engine::Saved engine;
  std::vector<std::unique_ptr<StationBase::Saved>> stations;
  std::vector<ShellBase::SavedPorts> ports;
};

std::vector<SpanId> each_once(std::vector<SpanId> spans) {
  std::sort(spans.begin(), spans.end());
  spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
  return spans;
}

}  // namespace

struct Machine::Parts {
  Parts(const Topology& topology, const PriceList& prices, RecordSink* sink, EngineKind kind)
      : engine(ledger_config(topology), sink) {
    if (kind == EngineKind::Tlm) {
      kernel = std::make_unique<Kernel>("irqfab", engine, RunAhead::On);
    }
    const auto first = topology::first_nodes(topology);
    for (std::size_t c = 0; c < topology.components.size(); ++c) {
      if (kernel) {
        shells.push_back(make_shell(topology.components[c], first[c], prices));
        stations.push_back(&shells.back()->station());
      } else {
        bare.push_back(make_station(topology.components[c], first[c], prices));
        stations.push_back(bare.back().get());
      }
    }
    for (const topology::Edge& edge : topology.edges) join_edge(topology, edge, prices);
  }

  std::unique_ptr<ShellBase> make_shell(const Component& component, std::uint32_t first_node,
                                        const PriceList& prices) {
    const std::string name = module_name(component.name);
    return std::visit(
        [&](const auto& config) -> std::unique_ptr<ShellBase> {
          using Core = typename CoreOf<std::decay_t<decltype(config)>>::type;
          return std::make_unique<Shell<Core>>(name.c_str(), *kernel,
                                               plan_of(component, first_node), prices,
                                               Core(config));
        },
        component.config);
  }

  std::unique_ptr<StationBase> make_station(const Component& component, std::uint32_t first_node,
                                            const PriceList& prices) {
    return std::visit(
        [&](const auto& config) -> std::unique_ptr<StationBase> {
          using Core = typename CoreOf<std::decay_t<decltype(config)>>::type;
          return std::make_unique<Station<Core>>(engine, plan_of(component, first_node), prices,
                                                 Core(config));
        },
        component.config);
  }

  void join_edge(const Topology& topology, const topology::Edge& edge, const PriceList& prices) {
    const Component& from = topology.components[edge.from];
    const Component& to = topology.components[edge.to];
    const PortSpec& spec = topology::port_spec(from, edge.from_port);
    const Event service = row_of(to.config).service;
    const unsigned depth = spec.kind == EdgeKind::Bus
                               ? prices[static_cast<std::size_t>(service)].queue_depth
                               : 0;
    if (kernel) {
      join(*shells[edge.from], edge.from_port, *shells[edge.to], edge.to_port, spec.kind,
           spec.order, depth);
    } else {
      join_directly(edge, spec.order, depth);
    }
  }

  void join_directly(const topology::Edge& edge, Order order, unsigned depth) {
    StationBase& from = *stations[edge.from];
    StationBase& to = *stations[edge.to];
    links.push_back(std::make_unique<DirectLink>(to, edge.to_port));
    from.connect(edge.from_port, order, links.back().get(), &to, depth);
    links.push_back(std::make_unique<DirectLink>(from, edge.from_port));
    to.connect(edge.to_port, Order::Ordered, links.back().get(), &from, 0);
    if (depth > 0) to.fed_by(edge.to_port, &from, edge.from_port);
  }

  Engine engine;
  std::unique_ptr<Kernel> kernel;                  // Tlm only
  std::vector<std::unique_ptr<ShellBase>> shells;  // Tlm: one a component
  std::vector<std::unique_ptr<StationBase>> bare;  // Fast: one a component
  std::vector<std::unique_ptr<Link>> links;        // Fast: both ways of each edge
  std::vector<StationBase*> stations;              // of either
};

Machine::Machine(const Topology& topology, const PriceList& prices,
                 const std::vector<NodePrice>& node_prices, RecordSink* sink, EngineKind kind)
    : parts_(std::make_unique<Parts>(topology, prices, sink, kind)) {
  for (const NodePrice& own : node_prices) {
    station(own.component).override_price(own.first, own.last, own.event, own.price);
  }
}

Machine::~Machine() = default;

void Machine::run(Time until) {
  Engine& engine = parts_->engine;
  if (!parts_->kernel) return engine.run(until);
  if (engine.idle() || engine.next_time() > until) return;
  parts_->kernel->set_horizon(until);
  parts_->kernel->disturb();
  sc_core::sc_start();
}

Engine& Machine::engine() { return parts_->engine; }
const Ledger& Machine::ledger() const { return parts_->engine.ledger(); }
StationBase& Machine::station(std::size_t component) { return *parts_->stations[component]; }
ShellBase& Machine::shell(std::size_t component) { return *parts_->shells[component]; }

void Machine::put(std::size_t component, PortId port, const Message& message, Time time) {
  station(component).accept(port, message, time, 0);
}

void Machine::put(std::size_t component, PortId port, const Message& message) {
  const Engine& e = parts_->engine;
  station(component).accept(port, message, e.now(), static_cast<std::uint16_t>(e.round() + 1));
}

std::vector<SpanId> Machine::held_spans() {
  std::vector<SpanId> spans;
  for (StationBase* station : parts_->stations) station->held_spans(spans);
  return each_once(std::move(spans));
}

std::vector<SpanId> Machine::moving_spans() const {
  std::vector<SpanId> spans;
  parts_->engine.for_each_message([&](const Message& message) {
    const SpanId span = span_of(message);
    if (span != kNoSpan) spans.push_back(span);
  });
  return each_once(std::move(spans));
}

Result<std::unique_ptr<Machine::Saved>> Machine::save() {
  for (const auto& shell : parts_->shells) {
    if (!shell->has_foreign()) continue;
    return Diagnostic{Severity::Error, "foreign-module", {},
                      "a foreign module is bound to '" + shell->station().plan().name +
                          "': its state cannot be saved",
                      "a machine of the scenario's components alone", ""};
  }
  auto saved = std::make_unique<SavedMachine>(parts_->engine.save());
  for (StationBase* station : parts_->stations) saved->stations.push_back(station->save());
  for (const auto& shell : parts_->shells) saved->ports.push_back(shell->save_ports());
  return std::unique_ptr<Saved>(std::move(saved));
}

void Machine::restore(const Saved& of_this_machine) {
  const auto& saved = static_cast<const SavedMachine&>(of_this_machine);
  parts_->engine.restore(saved.engine);
  for (std::size_t i = 0; i < parts_->stations.size(); ++i) {
    parts_->stations[i]->restore(*saved.stations[i]);
  }
  for (std::size_t i = 0; i < parts_->shells.size(); ++i) {
    parts_->shells[i]->restore_ports(saved.ports[i]);
  }
}

}  // namespace irqfab::run
