// Architectural steps of a CPU on bare-metal x86: its accesses to its local APIC and its MSRs, what
// it executes, the pins of its local APIC; and what can be seen of it.
#pragma once

#include <optional>

#include "fabric/run/handler_log.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/run/settling.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

class CpuSteps {
 public:
  /// `log` may be null if no step expects an order of handlers.
  CpuSteps(Machine& machine, const topology::X86Machine& x86, const HandlerLog* log,
           Settling& settling);

  static bool knows(const std::string& op);
  /// One that it knows; then waits until nothing moves any more but timers. A row if something was
  /// expected of it.
  std::optional<ExpectationRow> perform(const scenario::Step& step);
  /// Adds to `row` what an `expect` among the steps says of CPUs.
  void observe(const scenario::ValueMap& args, ExpectationRow& row);

 private:
  void write_lapic(const scenario::ValueMap& args);
  void drive_pin(const scenario::ValueMap& args);
  void write_memory(const scenario::ValueMap& args);
  std::optional<ExpectationRow> write_msr(const scenario::Step& step);
  std::optional<ExpectationRow> execute(const scenario::Step& step);
  std::optional<ExpectationRow> accept(const scenario::Step& step);
  void observe_msr(const scenario::ValueMap& args, ExpectationRow& row);
  void call(CpuId cpu, cpu::Call what, std::uint64_t operand);
  const x86::LapicBank& bank();
  const cpu::Cpus& cpus();

  Machine& machine_;
  const HandlerLog* log_;
  Settling& settling_;
  std::size_t driver_, lapics_, cpus_;
};

/// What a CPU does, as `cpu.state` names it.
std::string_view state_of(const cpu::Cpus& cpus, CpuId cpu);
/// The instructions of a `cpu.execute`.
cpu::Code code_of(const scenario::ValueMap& args);
/// Of a `cpu.accept` that was made: a row if a vector was wanted, or none was given.
std::optional<ExpectationRow> accepted_row(const scenario::Step& step, const cpu::Cpus& cpus);
/// `lapic.reg`, `cpu.state` and `cpu.handlers` of an `expect`, on any machine with local APICs.
void observe_cpus(const scenario::ValueMap& args, const x86::LapicBank& bank, const cpu::Cpus& cpus,
                  const HandlerLog* log, Time now, ExpectationRow& row);

/// Does a step of the scenario expect an order of handlers?
bool expects_order(const scenario::Scenario& scenario);

}  // namespace irqfab::run
