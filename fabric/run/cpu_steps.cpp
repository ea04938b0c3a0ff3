#include "fabric/run/cpu_steps.hpp"

#include <algorithm>
#include <array>

#include "fabric/run/observe.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"

namespace irqfab::run {
namespace {

using scenario::Step;
using scenario::ValueMap;
using x86::LapicBank;

CpuId cpu_in(const ValueMap& args) {
  return CpuId(static_cast<std::uint32_t>(number(args, "cpu")));
}

/// The place of `name` in a list of words, or its size.
template <std::size_t N>
std::size_t index_in(const std::array<std::string_view, N>& words, std::string_view name) {
  return static_cast<std::size_t>(std::find(words.begin(), words.end(), name) - words.begin());
}

/// In the order of x86::LocalPin.
constexpr std::array<std::string_view, 5> kPins = {"LINT0", "LINT1", "thermal", "performance",
                                                   "CMCI"};
/// In the order of cpu::Instruction.
constexpr std::array<std::string_view, 6> kInstructions = {"",    "nop", "sti",
                                                           "cli", "hlt", "mov ss"};

ExpectationRow row_for(const Step& step) { return {place_of(step) + " " + step.op, true, ""}; }

/// How the register at `offset` of the page is reached in the mode that the local APIC is in.
std::uint32_t place_of_register(const LapicBank& bank, CpuId cpu, std::uint32_t offset) {
  const bool x2apic = bank.mode(cpu) == x86::LapicMode::X2apic;
  return topology::place_of_register(
      x2apic ? scenario::ApicMode::X2apic : scenario::ApicMode::Xapic, offset);
}

}  // namespace

std::string_view state_of(const cpu::Cpus& cpus, CpuId cpu) {
  if (cpus.waits_for_sipi(cpu)) return "waiting for SIPI";
  if (cpus.halted(cpu)) return "halted";
  return cpus.in_handler(cpu) ? "in handler" : "running";
}

cpu::Code code_of(const ValueMap& args) {
  cpu::Code code;
  std::size_t index = 0;
  for (const scenario::Value& word : *list(args, "code")) {
    const auto* name = std::get_if<std::string>(&word.held);
    const std::size_t known = name == nullptr ? 0 : index_in(kInstructions, *name);
    code = code.with(index++, static_cast<cpu::Instruction>(known));
  }
  return code;
}

CpuSteps::CpuSteps(Machine& machine, const topology::X86Machine& x86, const HandlerLog* log,
                   Settling& settling)
    : machine_(machine),
      log_(log),
      settling_(settling),
      driver_(topology::index_of<cpu::Driver::Config>(x86.topology)),
      lapics_(topology::index_of<LapicBank::Config>(x86.topology)),
      cpus_(topology::index_of<cpu::Cpus::Config>(x86.topology)) {}

const LapicBank& CpuSteps::bank() { return machine_.core<LapicBank>(lapics_); }
const cpu::Cpus& CpuSteps::cpus() { return machine_.core<cpu::Cpus>(cpus_); }

bool CpuSteps::knows(const std::string& op) {
  constexpr std::array<std::string_view, 6> kOps = {"lapic.write", "lapic.pin",   "msr.write",
                                                    "cpu.write",   "cpu.execute", "cpu.accept"};
  return index_in(kOps, op) < kOps.size();
}

std::optional<ExpectationRow> CpuSteps::perform(const Step& step) {
  if (step.op == "msr.write") return write_msr(step);
  if (step.op == "cpu.execute") return execute(step);
  if (step.op == "cpu.accept") return accept(step);
  if (step.op == "lapic.write") write_lapic(step.args);
  if (step.op == "lapic.pin") drive_pin(step.args);
  if (step.op == "cpu.write") write_memory(step.args);
  settling_.settle();
  return std::nullopt;
}

void CpuSteps::write_lapic(const ValueMap& args) {
  const CpuId cpu = cpu_in(args);
  const auto offset = static_cast<std::uint32_t>(number(args, "reg"));
  machine_.put(lapics_, LapicBank::kCpu,
               RegisterWrite{cpu, place_of_register(bank(), cpu, offset), number(args, "value")});
}

void CpuSteps::drive_pin(const ValueMap& args) {
  const auto pin = static_cast<x86::LocalPin>(index_in(kPins, text(args, "pin")));
  const Level level = text(args, "level") == "high" ? Level::High : Level::Low;
  machine_.put(lapics_, port_of(spec_of(LapicBank::kPins), 1023),
               PinChange{LapicBank::pin_of(cpu_in(args), pin), level, 0, kNoSpan});
}

/// A CPU's store to its own page never leaves the CPU: at the addresses of the interrupt window it
/// is no message (SDM vol. 3, 11.4.1).
void CpuSteps::write_memory(const ValueMap& args) {
  const CpuId cpu = cpu_in(args);
  const std::uint64_t address = number(args, "address");
  const std::uint64_t value = number(args, "value");
  if (bank().claims(cpu, address)) {
    const auto offset = static_cast<std::uint32_t>(address & 0xFFF);
    return machine_.put(lapics_, LapicBank::kCpu, RegisterWrite{cpu, offset, value});
  }
  machine_.put(driver_, cpu::Driver::kStart, BusWrite{address, value, kNoSpan, {}, 4});
}

/// What the write would come to is asked of a copy first: a write itself has no answer.
std::optional<ExpectationRow> CpuSteps::write_msr(const Step& step) {
  const CpuId cpu = cpu_in(step.args);
  const auto msr = static_cast<std::uint32_t>(number(step.args, "msr"));
  const std::uint64_t value = number(step.args, "value");
  SetupEnv aside(machine_.engine().now());
  LapicBank copy = bank();
  const bool faults = copy.wrmsr(cpu, msr, value, aside).status != x86::MsrStatus::Done;
  if (msr < ~std::uint32_t{0} - LapicBank::kMsrSpace) {
    machine_.put(lapics_, LapicBank::kCpu, RegisterWrite{cpu, LapicBank::kMsrSpace + msr, value});
  }
  settling_.settle();
  const auto wanted = optional_number(step.args, "faults");
  if (!wanted) return std::nullopt;
  ExpectationRow row = row_for(step);
  compare(row, "faults", *wanted != 0 ? "true" : "false", faults ? "true" : "false");
  return row;
}

void CpuSteps::call(CpuId cpu, cpu::Call what, std::uint64_t operand) {
  machine_.put(cpus_, cpu::Cpus::kController,
               HostCall{static_cast<std::uint16_t>(what), {}, raw(cpu), operand});
  settling_.settle();
}

/// A CPU that executes nothing now would lose these instructions, or those of an earlier step.
std::optional<ExpectationRow> CpuSteps::execute(const Step& step) {
  const CpuId cpu = cpu_in(step.args);
  if (!cpus().executed_all(cpu) || cpus().halted(cpu) || cpus().waits_for_sipi(cpu)) {
    ExpectationRow row = row_for(step);
    row.held = false;
    row.found = "the CPU is " + std::string(state_of(cpus(), cpu));
    return row;
  }
  call(cpu, cpu::Call::Execute, code_of(step.args).word());
  return std::nullopt;
}

std::optional<ExpectationRow> CpuSteps::accept(const Step& step) {
  const CpuId cpu = cpu_in(step.args);
  call(cpu, cpu::Call::Accept, 0);
  return accepted_row(step, cpus());
}

std::optional<ExpectationRow> accepted_row(const Step& step, const cpu::Cpus& cpus) {
  const CpuId cpu = cpu_in(step.args);
  const auto wanted = optional_number(step.args, "vector");
  const auto given = cpus.accepted(cpu);
  if (!wanted && given) return std::nullopt;
  ExpectationRow row = row_for(step);
  const std::string none = "nothing: it is " + std::string(state_of(cpus, cpu));
  compare(row, "vector", wanted ? hexadecimal(*wanted) : "any",
          given ? hexadecimal(raw(*given)) : none);
  return row;
}

// ---- what can be seen -------------------------------------------------------------------------

void CpuSteps::observe(const ValueMap& args, ExpectationRow& row) {
  observe_cpus(args, bank(), cpus(), log_, machine_.engine().now(), row);
  if (const ValueMap* fields = map(args, "msr")) observe_msr(*fields, row);
}

namespace {

/// A read of a copy: one that the CPU made itself could record an error.
void observe_register(const ValueMap& args, LapicBank copy, Time now, ExpectationRow& row) {
  const CpuId cpu = cpu_in(args);
  const auto offset = static_cast<std::uint32_t>(number(args, "reg"));
  SetupEnv aside(now);
  const std::uint32_t place = place_of_register(copy, cpu, offset);
  const std::uint64_t found = place < LapicBank::kMsrSpace
                                  ? copy.read(cpu, offset, aside)
                                  : copy.rdmsr(cpu, place - LapicBank::kMsrSpace, aside).value;
  compare(row, "lapic.reg", hexadecimal(number(args, "value")), hexadecimal(found & 0xFFFFFFFF));
}

void observe_handlers(const ValueMap& args, const HandlerLog& log, ExpectationRow& row) {
  const CpuId cpu = cpu_in(args);
  const auto wanted = [&](const char* name) { return vector_list(numbers_in(list(args, name))); };
  compare(row, "entered", wanted("entered"), vector_list(log.entered(cpu)));
  compare(row, "acknowledged", wanted("acknowledged"), vector_list(log.acknowledged(cpu)));
}

}  // namespace

void observe_cpus(const ValueMap& args, const LapicBank& bank, const cpu::Cpus& cpus,
                  const HandlerLog* log, Time now, ExpectationRow& row) {
  if (const ValueMap* fields = map(args, "lapic.reg")) observe_register(*fields, bank, now, row);
  if (const ValueMap* fields = map(args, "cpu.state")) {
    compare(row, "cpu.state", text(*fields, "state"), std::string(state_of(cpus, cpu_in(*fields))));
  }
  if (const ValueMap* fields = map(args, "cpu.handlers")) observe_handlers(*fields, *log, row);
}

void CpuSteps::observe_msr(const ValueMap& args, ExpectationRow& row) {
  SetupEnv aside(machine_.engine().now());
  LapicBank copy = bank();
  const auto msr = static_cast<std::uint32_t>(number(args, "msr"));
  const x86::MsrAnswer answer = copy.rdmsr(cpu_in(args), msr, aside);
  const bool faults = answer.status != x86::MsrStatus::Done;
  const std::string found = faults ? "#GP" : hexadecimal(answer.value);
  if (const auto wanted = optional_number(args, "value")) {
    return compare(row, "msr", hexadecimal(*wanted), found);
  }
  const bool wanted = number(args, "faults") != 0;
  compare(row, "msr", wanted ? "#GP" : "readable", faults || wanted ? found : "readable");
}

bool expects_order(const scenario::Scenario& scenario) {
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    const auto found = std::any_of(steps->begin(), steps->end(), [](const Step& step) {
      return step.op == "expect" && has(step.args, "cpu.handlers");
    });
    if (found) return true;
  }
  return false;
}

}  // namespace irqfab::run
