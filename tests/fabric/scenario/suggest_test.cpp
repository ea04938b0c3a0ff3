#include "fabric/scenario/suggest.hpp"

#include <gtest/gtest.h>

namespace irqfab::scenario {
namespace {

TEST(DidYouMean, FindsALetterTooManyTooFewWrongOrSwapped) {
  EXPECT_EQ(did_you_mean("workloads", {"machine", "workload"}), ", did you mean 'workload'?");
  EXPECT_EQ(did_you_mean("worklod", {"machine", "workload"}), ", did you mean 'workload'?");
  EXPECT_EQ(did_you_mean("warkload", {"machine", "workload"}), ", did you mean 'workload'?");
  EXPECT_EQ(did_you_mean("cpsu", {"cpus"}), ", did you mean 'cpus'?");
}

TEST(DidYouMean, TakesTheNearest) {
  EXPECT_EQ(did_you_mean("nvme10", {"nvme0", "nvme1", "nvme100"}), ", did you mean 'nvme0'?");
  EXPECT_EQ(did_you_mean("unmaks", {"mask", "unmask"}), ", did you mean 'unmask'?");
}

TEST(DidYouMean, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(did_you_mean("colour", {"machine", "workload"}), "");
  EXPECT_EQ(did_you_mean("x", {"y"}), "");
  EXPECT_EQ(did_you_mean("", {"a"}), "");
  EXPECT_EQ(did_you_mean("abc", {}), "");
}

}  // namespace
}  // namespace irqfab::scenario
