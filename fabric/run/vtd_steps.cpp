#include "fabric/run/vtd_steps.hpp"

#include <algorithm>
#include <array>

#include "fabric/run/observe.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"
#include "fabric/scenario/phrases.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::run {
namespace {

namespace vtd = x86::vtd;
using scenario::Step;
using scenario::ValueMap;
using x86::Irte;

struct Words {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

void set_destination(const ValueMap& args, scenario::ApicMode apic, Words& entry) {
  constexpr std::array<std::string_view, 8> kModes = {"fixed", "lowest", "smi",      "reserved",
                                                      "nmi",   "init",   "reserved", "extint"};
  const auto mode = std::find(kModes.begin(), kModes.end(), text(args, "mode"));
  const auto encoded = static_cast<std::uint64_t>(mode - kModes.begin()) % kModes.size();
  entry.low = Irte::DM::set(entry.low, text(args, "destmode") == "logical");
  entry.low = Irte::RH::set(entry.low, number(args, "hint"));
  entry.low = Irte::TM::set(entry.low, text(args, "trigger") == "level");
  entry.low = Irte::DLM::set(entry.low, encoded);
  const std::uint64_t dest = number(args, "dest");
  entry.low = apic == scenario::ApicMode::X2apic ? Irte::WideDST::set(entry.low, dest)
                                                 : Irte::DST::set(entry.low, dest);
}

void set_descriptor(const ValueMap& args, std::uint64_t pda, Words& entry) {
  entry.low = Irte::IM::set(entry.low, 1);
  entry.low = Irte::URG::set(entry.low, number(args, "urgent"));
  entry.low = Irte::PDAL::set(entry.low, pda >> 6);
  entry.high = Irte::PDAH::set(entry.high, pda >> 32);
}

void set_validation(const ValueMap& args, Words& entry) {
  using Validation = Irte::SourceValidation;
  auto validation = Validation::None;
  if (const auto requester = optional_number(args, "requester")) {
    validation = Validation::RequesterId;
    entry.high = Irte::SID::set(entry.high, *requester);
    entry.high = Irte::SQ::set(entry.high, number(args, "sq"));
  } else if (has(args, "buses")) {
    validation = Validation::BusRange;
    const auto buses = scenario::parse_bus_range(text(args, "buses"));
    entry.high = Irte::SID::set(entry.high, buses->first << 8 | buses->last);
  }
  entry.high = Irte::SVT::set(entry.high, static_cast<std::uint64_t>(validation));
}

Words words_of(const ValueMap& args, scenario::ApicMode apic) {
  if (const auto low = optional_number(args, "low")) return {*low, number(args, "high")};
  Words entry;
  entry.low = Irte::P::set(0, optional_number(args, "present").value_or(1));
  entry.low = Irte::FPD::set(entry.low, number(args, "fpd"));
  entry.low = Irte::AVAIL::set(entry.low, number(args, "avail"));
  entry.low = Irte::V::set(entry.low, number(args, "vector"));
  if (const auto pda = optional_number(args, "pda")) {
    set_descriptor(args, *pda, entry);
  } else {
    set_destination(args, apic, entry);
  }
  set_validation(args, entry);
  return entry;
}

std::uint64_t invalidation_of(const ValueMap& args) {
  auto low = static_cast<std::uint64_t>(vtd::DescriptorType::InterruptEntryCache);
  const auto index = optional_number(args, "index");
  if (!index) return low;
  low = vtd::IecDescriptor::G::set(low, 1);
  low = vtd::IecDescriptor::IM::set(low, number(args, "mask"));
  return vtd::IecDescriptor::IIDX::set(low, *index);
}

Words wait_of(const ValueMap& args) {
  using vtd::WaitDescriptor;
  Words wait{static_cast<std::uint64_t>(vtd::DescriptorType::Wait), 0};
  wait.low = WaitDescriptor::IF::set(wait.low, number(args, "interrupt"));
  wait.low = WaitDescriptor::FN::set(wait.low, number(args, "fence"));
  const auto status = optional_number(args, "status");
  if (!status) return wait;
  wait.low = WaitDescriptor::SW::set(wait.low, 1);
  const std::uint64_t data = optional_number(args, "data").value_or(1);
  wait.low = WaitDescriptor::StatusData::set(wait.low, data);
  wait.high = *status;
  return wait;
}

std::uint64_t size_of_access(const ValueMap& args) {
  if (has(args, "size")) return text(args, "size") == "8" ? 8 : 4;
  return scenario::vtd_register_bytes(number(args, "reg"));
}

std::string truth(bool value) { return value ? "true" : "false"; }

std::string bdf_of(std::uint64_t requester) {
  return scenario::write_bdf(RequesterId(static_cast<std::uint16_t>(requester)));
}

}  // namespace

VtdSteps::VtdSteps(Machine& machine, const topology::X86Machine& x86, Settling& settling)
    : machine_(machine),
      x86_(x86),
      settling_(settling),
      driver_(topology::index_of<cpu::Driver::Config>(x86.topology)),
      unit_(x86.plan.remapped && !x86.plan.has_amdvi()
                ? topology::index_of<x86::VtdRemapper::Config>(x86.topology)
                : 0),
      memory_(topology::index_of<mem::Memory::Config>(x86.topology)) {
  if (x86.plan.posted) {
    descriptors_ = topology::index_of<x86::PostedDescriptors::Config>(x86.topology);
  }
}

bool VtdSteps::knows(const std::string& op) { return op.compare(0, 4, "vtd.") == 0; }

std::optional<ExpectationRow> VtdSteps::perform(const Step& step) {
  const ValueMap& args = step.args;
  if (step.op == "vtd.read") return read_register(step);
  if (step.op == "vtd.invalidate") return queue(step, invalidation_of(args), 0);
  if (step.op == "vtd.descriptor") return queue(step, number(args, "low"), number(args, "high"));
  if (step.op == "vtd.wait") {
    const Words wait = wait_of(args);
    return queue(step, wait.low, wait.high);
  }
  if (step.op == "vtd.enable") enable(args);
  if (step.op == "vtd.irte") write_entry(args);
  if (step.op == "vtd.write") {
    write_register(number(args, "reg"), number(args, "value"), size_of_access(args));
  }
  return std::nullopt;
}

/// A write of driver software, over the bus.
void VtdSteps::write(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
  machine_.put(driver_, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, size});
  settling_.settle();
}

