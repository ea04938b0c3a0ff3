// An AMD I/O memory management unit, as far as interrupts go: turns the index in a request's data
// into a message by the tables of the device that sent it, or blocks it.
//
// Models: AMD I/O Virtualization Technology (IOMMU) Specification (48882, revision 3), 2.2.2
// "Device Table" and 2.2.5 "Interrupt Remapping Tables": entries of 32 and of 128 bits,
// destinations of 8 and of 32 bits (GAEn, XTEn), 512 or 2048 interrupts a device (NumIntRemapMode),
// the pass bits of NMI, INIT and ExtINT; 2.4 "Commands": the command buffer with invalidations and
// COMPLETION_WAIT with its store and its interrupt; 2.5 "Event Logging": what interrupts and
// commands can do wrong; the unit's own interrupt, by its MSI registers or those for x2APIC.
// Requests of one input leave in the order they came in, whatever they missed in the caches (PCI
// Express Base 2.4.1). A COMPLETION_WAIT completes when everything translated under older entries
// has reached the interrupt controller, and commands are carried out one at a time, as if each wait
// had its F bit set.
//
// Where the specification leaves room: a DeviceID beyond the device table counts as an illegal
// entry of it; a logical destination (DM) on a type other than fixed or arbitrated is blocked
// unless NumIntRemapMode says that those bits are index; an event's address is that of the request.
//
// Not modelled: guest virtual APIC mode (GAMSup reads 0, so entries with GuestMode are malformed)
// and its log, device table segments, dual logs, the order of an event's entry in memory against
// the unit's message, the SMI filter: SMIs pass. The unit's own messages are not remapped. Address
// translation is not modelled: other writes pass through in order, and commands about it complete
// at once; PREFETCH_IOMMU_PAGES and COMPLETE_PPR_REQUEST, whose features are not reported, are
// illegal.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"
#include "models/base/walk_slots.hpp"
#include "models/x86/amdvi_cache.hpp"
#include "models/x86/amdvi_event_log.hpp"
#include "models/x86/amdvi_registers.hpp"
#include "models/x86/amdvi_tables.hpp"

namespace irqfab::x86 {

class AmdViUnit final {
 public:
  struct Config {
    std::uint64_t register_base = 0xFEB80000;  // of a window of 16 KiB
    unsigned requests = 8;  // that wait, and fetches at once; at least 1, which blocks at a miss
    unsigned dte_entries = 64;   // cached entries of the device table; 0: none
    unsigned irte_entries = 64;  // cached entries of interrupt remapping tables; 0: none
    Requester requester{};       // of its own messages
    Mutants mutants;
  };

