// PCI Local Bus 3.0, 6.8.1: the MSI capability.
#include "tests/rules/pci_bench.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace pci;

void capability_id() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x50, 1), 0x05u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x50, 1), 0x05u);
  EXPECT_EQ(b.configured(kWire, 0x50, 4), 0u);
}

void last_in_the_list() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x51, 1), 0u);
  EXPECT_EQ(b.configured(kMsiFunction, 0x34, 1), 0x50u);
}

void layout_32() {
  PciBench b;
  b.configure(kNarrow, 0x54, 0xFEE0F000, 4);
  b.configure(kNarrow, 0x58, 0x1234, 2);
  EXPECT_EQ(b.configured(kNarrow, 0x54, 4), 0xFEE0F000u);
  EXPECT_EQ(b.configured(kNarrow, 0x58, 2), 0x1234u);
  EXPECT_EQ(b.configured(kNarrow, 0x5C, 4), 0u);
}

void layout_64() {
  PciBench b;
  b.configure(kPlainMsi, 0x54, 0xFEE0F000, 4);
  b.configure(kPlainMsi, 0x58, 0x5, 4);
  b.configure(kPlainMsi, 0x5C, 0x1234, 2);
  EXPECT_EQ(b.configured(kPlainMsi, 0x58, 4), 0x5u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x5C, 2), 0x1234u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x60, 4), 0u);
}

void layout_32_with_masks() {
  PciBench b;
  b.configure(kNarrowMask, 0x5C, 0x80000001, 4);
  EXPECT_EQ(b.configured(kNarrowMask, 0x5C, 4), 0x80000001u);
  EXPECT_EQ(b.configured(kNarrowMask, 0x60, 4), 0u);
  b.enable_msi(kNarrowMask, 0x40, 5);
  b.raise(kNarrowMask, 31);
  EXPECT_EQ(b.configured(kNarrowMask, 0x60, 4), 0x80000000u);
}

void layout_64_with_masks() {
  PciBench b;
  b.configure(kMsiFunction, 0x60, 0x81, 4);
  EXPECT_EQ(b.configured(kMsiFunction, 0x60, 4), 0x81u);
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.raise(kMsiFunction, 7);
  EXPECT_EQ(b.configured(kMsiFunction, 0x64, 4), 0x80u);
}

void capable_is_read_only() {
  PciBench b;
  b.configure(kNarrow, 0x52, 0x018E, 2);  // 64 bits, masks and 128 vectors, says software
  EXPECT_EQ(b.configured(kNarrow, 0x52, 2), 2u << 1);
}

void multiple_message_capable() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x52, 2) >> 1 & 7, 3u);
  EXPECT_EQ(b.configured(kNarrow, 0x52, 2) >> 1 & 7, 2u);
  EXPECT_EQ(b.configured(kNarrowMask, 0x52, 2) >> 1 & 7, 5u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x52, 2) >> 1 & 7, 0u);
}

void capability_bits() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x52, 2) >> 7, 3u);
  EXPECT_EQ(b.configured(kNarrow, 0x52, 2) >> 7, 0u);
  EXPECT_EQ(b.configured(kNarrowMask, 0x52, 2) >> 7, 2u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x52, 2) >> 7, 1u);
}

void off_at_reset() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x52, 2) & 0x71, 0u);
  b.raise(kMsiFunction);
  EXPECT_TRUE(b.dropped(DropReason::MessagesOff));
  EXPECT_TRUE(b.sent().empty());
}

void enabled_keeps_intx_off() {
  PciBench b;
  b.wire(kMsiFunction, RaiseKind::IntxHigh);
  EXPECT_TRUE(b.asserted(kMsiFunction));
  b.enable_msi(kMsiFunction, 0x40);
  EXPECT_FALSE(b.asserted(kMsiFunction));
  b.configure(kMsiFunction, 0x52, 0, 2);
  EXPECT_TRUE(b.asserted(kMsiFunction));
}

void multiple_message_enable() {
  PciBench b;
  for (const unsigned encoded : {0u, 1u, 2u, 3u}) {
    b.enable_msi(kMsiFunction, 0x48, encoded);
    EXPECT_EQ(b.configured(kMsiFunction, 0x52, 2) >> 4 & 7, encoded);
    b.env.clear();
    b.raise(kMsiFunction, 7);
    EXPECT_EQ(b.sent(), (Data{0x48u | ((1u << encoded) - 1)}));
  }
}