void VtdSteps::write_register(std::uint64_t offset, std::uint64_t value, std::uint64_t size) {
  write(topology::kVtdPage + offset, value, static_cast<std::uint8_t>(size));
}

/// In the order of VT-d, "Programming Considerations": the table, the queue, then remapping.
void VtdSteps::enable(const ValueMap& args) {
  using vtd::Gcmd;
  const auto eime = optional_number(args, "eime");
  scenario::ApicMode format = x86_.plan.apic;
  if (eime) format = *eime != 0 ? scenario::ApicMode::X2apic : scenario::ApicMode::Xapic;
  const auto entries = static_cast<std::uint32_t>(number(args, "entries"));
  write_register(vtd::IRTA_REG, topology::table_pointer(entries, format), 8);
  write_register(vtd::GCMD_REG, Gcmd::SIRTP::kMask, 4);
  write_register(vtd::IQT_REG, 0, 8);
  write_register(vtd::IQA_REG, topology::kRemapQueue, 8);
  write_register(vtd::GCMD_REG, Gcmd::QIE::kMask, 4);
  const std::uint32_t on = Gcmd::QIE::kMask | Gcmd::IRE::kMask;
  const auto cfi = static_cast<std::uint32_t>(number(args, "cfi"));
  write_register(vtd::GCMD_REG, Gcmd::CFI::set(on, cfi), 4);
}

/// In the table that IRTA_REG points to, or is going to.
void VtdSteps::write_entry(const ValueMap& args) {
  const Words entry = words_of(args, x86_.plan.apic);
  const std::uint64_t pointer = vtd::Irta::IRTA::kMask & shown(vtd::IRTA_REG, 8);
  const std::uint64_t table = pointer == 0 ? topology::kRemapTable : pointer;
  const std::uint64_t at = table + number(args, "index") * Irte::kBytes;
  write(at + 8, entry.high, 8);
  write(at, entry.low, 8);
}

ExpectationRow VtdSteps::read_register(const Step& step) {
  const std::uint64_t size = size_of_access(step.args);
  const std::uint64_t offset = number(step.args, "reg");
  machine_.put(
      driver_, cpu::Driver::kStart,
      BusRead{topology::kVtdPage + offset, Tag{0}, kNoSpan, {}, static_cast<std::uint8_t>(size)});
  settling_.settle();
  const std::uint64_t answer = machine_.core<cpu::Driver>(driver_).last_answer();
  ExpectationRow row{place_of(step) + " vtd.read", true, ""};
  compare(row, scenario::write_register(offset, scenario::vtd_registers()),
          hexadecimal(number(step.args, "answers")),
          hexadecimal(size == 8 ? answer : answer & 0xFFFFFFFF));
  return row;
}

