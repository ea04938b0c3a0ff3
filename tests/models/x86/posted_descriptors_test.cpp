// The bank of descriptors: who may access what, when an update takes effect, where spans rest.
#include "models/x86/posted_descriptors.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "models/base/random.hpp"
#include "tests/support/span_book.hpp"
#include "tests/support/timed_env.hpp"

namespace irqfab::x86 {
namespace {

using test::RecordingEnv;

constexpr std::uint64_t kBase = 0x10000;
constexpr SpanId span(std::uint64_t n) { return make_span(SourceId{5}, n); }

struct Bank {
  static PostInterrupt request(std::uint32_t line, unsigned vector, std::uint64_t n) {
    return {kBase + 64 * line, Tag{3}, span(n), {}, Vector(static_cast<std::uint8_t>(vector)),
            Urgency::Normal};
  }
  void post(std::uint32_t line, unsigned vector, std::uint64_t n) {
    bank.receive(PostedDescriptors::kBus, request(line, vector, n), env);
    finish(line);
  }
  void finish(std::uint32_t line) {
    env.delays.clear();
    bank.receive(PortId{0xFFFF}, Elapsed{Tag{0}, line}, env);
  }
  std::uint64_t cpu_access(std::uint32_t cpu, std::uint32_t offset) {
    bank.receive(PostedDescriptors::kCpus, RegisterRead{CpuId{cpu}, offset, Tag{8}}, env);
    bank.receive(PortId{0xFFFF}, Elapsed{env.delays.back().tag, cpu}, env);
    env.delays.clear();
    const auto answers = env.messages<BusData>();
    EXPECT_FALSE(answers.empty());
    EXPECT_EQ(answers.back().tag, Tag{8});
    std::uint64_t word = 0;
    std::memcpy(&word, answers.back().data.data(), sizeof word);
    return word;
  }
  IntaAnswer next(std::uint32_t cpu) {
    bank.receive(PostedDescriptors::kCpus, Inta{CpuId{cpu}}, env);
    return env.messages<IntaAnswer>().back();
  }
  BusData read(std::uint64_t address, std::uint8_t size = 8) {
    bank.receive(PostedDescriptors::kBus, BusRead{address, Tag{6}, kNoSpan, {}, size}, env);
    return env.messages<BusData>().back();
  }
  void write(std::uint64_t address, std::uint64_t data, std::uint8_t size = 8) {
    bank.receive(PostedDescriptors::kBus, BusWrite{address, data, kNoSpan, {}, size}, env);
  }
  static std::uint64_t word(const BusData& data) {
    std::uint64_t value = 0;
    std::memcpy(&value, data.data.data(), sizeof value);
    return value;
  }

