#include "fabric/run/vm_steps.hpp"

#include <algorithm>

#include "fabric/run/cpu_steps.hpp"
#include "fabric/run/observe.hpp"
#include "fabric/run/settling.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"

namespace irqfab::run {
namespace {

using kvm::VcpuPlace;
using scenario::Step;
using scenario::ValueMap;
using vmm::VmHost;

CpuId cpu_in(const ValueMap& args) {
  return CpuId(static_cast<std::uint32_t>(number(args, "cpu")));
}
CpuId vcpu_in(const ValueMap& args) {
  return CpuId(static_cast<std::uint32_t>(number(args, "vcpu")));
}

std::string name_of(VcpuPlace place) {
  switch (place) {
    case VcpuPlace::Guest:
      return "guest";
    case VcpuPlace::Polling:
      return "polling";
    case VcpuPlace::Blocked:
      return "blocked";
    case VcpuPlace::Preempted:
      return "preempted";
    default:
      return "host";
  }
}

std::string truth(bool value) { return value ? "true" : "false"; }

ExpectationRow row_for(const Step& step) { return {place_of(step) + " " + step.op, true, ""}; }

ExpectationRow failed(const Step& step, std::string found) {
  return {place_of(step) + " " + step.op, false, std::move(found)};
}

std::vector<unsigned> vectors_of(const x86::VectorSet& set) {
  std::vector<unsigned> vectors;
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(Vector(static_cast<std::uint8_t>(v)))) vectors.push_back(v);
  }
  return vectors;
}

}  // namespace

VmSteps::VmSteps(Machine& machine, const topology::X86Machine& x86, std::size_t host,
                 const HandlerLog* log)
    : machine_(machine),
      x86_(x86),
      log_(log),
      host_(host),
      cpus_(topology::index_of<cpu::Cpus::Config>(x86.topology)) {}

const kvm::VcpuThreads& VmSteps::software() { return machine_.core<VmHost>(host_).vcpus(); }

std::optional<ExpectationRow> VmSteps::perform(const Step& step) {
  auto row = do_step(step);
  if (settle() == Rest::Came) {
    if (row || step.op != "expect") return row;
    return observe(step);
  }
  return failed(step, "still busy after 100 ms");
}

/// `expect` looks once everything rests.
std::optional<ExpectationRow> VmSteps::do_step(const Step& step) {
  const ValueMap& args = step.args;
  if (step.op == "wait") wait(number(args, "time"));
  if (step.op == "raise") raise(args);
  if (step.op == "vm.inhibit") inhibit(args);
  if (step.op == "msix.entry") write_entry(args);
  const bool of_vcpu = step.op == "lapic.write" || step.op == "lapic.read" ||
                       step.op == "msr.write" || step.op == "cpu.execute";
  return of_vcpu ? do_as_vcpu(step, cpu_in(args)) : std::nullopt;
}

std::optional<ExpectationRow> VmSteps::do_as_vcpu(const Step& step, CpuId vcpu) {
  if (!reaches_guest(vcpu)) {
    return failed(step, "vCPU " + std::to_string(raw(vcpu)) + " does not enter its guest: it is " +
                            name_of(software().place(vcpu)));
  }
  if (step.op == "lapic.read") return read(step, vcpu);
  if (step.op == "msr.write") return write_msr(step, vcpu);
  if (step.op == "lapic.write") write_lapic(step.args, vcpu);
  if (step.op == "cpu.execute") execute(step.args, vcpu);
  return std::nullopt;
}

std::uint32_t VmSteps::place_of_register(const ValueMap& args, CpuId vcpu) {
  const bool x2apic = software().apics().lapics().mode(vcpu) == x86::LapicMode::X2apic;
  return topology::place_of_register(
      x2apic ? scenario::ApicMode::X2apic : scenario::ApicMode::Xapic,
      static_cast<std::uint32_t>(number(args, "reg")));
}

void VmSteps::write_lapic(const ValueMap& args, CpuId vcpu) {
  machine_.put(host_, VmHost::kVcpus,
               RegisterWrite{vcpu, place_of_register(args, vcpu), number(args, "value")});
}

