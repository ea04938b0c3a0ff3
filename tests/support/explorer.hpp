// Exploration of a world in which several actors take steps: every order of the steps, not samples.
//
// A world is a value:
//   CpuMask runnable() const   the actors that can take a step; none: the schedule has ended
//   void step(HostCpu)         one of them does
//   Outcome outcome() const    what came of it, at the end: small, ordered by <
//   std::string broken() const the first rule that was broken, at the end; empty if none was
//   bool operator==            worlds that are equal have the same future and the same past, as far
//                              as outcome() and broken() tell of it
//   kSpins                     can a step change nothing? Whoever spins so has to wait until
//   somebody
//                              else takes a step: such steps are not part of schedules
// Two explorers answer the same questions. explore_each() walks every schedule by itself, depth
// first, with a world a level, so that nothing is allocated on the way. explore_merged() goes level
// by level and follows worlds that have become equal once, counting the schedules that lead there:
// its numbers are those of explore_each(), and explorer_test.cpp holds them against each other.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/host/cpu_mask.hpp"

namespace irqfab::test {

enum class Until : std::uint8_t { All, FirstBroken };

template <class Outcome>
struct Explored {
  std::uint64_t schedules = 0;                // 2^64 - 1: at least so many
  std::map<Outcome, std::uint64_t> outcomes;  // and how many schedules end so
  std::uint64_t broken = 0;                   // schedules that break a rule
  std::string first_broken;                   // the rule, and the actors in their order: "ABBA"
  std::size_t longest = 0;                    // steps of a schedule
};

template <class World>
using OutcomeOf = decltype(std::declval<const World&>().outcome());

/// No schedule has more steps than this: whoever never comes to an end is cut off, as broken.
constexpr std::size_t kLongestSchedule = 400;

inline std::uint64_t add_saturated(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

/// So many schedules, of which `schedule` is one, end in `world`.
template <class World>
void conclude(const World& world, std::uint64_t schedules, const std::string& schedule,
              Explored<OutcomeOf<World>>& found) {
  found.schedules = add_saturated(found.schedules, schedules);
  std::uint64_t& as_this = found.outcomes[world.outcome()];
  as_this = add_saturated(as_this, schedules);
  found.longest = std::max(found.longest, schedule.size());
  const std::string rule =
      schedule.size() == kLongestSchedule ? std::string("it never ends") : world.broken();
  if (rule.empty()) return;
  found.broken = add_saturated(found.broken, schedules);
  if (found.first_broken.empty()) found.first_broken = rule + ": " + schedule;
}

enum class Spins : std::uint8_t { Never, Maybe };

inline char letter_of(host::HostCpu actor) { return static_cast<char>('A' + raw(actor)); }

template <class World>
class EachSchedule {
 public:
  EachSchedule(const World& start, Until until) : until_(until) { worlds_.push_back(start); }

  Explored<OutcomeOf<World>> run() {
    explore(0);
    return found_;
  }

 private:
  /// From worlds_[level], which may be used up: the last actor goes on in it.
  void explore(std::size_t level) {
    const std::size_t length = schedule_.size();
    for (;;) {
      World& world = worlds_[level];
      host::CpuMask actors = world.runnable();
      std::optional<host::HostCpu> actor = actors.pop_lowest();
      if (!actor || schedule_.size() == kLongestSchedule) {
        conclude(world, 1, schedule_, found_);
        break;
      }
      const bool alone = actors.empty();
      while (actor && !is_over() && (World::kSpins == Spins::Maybe ? !alone : !actors.empty())) {
        branch(*actor, level);
        actor = actors.pop_lowest();
      }
      if (!actor || is_over()) break;
      world.step(*actor);
      schedule_ += letter_of(*actor);
    }
    schedule_.resize(length);
  }
  void branch(host::HostCpu actor, std::size_t level) {
    copy_to(level + 1, worlds_[level]);
    worlds_[level + 1].step(actor);
    if (World::kSpins == Spins::Maybe && worlds_[level + 1] == worlds_[level]) return;
    schedule_ += letter_of(actor);
    explore(level + 1);
    schedule_.pop_back();
  }
  void copy_to(std::size_t level, const World& world) {
    if (level == worlds_.size()) {
      worlds_.push_back(world);
    } else {
      worlds_[level] = world;
    }
  }
  bool is_over() const { return until_ == Until::FirstBroken && found_.broken > 0; }

  Until until_;
  std::deque<World> worlds_;
  std::string schedule_;
  Explored<OutcomeOf<World>> found_;
};

template <class World>
class MergedSchedules {
 public:
  MergedSchedules(const World& start, Until until) : until_(until) {
    now_.nodes.push_back({start, 1, {}, {}});
    now_.size = 1;
  }

  Explored<OutcomeOf<World>> run() {
    while (now_.size > 0) {
      for (std::size_t n = 0; n < now_.size; ++n) {
        explore(now_.nodes[n]);
        if (until_ == Until::FirstBroken && found_.broken > 0) return found_;
      }
      std::swap(now_, next_);
      next_.size = 0;
      buckets_.clear();
    }
    return found_;
  }

 private:
  /// Who has taken how many steps. Worlds are compared only where these are the same.
  using Steps = std::array<std::uint16_t, 16>;
  struct Node {
    World world;
    std::uint64_t schedules;  // that lead here
    std::string schedule;     // one of them
    Steps steps;
  };
  /// Worlds after the same number of steps. Those behind `size` are there to be written over.
  struct Level {
    std::deque<Node> nodes;
    std::size_t size = 0;
  };

  void explore(const Node& node) {
    host::CpuMask actors = node.world.runnable();
    std::optional<host::HostCpu> actor = actors.pop_lowest();
    if (!actor || node.schedule.size() == kLongestSchedule) {
      return conclude(node.world, node.schedules, node.schedule, found_);
    }
    const bool may_spin = World::kSpins == Spins::Maybe && !actors.empty();
    for (; actor; actor = actors.pop_lowest()) {
      Node& next = scratch_copy(node);
      next.world.step(*actor);
      if (may_spin && next.world == node.world) continue;
      next.schedule += letter_of(*actor);
      ++next.steps.at(raw(*actor));
      keep_or_merge(next);
    }
  }
  Node& scratch_copy(const Node& node) {
    if (next_.size == next_.nodes.size()) {
      next_.nodes.push_back(node);
    } else {
      next_.nodes[next_.size] = node;
    }
    return next_.nodes[next_.size];
  }
  void keep_or_merge(const Node& node) {
    std::vector<std::size_t>& bucket = buckets_[hash_of(node.steps)];
    for (const std::size_t other : bucket) {
      Node& met = next_.nodes[other];
      if (!(met.steps == node.steps) || !(met.world == node.world)) continue;
      met.schedules = add_saturated(met.schedules, node.schedules);
      return;
    }
    bucket.push_back(next_.size++);
  }
  static std::uint64_t hash_of(const Steps& steps) {
    std::uint64_t hash = 0;
    for (const std::uint16_t count : steps) hash = hash * 0x9E3779B97F4A7C15u + count;
    return hash;
  }

  Until until_;
  Level now_;
  Level next_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> buckets_;  // of next_
  Explored<OutcomeOf<World>> found_;
};

template <class World>
Explored<OutcomeOf<World>> explore_each(const World& start, Until until = Until::All) {
  return EachSchedule<World>(start, until).run();
}
template <class World>
Explored<OutcomeOf<World>> explore_merged(const World& start, Until until = Until::All) {
  return MergedSchedules<World>(start, until).run();
}

}  // namespace irqfab::test
