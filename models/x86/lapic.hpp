// The local APICs of a machine, a row per CPU, and the interconnect on which their messages arrive:
// one value, because lowest-priority delivery has to look at all of them.
//
// Models: SDM vol. 3, chapter 11, xAPIC mode: physical and logical destinations (flat and cluster),
// lowest-priority arbitration, IRR/ISR/TMR, task and processor priority, EOI and its broadcast, the
// spurious vector, software disabling, the ICR, error status.
// Not modelled: x2APIC mode; IA32_APIC_BASE (no LAPIC is disabled or moved by it); the timer and
// every other local interrupt (the local vector table can be read and written and nothing is
// delivered through it, the error interrupt included; initial count and divide configuration are
// storage, the current count reads 0); LINT pins; ExtINT messages, which would need an 8259 to ask;
// focus processor checking.
//
// Choices the manual leaves open. Equal priority: the lower CPU index wins. A multi-target message:
// the lowest index keeps its span and forked ones go to the others. Delivery of an IPI takes place
// within the write to the ICR, so its delivery status is always idle.
//
// Where a span is. Fixed and lowest-priority interrupts: at the IRR bit, then at the ISR bit, until
// the EOI ends it; a second arrival merges into a span in the IRR, never into one in service. NMI,
// INIT, SIPI and SMI travel on to the CPU, which ends them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"
#include "models/x86/lapic_registers.hpp"
#include "models/x86/msi_format.hpp"
#include "models/x86/quirks.hpp"
#include "models/x86/vector_set.hpp"

namespace irqfab::x86 {

enum class EoiSuppression : std::uint8_t { Absent, Supported };

class LapicBank final {
 public:
  struct Config {
    std::vector<ApicId> ids;  // of CPU 0, 1, ...; 0..254 can be addressed
    unsigned ioapics = 1;     // edges of kEoi
    EoiSuppression eoi_suppression = EoiSuppression::Supported;  // SVR bit 12 and what says so
    Quirks quirks{};
    Mutants mutants{};
  };

  static constexpr PortId kMessages = port_of(0);
  static constexpr PortId kCpu = port_of(1);
  static constexpr PortId kEoi = port_of(2);
  static constexpr std::array<PortSpec, 3> kPorts = {{
      {"messages", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1024},
      {"cpu", EdgeKind::Cpu, Direction::Target, Order::Ordered, 1, 1},
      {"eoi", EdgeKind::Fabric, Direction::Initiator, Order::Ordered, 0, 1024},
  }};

  explicit LapicBank(const Config& config);

