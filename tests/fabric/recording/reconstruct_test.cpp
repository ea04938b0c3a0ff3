#include "fabric/recording/reconstruct.hpp"

#include <gtest/gtest.h>

#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using test::acts;
using test::data;
using test::errors_of;
using test::import;

Recording import_data(const std::string& name) {
  auto recording = import(data(name), name);
  EXPECT_TRUE(recording) << errors_of(recording);
  return recording ? *recording : Recording{};
}
const Vcpu& vcpu(const Recording& recording, std::uint32_t apic) {
  return recording.replay.vcpus.at(apic);
}
std::vector<std::string> codes(const Recording& recording) {
  std::vector<std::string> codes;
  for (const Diagnostic& note : recording.notes) codes.push_back(note.code);
  return codes;
}

TEST(Reconstruct, AHostInterruptInsideACallIsACallOfItsOwn) {
  const Recording recording = import_data("flags.txt");
  const auto lines = acts<LineDriven>(recording.replay);
  const auto messages = acts<MessageSent>(recording.replay);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].gsi, Gsi{20});
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_FALSE(messages[0].route) << "the line above it is of another context";
  EXPECT_TRUE(acts<LocalVector>(recording.replay).empty());
  ASSERT_EQ(recording.replay.entries.size(), 1u);
  EXPECT_EQ(recording.replay.entries[0].entry.bits, 0x43u);
}

TEST(Reconstruct, ThreadsKnowTheirRoles) {
  const Recording recording = import_data("flags.txt");
  ASSERT_EQ(recording.replay.threads.size(), 3u);
  EXPECT_EQ(recording.replay.threads[0].role, ThreadRole::Injector);
  EXPECT_EQ(recording.replay.threads[2].role, ThreadRole::Vcpu);
  EXPECT_EQ(recording.replay.threads[2].name, "CPU 0/KVM");
  EXPECT_EQ(vcpu(recording, 0).thread, ThreadId{2});
}

TEST(Reconstruct, AKworkersPulseIsAnIrqfdAndAnyOtherThreadsLevelsAreCalls) {
  const Recording recording = import_data("joined.txt");
  const auto irqfds = acts<IrqfdSignalled>(recording.replay);
  ASSERT_EQ(irqfds.size(), 1u);
  EXPECT_EQ(irqfds[0].gsi, Gsi{21});
  EXPECT_EQ(irqfds[0].resampling, Resampling::No);
  EXPECT_EQ(acts<LineDriven>(recording.replay).size(), 1u);
  EXPECT_EQ(recording.left_out.half_pulses, 1u);
}

TEST(Reconstruct, LevelLinesAreCallsAndResamplingLowersItself) {
  const Recording recording = import_data("level.txt");
  const auto lines = acts<LineDriven>(recording.replay);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].level, Level::High);
  EXPECT_EQ(lines[1].level, Level::Low);
  EXPECT_EQ(recording.replay.stimuli[1].thread, *vcpu(recording, 0).thread) << "by the handler";
  const auto irqfds = acts<IrqfdSignalled>(recording.replay);
  ASSERT_EQ(irqfds.size(), 1u);
  EXPECT_EQ(irqfds[0].resampling, Resampling::Yes);
  EXPECT_EQ(recording.left_out.resampler_lows, 1u);
  EXPECT_EQ(recording.left_out.redeliveries, 1u) << "the other source kept the line high";
  EXPECT_EQ(recording.left_out.pic_inputs, 1u);
  EXPECT_EQ(recording.truth.handled.size(), 3u);
  EXPECT_EQ(recording.truth.counts, Counts::Unsure);
}

