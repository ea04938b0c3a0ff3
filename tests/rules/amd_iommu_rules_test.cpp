// AMD I/O Virtualization Technology (IOMMU) Specification (48882): what it says of interrupts.
#include "tests/rules/rule.hpp"
#include "tests/support/amdvi_bench.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using namespace x86::test;
using Pair = std::array<std::uint64_t, 2>;

constexpr std::uint64_t bit(unsigned n) { return std::uint64_t{1} << n; }
/// An event of an interrupt request: code, I, flags, DeviceID of kNic.
constexpr std::uint64_t event_of(std::uint64_t code, std::uint64_t flags = 0) {
  return code << 60 | bit(51) | flags | raw(kNic);
}
constexpr std::uint64_t kPR = bit(52), kRZ = bit(55);

/// The one message that left; all zero if there is not exactly one.
Pair message(const AmdViBench& b) {
  const auto all = b.delivered();
  if (all.size() != 1) return {0, 0};
  return {all[0].address, all[0].data};
}

// ---- 2.2.2 Device table ------------------------------------------------------------------------

void disabled_unit_passes() {
  AmdViBench b(kEventLogEn | kCmdBufEn);
  b.serve(7);
  EXPECT_EQ(message(b), (Pair{kWindow, 7}));
  EXPECT_TRUE(b.env.messages<BusRead>().empty());
}

void invalid_entry_passes() {
  AmdViBench b;
  b.set_device(kNic, device_entry(kInterrupts, 5) & ~std::uint64_t{1});
  b.serve(7, 0xFEE03000);
  EXPECT_EQ(message(b), (Pair{0xFEE03000, 7}));
}

void entries_have_32_bytes() {
  AmdViBench b;
  b.request(7);
  ASSERT_EQ(b.open_reads().size(), 1u);
  EXPECT_EQ(b.open_reads()[0].address, kDevices + 0x18 * 32 + 16);
  EXPECT_EQ(b.open_reads()[0].size, 16);
}

void table_size() {
  AmdViBench b;
  b.serve(7, kWindow, RequesterId{0xFF});
  EXPECT_EQ(b.events(), 0u);
  b.serve(7, kWindow, RequesterId{0x100});
  EXPECT_EQ(b.events(), 1u);
  EXPECT_EQ(b.code(0), 1u);
  EXPECT_EQ(b.dropped(), 1u);
}

void table_pointer_and_length() {
  AmdViBench b;
  b.set_entry(31, interrupt_entry(0x77));
  b.serve(31);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x4077}));
  b.serve(32);
  EXPECT_EQ(b.delivered().size(), 1u);
  EXPECT_EQ(b.event(0), (Pair{event_of(2), kWindow}));
}

void longest_table() {
  AmdViBench b(kOn | k2048);
  b.set_device(kNic, device_entry(kInterrupts, 11));
  b.set_entry(2047, interrupt_entry(0x77));
  b.serve(2047, kLogical);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x4077}));
}

void reserved_length() {
  AmdViBench b;
  b.set_device(kNic, device_entry(kInterrupts, 12));
  b.serve(3);
  EXPECT_EQ(b.event(0), (Pair{event_of(1), kWindow}));
}

void reserved_bits() {
  for (const unsigned reserved : {52u, 53u}) {
    AmdViBench b;
    b.set_device(kNic, device_entry(kInterrupts, 5) | bit(reserved));
    b.serve(3);
    EXPECT_EQ(b.event(0), (Pair{event_of(1, kRZ), kWindow})) << reserved;
    EXPECT_EQ(b.dropped(), 1u);
  }
}

void control_abort() {
  AmdViBench b;
  b.set_device(kNic, int_ctl(device_entry(kInterrupts, 5), 0));
  b.set_entry(3, interrupt_entry(0x43));
  b.serve(3);
  EXPECT_TRUE(b.delivered().empty());
  EXPECT_EQ(b.event(0), (Pair{event_of(2), kWindow}));
}

