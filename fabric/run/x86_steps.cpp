#include "fabric/run/x86_steps.hpp"

#include <algorithm>

#include "fabric/run/observe.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/topology/pci_plan.hpp"
#include "models/x86/irte.hpp"

namespace irqfab::run {
namespace {

using scenario::Step;
using scenario::ValueMap;
using topology::FunctionPlan;

/// What a step writes as a device comes from no function.
constexpr PortId kStepsLink = port_of(spec_of(pci::HostBridge::kSecondary), 1023);

Level level_of(const ValueMap& args) {
  return text(args, "level") == "high" ? Level::High : Level::Low;
}

/// Where the registers of the IOAPIC are that the step names.
std::uint64_t page_of(const ValueMap& args) {
  return topology::ioapic_page(number(args, "ioapic"));
}

/// The pin of the first IOAPIC that an ISA line drives (MultiProcessor Specification 1.4,
/// table 5-2): the timer's is pin 2.
std::optional<std::uint64_t> pin_of_irq(std::uint64_t irq) {
  if (irq == 0) return 2;
  if (irq == 2) return std::nullopt;
  return irq;
}

std::optional<std::size_t> hpet_of(const topology::Topology& topology) {
  if (topology::find_component<x86::Hpet::Config>(topology) == nullptr) return std::nullopt;
  return topology::index_of<x86::Hpet::Config>(topology);
}

}  // namespace

X86Steps::X86Steps(Machine& machine, const topology::X86Machine& x86, const HandlerLog* log)
    : machine_(machine),
      x86_(x86),
      driver_(topology::index_of<cpu::Driver::Config>(x86.topology)),
      lapics_(topology::index_of<x86::LapicBank::Config>(x86.topology)),
      hpet_(hpet_of(x86.topology)),
      settling_(machine, lapics_, hpet_),
      cpu_steps_(machine, x86, log, settling_),
      vtd_steps_(machine, x86, settling_),
      amdvi_steps_(machine, x86, settling_) {}

std::optional<ExpectationRow> X86Steps::perform(const Step& step) {
  auto row = do_step(step);
  if (!settling_.gave_up()) return row;
  return ExpectationRow{place_of(step) + " the machine comes to rest after '" + step.op + "'",
                        false, "still busy after 100 ms"};
}

std::optional<ExpectationRow> X86Steps::come_to_rest() {
  settling_.settle(Settling::kLongestEnd);
  if (!settling_.gave_up()) return std::nullopt;
  return ExpectationRow{"the machine comes to rest", false, "still busy after 1 s"};
}

/// Time passes, even if nothing happens in it.
void X86Steps::wait(Duration time) {
  const Time end = machine_.engine().now() + time;
  constexpr Elapsed kNobodys{Tag{~std::uint32_t{0}}, 0};
  machine_.put(lapics_, x86::LapicBank::kMessages, kNobodys, end);
  machine_.run(end);
}

std::optional<ExpectationRow> X86Steps::do_step(const Step& step) {
  const ValueMap& args = step.args;
  if (step.op == "expect") return observe(step);
  if (CpuSteps::knows(step.op)) return cpu_steps_.perform(step);
  if (VtdSteps::knows(step.op)) return vtd_steps_.perform(step);
  if (AmdViSteps::knows(step.op)) return amdvi_steps_.perform(step);
  if (step.op == "wait") {
    wait(number(args, "time"));
    return std::nullopt;
  }
  if (step.op == "ioapic.write") write_ioapic(args, number(args, "reg"), number(args, "value"));
  if (step.op == "ioapic.rte") write_rte(args);
  if (step.op == "ioapic.eoi") {
    access(page_of(args) + x86::IoApic::kEoiRegister, number(args, "vector"), 4);
  }
  if (step.op == "io.write") {
    access(x86::kIoPortBase + number(args, "port"), number(args, "value"),
           static_cast<std::uint8_t>(text(args, "size").front() - '0'));
  }
  if (step.op == "isa.line") drive_isa_line(args);
  if (step.op == "pirq.route") {
    const x86::Pirq pirq{static_cast<std::uint8_t>(text(args, "pirq").front() - 'A')};
    access(topology::kPirqPage + x86::PirqRouter::register_of(pirq), number(args, "value"), 1);
  }
  if (step.op == "hpet.write") {
    const bool half = text(args, "size") == "4";
    access(topology::kHpetPage + number(args, "reg"), number(args, "value"), half ? 4 : 8);
  }
  if (step.op == "msix.entry") write_entry(args);
  if (step.op == "msix.mask") access(table_of(args) + 12, 1, 4);
  if (step.op == "msix.unmask") access(table_of(args) + 12, 0, 4);
  if (step.op == "msix.function-mask") mask_function(args);
  if (step.op == "msi.write") write_message(args);
  if (step.op == "msi.capability") write_msi(args);
  if (step.op == "config.write") {
    access(config_of(args) + number(args, "offset"), number(args, "value"),
           static_cast<std::uint8_t>(number(args, "size")));
  }
  if (step.op == "pci.command") write_command(args);
  if (step.op == "raise") raise(args);
  if (step.op == "line") drive_line(args);
  settling_.settle();
  return std::nullopt;
}

/// A write of driver software, over the bus.
void X86Steps::access(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
  machine_.put(driver_, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, size});
  settling_.settle();
}

