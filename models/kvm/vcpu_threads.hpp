// The threads that run a VM's vCPUs on a modelled host, and what the host does with the interrupts
// that say that something was posted for one of them.
//
// Models: SDM vol. 3, "Posted-Interrupt Processing": the notification vector that reaches a CPU
// which is in the guest is taken by the processor, without an exit. And what KVM does around it, as
// its documentation and the VT-d specification (5.2.5 "Usage Model: Interrupt Posting in Virtual
// Machine Monitors") describe it:
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
// Not modelled: locks of this path; timer ticks of the host; timers and NMIs of guests.
//
// Where a span is. A device's interrupt rests in the descriptor, then in the guest's local APIC. A
// notification rests with the host's handler that it started, or here while its CPU is about to
// enter the guest. The thread that was woken for an interrupt works on it until it enters.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/mutant.hpp"
#include "models/base/outcome.hpp"
#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/halt_polling.hpp"
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
  Host,       // in the host's code, or not started
  Entering,   // interrupts are off until it is in the guest
  Guest,      // the processor executes it
  Polling,    // halted, and its thread waits awake
  Blocked,    // halted, and its thread sleeps
  Woken,      // the thread has been woken and has not run yet
  Preempted,  // the host runs somebody else
};

class VcpuThreads final : public host::Software {
 public:
  struct Config {
    x86::VirtualApics::Config apics;  // of the guest, one a vCPU
    std::uint64_t descriptors = 0;    // address of the first, 64 bytes each
    Vector notification{0xF2};        // to a CPU that may be in the guest
    Vector wakeup{0xF1};              // to one on which the vCPU has blocked
    HaltPolling polling;
    Mutants mutants;
  };
  /// Adds a thread for each vCPU to `machine`: that of vCPU n is task n.
  VcpuThreads(const Config& config, host::HostMachine& machine);

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;
  void preempted(host::Task& task, host::HostKernel& kernel, Env& env) override;

  /// The vCPU whose descriptor lies at `address`; none if nothing does.
  std::optional<CpuId> vcpu_at(std::uint64_t address) const;
  /// The host CPU that a message is for; none if there is no such CPU.
  static std::optional<host::HostCpu> target_of(const BusWrite& message, unsigned host_cpus);

  /// NDST that names a host CPU, whose local APIC is in xAPIC mode and has its number for an id.
  static constexpr std::uint32_t ndst_of(host::HostCpu cpu) { return std::uint32_t{raw(cpu)} << 8; }
  static constexpr host::HostCpu cpu_of_ndst(std::uint32_t ndst) {
    return host::HostCpu(static_cast<std::uint16_t>(ndst >> 8 & 0xFF));
  }

  VcpuPlace place(CpuId vcpu) const { return vcpus_[raw(vcpu)].place; }
  /// How often it has left its guest for this reason.
  std::uint64_t exits(CpuId vcpu, ExitReason reason) const {
    return vcpus_[raw(vcpu)].exits[static_cast<std::size_t>(reason)];
  }
  /// What the vCPU's last read of a register gave; a read that exited is answered by the host.
  std::uint64_t last_read(CpuId vcpu) const { return vcpus_[raw(vcpu)].read; }
  x86::VirtualApics& apics() { return apics_; }
  const x86::VirtualApics& apics() const { return apics_; }
  const Config& config() const { return config_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VcpuThreads& a, const VcpuThreads& b) {
    return a.apics_ == b.apics_ && a.vcpus_ == b.vcpus_ && a.cpus_ == b.cpus_;
  }

