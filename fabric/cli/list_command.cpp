#include <nlohmann/json.hpp>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/report/format.hpp"
#include "fabric/report/vocabulary.hpp"
#include "fabric/run/mutants.hpp"
#include "fabric/scenario/language.hpp"
#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/schema.hpp"
#include "fabric/version.hpp"
#include "models/base/mutant.hpp"
#include "models/catalog.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::cli {
namespace {

using Json = nlohmann::ordered_json;
using report::Column;
using report::Table;

std::string text(std::string_view view) { return std::string(view); }

/// Rows of cells and their heading, all to the left.
class Listing {
 public:
  explicit Listing(std::vector<std::string> heading)
      : table_(std::vector<Column>(heading.size(), Column::Left)) {
    table_.add(std::move(heading));
  }
  void add(std::vector<std::string> cells) { table_.add(std::move(cells)); }
  std::string text() const { return table_.text(); }

 private:
  Table table_;
};

// ---- fabrics and paths --------------------------------------------------------------------------

std::string archs_text() {
  Listing listing({"arch", "default path", "meaning"});
  for (const scenario::ArchRow& row : scenario::archs()) {
    listing.add({text(row.name), text(scenario::default_path(row.name)), text(row.meaning)});
  }
  return listing.text();
}

Json archs_json() {
  Json rows = Json::array();
  for (const scenario::ArchRow& row : scenario::archs()) {
    rows.push_back({{"name", row.name},
                    {"meaning", row.meaning},
                    {"default", row.name == scenario::kDefaultArch},
                    {"default_path", scenario::default_path(row.name)}});
  }
  return rows;
}

std::string archs_of(std::string_view path) {
  std::string list;
  for (const scenario::PathOnArch& row : scenario::paths_on_archs()) {
    if (row.path != path) continue;
    list += (list.empty() ? "" : ", ") + text(row.arch);
    if (row.support != scenario::Support::Now) list += " (" + text(name_of(row.support)) + ')';
  }
  return list;
}

std::string paths_text() {
  Listing listing({"path", "meaning", "on"});
  for (const scenario::PathRow& row : scenario::paths()) {
    listing.add({text(row.name), text(row.meaning), archs_of(row.name)});
  }
  return listing.text();
}

Json paths_json() {
  Json rows = Json::array();
  for (const scenario::PathRow& row : scenario::paths()) {
    Json on = Json::array();
    for (const scenario::PathOnArch& pair : scenario::paths_on_archs()) {
      if (pair.path != row.name) continue;
      on.push_back(
          {{"arch", pair.arch}, {"support", name_of(pair.support)}, {"default", pair.is_default}});
    }
    rows.push_back({{"name", row.name}, {"meaning", row.meaning}, {"archs", std::move(on)}});
  }
  return rows;
}

// ---- profiles and behaviours --------------------------------------------------------------------

std::size_t rows_of_kind(const Profile& profile, PriceKind kind) {
  std::size_t count = 0;
  for (const PriceRow& row : profile.rows) count += row.kind == kind;
  return count;
}

std::string profiles_text() {
  Listing listing({"profile", "published", "measured", "derived", "assumed", "meaning"});
  for (const Profile& profile : built_in_profiles()) {
    std::vector<std::string> cells{profile.name};
    for (std::size_t k = 0; k < kPriceKindNames.size(); ++k) {
      cells.push_back(std::to_string(rows_of_kind(profile, static_cast<PriceKind>(k))));
    }
    cells.push_back(profile.summary);
    listing.add(std::move(cells));
  }
  return listing.text();
}

Json length_json(const Length& length) {
  if (length.clock.empty()) return {{"ps", length.value}};
  return {{"cycles", length.value}, {"clock", length.clock}};
}

Json profiles_json() {
  Json rows = Json::array();
  for (const Profile& profile : built_in_profiles()) {
    Json clocks = Json::array();
    for (const Clock& clock : profile.clocks) {
      clocks.push_back({{"name", clock.name}, {"hertz", clock.hertz}});
    }
    Json prices = Json::array();
    for (const PriceRow& row : profile.rows) {
      prices.push_back({{"event", name_of(row.event)},
                        {"latency", length_json(row.latency)},
                        {"interval", length_json(row.interval)},
                        {"queue_depth", row.queue_depth},
                        {"price_kind", name_of(row.kind)},
                        {"price_source", row.source}});
    }
    rows.push_back({{"name", profile.name},
                    {"meaning", profile.summary},
                    {"clocks", std::move(clocks)},
                    {"prices", std::move(prices)}});
  }
  return rows;
}

/// The words that scenarios know; what is not there yet is named after what it will bring.
const scenario::Words& behaviours() {
  return scenario::find_key(scenario::kScenarioTable, "behaviour")->shape.words;
}
std::string_view meaning_of(const scenario::Word& word) {
  const auto known = x86::behaviour_named(word.name);
  return known ? x86::row_of(*known).meaning : word.later;
}
x86::Quirks quirks_of(const scenario::Word& word) {
  return x86::quirks_of(word.name).value_or(x86::Quirks{});
}
std::string_view support_of(const scenario::Word& word) {
  return name_of(word.later.empty() ? scenario::Support::Now : scenario::Support::Later);
}

/// Which behaviours have a quirk; none has those that are there to be added.
std::string behaviours_with(x86::Quirk quirk) {
  std::string names;
  for (const scenario::Word& word : behaviours()) {
    if (quirks_of(word).has(quirk)) names += (names.empty() ? "" : ", ") + text(word.name);
  }
  return names;
}

std::string behaviours_text() {
  Listing listing({"behaviour", "support", "meaning"});
  for (const scenario::Word& word : behaviours()) {
    listing.add({text(word.name), text(support_of(word)), text(meaning_of(word))});
  }
  Listing quirks({"quirk", "of", "meaning"});
  for (const x86::QuirkRow& row : x86::kQuirks) {
    quirks.add({text(row.name), behaviours_with(row.quirk), text(row.meaning)});
  }
  return listing.text() + '\n' + quirks.text();
}

Json behaviours_json() {
  Json rows = Json::array();
  for (const scenario::Word& word : behaviours()) {
    Json quirks = Json::array();
    for (const x86::QuirkRow& row : x86::kQuirks) {
      if (quirks_of(word).has(row.quirk)) quirks.push_back(row.name);
    }
    rows.push_back({{"name", word.name},
                    {"meaning", meaning_of(word)},
                    {"support", support_of(word)},
                    {"quirks", std::move(quirks)}});
  }
  return rows;
}

Json quirks_json() {
  Json rows = Json::array();
  for (const x86::QuirkRow& row : x86::kQuirks) {
    rows.push_back({{"name", row.name}, {"meaning", row.meaning}});
  }
  return rows;
}

// ---- models, events, mutants --------------------------------------------------------------------

std::string models_text() {
  Listing listing({"model", "role", "meaning"});
  for (std::size_t m = 0; m < kModelCount; ++m) {
    const ModelRow& row = catalog_row(m);
    listing.add({text(row.keyword), text(name_of(row.role)), text(row.summary)});
  }
  return listing.text();
}

Json models_json() {
  Json rows = Json::array();
  for (std::size_t m = 0; m < kModelCount; ++m) {
    const ModelRow& row = catalog_row(m);
    Json ports = Json::array();
    for (std::size_t p = 0; p < row.port_count; ++p) {
      const PortSpec& port = row.ports[p];
      ports.push_back({{"name", port.name},
                       {"kind", name_of(port.kind)},
                       {"initiator", port.direction == Direction::Initiator},
                       {"ordered", port.order == Order::Ordered},
                       {"min_edges", port.min_edges},
                       {"max_edges", port.max_edges}});
    }
    rows.push_back({{"name", row.keyword},
                    {"meaning", row.summary},
                    {"role", name_of(row.role)},
                    {"ports", std::move(ports)}});
  }
  return rows;
}

std::string events_text() { return report::vocabulary_text(built_in_profiles().front()); }

Json events_json() {
  Json rows = Json::array();
  for (const auto& row : report::vocabulary(built_in_profiles().front())) {
    Json event = {{"name", row.name},       {"role", row.role},     {"effect", row.effect},
                  {"meaning", row.meaning}, {"detail", row.detail}, {"price_ps", row.ps},
                  {"cycles", nullptr},      {"clock", nullptr}};
    if (row.cycles) {
      event["cycles"] = *row.cycles;
      event["clock"] = row.clock;
    }
    event["price_kind"] = row.price_kind;
    event["price_source"] = row.price_source;
    rows.push_back(std::move(event));
  }
  return rows;
}

std::string mutants_text() {
  Listing listing({"mutant", "a defect of", "meaning"});
  for (const MutantRow& row : kMutants) {
    listing.add({text(row.name), text(run::part_of(row.mutant)), text(row.meaning)});
  }
  return listing.text();
}

Json mutants_json() {
  Json rows = Json::array();
  for (const MutantRow& row : kMutants) {
    rows.push_back(
        {{"name", row.name}, {"of", run::part_of(row.mutant)}, {"meaning", row.meaning}});
  }
  return rows;
}

// ---- topics -------------------------------------------------------------------------------------

struct Topic {
  const char* name;
  std::string (*as_text)();
  Json (*as_json)();
};
constexpr Topic kTopics[] = {
    {"archs", archs_text, archs_json},          {"paths", paths_text, paths_json},
    {"profiles", profiles_text, profiles_json}, {"behaviours", behaviours_text, behaviours_json},
    {"models", models_text, models_json},       {"events", events_text, events_json},
    {"mutants", mutants_text, mutants_json},
};
/// The JSON Schema of scenario files is a document of its own, not a list.
constexpr std::string_view kSchemaTopic = "schema";

std::string topic_names() {
  std::string names;
  for (const Topic& topic : kTopics) names += text(topic.name) + ", ";
  return names + text(kSchemaTopic);
}

std::string document(const Topic& topic) {
  Json document = {{"schema", "irqfab.list/1"}, {"irqfab", kVersion}};
  document[topic.name] = topic.as_json();
  if (topic.as_json == behaviours_json) document["quirks"] = quirks_json();
  return document.dump(2) + '\n';
}

}  // namespace

int list_things(const Options& options) {
  if (options.input == kSchemaTopic) return print(scenario::write_schema()) ? kHeld : kCannot;
  if (options.input == "invariants") return fail(kWrong, "'list invariants' is not supported yet");
  for (const Topic& topic : kTopics) {
    if (options.input != topic.name) continue;
    return print(options.json ? document(topic) : topic.as_text()) ? kHeld : kCannot;
  }
  return fail(kWrong, "there is no list of '" + options.input + "'; there are " + topic_names());
}

}  // namespace irqfab::cli
