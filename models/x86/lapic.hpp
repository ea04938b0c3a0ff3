// The local APICs of a machine, a row per CPU, and the interconnect on which their messages arrive:
// one value, because lowest-priority delivery has to look at all of them.
//
// Models: SDM vol. 3, chapter 11: xAPIC and x2APIC mode and the ways between them, physical and
// logical destinations (flat, cluster, x2APIC clusters), lowest-priority arbitration, IRR/ISR/TMR,
// task and processor priority, EOI and its broadcast, the spurious vector, software and hardware
// disabling, the ICR and SELF IPI, error status and its interrupt, the local vector table (timer,
// LINT pins, thermal sensor, performance counter, CMCI), ExtINT from a pair of 8259s, INIT and
// start-up.
// A CPU's accesses to its page arrive by offset, wherever IA32_APIC_BASE has put the page; `claims`
// tells which they are.
// Not modelled: remote reads; focus processor checking (SVR bit 9 reads 0, as since the Pentium 4);
// the latches of NMI and SMI, which are the CPU's.
//
// Choices the manual leaves open. Equal priority: the lower CPU index wins. A multi-target message:
// the lowest index keeps its span and forked ones go to the others. The ICR can be written again at
// once, so its delivery status is always idle. An ExtINT goes before the
// LAPIC's own interrupts. 0xFF from somebody who has 8 bits for a destination is everybody, those
// in x2APIC mode included; 0xFFFFFFFF is everybody, those in xAPIC mode included. LINT1 is an edge
// input. A CPU that was not told INIT ignores SIPIs; after reset all run, as firmware leaves them.
//
// Where a span is. Fixed and lowest-priority interrupts: at the IRR bit, then at the ISR bit, until
// the EOI ends it; a second arrival merges into a span in the IRR, never into one in service. NMI,
// INIT, SIPI and SMI travel on to the CPU, which ends them. A level that waits at LINT0 is at the
// pin. What LINT0 announces as ExtINT is the 8259's span and rests there; an ExtINT message waits
// here and merges into the interrupt that the 8259 names.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/mutant.hpp"
#include "models/base/port.hpp"
#include "models/x86/lapic_registers.hpp"
#include "models/x86/lapic_timer.hpp"
#include "models/x86/msi_format.hpp"
#include "models/x86/quirks.hpp"
#include "models/x86/vector_set.hpp"
#include "models/x86/wired_or.hpp"

namespace irqfab::x86 {

enum class EoiSuppression : std::uint8_t { Absent, Supported };
enum class LowestPriorityIpi : std::uint8_t { Refused, Sent };
enum class Cmci : std::uint8_t { Absent, Present };
/// Is there a pair of 8259s to ask for vectors?
enum class ExternalPic : std::uint8_t { Absent, Present };

/// With Quirk::DestinationMap: does 0xFF, from a device, name LAPICs in x2APIC mode?
enum class ShortBroadcast : std::uint8_t { Everybody, XapicOnly };

/// Does an IPI to other LAPICs take the time of IpiSent, or arrive within the write that sends it?
enum class IpiFlight : std::uint8_t { None, Priced };

/// Who sets the IRR bit of an interrupt that a local APIC accepted: the bank at once, or its owner,
/// who is asked by a PostInterrupt on kRequests whose address is the CPU, and answers with
/// `request` when it is time. The span is the owner's meanwhile.
enum class Requests : std::uint8_t { SetAtOnce, HandedOver };

enum class LapicMode : std::uint8_t { Disabled, Xapic, X2apic };

/// What RDMSR or WRMSR comes to. `value` is 0 unless one was read.
enum class MsrStatus : std::uint8_t { Done, GeneralProtection };
struct MsrAnswer {
  MsrStatus status = MsrStatus::Done;
  std::uint64_t value = 0;
};

/// Inputs of one local APIC, in the order of its pins.
enum class LocalPin : std::uint8_t { Lint0, Lint1, Thermal, Performance, Cmci };
constexpr unsigned kLocalPins = 5;

class LapicBank final {
 public:
  struct Config {
    /// Of CPU 0, 1, ... In xAPIC mode their low 8 bits count.
    std::vector<ApicId> ids;
    std::optional<CpuId> bootstrap = CpuId{0};
    unsigned ioapics = 1;                                             // edges of kEoi
    EoiSuppression eoi_suppression = EoiSuppression::Supported;       // SVR bit 12 and what says so
    LowestPriorityIpi lowest_priority_ipi = LowestPriorityIpi::Sent;  // model-specific (SDM 11.6.1)
    IpiFlight ipi_flight = IpiFlight::None;
    Requests requests = Requests::SetAtOnce;
    Cmci cmci = Cmci::Absent;
    ExternalPic pic = ExternalPic::Absent;  // Present: kPic is joined
    MsiDestination msi_destination = MsiDestination::Bits8;
    ShortBroadcast short_broadcast = ShortBroadcast::Everybody;
    std::uint64_t timer_hz = 100'000'000;  // of the clock that the timers divide; 0: none runs
    std::uint64_t tsc_hz = 2'000'000'000;  // of the time stamp counters, which start at 0
    unsigned physical_address_bits = 46;   // 32..52: bits of IA32_APIC_BASE above are reserved
    Quirks quirks{};
    Mutants mutants{};
  };

