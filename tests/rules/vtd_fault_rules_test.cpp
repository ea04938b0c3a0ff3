// Rules of fault logging, of the fault event and of registers: Intel Virtualization
// Technology for Directed I/O, Architecture Specification (D51397), numbered as in rev. 4.1;
// registers go by their names.
#include "tests/rules/rule.hpp"
#include "tests/rules/vtd_rig.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
namespace reg = x86::vtd;

constexpr std::uint32_t kMask = 1u << 31;     // IM
constexpr std::uint32_t kPending = 1u << 30;  // IP
constexpr std::uint32_t kIqe = 1u << 4;
constexpr std::uint32_t kPpf = 1u << 1;
constexpr std::uint32_t kPfo = 1u << 0;

VtdRig with_records(unsigned records, reg::FaultCollapsing collapsing = reg::FaultCollapsing::Off) {
  VtdRemapper::Config config;
  config.fault_records = records;
  config.collapsing = collapsing;
  return VtdRig(config);
}
/// Requests beyond the table: a fault each.
void fault_from(VtdRig& rig, std::uint16_t rid) { rig.request(300, rid); }
// ---- 7.2.1: primary fault logging ----

void faults_take_the_records_in_turn() {
  VtdRig rig = with_records(3);
  for (std::uint16_t rid = 1; rid <= 3; ++rid) fault_from(rig, rid);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(rig.fault(i), 0x21u);
    EXPECT_EQ(rig.read(reg::FRCD_REG + 16 * i + 8), i + 1);
  }
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf);
  rig.clear_fault(0);
  fault_from(rig, 4);
  EXPECT_EQ(rig.read(reg::FRCD_REG + 8), 4u) << "around";
}
void a_fault_without_a_free_record_overflows() {
  VtdRig rig = with_records(2);
  fault_from(rig, 1);
  fault_from(rig, 2);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf);
  fault_from(rig, 3);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf | kPfo);
  EXPECT_EQ(rig.read(reg::FRCD_REG + 8), 1u);
  EXPECT_EQ(rig.env.count(Event::RemapFaulted), 2u) << "what is lost is not reported";
}
void the_next_record_must_be_free_whatever_the_others() {
  VtdRig rig = with_records(2);
  fault_from(rig, 1);
  fault_from(rig, 2);
  rig.clear_fault(1);
  fault_from(rig, 3);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf | kPfo);
  EXPECT_EQ(rig.fault(1), 0u);
}
void while_pfo_is_set_nothing_is_recorded() {
  VtdRig rig = with_records(1);
  fault_from(rig, 1);
  fault_from(rig, 2);
  rig.clear_fault();
  fault_from(rig, 3);
  EXPECT_EQ(rig.fault(), 0u);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPfo);
  rig.write(reg::FSTS_REG, kPfo);
  fault_from(rig, 4);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf);
  EXPECT_EQ(rig.read(reg::FRCD_REG + 8), 4u);
}
void fri_is_the_record_that_set_ppf() {
  VtdRig rig = with_records(4);
  fault_from(rig, 1);
  rig.clear_fault(0);
  fault_from(rig, 2);
  fault_from(rig, 3);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf | 1u << 8);
  rig.clear_fault(1);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf | 1u << 8);
  rig.clear_fault(2);
  EXPECT_EQ(rig.read(reg::FSTS_REG), 0u);
}
void faults_of_one_requester_may_be_collapsed() {
  VtdRig rig = with_records(2, reg::FaultCollapsing::SameRequester);
  for (const std::uint16_t rid : {1, 1, 2, 2, 1}) fault_from(rig, rid);
  EXPECT_EQ(rig.read(reg::FSTS_REG), kPpf);
  EXPECT_EQ(rig.read(reg::FRCD_REG + 24), 2u);
  EXPECT_EQ(rig.env.count(Event::RemapFaulted), 2u);
  rig.clear_fault(0);
  fault_from(rig, 1);
  EXPECT_EQ(rig.fault(0), 0x21u) << "nothing to collapse into";
}
void f_is_cleared_by_writing_1() {
  VtdRig rig;
  fault_from(rig, 1);
  rig.write(reg::FRCD_REG + 12, ~(1u << 31));
  EXPECT_EQ(rig.fault(), 0x21u);
  rig.write(reg::FRCD_REG, ~0u);
  rig.write(reg::FRCD_REG + 8, ~0u);
  EXPECT_EQ(rig.read64(reg::FRCD_REG + 8), 0x8000002100000001u);
  rig.clear_fault();
  EXPECT_EQ(rig.fault(), 0u);
  EXPECT_EQ(rig.read(reg::FSTS_REG), 0u);
}

