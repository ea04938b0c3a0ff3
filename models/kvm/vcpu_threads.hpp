// The threads that run a VM's vCPUs on a modelled host, what the host's kernel does for the exits
// of their guests, and how interrupts get to a vCPU by where its thread is.
//
// Models: SDM vol. 3, 30.6: the notification vector that reaches a CPU
// which is in the guest is taken by the processor, without an exit. And what KVM does around it, as
// its documentation and the VT-d specification (5.2.5 "Using Interrupt Posting for Virtual
// Interrupt Delivery") describe it:
//   load     the descriptor names the CPU that the thread is on; SN is cleared, and what was posted
//            while it was set is looked for
//   entry    what was posted becomes pending, then the guest runs
//   preempt  SN is set: nobody is told of what is posted until the thread runs again
//   HLT      the thread polls for a while that grows and shrinks (halt_polling.hpp), then sleeps.
//            Before that the descriptor gets the wake-up vector, and is looked at once more
//   wake-up  the host's handler looks through the blocked vCPUs of its CPU and wakes those that
//            have something
// Everything else that interrupts a CPU in the guest makes an exit. What the guest's local APICs do
// and what exits from them is models/x86/apicv.hpp's; the thread completes it outside.
// With AVIC (APM vol. 2, 15.29) nothing is posted. load and preempt, and the sleep after HLT, write
// the vCPU's entry of the physical APIC ID table instead: which CPU runs it, and whether one does.
// An IPI rings that CPU; one for a vCPU that does not run exits, and the host wakes it.
// Without either the host injects at VM entries (SDM vol. 3, 27.6 "Event Injection"). Whoever has
// an interrupt for a vCPU kicks it: in the guest it exits, asleep it is woken, otherwise it will
// look. If the guest cannot take it at the entry, it exits when it can (25.6.2, "Interrupt-window
// exiting"). Each access to the local APIC exits, but for CR8.
//
// The local APICs, IOAPIC and 8259s are the host's (ApicHome::Kernel), or the VMM's: then every
// access to them goes on to user space, vCPUs are told by signals, and what is pending is handed
// over before the entry (KVM_INTERRUPT). HLT goes to user space as well, and nobody polls.
// The timer of a guest's local APIC is one of the host's, on the CPU that its thread is on or was
// on last: its interrupt makes a vCPU that is inside leave, and the handler has the local APIC
// accept the vector, which is posted like any other that software accepts. KVM can save that exit
// on a host that keeps CPUs for such work and lets its guests execute HLT without an exit; here HLT
// exits. Not modelled: locks of this path; timer ticks of the host; VMX's preemption timer; the
// time between an EOI and the IRET after it.
//
// Where a span is. A device's interrupt rests in the descriptor, then in the guest's local APIC. A
// notification rests with the host's handler that it started, or here while its CPU is about to
// enter the guest. The thread that was woken for an interrupt works on it until it enters.
// Whom a thread works for. Of what rests in its vCPU's local APIC: for what the vCPU has to take,
// if anything; else for the handler that is under way, because of which it left or to which it goes
// back. That of an NMI or of an 8259 is known while it reads a register, and not on the way back. A
// handler that has acknowledged its interrupt works for none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/base/outcome.hpp"
#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/halt_polling.hpp"
#include "models/kvm/irq_layer.hpp"
#include "models/x86/apicv.hpp"

