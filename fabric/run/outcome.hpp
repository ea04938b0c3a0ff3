// What a run came to, as reports and expectations see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "models/sim/ledger.hpp"
#include "models/sim/timing_table.hpp"

namespace irqfab::run {

/// A distribution of durations, ps.
struct Summary {
  std::uint64_t count = 0;
  Duration min = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0, mean = 0;
};
Summary summarize(const Histogram& histogram);

struct PathRow {
  std::string name;
  Summary to_end;      // assertion to end of interrupt
  Summary to_handler;  // assertion to the handler's first instruction
};

struct HopRow {
  std::string component;
  Event event{};
  std::uint64_t count = 0;
  Duration total = 0;  // ps, all spans together
  Duration p50 = 0;
  Duration p99 = 0;
  Duration queue = 0;  // ps of the total spent waiting
  std::string price_source;
  std::string price_kind;  // of PriceKind, or "scenario" or "none"
};

/// What software that changes interrupts waited for at a remapping unit.
struct InvalidationRow {
  std::string component;
  std::uint64_t count = 0;  // invalidations of its cache
  Summary waits;            // from the write of the queue's tail to the wait's completion
};

/// What the software of a guest's host counted, where there is such software.
struct RouteCounts {
  std::uint64_t hits = 0;       // messages that found a route made on demand
  std::uint64_t misses = 0;     // that needed a new one
  std::uint64_t flushes = 0;    // of all routes made on demand
  std::uint64_t commits = 0;    // calls of KVM_SET_GSI_ROUTING
  std::uint64_t peak = 0;       // most entries of the routing table
  std::uint64_t refused = 0;    // commits that the kernel refused
  std::uint64_t fallbacks = 0;  // vectors that have no route at the end, because none was left
};
struct ExitCounts {
  std::uint64_t kernel = 0;  // dealt with by the host's kernel
  std::uint64_t user = 0;    // by the VMM
};
/// Vectors of a device that have no route at the end.
struct FallbackRow {
  std::string device;
  std::uint64_t vectors = 0;
  std::uint64_t of = 0;  // of the device
};
struct SoftwareCounts {
  std::optional<RouteCounts> routes;
  std::vector<FallbackRow> fallbacks;
  std::string no_route;  // why there are fallbacks
  std::optional<ExitCounts> exits;
  std::uint64_t faults = 0;  // rules of lifetime and of locks that were broken: only mutants do
};

/// Where the length of an event comes from, as hops show it.
struct PriceLabel {
  std::string source;
  std::string kind;  // of PriceKind, or "scenario" or "none"
};
PriceLabel price_label(const Profile& profile, Event event);

struct ExpectationRow {
  std::string text;
  bool held = false;
  std::string found;                     // the value that was compared; times in ps
  std::optional<Duration> found_time{};  // if it is one
};

/// Where interrupts are that have no end yet.
struct RestRow {
  std::string place;
  std::uint64_t count = 0;
};
/// A task of a modelled host that can never go on.
struct DeadlockRow {
  std::string task;
  std::string waits_for;
  std::vector<std::string> held_by;  // tasks, of which each is a row as well
};

struct Outcome {
  std::string scenario;
  std::string title;
  std::string arch;
  std::string path;
  std::string profile;
  std::string behaviour;
  std::vector<std::string> mutants;  // the names of those that are switched on
  std::uint64_t seed = 0;
  Accounting accounting;
  std::uint64_t in_flight = 0;
  std::vector<PathRow> paths;                  // those that handled an interrupt
  std::vector<HopRow> hops;                    // in the order of roles, then of the machine
  std::vector<InvalidationRow> invalidations;  // of moves under traffic
  Duration hop_total = 0;                      // sum over the hops
  Duration assumed = 0;                        // of that, prices that are assumed (not waiting)
  SoftwareCounts software;
  std::vector<ExpectationRow> expect;
  Time simulated = 0;
  bool stuck = false;                 // a chain of zero-price hops never ended
  std::vector<RestRow> rests;         // of what is in flight
  std::vector<DeadlockRow> deadlock;  // empty if there is none

  bool held() const;
  double assumed_share() const {
    return hop_total == 0 ? 0.0 : static_cast<double>(assumed) / static_cast<double>(hop_total);
  }
};

/// Fills in everything that the ledger knows.
void collect(const Ledger& ledger, const topology::Topology& topology, const Profile& profile,
             Outcome& outcome);

/// The interrupts that an expectation is about: everything that the paths of one device, or of all,
/// came to.
struct Pool {
  Histogram to_end;
  Histogram to_handler;
  Accounting accounting;
  SoftwareCounts software;
};
/// Adds what accounts for interrupts; reasons, and what stands beside the account, are left.
void add(Accounting& to, const Accounting& from);
/// True for the paths of `device`, or of any if it is empty.
bool is_path_of(const std::string& path, const std::string& device);
ExpectationRow judge(const scenario::Expectation& expectation, const Pool& pool);

/// Compares every expectation of the scenario.
std::vector<ExpectationRow> evaluate(const scenario::Scenario& scenario, const Ledger& ledger,
                                     const topology::Topology& topology,
                                     const SoftwareCounts& software = {});

}  // namespace irqfab::run
