// A remapping unit with its table and queue in a memory that answers when the test lets it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>

#include "models/mem/memory.hpp"
#include "models/x86/vtd_remapper.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86::test {

using irqfab::test::RecordingEnv;

constexpr std::uint64_t kTable = 0x200000;
constexpr std::uint64_t kQueue = 0x300000;
constexpr std::uint64_t kStatus = 0x400000;
constexpr RequesterId kRid{0x18};

constexpr SpanId span(std::uint64_t sequence) { return make_span(SourceId{1}, sequence); }

/// A remappable request for `handle` without a subhandle.
constexpr std::uint64_t remappable(std::uint32_t handle) {
  return 0xFEE00010 | std::uint64_t{handle & 0x7FFF} << 5 | std::uint64_t{handle >> 15 & 1} << 2;
}

/// A present entry: fixed, edge, physical destination 0, no source verification.
constexpr Irte entry(unsigned vector) { return Irte{std::uint64_t{vector} << 16 | 1, 0}; }

constexpr std::uint64_t kIecGlobal = 0x4;
constexpr std::uint64_t iec_selective(std::uint64_t index, std::uint64_t mask) {
  return 0x14 | mask << 27 | index << 32;
}
constexpr std::uint64_t wait_with_status(std::uint64_t data) { return 0x25 | data << 32; }

class VtdTest : public testing::Test {
 protected:
  explicit VtdTest(VtdRemapper::Config config = {}) : unit_(config) {
    unit_.write_register(vtd::IRTA_REG, kTable | 7, env_);  // 256 entries
    unit_.write_register(vtd::IQA_REG, kQueue, env_);
    unit_.write_register(vtd::GCMD_REG, kSirtp, env_);
    unit_.write_register(vtd::GCMD_REG, kIre | kQie, env_);
  }

  void set_entry(std::uint32_t index, const Irte& irte) {
    memory_.write(kTable + index * Irte::kBytes, &irte.low, 8);
    memory_.write(kTable + index * Irte::kBytes + 8, &irte.high, 8);
  }
  /// Appends a descriptor; the unit sees it at the next ring().
  void queue(std::uint64_t low, std::uint64_t high = 0) {
    memory_.write(kQueue + tail_, &low, 8);
    memory_.write(kQueue + tail_ + 8, &high, 8);
    tail_ = (tail_ + 16) % 4096;
  }
  void ring() { unit_.write_register(vtd::IQT_REG, static_cast<std::uint32_t>(tail_), env_); }

  void request(std::uint64_t address, std::uint64_t data, SpanId id,
               PortId input = VtdRemapper::kInput, RequesterId rid = kRid) {
    unit_.receive(input, BusWrite{address, data, id, {HostBridgeId{0}, rid}, 4}, env_);
  }
  /// The reads that memory has not answered yet.
  std::vector<BusRead> open_reads() const {
    const auto all = env_.messages<BusRead>();
    return {all.begin() + static_cast<std::ptrdiff_t>(answered_), all.end()};
  }
  /// Memory answers a read with what it holds now.
  void answer(const BusRead& read) {
    RecordingEnv theirs;
    memory_.receive(mem::Memory::kBus, read, theirs);
    unit_.receive(VtdRemapper::kMemory, theirs.sent.at(0).message, env_);
  }
  /// Memory answers, in order, until nothing is asked.
  void settle() {
    while (!open_reads().empty()) {
      const BusRead read = open_reads().front();
      ++answered_;
      answer(read);
    }
  }
  /// What left for the interrupt controller.
  std::vector<BusWrite> delivered() const {
    std::vector<BusWrite> writes;
    for (const auto& sent : env_.sent) {
      const auto* write = std::get_if<BusWrite>(&sent.message);
      if (sent.port == VtdRemapper::kOutput && write != nullptr) writes.push_back(*write);
    }
    return writes;
  }
  std::vector<std::uint64_t> details(Event event) const {
    std::vector<std::uint64_t> found;
    for (const auto& note : env_.notes) {
      if (note.event == event) found.push_back(note.detail);
    }
    return found;
  }
  std::uint32_t reg(std::uint64_t offset) { return unit_.read_register(offset, env_); }
  /// Fault reason in the fault recording register, 0 if it is empty.
  unsigned recorded_fault() {
    return reg(vtd::FRCD_REG + 12) >> 31 ? reg(vtd::FRCD_REG + 12) & 0xFF : 0;
  }

  static constexpr std::uint32_t kQie = 1u << 26;
  static constexpr std::uint32_t kIre = 1u << 25;
  static constexpr std::uint32_t kSirtp = 1u << 24;
  static constexpr std::uint32_t kCfi = 1u << 23;

  VtdRemapper unit_;
  mem::Memory memory_{{0, 0x1000000}};
  RecordingEnv env_;
  std::uint64_t tail_ = 0;
  std::size_t answered_ = 0;
};

}  // namespace irqfab::x86::test
