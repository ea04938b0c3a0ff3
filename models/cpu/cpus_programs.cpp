// What a CPU does, instruction boundary by instruction boundary: what it may take there, else the
// handlers on its stack, the topmost first, and what it executes outside of them.

#include <utility>

#include "models/cpu/cpus.hpp"

namespace irqfab::cpu {
namespace {

/// A CPU's accesses name it: whoever runs it as a virtual one has to know.
Requester requester_of(CpuId id) { return {HostBridgeId{}, RequesterId(raw(id))}; }

/// The step on top, or what is left of it, passes.
void let_pass(CpuState& cpu, Env& env) {
  const Duration left = cpu.top().left;
  cpu.due = env.now() + left;
  env.after(left, Tag{cpu.generation});
}

}  // namespace

/// At an instruction boundary: an NMI first, then the controller's line (SDM vol. 3, table
/// "Priority Among Simultaneous Exceptions and Interrupts").
Cpus::Arrival Cpus::takeable(const CpuState& cpu) {
  if (cpu.stopping || cpu.outside) return Arrival::None;
  const bool nmi = cpu.nmi != kNoSpan && !cpu.nmi_blocked && cpu.depth < kMostFrames;
  if (nmi) return Arrival::Nmi;
  const bool interrupt = cpu.intr && cpu.interrupts == Interrupts::Enabled &&
                         cpu.shadow == Shadow::None && cpu.depth < kMostInterruptFrames;
  return interrupt ? Arrival::Interrupt : Arrival::None;
}

/// From an instruction boundary on, until it has to wait.
void Cpus::go_on(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  if (cpu.outside) return;
  for (;;) {
    const bool quiet = !cpu.intr && cpu.nmi == kNoSpan;  // as it mostly is
    const Arrival arrival = quiet ? Arrival::None : takeable(cpu);
    if (arrival == Arrival::Interrupt) return ask(id, env);
    if (arrival == Arrival::Nmi) {
      enter_nmi(id, env);
      continue;
    }
    const Progress progress = cpu.depth > 0
                                  ? go_on_handling(id, env)
                                  : go_on_outside(cpu, std::exchange(cpu.shadow, Shadow::None));
    if (progress == Progress::Waits) return rest(id, env);
  }
}

/// Nothing goes on by itself. A virtual CPU that has halted has left the guest.
void Cpus::rest(CpuId id, Env& env) {
  if (config_.kind == Kind::Physical || row(id).doing != Doing::Halted) return;
  row(id).outside = true;
  env.send(kController, CpuHalted{id});
}

Cpus::Progress Cpus::go_on_handling(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  Frame& frame = cpu.top();
  if (std::exchange(frame.preempted, false) && frame.span != kNoSpan) {
    env.note(Event::HandlerResumed, frame.span, raw(frame.vector));
  }
  const Shadow covered = std::exchange(cpu.shadow, Shadow::None);
  if (frame.in_step) {
    let_pass(cpu, env);
    return Progress::Waits;
  }
  if (frame.kind == FrameKind::Stretch) {
    leave(id, env);
    return Progress::GoesOn;
  }
  if (frame.kind == FrameKind::Notification) return go_on_demultiplexing(id, env);
  const std::vector<HandlerStep>& program = config_.programs[frame.program];
  if (frame.step < program.size()) {
    const HandlerStep& step = program[frame.step];
    const bool at_once = step.kind == StepKind::Busy && step.length > 0 && covered == Shadow::None;
    if (!at_once) return perform(id, step, env);
    frame.left = step.length;
    frame.in_step = true;
    let_pass(cpu, env);  // its first instruction ends no shadow, so this is the same boundary
    return Progress::Waits;
  }
  frame.step = 0;
  if (++frame.source < frame.served.count) {
    choose_program(frame);
  } else {
    leave(id, env);
  }
  return Progress::GoesOn;
}

Cpus::Progress Cpus::perform(CpuId id, const HandlerStep& step, Env& env) {
  CpuState& cpu = row(id);
  Frame& frame = cpu.top();
  switch (step.kind) {
    case StepKind::Busy:
      break;
    case StepKind::EnableInterrupts:
      set_if(cpu);
      break;
    case StepKind::DisableInterrupts:
      cpu.interrupts = Interrupts::Disabled;
      break;
    case StepKind::Acknowledge:
      if (frame.kind == FrameKind::Interrupt && !frame.acknowledged) acknowledge(id, env);
      break;
    case StepKind::ReadDevice:
    case StepKind::MaskSource:
    case StepKind::UnmaskSource:
      if (!reach_source(step.kind, id, env)) break;
      cpu.doing = Doing::AwaitsData;
      return Progress::Waits;
  }
  frame.left = step.length;
  frame.in_step = step.length > 0;
  if (!frame.in_step) ++frame.step;
  return Progress::GoesOn;
}

/// True if the CPU waits for an answer.
bool Cpus::reach_source(StepKind kind, CpuId id, Env& env) {
  const Frame& frame = row(id).top();
  const ServedSource* source = current_source(frame);
  if (source == nullptr) return false;
  if (kind == StepKind::ReadDevice) {
    if (source->device_register == 0) return false;
    const Tag tag = read_tag(id, row(id).generation);
    env.send(kBus, BusRead{source->device_register, tag, frame.span, requester_of(id), 4});
    return true;
  }
  if (source->vector_control == 0) return false;
  const std::uint64_t mask = kind == StepKind::MaskSource ? 1 : 0;
  env.send(kBus, BusWrite{source->vector_control, mask, kNoSpan, requester_of(id), 4});
  return false;
}

void Cpus::end_step(CpuId id, Env& env) {
  Frame& frame = row(id).top();
  frame.in_step = false;
  if (frame.span != kNoSpan) env.note(Event::HandlerStep, frame.span, frame.step);
  ++frame.step;
}

/// After its acknowledge an interrupt has ended, whatever its handler still does.
void Cpus::acknowledge(CpuId id, Env& env) {
  Frame& frame = row(id).top();
  frame.acknowledged = true;
  const SpanId span = std::exchange(frame.span, kNoSpan);
  if (frame.kind == FrameKind::Nmi || frame.kind == FrameKind::Posted) {
    if (span != kNoSpan) env.note(Event::Handled, span, raw(frame.vector));
  } else if (config_.eoi == Eoi::Written) {
    env.note(Event::EoiWritten, span, raw(frame.vector));
    tell_end(id, frame.vector, env);
  }
  if (config_.completions == Completions::Told && span != kNoSpan) {
    env.send(kCompletions, HostCall{0, TaskId{0}, raw(span), 0});
  }
}

void Cpus::tell_end(CpuId id, Vector vector, Env& env) {
  const EndOverBus* end = end_over_bus(vector);
  if (end != nullptr) return write_all(end->writes, env);
  env.send(kController, RegisterWrite{id, config_.eoi_register, 0});
}

const EndOverBus* Cpus::end_over_bus(Vector vector) const {
  for (const EndOverBus& end : config_.ends) {
    if (end.vector == vector) return &end;
  }
  return nullptr;
}

void Cpus::write_all(const std::vector<EndWrite>& writes, Env& env) {
  for (const EndWrite& write : writes) {
    env.send(kBus, BusWrite{write.address, write.data, kNoSpan, {}, 1});
  }
}

/// IRET, which ends the blocking of NMIs even if it is not the NMI handler's; the return of a
/// posted vector's handler; or the end of a stretch.
void Cpus::leave(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  Frame& frame = cpu.top();
  if (frame.kind != FrameKind::Stretch) {
    if (!frame.acknowledged) acknowledge(id, env);
    ++cpu.handled;
    if (frame.kind != FrameKind::Posted) cpu.nmi_blocked = false;
  }
  cpu.interrupts = frame.outer;
  --cpu.depth;
  cpu.boundary = env.now();
}

/// One instruction, `covered` by the shadow of the one before it.
Cpus::Progress Cpus::go_on_outside(CpuState& cpu, Shadow covered) const {
  if (cpu.code.empty()) {
    if (cpu.stretch_due && cpu.interrupts == Interrupts::Enabled) {
      cpu.stretch_due = false;
      Frame& frame = cpu.frames[cpu.depth++];
      frame = Frame{};
      frame.kind = FrameKind::Stretch;
      frame.outer = std::exchange(cpu.interrupts, Interrupts::Disabled);
      frame.left = config_.stretch;
      frame.in_step = true;
      return Progress::GoesOn;
    }
    if (config_.idle == Idle::Halt && cpu.interrupts == Interrupts::Enabled) return halt(cpu);
    return covered == Shadow::None ? Progress::Waits : Progress::GoesOn;
  }
  switch (cpu.code.take()) {
    case Instruction::None:
    case Instruction::Nop:
      break;
    case Instruction::Sti:
      set_if(cpu);
      break;
    case Instruction::Cli:
      cpu.interrupts = Interrupts::Disabled;
      break;
    case Instruction::Hlt:
      return halt(cpu);
    case Instruction::MovSs:
      // Of several in a row only the first is sure to (SDM vol. 2, MOV).
      if (covered != Shadow::MovSs) cpu.shadow = Shadow::MovSs;
      break;
  }
  return Progress::GoesOn;
}

/// What the shadow of the instruction before held back is taken here: nothing wakes a CPU for it
/// later.
Cpus::Progress Cpus::halt(CpuState& cpu) {
  if (takeable(cpu) != Arrival::None) return Progress::GoesOn;
  cpu.doing = Doing::Halted;
  return Progress::Waits;
}

/// STI; a shadow only where IF was 0 (SDM vol. 2, STI).
void Cpus::set_if(CpuState& cpu) {
  if (cpu.interrupts == Interrupts::Disabled) cpu.shadow = Shadow::Sti;
  cpu.interrupts = Interrupts::Enabled;
}

}  // namespace irqfab::cpu