namespace irqfab::kvm {

/// HostCall::call.
enum class VmCall : std::uint16_t {
  RunVcpu,  // the thread `task`, of vCPU `task`, runs the guest from now on
  Inhibit,  // of no task: virtualization is off for the reason `a`, an x86::Inhibit
  Allow,    // of no task: not for that reason any more
};

/// What a vCPU's thread is doing.
enum class VcpuPlace : std::uint8_t {
  Host,       // in the host's code, in user space, or not started
  Entering,   // interrupts are off until it is in the guest
  Guest,      // the processor executes it
  Polling,    // halted, and its thread waits awake
  Blocked,    // halted, and its thread sleeps
  Woken,      // the thread has been woken and has not run yet
  Preempted,  // the host runs somebody else
};

/// Whose are the chips that the guest sees?
enum class ApicHome : std::uint8_t { Kernel, User };

class VcpuThreads final : public host::Software {
 public:
  struct Config {
    std::uint64_t descriptors = 0;  // address of the first, 64 bytes each
    Vector notification{0xF2};      // to a CPU that may be in the guest
    Vector wakeup{0xF1};            // to one on which the vCPU has blocked
    Vector timer{0xEC};             // of the host's own timers
    HaltPolling polling;
    ApicHome home = ApicHome::Kernel;
    /// The VMM's program that a thread calls when KVM_RUN has returned. Arguments: the vCPU, the
    /// ExitReason and what it is about: the address of leave_for_user, the register of a chip, the
    /// vector that has ended. None: nothing is done there.
    std::optional<host::ProgramId> user_exit;
    Mutants mutants;
  };
  /// Where messages come from and go to, at whoever composes this.
  static constexpr PortId kMessages = x86::LapicBank::kMessages;
  static constexpr PortId kVcpus = x86::LapicBank::kCpu;

  /// Programs: these, then those of the layer, and from here on others'.
  static constexpr std::uint16_t kPrograms = 4;
  static constexpr host::ProgramId kFirstFree{kPrograms + kLayerCalls};

  /// Adds a thread for each vCPU to `machine`, which has no task yet: that of vCPU n is task n.
  /// The numbers of the layer's programs are given here.
  VcpuThreads(const Config& config, const IrqLayer::Config& layer, host::HostMachine& machine);

  bool owns(host::ProgramId program) const { return raw(program) < raw(kFirstFree); }
  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;
  /// Of any task: of those that run no vCPU it says nothing.
  void preempted(host::Task& task, host::HostKernel& kernel, Env& env) override;
  /// As preempted.
  SpanId works_for(host::TaskHandle handle, const host::Task& task) const override;

  // ---- For the VMM
  /// The vCPU makes an access that is for user space: it leaves the guest, and its thread calls
  /// user_exit, once for each of these, in their order. One that sleeps is woken to make it. `by`:
  /// the interrupt whose handler makes it, if any does.
  void leave_for_user(CpuId vcpu, ExitReason reason, std::uint64_t operand, SpanId by,
                      host::HostKernel& kernel, Env& env);
  /// The vCPU accesses the page of the IOAPIC that is here (see has_ioapic), by a BusRead or
  /// BusWrite. BusData leaves by `from`.
  void access_ioapic(CpuId vcpu, PortId from, const Message& access, host::HostKernel& kernel,
                     Env& env);
  bool has_ioapic() const { return layer_.chip().config().kind == IrqchipKind::Full; }
  /// An interrupt of the host: its handler begins on the CPU as soon as it may. A guest there is
  /// left for it.
  void interrupt(host::HostCpu cpu, const host::Start& handler, host::HostKernel& kernel, Env& env);
  /// Whoever has called the chip's own methods lets the vCPUs learn of it, in the same step.
  void pass_signals(host::HostKernel& kernel, Env& env);

  /// The vCPU whose descriptor lies at `address`; none if nothing does.
  std::optional<CpuId> vcpu_at(std::uint64_t address) const;
  /// The vCPU that a message concerns alone: on its lane it is served.
  std::optional<CpuId> vcpu_of(const Message& message) const;
  /// The host CPU that a message is for; none if there is no such CPU.
  static std::optional<host::HostCpu> target_of(const BusWrite& message, unsigned host_cpus);

  /// NDST that names a host CPU, whose local APIC is in xAPIC mode and has its number for an id.
  static constexpr std::uint32_t ndst_of(host::HostCpu cpu) { return std::uint32_t{raw(cpu)} << 8; }
  static constexpr host::HostCpu cpu_of_ndst(std::uint32_t ndst) {
    return host::HostCpu(static_cast<std::uint16_t>(ndst >> 8 & 0xFF));
  }

