#include "fabric/report/format.hpp"

#include <algorithm>

#include "fabric/topology/markup.hpp"

namespace irqfab::report {
namespace {

/// `value` / `unit` with `digits` decimals, rounded half up; integers only, so equal everywhere.
std::string decimal(Duration value, Duration unit, unsigned digits) {
  Duration scale = 1;
  for (unsigned i = 0; i < digits; ++i) scale *= 10;
  const Duration whole = value / unit;
  const Duration rest = (value % unit * scale + unit / 2) / unit;
  const Duration carried = whole + rest / scale;
  std::string fraction = std::to_string(rest % scale);
  fraction.insert(0, digits - std::min<std::size_t>(digits, fraction.size()), '0');
  return std::to_string(carried) + (digits > 0 ? "." + fraction : "");
}

/// Characters, not bytes: names may hold any UTF-8.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string duration(Duration ps) {
  if (ps == 0) return "0";
  if (ps < 10 * kPsPerNs) return decimal(ps, kPsPerNs, 2) + " ns";
  if (ps < kPsPerUs) return decimal(ps, kPsPerNs, 0) + " ns";
  if (ps < kPsPerMs) return decimal(ps, kPsPerUs, 2) + " us";
  if (ps < kPsPerSecond) return decimal(ps, kPsPerMs, 2) + " ms";
  return decimal(ps, kPsPerSecond, 3) + " s";
}

std::string exact_duration(Duration ps) {
  struct Unit {
    Duration ps;
    unsigned digits;
    const char* name;
  };
  constexpr Unit kUnits[] = {{kPsPerSecond, 12, " s"},
                             {kPsPerMs, 9, " ms"},
                             {kPsPerUs, 6, " us"},
                             {kPsPerNs, 3, " ns"},
                             {1, 0, " ps"}};
  if (ps == 0) return "0";
  const Unit* unit = kUnits;
  while (ps < unit->ps) ++unit;
  std::string text = decimal(ps, unit->ps, unit->digits);
  if (unit->digits > 0) text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + unit->name;
}

std::string percent(Duration part, Duration whole) {
  if (whole == 0) return "0.0 %";
  // In thousandths of the whole, without overflow for runs of any length.
  const Duration unit = std::max<Duration>(1, whole / 1000);
  return decimal(part / unit, 10, 1) + " %";
}

std::string mutants_text(const std::vector<std::string>& mutants) {
  std::string text;
  for (const std::string& mutant : mutants) text += ", mutant " + mutant;
  return text;
}

std::string Table::text() const {
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width(row[i]), ' ');
      line += i > 0 ? "  " : "";
      line += columns_[i] == Column::Left ? row[i] + pad : pad + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string Table::html() const {
  std::string out = "<table>\n";
  for (const auto& row : rows_) {
    const std::string tag = &row == rows_.data() ? "th" : "td";
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char* side = columns_[i] == Column::Right ? " class=\"right\"" : "";
      out += '<' + tag + side + '>' + topology::escaped(row[i]) + "</" + tag + '>';
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace irqfab::report
