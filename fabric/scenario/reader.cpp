#include "fabric/scenario/reader.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/option_place.hpp"
#include "fabric/scenario/path_check.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

void build_header(const Node& root, Scenario& scenario) {
  if (root.find("title") != nullptr) scenario.title = text_at(root, "title");
  if (root.find("profile") != nullptr) scenario.profile = text_at(root, "profile");
  if (root.find("behaviour") != nullptr) scenario.behaviour = text_at(root, "behaviour");
  scenario.seed = number_at(root, "seed");
  scenario.until = duration_or_zero(root, "until");
}

/// What the command line named has no place in the file.
SourceRange place_of(const Chosen& chosen) {
  if (chosen.path.empty()) return of_option("--arch", chosen.arch);
  SourceRange place = of_option("--path", chosen.path);
  if (!chosen.arch.empty()) place.file = of_option("--arch", chosen.arch).file + ' ' + place.file;
  return place;
}

void choose(const Chosen& chosen, Building& to) {
  Machine& machine = to.scenario.machine;
  if (!chosen.arch.empty()) machine.arch = chosen.arch;
  if (!chosen.path.empty()) machine.path = chosen.path;
  if (!chosen.arch.empty() || !chosen.path.empty()) machine.path_where = place_of(chosen);
  for (const Diagnostic& found : check_path(to.scenario, machine.arch, machine.path)) {
    to.findings.add(found);
  }
}

void build(const Node& root, const Chosen& chosen, Building& to) {
  build_header(root, to.scenario);
  build_machine(root, to);
  build_affinity(root, to);
  build_workload(root, to);
  build_handlers(root, to);
  build_during(root, to);
  build_steps(root.find("setup"), to.scenario.setup, to);
  build_steps(root.find("steps"), to.scenario.steps, to);
  build_steps(root.find("afterwards"), to.scenario.afterwards, to);
  check_eventfds(root, to);
  build_expectations(root, to);
  build_prices(root, to);
  choose(chosen, to);
}

Diagnostic unreadable(const std::string& path, std::string message) {
  return {Severity::Error, "no-file", whole_file(path), std::move(message), "", ""};
}

/// At most one byte more than the reader takes, so that an endless input ends here.
std::string read_bounded(std::istream& in) {
  std::string text;
  std::string part(1u << 16, '\0');
  while (text.size() <= kMaxFileBytes &&
         (in.read(part.data(), static_cast<std::streamsize>(part.size())), in.gcount() > 0)) {
    text.append(part, 0, static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

}  // namespace

Result<Scenario> read(std::string_view text, std::string file, const Chosen& chosen) {
  const Lines lines(text, file);
  Result<Node> document = parse_document(text, lines);
  if (!document) return document.errors();
  Findings findings(lines);
  check_and_fill(*document, findings);
  if (!findings.empty()) return findings.take();
  Building to{lines, findings, {}, {}};
  to.scenario.file = std::move(file);
  to.scenario.text = text;
  build(*document, chosen, to);
  if (!findings.empty()) return findings.take();
  return std::move(to.scenario);
}

Result<Scenario> read_file(const std::string& path, const Chosen& chosen) {
  if (path == "-") return read(read_bounded(std::cin), "<stdin>", chosen);
  std::ifstream in(path, std::ios::binary);
  if (!in) return unreadable(path, "this file cannot be opened");
  const std::string text = read_bounded(in);
  if (in.bad()) return unreadable(path, "this file cannot be read");
  return read(text, path, chosen);
}

Diagnostics with_lines(Diagnostics found, const Scenario& scenario) {
  const Lines lines(scenario.text, scenario.file);
  for (Diagnostic& diagnostic : found) {
    const SourceRange& where = diagnostic.where;
    if (where.line < 1 || where.file != scenario.file || !diagnostic.line.empty()) continue;
    show_line(diagnostic, lines.line(where.line));
  }
  return found;
}

}  // namespace irqfab::scenario
