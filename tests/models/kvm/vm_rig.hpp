// vCPU threads on a host of their own, with their virtual CPUs and a device whose interrupts are
// posted: messages take no time but the prices of what is noted, and a notification takes kFlight.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <ostream>
#include <vector>

#include "models/cpu/cpus.hpp"
#include "models/host/subroutine.hpp"
#include "models/kvm/vcpu_threads.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::kvm::test {

constexpr Duration kFlight = 100;
constexpr Duration kHandler = 1000;
constexpr std::uint64_t kDescriptors = 0x10000;
constexpr std::uint32_t kEoi = 0xB0;

constexpr PortId kDescriptorPort = port_of(2);
constexpr PortId kCallPort = port_of(3);
constexpr PortId kIoapicPort = port_of(5);

/// What the VMM's program was called with.
struct UserCall {
  std::uint32_t vcpu;
  ExitReason reason;
  std::uint64_t operand;
  friend bool operator==(const UserCall& a, const UserCall& b) {
    return a.vcpu == b.vcpu && a.reason == b.reason && a.operand == b.operand;
  }
};
inline std::ostream& operator<<(std::ostream& out, const UserCall& call) {
  return out << "vCPU " << call.vcpu << ' ' << name_of(call.reason) << ' ' << call.operand;
}
constexpr Duration kUserTime = 300;  // that it takes

/// What a message to the host stands for: a device, or the VMM, does something to the chip.
using Doing = std::function<void(VcpuThreads&, host::HostKernel&, Env&)>;

/// The software under test, and a VMM that only counts.
class WithVmm final : public host::Software {
 public:
  WithVmm(VcpuThreads& vcpus, std::vector<UserCall>& calls) : vcpus_(vcpus), calls_(calls) {}
  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override {
    if (vcpus_.owns(task.program)) return vcpus_.run(task, kernel, env);
    if (task.pc++ > 0) return host::finish(task);
    const auto argument = task.locals.begin() + host::kFirstArgument;
    calls_.push_back({static_cast<std::uint32_t>(argument[0]), static_cast<ExitReason>(argument[1]),
                      argument[2]});
    return host::Compute{kUserTime};
  }
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override {
    if (doing == nullptr) return vcpus_.receive(port, message, kernel, env);
    (*doing)(vcpus_, kernel, env);
    return host::Reception::Taken;
  }
  void preempted(host::Task& task, host::HostKernel& kernel, Env& env) override {
    vcpus_.preempted(task, kernel, env);
  }
  SpanId works_for(host::TaskHandle handle, const host::Task& task) const override {
    return vcpus_.works_for(handle, task);
  }

  const Doing* doing = nullptr;

 private:
  VcpuThreads& vcpus_;
  std::vector<UserCall>& calls_;
};

/// The core: the host machine, and the software that is under test.
class VcpuHost {
 public:
  struct Config {
    VcpuThreads::Config software;
    IrqLayer::Config layer;
    host::HostMachine::Config machine;
  };
  explicit VcpuHost(const Config& config)
      : machine_(config.machine), software_(config.software, config.layer, machine_) {}

  LaneId lane_of(PortId port, const Message& message) const {
    if (const auto vcpu = software_.vcpu_of(message)) return LaneId{machine_.lanes() + raw(*vcpu)};
    const auto* write = std::get_if<BusWrite>(&message);
    if (write != nullptr && port == VcpuThreads::kMessages) {
      const auto cpu = VcpuThreads::target_of(*write, machine_.config().cpus);
      if (cpu) return LaneId{raw(*cpu)};
    }
    return machine_.lane_of(message);
  }
  void receive(PortId port, const Message& message, Env& env) {
    WithVmm all(software_, user_calls);
    machine_.receive(port, message, all, env);
  }
  void act(const Doing& doing, Env& env) {
    WithVmm all(software_, user_calls);
    all.doing = &doing;
    machine_.receive(kCallPort, Marker{Tag{0}}, all, env);
  }
  std::vector<UserCall> user_calls;  // of the VMM, no state
  host::HostMachine& machine() { return machine_; }
  VcpuThreads& software() { return software_; }
  const VcpuThreads& software() const { return software_; }
  const host::HostMachine& machine() const { return machine_; }
  void held_spans(std::vector<SpanId>& out) const {
    machine_.held_spans(out);
    software_.held_spans(out);
  }
  friend bool operator==(const VcpuHost& a, const VcpuHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  VcpuThreads software_;
};

struct Happened {
  Time time;
  Event event;
  SpanId span;
  std::uint64_t detail;
};

class VmRig final : private Env {
 public:
  struct Options {
    std::uint32_t vcpus = 1;
    unsigned host_cpus = 1;
    cpu::Idle idle = cpu::Idle::Poll;
    Duration slice = 0;
    HaltPolling polling{0, 0, 0, 0};
    Mutants mutants{};
    x86::ApicvControls controls = x86::ApicvControls::all();
    x86::Virtualization virtualization = x86::Virtualization::Apicv;
    IrqchipKind kind = IrqchipKind::Full;
    ApicHome home = ApicHome::Kernel;
    x86::ExternalPic pic = x86::ExternalPic::Absent;
    std::vector<std::uint64_t> eventfds;
    std::uint32_t eoi_register = kEoi;
    std::vector<cpu::HandlerStep> handler = {{cpu::StepKind::Busy, kHandler}};
  };
  explicit VmRig(const Options& options) : host(config_of(options)), vcpus(vcpus_of(options)) {
    for (std::uint32_t n = 0; n < options.vcpus; ++n) {
      host.software().apics().lapics().write(CpuId{n}, x86::LapicRegister::kSvr, 0x1FF, setup_);
    }
  }

