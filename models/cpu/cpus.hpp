// The CPUs of a machine as the interrupt fabric sees them, a row each: take an interrupt when the
// controller's line and the CPU's state allow it, ask which (INTA), run its handler, write EOI.
//
// Models: the processor side of SDM vol. 3, 6.8.1 (IF), 11.8.4 (acceptance) and 11.8.5 (EOI):
// handlers run with IF = 0 and end with EOI then IRET; NMI is taken between handlers. INTA is a
// question whose answer the controller decides when it arrives, so a line that fell meanwhile gives
// the spurious vector, which is returned from without EOI.
//
// Not modelled yet: nested handlers (IF = 1 inside one), HLT and its wake-up time, the shadow of
// STI and MOV SS, SMM.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"

namespace irqfab::cpu {

enum class StepKind : std::uint8_t {
  Busy,        // the handler computes for `length`
  ReadDevice,  // it reads the device's register and waits for the answer, then computes for
               // `length`
  MaskSource,  // it sets the source's mask bit in the MSI-X table (posted)
  UnmaskSource,
};

struct HandlerStep {
  StepKind kind = StepKind::Busy;
  Duration length = 0;
};

/// A device that a vector serves. A shared vector's handler visits each.
struct ServedSource {
  std::uint64_t device_register = 0;  // address that acknowledges the device; 0: none
  std::uint64_t vector_control = 0;   // address of its MSI-X Vector Control; 0: none
  std::uint32_t program = 0;          // index into Config::programs
};

class Cpus final {
 public:
  enum class Completions : std::uint8_t { Told, NotTold };
  struct Config {
    std::uint32_t cpus = 1;
    Completions completions = Completions::Told;  // does anybody wait for the ends of interrupts?
    std::uint32_t eoi_register = 0xB0;            // offset in the CPU's interrupt interface
    std::vector<std::vector<HandlerStep>> programs;
    /// What vector v of CPU c serves: sources[served[c * 256 + v].first ...]. Empty: every vector
    /// of every CPU runs program 0 with no device.
    struct Served {
      std::uint32_t first = 0;
      std::uint32_t count = 0;
    };
    std::vector<Served> served;
    std::vector<ServedSource> sources;
  };

  static constexpr PortId kController = port_of(0);
  static constexpr PortId kBus = port_of(1);
  static constexpr PortId kCompletions = port_of(2);
  static constexpr std::array<PortSpec, 3> kPorts = {{
      {"controller", EdgeKind::Cpu, Direction::Initiator, Order::Ordered, 1, 1},
      {"bus", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1},
      {"completions", EdgeKind::Fabric, Direction::Initiator, Order::Ordered, 0, 1},
  }};

  explicit Cpus(const Config& config);

  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  /// The CPU leaves for good (its thread stopped running the guest): it takes nothing any more.
  void stop(CpuId cpu);

  std::size_t size() const { return rows_.size(); }
  bool in_handler(CpuId cpu) const { return rows_[raw(cpu)].state == State::Handling; }
  std::uint64_t handled(CpuId cpu) const { return rows_[raw(cpu)].handled; }
  /// NMIs and other messages that are latched but not taken. Fixed interrupts rest in the
  /// controller.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const Cpus& a, const Cpus& b) { return a.rows_ == b.rows_; }

 private:
  enum class State : std::uint8_t { Running, Asking, Handling };
  struct Row {
    State state = State::Running;
    bool intr = false;
    bool handling_nmi = false;
    Vector vector{};
    SpanId span = kNoSpan;
    SpanId nmi = kNoSpan;       // latched, one deep (SDM vol. 3, 6.7.1)
    Config::Served served;      // what the vector serves
    std::uint32_t source = 0;   // which of that is being served
    std::uint32_t program = 0;  // by which program
    std::uint32_t step = 0;     // and at which of its steps
    std::uint64_t handled = 0;
    bool stopping = false;  // it takes nothing more; a handler under way ends first
    bool operator==(const Row& other) const;
  };

  bool exists(std::uint64_t cpu) const { return cpu < rows_.size(); }
  void on_line(const CpuLineChange& change, Env& env);
  void on_answer(const IntaAnswer& answer, Env& env);
  void on_data(const BusData& data, Env& env);
  void on_stop(CpuId cpu, Env& env);
  /// At an instruction boundary with interrupts enabled: NMI first, then the controller's line.
  void look(CpuId cpu, Env& env) {
    const Row& row = rows_[raw(cpu)];
    if (row.state != State::Running || row.stopping) return;
    if (row.nmi != kNoSpan) return begin_nmi(cpu, env);
    if (row.intr) ask(cpu, env);
  }
  void ask(CpuId cpu, Env& env);
  void begin_nmi(CpuId cpu, Env& env);
  void begin(CpuId cpu, Vector vector, SpanId span, Env& env);
  /// Runs steps from the current one until one takes time; writes EOI after the last.
  void proceed(CpuId cpu, Env& env);
  void end_step(CpuId cpu, Env& env);
  void finish(CpuId cpu, Env& env);
  Config::Served served_by(CpuId cpu, Vector vector) const {
    const std::size_t at = std::size_t{raw(cpu)} * 256 + raw(vector);
    return at < config_.served.size() ? config_.served[at] : Config::Served{};
  }
  const ServedSource* current_source(const Row& row) const {
    const bool any = row.source < row.served.count;
    return any ? &config_.sources[row.served.first + row.source] : nullptr;
  }
  void choose_program(Row& row) const {
    const ServedSource* source = current_source(row);
    row.program = source == nullptr ? 0 : source->program;
  }
  bool reach_source(StepKind kind, CpuId cpu, Env& env);

  Config config_;
  std::vector<Row> rows_;
};

}  // namespace irqfab::cpu
