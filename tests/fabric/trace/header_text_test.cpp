// What the header says beyond names: all of it comes back, and none of it is needed.
#include "fabric/trace/header_text.hpp"

#include <gtest/gtest.h>

namespace irqfab::trace {
namespace {

TraceHeader header() {
  TraceHeader header;
  header.title = "A title";
  header.mutants = {"one", "two"};
  for (const char* name : {"a0", "a1", "b", "run"}) header.nodes.add(name);
  header.sources.add("x:0");
  header.sources.add("x:1");
  header.components = {{"a", 2}, {"b", 1}};
  header.paths = {"y", "x"};
  header.path_of_source.add(1);
  header.path_of_source.add(0);
  header.prices[static_cast<std::size_t>(Event::MsiSent)] = {"no figure found", "assumed"};
  return header;
}
void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  ASSERT_NE(at, text.npos) << from;
  text.replace(at, from.size(), to);
}
std::string problem(const std::string& from, const std::string& to) {
  std::string text = to_text(header());
  replace(text, from, to);
  const auto parsed = from_text(text);
  const auto* wrong = std::get_if<std::string>(&parsed);
  return wrong == nullptr ? "" : *wrong;
}

TEST(TraceHeaderText, WhatReportsGroupByIsReadBack) {
  const auto parsed = from_text(to_text(header()));
  ASSERT_TRUE(std::holds_alternative<ParsedHeader>(parsed));
  EXPECT_TRUE(std::get<ParsedHeader>(parsed).header == header());
}

TEST(TraceHeaderText, NoneOfItIsNeeded) {
  TraceHeader bare = header();
  bare.title.clear();
  bare.mutants.clear();
  bare.components.clear();
  bare.paths.clear();
  bare.path_of_source = {};
  bare.prices = {};
  const std::string text = to_text(bare);
  for (const char* member : {"title", "mutants", "components", "path_of_source", "price_kind"}) {
    EXPECT_EQ(text.find('"' + std::string(member) + '"'), text.npos) << member;
  }
  const auto parsed = from_text(text);
  ASSERT_TRUE(std::holds_alternative<ParsedHeader>(parsed));
  EXPECT_TRUE(std::get<ParsedHeader>(parsed).header == bare);
}

TEST(TraceHeaderText, ComponentsHaveNoMoreNodesThanTheTrace) {
  EXPECT_EQ(problem("\"nodes\":1}", "\"nodes\":2}"), "");
  EXPECT_EQ(problem("\"nodes\":1}", "\"nodes\":3}"), "'nodes' is not a number from 0 to 2");
  EXPECT_EQ(problem("\"components\":[", "\"components\":[1,"), "'nodes' is missing");
}

TEST(TraceHeaderText, EverySourceIsOfAPathThatThereIs) {
  EXPECT_EQ(problem("[1,0]", "[1]"), "'path_of_source' is not one a source");
  EXPECT_EQ(problem("[1,0]", "[1,2]"), "'path_of_source' is not an array of indices of 'paths'");
  EXPECT_EQ(problem("[1,0]", "[1,-1]"), "'path_of_source' is not an array of indices of 'paths'");
}

}  // namespace
}  // namespace irqfab::trace
