// A bank of enabled LAPICs, and the words a test of it speaks in.
#pragma once

#include <gtest/gtest.h>

#include <set>

#include "models/x86/lapic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {

inline std::set<unsigned> vectors(const VectorSet& set) {
  std::set<unsigned> found;
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(static_cast<Vector>(v))) found.insert(v);
  }
  return found;
}

class LapicFixture : public ::testing::Test {
 protected:
  using Register = LapicRegister;
  using Vectors = std::set<unsigned>;

  static LapicBank::Config config_of(unsigned cpus) {
    LapicBank::Config config;
    for (unsigned i = 0; i < cpus; ++i) config.ids.push_back(ApicId{i});
    config.ioapics = 2;
    return config;
  }
  /// A bank in its reset state but for the software enable bits.
  void rebuild(const LapicBank::Config& config) {
    bank = LapicBank(config);
    for (unsigned i = 0; i < config.ids.size(); ++i) write(i, Register::kSvr, 0x1FF);
    env.clear();
  }
  void SetUp() override { rebuild(config_of(4)); }

  void write(unsigned cpu, std::uint32_t offset, std::uint32_t value) {
    bank.write(CpuId{cpu}, offset, value, env);
  }
  std::uint32_t read(unsigned cpu, std::uint32_t offset) {
    return bank.read(CpuId{cpu}, offset, env);
  }
  void set_logical(unsigned cpu, std::uint32_t ldr, std::uint32_t dfr = 0xFFFFFFFF) {
    write(cpu, Register::kDfr, dfr);
    write(cpu, Register::kLdr, ldr << 24);
  }

  static ApicMessage fixed(unsigned cpu, unsigned vector) {
    ApicMessage m;
    m.destination = ApicId{cpu};
    m.vector = static_cast<Vector>(vector);
    return m;
  }
  static ApicMessage level(unsigned cpu, unsigned vector) {
    ApicMessage m = fixed(cpu, vector);
    m.trigger_mode = TriggerMode::Level;
    return m;
  }
  static ApicMessage logical(unsigned destination, unsigned vector,
                             DeliveryMode mode = DeliveryMode::Fixed) {
    ApicMessage m = fixed(destination, vector);
    m.destination_mode = DestinationMode::Logical;
    m.delivery_mode = mode;
    return m;
  }
  static ApicMessage of_mode(unsigned cpu, DeliveryMode mode) {
    ApicMessage m = fixed(cpu, 0x41);
    m.delivery_mode = mode;
    return m;
  }
  unsigned send(const ApicMessage& m, SpanId s) { return bank.on_message(m, s, env); }
  unsigned send(const ApicMessage& m) { return send(m, book.begin()); }

  IntaAnswer inta(unsigned cpu) { return bank.on_inta(CpuId{cpu}, env); }
  void eoi(unsigned cpu) { write(cpu, Register::kEoi, 0); }
  /// Sends, takes and leaves it in service.
  void put_in_service(unsigned cpu, unsigned vector) {
    send(fixed(cpu, vector));
    ASSERT_EQ(inta(cpu).vector, static_cast<Vector>(vector));
  }
  Vectors irr(unsigned cpu) const { return vectors(bank.irr(CpuId{cpu})); }
  Vectors isr(unsigned cpu) const { return vectors(bank.isr(CpuId{cpu})); }
  Vectors tmr(unsigned cpu) const { return vectors(bank.tmr(CpuId{cpu})); }
  /// The CPUs that have `vector` pending.
  std::set<unsigned> pending_at(unsigned vector) const {
    std::set<unsigned> found;
    for (unsigned i = 0; i < bank.cpus(); ++i) {
      if (bank.irr(CpuId{i}).has(static_cast<Vector>(vector))) found.insert(i);
    }
    return found;
  }
  /// The detail of the first note of `event` on `s`, or nothing.
  std::optional<std::uint64_t> noted(Event event, SpanId s) const {
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == s) return note.detail;
    }
    return std::nullopt;
  }
  bool dropped(SpanId s, DropReason reason) const {
    return noted(Event::Dropped, s) == static_cast<std::uint64_t>(reason);
  }
  /// What an ESR read shows after the write that latches it.
  std::uint32_t errors(unsigned cpu) {
    write(cpu, Register::kEsr, 0);
    return read(cpu, Register::kEsr);
  }

  test::RecordingEnv env;
  test::SpanBook book;
  LapicBank bank{config_of(1)};
};

}  // namespace irqfab::x86
