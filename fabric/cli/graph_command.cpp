#include "fabric/cli/commands.hpp"
#include "fabric/cli/filter.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/topology/drawing.hpp"

namespace irqfab::cli {

int draw_scenario(const Options& options) {
  const auto prepared = prepared_from(options);
  if (!prepared) return fail(prepared.errors());
  const auto topology = run::topology_of(*prepared);
  if (!topology) return fail(scenario::with_lines(topology.errors(), prepared->scenario));
  const std::string output = options.output.empty() ? "-" : options.output;
  const std::string dot = topology::dot(*topology);
  if (options.format != "svg") return write_whole(output, dot);
  const auto svg = filter({"dot", "-Tsvg"}, dot);
  if (!svg) {
    fail(svg.errors());
    return fail(kCannot, "drawing svg needs the program 'dot' of Graphviz; --format dot does not");
  }
  return write_whole(output, *svg);
}

}  // namespace irqfab::cli
