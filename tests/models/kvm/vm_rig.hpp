// vCPU threads on a host of their own, with their virtual CPUs and a device whose interrupts are
// posted: messages take no time but the prices of what is noted, and a notification takes kFlight.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "models/cpu/cpus.hpp"
#include "models/kvm/vcpu_threads.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::kvm::test {

constexpr Duration kFlight = 100;
constexpr Duration kHandler = 1000;
constexpr std::uint64_t kDescriptors = 0x10000;
constexpr std::uint32_t kEoi = 0xB0;

constexpr PortId kDescriptorPort = port_of(2);
constexpr PortId kCallPort = port_of(3);

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
    machine_.receive(port, message, software_, env);
  }
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
  };
  explicit VmRig(const Options& options) : host(config_of(options)), vcpus(vcpus_of(options)) {
    for (std::uint32_t n = 0; n < options.vcpus; ++n) {
      host.software().apics().lapics().write(CpuId{n}, x86::LapicRegister::kSvr, 0x1FF, setup_);
    }
  }

  void start(std::uint32_t vcpu) {
    const auto run = static_cast<std::uint16_t>(VmCall::RunVcpu);
    put(To::Host, kCallPort, HostCall{run, TaskId(static_cast<std::uint16_t>(vcpu)), 0, 0},
        now_);
  }
  void start_all() {
    for (std::uint32_t n = 0; n < vcpus.size(); ++n) start(n);
    run_for(0);
  }
  /// A device's interrupt is posted now. Answers its span.
  SpanId post(std::uint32_t vcpu, unsigned vector, Urgency urgency = Urgency::Normal) {
    const SpanId span = make_span(SourceId{1}, posted_++);
    put(To::Host, kDescriptorPort,
        PostInterrupt{kDescriptors + vcpu * 64, Tag{0}, span, {}, Vector(vector), urgency}, now_);
    run_for(0);
    return span;
  }
  /// A message reaches a host CPU now.
  SpanId message(std::uint32_t cpu, Vector vector) {
    const SpanId span = make_span(SourceId{2}, messages_++);
    put(To::Host, VcpuThreads::kMessages, notification(cpu, vector, span), now_);
    run_for(0);
    return span;
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
      lane_ = item.to == To::Host ? host.lane_of(item.port, item.message)
                                  : vcpus.lane_of(item.port, item.message);
      if (item.to == To::Host) {
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
  enum class To : std::uint8_t { Host, Vcpus };
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
    config.programs = {{{cpu::StepKind::Busy, kHandler}}};
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
    records.push_back({cursor_, event, span, detail});
  }
  void send(PortId port, const Message& message) override {
    if (at_ == To::Vcpus) return put(To::Host, VcpuThreads::kVcpus, message, cursor_);
    if (port == VcpuThreads::kVcpus) return put(To::Vcpus, cpu::Cpus::kController, message, cursor_);
    const auto* answer = std::get_if<BusData>(&message);
    if (answer == nullptr) return;
    last_answer = *answer;
    const x86::PostAnswer posted = x86::decode_post_answer(*answer);
    if (answer->status != BusStatus::Ok || !posted.notify) return;
    ++notifications;
    const SpanId span = make_span(SourceId{3}, notifications);
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
  SpanId open(Cause, SpanId, std::uint32_t) override { return make_span(SourceId{4}, opened_++); }

  void put(To to, PortId port, const Message& message, Time time) {
    queue_.push_back({time, sequence_++, to, port, message});
  }

  irqfab::test::RecordingEnv setup_;
  std::vector<Item> queue_;
  std::uint64_t sequence_ = 0, posted_ = 0, messages_ = 0, opened_ = 0;
  Time now_ = 0;
  Time cursor_ = 0;
  To at_ = To::Host;
  LaneId lane_{};

 public:
  std::optional<BusData> last_answer;
};

}  // namespace irqfab::kvm::test
