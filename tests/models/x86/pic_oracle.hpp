// A pair of 8259As a second time, to judge the core by: written from the data sheet (231468)
// without a look at the core, with flags and lists where that has registers and masks. It shares
// nothing with the models. Cascaded, 8086 mode, ELCR; a chip is initialized in one go.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace irqfab::x86::test {

struct OracleChip {
  struct Input {
    bool line = false;
    bool level = false;  // by ELCR
    bool edge = false;   // remembered
    bool masked = false;
    bool served = false;
    bool requests() const { return level ? line : edge; }
  };

  std::array<Input, 8> inputs;
  std::vector<int> order = {0, 1, 2, 3, 4, 5, 6, 7};  // the highest priority first
  int slave_at = -1;
  int base = 0;
  bool automatic = false, rotates = false, nested_slave = false, special = false;
  bool shows_service = false, polled = false;

  void start(int vectors, bool aeoi, bool sfnm) {
    for (Input& input : inputs) input.edge = input.masked = input.served = false;
    order = {0, 1, 2, 3, 4, 5, 6, 7};
    base = vectors / 8 * 8;
    automatic = aeoi;
    nested_slave = sfnm;
    rotates = special = shows_service = polled = false;
  }
  void wire(int n, bool high) {
    Input& input = inputs[n];
    if (high && !input.line) input.edge = true;
    if (!high) input.edge = false;
    input.line = high;
  }
  void trigger(int n, bool level) {
    if (inputs[n].level != level) inputs[n].edge = false;
    inputs[n].level = level;
  }
  void make_lowest(int n) {
    while (order.back() != n) std::rotate(order.begin(), order.begin() + 1, order.end());
  }

  /// Down the priorities: a request that comes before anything in service interrupts.
  std::optional<int> interrupting() const {
    for (const int n : order) {
      const Input& input = inputs[n];
      const bool asks = input.requests() && !input.masked;
      const bool blocks = input.served && !(special && input.masked);
      if (asks && (!blocks || (nested_slave && n == slave_at))) return n;
      if (blocks) return std::nullopt;
    }
    return std::nullopt;
  }
  std::optional<int> accept() {
    const std::optional<int> n = interrupting();
    if (!n) return n;
    inputs[*n].edge = false;
    if (!automatic) inputs[*n].served = true;
    if (automatic && rotates) make_lowest(*n);
    return n;
  }
  void end_highest(bool rotating) {
    for (const int n : order) {
      if (!inputs[n].served || (special && inputs[n].masked)) continue;
      inputs[n].served = false;
      if (rotating) make_lowest(n);
      return;
    }
  }
  int shown(bool service) const {
    int value = 0;
    for (int n = 7; n >= 0; --n) {
      value = 2 * value + (service ? inputs[n].served : inputs[n].requests());
    }
    return value;
  }
};

struct OraclePic {
  OracleChip master, slave;
  std::array<bool, 16> driven{};

  OraclePic() { master.slave_at = 2; }

  void pin(int n, bool high) {
    driven[n] = high;
    if (n >= 8) slave.wire(n - 8, high);
    if (n < 8 && n != 2) master.wire(n, high);
    settle();
  }
  /// The slave's INT, and whoever drives the same wire.
  void settle() { master.wire(2, driven[2] || slave.interrupting().has_value()); }
  std::optional<int> accept_slave() {
    const std::optional<int> n = slave.accept();
    if (n) master.wire(2, driven[2]);
    return n;
  }
  int inta() {
    const std::optional<int> n = master.accept();
    int vector = master.base + n.value_or(7);
    if (n == master.slave_at) vector = slave.base + accept_slave().value_or(7);
    settle();
    return vector;
  }
  int poll(bool of_slave) {
    (of_slave ? slave : master).polled = false;
    const std::optional<int> n = of_slave ? accept_slave() : master.accept();
    settle();
    return n ? 128 + *n : 7;
  }
};

}  // namespace irqfab::x86::test