 private:
  struct Vcpu {
    host::TaskHandle thread;
    VcpuPlace place = VcpuPlace::Host;
    bool loaded = false;                  // the descriptor names the CPU that it runs on
    std::optional<host::HostCpu> listed;  // among the blocked ones of that CPU
    bool halted = false;                  // it executed HLT, and nothing has ended that
    bool kicked = false;                  // Entering: it has to begin the entry anew
    Time halted_at = 0;
    HaltPollWindow window;
    std::optional<x86::VirtualExit> exit;  // an access that the thread has to complete
    std::uint64_t read = 0;                // what the last one gave, for who looks at it
    std::array<std::uint64_t, kExitReasonNames.size()> exits{};  // a count, and no state
    friend bool operator==(const Vcpu& a, const Vcpu& b) {
      return a.thread == b.thread && a.place == b.place && a.loaded == b.loaded &&
             a.listed == b.listed && a.halted == b.halted && a.kicked == b.kicked &&
             a.halted_at == b.halted_at && a.window == b.window &&
             a.exit.has_value() == b.exit.has_value();
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

  // vCPU threads: vcpu_program.cpp
  host::Action run_vcpu(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action load(CpuId vcpu, host::HostCpu cpu, host::Task& task);
  host::Action enter(CpuId vcpu, host::HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                     Env& env);
  host::Action run_guest(CpuId vcpu, host::HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                         Env& env);
  host::Action halt(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action polled(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action block(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  host::Action woken(CpuId vcpu, host::HostCpu cpu, host::Task& task, Env& env);
  void leave_guest(CpuId vcpu, host::HostCpu cpu, ExitReason reason, Env& env);
  void cancel_entry(CpuId vcpu, host::HostCpu cpu, host::HostKernel& kernel, Env& env);
  void take_notification(host::HostCpu cpu, SpanId span, Env& env);
  void complete_exit(CpuId vcpu, host::HostKernel& kernel, Env& env);

  // Interrupts of the host, and what vCPUs ask: vcpu_threads.cpp
  host::Action notified(host::Task& task, Env& env);
  host::Action wake_blocked(host::Task& task, host::HostKernel& kernel, Env& env);
  std::optional<CpuId> next_to_wake(host::HostCpu cpu, std::uint32_t from) const;
  host::Reception on_call(const HostCall& call, host::HostKernel& kernel, Env& env);
  host::Reception start(const HostCall& call, host::HostKernel& kernel);
  void on_message(const BusWrite& message, host::HostKernel& kernel, Env& env);
  void interrupt(host::HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel, Env& env);
  void on_post(PortId port, const PostInterrupt& post, host::HostKernel& kernel, Env& env);
  void on_vcpu(PortId port, const Message& message, host::HostKernel& kernel, Env& env);
  void on_write(const RegisterWrite& write, host::HostKernel& kernel, Env& env);
  void on_read(const RegisterRead& read, host::HostKernel& kernel, Env& env);
  void after_access(CpuId vcpu, const x86::VirtualAccess& access, host::HostKernel& kernel,
                    Env& env);
  void on_halted(CpuId vcpu, host::HostKernel& kernel, Env& env);
  void leave_and_go_on(CpuId vcpu, ExitReason reason, host::HostKernel& kernel, Env& env);
  void arrive(host::HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel, Env& env);
  void pass_signals(host::HostKernel& kernel, Env& env);
  void kick(const x86::VirtualSignal& signal, host::HostKernel& kernel, Env& env);
  void ring(const x86::VirtualSignal& signal, Env& env);
  SpanId highest_posted(CpuId vcpu) const;
  SpanId waiting_for(CpuId vcpu) const;
  bool is_avic() const { return config_.apics.virtualization == x86::Virtualization::Avic; }

  Vcpu& row(CpuId vcpu) { return vcpus_[raw(vcpu)]; }

  Config config_;
  x86::VirtualApics apics_;
  std::vector<Vcpu> vcpus_;
  std::vector<PhysicalCpu> cpus_;          // by host CPU
  std::vector<host::WaitQueueId> queues_;  // by vCPU: where its thread sleeps
};

/// The core: a host machine whose threads run vCPUs, the guest's side of it, and the descriptors.
class VmHost final {
 public:
  struct Config {
    VcpuThreads::Config software;
    unsigned host_cpus = 1;  // 1 to 255: messages have 8 bits for a destination
    Duration slice = 3 * kPsPerMs;
  };

  // What the guest's registers say to their CPUs, they say at the port that they have by
  // themselves.
  static constexpr PortId kMessages = x86::LapicBank::kMessages;
  static constexpr PortId kVcpus = x86::LapicBank::kCpu;
  static constexpr PortId kDescriptors = port_of(2);
  static constexpr PortId kCalls = port_of(3);  // called by the machine, no edge
  static_assert(kMessages == port_of(0) && kVcpus == port_of(1), "the order of kPorts");
  static constexpr std::array<PortSpec, 3> kPorts = {{
      {"messages", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"vcpus", EdgeKind::Cpu, Direction::Target, Order::Ordered, 1, 1},
      {"descriptors", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1u << kEdgeBits},
  }};

  explicit VmHost(const Config& config);

  /// Lanes: host CPUs, the outside, then vCPUs.
  static unsigned lanes(const Config& config) {
    return config.host_cpus + 1 + static_cast<unsigned>(config.software.apics.lapics.ids.size());
  }
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  VcpuThreads& software() { return software_; }
  const VcpuThreads& software() const { return software_; }
  const host::HostMachine& machine() const { return machine_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VmHost& a, const VmHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  VcpuThreads software_;
};

}  // namespace irqfab::kvm
