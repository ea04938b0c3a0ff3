#include "fabric/report/vocabulary.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace irqfab::report {
namespace {

const Profile& default_profile() { return built_in_profiles().front(); }

const VocabularyRow& row_named(const std::vector<VocabularyRow>& rows, std::string_view name) {
  for (const VocabularyRow& row : rows) {
    if (row.name == name) return row;
  }
  throw std::runtime_error("no row " + std::string(name));
}

TEST(Vocabulary, EveryEventIsThereAndExplained) {
  const auto rows = vocabulary(default_profile());
  ASSERT_EQ(rows.size(), kEventCount);
  std::set<std::string_view> names;
  for (const VocabularyRow& row : rows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.meaning.back(), '.') << row.name;
    EXPECT_FALSE(row.detail.empty()) << row.name;
    EXPECT_FALSE(row.price_source.empty()) << row.name;
    // Only an event that takes no time may be without the kind of its price.
    if (row.ps != 0) {
      EXPECT_NE(row.price_kind, "none") << row.name;
    }
  }
}

TEST(Vocabulary, PricesAreThoseOfTheProfile) {
  Profile profile{"p", "for this test", {{"fast", 2'000'000'000}}, {}};
  profile.rows.push_back(
      {Event::MsiSent, {7000, ""}, {}, 0, Align::None, PriceKind::Measured, "a"});
  profile.rows.push_back(
      {Event::MessageRouted, {10, "fast"}, {}, 0, Align::None, PriceKind::Published, "b"});
  const auto rows = vocabulary(profile);
  const VocabularyRow& sent = row_named(rows, "MsiSent");
  EXPECT_EQ(sent.ps, 7000u);
  EXPECT_FALSE(sent.cycles);
  EXPECT_EQ(sent.price_kind, "measured");
  EXPECT_EQ(sent.price_source, "a");
  const VocabularyRow& routed = row_named(rows, "MessageRouted");
  EXPECT_EQ(routed.ps, 5000u);
  EXPECT_EQ(routed.cycles, 10u);
  EXPECT_EQ(routed.clock, "fast");
  EXPECT_EQ(row_named(rows, "BridgeForwarded").price_source, "free: no row in the timing table");
  EXPECT_EQ(row_named(rows, "Pended").price_kind, "none");
  EXPECT_EQ(row_named(rows, "HandlerStep").price_kind, "scenario");
}

TEST(Vocabulary, BarsDoNotBreakTheTablesOfTheDocument) {
  const std::string text = vocabulary_markdown(default_profile());
  EXPECT_NE(text.find("| CPU << 8 \\| vector |"), text.npos);
}

TEST(Vocabulary, TheCommittedDocumentIsTheGeneratedOne) {
  const std::string path = std::string(IRQFAB_SOURCE_DIR) + "/docs/events.md";
  const std::string text = vocabulary_markdown(default_profile());
  if (std::getenv("IRQFAB_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream in(path, std::ios::binary);
  const std::string committed{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(committed, text) << "run this test with IRQFAB_UPDATE=1 to write it anew";
}

}  // namespace
}  // namespace irqfab::report