void control_forward() {
  AmdViBench b;
  b.set_device(kNic, int_ctl(device_entry(kInterrupts, 5), 1));
  b.serve(0x4042, 0xFEE05000);
  EXPECT_EQ(message(b), (Pair{0xFEE05000, 0x4042}));
  EXPECT_FALSE(b.env.noted(Event::Remapped));
}

void control_reserved() {
  AmdViBench b;
  b.set_device(kNic, int_ctl(device_entry(kInterrupts, 5), 3));
  b.serve(3);
  EXPECT_EQ(b.event(0), (Pair{event_of(1), kWindow}));
}

void ignore_unmapped() {
  AmdViBench b;
  b.set_device(kNic, int_ctl(device_entry(kInterrupts, 5), 0) | bit(5));
  b.serve(3);
  EXPECT_EQ(b.dropped(), 1u);
  EXPECT_EQ(b.events(), 0u);
}

/// The three types that a bit of the device's entry lets through, and no other bit.
void passes(std::uint64_t type, unsigned passing) {
  for (const unsigned n : {56u, 57u, 58u}) {
    AmdViBench b;
    b.set_device(kNic, device_entry(kInterrupts, 5) | bit(n));
    b.serve(type << 8 | 0x12, 0xFEE01000);
    if (n == passing) {
      EXPECT_EQ(message(b), (Pair{0xFEE01000, type << 8 | 0x12}));
    } else {
      EXPECT_TRUE(b.delivered().empty()) << n;
      EXPECT_EQ(b.event(0), (Pair{event_of(2), 0xFEE01000}));
    }
  }
}
void init_pass() { passes(5, 56); }
void extint_pass() { passes(7, 57); }
void nmi_pass() { passes(4, 58); }

void smi_is_not_remapped() {
  AmdViBench b;
  b.serve(0x200);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x200}));
}

void reserved_types_are_blocked() {
  for (const std::uint64_t type : {3u, 6u}) {
    AmdViBench b;
    b.set_device(kNic, device_entry(kInterrupts, 5) | bit(56) | bit(57) | bit(58));
    b.serve(type << 8);
    EXPECT_TRUE(b.delivered().empty());
    EXPECT_EQ(b.code(0), 2u);
  }
}

void unreadable_device_entry() {
  AmdViBench b;
  b.unit.write_register(0x00, 0x2000000 | 1, b.env);  // beyond memory
  b.serve(3);
  EXPECT_EQ(b.event(0), (Pair{event_of(3, bit(57)), 0x2000000 + 0x18 * 32}));
  EXPECT_EQ(b.dropped(), 1u);
}

// ---- 2.2.5 Interrupt remapping tables ----------------------------------------------------------

void arbitrated_counts_in_the_index() {
  AmdViBench b;
  b.set_device(kNic, device_entry(kInterrupts, 9));
  b.set_entry(0x105, interrupt_entry(0x51));
  b.serve(0x105);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x4051}));
}

void logical_needs_2048() {
  AmdViBench b;
  b.set_device(kNic, device_entry(kInterrupts, 11) | bit(58));
  b.set_entry(0x405, interrupt_entry(0x51));
  b.serve(0x405, kLogical);
  EXPECT_TRUE(b.delivered().empty());
  EXPECT_EQ(b.event(0), (Pair{event_of(2), kLogical}));
  b.control(kOn | k2048);
  b.serve(0x405, kLogical);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x4051}));
  b.serve(0x405);  // without DM it is an NMI
  ASSERT_EQ(b.delivered().size(), 2u);
  EXPECT_EQ(b.delivered()[1].data, 0x405u);
}

void higher_data_bits_are_no_index() {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43));
  b.serve(0xF803);
  EXPECT_EQ(message(b), (Pair{kWindow, 0x4043}));
}

void not_enabled() {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43) & ~1u);
  b.serve(3);
  EXPECT_EQ(b.event(0), (Pair{event_of(2), kWindow}));
  EXPECT_EQ(b.dropped(), 1u);
}

