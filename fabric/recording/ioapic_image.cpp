#include "fabric/recording/ioapic_image.hpp"

#include "models/base/field.hpp"

namespace irqfab::recording {
namespace {

using x86::Rte;

constexpr std::uint32_t kIoregsel = 0x00, kIowin = 0x10;
constexpr std::uint32_t kFirstEntry = 0x10, kLastIndex = 0xFF;  // 240 pins at most
using LowHalf = Field<31, 0>;
using HighHalf = Field<63, 32>;

/// What kvm_ioapic_set_irq prints; the rest of an entry is not to be compared with it.
constexpr std::uint64_t kPrinted = Rte::INTVEC::kMask | Rte::DELMOD::kMask | Rte::DESTMOD::kMask |
                                   Rte::TriggerModeBit::kMask | Rte::InterruptMask::kMask |
                                   Rte::DESTINATION::kMask;

}  // namespace

Rte entry_of(const IoapicSetIrq& event) {
  std::uint64_t bits = 0;
  bits = Rte::INTVEC::set(bits, raw(event.vector));
  bits = Rte::DELMOD::set(bits, static_cast<std::uint64_t>(event.mode));
  bits = Rte::DESTMOD::set(bits, static_cast<std::uint64_t>(event.destination_mode));
  bits = Rte::TriggerModeBit::set(bits, static_cast<std::uint64_t>(event.trigger));
  bits = Rte::InterruptMask::set(bits, static_cast<std::uint64_t>(event.mask));
  return Rte{Rte::DESTINATION::set(bits, event.dst)};
}

std::optional<EntryWritten> IoapicImage::saw(const IoapicSetIrq& event) {
  const Rte seen = entry_of(event);
  const auto known = entries_.find(event.pin);
  if (known == entries_.end()) {
    entries_[event.pin] = initial_[event.pin] = seen;
    return std::nullopt;
  }
  Rte& entry = known->second;
  if (((entry.bits ^ seen.bits) & kPrinted) == 0) return std::nullopt;
  entry.bits = (entry.bits & ~kPrinted) | seen.bits;
  return EntryWritten{event.pin, entry};
}

std::optional<EntryWritten> IoapicImage::wrote(const IoapicMmioWrite& write) {
  if (write.offset == kIoregsel) IOREGSEL_ = write.value & kLastIndex;
  if (write.offset != kIowin || IOREGSEL_ < kFirstEntry) return std::nullopt;
  const Pin pin = static_cast<Pin>((IOREGSEL_ - kFirstEntry) / 2);
  Rte& entry = entries_[pin];
  const bool low = IOREGSEL_ % 2 == 0;
  entry.bits = low ? LowHalf::set(entry.bits, write.value & Rte::kWritableLow)
                   : HighHalf::set(entry.bits, write.value);
  return EntryWritten{pin, entry};
}

std::vector<PinEntry> IoapicImage::initial_entries() const {
  std::vector<PinEntry> entries;
  for (const auto& [pin, entry] : initial_) entries.push_back({pin, entry});
  return entries;
}

std::vector<GsiPin> IoapicImage::routes() const {
  std::vector<GsiPin> routes;
  for (const auto& [gsi, pin] : routes_) routes.push_back({gsi, pin});
  return routes;
}

}  // namespace irqfab::recording
