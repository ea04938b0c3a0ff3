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
//
// Where a span is: with the task that injects, with the work item that was queued for it, in the
// irqchip, or with an eventfd that nobody has read (see consume).
//
// Not modelled: several irqfds of one eventfd in their shutdown at once (a new one is refused with
// -EBUSY until the one before has gone), the locks of readers that take an EOI (they acknowledge
// on the spot), irq bypass, write(2) that would block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/host/host_machine.hpp"
#include "models/host/subroutine.hpp"
#include "models/kvm/ioeventfd.hpp"
#include "models/kvm/irqchip.hpp"

namespace irqfab::kvm {

/// How an irqfd finds its route.
enum class IrqfdForm : std::uint8_t {
  Workqueue,  // it does not: every injection is left to a kworker (Linux 2.6.32)
  Pointer,    // a pointer to the table's entry, published under RCU (Linux 2.6.38)
  Copy,       // a copy of the entry under a sequence count; SRCU around the injection (Linux 3.17)
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
  IrqLine,        // 3: GSI, 4: source, 5: level | kUntold; answers as KVM_IRQ_LINE_STATUS
  SetGsiRouting,  // 3: handle of IrqLayer::stage
  Irqfd,          // 3: eventfd, 4: GSI, 5: IrqfdFlag bits, 6: eventfd to signal at the EOI
  EventfdWrite,   // 3: eventfd, 4: value that is added; write(2)
  EventfdSignal,  // 3: eventfd; the kernel's own signal, from any context, no call
  EventfdClose,   // 3: eventfd; its last reference
  // Work items.
  Inject,    // an irqfd's deferred injection. 3: eventfd
  Shutdown,  // an irqfd's end. 3: eventfd
};
constexpr std::uint16_t kLayerCalls = 9;
constexpr std::uint64_t kUntold = 2;  // LineStatus::Untold: it is KVM_IRQ_LINE

/// KVM_IRQFD's flags.
enum class IrqfdFlag : std::uint8_t { Deassign = 1, Resample = 2 };

/// Rules of lifetime that the layer broke: only mutants do.
enum class LayerFault : std::uint8_t {
  RouteUsedAfterFree,  // a message of a table that is gone
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
    std::uint16_t kworkers = 1;           // of the inject queue, on each host CPU
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

  // ---- At no time, before the run: what a VMM has set up.
  Answer set_routes_now(const std::vector<Route>& routes);
  Answer assign_now(std::uint32_t eventfd, Gsi gsi, std::optional<std::uint32_t> resample,
                    host::HostMachine& machine);
  /// An eventfd of another VM on the same machine is this VM's as well: its handle here.
  std::uint32_t adopt(const IrqLayer& other, std::uint32_t eventfd, host::HostMachine& machine);
  /// Somebody in user space polls the eventfd: a signal that no irqfd takes wakes the queue.
  void poll(std::uint32_t eventfd, host::WaitQueueId queue, host::HostMachine& machine);

  /// Somebody in the kernel is called for every signal of the eventfd, and takes it: `handler` runs
  /// next on the CPU that signals, as a soft interrupt.
  void serve(std::uint32_t eventfd, const host::Start& handler, host::HostMachine& machine);

  // ---- On the spot, in a step of whoever asks.
  /// What a read of the eventfd takes, 0 if there is nothing, and the interrupt that rested there.
  struct Taken {
    std::uint64_t count = 0;
    SpanId span = kNoSpan;
  };
  Taken consume(std::uint32_t eventfd, host::HostKernel& kernel);
  /// The eventfd anew, if it is closed.
  void open(std::uint32_t eventfd, std::uint64_t count, host::EventFdMode mode,
            host::HostKernel& kernel);
  /// EOIs that the irqchip has told to resampling irqfds since the last call: every one of the GSI
  /// signals its eventfd, whether it raised the line or not.
  void signal_resamplers(host::HostKernel& kernel, Env& env);
  /// KVM_IOEVENTFD. -EBADF for an eventfd that is not open.
  Answer ioeventfd(const IoEventfd& call, const host::HostMachine& machine);
  /// The eventfd to signal for a store of the guest; none if it goes to user space.
  std::optional<std::uint32_t> guest_store(StoreSpace space, std::uint64_t address,
                                           std::uint32_t length, std::uint64_t value) const {
    return ioeventfds_.matching(space, address, length, value);
  }

