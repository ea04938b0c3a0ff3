// A VM of KVM on a modelled host: threads that call KVM_SIGNAL_MSI, KVM_IRQ_LINE or write to
// eventfds with irqfds, the kworkers that finish what irqfds defer, and the in-kernel irqchip they
// all call. Their handlers end an 8259's interrupts by writes to I/O ports, which arrive at kIo.
//
// The calls are the routing layer's programs (models/kvm/irq_layer.hpp). What a call does to the
// irqchip is one step; its price has passed by then, so nobody sees an interrupt before the
// software that makes it has run. vCPUs are the CPUs behind kVcpus: they are kicked, ask (INTA) and
// end interrupts through exits. State that the host sets and reads (KVM_NMI, KVM_INTERRUPT,
// KVM_SET_MP_STATE, KVM_GET_VCPU_EVENTS) is set and read by methods that answer as the ioctls do,
// at no time. Not modelled: halting and scheduling of vCPUs on host CPUs (each has one to itself),
// APICv.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/irq_layer.hpp"
#include "models/kvm/vcpu_events.hpp"

namespace irqfab::kvm {

/// HostCall::call. Operands in HostCall::a, as the details of the events of the same names.
enum class Call : std::uint16_t {
  SignalMsi,     // address bits 31..0 << 32 | data; b: flags << 32 | address bits 63..32
  IrqLine,       // source << 40 | kNoStatus | level << 32 | GSI
  EventfdWrite,  // eventfd: index into Config::irqfds; b: the value that is added
  ApicWrite,     // CPU << 48 | offset << 32 | value; a guest's, of no thread
  RteWrite,      // the entry with the pin in bits 39..32; a guest's, of no thread
  PortWrite,     // port << 8 | byte; a guest's, of no thread
  Irqfd,         // GSI << 32 | eventfd; b: the eventfd to signal at the EOI << 32 | flags
  SetRouting,    // handle of IrqLayer::stage
  EventfdClose,  // eventfd
  GuestStore,    // eventfd that an ioeventfd says, kNoEventfd if none does; b: the ExitReason. A
                 // guest's, of the thread that stands for its vCPU
};
constexpr std::uint64_t kNoStatus = kUntold << 32;  // KVM_IRQ_LINE, without _STATUS
constexpr std::uint64_t kNoEventfd = ~std::uint64_t{0};

/// What KVM's bus answers a store that nothing in the kernel takes: it goes to user space.
constexpr Answer kEOPNOTSUPP = -95;

/// An eventfd, and what it is to be bound to.
struct Irqfd {
  std::uint64_t number = 0;  // its name: the eventfd "e<number>"
  Gsi gsi{};
  std::optional<std::uint32_t> resample;  // the eventfd that is signalled at the EOI
};

/// When do vCPUs look at INIT and SIPI: as these come, because they run, or when the host says so?
enum class VcpusLook : std::uint8_t { AtOnce, WhenTold };

class KvmSoftware final : public host::Software {
 public:
  struct Config {
    Irqchip::Config irqchip;
    VcpusLook vcpus_look = VcpusLook::WhenTold;
    IrqfdForm form = IrqfdForm::Copy;
    std::vector<Irqfd> irqfds;
    std::vector<Gsi> lines;  // GSIs that are driven by calls, ascending: each a source of spans
  };
  KvmSoftware(const Config& config, host::HostMachine& machine);

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;

  // vCPUs as the host sees them.
  Answer nmi(CpuId cpu);
  Answer interrupt(CpuId cpu, std::uint32_t irq, Env& env);
  Answer set_mp_state(CpuId cpu, std::uint64_t state);
  /// KVM_SET_SREGS with IA32_APIC_BASE replaced.
  Answer set_sregs(CpuId cpu, std::uint64_t apic_base, Env& env);
  /// The vCPU looks at what came for it, as it does when it runs or when the host reads its state.
  void look(CpuId cpu, Env& env);
  /// It begins to run the guest.
  void enter(CpuId cpu, Env& env);
  VcpuEvents& vcpu(CpuId cpu) { return vcpus_[raw(cpu)]; }
  const VcpuEvents& vcpu(CpuId cpu) const { return vcpus_[raw(cpu)]; }

  const Config& config() const { return config_; }
  /// What the latest call of the first thread answered.
  Answer last_answer() const { return answer_; }
  /// INTR lines that changed, and messages, reach the vCPUs. For callers that use chip() itself.
  void tell_vcpus(Env& env);
  IrqLayer& layer() { return layer_; }
  const IrqLayer& layer() const { return layer_; }
  Irqchip& chip() { return layer_.chip(); }
  const Irqchip& chip() const { return layer_.chip(); }
  friend bool operator==(const KvmSoftware& a, const KvmSoftware& b) {
    return a.layer_ == b.layer_ && a.told_ == b.told_ && a.vcpus_ == b.vcpus_;
  }

 private:
  bool start(const HostCall& call, host::HostKernel& kernel, Env& env);
  host::Start program_of(const HostCall& call) const;
  SpanId span_of(const HostCall& call, Env& env);
  void guest_write(const HostCall& call, Env& env);
  void on_vcpu(PortId port, const Message& message, Env& env);
  std::size_t vcpus_to_tell() const;
  void pass_on(const CpuLineChange& message);
  std::uint32_t source_of_line(Gsi gsi) const;

  Config config_;
  IrqLayer layer_;
  std::vector<VcpuEvents> vcpus_;
  std::vector<Level> told_;  // by vCPU: the level its INTR line was last told
  Answer answer_ = 0;        // of the first thread's latest call that has returned
};

/// The core: a host machine with this software, and the vCPUs' side.
class KvmHost final {
 public:
  struct Config {
    KvmSoftware::Config software;
    unsigned threads = 1;  // that make calls, each with a host CPU of its own
  };

  static constexpr PortId kVcpus = port_of(0);
  static constexpr PortId kIo = port_of(1);
  static constexpr PortId kCalls = port_of(2);  // called by the machine, no edge
  static constexpr std::array<PortSpec, 2> kPorts = {{
      {"vcpus", EdgeKind::Cpu, Direction::Target, Order::Unordered, 1, 1},
      {"io", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
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

  /// KVM_IRQFD as Config says, at no time.
  Answer assign_now(std::uint32_t irqfd);
  /// What reaches vCPUs and resampling eventfds by what was done to software() from outside.
  void pass_signals(Env& env);

  // An eventfd by itself; a write and a close are calls. `fd` indexes Config::irqfds.
  void open_eventfd(std::uint32_t fd, std::uint64_t counter, host::EventFdMode mode, Env& env);
  /// What a read takes, or -EAGAIN.
  Answer read_eventfd(std::uint32_t fd, Env& env);
  /// The eventfd's counter: an irqfd drains it, without one it adds up.
  std::uint64_t counter(std::uint32_t fd) const;

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const KvmHost& a, const KvmHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  KvmSoftware software_;
};

}  // namespace irqfab::kvm
