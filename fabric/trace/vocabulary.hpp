// The events of a trace, by number and name, and what their details hold.
//
// Numbers of events, and of codes such as the reason of a drop, differ between versions of the
// program; names do not. So a trace names the numbers it uses, and whoever reads it translates them
// into its own. What a detail holds is said by the text in the event's row: fields from the highest
// bits down, "CPU << 8 | vector", each with a name and perhaps a remark after a comma.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/event.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

enum class DetailKind : std::uint8_t {
  Decimal,
  Hex,   // addresses, offsets, vectors, contents of registers and entries
  Span,  // another span
  Code,  // a number of a list of names
};

/// A field of an event's detail: bits high..low.
struct DetailField {
  std::string_view name;
  std::string_view name_of_ones;  // what a detail of all ones stands for, or empty
  unsigned high = 63;
  unsigned low = 0;
  DetailKind kind = DetailKind::Decimal;
};
std::vector<DetailField> fields_of(std::string_view detail);

/// The names behind the numbers of a field of kind Code.
struct CodeList {
  std::string_view detail;  // as in the event's row
  const std::string_view* names;
  std::size_t size;
};
const std::array<CodeList, 5>& code_lists();
const CodeList* codes_of(std::string_view detail);

std::string_view name_of(Effect effect);

/// The vocabulary of a file.
struct FileEvent {
  std::uint16_t number;
  std::string name;
  std::string detail;
};
struct FileCodes {
  std::string detail;
  std::vector<std::string> names;
};

/// Turns records from a file's vocabulary into this program's.
class Translation {
 public:
  Translation(const std::vector<FileEvent>& events, const std::vector<FileCodes>& codes);

  /// Translates a record, whose event is still the file's number; says what stands in the way.
  std::optional<std::string> apply(TraceRecord& record) const {
    const auto number = static_cast<std::size_t>(record.event);
    if (number >= rows_.size() || !rows_[number].known) return refuse(number);
    const Row& row = rows_[number];
    record.event = row.event;
    if (row.codes == kNoCodes && row.coded) return refuse_uncoded(row);
    if (row.codes == kNoCodes) return std::nullopt;
    return translate_code(codes_[row.codes], record.detail);
  }

 private:
  static constexpr std::size_t kNoCodes = ~std::size_t{0};
  struct Row {
    std::string name;  // in the file; empty if the file does not have the number
    Event event{};
    bool known = false;  // to this program
    std::size_t codes = kNoCodes;
    bool coded = false;  // this program reads its detail as a code
  };
  struct Codes {
    std::string detail;
    std::vector<std::string> names;
    std::vector<std::optional<std::uint64_t>> ours;
  };

  std::optional<std::string> refuse(std::size_t number) const;
  static std::string refuse_uncoded(const Row& row);
  static std::optional<std::string> translate_code(const Codes& codes, std::uint64_t& detail);

  std::vector<Row> rows_;  // by the file's number
  std::vector<Codes> codes_;
};

}  // namespace irqfab::trace
