// Rules of the PCI interrupt router: PIIX4 (290562), PIRQRC[A:D], and ICH9 (316972), 13.1.17
// "PIRQ[n]_ROUT".

#include "models/x86/pirq_router.hpp"
#include "tests/rules/rule.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;

constexpr SpanId kSpan = make_span(SourceId{3}, 0);

struct Router {
  explicit Router(SouthBridge chip = SouthBridge::Ich) : router(PirqRouter::Config{chip}) {}

  void route(unsigned pirq, unsigned value) {
    router.write(PirqRouter::register_of(Pirq(static_cast<std::uint8_t>(pirq))),
                 static_cast<std::uint8_t>(value), env);
  }
  void drive(unsigned pirq, Level level, std::uint32_t driver = 0) {
    const SpanId span = level == Level::High ? kSpan : kNoSpan;
    router.on_wire({Pin(static_cast<std::uint16_t>(pirq)), level, driver, span}, env);
  }
  /// The changes at one of its outputs since they were taken last.
  std::vector<PinChange> at(PortId port) {
    std::vector<PinChange> changes;
    for (const test::Sent& sent : env.sent) {
      if (sent.port == port) changes.push_back(std::get<PinChange>(sent.message));
    }
    return changes;
  }
  PinChange only(PortId port) {
    const auto changes = at(port);
    EXPECT_EQ(changes.size(), 1u);
    return changes.empty() ? PinChange{} : changes[0];
  }

  PirqRouter router;
  test::RecordingEnv env;
};

void registers_reset_to_not_routed() {
  Router r;
  for (const std::uint32_t offset : {0x60u, 0x61u, 0x62u, 0x63u, 0x68u, 0x69u, 0x6Au, 0x6Bu}) {
    EXPECT_EQ(r.router.read(offset, r.env), 0x80u) << offset;
  }
  EXPECT_EQ(r.env.count(Event::GuestError), 0u);
  r.drive(0, Level::High);
  EXPECT_TRUE(r.at(PirqRouter::kPic).empty());
}
void bits_6_to_4_are_reserved() {
  Router r;
  r.route(1, 0xFF);
  EXPECT_EQ(r.router.read(0x61, r.env), 0x8Fu);
  r.route(1, 0x0B);
  EXPECT_EQ(r.router.read(0x61, r.env), 0x0Bu);
  EXPECT_EQ(r.router.read(0x60, r.env), 0x80u);
}
void piix_has_four() {
  Router r(SouthBridge::Piix);
  r.router.write(0x68, 0x05, r.env);
  EXPECT_EQ(r.router.read(0x68, r.env), 0u);
  EXPECT_EQ(r.env.count(Event::GuestError), 2u);
  r.route(3, 0x05);
  r.drive(4, Level::High);
  EXPECT_TRUE(r.env.sent.empty());
  EXPECT_EQ(r.env.count(Event::Dropped), 1u);
  r.drive(3, Level::High);
  EXPECT_EQ(r.only(PirqRouter::kPic).pin, Pin{5});
}
void bits_3_to_0_name_the_irq() {
  for (const unsigned irq : {3u, 4u, 5u, 6u, 7u, 9u, 10u, 11u, 12u, 14u, 15u}) {
    Router r;
    r.route(0, irq);
    r.drive(0, Level::High);
    const PinChange change = r.only(PirqRouter::kPic);
    EXPECT_EQ(raw(change.pin), irq);
    EXPECT_EQ(change.level, Level::High);
    EXPECT_EQ(change.span, kSpan);
  }
}
void reserved_irqs_lead_nowhere() {
  for (const unsigned irq : {0u, 1u, 2u, 8u, 13u}) {
    Router r;
    r.route(0, irq);
    r.drive(0, Level::High);
    EXPECT_TRUE(r.at(PirqRouter::kPic).empty()) << irq;
    EXPECT_EQ(r.only(PirqRouter::kIoapic).span, kSpan) << irq;
  }
}
void bit_7_keeps_it_from_the_8259() {
  Router r;
  r.route(2, 0x80 | 11);
  r.drive(2, Level::High);
  EXPECT_TRUE(r.at(PirqRouter::kPic).empty());
}
void the_ioapic_sees_it_at_pin_16_and_up() {
  for (unsigned pirq = 0; pirq < 8; ++pirq) {
    Router r;
    r.drive(pirq, Level::High);
    EXPECT_EQ(raw(r.only(PirqRouter::kIoapic).pin), 16 + pirq);
    r.env.clear();
    r.drive(pirq, Level::Low);
    EXPECT_EQ(r.only(PirqRouter::kIoapic).level, Level::Low);
  }
}
void the_ioapic_sees_it_whatever_the_route() {
  Router r;
  r.route(5, 10);
  r.drive(5, Level::High);
  EXPECT_EQ(r.only(PirqRouter::kIoapic).pin, Pin{21});
  EXPECT_EQ(r.only(PirqRouter::kIoapic).span, kNoSpan) << "the span is at the 8259";
  EXPECT_EQ(r.only(PirqRouter::kPic).span, kSpan);
}
void a_wire_is_high_while_any_driver_asserts_it() {
  Router r;
  r.route(0, 11);
  r.drive(0, Level::High, 1);
  r.drive(0, Level::High, 2);
  EXPECT_EQ(r.at(PirqRouter::kPic).size(), 2u) << "each assertion goes on, for its span";
  r.env.clear();
  r.drive(0, Level::Low, 1);
  EXPECT_TRUE(r.env.sent.empty());
  EXPECT_EQ(r.router.level(Pirq{0}), Level::High);
  r.drive(0, Level::Low, 2);
  EXPECT_EQ(r.only(PirqRouter::kPic).level, Level::Low);
  EXPECT_EQ(r.router.level(Pirq{0}), Level::Low);
}
void pirqs_that_share_an_irq_are_two_drivers() {
  Router r;
  r.route(0, 11);
  r.route(4, 11);
  r.drive(0, Level::High);
  r.drive(4, Level::High);
  const auto changes = r.at(PirqRouter::kPic);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].pin, changes[1].pin);
  EXPECT_NE(changes[0].driver, changes[1].driver);
}
void a_new_route_takes_the_level_along() {
  Router r;
  r.route(0, 11);
  r.drive(0, Level::High);
  r.env.clear();
  r.route(0, 10);
  const auto changes = r.at(PirqRouter::kPic);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].pin, Pin{11});
  EXPECT_EQ(changes[0].level, Level::Low);
  EXPECT_EQ(changes[1].pin, Pin{10});
  EXPECT_EQ(changes[1].level, Level::High);
  r.drive(0, Level::Low);
  r.env.clear();
  r.route(0, 9);
  EXPECT_TRUE(r.env.sent.empty());
}
void accesses_are_byte_by_byte() {
  Router r;
  r.router.receive(PirqRouter::kRegisters, BusWrite{0xE0000F8060, 0x8A0B0A0B, kNoSpan, {}, 4},
                   r.env);
  r.router.receive(PirqRouter::kRegisters, BusRead{0xE0000F8062, Tag{4}, kNoSpan, {}, 2}, r.env);
  const BusData data = r.env.messages<BusData>().at(0);
  EXPECT_EQ(data.data[0], 0x0Bu);
  EXPECT_EQ(data.data[1], 0x8Au);
  EXPECT_EQ(data.data[2], 0u);
  EXPECT_EQ(data.tag, Tag{4});
  EXPECT_EQ(r.env.count(Event::GuestError), 0u) << "no byte more than was asked for";
  EXPECT_EQ(r.router.irq_of(Pirq{1}), Pin{10});
  EXPECT_EQ(r.router.irq_of(Pirq{3}), std::nullopt);
}

