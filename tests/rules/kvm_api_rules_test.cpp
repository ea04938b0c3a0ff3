// The KVM API, Documentation/virt/kvm/api.rst, as far as it is about interrupts: what the calls
// accept and answer. Where the document is silent the rule is what a real /dev/kvm answers.
#include <vector>

#include "tests/rules/rule.hpp"
#include "tests/support/layer_rig.hpp"

namespace irqfab::rules {
namespace {

using namespace kvm;
using kvm::test::kFd;
using kvm::test::kFirst;
using kvm::test::kMsiGsi;
using kvm::test::kOtherFd;
using kvm::test::kPinGsi;
using kvm::test::kPinVector;
using kvm::test::kResampleFd;
using kvm::test::LayerRig;
using kvm::test::message_route;
using kvm::test::pin_route;

constexpr std::uint64_t kLevelBit = 1u << 15, kMaskBit = 1u << 16;

IrqLayer::Config of_kind(IrqchipKind kind) {
  IrqLayer::Config config = LayerRig::plain();
  config.irqchip.kind = kind;
  return config;
}
IrqLayer::Config with_32_bit_ids() {
  IrqLayer::Config config = LayerRig::plain();
  config.irqchip.destination = x86::MsiDestination::Bits32;
  return config;
}
Answer set(const Route& route) { return LayerRig().set_routes({route}); }
Answer set(const Route& a, const Route& b) { return LayerRig().set_routes({a, b}); }
Route pic_route(RouteTarget chip, std::uint16_t pin) { return {kPinGsi, chip, Pin{pin}, {}}; }
Answer irqfd(LayerRig& rig, std::uint64_t eventfd, std::uint64_t gsi, std::uint64_t flags,
             std::uint64_t resample = 0) {
  return rig.call(LayerCall::Irqfd, {eventfd, gsi, flags, resample});
}
Answer signal(LayerRig& rig, std::uint64_t address, std::uint64_t flags = 0) {
  return rig.call(LayerCall::SignalMsi, {address, 0x41, flags}, rig.span());
}

// ---- KVM_SET_GSI_ROUTING ----

void default_table() {
  const GsiRouting table;
  EXPECT_EQ(table.size(), 40u);
  EXPECT_EQ(table.gsis(), 24u);
  for (std::uint16_t gsi : {0, 7, 8, 15, 16, 23}) {
    const GsiRouting::Entries entries = table.of(Gsi{gsi});
    ASSERT_EQ(entries.last - entries.first, gsi < 16 ? 2 : 1) << gsi;
    EXPECT_EQ(entries.first->target, RouteTarget::IoapicPin);
    EXPECT_EQ(raw(entries.first->pin), gsi);
    if (gsi >= 16) continue;
    const bool master = gsi < 8;
    EXPECT_EQ(entries.first[1].target,
              master ? RouteTarget::PicMasterPin : RouteTarget::PicSlavePin);
    EXPECT_EQ(raw(entries.first[1].pin), gsi % 8);
  }
  EXPECT_TRUE(table.of(Gsi{24}).empty());
}
void replaces_all() {
  LayerRig rig;
  EXPECT_EQ(rig.set_routes({message_route(Gsi{9}, kFirst)}), 0);
  EXPECT_EQ(rig.layer.chip().routing().size(), 1u);
}
void at_most_4096_entries() {
  std::vector<Route> routes;
  for (std::uint32_t gsi = 0; gsi < 4096; ++gsi) routes.push_back(message_route(Gsi{gsi}, kFirst));
  LayerRig rig;
  EXPECT_EQ(rig.set_routes(routes), 0);
  EXPECT_EQ(rig.layer.chip().routing().gsis(), 4096u);
  routes.push_back(message_route(Gsi{0}, kFirst));
  EXPECT_EQ(rig.set_routes(routes), kEINVAL);
}
void gsis_to_4095() {
  EXPECT_EQ(set(message_route(Gsi{4095}, kFirst)), 0);
  EXPECT_EQ(set(message_route(Gsi{4096}, kFirst)), kEINVAL);
}
void as_many_as_the_capability_says() {
  IrqLayer::Config config = LayerRig::plain();
  config.irqchip.max_routes = 1024;
  LayerRig rig(config);
  std::vector<Route> routes;
  for (std::uint32_t gsi = 0; gsi < 1024; ++gsi) routes.push_back(message_route(Gsi{gsi}, kFirst));
  EXPECT_EQ(rig.set_routes(routes), 0);
  EXPECT_EQ(rig.set_routes({message_route(Gsi{1024}, kFirst)}), kEINVAL);
  const std::size_t copies = rig.env.count(Event::RoutesCopied);
  routes.push_back(pin_route(Gsi{24}, 20));
  EXPECT_EQ(rig.set_routes(routes), kEINVAL);
  EXPECT_EQ(rig.env.count(Event::RoutesCopied), copies) << "what is too long is not copied";
  EXPECT_EQ(rig.layer.chip().routing().size(), 1024u);
}
void unknown_types() {
  EXPECT_EQ(set({kMsiGsi, RouteTarget::Unknown, Pin{}, {}}), kEINVAL);
  EXPECT_EQ(set({kMsiGsi, RouteTarget::XenEvtchn, Pin{}, {}}), kEINVAL);
}
void device_ids() {
  Route route = message_route(kMsiGsi, kFirst);
  route.flags = 1;
  EXPECT_EQ(set(route), 0);
  route.flags = 2;
  EXPECT_EQ(set(route), kEINVAL);
  Route pin = pin_route(kPinGsi, 20);
  pin.flags = 1;
  EXPECT_EQ(set(pin), kEINVAL);
}
void pins_exist() {
  EXPECT_EQ(set(pin_route(kPinGsi, 23)), 0);
  EXPECT_EQ(set(pin_route(kPinGsi, 24)), kEINVAL);
  for (const RouteTarget chip : {RouteTarget::PicMasterPin, RouteTarget::PicSlavePin}) {
    EXPECT_EQ(set(pic_route(chip, 7)), 0);
    EXPECT_EQ(set(pic_route(chip, 8)), kEINVAL);
  }
}
void a_message_stands_alone() {
  EXPECT_EQ(set(message_route(kPinGsi, kFirst), message_route(kPinGsi, kFirst)), kEINVAL);
  EXPECT_EQ(set(message_route(kPinGsi, kFirst), pin_route(kPinGsi, 20)), kEINVAL);
  EXPECT_EQ(set(pin_route(kPinGsi, 20), message_route(kPinGsi, kFirst)), kEINVAL);
}
void one_pin_a_chip() {
  EXPECT_EQ(set(pin_route(kPinGsi, 20), pin_route(kPinGsi, 21)), kEINVAL);
  EXPECT_EQ(LayerRig().set_routes({pin_route(kPinGsi, 20), pic_route(RouteTarget::PicMasterPin, 3),
                                   pic_route(RouteTarget::PicSlavePin, 3)}),
            0);
}
void gsis_may_share() {
  EXPECT_EQ(set(message_route(Gsi{1}, kFirst), message_route(Gsi{2}, kFirst)), 0);
  EXPECT_EQ(set(pin_route(Gsi{1}, 20), pin_route(Gsi{2}, 20)), 0);
}
void split_has_messages() {
  LayerRig rig(of_kind(IrqchipKind::Split));
  EXPECT_EQ(rig.set_routes({message_route(kMsiGsi, kFirst)}), 0);
  EXPECT_EQ(rig.set_routes({pin_route(kPinGsi, 20)}), kEINVAL);
  EXPECT_EQ(rig.set_routes({pic_route(RouteTarget::PicMasterPin, 3)}), kEINVAL);
}
void no_chip_no_routes() {
  EXPECT_EQ(LayerRig(of_kind(IrqchipKind::None)).set_routes({message_route(kMsiGsi, kFirst)}),
            kEINVAL);
}
void upper_address_in_routes() {
  const Route upper = message_route(kMsiGsi, {0x1'FEE00000, 0x41});
  EXPECT_EQ(set(upper), 0);
  EXPECT_EQ(LayerRig(with_32_bit_ids()).set_routes({upper}), kEINVAL);
  EXPECT_EQ(
      LayerRig(with_32_bit_ids()).set_routes({message_route(kMsiGsi, {0x100'FEE00000, 0x41})}), 0);
}
void failure_leaves_the_table() {
  LayerRig rig;
  EXPECT_EQ(rig.set_routes({message_route(Gsi{9}, kFirst), message_route(Gsi{4096}, kFirst)}),
            kEINVAL);
  EXPECT_TRUE(rig.layer.chip().routing().of(Gsi{9}).empty());
  EXPECT_FALSE(rig.layer.chip().routing().of(kMsiGsi).empty());
}
void routes_take_effect_for_the_next_signal() {
  LayerRig rig;
  rig.assign(kFd, Gsi{50});
  rig.write(kFd);
  EXPECT_FALSE(rig.pending(0, 0x41));
  rig.set_routes({message_route(Gsi{50}, kFirst)});
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(0, 0x41));
}

// ---- KVM_IRQFD ----

void irqfd_flags() {
  LayerRig rig;
  EXPECT_EQ(irqfd(rig, kFd, 24, 4), kEINVAL);
  EXPECT_EQ(irqfd(rig, kFd, 24, 5), kEINVAL);
  EXPECT_EQ(irqfd(rig, kFd, 24, 0), 0);
}
void irqfd_needs_an_eventfd() {
  LayerRig rig;
  EXPECT_EQ(irqfd(rig, 0xFFFFFFFF, 24, 0), kEBADF);
  EXPECT_EQ(irqfd(rig, 0xFFFFFFFF, 24, 1), kEBADF);
  EXPECT_EQ(irqfd(rig, 4, 24, 0), kEBADF);
  rig.close(kFd);
  EXPECT_EQ(irqfd(rig, kFd, 24, 0), kEBADF);
  EXPECT_EQ(irqfd(rig, 3, 24, 0), 0);
}
void one_binding_an_eventfd() {
  LayerRig rig;
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), kEBUSY);
  EXPECT_EQ(rig.assign(kFd, kPinGsi), kEBUSY);
}
void many_eventfds_a_gsi() {
  LayerRig rig;
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_EQ(rig.assign(kOtherFd, kMsiGsi), 0);
  rig.write(kOtherFd);
  EXPECT_TRUE(rig.pending(0, 0x41));
}
void deassign_needs_the_pair() {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  EXPECT_EQ(rig.deassign(kFd, Gsi{25}), 0);
  EXPECT_TRUE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.deassign(kFd, kMsiGsi), 0);
  EXPECT_FALSE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.deassign(kFd, kMsiGsi), 0);
}
void deassigned_it_says_nothing() {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.deassign(kFd, kMsiGsi);
  rig.write(kFd);
  EXPECT_FALSE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.counter(kFd), 1u);
}
void gsis_need_no_route() {
  LayerRig rig;
  EXPECT_EQ(rig.assign(kFd, Gsi{100}), 0);
  EXPECT_EQ(rig.assign(kOtherFd, Gsi{4096}), 0);
}
void irqfd_needs_a_chip() {
  LayerRig none(of_kind(IrqchipKind::None));
  EXPECT_EQ(none.assign(kFd, kMsiGsi), kEINVAL);
  LayerRig split(of_kind(IrqchipKind::Split));
  EXPECT_EQ(split.assign(kFd, kMsiGsi), 0);
}
void resampling_needs_the_ioapic() {
  LayerRig split(of_kind(IrqchipKind::Split));
  EXPECT_EQ(split.assign(kFd, kPinGsi, kResampleFd), kEINVAL);
  EXPECT_FALSE(split.layer.bound(kFd));
  LayerRig full;
  EXPECT_EQ(full.assign(kFd, kPinGsi, kResampleFd), 0);
}
void resampling_needs_an_eventfd() {
  LayerRig rig;
  EXPECT_EQ(irqfd(rig, kFd, raw(kPinGsi), 2, 4), kEINVAL);
  EXPECT_EQ(irqfd(rig, kFd, raw(kPinGsi), 2, 3), 0);
}
void resampling_lasts_to_the_eoi() {
  LayerRig rig;
  rig.layer.chip().write_entry(Pin{20}, kLevelBit | kPinVector, rig.env);
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.write(kFd);
  EXPECT_EQ(rig.layer.chip().ioapic().level(Pin{20}), Level::High);
  rig.handle(0);
  EXPECT_EQ(rig.layer.chip().ioapic().level(Pin{20}), Level::Low);
  EXPECT_EQ(rig.counter(kResampleFd), 1u);
}
void closing_frees_the_binding() {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.close(kFd);
  rig.open(kFd, 0);
  EXPECT_FALSE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.assign(kFd, kPinGsi), 0);
}
void signalled_before() {
  LayerRig rig;
  rig.open(kFd, 2);
  rig.assign(kFd, kMsiGsi);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.counter(kFd), 2u);
}

// ---- KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS ----

void edge_status() {
  LayerRig rig;
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), 1);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), 0);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::Low), 1);
}
void masked_status() {
  LayerRig rig;
  rig.layer.chip().write_entry(Pin{20}, kMaskBit | kPinVector, rig.env);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), -1);
  EXPECT_FALSE(rig.pending(0, kPinVector));
}
void level_status() {
  LayerRig rig;
  rig.layer.chip().write_entry(Pin{20}, kLevelBit | kPinVector, rig.env);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), 1);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), -1);
}
void no_route_status() {
  LayerRig rig;
  EXPECT_EQ(rig.line(Gsi{100}, 0, Level::High), -1);
  EXPECT_EQ(rig.line(Gsi{5000}, 0, Level::High), -1);
  EXPECT_EQ(rig.env.count(Event::Dropped), 2u);
}
void line_without_a_chip() {
  LayerRig rig(of_kind(IrqchipKind::None));
  EXPECT_EQ(rig.line(Gsi{4}, 0, Level::High), kENXIO);
  EXPECT_EQ(rig.env.count(Event::Dropped), 1u);
}
void sum_over_routes() {
  IrqLayer::Config config = LayerRig::plain();
  config.irqchip.pic = x86::ExternalPic::Present;
  LayerRig rig(config);
  rig.layer.chip().write_entry(Pin{20}, 0x50, rig.env);
  rig.set_routes({pin_route(kPinGsi, 20), pic_route(RouteTarget::PicMasterPin, 4)});
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::High), 2);
  EXPECT_EQ(rig.line(kPinGsi, 0, Level::Low), 2);
}
void message_lines() {
  LayerRig rig;
  EXPECT_EQ(rig.line(kMsiGsi, 0, Level::Low), -1);
  EXPECT_FALSE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.line(kMsiGsi, 0, Level::High), 1);
  EXPECT_TRUE(rig.pending(0, 0x41));
}

