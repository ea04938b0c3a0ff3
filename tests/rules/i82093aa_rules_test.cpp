// Rules of the I/O APIC's registers and messages: Intel 82093AA data sheet (290566), and of what
// I/O controller hubs add in version 0x20 (316972, ICH9, 13.5 "Advanced Programmable Interrupt
// Controller").

#include "tests/support/ioapic_board.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using Board = IoApicBoard;

// ---- 3.1: memory mapped registers ----

void select_has_eight_bits() {
  Board b;
  b.select(0xFFFFFF01);
  EXPECT_EQ(b.chip.read(0x00, b.env), 0x01u);
  EXPECT_EQ(b.chip.read(0x10, b.env), 0x00170020u);
}
void window_reaches_what_is_selected() {
  Board b;
  b.write(0x10, 0x10041);
  b.write(0x12, 0x10042);
  EXPECT_EQ(b.read(0x10), 0x10041u);
  EXPECT_EQ(b.read(0x12), 0x10042u);
}
void select_stays_until_it_is_written() {
  Board b;
  b.select(0x12);
  b.chip.write(0x10, 0x10055, b.env);
  EXPECT_EQ(b.chip.read(0x10, b.env), 0x10055u);
  EXPECT_EQ(b.chip.read(0x00, b.env), 0x12u);
}
void other_offsets_are_nothing() {
  Board b;
  for (const std::uint32_t offset : {0x04u, 0x0Cu, 0x14u, 0x20u, 0x44u, 0xFFCu}) {
    b.env.clear();
    b.chip.write(offset, 0x55, b.env);
    EXPECT_EQ(b.chip.read(offset, b.env), 0u);
    EXPECT_EQ(b.env.count(Event::GuestError), 2u) << offset;
  }
  EXPECT_EQ(b.chip.read(0x00, b.env), 0u);
}
void accesses_have_32_bits() {
  Board b;
  for (const std::uint8_t size : {1, 2, 8}) {
    b.chip.receive(IoApic::kRegisters, BusWrite{0xFEC00000, 1, kNoSpan, {}, size}, b.env);
  }
  EXPECT_EQ(b.env.count(Event::GuestError), 3u);
  EXPECT_EQ(b.chip.read(0x00, b.env), 0u);
  b.chip.receive(IoApic::kRegisters, BusWrite{0xFEC00000, 1, kNoSpan, {}, 4}, b.env);
  EXPECT_EQ(b.chip.read(0x00, b.env), 1u);
}

// ---- 3.2.1 to 3.2.3: identification, version, arbitration ----

void id_has_bits_27_to_24() {
  Board b;
  EXPECT_EQ(b.read(0), 0u);
  b.write(0, 0xFFFFFFFF);
  EXPECT_EQ(b.read(0), 0x0F000000u);
  b.write(0, 0x05000000);
  EXPECT_EQ(b.read(0), 0x05000000u);
}
void arbitration_id_follows_the_id() {
  Board b;
  b.write(0, 0x0A000000);
  EXPECT_EQ(b.read(2), 0x0A000000u);
  b.write(2, 0x01000000);
  EXPECT_EQ(b.read(2), 0x0A000000u);
  EXPECT_EQ(b.env.count(Event::GuestError), 0u);
}
void version_is_read_only() {
  Board b = Board::version_11();
  EXPECT_EQ(b.read(1), 0x00170011u);
  b.write(1, 0);
  EXPECT_EQ(b.read(1), 0x00170011u);
  EXPECT_EQ(b.env.count(Event::GuestError), 0u);
}
void version_names_the_last_entry() {
  IoApic::Config config;
  config.pins = 120;
  Board b(config);
  EXPECT_EQ(b.read(1), 0x00770020u);
  config.pins = 1;
  b = Board(config);
  EXPECT_EQ(b.read(1), 0x00000020u);
}
void indexes_below_the_table_are_reserved() {
  Board b;
  for (const std::uint32_t index : {0x03u, 0x08u, 0x0Fu}) {
    b.env.clear();
    b.write(index, 0xFFFFFFFF);
    EXPECT_EQ(b.read(index), 0u);
    EXPECT_EQ(b.env.count(Event::GuestError), 2u) << index;
  }
}
void table_ends_with_the_last_pin() {
  Board b;
  b.write(0x3E, 0x10041);
  EXPECT_EQ(b.read(0x3E), 0x10041u);
  EXPECT_EQ(b.env.count(Event::GuestError), 0u);
  b.write(0x40, 0x10041);
  EXPECT_EQ(b.read(0x40), 0u);
  EXPECT_EQ(b.env.count(Event::GuestError), 2u);
}

// ---- 3.2.4: the redirection table ----

