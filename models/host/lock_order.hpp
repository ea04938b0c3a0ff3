// Lock order on the modelled host: what may be waited for while what is held.
//
// Models the idea of a lock validator: an edge "a was held when b was asked for" between classes of
// things, learnt as the software runs. A cycle of edges is a deadlock that some interleaving
// reaches, whether or not this run reached it. Three kinds of things are classes, in one graph:
//   Lock    a spin lock or mutex is held, and asked for
//   Domain  a reader section of a grace-period domain is held; a grace-period wait asks for it
//   Work    a running work item is held; flushing it asks for it
// so that waiting for a grace period under a lock that a reader takes is a cycle like any other.
// Entering a reader section and queueing work never wait, and make no edge.
//
// The interrupt rule: from a class that is taken in interrupts, edges must not lead to one (itself
// included) that is taken while such interrupts can come in. Otherwise an interrupt on the CPU that
// holds the second may spin for the first, whose holder waits for the second.
//
// Not modelled: readers of reader-writer locks, order among locks of one class (they may nest),
// wait queues.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/host/host_ids.hpp"

namespace irqfab::host {

enum class ClassKind : std::uint8_t { Lock, Domain, Work };

/// A class, and where it was taken.
struct ChainLink {
  LockClassId cls{};
  Site site;
  friend bool operator==(const ChainLink& a, const ChainLink& b) {
    return a.cls == b.cls && a.site == b.site;
  }
};

/// Classes in the order in which they were taken; beyond kMax links the rest is left out.
class Chain {
 public:
  static constexpr std::size_t kMax = 16;
  void add(const ChainLink& link) {
    if (size_ < kMax) links_[size_++] = link;
  }
  /// Takes out the latest link of a class; false if there is none.
  bool remove(LockClassId cls);
  bool has(LockClassId cls) const;
  bool full() const { return size_ == kMax; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const ChainLink& operator[](std::size_t i) const { return links_[i]; }
  const ChainLink* begin() const { return links_.data(); }
  const ChainLink* end() const { return links_.data() + size_; }
  friend bool operator==(const Chain& a, const Chain& b) {
    return a.size_ == b.size_ && a.links_ == b.links_;
  }

 private:
  std::array<ChainLink, kMax> links_{};
  std::uint8_t size_ = 0;
};

/// How a class was taken, for the interrupt rule.
enum class Usage : std::uint8_t {
  InHardIrq = 1,            // by a hard interrupt
  InSoftIrq = 2,            // by a soft interrupt
  UnderEnabledHardIrq = 4,  // while a hard interrupt could come in
  UnderEnabledSoftIrq = 8,  // while a soft interrupt could come in
};

class LockOrder {
 public:
  static constexpr std::size_t kMaxClasses = 64;

  /// Before the run. At most kMaxClasses.
  LockClassId add(ClassKind kind, std::string name);
  const std::string& name(LockClassId cls) const { return classes_[raw(cls)].name; }
  ClassKind kind(LockClassId cls) const { return classes_[raw(cls)].kind; }

  /// Somebody who holds `held` asks for `wanted` at `site`. If that is new and closes a cycle: how
  /// one gets from `wanted` back to something held, by what was learnt before.
  std::optional<Chain> learn(const Chain& held, LockClassId wanted, Site site);

  /// A class is taken in this way.
  void learn(LockClassId cls, Usage usage);

  /// What breaks the interrupt rule since something was learnt: how one gets from a class taken in
  /// interrupts to one taken with them enabled. Each pair is answered once.
  std::optional<Chain> new_interrupt_hazard();

  friend bool operator==(const LockOrder& a, const LockOrder& b) {
    return a.classes_ == b.classes_ && a.edges_ == b.edges_ && a.unchecked_ == b.unchecked_;
  }

 private:
  struct Class {
    ClassKind kind = ClassKind::Lock;
    std::string name;
    std::uint64_t after = 0;    // bit c: class c was asked for while this one was held
    std::uint64_t hazards = 0;  // bit c: the interrupt rule is known to be broken from here to c
    std::uint8_t usage = 0;     // of Usage
    friend bool operator==(const Class& a, const Class& b) {
      return a.kind == b.kind && a.name == b.name && a.after == b.after && a.hazards == b.hazards &&
             a.usage == b.usage;
    }
  };
  struct Edge {
    LockClassId held{};
    LockClassId wanted{};
    Site site;  // where it was first seen
    friend bool operator==(const Edge& a, const Edge& b) {
      return a.held == b.held && a.wanted == b.wanted && a.site == b.site;
    }
  };

  std::uint64_t used(Usage usage) const;
  std::uint64_t reachable(LockClassId from) const;
  std::optional<Chain> path(LockClassId from, LockClassId to) const;
  Site site_of(LockClassId held, LockClassId wanted) const;

  std::vector<Class> classes_;
  std::vector<Edge> edges_;  // oldest first; only read to report
  bool unchecked_ = false;   // something was learnt since new_interrupt_hazard answered none
};

enum class ViolationKind : std::uint8_t {
  LockOrder,            // two locks are taken in both orders
  Recursion,            // a task asks for a lock it holds
  GracePeriodDeadlock,  // a grace period is waited for under a lock that a reader takes, or inside
                        // a reader
  FlushDeadlock,        // work is flushed under a lock that it takes, or by itself
  SleepInAtomic,        // sleeping under a spin lock, in an interrupt, or in a reader that may not
  IrqUnsafe,            // an interrupt may spin for ever: LockOrder's interrupt rule is broken
  Unbalanced,           // a lock or reader section is left that was not entered
  LeftHeld,             // a program ended inside a lock or reader section; it was left for it
  TooDeep,              // more than Chain::kMax things held at once; the last was refused
};

/// A rule of the software that was broken.
struct Violation {
  ViolationKind kind{};
  std::optional<LockClassId> wanted;  // what was asked for; none for a plain sleep
  TaskId task{};
  Site site;
  Chain held;   // what the task held, oldest first
  Chain known;  // what had been learnt before, from `wanted` back to one of `held`
  std::uint32_t times = 1;

  friend bool operator==(const Violation& a, const Violation& b) {
    return a.kind == b.kind && a.wanted == b.wanted && a.task == b.task && a.site == b.site &&
           a.held == b.held && a.known == b.known && a.times == b.times;
  }
};

}  // namespace irqfab::host
