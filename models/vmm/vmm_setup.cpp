// What a VMM has done before the run: its threads, its lock, and the routes and irqfds of vectors.
#include <algorithm>
#include <cassert>
#include <utility>

#include "models/base/silent_env.hpp"
#include "models/pci/config_space.hpp"
#include "models/vmm/vmm.hpp"

namespace irqfab::vmm {
namespace {

RouteTable::Config routes_of(const Vmm::Config& config) {
  RouteTable::Config out;
  out.gsis = config.plan.gsis;
  out.mutants = config.mutants;
  if (config.irqchip == kvm::IrqchipKind::Full) out.fixed = pc_routes();
  if (config.irqchip == kvm::IrqchipKind::Split) out.fixed = mirror_routes();
  return out;
}

/// A vector has one, an INTx that is the host's first has two.
std::uint32_t eventfds_each(const FunctionPlan& function) {
  const auto vectors = static_cast<std::uint32_t>(function.vectors.size());
  return vectors + (function.has_host_line() ? 2 : 0);
}

/// A model of the function that has nothing else, as firmware leaves it.
pci::PciFunctions capability_of(const FunctionPlan& plan) {
  pci::PciFunctions::Function function;
  function.msi = plan.msi;
  pci::PciFunctions::Config config;
  config.functions = {function};
  pci::PciFunctions capability(config);
  SilentEnv env;
  if (!plan.vectors.empty()) {
    const x86::MsiMessage& message = plan.vectors[0].message;
    capability.write_msi_message(FunctionRow{0}, message.address,
                                 static_cast<std::uint16_t>(message.data));
  }
  const unsigned encoded = pci::msi_encoded(plan.msi->vectors);
  const unsigned control =
      (plan.enabled ? pci::kMsiEnable : 0u) | encoded << pci::kMsiMultipleMessageEnableShift;
  capability.write_msi_control(FunctionRow{0}, static_cast<std::uint16_t>(control), env);
  return capability;
}

x86::IoApic::Config ioapic_of(const Vmm::Config& config) {
  x86::IoApic::Config out;
  out.mutants = config.mutants;
  return out;
}

}  // namespace

Vmm::Vmm(const Config& config, std::uint32_t vcpus, kvm::IrqLayer& layer,
         host::HostMachine& machine)
    : config_(config),
      host_pins_(config.plan.host_pins.size()),
      table_(routes_of(config)),
      dynamic_(config.mutants),
      pins_(kPinGsis),
      first_device_(vcpus) {
  assert(std::is_sorted(config.plan.functions.begin(), config.plan.functions.end(),
                        [](const FunctionPlan& a, const FunctionPlan& b) {
                          return a.first_source < b.first_source;
                        }));
  if (config.irqchip == kvm::IrqchipKind::Split) ioapic_.emplace(ioapic_of(config));
  add_seats(machine);
  add_functions();
  answers_ = machine.add_wait_queue();
  big_lock_ = machine.add_lock(host::LockKind::Mutex, machine.add_lock_class("BQL"));
  if (config.irqchip == kvm::IrqchipKind::Split) layer.set_routes_now(mirror_routes());
  for (std::uint32_t n = 0; n < functions_.size(); ++n) settle_now(n, layer, machine);
  for (const std::uint32_t n : host_lines_) bind_line_now(n, layer, machine);
}

/// vCPUs, whose threads the machine has already, then the VMM's own: its devices', the main loop,
/// and one that makes calls on demand.
void Vmm::add_seats(host::HostMachine& machine) {
  seats_.resize(first_device_ + config_.plan.threads + 2);
  const auto everywhere = host::CpuMask::first(machine.config().cpus);
  for (std::uint32_t n = 0; n < seats_.size(); ++n) {
    const bool is_vcpu = n < first_device_;
    seats_[n].thread = is_vcpu ? machine.thread(TaskId(static_cast<std::uint16_t>(n)))
                               : machine.add_thread({everywhere, host::Priority::Normal});
  }
}

void Vmm::add_functions() {
  const bool by_irqfd = config_.plan.delivery == Delivery::Irqfd;
  std::uint32_t eventfds = 0;
  for (std::uint32_t n = 0; n < config_.plan.functions.size(); ++n) {
    const FunctionPlan& plan = config_.plan.functions[n];
    FunctionVectors::Config vectors;
    vectors.attach = plan.attach;
    vectors.policy = by_irqfd ? config_.plan.policy : RoutePolicy::OnDemand;
    vectors.vectors = static_cast<std::uint16_t>(plan.vectors.size());
    Function function{FunctionVectors(vectors), eventfds, 0, {}, 0, std::nullopt};
    for (std::uint32_t v = 0; v < plan.vectors.size(); ++v) {
      const VectorIndex index{static_cast<std::uint16_t>(v)};
      function.vectors.set_message(index, plan.vectors[v].message);
      function.vectors.set_mask(index, plan.vectors[v].mask);
      function.vectors.use(index);
    }
    if (plan.enabled) {
      function.vectors.enable();
      function.msix_control = pci::kMsixEnable << 16;
    }
    if (plan.msi) function.msi = capability_of(plan);
    eventfds += eventfds_each(plan);
    function.command = pci::kMemorySpace | pci::kBusMaster;
    if (plan.has_host_line()) host_lines_.push_back(n);
    if (posts(n)) {
      for (std::uint32_t v = 0; v < plan.vectors.size(); ++v) {
        function.entries.push_back(host_entry({n, VectorIndex{static_cast<std::uint16_t>(v)}}));
      }
    }
    functions_.push_back(std::move(function));
    windows_.emplace_back(plan.window, n);
    if (plan.config_space != 0) configs_.emplace_back(plan.config_space, n);
  }
  std::sort(windows_.begin(), windows_.end());
  std::sort(configs_.begin(), configs_.end());
}

/// As settle() does with calls, at no time.
void Vmm::settle_now(std::uint32_t function, kvm::IrqLayer& layer, host::HostMachine& machine) {
  FunctionVectors& vectors = functions_[function].vectors;
  while (const std::optional<VectorDuty> duty = vectors.next(table_)) {
    kvm::Answer answer = 0;
    if (duty->duty == Duty::Commit) answer = layer.set_routes_now(table_.commit());
    if (duty->duty == Duty::Assign) {
      answer =
          layer.assign_now(eventfd({function, duty->vector}), duty->gsi, std::nullopt, machine);
    }
    vectors.done(*duty, answer, table_);
  }
  while (const auto at = entry_to_write(function, layer)) {
    functions_[function].entries[raw(at->vector)] = wanted_entry(*at, layer);
  }
}

/// The guest's EOI unmasks the line by its second eventfd. Where KVM has the IOAPIC and irqfds are
/// used at all, KVM signals it: a resampling irqfd takes the first.
void Vmm::bind_line_now(std::uint32_t function, kvm::IrqLayer& layer, host::HostMachine& machine) {
  host::Start unmask;
  unmask.program = unmask_program(config_.first_program);
  unmask.locals = {function};
  layer.serve(unmask_eventfd(function), unmask, machine);
  const bool by_irqfd =
      config_.plan.delivery == Delivery::Irqfd && config_.irqchip == kvm::IrqchipKind::Full;
  if (!by_irqfd) return;
  layer.assign_now(line_eventfd(function), *config_.plan.functions[function].intx,
                   unmask_eventfd(function), machine);
}

void Vmm::program_pin(Pin pin, std::uint64_t entry, kvm::IrqLayer& layer, Env& env) {
  if (!ioapic_ || raw(pin) >= ioapic_->pins()) return;
  ioapic_->restore(pin, x86::Rte{entry}, env);
  table_.set(Gsi{raw(pin)}, ioapic_->rte(pin).message());
  table_.answered(layer.set_routes_now(table_.commit()));
}

std::vector<std::uint64_t> Vmm::eventfds_of(const VmPlan& plan) {
  std::vector<std::uint64_t> numbers;
  for (const FunctionPlan& function : plan.functions) {
    const auto vectors = static_cast<std::uint32_t>(function.vectors.size());
    for (std::uint32_t n = 0; n < eventfds_each(function); ++n) {
      numbers.push_back(function.first_source + std::min(n, vectors));
    }
  }
  return numbers;
}

}  // namespace irqfab::vmm
