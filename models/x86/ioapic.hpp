// The I/O APIC: input pins to interrupt messages, by a table that software writes.
//
// Models: Intel 82093AA data sheet (290566, version 0x11), and the EOI register at offset 0x40 of
// version 0x20 (I/O controller hubs; there also bits 55:48 of an entry can be written, see
// rte.hpp). Messages are memory writes (SDM vol. 3, 11.11), not cycles of the serial APIC bus.
//
// Delivery status always reads 0. It says that a message waits for the bus; here the one server of
// an IOAPIC sends a message before it looks at the next access, so whoever could read the bit finds
// the message gone: while the output is stalled the read waits behind it.
//
// Not modelled: the serial bus with its arbitration; 8- and 16-bit accesses, which do nothing (both
// documents ask for 32 bits).
//
// Polarity. Usually whoever drives a pin says whether the input is asserted, and the polarity bit
// is storage. With InputLevels::Wired a pin has a voltage: an assertion pulls the pins of
// Config::active_low down and drives the others up, and the entry's bit says which level is active.
// An entry that has it wrong takes an idle wire for an assertion, and an assertion for its end.
//
// Where a span is. An input that becomes active brings one. It stays with the pin while an
// assertion waits (a level input that is masked or awaits an EOI) and travels with the message once
// that is sent; then the pin holds nothing, and Remote IRR stands for the interrupt in service.
// Further drivers that assert a line that is active already:
//   level   merge into the waiting assertion. If none waits, theirs begins to wait: the handler
//           under way may have looked at that device before, so it must not count as part of the
//           interrupt in service. The EOI sends it, or it is cancelled when the line falls.
//   edge    cause no edge: they merge into the interrupt that the line's rise sent, or are dropped
//           if the mask swallowed that edge.
// A level line found active with nothing waiting (after EOI, unmasking, or a change to level) opens
// a span of its own, with cause resample. What asserts an input whose polarity is wrong is dropped.
// An assertion that names no span begins one, unless it comes over an edge of Config::shared: then
// the span is with another controller that the wire leads to (the 8259s), and one begins here, as
// its fork, only if the message is sent.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"
#include "models/x86/quirks.hpp"
#include "models/x86/rte.hpp"
#include "models/x86/wired_or.hpp"

namespace irqfab::x86 {

enum class IoApicVersion : std::uint8_t {
  V11 = 0x11,  // 82093AA
  V20 = 0x20,  // has an EOI register
};

/// What an input is: told by its drivers, or a voltage that the polarity bit judges.
enum class InputLevels : std::uint8_t { Asserted, Wired };

class IoApic final {
 public:
  struct Config {
    unsigned pins = 24;   // 1..120, as many entries as the index register reaches
    std::uint8_t id = 0;  // IOAPICID after reset, 0..15
    InputLevels inputs = InputLevels::Asserted;
    std::vector<Pin> active_low;  // with InputLevels::Wired: an assertion is a low level on these
    IoApicVersion version = IoApicVersion::V20;
    std::vector<unsigned> shared;  // edges of kPins whose spans rest elsewhere
    Requester requester{};         // who its messages come from
    Quirks quirks{};
    Mutants mutants{};
  };

  static constexpr PortId kPins = port_of(0);
  static constexpr PortId kRegisters = port_of(1);
  static constexpr PortId kEoi = port_of(2);
  static constexpr PortId kMessages = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"pins", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"eoi", EdgeKind::Fabric, Direction::Target, Order::Ordered, 0, 1024},
      {"messages", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
  }};

  // Offsets in the register page.
  static constexpr std::uint32_t kIoRegSel = 0x00;
  static constexpr std::uint32_t kIoWin = 0x10;
  static constexpr std::uint32_t kEoiRegister = 0x40;

  explicit IoApic(const Config& config);

  /// One table, one server.
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  /// A driver's contribution to a pin changed. Drivers on different edges of kPins are told apart
  /// by receive; here `driver` alone names one.
  void on_pin(const PinChange& change, Env& env) { change_pin(change, Unnamed::BeginsHere, env); }
  /// A local APIC ended a level interrupt: every level entry with this vector is open again.
  void on_eoi(Vector vector, Env& env);
  /// 32-bit accesses to the register page; `offset` is 0..0xFFF.
  void write(std::uint32_t offset, std::uint32_t value, Env& env);
  std::uint32_t read(std::uint32_t offset, Env& env) const;

  // What a hypervisor does that no bus access could: ioapic_restore.cpp. `pin` must exist.
  /// The entry as given, Remote IRR included; nothing is sent.
  void restore(Pin pin, Rte entry, Env& env);
  /// Sends what the input stands for now: a level that is due, or an edge of a line that is high.
  void evaluate(Pin pin, Env& env);

  /// `pin` must exist.
  const Rte& rte(Pin pin) const { return inputs_[pin].rte; }
  /// High while anybody asserts the wire, whatever the entry thinks of it.
  Level level(Pin pin) const { return inputs_[pin].line.level(); }
  std::size_t pins() const { return inputs_.size(); }

  /// Spans whose only home is here: those of assertions that wait.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const IoApic& a, const IoApic& b);

 private:
  struct Input {
    Rte rte;
    WiredOr line;
    bool active_low = false;
    bool kept = false;         // Quirk::PinLevelByMode: a level of before, to be sent when unmasked
    SpanId waiting = kNoSpan;  // of a level assertion that is not sent yet
    SpanId sent = kNoSpan;     // of the last message since the line rose
    bool operator==(const Input& other) const;
  };

  /// Where the span of an assertion is that names none.
  enum class Unnamed : std::uint8_t { BeginsHere, RestsElsewhere };
  void change_pin(const PinChange& change, Unnamed unnamed, Env& env);
  bool active(const Input& input) const;
  bool sends_at_rise(const Input& input) const;
  /// With two of the quirks the delivery mode does not count.
  bool level_sensitive(const Rte& rte) const {
    const bool always = config_.quirks.has(Quirk::TriggerModeAlways) ||
                        config_.quirks.has(Quirk::RemoteIrrOnAcceptance);
    return rte.level_sensitive() || (Rte::TriggerModeBit::is_set(rte.bits) && always);
  }
  MsiMessage message_of(const Rte& rte) const;
  void resample(Pin pin, Env& env);
  bool repeat_is_edge(Pin pin) const;
  void change_mode(Pin pin, const Rte& before, Env& env);
  void rise(Pin pin, SpanId span, Env& env);
  void rise_again(Pin pin, SpanId span, Env& env);
  void fall(Pin pin, Env& env);
  void follow_polarity(Pin pin, bool was_active, Env& env);
  void send_if_due(Pin pin, Env& env);
  void transmit(Pin pin, SpanId span, Env& env);
  void write_entry(Pin pin, Rte written, Env& env);
  void write_window(std::uint32_t value, Env& env);
  std::uint32_t read_window(Env& env) const;
  std::uint64_t writable_high() const;
  std::uint64_t writable_low() const;

  Config config_;
  std::uint8_t ioregsel_ = 0;
  std::uint32_t ioapicid_ = 0;
  Indexed<Pin, Input> inputs_;
};

}  // namespace irqfab::x86
