#include "fabric/scenario/language.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "fabric/scenario/reference.hpp"
#include "fabric/scenario/schema.hpp"
#include "tests/fabric/scenario/corpus.hpp"

namespace irqfab::scenario {
namespace {

using test::contents;
using test::source_tree;

constexpr const char* kHowToUpdate = "run this test with IRQFAB_UPDATE=1 to write it anew";

TEST(Language, EveryKeyIsExplained) {
  for (const Table* table : all_tables()) {
    std::set<std::string_view> names;
    for (const Key& key : table->keys) {
      EXPECT_TRUE(names.insert(key.name).second) << table->name << '.' << key.name;
      if (!key.later.empty()) continue;
      EXPECT_FALSE(key.meaning.empty()) << table->name << '.' << key.name;
      EXPECT_EQ(key.meaning.back(), '.') << table->name << '.' << key.name;
      const bool has_default = key.need == Need::Defaulted || key.need == Need::Optional;
      EXPECT_EQ(has_default, !key.fallback.empty()) << table->name << '.' << key.name;
    }
  }
}

TEST(Language, KeysReferToKeysOfTheirOwnMap) {
  for (const Table* table : all_tables()) {
    for (const Key& key : table->keys) {
      for (const std::string_view names : {key.with, key.needs}) {
        for (const std::string_view name : split_names(names)) {
          EXPECT_NE(find_key(*table, name), nullptr) << table->name << '.' << name;
        }
      }
    }
  }
}

TEST(Language, TablesHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const Table* table : all_tables())
    EXPECT_TRUE(names.insert(table->name).second) << table->name;
}

TEST(Language, AFamilyOfStepsIsKnownByItsPrefix) {
  ASSERT_NE(find_key(kStepTable, "its.mapti"), nullptr);
  EXPECT_FALSE(find_key(kStepTable, "its.mapti")->later.empty());
  EXPECT_EQ(find_key(kStepTable, "its"), nullptr);
  EXPECT_EQ(find_key(kStepTable, "itsy.mapti"), nullptr);
}

TEST(Language, TheCommittedSchemaIsTheGeneratedOne) {
  const auto path = source_tree() / "scenarios/schema.json";
  const std::string schema = write_schema();
  if (test::is_update()) test::write(path, schema);
  EXPECT_EQ(contents(path), schema) << kHowToUpdate;
}

TEST(Language, TheCommittedReferenceHasTheGeneratedTables) {
  constexpr std::string_view kStart = "<!-- tables -->\n", kEnd = "<!-- end of tables -->\n";
  const auto path = source_tree() / "docs/scenarios.md";
  std::string text = contents(path);
  const std::size_t start = text.find(kStart), end = text.find(kEnd);
  ASSERT_NE(start, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t first = start + kStart.size();
  const std::string reference = '\n' + write_reference();
  if (test::is_update()) test::write(path, text.replace(first, end - first, reference));
  const std::string now = contents(path);
  EXPECT_EQ(now.substr(first, now.find(kEnd) - first), reference) << kHowToUpdate;
}

TEST(Language, TheReferenceSaysWhatKeysCannotStandBeside) {
  const std::string reference = write_reference();
  for (const auto& [key, words] :
       {std::pair{"interrupts", "one CPU"}, std::pair{"interrupts_off", "Not beside `idle: halt`"},
        std::pair{"moderation", "a device with `intx` has none"}}) {
    const std::size_t at = reference.find("\n| `" + std::string(key) + "` |");
    ASSERT_NE(at, std::string::npos) << key;
    const std::string row = reference.substr(at, reference.find('\n', at + 1) - at);
    EXPECT_NE(row.find(words), std::string::npos) << row;
  }
}

TEST(Language, TheExampleOfTheReferenceIsAScenario) {
  const std::string text = contents(source_tree() / "docs/scenarios.md");
  std::size_t examples = 0;
  for (std::size_t at = text.find("```yaml\n"); at != std::string::npos;
       at = text.find("```yaml\n", at)) {
    at += 8;
    const std::size_t end = text.find("```", at);
    const auto found = read(text.substr(at, end - at), "example of docs/scenarios.md");
    EXPECT_TRUE(found) << test::formatted(found ? Diagnostics{} : found.errors());
    ++examples;
    at = end;
  }
  EXPECT_GE(examples, 2u);
}

}  // namespace
}  // namespace irqfab::scenario
