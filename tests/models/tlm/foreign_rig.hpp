// Modules that know nothing of irqfab, and a small x86 platform for them to stand in.
#pragma once

#include <cstring>

#include "models/cpu/cpus.hpp"
#include "models/mem/system_bus.hpp"
#include "models/pci/functions.hpp"
#include "models/pci/host_bridge.hpp"
#include "models/x86/apic_bus.hpp"
#include "models/x86/lapic.hpp"
#include "tests/models/tlm/tlm_rig.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::tlm_test {

/// Runs `body` in an SC_THREAD. No extension, no DMI, loosely timed.
class ForeignInitiator final : public sc_core::sc_module {
 public:
  using Body = std::function<void(ForeignInitiator&)>;
  ForeignInitiator(sc_core::sc_module_name name, Body body)
      : sc_core::sc_module(name), socket("socket"), body_(std::move(body)) {
    SC_HAS_PROCESS(ForeignInitiator);
    SC_THREAD(run);
  }

  tlm_utils::simple_initiator_socket<ForeignInitiator, 64> socket;

  /// Calls b_transport with `delay`, which it leaves as the target returned it.
  tlm::tlm_response_status write(std::uint64_t address, std::uint64_t data, unsigned size,
                                 sc_time& delay) {
    std::memcpy(bytes_, &data, sizeof data);
    return call(tlm::TLM_WRITE_COMMAND, address, size, delay);
  }
  tlm::tlm_response_status write(std::uint64_t address, std::uint64_t data) {
    sc_time delay = sc_core::SC_ZERO_TIME;
    return write(address, data, 4, delay);
  }
  tlm::tlm_response_status read(std::uint64_t address, std::uint64_t& data, unsigned size,
                                sc_time& delay) {
    const auto response = call(tlm::TLM_READ_COMMAND, address, size, delay);
    data = 0;
    std::memcpy(&data, bytes_, size);
    return response;
  }
  std::uint64_t read(std::uint64_t address) {
    std::uint64_t data = 0;
    sc_time delay = sc_core::SC_ZERO_TIME;
    EXPECT_EQ(read(address, data, 4, delay), tlm::TLM_OK_RESPONSE);
    return data;
  }

 private:
  void run() { body_(*this); }
  tlm::tlm_response_status call(tlm::tlm_command command, std::uint64_t address, unsigned size,
                                sc_time& delay) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(bytes_);
    payload.set_data_length(size);
    payload.set_streaming_width(size);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    socket->b_transport(payload, delay);
    return payload.get_response_status();
  }

  Body body_;
  unsigned char bytes_[16] = {};
};

/// Keeps when it was called and with what, waits inside b_transport, and answers a read with how
/// many reads there were: a read has a side effect.
class ForeignTarget final : public sc_core::sc_module {
 public:
  explicit ForeignTarget(sc_core::sc_module_name name, Time waits = 0)
      : sc_core::sc_module(name), socket("socket"), waits_(waits) {
    socket.register_b_transport(this, &ForeignTarget::b_transport);
  }

  struct Call {
    Time time;
    Time delay;
    bool is_read;
    std::uint64_t address;
    std::uint64_t data;
  };
  tlm_utils::simple_target_socket<ForeignTarget, 64> socket;
  std::vector<Call> calls;
  Time annotates = 0;  // returned as a delay instead of being waited for
  tlm::tlm_response_status response = tlm::TLM_OK_RESPONSE;

  std::vector<Time> times() const {
    std::vector<Time> all;
    for (const Call& call : calls) all.push_back(call.time);
    return all;
  }

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_time& delay) {
    std::uint64_t data = 0;
    if (payload.is_write()) std::memcpy(&data, payload.get_data_ptr(), payload.get_data_length());
    calls.push_back({sc_now(), delay.value(), payload.is_read(), payload.get_address(), data});
    if (waits_ > 0) sc_core::wait(ps(waits_));
    delay += ps(annotates);
    if (payload.is_read()) {
      const std::uint64_t reads = ++reads_;
      std::memcpy(payload.get_data_ptr(), &reads, std::min(payload.get_data_length(), 8u));
    }
    payload.set_response_status(response);
  }

  Time waits_;
  std::uint64_t reads_ = 0;
};

/// A host bridge, the interrupt fabric behind it and two CPUs; a system bus with one PCI function
/// of the fabric's own. Two links of the bridge, an initiator of the bus, the bridge's memory port
/// and a window of the bus are for foreign modules.
class Platform {
 public:
  static constexpr std::uint64_t kMsi = 0xFEE00000;           // to CPU 0
  static constexpr std::uint64_t kDeviceWindow = 0xC0000000;  // the fabric's own function
  static constexpr std::uint64_t kForeignWindow = 0xD0000000;
  static constexpr std::uint32_t kVector = 0x41;  // its handler computes for 500 ns
  static constexpr std::uint32_t kReader =
      0x51;  // its handler reads a register of the foreign window
  static constexpr Requester kFirst{HostBridgeId{1}, RequesterId{0x0100}};
  static constexpr Requester kSecond{HostBridgeId{1}, RequesterId{0x0208}};