void suppressed() {
  AmdViBench b;
  b.set_entry(3, 2);
  b.set_entry(4, interrupt_entry(0x43) | 2 | 1 << 7);
  b.serve(3);
  b.serve(4);
  EXPECT_EQ(b.dropped(), 2u);
  EXPECT_EQ(b.events(), 0u);
}

void basic_fields() {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0xC3, 0x5A));
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0xFEE5A000, 0x40C3}));
}

void destination_mode() {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43) | 1 << 6);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0xFEE00004, 0x4043}));
}

void request_eoi() {
  AmdViBench b;
  b.set_entry(3, interrupt_entry(0x43) | 1 << 5);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{kWindow, 0xC043}));
}

void interrupt_types() {
  for (std::uint32_t type = 0; type < 8; ++type) {
    AmdViBench b;
    b.set_entry(3, interrupt_entry(0x43) | type << 2);
    b.serve(3);
    if (type < 2) {
      EXPECT_EQ(message(b), (Pair{kWindow, 0x4043 | type << 8}));
    } else {
      EXPECT_EQ(b.event(0), (Pair{event_of(2, kPR | kRZ), kWindow})) << type;
    }
  }
}

void basic_reserved() {
  for (const unsigned reserved : {7u, 24u, 31u}) {
    AmdViBench b;
    b.set_entry(3, interrupt_entry(0x43) | 1u << reserved);
    b.serve(3);
    EXPECT_EQ(b.event(0), (Pair{event_of(2, kPR | kRZ), kWindow})) << reserved;
  }
}

void long_entries() {
  AmdViBench b(kOn | kGAEn);
  b.set_long_entry(3, 1 | 0x5A << 8, 0x43);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0xFEE5A000, 0x4043}));
  EXPECT_EQ(b.env.messages<BusRead>().back().address, kInterrupts + 3 * 16);
  EXPECT_EQ(b.env.messages<BusRead>().back().size, 16);
}

void basic_entries_have_4_bytes() {
  AmdViBench b;
  b.serve(3);
  EXPECT_EQ(b.env.messages<BusRead>().back().address, kInterrupts + 3 * 4);
  EXPECT_EQ(b.env.messages<BusRead>().back().size, 4);
}

void long_reserved() {
  const Pair bad[] = {{1 | 1 << 16, 0x43}, {bit(31) | 1, 0x43}, {1, 0x43 | bit(56)},
                      {1, 0x43 | bit(8)},  {1, 0x43 | bit(11)}, {1, 0x43 | bit(52)},
                      {1, 0x43 | bit(55)}, {1 | 1 << 7, 0x43}};
  for (const Pair& entry : bad) {
    AmdViBench b(kOn | kGAEn);
    b.set_long_entry(3, entry[0], entry[1]);
    b.serve(3);
    EXPECT_EQ(b.event(0), (Pair{event_of(2, kPR | kRZ), kWindow})) << std::hex << entry[0];
  }
}

void x2apic_destinations() {
  AmdViBench b(kOn | kGAEn | kXTEn);
  b.set_long_entry(3, 1 | 0x345678u << 8, 0x43 | std::uint64_t{0x12} << 56);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0x12345600FEE78000, 0x4043}));
}

void x2apic_needs_long_entries() {
  AmdViBench b(kOn | kXTEn);
  b.set_entry(3, interrupt_entry(0x43, 0x5A));
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0xFEE5A000, 0x4043}));
}

void unreadable_entry() {
  AmdViBench b;
  b.set_device(kNic, device_entry(0x2000000, 5));
  b.serve(3);
  EXPECT_EQ(b.event(0), (Pair{event_of(4, bit(57)), 0x2000000 + 3 * 4}));
}

// ---- 2.4 Commands ------------------------------------------------------------------------------

void wait_stores() {
  AmdViBench b;
  b.run(kWaitStore, 0x1122334455667788);
  EXPECT_EQ(b.get(kStore), 0x1122334455667788u);
  EXPECT_EQ(b.reg(0x2000), 0x10u);
}

