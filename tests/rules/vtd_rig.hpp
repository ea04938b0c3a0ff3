// A VT-d remapping unit with its table, queue and descriptors in a memory that answers at once.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "models/x86/posted_descriptor.hpp"
#include "models/x86/vtd_remapper.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {

class VtdRig {
 public:
  static constexpr std::uint64_t kTable = 0x200000;
  static constexpr std::uint64_t kQueue = 0x300000;
  static constexpr std::uint64_t kDescriptor = 0x0000'0012'3456'7880;
  static constexpr std::uint16_t kRid = 0x1234;
  static constexpr std::uint32_t kQie = 1u << 26;
  static constexpr std::uint32_t kIre = 1u << 25;
  static constexpr std::uint32_t kSirtp = 1u << 24;
  static constexpr std::uint32_t kCfi = 1u << 23;
  static constexpr std::uint64_t kEime = 1u << 11;

  /// What the unit can do; its table has 2^(size + 1) entries.
  explicit VtdRig(const x86::VtdRemapper::Config& config = {}, std::uint64_t irta = kTable | 7)
      : unit(config) {
    write64(x86::vtd::IRTA_REG, irta);
    write64(x86::vtd::IQA_REG, kQueue);
    write(x86::vtd::GCMD_REG, kSirtp);
    write(x86::vtd::GCMD_REG, kIre | kQie);
  }
  static VtdRig with_everything(std::uint64_t irta = kTable | 7) {
    x86::VtdRemapper::Config config;
    config.posting = x86::Posting::Present;
    config.extended_mode = x86::ExtendedMode::Present;
    return VtdRig(config, irta);
  }

  // ---- registers ----

  std::uint32_t read(std::uint64_t offset) { return unit.read_register(offset, env); }
  void write(std::uint64_t offset, std::uint32_t value) { unit.write_register(offset, value, env); }
  void write64(std::uint64_t offset, std::uint64_t value) {
    write(offset, static_cast<std::uint32_t>(value));
    write(offset + 4, static_cast<std::uint32_t>(value >> 32));
  }
  std::uint64_t read64(std::uint64_t offset) {
    return read(offset) | std::uint64_t{read(offset + 4)} << 32;
  }
  /// Fault reason of a fault recording register; 0 if its F is clear.
  unsigned fault(unsigned record = 0) {
    const std::uint32_t high = read(x86::vtd::FRCD_REG + 16 * record + 12);
    return high >> 31 != 0 ? high & 0xFF : 0;
  }
  void clear_fault(unsigned record = 0) { write(x86::vtd::FRCD_REG + 16 * record + 12, 1u << 31); }

  // ---- requests ----

  void set_entry(std::uint32_t index, std::uint64_t low, std::uint64_t high = 0) {
    entries.push_back({kTable + 16 * index, {low, high}});
  }
  /// Remappable, by handle; memory answers at once while `answers` is set.
  void request(std::uint32_t handle, std::uint16_t rid = kRid, unsigned input = 0) {
    send(address_of(handle), 0, rid, input);
  }
  static std::uint64_t address_of(std::uint32_t handle) {
    return 0xFEE00010 | std::uint64_t{handle & 0x7FFF} << 5 | std::uint64_t{handle >> 15 & 1} << 2;
  }
  void send(std::uint64_t address, std::uint32_t data, std::uint16_t rid = kRid,
            unsigned input = 0) {
    const SpanId span = make_span(SourceId{1}, spans++);
    unit.receive(port_of(0, input),
                 BusWrite{address, data, span, {HostBridgeId{0}, RequesterId{rid}}, 4}, env);
    if (answers) settle();
  }
  /// Messages to the interrupt controller.
  std::vector<BusWrite> sent() const { return writes_on(x86::VtdRemapper::kOutput); }
  std::vector<BusWrite> status_writes() const { return writes_on(x86::VtdRemapper::kMemory); }
  bool blocked() const { return sent().empty() && env.count(Event::Dropped) == 1; }

  // ---- the queue ----

  void queue(std::uint64_t low, std::uint64_t high = 0) {
    entries.push_back({kQueue + tail, {low, high}});
    tail += 16;
    write(x86::vtd::IQT_REG, tail);
    if (answers) settle();
  }
  static std::uint64_t invalidate_index(std::uint64_t index, std::uint64_t mask = 0) {
    return 0x14 | mask << 27 | index << 32;
  }
  std::size_t markers() const { return env.messages<Marker>().size(); }
  void land_marker() {
    unit.receive(x86::VtdRemapper::kOutput, MarkerDone{env.messages<Marker>().back().tag}, env);
    if (answers) settle();
  }

  // ---- memory ----

  /// Memory answers whatever it has been asked, in order.
  void settle() {
    while (answered < env.sent.size()) {
      const Message message = env.sent[answered++].message;
      if (const auto* read = std::get_if<BusRead>(&message)) {
        unit.receive(x86::VtdRemapper::kMemory, data_of(*read), env);
      } else if (const auto* post = std::get_if<PostInterrupt>(&message)) {
        unit.receive(x86::VtdRemapper::kMemory, update(*post), env);
      }
    }
  }
  BusData data_of(const BusRead& read) const {
    BusData data{{}, read.tag, readable ? BusStatus::Ok : BusStatus::NoDecode};
    for (const Entry& entry : entries) {
      if (entry.address == read.address) std::memcpy(data.data.data(), entry.words, 16);
    }
    return data;
  }
  BusData update(const PostInterrupt& post) {
    if (!updatable) return BusData{{}, post.tag, BusStatus::Error, post.span};
    test::RecordingEnv theirs;
    return x86::encode(descriptor.post(post.vector, post.urgency, post.span, 0, theirs), post.tag,
                       kNoSpan);
  }
  void forget() {
    env.clear();
    answered = 0;
  }

  struct Entry {
    std::uint64_t address;
    std::uint64_t words[2];
  };
  x86::VtdRemapper unit;
  x86::PostedDescriptor descriptor;
  test::RecordingEnv env;
  std::vector<Entry> entries;  // of table and queue; the last of one address counts
  bool answers = true;
  bool readable = true;   // the table
  bool updatable = true;  // the descriptor
  std::size_t answered = 0;
  std::uint64_t spans = 0;
  std::uint32_t tail = 0;

 private:
  std::vector<BusWrite> writes_on(PortId port) const {
    std::vector<BusWrite> writes;
    for (const auto& item : env.sent) {
      const auto* write = std::get_if<BusWrite>(&item.message);
      if (item.port == port && write != nullptr) writes.push_back(*write);
    }
    return writes;
  }
};

}  // namespace irqfab::rules
