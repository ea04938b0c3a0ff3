#include "fabric/topology/reconfigure.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "fabric/topology/amdvi_plan.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "fabric/topology/workload.hpp"
#include "models/base/random.hpp"
#include "models/x86/amdvi_registers.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::topology {
namespace {

using cpu::Access;
using scenario::Change;
using scenario::ChangeKind;

constexpr std::size_t kMostChanges = 1'000'000;
constexpr std::uint64_t kQueueEntries = kQueueBytes / x86::vtd::kDescriptorBytes;
constexpr std::uint64_t kWaitStatus = kRemapQueue + kQueueBytes;

Access write(std::uint64_t address, std::uint64_t data, std::uint8_t size) {
  return {cpu::AccessKind::Write, size, address, data};
}

/// One time that one row does something.
struct Occurrence {
  Time at = 0;
  std::uint32_t source = 0;  // of the row's first vector
  const Change* change = nullptr;
};

class Reconfiguration {
 public:
  Reconfiguration(X86Plan& plan, HandlerTable& handlers, Mutants mutants)
      : plan_(plan),
        handlers_(handlers),
        mutants_(mutants),
        free_entry_(plan.device_sources + plan.ioapic_pins) {}

  std::vector<Access> mask(const FunctionPlan& function, unsigned vector, Mask mask) {
    if (function.by_msi()) return mask_msi(function, vector, mask);
    return {write(control_of(function, vector), mask == Mask::On ? 1 : 0, 4)};
  }

  std::vector<Access> retarget(const FunctionPlan& function, unsigned vector, CpuId to) {
    if (function.by_msi() && !plan_.remapped) {
      return vector == 0 ? retarget_block(function, to) : std::vector<Access>{};
    }
    const Slot slot = slot_on(function, vector, to);
    if (!plan_.remapped) return retarget_message(function, vector, slot, 0);
    if (plan_.has_amdvi()) return retarget_amdvi(function, vector, slot);
    const bool leaves_old = mutants_.has(Mutant::OldIrteLeft) && !function.by_msi();
    return leaves_old && free_entry_ < kMostIrtes ? retarget_to_new_entry(function, vector, slot)
                                                  : retarget_entry(function, vector, slot);
  }

 private:
  /// Masks the vector, rewrites its message, unmasks it. `index`: as of message_for.
  std::vector<Access> retarget_message(const FunctionPlan& function, unsigned vector, Slot slot,
                                       std::uint32_t index) const {
    const pci::MsixEntry entry = message_for(plan_, slot, index);
    const std::uint64_t control = control_of(function, vector);
    return {write(control, 1, 4), write(control - 12, entry.address & 0xFFFFFFFF, 4),
            write(control - 8, entry.address >> 32, 4), write(control - 4, entry.data, 4),
            write(control, 0, 4)};
  }

  /// Mask Bits are one register for all vectors, so software keeps a copy.
  std::vector<Access> mask_msi(const FunctionPlan& function, unsigned vector, Mask mask) {
    std::uint32_t& bits = masks_[function.first_source];
    bits = mask == Mask::On ? bits | 1u << vector : bits & ~(1u << vector);
    return {write(capability_of(function) + mask_offset(function), bits, 4)};
  }

  /// Masks all vectors, rewrites the message that they share, restores the masks.
  std::vector<Access> retarget_block(const FunctionPlan& function, CpuId to) {
    const scenario::Msi& msi = *function.device->msi;
    const pci::MsixEntry message = msi_message_for(plan_, function, block_on(function, to));
    const std::uint64_t at = capability_of(function);
    const std::uint64_t data = mask_offset(function) - 4;
    const auto all = static_cast<std::uint32_t>((std::uint64_t{1} << msi.vectors) - 1);
    std::vector<Access> accesses{write(at + mask_offset(function), all, 4),
                                 write(at + 4, message.address & 0xFFFFFFFF, 4)};
    if (msi.address == 64) accesses.push_back(write(at + 8, message.address >> 32, 4));
    accesses.push_back(write(at + data, message.data, 2));
    accesses.push_back(write(at + mask_offset(function), masks_[function.first_source], 4));
    return accesses;
  }

  std::uint64_t capability_of(const FunctionPlan& function) const {
    return config_of(plan_.bridges[function.bridge], function) + pci::kConfigMsiCapability;
  }
  static std::uint64_t mask_offset(const FunctionPlan& function) {
    return pci::msi_mask_offset(msi_of(*function.device->msi)) - pci::kConfigMsiCapability;
  }

  /// Rewrites the remapping entry, then queues its invalidation and a wait (VT-d 6.5.2). What
  /// changes lies in the lower half, so that one write of 8 bytes never leaves an entry of which
  /// half is old. What is in another CPU's descriptor already is handled there.
  std::vector<Access> retarget_entry(const FunctionPlan& function, unsigned vector, Slot slot) {
    const std::uint64_t index = function.first_source + vector;
    return write_entry(index, irte_for(plan_, slot, function.requester, x86::TriggerMode::Edge));
  }

