// A VM of KVM on a modelled host: threads that call KVM_SIGNAL_MSI, KVM_IRQ_LINE or write to
// eventfds with irqfds, the kworkers that finish what irqfds defer, and the in-kernel irqchip they
// all call.
//
// Models: api.rst KVM_SIGNAL_MSI, KVM_IRQ_LINE_STATUS, KVM_IRQFD. An irqfd whose GSI is a message
// injects in the signaller's context; on x86 one whose GSI is an irqchip pin leaves it to a
// workqueue, where it drives the pin high, then low. What a call does to the irqchip is one step;
// its price has passed by then, so nobody sees an interrupt before the software that makes it has
// run. vCPUs are the CPUs behind kVcpus: they are kicked, ask (INTA) and end interrupts through
// exits. State that the host sets and reads (KVM_IRQFD, KVM_NMI, KVM_INTERRUPT, KVM_SET_MP_STATE,
// KVM_GET_VCPU_EVENTS) is set and read by methods that answer as the ioctls do, at no time.
// Not modelled yet: the locks and reader sections of the path, assigning and closing of eventfds
// under traffic, halting and scheduling of vCPUs on host CPUs (each has one to itself), APICv.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/irqchip.hpp"
#include "models/kvm/vcpu_events.hpp"

namespace irqfab::kvm {

/// HostCall::call. Operands in HostCall::a, as the details of the events of the same names.
enum class Call : std::uint16_t {
  SignalMsi,     // address bits 31..0 << 32 | data; b: address bits 63..32
  IrqLine,       // source << 40 | level << 32 | GSI
  EventfdWrite,  // eventfd: index into Config::irqfds; b: the value that is added
  IrqfdPoll,     // eventfd: it was signalled before its irqfd was assigned
  ApicWrite,     // CPU << 48 | offset << 32 | value; a guest's, of no thread
  RteWrite,      // the entry with the pin in bits 39..32; a guest's, of no thread
};

/// An eventfd, and what it is to be bound to.
struct Irqfd {
  std::uint64_t number = 0;  // its name: the eventfd "e<number>"
  Gsi gsi{};
  bool resamples = false;  // KVM_IRQFD_FLAG_RESAMPLE: a level, lowered at the EOI
};

enum class Assign : std::uint8_t { Off, On };
enum class Drain : std::uint8_t { Whole, One };  // EFD_SEMAPHORE: a read takes one
/// The eventfd that a resampling irqfd signals at the EOI.
using ResampleFd = std::optional<std::size_t>;

/// When do vCPUs look at INIT and SIPI: as these come, because they run, or when the host says so?
enum class VcpusLook : std::uint8_t { AtOnce, WhenTold };

class KvmSoftware final : public host::Software {
 public:
  struct Config {
    Irqchip::Config irqchip;
    VcpusLook vcpus_look = VcpusLook::WhenTold;
    std::vector<Irqfd> irqfds;
    std::vector<Gsi> lines;  // GSIs that are driven by calls, ascending: each a source of spans
  };
  KvmSoftware(const Config& config, host::HostMachine& machine);

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;

  /// INTA, EOI and other register accesses of vCPUs.
  void on_vcpu(PortId port, const Message& message, Env& env);

  /// KVM_IRQFD as Config says: binds eventfd `irqfd` to its GSI, or takes the binding away. 0, or
  /// -EBUSY if it is bound already; taking away what is not there answers 0.
  Answer assign(std::size_t irqfd, Assign assign);
  /// The same with a GSI of the call's own. One that resamples may name the eventfd to signal.
  Answer assign(std::size_t irqfd, Gsi gsi, ResampleFd resample, Env& env);
  Answer deassign(std::size_t irqfd, Gsi gsi, Env& env);

  // An eventfd by itself; a write is a call (Call::EventfdWrite). `fd` indexes Config::irqfds.
  void open_eventfd(std::size_t fd, std::uint64_t counter, Drain drain);
  /// Its irqfd goes with it.
  void close_eventfd(std::size_t fd, Env& env);
  /// What a read takes, or -EAGAIN.
  Answer read_eventfd(std::size_t fd);
  bool assigned(std::size_t fd) const { return irqfds_[fd].assigned; }
  /// The eventfd's counter: an irqfd drains it, without one it adds up.
  std::uint64_t counter(std::size_t irqfd) const { return irqfds_[irqfd].counter; }

