// The ops of conformance cases: one table for each vocabulary, from which reading, validation and
// the messages about both follow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace irqfab::conform {

enum class Vocabulary : std::uint8_t { KvmX86, QemuX86 };

enum class Kind : std::uint8_t {
  Number,        // 0..`most`
  Answer,        // a number, or "-ERRNO"
  Text,          // a string: a label, or for people
  Word,          // one of `words`
  WordOrNumber,  // or a number 0..`most`
  Flags,         // "", one of `words`, a decimal string, or a number 0..`most`
  Vectors,       // a list of numbers 0..255
  Ids,           // a list of different numbers 0..`most`
  Routes,        // a list of GSI routes
  State,         // of a VM
};

enum class Use : std::uint8_t {
  Needed,
  Optional,
  Result,   // what the op answers; compared where it is given
  Ignored,  // for people
};

struct FieldRow {
  std::string_view name;
  Kind kind = Kind::Number;
  Use use = Use::Needed;
  std::uint64_t most = 0;
  std::string_view words = {};  // separated by '|'
};

struct OpRow {
  std::string_view name;
  const FieldRow* fields = nullptr;
  std::size_t count = 0;

  const FieldRow* begin() const { return fields; }
  const FieldRow* end() const { return fields + count; }
  const FieldRow* find(std::string_view field) const;
};

struct OpRows {
  const OpRow* rows = nullptr;
  std::size_t count = 0;
  const OpRow* begin() const { return rows; }
  const OpRow* end() const { return rows + count; }
};

OpRows ops_of(Vocabulary vocabulary);
/// Null if the vocabulary has no such op.
const OpRow* find_op(Vocabulary vocabulary, std::string_view name);

/// An entry of set_gsi_routing's `routes`.
const OpRow& route_row();

}  // namespace irqfab::conform