  // ---- What there is to see
  host::EventFdHandle eventfd(std::uint32_t handle) const { return eventfds_[handle].fd; }
  std::size_t eventfds() const { return eventfds_.size(); }
  /// The interrupt that rests in the eventfd, for who reads it or binds it.
  SpanId unread(std::uint32_t eventfd) const { return eventfds_[eventfd].span; }
  bool bound(std::uint32_t eventfd) const {
    return eventfds_[eventfd].irqfd.state == IrqfdState::Active;
  }
  /// Locks and the domain of its readers, for who checks what is held when.
  struct Locks {
    host::LockId irq{};        // a mutex: one update of the routes at a time
    host::LockId irqfds{};     // the list of irqfds, and who may write their entries
    host::LockId resampler{};  // a mutex: the lists of resampling irqfds
    host::LockId chip{};       // IOAPIC and 8259s
  };
  const Locks& locks() const { return locks_; }
  host::LockId lock_of(std::uint32_t eventfd) const { return eventfds_[eventfd].lock; }
  host::DomainId domain() const { return domain_; }
  /// Tables that were replaced and wait for their readers.
  std::size_t retired_tables() const { return retired_.size(); }

  Irqchip& chip() { return chip_; }
  const Irqchip& chip() const { return chip_; }
  const Config& config() const { return config_; }
  /// Rules that were broken, in order, each kind once.
  const std::vector<LayerFault>& faults() const { return faults_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const IrqLayer& a, const IrqLayer& b);

 private:
  enum class IrqfdState : std::uint8_t {
    Free,
    Assigning,  // on no list yet
    Active,     // on the list of irqfds
    Off,        // off the list, and its shutdown is under way
  };
  /// What a signal injects without a look at the table. In IrqfdForm::Pointer the contents are the
  /// table's, and only `table` counts.
  struct Entry {
    bool message = false;  // otherwise the injection is a kworker's
    x86::MsiMessage msi;
    std::uint32_t sequence = 0;  // odd while it is written
    // Of which tables address and data are, to check lifetimes by.
    std::uint32_t table = 0;
    std::uint32_t data_table = 0;
    friend bool operator==(const Entry& a, const Entry& b) {
      return a.message == b.message && a.msi == b.msi && a.sequence == b.sequence &&
             a.table == b.table && a.data_table == b.data_table;
    }
  };
  struct Irqfd {
    IrqfdState state = IrqfdState::Free;
    Gsi gsi{};
    std::optional<std::uint32_t> resample;  // the eventfd to signal
    bool resampling = false;                // on the list of its GSI's resamplers
    Entry entry;
    std::uint32_t generation = 1;  // rises when it is freed
    std::uint32_t returned = 0;    // the latest generation whose deassign has returned
    host::WorkId inject{};
    host::WorkId shutdown{};
    friend bool operator==(const Irqfd& a, const Irqfd& b) {
      return a.state == b.state && a.gsi == b.gsi && a.resample == b.resample &&
             a.resampling == b.resampling && a.entry == b.entry && a.generation == b.generation &&
             a.returned == b.returned;
    }
  };
  struct Eventfd {
    host::EventFdHandle fd;
    std::uint64_t number = 0;
    host::LockId lock{};
    SpanId span = kNoSpan;  // rests in the counter
    Irqfd irqfd;
    friend bool operator==(const Eventfd& a, const Eventfd& b) {
      return a.fd == b.fd && a.span == b.span && a.irqfd == b.irqfd;
    }
  };
  struct Update {
    std::vector<Route> routes;
    GsiRouting table{IrqchipKind::None, x86::MsiDestination::Bits8, kMaxRoutes};
    bool taken = false;
    friend bool operator==(const Update& a, const Update& b) {
      return a.routes == b.routes && a.table == b.table && a.taken == b.taken;
    }
  };
  struct Retired {
    std::uint32_t version = 0;
    GsiRouting table;
    friend bool operator==(const Retired& a, const Retired& b) {
      return a.version == b.version && a.table == b.table;
    }
  };