constexpr Rule kRules[] = {
    {"ICH9 13.1.17", "RegistersResetToNotRouted", registers_reset_to_not_routed},
    {"ICH9 13.1.17", "Bits6To4AreReserved", bits_6_to_4_are_reserved},
    {"PIIX PIRQRC", "PiixHasFour", piix_has_four},
    {"ICH9 13.1.17", "Bits3To0NameTheIrq", bits_3_to_0_name_the_irq},
    {"ICH9 13.1.17", "ReservedIrqsLeadNowhere", reserved_irqs_lead_nowhere},
    {"ICH9 13.1.17", "Bit7KeepsItFromThe8259", bit_7_keeps_it_from_the_8259},
    {"ICH9 5.9", "TheIoapicSeesItAtPin16AndUp", the_ioapic_sees_it_at_pin_16_and_up},
    {"ICH9 5.9", "TheIoapicSeesItWhateverTheRoute", the_ioapic_sees_it_whatever_the_route},
    {"PCI 2.2.6", "AWireIsHighWhileAnyDriverAssertsIt", a_wire_is_high_while_any_driver_asserts_it},
    {"ICH9 5.8.6", "PirqsThatShareAnIrqAreTwoDrivers", pirqs_that_share_an_irq_are_two_drivers},
    {"ICH9 5.8.6", "ANewRouteTakesTheLevelAlong", a_new_route_takes_the_level_along},
    {"ICH9 13.1.17", "AccessesAreByteByByte", accesses_are_byte_by_byte},
};

INSTANTIATE_TEST_SUITE_P(Pirq, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
