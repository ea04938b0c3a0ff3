// Posted-interrupt descriptors of a machine, one a CPU, as lines of memory that a remapping unit
// and CPUs share.
//
// Models: VT-d 5.2.3 "Interrupt-Posting Hardware Operation": the unit's update is one atomic access
// to the line. And what software that takes device interrupts from a PIR by itself ("posted MSIs"
// of a host) does with its CPU's line: it reads the PIR, then exchanges with zero the words that
// were set, has the handler of each vector called, lowest first, and clears ON. Updates, exchanges
// and clears take effect when their price has passed, in that order; different lines are
// independent of each other.
//
// The CPUs' side: a RegisterRead is an atomic access of the CPU to its own line. At kPir it takes
// all that is set, and BusData says how many vectors those are; at kControl it clears ON, and
// BusData holds the control word as it was. What was taken rests here, where an Inta gets the next
// vector of it; a spurious answer says that there is none.
//
// Not modelled: caches (a look costs the same whoever had the line last); accesses of other sizes
// than 4 and 8 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/x86/posted_descriptor.hpp"

namespace irqfab::x86 {

class PostedDescriptors final {
 public:
  struct Config {
    std::uint64_t base = 0;   // address of the first, a multiple of 64
    std::uint32_t lines = 1;  // CPU n owns the n-th
  };

  static constexpr PortId kBus = port_of(0);
  static constexpr PortId kCpus = port_of(1);
  static constexpr std::array<PortSpec, 2> kPorts = {{
      {"bus", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1u << kEdgeBits},
      {"cpus", EdgeKind::Cpu, Direction::Target, Order::Ordered, 0, 1},
  }};

  /// Offsets in a line, and of a CPU's accesses to its own.
  static constexpr std::uint32_t kPir = 0;
  static constexpr std::uint32_t kControl = 32;

  explicit PostedDescriptors(const Config& config);

  LaneId lane_of(PortId port, const Message& message) const;
  /// On the bus: PostInterrupt, BusRead and BusWrite of 4 or 8 aligned bytes. On a CPU's edge:
  /// RegisterRead and Inta as above; an INIT takes with it what the CPU had taken.
  void receive(PortId port, const Message& message, Env& env);

  std::size_t size() const { return lines_.size(); }
  /// For elaboration and inspection; `cpu` must exist.
  PostedDescriptor& of(CpuId cpu) { return lines_[raw(cpu)].descriptor; }
  const PostedDescriptor& of(CpuId cpu) const { return lines_[raw(cpu)].descriptor; }

  /// What the number of vectors in the answer to a read of kPir is.
  static std::uint64_t taken_in(const BusData& answer);

  /// What a read of `size` bytes at `address` gives; none for one that is refused.
  std::optional<std::uint64_t> shown_at(std::uint64_t address, unsigned size) const;

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const PostedDescriptors& a, const PostedDescriptors& b);

 private:
  /// An update whose price is passing.
  struct Update {
    PortId from{};
    PostInterrupt request{};
  };
  /// An access of the CPU, which takes effect once its price has passed.
  enum class CpuAccess : std::uint8_t { None, Take, Clear };
  struct Line {
    PostedDescriptor descriptor;
    std::vector<Update> updates;         // oldest first
    CpuAccess access = CpuAccess::None;  // under way
    Tag tag{};                           // which that is
    std::array<bool, 4> words_set{};     // when it looked
    VectorSet taken;                     // by software, and not handed over yet
    std::array<SpanId, 256> taken_spans{};
  };

  void on_post(PortId port, const PostInterrupt& request, Env& env);
  void on_updated(std::uint32_t line, Env& env);
  void on_write(const BusWrite& write, Env& env);
  BusData answer_to(const BusRead& read, Env& env) const;
  static std::uint64_t word_at(const PostedDescriptor& descriptor, std::uint32_t offset);
  void on_cpu_access(const RegisterRead& access, Env& env);
  void look(std::uint32_t line, Env& env);
  void on_accessed(std::uint32_t line, Env& env);
  std::uint64_t take(std::uint32_t line, Env& env);
  IntaAnswer next_taken(CpuId cpu);
  void forget_taken(CpuId cpu, Env& env);

  /// In the trace a descriptor is named by its address in units of 64 bytes.
  std::uint64_t name_of(std::uint64_t line) const;
  std::uint64_t detail_of(std::uint64_t line, Vector vector) const;
  /// The line that has the address; size() for none.
  std::uint64_t line_at(std::uint64_t address) const;
  bool is_word(std::uint64_t address, unsigned size) const;

  Config config_;
  std::vector<Line> lines_;
};

}  // namespace irqfab::x86
