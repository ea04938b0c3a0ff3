// Three functions behind a host bridge, and how a test talks to them.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "models/pci/functions.hpp"
#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::pci::functions_test {

using test::RecordingEnv;

constexpr std::uint64_t kWindow = 0xC0000000;
constexpr std::uint64_t kEcam = 0xE0000000;
constexpr FunctionRow kNic{0};    // MSI-X with 70 vectors, and INTB
constexpr FunctionRow kOld{1};    // INTA only
constexpr FunctionRow kOther{2};  // MSI-X only
constexpr FunctionRow kNobody{3};
constexpr RequesterId kNicId{0x0108};
constexpr RequesterId kOldId{0x0110};
constexpr RequesterId kOtherId{0x0118};

constexpr std::uint16_t kFunctionMask = kMsixFunctionMask;

inline PciFunctions::Config config() {
  PciFunctions::Config config;
  config.bridge = HostBridgeId{3};
  config.window_base = kWindow;
  config.ecam_base = kEcam;
  config.functions = {{kNicId, 70, Intx::B}, {kOldId, 0, Intx::A}, {kOtherId, 2, std::nullopt}};
  return config;
}

inline std::uint64_t window_of(FunctionRow row, std::uint64_t offset) {
  return kWindow + raw(row) * kFunctionWindowBytes + offset;
}
inline std::uint64_t config_of(RequesterId rid, std::uint64_t offset) {
  return kEcam + raw(rid) * kConfigSpaceBytes + offset;
}

class PciFunctionsTest : public ::testing::Test {
 protected:
  void write(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
    functions.receive(PciFunctions::kRegisters, BusWrite{address, value, kNoSpan, {}, size}, env);
  }
  BusData read(std::uint64_t address, std::uint8_t size, SpanId span = kNoSpan) {
    functions.receive(PciFunctions::kRegisters, BusRead{address, Tag{77}, span, {}, size}, env);
    return env.messages<BusData>().back();
  }
  std::uint64_t value_at(std::uint64_t address, std::uint8_t size) {
    const BusData data = read(address, size);
    std::uint64_t value = 0;
    std::memcpy(&value, data.data.data(), size);
    return value;
  }
  void set_entry(FunctionRow row, unsigned index, std::uint64_t address, std::uint32_t data,
                 Mask mask) {
    const std::uint64_t at = window_of(row, index * 16);
    write(at, address, 8);
    write(at + 8, data, 4);
    write(at + 12, mask == Mask::On ? 1 : 0, 4);
  }
  void set_control(RequesterId rid, std::uint16_t value) {
    write(config_of(rid, kConfigMsixControl), value, 2);
  }
  void set_command(RequesterId rid, std::uint16_t value) {
    write(config_of(rid, kConfigCommand), value, 2);
  }
  void raise(FunctionRow row, unsigned vector) {
    functions.receive(
        PciFunctions::kStimulus,
        Raise{row, VectorIndex(static_cast<std::uint16_t>(vector)), RaiseKind::Message}, env);
  }
  void intx(FunctionRow row, RaiseKind kind) {
    functions.receive(PciFunctions::kStimulus, Raise{row, VectorIndex{0}, kind}, env);
  }
  /// Messages on the link since the last call.
  std::vector<BusWrite> sent() {
    const auto messages = env.messages<BusWrite>();
    env.sent.clear();
    return messages;
  }
  std::vector<PinChange> wire() {
    const auto changes = env.messages<PinChange>();
    env.sent.clear();
    return changes;
  }
  /// The span that was opened last.
  SpanId opened() const {
    SpanId span = kNoSpan;
    for (const auto& note : env.notes) {
      if (note.event == Event::Asserted) span = note.span;
    }
    return span;
  }
  std::optional<std::uint64_t> noted(Event event, SpanId span) const {
    std::optional<std::uint64_t> detail;
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == span) detail = note.detail;
    }
    return detail;
  }
  bool dropped(SpanId span, DropReason reason) const {
    return noted(Event::Dropped, span) == static_cast<std::uint64_t>(reason);
  }
  bool faulted(GuestFault fault) const {
    return noted(Event::GuestError, kNoSpan) == static_cast<std::uint64_t>(fault);
  }
  std::vector<SpanId> held() const { return test::held_by(functions); }

  RecordingEnv env;
  PciFunctions functions{config()};
};

/// Vector 1 of the NIC ready to send, and one message of it pending on request.
class MsixTest : public PciFunctionsTest {
 protected:
  MsixTest() {
    set_control(kNicId, kMsixEnable);
    set_entry(kNic, 1, 0xFEE01000, 0x41, Mask::Off);
    env.clear();
  }
  SpanId pend() {
    functions.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
    raise(kNic, 1);
    const SpanId span = opened();
    env.clear();
    return span;
  }
};

}  // namespace irqfab::pci::functions_test