  /// Lane 0 is the interconnect that messages arrive on, lane 1 + c what concerns CPU c alone.
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// Delivers a message, whose `span` must exist. Returns how many LAPICs accepted it, those that
  /// had it pending already included.
  unsigned on_message(const ApicMessage& message, SpanId span, Env& env) {
    const std::optional<CpuId> cpu = only_target(message);
    if (!cpu) return deliver({message, Shorthand::None, CpuId{}}, span, env);
    pend(*cpu, message.vector, TriggerMode::Edge, span, env);
    return 1;
  }
  /// The CPU asks which interrupt to take: the highest deliverable one, or the spurious vector.
  IntaAnswer on_inta(CpuId cpu, Env& env);
  /// Accesses of a CPU to its own page; `offset` in bytes.
  void write(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  std::uint32_t read(CpuId cpu, std::uint32_t offset, Env& env);

  // State, for reports and comparison. `cpu` must exist.
  const VectorSet& irr(CpuId cpu) const { return rows_[cpu].irr; }
  const VectorSet& isr(CpuId cpu) const { return rows_[cpu].isr; }
  const VectorSet& tmr(CpuId cpu) const { return rows_[cpu].tmr; }
  std::uint8_t tpr(CpuId cpu) const { return rows_[cpu].tpr; }
  std::uint8_t ppr(CpuId cpu) const { return processor_priority(rows_[cpu]); }
  /// As an ESR read shows it: what the last write to it latched.
  std::uint32_t esr(CpuId cpu) const { return rows_[cpu].esr; }
  bool software_enabled(CpuId cpu) const { return Svr::SoftwareEnable::is_set(rows_[cpu].svr); }
  /// The level of the CPU's INTR line.
  Level intr(CpuId cpu) const { return rows_[cpu].intr; }
  std::size_t cpus() const { return rows_.size(); }

  /// Spans whose only home is here: those of IRR and ISR bits.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const LapicBank& a, const LapicBank& b);

 private:
  struct Row {
    VectorSet irr, isr, tmr;
    std::uint32_t id = 0;  // APIC id; the register shows its low 8 bits
    std::uint32_t ldr = 0;
    std::uint32_t dfr = 0xFFFFFFFF;
    std::uint32_t svr = Svr::kReset;
    std::uint8_t tpr = 0;
    Level intr = Level::Low;
    std::uint32_t errors = 0;  // since the last write to ESR
    std::uint32_t esr = 0;
    std::uint32_t icr_low = 0;
    std::uint32_t icr_high = 0;
    std::array<std::uint32_t, Lvt::kEntries> lvt{};
    std::uint32_t initial_count = 0;
    std::uint32_t divide_configuration = 0;
    Row() { lvt.fill(Lvt::kReset); }
    bool operator==(const Row& other) const;
  };
  /// Apart from the rows, which every message scans. kNoSpan where the bit is clear.
  struct Spans {
    std::array<SpanId, 256> irr{};
    std::array<SpanId, 256> isr{};
    friend bool operator==(const Spans& a, const Spans& b) {
      return a.irr == b.irr && a.isr == b.isr;
    }
  };

  enum class Shorthand : std::uint8_t { None, Self, AllIncludingSelf, AllExcludingSelf };
  /// A message, and for an IPI who sends it and which shorthand stands for its destination.
  struct Request {
    ApicMessage message;
    Shorthand shorthand = Shorthand::None;
    CpuId sender{};
  };
  /// CPUs `begin` to `end` - 1.
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  /// Who gets a message: `first` and, if `count` is more than 1, every later one that accepts it.
  struct Selection {
    CpuId first{};
    unsigned count = 0;
    bool matched = false;  // the destination names somebody, who may be disabled
  };

  // Destinations: lapic_destination.cpp.
  /// The usual case, told early: an edge with a fixed vector for one local APIC, by its id. What
  /// deliver would find for it, too.
  std::optional<CpuId> only_target(const ApicMessage& m) const {
    const bool usual =
        m.delivery_mode == DeliveryMode::Fixed && m.trigger_mode == TriggerMode::Edge &&
        m.destination_mode == DestinationMode::Physical &&
        m.redirection_hint == RedirectionHint::Off && raw(m.destination) < kBroadcast;
    if (!usual || !legal(m.vector)) return std::nullopt;
    const Range range = with_id_[raw(m.destination)];
    const CpuId cpu{range.begin};
    if (range.end - range.begin != 1 || !software_enabled(cpu)) return std::nullopt;
    return cpu;
  }
  unsigned deliver(const Request& request, SpanId span, Env& env);
  Selection select(const Request& request) const;
  Selection select_all(const Request& request) const;
  Selection select_lowest(const Request& request) const;
  Selection select_by_hash(const Request& request) const;
  bool arbitrated(const Request& request) const;
  Range candidates(const Request& request) const;
  bool matches(const Request& request, CpuId cpu) const;
  bool accepts(const Request& request, CpuId cpu) const;
  template <class F>
  void for_each_selected(const Request& request, const Selection& selection, F f) const;
  bool reports_low_input(const ApicMessage& message) const;
  void accept(CpuId cpu, const ApicMessage& message, SpanId span, Env& env);
  void index_ids();

  // One local APIC: lapic.cpp.
  void on_bus_write(const BusWrite& write, Env& env);
  void refuse_bus_write(const BusWrite& write, Env& env);
  void answer(PortId port, const Inta& inta, Env& env);
  void on_question(PortId port, const Message& message, Env& env);
  void pend(CpuId cpu, Vector vector, TriggerMode trigger_mode, SpanId span, Env& env);
  void end_of_interrupt(CpuId cpu, Env& env);
  void initialize(CpuId cpu, Env& env);
  /// Tells the CPU when "something is deliverable" has changed. A line that rose can fall again
  /// before the CPU asks: software raised the TPR, or an INIT came.
  void update_intr(CpuId cpu, Env& env) {
    const Row& row = rows_[cpu];
    const Level level = deliverable(row) ? Level::High : Level::Low;
    if (level != row.intr) set_intr(cpu, level, env);
  }
  void set_intr(CpuId cpu, Level level, Env& env);
  /// SDM vol. 3, 11.5.2: vectors 0-15 are reserved and cannot be sent or received.
  bool legal(Vector vector) const {
    return raw(vector) >= 16 || config_.quirks.has(Quirk::IllegalVectorAccepted);
  }
  /// Interrupts are preempted by class, bits 7:4, not by vector (SDM vol. 3, 11.8.3).
  static constexpr std::uint8_t class_of(std::uint8_t priority) { return priority & 0xF0; }
  /// Is the highest requested vector's class above the processor priority's (SDM 11.8.3.1)?
  static bool deliverable(const Row& row) {
    return !row.irr.empty() && deliverable(row, row.irr.highest_class());
  }
  static bool deliverable(const Row& row, std::uint8_t requested) {
    return requested > row.isr.highest_class() && requested > class_of(row.tpr);
  }
  static std::uint8_t processor_priority(const Row& row);
  static std::uint8_t arbitration_priority(const Row& row);

  // Its page: lapic_registers.cpp.
  void write_setting(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  void write_svr(Row& row, std::uint32_t value) const;
  void write_lvt(Row& row, unsigned entry, std::uint32_t value) const;
  void send_ipi(CpuId cpu, Env& env);
  void refuse_register(Row& row, Env& env);
  std::uint32_t version() const;
  std::optional<std::uint32_t> vectors_at(const Row& row, std::uint32_t offset) const;

  static constexpr std::uint32_t kBroadcast = 0xFF;

  Config config_;
  Indexed<CpuId, Row> rows_;
  Indexed<CpuId, Spans> spans_;
  std::array<Range, 256> with_id_{};  // for each APIC id, the CPUs among which all that have it lie
};

}  // namespace irqfab::x86
