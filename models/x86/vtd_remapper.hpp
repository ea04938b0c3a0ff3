// A VT-d remapping unit: turns remappable interrupt requests into messages for local APICs, or
// posts them to descriptors of virtual processors, by a table in memory; or blocks them.
//
// Models: Intel VT-d specification, rev. 4.1. 5.1 "Interrupt Remapping" in xAPIC mode and in
// extended interrupt mode, with source-id verification and the fault conditions of 5.1.4.1. 5.2
// "Interrupt Posting": posted-format entries, the update of the descriptor, the notification. 6.5.2
// "Queued Invalidation": the queue in memory, interrupt entry cache invalidation, the wait
// descriptor with its status write and its completion event. "Interrupt Draining": what was
// translated under older entries has reached the interrupt controller or its descriptor before a
// wait completes, and before GSTS_REG reports a change of IRE or a SIRTP. 7.2.1 "Primary Fault
// Logging", 7.3 "Non-Recoverable Fault Event".
//
// Order. Requests of one input leave in the order they came in, whatever they missed in the cache
// (PCI Express Base 2.4.1). A post is over when its descriptor has been updated: nothing of its
// input but another post leaves before that, and its notification leaves after it (5.2.4). Memory
// is asked for posts of one input in their order; it need not serve two descriptors in that order.
// Descriptors of the queue are carried out one at a time, as if each wait had its fence bit set.
//
// Spans. The device's span goes to the descriptor with PostInterrupt. What the unit sends of its
// own has spans of its own: see Source.
//
// Not modelled: DMA remapping. Other writes pass through in order; context-cache and IOTLB
// descriptors complete at once, since nothing of theirs is cached. 256-bit descriptors and the
// descriptors of scalable mode and of Device-TLBs (invalid types here); advanced fault logging;
// implicit invalidation by SIRTP (CAP_REG.ESIRTPS reads 0); fault reason 28h, as descriptors keep
// no reserved bits. A post does not wait for an older message of its input to land at a local APIC.
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
#include "models/x86/interrupt_entry_cache.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/quirks.hpp"
#include "models/x86/vtd_event.hpp"
#include "models/x86/vtd_fault_log.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::x86 {

/// Does the unit know extended interrupt mode (ECAP_REG.EIM)?
enum class ExtendedMode : std::uint8_t { Absent, Present };

class VtdRemapper final {
 public:
  struct Config {
    std::uint64_t register_base = 0xFED90000;  // of a window of 4 KiB
    unsigned walks = 4;          // IRTE fetches at once, at least 1; 1 blocks at every miss
    unsigned waiting = 16;       // requests that wait for a fetch, for their turn or for the update
                                 // of their descriptor, at least 1
    unsigned iec_entries = 64;   // of the interrupt entry cache; 0: none
    unsigned fault_records = 1;  // fault recording registers, 1..64
    vtd::FaultCollapsing collapsing = vtd::FaultCollapsing::Off;
    ExtendedMode extended_mode = ExtendedMode::Absent;
    Posting posting = Posting::Absent;
    std::vector<RequesterId> ioapics{};    // whose requests Quirk::IoapicUnverified lets pass
    std::uint64_t other_capabilities = 0;  // bits of CAP_REG that are not modelled
    std::uint64_t other_extended_capabilities = 0;  // and of ECAP_REG
    Quirks quirks{};
    Mutants mutants;
  };

  /// Who of the unit opens spans: Env::open's `source`.
  enum class Source : std::uint32_t { FaultEvent, InvalidationEvent, Notification };
  static constexpr std::uint32_t kSources = 3;

  static constexpr PortId kInput = port_of(0);      // requests of bridges and IOAPICs, an edge each
  static constexpr PortId kOutput = port_of(1);     // to the interrupt controller
  static constexpr PortId kMemory = port_of(2);     // table and queue reads, posts, status writes
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

  /// Does the interrupt entry cache hold the entry?
  bool caches(std::uint32_t index) const { return cache_.find(index) != nullptr; }

  /// Spans of requests that wait here.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const VtdRemapper& a, const VtdRemapper& b);

 private:
  /// A request on its way; translated once its IRTE is known.
  struct Request {
    BusWrite write{};
    std::optional<std::uint32_t> index{};  // none: passes as it is
    std::optional<PostTarget> post{};      // it is posted, not sent on
    bool unrecorded{};                     // FPD of its IRTE
    SpanId posted = kNoSpan;               // what `write` held, once it has been posted
    auto fields() const {
      return std::tie(index, post, unrecorded, posted, write.address, write.data, write.span,
                      write.requester, write.size);
    }
    friend bool operator==(const Request& a, const Request& b) { return a.fields() == b.fields(); }
  };
  using Slots = WalkSlots<std::uint32_t, Request>;

