// Four local APICs that software has enabled, in the words that rules are written in.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "models/x86/lapic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::rules {

using Vectors = std::set<unsigned>;
using Reg = x86::LapicRegister;

inline Vectors vectors_in(const x86::VectorSet& set) {
  Vectors found;
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(Vector(static_cast<std::uint8_t>(v)))) found.insert(v);
  }
  return found;
}

class LapicRig {
 public:
  using Config = x86::LapicBank::Config;
  enum class Enable { Software, None };

  static Config four() {
    Config config;
    for (unsigned i = 0; i < 4; ++i) config.ids.push_back(ApicId{i});
    return config;
  }
  explicit LapicRig(const Config& config = four(), Enable enable = Enable::Software)
      : bank(config) {
    if (enable == Enable::None) return;
    for (unsigned i = 0; i < config.ids.size(); ++i) write(i, Reg::kSvr, 0x1FF);
    env.clear();
  }

  void write(unsigned cpu, std::uint32_t offset, std::uint32_t value) {
    bank.write(CpuId{cpu}, offset, value, env);
  }
  std::uint32_t read(unsigned cpu, std::uint32_t offset) {
    return bank.read(CpuId{cpu}, offset, env);
  }
  bool wrmsr(unsigned cpu, std::uint32_t msr, std::uint64_t value) {
    return bank.wrmsr(CpuId{cpu}, msr, value, env).status == x86::MsrStatus::Done;
  }
  std::uint64_t rdmsr(unsigned cpu, std::uint32_t msr) {
    return bank.rdmsr(CpuId{cpu}, msr, env).value;
  }
  bool readable(unsigned cpu, std::uint32_t msr) {
    return bank.rdmsr(CpuId{cpu}, msr, env).status == x86::MsrStatus::Done;
  }
  bool set_base(unsigned cpu, std::uint64_t value) {
    return wrmsr(cpu, x86::LapicMsr::kApicBase, 0xFEE00000 | (cpu == 0 ? 0x100 : 0) | value);
  }
  void enter_x2apic(unsigned cpu) { ASSERT_TRUE(set_base(cpu, 0xC00)); }

  x86::ApicMessage fixed(unsigned destination, unsigned vector) {
    x86::ApicMessage m;
    m.destination = ApicId{destination};
    m.vector = Vector(static_cast<std::uint8_t>(vector));
    return m;
  }
  x86::ApicMessage level(unsigned destination, unsigned vector) {
    x86::ApicMessage m = fixed(destination, vector);
    m.trigger_mode = x86::TriggerMode::Level;
    return m;
  }
  x86::ApicMessage logical(unsigned destination, unsigned vector) {
    x86::ApicMessage m = fixed(destination, vector);
    m.destination_mode = x86::DestinationMode::Logical;
    return m;
  }
  x86::ApicMessage lowest(unsigned destination, unsigned vector) {
    x86::ApicMessage m = logical(destination, vector);
    m.delivery_mode = x86::DeliveryMode::LowestPriority;
    return m;
  }
  x86::ApicMessage of(x86::DeliveryMode mode, unsigned destination, unsigned vector = 0x41) {
    x86::ApicMessage m = fixed(destination, vector);
    m.delivery_mode = mode;
    return m;
  }
  unsigned send(const x86::ApicMessage& m) { return bank.on_message(m, book.begin(), env); }
  unsigned fixed_to(unsigned cpu, unsigned vector) { return send(fixed(cpu, vector)); }

  unsigned inta(unsigned cpu) { return raw(bank.on_inta(CpuId{cpu}, env).vector); }
  void eoi(unsigned cpu) { write(cpu, Reg::kEoi, 0); }
  void in_service(unsigned cpu, unsigned vector) {
    fixed_to(cpu, vector);
    ASSERT_EQ(inta(cpu), vector);
  }
  void ipi(unsigned cpu, std::uint32_t destination, std::uint32_t low) {
    write(cpu, Reg::kIcrHigh, destination << 24);
    write(cpu, Reg::kIcrLow, low);
  }
  void pin(unsigned cpu, x86::LocalPin which, Level level) {
    bank.on_pin({x86::LapicBank::pin_of(CpuId{cpu}, which), level, 0, kNoSpan}, env);
  }
  /// The delay that the bank asked for last passes.
  void elapse() {
    ASSERT_FALSE(env.delays.empty());
    const test::Delayed delay = env.delays.back();
    env.delays.clear();
    env.time += delay.delay;
    bank.receive(PortId{0xFFFF}, Elapsed{delay.tag, raw(*delay.lane)}, env);
  }
  std::uint32_t errors(unsigned cpu) {
    write(cpu, Reg::kEsr, 0);
    return read(cpu, Reg::kEsr);
  }

  Vectors irr(unsigned cpu) const { return vectors_in(bank.irr(CpuId{cpu})); }
  Vectors isr(unsigned cpu) const { return vectors_in(bank.isr(CpuId{cpu})); }
  Vectors tmr(unsigned cpu) const { return vectors_in(bank.tmr(CpuId{cpu})); }
  bool intr(unsigned cpu) const { return bank.intr(CpuId{cpu}) == Level::High; }
  /// The CPUs that have `vector` pending.
  Vectors with(unsigned vector) const {
    Vectors found;
    for (unsigned i = 0; i < bank.cpus(); ++i) {
      if (irr(i).count(vector) > 0) found.insert(i);
    }
    return found;
  }
  /// The CPUs whose line `line` was told, and what with.
  std::vector<std::pair<unsigned, unsigned>> told(CpuLine line) const {
    std::vector<std::pair<unsigned, unsigned>> found;
    for (const auto& change : env.messages<CpuLineChange>()) {
      if (change.line == line) found.emplace_back(raw(change.cpu), raw(change.vector));
    }
    return found;
  }
  std::vector<unsigned> broadcasts() const {
    std::vector<unsigned> found;
    for (const auto& eoi : env.messages<EoiMessage>()) found.push_back(raw(eoi.vector));
    return found;
  }
  bool dropped(DropReason reason) const {
    for (const auto& note : env.notes) {
      if (note.event == Event::Dropped && note.detail == static_cast<std::uint64_t>(reason)) {
        return true;
      }
    }
    return false;
  }

  test::RecordingEnv env;
  test::SpanBook book;
  x86::LapicBank bank;
};

}  // namespace irqfab::rules
