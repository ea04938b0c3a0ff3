#include "tests/bench/direct_machine.hpp"

#include <type_traits>

#include "fabric/topology/x86_build.hpp"

namespace irqfab::bench {
namespace {

constexpr PortId kNoPort{0xFFFF};

}  // namespace

class DirectMachine::Node : public Env {
 public:
  explicit Node(DirectMachine& machine) : machine_(machine) {}
  virtual ~Node() = default;

  virtual void receive(PortId port, const Message& message) = 0;

  void join(PortId port, Node& peer, PortId peer_port) {
    if (raw(port) >= peers_.size()) peers_.resize(raw(port) + 1u);
    peers_[raw(port)] = {&peer, peer_port};
  }

 protected:
  void note(Event, SpanId, std::uint64_t) final { ++machine_.notes_; }
  void send(PortId port, const Message& message) final {
    const Peer& peer = peers_[raw(port)];
    machine_.due_.push_back({peer.node, peer.port, message});
  }
  void after(Duration delay, Tag tag) final { after(delay, tag, lane_); }
  void after(Duration, Tag tag, LaneId lane) final {
    machine_.due_.push_back({this, kNoPort, Elapsed{tag, raw(lane)}});
  }
  SpanId open(Cause, SpanId, std::uint32_t) final { return SpanId{++machine_.spans_}; }

  LaneId lane_{};  // of the call under way

 private:
  struct Peer {
    Node* node = nullptr;
    PortId port{};
  };
  DirectMachine& machine_;
  std::vector<Peer> peers_;  // by raw(port)
};

namespace {

template <class Core>
class CoreNode final : public DirectMachine::Node {
 public:
  CoreNode(Core core, DirectMachine& machine) : Node(machine), core_(std::move(core)) {}

  void receive(PortId port, const Message& message) override {
    const auto* elapsed = std::get_if<Elapsed>(&message);
    lane_ = elapsed != nullptr ? LaneId{elapsed->lane} : core_.lane_of(port, message);
    core_.receive(port, message, *this);
  }
  const Core& core() const { return core_; }

 private:
  Core core_;
};

}  // namespace

DirectMachine::DirectMachine(run::Machine& programmed, const topology::Topology& topology) {
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    std::visit(
        [&](const auto& config) {
          using Core = typename CoreOf<std::decay_t<decltype(config)>>::type;
          nodes_.push_back(std::make_unique<CoreNode<Core>>(programmed.core<Core>(c), *this));
        },
        topology.components[c].config);
  }
  for (const topology::Edge& edge : topology.edges) {
    nodes_[edge.from]->join(edge.from_port, *nodes_[edge.to], edge.to_port);
    nodes_[edge.to]->join(edge.to_port, *nodes_[edge.from], edge.from_port);
  }
  const auto& load = std::get<pci::Traffic::Config>(
      topology::find_component<pci::Traffic::Config>(topology)->config);
  for (const pci::Traffic::Generator& generator : load.generators) {
    const std::size_t functions = topology::functions_component(topology, generator.functions);
    asks_.push_back({nodes_[functions].get(), generator.raise});
  }
  cpus_ = topology::index_of<cpu::Cpus::Config>(topology);
}

DirectMachine::~DirectMachine() = default;

void DirectMachine::ask(std::uint32_t generator) {
  due_.push_back(
      {asks_[generator].functions, pci::PciFunctions::kStimulus, asks_[generator].raise});
  for (std::size_t next = 0; next < due_.size(); ++next) {
    const Due due = due_[next];
    due.node->receive(due.port, due.message);
  }
  due_.clear();
}

std::uint64_t DirectMachine::handled() const {
  const auto& cpus = static_cast<const CoreNode<cpu::Cpus>&>(*nodes_[cpus_]).core();
  std::uint64_t sum = 0;
  for (std::uint32_t cpu = 0; cpu < cpus.size(); ++cpu) sum += cpus.handled(CpuId{cpu});
  return sum;
}

}  // namespace irqfab::bench
