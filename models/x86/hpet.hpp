// High precision event timers: one counter that always rises, and comparators that interrupt when
// it reaches their values.
//
// Models: IA-PC HPET specification 1.0a: 2.3.4 "General Capabilities and ID Register" to 2.3.7
// "Main Counter Value Register", 2.3.8 "Timer N Configuration and Capability Register", 2.3.9
// "Timer N Comparator Value Register" in one-shot and periodic mode, 64 bits or 32 (Tn_32MODE_CNF),
// and 2.3.10 "Timer N FSB Interrupt Route Register". An interrupt goes to a pin of an I/O APIC, as
// an edge or as a level that the status register holds, or is a message of the HPET's own.
// Not modelled: legacy replacement (LEG_RT_CAP is 0), drift, reads that see half of a carry.
//
// Choices the specification leaves open: a comparator that is given the value that the counter has
// matches when the counter comes round. In level mode a message is sent when the status bit is set,
// and none while it stays set. In periodic mode each write of the comparator sets the period, and
// after Tn_VAL_SET_CNF the value as well. A period of 0 does not repeat.
//
// Where a span is: nowhere here. It goes out with the message or the rising wire. A match while the
// status bit is still set asks for nothing that has not been asked for, and begins none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/field.hpp"
#include "models/base/port.hpp"

namespace irqfab::x86 {

/// Registers, all of 64 bits, also accessible as two DWORDs.
struct HpetRegister {
  static constexpr std::uint32_t kCapabilities = 0x000;
  static constexpr std::uint32_t kConfiguration = 0x010;
  static constexpr std::uint32_t kStatus = 0x020;
  static constexpr std::uint32_t kCounter = 0x0F0;
  static constexpr std::uint32_t kTimers = 0x100;  // then 0x20 each
  static constexpr std::uint32_t kTimerBytes = 0x20;
  // Of a timer
  static constexpr std::uint32_t kTimerConfiguration = 0x00;
  static constexpr std::uint32_t kTimerComparator = 0x08;
  static constexpr std::uint32_t kTimerFsbRoute = 0x10;
};

struct HpetCapabilities {
  using COUNTER_CLK_PERIOD = Field<63, 32>;  // in femtoseconds
  using VENDOR_ID = Field<31, 16>;
  using COUNT_SIZE_CAP = Flag<13>;
  using NUM_TIM_CAP = Field<12, 8>;  // the last timer
  using REV_ID = Field<7, 0>;
};
struct HpetConfiguration {
  using ENABLE_CNF = Flag<0>;
};
struct HpetTimerConfiguration {
  using INT_ROUTE_CAP = Field<63, 32>;
  using FSB_INT_DEL_CAP = Flag<15>;
  using FSB_EN_CNF = Flag<14>;
  using INT_ROUTE_CNF = Field<13, 9>;
  using MODE32_CNF = Flag<8>;  // Tn_32MODE_CNF
  using VAL_SET_CNF = Flag<6>;
  using SIZE_CAP = Flag<5>;
  using PER_INT_CAP = Flag<4>;
  using TYPE_CNF = Flag<3>;  // periodic
  using INT_ENB_CNF = Flag<2>;
  using INT_TYPE_CNF = Flag<1>;  // level
};
struct HpetFsbRoute {
  using FSB_INT_ADDR = Field<63, 32>;
  using FSB_INT_VAL = Field<31, 0>;
};

class Hpet final {
 public:
  static constexpr unsigned kMostComparators = 8;

  struct Config {
    unsigned comparators = 3;           // 1..kMostComparators; the first is periodic, too
    Duration tick = 100 * kPsPerNs;     // of the counter; at most 100 ns (2.3.4)
    std::uint32_t routes = 0xFFFFFFFF;  // pins that interrupts can go to, a bit a pin
    Requester requester{};              // who its messages come from
  };

  static constexpr PortId kRegisters = port_of(0);
  static constexpr PortId kPins = port_of(1);
  static constexpr PortId kMessages = port_of(2);
  static constexpr std::array<PortSpec, 3> kPorts = {{
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"pins", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 1, 1},
      {"messages", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
  }};
  static constexpr std::uint64_t kPageBytes = 0x400;

  explicit Hpet(const Config& config);

  /// One counter, one server.
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  /// Accesses of 4 or 8 bytes at a multiple of them; `offset` is below kPageBytes. Where no
  /// register is, 0 and a GuestError.
  void write(std::uint32_t offset, std::uint64_t value, unsigned size, Env& env);
  std::uint64_t read(std::uint32_t offset, unsigned size, Env& env) const;

  void held_spans(std::vector<SpanId>&) const {}

  friend bool operator==(const Hpet& a, const Hpet& b);

 private:
  struct Timer {
    std::uint64_t configuration = 0;  // what software can write of it
    std::uint64_t comparator = ~std::uint64_t{0};
    std::uint64_t period = 0;  // the last value written in periodic mode
    std::uint64_t fsb_route = 0;
    std::uint32_t generation = 0;  // of the match that is due; others are stale
    Time due = 0;                  // when that is
    std::optional<Pin> driven;     // that it holds high
    bool operator==(const Timer& other) const;

    bool is_set(std::uint64_t mask) const { return (configuration & mask) != 0; }
    bool level() const { return is_set(HpetTimerConfiguration::INT_TYPE_CNF::kMask); }
    bool enabled() const { return is_set(HpetTimerConfiguration::INT_ENB_CNF::kMask); }
    bool by_message() const { return is_set(HpetTimerConfiguration::FSB_EN_CNF::kMask); }
    bool periodic() const { return is_set(HpetTimerConfiguration::TYPE_CNF::kMask); }
    Pin route() const {
      return Pin(
          static_cast<std::uint16_t>(HpetTimerConfiguration::INT_ROUTE_CNF::get(configuration)));
    }
    /// The bits of the counter that it is compared with.
    std::uint64_t width() const {
      return is_set(HpetTimerConfiguration::MODE32_CNF::kMask) ? 0xFFFFFFFF : ~std::uint64_t{0};
    }
  };

  // Registers
  std::uint64_t capabilities() const;
  std::uint64_t read_register(std::uint32_t offset, Env& env) const;
  void write_register(std::uint32_t offset, std::uint64_t value, Env& env);
  void write_timer(unsigned n, std::uint32_t place, std::uint64_t value, Env& env);
  void write_timer_configuration(unsigned n, std::uint64_t value, Env& env);
  void write_comparator(unsigned n, std::uint64_t value, Env& env);
  void write_status(std::uint64_t value, Env& env);
  void set_enabled(bool enabled, Env& env);
  /// What a register holds apart from a DWORD that is written.
  std::uint64_t kept(std::uint32_t offset, Env& env) const;

  // Time
  std::uint64_t ticks(Time now) const;
  std::uint64_t counter(Time now) const;
  void arm(unsigned n, Env& env);
  void arm_all(Env& env);
  void schedule(unsigned n, Time due, Env& env);

  // Interrupts
  void on_match(Tag tag, Env& env);
  void interrupt(unsigned n, Env& env);
  void send_message(unsigned n, Env& env);
  void pulse(unsigned n, Env& env);
  void drive(unsigned n, Env& env);
  bool status(unsigned n) const { return (status_ >> n & 1) != 0; }

  Config config_;
  bool enabled_ = false;
  std::uint64_t base_ = 0;  // of the counter, when it was last started or written
  Time since_ = 0;          // when that was
  std::uint64_t status_ = 0;
  std::vector<Timer> timers_;
};

}  // namespace irqfab::x86