void wait_without_store() {
  AmdViBench b;
  b.run(command(1, kStore), 0x11);
  EXPECT_EQ(b.get(kStore), 0u);
  EXPECT_EQ(b.env.count(Event::InvalidationWaited), 1u);
  EXPECT_EQ(b.status() & 4, 0u);
}

void wait_interrupts() {
  AmdViBench b(kOn | kComWaitIntEn);
  b.unit.write_register(0x158, bit(16) | std::uint64_t{0xFEE02000} << 32, b.env);
  b.unit.write_register(0x160, std::uint64_t{0x4033} << 32, b.env);
  b.run(command(1, 2));
  EXPECT_EQ(b.status() & 4, 4u);
  EXPECT_EQ(message(b), (Pair{0xFEE02000, 0x4033}));
}

void wait_reserved_bits() {
  for (const unsigned reserved : {52u, 59u}) {
    AmdViBench b;
    b.run(kWait | bit(reserved));
    EXPECT_EQ(b.event(0), (Pair{std::uint64_t{5} << 60, kCommands})) << reserved;
    EXPECT_EQ(b.env.count(Event::InvalidationWaited), 0u);
  }
}

bool cached_interrupt(const AmdViBench& from, std::uint64_t index) {
  AmdViBench b = from;
  b.env.clear();
  b.answered = b.markers = b.written = 0;
  b.request(index);
  return b.env.noted(Event::IrteHit);
}
bool cached_device(const AmdViBench& from, RequesterId id) {
  AmdViBench b = from;
  b.env.clear();
  b.answered = b.markers = b.written = 0;
  b.request(7, kWindow, id);
  return b.open_reads().empty() || b.open_reads()[0].address != kDevices + raw(id) * 32 + 16;
}
constexpr RequesterId kOther{0x20};
AmdViBench warm() {
  AmdViBench b;
  b.set_device(kOther, device_entry(kInterrupts, 5));
  for (std::uint32_t i = 0; i < 8; ++i) b.set_entry(i, interrupt_entry(0x40 + i));
  b.serve(3);
  b.serve(3, kWindow, kOther);
  EXPECT_TRUE(cached_device(b, kNic) && cached_device(b, kOther) && cached_interrupt(b, 3));
  return b;
}

void invalidate_devtab_entry() {
  AmdViBench b = warm();
  b.run(invalidate_device(kNic));
  EXPECT_FALSE(cached_device(b, kNic));
  EXPECT_TRUE(cached_device(b, kOther));
  b.serve(0, kWindow, kNic);
  EXPECT_TRUE(cached_interrupt(b, 3)) << "interrupts have a command of their own";
}

void invalidate_interrupt_table() {
  AmdViBench b = warm();
  b.run(invalidate_interrupts(kOther));
  EXPECT_TRUE(cached_interrupt(b, 3));
  b.run(invalidate_interrupts(kNic));
  EXPECT_FALSE(cached_interrupt(b, 3));
  EXPECT_TRUE(cached_device(b, kNic));
}

void invalidate_all() {
  AmdViBench b = warm();
  b.run(kInvalidateAll);
  EXPECT_FALSE(cached_device(b, kNic));
  EXPECT_FALSE(cached_device(b, kOther));
  b.serve(0);
  EXPECT_FALSE(cached_interrupt(b, 3));
}

void invalidations_reserved_bits() {
  for (const std::uint64_t low :
       {invalidate_device(kNic) | bit(16), invalidate_device(kNic) | bit(59),
        invalidate_interrupts(kNic) | bit(16), kInvalidateAll | 1}) {
    AmdViBench b = warm();
    b.run(low);
    EXPECT_EQ(b.code(0), 5u) << std::hex << low;
    EXPECT_TRUE(cached_interrupt(b, 3));
  }
  for (const std::uint64_t low :
       {invalidate_device(kNic), invalidate_interrupts(kNic), kInvalidateAll}) {
    AmdViBench b = warm();
    b.run(low, 1);
    EXPECT_EQ(b.code(0), 5u) << std::hex << low;
  }
}

