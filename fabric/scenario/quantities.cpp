#include "fabric/scenario/quantities.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "fabric/scenario/suggest.hpp"
#include "models/base/event.hpp"

namespace irqfab::scenario {
namespace {

constexpr std::uint64_t kMax64 = ~std::uint64_t{0};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<unsigned> hex_digit(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

/// Two hexadecimal digits at `at`, which must exist.
std::optional<unsigned> hex_byte(std::string_view text, std::size_t at) {
  const auto high = hex_digit(text[at]);
  const auto low = hex_digit(text[at + 1]);
  if (!high || !low) return std::nullopt;
  return *high * 16 + *low;
}

std::optional<std::uint64_t> times(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > kMax64 / b) return std::nullopt;
  return a * b;
}

/// All of `text` in base 10 or 16, or nothing if a character is no digit or 64 bits are too few.
std::optional<std::uint64_t> digits(std::string_view text, unsigned base) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = hex_digit(c);
    if (!digit || *digit >= base) return std::nullopt;
    const auto shifted = times(value, base);
    if (!shifted || *shifted > kMax64 - *digit) return std::nullopt;
    value = *shifted + *digit;
  }
  return value;
}

/// A decimal number and the text behind it: 1.5us is 15, one decimal, "us".
struct Decimal {
  std::uint64_t mantissa = 0;
  unsigned decimals = 0;
  std::string_view rest;
};

/// Twelve decimals reach from a second to a picosecond; six are enough for a rate.
Parsed<Decimal> parse_decimal(std::string_view text, unsigned most_decimals) {
  std::size_t whole = 0;
  while (whole < text.size() && is_digit(text[whole])) ++whole;
  if (whole == 0) return Fault{"bad-number", quote(text) + " does not start with a number"};
  if (whole > 1 && text[0] == '0') {
    return Fault{"bad-number",
                 quote(text) + " starts with a zero, which some readers take for octal"};
  }
  std::size_t end = whole;
  std::string figures(text.substr(0, whole));
  if (end < text.size() && text[end] == '.') {
    ++end;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end == whole + 1) return Fault{"bad-number", quote(text) + " has no digit after the point"};
    figures += text.substr(whole + 1, end - whole - 1);
  }
  std::size_t decimals = end > whole ? end - whole - 1 : 0;
  while (decimals > 0 && figures.back() == '0') {
    figures.pop_back();
    --decimals;
  }
  if (decimals > most_decimals) return Fault{"bad-number", quote(text) + " has too many decimals"};
  const auto mantissa = digits(figures, 10);
  if (!mantissa) return Fault{"out-of-range", quote(text) + " is too large"};
  return Decimal{*mantissa, static_cast<unsigned>(decimals), text.substr(end)};
}

struct Unit {
  std::string_view name;
  std::uint64_t scale;
};
constexpr std::array<Unit, 5> kTimes = {
    {{"s", kPsPerSecond}, {"ms", kPsPerMs}, {"us", kPsPerUs}, {"ns", kPsPerNs}, {"ps", 1}}};
constexpr std::array<Unit, 4> kRates = {
    {{"/s", 1}, {"k/s", 1'000}, {"M/s", 1'000'000}, {"G/s", 1'000'000'000}}};

template <std::size_t N>
const Unit* unit_named(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

std::uint64_t power_of_ten(unsigned exponent) {
  std::uint64_t value = 1;
  for (unsigned i = 0; i < exponent; ++i) value *= 10;
  return value;
}

template <std::size_t N>
Fault wrong_unit(const std::array<Unit, N>& units, std::string_view text, std::string_view unit) {
  const std::string_view word = unit.substr(std::min(unit.find_first_not_of(' '), unit.size()));
  if (word.size() < unit.size() && unit_named(units, word) != nullptr) {
    return {"bad-unit", quote(text) + " has a space before its unit"};
  }
  if (unit.empty()) return {"no-unit", quote(text) + " has no unit"};
  return {"bad-unit", quote(word) + " is not a unit here"};
}

/// `3` or `1..8`, of a source.
Parsed<std::pair<std::uint64_t, std::uint64_t>> parse_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  const auto first = parse_number(text.substr(0, dots));
  if (!first) return Fault{"bad-source", first.fault().message, text.substr(0, dots)};
  const auto last = dots == std::string_view::npos ? first : parse_number(text.substr(dots + 2));
  if (!last) return Fault{"bad-source", last.fault().message, text.substr(dots + 2)};
  if (*first > *last) return Fault{"bad-source", quote(text) + " ends before it starts", text};
  return std::pair(*first, *last);
}

std::string write_range(std::uint64_t first, std::uint64_t last) {
  return std::to_string(first) + (last != first ? ".." + std::to_string(last) : "");
}

}  // namespace