  PostedDescriptors bank{PostedDescriptors::Config{kBase, 2}};
  RecordingEnv env;
};

TEST(PostedDescriptors, AnUpdateTakesEffectWhenItsPriceHasPassed) {
  test::TimedEnv env({{Event::Posted, 200}, {Event::PirRead, 10}});
  PostedDescriptors bank(PostedDescriptors::Config{kBase, 1});
  const auto receive = [&](PortId port, const Message& message, Env& e) {
    bank.receive(port, message, e);
  };
  env.post(0, LaneId{0}, PostedDescriptors::kBus, Bank::request(0, 0x41, 1));
  env.run(receive, 199);
  EXPECT_TRUE(bank.of(CpuId{0}).pir().empty());
  EXPECT_FALSE(bank.of(CpuId{0}).on());
  EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{span(1)});
  env.run(receive, 200);
  EXPECT_TRUE(bank.of(CpuId{0}).pir().has(Vector{0x41}));
  EXPECT_TRUE(bank.of(CpuId{0}).on());
  EXPECT_EQ(test::held_by(bank), std::vector<SpanId>{span(1)});
}

TEST(PostedDescriptors, AnExchangeTakesWhatIsThereWhenItsPriceHasPassed) {
  test::TimedEnv env(
      {{Event::Posted, 200}, {Event::PirRead, 50}, {Event::NotificationCleared, 30}});
  PostedDescriptors bank(PostedDescriptors::Config{kBase, 1});
  const auto receive = [&](PortId port, const Message& message, Env& e) {
    bank.receive(port, message, e);
  };
  const auto at = [&](Time time, const Message& message) {
    const bool cpu = std::holds_alternative<RegisterRead>(message);
    env.post(time, LaneId{0}, cpu ? PostedDescriptors::kCpus : PostedDescriptors::kBus, message);
    env.run(receive);
  };
  for (const unsigned vector : {0x41u, 0xC0u}) at(0, Bank::request(0, vector, vector));
  // TimedEnv serves one after the other, so what comes meanwhile is put in by hand.
  env.post(1000, LaneId{0}, PostedDescriptors::kCpus,
           RegisterRead{CpuId{0}, PostedDescriptors::kPir, Tag{1}});
  env.run(receive, 1099);
  test::RecordingEnv other;
  bank.of(CpuId{0}).post(Vector{0x42}, Urgency::Normal, span(1), 0, other);
  bank.of(CpuId{0}).post(Vector{0x81}, Urgency::Normal, span(2), 0, other);
  env.run(receive, 1100);
  EXPECT_TRUE(bank.of(CpuId{0}).pir().has(Vector{0x81})) << "its word was empty at the look";
  EXPECT_FALSE(bank.of(CpuId{0}).pir().has(Vector{0x42})) << "its word was not";
  at(2000, RegisterRead{CpuId{0}, PostedDescriptors::kControl, Tag{1}});
  EXPECT_FALSE(bank.of(CpuId{0}).on());
}

TEST(PostedDescriptors, UpdatesOfALineTakeEffectInTheirOrder) {
  Bank b;
  b.bank.receive(PostedDescriptors::kBus, Bank::request(1, 0x41, 1), b.env);
  b.bank.receive(PostedDescriptors::kBus, Bank::request(1, 0x41, 2), b.env);
  EXPECT_EQ(b.env.count(Event::Posted), 2u);
  EXPECT_TRUE(b.env.messages<BusData>().empty());
  b.finish(1);
  b.finish(1);
  const auto answers = b.env.messages<BusData>();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].span, kNoSpan);
  EXPECT_TRUE(decode_post_answer(answers[0]).notify);
  EXPECT_EQ(answers[1].span, kNoSpan);  // it rests in the descriptor
  EXPECT_FALSE(decode_post_answer(answers[1]).notify) << "ON was set";
  EXPECT_EQ(b.env.count(Event::Coalesced), 1u);
  EXPECT_EQ(test::held_by(b.bank), std::vector<SpanId>{span(1)});
}

TEST(PostedDescriptors, AnUpdateOfNoLineIsAnErrorAndKeepsNothing) {
  Bank b;
  for (const std::uint64_t address : {kBase - 64, kBase + 128, kBase + 8}) {
    PostInterrupt request = Bank::request(0, 0x41, 1);
    request.address = address;
    b.bank.receive(PostedDescriptors::kBus, request, b.env);
    EXPECT_EQ(b.env.messages<BusData>().back().status, BusStatus::Error) << address;
    EXPECT_EQ(b.env.messages<BusData>().back().tag, Tag{3});
  }
  EXPECT_EQ(b.env.count(Event::GuestError), 3u);
  EXPECT_EQ(b.env.count(Event::Posted), 0u);
  EXPECT_TRUE(test::held_by(b.bank).empty());
}

TEST(PostedDescriptors, ALookTakesAllThatIsSetAndCostsAnExchangeAWord) {
  Bank b;
  b.post(1, 0xC1, 1);
  b.post(1, 0x31, 2);
  b.post(1, 0xC0, 3);
  b.env.clear();
  EXPECT_EQ(b.cpu_access(1, PostedDescriptors::kPir), 3u);
  EXPECT_TRUE(b.bank.of(CpuId{1}).pir().empty());
  EXPECT_TRUE(b.bank.of(CpuId{1}).on()) << "only a clear clears it";
  std::vector<std::uint64_t> words, taken;
  for (const auto& note : b.env.notes) {
    if (note.event == Event::PirRead) words.push_back(note.detail);
    if (note.event == Event::PirTaken) taken.push_back(note.detail);
  }
  EXPECT_EQ(words, (std::vector<std::uint64_t>{0x40100, 0x401C0}));
  EXPECT_EQ(taken, (std::vector<std::uint64_t>{0x40131, 0x401C0, 0x401C1}));
  EXPECT_EQ(test::held_by(b.bank), (std::vector<SpanId>{span(1), span(2), span(3)}));
}

