// The in-kernel irqchip of a VM: software that owns an IOAPIC and the local APICs and returns a value.
//
// Models: api.rst, KVM_CREATE_IRQCHIP, KVM_SIGNAL_MSI (answers how many local APICs accepted) and
// KVM_IRQ_LINE_STATUS (the sum over the routes of the GSI: how many accepted, 0 if merged, -1 if
// masked or without a route). The chips are the cores that bare metal has, called one by the other
// through a local Env; nothing here takes time of its own, the calling task is charged for it.
// Not modelled yet: the 8259s (their routes count for nothing), EOI scans, the LAPICs' timers.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/kvm/gsi_routing.hpp"
#include "models/x86/ioapic.hpp"
#include "models/x86/lapic.hpp"

namespace irqfab::kvm {

/// Who drives a pin of the irqchip; sources are ORed (api.rst, KVM_IRQFD "resample").
constexpr std::uint32_t kUserspaceSource = 0;  // KVM_IRQ_LINE and plain irqfds
constexpr std::uint32_t kResamplerSource = 1;  // all resampling irqfds

class Irqchip {
 public:
  struct Config {
    std::vector<ApicId> ids;  // of the vCPUs
    x86::Quirks quirks{};
    Mutants mutants{};
  };

  explicit Irqchip(const Config& config);

  /// KVM_SIGNAL_MSI, and the MSI route of an irqfd. `span` ends here unless somebody accepts it.
  Answer signal_msi(const x86::MsiMessage& message, SpanId span, Env& env);

  /// A caller is about to drive a line: true if the level is a rise for this source, so that an
  /// interrupt begins. Callers' levels count in the order of their calls.
  bool announce(Gsi gsi, std::uint32_t source, Level level);
  /// KVM_IRQ_LINE_STATUS. `source` contributes `level` to every pin of the GSI; an MSI route is sent
  /// when the level is high. `span` belongs to a rise that was announced, otherwise it is kNoSpan.
  Answer set_line(Gsi gsi, std::uint32_t source, Level level, SpanId span, Env& env);

  IntaAnswer on_inta(CpuId cpu, Env& env);
  /// A vCPU's write to its LAPIC page; an EOI reaches the IOAPIC before this returns.
  void write_apic(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  /// A guest rewrites a redirection entry.
  void write_entry(Pin pin, std::uint64_t bits, Env& env);

  /// NMI, INIT and SIPI for vCPUs since the last call, oldest first, to be passed on by the caller. The
  /// INTR lines are levels: see lapics().intr().
  std::vector<CpuLineChange> take_messages();

  /// An EOI of this GSI's pin lowers the resamplers' source before the line is looked at again.
  void add_resampler(Gsi gsi) { resampled_.push_back(gsi); }

  GsiRouting& routing() { return routing_; }
  const GsiRouting& routing() const { return routing_; }
  const x86::IoApic& ioapic() const { return ioapic_; }
  const x86::LapicBank& lapics() const { return lapics_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const Irqchip& a, const Irqchip& b) {
    return a.routing_ == b.routing_ && a.ioapic_ == b.ioapic_ && a.lapics_ == b.lapics_;
  }

 private:
  class ChipEnv;
  class IoapicEnv;
  class LapicEnv;
  struct Line {
    Gsi gsi{};
    std::uint32_t source = 0;
  };

  Answer set_pin(Pin pin, std::uint32_t source, Level level, SpanId span, Env& env);
  void finish_eois(Env& env);
  void lower_resamplers(Vector vector, Env& env);

  GsiRouting routing_;
  x86::IoApic ioapic_;
  x86::LapicBank lapics_;
  std::vector<Line> high_;                // lines that are high, as their callers see them
  std::vector<CpuLineChange> messages_;   // not passed on yet
  std::vector<Gsi> resampled_;
  std::vector<Vector> broadcast_;         // EOIs on their way to the IOAPIC
};

}  // namespace irqfab::kvm
