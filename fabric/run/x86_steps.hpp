// Architectural steps on bare-metal x86: accesses of CPUs and of driver software, wires and
// devices.
#pragma once

#include <optional>

#include "fabric/run/amdvi_steps.hpp"
#include "fabric/run/cpu_steps.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/run/settling.hpp"
#include "fabric/run/vtd_steps.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

class X86Steps {
 public:
  /// `log` may be null if no step expects an order of handlers.
  X86Steps(Machine& machine, const topology::X86Machine& x86, const HandlerLog* log);

  /// Does the step and waits until nothing moves any more but timers. A row if the step expects
  /// something, or if the machine does not come to rest after it.
  std::optional<ExpectationRow> perform(const scenario::Step& step);

  /// After the last step of a scenario that has nothing else to do.
  std::optional<ExpectationRow> come_to_rest();

 private:
  std::optional<ExpectationRow> do_step(const scenario::Step& step);
  void wait(Duration time);
  void access(std::uint64_t address, std::uint64_t value, std::uint8_t size);
  void write_ioapic(const scenario::ValueMap& args, std::uint64_t index, std::uint64_t value);
  void write_rte(const scenario::ValueMap& args);
  void write_entry(const scenario::ValueMap& args);
  void mask_function(const scenario::ValueMap& args);
  void write_message(const scenario::ValueMap& args);
  void write_msi(const scenario::ValueMap& args);
  void write_command(const scenario::ValueMap& args);
  void raise(const scenario::ValueMap& args);
  void drive_line(const scenario::ValueMap& args);
  void drive_isa_line(const scenario::ValueMap& args);
  void drive_ioapic(std::uint64_t ioapic, unsigned edge, std::uint64_t pin, Level level);
  void compare_board(const scenario::ValueMap& args, ExpectationRow& row);
  ExpectationRow observe(const scenario::Step& step);
  topology::FunctionPlan function(const scenario::ValueMap& args) const;
  const pci::PciFunctions& functions_of(const topology::FunctionPlan& function);
  void observe_hpet(const scenario::ValueMap& args, ExpectationRow& row);
  void observe_pci(const scenario::ValueMap& args, ExpectationRow& row);
  std::uint64_t table_of(const scenario::ValueMap& args) const;
  /// The function's page of configuration space.
  std::uint64_t config_of(const scenario::ValueMap& args) const;
  void raise(const topology::FunctionPlan& function, RaiseKind kind, unsigned vector);

  Machine& machine_;
  const topology::X86Machine& x86_;
  std::size_t driver_, lapics_;
  std::optional<std::size_t> hpet_;
  Settling settling_;
  CpuSteps cpu_steps_;
  VtdSteps vtd_steps_;
  AmdViSteps amdvi_steps_;
};

}  // namespace irqfab::run
