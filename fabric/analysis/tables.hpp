// The rows of an analysis while it is made: rows by name or number, each a distribution.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fabric/analysis/distribution.hpp"
#include "models/base/event.hpp"
#include "models/sim/ledger.hpp"

namespace irqfab::analysis {

/// Names as rows of tables that several traces share, in the order in which they came up.
class Names {
 public:
  std::uint32_t row_of(const std::string& name) {
    const auto [at, is_new] = rows_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
    if (is_new) names_.push_back(name);
    return at->second;
  }
  const std::string& operator[](std::uint64_t row) const { return names_[row]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }

 private:
  std::map<std::string, std::uint32_t> rows_;
  std::vector<std::string> names_;
};

/// Interrupts with one key.
struct Group {
  Distribution to_end;      // handled ones
  Distribution to_handler;  // handled ones
};
struct Path : Group {
  Accounting accounting;
};

/// One event at one component.
struct Hop {
  Distribution time;
  Duration total = 0;
  Duration queue = 0;
};

class Hops {
 public:
  Hop& at(std::uint32_t component, Event event) {
    if (component >= components_.size()) components_.resize(component + std::size_t{1});
    auto& events = components_[component];
    if (!events) events = std::make_unique<Events>();
    return (*events)[static_cast<std::size_t>(event)];
  }
  /// Null if the event never happened there.
  const Hop* find(std::uint32_t component, Event event) const {
    if (component >= components_.size() || !components_[component]) return nullptr;
    const Hop& hop = (*components_[component])[static_cast<std::size_t>(event)];
    return hop.time.empty() ? nullptr : &hop;
  }

 private:
  using Events = std::array<Hop, kEventCount>;
  std::vector<std::unique_ptr<Events>> components_;
};

}  // namespace irqfab::analysis
