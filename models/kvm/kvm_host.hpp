// A VM of KVM on a modelled host: threads that call KVM_SIGNAL_MSI, KVM_IRQ_LINE or write to eventfds
// with irqfds, the kworkers that finish what irqfds defer, and the in-kernel irqchip they all call.
//
// Models: api.rst KVM_SIGNAL_MSI, KVM_IRQ_LINE_STATUS, KVM_IRQFD. An irqfd whose GSI is a message
// injects in the signaller's context; on x86 one whose GSI is an irqchip pin leaves it to a workqueue,
// where it drives the pin high, then low. What a call does to the irqchip is one step; its price has
// passed by then, so nobody sees an interrupt before the software that makes it has run.
// vCPUs are the CPUs behind kVcpus: they are kicked, ask (INTA) and end interrupts through exits.
// Not modelled yet: the locks and reader sections of the path, the eventfd that a resampler signals,
// assigning and closing of eventfds under traffic, halting and scheduling of vCPUs on host CPUs (each has one to itself), APICv.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/irqchip.hpp"

namespace irqfab::kvm {

/// HostCall::call. Operands in HostCall::a, as the details of the events of the same names.
enum class Call : std::uint16_t {
  SignalMsi,     // address bits 31..0 << 32 | data
  IrqLine,       // source << 40 | level << 32 | GSI
  EventfdWrite,  // eventfd: index into Config::irqfds
  ApicWrite,     // CPU << 48 | offset << 32 | value; a guest's, of no thread
  RteWrite,      // the entry with the pin in bits 39..32; a guest's, of no thread
};

struct Irqfd {
  std::uint64_t number = 0;  // its name: the eventfd "e<number>"
  Gsi gsi{};
  bool resamples = false;  // KVM_IRQFD_FLAG_RESAMPLE: a level, lowered at the EOI
};

enum class Assign : std::uint8_t { Off, On };

class KvmSoftware final : public host::Software {
 public:
  struct Config {
    Irqchip::Config irqchip;
    std::vector<Irqfd> irqfds;
    std::vector<Gsi> lines;  // GSIs that are driven by calls, ascending: each a source of spans
  };
  KvmSoftware(const Config& config, host::HostMachine& machine);

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;

  /// INTA, EOI and other register accesses of vCPUs.
  void on_vcpu(PortId port, const Message& message, Env& env);

  /// KVM_IRQFD: binds eventfd `irqfd` to its GSI, or takes the binding away. 0, or -EBUSY if it is
  /// bound already; taking away what is not there answers 0.
  Answer assign(std::size_t irqfd, Assign assign);
  /// The eventfd's counter: an irqfd drains it, without one it adds up.
  std::uint64_t counter(std::size_t irqfd) const { return irqfds_[irqfd].counter; }
  /// What the latest KVM_SIGNAL_MSI or KVM_IRQ_LINE_STATUS answered.
  Answer last_answer() const { return answer_; }
  Irqchip& chip() { return chip_; }
  const Irqchip& chip() const { return chip_; }
  friend bool operator==(const KvmSoftware& a, const KvmSoftware& b) {
    return a.chip_ == b.chip_ && a.told_ == b.told_ && a.irqfds_ == b.irqfds_;
  }

 private:
  host::Action signal_msi(host::Task& task, Env& env);
  host::Action irq_line(host::Task& task, Env& env);
  host::Action eventfd_write(host::Task& task, host::HostKernel& kernel, Env& env);
  host::Action deferred_irqfd(host::Task& task, Env& env);
  host::Action after_injection(host::Task& task, Env& env, const host::Action& next);
  bool anyone_to_tell() const;
  void tell_vcpus(Env& env);
  std::uint32_t source_of_line(Gsi gsi) const;
  bool start(const HostCall& call, host::HostKernel& kernel, Env& env);
  void guest_write(const HostCall& call, Env& env);

  struct Binding {
    host::WorkId work{};
    bool assigned = false;
    std::uint64_t counter = 0;
    friend bool operator==(const Binding& a, const Binding& b) {
      return a.work == b.work && a.assigned == b.assigned && a.counter == b.counter;
    }
  };

  Config config_;
  Irqchip chip_;
  std::vector<Binding> irqfds_;      // as Config::irqfds
  std::vector<Level> told_;          // by vCPU: the level its INTR line was last told
  Answer answer_ = 0;                // of the latest call that returned one
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
  /// Spans' sources, shared by all lanes: 0 the irqchip itself, 1 KVM_SIGNAL_MSI, then irqfds, lines.
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