TEST(Reconstruct, LogicalDestinationsGiveLogicalIds) {
  const Recording recording = import_data("logical.txt");
  ASSERT_EQ(recording.replay.vcpus.size(), 4u);
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(vcpu(recording, i).logical_id, 1u << i);
  const auto messages = acts<MessageSent>(recording.replay);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].message.dst, 0xCu);
  EXPECT_EQ(messages[1].message.mode, x86::DeliveryMode::LowestPriority);
  EXPECT_EQ(messages[3].message.mode, x86::DeliveryMode::Nmi);
  EXPECT_EQ(recording.truth.handled.size(), 4u);
  EXPECT_TRUE(recording.truth.in_flight.empty()) << "an NMI has no EOI";
  EXPECT_TRUE(acts<LocalVector>(recording.replay).empty());
}

TEST(Reconstruct, IpisComeFromTheVcpuOfTheirThread) {
  const Recording recording = import_data("ipi.txt");
  const auto ipis = acts<IpiSent>(recording.replay);
  ASSERT_EQ(ipis.size(), 4u);
  EXPECT_EQ(ipis[0].ipi.mode, x86::DeliveryMode::Init);
  EXPECT_EQ(ipis[1].ipi.mode, x86::DeliveryMode::StartUp);
  EXPECT_EQ(ipis[1].ipi.vector, Vector{0x9A});
  EXPECT_EQ(ipis[2].from, ApicId{0});
  EXPECT_EQ(ipis[3].from, ApicId{1});
  EXPECT_EQ(ipis[3].ipi.shorthand, Shorthand::Self);
}

TEST(Reconstruct, AVectorThatNobodySentIsALocalOne) {
  const auto local = acts<LocalVector>(import_data("ipi.txt").replay);
  ASSERT_EQ(local.size(), 1u);
  EXPECT_EQ(local[0].apic, ApicId{0});
  EXPECT_EQ(local[0].vector, Vector{236});
}

TEST(Reconstruct, ALapicThatTheGuestEnablesStartsDisabled) {
  const Recording recording = import_data("ipi.txt");
  EXPECT_TRUE(vcpu(recording, 0).enabled);
  EXPECT_FALSE(vcpu(recording, 1).enabled);
  const auto writes = acts<RegisterWritten>(recording.replay);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].cpu, ApicId{1});
  EXPECT_EQ(writes[0].value, 0x1FFu);
}

TEST(Reconstruct, WithoutIpiEventsTheIcrSaysTheSameInBothOrders) {
  const Recording recording = import_data("icr.txt");
  const auto ipis = acts<IpiSent>(recording.replay);
  ASSERT_EQ(ipis.size(), 2u);
  EXPECT_EQ(ipis[0].ipi.dst, 1u);
  EXPECT_EQ(ipis[0].ipi.vector, Vector{0xF1});
  EXPECT_EQ(ipis[1].ipi.vector, Vector{0xF2});
  EXPECT_EQ(ipis[1].ipi.shorthand, Shorthand::All);
  EXPECT_EQ(ipis[1].from, ApicId{1});
  EXPECT_TRUE(acts<LocalVector>(recording.replay).empty());
  EXPECT_EQ(recording.mode, ApicMode::X2apic);
}

TEST(Reconstruct, FirmwareProgramsTheControllersInTheReplay) {
  const Recording recording = import_data("firmware.txt");
  EXPECT_FALSE(vcpu(recording, 0).enabled);
  EXPECT_EQ(vcpu(recording, 0).logical_id, 0) << "the guest's own write to LDR says it";
  EXPECT_EQ(acts<RegisterWritten>(recording.replay).size(), 4u) << "LVT0, LDR, DFR, SVR";
  const auto entries = acts<EntryWritten>(recording.replay);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[1].pin, Pin{4});
  EXPECT_EQ(entries[1].entry.bits, 0x0100'0000'0000'0831u);
  EXPECT_EQ(entries[2].pin, Pin{2});
  EXPECT_EQ(entries[2].entry.vector(), Vector{209});
  EXPECT_EQ(recording.left_out.wake_ups, 1u);
}