void never_more_than_asked_for() {
  PciBench b;
  b.configure(kNarrow, 0x52, 1 | 2u << 4, 2);
  EXPECT_FALSE(b.faulted(GuestFault::ForbiddenValue));
  for (const unsigned encoded : {3u, 5u, 6u, 7u}) {
    b.env.clear();
    b.configure(kNarrow, 0x52, 1 | encoded << 4, 2);
    EXPECT_TRUE(b.faulted(GuestFault::ForbiddenValue)) << encoded;
    EXPECT_EQ(b.configured(kNarrow, 0x52, 2) >> 4 & 7, 2u);
  }
}

void address_is_dword_aligned() {
  PciBench b;
  b.configure(kPlainMsi, 0x54, 0xFEE01FFF, 4);
  EXPECT_EQ(b.configured(kPlainMsi, 0x54, 4), 0xFEE01FFCu);
}

void address_goes_out() {
  PciBench b;
  b.configure(kPlainMsi, 0x54, 0xFEE03000, 4);
  b.configure(kPlainMsi, 0x58, 0x7, 4);
  b.configure(kPlainMsi, 0x52, 1, 2);
  b.raise(kPlainMsi);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).address, 0x7'FEE03000u);
}

void no_upper_address() {
  PciBench b;
  b.configure(kNarrow, 0x54, 0xFEE03000, 4);
  b.configure(kNarrow, 0x58, 0x4142, 4);
  b.configure(kNarrow, 0x52, 1, 2);
  b.raise(kNarrow);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).address, 0xFEE03000u);
  EXPECT_EQ(b.sent(), (Data{0x4142}));
}

void data_upper_half_is_zero() {
  PciBench b;
  b.configure(kPlainMsi, 0x5C, 0xFFFF4142, 4);
  b.configure(kPlainMsi, 0x52, 1, 2);
  b.raise(kPlainMsi);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).size, 4);
  EXPECT_EQ(b.sent(), (Data{0x4142}));
}

void low_bits_of_data() {
  PciBench b;
  b.enable_msi(kNarrow, 0x43, 2);
  for (const std::uint16_t vector : {2, 0, 3, 1}) b.raise(kNarrow, vector);
  EXPECT_EQ(b.sent(), (Data{0x42, 0x40, 0x43, 0x41}));
}

void one_vector_changes_no_bit() {
  PciBench b;
  b.enable_msi(kNarrow, 0x43, 0);
  b.raise(kNarrow, 0);
  b.raise(kNarrow, 2);
  EXPECT_EQ(b.sent(), (Data{0x43, 0x43}));
}

void masked_pends() {
  PciBench b;
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.configure(kMsiFunction, 0x60, 0x04, 4);
  b.raise(kMsiFunction, 2);
  b.raise(kMsiFunction, 3);
  EXPECT_EQ(b.sent(), (Data{0x43}));
  EXPECT_EQ(b.functions.msi_pending(kMsiFunction), 0x04u);
}

void unmasking_sends_once() {
  PciBench b;
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.configure(kMsiFunction, 0x60, 0x06, 4);
  for (const std::uint16_t vector : {2, 2, 1}) b.raise(kMsiFunction, vector);
  b.configure(kMsiFunction, 0x60, 0x02, 4);
  EXPECT_EQ(b.sent(), (Data{0x42}));
  EXPECT_EQ(b.functions.msi_pending(kMsiFunction), 0x02u);
  b.configure(kMsiFunction, 0x60, 0x00, 4);
  EXPECT_EQ(b.sent(), (Data{0x41}));
}

void current_message() {
  PciBench b;
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.configure(kMsiFunction, 0x60, 0x01, 4);
  b.raise(kMsiFunction, 0);
  b.configure(kMsiFunction, 0x5C, 0x78, 2);
  b.configure(kMsiFunction, 0x60, 0, 4);
  EXPECT_EQ(b.sent(), (Data{0x78}));
}

void pending_is_read_only() {
  PciBench b;
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.configure(kMsiFunction, 0x60, 0x01, 4);
  b.raise(kMsiFunction, 0);
  b.configure(kMsiFunction, 0x64, 0xFE, 4);
  EXPECT_EQ(b.configured(kMsiFunction, 0x64, 4), 0x01u);
}

void masks_of_the_vectors_it_has() {
  PciBench b;
  b.configure(kMsiFunction, 0x60, 0xFFFFFFFF, 4);
  EXPECT_EQ(b.configured(kMsiFunction, 0x60, 4), 0xFFu);
}

void not_masked_at_reset() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsiFunction, 0x60, 4), 0u);
  EXPECT_EQ(b.configured(kNarrowMask, 0x5C, 4), 0u);
}