void X86Steps::write_ioapic(const ValueMap& args, std::uint64_t index, std::uint64_t value) {
  access(page_of(args) + x86::IoApic::kIoRegSel, index, 4);
  access(page_of(args) + x86::IoApic::kIoWin, value & 0xFFFFFFFF, 4);
}

void X86Steps::write_rte(const ValueMap& args) {
  const std::uint64_t entry = entry_of(args);
  const std::uint64_t index = 0x10 + 2 * number(args, "pin");
  write_ioapic(args, index + 1, entry >> 32);
  write_ioapic(args, index, entry);
}

void X86Steps::write_entry(const ValueMap& args) {
  const std::uint64_t entry = table_of(args);
  if (const auto address = optional_number(args, "address")) {
    access(entry, *address & 0xFFFFFFFF, 4);
    access(entry + 4, *address >> 32, 4);
  }
  if (const auto data = optional_number(args, "data")) access(entry + 8, *data, 4);
  if (const auto masked = optional_number(args, "masked")) access(entry + 12, *masked, 4);
}

void X86Steps::mask_function(const ValueMap& args) {
  access(config_of(args) + pci::kConfigMsixControl, pci::kMsixEnable | number(args, "masked") << 14,
         2);
}

void X86Steps::write_msi(const ValueMap& args) {
  const scenario::Device& device = *function(args).device;
  const pci::Msi msi = topology::msi_of(*device.msi);
  const std::uint64_t space = config_of(args);
  if (const auto address = optional_number(args, "address")) {
    access(space + pci::kConfigMsiAddress, *address & 0xFFFFFFFF, 4);
    if (device.msi->address == 64) access(space + pci::kConfigMsiUpperAddress, *address >> 32, 4);
  }
  if (const auto data = optional_number(args, "data")) {
    access(space + pci::msi_data_offset(msi), *data, 2);
  }
  if (const auto mask = optional_number(args, "mask")) {
    access(space + pci::msi_mask_offset(msi), *mask, 4);
  }
  const unsigned encoded = pci::msi_encoded(static_cast<unsigned>(number(args, "vectors")));
  access(space + pci::kConfigMsiControl,
         number(args, "enabled") | encoded << pci::kMsiMultipleMessageEnableShift, 2);
}

void X86Steps::write_command(const ValueMap& args) {
  std::uint64_t space = 0;
  if (has(args, "bridge")) {
    const auto bridge = topology::find_bridge(x86_.plan, text(args, "bridge"));
    space = x86_.plan.bridges[bridge->host].ecam_base + raw(bridge->rid) * pci::kConfigSpaceBytes;
  } else {
    space = config_of(args);
  }
  access(space + pci::kConfigCommand, number(args, "value"), 2);
}

/// What the function's link carries up to its host bridge, without the function's own part in it.
void X86Steps::write_message(const ValueMap& args) {
  const FunctionPlan plan = function(args);
  const std::string& bridge = x86_.plan.bridges[plan.bridge].bridge->id;
  const auto& components = x86_.topology.components;
  const auto at = std::find_if(components.begin(), components.end(),
                               [&](const auto& component) { return component.name == bridge; });
  const Requester requester{HostBridgeId(static_cast<std::uint16_t>(plan.bridge)), plan.requester};
  const auto size = static_cast<std::uint8_t>(text(args, "size").front() - '0');
  std::uint64_t address = number(args, "address");
  if (const auto handle = optional_number(args, "handle")) {
    address = topology::remappable_address(static_cast<std::uint32_t>(*handle));
    address = x86::RemappableAddress::SHV::set(address, has(args, "subhandle"));
  }
  const std::uint64_t data = optional_number(args, "data").value_or(number(args, "subhandle"));
  machine_.put(static_cast<std::size_t>(at - components.begin()), kStepsLink,
               BusWrite{address, data, kNoSpan, requester, size});
}

void X86Steps::raise(const ValueMap& args) {
  const auto vector = static_cast<unsigned>(number(args, "vector"));
  raise(function(args), has(args, "intx") ? RaiseKind::IntxPulse : RaiseKind::Message, vector);
}

void X86Steps::drive_line(const ValueMap& args) {
  const Level level = level_of(args);
  if (has(args, "device")) {
    const bool high = level == Level::High;
    return raise(function(args), high ? RaiseKind::IntxHigh : RaiseKind::IntxLow, 0);
  }
  drive_ioapic(number(args, "ioapic"), topology::kStepsWire, number(args, "pin"), level);
}

void X86Steps::drive_isa_line(const ValueMap& args) {
  const std::uint64_t irq = number(args, "irq");
  machine_.put(topology::index_of<x86::Pic::Config>(x86_.topology),
               port_of(spec_of(x86::Pic::kPins), topology::kIsaLines),
               PinChange{Pin(static_cast<std::uint16_t>(irq)), level_of(args), 0, kNoSpan});
  if (const auto pin = pin_of_irq(irq)) {
    drive_ioapic(0, topology::kIsaLines, *pin, level_of(args));
  }
}

