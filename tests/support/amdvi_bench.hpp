// An AMD-Vi unit with its tables, command buffer and event log in a memory that answers when the
// test lets it. Numbers are the specification's, not the model's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "models/mem/memory.hpp"
#include "models/x86/amdvi_unit.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86::test {

constexpr std::uint64_t kDevices = 0x200000;
constexpr std::uint64_t kCommands = 0x400000;
constexpr std::uint64_t kEvents = 0x500000;
constexpr std::uint64_t kInterrupts = 0x600000;  // the table of kNic
constexpr std::uint64_t kStore = 0x700008;
constexpr RequesterId kNic{0x18};
constexpr std::uint64_t kWindow = 0xFEE00000;
constexpr std::uint64_t kLogical = 0xFEE00004;  // DM set

// Of the Control register (0018h).
constexpr std::uint64_t kIommuEn = 1, kEventLogEn = 1 << 2, kEventIntEn = 1 << 3,
                        kComWaitIntEn = 1 << 4, kCmdBufEn = 1 << 12, kGAEn = 1 << 17;
constexpr std::uint64_t k2048 = std::uint64_t{1} << 43, kXTEn = std::uint64_t{1} << 50,
                        kIntCapXTEn = std::uint64_t{1} << 51;
constexpr std::uint64_t kOn = kIommuEn | kEventLogEn | kCmdBufEn;

/// Bits 191:128 of a device table entry: IV, `length`, a table, IntCtl = 10b.
constexpr std::uint64_t device_entry(std::uint64_t table, std::uint64_t length) {
  return 1 | length << 1 | table | std::uint64_t{2} << 60;
}
constexpr std::uint64_t kIntCtl = std::uint64_t{3} << 60;
constexpr std::uint64_t int_ctl(std::uint64_t entry, std::uint64_t control) {
  return (entry & ~kIntCtl) | control << 60;
}
/// An entry of 32 bits: RemapEn, fixed, to `destination`.
constexpr std::uint32_t interrupt_entry(std::uint32_t vector, std::uint32_t destination = 0) {
  return 1 | destination << 8 | vector << 16;
}

constexpr std::uint64_t command(std::uint64_t opcode, std::uint64_t low = 0) {
  return opcode << 60 | low;
}
constexpr std::uint64_t kWait = command(1);
constexpr std::uint64_t kWaitStore = command(1, 1 | kStore);
constexpr std::uint64_t invalidate_device(RequesterId id) { return command(2, raw(id)); }
constexpr std::uint64_t invalidate_interrupts(RequesterId id) { return command(5, raw(id)); }
constexpr std::uint64_t kInvalidateAll = command(8);

class AmdViBench {
 public:
  explicit AmdViBench(std::uint64_t control = kOn, AmdViUnit::Config config = {}) : unit(config) {
    unit.write_register(0x00, kDevices | 1, env);  // two pages: 256 DeviceIDs
    unit.write_register(0x08, kCommands | std::uint64_t{8} << 56, env);
    unit.write_register(0x10, kEvents | std::uint64_t{8} << 56, env);
    unit.write_register(0x18, control, env);
    set_device(kNic, device_entry(kInterrupts, 5));
  }

  void put(std::uint64_t address, std::uint64_t value, unsigned bytes = 8) {
    memory.write(address, &value, bytes);
  }
  std::uint64_t get(std::uint64_t address) const {
    std::uint64_t value = 0;
    memory.read(address, &value, sizeof value);
    return value;
  }
  void set_device(RequesterId id, std::uint64_t bits) { put(kDevices + raw(id) * 32 + 16, bits); }
  void set_entry(std::uint32_t index, std::uint32_t entry) {
    put(kInterrupts + index * 4, entry, 4);
  }
  void set_long_entry(std::uint32_t index, std::uint64_t low, std::uint64_t high) {
    put(kInterrupts + index * 16, low);
    put(kInterrupts + index * 16 + 8, high);
  }
  /// Appends a command; the unit sees it at the next ring().
  void queue(std::uint64_t low, std::uint64_t high = 0) {
    put(kCommands + tail, low);
    put(kCommands + tail + 8, high);
    tail = (tail + 16) % 4096;
  }
  void ring() { unit.write_register(0x2008, tail, env); }
  void control(std::uint64_t value) { unit.write_register(0x18, value, env); }

  void request(std::uint64_t data, std::uint64_t address = kWindow, RequesterId id = kNic,
               PortId input = AmdViUnit::kInput) {
    unit.receive(input,
                 BusWrite{address, data, make_span(SourceId{1}, spans++), {HostBridgeId{0}, id}, 4},
                 env);
  }
  std::vector<BusRead> open_reads() const {
    const auto all = env.messages<BusRead>();
    return {all.begin() + static_cast<std::ptrdiff_t>(answered), all.end()};
  }
  /// Memory answers a read with what it holds now.
  void answer(const BusRead& read) {
    irqfab::test::RecordingEnv theirs;
    memory.receive(mem::Memory::kBus, read, theirs);
    unit.receive(AmdViUnit::kMemory, theirs.sent.at(0).message, env);
  }
  /// Memory takes what the unit wrote and answers what it asked, in order; markers come back.
  void settle() {
    while (!open_reads().empty() || markers < env.messages<Marker>().size()) {
      if (!open_reads().empty()) {
        const BusRead read = open_reads().front();
        ++answered;
        answer(read);
      } else {
        unit.receive(AmdViUnit::kOutput, MarkerDone{env.messages<Marker>()[markers++].tag}, env);
      }
    }
    irqfab::test::RecordingEnv theirs;
    for (; written < env.sent.size(); ++written) {
      const auto& sent = env.sent[written];
      if (sent.port != AmdViUnit::kMemory) continue;
      if (std::holds_alternative<BusWrite>(sent.message)) {
        memory.receive(mem::Memory::kBus, sent.message, theirs);
      }
    }
  }
  void run(std::uint64_t low, std::uint64_t high = 0) {
    queue(low, high);
    ring();
    settle();
  }
  /// One request, and all that follows from it.
  void serve(std::uint64_t data, std::uint64_t address = kWindow, RequesterId id = kNic) {
    request(data, address, id);
    settle();
  }

  /// What left for the interrupt controller.
  std::vector<BusWrite> delivered() const {
    std::vector<BusWrite> writes;
    for (const auto& sent : env.sent) {
      const auto* write = std::get_if<BusWrite>(&sent.message);
      if (sent.port == AmdViUnit::kOutput && write != nullptr) writes.push_back(*write);
    }
    return writes;
  }
  std::size_t dropped() const { return env.count(Event::Dropped); }
  std::uint64_t reg(std::uint64_t offset) { return unit.read_register(offset, env); }
  std::uint64_t status() { return reg(0x2020); }
  /// How many events the log holds, and each: low half, high half.
  std::uint64_t events() { return reg(0x2018) / 16; }
  std::array<std::uint64_t, 2> event(std::uint64_t number) const {
    return {get(kEvents + number * 16), get(kEvents + number * 16 + 8)};
  }
  std::uint64_t code(std::uint64_t number) const { return event(number)[0] >> 60; }

  AmdViUnit unit;
  mem::Memory memory{{0, 0x1000000}};
  irqfab::test::RecordingEnv env;
  std::uint64_t tail = 0;
  std::uint64_t spans = 0;
  std::size_t answered = 0;
  std::size_t markers = 0;
  std::size_t written = 0;
};

}  // namespace irqfab::x86::test
