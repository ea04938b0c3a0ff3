#include "fabric/recording/line_source.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using Lines = std::vector<std::string>;

struct Read {
  Lines lines;
  std::string failure;
  std::uint64_t number = 0;
};

Read lines_of(const std::string& text) {
  std::istringstream in(text);
  LineSource source{ByteSource(in)};
  Read out;
  while (const auto line = source.next()) out.lines.emplace_back(*line);
  out.failure = source.failure();
  out.number = source.number();
  return out;
}

TEST(LineSource, EndsLinesAtLfAndCrLfAndKeepsALastLineWithoutEnd) {
  EXPECT_EQ(lines_of("a\r\n\nb\nc").lines, (Lines{"a", "", "b", "c"}));
  EXPECT_EQ(lines_of("a\n").lines, Lines{"a"});
  EXPECT_EQ(lines_of("").lines, Lines{});
}

TEST(LineSource, DropsAByteOrderMark) {
  EXPECT_EQ(lines_of("\xEF\xBB\xBF"
                     "a")
                .lines,
            Lines{"a"});
}

TEST(LineSource, InflatesWhatStartsWithTheGzipMagic) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "line " + std::to_string(i) + '\n';
  const Read read = lines_of(test::gzip(text));
  ASSERT_EQ(read.lines.size(), 50'000u);
  EXPECT_EQ(read.lines.back(), "line 49999");
  EXPECT_EQ(read.failure, "");
}

TEST(LineSource, InflatesOneMemberAfterTheOther) {
  EXPECT_EQ(lines_of(test::gzip("a\nb") + test::gzip("c\n")).lines, (Lines{"a", "bc"}));
}

TEST(LineSource, RefusesCompressedDataThatEndsTooEarly) {
  const std::string whole = test::gzip("one line\nanother line\n");
  const Read read = lines_of(whole.substr(0, whole.size() - 4));
  EXPECT_EQ(read.failure, "the compressed data ends too early");
}

TEST(LineSource, RefusesDamagedCompressedData) {
  std::string damaged = test::gzip(std::string(1000, 'a') + '\n');
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0xFF);
  EXPECT_EQ(lines_of(damaged).failure, "the compressed data is damaged");
}

TEST(LineSource, TakesTheLongestLineAndRefusesALongerOneWithItsNumber) {
  EXPECT_EQ(lines_of(std::string(kLongestLine, 'a')).lines.size(), 1u);
  const Read read = lines_of("a\n" + std::string(kLongestLine + 1, 'a') + "\nb\n");
  EXPECT_EQ(read.lines, Lines{"a"});
  EXPECT_EQ(read.failure, "the line is longer than 65536 bytes");
  EXPECT_EQ(read.number, 2u);
}

}  // namespace
}  // namespace irqfab::recording
