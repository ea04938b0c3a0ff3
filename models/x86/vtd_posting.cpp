// Interrupt posting (VT-d 5.2), and the unit's own interrupts.
#include <utility>

#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_remapper.hpp"

namespace irqfab::x86 {

using vtd::EventInterrupt;

namespace {

/// VT-d 5.2.3: a fixed, edge-triggered interrupt of vector NV for the one local APIC of NDST.
MsiMessage notification(std::uint64_t control, InterruptMode mode) {
  ApicMessage m;
  m.vector = Vector(DescriptorControl::NV::get(control));
  if (mode == InterruptMode::Extended) {
    m.destination = ApicId(DescriptorControl::NDST::get(control));
    m.format = DestinationFormat::X2apic;
  } else {
    m.destination = ApicId(DescriptorControl::NDST_XAPIC::get(control));
  }
  return encode(m);
}

}  // namespace

VtdRemapper::Slots::Departure VtdRemapper::post(Request& request, Slots::Turn turn, Env& env) {
  request.posted = std::exchange(request.write.span, kNoSpan);
  if (turn == Slots::Turn::HeldForOrder && request.posted != kNoSpan) {
    env.note(Event::HeldForOrder, request.posted);
  }
  const Tag tag = slots_.next_delivery();
  env.send(kMemory,
           PostInterrupt{request.post->descriptor, tag, request.posted, request.write.requester,
                         request.post->vector, request.post->urgency});
  return Slots::Departure::delivery(tag);
}

void VtdRemapper::on_post_answer(const BusData& answer, Env& env) {
  const bool known = slots_.finish(answer.tag, [&](Request& request) {
    if (answer.status != BusStatus::Ok) {
      request.write.span = request.posted;  // it came back
      return block(request, vtd::FaultReason::DescriptorAccess, env);
    }
    const PostAnswer posted = decode_post_answer(answer);
    if (posted.notify) notify(request, posted.control, env);
  });
  if (!known) return;  // an answer to no question
  release(env);
  drain(env);
}

void VtdRemapper::notify(const Request& request, std::uint64_t control, Env& env) {
  const SpanId span = env.open(Cause::Notification, request.posted,
                               static_cast<std::uint32_t>(Source::Notification));
  const MsiMessage message = notification(control, mode());
  const std::uint64_t line = request.post->descriptor / PostedDescriptor::kBytes;
  env.note(Event::NotificationSent, span, line << 8 | DescriptorControl::NV::get(control));
  emit(message, span, env);
}

// ---- events ------------------------------------------------------------------------------------

void VtdRemapper::send_event(const EventInterrupt& event, Source source, Env& env) {
  const SpanId span = env.open(Cause::Unit, kNoSpan, static_cast<std::uint32_t>(source));
  env.note(Event::UnitEventSent, span, event.data());
  emit(event.message(), span, env);
}

void VtdRemapper::raise(EventInterrupt& event, Source source, Env& env) {
  if (event.raise() == EventInterrupt::Send::Now) send_event(event, source, env);
}

/// VT-d, FECTL_REG.IP: software has served everything that FSTS_REG reported.
void VtdRemapper::withdraw_fault_event() {
  if (!faults_.any_reported()) fault_event_.withdraw();
}

}  // namespace irqfab::x86
