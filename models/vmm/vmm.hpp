// The VMM: threads that raise the interrupts of its devices, a main loop, one big lock, models of
// devices whose registers the guest's accesses reach, and the routes and irqfds that it keeps for
// their vectors.
//
// Models what VMMs of Linux hosts do around KVM (api.rst), as far as an interrupt notices it:
//   emulated   threads of the device, which share its vectors. With an irqfd they write the
//              eventfd; otherwise they take the big lock and make the call themselves:
//              KVM_SIGNAL_MSI, KVM_IRQ_LINE on a route made for the message (dynamic_routes.hpp),
//              or to the VMM's own local APICs
//   vhost      workers of the kernel signal the vector's eventfd; without an irqfd the main loop
//              finds it readable, and does the same as an emulated device would
//   assigned   the host's handler of the function's interrupt signals the eventfd; the main loop as
//              above
//   INTx       the lines of the functions on a pin are ORed here, and driven by KVM_IRQ_LINE under
//              the big lock; with a split irqchip the IOAPIC is here, and its entries are mirrored
//              as MSI routes of GSIs 0..23 (KVM_CAP_SPLIT_IRQCHIP)
//   registers  an access of a vCPU exits to here and is passed to the function under the big lock.
//              If it changed what a vector says, vector_state.hpp tells which calls follow: before
//              the function sees an access that lets it send, after any other
//   posting    where the host's remapping unit posts, the entry of an assigned vector is the
//              descriptor of the vCPU that its route names, as long as its irqfd carries it
//   assigned INTx  vmm_host_lines.cpp: the host's handler keeps the line low until the guest has
//   ended
//              its interrupt. By a resampling irqfd, or, where there is none, by the main loop,
//              which drives the guest's pin and takes for the end what it sees: the EOI at its own
//              IOAPIC, otherwise the next access of the function's registers, which it traps
//              meanwhile
// Not modelled: INTx of an assigned function that the guest has taken MSI from again, or whose
// Interrupt Disable the guest sets; devices in processes of their own; memory regions
// and their dispatch; the time that a model of a device takes beyond Event::DeviceModelled.
//
// Everything here is steps of programs of a HostMachine. What a task works on lies in its seat, so
// that a program that a vCPU's thread calls needs no locals. A span is in the queue of a seat until
// the seat's task takes it up, then with the task.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/kvm/irq_layer.hpp"
#include "models/kvm/vcpu_threads.hpp"
#include "models/pci/functions.hpp"
#include "models/vmm/dynamic_routes.hpp"
#include "models/vmm/jobs.hpp"
#include "models/vmm/ring.hpp"
#include "models/vmm/route_table.hpp"
#include "models/vmm/vector_state.hpp"
#include "models/vmm/vm_plan.hpp"
#include "models/x86/ioapic.hpp"
#include "models/x86/wired_or.hpp"

namespace irqfab::vmm {

/// HostCall::call, of no task; operand `a`: the source of the vector's spans.
enum class VmmCall : std::uint16_t {
  UpdateRoutes = 0x100,  // the routing table is committed anew
  ReleaseIrqfd,          // the vector's irqfd is deassigned
  BindIrqfd,             // and assigned again
  MoveHostInterrupt,     // the host's affinity of it: operand `b` is the CPU
};

class Vmm final {
 public:
  struct Config {
    VmPlan plan;
    kvm::IrqchipKind irqchip = kvm::IrqchipKind::Full;
    PortId registers{};  // by which it reaches its functions: the first edge
    PortId bridges{};    // and assigned ones
    PortId eois{};       // by which the host ends level interrupts
    PortId host_bus{};   // by which the kernel reaches memory and the remapping unit
    host::ProgramId first_program{};
    Mutants mutants;
  };
  static constexpr std::uint16_t kPrograms = 5;