  std::vector<Access> write_entry(std::uint64_t index, const x86::Irte& entry) {
    using x86::vtd::IecDescriptor;
    using x86::vtd::WaitDescriptor;
    std::uint64_t invalidate =
        static_cast<std::uint64_t>(x86::vtd::DescriptorType::InterruptEntryCache);
    invalidate = IecDescriptor::G::set(invalidate, 1);
    invalidate = IecDescriptor::IIDX::set(invalidate, index);
    std::uint64_t wait = static_cast<std::uint64_t>(x86::vtd::DescriptorType::Wait);
    wait = WaitDescriptor::SW::set(wait, 1);
    wait = WaitDescriptor::StatusData::set(wait, 1);
    std::vector<Access> accesses{write(kRemapTable + index * x86::Irte::kBytes, entry.low, 8)};
    queue(accesses, invalidate, 0);
    queue(accesses, wait, kWaitStatus);
    accesses.push_back(write(kVtdPage + x86::vtd::IQT_REG, tail_ * x86::vtd::kDescriptorBytes, 4));
    return accesses;
  }

  /// Mutant::OldIrteLeft: nobody clears the entry that the message named before.
  std::vector<Access> retarget_to_new_entry(const FunctionPlan& function, unsigned vector,
                                            Slot slot) {
    const x86::Irte entry = irte_for(plan_, slot, function.requester, x86::TriggerMode::Edge);
    const std::uint32_t index = free_entry_++;
    const std::uint64_t at = kRemapTable + index * x86::Irte::kBytes;
    std::vector<Access> accesses{write(at + 8, entry.high, 8), write(at, entry.low, 8)};
    for (const Access& access : retarget_message(function, vector, slot, index)) {
      accesses.push_back(access);
    }
    return accesses;
  }

  /// Rewrites the entry, then has the unit forget the device's entries and wait (48882, 2.4).
  std::vector<Access> retarget_amdvi(const FunctionPlan& function, unsigned vector, Slot slot) {
    using namespace x86::amdvi;
    const std::uint32_t index = plan_.amdvi_indices[function.first_source + vector];
    const auto opcode = [](CommandCode code) {
      return Command::Opcode::set(0, static_cast<std::uint64_t>(code));
    };
    const std::uint64_t invalidate = InvalidateDevice::DeviceID::set(
        opcode(CommandCode::InvalidateInterruptTable), raw(function.requester));
    const std::uint64_t wait =
        CompletionWait::S::set(opcode(CommandCode::CompletionWait) | kWaitStatus, 1);
    std::vector<Access> accesses{write(amdvi_entry_at(plan_, function.requester, index),
                                       amdvi_entry_for(slot, x86::TriggerMode::Edge), 4)};
    queue(accesses, invalidate, 0);
    queue(accesses, wait, 1);
    accesses.push_back(write(kAmdPage + kCommandTail, tail_ * kEntryBytes, 4));
    return accesses;
  }

  /// Into the queue of either unit: entries of 16 bytes, at one address.
  void queue(std::vector<Access>& accesses, std::uint64_t low, std::uint64_t high) {
    const std::uint64_t at = kRemapQueue + tail_ * x86::vtd::kDescriptorBytes;
    accesses.push_back(write(at, low, 8));
    accesses.push_back(write(at + 8, high, 8));
    tail_ = (tail_ + 1) % kQueueEntries;
  }

  std::uint64_t control_of(const FunctionPlan& function, unsigned vector) const {
    return window_of(plan_.bridges[function.bridge], function.row) + pci::kMsixTableOffset +
           std::uint64_t{vector} * 16 + 12;
  }

  /// The same slot again when a source comes back to a CPU.
  Slot slot_on(const FunctionPlan& function, unsigned vector, CpuId cpu) {
    const Slot now = plan_.slot_of(function, vector);
    if (now.cpu == cpu) return now;
    const auto key = std::pair(function.first_source + vector, cpu);
    const auto known = slots_.find(key);
    if (known != slots_.end()) return known->second;
    const Slot slot = plan_.take_slot(cpu);
    handlers_.serve_message(plan_, function, vector, slot);
    return slots_[key] = slot;
  }

  /// The same for the block of a function.
  Slot block_on(const FunctionPlan& function, CpuId cpu) {
    const Slot now = plan_.slot_of(function, 0);
    if (now.cpu == cpu) return now;
    const auto key = std::pair(function.first_source, cpu);
    const auto known = slots_.find(key);
    if (known != slots_.end()) return known->second;
    const unsigned vectors = function.device->vectors();
    const Slot block = take_block(plan_, cpu, vectors);
    for (unsigned v = 0; v < vectors; ++v) {
      handlers_.serve_message(plan_, function, v, slot_in(block, v));
    }
    return slots_[key] = block;
  }

