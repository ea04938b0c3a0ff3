#include "fabric/recording/emit.hpp"

#include <gtest/gtest.h>

#include "fabric/recording/emit_text.hpp"
#include "fabric/scenario/reader.hpp"
#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using test::data;
using test::errors_of;
using test::import;

const EmitOptions kOptions{"a \"b\"/rec\"x.txt", "x.events", ""};

Emitted emitted(const std::string& text) {
  const auto recording = import(text);
  EXPECT_TRUE(recording) << errors_of(recording);
  if (!recording) return {};
  const auto out = emit(*recording, kOptions);
  EXPECT_TRUE(out) << errors_of(out);
  return out ? *out : Emitted{};
}
std::vector<std::uint64_t> details(const Emitted& out, Event event) {
  std::vector<std::uint64_t> found;
  for (const TraceRecord& record : out.records) {
    if (record.event == event) found.push_back(record.detail);
  }
  return found;
}
bool has_line(const Emitted& out, const std::string& line) {
  return ('\n' + out.scenario).find('\n' + line + '\n') != std::string::npos;
}

TEST(Emit, EveryScenarioIsOneThatTheReaderTakes) {
  for (const char* name : {"flags.txt", "joined.txt", "ftrace.txt", "perf.txt", "level.txt",
                           "logical.txt", "ipi.txt", "icr.txt", "firmware.txt", "routes.txt"}) {
    const Emitted out = emitted(data(name));
    const auto scenario = scenario::read(out.scenario, "out.yaml");
    ASSERT_TRUE(scenario) << name << '\n' << out.scenario << errors_of(scenario);
    ASSERT_EQ(scenario->workload.size(), 1u);
    EXPECT_EQ(scenario->workload[0].kind, scenario::LoadKind::Replay);
    EXPECT_EQ(scenario->workload[0].replay_file, "x.events");
    EXPECT_EQ(scenario->machine.path, "kvm-irqfd");
    EXPECT_NE(scenario->title.find("rec\"x.txt"), std::string::npos)
        << "quoted, without its folder";
    EXPECT_GT(scenario->until, out.records.back().time);
  }
}

TEST(Emit, RecordsAreInCanonicalOrder) {
  for (const char* name : {"level.txt", "ipi.txt", "firmware.txt", "routes.txt"}) {
    const Emitted out = emitted(data(name));
    for (std::size_t i = 1; i < out.records.size(); ++i) {
      const TraceRecord &a = out.records[i - 1], &b = out.records[i];
      EXPECT_TRUE(a.time < b.time || (a.time == b.time && a.round < b.round)) << name << ' ' << i;
    }
    for (const TraceRecord& record : out.records) EXPECT_TRUE(out.nodes.contains(record.node));
  }
}

TEST(Emit, MessagesAreAddressAndData) {
  EXPECT_EQ(details(emitted(data("logical.txt")), Event::SignalMsiCalled),
            (std::vector<std::uint64_t>{0xFEE0'C004'0000'0050, 0xFEE0'F00C'0000'0151,
                                        0xFEE0'1004'0000'0152, 0xFEEF'F000'0000'0400}));
}

TEST(Emit, LinesNameTheirSourceLevelAndGsi) {
  EXPECT_EQ(details(emitted(data("firmware.txt")), Event::IrqLineCalled),
            (std::vector<std::uint64_t>{0x201'0000'0000, 0x200'0000'0000, 0x1'0000'0004,
                                        0x0'0000'0004, 0x1'0000'0000}));
}