  void start(std::uint32_t vcpu) {
    const auto run = static_cast<std::uint16_t>(VmCall::RunVcpu);
    put(To::Host, kCallPort, HostCall{run, TaskId(static_cast<std::uint16_t>(vcpu)), 0, 0}, now_);
  }
  void start_all() {
    for (std::uint32_t n = 0; n < vcpus.size(); ++n) start(n);
    run_for(0);
  }
  /// A device's interrupt is posted now. Answers its span.
  SpanId post(std::uint32_t vcpu, unsigned vector, Urgency urgency = Urgency::Normal) {
    const SpanId span = make_span(SourceId{1}, posted_++);
    records.push_back({now_, Event::Asserted, span, 0});
    put(To::Host, kDescriptorPort,
        PostInterrupt{kDescriptors + vcpu * 64, Tag{0}, span, {}, Vector(vector), urgency}, now_);
    run_for(0);
    return span;
  }
  /// A message reaches a host CPU now.
  SpanId message(std::uint32_t cpu, Vector vector) {
    const SpanId span = make_span(SourceId{2}, messages_++);
    records.push_back({now_, Event::Asserted, span, 0});
    put(To::Host, VcpuThreads::kMessages, notification(cpu, vector, span), now_);
    run_for(0);
    return span;
  }
  /// Somebody in user space or in the host's kernel does something to the chip now, at no time.
  void act(const Doing& doing) {
    doings_.push_back(doing);
    put(To::Act, PortId{}, Marker{Tag{static_cast<std::uint32_t>(doings_.size() - 1)}}, now_);
    run_for(0);
  }
  /// The host's software accepts a message for the vCPU with this id. Answers its span.
  SpanId msi(std::uint32_t id, unsigned vector) {
    x86::ApicMessage message;
    message.destination = ApicId{id};
    message.vector = Vector(static_cast<std::uint8_t>(vector));
    const SpanId span = make_span(SourceId{5}, injected_++);
    act([=](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
      env.note(Event::Asserted, span, 0);
      all.layer().chip().signal_msi(x86::encode(message), span, env);
      all.pass_signals(kernel, env);
    });
    return span;
  }
  /// A line of the chip is driven. Answers the span of a rise.
  SpanId line(unsigned gsi, Level level) {
    const SpanId span = make_span(SourceId{6}, injected_++);
    act([=](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
      Irqchip& chip = all.layer().chip();
      const bool rises = chip.announce(Gsi{gsi}, kUserspaceSource, level);
      if (rises) env.note(Event::Asserted, span, 0);
      chip.set_line({Gsi{gsi}, kUserspaceSource, level}, rises ? span : kNoSpan, env);
      all.pass_signals(kernel, env);
    });
    return span;
  }
  /// As the firmware left it, before anything runs.
  void set_entry(unsigned pin, std::uint64_t bits) {
    host.software().layer().chip().set_entry(Pin(static_cast<std::uint16_t>(pin)), bits, setup_);
  }
  /// A vCPU reaches for the IOAPIC.
  void ioapic_write(std::uint32_t vcpu, std::uint32_t offset, std::uint32_t value,
                    std::uint8_t size = 4) {
    act([=](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
      all.access_ioapic(CpuId{vcpu}, kIoapicPort,
                        BusWrite{0xFEC00000 + offset, value, kNoSpan, {}, size}, kernel, env);
    });
  }
  void ioapic_read(std::uint32_t vcpu, std::uint32_t offset, SpanId span = kNoSpan) {
    act([=](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
      all.access_ioapic(CpuId{vcpu}, kIoapicPort,
                        BusRead{0xFEC00000 + offset, Tag{77}, span, {}, 4}, kernel, env);
    });
  }
  void device_access(std::uint32_t vcpu, std::uint64_t address, SpanId by = kNoSpan) {
    act([=](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
      all.leave_for_user(CpuId{vcpu}, ExitReason::Mmio, address, by, kernel, env);
    });
  }
  /// A virtual CPU executes this, outside of handlers.
  void executes(std::uint32_t vcpu, cpu::Instruction instruction) {
    put(To::Vcpus, PortId{},
        HostCall{static_cast<std::uint16_t>(cpu::Call::Execute), TaskId{0}, vcpu,
                 cpu::Code{}.with(0, instruction).word()},
        now_);
    run_for(0);
  }
  void guest_writes(std::uint32_t vcpu, std::uint32_t offset, std::uint32_t value) {
    put(To::Host, VcpuThreads::kVcpus, RegisterWrite{CpuId{vcpu}, offset, value}, now_);
    run_for(0);
  }
  void guest_reads(std::uint32_t vcpu, std::uint32_t offset) {
    put(To::Host, VcpuThreads::kVcpus, RegisterRead{CpuId{vcpu}, offset, Tag{0}}, now_);
    run_for(0);
  }
  void calls(VmCall call, x86::Inhibit reason) {
    put(To::Host, kCallPort,
        HostCall{static_cast<std::uint16_t>(call), host::kNoTask,
                 static_cast<std::uint64_t>(reason), 0},
        now_);
    run_for(0);
  }
  void run_for(Duration length) {
    const Time end = now_ + length;
    for (;;) {
      const auto next =
          std::min_element(queue_.begin(), queue_.end(), [](const Item& a, const Item& b) {
            return std::pair(a.time, a.sequence) < std::pair(b.time, b.sequence);
          });
      if (next == queue_.end() || next->time > end) break;
      const Item item = *next;
      queue_.erase(next);
      now_ = cursor_ = std::max(now_, item.time);
      at_ = item.to;
      lane_ = item.to == To::Vcpus ? vcpus.lane_of(item.port, item.message)
                                   : host.lane_of(item.port, item.message);
      if (item.to == To::Act) {
        at_ = To::Host;
        lane_ = LaneId{host.machine().lanes() - 1};
        const Doing doing = doings_[raw(std::get<Marker>(item.message).tag)];
        host.act(doing, *this);
      } else if (item.to == To::Host) {
        host.receive(item.port, item.message, *this);
      } else {
        vcpus.receive(item.port, item.message, *this);
      }
    }
    now_ = end;
  }

