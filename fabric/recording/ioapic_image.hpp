// The redirection table as the recording shows it, over time.
//
// Models: 82093AA, 3.1 and 3.2 (IOREGSEL, IOWIN, the entries' two halves) where the guest's MMIO
// was recorded; else the entry that kvm_ioapic_set_irq prints each time a pin is driven, which says
// that the entry is so by then, not since when. Not modelled: IOAPICs at another address; version
// 0x20's EOI register.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "fabric/recording/replay.hpp"

namespace irqfab::recording {

class IoapicImage {
 public:
  /// The entry that the pin must be given first, if it was not known to be so. The first sight of a
  /// pin makes an initial entry instead.
  std::optional<EntryWritten> saw(const IoapicSetIrq& event);
  /// The entry after a write to the IOAPIC's page, if the write went to one.
  std::optional<EntryWritten> wrote(const IoapicMmioWrite& write);
  void learn(Gsi gsi, Pin pin) { routes_.emplace(gsi, pin); }

  std::vector<PinEntry> initial_entries() const;
  std::vector<GsiPin> routes() const;

 private:
  std::map<Pin, x86::Rte> entries_;
  std::map<Pin, x86::Rte> initial_;
  std::map<Gsi, Pin> routes_;
  std::uint32_t IOREGSEL_ = 0;
};

x86::Rte entry_of(const IoapicSetIrq& event);

}  // namespace irqfab::recording