// ---- KVM_SIGNAL_MSI ----

void msi_answers() {
  LayerRig rig;
  EXPECT_EQ(signal(rig, 0xFEE00000), 1);
  EXPECT_EQ(signal(rig, 0xFEEFF000), 2);
  EXPECT_EQ(signal(rig, 0xFEE07000), 0);
}
void msi_flags() {
  LayerRig rig;
  EXPECT_EQ(signal(rig, 0xFEE00000, 1), 1);
  EXPECT_EQ(signal(rig, 0xFEE00000, 2), kEINVAL);
}
void msi_needs_a_chip() {
  LayerRig none(of_kind(IrqchipKind::None));
  EXPECT_EQ(signal(none, 0xFEE00000), kEINVAL);
  LayerRig split(of_kind(IrqchipKind::Split));
  EXPECT_EQ(signal(split, 0xFEE00000), 1);
}
void upper_address_in_calls() {
  LayerRig plain;
  EXPECT_EQ(signal(plain, 0x1'FEE00000), 1);
  LayerRig wide(with_32_bit_ids());
  EXPECT_EQ(signal(wide, 0x1'FEE00000), kEINVAL);
  EXPECT_EQ(signal(wide, 0x0'FEE01000), 1);
}

const Rule kRules[] = {
    {"KVM_CREATE_IRQCHIP", "TheDefaultTableLeadsToIoapicAnd8259s", default_table},
    {"KVM_SET_GSI_ROUTING", "TheTableIsReplacedAsAWhole", replaces_all},
    {"KVM_SET_GSI_ROUTING", "ATableHas4096EntriesAtMost", at_most_4096_entries},
    {"KVM_CAP_IRQ_ROUTING", "EntriesAndGsisAreAsManyAsItAnswers", as_many_as_the_capability_says},
    {"KVM_SET_GSI_ROUTING", "GsisGoTo4095", gsis_to_4095},
    {"KVM_SET_GSI_ROUTING", "UnknownTypesAreRefused", unknown_types},
    {"KVM_SET_GSI_ROUTING", "DeviceIdsAreTakenWithMessagesOnly", device_ids},
    {"KVM_SET_GSI_ROUTING", "PinsThatDoNotExistAreRefused", pins_exist},
    {"KVM_SET_GSI_ROUTING", "AMessageStandsAlone", a_message_stands_alone},
    {"KVM_SET_GSI_ROUTING", "AGsiHasOnePinOfEachChip", one_pin_a_chip},
    {"KVM_SET_GSI_ROUTING", "GsisMayShareAMessageOrAPin", gsis_may_share},
    {"KVM_SET_GSI_ROUTING", "ASplitIrqchipHasMessagesOnly", split_has_messages},
    {"KVM_SET_GSI_ROUTING", "WithoutAnIrqchipThereIsNoTable", no_chip_no_routes},
    {"KVM_CAP_X2APIC_API", "BitsOfARoutesUpperAddressAreReserved", upper_address_in_routes},
    {"KVM_SET_GSI_ROUTING", "AFailingCallLeavesTheTable", failure_leaves_the_table},
    {"KVM_SET_GSI_ROUTING", "ARouteAddedLaterWorks", routes_take_effect_for_the_next_signal},
    {"KVM_IRQFD", "UnknownFlagsAreRefused", irqfd_flags},
    {"KVM_IRQFD", "ItNeedsAnOpenEventfd", irqfd_needs_an_eventfd},
    {"KVM_IRQFD", "AnEventfdIsBoundOnce", one_binding_an_eventfd},
    {"KVM_IRQFD", "AGsiMayHaveManyEventfds", many_eventfds_a_gsi},
    {"KVM_IRQFD", "DeassignNeedsEventfdAndGsi", deassign_needs_the_pair},
    {"KVM_IRQFD", "AfterDeassignNothingIsInjected", deassigned_it_says_nothing},
    {"KVM_IRQFD", "TheGsiNeedsNoRoute", gsis_need_no_route},
    {"KVM_IRQFD", "ItNeedsAnInKernelIrqchip", irqfd_needs_a_chip},
    {"KVM_IRQFD", "ResamplingNeedsAnInKernelIoapic", resampling_needs_the_ioapic},
    {"KVM_IRQFD", "ResamplingNeedsAnEventfdToSignal", resampling_needs_an_eventfd},
    {"KVM_IRQFD", "AResamplingLineStaysHighUntilTheEoi", resampling_lasts_to_the_eoi},
    {"KVM_IRQFD", "ClosingTheEventfdFreesTheBinding", closing_frees_the_binding},
    {"KVM_IRQFD", "AnEventfdSignalledBeforeInjectsWhenBound", signalled_before},
    {"KVM_IRQ_LINE", "AnEdgeCountsWhenItRises", edge_status},
    {"KVM_IRQ_LINE", "AMaskedPinAnswersMinusOne", masked_status},
    {"KVM_IRQ_LINE", "ALevelInServiceAnswersMinusOne", level_status},
    {"KVM_IRQ_LINE", "AGsiWithoutARouteAnswersMinusOne", no_route_status},
    {"KVM_IRQ_LINE", "WithoutAnIrqchipItIsRefused", line_without_a_chip},
    {"KVM_IRQ_LINE", "TheStatusIsTheSumOverTheRoutes", sum_over_routes},
    {"KVM_IRQ_LINE", "AMessageIsSentForLevelOneOnly", message_lines},
    {"KVM_SIGNAL_MSI", "ItAnswersHowManyAccepted", msi_answers},
    {"KVM_SIGNAL_MSI", "OnlyTheDeviceIdFlagIsKnown", msi_flags},
    {"KVM_SIGNAL_MSI", "ItNeedsInKernelLocalApics", msi_needs_a_chip},
    {"KVM_CAP_X2APIC_API", "BitsOfACallsUpperAddressAreReserved", upper_address_in_calls},
};

INSTANTIATE_TEST_SUITE_P(KvmApi, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
