#include "models/pci/moderation.hpp"

#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/models/pci/msi_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

constexpr Duration kTime = 5'000'000;

/// kWide raises after 3 events or 5 us.
class ModerationTest : public MsiTest {
 protected:
  ModerationTest() {
    PciFunctions::Config config = msi_config();
    config.moderation = {{kWide, 1, 8, 3, kTime}, {kNarrow, 2, 32, 2, 2 * kTime}};
    functions = PciFunctions(config);
    program(kWide, kWideId, 0x40, 3);
  }
  void elapse(FunctionRow row, Tag tag) {
    functions.receive(PciFunctions::kStimulus, Elapsed{tag, raw(row)}, env);
  }
};

TEST_F(ModerationTest, NothingIsSentBeforeTheCountIsReached) {
  raise(kWide, 2);
  raise(kWide, 2);
  EXPECT_TRUE(sent().empty());
  raise(kWide, 2);
  EXPECT_EQ(data_sent(), (Data{0x42}));
}

TEST_F(ModerationTest, TheFirstEventIsSentAndTheOthersCoalesceIntoIt) {
  raise(kWide, 0);
  const SpanId first = opened();
  EXPECT_EQ(held(), std::vector<SpanId>{first});
  raise(kWide, 0);
  EXPECT_EQ(noted(Event::Coalesced, opened()), raw(first));
  raise(kWide, 0);
  EXPECT_EQ(noted(Event::Coalesced, opened()), raw(first));
  EXPECT_EQ(noted(Event::Moderated, first), 3u);
  EXPECT_EQ(sent().at(0).span, first);
  EXPECT_TRUE(held().empty());
}

TEST_F(ModerationTest, TheTimeRunsFromTheFirstEvent) {
  raise(kWide, 4);
  raise(kWide, 4);
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, kTime);
  const SpanId last = opened();
  elapse(kWide, env.delays[0].tag);
  EXPECT_EQ(data_sent(), (Data{0x44}));
  EXPECT_EQ(env.count(Event::Moderated), 1u);
  EXPECT_NE(noted(Event::Moderated, last), 2u) << "the first carries the others";
}

TEST_F(ModerationTest, TheTimeOfABatchThatIsGoneDoesNothing) {
  for (unsigned i = 0; i < 3; ++i) raise(kWide, 4);
  const Tag old = env.delays.at(0).tag;
  raise(kWide, 4);
  const SpanId waiting = opened();
  sent();
  elapse(kWide, old);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(held(), std::vector<SpanId>{waiting});
  elapse(kWide, env.delays.at(1).tag);
  EXPECT_EQ(data_sent(), (Data{0x44}));
  elapse(kWide, env.delays.at(1).tag);
  EXPECT_TRUE(sent().empty());
}

TEST_F(ModerationTest, EachVectorGathersOnItsOwn) {
  for (const unsigned vector : {1u, 6u, 1u, 6u}) raise(kWide, vector);
  EXPECT_TRUE(sent().empty());
  raise(kWide, 6);
  EXPECT_EQ(data_sent(), (Data{0x46}));
  EXPECT_EQ(held().size(), 1u);
}

TEST_F(ModerationTest, EachFunctionOfARuleGathersOnItsOwn) {
  program(kNarrow, kNarrowId, 0x40, 0);
  program(kEdu, kEduId, 0x60, 0);
  raise(kNarrow, 0);
  raise(kEdu, 0);
  EXPECT_EQ(env.delays.at(0).delay, 2 * kTime);
  EXPECT_TRUE(sent().empty());
  raise(kEdu, 0);
  EXPECT_EQ(data_sent(), (Data{0x60}));
}

TEST_F(ModerationTest, FunctionsWithoutARuleSendAtOnce) {
  program(kPlain, kPlainId, 0x48);
  raise(kPlain, 0);
  EXPECT_EQ(data_sent(), (Data{0x48}));
  EXPECT_FALSE(env.noted(Event::Moderated));
}

TEST_F(ModerationTest, WhatIsGatheredMeetsTheMaskWhenItIsRaised) {
  raise(kWide, 0);
  raise(kWide, 0);
  functions.write_msi_mask(kWide, 1, env);
  raise(kWide, 0);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(functions.msi_pending(kWide), 1u);
  for (unsigned i = 0; i < 3; ++i) raise(kWide, 0);
  EXPECT_EQ(held().size(), 1u) << "a batch coalesces into what pends already";
  functions.write_msi_mask(kWide, 0, env);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(ModerationTest, WhatIsGatheredIsDroppedIfMessagesAreOffByThen) {
  raise(kWide, 0);
  const SpanId first = opened();
  disable(kWideId);
  EXPECT_EQ(held(), std::vector<SpanId>{first});
  elapse(kWide, env.delays.at(0).tag);
  EXPECT_TRUE(dropped(first, DropReason::MessagesOff));
}

TEST_F(ModerationTest, WhatIsGatheredIsState) {
  const PciFunctions before = functions;
  raise(kWide, 0);
  EXPECT_FALSE(functions == before);
  const PciFunctions one = functions;
  EXPECT_TRUE(functions == one);
  raise(kWide, 0);
  EXPECT_FALSE(functions == one) << "two events are not one";
}

}  // namespace
}  // namespace irqfab::pci::functions_test
