// What a trace says about itself, besides its vocabulary of events (vocabulary.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/base/event.hpp"
#include "models/base/ids.hpp"

namespace irqfab::trace {

/// Consecutive nodes that reports show as one: the lanes of one model.
struct ComponentNodes {
  std::string name;
  std::uint32_t nodes = 0;
  friend bool operator==(const ComponentNodes& a, const ComponentNodes& b) {
    return a.name == b.name && a.nodes == b.nodes;
  }
};

/// Where the length of an event comes from; both empty if the trace does not say.
struct PriceLabel {
  std::string source;
  std::string kind;  // "published", "measured", "derived", "assumed", "scenario" or "none"
  friend bool operator==(const PriceLabel& a, const PriceLabel& b) {
    return a.source == b.source && a.kind == b.kind;
  }
};

struct TraceHeader {
  std::string irqfab;    // version of the program that wrote the trace
  std::string scenario;  // the scenario's file, or the recording that the trace was made from
  std::string title;     // the scenario's, if it has one
  std::uint64_t seed = 0;
  std::string arch;
  std::string path;
  std::string profile;
  std::string behaviour;
  std::vector<std::string> mutants;        // names of the defects that were switched on
  Indexed<NodeId, std::string> nodes;      // their names
  Indexed<SourceId, std::string> sources;  // their names

  // What reports group by. A trace may lack these: then they are empty.
  std::vector<ComponentNodes> components;           // from node 0 on
  std::vector<std::string> paths;                   // names of groups of sources
  Indexed<SourceId, std::uint32_t> path_of_source;  // index into paths
  std::array<PriceLabel, kEventCount> prices;       // by event

  friend bool operator==(const TraceHeader& a, const TraceHeader& b) {
    return a.irqfab == b.irqfab && a.scenario == b.scenario && a.title == b.title &&
           a.seed == b.seed && a.arch == b.arch && a.path == b.path && a.profile == b.profile &&
           a.behaviour == b.behaviour && a.mutants == b.mutants && a.nodes == b.nodes &&
           a.sources == b.sources && a.components == b.components && a.paths == b.paths &&
           a.path_of_source == b.path_of_source && a.prices == b.prices;
  }
};

}  // namespace irqfab::trace
