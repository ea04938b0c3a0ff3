// Posted MSIs of a host: the handler of the notification vector, against a bank of descriptors.
#include <gtest/gtest.h>

#include "models/x86/posted_descriptors.hpp"
#include "tests/support/cpu_rig.hpp"

namespace irqfab::cpu {
namespace {

using test::CpuRig;
using x86::PostedDescriptors;
using S = StepKind;

constexpr unsigned kNotification = 0xEB;

/// CPU 0 with its descriptor; what one asks the other is answered at once.
class PostedRig {
 public:
  explicit PostedRig(std::uint32_t looks, std::vector<HandlerStep> program = {{S::Busy, 100}})
      : rig(config(looks, std::move(program))) {
    bank.of(CpuId{0}).set_nv(Vector{kNotification});
  }

  /// A post that takes effect now: true if the unit is to send a notification.
  bool post(unsigned vector, std::uint64_t n) {
    const PostInterrupt request{
        0, Tag{0}, CpuRig::span(n), {}, Vector(static_cast<std::uint8_t>(vector)), Urgency::Normal};
    bank.receive(PostedDescriptors::kBus, request, rig.env);
    const Tag updated = rig.env.delays.back().tag;
    rig.env.delays.pop_back();
    rig.env.sent.clear();
    bank.receive(PortId{0xFFFF}, Elapsed{updated, 0}, rig.env);
    const bool notify = x86::decode_post_answer(rig.env.messages<BusData>().back()).notify;
    rig.env.sent.clear();
    return notify;
  }
  /// The notification with span `n` is taken.
  void notify(std::uint64_t n) {
    rig.take(kNotification, n);
    settle();
  }
  /// The step under way ends.
  void elapse() {
    rig.elapse();
    settle();
  }
  void tell(CpuLine line, std::uint64_t n) {
    rig.tell(line, n);
    settle();
  }
  /// Carries what the CPU asks of its descriptor, and the answers.
  void settle() {
    while (!rig.env.sent.empty()) {
      const test::Sent sent = rig.env.sent.front();
      rig.env.sent.erase(rig.env.sent.begin());
      if (sent.port == Cpus::kDescriptors) {
        const std::size_t delays = rig.env.delays.size();
        bank.receive(PostedDescriptors::kCpus, sent.message, rig.env);
        if (rig.env.delays.size() == delays) continue;
        const Tag accessed = rig.env.delays.back().tag;
        rig.env.delays.pop_back();
        bank.receive(PortId{0xFFFF}, Elapsed{accessed, 0}, rig.env);
      } else if (sent.port == PostedDescriptors::kCpus &&
                 (std::holds_alternative<BusData>(sent.message) ||
                  std::holds_alternative<IntaAnswer>(sent.message))) {
        rig.cpus.receive(Cpus::kDescriptors, sent.message, rig.env);
      } else {
        eois += std::holds_alternative<RegisterWrite>(sent.message);
      }
    }
  }
  /// "called 0x41, ended 1, looked, cleared, eoi": what the handler did.
  std::string story() const {
    std::string text;
    for (const auto& note : rig.env.notes) {
      std::string what;
      const std::string number = std::to_string(sequence_of(note.span));
      if (note.event == Event::PirRead) what = "look";
      if (note.event == Event::NotificationCleared) what = "clear";
      if (note.event == Event::HandlerDispatched) what = "call " + number;
      if (note.event == Event::Handled) what = "end " + number;
      if (note.event == Event::EoiWritten) what = "eoi " + number;
      if (!what.empty()) text += (text.empty() ? "" : ", ") + what;
    }
    return text;
  }

  static Cpus::Config config(std::uint32_t looks, std::vector<HandlerStep> program) {
    Cpus::Config config = CpuRig::with(std::move(program));
    config.posted = PostedVectors{Vector{kNotification}, looks};
    return config;
  }

  CpuRig rig;
  PostedDescriptors bank{PostedDescriptors::Config{0, 2}};
  unsigned eois = 0;
};

TEST(CpusPosted, HandlersOfWhatWasPostedRunLowestVectorFirst) {
  PostedRig r(3);
  EXPECT_TRUE(r.post(0x51, 1));
  EXPECT_FALSE(r.post(0x41, 2)) << "one notification is outstanding";
  r.notify(9);
  EXPECT_EQ(r.story(), "look, call 2");
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 2u);
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 2, end 2, call 1");
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 2, end 2, call 1, end 1, look, clear, look, eoi 9");
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 0u);
  EXPECT_EQ(r.rig.cpus.interrupts(CpuId{0}), Interrupts::Enabled);
  EXPECT_EQ(r.rig.cpus.handled(CpuId{0}), 3u);
  EXPECT_EQ(r.eois, 1u) << "the notification's; the posted ones have none";
  EXPECT_FALSE(r.bank.of(CpuId{0}).on());
}

