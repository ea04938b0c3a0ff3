// A pair of 8259As and the ways that software, wires and CPUs reach it, for the tables of its
// rules.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "models/x86/pic.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {

constexpr std::uint16_t kMaster = 0x20, kSlave = 0xA0, kElcr1 = 0x4D0, kElcr2 = 0x4D1;
constexpr unsigned kEoi = 0x20, kSpecificEoi = 0x60, kReadIrr = 0x0A, kReadIsr = 0x0B, kPoll = 0x0C;

struct PicPair {
  PicPair() { initialize(0x01); }
  explicit PicPair(x86::PicTrigger trigger) : chip(config(trigger)) {}
  static x86::Pic::Config config(x86::PicTrigger trigger) {
    x86::Pic::Config made;
    made.trigger = trigger;
    return made;
  }

  void initialize(unsigned icw4, unsigned icw1 = 0x11) {
    words(kMaster, {icw1, 0x20, 0x04, icw4});
    words(kSlave, {icw1, 0x28, 0x02, icw4});
  }
  void words(std::uint16_t port, std::initializer_list<unsigned> icws) {
    std::uint16_t to = port;
    for (const unsigned icw : icws) {
      write(to, icw);
      to = static_cast<std::uint16_t>(port + 1);
    }
  }
  void write(std::uint16_t port, unsigned value) {
    chip.write(port, static_cast<std::uint8_t>(value), env);
  }
  void mask(std::uint16_t port, unsigned imr) { write(static_cast<std::uint16_t>(port + 1), imr); }
  unsigned read(std::uint16_t port) { return chip.read(port, env); }
  unsigned irr(std::uint16_t port = kMaster) {
    write(port, kReadIrr);
    return read(port);
  }
  unsigned isr(std::uint16_t port = kMaster) {
    write(port, kReadIsr);
    return read(port);
  }
  void raise(unsigned pin) { drive(pin, Level::High); }
  void lower(unsigned pin) { drive(pin, Level::Low); }
  void pulse(unsigned pin) { raise(pin), lower(pin); }
  void drive(unsigned pin, Level level) {
    chip.on_pin({Pin(static_cast<std::uint16_t>(pin)), level, 0, kNoSpan}, env);
  }
  bool asks() const { return chip.intr() == Level::High; }
  unsigned inta() { return raw(chip.on_inta(CpuId{0}, env).vector); }

  x86::Pic chip{x86::Pic::Config{}};
  test::RecordingEnv env;
};

}  // namespace irqfab::rules
