// Runs conformance cases on the simulated machines and compares.
//
// A case gets a machine of its own in its reset state; after each op the machine runs until nothing
// moves. What a case comes to: pass, fail, or skip for a reason that the format permits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fabric/conform/case.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::conform {

enum class Outcome : std::uint8_t { Pass, Fail, Skip };
std::string_view name_of(Outcome outcome);

/// The first place where a case and its recording part.
struct Difference {
  std::string op;     // "op 7: irq_line_status", or "observed"
  std::string field;  // "status", "cpu[0].irr"
  Json expected;
  Json got;
};

struct CaseResult {
  std::string id;
  Outcome outcome = Outcome::Pass;
  std::string reason;  // of a skip, or of a pass that is not plain
  std::optional<Difference> difference;
};

/// Whose quirks a case of this vocabulary was recorded with.
x86::Quirks quirks_of_origin(Vocabulary vocabulary);

/// `quirks` absent: those of the case's origin.
CaseResult run_case(const Case& test, std::optional<x86::Quirks> quirks);

}  // namespace irqfab::conform
