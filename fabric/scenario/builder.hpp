// From a checked document to the scenario. Each function takes one section; what only the whole
// file can tell (does the device exist, is the vector in its table) is found here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fabric/scenario/checker.hpp"
#include "fabric/scenario/document.hpp"
#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// The scenario under construction. The machine is built first: the rest refers to it.
struct Building {
  const Lines& lines;
  Findings& findings;
  Scenario scenario;
  /// By id: the bridge that a device is behind, and its place there.
  std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> devices{};
};

void build_machine(const Node& root, Building& to);
/// Host bridges and what is behind them, from the map of the machine.
void build_pci(const Node& machine, Building& to);
void build_affinity(const Node& root, Building& to);
void build_workload(const Node& root, Building& to);
void build_handlers(const Node& root, Building& to);
void build_during(const Node& root, Building& to);
void build_steps(const Node* list, std::vector<Step>& steps, Building& to);
/// Of a step, or of what one observes: errors that its fields together make, where they are about the
/// remapping unit, messages or the HPET.
void check_unit_step(const Node& key, const Node& fields, Building& to);
/// An eventfd that no irqfd uses is a misspelt one.
void check_eventfds(const Node& root, Building& to);
void build_expectations(const Node& root, Building& to);
void build_prices(const Node& root, Building& to);

/// Null when there is no such device.
const Device* known_device(std::string_view id, const Building& to);
/// Null, with an error, when there is no such device.
const Device* find_device(std::string_view id, Place place, Building& to);
/// Nothing, with an error, when the device or the source does not exist.
std::optional<Sources> resolve_sources(const Node& text, Building& to);
/// The device that `nic[5]`, or the id of a device that is one function, is a function of. Null,
/// with an error, when there is no such function, or several are meant.
const Device* resolve_function(const Node& text, Building& to);
/// The number of a CPU that exists; 0, with an error, when it does not.
CpuId resolve_cpu(const Node& number, Building& to);

/// Values of a document that has been checked.
Duration duration_at(const Node& map, std::string_view key);
/// 0 when the key is absent.
Duration duration_or_zero(const Node& map, std::string_view key);
std::uint64_t number_at(const Node& map, std::string_view key);
const std::string& text_at(const Node& map, std::string_view key);

}  // namespace irqfab::scenario
