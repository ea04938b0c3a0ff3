// The PCI functions on one link, that of a host bridge or of a bridge below it, a row each: MSI-X,
// MSI and INTx as their drivers and the fabric see them.
//
// Models: PCI Local Bus 3.0, 6.1 and 6.2 (configuration space, type 0), 6.8.1 (MSI: several
// messages, 32 and 64 bits, per-vector masking), 6.8.2 (MSI-X: table, pending bit array, vector and
// function mask), 2.2.6 (INTx as the Assert_INTx/Deassert_INTx messages of PCI Express 2.2.8.1),
// and interrupt moderation (moderation.hpp). A function's registers lie in one 64 KiB window: the
// MSI-X table at 0, the PBA at 0x8000, and one device register at 0xC000 whose read acknowledges
// the interrupt.
//
// In files: functions.cpp (events, messages, INTx), msi_capability.cpp, msix_table.cpp,
// config_space.cpp.
//
// Not modelled: moving a function's window (its BAR answers sizing, and keeps its address), a
// function that sets error bits of Status, power management, the PCI Express capability, writes to
// device registers. Functions start as firmware leaves them, with Memory Space and Bus Master
// enabled. What PCI leaves undefined has a defined answer here: with both MSI-X and MSI enabled
// MSI-X sends; a function that was given fewer messages than it asked for shares them (event i
// takes message i modulo their number).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/pci/config_space.hpp"
#include "models/pci/moderation.hpp"
#include "models/pci/msi_capability.hpp"

namespace irqfab::pci {

enum class Intx : std::uint8_t { A, B, C, D };

// A function's window, as offsets.
constexpr std::uint64_t kFunctionWindowBytes = 0x10000;
constexpr std::uint64_t kMsixTableOffset = 0x0000;
constexpr std::uint64_t kMsixPbaOffset = 0x8000;
constexpr std::uint64_t kDeviceRegisterOffset = 0xC000;

struct MsixEntry {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  Mask mask = Mask::On;  // set at reset (PCI 3.0, 6.8.2.9)
};

/// Who is the function? Its events are named after that.
enum class FunctionKind : std::uint8_t {
  Physical,  // hardware on the link
  Modelled,  // a VMM's model: its messages and registers are calls within the VMM
};
/// Whether a function that wants its INTx has it again once messages are disabled.
enum class IntxAfterMessages : std::uint8_t { Returns, Forgotten };
/// What becomes of pending bits when messages are disabled. PCI does not say.
enum class PendingWhenOff : std::uint8_t { Cleared, Kept };
/// What a write to the reserved bits of Vector Control leaves there. They are 0 after reset.
enum class ReservedControl : std::uint8_t { ReadsZero, Kept };

class PciFunctions final {
 public:
  struct Function {
    RequesterId rid{};
    std::uint16_t msix_entries = 0;  // 0..2048
    std::optional<Intx> intx = std::nullopt;
    std::optional<Msi> msi = std::nullopt;
    FunctionKind kind = FunctionKind::Physical;

    /// Events that it signals by message: its sources, before its INTx. Beside MSI-X, MSI adds
    /// none.
    std::uint16_t message_sources() const {
      return msix_entries > 0 || !msi ? msix_entries : msi->vectors;
    }
  };
  struct Config {
    HostBridgeId bridge{};
    std::uint32_t first_driver = 0;  // row r drives its INTx as driver first_driver + r
    std::uint64_t window_base = 0;   // row r's window is at window_base + r * kFunctionWindowBytes
    std::uint64_t ecam_base = 0;  // requester id q's space is at ecam_base + q * kConfigSpaceBytes
    std::vector<Function> functions;           // ascending by requester id
    std::vector<Moderation::Rule> moderation;  // ascending; functions that no row names have none
    IntxAfterMessages intx_after_messages = IntxAfterMessages::Returns;
    PendingWhenOff pending_when_off = PendingWhenOff::Cleared;
    ReservedControl reserved_control = ReservedControl::ReadsZero;
    FunctionKind kind = FunctionKind::Physical;
    /// Of kLink and kIntx: over which modelled functions speak. Physical ones do over edge 0.
    std::uint8_t modelled_edge = 0;
  };

