// Each named quirk of a behaviour shows: tests/conformance/quirks.jsonl has a case for each, called
// ORIGIN/QUIRK, that holds with the quirk and does not without.
#include <gtest/gtest.h>

#include <set>

#include "fabric/conform/reader.hpp"
#include "fabric/conform/runner.hpp"

namespace irqfab::conform {
namespace {

using x86::Quirk;
using x86::Quirks;

/// No op of the vocabulary reaches a timer, and none of QEMU's an 8259.
bool out_of_reach(std::string_view origin, Quirk quirk) {
  if (quirk == Quirk::TimerRunsOn) return true;
  return origin == "qemu" && quirk == Quirk::PicEdgeLatched;
}

std::vector<Case> cases() {
  return *read_file(IRQFAB_SOURCE_DIR "/tests/conformance/quirks.jsonl");
}

class QuirkCase : public ::testing::TestWithParam<Case> {};

TEST_P(QuirkCase, HoldsWithTheQuirkAndNotWithout) {
  const Case& test = GetParam();
  const std::string name = test.id.substr(test.id.find('/') + 1);
  const auto quirk = x86::quirk_named(name);
  ASSERT_TRUE(quirk) << name;
  Quirks without = quirks_of_origin(test.vocabulary);
  const CaseResult with = run_case(test, without);
  EXPECT_EQ(with.outcome, Outcome::Pass) << with.reason;
  EXPECT_FALSE(with.difference);
  ASSERT_TRUE(without.has(*quirk));
  without.remove(*quirk);
  EXPECT_EQ(run_case(test, without).outcome, Outcome::Fail);
}

INSTANTIATE_TEST_SUITE_P(Named, QuirkCase, ::testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param.id;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return name;
});

TEST(QuirkCases, EveryQuirkOfABehaviourHasOne) {
  std::set<std::string> ids;
  for (const Case& test : cases()) ids.insert(test.id);
  for (const x86::BehaviourRow& behaviour : x86::kBehaviours) {
    for (const x86::QuirkRow& row : x86::kQuirks) {
      if (!behaviour.quirks.has(row.quirk) || out_of_reach(behaviour.name, row.quirk)) continue;
      const std::string id = std::string(behaviour.name) + '/' + std::string(row.name);
      EXPECT_EQ(ids.count(id), 1u) << id;
    }
  }
}

TEST(Behaviours, SingleQuirksCanBeAdded) {
  Quirks one;
  one.add(Quirk::IllegalVectorAccepted);
  EXPECT_EQ(x86::quirks_of("spec"), Quirks{});
  EXPECT_EQ(x86::quirks_of("qemu"), x86::quirks_of_qemu());
  EXPECT_EQ(x86::quirks_of("spec+illegal-vector-accepted"), one);
  one.add(Quirk::SmiIgnored);
  EXPECT_EQ(x86::quirks_of("spec+illegal-vector-accepted+smi-ignored"), one);
  for (const char* wrong : {"", "nonsense", "spec+", "spec+nonsense", "+smi-ignored", "spec++"}) {
    EXPECT_EQ(x86::quirks_of(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace irqfab::conform