void translation_commands_complete() {
  AmdViBench b;
  b.queue(command(3));
  b.queue(command(4));
  b.run(kWaitStore, 9);
  EXPECT_EQ(b.get(kStore), 9u);
  EXPECT_EQ(b.reg(0x2000), 0x30u);
}

void unknown_commands_stop() {
  for (const std::uint64_t opcode : {0u, 6u, 7u, 9u, 15u}) {
    AmdViBench b;
    b.queue(kWait);
    b.queue(command(opcode));
    b.run(kWaitStore, 9);
    EXPECT_EQ(b.event(0), (Pair{std::uint64_t{5} << 60, kCommands + 16})) << opcode;
    EXPECT_EQ(b.reg(0x2000), 0x10u);
    EXPECT_EQ(b.status() & 0x10, 0u);
    EXPECT_EQ(b.get(kStore), 0u);
  }
}

void unreadable_command() {
  AmdViBench b;
  b.unit.write_register(0x08, 0x2000000 | std::uint64_t{8} << 56, b.env);
  b.unit.write_register(0x2008, 0x10, b.env);
  b.settle();
  EXPECT_EQ(b.event(0), (Pair{std::uint64_t{6} << 60 | bit(57), 0x2000000}));
  EXPECT_EQ(b.status() & 0x10, 0u);
}

void restart_after_an_error() {
  AmdViBench b;
  b.queue(command(0));
  b.run(kWaitStore, 9);
  b.put(kCommands, kWait);
  b.control(kOn);
  b.settle();
  EXPECT_EQ(b.status() & 0x10, 0x10u);
  EXPECT_EQ(b.get(kStore), 9u);
}

void buffer_wraps() {
  AmdViBench b;
  for (unsigned i = 0; i < 300; ++i) b.run(kWait);
  EXPECT_EQ(b.reg(0x2000), 300u * 16 % 4096);
  EXPECT_EQ(b.env.count(Event::InvalidationWaited), 300u);
}

void longer_buffer() {
  AmdViBench b;
  b.unit.write_register(0x08, kCommands | std::uint64_t{9} << 56, b.env);
  b.put(kCommands + 4096, kWait);
  b.unit.write_register(0x18, kOn & ~kCmdBufEn, b.env);
  b.unit.write_register(0x2000, 0x1000, b.env);
  b.unit.write_register(0x2008, 0x1010, b.env);
  b.control(kOn);
  b.settle();
  EXPECT_EQ(b.reg(0x2000), 0x1010u);
}

// ---- 2.5 Event logging -------------------------------------------------------------------------

void log_and_status() {
  AmdViBench b;
  EXPECT_EQ(b.status() & 0xB, 0x8u);
  b.serve(3);
  EXPECT_EQ(b.reg(0x2018), 0x10u);
  EXPECT_EQ(b.status() & 0xB, 0xAu);
  b.unit.write_register(0x2020, 2, b.env);
  EXPECT_EQ(b.status() & 0xB, 0x8u);
}

void log_disabled() {
  AmdViBench b(kIommuEn);
  b.serve(3);
  EXPECT_EQ(b.dropped(), 1u);
  EXPECT_EQ(b.reg(0x2018), 0u);
  EXPECT_EQ(b.status(), 0u);
  EXPECT_FALSE(b.env.noted(Event::RemapFaulted));
}

void overflow() {
  AmdViBench b;
  for (unsigned i = 0; i < 255; ++i) b.serve(3);
  EXPECT_EQ(b.status() & 9, 8u);
  EXPECT_EQ(b.reg(0x2018), 255u * 16);
  b.serve(3);
  EXPECT_EQ(b.status() & 9, 1u);
  EXPECT_EQ(b.reg(0x2018), 255u * 16);
  b.unit.write_register(0x2010, 0x10, b.env);  // room again, but the log has stopped
  b.serve(3);
  EXPECT_EQ(b.reg(0x2018), 255u * 16);
}

