#include <nlohmann/json.hpp>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/conform/reader.hpp"
#include "fabric/conform/runner.hpp"
#include "fabric/version.hpp"
#include "models/base/utf8.hpp"

namespace irqfab::cli {
namespace {

using conform::CaseResult;
using conform::Outcome;
using Json = nlohmann::ordered_json;

std::size_t count(const std::vector<CaseResult>& results, Outcome outcome) {
  std::size_t found = 0;
  for (const CaseResult& result : results) found += result.outcome == outcome;
  return found;
}

Json json_of(const CaseResult& result) {
  Json row = {{"id", result.id},         {"result", name_of(result.outcome)},
              {"reason", result.reason}, {"op", nullptr},
              {"field", nullptr},        {"expected", nullptr},
              {"got", nullptr}};
  if (!result.difference) return row;
  row["op"] = result.difference->op;
  row["field"] = result.difference->field;
  row["expected"] = result.difference->expected;
  row["got"] = result.difference->got;
  return row;
}

std::string document(const std::vector<CaseResult>& results) {
  Json cases = Json::array();
  for (const CaseResult& result : results) cases.push_back(json_of(result));
  const Json document = {{"schema", "irqfab.conform/1"},
                         {"irqfab", kVersion},
                         {"cases", std::move(cases)},
                         {"passed", count(results, Outcome::Pass)},
                         {"failed", count(results, Outcome::Fail)},
                         {"skipped", count(results, Outcome::Skip)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

/// A line for each case that did not simply pass, and one for all.
std::string report(const std::vector<CaseResult>& results) {
  std::string text;
  for (const CaseResult& result : results) {
    if (result.outcome == Outcome::Pass && result.reason.empty()) continue;
    text += std::string(name_of(result.outcome)) + "  " + shown(result.id);
    if (!result.reason.empty()) text += ": " + result.reason;
    text += '\n';
    if (!result.difference) continue;
    const conform::Difference& d = *result.difference;
    text += "      " + shown(d.op) + ", " + shown(d.field) + ": expected " +
            shown(conform::brief(d.expected)) + ", got " + shown(conform::brief(d.got)) + '\n';
  }
  return text + std::to_string(results.size()) +
         " cases: " + std::to_string(count(results, Outcome::Pass)) + " passed, " +
         std::to_string(count(results, Outcome::Fail)) + " failed, " +
         std::to_string(count(results, Outcome::Skip)) + " skipped\n";
}

}  // namespace

int run_conformance(const Options& options) {
  std::optional<x86::Quirks> quirks;
  if (!options.behaviour.empty()) quirks = x86::quirks_of(options.behaviour);
  std::vector<conform::Case> cases;
  Diagnostics errors;
  for (const std::string& file : options.inputs) {
    auto read = conform::read_file(file);
    if (!read) {
      errors.insert(errors.end(), read.errors().begin(), read.errors().end());
    } else {
      cases.insert(cases.end(), std::make_move_iterator(read->begin()),
                   std::make_move_iterator(read->end()));
    }
  }
  if (!errors.empty()) return fail(errors);
  std::vector<CaseResult> results;
  for (const conform::Case& test : cases) results.push_back(conform::run_case(test, quirks));
  if (!options.quiet && !print(options.json ? document(results) : report(results))) return kCannot;
  return count(results, Outcome::Fail) == 0 ? kHeld : kFailed;
}

}  // namespace irqfab::cli
