// A scenario as the reader understood it: every default filled in, every quantity in its base unit
// (ps, ids), every item with its place in the file for the errors that only elaboration can find.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/base/ids.hpp"
#include "models/base/result.hpp"
#include "models/base/time.hpp"

namespace irqfab::scenario {

/// Vectors and INTx of all devices together.
constexpr std::uint64_t kMostDeviceSources = 4'000'000;
/// Sources of all rows of the workload together; a closed loop counts once for each request.
constexpr std::uint64_t kMostStreams = 4'000'000;

enum class Attach : std::uint8_t { Emulated, Vhost, Assigned };
constexpr std::string_view name_of(Attach attach) {
  constexpr std::array<std::string_view, 3> kNames = {"emulated", "vhost", "assigned"};
  return kNames[static_cast<std::size_t>(attach)];
}

/// An interrupt for every `count` events of a vector, or `time` after the first of fewer.
struct Moderation {
  unsigned count = 0;  // 1..65536; 1: none
  Duration time = 0;   // ps; 0: none

  bool gathers() const { return count > 1 && time > 0; }
};

/// The MSI capability.
struct Msi {
  unsigned vectors = 1;  // 1, 2, 4, 8, 16 or 32
  bool maskable = false;
  unsigned address = 64;  // 32 or 64 bits
};

/// A row of `devices`: one function, or `count` equal ones at consecutive requester ids, which are
/// called id[0], id[1] and so on.
struct Device {
  std::string id;
  RequesterId rid{};             // of its first function, from bdf: "BB:DD.F"
  unsigned count = 1;            // 1..65536
  unsigned msix = 0;             // entries of the MSI-X table, 0 if it has none
  std::optional<Msi> msi;        // beside MSI-X: no more vectors than its table has entries
  std::optional<unsigned> intx;  // 0 INTA .. 3 INTD
  std::optional<Attach> attach;  // nothing: as the path has it
  std::optional<Moderation> moderation;
  std::size_t behind = 0;  // 0: on a bus of the host bridge; n: behind its bridges[n - 1]
  SourceRange where;