void resume_after_overflow() {
  AmdViBench b;
  for (unsigned i = 0; i < 256; ++i) b.serve(3);
  b.unit.write_register(0x2010, 0x20, b.env);
  b.control(kOn);  // with EventOverflow set: still stopped
  b.serve(3);
  EXPECT_EQ(b.reg(0x2018), 255u * 16);
  b.unit.write_register(0x2020, 1, b.env);
  b.control(kOn);
  b.serve(3);
  EXPECT_EQ(b.reg(0x2018), 0u);
}

void event_interrupts() {
  AmdViBench b(kOn | kEventIntEn);
  b.unit.write_register(0x158, bit(16) | std::uint64_t{0xFEE02000} << 32, b.env);
  b.unit.write_register(0x160, std::uint64_t{0x4033} << 32, b.env);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0xFEE02000, 0x4033}));
  b.serve(3);
  EXPECT_EQ(b.delivered().size(), 1u) << "the bit was set already";
  b.unit.write_register(0x2020, 2, b.env);
  b.serve(3);
  EXPECT_EQ(b.delivered().size(), 2u);
}

void overflow_interrupts() {
  AmdViBench b(kOn | kEventIntEn);
  b.unit.write_register(0x158, bit(16) | std::uint64_t{0xFEE02000} << 32, b.env);
  for (unsigned i = 0; i < 256; ++i) b.serve(3);
  EXPECT_EQ(b.delivered().size(), 2u) << "one of the first event, one of the overflow";
}

// ---- MMIO registers ----------------------------------------------------------------------------

void features() {
  AmdViBench b;
  EXPECT_EQ(b.reg(0x30), bit(2) | bit(6) | bit(7) | bit(46));
  EXPECT_EQ(b.reg(0x1A0), std::uint64_t{1} << 8);
}

void x2apic_interrupt() {
  AmdViBench b(kOn | kEventIntEn | kIntCapXTEn);
  b.unit.write_register(
      0x170, 4 | 0x345678u << 8 | std::uint64_t{0x99} << 32 | std::uint64_t{0x12} << 56, b.env);
  b.serve(3);
  EXPECT_EQ(message(b), (Pair{0x12345600FEE78004, 0x4099}));
}

void msi_disabled() {
  AmdViBench b(kOn | kEventIntEn);
  b.unit.write_register(0x158, std::uint64_t{0xFEE02000} << 32, b.env);
  b.serve(3);
  EXPECT_TRUE(b.delivered().empty());
  EXPECT_EQ(b.status() & 2, 2u);
}