std::optional<ExpectationRow> VmSteps::read(const Step& step, CpuId vcpu) {
  machine_.put(host_, VmHost::kVcpus,
               RegisterRead{vcpu, place_of_register(step.args, vcpu), Tag{0}});
  settle();
  ExpectationRow row = row_for(step);
  compare(row, "answers", hexadecimal(number(step.args, "answers")),
          hexadecimal(software().last_read(vcpu) & 0xFFFFFFFF));
  return row;
}

/// What the write would come to is asked of a copy first: a write itself has no answer.
std::optional<ExpectationRow> VmSteps::write_msr(const Step& step, CpuId vcpu) {
  const auto msr = static_cast<std::uint32_t>(number(step.args, "msr"));
  const std::uint64_t value = number(step.args, "value");
  SetupEnv aside(machine_.engine().now());
  x86::VirtualApics copy = software().apics();
  const x86::VirtualAccess access = copy.wrmsr(vcpu, msr, value, aside);
  const x86::MsrStatus status =
      access.exit ? copy.complete(*access.exit, aside).status : access.status;
  if (msr < ~std::uint32_t{0} - x86::LapicBank::kMsrSpace) {
    machine_.put(host_, VmHost::kVcpus,
                 RegisterWrite{vcpu, x86::LapicBank::kMsrSpace + msr, value});
  }
  const auto wanted = optional_number(step.args, "faults");
  if (!wanted) return std::nullopt;
  ExpectationRow row = row_for(step);
  compare(row, "faults", truth(*wanted != 0), truth(status != x86::MsrStatus::Done));
  return row;
}

void VmSteps::execute(const ValueMap& args, CpuId vcpu) {
  const auto what = static_cast<std::uint16_t>(cpu::Call::Execute);
  machine_.put(cpus_, cpu::Cpus::kController, HostCall{what, {}, raw(vcpu), code_of(args).word()});
}

void VmSteps::inhibit(const ValueMap& args) {
  const auto reason = x86::inhibit_named(text(args, "reason"));
  const auto call = number(args, "on") != 0 ? kvm::VmCall::Inhibit : kvm::VmCall::Allow;
  machine_.put(host_, VmHost::kCalls,
               HostCall{static_cast<std::uint16_t>(call), host::kNoTask,
                        static_cast<std::uint64_t>(*reason), 0});
}

void VmSteps::raise(const ValueMap& args) {
  const topology::FunctionPlan function = *x86_.plan.find_function(text(args, "device"));
  const auto vector = VectorIndex(static_cast<std::uint16_t>(number(args, "vector")));
  machine_.put(topology::functions_component(x86_.topology, function.group),
               pci::PciFunctions::kStimulus, Raise{function.lane, vector, RaiseKind::Message});
}

/// By the driver, on vCPU 0.
void VmSteps::write_entry(const ValueMap& args) {
  const topology::FunctionPlan function = *x86_.plan.find_function(text(args, "device"));
  const std::uint64_t entry =
      topology::window_of(x86_.plan.bridges[function.bridge], function.row) +
      pci::kMsixTableOffset + number(args, "entry") * 16;
  if (const auto address = optional_number(args, "address")) {
    access(entry, *address & 0xFFFFFFFF);
    access(entry + 4, *address >> 32);
  }
  if (const auto data = optional_number(args, "data")) access(entry + 8, *data);
  if (const auto masked = optional_number(args, "masked")) access(entry + 12, *masked);
}

void VmSteps::access(std::uint64_t address, std::uint64_t value) {
  machine_.put(host_, port_of(spec_of(VmHost::kMmio), VmHost::kByDriver),
               BusWrite{address, value, kNoSpan, {}, 4});
  settle();
}

/// Time passes, even if nothing happens in it: the host's machine does not know this delay.
void VmSteps::wait(Duration time) {
  const Time end = machine_.engine().now() + time;
  machine_.put(host_, VmHost::kVcpus, Elapsed{Tag{0}, 0}, end);
  machine_.run(end);
}

// ---- time -------------------------------------------------------------------------------------

