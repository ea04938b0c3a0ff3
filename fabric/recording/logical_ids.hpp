// Which logical destination ids the LAPICs have, from who took what was sent to a logical
// destination.
//
// Models: SDM vol. 3, 11.6.2.2 "Logical Destination Mode", flat model. Linux gives CPU n the id 1
// << n. Not modelled: the cluster model; a guest that uses it writes LDR and DFR, and those writes
// are replayed as they were recorded.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::recording {

class LogicalIds {
 public:
  /// `apic` took a message for this logical destination.
  void took(std::uint32_t dst, ApicId apic);
  bool used() const { return used_; }
  /// The ids of these LAPICs, which are sorted.
  std::map<ApicId, std::uint8_t> ids(const std::vector<ApicId>& apics) const;

 private:
  std::set<std::pair<std::uint8_t, ApicId>> takers_;
  bool used_ = false;
};

}  // namespace irqfab::recording