TEST(PostedDescriptors, ALookThatFindsNothingCostsOneToo) {
  Bank b;
  EXPECT_EQ(b.cpu_access(1, PostedDescriptors::kPir), 0u);
  ASSERT_EQ(b.env.notes.size(), 1u);
  EXPECT_EQ(b.env.notes[0].event, Event::PirRead);
  EXPECT_EQ(b.env.notes[0].detail, 0x40100u);
}

TEST(PostedDescriptors, WhatWasTakenIsHandedOverLowestFirstUntilThereIsNone) {
  Bank b;
  b.post(0, 0xC1, 1);
  b.post(0, 0x31, 2);
  b.post(1, 0x30, 3);
  b.cpu_access(0, PostedDescriptors::kPir);
  const IntaAnswer first = b.next(0);
  EXPECT_EQ(first.vector, Vector{0x31});
  EXPECT_EQ(first.span, span(2));
  EXPECT_FALSE(first.spurious);
  EXPECT_EQ(first.cpu, CpuId{0});
  EXPECT_EQ(b.next(0).span, span(1));
  EXPECT_TRUE(b.next(0).spurious);
  EXPECT_EQ(b.next(0).span, kNoSpan);
  EXPECT_EQ(test::held_by(b.bank), std::vector<SpanId>{span(3)}) << "the other CPU's";
}

TEST(PostedDescriptors, WhatIsPostedMeanwhileIsNotAmongWhatWasTaken) {
  Bank b;
  b.post(0, 0x41, 1);
  b.cpu_access(0, PostedDescriptors::kPir);
  b.post(0, 0x41, 2);
  EXPECT_EQ(b.env.count(Event::Coalesced), 0u);
  EXPECT_EQ(b.next(0).span, span(1));
  EXPECT_TRUE(b.next(0).spurious);
  EXPECT_EQ(b.cpu_access(0, PostedDescriptors::kPir), 1u);
  EXPECT_EQ(b.next(0).span, span(2));
}

TEST(PostedDescriptors, AVectorThatIsTakenAgainBeforeItWasCalledIsCalledOnce) {
  Bank b;
  b.post(0, 0x41, 1);
  b.cpu_access(0, PostedDescriptors::kPir);
  b.post(0, 0x41, 2);
  b.cpu_access(0, PostedDescriptors::kPir);
  EXPECT_EQ(b.env.count(Event::Coalesced), 1u);
  EXPECT_EQ(b.next(0).span, span(1));
  EXPECT_TRUE(b.next(0).spurious);
}

TEST(PostedDescriptors, ClearingAnswersTheControlWordAsItWas) {
  Bank b;
  b.bank.of(CpuId{1}).set_nv(Vector{0xEB});
  b.post(1, 0x41, 1);
  b.env.clear();
  EXPECT_EQ(b.cpu_access(1, PostedDescriptors::kControl), 0xEB0001u);
  EXPECT_FALSE(b.bank.of(CpuId{1}).on());
  EXPECT_EQ(b.bank.of(CpuId{1}).nv(), Vector{0xEB});
  ASSERT_EQ(b.env.notes.size(), 1u);
  EXPECT_EQ(b.env.notes[0].event, Event::NotificationCleared);
  EXPECT_EQ(b.env.notes[0].detail, 0x401u);
  EXPECT_EQ(b.cpu_access(1, PostedDescriptors::kControl), 0xEB0000u);
}

TEST(PostedDescriptors, AnInitOfTheCpuTakesWithItWhatItHadTaken) {
  Bank b;
  b.post(0, 0x41, 1);
  b.cpu_access(0, PostedDescriptors::kPir);
  b.post(0, 0x42, 2);
  b.bank.receive(PostedDescriptors::kCpus,
                 CpuLineChange{CpuId{0}, CpuLine::Init, Level::High, kNoSpan}, b.env);
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
  EXPECT_EQ(b.env.notes.back().span, span(1));
  EXPECT_EQ(b.env.notes.back().detail, static_cast<std::uint64_t>(CancelOp::Reset));
  EXPECT_EQ(test::held_by(b.bank), std::vector<SpanId>{span(2)}) << "memory keeps what it holds";
  EXPECT_TRUE(b.next(0).spurious);
}

TEST(PostedDescriptors, AnInitEndsTheAccessUnderWayWithoutItsEffect) {
  Bank b;
  b.post(0, 0x41, 1);
  b.env.clear();
  b.bank.receive(PostedDescriptors::kCpus, RegisterRead{CpuId{0}, PostedDescriptors::kPir, Tag{8}},
                 b.env);
  const Tag tag = b.env.delays.back().tag;
  b.bank.receive(PostedDescriptors::kCpus,
                 CpuLineChange{CpuId{0}, CpuLine::Init, Level::High, kNoSpan}, b.env);
  b.bank.receive(PortId{0xFFFF}, Elapsed{tag, 0}, b.env);
  EXPECT_TRUE(b.bank.of(CpuId{0}).pir().has(Vector{0x41}));
  EXPECT_TRUE(b.env.sent.empty());
}