  /// Its sources by message. A driver that has the choice takes MSI-X.
  unsigned vectors() const { return msix > 0 || !msi ? msix : msi->vectors; }
};

enum class BridgeKind : std::uint8_t { RootPort, PcieToPci };

/// A bridge below a host bridge.
struct PciBridge {
  std::string id;
  RequesterId rid{};
  unsigned secondary = 0;    // the bus below it
  unsigned subordinate = 0;  // the last bus below it and the bridges behind it
  BridgeKind kind = BridgeKind::RootPort;
  std::size_t behind = 0;  // as of a device
  SourceRange where;
};

struct HostBridge {
  std::string id;
  unsigned segment = 0;    // PCI segment group, 0..65535
  unsigned first_bus = 0;  // the buses behind it, 0..255
  unsigned last_bus = 255;
  std::vector<Device> devices;     // also those behind its bridges
  std::vector<PciBridge> bridges;  // each after the one that it is behind
  SourceRange where;
};

/// Whose processors virtualize the local APICs of the vCPUs, if any.
enum class Virtualization : std::uint8_t { None, Apicv, Avic };
/// The fabric of the host, under the functions that a guest was given.
enum class HostFabric : std::uint8_t { X86, X86Ir };
/// How an irqfd finds its route.
enum class IrqfdLookup : std::uint8_t { Copy, Pointer };
/// What an update of the routes waits for.
enum class GraceKind : std::uint8_t { Srcu, Rcu };
/// When a vector gets a GSI and its route.
enum class RoutesWhen : std::uint8_t { Eager, OnUnmask, OnDemand };

/// The machine underneath, when the path is not bare metal.
struct Host {
  unsigned cpus = 0;                    // 0: as many as `overcommit` says
  unsigned overcommit = 1;              // vCPUs that share a CPU of the host
  Duration slice = 3 * kPsPerMs;        // that a thread has while another waits for its CPU
  Duration poll_most = 200 * kPsPerUs;  // how long a halted vCPU polls; 0: not at all
  Duration poll_start = 10 * kPsPerUs;
  unsigned poll_grow = 2;
  unsigned poll_shrink = 2;
  std::optional<Virtualization> virtualization;  // nothing: as the path has it
  bool ipi_virtualization = true;                // of Apicv
  HostFabric fabric = HostFabric::X86;
  IrqfdLookup irqfd = IrqfdLookup::Copy;
  GraceKind grace = GraceKind::Srcu;
  unsigned gsis = 0;  // 0: as the path has it
  RoutesWhen routes = RoutesWhen::Eager;
  unsigned kworkers = 1;  // of the injections that irqfds defer, a host CPU each
  SourceRange where;
  std::vector<std::pair<std::string, SourceRange>> own_keys;  // given, of those that need a path
};

enum class ApicMode : std::uint8_t { Xapic, X2apic };
enum class Idle : std::uint8_t { Poll, Halt };
/// Which controller takes what comes over wires.
enum class Interrupts : std::uint8_t { Ioapic, Pic };
enum class RemappingUnit : std::uint8_t { VtD, AmdVi };
enum class IoapicVersion : std::uint8_t { V11, V20 };
/// What the input pins of an IOAPIC are given: "asserted", or a level that has a polarity.
enum class IoapicInputs : std::uint8_t { Asserted, Wired };

struct Ioapic {
  unsigned pins = 24;  // 1..120
  IoapicVersion version = IoapicVersion::V20;
  IoapicInputs inputs = IoapicInputs::Asserted;
  SourceRange where;  // of its `pins`, else of its row, else of the machine
};

struct Hpet {
  unsigned comparators = 3;  // 1..8
  RequesterId requester{};   // of its messages, on the first host bridge
  SourceRange where;
};

/// Where keys of the machine stand, for errors that only elaboration can find. Those that the file
/// does not have are where the machine is.
struct MachineKeys {
  SourceRange cpus;
  SourceRange tick;
  SourceRange interrupts_off;
  SourceRange host_bridges;
};

struct Machine {
  std::string arch;  // empty: the default
  std::string path;  // empty: the fabric's default
  unsigned cpus = 1;
  unsigned sockets = 1;
  ApicMode apic = ApicMode::Xapic;
  Idle idle = Idle::Poll;                // what a CPU does that has nothing to do
  Duration tick = 0;                     // between two timer interrupts of each CPU; 0: none
  Duration off_every = 0;                // each CPU disables interrupts this often; 0: never
  Duration off_length = 0;               // for so long
  std::vector<HostBridge> host_bridges;  // one, "hb0", when the file declares none
  Interrupts interrupts = Interrupts::Ioapic;
  RemappingUnit remapping = RemappingUnit::VtD;  // where the fabric has one
  std::vector<Ioapic> ioapics;                   // one when the file declares none
  std::optional<Hpet> hpet;
  unsigned posted_loops = 3;  // looks at posted vectors in one notification, 1..1000
  std::optional<Host> host;
  SourceRange where;
  MachineKeys keys;
  SourceRange path_where;  // of `path`, else of `arch`, else of the machine
};

/// `dev:3`, `dev:1..8`, `dev:INTA`, or `dev` for all its vectors; of every function of the device,
/// or of some: `dev[5]:3`, `dev[0..99]`. Sources count up function by function.
struct Sources {
  std::string device;
  bool intx = false;
  unsigned first = 0;  // vector, or INTx pin 0..3
  unsigned last = 0;
  SourceRange where;
  bool some_functions = false;  // as written; resolved below in either case
  unsigned first_function = 0;  // 0..count - 1
  unsigned last_function = 0;

