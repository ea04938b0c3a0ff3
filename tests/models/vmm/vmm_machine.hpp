// The machine of the VMM's tests: what its parts are configured with.
#pragma once

#include <cstdint>
#include <optional>

#include "models/cpu/cpus.hpp"
#include "models/pci/functions.hpp"
#include "models/vmm/vm_host.hpp"
#include "models/x86/ioapic.hpp"

namespace irqfab::vmm::test {

constexpr std::uint64_t kWindow = 0xC0000000;
/// Of the guest: vector v of function f has 0x40 + 16f + v.
constexpr std::uint8_t kFirstVector = 0x40;
/// Of the host, for vector 0 of an assigned function.
constexpr std::uint8_t kHostVector = 0x30;

/// Of the host's pin of its IOAPIC, to which the INTx of assigned functions are wired.
constexpr Pin kHostPin{5};
constexpr std::uint8_t kHostLineVector = 0x80;

/// Which functions does the handler of a line look at?
enum class Reads : std::uint8_t { All, First };
struct Options {
  Delivery delivery = Delivery::Irqfd;
  Attach attach = Attach::Emulated;
  RoutePolicy policy = RoutePolicy::Eager;
  kvm::IrqchipKind irqchip = kvm::IrqchipKind::Full;
  kvm::ApicHome home = kvm::ApicHome::Kernel;
  kvm::IrqfdForm form = kvm::IrqfdForm::Copy;
  x86::Virtualization virtualization = x86::Virtualization::Apicv;
  std::uint32_t vcpus = 1;
  unsigned host_cpus = 2;
  std::uint32_t functions = 1;  // a device each
  std::uint16_t vectors = 2;    // of each
  std::uint32_t gsis = 4096;
  std::optional<Gsi> intx{};  // all functions', on one pin
  Reads reads = Reads::All;
  Duration handler = 1000;
  Mutants mutants{};
  std::optional<pci::Msi> msi{};  // the vectors are those of MSI
};
inline std::uint32_t sources_of(const Options& options) { return options.vectors + 1u; }
inline std::uint64_t window(std::uint32_t function) {
  return kWindow + function * pci::kFunctionWindowBytes;
}
constexpr std::uint64_t kEcam = 0xE0000000;
inline RequesterId requester(std::uint32_t function) {
  return RequesterId(static_cast<std::uint16_t>(function << 3));
}
inline std::uint64_t config_space(std::uint32_t function) {
  return kEcam + raw(requester(function)) * pci::kConfigSpaceBytes;
}
inline x86::MsiMessage message(std::uint32_t function, std::uint16_t vector) {
  x86::ApicMessage to;
  to.vector = Vector(static_cast<std::uint8_t>(kFirstVector + 16 * function + vector));
  return x86::encode(to);
}

inline VmPlan plan_of(const Options& options) {
  VmPlan plan;
  plan.delivery = options.delivery;
  plan.policy = options.policy;
  plan.gsis = options.gsis;
  plan.threads = options.functions;
  const bool host_lines = options.attach == Attach::Assigned && options.intx;
  if (host_lines) plan.host_pins.push_back({{host::HostCpu{1}, Vector{kHostLineVector}}, {}});
  for (std::uint32_t f = 0; f < options.functions; ++f) {
    FunctionPlan function;
    function.attach = options.attach;
    function.device = f;
    function.first_source = f * sources_of(options);
    function.window = window(f);
    function.config_space = config_space(f);
    function.intx = options.intx;
    function.intx_driver = f;
    if (host_lines) function.enabled = false;
    function.msi = options.msi;
    if (host_lines) plan.host_pins[0].functions.push_back(f);
    for (std::uint16_t v = 0; v < options.vectors; ++v) {
      VectorPlan vector;
      vector.message = message(f, v);
      vector.host = {host::HostCpu{0}, Vector(static_cast<std::uint8_t>(kHostVector + v))};
      function.vectors.push_back(vector);
    }
    plan.functions.push_back(function);
  }
  return plan;
}

inline VmHost::Config config_of(const Options& options) {
  VmHost::Config config;
  config.host_cpus = options.host_cpus;
  config.slice = 0;
  config.vcpus.home = options.home;
  config.vcpus.mutants = options.mutants;
  config.vcpus.polling = {0, 0, 0, 0};
  kvm::Irqchip::Config& chip = config.layer.irqchip;
  for (std::uint32_t n = 0; n < options.vcpus; ++n) chip.ids.push_back(ApicId{n});
  chip.kind = options.irqchip;
  chip.virtualization = options.virtualization;
  chip.controls = x86::ApicvControls::all();
  chip.mutants = options.mutants;
  config.layer.form = options.form;
  config.layer.mutants = options.mutants;
  config.plan = plan_of(options);
  return config;
}

/// Every vector of every CPU visits the functions.
inline void serve_all(const Options& options, cpu::Cpus::Config& config) {
  for (std::uint32_t f = 0; f < options.functions; ++f) {
    config.sources.push_back({window(f) + pci::kDeviceRegisterOffset, 0, 0});
  }
  const std::uint32_t count = options.reads == Reads::All ? options.functions : 1;
  config.served.assign(256u * options.vcpus, cpu::Served{0, count});
}

inline cpu::Cpus::Config vcpus_of(const Options& options) {
  cpu::Cpus::Config config;
  config.cpus = options.vcpus;
  config.kind = cpu::Kind::Virtual;
  config.idle = cpu::Idle::Halt;
  config.completions = cpu::Cpus::Completions::NotTold;
  config.programs = {{{cpu::StepKind::Busy, options.handler}}};
  if (options.intx) {
    config.programs = {{{cpu::StepKind::ReadDevice, 0}, {cpu::StepKind::Busy, options.handler}}};
    serve_all(options, config);
  }
  return config;
}

inline pci::PciFunctions::Config functions_of(const Options& options) {
  pci::PciFunctions::Config config;
  config.window_base = kWindow;
  config.ecam_base = kEcam;
  for (std::uint32_t f = 0; f < options.functions; ++f) {
    pci::PciFunctions::Function function;
    function.rid = requester(f);
    function.msix_entries = options.msi ? std::uint16_t{0} : options.vectors;
    function.msi = options.msi;
    if (options.intx) function.intx = pci::Intx::A;
    config.functions.push_back(function);
  }
  return config;
}

}  // namespace irqfab::vmm::test
