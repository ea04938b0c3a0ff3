// Which handler each vector of each CPU runs.
#pragma once

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/cpu/cpus.hpp"

namespace irqfab::topology {

/// Collects what each vector serves, then lays it out for the CPUs.
class HandlerTable {
 public:
  HandlerTable(const scenario::Scenario& scenario, std::uint32_t cpus);

  void serve_msix(const X86Plan& plan, const FunctionPlan& function, unsigned vector, Slot slot);
  void serve_intx(const X86Plan& plan, const FunctionPlan& function, Slot slot);

  cpu::Cpus::Config config() const;

 private:
  enum class Line : std::uint8_t { Messages, Wire };
  std::uint32_t program_for(const std::string& device, Line line);
  void add(Slot slot, const cpu::ServedSource& source);

  const scenario::Scenario& scenario_;
  std::uint32_t cpus_;
  std::vector<std::vector<cpu::HandlerStep>> programs_;
  std::vector<std::vector<cpu::ServedSource>> served_;  // by cpu * 256 + vector
};

}  // namespace irqfab::topology
