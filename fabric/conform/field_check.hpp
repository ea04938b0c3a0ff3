// Are an op's fields what its row of the vocabulary says?
#pragma once

#include <optional>
#include <string>

#include "fabric/conform/value.hpp"
#include "fabric/conform/vocabulary.hpp"

namespace irqfab::conform {

/// What is wrong, and where: a field, or empty for the op as a whole.
struct Fault {
  std::string field;
  std::string code;
  std::string message;
  std::string expected;
  std::size_t number = 0;  // of the op; 0: the case as a whole
};

std::string_view name_of(Vocabulary vocabulary);
/// "one of: ...", for a message.
std::string op_names(Vocabulary vocabulary);

std::optional<Fault> fault_of_fields(const OpRow& row, const Json& fields);
/// Of one value.
std::optional<Fault> fault_of_value(const FieldRow& row, const Json& value);

}  // namespace irqfab::conform
