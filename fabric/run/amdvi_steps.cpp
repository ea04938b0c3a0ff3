#include "fabric/run/amdvi_steps.hpp"

#include <algorithm>

#include "fabric/run/observe.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"
#include "fabric/scenario/amdvi_names.hpp"
#include "fabric/topology/amdvi_plan.hpp"
#include "models/x86/amdvi_tables.hpp"

namespace irqfab::run {
namespace {

using namespace x86::amdvi;
using scenario::Step;
using scenario::ValueMap;

/// The reader has checked the name.
const scenario::AmdviRegister& register_of(const ValueMap& args) {
  const auto& all = scenario::kAmdviRegisters;
  const std::string name = text(args, "reg");
  return *std::find_if(all.begin(), all.end(), [&](const auto& row) { return row.name == name; });
}

IrteFormat format_of(std::uint64_t control) {
  if (!Control::GAEn::is_set(control)) return IrteFormat::Basic;
  return Control::XTEn::is_set(control) ? IrteFormat::LongXt : IrteFormat::Long;
}

std::uint64_t device_bits(const ValueMap& args) {
  if (const auto given = optional_number(args, "bits")) return *given;
  const std::string control = text(args, "control");
  const auto handling = control == "abort"      ? Dte::Handling::Abort
                        : control == "forward"  ? Dte::Handling::Forward
                        : control == "reserved" ? Dte::Handling::Reserved
                                                : Dte::Handling::Remap;
  std::uint64_t entry = number(args, "table") & Dte::IntTableRoot::kMask;
  entry = Dte::IV::set(entry, optional_number(args, "valid").value_or(1));
  entry = Dte::IntTabLen::set(entry, number(args, "length"));
  entry = Dte::IG::set(entry, number(args, "ignore"));
  entry = Dte::NMIPass::set(entry, number(args, "nmi"));
  entry = Dte::INITPass::set(entry, number(args, "init"));
  entry = Dte::EIntPass::set(entry, number(args, "extint"));
  return Dte::IntCtl::set(entry, static_cast<std::uint64_t>(handling));
}

Irte entry_of(const ValueMap& args, IrteFormat format) {
  if (const auto low = optional_number(args, "low")) return {*low, number(args, "high")};
  Irte entry;
  const std::uint64_t dest = number(args, "dest");
  entry.low = Irte::RemapEn::set(0, optional_number(args, "enabled").value_or(1));
  entry.low = Irte::SupIOPF::set(entry.low, number(args, "suppress"));
  entry.low = Irte::IntType::set(entry.low, text(args, "type") == "arbitrated");
  entry.low = Irte::RqEoi::set(entry.low, text(args, "trigger") == "level");
  entry.low = Irte::DM::set(entry.low, text(args, "destmode") == "logical");
  if (format == IrteFormat::Basic) {
    entry.low = Irte::Destination8::set(entry.low, dest);
    entry.low = Irte::BasicVector::set(entry.low, number(args, "vector"));
    return entry;
  }
  entry.low = Irte::DestinationLow::set(entry.low, dest);
  entry.high = Irte::LongVector::set(0, number(args, "vector"));
  entry.high = Irte::DestinationHigh::set(entry.high, dest >> 24);
  return entry;
}

std::uint64_t opcode(CommandCode code) {
  return Command::Opcode::set(0, static_cast<std::uint64_t>(code));
}

std::uint64_t invalidation_of(const ValueMap& args) {
  const std::string what = text(args, "what");
  if (what == "all") return opcode(CommandCode::InvalidateIommuAll);
  const CommandCode code =
      what == "device" ? CommandCode::InvalidateDevtabEntry : CommandCode::InvalidateInterruptTable;
  return InvalidateDevice::DeviceID::set(opcode(code), number(args, "requester"));
}

std::uint64_t wait_of(const ValueMap& args) {
  std::uint64_t wait = opcode(CommandCode::CompletionWait);
  wait = CompletionWait::I::set(wait, number(args, "interrupt"));
  wait = CompletionWait::F::set(wait, number(args, "flush"));
  const auto store = optional_number(args, "store");
  if (!store) return wait;
  return CompletionWait::S::set(wait | (*store & CompletionWait::StoreAddress::kMask), 1);
}

std::string truth(bool value) { return value ? "true" : "false"; }

}  // namespace

AmdViSteps::AmdViSteps(Machine& machine, const topology::X86Machine& x86, Settling& settling)
    : machine_(machine),
      settling_(settling),
      driver_(topology::index_of<cpu::Driver::Config>(x86.topology)),
      unit_(x86.plan.has_amdvi() ? topology::index_of<x86::AmdViUnit::Config>(x86.topology) : 0),
      memory_(topology::index_of<mem::Memory::Config>(x86.topology)) {}

bool AmdViSteps::knows(const std::string& op) { return op.compare(0, 6, "amdvi.") == 0; }

std::optional<ExpectationRow> AmdViSteps::perform(const Step& step) {
  const ValueMap& args = step.args;
  if (step.op == "amdvi.read") return read_register(step);
  if (step.op == "amdvi.invalidate") return queue(step, invalidation_of(args), 0);
  if (step.op == "amdvi.command") return queue(step, number(args, "low"), number(args, "high"));
  if (step.op == "amdvi.wait") {
    return queue(step, wait_of(args), optional_number(args, "data").value_or(1));
  }
  if (step.op == "amdvi.enable") enable(args);
  if (step.op == "amdvi.dte") write_device(args);
  if (step.op == "amdvi.irte") return write_entry(step);
  if (step.op == "amdvi.write") {
    const auto& reg = register_of(args);
    write_register(reg.offset, number(args, "value"), static_cast<std::uint8_t>(reg.bytes));
  }
  return std::nullopt;
}

/// A write of driver software, over the bus.
void AmdViSteps::write(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
  machine_.put(driver_, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, size});
  settling_.settle();
}

