#include "fabric/recording/line_format.hpp"

#include <gtest/gtest.h>

namespace irqfab::recording {
namespace {

LineHead event(std::string_view line) {
  LineError error;
  const auto head = read_event_line(line, error);
  EXPECT_TRUE(head) << line << ": " << error.message;
  return head.value_or(LineHead{});
}
LineError error_of(std::string_view line) {
  LineError error;
  EXPECT_FALSE(read_event_line(line, error)) << line;
  return error;
}

TEST(LineFormat, ReadsATraceCmdReport) {
  constexpr std::string_view kLine =
      "p5-5944  [003]  2037.262354996: kvm_set_irq:          gsi 20 level 1 source 0";
  const LineHead head = event(kLine);
  EXPECT_EQ(head.format, Format::TraceCmd);
  EXPECT_EQ(head.comm, "p5");
  EXPECT_EQ(head.pid, 5944);
  EXPECT_EQ(head.cpu, 3u);
  EXPECT_EQ(head.time, 2'037'262'354'996u);
  EXPECT_EQ(head.event, "kvm_set_irq");
  EXPECT_EQ(head.fields, "gsi 20 level 1 source 0");
  EXPECT_EQ(kLine.substr(head.fields_at, 3), "gsi");
}

TEST(LineFormat, ReadsTextOfPerfScript) {
  const LineHead head =
      event(" kworker/0:6-vir  9441 [000]  5346.703386:         kvm:kvm_set_irq: gsi 21 level 1");
  EXPECT_EQ(head.format, Format::PerfScript);
  EXPECT_EQ(head.comm, "kworker/0:6-vir");
  EXPECT_EQ(head.pid, 9441);
  EXPECT_EQ(head.time, 5'346'703'386'000u);
  EXPECT_EQ(head.event, "kvm_set_irq");
}

TEST(LineFormat, CommsMayHoldBlanksDashesColonsSlashesAndBrackets) {
  EXPECT_EQ(event(" CPU 0/KVM-17 [001] 1.0: kvm_eoi: x").comm, "CPU 0/KVM");
  EXPECT_EQ(event(" a-b: c-17 [001] 1.0: kvm_eoi: x").comm, "a-b: c");
  EXPECT_EQ(event(" [0] [1]-17 [001] 1.0: kvm_eoi: x").comm, "[0] [1]");
  EXPECT_EQ(event(" 1/2-17 [001] 1.0: kvm_eoi: x").comm, "1/2");
  EXPECT_EQ(event(" <...>-17 [001] 1.0: kvm_eoi: x").comm, "<...>");
  EXPECT_EQ(event(" a-5 b [2] 17 [001] 1.0: kvm:kvm_eoi: x").comm, "a-5 b [2]");
  EXPECT_EQ(event(" a-5 17/18 [001] 1.0: kvm:kvm_eoi: x").pid, 18);
  EXPECT_EQ(event(" :-1 -1 [001] 1.0: kvm:kvm_eoi: x").pid, -1);
}

TEST(LineFormat, ReadsTheColumnOfTheThreadGroup) {
  EXPECT_EQ(event(" qemu-17 (   16) [001] d..1. 1.0: kvm_eoi: x").pid, 17);
  EXPECT_EQ(event(" qemu-17 (-------) [001] d..1. 1.0: kvm_eoi: x").comm, "qemu");
}

TEST(LineFormat, ReadsTheLatencyFlagsForTheContext) {
  EXPECT_EQ(event("a-1 [000] d..1 1.0: e: x").context, Context::Task);
  EXPECT_EQ(event("a-1 [000] d.h1. 1.0: e: x").context, Context::HardIrq);
  EXPECT_EQ(event("a-1 [000] dNs2. 1.0: e: x").context, Context::SoftIrq);
  EXPECT_EQ(event("a-1 [000] 1.0: e: x").context, Context::Task);
}

TEST(LineFormat, ReadsACpuThatIsJoinedWithItsFlags) {
  const LineHead head = event("      p5-5944   12d.h1.  2037.262355: kvm_set_irq:  gsi 20");
  EXPECT_EQ(head.comm, "p5");
  EXPECT_EQ(head.cpu, 12u);
  EXPECT_EQ(head.context, Context::HardIrq);
  EXPECT_EQ(head.event, "kvm_set_irq");
}

TEST(LineFormat, RemovesTheNameOfABuffer) {
  EXPECT_EQ(event("probe:               p5-5944 [000] 1.0: e: x").comm, "p5");
  EXPECT_EQ(event("probe:  kworker/0:17-47 [000] 1.0: e: x").comm, "kworker/0:17");
  EXPECT_EQ(event("a: kworker/-47 0d..1. 1.0: e: x").comm, "kworker/");
  EXPECT_EQ(event("a: b-47 [000] 1.0: e: x").comm, "a: b") << "a comm of its own";
}

TEST(LineFormat, SkipsPeriodsTimeDifferencesAndModifiers) {
  EXPECT_EQ(event("a 1 [000] 1.0:   250000 kvm:kvm_eoi: x").event, "kvm_eoi");
  EXPECT_EQ(event("a-1 [000] 1.0: (+36)    kvm_eoi:    x").event, "kvm_eoi");
  EXPECT_EQ(event("a 1 [000] 1.0: kvm:kvm_eoi:H: x").event, "kvm_eoi");
  EXPECT_EQ(event("a-1 [000] 1.0: schedule <-worker_thread").event, "function");
}

TEST(LineFormat, TimesHaveUpToNineDecimalsOrAreTicks) {
  EXPECT_EQ(event("a-1 [000] 7.5: e: x").time, 7'500'000'000u);
  EXPECT_EQ(event("a-1 [000] 1763000000.000000001: e: x").time, 1'763'000'000'000'000'001u);
  const LineHead ticks = event("a-1 [000] 5288134059374: e: x");
  EXPECT_EQ(ticks.time, 5'288'134'059'374u);
  EXPECT_EQ(ticks.unit, TimeUnit::Ticks);
}

TEST(LineFormat, SaysWhereALineStopsBeingAnEvent) {
  EXPECT_EQ(error_of("garbage").at, 0u);
  EXPECT_EQ(error_of("p5-5944  [000]  2037.2623").at, 16u);
  EXPECT_EQ(error_of("p5-5944  [000]  2037.262354996:").at, 31u);
  EXPECT_EQ(error_of("p5-5944  [000]  2037.262354996: kvm_set_ir").at, 32u);
  EXPECT_EQ(error_of("p5-5944  [000]  2037.2623549961: e: x").message,
            "there is no timestamp after the CPU");
  EXPECT_EQ(error_of("p5-5944  [000]  99999999999999999999.0: e: x").at, 16u);
  EXPECT_EQ(error_of("p5  [000]  1.0: e: x").message, "there is no thread before the CPU");
}

TEST(LineFormat, KnowsTheLinesBetweenEvents) {
  for (const std::string_view line :
       {"", "  ", "# tracer: nop", "cpus=2", "version = 7", "CPU 1 is empty", "Warning:"}) {
    EXPECT_EQ(read_remark(line).remark, Remark::Nothing) << line;
  }
  EXPECT_EQ(read_remark("cpu=2").remark, Remark::None);
}

TEST(LineFormat, CountsLostEvents) {
  EXPECT_EQ(read_remark("CPU:3 [204600 EVENTS DROPPED]").lost, 204'600u);
  EXPECT_EQ(read_remark("CPU:0 [LOST 12 EVENTS]").lost, 12u);
  const RemarkLine unknown = read_remark("CPU:0 [EVENTS DROPPED]");
  EXPECT_EQ(unknown.remark, Remark::Lost);
  EXPECT_EQ(unknown.lost, 0u);
  EXPECT_EQ(read_remark("# entries-in-buffer/entries-written: 205/1205   #P:2").lost, 1000u);
  EXPECT_EQ(read_remark("# entries-in-buffer/entries-written: 205/205   #P:2").remark,
            Remark::Nothing);
  EXPECT_EQ(read_remark("Processed 100 events and lost 2 chunks!").remark, Remark::Lost);
}

TEST(LineFormat, KnowsAStack) {
  EXPECT_TRUE(continues_a_stack("\tffffffffc0bc1000 vcpu_run+0x10 ([kvm])", false));
  EXPECT_TRUE(continues_a_stack(" => vcpu_run", false));
  EXPECT_TRUE(continues_a_stack("     send (inlined)", true));
  EXPECT_FALSE(continues_a_stack("     send (inlined)", false));
  EXPECT_FALSE(continues_a_stack("     p5-5944  [000]  2037.26", true));
}

}  // namespace
}  // namespace irqfab::recording
