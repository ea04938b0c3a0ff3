// The table of every model: its keyword, what it is for, its ports, its place among ties. Topology,
// elaboration, drawings and `irqfab list models` follow from it.
#pragma once

#include <string_view>
#include <variant>

#include "models/base/port.hpp"
#include "models/base/roles.hpp"
#include "models/cpu/cpus.hpp"
#include "models/cpu/driver.hpp"
#include "models/kvm/kvm_host.hpp"
#include "models/mem/memory.hpp"
#include "models/mem/system_bus.hpp"
#include "models/pci/bridge.hpp"
#include "models/pci/functions.hpp"
#include "models/pci/host_bridge.hpp"
#include "models/pci/traffic.hpp"
#include "models/sim/key.hpp"
#include "models/vmm/vm_host.hpp"
#include "models/x86/amdvi_unit.hpp"
#include "models/x86/apic_bus.hpp"
#include "models/x86/hpet.hpp"
#include "models/x86/ioapic.hpp"
#include "models/x86/lapic.hpp"
#include "models/x86/pic.hpp"
#include "models/x86/pirq_router.hpp"
#include "models/x86/posted_descriptors.hpp"
#include "models/x86/vtd_remapper.hpp"

namespace irqfab {

/// What a component is configured with says which model it is. The order is that of catalog().
using ModelConfig =
    std::variant<pci::Traffic::Config, cpu::Driver::Config, pci::PciFunctions::Config,
                 pci::Bridge::Config, pci::HostBridge::Config, mem::SystemBus::Config,
                 mem::Memory::Config, x86::PostedDescriptors::Config, x86::VtdRemapper::Config,
                 x86::AmdViUnit::Config, x86::IoApic::Config, x86::Pic::Config,
                 x86::PirqRouter::Config, x86::ApicBus::Config, x86::LapicBank::Config,
                 cpu::Cpus::Config, kvm::KvmHost::Config, x86::Hpet::Config,
                 vmm::VmHost::Config>;

/// The core that a configuration makes.
template <class Config>
struct CoreOf;
template <>
struct CoreOf<pci::Traffic::Config> {
  using type = pci::Traffic;
};
template <>
struct CoreOf<cpu::Driver::Config> {
  using type = cpu::Driver;
};
template <>
struct CoreOf<pci::PciFunctions::Config> {
  using type = pci::PciFunctions;
};
template <>
struct CoreOf<pci::Bridge::Config> {
  using type = pci::Bridge;
};
template <>
struct CoreOf<pci::HostBridge::Config> {
  using type = pci::HostBridge;
};
template <>
struct CoreOf<mem::SystemBus::Config> {
  using type = mem::SystemBus;
};
template <>
struct CoreOf<mem::Memory::Config> {
  using type = mem::Memory;
};
template <>
struct CoreOf<x86::PostedDescriptors::Config> {
  using type = x86::PostedDescriptors;
};
template <>
struct CoreOf<x86::VtdRemapper::Config> {
  using type = x86::VtdRemapper;
};
template <>
struct CoreOf<x86::AmdViUnit::Config> {
  using type = x86::AmdViUnit;
};
template <>
struct CoreOf<x86::IoApic::Config> {
  using type = x86::IoApic;
};
template <>
struct CoreOf<x86::Pic::Config> {
  using type = x86::Pic;
};
template <>
struct CoreOf<x86::PirqRouter::Config> {
  using type = x86::PirqRouter;
};
template <>
struct CoreOf<x86::ApicBus::Config> {
  using type = x86::ApicBus;
};
template <>
struct CoreOf<x86::LapicBank::Config> {
  using type = x86::LapicBank;
};
template <>
struct CoreOf<cpu::Cpus::Config> {
  using type = cpu::Cpus;
};

template <>
struct CoreOf<kvm::KvmHost::Config> {
  using type = kvm::KvmHost;
};
template <>
struct CoreOf<vmm::VmHost::Config> {
  using type = vmm::VmHost;
};

template <>
struct CoreOf<x86::Hpet::Config> {
  using type = x86::Hpet;
};

struct ModelRow {
  std::string_view keyword;
  std::string_view summary;
  Role role;
  TieClass tie;
  Event service;  // its row of the timing table bounds the queue of each edge that brings requests
  const PortSpec* ports;
  std::size_t port_count;
};

/// One row a model, in the order of ModelConfig's alternatives.
const ModelRow& row_of(const ModelConfig& config);
const ModelRow& catalog_row(std::size_t index);
constexpr std::size_t kModelCount = std::variant_size_v<ModelConfig>;

}  // namespace irqfab
