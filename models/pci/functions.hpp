// The PCI functions behind one host bridge, a row each: MSI-X and INTx as their drivers and the
// fabric see them.
//
// Models: PCI Local Bus 3.0, 6.2.2 (Command, Status), 6.8.2 (MSI-X: table, pending bit array,
// vector and function mask) and 2.2.6 (INTx as the Assert_INTx/Deassert_INTx messages of PCI
// Express 2.2.8.1). A function's registers lie in one 64 KiB window: the MSI-X table at 0, the PBA
// at 0x8000, and one device register at 0xC000 whose read acknowledges the interrupt.
//
// Not modelled yet: the MSI capability (as opposed to MSI-X), moderation, a full configuration
// header (Command, Status and the MSI-X Message Control are there; the rest reads 0), configuration
// writes of single bytes, writes to device registers, expansion to bridges below the host bridge.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"

namespace irqfab::pci {

enum class Intx : std::uint8_t { A, B, C, D };

// A function's window and its configuration space, as offsets.
constexpr std::uint64_t kFunctionWindowBytes = 0x10000;
constexpr std::uint64_t kMsixTableOffset = 0x0000;
constexpr std::uint64_t kMsixPbaOffset = 0x8000;
constexpr std::uint64_t kDeviceRegisterOffset = 0xC000;
constexpr std::uint64_t kConfigSpaceBytes = 0x1000;  // one function's share of the ECAM window
constexpr std::uint64_t kConfigCommand = 0x04;
constexpr std::uint64_t kConfigMsixControl = 0x42;  // Message Control of the capability at 0x40

struct MsixEntry {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  Mask mask = Mask::On;  // set at reset (PCI 3.0, 6.8.2.9)
};

class PciFunctions final {
 public:
  struct Function {
    RequesterId rid{};
    std::uint16_t msix_entries = 0;  // 0..2048
    std::optional<Intx> intx;
  };
  struct Config {
    HostBridgeId bridge{};
    std::uint64_t window_base = 0;  // row r's window is at window_base + r * kFunctionWindowBytes
    std::uint64_t ecam_base = 0;  // requester id q's space is at ecam_base + q * kConfigSpaceBytes
    std::vector<Function> functions;  // ascending by requester id
  };

  static constexpr PortId kStimulus = port_of(0);
  static constexpr PortId kLink = port_of(1);
  static constexpr PortId kIntx = port_of(2);
  static constexpr PortId kRegisters = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"stimulus", EdgeKind::Fabric, Direction::Target, Order::Ordered, 0, 1},
      {"link", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"intx", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 0, 1},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
  }};

  explicit PciFunctions(const Config& config);

  /// A function is one lane; functions do not queue behind each other.
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// The function signals vector `index` once. Opens the span.
  void raise(FunctionRow row, VectorIndex index, Env& env);
  /// The function's interrupt status; INTx follows it unless it is disabled or MSI-X is enabled.
  void set_intx(FunctionRow row, Level level, Env& env);

  void write_entry(FunctionRow row, VectorIndex index, const MsixEntry& entry, Env& env);
  void set_vector_mask(FunctionRow row, VectorIndex index, Mask mask, Env& env);
  void set_msix_enable(FunctionRow row, bool enabled, Env& env);
  /// The 16-bit Command register: bit 2 Bus Master Enable, bit 10 Interrupt Disable.
  void write_command(FunctionRow row, std::uint16_t value, Env& env);

  const MsixEntry& entry(FunctionRow row, VectorIndex index) const;
  bool pending(FunctionRow row, VectorIndex index) const;
  /// 64 bits of the pending bit array from vector 64 * `word` on.
  std::uint64_t pba_word(FunctionRow row, unsigned word) const;
  bool intx_asserted(FunctionRow row) const { return rows_[raw(row)].on_wire; }
  std::optional<FunctionRow> row_of(RequesterId rid) const;
  std::size_t size() const { return rows_.size(); }
  const Function& function(FunctionRow row) const { return config_.functions[raw(row)]; }

  /// Spans whose only home is here: those of set PBA bits.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const PciFunctions& a, const PciFunctions& b);

 private:
  struct Vec {
    MsixEntry entry;
    SpanId pending = kNoSpan;  // set: the PBA bit is
  };
  struct Row {
    std::uint32_t first_vector = 0;
    std::uint16_t command = kBusMaster;
    bool msix_enabled = false;
    Mask function_mask = Mask::Off;
    bool wants_intx = false;  // the device's interrupt status
    bool on_wire = false;     // Assert_INTx was the last message
  };
  static constexpr std::uint16_t kBusMaster = 1u << 2;
  static constexpr std::uint16_t kInterruptDisable = 1u << 10;

  struct Place {
    FunctionRow row;
    std::uint64_t offset;
    bool config;
  };

  void on_raise(const Raise& raised, Env& env);
  void on_write(const BusWrite& write, Env& env);
  void on_read(PortId port, const BusRead& read, Env& env);
  Vec& vec(FunctionRow row, VectorIndex index);
  const Vec& vec(FunctionRow row, VectorIndex index) const;
  bool has(FunctionRow row, VectorIndex index) const {
    return raw(row) < rows_.size() && raw(index) < config_.functions[raw(row)].msix_entries;
  }
  static bool masked(const Row& row, const Vec& v) {
    return row.function_mask == Mask::On || v.entry.mask == Mask::On;
  }
  void transmit(FunctionRow row, const Vec& v, SpanId span, Env& env);
  void release_pending(FunctionRow row, Env& env);
  void release_pending(FunctionRow row, VectorIndex index, Env& env);
  void drive_intx(FunctionRow row, Env& env);
  void on_window_write(FunctionRow row, std::uint64_t offset, const BusWrite& write, Env& env);
  void on_config_write(FunctionRow row, std::uint64_t offset, const BusWrite& write, Env& env);
  void write_config_word(FunctionRow row, std::uint64_t offset, std::uint16_t value, Env& env);
  std::uint32_t config_dword(FunctionRow row, std::uint64_t offset) const;
  std::uint64_t read_at(const std::optional<Place>& place, const BusRead& read, Env& env);
  void on_table_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value, Env& env);
  std::uint64_t read_window(FunctionRow row, std::uint64_t offset, const BusRead& read, Env& env);
  std::uint32_t table_dword(FunctionRow row, std::uint64_t offset) const;
  std::optional<Place> decode(std::uint64_t address) const;

  Config config_;
  std::vector<Row> rows_;
  std::vector<Vec> vectors_;
};

}  // namespace irqfab::pci