void AmdViSteps::write_register(std::uint64_t offset, std::uint64_t value, std::uint8_t size) {
  write(topology::kAmdPage + offset, value, size);
}

/// The tables and rings, then the unit.
void AmdViSteps::enable(const ValueMap& args) {
  for (const auto& [offset, value] : topology::amdvi_bases()) write_register(offset, value, 8);
  const std::string entries = text(args, "entries");
  std::uint64_t control = Control::GAEn::set(topology::amdvi_control(), entries != "short");
  control = Control::XTEn::set(control, entries == "wide");
  control =
      Control::NumIntRemapMode::set(control, text(args, "most") == "2048" ? kRemapMode2048 : 0);
  write_register(kControl, control, 8);
}

void AmdViSteps::write_device(const ValueMap& args) {
  write(device_entry(number(args, "requester")), device_bits(args), 8);
}

/// In the table that the device's entry in memory points to; a long entry's low half last.
std::optional<ExpectationRow> AmdViSteps::write_entry(const Step& step) {
  const ValueMap& args = step.args;
  const IrteFormat format = format_of(shown(kControl));
  if (format != IrteFormat::LongXt && number(args, "dest") > 0xFF) {
    return ExpectationRow{place_of(step) + " amdvi.irte", false,
                          "a destination of more than 8 bits needs 'entries: wide'"};
  }
  const Irte entry = entry_of(args, format);
  const Dte device{word_at(device_entry(number(args, "requester")))};
  const std::uint64_t at = device.table() + number(args, "index") * bytes_of(format);
  if (format == IrteFormat::Basic) {
    write(at, entry.low, 4);
    return std::nullopt;
  }
  write(at + 8, entry.high, 8);
  write(at, entry.low, 8);
  return std::nullopt;
}

