// The members that JSON documents about a run and about its trace have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "fabric/run/outcome.hpp"

namespace irqfab::report {

/// {"schema": `schema`, "irqfab": version, "scenario": ..., up to "simulated_ps"}.
nlohmann::ordered_json outcome_json(const std::string& schema, const run::Outcome& outcome);
/// The document of a run: that, and what only a run knows.
nlohmann::ordered_json run_document(const run::Outcome& outcome);
nlohmann::ordered_json summary_json(const std::string& name, const run::Summary& summary);

}  // namespace irqfab::report
