#include "models/cpu/cpus.hpp"

#include <algorithm>
#include <tuple>

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
  if (raw(lane_of(kController, message)) >= rows_.size()) {
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  if (const auto* change = std::get_if<CpuLineChange>(&message)) return on_line(*change, env);
  if (const auto* answer = std::get_if<IntaAnswer>(&message)) return on_answer(*answer, env);
  if (const auto* data = std::get_if<BusData>(&message)) {
    // The device has answered; the rest of the step is the CPU's own.
    const CpuId cpu = cpu_of(data->tag);
    const HandlerStep& step = program_of(rows_[raw(cpu)], cpu)[rows_[raw(cpu)].step];
    if (step.length > 0) return env.after(step.length, data->tag);
    return end_step(cpu, env);
  }
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    return end_step(cpu_of(elapsed->tag), env);
  }
  if (const auto* call = std::get_if<HostCall>(&message)) {
    env.note(Event::VcpuStopped, kNoSpan, call->a);
    stop(CpuId(call->a));
  }
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
      break;
    case CpuLine::Nmi:
      if (row.nmi != kNoSpan) return env.coalesce(change.span, row.nmi);
      row.nmi = change.span;
      break;
    case CpuLine::Init:
    case CpuLine::Sipi:
    case CpuLine::Smi:
      // Taken at once, with nothing to acknowledge.
      if (change.span != kNoSpan) env.note(Event::Handled, change.span, 0);
      return;
  }
  look(change.cpu, env);
}

void Cpus::on_answer(const IntaAnswer& answer, Env& env) {
  Row& row = rows_[raw(answer.cpu)];
  row.state = State::Running;
  if (answer.spurious) return look(answer.cpu, env);
  begin(answer.cpu, answer.vector, answer.span, env);
}

/// At an instruction boundary with interrupts enabled: NMI first, then the controller's line.
void Cpus::look(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  if (row.state != State::Running || row.stopping) return;
  if (row.nmi != kNoSpan) {
    const SpanId span = row.nmi;
    row.nmi = kNoSpan;
    row.handling_nmi = true;
    return begin(cpu, Vector{2}, span, env);
  }
  if (!row.intr) return;
  row.state = State::Asking;
  env.send(kController, Inta{cpu});
}

void Cpus::begin(CpuId cpu, Vector vector, SpanId span, Env& env) {
  Row& row = rows_[raw(cpu)];
  row.state = State::Handling;
  row.vector = vector;
  row.span = span;
  row.source = 0;
  row.step = 0;
  env.note(Event::HandlerEntered, span, raw(vector));
  proceed(cpu, env);
}

void Cpus::proceed(CpuId cpu, Env& env) {
  Row& row = rows_[raw(cpu)];
  for (;;) {
    const std::vector<HandlerStep>& program = program_of(row, cpu);
    while (row.step < program.size()) {
      if (start_step(program[row.step], source_at(row, cpu), cpu, env)) return;
      ++row.step;
    }
    row.step = 0;
    if (row.handling_nmi || ++row.source >= served_by(cpu, row.vector).count) break;
  }
  finish(cpu, env);
}

/// True if the step takes time: the CPU goes on when Elapsed or BusData comes back.
bool Cpus::start_step(const HandlerStep& step, const ServedSource* source, CpuId cpu, Env& env) {
  const Row& row = rows_[raw(cpu)];
  switch (step.kind) {
    case StepKind::ReadDevice:
      if (source != nullptr && source->device_register != 0) {
        env.send(kBus, BusRead{source->device_register, tag_of(cpu), row.span, {}, 4});
        return true;
      }
      break;
    case StepKind::MaskSource:
    case StepKind::UnmaskSource:
      if (source != nullptr && source->vector_control != 0) {
        const std::uint64_t mask = step.kind == StepKind::MaskSource ? 1 : 0;
        env.send(kBus, BusWrite{source->vector_control, mask, kNoSpan, {}, 4});
      }
      break;
    case StepKind::Busy:
      break;
  }
  if (step.length == 0) return false;
  env.after(step.length, tag_of(cpu));
  return true;
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
  env.send(kCompletions, HostCall{0, TaskId{0}, raw(span), 0});
  look(cpu, env);
}

Cpus::Config::Served Cpus::served_by(CpuId cpu, Vector vector) const {
  const std::size_t at = std::size_t{raw(cpu)} * 256 + raw(vector);
  return at < config_.served.size() ? config_.served[at] : Config::Served{};
}

const ServedSource* Cpus::source_at(const Row& row, CpuId cpu) const {
  const Config::Served served = served_by(cpu, row.vector);
  if (row.handling_nmi || row.source >= served.count) return nullptr;
  return &config_.sources[served.first + row.source];
}

const std::vector<HandlerStep>& Cpus::program_of(const Row& row, CpuId cpu) const {
  const ServedSource* source = source_at(row, cpu);
  return config_.programs[source == nullptr ? 0 : source->program];
}

bool Cpus::Row::operator==(const Row& other) const {
  const auto all = [](const Row& r) {
    return std::tie(r.state, r.intr, r.handling_nmi, r.vector, r.span, r.nmi, r.source, r.step,
                    r.handled, r.stopping);
  };
  return all(*this) == all(other);
}

}  // namespace irqfab::cpu
