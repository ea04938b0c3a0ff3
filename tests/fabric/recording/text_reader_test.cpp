#include "fabric/recording/text_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using test::data;
using test::read;
using test::Reading;

constexpr const char* kGood = "p5-5944 [000] 1.000000: kvm_eoi: apicid 0 vector 65\n";

std::string position(const Reading& reading) {
  if (reading.errors.empty()) return "no error";
  const SourceRange& where = reading.errors.front().where;
  return where.file + ':' + std::to_string(where.line) + ':' + std::to_string(where.column);
}

TEST(TextReader, CountsWhatItUnderstandsAndWhatItIgnoresByName) {
  const Reading reading = read(data("flags.txt"));
  EXPECT_TRUE(reading.errors.empty());
  EXPECT_EQ(reading.report.format, Format::TraceCmd);
  EXPECT_EQ(reading.report.events, 13u);
  EXPECT_EQ(reading.report.understood, 12u);
  EXPECT_EQ(reading.report.ignored, (CountByName{{"sched_waking", 1}}));
  EXPECT_EQ(reading.report.understood_by_name.at("kvm_apic_accept_irq"), 3u);
}

TEST(TextReader, ReadsPerfScriptWithPeriodsProcessIdsAndCallchains) {
  const Reading reading = read(data("perf.txt"));
  EXPECT_TRUE(reading.errors.empty());
  EXPECT_EQ(reading.report.format, Format::PerfScript);
  EXPECT_EQ(reading.report.understood, 4u);
  EXPECT_EQ(reading.report.continuations, 4u);
  EXPECT_EQ(reading.report.lost, 9u);
  EXPECT_EQ(reading.report.ignored, (CountByName{{"PERF_RECORD_LOST", 1},
                                                 {"kvm_inj_virq", 1},
                                                 {"kvm_page_fault", 1},
                                                 {"sched_switch", 1}}));
  EXPECT_EQ(reading.comms.at(1), "vmm thread-2 #1");
}

TEST(TextReader, ReadsFtracesOwnFileAndWhatItsHeaderSaysIsMissing) {
  const Reading reading = read(data("ftrace.txt"));
  EXPECT_TRUE(reading.errors.empty());
  EXPECT_EQ(reading.report.events, 4u);
  EXPECT_EQ(reading.report.lost, 6u + 3u);
  EXPECT_EQ(reading.report.gaps, 3u) << "the last gap is of unknown size";
}

TEST(TextReader, CrLfAndCompressionChangeNothing) {
  for (const char* name : {"flags.txt", "perf.txt", "joined.txt"}) {
    std::string crlf;
    for (const char c : data(name)) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    const Reading plain = read(data(name)), windows = read(crlf), packed = read(test::gzip(crlf));
    EXPECT_FALSE(plain.times.empty());
    EXPECT_EQ(plain.times, windows.times) << name;
    EXPECT_EQ(plain.times, packed.times) << name;
    EXPECT_EQ(plain.report.understood_by_name, packed.report.understood_by_name) << name;
    EXPECT_TRUE(packed.errors.empty()) << name;
  }
}

TEST(TextReader, TicksNeedAFrequencyAndAreNoted) {
  const std::string text = "a-1 [000] 5200000000: kvm_eoi: apicid 0 vector 65\n";
  const Reading plain = read(text);
  EXPECT_EQ(plain.times, (std::vector<std::uint64_t>{5'200'000'000}));
  ASSERT_EQ(plain.report.notes.size(), 1u);
  EXPECT_EQ(plain.report.notes[0].code, "ticks");
  ReadOptions options;
  options.ticks_per_second = 2'600'000'000;
  EXPECT_EQ(read(text, options).times, (std::vector<std::uint64_t>{2'000'000'000}));
}

TEST(TextReader, TruncatedLinesAreErrorsWithTheirPlace) {
  EXPECT_EQ(position(read(std::string(kGood) + "p5-5944 [000] 1.00")), "file:2:15");
  EXPECT_EQ(position(read(std::string(kGood) + "p5-5944 [000] 1.000001: kvm_eoi: apicid 0 vec")),
            "file:2:43");
  EXPECT_EQ(position(read(std::string(kGood) + "p5-59")), "file:2:1");
}

TEST(TextReader, ALineIsNeverTakenForPartOfAMarker) {
  const std::string marker = "a-1 [000] 1.0: print: tracing_mark_write: inj 0\n";
  EXPECT_EQ(position(read(marker + "p5-5944 [00")), "file:2:1");
}

TEST(TextReader, NothingAndGarbageAreErrors) {
  EXPECT_EQ(position(read("")), "file:0:1");
  EXPECT_EQ(read("\n# only comments\n").errors.at(0).code, "empty");
  EXPECT_EQ(position(read("hello\n")), "file:1:1");
  std::mt19937 random(1);  // its output is fixed by the standard
  std::string garbage;
  for (int i = 0; i < 100'000; ++i) garbage += static_cast<char>(random());
  const Reading reading = read(garbage);
  ASSERT_FALSE(reading.errors.empty());
  for (const char c : reading.errors[0].line) {
    EXPECT_TRUE(c == '\t' || (c >= 0x20 && c < 0x7F)) << "what a terminal would obey";
  }
}

TEST(TextReader, BinaryRecordingsAreNamed) {
  EXPECT_EQ(read("\x17\x08\x44tracing6\n").errors.at(0).message,
            "this is a trace.dat of trace-cmd, not its text");
  EXPECT_EQ(read("PERFILE2h\n").errors.at(0).code, "binary");
}

TEST(TextReader, OneFileHasOneFormatAndOneClock) {
  EXPECT_EQ(read(std::string(kGood) + "p5 5944 [000] 1.000001: kvm:kvm_eoi: apicid 0 vector 65\n")
                .errors.at(0)
                .code,
            "mixed-formats");
  EXPECT_EQ(read(std::string(kGood) + "p5-5944 [000] 1000001: kvm_eoi: apicid 0 vector 65\n")
                .errors.at(0)
                .code,
            "mixed-clocks");
}

TEST(TextReader, AnErrorStays) {
  std::istringstream in("garbage\n" + std::string(kGood));
  TextReader reader(in);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST(TextReader, UnsortedTimesAndNewerFieldsAreNotedOnce) {
  const std::string text = std::string(kGood) +
                           "a-1 [000] 0.5: kvm_eoi: apicid 0 vector 1 new 7\n" +
                           "a-1 [000] 0.4: kvm_eoi: apicid 0 vector 1 new 7\n";
  const Reading reading = read(text);
  EXPECT_TRUE(reading.errors.empty());
  ASSERT_EQ(reading.report.notes.size(), 2u);
  EXPECT_EQ(reading.report.notes[0].code, "more-fields");
  EXPECT_EQ(reading.report.notes[0].where.column, 43);
  EXPECT_EQ(reading.report.notes[1].code, "time-goes-back");
}

TEST(TextReader, AnyCutAndAnyDamagedByteEndsInEventsOrAnError) {
  std::mt19937 random(2);
  for (const char* name : {"flags.txt", "perf.txt", "joined.txt", "firmware.txt"}) {
    const std::string whole = data(name);
    for (int i = 0; i < 300; ++i) {
      std::string text = whole.substr(0, random() % whole.size());
      for (int k = 0; k < 3 && !text.empty(); ++k) {
        text[random() % text.size()] = static_cast<char>(random());
      }
      const Reading reading = read(text);
      EXPECT_EQ(reading.report.events, reading.times.size());
      EXPECT_LE(reading.errors.size(), 1u);
    }
  }
}

}  // namespace
}  // namespace irqfab::recording
