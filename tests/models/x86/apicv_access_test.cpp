// Every register of the page, and every MSR, under every setting that the processor can be given.

#include "models/x86/apicv_access.hpp"

#include <gtest/gtest.h>

#include <set>

namespace irqfab::x86 {
namespace {

using Control = ApicvControl;
using Offsets = std::set<std::uint32_t>;
using Write = ApicvWrite;

constexpr ApicvControls kPage =
    ApicvControls{}.with(Control::UseTprShadow).with(Control::VirtualizeApicAccesses);
constexpr ApicvControls kMsrs =
    ApicvControls{}.with(Control::UseTprShadow).with(Control::VirtualizeX2apicMode);

ApicvControls registers(ApicvControls controls) {
  return controls.with(Control::ApicRegisterVirtualization);
}
ApicvControls delivery(ApicvControls controls) {
  return controls.with(Control::VirtualInterruptDelivery);
}
ApicvControls ipis(ApicvControls controls) { return controls.with(Control::IpiVirtualization); }

const Offsets kVectorRegisters = {0x100, 0x110, 0x120, 0x130, 0x140, 0x150, 0x160, 0x170,
                                  0x180, 0x190, 0x1A0, 0x1B0, 0x1C0, 0x1D0, 0x1E0, 0x1F0,
                                  0x200, 0x210, 0x220, 0x230, 0x240, 0x250, 0x260, 0x270};
const Offsets kLvt = {0x320, 0x330, 0x340, 0x350, 0x360, 0x370};

Offsets with(Offsets a, const Offsets& b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// Of the whole page, in steps that hit no boundary, too.
template <class Predicate>
Offsets where(Predicate predicate) {
  Offsets found;
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 4) {
    if (predicate(offset)) found.insert(offset);
  }
  return found;
}
Offsets read_by_page(ApicvControls controls) {
  return where([&](std::uint32_t offset) { return apicv_reads_page(controls, offset); });
}
Offsets read_by_msr(ApicvControls controls) {
  return where([&](std::uint32_t offset) { return apicv_reads_msr(controls, offset); });
}
Offsets written_by_page(ApicvControls controls, Write as) {
  return where([&](std::uint32_t offset) { return apicv_writes_page(controls, offset) == as; });
}
Offsets written_by_msr(ApicvControls controls, Write as) {
  return where([&](std::uint32_t offset) { return apicv_writes_msr(controls, offset) == as; });
}

TEST(ApicvReads, WithoutTprShadowOrVirtualizationAllExit) {
  const ApicvControls all = ApicvControls::all();
  EXPECT_EQ(read_by_page(all.without(Control::UseTprShadow)), Offsets{});
  EXPECT_EQ(read_by_page(all.without(Control::VirtualizeApicAccesses)), Offsets{});
  EXPECT_EQ(read_by_msr(all.without(Control::UseTprShadow)), Offsets{});
  EXPECT_EQ(read_by_msr(all.without(Control::VirtualizeX2apicMode)), Offsets{});
}

TEST(ApicvReads, WithoutRegisterVirtualizationTheTprIsReadAndWhatDeliveryWrites) {
  EXPECT_EQ(read_by_page(kPage), Offsets{0x080});
  EXPECT_EQ(read_by_page(ipis(kPage)), Offsets{0x080});
  EXPECT_EQ(read_by_page(ipis(delivery(kPage))), (Offsets{0x080, 0x0B0, 0x300}));
  EXPECT_EQ(read_by_msr(kMsrs), Offsets{0x080});
  EXPECT_EQ(read_by_msr(ipis(delivery(kMsrs))), Offsets{0x080});
}

TEST(ApicvReads, RegisterVirtualizationReadsTheListOfThePage) {
  const Offsets list = with(
      with({0x020, 0x030, 0x080, 0x0B0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x300, 0x310, 0x380, 0x3E0},
           kVectorRegisters),
      kLvt);
  EXPECT_EQ(read_by_page(registers(kPage)), list);
}

TEST(ApicvReads, MsrsThatTheProcessorKeepsAreRead) {
  const Offsets list =
      with(with({0x020, 0x030, 0x080, 0x0A0, 0x0D0, 0x0F0, 0x280, 0x300, 0x380, 0x3E0},
                kVectorRegisters),
           kLvt);
  EXPECT_EQ(read_by_msr(registers(kMsrs)), list);
}

TEST(ApicvWrites, WithoutTprShadowOrVirtualizationAllExit) {
  const ApicvControls all = ApicvControls::all();
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 16) {
    EXPECT_EQ(apicv_writes_page(all.without(Control::UseTprShadow), offset), Write::Exits);
    EXPECT_EQ(apicv_writes_page(all.without(Control::VirtualizeApicAccesses), offset),
              Write::Exits);
    EXPECT_EQ(apicv_writes_msr(all.without(Control::UseTprShadow), offset), Write::Exits);
    EXPECT_EQ(apicv_writes_msr(all.without(Control::VirtualizeX2apicMode), offset), Write::Exits);
  }
}

TEST(ApicvWrites, TheShadowAloneTakesTheTpr) {
  EXPECT_EQ(written_by_page(kPage, Write::Tpr), Offsets{0x080});
  EXPECT_EQ(written_by_page(kPage, Write::Exits).size(), 0x400u - 1);
  EXPECT_EQ(written_by_msr(kMsrs, Write::Tpr), Offsets{0x080});
  EXPECT_EQ(written_by_msr(kMsrs, Write::Exits).size(), 0x400u - 1);
}

TEST(ApicvWrites, DeliveryAloneTakesTprEoiAndIcr) {
  const ApicvControls controls = delivery(kPage);
  EXPECT_EQ(written_by_page(controls, Write::Tpr), Offsets{0x080});
  EXPECT_EQ(written_by_page(controls, Write::Eoi), Offsets{0x0B0});
  EXPECT_EQ(written_by_page(controls, Write::Icr), Offsets{0x300});
  EXPECT_EQ(written_by_page(controls, Write::Exits).size(), 0x400u - 3);
}

const Offsets kStoredThenExit = with({0x020, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x380, 0x3E0}, kLvt);

TEST(ApicvWrites, RegisterVirtualizationAloneStoresAndExits) {
  const ApicvControls controls = registers(kPage);
  EXPECT_EQ(written_by_page(controls, Write::Tpr), Offsets{0x080});
  EXPECT_EQ(written_by_page(controls, Write::Stored), Offsets{0x310});
  EXPECT_EQ(written_by_page(controls, Write::Icr), Offsets{0x300});
  EXPECT_EQ(written_by_page(controls, Write::StoredExit), with({0x0B0}, kStoredThenExit));
  EXPECT_EQ(written_by_page(controls, Write::Eoi), Offsets{});
}

TEST(ApicvWrites, BothTogether) {
  const ApicvControls controls = registers(delivery(kPage));
  EXPECT_EQ(written_by_page(controls, Write::Eoi), Offsets{0x0B0});
  EXPECT_EQ(written_by_page(controls, Write::Icr), Offsets{0x300});
  EXPECT_EQ(written_by_page(controls, Write::Stored), Offsets{0x310});
  EXPECT_EQ(written_by_page(controls, Write::StoredExit), kStoredThenExit);
}

TEST(ApicvWrites, MsrsOfDeliveryAndOfIpis) {
  const ApicvControls without = registers(delivery(kMsrs));
  EXPECT_EQ(written_by_msr(without, Write::Eoi), Offsets{0x0B0});
  EXPECT_EQ(written_by_msr(without, Write::SelfIpi), Offsets{0x3F0});
  EXPECT_EQ(written_by_msr(without, Write::Icr), Offsets{});
  EXPECT_EQ(written_by_msr(without, Write::Exits).size(), 0x400u - 3);
  EXPECT_EQ(written_by_msr(ipis(without), Write::Icr), Offsets{0x300});
  EXPECT_EQ(written_by_msr(ipis(kMsrs), Write::Eoi), Offsets{});
  EXPECT_EQ(written_by_msr(ipis(kMsrs), Write::SelfIpi), Offsets{});
}

/// Which bits of ICR 31:0, flipped one at a time, keep the answer.
template <class Predicate>
std::uint32_t indifferent_bits(std::uint32_t icr, Predicate predicate) {
  std::uint32_t bits = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    if (predicate(icr ^ 1u << bit)) bits |= 1u << bit;
  }
  return bits;
}