Fault in_part(Fault fault, std::string_view part) {
  if (fault.part.empty()) fault.part = part;
  return fault;
}

Parsed<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty()) return Fault{"bad-number", "there is no number here"};
  const bool hex = text.size() > 2 && text.substr(0, 2) == "0x";
  const std::string_view figures = hex ? text.substr(2) : text;
  const bool only_digits = std::all_of(figures.begin(), figures.end(), [hex](char c) {
    const auto digit = hex_digit(c);
    return digit && (hex || *digit < 10);
  });
  if (only_digits && !hex && text.size() > 1 && text[0] == '0') {
    return Fault{"bad-number",
                 quote(text) + " starts with a zero, which some readers take for octal"};
  }
  if (only_digits) {
    if (const auto value = digits(figures, hex ? 16 : 10)) return *value;
    return Fault{"out-of-range", quote(text) + " does not fit into 64 bits"};
  }
  if (text[0] == '-' && text.size() > 1 && is_digit(text[1])) {
    return Fault{"out-of-range", quote(text) + " is negative"};
  }
  if (is_digit(text[0]) && text.find('_') != std::string_view::npos) {
    return Fault{"bad-number", quote(text) + " has a '_' between its digits"};
  }
  return Fault{"bad-number", quote(text) + " is not a number"};
}

Parsed<Duration> parse_duration(std::string_view text) {
  const auto number = parse_decimal(text, 12);
  if (!number) return number.fault();
  const Unit* unit = unit_named(kTimes, number->rest);
  if (unit == nullptr) return wrong_unit(kTimes, text, number->rest);
  const std::uint64_t divisor = power_of_ten(number->decimals);
  if (unit->scale % divisor != 0) {
    return Fault{"bad-number", quote(text) + " is not a whole number of picoseconds"};
  }
  const auto ps = times(number->mantissa, unit->scale / divisor);
  if (!ps || *ps > kLongestDuration) {
    return Fault{"out-of-range", quote(text) + " is longer than a million seconds"};
  }
  return *ps;
}

Parsed<Duration> parse_rate(std::string_view text) {
  const auto number = parse_decimal(text, 6);
  if (!number) return number.fault();
  const Unit* unit = unit_named(kRates, number->rest);
  if (unit == nullptr) return wrong_unit(kRates, text, number->rest);
  if (number->mantissa == 0) return Fault{"out-of-range", "a rate of nothing is no load"};
  const auto per_time = times(number->mantissa, unit->scale);
  const Duration period =
      per_time ? kPsPerSecond * power_of_ten(number->decimals) / *per_time : Duration{0};
  if (period == 0) return Fault{"out-of-range", quote(text) + " is faster than one a picosecond"};
  if (period > kLongestDuration) {
    return Fault{"out-of-range", quote(text) + " is slower than one in a million seconds"};
  }
  return period;
}

Parsed<Duration> parse_period(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return parse_rate(text);
  const auto period = parse_duration(text);
  if (period && *period == 0) return Fault{"out-of-range", "a period of nothing has no end"};
  return period;
}

Parsed<Price> parse_price(std::string_view text) {
  const std::size_t space = text.find(' ');
  const std::string_view unit = space == std::string_view::npos ? "" : text.substr(space + 1);
  if (unit == "cycles" || unit == "cycle") {
    const auto cycles = parse_number(text.substr(0, space));
    if (!cycles) return cycles.fault();
    if (*cycles > kMax64 >> 24) return Fault{"out-of-range", quote(text) + " is too large"};
    return Price{*cycles, true};
  }
  const auto ps = parse_duration(text);
  if (!ps) return ps.fault();
  return Price{*ps, false};
}

Parsed<PriceName> parse_price_name(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  const std::string_view event = dot == std::string_view::npos ? text : text.substr(dot + 1);
  if (dot == 0) return Fault{"bad-name", quote(text) + " names no node before the point"};
  if (!event_named(event)) {
    std::vector<std::string_view> names;
    for (std::uint16_t i = 0; i < kEventCount; ++i) names.push_back(name_of(Event{i}));
    return Fault{"no-such-event", quote(event) + " is not an event" + did_you_mean(event, names),
                 event};
  }
  return PriceName{std::string(dot == std::string_view::npos ? "" : text.substr(0, dot)),
                   std::string(event)};
}

Parsed<RequesterId> parse_bdf(std::string_view text) {
  const Fault fault{"bad-bdf", quote(text) + " is not bus, device and function"};
  if (text.size() != 7 || text[2] != ':' || text[5] != '.') return fault;
  const auto bus = hex_byte(text, 0);
  const auto device = hex_byte(text, 3);
  if (!bus || !device || !is_digit(text[6])) return fault;
  if (*device > 31)
    return Fault{"bad-bdf",
                 "device " + std::string(text.substr(3, 2)) + " is beyond 1f, the last of a bus"};
  if (text[6] > '7')
    return Fault{"bad-bdf",
                 "function " + std::string(text.substr(6)) + " is beyond 7, the last of a device"};
  return RequesterId(*bus << 8 | *device << 3 | static_cast<unsigned>(text[6] - '0'));
}

