// The CPUs of a machine as the interrupt fabric sees them, a row each: take an interrupt when the
// controller's line and the CPU's state allow it, ask which (INTA), run its handler, write EOI.
//
// Models: the processor side of SDM vol. 3, 6.7.1 (an NMI comes at any instruction boundary and
// blocks further ones until the next IRET, whoever's it is; one more is latched), 6.8.1 (IF), 6.8.3
// (the shadow of MOV SS), 11.8.4 (acceptance), 11.8.5 (EOI), 10.1 and 11.4.7.3 (INIT,
// wait-for-SIPI), and of vol. 2 STI (its shadow) and HLT. Handlers begin with IF = 0; one that
// enables interrupts is preempted by what the controller offers, up to kMostInterruptFrames deep,
// and goes on afterwards with what was left of its step. INTA is a question whose answer the
// controller decides when it arrives, so a line that fell meanwhile gives the spurious vector,
// which is returned from without EOI. An EOI to a controller outside of the package is a posted
// write here; an OUT instruction would wait for it.
//
// Posted MSIs of a host: one vector may be that of notifications. Its handler looks into the CPU's
// posted-interrupt descriptor and calls the handlers of the vectors that it finds; see
// cpus_posted.cpp.
//
// Choices the manual leaves open: the shadow of STI does not hold back NMIs, and instructions take
// no time, so none comes into that of MOV SS; nothing holds back an SMI but waiting for a SIPI; an
// SMI wakes a halted CPU, which then halts again. Not modelled: SMM (an SMI is handled in no time),
// faults, and what software does apart from interrupts. Up to 65,536 CPUs.
//
// Virtual CPUs execute only while the controller keeps their Run line high, and begin outside. When
// it falls, the instruction under way ends as if at once: a step keeps what is left of it, and
// answers to what the CPU has asked are kept until it comes back. Their HLT leaves the guest and is
// told to the controller; whoever lets them in again has ended it.
//
// Where a span is: a fixed interrupt's rests in the controller, an NMI's here, and here that of a
// posted vector while its handler runs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/cpu/cpu_state.hpp"
#include "models/cpu/program.hpp"

namespace irqfab::cpu {

/// What a CPU does when nothing is left to do.
enum class Idle : std::uint8_t { Poll, Halt };

enum class Kind : std::uint8_t { Physical, Virtual };

/// What a HostCall asks of CPU `a`.
enum class Call : std::uint16_t {
  Stop,             // to leave for good
  Execute,          // to execute the Code `b`, once it is outside of handlers
  Accept,           // to make an INTA now, whatever IF says, and run no handler
  DisableForWhile,  // to work with interrupts disabled for Config::stretch, and again every
                    // Config::stretch_every until time `b`
};

/// How CPUs take device interrupts that were posted.
struct PostedVectors {
  Vector notification{};
  std::uint32_t looks = 3;  // at the PIR in one notification, with the last one after ON was
                            // cleared; at least 1
  // Of accesses to the CPU's descriptor:
  std::uint32_t pir = 0;       // a read takes what is set and answers how many vectors that is
  std::uint32_t control = 32;  // a read clears ON
};

class Cpus final {
 public:
  enum class Completions : std::uint8_t { Told, NotTold };
  /// Do handlers end with an EOI? Firmware tests may leave it to somebody else.
  enum class Eoi : std::uint8_t { Written, Left };
  struct Config {
    std::uint32_t cpus = 1;
    Completions completions = Completions::Told;  // does anybody wait for the ends of interrupts?
    Eoi eoi = Eoi::Written;
    std::uint32_t eoi_register = 0xB0;  // offset in the CPU's interrupt interface
    std::vector<std::vector<HandlerStep>> programs;
    /// What vector v of CPU c serves: sources[served[c * 256 + v].first ...]. Empty: every vector
    /// of every CPU runs program 0 with no device.
    using Served = cpu::Served;
    std::vector<Served> served;
    std::vector<ServedSource> sources;
    std::vector<EndOverBus> ends;  // of few vectors, on every CPU
    std::optional<PostedVectors> posted;
    Idle idle = Idle::Poll;
    CpuId bootstrap{0};  // the one that an INIT does not leave waiting for a SIPI
    Duration stretch = 0;
    Duration stretch_every = 0;
    Kind kind = Kind::Physical;
  };

