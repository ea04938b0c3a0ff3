// A pair of 8259As as a PC's firmware leaves it, and the words that tests drive it with.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "models/x86/pic.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86::test {

using Spans = std::vector<SpanId>;
using Bytes = std::initializer_list<std::uint8_t>;

// Command words. ICW1: edge, cascaded, ICW4 follows. ICW4: 8086 mode.
constexpr std::uint8_t kIcw1 = 0x11;
constexpr std::uint8_t kIcw4 = 0x01;
constexpr std::uint8_t kSfnm = 0x10;
constexpr std::uint8_t kAeoi = 0x02;
// OCW2, each for level 0 where it names one.
constexpr std::uint8_t kEoi = 0x20;
constexpr std::uint8_t kSpecificEoi = 0x60;
constexpr std::uint8_t kRotateOnEoi = 0xA0;
constexpr std::uint8_t kRotateInAeoi = 0x80;
constexpr std::uint8_t kStopRotatingInAeoi = 0x00;
constexpr std::uint8_t kRotateOnSpecificEoi = 0xE0;
constexpr std::uint8_t kSetPriority = 0xC0;
constexpr std::uint8_t kNoOperation = 0x40;
// OCW3.
constexpr std::uint8_t kReadIrr = 0x0A;
constexpr std::uint8_t kReadIsr = 0x0B;
constexpr std::uint8_t kPoll = 0x0C;
constexpr std::uint8_t kSetSpecialMask = 0x68;
constexpr std::uint8_t kResetSpecialMask = 0x48;

constexpr std::uint16_t kMaster = Pic::kMasterCommand;
constexpr std::uint16_t kSlave = Pic::kSlaveCommand;

constexpr unsigned kMasterVectors = 0x20;
constexpr unsigned kSlaveVectors = 0x28;
constexpr unsigned kSpuriousMaster = 0x27;
constexpr unsigned kSpuriousSlave = 0x2F;

inline SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

class PicFixture : public ::testing::Test {
 protected:
  PicFixture() { initialize(); }

  void initialize(std::uint8_t icw4 = kIcw4, std::uint8_t icw1 = kIcw1) {
    setup(kMaster, {icw1, kMasterVectors, 0x04, icw4});
    setup(kSlave, {icw1, kSlaveVectors, 0x02, icw4});
  }
  /// ICW1 to the command port, the others to the data port.
  void setup(std::uint16_t chip, Bytes icws) {
    bool first = true;
    for (const std::uint8_t icw : icws) {
      pic.write(static_cast<std::uint16_t>(chip + (first ? 0 : 1)), icw, env);
      first = false;
    }
  }
  void command(std::uint16_t chip, unsigned word) {
    pic.write(chip, static_cast<std::uint8_t>(word), env);
  }
  void mask(std::uint16_t chip, unsigned imr) {
    pic.write(static_cast<std::uint16_t>(chip + 1), static_cast<std::uint8_t>(imr), env);
  }
  void elcr(std::uint16_t port, unsigned bits) {
    pic.write(port, static_cast<std::uint8_t>(bits), env);
  }

  void raise(unsigned pin, SpanId s = kNoSpan, std::uint32_t driver = 0) {
    pic.on_pin({Pin(static_cast<std::uint16_t>(pin)), Level::High, driver, s}, env);
  }
  void lower(unsigned pin, std::uint32_t driver = 0) {
    pic.on_pin({Pin(static_cast<std::uint16_t>(pin)), Level::Low, driver, kNoSpan}, env);
  }
  /// The vector of an acknowledge.
  unsigned inta() { return raw(pic.on_inta(CpuId{3}, env).vector); }
  bool wants() const { return pic.intr() == Level::High; }

  std::uint8_t read(std::uint16_t port) { return pic.read(port, env); }
  std::uint8_t irr(std::uint16_t chip = kMaster) {
    command(chip, kReadIrr);
    return read(chip);
  }
  std::uint8_t isr(std::uint16_t chip = kMaster) {
    command(chip, kReadIsr);
    return read(chip);
  }

  /// The detail of the last note of `event` on `s`, or nothing.
  std::optional<std::uint64_t> noted(Event event, SpanId s) const {
    std::optional<std::uint64_t> detail;
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == s) detail = note.detail;
    }
    return detail;
  }
  bool cancelled(SpanId s, CancelOp op) const {
    return noted(Event::Cancelled, s) == static_cast<std::uint64_t>(op);
  }
  bool coalesced(SpanId s, SpanId into) const { return noted(Event::Coalesced, s) == raw(into); }
  bool handled(SpanId s) const { return noted(Event::Handled, s).has_value(); }
  bool faulted(GuestFault fault) const {
    return noted(Event::GuestError, kNoSpan) == static_cast<std::uint64_t>(fault);
  }
  Spans held() const {
    Spans spans;
    pic.held_spans(spans);
    return spans;
  }
  /// The spans that were opened with this cause, oldest first.
  Spans opened(Cause cause) const {
    Spans spans;
    for (const auto& note : env.notes) {
      const bool match =
          note.event == Event::Asserted && note.detail == static_cast<std::uint64_t>(cause);
      if (match) spans.push_back(note.span);
    }
    return spans;
  }

  void use(const Pic::Config& config) {
    pic = Pic(config);
    env.clear();
  }

  irqfab::test::RecordingEnv env;
  Pic pic{Pic::Config{}};
};

}  // namespace irqfab::x86::test
