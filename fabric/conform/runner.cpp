#include "fabric/conform/runner.hpp"

#include "fabric/conform/kvm_machine.hpp"
#include "fabric/conform/qemu_machine.hpp"

namespace irqfab::conform {
namespace {

using x86::Behaviour;

Behaviour origin_of(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::KvmX86 ? Behaviour::Kvm : Behaviour::Qemu;
}

/// A difference that the recording's verdict explains: what the case comes to then. Nothing if it
/// does not.
std::optional<Outcome> excused(const Case& test, Behaviour behaviour, std::string& reason) {
  if (test.vocabulary != Vocabulary::QemuX86) return std::nullopt;
  const bool as_recorded = behaviour == Behaviour::Qemu;
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

CaseResult run_case(const Case& test, std::optional<Behaviour> chosen) {
  CaseResult result;
  result.id = test.id;
  if (test.artefact) {
    result.outcome = Outcome::Skip;
    result.reason = "shows a defect of the host that it was recorded on (an EOI carried out twice)";
    return result;
  }
  const Behaviour behaviour = chosen.value_or(origin_of(test.vocabulary));
  const Comparison comparison =
      test.vocabulary == Vocabulary::KvmX86 ? run_kvm(test, behaviour) : run_qemu(test, behaviour);
  if (!comparison.why_gave_up().empty()) {
    result.outcome = Outcome::Fail;
    result.reason = comparison.why_gave_up();
  }
  if (!comparison.difference()) return result;
  result.difference = comparison.difference();
  result.outcome = excused(test, behaviour, result.reason).value_or(Outcome::Fail);
  return result;
}

}  // namespace irqfab::conform
