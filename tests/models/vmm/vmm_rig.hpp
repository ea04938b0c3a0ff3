// A VmHost with its virtual CPUs and the functions of its devices, each lane served in its turn:
// messages take no time but the prices of what is noted, and a message of an assigned function
// reaches its host CPU after kFlight.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/models/vmm/vmm_machine.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::vmm::test {

constexpr Duration kFlight = 100;
/// Prices, in ps: different sums tell apart what a time consists of.
inline const std::map<Event, Duration> kPrices = {
    {Event::TaskSwitched, 1000},    {Event::SyscallEntered, 150}, {Event::SyscallReturned, 150},
    {Event::EventfdSignalled, 100}, {Event::RouteLookedUp, 20},   {Event::IrqfdRouted, 250},
    {Event::MsiInjected, 300},      {Event::PinDriven, 400},      {Event::WorkQueued, 60},
    {Event::WorkStarted, 70},       {Event::VcpuEntered, 500},    {Event::HostInterrupted, 200},
    {Event::UserExited, 2000},      {Event::DeviceModelled, 110}, {Event::RouteSought, 30},
    {Event::RoutesCopied, 5},       {Event::RoutesUpdated, 40},   {Event::GracePeriod, 700},
    {Event::LockAcquired, 7},       {Event::VcpuKicked, 320},     {Event::VcpuSignalled, 900},
    {Event::InterruptInjected, 80}};

struct Happened {
  Time time;
  Event event;
  SpanId span;
  std::uint64_t detail;
};

