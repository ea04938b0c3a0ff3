// Which handler each vector of each CPU runs.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/cpu/cpus.hpp"

namespace irqfab::topology {

/// Collects what each vector serves, then lays it out for the CPUs.
class HandlerTable {
 public:
  HandlerTable(const scenario::Scenario& scenario, std::uint32_t cpus);

  void serve_message(const X86Plan& plan, const FunctionPlan& function, unsigned vector, Slot slot);
  void serve_intx(const X86Plan& plan, const FunctionPlan& function, Slot slot);

  cpu::Cpus::Config config() const;

 private:
  enum class Line : std::uint8_t { Messages, Wire };
  /// What one slot serves. A source is served once at a slot, however often it goes there.
  struct Served {
    std::uint32_t slot = 0;  // cpu * 256 + vector
    cpu::ServedSource source;
  };
  std::uint32_t program_for(const std::string& device, Line line);
  std::uint32_t add_program(const std::string& device, Line line);
  void add(Slot slot, const cpu::ServedSource& source);

  const scenario::Scenario& scenario_;
  std::uint32_t cpus_;
  std::vector<std::vector<cpu::HandlerStep>> programs_;
  std::map<std::pair<std::string, Line>, std::uint32_t> program_of_;
  std::vector<Served> served_;  // in the order in which they came
};

/// What serves every source of the plan.
HandlerTable handlers_of(const scenario::Scenario& scenario, const X86Plan& plan);

}  // namespace irqfab::topology
