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
  if (pir_.has(vector)) {
    if (span != kNoSpan) env.coalesce(span, spans_[raw(vector)]);
  } else {
    pir_.add(vector);
    spans_[raw(vector)] = span;
  }
  const bool notify = !on() && (!sn() || urgency == Urgency::Urgent);
  if (notify) set_on(true);
  return {control_, notify};
}

void PostedDescriptor::held_spans(std::vector<SpanId>& out) const {
  for (const SpanId span : spans_) {
    if (span != kNoSpan) out.push_back(span);
  }
}

}  // namespace irqfab::x86
