// KVM's interrupt routing layer: what the kernel does for the ioctls that make routes and irqfds
// and inject, for a write to an eventfd that an irqfd watches, and for the work that irqfds defer.
//
// Models, after api.rst and the behaviour that conformance/kvm_x86.jsonl records:
//   KVM_SET_GSI_ROUTING  a new table is copied in and built, published under irq_lock, irqfds are
//                        refreshed under irqfds.lock, and the old table is freed after a grace
//                        period
//   KVM_IRQFD            assign (refused with -EBUSY for an eventfd that is bound, work queued at
//                        once for one that is signalled already), deassign (returns when nothing of
//                        the irqfd can happen any more), resample
//   KVM_IRQ_LINE, KVM_SIGNAL_MSI, KVM_IOEVENTFD
//   eventfds             a signal calls the irqfd in the signaller's context, under the eventfd's
//                        lock; close shuts the irqfd down
//   irqfds               in three historical forms, see IrqfdForm. A message is injected where the
//                        eventfd is signalled; on x86 every irqchip pin is left to a kworker
// Everything here is programs of a HostMachine: locks, reader sections, grace periods and kworkers
// are the machine's, and where two of these programs meet they meet between steps.
//
// The calls are programs that others call (models/host/subroutine.hpp); the owner of the layer
// passes on what the vCPUs have to learn after each step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/host/host_machine.hpp"
#include "models/host/subroutine.hpp"
#include "models/kvm/irqchip.hpp"

namespace irqfab::kvm {

/// How an irqfd finds its route.
enum class IrqfdForm : std::uint8_t {
  Workqueue,  // it does not: every injection is left to a kworker (Linux 2.6.32)
  Pointer,    // a pointer to the table's entry, published under RCU (Linux 2.6.39)
  Copy,       // a copy of the entry under a sequence count; SRCU around the injection (Linux 3.15)
};

/// What an update of the routes waits for before it frees the old table.
enum class GraceForm : std::uint8_t {
  Rcu,            // a normal grace period of the whole host
  SrcuExpedited,  // one of the VM's own domain, in a hurry
};

/// A program of the layer, counted from Config::first_program.
enum class LayerCall : std::uint16_t {
  // Calls. Arguments in locals[3...]; the answer in Task::value, a negative errno as its two's
  // complement.
  SignalMsi,      // 3: address, 4: data, 5: flags
  IrqLine,        // 3: GSI, 4: source, 5: level; answers as KVM_IRQ_LINE_STATUS
  SetGsiRouting,  // 3: handle of IrqLayer::stage
  Irqfd,          // 3: eventfd, 4: GSI, 5: IrqfdFlag bits, 6: eventfd to signal at the EOI
  EventfdWrite,   // 3: eventfd, 4: value that is added; write(2)
  EventfdSignal,  // 3: eventfd; the kernel's own signal, from any context, no call
  EventfdClose,   // 3: eventfd; its last reference
  // Work items.
  Inject,    // an irqfd's deferred injection. 0: irqfd
  Shutdown,  // an irqfd's end. 0: irqfd
};
constexpr std::uint16_t kLayerCalls = 9;

/// KVM_IRQFD's flags.
enum class IrqfdFlag : std::uint8_t { Deassign = 1, Resample = 2 };

/// Rules of lifetime that the layer broke: only mutants do.
enum class LayerFault : std::uint8_t {
  RouteUsedAfterFree,
  IrqfdUsedAfterFree,
  IrqfdFreedTwice,
  InjectedAfterDeassign,
  TornEntry,  // address of one route, data of another
  RouteIndexOutOfTable,
};

class IrqLayer final {
 public:
  struct Config {
    Irqchip::Config irqchip;
    IrqfdForm form = IrqfdForm::Copy;
    GraceForm grace = GraceForm::SrcuExpedited;
    Duration rcu_delay = 10 * kPsPerMs;   // of a normal grace period: a tick at HZ=100
    host::GracePeriodConfig srcu{};       // MaySleep; see timing facts for polling steps
    std::uint16_t kworkers = 1;           // of the inject queue, a host CPU each
    std::vector<std::uint64_t> eventfds;  // their numbers in the trace; handle = index
    host::ProgramId first_program{};
    Mutants mutants;
  };
  IrqLayer(const Config& config, host::HostMachine& machine);

  bool owns(host::ProgramId program) const {
    return raw(program) >= raw(config_.first_program) &&
           raw(program) < raw(config_.first_program) + kLayerCalls;
  }
  host::ProgramId program(LayerCall call) const {
    return host::ProgramId(
        static_cast<std::uint16_t>(raw(config_.first_program) + static_cast<std::uint16_t>(call)));
  }
  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env);

  /// Puts a table where KVM_SET_GSI_ROUTING finds it; the call takes it. The handle.
  std::uint32_t stage(std::vector<Route> routes);

  /// At no time, before the run: what a VMM has set up.
  Answer set_routes_now(const std::vector<Route>& routes);
  Answer assign_now(std::uint32_t eventfd, Gsi gsi, std::optional<std::uint32_t> resample);

  Irqchip& chip() { return chip_; }
  const Irqchip& chip() const { return chip_; }
  const Config& config() const { return config_; }
  /// Rules that were broken, in order.
  const std::vector<LayerFault>& faults() const { return faults_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const IrqLayer& a, const IrqLayer& b);

 private:
  Config config_;
  Irqchip chip_;
  std::vector<LayerFault> faults_;
};

}  // namespace irqfab::kvm