  static constexpr PortId kMessages = port_of(0);
  static constexpr PortId kCpu = port_of(1);
  static constexpr PortId kEoi = port_of(2);
  static constexpr PortId kPins = port_of(3);
  static constexpr PortId kPic = port_of(4);
  static constexpr PortId kRequests = port_of(5);  // called by the owner, no edge
  static constexpr std::array<PortSpec, 5> kPorts = {{
      {"messages", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1024},
      {"cpu", EdgeKind::Cpu, Direction::Target, Order::Ordered, 1, 1},
      {"eoi", EdgeKind::Fabric, Direction::Initiator, Order::Ordered, 0, 1024},
      {"pins", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"pic", EdgeKind::Cpu, Direction::Initiator, Order::Ordered, 0, 1},
  }};
  /// Input `pin` of a CPU's local APIC, on kPins.
  static constexpr unsigned kPinsPerCpu = 8;
  static constexpr Pin pin_of(CpuId cpu, LocalPin pin) {
    return static_cast<Pin>(raw(cpu) * kPinsPerCpu + static_cast<unsigned>(pin));
  }
  /// MSR n by RegisterRead and RegisterWrite: offset kMsrSpace + n. A read that gives #GP is
  /// answered BusStatus::Error; a write that does has no answer but the note GeneralProtection.
  static constexpr std::uint32_t kMsrSpace = 0x10000;

  explicit LapicBank(const Config& config);

