// PCI Local Bus 3.0, 6.8.2 (first the MSI-X ECN): the table, the pending bit array, the masks.
#include "tests/rules/pci_bench.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace pci;

constexpr std::uint64_t kPba = kMsixPbaOffset;

void capability() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x40, 1), 0x11u);
  EXPECT_EQ(b.configured(kMsixFunction, 0x34, 1), 0x40u);
  EXPECT_EQ(b.configured(kMsixFunction, 0x41, 1), 0u);
  EXPECT_EQ(b.configured(kBoth, 0x41, 1), 0x50u);
}

void table_size() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x42, 2), 69u);
  EXPECT_EQ(b.configured(kBoth, 0x42, 2), 1u);
  b.configure(kMsixFunction, 0x42, 0x3FFF, 2);
  EXPECT_EQ(b.configured(kMsixFunction, 0x42, 2), 69u);
}

void table_place() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x44, 4), 0u);
  b.configure(kMsixFunction, 0x44, 0xFFFFFFFF, 4);
  EXPECT_EQ(b.configured(kMsixFunction, 0x44, 4), 0u);
  EXPECT_FALSE(b.env.noted(Event::GuestError));
}

void pba_place() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x48, 4), 0x8000u);
  b.configure(kMsixFunction, 0x48, 0, 4);
  EXPECT_EQ(b.configured(kMsixFunction, 0x48, 4), 0x8000u);
}

void enable_reads_back() {
  PciBench b;
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  EXPECT_EQ(b.configured(kMsixFunction, 0x42, 2), 69u | kMsixEnable);
  b.configure(kMsixFunction, 0x42, kMsixFunctionMask, 2);
  EXPECT_EQ(b.configured(kMsixFunction, 0x42, 2), 69u | kMsixFunctionMask);
}

void off_at_reset() {
  PciBench b;
  b.functions.write_entry(kMsixFunction, VectorIndex{0}, {0xFEE02000, 1, Mask::Off}, b.env);
  b.raise(kMsixFunction);
  EXPECT_TRUE(b.dropped(DropReason::MessagesOff));
}

void enabled_keeps_intx_off() {
  PciBench b;
  b.wire(kMsixFunction, RaiseKind::IntxHigh);
  EXPECT_TRUE(b.asserted(kMsixFunction));
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  EXPECT_FALSE(b.asserted(kMsixFunction));
  b.configure(kMsixFunction, 0x42, 0, 2);
  EXPECT_TRUE(b.asserted(kMsixFunction));
}

void function_mask() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.configure(kMsixFunction, 0x42, kMsixEnable | kMsixFunctionMask, 2);
  b.raise(kMsixFunction, 3);
  EXPECT_TRUE(b.sent().empty());
  EXPECT_EQ(b.functions.pba_word(kMsixFunction, 0), 8u);
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  EXPECT_EQ(b.sent(), (Data{0x43}));
  EXPECT_EQ(b.functions.pba_word(kMsixFunction, 0), 0u);
}

void function_mask_leaves_vector_masks() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.mask(kMsixFunction, 3, Mask::On);
  b.configure(kMsixFunction, 0x42, kMsixEnable | kMsixFunctionMask, 2);
  b.raise(kMsixFunction, 3);
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  EXPECT_TRUE(b.sent().empty());
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 3 * 16 + 12), 4), 1u);
  b.env.clear();
  b.mask(kMsixFunction, 3, Mask::Off);
  EXPECT_EQ(b.sent(), (Data{0x43}));
}

void masked_at_reset() {
  PciBench b;
  for (const std::uint64_t entry : {0u, 1u, 69u}) {
    EXPECT_EQ(b.read(PciBench::window(kMsixFunction, entry * 16 + 12), 4), 1u);
    EXPECT_EQ(b.read(PciBench::window(kMsixFunction, entry * 16), 8), 0u);
    EXPECT_EQ(b.read(PciBench::window(kMsixFunction, entry * 16 + 8), 4), 0u);
  }
}

void vector_mask() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.enable_msix(kMsixFunction, 4, 0x44);
  b.mask(kMsixFunction, 3, Mask::On);
  b.raise(kMsixFunction, 3);
  b.raise(kMsixFunction, 4);
  EXPECT_EQ(b.sent(), (Data{0x44}));
  EXPECT_EQ(b.functions.pba_word(kMsixFunction, 0), 8u);
}

void unmasking_sends_once() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.mask(kMsixFunction, 3, Mask::On);
  b.raise(kMsixFunction, 3);
  b.raise(kMsixFunction, 3);
  b.mask(kMsixFunction, 3, Mask::Off);
  EXPECT_EQ(b.sent(), (Data{0x43}));
  b.mask(kMsixFunction, 3, Mask::Off);
  EXPECT_TRUE(b.sent().empty());
}