  /// Adds its threads to the machine, behind those of the vCPUs, and at no time the routes and
  /// irqfds of all vectors.
  Vmm(const Config& config, std::uint32_t vcpus, kvm::IrqLayer& layer, host::HostMachine& machine);

  bool owns(host::ProgramId program) const {
    return raw(program) >= raw(config_.first_program) &&
           raw(program) < raw(config_.first_program) + kPrograms;
  }
  /// What a vCPU's thread calls when it has to go to user space: VcpuThreads::Config::user_exit.
  static host::ProgramId user_exit(host::ProgramId first_program) {
    return host::ProgramId(static_cast<std::uint16_t>(raw(first_program) + 1));
  }

  /// What a step of it may touch.
  struct Here {
    kvm::VcpuThreads& vcpus;
    host::HostKernel& kernel;
    Env& env;
  };
  host::Action run(host::Task& task, const Here& here);

  // ---- What devices and vCPUs say. Each false if it is nothing of the VMM's.
  /// A message of an emulated or vhost function left it.
  bool on_message(const BusWrite& message, const Here& here);
  /// An assigned function's message, or that of its pin, reached the host CPU.
  bool on_host_interrupt(const BusWrite& message, host::HostCpu cpu, const Here& here);
  bool on_line(std::uint32_t edge, const PinChange& change, const Here& here);
  /// A BusRead or BusWrite of `vcpu`, in the handler of `by` if in any; answered by `from`.
  void on_access(CpuId vcpu, PortId from, const Message& access, SpanId by, const Here& here);
  /// A function answered a read.
  void on_data(const BusData& data, const Here& here);
  bool on_call(const HostCall& call, const Here& here);
  /// The host's memory answered a read.
  void on_host_data(const BusData& data, const Here& here);

  // ---- What there is to see
  /// What the task takes up next, if that is known, else what it has taken up.
  SpanId works_for(const host::Task& task, const kvm::IrqLayer& layer) const;
  const VmPlan& plan() const { return config_.plan; }
  const RouteTable& routes() const { return table_; }
  const DynamicRoutes& dynamic_routes() const { return dynamic_; }
  const FunctionVectors& vectors(std::uint32_t function) const {
    return functions_[function].vectors;
  }
  /// Vectors of a function that fell back to the handler in user space: FunctionVectors::fell_back.
  std::uint32_t fallbacks(std::uint32_t function) const;
  /// The eventfd of a vector, as the layer knows it.
  std::uint32_t eventfd(VectorAt at) const {
    return functions_[at.function].first_eventfd + raw(at.vector);
  }
  /// The lower half of an assigned vector's remapping entry, where the unit posts.
  std::uint64_t remapping_entry(VectorAt at) const {
    return functions_[at.function].entries[raw(at.vector)];
  }
  /// How many eventfds a plan needs, and the number of each in the trace: its source.
  static std::vector<std::uint64_t> eventfds_of(const VmPlan& plan);
  /// Of an assigned function's INTx: what the host's handler signals, and what the guest's EOI
  /// does.
  std::uint32_t line_eventfd(std::uint32_t function) const { return eventfd(line_of(function)); }
  std::uint32_t unmask_eventfd(std::uint32_t function) const { return line_eventfd(function) + 1; }
  host::LockId big_lock() const { return big_lock_; }
  /// With a split irqchip: what the guest has put into an entry before the run.
  void program_pin(Pin pin, std::uint64_t entry, kvm::IrqLayer& layer, Env& env);

  /// The thread of a task, as reports name it; empty for one that is not of the VMM.
  std::string thread_name(TaskId task) const;

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const Vmm& a, const Vmm& b);

