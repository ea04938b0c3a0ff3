#include "models/cpu/cpus.hpp"

#include <algorithm>
#include <utility>

namespace irqfab::cpu {
namespace {

// Delays of a CPU. Tags from kFirstGeneration on are those of steps.
constexpr Tag kLook{0};
constexpr Tag kStretch{1};
constexpr std::uint32_t kFirstGeneration = 2;

/// Its interrupt is no controller's any more, and has not ended.
bool rests_here(const Frame& frame) {
  const bool taken = frame.kind == FrameKind::Nmi || frame.kind == FrameKind::Posted;
  return taken && frame.span != kNoSpan;
}

}  // namespace

Cpus::Cpus(const Config& config) : config_(config), rows_(config.cpus) {
  if (config_.programs.empty()) config_.programs.push_back({});
  for (CpuState& cpu : rows_) {
    cpu.generation = kFirstGeneration;
    if (config_.kind == Kind::Virtual) {
      cpu.outside = true;
    } else if (config_.idle == Idle::Halt) {
      cpu.doing = Doing::Halted;
    }
  }
}

LaneId Cpus::lane_of(PortId, const Message& message) const {
  if (const auto* m = std::get_if<CpuLineChange>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<IntaAnswer>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<BusData>(&message)) {
    return LaneId{raw(cpu_of(m->tag))};
  }
  if (const auto* m = std::get_if<Elapsed>(&message)) return LaneId{m->lane};
  if (const auto* m = std::get_if<HostCall>(&message)) return LaneId(m->a);
  return LaneId{0};
}

void Cpus::receive(PortId port, const Message& message, Env& env) {
  if (const auto* change = std::get_if<CpuLineChange>(&message)) {
    if (exists(raw(change->cpu))) return on_line(*change, env);
  } else if (const auto* answer = std::get_if<IntaAnswer>(&message)) {
    const bool posted = port == kDescriptors;
    if (exists(raw(answer->cpu))) {
      return posted ? on_posted_vector(*answer, env) : on_answer(*answer, env);
    }
  } else if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    if (exists(elapsed->lane)) return on_elapsed(*elapsed, env);
  } else if (const auto* data = std::get_if<BusData>(&message)) {
    const bool posted = port == kDescriptors;
    if (exists(raw(cpu_of(data->tag)))) {
      return posted ? on_descriptor(*data, env) : on_data(*data, env);
    }
  } else if (const auto* call = std::get_if<HostCall>(&message)) {
    if (exists(call->a)) return on_call(*call, env);
  } else {
    return;
  }
  env.guest_error(GuestFault::TableIndexOutOfRange);
}

void Cpus::on_call(const HostCall& call, Env& env) {
  const auto id = CpuId(call.a);
  switch (static_cast<Call>(call.call)) {
    case Call::Stop:
      env.note(Event::VcpuStopped, kNoSpan, raw(id));
      return stop(id);
    case Call::Execute:
      row(id).code = Code(call.b);
      if (row(id).doing == Doing::Runs && row(id).depth == 0) go_on(id, env);
      return;
    case Call::Accept:
      row(id).accepted.reset();
      if (row(id).doing != Doing::Runs) return;
      if (row(id).depth > 0) interrupt_step(id, env);
      row(id).accepting = true;
      return ask(id, env);
    case Call::DisableForWhile:
      row(id).stretches_end = call.b;
      return on_stretch(id, env);
  }
}

void Cpus::stop(CpuId cpu) { row(cpu).stopping = true; }

void Cpus::resume(CpuId cpu, Env& env) {
  row(cpu).stopping = false;
  notice(cpu, kNoSpan, env);
}

void Cpus::set_interrupts(CpuId cpu, Interrupts interrupts) {
  row(cpu).interrupts = interrupts;
  if (interrupts == Interrupts::Disabled) row(cpu).doing = Doing::Runs;  // nobody halts like this
}

bool Cpus::in_handler(CpuId cpu) const {
  const CpuState& state = rows_[raw(cpu)];
  return state.depth > 0 && state.top().kind != FrameKind::Stretch;
}

void Cpus::held_spans(std::vector<SpanId>& out) const {
  for (const CpuState& cpu : rows_) {
    if (cpu.nmi != kNoSpan) out.push_back(cpu.nmi);
    if (cpu.smi != kNoSpan) out.push_back(cpu.smi);
    for (std::uint32_t i = 0; i < cpu.depth; ++i) {
      if (rests_here(cpu.frames[i])) out.push_back(cpu.frames[i].span);
    }
  }
}

// ---- what arrives -----------------------------------------------------------------------------