  VcpuPlace place(CpuId vcpu) const { return vcpus_[raw(vcpu)].place; }
  /// The interrupt whose handler the vCPU executes, or would if it were in the guest; of an NMI or
  /// an 8259's its local APIC does not know.
  SpanId in_service(CpuId vcpu) const;
  /// How often it has left its guest for this reason, and how often that led to user space.
  std::uint64_t exits(CpuId vcpu, ExitReason reason) const {
    return vcpus_[raw(vcpu)].exits[static_cast<std::size_t>(reason)];
  }
  std::uint64_t user_exits(CpuId vcpu, ExitReason reason) const {
    return vcpus_[raw(vcpu)].user_exits[static_cast<std::size_t>(reason)];
  }
  /// What the vCPU's last read of a register gave; a read that exited is answered by the host.
  std::uint64_t last_read(CpuId vcpu) const { return vcpus_[raw(vcpu)].read; }
  IrqLayer& layer() { return layer_; }
  const IrqLayer& layer() const { return layer_; }
  x86::VirtualApics& apics() { return layer_.chip().apics(); }
  const x86::VirtualApics& apics() const { return layer_.chip().apics(); }
  const Config& config() const { return config_; }
  std::size_t vcpus() const { return vcpus_.size(); }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VcpuThreads& a, const VcpuThreads& b) {
    return a.layer_ == b.layer_ && a.vcpus_ == b.vcpus_ && a.cpus_ == b.cpus_;
  }

 private:
  /// An access to a page outside of the local APIC.
  struct UserAccess {
    ExitReason reason;
    std::uint64_t operand;
    SpanId by;  // whose handler makes it, or what the vCPU was told to leave for
  };
  struct IoapicAccess {
    PortId from;
    std::variant<BusRead, BusWrite> access;
  };
  /// What the guest does while its vCPU is not in the guest any more: it does it when it is back.
  using Said = std::variant<Inta, RegisterWrite, RegisterRead, UserAccess, IoapicAccess>;
  /// What the thread has to do before the guest goes on.
  using Left = std::variant<std::monostate, x86::VirtualExit, UserAccess, IoapicAccess>;
  using Counts = std::array<std::uint64_t, kExitReasonNames.size()>;

  struct Vcpu {
    host::TaskHandle thread;
    VcpuPlace place = VcpuPlace::Host;
    bool loaded = false;                  // the descriptor names the CPU that it runs on
    std::optional<host::HostCpu> listed;  // among the blocked ones of that CPU
    bool halted = false;                  // it executed HLT, and nothing has ended that
    bool kicked = false;                  // Entering: it has to begin the entry anew
    bool handed_over = false;             // ApicHome::User: what is pending, for this entry
    Time halted_at = 0;
    Time entered_at = 0;
    HaltPollWindow window;
    Left left;
    std::vector<Said> said;  // oldest first
    std::uint64_t read = 0;  // what the last one gave, for who looks at it
    Counts exits{};          // counts, and no state
    Counts user_exits{};
    friend bool operator==(const Vcpu& a, const Vcpu& b) {
      return a.thread == b.thread && a.place == b.place && a.loaded == b.loaded &&
             a.listed == b.listed && a.halted == b.halted && a.kicked == b.kicked &&
             a.handed_over == b.handed_over && a.halted_at == b.halted_at &&
             a.entered_at == b.entered_at && a.window == b.window &&
             a.left.index() == b.left.index() && a.said.size() == b.said.size();
    }
  };
  /// A host CPU as far as guests are about it.
  struct PhysicalCpu {
    std::optional<CpuId> vcpu;      // that is in the guest on it, or is entering
    SpanId notification = kNoSpan;  // arrived while it was entering
    bool notified = false;
    friend bool operator==(const PhysicalCpu& a, const PhysicalCpu& b) {
      return a.vcpu == b.vcpu && a.notification == b.notification && a.notified == b.notified;
    }
  };

  static std::vector<Vcpu> add_threads(std::size_t vcpus, host::HostMachine& machine);

