// Functions with MSI, in each of the capability's four layouts, and how a test talks to them.
#pragma once

#include "tests/models/pci/functions_fixture.hpp"

namespace irqfab::pci::functions_test {

constexpr FunctionRow kWide{0};    // 8 vectors, 64 bits, per-vector masking, and INTA
constexpr FunctionRow kPlain{1};   // 4 vectors, 32 bits, no masking
constexpr FunctionRow kNarrow{2};  // 32 vectors, 32 bits, per-vector masking
constexpr FunctionRow kEdu{3};     // one vector, 64 bits, no masking
constexpr FunctionRow kBoth{4};    // MSI-X with 4 entries, and MSI with 2 vectors
constexpr RequesterId kWideId{0x0200};
constexpr RequesterId kPlainId{0x0208};
constexpr RequesterId kNarrowId{0x0210};
constexpr RequesterId kEduId{0x0218};
constexpr RequesterId kBothId{0x0220};

constexpr std::uint64_t kMsiAt = 0xFEE03000;

inline PciFunctions::Config msi_config() {
  PciFunctions::Config config;
  config.bridge = HostBridgeId{1};
  config.window_base = kWindow;
  config.ecam_base = kEcam;
  config.functions = {
      {kWideId, 0, Intx::A, Msi{8, MsiWidth::Address64, MsiMasking::PerVector}},
      {kPlainId, 0, std::nullopt, Msi{4, MsiWidth::Address32, MsiMasking::None}},
      {kNarrowId, 0, std::nullopt, Msi{32, MsiWidth::Address32, MsiMasking::PerVector}},
      {kEduId, 0, Intx::A, Msi{1, MsiWidth::Address64, MsiMasking::None}},
      {kBothId, 4, Intx::C, Msi{2, MsiWidth::Address64, MsiMasking::PerVector}},
  };
  return config;
}

class MsiTest : public PciFunctionsTest {
 protected:
  MsiTest() { functions = PciFunctions(msi_config()); }

  /// Enables MSI with 2^`encoded` vectors.
  void enable(RequesterId rid, unsigned encoded = 0) {
    write(config_of(rid, kConfigMsiControl), kMsiEnable | encoded << 4, 2);
  }
  void disable(RequesterId rid) { write(config_of(rid, kConfigMsiControl), 0, 2); }
  std::uint64_t config_at(RequesterId rid, std::uint64_t offset, std::uint8_t size = 4) {
    return value_at(config_of(rid, offset), size);
  }
  std::uint64_t control(RequesterId rid) { return config_at(rid, kConfigMsiControl, 2); }
  /// Message address and data, and MSI on.
  void program(FunctionRow row, RequesterId rid, std::uint16_t data, unsigned encoded = 0) {
    functions.write_msi_message(row, kMsiAt, data);
    enable(rid, encoded);
    env.clear();
  }
  /// The data of the messages since the last call.
  std::vector<std::uint64_t> data_sent() {
    std::vector<std::uint64_t> data;
    for (const BusWrite& write : sent()) data.push_back(write.data);
    return data;
  }
  using Data = std::vector<std::uint64_t>;
};

}  // namespace irqfab::pci::functions_test
