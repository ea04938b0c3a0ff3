// Reads a scenario file: text to document, document against the table of the language, document to
// scenario. Nothing is skipped in silence; several errors are told at once, in the order of the
// file.
#pragma once

#include <string>
#include <string_view>

#include "fabric/scenario/scenario.hpp"
#include "models/base/result.hpp"

namespace irqfab::scenario {

/// What the command line says over the scenario. Empty: nothing.
struct Chosen {
  std::string arch;
  std::string path;
};

/// `file` is the name for diagnostics, and what the paths in the scenario are relative to.
Result<Scenario> read(std::string_view text, std::string file, const Chosen& chosen = {});

/// `-` is standard input. An input that cannot be read is an error without a line.
Result<Scenario> read_file(const std::string& path, const Chosen& chosen = {});

/// The same findings, each with the text of its line: later stages know no more than the place.
Diagnostics with_lines(Diagnostics found, const Scenario& scenario);

}  // namespace irqfab::scenario