TEST(PostedDescriptors, SoftwareReadsAndWritesTheLineByWords) {
  Bank b;
  b.post(1, 0x7F, 1);
  b.write(kBase + 64 + 32, 0x0000030000EB0002);
  EXPECT_TRUE(b.bank.of(CpuId{1}).sn());
  EXPECT_FALSE(b.bank.of(CpuId{1}).on());
  EXPECT_EQ(Bank::word(b.read(kBase + 64 + 32)), 0x0000030000EB0002u);
  EXPECT_EQ(Bank::word(b.read(kBase + 64 + 8)), std::uint64_t{1} << 63);
  EXPECT_EQ(Bank::word(b.read(kBase + 64)), 0u);
  EXPECT_EQ(Bank::word(b.read(kBase + 32)), 0u) << "the other line";
  b.write(kBase + 64 + 40, ~std::uint64_t{0});
  EXPECT_EQ(Bank::word(b.read(kBase + 64 + 40)), 0u) << "reserved";
  b.write(kBase + 64 + 8, 0);
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
  EXPECT_TRUE(test::held_by(b.bank).empty());
}

TEST(PostedDescriptors, AccessesThatAreNoWordOrHalfWordOfALineChangeNothing) {
  Bank b;
  b.post(0, 0x00, 1);
  b.env.clear();
  b.write(kBase, 0, 2);
  b.write(kBase + 4, 0, 8);
  b.write(kBase + 128, 0, 8);
  b.write(kBase - 8, 0, 8);
  EXPECT_EQ(b.read(kBase, 2).status, BusStatus::Error);
  EXPECT_EQ(b.read(kBase + 128).status, BusStatus::Error);
  EXPECT_EQ(b.env.count(Event::GuestError), 6u);
  EXPECT_EQ(b.env.count(Event::MemoryWritten), 0u);
  EXPECT_EQ(test::held_by(b.bank), std::vector<SpanId>{span(1)});
}

TEST(PostedDescriptors, AMessageThatEndsInALineIsOver) {
  Bank b;
  b.bank.receive(PostedDescriptors::kBus, BusWrite{kBase + 32, 1, span(4), {}, 8}, b.env);
  EXPECT_TRUE(b.bank.of(CpuId{0}).on());
  EXPECT_EQ(b.env.count(Event::Dropped), 1u);
}

TEST(PostedDescriptors, ACpuThatDoesNotExistIsSaidToBe) {
  Bank b;
  b.bank.receive(PostedDescriptors::kCpus, RegisterRead{CpuId{2}, 0, Tag{0}}, b.env);
  b.bank.receive(PostedDescriptors::kCpus, Inta{CpuId{2}}, b.env);
  b.bank.receive(PortId{0xFFFF}, Elapsed{Tag{0}, 2}, b.env);
  b.bank.receive(PortId{0xFFFF}, Elapsed{Tag{0}, 1}, b.env);
  EXPECT_EQ(b.env.count(Event::GuestError), 4u);
  EXPECT_TRUE(b.env.sent.empty());
  b.bank.receive(PostedDescriptors::kCpus, RegisterRead{CpuId{1}, 8, Tag{0}}, b.env);
  EXPECT_EQ(b.env.messages<BusData>().back().status, BusStatus::Error);
}

TEST(PostedDescriptors, EveryLineIsALaneOfItsOwn) {
  const PostedDescriptors bank(PostedDescriptors::Config{kBase, 3});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, Bank::request(2, 0x41, 1)), LaneId{2});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, BusRead{kBase + 127, Tag{0}, {}, {}, 8}),
            LaneId{1});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, BusWrite{kBase + 128, 0, {}, {}, 8}), LaneId{2});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kCpus, Inta{CpuId{1}}), LaneId{1});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kCpus, RegisterRead{CpuId{2}, 0, Tag{0}}), LaneId{2});
  const CpuLineChange init{CpuId{2}, CpuLine::Init, Level::High, kNoSpan};
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kCpus, init), LaneId{2});
  EXPECT_EQ(bank.lane_of(PortId{0xFFFF}, Elapsed{Tag{0}, 2}), LaneId{2});
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, Marker{Tag{0}}), LaneId{0});
}