TEST(ApicvIcr, SelfIpisAreFixedEdgesWithALegalVector) {
  EXPECT_TRUE(is_virtual_self_ipi(0x40041));
  // Destination mode and level mean nothing; bits 3:0 of the vector, and those above the one set.
  EXPECT_EQ(indifferent_bits(0x40041, is_virtual_self_ipi), 0x048BFu);
  EXPECT_TRUE(is_virtual_self_ipi(0x40010));
  EXPECT_FALSE(is_virtual_self_ipi(0x4000F));
}

TEST(ApicvIcr, IpisForOthersAreFixedPhysicalEdgesWithoutShorthand) {
  EXPECT_TRUE(is_virtual_ipi(0x00041));
  EXPECT_EQ(indifferent_bits(0x00041, is_virtual_ipi), 0x040FFu);
  EXPECT_TRUE(is_virtual_ipi(0x0000F)) << "vectors are looked at later";
}

TEST(ApicvControlsTest, EachIsItsOwn) {
  for (unsigned a = 0; a < kApicvControls; ++a) {
    const ApicvControls one = ApicvControls{}.with(Control(a));
    for (unsigned b = 0; b < kApicvControls; ++b) EXPECT_EQ(one.has(Control(b)), a == b);
    EXPECT_TRUE(ApicvControls::all().has(Control(a)));
    EXPECT_FALSE(ApicvControls::all().without(Control(a)).has(Control(a)));
  }
}

