// Host memory as the interrupt fabric sees it: the tables, queues and status words that controllers
// read and write through the bus.
//
// Models: a byte store that answers reads and takes posted writes in the order in which they
// arrive. Bytes that nobody wrote read as zero. An interrupt's message that ends here was aimed at
// no interrupt controller: the write takes effect, and the interrupt is over. Not modelled: caches
// and coherence, memory types, ECC, protection, atomic read-modify-write: posted-interrupt
// descriptors are lines of a model of their own, and there are none here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"

namespace irqfab::mem {

class Memory final {
 public:
  struct Config {
    std::uint64_t base = 0;  // lowest address, bytes
    std::uint64_t size = 0;  // bytes; base + size may be 2^64 at most
  };

  static constexpr PortId kBus = port_of(0);
  static constexpr std::array<PortSpec, 1> kPorts = {{
      {"bus", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1u << kEdgeBits},
  }};

  explicit Memory(const Config& config) : config_(config) {}

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  /// BusWrite of 1 to 8 bytes, BusRead of 1 to 16; the answer leaves on the port the read came
  /// from.
  void receive(PortId port, const Message& message, Env& env);

  /// Does the memory hold all of [address, address + count)?
  bool contains(std::uint64_t address, std::uint64_t count) const;
  // For elaboration and inspection; the range must be contained.
  void write(std::uint64_t address, const void* from, std::size_t count);
  void read(std::uint64_t address, void* to, std::size_t count) const;

  /// No interrupt rests in memory.
  void held_spans(std::vector<SpanId>&) const {}

  /// Same bytes at the same addresses, whichever pages were ever written.
  friend bool operator==(const Memory& a, const Memory& b);

 private:
  static constexpr std::uint64_t kPageBytes = 4096;
  using Page = std::array<std::uint8_t, kPageBytes>;

  void on_write(const BusWrite& write, Env& env);
  BusData answer_to(const BusRead& read, Env& env) const;
  bool same_pages_as(const Memory& other) const;

  Config config_;
  std::map<std::uint64_t, Page> pages_;  // by address / kPageBytes; only pages that were written
};

}  // namespace irqfab::mem
