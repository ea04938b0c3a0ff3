// The MSI capability as a VMM keeps it: what the guest writes there decides where vectors go.
#include <gtest/gtest.h>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;

constexpr Duration kLong = 2'000'000;
constexpr pci::Msi kWide{4, pci::MsiWidth::Address64, pci::MsiMasking::PerVector};
constexpr pci::Msi kNarrow{4, pci::MsiWidth::Address32, pci::MsiMasking::None};
struct Way {
  Delivery delivery;
  kvm::IrqchipKind irqchip = kvm::IrqchipKind::Full;
};
constexpr Way kWays[] = {{Delivery::Irqfd},
                         {Delivery::Irqfd, kvm::IrqchipKind::Split},
                         {Delivery::SignalMsi},
                         {Delivery::DynamicRoute},
                         {Delivery::Userspace}};
constexpr Attach kAttaches[] = {Attach::Emulated, Attach::Vhost, Attach::Assigned};

VmmRig::Options with(const pci::Msi& msi, Attach attach, const Way& way = kWays[0]) {
  VmmRig::Options options;
  options.msi = msi;
  options.vectors = msi.vectors;
  options.attach = attach;
  options.delivery = way.delivery;
  options.irqchip = way.irqchip;
  options.host_cpus = 4;
  if (way.delivery == Delivery::Userspace) {
    options.home = kvm::ApicHome::User;
    options.virtualization = x86::Virtualization::None;
  }
  return options;
}

/// The guest's vector under which the span was accepted.
std::uint64_t accepted(const VmmRig& rig, SpanId span) {
  for (const Happened& h : rig.records) {
    if (h.event == E::Accepted && h.span == span) return h.detail;
  }
  return 0;
}

template <class Check>
void on_all(const pci::Msi& msi, Check&& check) {
  for (const Attach attach : kAttaches) {
    for (const Way& way : kWays) {
      SCOPED_TRACE(static_cast<int>(attach) * 10 + static_cast<int>(way.delivery));
      VmmRig rig(with(msi, attach, way));
      check(rig);
      EXPECT_EQ(rig.found(), rig.in_flight());
      EXPECT_TRUE(rig.in_flight().empty());
    }
  }
}

TEST(VmmMsi, EachVectorHasTheMessageWithItsOwnLowBits) {
  on_all(kWide, [](VmmRig& rig) {
    for (std::uint16_t v = 0; v < 4; ++v) {
      const SpanId span = rig.raise(0, v);
      rig.run_for(kLong);
      EXPECT_EQ(accepted(rig, span), kFirstVector + v);
      EXPECT_EQ(rig.count(E::Handled, span), 1u);
    }
  });
}

// PCI Local Bus 3.0, 6.8.1.6.
TEST(VmmMsi, AChangedMessageIsTheNextInterrupts) {
  on_all(kNarrow, [](VmmRig& rig) {
    rig.driver_configures(0, pci::msi_data_offset(kNarrow), 0x80, 2);
    rig.run_for(kLong);
    for (std::uint16_t v = 0; v < 4; ++v) {
      const SpanId span = rig.raise(0, v);
      rig.run_for(kLong);
      EXPECT_EQ(accepted(rig, span), 0x80u + v);
    }
  });
}

TEST(VmmMsi, WhatAMaskedVectorSaysComesUnderTheMessageThatItIsUnmaskedWith) {
  on_all(kWide, [](VmmRig& rig) {
    const std::uint64_t mask = pci::msi_mask_offset(kWide);
    rig.driver_configures(0, mask, 0x4);
    rig.run_for(kLong);
    const SpanId held = rig.raise(0, 2);
    const SpanId free = rig.raise(0, 1);
    rig.run_for(kLong);
    EXPECT_EQ(rig.count(E::Handled, held), 0u);
    EXPECT_EQ(rig.count(E::Handled, free), 1u);
    rig.driver_configures(0, pci::msi_data_offset(kWide), 0x90, 2);
    rig.driver_configures(0, mask, 0);
    rig.run_for(kLong);
    EXPECT_EQ(rig.count(E::Handled, held), 1u);
    EXPECT_EQ(accepted(rig, held), 0x92u);
  });
}

