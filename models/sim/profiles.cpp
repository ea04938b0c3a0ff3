// The built-in profiles. Sources are named so that a reader can check them; "assumed" rows are
// those for which no figure has been found, and results say how much of them rests on such rows.
#include "models/sim/timing_table.hpp"

namespace irqfab {
namespace {

using E = Event;
using K = PriceKind;

Length ns(std::uint64_t value) { return {value * kPsPerNs, ""}; }
Length core(std::uint64_t cycles) { return {cycles, "core"}; }
constexpr Align kFree = Align::None;

constexpr const char* kPcieBench =
    "pcie-bench (Neugebauer et al., SIGCOMM'18, doi 10.1145/3230543.3230560), Xeon E5: ";
constexpr const char* kSgxStep =
    "SGX-Step apic-ipi histogram (AEX-Notify, USENIX Security'23), Skylake: ICR write to first "
    "handler instruction 935 cycles; its split over hops is assumed";
constexpr const char* kKvmProbe = "one quiet 2-CPU virtual machine, Linux 6.18, medians: ";

std::vector<PriceRow> device_and_bridge_rows() {
  return {
      {E::MsiSent, ns(20), ns(4), 0, kFree, K::Assumed,
       "no figure found: from the decision to the TLP on the link"},
      {E::IntxAsserted, ns(20), ns(4), 0, kFree, K::Assumed, "as MsiSent"},
      {E::IntxDeasserted, ns(20), ns(4), 0, kFree, K::Assumed, "as MsiSent"},
      {E::RootPortForwarded, ns(100), ns(4), 32, kFree, K::Assumed,
       "no figure found for a port of the root complex, nor for one of a switch"},
      {E::PciBridgeForwarded, ns(300), ns(15), 8, kFree, K::Assumed,
       "no figure found: arbitration and an address phase on a bus of 66 MHz, then as "
       "RootPortForwarded"},
      {E::IntxSwizzled, ns(100), ns(4), 0, kFree, K::Assumed, "as RootPortForwarded"},
      {E::BridgeForwarded, ns(193), ns(4), 32, kFree, K::Assumed,
       std::string(kPcieBench) + "half of the 386 ns minimal read round trip, if the path is "
                                 "symmetric; no one-way figure exists"},
      {E::IntxForwarded, ns(193), ns(4), 0, kFree, K::Assumed, "as BridgeForwarded"},
      {E::BusRouted, ns(20), ns(2), 0, kFree, K::Assumed, "no figure found for a decode alone"},
      {E::DeviceRead, ns(193), ns(4), 0, kFree, K::Derived,
       std::string(kPcieBench) + "386 ns minimal read round trip, taken in the other direction; "
                                 "this half is the request's way and the device"},
      {E::CompletionForwarded, ns(193), ns(4), 0, kFree, K::Derived, "as DeviceRead, the way back"},
      {E::MemoryRead, ns(214), ns(10), 0, kFree, K::Derived,
       std::string(kPcieBench) + "an IOMMU miss adds 680 - 466 = 214 ns (E5-2620v3), taken for one "
                                 "table read"},
      {E::MemoryWritten, ns(80), ns(10), 0, kFree, K::Derived,
       std::string(kPcieBench) + "a posted write adds 546 - 466 = 80 ns to a read"},
      {E::IrteHit, ns(5), ns(2), 0, kFree, K::Assumed,
       std::string(kPcieBench) + "a remapping hit costs less than the 13 ns resolution"},
      {E::Remapped, ns(5), ns(2), 0, kFree, K::Assumed, "as IrteHit"},
      {E::Posted, ns(214), ns(0), 0, kFree, K::Assumed,
       "no figure found for the atomic update of a descriptor: as MemoryRead; how updates of one "
       "line hold each other up is not known"},
      {E::NotificationSent, ns(5), ns(2), 0, kFree, K::Assumed, "as Remapped"},
      {E::UnitEventSent, ns(5), ns(2), 0, kFree, K::Assumed, "as Remapped"},
      {E::ComparatorSent, ns(20), ns(4), 0, kFree, K::Assumed, "as MsiSent"},
  };
}

std::vector<PriceRow> controller_and_cpu_rows() {
  return {
      {E::PinLatched, ns(10), ns(2), 0, kFree, K::Assumed, "no figure found"},
      {E::IoapicSent, ns(60), ns(10), 0, kFree, K::Assumed,
       "no figure found for a part with a memory-mapped message path"},
      {E::PirqRouted, ns(10), ns(2), 0, kFree, K::Assumed, "as PinLatched"},
      {E::PicAcknowledged, ns(630), ns(0), 0, kFree, K::Derived,
       "8259A data sheet (231468), A.C. characteristics: two INTA pulses of at least 235 ns "
       "(TRLRH) "
       "with 160 ns between (TRHRL); a hub's own time is not published"},
      {E::MessageRouted, core(235), core(4), 64, kFree, K::Derived, kSgxStep},
      {E::IpiSent, core(235), core(0), 0, kFree, K::Derived, kSgxStep},
      {E::CpuWoken, ns(2000), ns(0), 0, kFree, K::Published,
       "Linux, intel_idle.c: exit latency of state C1 of Skylake-X, 2 us, a bound and no mean"},
      {E::HandlerEntered, core(700), core(0), 0, kFree, K::Derived, kSgxStep},
      {E::EoiWritten, core(40), core(0), 0, kFree, K::Assumed,
       "no bare-metal figure found for an EOI"},
      {E::HandlerDispatched, core(50), core(0), 0, kFree, K::Assumed,
       "no figure found: a table lookup and an indirect call"},
      {E::PirRead, core(25), core(0), 0, kFree, K::Assumed,
       "an atomic exchange of 64 bits in a line that the unit wrote last; as LockAcquired, and "
       "more"},
      {E::NotificationCleared, core(20), core(0), 0, kFree, K::Assumed, "as LockAcquired"},
      {E::NotificationTaken, core(235), core(0), 0, kFree, K::Assumed,
       "no figure found for the notification of a running guest; less than an interrupt's "
       "delivery"},
      {E::PirSynced, core(20), core(0), 0, kFree, K::Assumed, "as LockAcquired"},
      {E::DoorbellRung, core(235), core(0), 0, kFree, K::Assumed, "as IpiSent"},
      {E::EoiVirtualized, core(16), core(0), 0, kFree, K::Derived,
       "Linux 2017, vmexit tests: an access to the local APIC (CR8) without exit 11 to 17 cycles, "
       "taken for an EOI"},
      {E::IpiVirtualized, core(100), core(0), 0, kFree, K::Assumed,
       "no figure found: two table lookups and an atomic update by microcode"},
      {E::RemoteIrrCleared, ns(60), ns(0), 0, kFree, K::Assumed,
       "as IoapicSent: the way of the EOI message"},
  };
}

std::vector<PriceRow> software_rows() {
  return {
      {E::SyscallEntered, ns(150), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "half of a null ioctl, 290 to 320 ns"},
      {E::SyscallReturned, ns(150), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "half of a null ioctl, 290 to 320 ns"},
      {E::EventfdSignalled, ns(100), ns(0), 0, kFree, K::Assumed,
       "an eventfd write without a waiter takes 255 ns, less than two halves of a null ioctl plus "
       "this: the share is assumed"},
      {E::RouteLookedUp, ns(20), ns(0), 0, kFree, K::Assumed, "no figure found for a lookup alone"},
      {E::IrqfdRouted, ns(252), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "eventfd write with an irqfd 527 ns, without 255 ns, less the "
                                "lookup"},
      {E::MsiInjected, ns(271), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "KVM_SIGNAL_MSI 571 ns, less a null ioctl of 300 ns"},
      {E::PinDriven, ns(165), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) +
           "a pair of KVM_IRQ_LINE 929 ns, so 464 ns a call, less a null ioctl "
           "of 300 ns"},
      {E::RoutesCopied, ns(175), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "KVM_SET_GSI_ROUTING of 4096 entries 727,564 ns, of one 9,102 ns: "
                                "so much an entry"},
      {E::RoutesUpdated, ns(8627), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "KVM_SET_GSI_ROUTING of one entry 9,102 ns, less that entry and a "
                                "null ioctl; an expedited grace period without readers is in it"},
      {E::IrqfdAssigned, ns(4900), ns(0), 0, kFree, K::Derived,
       std::string(kKvmProbe) + "a pair of KVM_IRQFD 10,415 ns: half of it, less a null ioctl"},
      {E::IrqfdDeassigned, ns(4900), ns(0), 0, kFree, K::Derived, "as IrqfdAssigned"},
      {E::ResampleSignalled, ns(100), ns(0), 0, kFree, K::Assumed, "as EventfdSignalled"},
      {E::ExitHandled, core(210), core(0), 0, kFree, K::Derived,
       "Linux 2017, vmexit tests: outl_to_kernel 1391 cycles, less vmcall 1181"},
      {E::UserExited, core(3870), core(0), 0, kFree, K::Derived,
       "Linux 2017, vmexit tests: inl_from_qemu 6209 cycles, less inl_from_kernel 2339: there and "
       "back"},
      {E::MsiNotified, ns(100), ns(0), 0, kFree, K::Assumed,
       "no figure found for a VMM's own code"},
      {E::DeviceModelled, ns(100), ns(0), 0, kFree, K::Assumed, "as MsiNotified"},
      {E::RouteSought, ns(30), ns(0), 0, kFree, K::Assumed,
       "no figure found: a bucket of a hash table and its list"},
      {E::VcpuSignalled, ns(2400), ns(0), 0, kFree, K::Derived,
       "a signal between threads about 2.4 us (xUI, ASPLOS 2025, by way of a review page)"},
      {E::InterruptInjected, ns(150), ns(0), 0, kFree, K::Assumed, "no figure found: as PinDriven"},
      {E::WorkQueued, ns(100), ns(0), 0, kFree, K::Assumed, "no figure found"},
      {E::WorkStarted, ns(100), ns(0), 0, kFree, K::Assumed, "no figure found"},
      {E::TaskSwitched, ns(1395), ns(0), 0, kFree, K::Derived,
       "perf bench sched pipe: two wake-ups and two switches in 2.79 us; unnamed CPU"},
      {E::LockAcquired, core(20), core(0), 0, kFree, K::Assumed, "an uncontended atomic operation"},
      {E::VcpuKicked, core(935), core(0), 0, kFree, K::Published,
       "SGX-Step apic-ipi histogram: one IPI to another core, 935 cycles"},
      {E::VcpuEntered, core(1539), core(0), 0, kFree, K::Published,
       "Wanpeng Li, kvm list 2020, Skylake-SP: vmcall round trip 1539 cycles, an exit and an "
       "entry"},
      {E::HostInterrupted, core(700), core(0), 0, kFree, K::Derived, kSgxStep},
      {E::VmExited, core(0), core(0), 0, kFree, K::Derived,
       "VcpuEntered holds the round trip: an exit and an entry"},
      {E::VcpuLoaded, core(20), core(0), 0, kFree, K::Assumed, "as LockAcquired"},
      {E::VcpuWoken, core(100), core(0), 0, kFree, K::Assumed,
       "no figure found for the look through the list of blocked vCPUs"},
  };
}

Profile x86_skl() {
  Profile profile{"x86-skl",
                  "Xeon E5 links and Skylake-SP cores at 2.5 GHz; mixed machines, see each row",
                  {{"core", 2'500'000'000}},
                  {}};
  for (auto part : {device_and_bridge_rows(), controller_and_cpu_rows(), software_rows()}) {
    profile.rows.insert(profile.rows.end(), part.begin(), part.end());
  }
  return profile;
}

/// Every event takes one tick of one clock: for studying order and ties, not time.
Profile unit() {
  Profile profile{
      "unit", "every priced event takes 1 ns: for order and ties, not for time", {}, {}};
  for (const PriceRow& row : x86_skl().rows) {
    profile.rows.push_back({row.event, ns(1), ns(1), row.queue_depth, kFree, K::Assumed, "unit"});
  }
  return profile;
}

}  // namespace

const std::vector<Profile>& built_in_profiles() {
  static const std::vector<Profile> profiles = {x86_skl(), unit()};
  return profiles;
}

}  // namespace irqfab
