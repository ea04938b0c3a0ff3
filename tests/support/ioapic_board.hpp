// An IOAPIC and the ways that software and wires reach it, for the tables of its rules.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>

#include "models/x86/ioapic.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {

constexpr std::uint64_t kMask = 0x10000, kLevel = 0x8000, kRemoteIrr = 0x4000, kActiveLow = 0x2000;
constexpr Pin kPin{5};

struct IoApicBoard {
  IoApicBoard() : IoApicBoard(x86::IoApic::Config{}) {}
  explicit IoApicBoard(const x86::IoApic::Config& config) : chip(config) {}
  static IoApicBoard version_11() {
    x86::IoApic::Config config;
    config.version = x86::IoApicVersion::V11;
    return IoApicBoard(config);
  }
  static IoApicBoard wired(std::initializer_list<Pin> active_low) {
    x86::IoApic::Config config;
    config.inputs = x86::InputLevels::Wired;
    config.active_low = active_low;
    return IoApicBoard(config);
  }

  void select(std::uint32_t index) { chip.write(0x00, index, env); }
  void write(std::uint32_t index, std::uint32_t value) {
    select(index);
    chip.write(0x10, value, env);
  }
  std::uint32_t read(std::uint32_t index) {
    select(index);
    return chip.read(0x10, env);
  }
  void program(std::uint64_t entry, Pin pin = kPin) {
    write(0x11 + 2u * raw(pin), static_cast<std::uint32_t>(entry >> 32));
    write(0x10 + 2u * raw(pin), static_cast<std::uint32_t>(entry));
  }
  std::uint64_t entry(Pin pin = kPin) {
    return std::uint64_t{read(0x11 + 2u * raw(pin))} << 32 | read(0x10 + 2u * raw(pin));
  }
  void raise(Pin pin = kPin, SpanId span = make_span(SourceId{1}, 0)) {
    chip.on_pin({pin, Level::High, 0, span}, env);
  }
  void lower(Pin pin = kPin) { chip.on_pin({pin, Level::Low, 0, kNoSpan}, env); }
  void pulse(Pin pin = kPin) { raise(pin), lower(pin); }
  void end(unsigned vector) {
    chip.receive(x86::IoApic::kEoi, EoiMessage{Vector(static_cast<std::uint8_t>(vector))}, env);
  }
  /// Messages since the last call.
  std::size_t sent() {
    const std::size_t count = env.messages<BusWrite>().size();
    env.sent.clear();
    return count;
  }
  /// The one message since the last call.
  x86::ApicMessage message() {
    const auto writes = env.messages<BusWrite>();
    env.sent.clear();
    EXPECT_EQ(writes.size(), 1u);
    if (writes.empty()) return {};
    return x86::decode({writes[0].address, static_cast<std::uint32_t>(writes[0].data)});
  }
  bool remote_irr(Pin pin = kPin) const { return chip.rte(pin).remote_irr(); }

  x86::IoApic chip;
  test::RecordingEnv env;
};

}  // namespace irqfab::rules
