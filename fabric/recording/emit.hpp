// A scenario that replays a recording: its text, and the list of calls that it names.
//
// Models: the calls as records of the trace format with the events of calls into the modelled host
// (models/base/event.cpp says what each detail holds), node = the thread that called. A vCPU's
// thread is named `vcpuN`; eventfd N of a record is `eN` in the scenario's `kvm.irqfd`. An IPI is
// the write of the ICR that sends it, high half first. Not modelled: LAPICs beyond id 254
// (refused), and what addresses none of those that exist with more than 8 bits (counted).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fabric/recording/replay.hpp"
#include "models/base/ids.hpp"
#include "models/base/result.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::recording {

/// The eventfd whose irqfd raises a GSI: the GSI's own number, or for a resampling irqfd, which may
/// stand beside a plain one, that many more.
constexpr std::uint64_t kResamplingEventfds = 10'000;

struct EmitOptions {
  std::string recording;  // the recording's file, for people
  std::string events;     // the file of the records, as the scenario names it
  std::string behaviour;  // of the scenario; empty: none is named
};

struct Emitted {
  std::string scenario;              // YAML
  std::vector<TraceRecord> records;  // in canonical order
  Indexed<NodeId, std::string> nodes;
  std::uint64_t unaddressable = 0;  // stimuli left out: more than 8 bits of destination
};

/// An error if the machine is none that a scenario can describe.
Result<Emitted> emit(const Recording& recording, const EmitOptions& options);

}  // namespace irqfab::recording
