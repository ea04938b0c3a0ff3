// What a VMM is told of its machine before it starts: who raises the interrupts of each function,
// and how they are to reach the vCPUs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/ids.hpp"
#include "models/host/host_ids.hpp"
#include "models/pci/msi_capability.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::vmm {

/// Who raises the interrupts of a function?
enum class Attach : std::uint8_t {
  Emulated,  // a thread of the VMM
  Vhost,     // a worker of the host's kernel, by an eventfd a vector
  Assigned,  // a physical function: it interrupts the host, whose handler signals the eventfd
};

/// How do messages get to the vCPUs?
enum class Delivery : std::uint8_t {
  Irqfd,         // an eventfd a vector, bound to a GSI with a route
  SignalMsi,     // KVM_SIGNAL_MSI, by a thread of the VMM
  DynamicRoute,  // KVM_IRQ_LINE, by a thread of the VMM, on a route made for the message
  Userspace,     // the VMM's own local APICs
};

/// When does a vector get the GSI and the route that its irqfd needs? Of Delivery::Irqfd.
enum class RoutePolicy : std::uint8_t {
  Eager,     // all vectors of a function when its messages are enabled
  OnUnmask,  // a vector when it is unmasked first
  OnDemand,  // none: as Delivery::DynamicRoute
};

/// An interrupt of the host: which CPU, and which vector there.
struct HostInterrupt {
  host::HostCpu cpu{};
  Vector vector{};
};

struct VectorPlan {
  x86::MsiMessage message;  // as the guest wrote it
  Mask mask = Mask::Off;
  HostInterrupt host;       // of an assigned function
  std::uint32_t entry = 0;  // of an assigned function, in the table of PostingPlan
};

/// One function.
struct FunctionPlan {
  Attach attach = Attach::Emulated;
  std::uint32_t device = 0;        // the device's first thread; its functions share them
  std::uint32_t threads = 1;       // of them: vector v has thread v modulo so many, INTx the first
  std::uint32_t first_source = 0;  // of the span of vector 0; INTx is behind the last vector
  std::uint64_t window = 0;        // its registers; the MSI-X table begins there
  std::uint64_t config_space = 0;  // its configuration space; 0 if the VMM sees nothing of it
  /// Behind which it is: of VmHost::kRegisters, or of VmHost::kBridges if it is assigned.
  std::uint32_t registers_edge = 0;
  std::uint32_t intx_edge = 0;  // of VmHost::kIntx, and its driver number there
  std::uint32_t intx_driver = 0;
  std::optional<Gsi> intx;      // the pin that its INTx is wired to
  bool enabled = true;          // MSI-X or MSI
  std::optional<pci::Msi> msi;  // its vectors are those of this capability
  std::vector<VectorPlan> vectors;

  /// Its INTx is the host's first.
  bool has_host_line() const { return attach == Attach::Assigned && intx && !enabled; }
};

/// A level-triggered pin of the host's IOAPIC, to which the INTx of assigned functions are wired.
struct HostPinPlan {
  HostInterrupt host;
  std::vector<std::uint32_t> functions;  // of VmPlan::functions
};

/// The host's remapping unit, which posts (VT-d 5.2): where the kernel finds what it changes there.
/// All of it lies below 4 GiB.
struct PostingPlan {
  std::uint64_t table = 0;        // of remapping entries
  std::uint64_t queue = 0;        // of invalidations
  std::uint32_t queue_bytes = 0;  // a multiple of 16
  std::uint64_t status = 0;       // the dword that waits write
  std::uint64_t registers = 0;    // of the unit
  std::uint64_t descriptors = 0;  // of vCPU 0; 64 bytes each
};

struct VmPlan {
  Delivery delivery = Delivery::Irqfd;
  RoutePolicy policy = RoutePolicy::Eager;
  /// What KVM_CAP_IRQ_ROUTING answers: GSIs, and entries of the routing table. 1024 in old kernels;
  /// the lowest 24 are the IOAPIC's pins.
  std::uint32_t gsis = 4096;
  std::vector<FunctionPlan> functions;  // ascending by first_source
  std::uint32_t threads = 0;            // threads that raise interrupts
  std::vector<HostPinPlan> host_pins;
  std::optional<PostingPlan> posting;  // of vectors that are assigned and have an irqfd
};

}  // namespace irqfab::vmm
