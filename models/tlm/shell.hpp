// Gives one pure core a place in SystemC: sockets and ports for its edges, and a station for its place
// in time. The only wrapper there is.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include <systemc>

#include "models/sim/station.hpp"
#include "models/tlm/ports.hpp"

namespace irqfab {

class ShellBase : public sc_core::sc_module {
 public:
  virtual StationBase& station() = 0;

  /// The TLM-2.0 socket of a bus port, for modules that know nothing of irqfab. Made when first asked
  /// for, during elaboration. `requester` is who writes through it come from, unless they say so.
  BusTargetSocket& target_socket(PortId port, Requester requester);
  /// Through this one the fabric calls a foreign target, each call at its own simulated time.
  BusInitiatorSocket& foreign_initiator_socket(PortId port);
  /// True if a foreign module is bound: the fabric's state is then not all of the state.
  bool has_foreign() const { return !foreign_.empty() || foreign_initiators_ > 0; }

  /// Questions under way on the bus edges, which are state of a run besides the station's. Not with a
  /// foreign module.
  struct SavedPorts {
    std::vector<BusInitiatorEnd::Saved> initiators;
    std::vector<BusTargetEnd::Saved> targets;
  };
  SavedPorts save_ports() const;
  void restore_ports(const SavedPorts& saved);

 protected:
  ShellBase(sc_core::sc_module_name name, Kernel& kernel);

 private:
  friend void join(ShellBase& initiator, PortId from, ShellBase& target, PortId to, EdgeKind kind,
                   Order order, unsigned depth);
  BusInitiatorEnd& bus_initiator(PortId port);
  BusTargetEnd& bus_target(PortId port);
  template <EdgeKind Kind>
  MessageEnd<Kind>& message_end(PortId port);

  Kernel& kernel_;
  std::vector<std::unique_ptr<BusInitiatorEnd>> bus_initiators_;
  std::map<PortId, std::unique_ptr<BusTargetEnd>> bus_targets_;
  std::vector<std::unique_ptr<Link>> message_ends_;
  std::vector<std::unique_ptr<ForeignTargetEnd>> foreign_;
  unsigned foreign_initiators_ = 0;
};

/// Joins two ports with an edge. On a bus `initiator` starts the transactions; the other kinds carry
/// messages both ways. `depth` bounds the messages that wait at the target (0: unbounded).
void join(ShellBase& initiator, PortId from, ShellBase& target, PortId to, EdgeKind kind,
          Order order, unsigned depth);

template <class Core>
class Shell final : public ShellBase {
 public:
  Shell(sc_core::sc_module_name name, Kernel& kernel, StationPlan plan, const PriceList& prices,
        Core core)
      : ShellBase(name, kernel),
        station_(kernel.engine(), std::move(plan), prices, std::move(core)) {}

  Station<Core>& station() override { return station_; }
  Core& core() { return station_.core(); }
  const Core& core() const { return station_.core(); }

 private:
  Station<Core> station_;
};

}  // namespace irqfab