TEST(PostedDescriptors, TwoAreEqualWhenLinesUpdatesAccessesAndWhatWasTakenAre) {
  const auto differs = [](const auto& change) {
    Bank a, b;
    EXPECT_TRUE(a.bank == b.bank);
    change(a);
    const bool different = !(a.bank == b.bank);
    b.bank = a.bank;
    EXPECT_TRUE(a.bank == b.bank);
    return different;
  };
  const auto ask = [](Bank& b, std::uint32_t offset, Tag tag) {
    b.bank.receive(PostedDescriptors::kCpus, RegisterRead{CpuId{1}, offset, tag}, b.env);
  };
  EXPECT_TRUE(differs([](Bank& b) { b.bank.of(CpuId{1}).set_on(true); }));
  EXPECT_TRUE(differs([](Bank& b) {
    b.bank.receive(PostedDescriptors::kBus, Bank::request(1, 0x41, 1), b.env);
  })) << "an update under way";
  EXPECT_TRUE(differs([&](Bank& b) { ask(b, PostedDescriptors::kPir, Tag{0}); })) << "a look";
  Bank one, other;
  for (Bank* b : {&one, &other}) {
    b->post(1, 0x41, 1);
    b->cpu_access(1, PostedDescriptors::kPir);
  }
  EXPECT_TRUE(one.bank == other.bank);
  one.next(1);
  EXPECT_FALSE(one.bank == other.bank) << "what was taken";
  Bank tagged;
  ask(tagged, PostedDescriptors::kControl, Tag{1});
  Bank untagged;
  ask(untagged, PostedDescriptors::kControl, Tag{2});
  EXPECT_FALSE(tagged.bank == untagged.bank) << "whose access it is";
  for (const auto& change :
       std::vector<PostInterrupt>{{kBase, Tag{4}, span(1), {}, Vector{0x41}, Urgency::Normal},
                                  {kBase, Tag{3}, span(2), {}, Vector{0x41}, Urgency::Normal},
                                  {kBase, Tag{3}, span(1), {}, Vector{0x42}, Urgency::Normal},
                                  {kBase, Tag{3}, span(1), {}, Vector{0x41}, Urgency::Urgent}}) {
    Bank a, b;
    a.bank.receive(PostedDescriptors::kBus, Bank::request(0, 0x41, 1), a.env);
    b.bank.receive(PostedDescriptors::kBus, change, b.env);
    EXPECT_FALSE(a.bank == b.bank);
  }
}

/// Everything that can happen to a bank, at random: each span has one fate, and none is lost.
TEST(PostedDescriptors, EverySpanHasExactlyOneFateAndNoneIsLost) {
  Bank b;
  Random random(1, 1);
  test::SpanBook book;
  unsigned updates[2] = {};
  unsigned handed_over = 0;
  for (unsigned step = 0; step < 6'000; ++step) {
    const auto line = static_cast<std::uint32_t>(random.below(2));
    const std::uint64_t dice = random.below(100);
    if (dice < 40) {
      PostInterrupt request = Bank::request(line, 0x3C + static_cast<unsigned>(random.below(8)), 0);
      request.span = book.begin();
      b.bank.receive(PostedDescriptors::kBus, request, b.env);
      ++updates[line];
    } else if (dice < 70 && updates[line] > 0) {
      b.finish(line);
      --updates[line];
    } else if (dice < 80) {
      b.cpu_access(line,
                   random.below(2) == 0 ? PostedDescriptors::kPir : PostedDescriptors::kControl);
    } else if (dice < 97) {
      const IntaAnswer answer = b.next(line);
      book.read(b.env);
      if (!answer.spurious) {
        book.handed_over(answer.span);
        ++handed_over;
      }
    } else {
      const auto word = static_cast<unsigned>(random.below(4));
      const std::uint64_t kept = b.bank.of(CpuId{line}).pir_word(word) & random.next();
      b.write(kBase + 64 * line + 8 * word, kept);
    }
    book.read(b.env);
    b.env.sent.clear();
    ASSERT_TRUE(book.faults().empty()) << book.faults().front();
    ASSERT_EQ(book.live(), test::held_by(b.bank));
  }
  EXPECT_GT(handed_over, 150u);
}

}  // namespace
}  // namespace irqfab::x86
