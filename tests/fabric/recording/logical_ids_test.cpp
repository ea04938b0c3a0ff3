#include "fabric/recording/logical_ids.hpp"

#include <gtest/gtest.h>

namespace irqfab::recording {
namespace {

const std::vector<ApicId> kFour = {ApicId{0}, ApicId{2}, ApicId{4}, ApicId{6}};
using Ids = std::map<ApicId, std::uint8_t>;

TEST(LogicalIds, WithoutEvidenceCpuNHasBitN) {
  LogicalIds logical;
  EXPECT_FALSE(logical.used());
  EXPECT_EQ(logical.ids(kFour),
            (Ids{{ApicId{0}, 1}, {ApicId{2}, 2}, {ApicId{4}, 4}, {ApicId{6}, 8}}));
}

TEST(LogicalIds, WhoTookAMessageForOneBitHasIt) {
  LogicalIds logical;
  logical.took(0x80, ApicId{0});
  logical.took(0x01, ApicId{6});
  EXPECT_TRUE(logical.used());
  const Ids ids = logical.ids(kFour);
  EXPECT_EQ(ids.at(ApicId{0}), 0x80);
  EXPECT_EQ(ids.at(ApicId{6}), 0x01);
  EXPECT_EQ(ids.at(ApicId{2}), 0x02);
}

TEST(LogicalIds, WhoTookAMessageForASetIsInIt) {
  LogicalIds logical;
  logical.took(0x0F, ApicId{2});
  logical.took(0x30, ApicId{4});
  const Ids ids = logical.ids(kFour);
  EXPECT_EQ(ids.at(ApicId{2}), 2) << "its default is in the set";
  EXPECT_NE(ids.at(ApicId{4}) & 0x30, 0);
}

TEST(LogicalIds, ABroadcastSaysNothing) {
  LogicalIds logical;
  logical.took(0xFF, ApicId{6});
  EXPECT_EQ(logical.ids(kFour).at(ApicId{6}), 8);
}

TEST(LogicalIds, TheNinthCpuHasNoneInTheFlatModel) {
  std::vector<ApicId> nine;
  for (std::uint32_t i = 0; i < 9; ++i) nine.push_back(ApicId{i});
  EXPECT_EQ(LogicalIds{}.ids(nine).at(ApicId{8}), 0);
}

}  // namespace
}  // namespace irqfab::recording