TEST(Emit, AnIpiIsTheWriteOfItsIcr) {
  const auto writes = details(emitted(data("ipi.txt")), Event::ApicWritten);
  ASSERT_EQ(writes.size(), 8u);
  EXPECT_EQ(writes[0], 0x0000'0310'0100'0000u);
  EXPECT_EQ(writes[1], 0x0000'0300'0000'4500u);
  EXPECT_EQ(writes[4], 0x0001'00F0'0000'01FFu) << "SVR of CPU 1";
  EXPECT_EQ(writes[7], 0x0001'0300'0004'40B0u) << "a shorthand needs no destination";
}

TEST(Emit, AnEntryCarriesItsPin) {
  EXPECT_EQ(details(emitted(data("routes.txt")), Event::RteWritten),
            (std::vector<std::uint64_t>{0x5'0000'004A}));
}

TEST(Emit, IrqfdsAreBoundInTheSetupAndWrittenInTheRecords) {
  const Emitted plain = emitted(data("joined.txt"));
  EXPECT_TRUE(has_line(plain, "  - kvm.irqfd: { eventfd: e21, gsi: 21 }")) << plain.scenario;
  EXPECT_EQ(details(plain, Event::EventfdWritten), (std::vector<std::uint64_t>{21}));
  const Emitted resampling = emitted(data("level.txt"));
  EXPECT_TRUE(has_line(resampling, "  - kvm.irqfd: { eventfd: e10023, gsi: 23, resample: r23 }"));
  EXPECT_EQ(details(resampling, Event::EventfdWritten), (std::vector<std::uint64_t>{10'023}));
}

TEST(Emit, RoutesAreWrittenOnlyWhereTheyAreNotTheDefault) {
  EXPECT_EQ(emitted(data("joined.txt")).scenario.find("set_gsi_routing"), std::string::npos);
  const Emitted out = emitted(data("firmware.txt"));
  EXPECT_TRUE(has_line(out, "      - { gsi: 0, irqchip: { chip: ioapic, pin: 2 } }"));
  EXPECT_TRUE(has_line(out, "      - { gsi: 0, irqchip: { chip: pic_master, pin: 0 } }"));
  EXPECT_TRUE(has_line(out, "      - { gsi: 15, irqchip: { chip: pic_slave, pin: 7 } }"));
  EXPECT_EQ(out.scenario.find("gsi: 2,"), std::string::npos) << "its pin is GSI 0's";
}

TEST(Emit, LapicsThatTheGuestEnablesAreNotEnabledBefore) {
  const Emitted out = emitted(data("ipi.txt"));
  EXPECT_TRUE(has_line(out, "  - lapic.write: { cpu: 0, reg: SVR, value: 0x1ff }"));
  EXPECT_EQ(out.scenario.find("cpu: 1"), std::string::npos);
}

TEST(Emit, LogicalIdsAreWrittenWhereMessagesUseThem) {
  EXPECT_TRUE(has_line(emitted(data("logical.txt")),
                       "  - lapic.write: { cpu: 3, reg: LDR, value: 0x8000000 }"));
  EXPECT_EQ(emitted(data("joined.txt")).scenario.find("LDR"), std::string::npos);
}

TEST(Emit, AVcpuThatStopsDoesSoBeforeWhatItLeavesPending) {
  const Emitted out = emitted(
      "v-1 [000] 1.000001: kvm_msi_set_irq: dst 0 vec 65 (Fixed|physical|edge)\n"
      "v-1 [000] 1.000002: kvm_apic_accept_irq: apicid 0 vec 65 (Fixed|edge)\n"
      "c-2 [001] 1.000003: kvm_eoi: apicid 0 vector 65\n"
      "v-1 [000] 1.000004: kvm_msi_set_irq: dst 0 vec 66 (Fixed|physical|edge)\n"
      "v-1 [000] 1.000005: kvm_apic_accept_irq: apicid 0 vec 66 (Fixed|edge)\n");
  ASSERT_EQ(out.records.size(), 3u);
  EXPECT_EQ(out.records[1].event, Event::VcpuStopped);
  EXPECT_EQ(out.records[1].time, 2'999 * kPsPerNs);
  EXPECT_EQ(out.nodes[out.records[1].node], "vcpu0");
  EXPECT_TRUE(has_line(out, "  - handled == 1"));
  EXPECT_TRUE(has_line(out, "  - in_flight == 1"));
}

TEST(Emit, CountsThatDependOnTimingAreNotExpected) {
  EXPECT_EQ(emitted(data("level.txt")).scenario.find("expect:"), std::string::npos);
  EXPECT_EQ(emitted(data("logical.txt")).scenario.find("expect:"), std::string::npos) << "an NMI";
  EXPECT_EQ(emitted(data("perf.txt")).scenario.find("expect:"), std::string::npos) << "lost events";
  EXPECT_NE(emitted(data("joined.txt")).scenario.find("expect:"), std::string::npos);
}

TEST(Emit, NamesOfThreadsArePrintable) {
  EXPECT_EQ(node_name({"a\x1B\xFF", 7, ThreadRole::Injector, {}}), "a?\?-7");
  EXPECT_EQ(node_name({"CPU 3/KVM", 7, ThreadRole::Vcpu, ApicId{3}}), "vcpu3");
}

TEST(Emit, AMachineThatNeedsX2apicDestinationsIsRefused) {
  const auto recording = import("a-1 [000] 1.0: kvm_eoi: apicid ff vector 65\n");
  ASSERT_TRUE(recording);
  EXPECT_FALSE(emit(*recording, kOptions));
}

TEST(Emit, WhatCannotBeAddressedIsCounted) {
  const Emitted out = emitted(
      "v-1 [000] 1.0: kvm_msi_set_irq: dst 100 vec 65 (Fixed|physical|edge)\n"
      "c-2 [001] 1.1: kvm_eoi: apicid 0 vector 65\n");
  EXPECT_EQ(out.unaddressable, 1u);
  EXPECT_TRUE(out.records.empty());
}

TEST(Emit, TheBehaviourIsTheCallersChoice) {
  const auto recording = import(data("joined.txt"));
  const auto out = emit(*recording, {"r", "x.events", "kvm"});
  EXPECT_TRUE(has_line(*out, "behaviour: kvm"));
}

}  // namespace
}  // namespace irqfab::recording