bool VmSteps::only_timers_are_left() {
  Engine& engine = machine_.engine();
  const StationBase* host = &machine_.station(host_);
  bool only = true;
  engine.for_each_item([&](const Item& item) {
    const auto* elapsed = std::get_if<Elapsed>(&item.message);
    only = only && elapsed != nullptr && &engine.station(item.station) == host &&
           item.kind == Item::Kind::Arrive && host::HostMachine::owns(elapsed->tag) &&
           host::HostMachine::is_timer(elapsed->tag);
  });
  return only;
}

/// Slices go on for ever where vCPUs share a CPU, so timers of the host do not count.
VmSteps::Rest VmSteps::settle() {
  const Engine& engine = machine_.engine();
  const Time limit = engine.now() + Settling::kLongestStep;
  while (!engine.idle() && !only_timers_are_left()) {
    if (engine.next_time() > limit) return Rest::NeverCame;
    machine_.run(engine.next_time());
  }
  return Rest::Came;
}

/// Is the vCPU in its guest, if need be after its turn has come?
bool VmSteps::reaches_guest(CpuId vcpu) {
  const Engine& engine = machine_.engine();
  const Time limit = engine.now() + Settling::kLongestStep;
  while (software().place(vcpu) != VcpuPlace::Guest) {
    const bool sleeps = software().place(vcpu) == VcpuPlace::Blocked && only_timers_are_left();
    if (sleeps || engine.idle() || engine.next_time() > limit) return false;
    machine_.run(engine.next_time());
  }
  return true;
}

// ---- what can be seen -------------------------------------------------------------------------

ExpectationRow VmSteps::observe(const Step& step) {
  const ValueMap& args = step.args;
  ExpectationRow row{"", true, ""};
  const x86::LapicBank& lapics = software().apics().lapics();
  observe_lapics(args, lapics, row);
  observe_cpus(args, lapics, machine_.core<cpu::Cpus>(cpus_), log_, machine_.engine().now(), row);
  if (const ValueMap* fields = map(args, "vm.vcpu")) {
    compare(row, "vm.vcpu", text(*fields, "state"), name_of(software().place(vcpu_in(*fields))));
  }
  if (const ValueMap* fields = map(args, "vm.descriptor")) observe_descriptor(*fields, row);
  if (const ValueMap* fields = map(args, "vm.exits")) observe_exits(*fields, row);
  row.text = place_of(step) + " " + row.text;
  return row;
}

void VmSteps::observe_descriptor(const ValueMap& args, ExpectationRow& row) {
  const x86::PostedDescriptor& descriptor = software().apics().descriptor(vcpu_in(args));
  if (const scenario::ValueList* wanted = list(args, "pir")) {
    std::vector<unsigned> vectors = numbers_in(wanted);
    std::sort(vectors.begin(), vectors.end());
    compare(row, "PIR", vector_list(vectors), vector_list(vectors_of(descriptor.pir())));
  }
  if (const auto wanted = optional_number(args, "on")) {
    compare(row, "ON", truth(*wanted != 0), truth(descriptor.on()));
  }
  if (const auto wanted = optional_number(args, "sn")) {
    compare(row, "SN", truth(*wanted != 0), truth(descriptor.sn()));
  }
  if (const auto wanted = optional_number(args, "nv")) {
    compare(row, "NV", hexadecimal(*wanted), hexadecimal(raw(descriptor.nv())));
  }
  if (const auto wanted = optional_number(args, "ndst")) {
    compare(row, "NDST", hexadecimal(*wanted), hexadecimal(descriptor.ndst()));
  }
}

void VmSteps::observe_exits(const ValueMap& args, ExpectationRow& row) {
  const std::string wanted = text(args, "reason");
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kExitReasonNames.size(); ++i) {
    const bool counts = wanted.empty() || wanted == kExitReasonNames[i];
    if (counts) count += software().exits(vcpu_in(args), static_cast<ExitReason>(i));
  }
  compare(
      row,
      (wanted.empty() ? "exits" : wanted) + " exits of vCPU " + std::to_string(raw(vcpu_in(args))),
      std::to_string(number(args, "count")), std::to_string(count));
}

}  // namespace irqfab::run
