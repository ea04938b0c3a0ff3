// Functions and bridges on a bench: what a rule of PCI is checked against.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "models/pci/bridge.hpp"
#include "models/pci/functions.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {

using pci::PciFunctions;

constexpr std::uint64_t kEcam = 0xE0000000;
constexpr std::uint64_t kWindow = 0xC0000000;
constexpr FunctionRow kMsixFunction{0};  // 02:00.0, 70 entries, INTB
constexpr FunctionRow kMsiFunction{1};   // 02:00.1, MSI: 8 vectors, 64 bits, masks; INTC
constexpr FunctionRow kNarrow{2};        // 02:01.0, MSI: 4 vectors, 32 bits, no masks
constexpr FunctionRow kNarrowMask{3};    // 02:02.0, MSI: 32 vectors, 32 bits, masks
constexpr FunctionRow kPlainMsi{4};      // 02:03.0, MSI: one vector, 64 bits, no masks
constexpr FunctionRow kWire{5};          // 02:04.0, INTA alone
constexpr FunctionRow kBoth{6};          // 02:05.0, 2 entries of MSI-X, MSI with 2 vectors

/// The seven functions, and accesses of driver software.
struct PciBench {
  test::RecordingEnv env;
  PciFunctions functions{config()};

  static PciFunctions::Config config() {
    using pci::Msi;
    using pci::MsiMasking;
    using pci::MsiWidth;
    PciFunctions::Config config;
    config.bridge = HostBridgeId{1};
    config.window_base = kWindow;
    config.ecam_base = kEcam;
    config.functions = {
        {RequesterId{0x200}, 70, pci::Intx::B},
        {RequesterId{0x201}, 0, pci::Intx::C, Msi{8, MsiWidth::Address64, MsiMasking::PerVector}},
        {RequesterId{0x208}, 0, std::nullopt, Msi{4, MsiWidth::Address32, MsiMasking::None}},
        {RequesterId{0x210}, 0, std::nullopt, Msi{32, MsiWidth::Address32, MsiMasking::PerVector}},
        {RequesterId{0x218}, 0, std::nullopt, Msi{1, MsiWidth::Address64, MsiMasking::None}},
        {RequesterId{0x220}, 0, pci::Intx::A},
        {RequesterId{0x228}, 2, std::nullopt, Msi{2, MsiWidth::Address64, MsiMasking::None}},
    };
    return config;
  }

  std::uint64_t space(FunctionRow row) const {
    return kEcam + raw(functions.function(row).rid) * pci::kConfigSpaceBytes;
  }
  void write(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
    functions.receive(PciFunctions::kRegisters, BusWrite{address, value, kNoSpan, {}, size}, env);
  }
  std::uint64_t read(std::uint64_t address, std::uint8_t size) {
    functions.receive(PciFunctions::kRegisters, BusRead{address, Tag{1}, kNoSpan, {}, size}, env);
    std::uint64_t value = 0;
    std::memcpy(&value, env.messages<BusData>().back().data.data(), size);
    return value;
  }
  void configure(FunctionRow row, std::uint64_t offset, std::uint64_t value, std::uint8_t size) {
    write(space(row) + offset, value, size);
  }
  std::uint64_t configured(FunctionRow row, std::uint64_t offset, std::uint8_t size) {
    return read(space(row) + offset, size);
  }
  /// The address of a place in a function's window.
  static std::uint64_t window(FunctionRow row, std::uint64_t offset) {
    return kWindow + raw(row) * pci::kFunctionWindowBytes + offset;
  }
  void raise(FunctionRow row, std::uint16_t vector = 0) {
    functions.receive(PciFunctions::kStimulus, Raise{row, VectorIndex{vector}, RaiseKind::Message},
                      env);
  }
  void wire(FunctionRow row, RaiseKind kind) {
    functions.receive(PciFunctions::kStimulus, Raise{row, VectorIndex{0}, kind}, env);
  }
  /// Message Address and Data, and MSI Enable with 2^encoded vectors.
  void enable_msi(FunctionRow row, std::uint16_t data, unsigned encoded = 0) {
    functions.write_msi_message(row, 0xFEE01000, data);
    configure(row, pci::kConfigMsiControl, pci::kMsiEnable | encoded << 4, 2);
    env.clear();
  }
  /// Vector Control, Message Data and Address of an entry, and MSI-X Enable.
  void enable_msix(FunctionRow row, std::uint16_t entry, std::uint32_t data) {
    functions.write_entry(row, VectorIndex{entry}, {0xFEE02000, data, Mask::Off}, env);
    configure(row, pci::kConfigMsixControl, pci::kMsixEnable, 2);
    env.clear();
  }
  void mask(FunctionRow row, std::uint16_t entry, Mask to) {
    write(window(row, entry * 16u + 12), to == Mask::On ? 1 : 0, 4);
  }
  /// The data of the messages since the last call.
  std::vector<std::uint64_t> sent() {
    std::vector<std::uint64_t> data;
    for (const BusWrite& message : env.messages<BusWrite>()) data.push_back(message.data);
    env.sent.clear();
    return data;
  }
  bool asserted(FunctionRow row) const { return functions.intx_asserted(row); }
  bool dropped(DropReason reason) const {
    for (const test::Noted& note : env.notes) {
      if (note.event != Event::Dropped) continue;
      if (note.detail == static_cast<std::uint64_t>(reason)) return true;
    }
    return false;
  }
  bool faulted(GuestFault fault) const {
    for (const test::Noted& note : env.notes) {
      if (note.event != Event::GuestError) continue;
      if (note.detail == static_cast<std::uint64_t>(fault)) return true;
    }
    return false;
  }
};

using Data = std::vector<std::uint64_t>;

}  // namespace irqfab::rules