  // irq_layer.cpp: calls that inject, and the injection that was left to a kworker
  host::Action signal_msi(host::Task& task, Env& env);
  host::Action irq_line(host::Task& task, Env& env);
  host::Action inject(host::Task& task, host::HostKernel& kernel, Env& env);
  static SpanId brought_by(host::Task& task, const LineChange& what);
  host::Action drive(host::Task& task, unsigned stage, const LineChange& what, Env& env);
  bool has_message(Gsi gsi) const;
  bool falls(const LineChange& what) const;
  void end_edge_early(Gsi gsi, host::HostKernel& kernel, Env& env);
  void add_row(host::EventFdHandle fd, std::uint64_t number, host::LockId lock,
               host::HostMachine& machine);
  void check_use(const Irqfd& irqfd, std::uint32_t generation);
  void fault(LayerFault what);

  // irq_layer_eventfd.cpp: signals, and what an irqfd does on one
  host::Action signal(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action call_watchers(host::Task& task, host::HostKernel& kernel, Env& env);
  void rest(host::Task& task, Env& env);
  host::Action read_address(host::Task& task);
  host::Action read_data(host::Task& task);
  host::Action follow_pointer(host::Task& task, Gsi gsi);
  host::Action choose(const host::Task& task) const;
  void deliver(host::Task& task, host::HostKernel& kernel, Env& env);
  static void queue_injection(const Irqfd& irqfd, SpanId span, host::HostKernel& kernel, Env& env);
  host::Action close(host::Task& task, host::HostKernel& kernel, Env& env);
  void signal_resamplers(Gsi gsi, host::HostKernel& kernel, Env& env);
  bool tell(const host::Watcher& watcher, host::EventFdHandle fd, host::HostKernel& kernel) const;
  host::Watcher watcher_of(std::uint32_t eventfd) const;

  // irq_layer_irqfd.cpp: how irqfds come and go
  host::Action irqfd(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action assign(host::Task& task);
  host::Action bind(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action deassign(host::Task& task, host::HostKernel& kernel);
  host::Action shutdown(host::Task& task, host::HostKernel& kernel, Env& env);
  Answer check_assign(const host::Task& task, const host::HostMachine& machine) const;
  Answer check_deassign(const host::Task& task, const host::HostMachine& machine) const;
  bool is_open(std::uint64_t eventfd, const host::HostMachine& machine) const;
  Answer check_watch(const Eventfd& row, const host::HostMachine& machine) const;
  void deactivate(Irqfd& irqfd, host::HostKernel& kernel);

  // irq_layer_routes.cpp: tables, and the entries of irqfds
  host::Action set_gsi_routing(host::Task& task);
  Answer build(Update& update) const;
  void publish(Update& update);
  host::Action refresh(host::Task& task);
  std::uint64_t next_to_refresh(std::uint64_t at);
  void refresh_now(Irqfd& irqfd);
  static void clear(Entry& entry);
  std::optional<x86::MsiMessage> message_of(Gsi gsi);
  const GsiRouting* table(std::uint32_t version) const;
  void free_table(std::uint32_t version);
  host::Synchronize grace() const;

  Config config_;
  Irqchip chip_;
  Locks locks_;
  host::DomainId domain_{};
  host::WorkqueueId injects_{};
  host::WorkqueueId cleanups_{};
  host::LockClassId eventfd_class_{};
  host::LockClassId inject_class_{};
  host::LockClassId shutdown_class_{};
  std::vector<Eventfd> eventfds_;
  std::vector<host::Start> callees_;  // of serve
  IoEventfds ioeventfds_;
  std::vector<Update> updates_;   // by handle of stage
  std::uint32_t version_ = 1;     // of the table in force
  std::vector<Retired> retired_;  // ascending
  std::vector<LayerFault> faults_;
};

}  // namespace irqfab::kvm
