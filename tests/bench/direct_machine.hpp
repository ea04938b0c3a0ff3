// The cores of a machine, called directly: a virtual Env and nothing else. No queue, no time, no
// prices, no accounting, no trace. It is what the functional work of an interrupt costs, and so
// what engines are compared with.
//
// Not modelled: waiting. A delay is over at once, and what is sent is delivered in the order of
// sending once the core that sent it has returned: cores are not called from within themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fabric/run/machine.hpp"
#include "fabric/topology/topology.hpp"
#include "models/base/message.hpp"

namespace irqfab::bench {

class DirectMachine {
 public:
  /// Cores are values: these are copies of a programmed machine's.
  DirectMachine(run::Machine& programmed, const topology::Topology& topology);
  ~DirectMachine();

  /// What the generators of the load ask for. When, nobody asks here.
  std::uint32_t generators() const { return static_cast<std::uint32_t>(asks_.size()); }
  void ask(std::uint32_t generator);

  std::uint64_t handled() const;
  /// Events noted so far.
  std::uint64_t notes() const { return notes_; }

  class Node;  // one core and its Env

 private:
  struct Ask {
    Node* functions;
    Message raise;
  };
  struct Due {
    Node* node;
    PortId port;
    Message message;
  };
  std::vector<Due> due_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Ask> asks_;  // by generator
  std::size_t cpus_ = 0;   // component
  std::uint64_t notes_ = 0;
  std::uint64_t spans_ = 0;
};

}  // namespace irqfab::bench