  // vCPUs as the host sees them.
  Answer nmi(CpuId cpu);
  Answer interrupt(CpuId cpu, std::uint32_t irq, Env& env);
  Answer set_mp_state(CpuId cpu, std::uint64_t state);
  /// The vCPU looks at what came for it, as it does when it runs or when the host reads its state.
  void look(CpuId cpu, Env& env);
  /// It begins to run the guest.
  void enter(CpuId cpu, Env& env);
  VcpuEvents& vcpu(CpuId cpu) { return vcpus_[raw(cpu)]; }
  const VcpuEvents& vcpu(CpuId cpu) const { return vcpus_[raw(cpu)]; }

  /// What the latest KVM_SIGNAL_MSI or KVM_IRQ_LINE_STATUS answered.
  Answer last_answer() const { return answer_; }
  /// INTR lines that changed, and messages, reach the vCPUs. For callers that use chip() itself.
  void tell_vcpus(Env& env);
  Irqchip& chip() { return chip_; }
  const Irqchip& chip() const { return chip_; }
  friend bool operator==(const KvmSoftware& a, const KvmSoftware& b) {
    return a.chip_ == b.chip_ && a.told_ == b.told_ && a.irqfds_ == b.irqfds_ &&
           a.vcpus_ == b.vcpus_;
  }

 private:
  host::Action signal_msi(host::Task& task, Env& env);
  host::Action irq_line(host::Task& task, Env& env);
  host::Action eventfd_write(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action irqfd_poll(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action deferred_irqfd(host::Task& task, Env& env);
  void queue(std::size_t irqfd, host::Task& task, host::HostKernel& kernel, Env& env);
  static void drain(std::uint64_t& counter, Drain how);
  host::Action after_injection(host::Task& task, Env& env, const host::Action& next);
  bool anyone_to_tell() const;
  void signal_resamplers();
  void pass_on(const CpuLineChange& message);
  std::uint32_t source_of_line(Gsi gsi) const;
  bool start(const HostCall& call, host::HostKernel& kernel, Env& env);
  void guest_write(const HostCall& call, Env& env);

  struct Binding {
    host::WorkId work{};
    bool assigned = false;
    std::uint64_t counter = 0;
    Gsi gsi{};
    bool resamples = false;
    ResampleFd resample_fd;
    Drain drain = Drain::Whole;
    friend bool operator==(const Binding& a, const Binding& b) {
      return a.work == b.work && a.assigned == b.assigned && a.counter == b.counter &&
             a.gsi == b.gsi && a.resamples == b.resamples && a.resample_fd == b.resample_fd &&
             a.drain == b.drain;
    }
  };

  Config config_;
  Irqchip chip_;
  std::vector<Binding> irqfds_;  // as Config::irqfds
  std::vector<VcpuEvents> vcpus_;
  std::vector<Level> told_;  // by vCPU: the level its INTR line was last told
  Answer answer_ = 0;        // of the latest call that returned one
};

/// The core: a host machine with this software, and the vCPUs' side.
class KvmHost final {
 public:
  struct Config {
    KvmSoftware::Config software;
    unsigned threads = 1;  // that make calls, each with a host CPU of its own
  };

  static constexpr PortId kVcpus = port_of(0);
  static constexpr PortId kCalls = port_of(1);  // called by the machine, no edge
  static constexpr std::array<PortSpec, 1> kPorts = {{
      {"vcpus", EdgeKind::Cpu, Direction::Target, Order::Unordered, 1, 1},
  }};

  explicit KvmHost(const Config& config);

  /// Lanes: host CPUs, the outside, then vCPUs.
  static unsigned lanes(const Config& config);
  /// Spans' sources, shared by all lanes: 0 the irqchip itself, 1 KVM_SIGNAL_MSI, then irqfds,
  /// lines.
  static unsigned sources(const Config& config) {
    return static_cast<unsigned>(2 + config.software.irqfds.size() + config.software.lines.size());
  }
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  KvmSoftware& software() { return software_; }
  const host::HostMachine& machine() const { return machine_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const KvmHost& a, const KvmHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  KvmSoftware software_;
};

}  // namespace irqfab::kvm