void current_message() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.mask(kMsixFunction, 3, Mask::On);
  b.raise(kMsixFunction, 3);
  b.write(PciBench::window(kMsixFunction, 3 * 16), 0xFEE05000, 4);
  b.write(PciBench::window(kMsixFunction, 3 * 16 + 8), 0x99, 4);
  b.env.clear();
  b.mask(kMsixFunction, 3, Mask::Off);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).address, 0xFEE05000u);
  EXPECT_EQ(b.sent(), (Data{0x99}));
}

void data_has_32_bits() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0xDEAD4142);
  b.raise(kMsixFunction, 3);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).size, 4);
  EXPECT_EQ(b.sent(), (Data{0xDEAD4142}));
}

void only_bit_0_masks() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.write(PciBench::window(kMsixFunction, 3 * 16 + 12), 0xFFFFFFFE, 4);
  b.raise(kMsixFunction, 3);
  EXPECT_EQ(b.sent(), (Data{0x43}));
}

void address_is_dword_aligned() {
  PciBench b;
  b.write(PciBench::window(kMsixFunction, 16), 0xFEE01FFF, 4);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 16), 4), 0xFEE01FFCu);
}

void dwords_and_qwords() {
  PciBench b;
  b.write(PciBench::window(kMsixFunction, 16), 0x12345678'9ABCDEF0, 8);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 16), 4), 0x9ABCDEF0u);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 20), 4), 0x12345678u);
  b.write(PciBench::window(kMsixFunction, 24), 0x0'00000077, 8);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 24), 8), 0x77u);
  b.write(PciBench::window(kMsixFunction, 16), 0, 2);
  EXPECT_TRUE(b.faulted(GuestFault::WrongAccessSize));
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 16), 4), 0x9ABCDEF0u);
}

void pba_is_read_only() {
  PciBench b;
  b.enable_msix(kMsixFunction, 3, 0x43);
  b.mask(kMsixFunction, 3, Mask::On);
  b.raise(kMsixFunction, 3);
  b.write(PciBench::window(kMsixFunction, kPba), 0xF7, 8);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, kPba), 8), 8u);
}

void pba_has_a_bit_a_vector() {
  PciBench b;
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  for (const std::uint16_t vector : {0, 31, 63, 64, 69}) b.raise(kMsixFunction, vector);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, kPba), 8), 0x80000000'80000001u);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, kPba + 8), 8), 0x21u);
}

void disabling_takes_back() {
  PciBench b;
  b.configure(kMsixFunction, 0x42, kMsixEnable, 2);
  b.raise(kMsixFunction, 5);
  b.configure(kMsixFunction, 0x42, 0, 2);
  EXPECT_EQ(b.functions.pba_word(kMsixFunction, 0), 0u);
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
}

void behind_the_table() {
  PciBench b;
  b.write(PciBench::window(kMsixFunction, 70 * 16 + 12), 0, 4);
  EXPECT_TRUE(b.faulted(GuestFault::TableIndexOutOfRange));
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 70 * 16 + 12), 4), 0u);
}

constexpr Rule kRules[] = {
    {"6.8.2.1", "TheCapabilityIdIs11InHexadecimal", capability},
    {"6.8.2.3", "TableSizeIsTheNumberLessOneAndReadOnly", table_size},
    {"6.8.2.4", "TableOffsetAndBirAreReadOnly", table_place},
    {"6.8.2.5", "PbaOffsetAndBirAreReadOnly", pba_place},
    {"6.8.2.3", "EnableAndFunctionMaskReadBack", enable_reads_back},
    {"6.8.2.3", "MsixIsDisabledAfterReset", off_at_reset},
    {"6.8.2.3", "AnEnabledMsixKeepsIntxOffTheWire", enabled_keeps_intx_off},
    {"6.8.2.3", "FunctionMaskMasksEveryVector", function_mask},
    {"6.8.2.3", "FunctionMaskDoesNotTouchVectorMasks", function_mask_leaves_vector_masks},
    {"6.8.2.9", "EntriesAreMaskedAfterReset", masked_at_reset},
    {"6.8.2.9", "AMaskedVectorSendsNothing", vector_mask},
    {"6.8.2.10", "UnmaskingSendsAPendingVectorOnce", unmasking_sends_once},
    {"6.8.2.10", "WhatIsSentThenIsTheCurrentMessage", current_message},
    {"6.8.2.8", "AllBitsOfTheDataAreWritten", data_has_32_bits},
    {"6.8.2.9", "OnlyBit0OfVectorControlMasks", only_bit_0_masks},
    {"6.8.2.6", "TheMessageAddressIsDwordAligned", address_is_dword_aligned},
    {"6.8.2", "TheTableTakesDwordsAndQwords", dwords_and_qwords},
    {"6.8.2.10", "ThePbaIsReadOnly", pba_is_read_only},
    {"6.8.2.10", "ThePbaHasABitAVector", pba_has_a_bit_a_vector},
    {"6.8.2.3", "DisablingForgetsWhatPends", disabling_takes_back},
    {"6.8.2", "TheTableEndsWithItsLastEntry", behind_the_table},
};
INSTANTIATE_TEST_SUITE_P(PciMsix, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
