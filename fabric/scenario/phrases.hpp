// The short phrases of a scenario: a step of a handler, an expectation, the answer of a call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// `busy 1us`, `read device 400ns`, `mask`, `poll 5us`, `unmask`.
Parsed<HandlerStep> parse_handler_step(std::string_view text);
std::string write_handler_step(const HandlerStep& step);

/// `lost == 0`, `nvme0.handler.p99 < 5us`. Nobody has looked for the device yet.
Parsed<Expectation> parse_expectation(std::string_view text);

/// What the bound of a metric is.
enum class MetricKind : std::uint8_t {
  Count,
  Latency,
  Software,  // a count of a host's software, all devices together
};
struct Metric {
  std::string_view name;
  MetricKind kind;
  std::string_view meaning;
};
const std::vector<Metric>& metrics();
/// Its name must be one of metrics().
MetricKind kind_of_metric(std::string_view name);

/// A number, or an error such as `-EINVAL`, which gives the negative errno of Linux.
Parsed<std::int64_t> parse_answer(std::string_view text);
std::string write_answer(std::int64_t value);

/// The names of `reg:` and their offsets in the register page of the local APIC (SDM vol. 3, table
/// 11-1), the indexes of the IOAPIC's registers (82093AA 3.2), the offsets of those of a VT-d unit
/// ("Register Descriptions") and of the HPET (IA-PC HPET 1.0a, 2.3; the names are those of I/O
/// controller hubs, ICH9 20.1).
struct RegisterName {
  std::string_view name;
  std::uint32_t offset;
};
constexpr std::uint64_t kLapicPage = 0x1000;     // offsets below
constexpr std::uint64_t kIoapicIndexes = 0x100;  // indexes below
const std::vector<RegisterName>& lapic_registers();
const std::vector<RegisterName>& ioapic_registers();
constexpr std::uint64_t kVtdPage = 0x1000;  // offsets below
constexpr std::uint64_t kHpetPage = 0x400;
const std::vector<RegisterName>& vtd_registers();
const std::vector<RegisterName>& hpet_registers();
/// How many bytes the VT-d register at an offset has: 4 or 8; FRCD_REG is two of 8.
unsigned vtd_register_bytes(std::uint64_t offset);

/// A name of the list, or a number below `end`.
Parsed<std::uint64_t> parse_register(std::string_view text, const std::vector<RegisterName>& names,
                                     std::uint64_t end);
/// The name of the offset, or the offset in hexadecimal.
std::string write_register(std::uint64_t offset, const std::vector<RegisterName>& names);

}  // namespace irqfab::scenario
