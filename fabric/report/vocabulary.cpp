#include "fabric/report/vocabulary.hpp"

#include "fabric/report/format.hpp"
#include "fabric/trace/vocabulary.hpp"

namespace irqfab::report {
namespace {

void add_price(const Profile& profile, Event event, VocabularyRow& row) {
  row.price_kind = "none";
  if (is_of_handler(event)) {
    row.price_kind = "scenario";
    row.price_source = "the scenario's handler";
    return;
  }
  if (is_waiting(event)) {
    row.price_source = "has no price: it lasts as long as others make it";
    return;
  }
  if (is_instant(event)) {
    row.price_source = "takes no time: a change of state";
    return;
  }
  const PriceRow* price = profile.find(event);
  if (price == nullptr) {
    row.price_source = "free: no row in the timing table";
    return;
  }
  row.ps = resolve(profile, *price).latency;
  if (!price->latency.clock.empty()) {
    row.cycles = price->latency.value;
    row.clock = price->latency.clock;
  }
  row.price_kind = name_of(price->kind);
  row.price_source = price->source;
}

/// "20 ns", "235 core cycles (94 ns)", "-".
std::string price_text(const VocabularyRow& row) {
  if (row.price_kind == "none" || row.price_kind == "scenario") return "-";
  if (!row.cycles) return duration(row.ps);
  return std::to_string(*row.cycles) + ' ' + row.clock + " cycles (" + duration(row.ps) + ')';
}

/// Text inside a table of Markdown.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string markdown_row(const VocabularyRow& row) {
  std::string line = "| `" + std::string(row.name) + "` | " + cell(row.meaning) + " | " +
                     cell(row.detail) + " | " + std::string(row.effect) + " | " + price_text(row) +
                     " | " + row.price_kind;
  return line + " | " + cell(row.price_source) + " |\n";
}

constexpr std::string_view kAbout =
    "# Events\n"
    "\n"
    "What can happen to an interrupt, hop by hop. The models note these events, the timing table "
    "prices\n"
    "them, the trace records them, and a scenario overrides their prices by these names. A "
    "record's time is\n"
    "the end of the event's price; what it costs before that is its row here.\n"
    "\n"
    "*Effect* is what an event does to its span, the life of one interrupt: *opens*, *moves* (one "
    "hop\n"
    "further), *ends*, or *none* (bookkeeping of a component). *Detail* is what the detail field "
    "of a record\n"
    "holds. *Kind* says how the price is known; only published, measured and derived ones are "
    "evidence.\n"
    "Hops of different fabrics are aligned by *role*.\n"
    "\n"
    "This page is written from the program's own tables (`irqfab list events`); a test holds the "
    "two\n"
    "together.\n"
    "\n";

}  // namespace

bool is_waiting(Event event) {
  return event == Event::Waited || event == Event::Stalled || event == Event::HeldForOrder;
}

std::vector<VocabularyRow> vocabulary(const Profile& profile) {
  std::vector<VocabularyRow> rows;
  for (std::uint16_t e = 0; e < kEventCount; ++e) {
    const EventRow& event = row_of(Event(e));
    VocabularyRow row;
    row.name = event.name;
    row.role = name_of(event.role);
    row.effect = trace::name_of(event.effect);
    row.meaning = event.meaning;
    row.detail = event.detail;
    add_price(profile, event.event, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string vocabulary_text(const Profile& profile) {
  std::string text = "Prices of the profile " + profile.name + ": " + profile.summary + "\n";
  for (const VocabularyRow& row : vocabulary(profile)) {
    text += '\n' + std::string(row.name) + "  (" + std::string(row.role) + ", " +
            std::string(row.effect) + ")\n";
    text += "  " + std::string(row.meaning) + '\n';
    if (row.detail != "-") text += "  detail: " + std::string(row.detail) + '\n';
    const std::string price = price_text(row);
    text += "  price:  " + (price == "-" ? "" : price + ", " + row.price_kind + ": ") +
            row.price_source + '\n';
  }
  return text;
}

std::string vocabulary_markdown(const Profile& profile) {
  std::string text(kAbout);
  text += "The prices are those of the default profile, `" + profile.name +
          "`: " + profile.summary + ".\n";
  const std::vector<VocabularyRow> rows = vocabulary(profile);
  for (const std::string_view role : kRoleNames) {
    std::string table;
    for (const VocabularyRow& row : rows) {
      if (row.role == role) table += markdown_row(row);
    }
    if (table.empty()) continue;
    text += "\n## " + std::string(role) +
            "\n\n"
            "| event | meaning | detail | effect | price | kind | where the price comes from |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n" +
            table;
  }
  return text;
}

}  // namespace irqfab::report
