// A conformance case as it was read: what machine, which ops in order, what was observed.
// Everything in it has been checked against its vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/conform/value.hpp"
#include "fabric/conform/vocabulary.hpp"
#include "models/base/result.hpp"

namespace irqfab::conform {

/// What the recording says of a case of QEMU's.
enum class Verdict : std::uint8_t { NoDeviationKnown, ImplementationChoice, Deviates };

struct Op {
  const OpRow* row = nullptr;
  std::size_t number = 0;  // from 1 on, `setup` first, then `stimulus`
  Json fields;             // without "op"

  std::string_view name() const { return row->name; }
  bool has(std::string_view field) const { return fields.contains(field); }
  /// 0 for a field that is absent; the reader has bounded it.
  std::uint64_t number_of(std::string_view field) const;
  /// Empty for a field that is absent.
  std::string text_of(std::string_view field) const;
};

struct Case {
  std::string id;
  SourceRange where;
  Vocabulary vocabulary = Vocabulary::KvmX86;
  Verdict verdict = Verdict::NoDeviationKnown;
  bool artefact = false;  // shows a defect of the host that it was recorded on
  Json machine;           // qemu_x86
  std::vector<Op> ops;
  Json observed;
};

}  // namespace irqfab::conform