void X86Steps::drive_ioapic(std::uint64_t ioapic, unsigned edge, std::uint64_t pin, Level level) {
  machine_.put(topology::ioapic_component(x86_.topology, ioapic),
               port_of(spec_of(x86::IoApic::kPins), edge),
               PinChange{Pin(static_cast<std::uint16_t>(pin)), level, 0, kNoSpan});
}

void X86Steps::raise(const FunctionPlan& plan, RaiseKind kind, unsigned vector) {
  machine_.put(topology::functions_component(x86_.topology, plan.group),
               pci::PciFunctions::kStimulus,
               Raise{plan.lane, VectorIndex(static_cast<std::uint16_t>(vector)), kind});
}

ExpectationRow X86Steps::observe(const Step& step) {
  ExpectationRow row{"", true, ""};
  const ValueMap* entry = map(step.args, "ioapic.RTE");
  const std::uint64_t ioapic = entry == nullptr ? 0 : number(*entry, "ioapic");
  observe_x86(step.args, machine_.core<x86::LapicBank>(lapics_),
              machine_.core<x86::IoApic>(topology::ioapic_component(x86_.topology, ioapic)), row);
  cpu_steps_.observe(step.args, row);
  vtd_steps_.observe(step.args, row);
  amdvi_steps_.observe(step.args, row);
  compare_board(step.args, row);
  observe_hpet(step.args, row);
  observe_pci(step.args, row);
  row.text = place_of(step) + " " + row.text;
  return row;
}

/// Registers of the IOAPICs below their tables, and of the 8259s.
void X86Steps::compare_board(const ValueMap& args, ExpectationRow& row) {
  if (const ValueMap* fields = map(args, "ioapic.reg")) {
    const std::size_t ioapic = topology::ioapic_component(x86_.topology, number(*fields, "ioapic"));
    observe_ioapic_register(args, machine_.core<x86::IoApic>(ioapic), row);
  }
  if (!x86_.plan.has_pic()) return;
  observe_pic(args, machine_.core<x86::Pic>(topology::index_of<x86::Pic::Config>(x86_.topology)),
              row);
}

void X86Steps::observe_hpet(const ValueMap& args, ExpectationRow& row) {
  const ValueMap* fields = map(args, "hpet.reg");
  if (fields == nullptr) return;
  const std::uint64_t offset = number(*fields, "reg");
  SetupEnv aside(machine_.engine().now());
  const std::uint64_t found =
      machine_.core<x86::Hpet>(*hpet_).read(static_cast<std::uint32_t>(offset), 8, aside);
  compare(row, scenario::write_register(offset, scenario::hpet_registers()),
          hexadecimal(number(*fields, "value")), hexadecimal(found));
}

void X86Steps::observe_pci(const ValueMap& args, ExpectationRow& row) {
  if (const ValueMap* fields = map(args, "msix.PBA")) {
    const FunctionPlan plan = function(*fields);
    compare(row, "msix.PBA", hexadecimal(number(*fields, "value")),
            hexadecimal(functions_of(plan).pba_word(plan.lane, 0)));
  }
  if (const ValueMap* fields = map(args, "msi.pending")) {
    const FunctionPlan plan = function(*fields);
    compare(row, "msi.pending", hexadecimal(number(*fields, "value")),
            hexadecimal(functions_of(plan).msi_pending(plan.lane)));
  }
  if (const ValueMap* fields = map(args, "pci.config")) {
    const FunctionPlan plan = function(*fields);
    const std::uint64_t offset = number(*fields, "offset");
    const std::uint64_t low = functions_of(plan).config_dword(plan.lane, offset & ~3ull);
    const std::uint64_t high = functions_of(plan).config_dword(plan.lane, (offset & ~3ull) + 4);
    const std::uint64_t bytes = (low | high << 32) >> (offset % 4 * 8);
    const std::uint64_t mask = (std::uint64_t{1} << number(*fields, "size") * 8) - 1;
    compare(row, "pci.config", hexadecimal(number(*fields, "value")), hexadecimal(bytes & mask));
  }
}

const pci::PciFunctions& X86Steps::functions_of(const FunctionPlan& function) {
  return machine_.core<pci::PciFunctions>(
      topology::functions_component(x86_.topology, function.group));
}

std::uint64_t X86Steps::config_of(const ValueMap& args) const {
  const FunctionPlan plan = function(args);
  return topology::config_of(x86_.plan.bridges[plan.bridge], plan);
}

FunctionPlan X86Steps::function(const ValueMap& args) const {
  return *x86_.plan.find_function(text(args, "device"));
}

std::uint64_t X86Steps::table_of(const ValueMap& args) const {
  const FunctionPlan plan = function(args);
  return topology::window_of(x86_.plan.bridges[plan.bridge], plan.row) + pci::kMsixTableOffset +
         number(args, "entry") * 16;
}

}  // namespace irqfab::run