TEST(Reconstruct, LearnsWhichPinAGsiReaches) {
  const Recording recording = import_data("firmware.txt");
  ASSERT_EQ(recording.replay.routes.size(), 2u);
  EXPECT_EQ(recording.replay.routes[0].gsi, Gsi{0});
  EXPECT_EQ(recording.replay.routes[0].pin, Pin{2});
  EXPECT_EQ(recording.replay.routes[1].pin, Pin{4});
}

TEST(Reconstruct, AnEntryThatChangedIsWrittenJustBeforeTheCallThatShowsIt) {
  const Recording recording = import_data("routes.txt");
  const auto& stimuli = recording.replay.stimuli;
  ASSERT_GE(stimuli.size(), 2u);
  const Stimulus& written = stimuli[stimuli.size() - 2];
  ASSERT_TRUE(std::holds_alternative<EntryWritten>(written.act));
  EXPECT_EQ(written.time, stimuli.back().time);
  EXPECT_TRUE(std::holds_alternative<LineDriven>(stimuli.back().act));
}

TEST(Reconstruct, AMessageBehindAGsiIsOneMessage) {
  const Recording recording = import_data("routes.txt");
  const auto messages = acts<MessageSent>(recording.replay);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].route, Gsi{30});
  for (const LineDriven& line : acts<LineDriven>(recording.replay)) EXPECT_NE(line.gsi, Gsi{30});
}

TEST(Reconstruct, ARouteThatIsLookedAtIsNoMessageButOneForNobodyIs) {
  const Recording recording = import_data("routes.txt");
  EXPECT_EQ(recording.left_out.messages_not_sent, 1u);
  EXPECT_EQ(acts<MessageSent>(recording.replay)[1].message.dst, 9u);
}

TEST(Reconstruct, WithoutPinEventsTheEntryIsGuessedFromTheAcceptance) {
  const auto recording = import(
      "v-1 [000] 1.0: kvm_set_irq: gsi 20 level 1 source 0\n"
      "v-1 [000] 1.1: kvm_apic_accept_irq: apicid 1 vec 67 (Fixed|edge)\n"
      "v-1 [000] 1.2: kvm_set_irq: gsi 20 level 0 source 0\n");
  ASSERT_TRUE(recording);
  ASSERT_EQ(recording->replay.entries.size(), 1u);
  EXPECT_EQ(recording->replay.entries[0].pin, Pin{20});
  EXPECT_EQ(recording->replay.entries[0].entry.bits, 0x0100'0000'0000'0043u);
  EXPECT_EQ(codes(*recording), (std::vector<std::string>{"no-eoi", "guessed-entries"}));
}

TEST(Reconstruct, StimuliAreSortedByTimeAndKeepTheirOrderWithinOne) {
  const auto recording = import(
      "v-1 [000] 1.000002: kvm_set_irq: gsi 3 level 1 source 0\n"
      "v-2 [001] 1.000001: kvm_set_irq: gsi 2 level 1 source 0\n"
      "v-2 [001] 1.000002: kvm_set_irq: gsi 1 level 1 source 0\n"
      "v-2 [001] 1.000002: kvm_eoi: apicid 0 vector 65\n");
  ASSERT_TRUE(recording);
  std::vector<Gsi> gsis;
  for (const LineDriven& line : acts<LineDriven>(recording->replay)) gsis.push_back(line.gsi);
  EXPECT_EQ(gsis, (std::vector<Gsi>{Gsi{2}, Gsi{3}, Gsi{1}}));
  EXPECT_EQ(recording->replay.stimuli[0].time, 0u);
  EXPECT_EQ(recording->replay.stimuli[1].time, 1 * kPsPerUs);
}

TEST(Reconstruct, DestinationsOfMoreThanEightBitsBecomeMessagesToWhoTookThem) {
  const auto recording = import(
      "v-1 [000] 1.0: kvm_msi_set_irq: dst 10003 vec 80 (Fixed|logical|edge)\n"
      "v-1 [000] 1.1: kvm_apic_accept_irq: apicid 10 vec 80 (Fixed|edge)\n"
      "v-1 [000] 1.2: kvm_apic_accept_irq: apicid 11 vec 80 (Fixed|edge)\n");
  ASSERT_TRUE(recording);
  EXPECT_TRUE(acts<MessageSent>(recording->replay).empty());
  const auto direct = acts<LocalVector>(recording->replay);
  ASSERT_EQ(direct.size(), 2u);
  EXPECT_EQ(direct[1].apic, ApicId{0x11});
}

TEST(Reconstruct, TwoThreadsThatRunOneVcpuAreTwoMachines) {
  const auto recording = import(
      "a-1 [000] 1.0: kvm_entry: vcpu 0, rip 0x0\n"
      "b-2 [001] 1.1: kvm_entry: vcpu 0, rip 0x0\n");
  ASSERT_FALSE(recording);
  EXPECT_EQ(recording.errors()[0].code, "several-machines");
}

TEST(Reconstruct, OneThreadMayRunSeveralVcpusInTurn) {
  const auto recording = import(
      "a-1 [000] 1.0: kvm_entry: vcpu 0, rip 0x0\n"
      "a-1 [000] 1.1: kvm_apic: apic_write APIC_TASKPRI = 0x10\n"
      "a-1 [000] 1.2: kvm_entry: vcpu 1, rip 0x0\n"
      "a-1 [000] 1.3: kvm_apic: apic_write APIC_TASKPRI = 0x20\n");
  ASSERT_TRUE(recording);
  const auto writes = acts<RegisterWritten>(recording->replay);
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].cpu, ApicId{0});
  EXPECT_EQ(writes[1].cpu, ApicId{1});
}