void bus_master() {
  PciBench b;
  b.enable_msi(kPlainMsi, 0x41);
  b.configure(kPlainMsi, kConfigCommand, kMemorySpace, 2);
  b.raise(kPlainMsi);
  EXPECT_TRUE(b.dropped(DropReason::BusMasterOff));
  b.configure(kPlainMsi, kConfigCommand, kBusMaster, 2);
  EXPECT_TRUE(b.sent().empty());
  b.raise(kPlainMsi);
  EXPECT_EQ(b.sent(), (Data{0x41}));
}

void disabled_forgets() {
  PciBench b;
  b.enable_msi(kMsiFunction, 0x40, 3);
  b.configure(kMsiFunction, 0x60, 0x01, 4);
  b.raise(kMsiFunction, 0);
  b.configure(kMsiFunction, 0x52, 0, 2);
  EXPECT_EQ(b.functions.msi_pending(kMsiFunction), 0u);
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
}

void not_beside_msix() {
  PciBench b;
  b.enable_msi(kBoth, 0x50);
  b.functions.write_entry(kBoth, VectorIndex{0}, {0xFEE02000, 0x77, Mask::Off}, b.env);
  b.configure(kBoth, kConfigMsixControl, kMsixEnable, 2);
  EXPECT_TRUE(b.faulted(GuestFault::ForbiddenValue));
  b.raise(kBoth);
  EXPECT_EQ(b.sent(), (Data{0x77}));
  b.configure(kBoth, kConfigMsixControl, 0, 2);
  b.env.clear();
  b.raise(kBoth);
  EXPECT_EQ(b.sent(), (Data{0x50}));
}

constexpr Rule kRules[] = {
    {"6.8.1.1", "TheCapabilityIdIs5", capability_id},
    {"6.8.1.2", "TheNextPointerEndsTheList", last_in_the_list},
    {"6.8.1", "With32BitsDataFollowsTheAddress", layout_32},
    {"6.8.1", "With64BitsDataFollowsTheUpperAddress", layout_64},
    {"6.8.1", "MaskAndPendingFollowTheDataOf32Bits", layout_32_with_masks},
    {"6.8.1", "MaskAndPendingFollowTheDataOf64Bits", layout_64_with_masks},
    {"6.8.1.3", "WhatTheFunctionIsCapableOfIsReadOnly", capable_is_read_only},
    {"6.8.1.3", "MultipleMessageCapableIsALogarithm", multiple_message_capable},
    {"6.8.1.3", "Bit7Is64BitsAndBit8IsMasking", capability_bits},
    {"6.8.1.3", "MsiIsDisabledAfterReset", off_at_reset},
    {"6.8.1.3", "AnEnabledMsiKeepsIntxOffTheWire", enabled_keeps_intx_off},
    {"6.8.1.3", "MultipleMessageEnableIsHowManyMayBeUsed", multiple_message_enable},
    {"6.8.1.3", "NoMoreVectorsThanAskedFor", never_more_than_asked_for},
    {"6.8.1.4", "TheMessageAddressIsDwordAligned", address_is_dword_aligned},
    {"6.8.1.5", "TheUpperAddressIsPartOfTheMessage", address_goes_out},
    {"6.8.1.5", "A32BitFunctionHasNoUpperAddress", no_upper_address},
    {"6.8.1.6", "TheUpperHalfOfTheDataWrittenIsZero", data_upper_half_is_zero},
    {"6.8.1.6", "TheFunctionReplacesLowBitsOfTheData", low_bits_of_data},
    {"6.8.1.6", "WithOneVectorTheDataStays", one_vector_changes_no_bit},
    {"6.8.1.7", "AMaskedVectorSendsNothing", masked_pends},
    {"6.8.1.7", "OnlyVectorsOfTheFunctionHaveMaskBits", masks_of_the_vectors_it_has},
    {"6.8.1.7", "MaskBitsAreZeroAfterReset", not_masked_at_reset},
    {"6.8.1.8", "UnmaskingSendsAPendingVectorOnce", unmasking_sends_once},
    {"6.8.1.8", "ThePendingBitsAreReadOnly", pending_is_read_only},
    {"6.8.1.8", "WhatIsSentThenIsTheCurrentMessage", current_message},
    {"6.2.2", "WithoutBusMasterAMessageIsNotSentAndNotRemembered", bus_master},
    {"6.8.1.3", "DisablingForgetsWhatPends", disabled_forgets},
    {"6.8.2", "SoftwareMustNotEnableMsiAndMsix", not_beside_msix},
};
INSTANTIATE_TEST_SUITE_P(PciMsi, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
