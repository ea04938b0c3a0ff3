// A wire that several drivers share: it is high while any of them drives it high, and none can take
// back another's contribution.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::x86 {

class WiredOr {
 public:
  Level level() const { return high_.empty() ? Level::Low : Level::High; }
  void drive(std::uint32_t driver, Level level) {
    const auto at = std::lower_bound(high_.begin(), high_.end(), driver);
    const bool drives = at != high_.end() && *at == driver;
    if (level == Level::High && !drives) high_.insert(at, driver);
    if (level == Level::Low && drives) high_.erase(at);
  }

  friend bool operator==(const WiredOr& a, const WiredOr& b) { return a.high_ == b.high_; }

 private:
  // The drivers that drive it high, ascending: few at once, of however many there are. It allocates
  // only when more drive it at once than ever before.
  std::vector<std::uint32_t> high_;
};

}  // namespace irqfab::x86