  x86::PostedDescriptor& descriptor(std::uint32_t vcpu) {
    return host.software().apics().descriptor(CpuId{vcpu});
  }
  VcpuPlace place(std::uint32_t vcpu) const { return host.software().place(CpuId{vcpu}); }
  bool outside(std::uint32_t vcpu) const { return vcpus.outside(CpuId{vcpu}); }
  std::uint64_t handled(std::uint32_t vcpu) const { return vcpus.handled(CpuId{vcpu}); }

  std::size_t count(Event event) const {
    return static_cast<std::size_t>(std::count_if(
        records.begin(), records.end(), [event](const Happened& h) { return h.event == event; }));
  }
  /// The details of the records of one kind, in their order.
  std::vector<std::uint64_t> details(Event event) const {
    std::vector<std::uint64_t> found;
    for (const Happened& h : records) {
      if (h.event == event) found.push_back(h.detail);
    }
    return found;
  }
  bool noted(Event event, SpanId span) const {
    return std::any_of(records.begin(), records.end(),
                       [&](const Happened& h) { return h.event == event && h.span == span; });
  }
  std::vector<SpanId> held() const {
    std::vector<SpanId> spans;
    host.held_spans(spans);
    return spans;
  }
  Time now() const override { return cursor_; }

  std::vector<Happened> records;
  unsigned notifications = 0;  // that were sent for posts
  VcpuHost host;
  cpu::Cpus vcpus;

