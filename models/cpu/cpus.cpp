#include "models/cpu/cpus.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace irqfab::cpu {
namespace {

Tag tag_of(CpuId cpu) { return Tag{raw(cpu)}; }
CpuId cpu_of(Tag tag) { return CpuId{raw(tag)}; }

}  // namespace

Cpus::Cpus(const Config& config) : config_(config), rows_(config.cpus) {
  if (config_.programs.empty()) config_.programs.push_back({});
}

LaneId Cpus::lane_of(PortId, const Message& message) const {
  if (const auto* m = std::get_if<CpuLineChange>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<IntaAnswer>(&message)) return LaneId{raw(m->cpu)};
  if (const auto* m = std::get_if<BusData>(&message)) return LaneId{raw(m->tag)};
  if (const auto* m = std::get_if<Elapsed>(&message)) return LaneId{raw(m->tag)};
  if (const auto* m = std::get_if<HostCall>(&message)) return LaneId(m->a);
  return LaneId{0};
}

void Cpus::receive(PortId, const Message& message, Env& env) {
  if (const auto* change = std::get_if<CpuLineChange>(&message)) {
    if (exists(raw(change->cpu))) return on_line(*change, env);
  } else if (const auto* answer = std::get_if<IntaAnswer>(&message)) {
    if (exists(raw(answer->cpu))) return on_answer(*answer, env);
  } else if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    if (exists(raw(elapsed->tag))) return end_step(cpu_of(elapsed->tag), env);
  } else if (const auto* data = std::get_if<BusData>(&message)) {
    if (exists(raw(data->tag))) return on_data(*data, env);
  } else if (const auto* call = std::get_if<HostCall>(&message)) {
    if (exists(call->a)) return on_stop(CpuId(call->a), env);
  } else {
    return;
  }
  env.guest_error(GuestFault::TableIndexOutOfRange);
}

/// The device has answered; the rest of the step is the CPU's own.
void Cpus::on_data(const BusData& data, Env& env) {
  const Row& row = rows_[raw(data.tag)];
  const HandlerStep& step = config_.programs[row.program][row.step];
  if (step.length > 0) return env.after(step.length, data.tag);
  end_step(cpu_of(data.tag), env);
}

void Cpus::on_stop(CpuId cpu, Env& env) {
  env.note(Event::VcpuStopped, kNoSpan, raw(cpu));
  stop(cpu);
}

void Cpus::stop(CpuId cpu) { rows_[raw(cpu)].stopping = true; }

void Cpus::held_spans(std::vector<SpanId>& out) const {
  for (const Row& row : rows_) {
    if (row.nmi != kNoSpan) out.push_back(row.nmi);
    if (row.handling_nmi) out.push_back(row.span);
  }
}

void Cpus::on_line(const CpuLineChange& change, Env& env) {
  Row& row = rows_[raw(change.cpu)];
  switch (change.line) {
    case CpuLine::Intr:
      row.intr = change.level == Level::High;
      return look(change.cpu, env);
    case CpuLine::Nmi:
      if (row.nmi != kNoSpan) return env.coalesce(change.span, row.nmi);
      row.nmi = change.span;
      return look(change.cpu, env);
    case CpuLine::Init:
    case CpuLine::Sipi:
    case CpuLine::Smi:
      // Taken at once, with nothing to acknowledge.
      if (change.span != kNoSpan) env.note(Event::Handled, change.span, 0);
  }
}

void Cpus::on_answer(const IntaAnswer& answer, Env& env) {
  Row& row = rows_[raw(answer.cpu)];
  row.state = State::Running;
  if (answer.spurious) return look(answer.cpu, env);
  begin(answer.cpu, answer.vector, answer.span, env);
}

void Cpus::ask(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  row.state = State::Asking;
  row.intr = false;
  env.send(kController, Inta{cpu});
}

void Cpus::begin_nmi(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  const SpanId span = std::exchange(row.nmi, kNoSpan);
  row.handling_nmi = true;
  begin(cpu, Vector{2}, span, env);
}

void Cpus::begin(CpuId cpu, Vector vector, SpanId span, Env& env) {
  Row& row = rows_[raw(cpu)];
  row.state = State::Handling;
  row.vector = vector;
  row.span = span;
  row.served = row.handling_nmi ? Config::Served{} : served_by(cpu, vector);
  row.source = 0;
  row.step = 0;
  choose_program(row);
  env.note(Event::HandlerEntered, span, raw(vector));
  proceed(cpu, env);
}

void Cpus::proceed(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  for (;;) {
    const std::vector<HandlerStep>& program = config_.programs[row.program];
    for (; row.step < program.size(); ++row.step) {
      const HandlerStep& step = program[row.step];
      if (step.kind != StepKind::Busy && reach_source(step.kind, cpu, env)) return;
      if (step.length > 0) return env.after(step.length, tag_of(cpu));
    }
    row.step = 0;
    if (++row.source >= row.served.count) break;
    choose_program(row);
  }
  finish(cpu, env);
}

/// True if the CPU waits for an answer.
bool Cpus::reach_source(StepKind kind, CpuId cpu, Env& env) {
  const Row& row = rows_[raw(cpu)];
  const ServedSource* source = current_source(row);
  if (source == nullptr) return false;
  if (kind == StepKind::ReadDevice) {
    if (source->device_register == 0) return false;
    env.send(kBus, BusRead{source->device_register, tag_of(cpu), row.span, {}, 4});
    return true;
  }
  if (source->vector_control == 0) return false;
  const std::uint64_t mask = kind == StepKind::MaskSource ? 1 : 0;
  env.send(kBus, BusWrite{source->vector_control, mask, kNoSpan, {}, 4});
  return false;
}

void Cpus::end_step(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  env.note(Event::HandlerStep, row.span, row.step);
  ++row.step;
  proceed(cpu, env);
}

void Cpus::finish(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  row.state = State::Running;
  ++row.handled;
  const SpanId span = row.span;
  if (row.handling_nmi) {
    row.handling_nmi = false;  // IRET; an NMI has no EOI
    env.note(Event::Handled, span, raw(row.vector));
  } else {
    env.note(Event::EoiWritten, span, raw(row.vector));
    env.send(kController, RegisterWrite{cpu, config_.eoi_register, 0});
  }
  if (config_.completions == Completions::Told) {
    env.send(kCompletions, HostCall{0, TaskId{0}, raw(span), 0});
  }
  look(cpu, env);
}

bool Cpus::Row::operator==(const Row& other) const {
  const auto all = [](const Row& r) {
    return std::tie(r.state, r.intr, r.handling_nmi, r.vector, r.span, r.nmi, r.served.first,
                    r.served.count, r.source, r.program, r.step, r.handled, r.stopping);
  };
  return all(*this) == all(other);
}

}  // namespace irqfab::cpu
