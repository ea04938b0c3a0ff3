#include "models/tlm/shell.hpp"

namespace irqfab {
namespace {

std::string socket_name(const char* what, PortId port) {
  return std::string(what) + std::to_string(spec_of(port)) + "_" + std::to_string(edge_of(port));
}

/// Objects made here become children of `module`, wherever elaboration stands.
class Inside {
 public:
  explicit Inside(sc_core::sc_module& module) {
    sc_core::sc_get_curr_simcontext()->hierarchy_push(&module);
  }
  ~Inside() { sc_core::sc_get_curr_simcontext()->hierarchy_pop(); }
};

}  // namespace

ShellBase::ShellBase(sc_core::sc_module_name name, Kernel& kernel)
    : sc_core::sc_module(name), kernel_(kernel) {}

BusInitiatorEnd& ShellBase::bus_initiator(PortId port) {
  const Inside inside(*this);
  bus_initiators_.push_back(std::make_unique<BusInitiatorEnd>(kernel_, station(), port,
                                                              socket_name("initiator", port)));
  return *bus_initiators_.back();
}

BusTargetEnd& ShellBase::bus_target(PortId port) {
  auto& end = bus_targets_[port];
  if (!end) {
    const Inside inside(*this);
    end = std::make_unique<BusTargetEnd>(kernel_, station(), port, socket_name("target", port));
  }
  return *end;
}

template <EdgeKind Kind>
MessageEnd<Kind>& ShellBase::message_end(PortId port) {
  const Inside inside(*this);
  auto end =
      std::make_unique<MessageEnd<Kind>>(kernel_, station(), port, socket_name("port", port));
  auto& made = *end;
  message_ends_.push_back(std::move(end));
  return made;
}

ShellBase::SavedPorts ShellBase::save_ports() const {
  SavedPorts saved;
  for (const auto& end : bus_initiators_) saved.initiators.push_back(end->save());
  for (const auto& [port, end] : bus_targets_) saved.targets.push_back(end->save());
  return saved;
}

void ShellBase::restore_ports(const SavedPorts& saved) {
  auto initiator = saved.initiators.begin();
  for (const auto& end : bus_initiators_) end->restore(*initiator++);
  auto target = saved.targets.begin();
  for (const auto& [port, end] : bus_targets_) end->restore(*target++);
}

BusTargetSocket& ShellBase::target_socket(PortId port, Requester requester) {
  BusTargetEnd& end = bus_target(port);
  end.set_default_requester(requester);
  ++foreign_initiators_;
  station().connect(port, Order::Unordered, &end, nullptr, 0);
  return end.socket;
}

BusInitiatorSocket& ShellBase::foreign_initiator_socket(PortId port) {
  const Inside inside(*this);
  const std::string name = socket_name("foreign", port);
  foreign_.push_back(
      std::make_unique<ForeignTargetEnd>(name.c_str(), kernel_, station(), port));
  station().connect(port, Order::Ordered, foreign_.back().get(), nullptr, 0);
  return foreign_.back()->socket;
}

namespace {

template <EdgeKind Kind>
void bind_both_ways(MessageEnd<Kind>& a, MessageEnd<Kind>& b) {
  a.out.bind(b.in);
  b.out.bind(a.in);
}

}  // namespace

void join(ShellBase& initiator, PortId from, ShellBase& target, PortId to, EdgeKind kind,
          Order order, unsigned depth) {
  Link* forward = nullptr;
  Link* backward = nullptr;
  const auto ends = [&](auto& a, auto& b) {
    bind_both_ways(a, b);
    forward = &a;
    backward = &b;
  };
  switch (kind) {
    case EdgeKind::Bus: {
      BusInitiatorEnd& a = initiator.bus_initiator(from);
      BusTargetEnd& b = target.bus_target(to);
      a.socket.bind(b.socket);
      forward = &a;
      backward = &b;
      break;
    }
    case EdgeKind::Wire:
      ends(initiator.message_end<EdgeKind::Wire>(from), target.message_end<EdgeKind::Wire>(to));
      break;
    case EdgeKind::Cpu:
      ends(initiator.message_end<EdgeKind::Cpu>(from), target.message_end<EdgeKind::Cpu>(to));
      break;
    case EdgeKind::Fabric:
      ends(initiator.message_end<EdgeKind::Fabric>(from),
           target.message_end<EdgeKind::Fabric>(to));
      break;
  }
  initiator.station().connect(from, order, forward, &target.station(), depth);
  target.station().connect(to, Order::Ordered, backward, &initiator.station(), 0);
  if (depth > 0) target.station().fed_by(to, &initiator.station(), from);
}

}  // namespace irqfab
