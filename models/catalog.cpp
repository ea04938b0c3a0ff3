#include "models/catalog.hpp"

#include <array>

namespace irqfab {
namespace {

template <class Core>
ModelRow row(std::string_view keyword, std::string_view summary, Role role, TieClass tie,
             Event service) {
  return {keyword, summary, role, tie, service, Core::kPorts.data(), Core::kPorts.size()};
}

const std::array<ModelRow, kModelCount>& rows() {
  using R = Role;
  using T = TieClass;
  static const std::array<ModelRow, kModelCount> all = {{
      row<pci::Traffic>("traffic", "the world that makes devices ask for interrupts", R::Source,
                        T::Stimulus, Event::Asserted),
      row<cpu::Driver>("driver", "software that sets up and changes interrupts", R::Source,
                       T::Stimulus, Event::Asserted),
      row<pci::PciFunctions>("pci-functions",
                             "PCI functions with MSI-X, MSI and INTx (PCI 3.0, 6.8)", R::Source,
                             T::Device, Event::MsiSent),
      row<pci::Bridge>("pci-bridge", "root port, or PCI Express to PCI bridge", R::Bridge,
                       T::Bridge, Event::RootPortForwarded),
      row<pci::HostBridge>("host-bridge", "PCI host bridge: ordered posted writes, INTx routing",
                           R::Bridge, T::Bridge, Event::BridgeForwarded),
      row<mem::SystemBus>("system-bus", "address windows between CPUs and registers", R::Bridge,
                          T::Bridge, Event::BusRouted),
      row<mem::Memory>("memory", "host memory: tables and queues", R::Remap, T::Controller,
                       Event::MemoryRead),
      row<x86::PostedDescriptors>("posted-descriptors",
                                  "posted-interrupt descriptors in memory, one a CPU (VT-d 5.2)",
                                  R::Remap, T::Controller, Event::Posted),
      row<x86::VtdRemapper>("vtd", "Intel VT-d interrupt remapping", R::Remap, T::Controller,
                            Event::Remapped),
      row<x86::AmdViUnit>("amd-vi", "AMD-Vi interrupt remapping (48882)", R::Remap, T::Controller,
                          Event::Remapped),
      row<x86::IoApic>("ioapic", "I/O APIC (82093AA and version 0x20)", R::Controller,
                       T::Controller, Event::IoapicSent),
      row<x86::Pic>("pic", "the pair of 8259s of a PC", R::Controller, T::Controller,
                    Event::PinLatched),
      row<x86::PirqRouter>("pirq-router", "PCI interrupt router (PIIX, ICH)", R::Bridge, T::Bridge,
                           Event::PirqRouted),
      row<x86::ApicBus>("apic-bus", "the interconnect that carries messages to the local APICs",
                        R::Controller, T::Controller, Event::MessageRouted),
      row<x86::LapicBank>("lapics", "the local APICs (SDM vol. 3, chapter 11)", R::Controller,
                          T::SetPending, Event::Pended),
      row<cpu::Cpus>("cpus", "CPUs: lines, INTA, handlers, EOI", R::Cpu, T::Accept,
                     Event::HandlerEntered),
      row<kvm::KvmHost>("kvm", "a VM of KVM: its irqchip, and the host threads that inject",
                        R::Route, T::SetPending, Event::MsiInjected),
      row<x86::Hpet>("hpet", "high precision event timers (IA-PC HPET 1.0a)", R::Source, T::Device,
                     Event::ComparatorSent),
      row<vmm::VmHost>("vm-host", "a host that runs vCPUs, KVM, and the VMM with its models of devices",
                       R::Host, T::SetPending, Event::HostInterrupted),
  }};
  return all;
}

}  // namespace

const ModelRow& row_of(const ModelConfig& config) { return rows()[config.index()]; }
const ModelRow& catalog_row(std::size_t index) { return rows()[index]; }

}  // namespace irqfab
