// The descriptor as a value: what each access changes, what becomes of spans.
#include "models/x86/posted_descriptor.hpp"

#include <gtest/gtest.h>

#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

using test::RecordingEnv;

constexpr SpanId span(std::uint64_t n) { return make_span(SourceId{5}, n); }

struct Taken {
  Vector vector;
  SpanId span;
  friend bool operator==(const Taken& a, const Taken& b) {
    return a.vector == b.vector && a.span == b.span;
  }
};

std::vector<Taken> take(PostedDescriptor& descriptor, unsigned quarter) {
  std::vector<Taken> taken;
  descriptor.take_quarter(quarter, [&](Vector v, SpanId s) { taken.push_back({v, s}); });
  return taken;
}

TEST(PostedDescriptor, ABitStaysOneAndItsFirstSpanStaysInIt) {
  PostedDescriptor descriptor;
  RecordingEnv env;
  descriptor.post(Vector{0x41}, Urgency::Normal, span(1), 7, env);
  descriptor.post(Vector{0x41}, Urgency::Normal, span(2), 7, env);
  ASSERT_EQ(env.notes.size(), 3u);
  EXPECT_EQ(env.notes[0].event, Event::Posted);
  EXPECT_EQ(env.notes[0].detail, 0x741u);
  EXPECT_EQ(env.notes[2].event, Event::Coalesced);
  EXPECT_EQ(env.notes[2].span, span(2));
  EXPECT_EQ(env.notes[2].detail, raw(span(1)));
  EXPECT_EQ(test::held_by(descriptor), std::vector<SpanId>{span(1)});
  EXPECT_EQ(take(descriptor, 1), (std::vector<Taken>{{Vector{0x41}, span(1)}}));
  EXPECT_TRUE(test::held_by(descriptor).empty());
  EXPECT_TRUE(descriptor.pir().empty());
}

TEST(PostedDescriptor, AQuarterIsTakenLowestFirstAndTheOthersStay) {
  PostedDescriptor descriptor;
  RecordingEnv env;
  std::uint64_t n = 0;
  for (const unsigned vector : {0xFFu, 0x80u, 0xBFu, 0x7Fu, 0x81u, 0xC0u}) {
    descriptor.post(Vector(static_cast<std::uint8_t>(vector)), Urgency::Normal, span(++n), 0, env);
  }
  EXPECT_EQ(take(descriptor, 2),
            (std::vector<Taken>{
                {Vector{0x80}, span(2)}, {Vector{0x81}, span(5)}, {Vector{0xBF}, span(3)}}));
  EXPECT_EQ(descriptor.pir_word(2), 0u);
  EXPECT_EQ(descriptor.pir_word(1), std::uint64_t{1} << 63);
  EXPECT_EQ(descriptor.pir_word(3), std::uint64_t{1} << 63 | 1);
  EXPECT_EQ(test::held_by(descriptor), (std::vector<SpanId>{span(1), span(4), span(6)}));
}

TEST(PostedDescriptor, APlainWriteTakesBackWhatItWritesAsZero) {
  PostedDescriptor descriptor;
  RecordingEnv env;
  descriptor.post(Vector{0x40}, Urgency::Normal, span(1), 0, env);
  descriptor.post(Vector{0x41}, Urgency::Normal, span(2), 0, env);
  descriptor.post(Vector{0x80}, Urgency::Normal, span(3), 0, env);
  env.clear();
  descriptor.write_quarter(1, 0b110, env);
  ASSERT_EQ(env.notes.size(), 1u);
  EXPECT_EQ(env.notes[0].event, Event::Cancelled);
  EXPECT_EQ(env.notes[0].span, span(1));
  EXPECT_EQ(env.notes[0].detail, static_cast<std::uint64_t>(CancelOp::PirCleared));
  EXPECT_EQ(take(descriptor, 1),
            (std::vector<Taken>{{Vector{0x41}, span(2)}, {Vector{0x42}, kNoSpan}}));
  EXPECT_EQ(take(descriptor, 2), (std::vector<Taken>{{Vector{0x80}, span(3)}}));
}

TEST(PostedDescriptor, ASpanThatMeetsABitOfNobodyMergesIntoNothing) {
  PostedDescriptor descriptor;
  RecordingEnv env;
  descriptor.write_quarter(1, 1, env);
  descriptor.post(Vector{0x40}, Urgency::Normal, span(1), 0, env);
  EXPECT_EQ(env.count(Event::Coalesced), 0u);
  EXPECT_EQ(take(descriptor, 1), (std::vector<Taken>{{Vector{0x40}, span(1)}}));
}

TEST(PostedDescriptor, AnAnswerComesBackAsItWasSent) {
  const PostAnswer sent{0x1234567800AB0001, true};
  const BusData data = encode(sent, Tag{9}, span(1));
  EXPECT_EQ(data.tag, Tag{9});
  EXPECT_EQ(data.span, span(1));
  EXPECT_EQ(data.status, BusStatus::Ok);
  EXPECT_EQ(decode_post_answer(data).control, sent.control);
  EXPECT_TRUE(decode_post_answer(data).notify);
  EXPECT_FALSE(decode_post_answer(encode({1, false}, Tag{0}, kNoSpan)).notify);
}

TEST(PostedDescriptor, TwoAreEqualWhenControlBitsAndSpansAre) {
  PostedDescriptor a, b;
  RecordingEnv env;
  a.set_ndst(1);
  EXPECT_FALSE(a == b);
  b.set_ndst(1);
  EXPECT_TRUE(a == b);
  a.post(Vector{0x40}, Urgency::Normal, span(1), 0, env);
  b.post(Vector{0x40}, Urgency::Normal, span(2), 0, env);
  EXPECT_FALSE(a == b) << "not the same spans";
  b = a;
  EXPECT_TRUE(a == b);
}

}  // namespace
}  // namespace irqfab::x86