 private:
  /// A message that the IOAPIC here has sent, for the route that mirrors its entry.
  struct PinMessage {
    SpanId span = kNoSpan;
    Gsi gsi{};
    friend bool operator==(PinMessage a, PinMessage b) {
      return a.span == b.span && a.gsi == b.gsi;
    }
  };
  enum class Answer : std::uint8_t { None, Awaited, Came };
  /// What is left to do once vectors are in order.
  enum class Then : std::uint8_t { Finish, Forward };
  struct Seat {
    host::TaskHandle thread;
    Ring<Job> waiting;
    Job job;
    std::uint32_t function = 0;  // whose vectors are being put in order
    Then then = Then::Finish;
    VectorDuty duty;  // of these, under way
    Gsi gsi{};        // that is being injected on
    Ring<PinMessage> pins;
    Ring<DriveLine> lines;         // that the function changed before it answered
    Ring<std::uint32_t> unmasks;   // functions whose INTx the guest has ended
    Answer answer = Answer::None;  // of a function, to a read
    BusData data{};
    Access direct;                      // a read that needs no exit
    Answer invalidated = Answer::None;  // the remapping unit's wait has completed
    friend bool operator==(const Seat& a, const Seat& b) {
      const auto all = [](const Seat& s) {
        return std::tie(s.thread, s.waiting, s.job, s.function, s.then, s.duty, s.gsi, s.pins,
                        s.lines, s.unmasks, s.answer, s.data.data, s.data.tag, s.data.status,
                        s.data.span, s.direct, s.invalidated);
      };
      return all(a) == all(b);
    }
  };
  struct Function {
    FunctionVectors vectors;
    std::uint32_t first_eventfd = 0;
    std::uint32_t msix_control = 0;      // the dword that has Message Control
    std::vector<std::uint64_t> entries;  // lower halves of remapping entries; where the unit posts
    std::uint32_t entries_in_order = 0;  // so many from the front say what they are to say
    std::optional<pci::PciFunctions> msi;  // the capability as the guest has it, if it signals so
    // An assigned function's.
    std::uint16_t command = 0;  // as the host wants it, but for Interrupt Disable
    bool line_off = false;      // the host's handler keeps its INTx off the wire
    bool line_raised = false;   // the VMM drives the guest's pin for it
    friend bool operator==(const Function& a, const Function& b) {
      const auto all = [](const Function& f) {
        return std::tie(f.vectors, f.msix_control, f.entries, f.entries_in_order, f.msi, f.command,
                        f.line_off, f.line_raised);
      };
      return all(a) == all(b);
    }
  };
  /// What the host's handler of a pin is at.
  struct HostPin {
    SpanId began = kNoSpan;  // of the interrupt, wherever that is now
    SpanId kept = kNoSpan;   // of the interrupt, while another's is signalled
    bool answered = false;
    std::uint32_t answer = 0;  // Command and Status of the function
    friend bool operator==(HostPin a, HostPin b) {
      return a.began == b.began && a.kept == b.kept && a.answered == b.answered &&
             a.answer == b.answer;
    }
  };
  /// Where an access leads.
  struct Place {
    enum class Space : std::uint8_t { Window, Config, Ioapic };
    Space space = Space::Window;
    std::uint32_t function = 0;
    std::uint64_t offset = 0;
  };
  using Base = std::pair<std::uint64_t, std::uint32_t>;  // an address, whose function

