// What the static checks write into, and the checks themselves, one a subject. Only checks.cpp
// calls them.
#pragma once

#include <string>
#include <utility>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "fabric/topology/x86_plan.hpp"

namespace irqfab::topology {

class Findings {
 public:
  explicit Findings(const scenario::Scenario& scenario) { whole_.file = scenario.file; }

  void error(std::string code, SourceRange where, std::string message, std::string expected) {
    add(Severity::Error, std::move(code), std::move(where), std::move(message),
        std::move(expected));
  }
  void note(std::string code, SourceRange where, std::string message) {
    add(Severity::Note, std::move(code), std::move(where), std::move(message), "");
  }
  Diagnostics take() { return std::move(found_); }

 private:
  void add(Severity severity, std::string code, SourceRange where, std::string message,
           std::string expected) {
    if (where.file.empty()) where = whole_;  // the scenario does not declare it
    found_.push_back(
        {severity, std::move(code), std::move(where), std::move(message), std::move(expected), ""});
  }

  SourceRange whole_;
  Diagnostics found_;
};

/// "1 vector", "2 vectors".
inline std::string counted(std::uint64_t count, const char* noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

/// Both ends of the edge exist, and are ports of their models.
bool is_joined(const Topology& topology, const Edge& edge);

void check_ports(const Topology& topology, Findings& findings);
void check_routes(const Topology& topology, const scenario::Scenario& scenario, Findings& findings);
void check_reach(const Topology& topology, const scenario::Scenario& scenario, Findings& findings);
void check_decode(const Topology& topology, Findings& findings);
void check_ids(const Topology& topology, const X86Plan& plan, const scenario::Scenario& scenario,
               Findings& findings);
void check_sharing(const X86Plan& plan, const scenario::Scenario& scenario, Findings& findings);
void check_use(const X86Plan& plan, const scenario::Scenario& scenario, Findings& findings);

}  // namespace irqfab::topology
