#include "fabric/topology/checks.hpp"

#include "fabric/topology/findings.hpp"

namespace irqfab::topology {

Diagnostics check_graph(const Topology& topology, const scenario::Scenario& scenario) {
  Findings findings(scenario);
  check_ports(topology, findings);
  check_reach(topology, scenario, findings);
  check_routes(topology, scenario, findings);
  return findings.take();
}

Diagnostics check(const Topology& topology, const X86Plan& plan,
                  const scenario::Scenario& scenario) {
  Findings findings(scenario);
  check_ports(topology, findings);
  check_reach(topology, scenario, findings);
  check_decode(topology, findings);
  check_ids(topology, plan, scenario, findings);
  check_sharing(plan, scenario, findings);
  check_use(plan, scenario, findings);
  return findings.take();
}

}  // namespace irqfab::topology