TEST(Reconstruct, AWriteBeforeTheThreadsVcpuIsKnownIsOfTheVcpuItRunsLater) {
  const auto recording = import(
      "a-1 [000] 1.0: kvm_apic: apic_write APIC_TASKPRI = 0x10\n"
      "b-2 [001] 1.1: kvm_eoi: apicid 0 vector 65\n"
      "a-1 [000] 1.2: kvm_eoi: apicid 1 vector 65\n");
  ASSERT_TRUE(recording);
  EXPECT_EQ(acts<RegisterWritten>(recording->replay).at(0).cpu, ApicId{1});
}

TEST(Reconstruct, ARecordingWithoutInterruptsIsRefused) {
  const auto recording = import("a-1 [000] 1.0: sched_switch: x\n");
  ASSERT_FALSE(recording);
  EXPECT_EQ(recording.errors()[0].code, "no-interrupt");
}

TEST(Reconstruct, AnImpossibleApicIdIsRefused) {
  EXPECT_EQ(import("a-1 [000] 1.0: kvm_eoi: apicid ffffffff vector 65\n").errors().at(0).code,
            "apic-id");
}

TEST(Reconstruct, TimestampsTooFarApartAreRefused) {
  const auto recording = import(
      "a-1 [000] 1.0: kvm_eoi: apicid 0 vector 65\n"
      "a-1 [000] 1763000000.0: kvm_eoi: apicid 0 vector 65\n");
  ASSERT_FALSE(recording);
  EXPECT_EQ(recording.errors()[0].code, "too-long");
}

TEST(Reconstruct, AnErrorOfTheReaderIsItsError) {
  const auto recording = import("a-1 [000] 1.0: kvm_eoi: apicid 0 vector 65\ngarbage\n", "x.txt");
  ASSERT_FALSE(recording);
  EXPECT_EQ(recording.errors()[0].where.file, "x.txt");
  EXPECT_EQ(recording.errors()[0].where.line, 2);
}

TEST(Reconstruct, LostEventsAreNoted) {
  EXPECT_EQ(codes(import_data("ftrace.txt")), (std::vector<std::string>{"lost-events"}));
}

}  // namespace
}  // namespace irqfab::recording