// ---- 7.3: the fault event ----

VtdRig with_fault_event() {
  VtdRig rig = with_records(4);
  rig.write(reg::FEDATA_REG, 0x4066);
  rig.write(reg::FEADDR_REG, 0xFEE02000);
  rig.write(reg::FECTL_REG, 0);
  return rig;
}
void the_first_fault_sends_the_event() {
  VtdRig rig = with_fault_event();
  fault_from(rig, 1);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].address, 0xFEE02000u) << "not remapped, though in compatibility format";
  EXPECT_EQ(rig.sent()[0].data, 0x4066u);
  EXPECT_EQ(rig.env.count(Event::UnitEventSent), 1u);
  fault_from(rig, 2);
  EXPECT_EQ(rig.sent().size(), 1u) << "PPF was set already";
}
void a_queue_error_sends_it_too() {
  VtdRig rig = with_fault_event();
  rig.queue(0);
  EXPECT_EQ(rig.sent().size(), 1u);
  fault_from(rig, 1);
  EXPECT_EQ(rig.sent().size(), 1u) << "IQE was set already";
  VtdRig other = with_fault_event();
  fault_from(other, 1);
  other.queue(0);
  EXPECT_EQ(other.sent().size(), 1u) << "PPF was set already";
}
void once_served_the_next_fault_sends_it_again() {
  VtdRig rig = with_fault_event();
  fault_from(rig, 1);
  rig.clear_fault(0);
  fault_from(rig, 2);
  EXPECT_EQ(rig.sent().size(), 2u);
}
void a_masked_fault_event_is_pending() {
  VtdRig rig = with_fault_event();
  rig.write(reg::FECTL_REG, kMask);
  fault_from(rig, 1);
  EXPECT_TRUE(rig.sent().empty());
  EXPECT_EQ(rig.read(reg::FECTL_REG), kMask | kPending);
  rig.write(reg::FECTL_REG, 0);
  EXPECT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.read(reg::FECTL_REG), 0u);
}
void serving_all_withdraws_it() {
  VtdRig rig = with_fault_event();
  rig.write(reg::FECTL_REG, kMask);
  fault_from(rig, 1);
  rig.queue(0);
  rig.clear_fault(0);
  EXPECT_EQ(rig.read(reg::FECTL_REG), kMask | kPending) << "IQE is left";
  rig.write(reg::FSTS_REG, kIqe);
  EXPECT_EQ(rig.read(reg::FECTL_REG), kMask);
  VtdRig other = with_fault_event();
  other.write(reg::FECTL_REG, kMask);
  fault_from(other, 1);
  other.clear_fault(0);
  EXPECT_EQ(other.read(reg::FECTL_REG), kMask);
}

// ---- registers ----