constexpr Rule kRules[] = {
    {"2.2.2", "ADisabledUnitPassesInterrupts", disabled_unit_passes},
    {"2.2.2", "WithoutIVInterruptsPass", invalid_entry_passes},
    {"2.2.2", "EntriesHave32Bytes", entries_have_32_bytes},
    {"2.2.2", "SizeCountsPagesOf128Entries", table_size},
    {"2.2.2", "IntTabLenIsAPowerOfTwo", table_pointer_and_length},
    {"2.2.2", "TheLongestTableHas2048Entries", longest_table},
    {"2.2.2", "LongerTablesAreReserved", reserved_length},
    {"2.2.2", "ReservedBitsMakeAnEntryIllegal", reserved_bits},
    {"2.2.2", "IntCtl0Aborts", control_abort},
    {"2.2.2", "IntCtl1Forwards", control_forward},
    {"2.2.2", "IntCtl3IsReserved", control_reserved},
    {"2.2.2", "IGKeepsUnmappedInterruptsOutOfTheLog", ignore_unmapped},
    {"2.2.2", "INITPassLetsInitThrough", init_pass},
    {"2.2.2", "EIntPassLetsExtIntThrough", extint_pass},
    {"2.2.2", "NMIPassLetsNmisThrough", nmi_pass},
    {"2.2.2", "SmisAreNotRemapped", smi_is_not_remapped},
    {"2.2.2", "ReservedTypesAreBlocked", reserved_types_are_blocked},
    {"2.5.4", "AnEntryThatCannotBeReadIsAHardwareError", unreadable_device_entry},
    {"2.2.5", "TheTypeOfArbitratedIsBit8OfTheIndex", arbitrated_counts_in_the_index},
    {"2.2.5", "WithDMAndNumIntRemapModeTheIndexHas11Bits", logical_needs_2048},
    {"2.2.5", "DataAboveBit10IsNoIndex", higher_data_bits_are_no_index},
    {"2.2.5", "WithoutRemapEnTheInterruptIsBlocked", not_enabled},
    {"2.2.5", "SupIOPFSuppressesTheEvent", suppressed},
    {"2.2.5", "VectorAndDestinationOfShortEntries", basic_fields},
    {"2.2.5", "DMIsTheDestinationMode", destination_mode},
    {"2.2.5", "RqEoiMakesItALevel", request_eoi},
    {"2.2.5", "IntTypeIsFixedOrArbitrated", interrupt_types},
    {"2.2.5", "ReservedBitsOfShortEntries", basic_reserved},
    {"2.2.5", "ShortEntriesHave4Bytes", basic_entries_have_4_bytes},
    {"2.2.5", "GAEnMakesEntriesLong", long_entries},
    {"2.2.5", "ReservedBitsOfLongEntries", long_reserved},
    {"2.2.5", "XTEnMakesDestinationsLong", x2apic_destinations},
    {"2.2.5", "XTEnNeedsGAEn", x2apic_needs_long_entries},
    {"2.5.5", "AnInterruptsEntryThatCannotBeRead", unreadable_entry},
    {"2.4.1", "CompletionWaitStoresItsData", wait_stores},
    {"2.4.1", "WithoutSNothingIsStored", wait_without_store},
    {"2.4.1", "WithIItInterrupts", wait_interrupts},
    {"2.4.1", "ReservedBitsOfCompletionWait", wait_reserved_bits},
    {"2.4.2", "InvalidateDevtabEntryForgetsOneDevice", invalidate_devtab_entry},
    {"2.4.5", "InvalidateInterruptTableForgetsItsInterrupts", invalidate_interrupt_table},
    {"2.4.8", "InvalidateIommuAllForgetsEverything", invalidate_all},
    {"2.4", "ReservedBitsOfInvalidations", invalidations_reserved_bits},
    {"2.4", "CommandsAboutTranslationComplete", translation_commands_complete},
    {"2.5.6", "AnIllegalCommandStopsTheBuffer", unknown_commands_stop},
    {"2.5.7", "ACommandThatCannotBeReadStopsTheBuffer", unreadable_command},
    {"2.4", "CmdBufEnRestartsTheBuffer", restart_after_an_error},
    {"2.4", "TheBufferWraps", buffer_wraps},
    {"2.4", "ComLenIsAPowerOfTwo", longer_buffer},
    {"2.5", "AnEventAdvancesTheTailAndSetsEventLogInt", log_and_status},
    {"2.5", "NothingIsLoggedWithoutEventLogEn", log_disabled},
    {"2.5", "AFullLogOverflowsAndStops", overflow},
    {"2.5", "ClearingOverflowAndWritingEventLogEnResumes", resume_after_overflow},
    {"2.5", "EventIntEnSendsAMessage", event_interrupts},
    {"2.5", "AnOverflowSendsAMessage", overflow_interrupts},
    {"MMIO", "ExtendedFeatures", features},
    {"MMIO", "IntCapXTEnTakesTheXtRegister", x2apic_interrupt},
    {"MMIO", "WithoutMsiEnThereIsNoMessage", msi_disabled},
};

INSTANTIATE_TEST_SUITE_P(AmdIommu, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
