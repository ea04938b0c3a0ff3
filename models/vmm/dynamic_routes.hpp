// Routes on demand: how a VMM sends a message to a kernel that has no KVM_SIGNAL_MSI. The message
// gets a GSI and a route, which are kept for the next time, and KVM_IRQ_LINE is called on the GSI.
//
// Models, after what user space had to do before KVM_CAP_SIGNAL_MSI (Linux 3.5): a hash of 256
// buckets on the low byte of data, which is the vector; the lowest free GSI; once GSIs or entries
// have run out, all routes that nobody names are given up, the kernel is told, and the allocation
// is tried again. A route can be found only after the kernel has it. Routes of irqchip pins and of
// irqfds are named by whoever has them, so they stay.
// Not modelled: ageing; a flush is the only way for a route to go.
//
// One message at a time, under the VMM's big lock from seek() until the answer is not Commit. What
// was found may be injected without the lock: the GSI is named until done().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/vmm/route_table.hpp"

namespace irqfab::vmm {

class DynamicRoutes {
 public:
  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t flushes = 0;
    std::uint64_t flushed = 0;  // routes
    friend bool operator==(const Counters& a, const Counters& b) {
      return a.hits == b.hits && a.misses == b.misses && a.flushes == b.flushes &&
             a.flushed == b.flushed;
    }
  };
  enum class Next : std::uint8_t {
    Inject,  // on `gsi`; then done()
    Commit,  // the table; then committed() with what the kernel answered
    NoGsi,   // there is none, not even after a flush: ENOSPC
    Failed,  // the kernel refused the table
  };
  struct Answer {
    Next next = Next::NoGsi;
    Gsi gsi{};                  // Inject; Commit of a new route
    bool made = false;          // of Commit: a route was made, at `gsi`
    std::uint32_t flushed = 0;  // routes that were given up just now
  };

  explicit DynamicRoutes(Mutants mutants) : mutants_(mutants) {}

  /// Where a message is looked for.
  static std::uint8_t bucket(const x86::MsiMessage& message) {
    return static_cast<std::uint8_t>(message.data);
  }
  Answer seek(const x86::MsiMessage& message, RouteTable& table);
  Answer committed(kvm::Answer answer, RouteTable& table);
  /// The injection on a GSI that was found is over.
  void done(Gsi gsi, RouteTable& table) { table.unname(gsi); }

  /// Routes that can be found.
  std::uint32_t size() const { return size_; }
  std::optional<Gsi> find(const x86::MsiMessage& message) const;
  const Counters& counters() const { return counters_; }
  /// Counters are no state.
  friend bool operator==(const DynamicRoutes& a, const DynamicRoutes& b) {
    return a.buckets_ == b.buckets_ && a.stage_ == b.stage_ && a.wanted_ == b.wanted_ &&
           a.new_gsi_ == b.new_gsi_;
  }

 private:
  /// What the table is being committed for.
  enum class Stage : std::uint8_t { Idle, Flush, Route };
  struct Row {
    x86::MsiMessage message;
    Gsi gsi{};
    friend bool operator==(const Row& a, const Row& b) {
      return a.message == b.message && a.gsi == b.gsi;
    }
  };

  Answer allocate(RouteTable& table);
  void enter(Gsi gsi);
  void forget_flushed(const RouteTable& table);

  Mutants mutants_;
  std::array<std::vector<Row>, 256> buckets_;
  std::uint32_t size_ = 0;
  Stage stage_ = Stage::Idle;
  x86::MsiMessage wanted_;
  Gsi new_gsi_{};
  Counters counters_;
};

}  // namespace irqfab::vmm
