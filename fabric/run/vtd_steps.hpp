// Architectural steps of the VT-d remapping unit: its registers, its table and its queue as
// software reaches them, over the bus; and what can be seen of it.
#pragma once

#include <optional>

#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/run/settling.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

class VtdSteps {
 public:
  VtdSteps(Machine& machine, const topology::X86Machine& x86, Settling& settling);

  static bool knows(const std::string& op);
  /// One that it knows, on a machine with a unit; then waits until nothing moves any more but
  /// timers. A row if something was expected of it, or if the step cannot be done.
  std::optional<ExpectationRow> perform(const scenario::Step& step);
  /// Adds to `row` what an `expect` among the steps says of the unit and of memory.
  void observe(const scenario::ValueMap& args, ExpectationRow& row);

 private:
  void write(std::uint64_t address, std::uint64_t value, std::uint8_t size);
  void write_register(std::uint64_t offset, std::uint64_t value, std::uint64_t size);
  void enable(const scenario::ValueMap& args);
  void write_entry(const scenario::ValueMap& args);
  ExpectationRow read_register(const scenario::Step& step);
  std::optional<ExpectationRow> queue(const scenario::Step& step, std::uint64_t low,
                                      std::uint64_t high);
  void observe_fault(const scenario::ValueMap& args, ExpectationRow& row);
  void observe_queue(const scenario::ValueMap& args, ExpectationRow& row);
  void observe_memory(const scenario::ValueMap& args, ExpectationRow& row);
  const x86::VtdRemapper& unit();
  /// What a read gives, without one.
  std::uint64_t shown(std::uint64_t offset, std::uint64_t size);

  Machine& machine_;
  const topology::X86Machine& x86_;
  Settling& settling_;
  std::size_t driver_, unit_, memory_;
  std::optional<std::size_t> descriptors_;
};

}  // namespace irqfab::run
