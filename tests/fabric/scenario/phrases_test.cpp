#include "fabric/scenario/phrases.hpp"

#include <gtest/gtest.h>

namespace irqfab::scenario {
namespace {

TEST(HandlerStep, SaysHowLongWhereTimePasses) {
  EXPECT_EQ(parse_handler_step("busy 1us")->kind, HandlerStepKind::Busy);
  EXPECT_EQ(parse_handler_step("read device 400ns")->kind, HandlerStepKind::ReadDevice);
  EXPECT_EQ(parse_handler_step("read device 400ns")->length, 400'000u);
  EXPECT_EQ(parse_handler_step("poll 5us")->kind, HandlerStepKind::Poll);
  EXPECT_EQ(parse_handler_step("mask")->kind, HandlerStepKind::Mask);
  EXPECT_EQ(parse_handler_step("unmask")->kind, HandlerStepKind::Unmask);
  EXPECT_EQ(parse_handler_step("enable interrupts")->kind, HandlerStepKind::EnableInterrupts);
  EXPECT_EQ(parse_handler_step("disable interrupts")->kind, HandlerStepKind::DisableInterrupts);
  EXPECT_EQ(parse_handler_step("acknowledge")->kind, HandlerStepKind::Acknowledge);
  for (const char* text : {"", "busy", "mask 1us", "enable", "acknowledge 1us", "read 1us",
                           "busy1us", "masked", "poll soon"}) {
    EXPECT_FALSE(parse_handler_step(text)) << text;
  }
}

TEST(HandlerStep, ReadsBackAsWritten) {
  for (const char* text : {"busy 1.5us", "read device 400ns", "mask", "poll 5us", "unmask",
                           "enable interrupts", "disable interrupts", "acknowledge"}) {
    EXPECT_EQ(write_handler_step(*parse_handler_step(text)), text);
  }
}

TEST(Expectation, ComparesAMetricWithABound) {
  const auto parsed = parse_expectation("lost == 0");
  EXPECT_EQ(parsed->metric, "lost");
  EXPECT_EQ(parsed->compare, Compare::Equal);
  EXPECT_EQ(parsed->bound, 0u);
  EXPECT_EQ(parsed->device, "");
  EXPECT_EQ(parsed->text, "lost == 0");
}

TEST(Expectation, KnowsEveryComparison) {
  EXPECT_EQ(parse_expectation("lost != 1")->compare, Compare::NotEqual);
  EXPECT_EQ(parse_expectation("lost < 1")->compare, Compare::Less);
  EXPECT_EQ(parse_expectation("lost <= 1")->compare, Compare::LessEqual);
  EXPECT_EQ(parse_expectation("lost > 1")->compare, Compare::Greater);
  EXPECT_EQ(parse_expectation("lost>=1")->compare, Compare::GreaterEqual);
  EXPECT_FALSE(parse_expectation("lost = 1"));
  EXPECT_FALSE(parse_expectation("lost === 1"));
}

TEST(Expectation, MayNameADeviceAndTheWayToTheHandler) {
  const auto both = parse_expectation("nvme0.handler.p99.9 < 5us");
  EXPECT_EQ(both->device, "nvme0");
  EXPECT_TRUE(both->to_handler);
  EXPECT_EQ(both->metric, "p99.9");
  EXPECT_EQ(both->bound, 5'000'000u);
  EXPECT_EQ(parse_expectation("nvme0.p99 < 5us")->device, "nvme0");
  EXPECT_FALSE(parse_expectation("nvme0.p99 < 5us")->to_handler);
  EXPECT_TRUE(parse_expectation("handler.p99 < 5us")->to_handler);
  EXPECT_EQ(parse_expectation("handler.p99 < 5us")->device, "");
}

TEST(Expectation, ALatencyHasATimeAndACountHasNone) {
  EXPECT_FALSE(parse_expectation("p99 < 20"));
  EXPECT_FALSE(parse_expectation("lost == 0us"));
  EXPECT_FALSE(parse_expectation("handler.lost == 0"));
}

TEST(Expectation, EveryMetricIsOne) {
  for (const Metric& metric : metrics()) {
    const std::string bound = metric.kind == MetricKind::Latency ? "7us" : "7";
    const std::string name(metric.name);
    const bool of_run = metric.kind == MetricKind::Software;
    EXPECT_EQ(bool(parse_expectation("d." + name + " <= " + bound)), !of_run) << name;
    const auto parsed = parse_expectation((of_run ? "" : "d.") + name + " <= " + bound);
    ASSERT_TRUE(parsed) << metric.name;
    EXPECT_EQ(parsed->metric, metric.name);
    EXPECT_EQ(parsed->device, of_run ? "" : "d");
  }
}

TEST(Expectation, OtherTextIsNone) {
  for (const char* text : {"", "==", "lost", "== 0", "lost ==", ".lost == 0", "a b.lost == 0",
                           "no delivery of A after gone", "handler.handler.p99 < 1us."}) {
    EXPECT_FALSE(parse_expectation(text)) << text;
  }
}

TEST(Answer, AnErrorIsTheNegativeErrno) {
  EXPECT_EQ(*parse_answer("-EINVAL"), -22);
  EXPECT_EQ(*parse_answer("-EAGAIN"), -11);
  EXPECT_EQ(*parse_answer("3"), 3);
  EXPECT_FALSE(parse_answer("-22"));
  EXPECT_FALSE(parse_answer("EINVAL"));
  EXPECT_FALSE(parse_answer("-EWRONG"));
  EXPECT_EQ(write_answer(-22), "-EINVAL");
  EXPECT_EQ(write_answer(0), "0");
}

TEST(Register, IsANameOrAnOffset) {
  EXPECT_EQ(*parse_register("SVR", lapic_registers(), kLapicPage), 0xf0u);
  EXPECT_EQ(*parse_register("ICR2", lapic_registers(), kLapicPage), 0x310u);
  EXPECT_EQ(*parse_register("0x80", lapic_registers(), kLapicPage), 0x80u);
  EXPECT_FALSE(parse_register("0x1000", lapic_registers(), kLapicPage));
  EXPECT_FALSE(parse_register("SVT", lapic_registers(), kLapicPage));
  EXPECT_EQ(write_register(0xf0, lapic_registers()), "SVR");
  EXPECT_EQ(write_register(0x3f0, lapic_registers()), "0x3f0");
}

}  // namespace
}  // namespace irqfab::scenario
