// Any text as a scenario: read, printed, read again, and built into a machine when it is small.
//
// What must hold: no text crashes, hangs or takes memory without bound; every refusal has a code
// and a message that no terminal can misunderstand; a scenario that is accepted survives being
// printed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fabric/scenario/encoding.hpp"
#include "fabric/scenario/equal.hpp"
#include "fabric/scenario/printer.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/topology/checks.hpp"
#include "fabric/topology/x86_build.hpp"
#include "tests/fuzz/must.hpp"

namespace {

using namespace irqfab;

/// Larger machines are sound, but take longer than a round of fuzzing should.
bool is_small(const scenario::Machine& machine) {
  std::size_t sources = 0;
  for (const scenario::HostBridge& bridge : machine.host_bridges) {
    for (const scenario::Device& device : bridge.devices) sources += device.msix + 1;
  }
  return sources < 20'000 && machine.cpus <= 256 && machine.host_bridges.size() <= 64;
}

void refused(const Diagnostics& errors) {
  fuzz::must(!errors.empty(), "a refusal without a reason");
  for (const Diagnostic& error : errors) {
    fuzz::must(!error.code.empty() && !error.message.empty(), "a diagnostic that says nothing");
    const std::string shown = format(error);
    fuzz::must(!scenario::find_encoding_fault(shown), "a diagnostic that cannot be printed");
    fuzz::must(shown.size() < 8192, "a diagnostic that fills the screen");
  }
}

void printed_and_read_again(const scenario::Scenario& scenario) {
  const std::string text = scenario::fill(scenario);
  const auto again = scenario::read(text, "filled.yaml");
  fuzz::must(static_cast<bool>(again), "a printed scenario that is refused");
  fuzz::must(scenario::same(scenario, *again), "a printed scenario that says something else");
}

void built(const scenario::Scenario& scenario) {
  using topology::Remapping;
  for (const Remapping remapping : {Remapping::Off, Remapping::VtdOn}) {
    const auto machine = topology::build_x86(scenario, remapping, Mutants{});
    if (!machine) {
      refused(machine.errors());
    } else {
      topology::check(machine->topology, machine->plan, scenario);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scenario = scenario::read(text, "fuzzed.yaml");
  if (!scenario) {
    refused(scenario.errors());
    return 0;
  }
  printed_and_read_again(*scenario);
  if (is_small(scenario->machine)) built(*scenario);
  return 0;
}
