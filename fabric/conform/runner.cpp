#include "fabric/conform/runner.hpp"

#include "fabric/conform/kvm_machine.hpp"
#include "fabric/conform/qemu_machine.hpp"

namespace irqfab::conform {
namespace {

/// A difference that the recording's verdict explains: what the case comes to then. Nothing if it
/// does not.
std::optional<Outcome> excused(const Case& test, x86::Quirks quirks, std::string& reason) {
  if (test.vocabulary != Vocabulary::QemuX86) return std::nullopt;
  const bool as_recorded = quirks == quirks_of_origin(test.vocabulary);
  if (test.verdict == Verdict::ImplementationChoice && !as_recorded) {
    reason = "the specification leaves it to the implementation, and this one chose otherwise";
    return Outcome::Pass;
  }
  if (test.verdict == Verdict::Deviates) {
    reason = as_recorded
                 ? "a deviation from the specification that is not modelled by name"
                 : "what was recorded deviates from the specification, and this behaviour does not";
    return Outcome::Skip;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::Pass:
      return "pass";
    case Outcome::Fail:
      return "fail";
    case Outcome::Skip:
      break;
  }
  return "skip";
}

x86::Quirks quirks_of_origin(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::KvmX86 ? x86::quirks_of_kvm() : x86::quirks_of_qemu();
}

CaseResult run_case(const Case& test, std::optional<x86::Quirks> chosen) {
  CaseResult result;
  result.id = test.id;
  if (test.artefact) {
    result.outcome = Outcome::Skip;
    result.reason = "shows a defect of the host that it was recorded on (an EOI carried out twice)";
    return result;
  }
  const x86::Quirks quirks = chosen.value_or(quirks_of_origin(test.vocabulary));
  const Comparison comparison =
      test.vocabulary == Vocabulary::KvmX86 ? run_kvm(test, quirks) : run_qemu(test, quirks);
  if (!comparison.why_gave_up().empty()) {
    result.outcome = Outcome::Fail;
    result.reason = comparison.why_gave_up();
  }
  if (!comparison.difference()) return result;
  result.difference = comparison.difference();
  result.outcome = excused(test, quirks, result.reason).value_or(Outcome::Fail);
  return result;
}

}  // namespace irqfab::conform