  // What an interrupt costs, in ps.
  static constexpr Time kBridge = 200'000;
  static constexpr Time kRouted = 100'000;
  static constexpr Time kEntered = 300'000;
  static constexpr Time kHandler = 500'000;
  static constexpr Time kEoi = 10'000;
  static constexpr Time kDecode = 20'000;
  static constexpr Time kDeviceAnswers = 50'000;
  static constexpr Time kToHandler = kBridge + kRouted + kEntered;
  static constexpr Time kToEnd = kToHandler + kHandler + kEoi;

  explicit Platform(RunAhead run_ahead) : rig(run_ahead) {
    rig.price(Event::BridgeForwarded, kBridge, 4000);
    rig.price(Event::MessageRouted, kRouted, 2000);
    rig.price(Event::HandlerEntered, kEntered);
    rig.price(Event::EoiWritten, kEoi);
    rig.price(Event::BusRouted, kDecode);
    rig.price(Event::DeviceRead, kDeviceAnswers);
    bridge = rig.make("bridge", TieClass::Bridge, pci::HostBridge({}));
    bus = rig.make("bus", TieClass::Bridge,
                   mem::SystemBus({{{kDeviceWindow, 0x10000, 0}, {kForeignWindow, 0x1000, 1}}}));
    functions = rig.make("functions", TieClass::Device, pci::PciFunctions(one_function()));
    apic_bus = rig.make("apic_bus", TieClass::Controller, x86::ApicBus({}));
    lapics = rig.make("lapics", TieClass::SetPending, x86::LapicBank(two_lapics()), 3);
    cpus = rig.make("cpus", TieClass::Accept, cpu::Cpus(handlers()), 2);
    join(*bridge, pci::HostBridge::kInterrupts, *apic_bus, x86::ApicBus::kInputs, EdgeKind::Bus,
         Order::Ordered, 32);
    join(*apic_bus, x86::ApicBus::kOutput, *lapics, x86::LapicBank::kMessages, EdgeKind::Bus,
         Order::Ordered, 0);
    join(*cpus, cpu::Cpus::kController, *lapics, x86::LapicBank::kCpu, EdgeKind::Cpu,
         Order::Ordered, 0);
    join(*cpus, cpu::Cpus::kBus, *bus, port_of(0, 0), EdgeKind::Bus, Order::Ordered, 0);
    join(*bus, port_of(1, 0), *functions, pci::PciFunctions::kRegisters, EdgeKind::Bus,
         Order::Ordered, 0);
    join(*functions, pci::PciFunctions::kLink, *bridge, link(2), EdgeKind::Bus, Order::Ordered, 0);
    test::RecordingEnv env;
    for (const CpuId cpu : {CpuId{0}, CpuId{1}}) lapics->core().write(cpu, 0xF0, 0x1FF, env);
  }

  static PortId link(unsigned edge) { return port_of(spec_of(pci::HostBridge::kSecondary), edge); }
  BusTargetSocket& first_link() { return bridge->target_socket(link(0), kFirst); }
  BusTargetSocket& second_link() { return bridge->target_socket(link(1), kSecond); }
  BusTargetSocket& bus_port() { return bus->target_socket(port_of(0, 1), {}); }
  BusInitiatorSocket& memory_port() {
    return bridge->foreign_initiator_socket(pci::HostBridge::kMemory);
  }
  BusInitiatorSocket& window_port() { return bus->foreign_initiator_socket(port_of(1, 1)); }

  const Accounting& accounting() const { return rig.engine.ledger().accounting(); }
  /// Every span has ended, and every one that was asserted was handled.
  void expect_all_handled(std::uint64_t count) const {
    EXPECT_EQ(accounting().asserted, count);
    EXPECT_EQ(accounting().handled, count);
    EXPECT_EQ(rig.engine.ledger().in_flight(), 0u);
    EXPECT_EQ(accounting().duplicated, 0u);
  }

  Rig rig;
  std::unique_ptr<Shell<pci::HostBridge>> bridge;
  std::unique_ptr<Shell<mem::SystemBus>> bus;
  std::unique_ptr<Shell<pci::PciFunctions>> functions;
  std::unique_ptr<Shell<x86::ApicBus>> apic_bus;
  std::unique_ptr<Shell<x86::LapicBank>> lapics;
  std::unique_ptr<Shell<cpu::Cpus>> cpus;

 private:
  static pci::PciFunctions::Config one_function() {
    pci::PciFunctions::Config config;
    config.window_base = kDeviceWindow;
    config.functions = {{RequesterId{0x0300}, 1, pci::Intx::A}};
    return config;
  }
  static x86::LapicBank::Config two_lapics() {
    x86::LapicBank::Config config;
    config.ids = {ApicId{0}, ApicId{1}};
    config.ioapics = 0;
    return config;
  }
  static cpu::Cpus::Config handlers() {
    cpu::Cpus::Config config;
    config.cpus = 2;
    config.programs = {{{cpu::StepKind::Busy, kHandler}}, {{cpu::StepKind::ReadDevice, 0}}};
    config.sources = {{kForeignWindow + 0x10, 0, 1}};
    config.served.resize(512);
    config.served[kReader] = {0, 1};
    return config;
  }
};

using Life = std::vector<std::pair<Time, Event>>;

}  // namespace irqfab::tlm_test