void every_entry_is_masked_after_reset() {
  Board b;
  for (std::uint16_t pin = 0; pin < 24; ++pin) EXPECT_EQ(b.entry(Pin{pin}), kMask) << pin;
}
void reserved_and_read_only_bits_stay() {
  Board b;
  b.program(~std::uint64_t{0});
  EXPECT_EQ(b.entry(), 0xFFFF00000001AFFFu);
  b.program(0);
  EXPECT_EQ(b.entry(), 0u);
}
void version_11_has_no_extended_destination() {
  Board b = Board::version_11();
  b.program(~std::uint64_t{0});
  EXPECT_EQ(b.entry(), 0xFF0000000001AFFFu);
}
void halves_are_written_apart() {
  Board b;
  b.program(0x0100000000010030);
  b.write(0x10 + 2u * raw(kPin), 0x10031);
  EXPECT_EQ(b.entry(), 0x0100000000010031u);
  b.write(0x11 + 2u * raw(kPin), 0x02000000);
  EXPECT_EQ(b.entry(), 0x0200000000010031u);
}
void message_carries_vector_and_destination() {
  Board b;
  b.program(0x0700000000000041);
  b.raise();
  const ApicMessage m = b.message();
  EXPECT_EQ(m.vector, Vector{0x41});
  EXPECT_EQ(m.destination, ApicId{7});
  EXPECT_EQ(m.destination_mode, DestinationMode::Physical);
  EXPECT_EQ(m.delivery_mode, DeliveryMode::Fixed);
  EXPECT_EQ(m.trigger_mode, TriggerMode::Edge);
  EXPECT_EQ(m.redirection_hint, RedirectionHint::Off);
}
void bit_11_makes_the_destination_logical() {
  Board b;
  b.program(0x0300000000000841);
  b.raise();
  EXPECT_EQ(b.message().destination_mode, DestinationMode::Logical);
}
void lowest_priority_sets_the_redirection_hint() {
  Board b;
  b.program(0x0300000000000941);
  b.raise();
  const ApicMessage m = b.message();
  EXPECT_EQ(m.delivery_mode, DeliveryMode::LowestPriority);
  EXPECT_EQ(m.redirection_hint, RedirectionHint::On);
}
void level_messages_say_asserted() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  const ApicMessage m = b.message();
  EXPECT_EQ(m.trigger_mode, TriggerMode::Level);
  EXPECT_EQ(m.level, Level::High);
  b.lower();
  EXPECT_EQ(b.sent(), 0u);
}
// ---- ICH9, 13.5: the EOI register ----

void eoi_register_ends_its_low_byte() {
  Board b;
  b.program(kLevel | 0x41);
  b.pulse();
  b.chip.write(0x40, 0x42, b.env);
  EXPECT_TRUE(b.remote_irr());
  b.chip.write(0x40, 0xFFFFFF41, b.env);
  EXPECT_FALSE(b.remote_irr());
}
void eoi_register_is_write_only() {
  Board b;
  EXPECT_EQ(b.chip.read(0x40, b.env), 0u);
  EXPECT_EQ(b.env.count(Event::GuestError), 0u);
}
void version_11_has_no_eoi_register() {
  Board b = Board::version_11();
  b.program(kLevel | 0x41);
  b.pulse();
  b.chip.write(0x40, 0x41, b.env);
  EXPECT_TRUE(b.remote_irr());
  EXPECT_EQ(b.chip.read(0x40, b.env), 0u);
  EXPECT_EQ(b.env.count(Event::GuestError), 2u);
  b.end(0x41);
  EXPECT_FALSE(b.remote_irr());
}
void extended_destination_goes_with_the_address() {
  Board b;
  b.program(0x01AB000000000041);
  b.raise();
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).address, 0xFEE01AB0u);
}

constexpr Rule kRules[] = {
    {"3.1.1", "SelectHasEightBits", select_has_eight_bits},
    {"3.1.1", "SelectStaysUntilItIsWritten", select_stays_until_it_is_written},
    {"3.1.2", "WindowReachesWhatIsSelected", window_reaches_what_is_selected},
    {"3.1", "OtherOffsetsAreNothing", other_offsets_are_nothing},
    {"3.1", "AccessesHave32Bits", accesses_have_32_bits},
    {"3.2.1", "IdHasBits27To24", id_has_bits_27_to_24},
    {"3.2.2", "VersionIsReadOnly", version_is_read_only},
    {"3.2.2", "VersionNamesTheLastEntry", version_names_the_last_entry},
    {"3.2.3", "ArbitrationIdFollowsTheId", arbitration_id_follows_the_id},
    {"3.2", "IndexesBelowTheTableAreReserved", indexes_below_the_table_are_reserved},
    {"3.2", "TableEndsWithTheLastPin", table_ends_with_the_last_pin},
    {"3.2.4", "EveryEntryIsMaskedAfterReset", every_entry_is_masked_after_reset},
    {"3.2.4", "ReservedAndReadOnlyBitsStay", reserved_and_read_only_bits_stay},
    {"3.2.4", "Version11HasNoExtendedDestination", version_11_has_no_extended_destination},
    {"3.2.4", "HalvesAreWrittenApart", halves_are_written_apart},
    {"3.2.4", "MessageCarriesVectorAndDestination", message_carries_vector_and_destination},
    {"3.2.4", "Bit11MakesTheDestinationLogical", bit_11_makes_the_destination_logical},
    {"3.2.4", "LowestPrioritySetsTheRedirectionHint", lowest_priority_sets_the_redirection_hint},
    {"3.2.4", "LevelMessagesSayAsserted", level_messages_say_asserted},
    {"ICH9 13.5.4", "EoiRegisterEndsItsLowByte", eoi_register_ends_its_low_byte},
    {"ICH9 13.5.4", "EoiRegisterIsWriteOnly", eoi_register_is_write_only},
    {"ICH9 13.5.4", "Version11HasNoEoiRegister", version_11_has_no_eoi_register},
    {"ICH9 13.5.7", "ExtendedDestinationGoesWithTheAddress",
     extended_destination_goes_with_the_address},
};

INSTANTIATE_TEST_SUITE_P(I82093aa, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