  /// Lane 0 is the interconnect that messages arrive on, lane 1 + c what concerns CPU c alone.
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// Delivers a message, whose `span` must exist. Returns how many LAPICs accepted it, those that
  /// had it pending already included.
  unsigned on_message(const ApicMessage& message, SpanId span, Env& env) {
    const std::optional<CpuId> cpu = only_target(message);
    if (!cpu) return deliver({message, Shorthand::None, CpuId{}, Origin::Message}, span, env);
    pend(*cpu, message.vector, TriggerMode::Edge, span, env);
    return 1;
  }
  /// The CPU asks which interrupt to take: the highest deliverable one, or the spurious vector.
  IntaAnswer on_inta(CpuId cpu, Env& env);
  /// Is the vector that `cpu` asks for the 8259's to name? Then ask it, and not on_inta.
  bool extint_requested(CpuId cpu) const {
    return rows_.contains(cpu) && rows_[cpu].extint == Level::High;
  }
  /// The 8259 was asked: its line is low until it says otherwise.
  void extint_asked(CpuId cpu);
  /// What it answered; `cpu` gets this answer.
  void extint_answered(const IntaAnswer& answer, Env& env);
  /// Accesses of a CPU to its own page; `offset` in bytes. There is a page in xAPIC mode only:
  /// otherwise nobody claims the access, and a read gives all ones.
  void write(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  std::uint32_t read(CpuId cpu, std::uint32_t offset, Env& env);
  /// IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, the MSRs of LapicMsr.
  MsrAnswer rdmsr(CpuId cpu, std::uint32_t msr, Env& env);
  MsrAnswer wrmsr(CpuId cpu, std::uint32_t msr, std::uint64_t value, Env& env);
  void on_pin(const PinChange& change, Env& env);
  /// A host puts the register at `offset` in place, in either mode: nothing is sent and nothing is
  /// read-only but what follows from the id. ISR and IRR bits begin and end spans.
  void restore(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  /// Quirk::DestinationMap: the LAPIC that was created last is in the map from now on.
  void map_newest();
  /// Sets the IRR bit, and leaves the TMR: of an interrupt that was accepted before, or that did
  /// not come as a message. `cpu` must exist.
  void request(CpuId cpu, Vector vector, SpanId span, Env& env);
  /// The first half of an EOI: the highest vector in service ends, and no IOAPIC is told. `cpu`
  /// must exist.
  void retire(CpuId cpu, Env& env);
  /// The second half: tells the IOAPICs if the vector's TMR bit is set. `cpu` must exist.
  void finish_eoi(CpuId cpu, Vector ended, Env& env);
  /// A host writes IA32_APIC_BASE: it may go from any mode to any other.
  MsrStatus restore_apic_base(CpuId cpu, std::uint64_t value, Env& env);
  /// INIT reaches the CPU, and its LAPIC starts anew. With Quirk::InitLatched the CPU's owner says
  /// when; otherwise the message does it.
  void init(CpuId cpu, Env& env);

  // State, for reports and comparison. `cpu` must exist.
  const VectorSet& irr(CpuId cpu) const { return rows_[cpu].irr; }
  const VectorSet& isr(CpuId cpu) const { return rows_[cpu].isr; }
  const VectorSet& tmr(CpuId cpu) const { return rows_[cpu].tmr; }
  std::uint32_t tpr(CpuId cpu) const { return rows_[cpu].tpr; }
  std::uint8_t ppr(CpuId cpu) const { return processor_priority(rows_[cpu]); }
  /// As an ESR read shows it: what the last write to it latched.
  std::uint32_t esr(CpuId cpu) const { return rows_[cpu].esr; }
  /// Does the message's destination name `cpu`, whether it would accept or not?
  bool addresses(const ApicMessage& message, CpuId cpu) const {
    return matches({message, Shorthand::None, CpuId{}, Origin::Message}, cpu);
  }
  /// Quirk::DestinationMap: was there nobody to ask whether it accepts the message, though all were
  /// looked at? Of one that nobody has accepted.
  bool asked_nobody(const ApicMessage& message) const;
  std::uint32_t id(CpuId cpu) const { return rows_[cpu].id; }
  std::uint32_t ldr(CpuId cpu) const { return rows_[cpu].ldr; }
  std::uint32_t dfr(CpuId cpu) const { return rows_[cpu].dfr; }
  std::uint32_t icr_high(CpuId cpu) const { return rows_[cpu].icr_high; }
  /// The span at a vector's IRR or ISR bit; kNoSpan where it is clear.
  SpanId requested(CpuId cpu, Vector vector) const { return spans_[cpu].irr[raw(vector)]; }
  SpanId serviced(CpuId cpu, Vector vector) const { return spans_[cpu].isr[raw(vector)]; }
  bool software_enabled(CpuId cpu) const { return Svr::SoftwareEnable::is_set(rows_[cpu].svr); }
  LapicMode mode(CpuId cpu) const { return mode_of(rows_[cpu].apic_base); }
  /// Is a CPU's own access to this physical address one to its page, and not to the bus
  /// (SDM 11.4.1)?
  bool claims(CpuId cpu, std::uint64_t address) const {
    return mode(cpu) == LapicMode::Xapic &&
           ApicBase::Address::get(address) == ApicBase::Address::get(apic_base(cpu));
  }
  std::uint64_t apic_base(CpuId cpu) const { return rows_[cpu].apic_base; }
  /// Did an INIT stop it, and no SIPI start it since (SDM 11.4.7.3)?
  bool waits_for_sipi(CpuId cpu) const { return rows_[cpu].run_state == RunState::WaitForSipi; }
  /// The level of the CPU's INTR line.
  Level intr(CpuId cpu) const { return rows_[cpu].intr; }
  std::size_t cpus() const { return rows_.size(); }

  /// Spans whose only home is here: of IRR and ISR bits, waiting levels, ExtINT messages and IPIs.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const LapicBank& a, const LapicBank& b);

 private:
  enum class RunState : std::uint8_t { Running, WaitForSipi };
  struct Row {
    VectorSet irr, isr, tmr;
    std::uint32_t id = 0;  // what destinations are compared with: 8 bits, 32 in x2APIC mode
    std::uint32_t ldr = 0;
    std::uint32_t dfr = 0xFFFFFFFF;
    std::uint32_t svr = Svr::kReset;
    std::uint32_t tpr = 0;  // bits 31:8 are a host's doing, and mean nothing
    Level intr = Level::Low;
    Level extint = Level::Low;  // the 8259s have something for this CPU
    RunState run_state = RunState::Running;
    bool held_back = false;  // Quirk::DisabledLapicAccepts: what is pending waits to be enabled
    bool delivers_illegal = false;  // Quirk::IllegalVectorDelivered
    std::uint64_t apic_base = ApicBase::kReset;
    std::uint32_t errors = 0;  // since the last write to ESR
    std::uint32_t esr = 0;
    std::uint32_t icr_low = 0;
    std::uint32_t icr_high = 0;
    bool operator==(const Row& other) const;
  };
  struct Input {
    WiredOr wire;
    SpanId waiting = kNoSpan;  // of a level that was not taken yet
    friend bool operator==(const Input& a, const Input& b) {
      return a.wire == b.wire && a.waiting == b.waiting;
    }
  };
  /// What asks from within, apart from the rows, too.
  struct Local {
    std::array<std::uint32_t, Lvt::kEntries> lvt{};
    LapicTimer timer;
    std::array<Input, kLocalPins> inputs;
    bool extint_message = false;  // one waits for the CPU
    SpanId extint_span = kNoSpan;
    Local() { lvt.fill(Lvt::kReset); }
    friend bool operator==(const Local& a, const Local& b) {
      return a.lvt == b.lvt && a.timer == b.timer && a.inputs == b.inputs &&
             a.extint_message == b.extint_message && a.extint_span == b.extint_span;
    }
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
  enum class Origin : std::uint8_t { Message, Ipi };
  /// How a destination is looked up with Quirk::DestinationMap. Nobody: no LAPIC has a logical id.
  enum class MapForm : std::uint8_t { Physical, Nobody, Flat, Cluster, X2apic };
  /// A message, and for an IPI who sends it and which shorthand stands for its destination.
  struct Request {
    ApicMessage message;
    Shorthand shorthand = Shorthand::None;
    CpuId sender{};
    Origin origin = Origin::Ipi;
    std::optional<MapForm> map = std::nullopt;  // set: its destination is looked up
    bool operator==(const Request& other) const;
  };
  /// An IPI on its way; its slot is free if it has no span.
  struct Flight {
    Request request;
    SpanId span = kNoSpan;
    friend bool operator==(const Flight& a, const Flight& b) {
      return a.request == b.request && a.span == b.span;
    }
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
        m.redirection_hint == RedirectionHint::Off && raw(m.destination) != kXapicBroadcast &&
        raw(m.destination) < with_id_.size();
    if (!usual || !legal(m.vector)) return std::nullopt;
    const Range range = with_id_[raw(m.destination)];
    const CpuId cpu{range.begin};
    const bool accepts = range.end - range.begin == 1 && rows_[cpu].id == raw(m.destination) &&
                         software_enabled(cpu) && mode(cpu) != LapicMode::Disabled;
    return accepts ? std::optional(cpu) : std::nullopt;
  }
  unsigned deliver(Request request, SpanId span, Env& env);
  Selection select(const Request& request) const;
  Selection select_all(const Request& request) const;
  Selection select_lowest(const Request& request) const;
  Selection select_by_hash(const Request& request) const;
  bool arbitrated(const Request& request) const;
  bool is_sender(const Request& request, CpuId cpu) const;
  bool answers_for_id(CpuId cpu) const;
  unsigned refuse_mode(const Request& request, SpanId span, Env& env);
  bool refuses_mode(const Request& request) const;
  Range candidates(const Request& request) const;
  bool matches(const Request& request, CpuId cpu) const;
  bool accepts(const Request& request, CpuId cpu) const;
  template <class F>
  void for_each_selected(const Request& request, const Selection& selection, F f) const;
  bool reports_low_input(const ApicMessage& message) const;
  void accept(CpuId cpu, const ApicMessage& message, SpanId span, Env& env);
  void accept_start_up(CpuId cpu, Vector page, SpanId span, Env& env);
  void accept_extint(CpuId cpu, SpanId span, Env& env);
  void index_ids();
  void index_id(std::uint32_t id, std::uint32_t cpu);

  // Quirk::DestinationMap: lapic_map.cpp.
  void build_map();
  Range listed(std::uint32_t id) const;
  std::optional<MapForm> map_for(const Request& request) const;
  void look_up(Request& request) const;
  std::optional<MapForm> logical_form() const;
  bool is_broadcast_of_kvm(const Request& request) const;
  static MapForm form_of(const Row& row);
  static bool is_mapped(const Row& row);
  std::uint32_t members_of(std::uint32_t destination, MapForm form) const;
  bool is_listed(const Request& request, CpuId cpu) const;
  bool answers_to(const Request& request, CpuId cpu) const;
  bool is_candidate(const Request& request, CpuId cpu) const;

  // One local APIC: lapic.cpp.
  void on_bus_write(const BusWrite& write, Env& env);
  void refuse_bus_write(const BusWrite& write, Env& env);
  bool taken_for_register(std::uint64_t address) const;
  void answer(PortId port, const Inta& inta, Env& env);
  void on_rest(PortId port, const Message& message, Env& env);
  void on_question(PortId port, const Message& message, Env& env);
  BusData data_of(const RegisterRead& question, Env& env);
  void pend(CpuId cpu, Vector vector, TriggerMode trigger_mode, SpanId span, Env& env);
  void hand_over(CpuId cpu, Vector vector, SpanId span, Env& env);
  void set_irr(CpuId cpu, Vector vector, SpanId span, Env& env);
  void end_of_interrupt(CpuId cpu, Env& env);
  void end_service(CpuId cpu, Vector ended, Env& env);
  void end_level(CpuId cpu, Vector ended, Env& env);
  void reset(CpuId cpu, Env& env);
  /// Tells the CPU when "something is deliverable" has changed. A line that rose can fall again
  /// before the CPU asks: software raised the TPR, or an INIT came.
  void update_intr(CpuId cpu, Env& env) {
    const Row& row = rows_[cpu];
    const bool asks = deliverable(row) || illegal_deliverable(row) || row.extint == Level::High;
    const Level level = asks ? Level::High : Level::Low;
    if (level != row.intr) set_intr(cpu, level, kNoSpan, env);
  }
  void set_intr(CpuId cpu, Level level, SpanId raised_by, Env& env);
  /// SDM vol. 3, 11.5.2: vectors 0-15 are reserved and cannot be sent or received.
  bool legal(Vector vector) const {
    return raw(vector) >= 16 || config_.quirks.has(Quirk::IllegalVectorAccepted);
  }
  /// Interrupts are preempted by class, bits 7:4, not by vector (SDM vol. 3, 11.8.3).
  static constexpr std::uint8_t class_of(std::uint32_t priority) { return priority & 0xF0; }
  /// Is the highest requested vector's class above the processor priority's (SDM 11.8.3.1)?
  static bool deliverable(const Row& row) {
    return !row.irr.empty() && deliverable(row, row.irr.highest_class());
  }
  /// Quirk::IllegalVectorDelivered: vector 0 stands for none there.
  static bool illegal_deliverable(const Row& row) {
    if (!row.delivers_illegal || row.held_back || processor_priority(row) != 0) return false;
    const std::optional<Vector> requested = row.irr.highest();
    return requested && raw(*requested) != 0 && raw(*requested) < 16;
  }
  static bool deliverable(const Row& row, std::uint8_t requested) {
    return requested > row.isr.highest_class() && requested > class_of(row.tpr) && !row.held_back;
  }
  static std::uint8_t processor_priority(const Row& row);
  static std::uint8_t arbitration_priority(const Row& row);

  // Its registers, as both modes have them: lapic_registers.cpp.
  static LapicMode mode_of(std::uint64_t apic_base) {
    if (ApicBase::Extd::is_set(apic_base)) return LapicMode::X2apic;
    return ApicBase::Enable::is_set(apic_base) ? LapicMode::Xapic : LapicMode::Disabled;
  }
  std::uint32_t read_register(CpuId cpu, std::uint32_t offset, Env& env);
  void write_register(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env);
  std::uint32_t register_at(std::uint32_t offset) const;
  std::uint32_t writable_of(std::uint32_t mask) const;
  void write_svr(CpuId cpu, std::uint32_t value, Env& env);
  void write_lvt(CpuId cpu, LocalInterrupt which, std::uint32_t value, Env& env);
  void send_ipi(CpuId cpu, Env& env);
  void send_self_ipi(CpuId cpu, Vector vector, Env& env);
  void send(const Request& request, Env& env);
  void depart(const Request& request, SpanId span, Env& env);
  void arrive(Tag flight, Env& env);
  void refuse_register(CpuId cpu, Env& env);
  void record_error(CpuId cpu, std::uint32_t error, Env& env);
  std::uint32_t version() const;
  std::optional<std::uint32_t> vectors_at(const Row& row, std::uint32_t offset) const;
  std::optional<LocalInterrupt> lvt_entry(std::uint32_t offset) const;

  void hold_back_if_disabled(Row& row) const {
    row.held_back =
        config_.quirks.has(Quirk::DisabledLapicAccepts) && !Svr::SoftwareEnable::is_set(row.svr);
  }

  // As a host sets them: lapic_restore.cpp.
  static void restore_vectors(VectorSet& set, std::array<SpanId, 256>& spans, unsigned index,
                              std::uint32_t word, Env& env);
  static void restore_tmr(Row& row, unsigned index, std::uint32_t word);

  // IA32_APIC_BASE, and registers as MSRs: lapic_msr.cpp.
  std::optional<std::uint64_t> read_x2apic(CpuId cpu, std::uint32_t offset, Env& env);
  MsrStatus write_x2apic(CpuId cpu, std::uint32_t offset, std::uint64_t value, Env& env);
  MsrStatus write_apic_base(CpuId cpu, std::uint64_t value, Env& env);
  void enter(CpuId cpu, LapicMode entered, Env& env);

  // What asks from within: lapic_local.cpp.
  std::uint32_t& lvt(CpuId cpu, LocalInterrupt which) {
    return locals_[cpu].lvt[static_cast<std::size_t>(which)];
  }
  void raise(CpuId cpu, LocalInterrupt which, TriggerMode trigger_mode, SpanId span, Env& env);
  void on_edge(CpuId cpu, LocalPin pin, SpanId span, Env& env);
  void wait_at_lint0(CpuId cpu, SpanId span, Env& env);
  bool level_lint0(CpuId cpu) const;
  bool active(CpuId cpu, LocalPin pin) const;
  void sample_lint0(CpuId cpu, Cause cause, Env& env);
  void end_lint0(CpuId cpu, Vector ended, Env& env);
  bool is_bootstrap(CpuId cpu) const { return config_.bootstrap == cpu; }
  void update_extint(CpuId cpu, Env& env);
  bool asks_extint(CpuId cpu, LocalPin pin) const;
  void reset_local(CpuId cpu, Env& env);
  void write_initial_count(CpuId cpu, std::uint32_t value, Env& env);
  void write_deadline(CpuId cpu, std::uint64_t value, Env& env);
  void await_timer(CpuId cpu, Env& env);
  void on_timer(CpuId cpu, Tag generation, Env& env);
  TimerMode timer_mode(CpuId cpu) const;
  void change_timer_mode(CpuId cpu, std::uint32_t before);
  std::uint32_t current_count(CpuId cpu, const Env& env) const;
  std::uint64_t deadline(CpuId cpu) const;

  Config config_;
  Indexed<CpuId, Row> rows_;
  Indexed<CpuId, Spans> spans_;
  Indexed<CpuId, Local> locals_;
  std::vector<Flight> flights_;
  std::vector<Range> with_id_;      // for each APIC id, the CPUs among which all that have it lie
  std::vector<std::uint32_t> map_;  // Quirk::DestinationMap: by id, the CPU that it names
  bool has_map_ = false;            // no two share an id
  std::size_t known_ = 0;           // so many of the LAPICs are in it, if they are enabled
};

}  // namespace irqfab::x86
