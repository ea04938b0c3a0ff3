// Steps that act on an AMD-Vi unit: its registers, its tables and its command buffer, as driver
// software reaches them, over the bus; and what can be seen of it.
#pragma once

#include <optional>

#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/run/settling.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

class AmdViSteps {
 public:
  AmdViSteps(Machine& machine, const topology::X86Machine& x86, Settling& settling);

  static bool knows(const std::string& op);
  /// One that it knows, on a machine with a unit; then waits until nothing moves any more but
  /// timers. A row if something was expected of it, or if the step cannot be done.
  std::optional<ExpectationRow> perform(const scenario::Step& step);
  /// Adds to `row` what an `expect` among the steps says of the unit.
  void observe(const scenario::ValueMap& args, ExpectationRow& row);

 private:
  void write(std::uint64_t address, std::uint64_t value, std::uint8_t size);
  void write_register(std::uint64_t offset, std::uint64_t value, std::uint8_t size);
  void enable(const scenario::ValueMap& args);
  void write_device(const scenario::ValueMap& args);
  std::optional<ExpectationRow> write_entry(const scenario::Step& step);
  ExpectationRow read_register(const scenario::Step& step);
  std::optional<ExpectationRow> queue(const scenario::Step& step, std::uint64_t low,
                                      std::uint64_t high);
  void observe_event(const scenario::ValueMap& args, ExpectationRow& row);
  /// Where the entry of a device is in memory.
  std::uint64_t device_entry(std::uint64_t requester);
  /// What memory holds; 0 where there is none.
  std::uint64_t word_at(std::uint64_t address);
  /// What a read of the 64 bits gives, without one.
  std::uint64_t shown(std::uint64_t offset);

  Machine& machine_;
  Settling& settling_;
  std::size_t driver_, unit_, memory_;
};

}  // namespace irqfab::run