TEST(ApicvControlsTest, WhatAnEntryRefuses) {
  EXPECT_TRUE(can_enter(ApicvControls{}));
  EXPECT_TRUE(can_enter(ApicvControls::all()));
  for (const Control needs_shadow :
       {Control::VirtualizeX2apicMode, Control::ApicRegisterVirtualization,
        Control::VirtualInterruptDelivery, Control::IpiVirtualization}) {
    const ApicvControls one = ApicvControls{}.with(needs_shadow);
    EXPECT_FALSE(can_enter(one));
    EXPECT_TRUE(can_enter(one.with(Control::UseTprShadow)));
  }
  EXPECT_TRUE(can_enter(ApicvControls{}.with(Control::VirtualizeApicAccesses)));
  EXPECT_FALSE(can_enter(kPage.with(Control::ProcessPostedInterrupts)));
  EXPECT_TRUE(can_enter(delivery(kPage).with(Control::ProcessPostedInterrupts)));
}

TEST(ApicvControlsTest, WithoutDeliveryTheShadowIsLeft) {
  EXPECT_EQ(without_delivery(ApicvControls::all()), kPage.with(Control::VirtualizeX2apicMode));
}

TEST(InhibitsTest, SomeForbidBothVendorsSomeOnlyAmd) {
  for (const InhibitRow& row : kInhibits) {
    Inhibits inhibits;
    inhibits.add(row.inhibit);
    EXPECT_TRUE(inhibits.forbid(Virtualization::Avic)) << row.name;
    EXPECT_EQ(inhibits.forbid(Virtualization::Apicv), row.scope == InhibitScope::Both) << row.name;
    EXPECT_EQ(inhibit_named(row.name), row.inhibit);
    EXPECT_EQ(row_of(row.inhibit).name, row.name);
    inhibits.remove(row.inhibit);
    EXPECT_FALSE(inhibits.forbid(Virtualization::Avic)) << row.name;
  }
  EXPECT_EQ(inhibit_named("no-such"), std::nullopt);
  EXPECT_EQ(row_of(Inhibit::PitReinject).scope, InhibitScope::AvicOnly);
  EXPECT_EQ(row_of(Inhibit::BlockIrq).scope, InhibitScope::Both);
}

}  // namespace
}  // namespace irqfab::x86