void Cpus::on_line(const CpuLineChange& change, Env& env) {
  switch (change.line) {
    case CpuLine::Intr:
      row(change.cpu).intr = change.level == Level::High;
      return notice(change.cpu, change.raised_by, env);
    case CpuLine::Nmi:
      return on_nmi(change, env);
    case CpuLine::Init:
      return on_init(change, env);
    case CpuLine::Sipi:
      return on_sipi(change, env);
    case CpuLine::Smi:
      return on_smi(change, env);
    case CpuLine::Run:
      return on_run(change, env);
  }
}

void Cpus::on_nmi(const CpuLineChange& change, Env& env) {
  SpanId& latch = row(change.cpu).nmi;
  if (latch != kNoSpan) return env.coalesce(change.span, latch);
  latch = change.span;
  notice(change.cpu, change.span, env);
}

void Cpus::on_smi(const CpuLineChange& change, Env& env) {
  CpuState& cpu = row(change.cpu);
  if (cpu.doing == Doing::WaitsForSipi) {
    if (cpu.smi != kNoSpan) return env.coalesce(change.span, cpu.smi);
    cpu.smi = change.span;
    return;
  }
  if (cpu.doing == Doing::Halted) env.note(Event::CpuWoken, change.span, raw(change.cpu));
  if (change.span != kNoSpan) env.note(Event::Handled, change.span, 0);
}

/// What was under way is abandoned (SDM vol. 3, 10.1.1): the controller's reset ends the spans of
/// its interrupts, those of NMIs and of posted vectors end here. IF is 0 afterwards.
void Cpus::on_init(const CpuLineChange& change, Env& env) {
  CpuState& cpu = row(change.cpu);
  for (std::uint32_t i = 0; i < cpu.depth; ++i) {
    const Frame& frame = cpu.frames[i];
    if (rests_here(frame)) env.cancel(frame.span, CancelOp::Reset);
    if (frame.kind == FrameKind::Notification) env.send(kDescriptors, change);
  }
  if (cpu.nmi != kNoSpan) env.cancel(cpu.nmi, CancelOp::Reset);
  CpuState fresh;
  fresh.interrupts = Interrupts::Disabled;
  if (change.cpu != config_.bootstrap) fresh.doing = Doing::WaitsForSipi;
  fresh.intr = cpu.intr;
  fresh.smi = cpu.smi;
  fresh.stopping = cpu.stopping;
  fresh.outside = cpu.outside;
  fresh.will_look = cpu.will_look;
  fresh.stretches_end = cpu.stretches_end;
  fresh.generation = cpu.generation + 1;
  fresh.handled = cpu.handled;
  cpu = fresh;
  if (change.span != kNoSpan) env.note(Event::Handled, change.span, 0);
}

void Cpus::on_sipi(const CpuLineChange& change, Env& env) {
  CpuState& cpu = row(change.cpu);
  if (change.span != kNoSpan) env.note(Event::Handled, change.span, 0);
  if (cpu.doing != Doing::WaitsForSipi) return;
  cpu.doing = Doing::Runs;
  const SpanId smi = std::exchange(cpu.smi, kNoSpan);
  if (smi != kNoSpan) env.note(Event::Handled, smi, 0);
  go_on(change.cpu, env);
}

void Cpus::on_run(const CpuLineChange& change, Env& env) {
  CpuState& cpu = row(change.cpu);
  const bool outside = change.level == Level::Low;
  if (config_.kind == Kind::Physical || cpu.outside == outside) return;
  cpu.outside = outside;
  if (outside) {
    const bool in_step = cpu.doing == Doing::Runs && cpu.depth > 0 && cpu.top().in_step;
    if (in_step) interrupt_step(change.cpu, env);
    if (in_step) note_preemption(cpu, env);
    return;
  }
  if (cpu.doing == Doing::Answered) {
    cpu.doing = Doing::Asks;
    return on_answer(cpu.answer, env);
  }
  if (cpu.doing == Doing::Halted) cpu.doing = Doing::Runs;
  if (cpu.doing == Doing::Runs) go_on(change.cpu, env);
}

void Cpus::on_answer(const IntaAnswer& answer, Env& env) {
  CpuState& cpu = row(answer.cpu);
  if (cpu.doing != Doing::Asks) return;  // an INIT came between question and answer
  if (cpu.outside) {
    cpu.doing = Doing::Answered;
    cpu.answer = answer;
    return;
  }
  cpu.doing = Doing::Runs;
  if (cpu.accepting) {
    cpu.accepting = false;
    cpu.accepted = answer.vector;
    if (!answer.spurious) env.note(Event::HandlerEntered, answer.span, raw(answer.vector));
  } else if (!answer.spurious) {
    enter(answer.cpu, kind_of(answer.vector), answer.vector, answer.span, env);
  } else if (const EndOverBus* end = end_over_bus(answer.vector)) {
    write_all(end->writes_if_spurious, env);
  }
  go_on(answer.cpu, env);
}