TEST(CpusPosted, WhatIsPostedMeanwhileIsHandledWithoutANotification) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.notify(9);
  EXPECT_FALSE(r.post(0x41, 2));
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 1, end 1, look, call 2");
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 1, end 1, look, call 2, end 2, clear, look, eoi 9");
}

TEST(CpusPosted, TheBoundCountsTheLookAfterOnWasCleared) {
  for (const std::uint32_t looks : {1u, 2u, 3u, 5u}) {
    SCOPED_TRACE(looks);
    PostedRig r(looks);
    r.post(0x41, 0);
    r.notify(99);
    std::uint64_t posted = 1;
    for (; r.rig.cpus.depth(CpuId{0}) > 0 && posted < 20; ++posted) {
      const bool notifies = r.post(0x41, posted);
      EXPECT_EQ(notifies, posted == looks) << "ON is clear during the last";
      r.elapse();
    }
    EXPECT_EQ(posted, looks + 1u) << "handlers called, and one more posted";
    EXPECT_TRUE(r.bank.of(CpuId{0}).pir().has(Vector{0x41}));
  }
}

TEST(CpusPosted, WhatIsPostedAfterOnWasClearedFindsItsWayByTheNextNotification) {
  PostedRig r(1);
  r.post(0x41, 1);
  r.notify(8);  // clears, looks, calls
  EXPECT_TRUE(r.post(0x42, 2));
  r.rig.line();  // the notification waits in the controller
  r.elapse();
  EXPECT_EQ(r.story(), "clear, look, call 1, end 1, eoi 8");
  r.rig.answer(kNotification, 9);
  r.settle();
  r.elapse();
  EXPECT_EQ(r.story(), "clear, look, call 1, end 1, eoi 8, clear, look, call 2, end 2, eoi 9");
}

TEST(CpusPosted, ANotificationThatFindsNothingIsHarmless) {
  PostedRig r(3);
  r.notify(9);
  EXPECT_EQ(r.story(), "look, clear, look, eoi 9");
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 0u);
}

TEST(CpusPosted, OtherVectorsRunTheirOwnHandlers) {
  PostedRig r(3);
  r.rig.take(0x41, 1);
  r.settle();
  r.elapse();
  EXPECT_EQ(r.story(), "eoi 1");
  EXPECT_EQ(r.eois, 1u);
}

TEST(CpusPosted, InterruptsStayOffUntilTheNotificationHasEnded) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.notify(9);
  r.rig.env.notes.clear();
  r.rig.line();
  EXPECT_EQ(r.rig.cpus.interrupts(CpuId{0}), Interrupts::Disabled);
  r.settle();
  EXPECT_FALSE(r.rig.env.noted(Event::HandlerPreempted));
  r.elapse();
  EXPECT_EQ(r.story(), "end 1, look, clear, look, eoi 9");
}

TEST(CpusPosted, AHandlerThatEnablesInterruptsLeavesThemOffForTheNext) {
  PostedRig r(3, {{S::EnableInterrupts, 0}, {S::Busy, 100}});
  r.post(0x41, 1);
  r.post(0x42, 2);
  r.notify(9);
  EXPECT_EQ(r.rig.cpus.interrupts(CpuId{0}), Interrupts::Enabled);
  r.rig.take(0xF0, 5);
  r.settle();
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 3u) << "a higher vector than the notification's";
  EXPECT_TRUE(r.rig.noted(Event::HandlerPreempted, 1));
  r.elapse();
  EXPECT_TRUE(r.rig.noted(Event::HandlerResumed, 1));
  r.elapse();
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 1, eoi 5, end 1, call 2, end 2, look, clear, look, eoi 9");
}

TEST(CpusPosted, AnAcknowledgeInAPostedHandlerEndsNothing) {
  PostedRig r(3, {{S::Acknowledge, 0}, {S::Busy, 100}});
  r.post(0x41, 1);
  r.notify(9);
  EXPECT_EQ(r.story(), "look, call 1");
  EXPECT_EQ(r.eois, 0u);
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 1, end 1, look, clear, look, eoi 9");
}

TEST(CpusPosted, AnNmiInterruptsAPostedHandlerWhichGoesOnAfterwards) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.notify(9);
  r.rig.env.time += 30;
  r.tell(CpuLine::Nmi, 5);
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 3u);
  EXPECT_TRUE(r.rig.noted(Event::HandlerPreempted, 1));
  r.elapse();  // the NMI's
  EXPECT_EQ(r.rig.env.delays.back().delay, 70u);
  EXPECT_TRUE(r.rig.noted(Event::HandlerResumed, 1));
  r.elapse();
  EXPECT_EQ(r.story(), "look, call 1, end 5, end 1, look, clear, look, eoi 9");
}

