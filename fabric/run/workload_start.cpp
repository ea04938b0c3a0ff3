#include "fabric/run/workload_start.hpp"

namespace irqfab::run {
namespace {

void start_traffic(Machine& machine, const topology::Topology& topology, Time start) {
  const auto at = topology::index_of<pci::Traffic::Config>(topology);
  const auto& config = std::get<pci::Traffic::Config>(topology.components[at].config);
  for (std::uint32_t g = 0; g < config.generators.size(); ++g) {
    const pci::Traffic::Generator& generator = config.generators[g];
    machine.put(at, pci::Traffic::kStart, HostCall{pci::Traffic::kOpen, {}, g, 0},
                start + generator.start);
    if (generator.pattern != pci::Pattern::ClosedLoop) continue;
    machine.put(at, pci::Traffic::kStart, HostCall{pci::Traffic::kClose, {}, g, 0},
                start + generator.end);
  }
}

void start_driver(Machine& machine, const topology::Topology& topology, Time start) {
  const auto at = topology::index_of<cpu::Driver::Config>(topology);
  const auto& driver = machine.core<cpu::Driver>(at);
  for (std::size_t e = 0; e < driver.episodes(); ++e) {
    machine.put(at, cpu::Driver::kStart, HostCall{0, {}, e, 0}, start + driver.time_of(e));
  }
}

}  // namespace

void start_workload(Machine& machine, const topology::Topology& topology, Time start) {
  start_traffic(machine, topology, start);
  start_driver(machine, topology, start);
}

}  // namespace irqfab::run