  // vCPU threads: vcpu_program.cpp
  host::Action run_vcpu(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action load(CpuId vcpu, host::HostCpu cpu, host::Task& task);
  host::Action enter(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action run_guest(CpuId vcpu, host::HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                         Env& env);
  host::Action halt(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action polled(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action block(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action woken(CpuId vcpu, host::Task& task, Env& env);
  void cancel_entry(CpuId vcpu, host::HostCpu cpu, host::HostKernel& kernel, Env& env);
  void take_notification(host::HostCpu cpu, SpanId span, Env& env);
  bool awake(CpuId vcpu) const;
  std::optional<Vector> to_hand_over(CpuId vcpu) const;

  // What guests do, and what exits: vcpu_exits.cpp
  void on_vcpu(const Message& message, host::HostKernel& kernel, Env& env);
  void say(CpuId vcpu, const Said& said, host::HostKernel& kernel, Env& env);
  void do_now(CpuId vcpu, const Said& said, host::HostKernel& kernel, Env& env);
  void go_on_saying(CpuId vcpu, host::HostKernel& kernel, Env& env);
  void answer(CpuId vcpu, Env& env);
  void on_inta(CpuId vcpu, host::HostKernel& kernel, Env& env);
  void after_access(CpuId vcpu, const x86::VirtualAccess& access, host::HostKernel& kernel,
                    Env& env);
  void on_halted(CpuId vcpu, host::HostKernel& kernel, Env& env);
  void leave_guest(CpuId vcpu, host::HostCpu cpu, ExitReason reason, SpanId by, Env& env);
  void leave(CpuId vcpu, ExitReason reason, const Left& left, SpanId by, host::HostKernel& kernel,
             Env& env);
  host::Action handle_exit(CpuId vcpu, host::Task& task);
  host::Action go_to_user(CpuId vcpu, ExitReason reason, std::uint64_t operand, host::Task& task);
  host::Action call_user(CpuId vcpu, host::Task& task);
  host::Action complete_exit(CpuId vcpu, host::Task& task, host::HostKernel& kernel, Env& env);
  void carry_out(const IoapicAccess& access, Env& env);
  SpanId span_of(const Left& left) const;

  // What comes from outside, and interrupts of the host: vcpu_threads.cpp
  host::Action notified(host::Task& task, Env& env);
  host::Action timer_expired(host::Task& task, host::HostKernel& kernel, Env& env);
  void on_timer(const Elapsed& elapsed, host::HostKernel& kernel, Env& env);
  host::Action wake_blocked(host::Task& task, host::HostKernel& kernel, Env& env);
  std::optional<CpuId> next_to_wake(host::HostCpu cpu, std::uint32_t from) const;
  host::Reception on_call(const HostCall& call, host::HostKernel& kernel, Env& env);
  host::Reception start(const HostCall& call, host::HostKernel& kernel);
  void on_message(const BusWrite& message, host::HostKernel& kernel, Env& env);
  void interrupt(host::HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel, Env& env);
  void on_post(PortId port, const PostInterrupt& post, host::HostKernel& kernel, Env& env);
  void arrive(host::HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel, Env& env);

  // What one tells another: vcpu_signals.cpp
  void pass_on(const CpuLineChange& message, host::HostKernel& kernel, Env& env);
  void kick(const x86::VirtualSignal& signal, host::HostKernel& kernel, Env& env);
  void kick_out(CpuId vcpu, SpanId span, host::HostKernel& kernel, Env& env);
  void rouse(CpuId vcpu, SpanId span, host::HostKernel& kernel);
  void ring(const x86::VirtualSignal& signal, Env& env);
  SpanId highest_posted(CpuId vcpu) const;
  SpanId waiting_for(CpuId vcpu) const;
  SpanId works_for(CpuId vcpu) const;
  bool is_avic() const { return chip().config().virtualization == x86::Virtualization::Avic; }
  bool is_inside(VcpuPlace place) const {
    return place == VcpuPlace::Guest || place == VcpuPlace::Entering;
  }
  Event told_by() const {
    return config_.home == ApicHome::User ? Event::VcpuSignalled : Event::VcpuKicked;
  }

  Irqchip& chip() { return layer_.chip(); }
  const Irqchip& chip() const { return layer_.chip(); }
  Vcpu& row(CpuId vcpu) { return vcpus_[raw(vcpu)]; }

  Config config_;
  std::vector<Vcpu> vcpus_;  // before the layer, whose kworkers are tasks as well
  IrqLayer layer_;
  std::vector<PhysicalCpu> cpus_;          // by host CPU
  std::vector<host::WaitQueueId> queues_;  // by vCPU: where its thread sleeps
};

}  // namespace irqfab::kvm
