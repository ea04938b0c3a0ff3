#include "fabric/run/x86_steps.hpp"

#include <algorithm>

#include "fabric/run/observe.hpp"
#include "fabric/run/step_args.hpp"

namespace irqfab::run {
namespace {

using scenario::Step;
using scenario::ValueMap;
using topology::FunctionPlan;

/// What a step drives or writes comes from no host bridge and from no function.
constexpr PortId kStepsLink = port_of(spec_of(pci::HostBridge::kSecondary), 1023);
constexpr PortId kStepsWire = port_of(spec_of(x86::IoApic::kPins), 1023);

}  // namespace

X86Steps::X86Steps(Machine& machine, const topology::X86Machine& x86, const HandlerLog* log)
    : machine_(machine),
      x86_(x86),
      cpu_steps_(machine, x86, log),
      driver_(topology::index_of<cpu::Driver::Config>(x86.topology)),
      lapics_(topology::index_of<x86::LapicBank::Config>(x86.topology)),
      ioapic_(topology::index_of<x86::IoApic::Config>(x86.topology)) {}

std::optional<ExpectationRow> X86Steps::perform(const Step& step) {
  const ValueMap& args = step.args;
  if (step.op == "expect") return observe(step);
  if (CpuSteps::knows(step.op)) return cpu_steps_.perform(step);
  if (step.op == "wait") {
    machine_.run(machine_.engine().now() + number(args, "time"));
    return std::nullopt;
  }
  if (step.op == "ioapic.write") write_ioapic(number(args, "reg"), number(args, "value"));
  if (step.op == "ioapic.rte") write_rte(args);
  if (step.op == "msix.entry") write_entry(args);
  if (step.op == "msix.mask") access(table_of(args) + 12, 1, 4);
  if (step.op == "msix.unmask") access(table_of(args) + 12, 0, 4);
  if (step.op == "msix.function-mask") mask_function(args);
  if (step.op == "msi.write") write_message(args);
  if (step.op == "raise") raise(args);
  if (step.op == "line") drive_line(args);
  machine_.run();
  return std::nullopt;
}

/// A write of driver software, over the bus.
void X86Steps::access(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
  machine_.put(driver_, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, size});
  machine_.run();
}

void X86Steps::write_ioapic(std::uint64_t index, std::uint64_t value) {
  access(topology::kIoApicPage + x86::IoApic::kIoRegSel, index, 4);
  access(topology::kIoApicPage + x86::IoApic::kIoWin, value & 0xFFFFFFFF, 4);
}

void X86Steps::write_rte(const ValueMap& args) {
  const std::uint64_t entry = entry_of(args);
  const std::uint64_t index = 0x10 + 2 * number(args, "pin");
  write_ioapic(index + 1, entry >> 32);
  write_ioapic(index, entry);
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
  const FunctionPlan plan = function(args);
  const std::uint64_t space =
      x86_.plan.bridges[plan.bridge].ecam_base + raw(plan.rid) * pci::kConfigSpaceBytes;
  constexpr std::uint64_t kEnable = 1u << 15;
  access(space + pci::kConfigMsixControl, kEnable | number(args, "masked") << 14, 2);
}

/// What the function's link carries up to its host bridge, without the function's own part in it.
void X86Steps::write_message(const ValueMap& args) {
  const FunctionPlan plan = function(args);
  const std::string& bridge = x86_.plan.bridges[plan.bridge].bridge->id;
  const auto& components = x86_.topology.components;
  const auto at = std::find_if(components.begin(), components.end(),
                               [&](const auto& component) { return component.name == bridge; });
  const Requester requester{HostBridgeId(static_cast<std::uint16_t>(plan.bridge)), plan.rid};
  machine_.put(static_cast<std::size_t>(at - components.begin()), kStepsLink,
               BusWrite{number(args, "address"), number(args, "data"), kNoSpan, requester, 4});
}

void X86Steps::raise(const ValueMap& args) {
  const auto vector = static_cast<unsigned>(number(args, "vector"));
  raise(function(args), has(args, "intx") ? RaiseKind::IntxPulse : RaiseKind::Message, vector);
}

void X86Steps::drive_line(const ValueMap& args) {
  const bool high = text(args, "level") == "high";
  if (has(args, "device")) {
    return raise(function(args), high ? RaiseKind::IntxHigh : RaiseKind::IntxLow, 0);
  }
  machine_.put(ioapic_, kStepsWire,
               PinChange{Pin(static_cast<std::uint16_t>(number(args, "pin"))),
                         high ? Level::High : Level::Low, 0, kNoSpan});
}

void X86Steps::raise(const FunctionPlan& plan, RaiseKind kind, unsigned vector) {
  machine_.put(topology::functions_component(x86_.topology, plan.bridge),
               pci::PciFunctions::kStimulus,
               Raise{plan.row, VectorIndex(static_cast<std::uint16_t>(vector)), kind});
}

ExpectationRow X86Steps::observe(const Step& step) {
  ExpectationRow row{"", true, ""};
  observe_x86(step.args, machine_.core<x86::LapicBank>(lapics_),
              machine_.core<x86::IoApic>(ioapic_), row);
  cpu_steps_.observe(step.args, row);
  if (const ValueMap* fields = map(step.args, "msix.PBA")) {
    const FunctionPlan plan = function(*fields);
    const auto& functions =
        machine_.core<pci::PciFunctions>(topology::functions_component(x86_.topology, plan.bridge));
    compare(row, "msix.PBA", hexadecimal(number(*fields, "value")),
            hexadecimal(functions.pba_word(plan.row, 0)));
  }
  row.text = place_of(step) + " " + row.text;
  return row;
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
