#include "fabric/scenario/document.hpp"

#include <gtest/gtest.h>

#include "fabric/scenario/encoding.hpp"

namespace irqfab::scenario {
namespace {

Result<Node> parse(const std::string& text) { return parse_document(text, Lines(text, "f")); }

std::string code_of(const std::string& text) {
  const auto parsed = parse(text);
  return parsed ? "" : parsed.errors().at(0).code;
}

TEST(Document, ScalarsStayTextAtTheirPlace) {
  const auto root = parse("a: 010\nb:\n  - 01:00.0\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("a")->text, "010");
  const Node& item = root->find("b")->items.at(0);
  EXPECT_EQ(item.text, "01:00.0");
  EXPECT_EQ(item.place.line, 3);
  EXPECT_EQ(item.place.column, 5);
  EXPECT_EQ(item.place.length, 7);
}

TEST(Document, QuotesAreKnownAndUnderlined) {
  const auto root = parse("a: \"x y\"\nb: 'z'\nc: z\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("a")->quoting, Quoting::Quoted);
  EXPECT_EQ(root->find("a")->place.length, 5);
  EXPECT_EQ(root->find("b")->quoting, Quoting::Quoted);
  EXPECT_EQ(root->find("c")->quoting, Quoting::Plain);
}

TEST(Document, ALengthCountsCharactersNotBytes) {
  EXPECT_EQ(parse("a: \xc3\xa9\xc3\xa9\n")->find("a")->place.length, 2);
}

TEST(Document, AnEmptyValueStandsAtItsKey) {
  const auto root = parse("a:\n\n\nb: 1\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("a")->kind, NodeKind::Null);
  EXPECT_EQ(root->find("a")->place.line, 1);
}

TEST(Document, AliasesStandForCopies) {
  const auto root = parse("a: &x { k: [1, 2] }\nb: *x\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("b")->find("k")->items.size(), 2u);
}

TEST(Document, WhatYamlReadersAcceptInSilenceIsRefused) {
  EXPECT_EQ(code_of("a: 1\na: 2\n"), "duplicate-key");
  EXPECT_EQ(code_of("a: 1\n\"a\": 2\n"), "duplicate-key");
  EXPECT_EQ(code_of("a: 1\n---\nb: 2\n"), "second-document");
  EXPECT_EQ(code_of("a: 1\n...\n---\n"), "second-document");
  EXPECT_EQ(code_of(""), "empty");
  EXPECT_EQ(code_of("# only this\n"), "empty");
  EXPECT_EQ(code_of("a: !!int 3\n"), "tag");
  EXPECT_EQ(code_of("<<: { a: 1 }\n"), "merge-key");
  EXPECT_EQ(code_of("? [ a ]\n: 1\n"), "bad-key");
  EXPECT_EQ(code_of("a: &x [ *x ]\n"), "bad-alias");
}

TEST(Document, AnEscapeCannotBringInAControlCharacter) {
  EXPECT_EQ(code_of("a: \"x\\0y\"\n"), "bad-encoding");
  EXPECT_EQ(code_of("a: \"\\x1b[31m\"\n"), "bad-encoding");
  EXPECT_EQ(code_of("a: \"x\\ty\\n\"\n"), "");
}

TEST(Document, AQuotedMergeKeyIsAKeyLikeAnyOther) { EXPECT_EQ(code_of("\"<<\": 1\n"), ""); }

TEST(Document, NestingHasALimit) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + 'x' + std::string(depth, ']');
  };
  EXPECT_EQ(code_of(nested(kMaxDepth)), "");
  EXPECT_EQ(code_of(nested(kMaxDepth + 1)), "too-deep");
  EXPECT_EQ(code_of(std::string(1'000'000, '[')), "too-deep");
  EXPECT_EQ(code_of(std::string(1'000'000, '{')), "too-deep");
}

TEST(Document, AliasesCannotMultiplyBeyondTheLimit) {
  std::string bomb = "- &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string older = "*a" + std::to_string(i - 1);
    bomb += "- &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += older + (k < 9 ? "," : "]\n");
  }
  EXPECT_EQ(code_of(bomb), "too-large");
}

TEST(Document, SizeHasALimit) {
  EXPECT_EQ(code_of("a: " + std::string(kMaxFileBytes, 'x')), "too-large");
}

TEST(Document, ErrorsOfOneKindDoNotPileUp) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a: 1\n";
  const auto parsed = parse(text);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.errors().size(), kMaxErrors + 1);
  EXPECT_EQ(parsed.errors().back().code, "more-errors");
}

TEST(Encoding, OnlyUtf8TextPasses) {
  using namespace std::string_literals;
  EXPECT_FALSE(find_encoding_fault("plain\ttext\r\n"));
  EXPECT_FALSE(find_encoding_fault("\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf"));
  EXPECT_EQ(find_encoding_fault("ab\x80")->offset, 2u);
  EXPECT_EQ(find_encoding_fault("a\xc3")->offset, 1u) << "cut off at the end";
  EXPECT_TRUE(find_encoding_fault("a\xc0\xaf")) << "overlong";
  EXPECT_TRUE(find_encoding_fault("a\xe0\x80\x80")) << "overlong";
  EXPECT_TRUE(find_encoding_fault("a\xf0\x80\x80\x80")) << "overlong";
  EXPECT_TRUE(find_encoding_fault("a\xed\xa0\x80")) << "surrogate";
  EXPECT_TRUE(find_encoding_fault("a\xf4\x90\x80\x80")) << "beyond U+10FFFF";
  EXPECT_EQ(find_encoding_fault("abc\0d"s)->offset, 3u);
  EXPECT_TRUE(find_encoding_fault("abc\x1b[1m"));
  EXPECT_TRUE(find_encoding_fault("abc\x7f"));
  EXPECT_TRUE(
      find_encoding_fault("\xff\xfe"
                          "a\0"s));
  EXPECT_TRUE(find_encoding_fault("\0a\0b"s));
}

}  // namespace
}  // namespace irqfab::scenario
