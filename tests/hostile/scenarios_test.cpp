// What hostile and tired people write into scenario files: each input is refused, with the errors
// that stand beside it, and no two tests are about the same error at the same place for lack of
// ideas.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fabric/scenario/encoding.hpp"
#include "fabric/scenario/reader.hpp"
#include "models/base/result.hpp"
#include "tests/fabric/scenario/corpus.hpp"

namespace irqfab::scenario {
namespace {

using test::contents;
using test::formatted;

std::vector<std::filesystem::path> hostile_files() {
  return test::yaml_files(test::source_tree() / "tests/hostile/scenarios");
}

TEST(HostileScenarios, EveryFileIsRefusedWithTheErrorsBesideIt) {
  for (const auto& path : hostile_files()) {
    const auto found = read(contents(path), path.filename());
    ASSERT_FALSE(found) << path.filename() << " is accepted";
    auto expected = path;
    expected.replace_extension(".expected");
    const std::string text = formatted(found.errors());
    if (test::is_update()) test::write(expected, text);
    EXPECT_EQ(text, contents(expected)) << path.filename();
  }
}

TEST(HostileScenarios, MoreThanSixtyErrorsAndPlacesAreDistinct) {
  std::set<std::string> codes;
  std::set<std::string> places;
  for (const auto& path : hostile_files()) {
    const auto found = read(contents(path), path.filename());
    ASSERT_FALSE(found) << path.filename();
    for (const Diagnostic& error : found.errors()) {
      codes.insert(error.code);
      places.insert(error.code + ' ' + std::to_string(error.where.line) + ':' +
                    std::to_string(error.where.column));
    }
  }
  EXPECT_GE(places.size(), 60u);
  EXPECT_GE(codes.size(), 30u);
}

TEST(HostileScenarios, NoDiagnosticHasAByteThatATerminalActsOn) {
  for (const auto& path : hostile_files()) {
    const auto found = read(contents(path), "name\x1b[2J\xc2\x9b.yaml");
    ASSERT_FALSE(found);
    EXPECT_FALSE(find_encoding_fault(formatted(found.errors()))) << path.filename();
  }
}

}  // namespace
}  // namespace irqfab::scenario
