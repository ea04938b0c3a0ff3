// Architectural steps on kvm-direct-inject: what vCPUs do while they are in their guest, what the
// host decides, and what can be seen of both. A step of a vCPU that is outside waits until it
// enters; one that is blocked does nothing by itself.
#pragma once

#include <optional>

#include "fabric/run/handler_log.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/topology/x86_build.hpp"
#include "models/vmm/vm_host.hpp"

namespace irqfab::run {

class VmSteps {
 public:
  /// `host`: the component that runs the vCPUs. `log` may be null if no step expects an order of
  /// handlers.
  VmSteps(Machine& machine, const topology::X86Machine& x86, std::size_t host,
          const HandlerLog* log);

  /// Does the step and waits until nothing moves any more but the host's timers. A row if the step
  /// expects something, if it could not be done, or if the machine does not come to rest after it.
  std::optional<ExpectationRow> perform(const scenario::Step& step);

 private:
  enum class Rest : std::uint8_t { Came, NeverCame };

  std::optional<ExpectationRow> do_step(const scenario::Step& step);
  std::optional<ExpectationRow> do_as_vcpu(const scenario::Step& step, CpuId vcpu);
  std::optional<ExpectationRow> read(const scenario::Step& step, CpuId vcpu);
  std::optional<ExpectationRow> write_msr(const scenario::Step& step, CpuId vcpu);
  void write_lapic(const scenario::ValueMap& args, CpuId vcpu);
  void execute(const scenario::ValueMap& args, CpuId vcpu);
  void inhibit(const scenario::ValueMap& args);
  void raise(const scenario::ValueMap& args);
  void write_entry(const scenario::ValueMap& args);
  void access(std::uint64_t address, std::uint64_t value);
  void wait(Duration time);
  ExpectationRow observe(const scenario::Step& step);
  void observe_descriptor(const scenario::ValueMap& args, ExpectationRow& row);
  void observe_exits(const scenario::ValueMap& args, ExpectationRow& row);

  bool reaches_guest(CpuId vcpu);
  Rest settle();
  bool only_timers_are_left();
  std::uint32_t place_of_register(const scenario::ValueMap& args, CpuId vcpu);
  const kvm::VcpuThreads& software();

  Machine& machine_;
  const topology::X86Machine& x86_;
  const HandlerLog* log_;
  std::size_t host_, cpus_;
};

}  // namespace irqfab::run
