#include "fabric/scenario/reference.hpp"

#include "fabric/scenario/language.hpp"
#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/phrases.hpp"

namespace irqfab::scenario {
namespace {

/// The anchor that a heading gets on the usual hosts.
std::string anchor(std::string_view heading) {
  std::string text;
  for (const char c : heading) {
    if (c == ' ') text += '-';
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') text += c;
    if (c >= 'A' && c <= 'Z') text += static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string link(std::string_view heading) {
  return '[' + std::string(heading) + "](#" + anchor(heading) + ')';
}

/// A word of a table's cell: `|` would end it.
std::string code(std::string_view text) { return '`' + std::string(text) + '`'; }

std::string value_of(const Shape& shape) {
  switch (shape.kind) {
    case Kind::Map:
      return link(shape.table->name);
    case Kind::List:
      return "list of " + value_of(*shape.item);
    case Kind::Keyed:
      return value_of(*shape.key) + ": " + value_of(*shape.item);
    case Kind::Either:
      return value_of(*shape.item) + " or " + value_of(*shape.other);
    case Kind::Arch:
      return "a fabric";
    case Kind::Path:
      return "a path";
    case Kind::Word: {
      std::string text;
      for (const Word& word : shape.words) {
        if (word.later.empty()) text += (text.empty() ? "" : ", ") + code(word.name);
      }
      return text;
    }
    case Kind::Number:
    case Kind::Bits:
      return shape.max == ~std::uint64_t{0} ? "number" : describe(shape).substr(2);
    default:
      return std::string(row_of(shape.kind)->name);
  }
}

std::string default_of(const Key& key) {
  switch (key.need) {
    case Need::Required:
      return "required";
    case Need::Choice:
      return "one of these";
    case Need::Defaulted:
      return code(key.fallback);
    case Need::Optional:
      break;
  }
  return std::string(key.fallback);
}

std::string write_table(const Table& table) {
  std::string text = "### " + std::string(table.name) + "\n\n";
  if (!table.meaning.empty()) text += std::string(table.meaning) + "\n\n";
  text += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  std::string later;
  for (const Key& key : table.keys) {
    if (!key.later.empty()) {
      later += "* " + code(key.name) + ": " + std::string(key.later) + '\n';
      continue;
    }
    text += "| " + code(key.name) + " | " + value_of(key.shape) + " | " + default_of(key) + " | " +
            std::string(key.meaning) + " |\n";
  }
  for (const Key& key : table.keys) {
    for (const Word& word : key.shape.words) {
      if (word.later.empty()) continue;
      later += "* " + code(std::string(key.name) + ": " + std::string(word.name)) + ": " +
               std::string(word.later) + '\n';
    }
  }
  if (!later.empty())
    text += "\nNot supported yet, and refused by name until it comes with:\n\n" + later;
  return text + '\n';
}

std::string write_kinds() {
  std::string text = "## Values\n\n| value | is | example |\n| --- | --- | --- |\n";
  text +=
      "| number | decimal, or hexadecimal after `0x`; no sign, no `_`, no leading zero | `0x41` "
      "|\n";
  for (const KindRow& row : kind_rows()) {
    text += "| " + std::string(row.name) + " | " + std::string(row.description) + " | " +
            code(row.example) + " |\n";
  }
  return text + '\n';
}

std::string write_metrics() {
  std::string text =
      "## Metrics of `expect`\n\n| metric | bound | meaning |\n| --- | --- | --- |\n";
  for (const Metric& metric : metrics()) {
    text += "| " + code(metric.name) + " | " +
            (metric.kind == MetricKind::Latency ? "duration" : "number") + " | " +
            std::string(metric.meaning) + " |\n";
  }
  return text + '\n';
}

std::string write_paths() {
  std::string text = "## Fabrics\n\n| arch | is | default path |\n| --- | --- | --- |\n";
  for (const ArchRow& row : archs()) {
    text += "| " + code(row.name) + " | " + std::string(row.meaning) + " | " +
            code(default_path(row.name)) + " |\n";
  }
  text += "\n## Paths\n\n| path | is | exists for | supported now |\n| --- | --- | --- | --- |\n";
  for (const PathRow& row : paths()) {
    std::string exists, now;
    for (const PathOnArch& pair : paths_on_archs()) {
      if (pair.path != row.name) continue;
      exists += (exists.empty() ? "" : ", ") + std::string(pair.arch);
      if (pair.support == Support::Later) continue;
      now += (now.empty() ? "" : ", ") + std::string(pair.arch);
    }
    text += "| " + code(row.name) + " | " + std::string(row.meaning) + " | " + exists + " | " +
            now + " |\n";
  }
  return text + '\n';
}

}  // namespace

std::string write_reference() {
  std::string text = write_kinds() + "## Keys\n\n";
  for (const Table* table : all_tables()) text += write_table(*table);
  return text + write_metrics() + write_paths();
}

}  // namespace irqfab::scenario