/// At the tail, which then moves on: software never lets it reach the head.
std::optional<ExpectationRow> VtdSteps::queue(const Step& step, std::uint64_t low,
                                              std::uint64_t high) {
  const std::uint64_t iqa = shown(vtd::IQA_REG, 8);
  const std::uint64_t bytes = std::uint64_t{4096} << vtd::Iqa::QS::get(iqa);
  const std::uint64_t tail = shown(vtd::IQT_REG, 8) % bytes;
  const std::uint64_t next = (tail + vtd::kDescriptorBytes) % bytes;
  if (next == shown(vtd::IQH_REG, 8)) {
    return ExpectationRow{place_of(step) + ' ' + step.op, false, "the queue is full"};
  }
  const std::uint64_t at = (iqa & vtd::Iqa::IQA::kMask) + tail;
  write(at, low, 8);
  write(at + 8, high, 8);
  write_register(vtd::IQT_REG, next, 8);
  return std::nullopt;
}

// ---- what can be seen -------------------------------------------------------------------------

const x86::VtdRemapper& VtdSteps::unit() { return machine_.core<x86::VtdRemapper>(unit_); }

std::uint64_t VtdSteps::shown(std::uint64_t offset, std::uint64_t size) {
  SetupEnv aside(machine_.engine().now());
  const std::uint64_t low = unit().read_register(offset, aside);
  if (size == 4) return low;
  return low | std::uint64_t{unit().read_register(offset + 4, aside)} << 32;
}

void VtdSteps::observe(const ValueMap& args, ExpectationRow& row) {
  if (const ValueMap* fields = map(args, "vtd.reg")) {
    const std::uint64_t offset = number(*fields, "reg");
    compare(row, scenario::write_register(offset, scenario::vtd_registers()),
            hexadecimal(number(*fields, "value")),
            hexadecimal(shown(offset, scenario::vtd_register_bytes(offset))));
  }
  if (const ValueMap* fields = map(args, "vtd.fault")) observe_fault(*fields, row);
  if (const ValueMap* fields = map(args, "vtd.queue")) observe_queue(*fields, row);
  if (const ValueMap* fields = map(args, "vtd.cache")) {
    const auto index = static_cast<std::uint32_t>(number(*fields, "index"));
    compare(row, "vtd.cache " + std::to_string(index) + " cached",
            truth(number(*fields, "cached") != 0), truth(unit().caches(index)));
  }
  if (const ValueMap* fields = map(args, "memory")) observe_memory(*fields, row);
}

void VtdSteps::observe_fault(const ValueMap& args, ExpectationRow& row) {
  const std::uint64_t at = vtd::FRCD_REG + 16 * number(args, "record");
  const std::uint64_t low = shown(at, 8);
  const std::uint64_t high = shown(at + 8, 8);
  const bool pending = vtd::Frcd::F::is_set(high);
  if (has(args, "pending")) {
    return compare(row, "vtd.fault pending", truth(number(args, "pending") != 0), truth(pending));
  }
  const auto found = [pending](std::string text) { return pending ? std::move(text) : "none"; };
  compare(row, "vtd.fault reason", hexadecimal(number(args, "reason")),
          found(hexadecimal(vtd::Frcd::FR::get(high))));
  if (const auto requester = optional_number(args, "requester")) {
    compare(row, "requester", bdf_of(*requester), found(bdf_of(vtd::Frcd::SID::get(high))));
  }
  if (const auto index = optional_number(args, "index")) {
    compare(row, "index", std::to_string(*index),
            found(std::to_string(vtd::Frcd::InterruptIndex::get(low))));
  }
}

void VtdSteps::observe_queue(const ValueMap& args, ExpectationRow& row) {
  const auto place = [&](std::uint64_t offset) {
    return std::to_string(shown(offset, 8) / vtd::kDescriptorBytes);
  };
  compare(row, "vtd.queue head", std::to_string(number(args, "head")), place(vtd::IQH_REG));
  if (const auto tail = optional_number(args, "tail")) {
    compare(row, "tail", std::to_string(*tail), place(vtd::IQT_REG));
  }
  const auto status = static_cast<std::uint32_t>(shown(vtd::FSTS_REG, 4));
  compare(row, "error", truth(number(args, "error") != 0), truth(vtd::Fsts::IQE::is_set(status)));
}

void VtdSteps::observe_memory(const ValueMap& args, ExpectationRow& row) {
  const auto& memory = machine_.core<mem::Memory>(memory_);
  const std::uint64_t address = number(args, "address");
  const auto size = static_cast<unsigned>(text(args, "size").front() - '0');
  std::string found = "no memory there";
  if (memory.contains(address, size)) {
    std::uint64_t value = 0;
    memory.read(address, &value, size);
    found = hexadecimal(value);
  } else if (descriptors_) {
    const auto& descriptors = machine_.core<x86::PostedDescriptors>(*descriptors_);
    if (const auto value = descriptors.shown_at(address, size)) found = hexadecimal(*value);
  }
  compare(row, "memory " + hexadecimal(address), hexadecimal(number(args, "value")), found);
}

}  // namespace irqfab::run
