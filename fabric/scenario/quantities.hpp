// How a scenario writes numbers, times, rates and addresses, and how the printer writes them back.
// Integers throughout: a decimal such as `1.5us` is exact to the picosecond or it is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// Why a piece of text is not the quantity it should be. What would have been right is known to
/// whoever asked for it.
struct Fault {
  std::string code;            // as in Diagnostic
  std::string message;         // as in Diagnostic
  std::string_view part = {};  // of the text that was looked at: what is wrong; empty: all of it
};

/// The same fault; if it says nothing closer, it is with `part`.
Fault in_part(Fault fault, std::string_view part);

/// A T, or why the text is none.
template <class T>
class Parsed {
 public:
  Parsed(T value) : held_(std::move(value)) {}
  Parsed(Fault fault) : held_(std::move(fault)) {}

  explicit operator bool() const { return std::holds_alternative<T>(held_); }
  const T& operator*() const { return std::get<T>(held_); }
  const T* operator->() const { return &std::get<T>(held_); }
  const Fault& fault() const { return std::get<Fault>(held_); }

 private:
  std::variant<T, Fault> held_;
};

/// No length of time in a scenario is longer: sums of a few of them stay within 64 bits.
constexpr Duration kLongestDuration = 1'000'000 * kPsPerSecond;

/// Decimal without leading zeros, or hexadecimal after `0x`; no sign, no `_`.
Parsed<std::uint64_t> parse_number(std::string_view text);

/// `400ns`, `1.5us`; in ps, at most kLongestDuration.
Parsed<Duration> parse_duration(std::string_view text);

/// `250/s`, `100k/s`, `1.5M/s`; the time between two, in ps, rounded down, at least 1.
Parsed<Duration> parse_rate(std::string_view text);

/// A rate or a duration: the time between two, in ps, at least 1.
Parsed<Duration> parse_period(std::string_view text);

struct Price {
  std::uint64_t value = 0;
  bool in_cycles = false;  // otherwise ps
};
/// `12 cycles`, or a duration.
Parsed<Price> parse_price(std::string_view text);

struct PriceName {
  std::string node;  // empty: every node
  std::string event;
};
/// `Event` or `node.Event`; the event is one of the vocabulary.
Parsed<PriceName> parse_price_name(std::string_view text);

/// `BB:DD.F` in hexadecimal.
Parsed<RequesterId> parse_bdf(std::string_view text);

/// `BB` in hexadecimal.
Parsed<unsigned> parse_bus(std::string_view text);

struct BusRange {
  unsigned first = 0;
  unsigned last = 255;
};
/// `BB..BB` in hexadecimal.
Parsed<BusRange> parse_bus_range(std::string_view text);

enum class SourceKind : std::uint8_t { Whole, Vectors, Intx };
/// `dev`, `dev:3`, `dev:1..8`, `dev:INTA`, each also with functions, as in `dev[5]:3` or
/// `dev[0..99]`, before anyone has looked for the device.
struct SourceText {
  std::string device;
  SourceKind kind = SourceKind::Whole;
  std::uint64_t first = 0;  // vector, or INTx 0..3
  std::uint64_t last = 0;
  bool some_functions = false;  // those below; otherwise all
  std::uint64_t first_function = 0;
  std::uint64_t last_function = 0;
};
Parsed<SourceText> parse_sources(std::string_view text);

/// [A-Za-z_][A-Za-z0-9_-]*, at most 64 characters.
bool is_id(std::string_view text);

/// The text between quotes, shortened and made safe to print.
std::string quote(std::string_view text);

std::string write_duration(Duration ps);
std::string write_bdf(RequesterId rid);
std::string write_bus(unsigned bus);
std::string write_bus_range(BusRange buses);
std::string write_hex(std::uint64_t value);
std::string write_sources(const Sources& sources);
/// "nvme0" of a device that is one function, otherwise "nic[5]".
std::string write_function(const Device& device, unsigned function);
/// "INTA" of pin 0.
std::string write_intx(unsigned pin);

}  // namespace irqfab::scenario