/// The device has answered; the rest of the step is the CPU's own.
void Cpus::on_data(const BusData& data, Env& env) {
  const CpuId id = cpu_of(data.tag);
  CpuState& cpu = row(id);
  const bool awaited = cpu.doing == Doing::AwaitsData && data.tag == read_tag(id, cpu.generation);
  if (!awaited) return;
  cpu.doing = Doing::Runs;
  Frame& frame = cpu.top();
  frame.left = config_.programs[frame.program][frame.step].length;
  frame.in_step = frame.left > 0;
  if (!frame.in_step) end_step(id, env);
  go_on(id, env);
}

void Cpus::on_elapsed(const Elapsed& elapsed, Env& env) {
  const CpuId id{elapsed.lane};
  CpuState& cpu = row(id);
  if (elapsed.tag == kLook) {
    cpu.will_look = false;
    if (cpu.doing != Doing::Wakes) return notice(id, kNoSpan, env);
    cpu.doing = Doing::Runs;
  } else if (elapsed.tag == kStretch) {
    return on_stretch(id, env);
  } else {
    if (raw(elapsed.tag) != cpu.generation) return;  // of a step that was interrupted
    end_step(id, env);
  }
  go_on(id, env);
}

void Cpus::on_stretch(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  cpu.stretch_due = true;
  if (env.now() + config_.stretch_every < cpu.stretches_end) {
    env.after(config_.stretch_every, kStretch);
  }
  if (cpu.doing == Doing::Runs && cpu.depth == 0) go_on(id, env);
}

// ---- what it takes ----------------------------------------------------------------------------

/// Something arrived that the CPU did not ask for, `span` if it is known.
void Cpus::notice(CpuId id, SpanId span, Env& env) {
  CpuState& cpu = row(id);
  if (cpu.doing != Doing::Runs && cpu.doing != Doing::Halted) return;  // it looks afterwards
  const Arrival arrival = takeable(cpu);
  if (arrival == Arrival::None) return;
  if (cpu.doing == Doing::Halted) {
    if (env.now() >= cpu.boundary) return wake(id, span, env);
    cpu.doing = Doing::Runs;  // it has not come to its HLT yet
  }
  // What an idle CPU asks its controller cannot overtake its EOI.
  const bool at_once = cpu.depth == 0 && arrival == Arrival::Interrupt;
  if (!at_once && env.now() < cpu.boundary) {
    if (!std::exchange(cpu.will_look, true)) env.after(cpu.boundary - env.now(), kLook);
    return;
  }
  if (cpu.depth > 0) interrupt_step(id, env);
  go_on(id, env);
}

/// The delay that is under way becomes stale. The step may be ahead of time: it begins at the
/// boundary.
void Cpus::interrupt_step(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  cpu.top().left = cpu.due - std::max(env.now(), cpu.boundary);
  ++cpu.generation;
}

void Cpus::wake(CpuId id, SpanId span, Env& env) {
  CpuState& cpu = row(id);
  cpu.doing = Doing::Wakes;
  env.note(Event::CpuWoken, span, raw(id));
  env.after(0, kLook);
}

void Cpus::ask(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  note_preemption(cpu, env);
  cpu.doing = Doing::Asks;
  cpu.intr = false;
  env.send(kController, Inta{id});
}

void Cpus::enter_nmi(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  note_preemption(cpu, env);
  cpu.nmi_blocked = true;
  enter(id, FrameKind::Nmi, Vector{2}, std::exchange(cpu.nmi, kNoSpan), env);
}

void Cpus::enter(CpuId id, FrameKind kind, Vector vector, SpanId span, Env& env) {
  CpuState& cpu = row(id);
  Frame& frame = cpu.frames[cpu.depth++];
  frame = Frame{};
  frame.kind = kind;
  frame.vector = vector;
  frame.span = span;
  frame.outer = std::exchange(cpu.interrupts, Interrupts::Disabled);
  if (kind == FrameKind::Interrupt) frame.served = served_by(id, vector);
  choose_program(frame);
  env.note(Event::HandlerEntered, span, raw(vector));
  cpu.boundary = env.now();
}

/// What a handler that is left for another has done so far is a hop of its own, and what it waits
/// then is another.
void Cpus::note_preemption(CpuState& cpu, Env& env) {
  if (cpu.depth == 0) return;
  Frame& frame = cpu.top();
  frame.preempted = true;
  if (frame.span != kNoSpan) {
    env.note(Event::HandlerPreempted, frame.span, raw(frame.vector));
  }
}

}  // namespace irqfab::cpu