TEST(CpusPosted, AnNmiBetweenTwoPostedHandlersComesFirst) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.rig.take(kNotification, 9);  // the look is under way
  r.rig.tell(CpuLine::Nmi, 5);
  r.settle();
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 2u);
  EXPECT_EQ(r.story(), "look") << "the NMI's handler runs before any is called";
  r.elapse();
  r.elapse();
  EXPECT_EQ(r.story(), "look, end 5, call 1, end 1, look, clear, look, eoi 9");
}

TEST(CpusPosted, TheReturnOfAPostedHandlerLeavesNmisBlockedAsTheyWere) {
  PostedRig r(3, {{S::EnableInterrupts, 0}, {S::Busy, 100}});
  r.tell(CpuLine::Nmi, 1);
  r.post(0x41, 2);
  r.notify(9);  // taken within the NMI's handler, which enabled interrupts
  r.tell(CpuLine::Nmi, 3);
  r.elapse();  // the posted handler's end, and the notification's IRET
  EXPECT_TRUE(r.rig.noted(Event::Handled, 2));
  std::string order;
  for (const auto& note : r.rig.env.notes) {
    if (note.event == Event::HandlerEntered) order += std::to_string(sequence_of(note.span)) + ' ';
    if (note.event == Event::EoiWritten) order += "eoi ";
  }
  EXPECT_EQ(order, "1 9 eoi 3 ");
}

TEST(CpusPosted, AnInitEndsWhatWasTakenAndKeepsWhatIsInMemory) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.post(0x42, 2);
  r.notify(9);
  r.post(0x43, 3);
  r.tell(CpuLine::Init, 7);
  std::vector<std::uint64_t> cancelled;
  for (const auto& note : r.rig.env.notes) {
    if (note.event == Event::Cancelled) cancelled.push_back(sequence_of(note.span));
  }
  EXPECT_EQ(cancelled, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_TRUE(r.bank.of(CpuId{0}).pir().has(Vector{0x43}));
  std::vector<SpanId> held;
  r.rig.cpus.held_spans(held);
  EXPECT_TRUE(held.empty());
}

TEST(CpusPosted, AnswersThatComeAfterAnInitAreForNobody) {
  PostedRig r(3);
  r.rig.take(kNotification, 9);
  const auto look = r.rig.env.messages<RegisterRead>().back();
  r.rig.tell(CpuLine::Init, 7);
  r.rig.env.clear();
  r.rig.cpus.receive(Cpus::kDescriptors, BusData{{1}, look.tag, BusStatus::Ok}, r.rig.env);
  EXPECT_TRUE(r.rig.env.sent.empty());
  r.rig.cpus.receive(Cpus::kDescriptors, IntaAnswer{CpuId{0}, Vector{0x41}, false, CpuRig::span(1)},
                     r.rig.env);
  EXPECT_EQ(r.rig.env.count(Event::Cancelled), 1u);
  EXPECT_EQ(r.rig.cpus.depth(CpuId{0}), 0u);
}

TEST(CpusPosted, ThePostedSpanRestsInTheCpuWhileItsHandlerRuns) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.notify(9);
  std::vector<SpanId> held;
  r.rig.cpus.held_spans(held);
  r.bank.held_spans(held);
  EXPECT_EQ(held, std::vector<SpanId>{CpuRig::span(1)});
}

TEST(CpusPosted, TwoAreEqualWhenTheyAreEquallyFarThroughANotification) {
  PostedRig r(3);
  r.post(0x41, 1);
  r.notify(9);
  const Cpus first_look = r.rig.cpus;
  EXPECT_TRUE(first_look == r.rig.cpus);
  r.post(0x41, 2);
  r.elapse();
  EXPECT_FALSE(first_look == r.rig.cpus);
  // The same span in the same handler once more, but after another look.
  PostedRig again(3);
  again.post(0x41, 0);
  again.notify(9);
  again.post(0x41, 1);
  again.elapse();
  PostedRig after_clear(2);
  after_clear.post(0x41, 0);
  after_clear.notify(9);
  after_clear.post(0x41, 1);
  after_clear.elapse();
  EXPECT_FALSE(again.rig.cpus == after_clear.rig.cpus) << "ON was cleared";
}

TEST(CpusPosted, WhoWaitsForCompletionsIsToldOfPostedOnesToo) {
  Cpus::Config config = PostedRig::config(3, {{S::Busy, 100}});
  config.completions = Cpus::Completions::Told;
  PostedRig r(3);
  r.rig.cpus = Cpus(config);
  r.post(0x41, 1);
  r.notify(9);
  r.rig.elapse();
  const auto told = r.rig.env.messages<HostCall>();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].a, raw(CpuRig::span(1)));
}

}  // namespace
}  // namespace irqfab::cpu
