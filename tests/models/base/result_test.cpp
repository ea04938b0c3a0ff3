// How a diagnostic is shown: its line, its caret, and nothing that a terminal would act on.
#include "models/base/result.hpp"

#include <gtest/gtest.h>

#include "models/base/utf8.hpp"

namespace irqfab {
namespace {

/// An error at a column of the first line of "f".
Diagnostic at(int column, int length, std::string_view line) {
  Diagnostic d;
  d.where.file = "f";
  d.where.line = 1;
  d.where.column = column;
  d.where.length = length;
  d.message = "wrong";
  show_line(d, line);
  return d;
}

std::string shown_at(int column, int length, std::string_view line) {
  const std::string text = format(at(column, length, line));
  return text.substr(text.find('\n') + 1);
}

TEST(Format, TheCaretStandsUnderItsColumn) {
  EXPECT_EQ(shown_at(4, 3, "a: bcd e"), "  a: bcd e\n     ^~~\n");
  EXPECT_EQ(shown_at(1, 1, "a"), "  a\n  ^\n");
  EXPECT_EQ(shown_at(3, 1, "ab"), "  ab\n    ^\n") << "behind the end";
}

TEST(Format, TabsAreRepeatedAboveTheCaret) {
  EXPECT_EQ(shown_at(4, 1, "\ta\tb"), "  \ta\tb\n  \t \t^\n");
}

TEST(Format, AColumnCountsBytesAndTheCaretWhatIsSeen) {
  EXPECT_EQ(shown_at(6, 1, "\xc3\xa9\xc3\xa9 x"), "  \xc3\xa9\xc3\xa9 x\n     ^\n");
  EXPECT_EQ(shown_at(5, 1, "\xe4\xb8\xad x"), "  \xe4\xb8\xad x\n     ^\n") << "two columns wide";
  EXPECT_EQ(shown_at(1, 2, "\xe4\xb8\xad\xe6\x96\x87"), "  \xe4\xb8\xad\xe6\x96\x87\n  ^~~~\n");
  EXPECT_EQ(shown_at(5, 1, "e\xcc\x81 x"), "  e\xcc\x81 x\n    ^\n") << "an accent of its own";
}

TEST(Format, NothingIsUnderlinedBeyondTheLine) {
  EXPECT_EQ(shown_at(2, 1000, "abc"), "  abc\n   ^~\n");
}

TEST(Format, OfALongLineThePartAroundThePlaceIsShown) {
  const std::string line = std::string(500, 'a') + "X" + std::string(500, 'b');
  EXPECT_EQ(shown_at(501, 1, line), "  ..." + std::string(80, 'a') + "X" + std::string(79, 'b') +
                                        "...\n  " + std::string(83, ' ') + "^\n");
  EXPECT_EQ(shown_at(1, 1, line), "  " + std::string(160, 'a') + "...\n  ^\n");
  EXPECT_EQ(shown_at(1002, 1, line),
            "  ..." + std::string(80, 'b') + "\n  " + std::string(83, ' ') + "^\n");
}

TEST(Format, ALongLineIsNotCutWithinACharacter) {
  std::string line;
  for (int i = 0; i < 300; ++i) line += "\xe4\xb8\xad";
  for (int column = 1; column <= 900; ++column) {
    EXPECT_EQ(shown_at(column, 1, line).find('?'), std::string::npos) << column;
  }
}

TEST(Format, NothingReachesATerminalThatItWouldActOn) {
  Diagnostic d = at(1, 1, "\x1b[2J\xc2\x9b\xe2\x80\xae\xff\x7f");
  d.where.file = "a\x1b]0;b\x07";
  d.message = "no\nnewline";
  d.expected = "\r";
  EXPECT_EQ(format(d), "a?]0;b?:1:1: error: no?newline\n  ?[2J????\n  ^\n  expected ?\n");
}

TEST(Utf8, ACharacterIsWhatRfc3629SaysItIs) {
  EXPECT_EQ(character_at("\xf0\x9f\x98\x80", 0).code, char32_t{0x1F600});
  EXPECT_EQ(character_at("\xf0\x9f\x98\x80", 0).size, 4u);
  EXPECT_EQ(character_at("\xed\x9f\xbf", 0).code, char32_t{0xD7FF});
  for (const char* none : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe4\xb8", "\xc3("}) {
    EXPECT_EQ(character_at(none, 0).size, 0u) << none;
  }
}

}  // namespace
}  // namespace irqfab