ExpectationRow AmdViSteps::read_register(const Step& step) {
  const auto& reg = register_of(step.args);
  machine_.put(driver_, cpu::Driver::kStart,
               BusRead{topology::kAmdPage + reg.offset,
                       Tag{0},
                       kNoSpan,
                       {},
                       static_cast<std::uint8_t>(reg.bytes)});
  settling_.settle();
  const std::uint64_t answer = machine_.core<cpu::Driver>(driver_).last_answer();
  ExpectationRow row{place_of(step) + " amdvi.read", true, ""};
  compare(row, std::string(reg.name), hexadecimal(number(step.args, "answers")),
          hexadecimal(reg.bytes == 8 ? answer : answer & 0xFFFFFFFF));
  return row;
}

/// At the tail, which then moves on: software never lets it reach the head.
std::optional<ExpectationRow> AmdViSteps::queue(const Step& step, std::uint64_t low,
                                                std::uint64_t high) {
  const std::uint64_t base = shown(kCommandBufferBase);
  const std::uint64_t tail = shown(kCommandTail) % ring_bytes(base);
  const std::uint64_t next = (tail + kEntryBytes) % ring_bytes(base);
  if (next == shown(kCommandHead)) {
    return ExpectationRow{place_of(step) + ' ' + step.op, false, "the command buffer is full"};
  }
  const std::uint64_t at = (base & BufferBase::Base::kMask) + tail;
  write(at, low, 8);
  write(at + 8, high, 8);
  write_register(kCommandTail, next, 8);
  return std::nullopt;
}

// ---- what can be seen -------------------------------------------------------------------------

std::uint64_t AmdViSteps::device_entry(std::uint64_t requester) {
  return (shown(kDeviceTableBase) & DeviceTableBase::Base::kMask) + requester * Dte::kBytes +
         Dte::kByteOffset;
}

std::uint64_t AmdViSteps::word_at(std::uint64_t address) {
  const auto& memory = machine_.core<mem::Memory>(memory_);
  std::uint64_t value = 0;
  if (memory.contains(address, sizeof value)) memory.read(address, &value, sizeof value);
  return value;
}

std::uint64_t AmdViSteps::shown(std::uint64_t offset) {
  SetupEnv aside(machine_.engine().now());
  return machine_.core<x86::AmdViUnit>(unit_).read_register(offset, aside);
}

void AmdViSteps::observe(const ValueMap& args, ExpectationRow& row) {
  if (const ValueMap* fields = map(args, "amdvi.reg")) {
    const auto& reg = register_of(*fields);
    const std::uint64_t value = shown(reg.offset & ~std::uint64_t{7});
    const std::uint64_t part = reg.offset % 8 == 0 ? value : value >> 32;
    compare(row, std::string(reg.name), hexadecimal(number(*fields, "value")),
            hexadecimal(reg.bytes == 8 ? part : part & 0xFFFFFFFF));
  }
  if (const ValueMap* fields = map(args, "amdvi.event")) observe_event(*fields, row);
}

void AmdViSteps::observe_event(const ValueMap& args, ExpectationRow& row) {
  const std::uint64_t at =
      (shown(kEventLogBase) & BufferBase::Base::kMask) + number(args, "entry") * kEntryBytes;
  const std::uint64_t low = word_at(at);
  const std::uint64_t code = LogEntry::Code::get(low);
  const auto& names = scenario::kAmdviEvents;
  compare(row, "amdvi.event code", text(args, "code"),
          code < names.size() ? std::string(names[code]) : hexadecimal(code));
  if (const auto requester = optional_number(args, "requester")) {
    compare(row, "requester", hexadecimal(*requester), hexadecimal(LogEntry::DeviceID::get(low)));
  }
  if (const auto address = optional_number(args, "address")) {
    compare(row, "address", hexadecimal(*address), hexadecimal(word_at(at + 8)));
  }
  if (const auto present = optional_number(args, "present")) {
    compare(row, "present", truth(*present != 0), truth(LogEntry::PR::is_set(low)));
  }
  if (const auto reserved = optional_number(args, "reserved")) {
    compare(row, "reserved", truth(*reserved != 0), truth(LogEntry::RZ::is_set(low)));
  }
}

}  // namespace irqfab::run