 private:
  enum class To : std::uint8_t { Host, Vcpus, Act };
  struct Item {
    Time time;
    std::uint64_t sequence;
    To to;
    PortId port;
    Message message;
  };

  static VcpuHost::Config config_of(const Options& options) {
    VcpuHost::Config config;
    for (std::uint32_t n = 0; n < options.vcpus; ++n) {
      config.layer.irqchip.ids.push_back(ApicId{n});
    }
    config.layer.irqchip.virtualization = options.virtualization;
    config.layer.irqchip.controls = options.controls;
    config.layer.irqchip.kind = options.kind;
    config.layer.irqchip.pic = options.pic;
    config.layer.eventfds = options.eventfds;
    config.software.home = options.home;
    config.software.user_exit = VcpuThreads::kFirstFree;
    config.software.descriptors = kDescriptors;
    config.software.polling = options.polling;
    config.software.mutants = options.mutants;
    config.machine.cpus = options.host_cpus;
    config.machine.slice = options.slice;
    return config;
  }
  static cpu::Cpus::Config vcpus_of(const Options& options) {
    cpu::Cpus::Config config;
    config.cpus = options.vcpus;
    config.kind = cpu::Kind::Virtual;
    config.idle = options.idle;
    config.completions = cpu::Cpus::Completions::NotTold;
    config.programs = {options.handler};
    config.eoi_register = options.eoi_register;
    return config;
  }
  static BusWrite notification(std::uint32_t cpu, Vector vector, SpanId span) {
    x86::ApicMessage message;
    message.destination = ApicId{cpu};
    message.vector = vector;
    const x86::MsiMessage encoded = x86::encode(message);
    return {encoded.address, encoded.data, span, {}, 4};
  }

  // Env
  using Env::note;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    if (event == Event::VcpuEntered) cursor_ += 500;
    if (event == Event::HostInterrupted) cursor_ += 200;
    if (event == Event::ExitHandled) cursor_ += 100;
    if (event == Event::UserExited) cursor_ += 1500;
    records.push_back({cursor_, event, span, detail});
  }
  void send(PortId port, const Message& message) override {
    if (at_ == To::Vcpus) return put(To::Host, VcpuThreads::kVcpus, message, cursor_);
    if (port == VcpuThreads::kVcpus)
      return put(To::Vcpus, cpu::Cpus::kController, message, cursor_);
    const auto* answer = std::get_if<BusData>(&message);
    if (answer == nullptr) return;
    if (port == kIoapicPort) {
      ioapic_answers.push_back(*answer);
      return;
    }
    last_answer = *answer;
    const x86::PostAnswer posted = x86::decode_post_answer(*answer);
    if (answer->status != BusStatus::Ok || !posted.notify) return;
    ++notifications;
    const SpanId span = make_span(SourceId{3}, notifications);
    records.push_back({cursor_, Event::Asserted, span, 0});
    put(To::Host, VcpuThreads::kMessages,
        notification(
            static_cast<std::uint32_t>(x86::DescriptorControl::NDST_XAPIC::get(posted.control)),
            Vector(x86::DescriptorControl::NV::get(posted.control)), span),
        cursor_ + kFlight);
  }
  void after(Duration delay, Tag tag) override { after(delay, tag, lane_); }
  void after(Duration delay, Tag tag, LaneId lane) override {
    put(at_, PortId{0xFFFF}, Elapsed{tag, raw(lane)}, cursor_ + delay);
  }
  using Env::open;
  SpanId open(Cause cause, SpanId, std::uint32_t) override {
    const SpanId span = make_span(SourceId{4}, opened_++);
    note(Event::Asserted, span, static_cast<std::uint64_t>(cause));
    return span;
  }

  void put(To to, PortId port, const Message& message, Time time) {
    queue_.push_back({time, sequence_++, to, port, message});
  }

  irqfab::test::RecordingEnv setup_;
  std::vector<Item> queue_;
  std::vector<Doing> doings_;
  std::uint64_t sequence_ = 0, posted_ = 0, messages_ = 0, opened_ = 0, injected_ = 0;
  Time now_ = 0;
  Time cursor_ = 0;
  To at_ = To::Host;
  LaneId lane_{};

 public:
  std::optional<BusData> last_answer;
  std::vector<BusData> ioapic_answers;
};

}  // namespace irqfab::kvm::test
