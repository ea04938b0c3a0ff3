#include "models/x86/posted_descriptor.hpp"

#include <cstring>

namespace irqfab::x86 {

BusData encode(const PostAnswer& answer, Tag tag, SpanId span) {
  BusData data{{}, tag, BusStatus::Ok, span};
  std::memcpy(data.data.data(), &answer.control, sizeof answer.control);
  data.data[8] = answer.notify ? 1 : 0;
  return data;
}

PostAnswer decode_post_answer(const BusData& data) {
  PostAnswer answer;
  std::memcpy(&answer.control, data.data.data(), sizeof answer.control);
  answer.notify = data.data[8] != 0;
  return answer;
}

PostAnswer PostedDescriptor::post(Vector vector, Urgency urgency, SpanId span, std::uint32_t line,
                                  Env& env) {
  env.note(Event::Posted, span, std::uint64_t{line} << 8 | raw(vector));
  return update(vector, urgency, span, env);
}

PostAnswer PostedDescriptor::update(Vector vector, Urgency urgency, SpanId span, Env& env) {
  SpanId& resting = spans_[raw(vector)];
  if (resting == kNoSpan) {
    resting = span;
  } else if (span != kNoSpan) {
    env.coalesce(span, resting);
  }
  pir_.add(vector);
  const bool notify = !on() && (!sn() || urgency == Urgency::Urgent);
  if (notify) set_on(true);
  return {control_, notify};
}

void PostedDescriptor::write_quarter(unsigned quarter, std::uint64_t bits, Env& env) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const auto vector = Vector(static_cast<std::uint8_t>(64 * quarter + bit));
    if ((bits >> bit & 1) != 0) {
      pir_.add(vector);
      continue;
    }
    pir_.remove(vector);
    const SpanId span = std::exchange(spans_[raw(vector)], kNoSpan);
    if (span != kNoSpan) env.cancel(span, CancelOp::PirCleared);
  }
}

void PostedDescriptor::write_control(std::uint64_t bits) {
  using C = DescriptorControl;
  control_ = bits & (C::ON::kMask | C::SN::kMask | C::NV::kMask | C::NDST::kMask);
}

void PostedDescriptor::held_spans(std::vector<SpanId>& out) const {
  for (const SpanId span : spans_) {
    if (span != kNoSpan) out.push_back(span);
  }
}

}  // namespace irqfab::x86