  // vmm.cpp: seats, and the steps that all programs begin and end with
  Seat& seat_of(const host::Task& task, const Here& here);
  void give(std::uint32_t seat, const Job& job, const Here& here);
  std::optional<VectorAt> vector_of(SpanId span) const;
  std::uint32_t seat_of(const VectorAt& at) const;
  std::uint32_t first_seat_of(std::uint32_t function) const;
  std::uint32_t main_loop() const { return first_device_ + config_.plan.threads; }
  std::uint32_t caller() const { return main_loop() + 1; }
  /// The INTx of a function stands behind its vectors.
  VectorAt line_of(std::uint32_t function) const {
    const std::size_t vectors = config_.plan.functions[function].vectors.size();
    return {function, VectorIndex(static_cast<std::uint16_t>(vectors))};
  }
  bool is_line(const VectorAt& at) const { return at == line_of(at.function); }
  bool is_exit(const host::Task& task) const;
  host::Action begin(host::Task& task, Seat& seat, const Here& here);
  host::Action begin_exit(host::Task& task, Seat& seat);
  host::Action lock(host::Task& task) const;
  host::Action locked(host::Task& task, Seat& seat, const Here& here);
  host::Action ready(host::Task& task, Seat& seat, const Here& here);
  host::Action unlock(host::Task& task) const;
  host::Action unlocked(host::Task& task) const;
  using Arguments = std::array<std::uint64_t, 4>;
  host::Action call(host::Task& task, const Here& here, kvm::LayerCall what, std::uint16_t then,
                    const Arguments& arguments) const;
  static kvm::Answer answer_of(const host::Task& task) {
    return static_cast<kvm::Answer>(task.value);
  }

  // vmm_messages.cpp: a vector's message, by whatever way
  host::Action host_interrupted(host::Task& task, const Here& here);
  host::Action tell_handler(host::Task& task, VectorAt at, const Here& here);
  host::Action raise(host::Task& task, const SendMessage& send, const Here& here);
  host::Action signalled(host::Task& task, Seat& seat, const Here& here);
  void look_for_unread(VectorAt at, const Here& here);
  host::Action read_eventfd(host::Task& task, Seat& seat, const Here& here);
  host::Action has_read(host::Task& task) const;
  host::Action deliver(host::Task& task, const SendMessage& send, const Here& here);
  host::Action look_for_route(host::Task& task, const x86::MsiMessage& message) const;
  host::Action found(host::Task& task, Seat& seat, const DynamicRoutes::Answer& answer,
                     const Here& here);
  host::Action commit(host::Task& task, const Here& here, std::uint16_t then);

  // vmm_host_lines.cpp: INTx of assigned functions
  class IoapicEnv;
  std::optional<std::uint32_t> host_pin_of(host::HostCpu cpu, Vector vector) const;
  host::Action host_line(host::Task& task, const Here& here);
  host::Action ask(host::Task& task, std::uint32_t function, std::uint16_t then, const Here& here);
  host::Action looked(host::Task& task, std::uint32_t function, const Here& here);
  host::Action signal_line(host::Task& task, std::uint32_t function, const Here& here);
  void end_host_line(host::Task& task, const Here& here);
  bool names(SpanId span, std::uint32_t function) const;
  void write_command(std::uint32_t function, const Here& here) const;
  static host::ProgramId unmask_program(host::ProgramId first_program) {
    return host::ProgramId(static_cast<std::uint16_t>(raw(first_program) + 4));
  }
  host::Action unmask_line(const host::Task& task, const Here& here);
  void lower_lines(Vector vector, Seat& seat, IoapicEnv& env);
  bool is_trapped(const Place& place) const;

  // vmm_lines.cpp: INTx, and the IOAPIC of a split irqchip
  host::Action drive(host::Task& task, Seat& seat, const DriveLine& line, const Here& here);
  host::Action send_pins(host::Task& task, Seat& seat, const Here& here);
  host::Action end_level(host::Task& task, Seat& seat, Vector vector, const Here& here);
  host::Action access_ioapic(host::Task& task, Seat& seat, const Access& access,
                             std::uint64_t offset, const Here& here);

  // vmm_registers.cpp: accesses
  std::optional<Place> place_of(std::uint64_t address) const;
  bool is_assigned(const Place& place) const;
  bool is_kept_here(const Place& place) const;
  void reach_directly(CpuId vcpu, const Access& access, const Place& place, const Here& here);
  void pass_on(const Access& access, const Place& place, Tag tag, const Here& here);
  host::Action model(host::Task& task, Seat& seat, const Access& access, const Here& here);
  host::Action refuse(host::Task& task, const Access& access, const Here& here) const;
  host::Action access(host::Task& task, Seat& seat, const Here& here);
  void forward(const Access& access, const Place& place, const Here& here);
  host::Action await(host::Task& task, Seat& seat, const Here& here);
  Seat* reader_of(std::uint32_t function);
  host::Action answer(host::Task& task, const Access& access, const BusData& data,
                      const Here& here) const;
  bool opens(const Place& place, const Access& access) const;
  void take(const Place& place, const Access& access);
  std::uint64_t table_at(const Place& place, const Access& access) const;

