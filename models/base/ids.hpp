// Ids of the interrupt fabric. Each is its own type, so that a pin cannot be passed where a GSI is
// meant: `Gsi{5}` makes one, `raw(gsi)` leaves the type, and nothing else converts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace irqfab {

enum class Gsi : std::uint32_t {};           // KVM's global system interrupt, 0..4095
enum class Pin : std::uint16_t {};           // an input wire of an interrupt controller
enum class Vector : std::uint8_t {};         // x86 interrupt vector, 0..255
enum class CpuId : std::uint32_t {};         // index of a CPU (never an APIC id), from 0
enum class ApicId : std::uint32_t {};        // x86 local APIC id: 8 bits in xAPIC mode
enum class HostBridgeId : std::uint16_t {};  // index of a PCI host bridge (PHB)
enum class RequesterId : std::uint16_t {};   // PCI bus << 8 | device << 3 | function
enum class FunctionRow : std::uint32_t {};   // a PCI function, as a row behind its host bridge
enum class VectorIndex : std::uint16_t {};   // entry of a function's MSI-X table, 0..2047
enum class NodeId : std::uint32_t {};        // a place of the fabric in the trace; canonical order
enum class PortId : std::uint16_t {};        // a port of one model
enum class LaneId : std::uint32_t {};        // an independent server of one model (a CPU of a bank)
enum class SourceId : std::uint32_t {};      // who opens spans: an MSI-X vector, a pin, an IPI sender
enum class TaskId : std::uint16_t {};        // a thread of modelled software
enum class Tag : std::uint32_t {};           // pairs a request with its answer

template <class Id>
constexpr auto raw(Id id) {
  static_assert(std::is_enum_v<Id>, "raw() leaves an id type; it converts nothing else");
  return static_cast<std::underlying_type_t<Id>>(id);
}

/// One interrupt, from the source's assertion to its end. The source is part of the id, so no global
/// counter is needed and two engines number spans alike: bits 63..40 source, bits 39..0 sequence + 1.
enum class SpanId : std::uint64_t {};
constexpr SpanId kNoSpan{0};

constexpr SpanId make_span(SourceId source, std::uint64_t sequence) {
  return SpanId{(std::uint64_t{raw(source)} << 40) | (sequence + 1)};
}
constexpr SourceId source_of(SpanId span) { return SourceId(raw(span) >> 40); }
constexpr std::uint64_t sequence_of(SpanId span) {
  return (raw(span) & ((std::uint64_t{1} << 40) - 1)) - 1;
}

enum class Level : std::uint8_t { Low, High };
enum class Mask : std::uint8_t { Off, On };

/// Who wrote a message. Two host bridges may carry the same requester id, and two functions may send
/// the same address and data, so neither alone identifies a source.
struct Requester {
  HostBridgeId bridge{};
  RequesterId rid{};
  friend constexpr bool operator==(Requester a, Requester b) {
    return a.bridge == b.bridge && a.rid == b.rid;
  }
};

/// An array that only its own id type can index.
template <class Id, class T>
class Indexed {
 public:
  Indexed() = default;
  explicit Indexed(std::size_t size, const T& value = T{}) : items_(size, value) {}

  T& operator[](Id id) { return items_[raw(id)]; }
  const T& operator[](Id id) const { return items_[raw(id)]; }
  /// False for an id that a guest or a file made up.
  bool contains(Id id) const { return raw(id) < items_.size(); }
  std::size_t size() const { return items_.size(); }
  Id add(const T& value) {
    items_.push_back(value);
    return Id(items_.size() - 1);
  }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  friend bool operator==(const Indexed& a, const Indexed& b) { return a.items_ == b.items_; }

 private:
  std::vector<T> items_;
};

}  // namespace irqfab