  enum class QueueState : std::uint8_t {
    Idle,
    Fetching,   // a descriptor
    Draining,   // a wait: older requests are still here
    Marking,    // a wait: they have left, and have not all landed
    Abandoned,  // queued invalidation was disabled; the answer under way is to be ignored
  };
  /// A command whose completion GSTS_REG has yet to report.
  enum class CommandState : std::uint8_t {
    None,
    Draining,
    Marking,
    Outdated,  // the marker under way is an older command's: another one must follow
  };

  // Requests
  void on_request(PortId input, const BusWrite& write, Env& env);
  void on_remappable(PortId input, const BusWrite& write, Env& env);
  void on_irte(Tag tag, const BusData& answer, Env& env);
  bool translate(const Irte& irte, Request& request, Env& env);
  std::optional<vtd::FaultReason> fault_of(const Irte& irte, const Request& request) const;
  bool malformed(const Irte& irte) const;
  bool admits(const Irte& irte, RequesterId requester) const;
  MsiMessage message_of(const Irte& irte) const;
  void forward(PortId input, const Request& request, Env& env);
  void release(Env& env);
  void emit(const Request& request, Slots::Turn turn, Env& env);
  void emit(const MsiMessage& message, SpanId span, Env& env);
  void block(const BusWrite& write, Env& env);
  void block(const Request& request, vtd::FaultReason reason, Env& env);
  void block(const BusWrite& write, vtd::FaultReason reason, std::uint32_t index, Env& env);
  std::uint32_t table_entries() const;
  InterruptMode mode() const;

  // Posting
  Slots::Departure post(Request& request, Slots::Turn turn, Env& env);
  void on_post_answer(const BusData& answer, Env& env);
  void notify(const Request& request, std::uint64_t control, Env& env);

  // The unit's own interrupts
  void send_event(const vtd::EventInterrupt& event, Source source, Env& env);
  void raise(vtd::EventInterrupt& event, Source source, Env& env);
  void withdraw_fault_event();

  // The invalidation queue
  template <class Covers>
  void invalidate_walks(Covers&& covers);
  void advance_queue(Env& env);
  void on_descriptor(const BusData& answer, Env& env);
  void on_entry_cache_descriptor(std::uint64_t low, std::uint64_t high, Env& env);
  void on_wait(std::uint64_t low, std::uint64_t high, Env& env);
  void complete_wait(Env& env);
  void finish_descriptor(Env& env);
  void stop_queue(vtd::QueueError error, Env& env);
  std::uint64_t queue_bytes() const;
  Tag descriptor_tag() const { return Tag{config_.walks}; }

  // Draining
  void begin_command(Env& env);
  void report_command();
  void drain(Env& env);
  void on_marker_done(const MarkerDone& done, Env& env);

  // Registers
  void on_register_write(const BusWrite& write, Env& env);
  BusData answer_to(const BusRead& read, Env& env) const;
  std::optional<std::uint32_t> read_capability(std::uint64_t offset) const;
  std::optional<std::uint32_t> read_status(std::uint64_t offset) const;
  std::optional<std::uint32_t> read_event(std::uint64_t offset) const;
  std::optional<std::uint32_t> read_queue(std::uint64_t offset) const;
  std::optional<std::uint32_t> read_fault_record(std::uint64_t offset) const;
  bool is_fault_record(std::uint64_t offset) const;
  bool is_read_only(std::uint64_t offset) const;
  bool write_event(std::uint64_t offset, std::uint32_t value, Env& env);
  bool write_fault_record(std::uint64_t offset, std::uint32_t value);
  void write_GCMD_REG(std::uint32_t value, Env& env);
  void write_IRTA_REG(std::uint64_t offset, std::uint32_t value);
  void set_queued_invalidation(bool enabled);

  Config config_;
  Slots slots_;
  InterruptEntryCache cache_;
  vtd::FaultLog faults_;
  vtd::EventInterrupt fault_event_;
  vtd::EventInterrupt invalidation_event_;
  std::uint64_t table_ = 0;  // IRTA_REG as SIRTP found it
  std::uint64_t IRTA_REG_ = 0;
  std::uint64_t IQA_REG_ = 0;
  std::uint64_t IQH_REG_ = 0;
  std::uint64_t IQT_REG_ = 0;
  std::uint32_t GSTS_REG_ = 0;   // as reported
  std::uint32_t in_effect_ = 0;  // GSTS_REG as it will be when what is older has landed
  std::uint32_t ICS_REG_ = 0;
  QueueState queue_state_ = QueueState::Idle;
  CommandState command_state_ = CommandState::None;
  bool emitted_ = false;        // something has left through kOutput since the last marker
  Epoch fence_ = 0;             // of the wait under way: older requests must land
  Epoch command_fence_ = 0;     // of the command under way
  std::uint64_t wait_low_ = 0;  // the wait's descriptor
  std::uint64_t wait_high_ = 0;
};

}  // namespace irqfab::x86
