// The interrupt fabrics, the paths, and which path exists on which fabric. `irqfab list archs`,
// `irqfab list paths` and the scenario reader use this one table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {

struct ArchRow {
  std::string_view name;
  std::string_view meaning;
};
struct PathRow {
  std::string_view name;
  std::string_view meaning;
};

enum class Support : std::uint8_t {
  Now,  // runs every portable scenario
  Later,
};
std::string_view name_of(Support support);

/// A path that exists on a fabric.
struct PathOnArch {
  std::string_view path;
  std::string_view arch;
  Support support;
  bool is_default = false;  // of the fabric
};

const std::vector<ArchRow>& archs();
const std::vector<PathRow>& paths();
const std::vector<PathOnArch>& paths_on_archs();

/// The fabric of a scenario or command line that names none.
constexpr std::string_view kDefaultArch = "x86";
/// `arch` must be a name of archs().
std::string_view default_path(std::string_view arch);

/// The row for a pair of names as a user gave them; an empty name is the default. Otherwise why
/// there is none: an unknown name, or a pair that does not exist and the reason.
Parsed<PathOnArch> find_path(std::string_view arch, std::string_view path);

}  // namespace irqfab::scenario
