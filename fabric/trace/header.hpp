// What a trace says about itself, besides its vocabulary of events (vocabulary.hpp).
#pragma once

#include <cstdint>
#include <string>

#include "models/base/ids.hpp"

namespace irqfab::trace {

struct TraceHeader {
  std::string irqfab;    // version of the program that wrote the trace
  std::string scenario;  // the scenario's file, or the recording that the trace was made from
  std::uint64_t seed = 0;
  std::string arch;
  std::string path;
  std::string profile;
  std::string behaviour;
  Indexed<NodeId, std::string> nodes;      // their names
  Indexed<SourceId, std::string> sources;  // their names

  friend bool operator==(const TraceHeader& a, const TraceHeader& b) {
    return a.irqfab == b.irqfab && a.scenario == b.scenario && a.seed == b.seed &&
           a.arch == b.arch && a.path == b.path && a.profile == b.profile &&
           a.behaviour == b.behaviour && a.nodes == b.nodes && a.sources == b.sources;
  }
};

}  // namespace irqfab::trace
