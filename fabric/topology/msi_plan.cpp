#include "fabric/topology/msi_plan.hpp"

#include <algorithm>

#include "models/x86/irte.hpp"

namespace irqfab::topology {
namespace {

using scenario::HandlerStepKind;

Diagnostic refuse(const SourceRange& where, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

/// An affinity that takes a function's vectors apart.
bool parts(const scenario::Affinity& row, const DevicePlan& device, const X86Plan& plan) {
  if (row.spread || row.sources.intx) return false;
  std::size_t place = 0;
  for (unsigned f = row.sources.first_function; f <= row.sources.last_function; ++f) {
    const CpuId whole = plan.slot_of(function_of(device, f), 0).cpu;
    for (unsigned v = row.sources.first; v <= row.sources.last; ++v, ++place) {
      if (row.cpus[place % row.cpus.size()] != whole) return true;
    }
  }
  return false;
}

/// Its own, or the one for all.
const scenario::Handler* masking_handler(const scenario::Scenario& scenario,
                                         const std::string& device) {
  const scenario::Handler* found = nullptr;
  for (const scenario::Handler& handler : scenario.handlers) {
    if (handler.device == device) found = &handler;
    if (handler.device.empty() && found == nullptr) found = &handler;
  }
  if (found == nullptr) return nullptr;
  const bool masks = std::any_of(found->steps.begin(), found->steps.end(), [](const auto& step) {
    return step.kind == HandlerStepKind::Mask || step.kind == HandlerStepKind::Unmask;
  });
  return masks ? found : nullptr;
}

}  // namespace

bool is_block(const X86Plan& plan, const DevicePlan& device) {
  return device.by_msi() && !plan.remapped;
}

Slot take_block(X86Plan& plan, CpuId cpu, unsigned vectors) {
  unsigned& given = plan.next_vector[raw(cpu)];
  for (;; ++given) {
    const unsigned first = kFirstVector + given % (plan.last_vector - kFirstVector + 1);
    if (first % vectors != 0 || first + vectors - 1 > plan.last_vector) continue;
    given += vectors;
    return {cpu, Vector(static_cast<std::uint8_t>(first))};
  }
}

void give_block(X86Plan& plan, const FunctionPlan& function) {
  const unsigned vectors = function.device->vectors();
  const Slot block = take_block(plan, plan.slot_of(function, 0).cpu, vectors);
  for (unsigned v = 0; v < vectors; ++v) {
    plan.slots[function.first_source + v] = slot_in(block, v);
  }
}

pci::MsixEntry msi_message_for(const X86Plan& plan, const FunctionPlan& function, Slot block) {
  pci::MsixEntry message = message_for(plan, block, function.first_source);
  if (!plan.remapped || plan.has_amdvi()) return message;  // the data counts by itself
  // VT-d 5.1.2.2: the low bits of the data are a subhandle, counted from the handle.
  message.address = x86::RemappableAddress::SHV::set(message.address, 1);
  return message;
}

std::optional<Diagnostic> refuse_msi(const scenario::Scenario& scenario, const X86Plan& plan) {
  for (const scenario::Affinity& row : scenario.affinity) {
    const DevicePlan* device = plan.find(row.sources.device);
    if (device == nullptr || !is_block(plan, *device) || !parts(row, *device, plan)) continue;
    return refuse(row.where, "one-message",
                  "the MSI vectors of a function of '" + row.sources.device +
                      "' differ in the low bits of one message, so they go to one CPU",
                  "one CPU for all of them, MSI-X, or x86-ir");
  }
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      if (!device.by_msi()) continue;
      const scenario::Handler* handler = masking_handler(scenario, device.device->id);
      if (handler == nullptr) continue;
      return refuse(
          handler->where, "not-yet",
          "handlers that mask are not supported for MSI, which '" + device.device->id + "' has",
          "a handler for '" + device.device->id + "' without 'mask' and 'unmask'");
    }
  }
  return std::nullopt;
}

std::optional<Diagnostic> refuse_change(const scenario::Change& change, const X86Plan& plan) {
  const DevicePlan& device = *plan.find(change.sources.device);
  if (!device.by_msi()) return std::nullopt;
  const bool moves = change.kind == scenario::ChangeKind::Retarget;
  if (moves && plan.remapped) return std::nullopt;
  const std::string id = '\'' + change.sources.device + '\'';
  if (!device.device->msi->maskable) {
    return refuse(change.sources.where, "cannot-mask",
                  moves ? id + " cannot be moved under traffic: its MSI has no masks"
                        : "the MSI of " + id + " has no masks",
                  "'maskable: true' in its 'msi:', or MSI-X");
  }
  if (moves && change.sources.each() < device.device->vectors()) {
    return refuse(change.sources.where, "one-message",
                  "the MSI vectors of " + id +
                      " differ in the low bits of one message, so they move together",
                  id + ", all its vectors");
  }
  return std::nullopt;
}

}  // namespace irqfab::topology
