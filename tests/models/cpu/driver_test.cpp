#include "models/cpu/driver.hpp"

#include <gtest/gtest.h>

#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::cpu {
namespace {

using test::RecordingEnv;

class DriverTest : public ::testing::Test {
 protected:
  void perform(std::uint64_t episode) {
    driver.receive(Driver::kStart, HostCall{0, {}, episode, 0}, env);
  }

  RecordingEnv env;
  Driver driver{Driver::Config{{
      {500, {{AccessKind::Write, 4, 0xFEC00000, 0x10}, {AccessKind::Write, 8, 0xFEC00010, 0x41}}},
      {900, {{AccessKind::Read, 2, 0xC0000000, 0}}},
  }}};
};

TEST_F(DriverTest, AnEpisodesAccessesFollowEachOtherInOrder) {
  perform(0);
  ASSERT_EQ(env.sent.size(), 2u);
  for (const auto& item : env.sent) EXPECT_EQ(item.port, Driver::kBus);
  const auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].address, 0xFEC00000u);
  EXPECT_EQ(writes[0].data, 0x10u);
  EXPECT_EQ(writes[0].size, 4);
  EXPECT_EQ(writes[1].address, 0xFEC00010u);
  EXPECT_EQ(writes[1].data, 0x41u);
  EXPECT_EQ(writes[1].size, 8);
  EXPECT_EQ(writes[0].span, kNoSpan);
  EXPECT_TRUE(env.notes.empty());
}

TEST_F(DriverTest, AReadsAnswerIsKept) {
  perform(1);
  const auto reads = env.messages<BusRead>();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(reads[0].address, 0xC0000000u);
  EXPECT_EQ(reads[0].size, 2);
  EXPECT_TRUE(env.messages<BusWrite>().empty());
  BusData data{{}, reads[0].tag, BusStatus::Ok};
  data.data = {0xEF, 0xCD, 0xAB};
  driver.receive(Driver::kBus, data, env);
  EXPECT_EQ(driver.last_answer(), 0xABCDEFu);
}

TEST_F(DriverTest, AnAccessFromOutsideIsMadeAsItStands) {
  driver.receive(Driver::kStart, BusWrite{0x1234, 7, kNoSpan, {}, 1}, env);
  driver.receive(Driver::kStart, BusRead{0x5678, Tag{3}, kNoSpan, {}, 4}, env);
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(env.sent[0].port, Driver::kBus);
  EXPECT_EQ(env.messages<BusWrite>().at(0).address, 0x1234u);
  EXPECT_EQ(env.messages<BusRead>().at(0).tag, Tag{3});
}

TEST_F(DriverTest, OnlyTheMachineStartsIt) {
  driver.receive(Driver::kBus, HostCall{0, {}, 0, 0}, env);
  EXPECT_TRUE(env.sent.empty());
}

TEST_F(DriverTest, EpisodesSayWhenTheyAreDue) {
  EXPECT_EQ(driver.episodes(), 2u);
  EXPECT_EQ(driver.time_of(0), 500u);
  EXPECT_EQ(driver.time_of(1), 900u);
}

TEST_F(DriverTest, EqualIfTheLastAnswersAre) {
  Driver other = driver;
  BusData data{{}, Tag{0}, BusStatus::Ok};
  data.data[7] = 1;
  driver.receive(Driver::kBus, data, env);
  EXPECT_FALSE(other == driver);
  other.receive(Driver::kBus, data, env);
  EXPECT_EQ(other, driver);
  EXPECT_TRUE(test::held_by(driver).empty());
}

}  // namespace
}  // namespace irqfab::cpu