  unsigned each() const { return intx ? 1 : last - first + 1; }  // of one function
  std::uint64_t size() const { return std::uint64_t{last_function - first_function + 1} * each(); }
};

struct Affinity {
  Sources sources;
  bool spread = true;       // source i of the range to CPU i modulo the number of CPUs
  std::vector<CpuId> cpus;  // when not spread: one CPU, or one a source in turn
  SourceRange where;
};

enum class LoadKind : std::uint8_t { Periodic, Poisson, Burst, Once, ClosedLoop, Replay };
enum class LevelUntil : std::uint8_t { Pulse, Handled };

/// One row of `workload`.
struct Load {
  LoadKind kind = LoadKind::Once;
  Sources sources;
  Duration period = 0;      // mean gap of each source: Periodic, Poisson
  unsigned burst_size = 1;  // Burst: sources raised at once, each `period`
  unsigned depth = 0;       // ClosedLoop
  Duration think = 0;       // ClosedLoop
  Time start = 0;
  Duration length = 0;                     // `for`
  LevelUntil until = LevelUntil::Handled;  // INTx only
  std::string replay_file;                 // Replay: a trace file, relative to the scenario
  SourceRange where;
};

enum class HandlerStepKind : std::uint8_t {
  Busy,
  ReadDevice,
  Mask,
  Poll,
  Unmask,
  EnableInterrupts,
  DisableInterrupts,
  Acknowledge,
};
struct HandlerStep {
  HandlerStepKind kind = HandlerStepKind::Busy;
  Duration length = 0;
};
struct Handler {
  std::string device;  // empty: of every device that has none of its own
  std::vector<HandlerStep> steps;
  SourceRange where;
};

enum class ChangeKind : std::uint8_t {
  Mask,
  Unmask,
  Retarget,
  HostAffinity,
  RouteUpdate,
  IrqfdRelease,
  MoveVcpu,
  MigrateVm,
};
struct Change {
  ChangeKind kind = ChangeKind::Mask;
  Time at = 0;
  Duration every = 0;   // 0: once
  Duration length = 0;  // IrqfdRelease
  Sources sources;
  bool to_random = false;
  CpuId to{};
  SourceRange where;
};

/// A value of a step's argument. Maps keep the order of the file.
struct Value;
using ValueList = std::vector<Value>;
using ValueMap = std::vector<std::pair<std::string, Value>>;
struct Value {
  std::variant<std::uint64_t, std::int64_t, bool, std::string, ValueList, ValueMap> held;
  SourceRange where;
};

/// One architectural step, in the terms of the specification: `lapic.write: { cpu: 0, ... }`.
struct Step {
  std::string op;
  ValueMap args;  // validated against the language's table: known, typed, required ones present
  SourceRange where;

  const Value* find(std::string_view name) const {
    for (const auto& [key, value] : args) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

struct Actor {
  std::string name;
  std::vector<Step> steps;
  SourceRange where;
};

enum class Compare : std::uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

/// `lost == 0`, `p99 < 20us`, `nvme0.p99 < 20us`, `nvme0.handler.p99 < 5us`.
struct Expectation {
  std::string text;         // as written
  std::string device;       // empty: all
  bool to_handler = false;  // percentile up to the handler's first instruction, not to the end
  std::string metric;  // asserted handled coalesced dropped cancelled in_flight spurious duplicated
                       // lost min p50 p90 p99 p99.9 max mean
  Compare compare = Compare::Equal;
  std::uint64_t bound = 0;  // a count, or ps
  SourceRange where;
};

struct PriceOverride {
  std::string node;   // a node's or component's name; empty: everywhere
  std::string event;  // of the vocabulary
  std::uint64_t value = 0;
  bool in_cycles = false;  // of the row's clock; otherwise ps
  SourceRange where;
};

struct Scenario {
  std::string file;
  std::string text;  // of the file, for diagnostics of later stages
  std::string title;
  std::string profile;    // empty: the fabric's default
  std::string behaviour;  // empty: spec
  std::uint64_t seed = 1;
  Time until = 0;  // 0: until nothing is in flight
  Machine machine;
  std::vector<Affinity> affinity;
  std::vector<Load> workload;
  std::vector<Handler> handlers;
  std::vector<Change> during;
  std::vector<Step> setup;  // before time 0
  std::vector<Step> steps;
  std::vector<Step> afterwards;  // once the workload has ended
  std::vector<Actor> actors;
  std::vector<Expectation> expect;
  std::vector<PriceOverride> prices;
};

}  // namespace irqfab::scenario