  // vmm_msi.cpp: the MSI capability
  bool is_msi(const Place& place) const;
  bool is_kept_msi(const Place& place) const;
  bool opens_msi(const Place& place, const Access& access) const;
  void take_msi(const Place& place, const Access& access);

  // vmm_vectors.cpp: what vectors need of routes and irqfds
  host::Action settle(host::Task& task, Seat& seat, const Here& here);
  host::Action settled(host::Task& task, Seat& seat, const Here& here);
  host::Action settled_all(host::Task& task, Seat& seat, const Here& here);
  host::Action signal_pending(host::Task& task, const VectorDuty& duty, VectorAt at,
                              const Here& here);
  void give_up_pending(VectorAt at, const Here& here);
  host::Action change_route(host::Task& task, Seat& seat, const ChangeRoute& change,
                            const Here& here);

  // vmm_posting.cpp: remapping entries of the host
  bool posts(std::uint32_t function) const {
    return config_.plan.posting && config_.plan.functions[function].attach == Attach::Assigned;
  }
  std::optional<CpuId> post_target(const x86::ApicMessage& message,
                                   const kvm::IrqLayer& layer) const;
  std::uint64_t host_entry(VectorAt at) const;
  std::uint64_t wanted_entry(VectorAt at, const kvm::IrqLayer& layer) const;
  void look_at_entries(const VectorDuty& duty, std::uint32_t function);
  std::optional<VectorAt> entry_to_write(std::uint32_t function, const kvm::IrqLayer& layer);
  host::Action write_entry(host::Task& task, Seat& seat, VectorAt at, std::uint64_t low,
                           const Here& here);
  void write_host(std::uint64_t address, std::uint64_t data, std::uint8_t size, const Here& here);
  void queue_invalidation(std::uint64_t low, std::uint64_t high, const Here& here);
  host::Action await_invalidation(host::Task& task, Seat& seat, const Here& here);
  host::Action move_host_interrupt(host::Task& task, Seat& seat, const ChangeRoute& change,
                                   const Here& here);

  // vmm_setup.cpp: before the run
  void add_seats(host::HostMachine& machine);
  void add_functions();
  void settle_now(std::uint32_t function, kvm::IrqLayer& layer, host::HostMachine& machine);
  void bind_line_now(std::uint32_t function, kvm::IrqLayer& layer, host::HostMachine& machine);

  Config config_;
  std::vector<Function> functions_;
  std::vector<std::uint32_t> host_lines_;  // functions whose INTx is the host's first
  std::vector<HostPin> host_pins_;         // as in the plan
  std::vector<Base> windows_;              // ascending
  std::vector<Base> configs_;              // ascending
  RouteTable table_;
  DynamicRoutes dynamic_;
  std::vector<x86::WiredOr> pins_;  // by GSI of an IOAPIC's pin
  std::optional<x86::IoApic> ioapic_;
  std::vector<Seat> seats_;  // vCPUs, devices, the main loop, who makes calls on demand
  std::uint32_t first_device_ = 0;
  host::WaitQueueId answers_{};  // where vCPUs wait for functions, and tasks for the remapping unit
  std::uint32_t queue_tail_ = 0;   // bytes, of the invalidation queue
  std::uint32_t invalidator_ = 0;  // the seat whose task waits for the unit, under the big lock
  host::LockId big_lock_{};
};

}  // namespace irqfab::vmm
