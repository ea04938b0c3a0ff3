#include "fabric/topology/handlers.hpp"

#include <algorithm>

namespace irqfab::topology {
namespace {

constexpr Duration kDefaultHandler = 1 * kPsPerUs;

cpu::HandlerStep lower(const scenario::HandlerStep& step) {
  using From = scenario::HandlerStepKind;
  switch (step.kind) {
    case From::ReadDevice:
      return {cpu::StepKind::ReadDevice, step.length};
    case From::Mask:
      return {cpu::StepKind::MaskSource, step.length};
    case From::Unmask:
      return {cpu::StepKind::UnmaskSource, step.length};
    case From::EnableInterrupts:
      return {cpu::StepKind::EnableInterrupts, 0};
    case From::DisableInterrupts:
      return {cpu::StepKind::DisableInterrupts, 0};
    case From::Acknowledge:
      return {cpu::StepKind::Acknowledge, 0};
    case From::Busy:
    case From::Poll:
      break;
  }
  return {cpu::StepKind::Busy, step.length};
}

/// The device's own handler, else the one for all, else none.
const scenario::Handler* handler_of(const scenario::Scenario& scenario, const std::string& device) {
  const scenario::Handler* general = nullptr;
  for (const scenario::Handler& handler : scenario.handlers) {
    if (handler.device == device) return &handler;
    if (handler.device.empty()) general = &handler;
  }
  return general;
}

bool same(const std::vector<cpu::HandlerStep>& a, const std::vector<cpu::HandlerStep>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.kind == y.kind && x.length == y.length;
  });
}

}  // namespace

HandlerTable::HandlerTable(const scenario::Scenario& scenario, std::uint32_t cpus)
    : scenario_(scenario), cpus_(cpus) {
  program_for("", Line::Messages);
}

std::uint32_t HandlerTable::program_for(const std::string& device, Line line) {
  const auto [known, is_new] = program_of_.try_emplace({device, line}, 0);
  if (is_new) known->second = add_program(device, line);
  return known->second;
}

std::uint32_t HandlerTable::add_program(const std::string& device, Line line) {
  std::vector<cpu::HandlerStep> program;
  const scenario::Handler* handler = handler_of(scenario_, device);
  if (handler == nullptr) {
    program.push_back({cpu::StepKind::Busy, kDefaultHandler});
  } else {
    for (const scenario::HandlerStep& step : handler->steps) program.push_back(lower(step));
  }
  // A level line stays high until its device has been asked, so every handler of one asks.
  const bool asks = std::any_of(program.begin(), program.end(), [](const auto& step) {
    return step.kind == cpu::StepKind::ReadDevice;
  });
  if (line == Line::Wire && !asks) {
    program.insert(program.begin(), {cpu::StepKind::ReadDevice, 0});
  }
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    if (same(programs_[i], program)) return static_cast<std::uint32_t>(i);
  }
  programs_.push_back(std::move(program));
  return static_cast<std::uint32_t>(programs_.size() - 1);
}

void HandlerTable::serve_message(const X86Plan& plan, const FunctionPlan& function, unsigned vector,
                                 Slot slot) {
  const std::uint64_t window = window_of(plan.bridges[function.bridge], function.row);
  cpu::ServedSource source;
  source.device_register = window + pci::kDeviceRegisterOffset;
  if (!function.by_msi()) {
    source.vector_control = window + pci::kMsixTableOffset + std::uint64_t{vector} * 16 + 12;
  }
  source.program = program_for(function.device->id, Line::Messages);
  add(slot, source);
}

void HandlerTable::serve_intx(const X86Plan& plan, const FunctionPlan& function, Slot slot) {
  const std::uint64_t window = window_of(plan.bridges[function.bridge], function.row);
  cpu::ServedSource source;
  source.device_register = window + pci::kDeviceRegisterOffset;
  source.program = program_for(function.device->id, Line::Wire);
  add(slot, source);
}

void HandlerTable::add(Slot slot, const cpu::ServedSource& source) {
  served_.push_back({raw(slot.cpu) * 256 + raw(slot.vector), source});
}

cpu::Cpus::Config HandlerTable::config() const {
  cpu::Cpus::Config config;
  config.cpus = cpus_;
  config.programs = programs_;
  const auto& loads = scenario_.workload;
  const bool closed_loop = std::any_of(loads.begin(), loads.end(), [](const scenario::Load& load) {
    return load.kind == scenario::LoadKind::ClosedLoop;
  });
  if (!closed_loop) config.completions = cpu::Cpus::Completions::NotTold;
  config.served.resize(std::size_t{cpus_} * 256);
  for (const Served& row : served_) ++config.served[row.slot].count;
  std::uint32_t first = 0;
  for (cpu::Cpus::Config::Served& slot : config.served) {
    slot.first = first;
    first += slot.count;
    slot.count = 0;
  }
  config.sources.resize(first);
  for (const Served& row : served_) {
    cpu::Cpus::Config::Served& slot = config.served[row.slot];
    config.sources[slot.first + slot.count++] = row.source;
  }
  return config;
}

HandlerTable handlers_of(const scenario::Scenario& scenario, const X86Plan& plan) {
  HandlerTable handlers(scenario, plan.cpus);
  for_each_function(plan, [&](const FunctionPlan& function) {
    for (unsigned v = 0; v < function.device->vectors(); ++v) {
      handlers.serve_message(plan, function, v, plan.slot_of(function, v));
    }
  });
  for (const PinPlan& pin : plan.pins) {
    for (const FunctionPlan& function : pin.functions) {
      handlers.serve_intx(plan, function, pin.slot);
    }
  }
  return handlers;
}

}  // namespace irqfab::topology
