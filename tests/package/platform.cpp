// A SystemC platform with models of irqfab in it: a DMA engine that knows nothing of irqfab writes
// one message-signalled interrupt into the interconnect of the local APICs, and the CPU's handler
// runs.
#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <irqfab/models/catalog.hpp>
#include <irqfab/models/tlm/shell.hpp>
#include <systemc>
#include <tlm>

namespace {

using irqfab::cpu::Cpus;
using irqfab::x86::ApicBus;
using irqfab::x86::LapicBank;

struct DmaEngine : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<DmaEngine, 64> socket{"socket"};

  explicit DmaEngine(sc_core::sc_module_name name) : sc_module(name) {
    SC_HAS_PROCESS(DmaEngine);
    SC_THREAD(transfer);
  }

  void transfer() {
    wait(5, sc_core::SC_US);
    std::uint32_t data = 0x41;  // vector 0x41, edge, fixed
    tlm::tlm_generic_payload payload;
    payload.set_write();
    payload.set_address(0xFEE00000);  // APIC id 0
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&data));
    payload.set_data_length(sizeof data);
    payload.set_streaming_width(sizeof data);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->b_transport(payload, delay);
  }
};

/// Where each component's lanes and sources stand in the order of the trace.
irqfab::StationPlan plan(const char* name, const irqfab::ModelConfig& config, std::uint32_t node,
                         std::uint32_t lanes) {
  irqfab::StationPlan plan;
  plan.name = name;
  plan.first_node = irqfab::NodeId{node};
  plan.lanes = lanes;
  plan.tie = irqfab::row_of(config).tie;
  for (std::uint32_t lane = 0; lane < lanes; ++lane) plan.first_source.push_back(node + lane);
  plan.sources = lanes;
  return plan;
}

irqfab::Ledger::Config book() {
  irqfab::Ledger::Config config;
  config.components = 3;
  config.component_of_node = {0, 1, 1, 2};  // apic_bus, two lanes of lapics, cpus
  config.paths = 1;
  config.path_of_source.assign(4, 0);
  return config;
}

}  // namespace

int sc_main(int, char**) {
  const ApicBus::Config bus_config;
  LapicBank::Config lapics_config;
  lapics_config.ids = {irqfab::ApicId{0}};
  Cpus::Config cpus_config;
  cpus_config.programs = {{{irqfab::cpu::StepKind::Busy, 1 * irqfab::kPsPerUs}}};

  const irqfab::PriceList prices = irqfab::resolve(irqfab::built_in_profiles().front());
  irqfab::Engine engine(book(), nullptr);
  irqfab::Kernel kernel("irqfab", engine, irqfab::RunAhead::Off);
  irqfab::Shell<ApicBus> bus("apic_bus", kernel, plan("apic_bus", bus_config, 0, 1), prices,
                             ApicBus(bus_config));
  irqfab::Shell<LapicBank> lapics("lapics", kernel, plan("lapics", lapics_config, 1, 2), prices,
                                  LapicBank(lapics_config));
  irqfab::Shell<Cpus> cpus("cpus", kernel, plan("cpus", cpus_config, 3, 1), prices,
                           Cpus(cpus_config));
  irqfab::join(bus, ApicBus::kOutput, lapics, LapicBank::kMessages, irqfab::EdgeKind::Bus,
               irqfab::Order::Ordered, 0);
  irqfab::join(cpus, Cpus::kController, lapics, LapicBank::kCpu, irqfab::EdgeKind::Cpu,
               irqfab::Order::Ordered, 0);

  DmaEngine dma("dma");
  dma.socket.bind(bus.target_socket(ApicBus::kInputs, irqfab::Requester{}));

  // What the operating system did first: SVR, "software enable" (SDM vol. 3, 11.9).
  const irqfab::RegisterWrite enable{irqfab::CpuId{0}, 0xF0, 0x1FF};
  lapics.station().accept(LapicBank::kCpu, enable, 0, 0);

  sc_core::sc_start(5500, sc_core::SC_NS);
  const bool running = cpus.core().in_handler(irqfab::CpuId{0});
  sc_core::sc_start(5, sc_core::SC_US);

  const irqfab::Accounting& count = engine.ledger().accounting();
  std::printf("%llu asserted, %llu handled; in its handler at 5.5 us: %s\n",
              static_cast<unsigned long long>(count.asserted),
              static_cast<unsigned long long>(count.handled), running ? "yes" : "no");
  const bool as_expected =
      count.asserted == 1 && count.handled == 1 && running && engine.ledger().in_flight() == 0;
  return as_expected ? EXIT_SUCCESS : EXIT_FAILURE;
}