TEST(VmmMsi, FewerMessagesAreShared) {
  on_all(kWide, [](VmmRig& rig) {
    if (rig.options_.attach == Attach::Assigned)
      return;  // the host's function keeps all of its own
    rig.driver_configures(0, pci::kConfigMsiControl, pci::kMsiEnable | 1u << 4, 2);
    rig.run_for(kLong);
    const SpanId span = rig.raise(0, 3);
    rig.run_for(kLong);
    EXPECT_EQ(accepted(rig, span), kFirstVector + 1u);
  });
}

TEST(VmmMsi, OnceDisabledItHasNoIrqfdsAndOnceEnabledItHasThemAgain) {
  for (const Attach attach : kAttaches) {
    VmmRig rig(with(kWide, attach));
    const unsigned all = 2u << 4;
    EXPECT_TRUE(rig.host.vmm().vectors(0).irqfd(VectorIndex{3}));
    rig.driver_configures(0, pci::kConfigMsiControl, all, 2);
    rig.run_for(kLong);
    EXPECT_FALSE(rig.host.vmm().vectors(0).irqfd(VectorIndex{3}));
    rig.driver_configures(0, pci::kConfigMsiControl, all | pci::kMsiEnable, 2);
    rig.run_for(kLong);
    EXPECT_TRUE(rig.host.vmm().vectors(0).irqfd(VectorIndex{3}));
    const SpanId span = rig.raise(0, 3);
    rig.run_for(kLong);
    EXPECT_EQ(accepted(rig, span), kFirstVector + 3u);
  }
}

TEST(VmmMsi, TheUpperHalfOfTheAddressIsAddress) {
  VmmRig rig(with(kWide, Attach::Emulated));
  rig.driver_configures(0, pci::kConfigMsiUpperAddress, 0x12);
  rig.run_for(kLong);
  const x86::MsiMessage& said = rig.host.vmm().vectors(0).message(VectorIndex{1});
  EXPECT_EQ(said.address, std::uint64_t{0x12} << 32 | message(0, 0).address);
  EXPECT_EQ(said.data, message(0, 1).data);
}

TEST(VmmMsi, AnAssignedFunctionHoldsTheHostsMessageAndReadsAsTheGuests) {
  VmmRig rig(with(kWide, Attach::Assigned));
  const auto host_has = [&](std::uint64_t offset) {
    return rig.functions.config_dword(FunctionRow{0}, offset);
  };
  const std::uint32_t before = host_has(pci::msi_data_offset(kWide));
  rig.driver_configures(0, pci::msi_data_offset(kWide), 0x90, 2);
  rig.driver_configures(0, pci::kConfigMsiControl, 0, 2);
  rig.run_for(kLong);
  EXPECT_EQ(host_has(pci::msi_data_offset(kWide)), before);
  EXPECT_TRUE(rig.functions.msi_enabled(FunctionRow{0}));
  rig.driver_reads_config(0, pci::msi_data_offset(kWide));
  rig.run_for(kLong);
  EXPECT_EQ(rig.read_value() & 0xFFFF, 0x90u);
  rig.driver_reads_config(0, pci::kConfigMsiControl, 2);
  rig.run_for(kLong);
  EXPECT_EQ(rig.read_value() & pci::kMsiEnable, 0u);
  // The masks are the function's own.
  rig.driver_configures(0, pci::msi_mask_offset(kWide), 0x5);
  rig.run_for(kLong);
  EXPECT_EQ(rig.functions.msi_mask(FunctionRow{0}), 0x5u);
}

}  // namespace
}  // namespace irqfab::vmm::test
