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
// Not modelled: the INTx of assigned functions; devices in processes of their own; memory regions
// and their dispatch; the time that a model of a device takes beyond Event::DeviceModelled.
//
// Everything here is steps of programs of a HostMachine. What a task works on lies in its seat, so
// that a program that a vCPU's thread calls needs no locals. A span is in the queue of a seat until
// the seat's task takes it up, then with the task.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/kvm/irq_layer.hpp"
#include "models/kvm/vcpu_threads.hpp"
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
};

class Vmm final {
 public:
  struct Config {
    VmPlan plan;
    kvm::IrqchipKind irqchip = kvm::IrqchipKind::Full;
    PortId registers{};  // by which it reaches functions: the first edge
    host::ProgramId first_program{};
    Mutants mutants;
  };
  static constexpr std::uint16_t kPrograms = 3;

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
  /// An assigned function's message reached the host CPU.
  bool on_host_interrupt(const BusWrite& message, host::HostCpu cpu, const Here& here);
  bool on_line(std::uint32_t edge, const PinChange& change, const Here& here);
  /// A BusRead or BusWrite that vCPU `vcpu` makes; the answer leaves by `from`.
  void on_access(CpuId vcpu, PortId from, const Message& access, SpanId by, const Here& here);
  /// A function answered a read.
  void on_data(const BusData& data, const Here& here);
  bool on_call(const HostCall& call, const Here& here);

  // ---- What there is to see
  /// What the task takes up next, if that is known, else what it has taken up.
  SpanId works_for(const host::Task& task, const kvm::IrqLayer& layer) const;
  const RouteTable& routes() const { return table_; }
  const DynamicRoutes& dynamic_routes() const { return dynamic_; }
  const FunctionVectors& vectors(std::uint32_t function) const {
    return functions_[function].vectors;
  }
  /// The eventfd of a vector, as the layer knows it.
  std::uint32_t eventfd(VectorAt at) const {
    return functions_[at.function].first_eventfd + raw(at.vector);
  }
  /// How many eventfds a plan needs, and the number of each in the trace: its source.
  static std::vector<std::uint64_t> eventfds_of(const VmPlan& plan);
  host::LockId big_lock() const { return big_lock_; }
  /// With a split irqchip: what the guest has put into an entry before the run.
  void program_pin(Pin pin, std::uint64_t entry, kvm::IrqLayer& layer, Env& env);

  void held_spans(std::vector<SpanId>& out) const;

 private:
  /// A message that the IOAPIC here has sent, for the route that mirrors its entry.
  struct PinMessage {
    SpanId span = kNoSpan;
    Gsi gsi{};
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
    Answer answer = Answer::None;  // of a function, to a read
    BusData data{};
    Access direct;  // a read that needs no exit
  };
  struct Function {
    FunctionVectors vectors;
    std::uint32_t first_eventfd = 0;
    std::uint32_t msix_control = 0;  // the dword that has Message Control
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

  // vmm_lines.cpp: INTx, and the IOAPIC of a split irqchip
  class IoapicEnv;
  host::Action drive(host::Task& task, Seat& seat, const DriveLine& line, const Here& here);
  host::Action send_pins(host::Task& task, Seat& seat, const Here& here);
  host::Action end_level(host::Task& task, Seat& seat, Vector vector, const Here& here);
  host::Action access_ioapic(host::Task& task, Seat& seat, const Access& access,
                             std::uint64_t offset, const Here& here);

  // vmm_registers.cpp: accesses
  std::optional<Place> place_of(std::uint64_t address) const;
  bool is_assigned(const Place& place) const;
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

  // vmm_vectors.cpp: what vectors need of routes and irqfds
  host::Action settle(host::Task& task, Seat& seat, const Here& here);
  host::Action settled(host::Task& task, Seat& seat, const Here& here);
  host::Action settled_all(host::Task& task, Seat& seat, const Here& here);
  host::Action signal_pending(host::Task& task, const VectorDuty& duty, VectorAt at,
                              const Here& here);
  void give_up_pending(VectorAt at, const Here& here);
  host::Action change_route(host::Task& task, Seat& seat, const ChangeRoute& change,
                            const Here& here);

  // vmm_setup.cpp: before the run
  void add_seats(host::HostMachine& machine);
  void add_functions();
  void settle_now(std::uint32_t function, kvm::IrqLayer& layer, host::HostMachine& machine);

  Config config_;
  std::vector<Function> functions_;
  std::vector<Base> windows_;  // ascending
  std::vector<Base> configs_;  // ascending
  RouteTable table_;
  DynamicRoutes dynamic_;
  std::vector<x86::WiredOr> pins_;  // by GSI of an IOAPIC's pin
  std::optional<x86::IoApic> ioapic_;
  std::vector<Seat> seats_;  // vCPUs, devices, the main loop, who makes calls on demand
  std::uint32_t first_device_ = 0;
  host::WaitQueueId answers_{};  // where vCPUs wait for functions
  host::LockId big_lock_{};
};

}  // namespace irqfab::vmm