class VmmRig final : private Env {
 public:
  using Options = test::Options;
  using Reads = test::Reads;
  explicit VmmRig(const Options& options)
      : options_(options),
        host(config_of(options)),
        vcpus(vcpus_of(options)),
        functions(functions_of(options)),
        host_ioapic(x86::IoApic::Config{}) {
    x86::ApicMessage to;
    to.destination = ApicId{1};
    to.vector = Vector{kHostLineVector};
    x86::Rte entry{x86::Rte::INTVEC::set(0, kHostLineVector)};
    entry.bits = x86::Rte::TriggerModeBit::set(entry.bits, 1);
    entry.bits = x86::Rte::DESTINATION::set(entry.bits, 1);
    host_ioapic.restore(kHostPin, entry, setup_);
    for (std::uint32_t n = 0; n < options.vcpus; ++n) {
      host.vcpus().apics().lapics().write(CpuId{n}, x86::LapicRegister::kSvr, 0x1FF, setup_);
    }
    for (std::uint32_t f = 0; f < options.functions; ++f) program_function(f);
    for (std::uint32_t n = 0; n < options.vcpus; ++n) {
      const auto run = static_cast<std::uint16_t>(kvm::VmCall::RunVcpu);
      put(To::Host, VmHost::kCalls, HostCall{run, TaskId(static_cast<std::uint16_t>(n)), 0, 0}, 0);
    }
    run_for(10'000);
    records.clear();
  }

  /// A device asks now. Answers its span.
  SpanId raise(std::uint32_t function, std::uint16_t vector) {
    const SpanId span = next_of(source_of_vector(function, vector));
    put(To::Functions, pci::PciFunctions::kStimulus,
        Raise{FunctionRow{function}, VectorIndex{vector}, RaiseKind::Message}, now_);
    return span;
  }
  SpanId raise_line(std::uint32_t function, RaiseKind kind = RaiseKind::IntxHigh) {
    const SpanId span = next_of(source_of_vector(function, options_.vectors));
    put(To::Functions, pci::PciFunctions::kStimulus,
        Raise{FunctionRow{function}, VectorIndex{0}, kind}, now_);
    return span;
  }
  /// A message for vector 0 of function 0, or whose it is by the span, reaches the host.
  void sends(PortId port, SpanId span) {
    put(To::Host, port, BusWrite{message(0, 0).address, message(0, 0).data, span, {}, 4}, now_);
  }
  /// The driver, on vCPU 0.
  void driver_writes(std::uint32_t function, std::uint64_t offset, std::uint64_t value,
                     std::uint8_t size = 4) {
    put(To::Host, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
        BusWrite{window(function) + offset, value, kNoSpan, {}, size}, now_);
  }
  void driver_reads(std::uint32_t function, std::uint64_t offset, std::uint8_t size = 4) {
    put(To::Host, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
        BusRead{window(function) + offset, kDriverTag, kNoSpan, {}, size}, now_);
  }
  /// Message Control of the function's MSI-X capability.
  void driver_sets_control(std::uint32_t function, std::uint32_t value) {
    put(To::Host, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
        BusWrite{config_space(function) + pci::kConfigMsixCapability + 2, value, kNoSpan, {}, 2},
        now_);
  }
  /// A register of the function's configuration space.
  void driver_configures(std::uint32_t function, std::uint64_t offset, std::uint64_t value,
                         std::uint8_t size = 4) {
    put(To::Host, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
        BusWrite{config_space(function) + offset, value, kNoSpan, {}, size}, now_);
  }
  void driver_reads_config(std::uint32_t function, std::uint64_t offset, std::uint8_t size = 4) {
    put(To::Host, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
        BusRead{config_space(function) + offset, kDriverTag, kNoSpan, {}, size}, now_);
  }
  /// A register of the guest's IOAPIC.
  void driver_selects_and_writes(std::uint32_t index, std::uint32_t value) {
    const PortId driver = port_of(spec_of(VmHost::kMmio), VmHost::kByDriver);
    put(To::Host, driver, BusWrite{0xFEC00000, index, kNoSpan, {}, 4}, now_);
    put(To::Host, driver, BusWrite{0xFEC00010, value, kNoSpan, {}, 4}, now_);
  }
  void vcpu_reads(std::uint32_t vcpu, std::uint32_t function, std::uint64_t offset) {
    const Requester by{HostBridgeId{}, RequesterId(static_cast<std::uint16_t>(vcpu))};
    put(To::Host, VmHost::kMmio, BusRead{window(function) + offset, Tag{vcpu}, kNoSpan, by, 4},
        now_);
  }
  /// What the driver's latest read was answered.
  std::uint64_t read_value() const {
    std::uint64_t value = 0;
    std::memcpy(&value, answer_to_driver->data.data(), sizeof value);
    return value;
  }
  void mask(std::uint32_t function, std::uint16_t vector, Mask mask) {
    driver_writes(function, vector * 16u + 12, mask == Mask::On ? 1 : 0);
  }
  void call(VmmCall what, std::uint32_t function, std::uint16_t vector) {
    put(To::Host, VmHost::kCalls,
        HostCall{static_cast<std::uint16_t>(what), host::kNoTask,
                 source_of_vector(function, vector), 0},
        now_);
  }

  void run_for(Duration length) {
    const Time end = now_ + length;
    for (;;) {
      const auto next = std::min_element(
          queue_.begin(), queue_.end(),
          [this](const Item& a, const Item& b) { return order_of(a) < order_of(b); });
      if (next == queue_.end() || start_of(*next) > end) break;
      const Item item = *next;
      queue_.erase(next);
      now_ = cursor_ = std::max(now_, start_of(item));
      at_ = item.to;
      lane_ = lane_of(item);
      serve(item);
      free_at_[{item.to, raw(lane_)}] = cursor_;
    }
    now_ = end;
  }

  /// What happened to the span, in order, without who has what lock.
  std::vector<Event> story(SpanId span) const {
    std::vector<Event> events;
    for (const Happened& h : records) {
      const bool told = h.event != Event::LockAcquired && h.event != Event::LockReleased;
      if (h.span == span && told) events.push_back(h.event);
    }
    return events;
  }
  std::size_t count(Event event) const {
    return static_cast<std::size_t>(std::count_if(
        records.begin(), records.end(), [event](const Happened& h) { return h.event == event; }));
  }
  std::size_t count(Event event, SpanId span) const {
    return static_cast<std::size_t>(
        std::count_if(records.begin(), records.end(),
                      [&](const Happened& h) { return h.event == event && h.span == span; }));
  }
  /// When it happened to the span first; 0 if it did not.
  Time when(Event event, SpanId span) const {
    for (const Happened& h : records) {
      if (h.event == event && h.span == span) return h.time;
    }
    return 0;
  }
  std::uint64_t handled() const {
    std::uint64_t sum = 0;
    for (std::uint32_t n = 0; n < options_.vcpus; ++n) sum += vcpus.handled(CpuId{n});
    return sum;
  }

  /// Interrupts that have begun and not ended, ascending; and where they are found, each once.
  std::vector<SpanId> in_flight() const { return {live_.begin(), live_.end()}; }
  std::vector<SpanId> found() const {
    std::vector<SpanId> spans;
    host.held_spans(spans);
    vcpus.held_spans(spans);
    functions.held_spans(spans);
    host_ioapic.held_spans(spans);
    for (const Item& item : queue_) {
      if (span_of(item.message) != kNoSpan) spans.push_back(span_of(item.message));
    }
    std::sort(spans.begin(), spans.end());
    spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
    return spans;
  }
  Time now() const override { return cursor_; }

  /// The vector of its function that a span is of.
  std::uint32_t vector_of(SpanId span) const { return raw(source_of(span)) % sources_of(options_); }
  static constexpr Tag kDriverTag{7};

  Options options_;
  std::vector<Happened> records;
  std::map<Event, std::uint64_t> ends;  // of spans, by how
  VmHost host;
  cpu::Cpus vcpus;
  pci::PciFunctions functions;
  x86::IoApic host_ioapic;  // of whom assigned functions have a pin

 private:
  enum class To : std::uint8_t { Host, Vcpus, Functions, Ioapic };
  struct Item {
    Time time;
    std::uint64_t sequence;
    To to;
    PortId port;
    Message message;
  };
  static constexpr std::uint32_t kHostSource = 0xF00;
  static constexpr std::uint32_t kIoapicSource = 0xF80;

  std::uint32_t source_of_vector(std::uint32_t function, std::uint16_t vector) const {
    return function * sources_of(options_) + vector;
  }
  SpanId next_of(std::uint32_t source) { return make_span(SourceId{source}, promised_[source]++); }

  void program_function(std::uint32_t f) {
    if (options_.msi) return program_msi(f);
    for (std::uint16_t v = 0; v < options_.vectors; ++v) {
      pci::MsixEntry entry;
      const x86::MsiMessage said = message_of_table(f, v);
      entry.address = said.address;
      entry.data = said.data;
      entry.mask = Mask::Off;
      functions.write_entry(FunctionRow{f}, VectorIndex{v}, entry, setup_);
    }
    if (!options_.intx) functions.set_msix_enable(FunctionRow{f}, true, setup_);
  }
  void program_msi(std::uint32_t f) {
    const x86::MsiMessage said = message_of_table(f, 0);
    functions.write_msi_message(FunctionRow{f}, said.address,
                                static_cast<std::uint16_t>(said.data));
    const unsigned encoded = pci::msi_encoded(options_.msi->vectors);
    const unsigned control = pci::kMsiEnable | encoded << pci::kMsiMultipleMessageEnableShift;
    functions.write_msi_control(FunctionRow{f}, static_cast<std::uint16_t>(control), setup_);
  }
  x86::MsiMessage message_of_table(std::uint32_t f, std::uint16_t v) const {
    if (options_.attach != Attach::Assigned) return message(f, v);
    x86::ApicMessage to;  // host CPU 0
    to.vector = Vector(static_cast<std::uint8_t>(kHostVector + v));
    return x86::encode(to);
  }

  LaneId lane_of(const Item& item) const {
    switch (item.to) {
      case To::Host:
        return host.lane_of(item.port, item.message);
      case To::Vcpus:
        return vcpus.lane_of(item.port, item.message);
      case To::Ioapic:
        return LaneId{0};
      case To::Functions:
        break;
    }
    return functions.lane_of(item.port, item.message);
  }
  void serve(const Item& item) {
    switch (item.to) {
      case To::Host:
        return host.receive(item.port, item.message, *this);
      case To::Vcpus:
        return vcpus.receive(item.port, item.message, *this);
      case To::Functions:
        return functions.receive(item.port, item.message, *this);
      case To::Ioapic:
        return host_ioapic.receive(item.port, item.message, *this);
    }
  }
  Time start_of(const Item& item) const {
    const auto free = free_at_.find({item.to, raw(lane_of(item))});
    return free == free_at_.end() ? item.time : std::max(item.time, free->second);
  }
  std::tuple<Time, Time, std::uint64_t> order_of(const Item& item) const {
    return {start_of(item), item.time, item.sequence};
  }

  // Env
  using Env::note;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    note_many(event, span, detail, 1);
  }
  void note_many(Event event, SpanId span, std::uint64_t detail, std::uint32_t times) override {
    const auto price = kPrices.find(event);
    if (price != kPrices.end()) cursor_ += price->second * times;
    records.push_back({cursor_, event, span, detail});
    if (row_of(event).effect != Effect::Ends || span == kNoSpan) return;
    ++ends[event];
    live_.erase(span);
  }
  void send(PortId port, const Message& message) override {
    switch (at_) {
      case To::Vcpus:
        return put(To::Host, port == cpu::Cpus::kBus ? VmHost::kMmio : VmHost::kVcpus, message,
                   cursor_);
      case To::Functions:
        return send_of_function(port, message);
      case To::Ioapic:
        return put(To::Host, VmHost::kMessages, message, cursor_ + kFlight);
      case To::Host:
        break;
    }
    if (port == VmHost::kEois) return put(To::Ioapic, x86::IoApic::kEoi, message, cursor_);
    if (port == VmHost::kVcpus) return put(To::Vcpus, cpu::Cpus::kController, message, cursor_);
    if (port == VmHost::kMmio) return put(To::Vcpus, cpu::Cpus::kBus, message, cursor_);
    if (spec_of(port) == spec_of(VmHost::kRegisters) ||
        spec_of(port) == spec_of(VmHost::kBridges)) {
      put(To::Functions, pci::PciFunctions::kRegisters, message, cursor_);
    } else if (const auto* data = std::get_if<BusData>(&message)) {
      answer_to_driver = *data;
    }
  }
  void send_of_function(PortId port, const Message& message) {
    if (port == pci::PciFunctions::kIntx && options_.attach == Attach::Assigned) {
      PinChange change = std::get<PinChange>(message);
      change.pin = kHostPin;
      return put(To::Ioapic, x86::IoApic::kPins, change, cursor_ + kFlight);
    }
    if (port == pci::PciFunctions::kIntx) {
      return put(To::Host, VmHost::kIntx, message, cursor_);
    }
    if (port == pci::PciFunctions::kRegisters) {
      // Behind what the function has said before.
      const bool assigned = options_.attach == Attach::Assigned;
      return put(To::Host, assigned ? VmHost::kBridges : VmHost::kRegisters, message,
                 cursor_ + (assigned ? kFlight : 0));
    }
    const bool assigned = options_.attach == Attach::Assigned;
    put(To::Host, assigned ? VmHost::kMessages : VmHost::kDevices, message,
        cursor_ + (assigned ? kFlight : 0));
  }
  void after(Duration delay, Tag tag) override { after(delay, tag, lane_); }
  void after(Duration delay, Tag tag, LaneId lane) override {
    put(at_, PortId{0xFFFF}, Elapsed{tag, raw(lane)}, cursor_ + delay);
  }
  using Env::open;
  SpanId open(Cause cause, SpanId, std::uint32_t source) override {
    const std::uint32_t own = at_ == To::Ioapic ? kIoapicSource : kHostSource;
    const std::uint32_t of =
        at_ == To::Functions ? raw(lane_) * sources_of(options_) + source : own + source;
    const SpanId span = make_span(SourceId{of}, opened_[of]++);
    live_.insert(span);
    ++asserted;
    note(Event::Asserted, span, static_cast<std::uint64_t>(cause));
    return span;
  }

  void put(To to, PortId port, const Message& message, Time time) {
    queue_.push_back({time, sequence_++, to, port, message});
  }

  irqfab::test::RecordingEnv setup_;
  std::vector<Item> queue_;
  std::map<std::pair<To, std::uint32_t>, Time> free_at_;
  std::map<std::uint32_t, std::uint64_t> opened_, promised_;
  std::set<SpanId> live_;
  std::uint64_t sequence_ = 0;
  Time now_ = 0;
  Time cursor_ = 0;
  To at_ = To::Host;
  LaneId lane_{};

 public:
  std::uint64_t asserted = 0;
  std::optional<BusData> answer_to_driver;
};

}  // namespace irqfab::vmm::test