  static constexpr PortId kInput = port_of(0);      // requests of bridges and IOAPICs, an edge each
  static constexpr PortId kOutput = port_of(1);     // to the interrupt controller
  static constexpr PortId kMemory = port_of(2);     // tables, command buffer, event log
  static constexpr PortId kRegisters = port_of(3);  // accesses of CPUs
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"input", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1u << kEdgeBits},
      {"output", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"memory", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
  }};

  explicit AmdViUnit(const Config& config);

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  /// Requests and register accesses only while not busy(); answers at any time.
  void receive(PortId port, const Message& message, Env& env);
  /// A further request might find no room to wait in.
  bool busy() const { return !slots_.has_room(); }

  /// The 64 bits at a multiple of 8 below kRegisterBytes; 0 and a GuestError where no register is.
  std::uint64_t read_register(std::uint64_t offset, Env& env) const;
  /// The bits of `mask` of the 64 at a multiple of 8.
  void write_register(std::uint64_t offset, std::uint64_t value, std::uint64_t mask, Env& env);
  void write_register(std::uint64_t offset, std::uint64_t value, Env& env) {
    write_register(offset, value, ~std::uint64_t{0}, env);
  }

  /// Spans of requests that wait here.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const AmdViUnit& a, const AmdViUnit& b);

 private:
  /// Was the device's entry still good when the walk of the interrupt's entry began? What an entry
  /// that was invalidated led to must not be cached, and no younger request may join it.
  enum class Basis : std::uint8_t { Current, Invalidated };
  enum class Stage : std::uint8_t { Device, Interrupt };
  struct WalkKey {
    RequesterId device{};
    std::uint16_t index = 0;
    Stage stage = Stage::Device;
    Basis basis = Basis::Current;
    auto parts() const { return std::tie(device, index, stage, basis); }
    friend bool operator==(const WalkKey& a, const WalkKey& b) { return a.parts() == b.parts(); }
  };
  enum class Reporting : std::uint8_t { Log, Suppress };
  /// A request on its way, and what is known of it.
  struct Request {
    BusWrite write{};
    std::uint64_t table = 0;  // of its device's interrupts
    std::uint16_t index = 0;  // there
    bool translated = false;  // false at the end: passes as it is
    Basis basis = Basis::Current;
    Reporting reporting = Reporting::Log;
    RequesterId device() const { return write.requester.rid; }
    auto parts() const {
      return std::tie(write.address, write.data, write.span, write.requester, write.size, table,
                      index, translated, basis, reporting);
    }
    friend bool operator==(const Request& a, const Request& b) { return a.parts() == b.parts(); }
  };
  using Slots = WalkSlots<WalkKey, Request>;

  /// What comes next for a request.
  enum class Course : std::uint8_t {
    Pass,    // as it is
    LookUp,  // its entry of the device's table
    Blocked,
  };
  enum class CommandState : std::uint8_t {
    Idle,
    Fetching,   // a command
    Draining,   // COMPLETION_WAIT: older requests are still here
    Marking,    // COMPLETION_WAIT: they have left, and have not all landed
    Abandoned,  // the buffer was stopped; the answer under way is to be ignored
  };

  // Requests
  void on_request(PortId input, const BusWrite& write, Env& env);
  void on_table_data(Tag tag, const BusData& answer, Env& env);
  void on_device_entry(Tag tag, const BusData& answer, Env& env);
  void on_interrupt_entry(Tag tag, const BusData& answer, Env& env);
  Course follow(const amdvi::Dte& dte, Request& request, Env& env);
  Course follow_table(const amdvi::Dte& dte, Request& request, Env& env);
  Course pass_if(bool allowed, const Request& request, Env& env);
  Slots::Next look_up(Request& request, Env& env);
  const amdvi::Irte* cached(const Request& request) const;
  Tag walk_entry_of(const Request& request, Env& env);
  bool translate(const amdvi::Irte& irte, Request& request, Env& env);
  void forward(PortId input, const Request& request, Env& env);
  void emit(const Request& request, Slots::Turn turn, Env& env);
  void block(const Request& request, Env& env);
  void block(const Request& request, amdvi::EventCode code, std::uint64_t flags,
             std::uint64_t address, Env& env);
  void fault(const Request& request, std::uint64_t flags, Env& env);
  amdvi::IrteFormat format() const;
  std::uint32_t devices() const;

  // Commands
  void advance_commands(Env& env);
  void on_command(const BusData& answer, Env& env);
  void on_wait(std::uint64_t low, std::uint64_t high, Env& env);
  void invalidate_device(RequesterId device, Env& env);
  void invalidate_interrupts(RequesterId device, Env& env);
  void invalidate_all(Env& env);
  void drain(Env& env);
  void on_marker_done(Env& env);
  void complete_wait(Env& env);
  void finish_command(Env& env);
  void stop_commands(amdvi::EventCode code, std::uint64_t flags, Env& env);
  void set_commands_running(bool running, Env& env);
  Tag command_tag() const { return Tag{config_.requests}; }

  // Events, and the unit's own interrupt
  bool log(std::uint64_t low, std::uint64_t high, Env& env);
  void update_interrupt(Env& env);
  std::optional<MsiMessage> own_message() const;

  // Registers
  void on_register_write(const BusWrite& write, Env& env);
  BusData answer_to(const BusRead& read, Env& env) const;
  void write_control(std::uint64_t value, Env& env);
  void write_command_register(std::uint64_t offset, std::uint64_t value, Env& env);

  Config config_;
  Slots slots_;
  amdvi::Cache<amdvi::Dte> dtes_;
  amdvi::Cache<amdvi::Irte> irtes_;
  amdvi::EventLog events_;
  std::uint64_t device_table_ = 0;  // the registers
  std::uint64_t command_buffer_ = 0;
  std::uint64_t command_head_ = 0;
  std::uint64_t command_tail_ = 0;
  std::uint64_t control_ = 0;
  std::uint64_t wait_status_ = 0;     // ComWaitInt of the status register
  std::uint64_t msi_capability_ = 0;  // both DWORDs at 0x158: the address's low half is the upper
  std::uint64_t msi_message_ = 0;     // both DWORDs at 0x160: the address's high half, the data
  std::uint64_t xt_interrupt_ = 0;
  std::uint64_t interrupting_ = 0;  // status bits for which the unit has sent a message
  bool commands_running_ = false;
  CommandState command_state_ = CommandState::Idle;
  Epoch fence_ = 0;             // of the wait under way: older requests must land
  std::uint64_t wait_low_ = 0;  // its command
  std::uint64_t wait_high_ = 0;
};

}  // namespace irqfab::x86