Parsed<unsigned> parse_bus(std::string_view text) {
  const auto bus = text.size() == 2 ? hex_byte(text, 0) : std::nullopt;
  if (!bus) return Fault{"bad-bus", quote(text) + " is not a bus"};
  return *bus;
}

Parsed<BusRange> parse_bus_range(std::string_view text) {
  const Fault fault{"bad-buses", quote(text) + " is not a range of buses"};
  if (text.size() != 6 || text.substr(2, 2) != "..") return fault;
  const auto first = hex_byte(text, 0);
  const auto last = hex_byte(text, 4);
  if (!first || !last) return fault;
  if (*first > *last) return Fault{"bad-buses", quote(text) + " ends before it starts"};
  return BusRange{*first, *last};
}

Parsed<SourceText> parse_sources(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of("[:"), text.size());
  const std::string_view device = text.substr(0, end);
  if (!is_id(device))
    return Fault{"bad-source", quote(text) + " does not start with a device's id"};
  SourceText found;
  found.device = device;
  std::string_view rest = text.substr(end);
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return Fault{"bad-source", quote(text) + " lacks a ']'"};
    const auto functions = parse_range(rest.substr(1, close - 1));
    if (!functions) return functions.fault();
    found.some_functions = true;
    std::tie(found.first_function, found.last_function) = *functions;
    rest.remove_prefix(close + 1);
  }
  if (rest.empty()) return found;
  if (rest.front() != ':') {
    return Fault{"bad-source", quote(text) + " has " + quote(rest) + " behind its functions"};
  }
  rest.remove_prefix(1);
  if (rest.substr(0, 3) == "INT") {
    if (rest.size() != 4 || rest[3] < 'A' || rest[3] > 'D') {
      return Fault{"bad-source", quote(rest) + " is not one of INTA, INTB, INTC, INTD", rest};
    }
    found.kind = SourceKind::Intx;
    found.first = found.last = static_cast<unsigned>(rest[3] - 'A');
    return found;
  }
  const auto vectors = parse_range(rest);
  if (!vectors) return vectors.fault();
  found.kind = SourceKind::Vectors;
  std::tie(found.first, found.last) = *vectors;
  return found;
}

bool is_id(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  if (!is_letter(text[0]) && text[0] != '_') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 48;
  std::size_t end = std::min(text.size(), kLongest);
  // Never cut a UTF-8 character in two.
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  std::string quoted = "'";
  for (const char c : text.substr(0, end)) {
    quoted += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return quoted + (end < text.size() ? "...'" : "'");
}

std::string write_duration(Duration ps) {
  if (ps == 0) return "0ns";
  const auto unit =
      std::find_if(kTimes.begin(), kTimes.end() - 1, [ps](const Unit& u) { return ps >= u.scale; });
  std::string text = std::to_string(ps / unit->scale);
  if (std::uint64_t part = ps % unit->scale; part != 0) {
    std::string decimals = std::to_string(unit->scale + part).substr(1);
    text += '.' + decimals.substr(0, decimals.find_last_not_of('0') + 1);
  }
  return text + std::string(unit->name);
}

std::string write_hex(std::uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

std::string write_bdf(RequesterId rid) {
  const auto two = [](unsigned value) {
    const std::string hex = write_hex(value).substr(2);
    return hex.size() < 2 ? "0" + hex : hex;
  };
  const unsigned value = raw(rid);
  return two(value >> 8) + ':' + two(value >> 3 & 31) + '.' + std::to_string(value & 7);
}

/// A bus is the first part of a requester id's text.
std::string write_bus(unsigned bus) {
  return write_bdf(RequesterId(static_cast<std::uint16_t>(bus << 8))).substr(0, 2);
}

std::string write_bus_range(BusRange buses) {
  return write_bus(buses.first) + ".." + write_bus(buses.last);
}

std::string write_sources(const Sources& sources) {
  std::string text = sources.device;
  if (sources.some_functions) {
    text += '[' + write_range(sources.first_function, sources.last_function) + ']';
  }
  return text + ':' +
         (sources.intx ? write_intx(sources.first) : write_range(sources.first, sources.last));
}

std::string write_function(const Device& device, unsigned function) {
  return device.count == 1 ? device.id : device.id + '[' + std::to_string(function) + ']';
}

std::string write_intx(unsigned pin) { return std::string("INT") + static_cast<char>('A' + pin); }

}  // namespace irqfab::scenario
