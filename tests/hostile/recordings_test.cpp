// What else a recording in text form may be, damaged or meant to harm: events or an error with its
// place come of it, in bounded memory. tests/fabric/recording has the ordinary damage.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "fabric/recording/reconstruct.hpp"
#include "fabric/recording/text_reader.hpp"
#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

constexpr const char* kEvent =
    "  vcpu-1 [000] 100.000001: kvm_msi_set_irq: dst 0 vec 65 (Fixed|physical|edge)\n";

struct ReadBack {
  std::uint64_t events = 0;
  std::string problem;  // "CODE LINE"
  std::string shown;
};

ReadBack read(const std::string& text) {
  std::istringstream in(text);
  TextReader reader(in);
  ReadBack back;
  for (;;) {
    const auto event = reader.next();
    if (!event) {
      const Diagnostic& error = event.errors().front();
      back.problem = error.code + ' ' + std::to_string(error.where.line);
      back.shown = format(error);
      return back;
    }
    if (!*event) return back;
    ++back.events;
  }
}

TEST(HostileRecordings, TheEventOfTheseTestsIsOne) { EXPECT_EQ(read(kEvent).events, 1u); }

TEST(HostileRecordings, BinaryLinesAreRefusedAndShownSafely) {
  std::string binary = kEvent;
  for (int c = 1; c < 256; ++c) {
    if (c != '\n') binary += static_cast<char>(c);
  }
  const ReadBack back = read(binary + '\n');
  EXPECT_NE(back.problem, "");
  for (const char c : back.shown) {
    EXPECT_TRUE(c == '\n' || c == '\t' || (c >= ' ' && c <= '~')) << static_cast<int>(c);
  }
}

TEST(HostileRecordings, ALineOfAMegabyteIsRefusedByItsNumber) {
  const ReadBack back = read(kEvent + std::string(1u << 20, 'x') + '\n');
  EXPECT_EQ(back.problem.substr(back.problem.rfind(' ')), " 2") << back.problem;
  EXPECT_LT(back.shown.size(), 2000u);
}

TEST(HostileRecordings, NumbersThatOverflowAreRefused) {
  for (const char* line :
       {"  vcpu-1 [000] 99999999999999999999.000001: kvm_msi_set_irq: dst 0 vec 65 (Fixed)\n",
        "  vcpu-1 [99999999999] 100.000001: kvm_msi_set_irq: dst 0 vec 65 (Fixed)\n",
        "  vcpu-1 [000] 100.000001: kvm_msi_set_irq: dst 0 vec 99999999999999999999 (Fixed)\n",
        "  vcpu-1 [000] 100.000001: kvm_msi_set_irq: dst -1 vec 65 (Fixed)\n",
        "  vcpu-1 [000] 100.000001: kvm_msi_set_irq: dst 0 vec 256 (Fixed)\n",
        "  vcpu-1 [000] 100.000001: kvm_set_irq: gsi 4294967296 level 1 source 0\n"}) {
    EXPECT_NE(read(kEvent + std::string(line)).problem, "") << line;
  }
}

TEST(HostileRecordings, TimesThatRunBackwardsAreNotedAndLoseNothing) {
  const std::string earlier =
      "  vcpu-2 [001] 99.000001: kvm_msi_set_irq: dst 0 vec 66 (Fixed|physical|edge)\n";
  std::istringstream in(kEvent + earlier + kEvent + earlier);
  TextReader reader(in);
  std::uint64_t events = 0;
  for (auto event = reader.next(); event && *event; event = reader.next()) ++events;
  EXPECT_EQ(events, 4u) << "two CPUs write to two buffers";
  EXPECT_EQ(reader.report().notes.size(), 1u);
}

TEST(HostileRecordings, ASmallFileThatGrowsToAHugeLineEndsAtTheLongestLine) {
  const std::string bomb = test::gzip(kEvent + std::string(64u << 20, 'A'));
  EXPECT_LT(bomb.size(), 128u << 10);
  const ReadBack back = read(bomb);
  EXPECT_EQ(back.events, 1u);
  EXPECT_NE(back.problem, "");
}

TEST(HostileRecordings, CompressedDataCutAnywhereIsNoRecording) {
  const std::string whole = test::gzip(kEvent);
  for (std::size_t length = 3; length < whole.size(); ++length) {
    EXPECT_NE(read(whole.substr(0, length)).problem, "") << length;
  }
  EXPECT_NE(read(whole + "no gzip member").problem, "");
  EXPECT_NE(read(test::gzip(whole)).problem, "") << "compressed twice";
}

}  // namespace
}  // namespace irqfab::recording