  static constexpr PortId kStimulus = port_of(0);
  static constexpr PortId kLink = port_of(1);
  static constexpr PortId kIntx = port_of(2);
  static constexpr PortId kRegisters = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"stimulus", EdgeKind::Fabric, Direction::Target, Order::Ordered, 0, 1},
      {"link", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 2},
      {"intx", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 0, 2},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 2},
  }};

  explicit PciFunctions(const Config& config);

  /// A function is one lane; functions do not queue behind each other.
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// Event `index` of the function happens once, by message. Opens the span.
  void raise(FunctionRow row, VectorIndex index, Env& env);
  /// The function's interrupt status; INTx follows it unless it is disabled or messages are
  /// enabled.
  void set_intx(FunctionRow row, Level level, Env& env);

  void write_entry(FunctionRow row, VectorIndex index, const MsixEntry& entry, Env& env);
  void set_vector_mask(FunctionRow row, VectorIndex index, Mask mask, Env& env);
  void set_msix_enable(FunctionRow row, bool enabled, Env& env);
  /// The 16-bit Message Control word of MSI-X: Function Mask and MSI-X Enable.
  void write_msix_control(FunctionRow row, std::uint16_t value, Env& env);

  /// The MSI capability of a function that has one: Message Address and Data, Message Control (MSI
  /// Enable and Multiple Message Enable), Mask Bits.
  void write_msi_message(FunctionRow row, std::uint64_t address, std::uint16_t data);
  void write_msi_control(FunctionRow row, std::uint16_t value, Env& env);
  void write_msi_mask(FunctionRow row, std::uint32_t bits, Env& env);
  std::uint16_t msi_control(FunctionRow row) const;
  std::uint32_t msi_mask(FunctionRow row) const;
  std::uint32_t msi_pending(FunctionRow row) const;
  bool msi_enabled(FunctionRow row) const {
    return (rows_[raw(row)].msi_control & kMsiEnable) != 0;
  }

  /// The 16-bit Command register.
  void write_command(FunctionRow row, std::uint16_t value, Env& env);
  /// A dword of configuration space; `offset` is a multiple of 4.
  std::uint32_t config_dword(FunctionRow row, std::uint64_t offset) const;
  void write_config(FunctionRow row, const ConfigWrite& write, Env& env);

  const MsixEntry& entry(FunctionRow row, VectorIndex index) const;
  bool pending(FunctionRow row, VectorIndex index) const;
  /// 64 bits of the pending bit array from vector 64 * `word` on.
  std::uint64_t pba_word(FunctionRow row, unsigned word) const;
  bool intx_asserted(FunctionRow row) const { return rows_[raw(row)].on_wire; }
  std::optional<FunctionRow> row_of(RequesterId rid) const;
  std::size_t size() const { return rows_.size(); }
  const Function& function(FunctionRow row) const { return config_.functions[raw(row)]; }

  /// Spans whose only home is here: those of set pending bits, and those that moderation gathers.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const PciFunctions& a, const PciFunctions& b);

 private:
  struct Vec {
    MsixEntry entry;
    SpanId pending = kNoSpan;  // set: the pending bit is
  };
  /// MSI vectors are kept as entries behind those of MSI-X: mask and pending span of each; the
  /// first has Message Address and Message Data.
  struct Row {
    std::uint32_t first_vector = 0;
    std::uint16_t command = kMemorySpace | kBusMaster;
    std::uint8_t msi_control = 0;  // bits 6..0 of Message Control, those that software writes
    std::uint8_t interrupt_line = 0;
    std::uint8_t edge = 0;        // of kLink and kIntx
    std::uint8_t sized_bars = 0;  // bit i: BAR i was last written all ones
    bool msix_enabled = false;
    bool msix_at_once = false;  // it is, and nothing moderates it
    Mask function_mask = Mask::Off;
    bool moderated = false;
    bool wants_intx = false;  // the device's interrupt status
    bool on_wire = false;     // Assert_INTx was the last message
  };

  struct Place {
    FunctionRow row;
    std::uint64_t offset;
    bool config;
  };

  void on_raise(const Raise& raised, Env& env);
  void on_elapsed(const Elapsed& elapsed, Env& env);
  void on_write(const BusWrite& write, Env& env);
  void on_read(PortId port, const BusRead& read, Env& env);
  void signal_batch(FunctionRow row, VectorIndex index, const Moderation::Batch& batch, Env& env);
  Event event_of(FunctionRow row, Event physical, Event modelled) const {
    return function(row).kind == FunctionKind::Physical ? physical : modelled;
  }
  void transmit(FunctionRow row, std::uint64_t address, std::uint32_t data, SpanId span, Env& env);
  void cancel_pending(FunctionRow row, unsigned first, unsigned count, Env& env);
  void drive_intx(FunctionRow row, Env& env) { drive_intx(row, kNoSpan, env); }
  void drive_intx(FunctionRow row, SpanId by, Env& env);
  std::optional<Place> decode(std::uint64_t address) const;
  std::optional<Place> claim(std::uint64_t address) const;

  // MSI-X
  Vec& vec(FunctionRow row, VectorIndex index);
  const Vec& vec(FunctionRow row, VectorIndex index) const;
  bool has(FunctionRow row, VectorIndex index) const {
    return raw(row) < rows_.size() && raw(index) < config_.functions[raw(row)].msix_entries;
  }
  bool has_source(FunctionRow row, VectorIndex index) const {
    return raw(row) < rows_.size() && raw(index) < config_.functions[raw(row)].message_sources();
  }
  static bool masked(const Row& row, const Vec& v) {
    return row.function_mask == Mask::On || v.entry.mask == Mask::On;
  }
  void signal_msix(FunctionRow row, VectorIndex index, SpanId span, Env& env);
  void release_pending(FunctionRow row, Env& env);
  void release_pending(FunctionRow row, VectorIndex index, Env& env);
  void on_window_write(FunctionRow row, std::uint64_t offset, const BusWrite& write, Env& env);
  void on_table_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value, Env& env);
  std::uint64_t read_window(FunctionRow row, std::uint64_t offset, const BusRead& read, Env& env);
  std::uint32_t table_dword(FunctionRow row, std::uint64_t offset) const;
  std::uint32_t reserved_control(FunctionRow row, VectorIndex index) const;
  static std::uint64_t place_of(FunctionRow row, VectorIndex index) {
    return std::uint64_t{raw(row)} << 16 | raw(index);
  }

  // MSI
  Vec& msi_vec(FunctionRow row, unsigned index);
  const Vec& msi_vec(FunctionRow row, unsigned index) const;
  unsigned msi_vectors(FunctionRow row) const;
  void signal_msi(FunctionRow row, VectorIndex index, SpanId span, Env& env);
  void transmit_msi(FunctionRow row, unsigned index, SpanId span, Env& env);
  void release_msi(FunctionRow row, Env& env);
  bool is_msi_register(FunctionRow row, std::uint64_t offset) const;
  std::uint32_t msi_dword(FunctionRow row, std::uint64_t offset) const;
  void write_msi_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value, Env& env);

  // Configuration space
  void on_config_write(FunctionRow row, std::uint64_t offset, const BusWrite& write, Env& env);
  std::uint32_t header_dword(FunctionRow row, std::uint64_t offset) const;
  std::uint32_t msix_dword(FunctionRow row, std::uint64_t offset) const;
  std::uint32_t bar_dword(FunctionRow row, unsigned bar) const;
  bool has_neighbour(FunctionRow row) const;
  std::uint64_t read_at(const std::optional<Place>& place, const BusRead& read, Env& env);

  Config config_;
  std::vector<Row> rows_;
  std::vector<Vec> vectors_;
  std::map<std::uint64_t, std::uint32_t> reserved_control_;  // by place_of, of entries written
  Moderation moderation_;
};

}  // namespace irqfab::pci
