// A VT-d remapping unit: turns remappable interrupt requests into the compatibility format that
// local APICs understand, by a table in memory, or blocks them.
//
// Models: Intel VT-d specification, 5.1 "Interrupt Remapping" in xAPIC mode, with the source-id
// verification, fault conditions and fault recording of 5.1.4; 6.5.2 "Queued Invalidation
// Interface": the queue in memory, interrupt entry cache invalidation and the wait descriptor with
// its status write; "Interrupt Draining": what was translated under older entries has reached the
// interrupt controller before a wait completes. Requests of one input leave in the order they came
// in, whatever they missed in the cache (PCI Express Base 2.4.1). Descriptors are carried out one
// at a time, as if each wait had its fence bit set.
//
// Not modelled yet: posted-interrupt IRTEs (IM = 1 faults as a reserved field), extended interrupt
// mode (EIME: 32-bit destinations), the messages of the fault event and the invalidation completion
// event (FECTL_REG, IECTL_REG), several fault records, IQERCD_REG, 256-bit descriptors, draining
// before GSTS_REG reports a change of IRE or SIRTP.
//
// Not modelled: DMA remapping. Other writes pass through in order; context-cache and IOTLB
// descriptors complete at once, since nothing of theirs is cached.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"
#include "models/base/walk_slots.hpp"
#include "models/x86/interrupt_entry_cache.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/quirks.hpp"
#include "models/x86/vtd_fault_log.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::x86 {

class VtdRemapper final {
 public:
  struct Config {
    std::uint64_t register_base = 0xFED90000;  // of a window of 4 KiB
    unsigned walks = 4;         // IRTE fetches at once, at least 1; 1 blocks at every miss
    unsigned waiting = 16;      // requests that wait for a fetch or for their turn, at least 1
    unsigned iec_entries = 64;  // of the interrupt entry cache; 0: none
    Quirks quirks{};
    Mutants mutants;
  };

  static constexpr PortId kInput = port_of(0);      // requests of bridges and IOAPICs, an edge each
  static constexpr PortId kOutput = port_of(1);     // to the interrupt controller
  static constexpr PortId kMemory = port_of(2);     // table and queue reads, status writes
  static constexpr PortId kRegisters = port_of(3);  // accesses of CPUs
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"input", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1u << kEdgeBits},
      {"output", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"memory", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
  }};

  explicit VtdRemapper(const Config& config);

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  /// Requests and register accesses only while not busy(); answers at any time.
  void receive(PortId port, const Message& message, Env& env);
  /// A further request might find no slot for its walk, or no room to wait in.
  bool busy() const { return !slots_.can_start() || !slots_.has_room(); }

  /// What the descriptors of type 4 do.
  void invalidate_all(Env& env);
  void invalidate(const IndexRange& range, Env& env);

  /// One DWORD at a multiple of 4; 0 and a GuestError where no register is.
  std::uint32_t read_register(std::uint64_t offset, Env& env) const;
  void write_register(std::uint64_t offset, std::uint32_t value, Env& env);

  /// Spans of requests that wait here.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const VtdRemapper& a, const VtdRemapper& b);

 private:
  /// A request on its way; translated once its IRTE is known.
  struct Request {
    BusWrite write{};
    std::optional<std::uint32_t> index;  // none: passes as it is
    friend bool operator==(const Request& a, const Request& b) {
      return a.index == b.index && a.write.address == b.write.address &&
             a.write.data == b.write.data && a.write.span == b.write.span &&
             a.write.requester == b.write.requester && a.write.size == b.write.size;
    }
  };
  using Slots = WalkSlots<std::uint32_t, Request>;

  enum class QueueState : std::uint8_t {
    Idle,
    Fetching,   // a descriptor
    Draining,   // a wait: older requests are still here
    Marking,    // a wait: they have left, and have not all landed
    Abandoned,  // queued invalidation was disabled; the answer under way is to be ignored
  };

  // Requests
  void on_request(PortId input, const BusWrite& write, Env& env);
  void on_remappable(PortId input, const BusWrite& write, Env& env);
  void on_irte(Tag tag, const BusData& answer, Env& env);
  bool translate(const Irte& irte, Request& request, Env& env);
  void forward(PortId input, const Request& request, Env& env);
  void emit(const Request& request, Slots::Turn turn, Env& env);
  void block(const BusWrite& write, Env& env);
  void block(const BusWrite& write, vtd::FaultReason reason, std::uint32_t index, Env& env);
  std::uint32_t table_entries() const;

  // The invalidation queue
  void advance_queue(Env& env);
  void on_descriptor(const BusData& answer, Env& env);
  void on_wait(std::uint64_t low, std::uint64_t high, Env& env);
  void drain(Env& env);
  void on_marker_done(Env& env);
  void complete_wait(Env& env);
  void finish_descriptor(Env& env);
  void stop_queue();
  std::uint64_t queue_bytes() const;
  Tag descriptor_tag() const { return Tag{config_.walks}; }

  // Registers
  void on_register_write(const BusWrite& write, Env& env);
  BusData answer_to(const BusRead& read, Env& env) const;
  void write_GCMD_REG(std::uint32_t value, Env& env);
  void set_queued_invalidation(bool enabled);

  Config config_;
  Slots slots_;
  InterruptEntryCache cache_;
  vtd::FaultLog faults_;
  std::uint64_t table_ = 0;  // IRTA_REG as SIRTP found it
  std::uint64_t IRTA_REG_ = 0;
  std::uint64_t IQA_REG_ = 0;
  std::uint64_t IQH_REG_ = 0;
  std::uint64_t IQT_REG_ = 0;
  std::uint32_t GSTS_REG_ = 0;
  std::uint32_t ICS_REG_ = 0;
  QueueState queue_state_ = QueueState::Idle;
  Epoch fence_ = 0;             // of the wait under way: older requests must land
  std::uint64_t wait_low_ = 0;  // its descriptor
  std::uint64_t wait_high_ = 0;
};

}  // namespace irqfab::x86