void capabilities_follow_the_unit() {
  VtdRemapper::Config config;
  config.fault_records = 64;
  VtdRig plain(config);
  EXPECT_EQ(plain.read64(reg::CAP_REG), std::uint64_t{63} << 40 | std::uint64_t{0x22} << 24);
  EXPECT_EQ(plain.read64(reg::ECAP_REG), 0xF0000Au);
  VtdRig full = VtdRig::with_everything();
  EXPECT_EQ(full.read64(reg::CAP_REG), std::uint64_t{1} << 59 | std::uint64_t{0x22} << 24);
  EXPECT_EQ(full.read64(reg::ECAP_REG), 0xF0001Au);
}
void eime_and_upper_addresses_need_eim() {
  VtdRig plain;
  VtdRig full = VtdRig::with_everything();
  for (VtdRig* rig : {&plain, &full}) {
    rig->write64(reg::IRTA_REG, ~std::uint64_t{0});
    rig->write(reg::FEUADDR_REG, ~0u);
    rig->write(reg::IEUADDR_REG, ~0u);
  }
  EXPECT_EQ(plain.read64(reg::IRTA_REG), 0xFFFFFFFFFFFFF00Fu);
  EXPECT_EQ(full.read64(reg::IRTA_REG), 0xFFFFFFFFFFFFF80Fu);
  EXPECT_EQ(plain.read(reg::FEUADDR_REG), 0u);
  EXPECT_EQ(full.read(reg::FEUADDR_REG), ~0u);
  EXPECT_EQ(plain.read(reg::IEUADDR_REG), 0u);
  EXPECT_EQ(full.read(reg::IEUADDR_REG), ~0u);
}
void read_only_registers_ignore_writes() {
  VtdRig rig = with_records(2);
  fault_from(rig, 1);
  rig.queue(0);
  const VtdRemapper before = rig.unit;
  rig.forget();
  for (const std::uint64_t offset :
       {reg::VER_REG, reg::CAP_REG, reg::CAP_REG + 4, reg::ECAP_REG, reg::ECAP_REG + 4,
        reg::GSTS_REG, reg::IQH_REG, reg::IQH_REG + 4, reg::IQERCD_REG, reg::IQERCD_REG + 4,
        reg::FRCD_REG, reg::FRCD_REG + 4, reg::FRCD_REG + 8, reg::FRCD_REG + 24}) {
    rig.write(offset, ~0u);
    EXPECT_TRUE(rig.unit == before) << std::hex << offset;
  }
  EXPECT_EQ(rig.env.count(Event::GuestError), 0u);
  rig.write(reg::FRCD_REG + 32, ~0u);
  EXPECT_EQ(rig.read(reg::FRCD_REG + 32), 0u);
  EXPECT_EQ(rig.env.count(Event::GuestError), 2u) << "no third record";
}
void event_registers_keep_their_fields() {
  VtdRig rig;
  EXPECT_EQ(rig.read(reg::FECTL_REG), kMask);
  EXPECT_EQ(rig.read(reg::IECTL_REG), kMask);
  for (const std::uint64_t base : {reg::FECTL_REG, reg::IECTL_REG}) {
    rig.write(base, 0x7FFFFFFF);
    EXPECT_EQ(rig.read(base), 0u) << "IP is read-only";
    rig.write(base + 4, ~0u);
    EXPECT_EQ(rig.read(base + 4), 0xFFFFu);
    rig.write(base + 8, ~0u);
    EXPECT_EQ(rig.read(base + 8), 0xFFFFFFFCu);
    rig.write(base + 12, 0);
  }
  EXPECT_EQ(rig.env.count(Event::GuestError), 0u);
}
void an_event_in_extended_mode_has_a_wide_destination() {
  VtdRig rig = VtdRig::with_everything(VtdRig::kTable | VtdRig::kEime | 7);
  rig.write64(reg::FEADDR_REG, 0x89ABCD00FEEEF000);
  rig.write(reg::FECTL_REG, 0);
  fault_from(rig, 1);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(decode({rig.sent()[0].address, 0}, MsiDestination::Bits32).destination,
            ApicId{0x89ABCDEF});
}

const Rule kRules[] = {
    {"7.2.1", "FaultsTakeTheRecordsInTurn", faults_take_the_records_in_turn},
    {"7.2.1", "AFaultWithoutAFreeRecordOverflows", a_fault_without_a_free_record_overflows},
    {"7.2.1", "TheNextRecordMustBeFreeWhateverTheOthers",
     the_next_record_must_be_free_whatever_the_others},
    {"7.2.1", "WhilePfoIsSetNothingIsRecorded", while_pfo_is_set_nothing_is_recorded},
    {"7.2.1", "FriIsTheRecordThatSetPpf", fri_is_the_record_that_set_ppf},
    {"7.2.1", "FaultsOfOneRequesterMayBeCollapsed", faults_of_one_requester_may_be_collapsed},
    {"7.2.1", "FIsClearedByWriting1", f_is_cleared_by_writing_1},
    {"7.3", "TheFirstFaultSendsTheEvent", the_first_fault_sends_the_event},
    {"7.3", "AQueueErrorSendsItToo", a_queue_error_sends_it_too},
    {"7.3", "OnceServedTheNextFaultSendsItAgain", once_served_the_next_fault_sends_it_again},
    {"7.3", "AMaskedEventIsPending", a_masked_fault_event_is_pending},
    {"7.3", "ServingAllWithdrawsIt", serving_all_withdraws_it},
    {"CAP_REG", "CapabilitiesFollowTheUnit", capabilities_follow_the_unit},
    {"ECAP_REG", "EimeAndUpperAddressesNeedEim", eime_and_upper_addresses_need_eim},
    {"Register Descriptions", "ReadOnlyRegistersIgnoreWrites", read_only_registers_ignore_writes},
    {"FECTL_REG", "EventRegistersKeepTheirFields", event_registers_keep_their_fields},
    {"FEUADDR_REG", "AnEventInExtendedModeHasAWideDestination",
     an_event_in_extended_mode_has_a_wide_destination},
};
INSTANTIATE_TEST_SUITE_P(VtdFaults, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
