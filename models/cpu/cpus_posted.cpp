// Posted MSIs: how a CPU whose device interrupts are posted takes them, in the handler of the
// notification vector.
//
// Models: what Linux does on a host with posted MSIs (6.10). Within one notification ON stays set,
// so further posts send none; the handler looks into the PIR up to Config's number of times less
// one, and has the handler of each vector called that it finds, lowest vector first, until a look
// finds nothing. Then it clears ON, looks once more, and writes EOI. Nothing is lost: what is
// posted before ON is cleared is there for the last look, and what is posted afterwards finds ON
// clear and sends a notification of its own, which waits in the local APIC until the EOI. That one
// may find nothing if the last look was faster.
//
// A posted vector has no EOI of its own, because no local APIC knows it: its interrupt is over when
// its handler returns, and an `acknowledge` step there does nothing. Handlers run with IF = 0, with
// the notification vector in service. NMIs interrupt them; an INIT ends what was taken.

#include <cassert>
#include <cstring>

#include "models/cpu/cpus.hpp"

namespace irqfab::cpu {

FrameKind Cpus::kind_of(Vector vector) const {
  const bool notifies = config_.posted && config_.posted->notification == vector;
  return notifies ? FrameKind::Notification : FrameKind::Interrupt;
}

/// The handler of the notification vector is on top, between two of its accesses.
Cpus::Progress Cpus::go_on_demultiplexing(CpuId id, Env& env) {
  CpuState& cpu = row(id);
  Frame& frame = cpu.top();
  // With one look in all there is none before ON is cleared.
  const bool only_last = config_.posted->looks <= 1 && !frame.cleared;
  if (frame.next == Demultiplexing::Look && only_last) frame.next = Demultiplexing::Clear;
  switch (frame.next) {
    case Demultiplexing::Look:
      return access_descriptor(id, config_.posted->pir, env);
    case Demultiplexing::Clear:
      return access_descriptor(id, config_.posted->control, env);
    case Demultiplexing::Call:
      env.send(kDescriptors, Inta{id});
      cpu.doing = Doing::AwaitsDescriptor;
      return Progress::Waits;
    case Demultiplexing::Done:
      break;
  }
  leave(id, env);
  return Progress::GoesOn;
}

Cpus::Progress Cpus::access_descriptor(CpuId id, std::uint32_t offset, Env& env) {
  CpuState& cpu = row(id);
  env.send(kDescriptors, RegisterRead{id, offset, read_tag(id, cpu.generation)});
  cpu.doing = Doing::AwaitsDescriptor;
  return Progress::Waits;
}

void Cpus::on_descriptor(const BusData& data, Env& env) {
  const CpuId id = cpu_of(data.tag);
  CpuState& cpu = row(id);
  const bool awaited =
      cpu.doing == Doing::AwaitsDescriptor && data.tag == read_tag(id, cpu.generation);
  if (!awaited) return;
  cpu.doing = Doing::Runs;
  Frame& frame = cpu.top();
  if (frame.next == Demultiplexing::Clear) {
    frame.cleared = true;
    frame.next = Demultiplexing::Look;
  } else {
    std::uint64_t taken = 0;
    std::memcpy(&taken, data.data.data(), sizeof taken);
    ++frame.looks;
    const auto nothing = frame.cleared ? Demultiplexing::Done : Demultiplexing::Clear;
    frame.next = taken > 0 ? Demultiplexing::Call : nothing;
  }
  go_on(id, env);
}

void Cpus::on_posted_vector(const IntaAnswer& answer, Env& env) {
  CpuState& cpu = row(answer.cpu);
  if (cpu.doing != Doing::AwaitsDescriptor) {  // an INIT came between
    if (answer.span != kNoSpan) env.cancel(answer.span, CancelOp::Reset);
    return;
  }
  cpu.doing = Doing::Runs;
  Frame& frame = cpu.top();
  if (!answer.spurious) {
    call_posted(answer.cpu, answer, env);
  } else if (frame.cleared) {
    frame.next = Demultiplexing::Done;
  } else {
    const bool again = frame.looks + 1 < config_.posted->looks;
    frame.next = again ? Demultiplexing::Look : Demultiplexing::Clear;
  }
  go_on(answer.cpu, env);
}

void Cpus::call_posted(CpuId id, const IntaAnswer& answer, Env& env) {
  CpuState& cpu = row(id);
  assert(cpu.depth < kMostFrames);
  Frame& frame = cpu.frames[cpu.depth++];
  frame = Frame{};
  frame.kind = FrameKind::Posted;
  frame.vector = answer.vector;
  frame.span = answer.span;
  frame.outer = cpu.interrupts;
  frame.served = served_by(id, answer.vector);
  choose_program(frame);
  env.note(Event::HandlerDispatched, answer.span, raw(answer.vector));
  cpu.boundary = env.now();
}

}  // namespace irqfab::cpu
