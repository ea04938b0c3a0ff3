// Compares what a machine does with what was recorded, and keeps the first difference.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/conform/runner.hpp"
#include "models/x86/vector_set.hpp"

namespace irqfab::conform {

class Comparison {
 public:
  /// What `op` answered in `field`, if the case says what it should be.
  void answer(const Op& op, std::string_view field, const Json& got);
  /// A member of a recorded state, if the record has it.
  void member(const std::string& where, const std::string& path, const Json& recorded,
              const char* field, const Json& got);
  void value(const std::string& where, const std::string& field, const Json& expected,
             const Json& got);

  /// A guest did not come to rest; nothing after it means anything.
  void gave_up(const Op& op, std::string reason);

  const std::optional<Difference>& difference() const { return difference_; }
  const std::string& why_gave_up() const { return gave_up_; }

 private:
  std::optional<Difference> difference_;
  std::string gave_up_;
};

std::string place_of(const Op& op);
Json list_of(const x86::VectorSet& set);

}  // namespace irqfab::conform
