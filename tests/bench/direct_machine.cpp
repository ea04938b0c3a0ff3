#include "tests/bench/direct_machine.hpp"

#include <type_traits>

#include "fabric/topology/x86_build.hpp"

namespace irqfab::bench {
namespace {

constexpr PortId kNoPort{0xFFFF};

}  // namespace

class DirectMachine::Node : public Env {
 public:
  Node(std::uint64_t& notes, std::uint64_t& spans) : notes_(notes), spans_(spans) {}
  virtual ~Node() = default;

  virtual void receive(PortId port, const Message& message) = 0;

  void join(PortId port, Node& peer, PortId peer_port) {
    if (raw(port) >= peers_.size()) peers_.resize(raw(port) + 1u);
    peers_[raw(port)] = {&peer, peer_port};
  }

 protected:
  void note(Event, SpanId, std::uint64_t) final { ++notes_; }
  void send(PortId port, const Message& message) final {
    const Peer& peer = peers_[raw(port)];
    peer.node->receive(peer.port, message);
  }
  void after(Duration delay, Tag tag) final { after(delay, tag, LaneId{0}); }
  void after(Duration, Tag tag, LaneId lane) final { receive(kNoPort, Elapsed{tag, raw(lane)}); }
  SpanId open(Cause, SpanId, std::uint32_t) final { return SpanId{++spans_}; }

 private:
  struct Peer {
    Node* node = nullptr;
    PortId port{};
  };
  std::vector<Peer> peers_;  // by raw(port)
  std::uint64_t& notes_;
  std::uint64_t& spans_;
};

namespace {

template <class Core>
class CoreNode final : public DirectMachine::Node {
 public:
  CoreNode(Core core, std::uint64_t& notes, std::uint64_t& spans)
      : Node(notes, spans), core_(std::move(core)) {}

  void receive(PortId port, const Message& message) override {
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
          nodes_.push_back(
              std::make_unique<CoreNode<Core>>(programmed.core<Core>(c), notes_, spans_));
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
  asks_[generator].functions->receive(pci::PciFunctions::kStimulus, asks_[generator].raise);
}

std::uint64_t DirectMachine::handled() const {
  const auto& cpus = static_cast<const CoreNode<cpu::Cpus>&>(*nodes_[cpus_]).core();
  std::uint64_t sum = 0;
  for (std::uint32_t cpu = 0; cpu < cpus.size(); ++cpu) sum += cpus.handled(CpuId{cpu});
  return sum;
}

}  // namespace irqfab::bench
