// Routes on demand a second time, to judge the models by, from the rules alone: a map from each
// message to its GSI, a set of GSIs that are free, and what the kernel was told. It shares nothing
// with the models.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace irqfab::vmm::test {

using OracleMessage = std::pair<std::uint64_t, std::uint32_t>;  // address, data

struct OracleRoutes {
  OracleRoutes(unsigned gsis, unsigned pins, unsigned entries_of_pins)
      : entries_left(gsis - entries_of_pins) {
    for (unsigned n = pins; n < gsis; ++n) free.insert(n);
  }

  std::map<OracleMessage, unsigned> on_demand;
  std::map<unsigned, OracleMessage> of_irqfds;
  std::multiset<unsigned> under_way;  // GSIs of injections that are not over
  std::set<unsigned> free;
  unsigned entries_left;

  bool room() const { return entries_left > 0 && !free.empty(); }
  /// The lowest; its message is the caller's affair.
  unsigned take() {
    const unsigned gsi = *free.begin();
    free.erase(free.begin());
    --entries_left;
    return gsi;
  }
  void give_back(unsigned gsi) {
    free.insert(gsi);
    ++entries_left;
  }
  /// All that were made on demand, but for those on which somebody is about to inject.
  unsigned flush() {
    unsigned flushed = 0;
    for (auto at = on_demand.begin(); at != on_demand.end();) {
      if (under_way.count(at->second) > 0) {
        ++at;
        continue;
      }
      give_back(at->second);
      at = on_demand.erase(at);
      ++flushed;
    }
    return flushed;
  }
};

}  // namespace irqfab::vmm::test