  static constexpr PortId kController = port_of(0);
  static constexpr PortId kBus = port_of(1);
  static constexpr PortId kCompletions = port_of(2);
  static constexpr PortId kDescriptors = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"controller", EdgeKind::Cpu, Direction::Initiator, Order::Ordered, 1, 1},
      {"bus", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1},
      {"completions", EdgeKind::Fabric, Direction::Initiator, Order::Ordered, 0, 1},
      {"descriptors", EdgeKind::Cpu, Direction::Initiator, Order::Ordered, 0, 1},
  }};

  explicit Cpus(const Config& config);

  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// The CPU leaves for good (its thread stopped running the guest): it takes nothing any more.
  void stop(CpuId cpu);
  /// It comes back, and takes what is pending.
  void resume(CpuId cpu, Env& env);
  /// As firmware leaves it; before anything else happens.
  void set_interrupts(CpuId cpu, Interrupts interrupts);

  // State, for reports. `cpu` must exist.
  std::size_t size() const { return rows_.size(); }
  bool in_handler(CpuId cpu) const;
  /// Handlers under way, of which each but the last was interrupted by the next.
  std::uint32_t depth(CpuId cpu) const { return rows_[raw(cpu)].depth; }
  /// Is it a virtual CPU that the host keeps out of the guest?
  bool outside(CpuId cpu) const { return rows_[raw(cpu)].outside; }
  bool halted(CpuId cpu) const { return rows_[raw(cpu)].doing == CpuState::Doing::Halted; }
  bool waits_for_sipi(CpuId cpu) const {
    return rows_[raw(cpu)].doing == CpuState::Doing::WaitsForSipi;
  }
  Interrupts interrupts(CpuId cpu) const { return rows_[raw(cpu)].interrupts; }
  /// Has it executed all that Call::Execute gave it?
  bool executed_all(CpuId cpu) const { return rows_[raw(cpu)].code.empty(); }
  /// The vector that the last Call::Accept was answered, the spurious one too.
  std::optional<Vector> accepted(CpuId cpu) const { return rows_[raw(cpu)].accepted; }
  std::uint64_t handled(CpuId cpu) const { return rows_[raw(cpu)].handled; }
  /// Of NMIs and SMIs that are latched, and of NMIs and posted vectors that are being handled.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const Cpus& a, const Cpus& b) { return a.rows_ == b.rows_; }

 private:
  using Doing = CpuState::Doing;
  /// What the CPU would take at this boundary.
  enum class Arrival : std::uint8_t { None, Nmi, Interrupt };
  /// Can the CPU go on at once, or does it wait for a delay or an answer?
  enum class Progress : std::uint8_t { GoesOn, Waits };

  static constexpr std::uint32_t kCpuBits = 16;  // of a read's tag; the others tell reads apart
  static CpuId cpu_of(Tag read) { return CpuId{raw(read) & ((1u << kCpuBits) - 1)}; }
  static Tag read_tag(CpuId cpu, std::uint32_t generation) {
    return Tag{raw(cpu) | generation << kCpuBits};
  }
  bool exists(std::uint64_t cpu) const { return cpu < rows_.size(); }
  CpuState& row(CpuId cpu) { return rows_[raw(cpu)]; }

  // What arrives: cpus.cpp.
  void on_call(const HostCall& call, Env& env);
  void on_line(const CpuLineChange& change, Env& env);
  void on_nmi(const CpuLineChange& change, Env& env);
  void on_smi(const CpuLineChange& change, Env& env);
  void on_init(const CpuLineChange& change, Env& env);
  void on_sipi(const CpuLineChange& change, Env& env);
  void on_run(const CpuLineChange& change, Env& env);
  void on_answer(const IntaAnswer& answer, Env& env);
  void on_data(const BusData& data, Env& env);
  void on_elapsed(const Elapsed& elapsed, Env& env);
  void on_stretch(CpuId cpu, Env& env);

  // What it may take, and when.
  static Arrival takeable(const CpuState& cpu);
  void notice(CpuId cpu, SpanId span, Env& env);
  void interrupt_step(CpuId cpu, Env& env);
  void wake(CpuId cpu, SpanId span, Env& env);
  void ask(CpuId cpu, Env& env);
  void enter_nmi(CpuId cpu, Env& env);
  void enter(CpuId cpu, FrameKind kind, Vector vector, SpanId span, Env& env);
  static void note_preemption(CpuState& cpu, Env& env);

  // What it does meanwhile: cpus_programs.cpp.
  void go_on(CpuId cpu, Env& env);
  Progress go_on_handling(CpuId cpu, Env& env);
  Progress go_on_outside(CpuState& cpu, Shadow covered) const;
  static Progress halt(CpuState& cpu);
  void rest(CpuId cpu, Env& env);
  static void set_if(CpuState& cpu);
  Progress perform(CpuId cpu, const HandlerStep& step, Env& env);
  bool reach_source(StepKind kind, CpuId cpu, Env& env);
  void end_step(CpuId cpu, Env& env);
  void acknowledge(CpuId cpu, Env& env);
  void tell_end(CpuId cpu, Vector vector, Env& env);
  const EndOverBus* end_over_bus(Vector vector) const;
  static void write_all(const std::vector<EndWrite>& writes, Env& env);
  void leave(CpuId cpu, Env& env);

  // Posted vectors: cpus_posted.cpp.
  FrameKind kind_of(Vector vector) const;
  Progress go_on_demultiplexing(CpuId cpu, Env& env);
  Progress access_descriptor(CpuId cpu, std::uint32_t offset, Env& env);
  void on_descriptor(const BusData& data, Env& env);
  void on_posted_vector(const IntaAnswer& answer, Env& env);
  void call_posted(CpuId cpu, const IntaAnswer& answer, Env& env);

  Served served_by(CpuId cpu, Vector vector) const {
    const std::size_t at = std::size_t{raw(cpu)} * 256 + raw(vector);
    return at < config_.served.size() ? config_.served[at] : Served{};
  }
  const ServedSource* current_source(const Frame& frame) const {
    const bool any = frame.source < frame.served.count;
    return any ? &config_.sources[frame.served.first + frame.source] : nullptr;
  }
  void choose_program(Frame& frame) const {
    const ServedSource* source = current_source(frame);
    frame.program = source == nullptr ? 0 : source->program;
  }

  Config config_;
  std::vector<CpuState> rows_;
};

}  // namespace irqfab::cpu
