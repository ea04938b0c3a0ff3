// An I/O APIC a second time, to judge the core by: written from the data sheet (82093AA, 290566)
// without a look at the core, with a flag for each fact where that has words of bits. It shares
// nothing with the models. What it sends is a list of messages; who takes them is its user's
// affair.
#pragma once

#include <cstdint>
#include <vector>

namespace irqfab::x86::test {

struct OracleMessage {
  int vector = 0;
  int mode = 0;  // delivery mode, as in bits 10:8 of an entry
  int destination = 0;
  bool logical = false;
  bool level = false;
};

struct OraclePin {
  int vector = 0, mode = 0, destination = 0, extended = 0;
  bool logical = false, level = false, masked = true, low_active = false;
  bool asserted = false;  // by whoever is outside
  bool upset = false;     // what is outside and the entry mean different levels by "active"
  bool served = false;    // Remote IRR
  bool fresh = false;     // became active, and no message since

  bool active() const { return asserted != upset; }
  /// "Delivery Mode": only fixed and lowest priority can be level-triggered.
  bool by_level() const { return level && mode <= 1; }
};

struct OracleIoApic {
  enum class Outside { Asserts, PullsDown, DrivesUp };  // what an assertion is
  std::vector<OraclePin> pins;
  std::vector<OracleMessage> sent;  // since the user emptied it
  Outside outside;
  int id = 0;

  OracleIoApic() : OracleIoApic(24) {}
  explicit OracleIoApic(int count, Outside wires = Outside::Asserts)
      : pins(static_cast<std::size_t>(count)), outside(wires) {
    for (OraclePin& pin : pins) pin.upset = wires == Outside::PullsDown;
  }

  void assert_pin(int n, bool on) {
    OraclePin& pin = pins[static_cast<std::size_t>(n)];
    const bool before = pin.active();
    pin.asserted = on;
    changed(pin, before);
  }
  /// Both halves at once, as software that knows what it does.
  void program(int n, std::uint64_t entry) {
    OraclePin& pin = pins[static_cast<std::size_t>(n)];
    const bool before = pin.active();
    pin.vector = static_cast<int>(entry % 256);
    pin.mode = static_cast<int>(entry / 256 % 8);
    pin.logical = entry / 0x800 % 2;
    pin.low_active = entry / 0x2000 % 2;
    pin.level = entry / 0x8000 % 2;
    pin.masked = entry / 0x10000 % 2;
    pin.extended = static_cast<int>(entry >> 48 & 0xFF);
    pin.destination = static_cast<int>(entry >> 56);
    if (outside == Outside::PullsDown) pin.upset = !pin.low_active;
    if (outside == Outside::DrivesUp) pin.upset = pin.low_active;
    if (!pin.by_level()) pin.served = pin.fresh = false;
    changed(pin, before);
  }
  void mask(int n, bool on) {
    pins[static_cast<std::size_t>(n)].masked = on;
    look(pins[static_cast<std::size_t>(n)]);
  }
  void end_of_interrupt(int vector) {
    for (OraclePin& pin : pins) {
      if (pin.vector == vector) pin.served = false;
      look(pin);
    }
  }

  std::uint64_t entry(int n) const {
    const OraclePin& pin = pins[static_cast<std::size_t>(n)];
    std::uint64_t bits = 0;
    bits += static_cast<std::uint64_t>(pin.vector) + 0x100u * static_cast<std::uint64_t>(pin.mode);
    bits += pin.logical ? 0x800 : 0;
    bits += pin.low_active ? 0x2000 : 0;
    bits += pin.served ? 0x4000 : 0;
    bits += pin.level ? 0x8000 : 0;
    bits += pin.masked ? 0x10000 : 0;
    bits += static_cast<std::uint64_t>(pin.extended) << 48;
    return bits + (static_cast<std::uint64_t>(pin.destination) << 56);
  }
  /// Indirect registers below the table, of version 0x20.
  std::uint32_t reg(int index) const {
    if (index == 1) return static_cast<std::uint32_t>(0x10000 * (pins.size() - 1) + 0x20);
    return index == 0 || index == 2 ? static_cast<std::uint32_t>(id) << 24 : 0;
  }

 private:
  void changed(OraclePin& pin, bool before) {
    if (pin.active() == before) return look(pin);
    pin.fresh = pin.active() && pin.by_level();
    if (pin.active() && !pin.by_level() && !pin.masked) send(pin);
    look(pin);
  }
  void look(OraclePin& pin) {
    if (!pin.by_level() || pin.masked || pin.served || !pin.active()) return;
    pin.served = true;
    pin.fresh = false;
    send(pin);
  }
  void send(const OraclePin& pin) {
    sent.push_back({pin.vector, pin.mode, pin.destination, pin.logical, pin.by_level()});
  }
};

}  // namespace irqfab::x86::test