  X86Plan& plan_;
  HandlerTable& handlers_;
  Mutants mutants_;
  std::uint32_t free_entry_;
  std::map<std::pair<std::uint32_t, CpuId>, Slot> slots_;
  std::map<std::uint32_t, std::uint32_t> masks_;  // Mask Bits of MSI, by source of vector 0
  std::uint64_t tail_ = 0;
};

/// By what is done; what is left equal is the same change twice.
auto order_of(const Occurrence& o) {
  const Change& c = *o.change;
  return std::tuple(o.at, o.source, c.kind, c.sources.last, c.to_random, c.to, c.at, c.every);
}

template <class Fn>
void for_each_source(const scenario::Sources& sources, const X86Plan& plan, Fn&& fn) {
  const DevicePlan& device = *plan.find(sources.device);
  for (unsigned f = sources.first_function; f <= sources.last_function; ++f) {
    for (unsigned v = sources.first; v <= sources.last; ++v) fn(function_of(device, f), v);
  }
}

Diagnostic too_many(const Change& change) {
  return {Severity::Error,
          "too-many-changes",
          change.where,
          "the changes under 'during' come to more than 1000000",
          "a longer 'every', or a shorter workload",
          ""};
}

Diagnostic no_messages(const Change& change) {
  return {Severity::Error,           "not-yet",
          change.sources.where,      "changes of an INTx under 'during' are not supported yet",
          "vectors of MSI-X or MSI", ""};
}

Diagnostic no_host(const Change& change) {
  return {Severity::Error,
          "no-host",
          change.where,
          "'host-affinity' is about the host of a guest, and there is none",
          "'path: kvm-direct-inject' in 'machine'",
          ""};
}

Result<std::vector<Occurrence>> occurrences_of(const scenario::Scenario& scenario,
                                               const X86Plan& plan) {
  const Time end = scenario.until != 0 ? scenario.until : end_of_workload(scenario);
  std::vector<Occurrence> all;
  std::uint64_t changes = 0;
  for (const Change& change : scenario.during) {
    const bool of_vmm =
        change.kind == ChangeKind::RouteUpdate || change.kind == ChangeKind::IrqfdRelease;
    const bool of_host = change.kind == ChangeKind::HostAffinity;
    if (of_host && !plan.for_guest) return no_host(change);
    if (of_vmm || of_host) continue;
    if (change.sources.intx) return no_messages(change);
    if (const auto refused = refuse_change(change, plan)) return *refused;
    const DevicePlan& device = *plan.find(change.sources.device);
    const FunctionPlan function = function_of(device, change.sources.first_function);
    const std::uint32_t source = function.first_source + change.sources.first;
    for (Time at = change.at;; at += change.every) {
      all.push_back({at, source, &change});
      changes += change.sources.size();
      if (changes > kMostChanges) return too_many(change);
      if (change.every == 0 || at + change.every >= end) break;
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Occurrence& a, const Occurrence& b) {
    return order_of(a) < order_of(b);
  });
  return all;
}

}  // namespace

x86::Irte irte_for(const X86Plan& plan, Slot slot, RequesterId requester,
                   x86::TriggerMode trigger) {
  if (plan.posted && trigger == x86::TriggerMode::Edge) {
    const x86::PostTarget target{slot.vector, Urgency::Normal, descriptor_of(slot.cpu)};
    return for_requester(posted_irte(target), requester);
  }
  x86::ApicMessage message;
  message.destination = apic_id_of(slot.cpu);
  message.vector = slot.vector;
  message.trigger_mode = trigger;
  return for_requester(remapped_irte(message, plan.interrupt_mode()), requester);
}

Result<cpu::Driver::Config> driver_of(const scenario::Scenario& scenario, X86Plan& plan,
                                      HandlerTable& handlers, Mutants mutants) {
  const auto occurrences = occurrences_of(scenario, plan);
  if (!occurrences) return occurrences.errors();
  cpu::Driver::Config config;
  Reconfiguration reconfiguration(plan, handlers, mutants);
  std::map<const Change*, Random> randoms;
  for (const Occurrence& o : *occurrences) {
    const std::uint64_t stream = combine(combine(o.source, o.change->at), o.change->every);
    Random& random = randoms.try_emplace(o.change, scenario.seed, stream).first->second;
    cpu::Episode episode{o.at, {}};
    for_each_source(o.change->sources, plan, [&](const FunctionPlan& function, unsigned v) {
      std::vector<Access> accesses;
      if (o.change->kind == ChangeKind::Retarget) {
        const auto drawn = CpuId(static_cast<std::uint32_t>(random.below(plan.cpus)));
        accesses =
            reconfiguration.retarget(function, v, o.change->to_random ? drawn : o.change->to);
      } else {
        const Mask mask = o.change->kind == ChangeKind::Mask ? Mask::On : Mask::Off;
        accesses = reconfiguration.mask(function, v, mask);
      }
      episode.accesses.insert(episode.accesses.end(), accesses.begin(), accesses.end());
    });
    config.episodes.push_back(std::move(episode));
  }
  return config;
}

}  // namespace irqfab::topology
