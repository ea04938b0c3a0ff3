#include "fabric/trace/vocabulary.hpp"

#include <algorithm>
#include <unordered_map>

#include "models/base/outcome.hpp"

namespace irqfab::trace {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

DetailKind kind_of(std::string_view name) {
  if (codes_of(name) != nullptr) return DetailKind::Code;
  if (name == "child span" || name == "span merged into") return DetailKind::Span;
  if (name.substr(0, 7) == "address") return DetailKind::Hex;
  for (const std::string_view last : {"data", "entry", "offset", "value", "vector"}) {
    if (ends_with(name, last)) return DetailKind::Hex;
  }
  return DetailKind::Decimal;
}

/// One field, "name" or "name, remark".
DetailField field_of(std::string_view text) {
  DetailField field;
  const std::size_t comma = text.find(',');
  field.name = text.substr(0, comma);
  field.kind = kind_of(field.name);
  constexpr std::string_view kOnes = "~0 for ";
  const std::size_t ones = text.find(kOnes);
  if (ones != text.npos) field.name_of_ones = text.substr(ones + kOnes.size());
  return field;
}

}  // namespace

std::vector<DetailField> fields_of(std::string_view detail) {
  constexpr std::string_view kShift = " << ";
  constexpr std::string_view kOr = " | ";
  std::vector<DetailField> fields;
  unsigned high = 63;
  for (;;) {
    const std::size_t shift = detail.find(kShift);
    const std::size_t bar = detail.find(kOr);
    if (shift == detail.npos || bar == detail.npos || bar < shift) break;
    DetailField field = field_of(detail.substr(0, shift));
    unsigned low = 0;
    for (std::size_t i = shift + kShift.size(); i < bar; ++i) {
      low = low * 10 + static_cast<unsigned>(detail[i] - '0');
    }
    field.high = high;
    field.low = low;
    fields.push_back(field);
    high = low - 1;
    detail = detail.substr(bar + kOr.size());
  }
  if (detail == "-") return fields;
  fields.push_back(field_of(detail));
  fields.back().high = high;
  return fields;
}

const std::array<CodeList, 5>& code_lists() {
  static constexpr std::array<CodeList, 5> kLists = {{
      {"cause", kCauseNames.data(), kCauseNames.size()},
      {"reason", kDropReasonNames.data(), kDropReasonNames.size()},
      {"operation", kCancelOpNames.data(), kCancelOpNames.size()},
      {"code of the rule", kGuestFaultNames.data(), kGuestFaultNames.size()},
      {"exit reason", kExitReasonNames.data(), kExitReasonNames.size()},
  }};
  return kLists;
}

const CodeList* codes_of(std::string_view detail) {
  for (const CodeList& list : code_lists()) {
    if (list.detail == detail) return &list;
  }
  return nullptr;
}

std::string_view name_of(Effect effect) {
  constexpr std::array<std::string_view, 4> kNames = {"opens", "moves", "ends", "none"};
  return kNames[static_cast<std::size_t>(effect)];
}

Translation::Translation(const std::vector<FileEvent>& events,
                         const std::vector<FileCodes>& codes) {
  std::unordered_map<std::string_view, std::size_t> lists;  // by what they are the codes of
  for (const FileCodes& list : codes) {
    lists.emplace(list.detail, codes_.size());
    Codes translated{list.detail, list.names, {}};
    const CodeList* ours = codes_of(list.detail);
    for (const std::string& name : list.names) {
      translated.ours.emplace_back();
      if (ours == nullptr) continue;
      const std::string_view* end = ours->names + ours->size;
      const std::string_view* found = std::find(ours->names, end, name);
      if (found != end) translated.ours.back() = static_cast<std::uint64_t>(found - ours->names);
    }
    codes_.push_back(std::move(translated));
  }
  for (const FileEvent& event : events) {
    if (event.number >= rows_.size()) rows_.resize(std::size_t{event.number} + 1);
    Row& row = rows_[event.number];
    row.name = event.name;
    const std::optional<Event> ours = event_named(event.name);
    row.known = ours.has_value();
    row.event = ours.value_or(Event{});
    row.coded = ours && codes_of(row_of(*ours).detail) != nullptr;
    if (const auto list = lists.find(event.detail); list != lists.end()) row.codes = list->second;
  }
}

std::optional<std::string> Translation::refuse(std::size_t number) const {
  if (number < rows_.size() && !rows_[number].name.empty()) {
    return "this program knows no event '" + rows_[number].name + "'";
  }
  return "the header names no event " + std::to_string(number);
}

std::string Translation::refuse_uncoded(const Row& row) {
  return "the header does not name the codes that the detail of '" + row.name + "' holds";
}

std::optional<std::string> Translation::translate_code(const Codes& codes, std::uint64_t& detail) {
  if (detail >= codes.names.size()) {
    return "the header names no " + codes.detail + ' ' + std::to_string(detail);
  }
  if (!codes.ours[detail]) {
    return "this program knows no " + codes.detail + " '" + codes.names[detail] + "'";
  }
  detail = *codes.ours[detail];
  return std::nullopt;
}

}  // namespace irqfab::trace
