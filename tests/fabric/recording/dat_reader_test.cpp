// The binary road: the same as the text of the same events, and nothing of a damaged file.
#include "fabric/recording/dat_reader.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <set>

#include "fabric/recording/emit.hpp"
#include "fabric/recording/open.hpp"
#include "tests/fabric/recording/dat_maker.hpp"
#include "tests/fabric/recording/recordings.hpp"

namespace irqfab::recording {
namespace {

using test::Buffer;
using test::DatMaker;
using test::errors_of;

constexpr const char* kMixed = "mixed-edge-1vcpu-cpl3spin";

trace::Descriptor file_of(const std::string& bytes) {
  trace::Descriptor file(::memfd_create("dat", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

Result<Recording> import_dat(const std::string& bytes) {
  const trace::Descriptor file = file_of(bytes);
  auto reader = DatReader::start(file, "file", dat_limits(bytes.size()));
  if (!reader) return reader.errors();
  return reconstruct(*reader, "file");
}

std::string code_of(const std::string& bytes) {
  const auto imported = import_dat(bytes);
  return imported ? "" : imported.errors().at(0).code;
}

void expect_same(const Result<Recording>& dat, const Result<Recording>& text) {
  ASSERT_TRUE(dat) << errors_of(dat);
  ASSERT_TRUE(text) << errors_of(text);
  EXPECT_EQ(dat->read.events, text->read.events);
  EXPECT_EQ(dat->read.understood_by_name, text->read.understood_by_name);
  EXPECT_EQ(dat->read.ignored, text->read.ignored);
  EXPECT_EQ(dat->truth.handled.size(), text->truth.handled.size());
  EXPECT_EQ(dat->truth.claims.size(), text->truth.claims.size());
  const EmitOptions options{"recording", "calls.events", ""};
  const auto one = emit(*dat, options), other = emit(*text, options);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->scenario, other->scenario);
  EXPECT_EQ(one->records, other->records);
  EXPECT_EQ(one->nodes, other->nodes);
}

RecordedEvent event(std::uint64_t ns, std::uint32_t cpu, What what, std::string_view name) {
  RecordedEvent e;
  e.ns = ns;
  e.comm = "vmm";
  e.pid = 10;
  e.cpu = cpu;
  e.name = name;
  e.what = what;
  return e;
}
RecordedEvent accept(std::uint64_t ns, std::uint32_t cpu, unsigned vector) {
  AcceptIrq accepted;
  accepted.vector = static_cast<Vector>(vector);
  return event(ns, cpu, accepted, "kvm_apic_accept_irq");
}

/// Times and names of what a reader finds.
std::vector<std::string> events_in(const std::string& bytes, ReadReport& report) {
  const trace::Descriptor file = file_of(bytes);
  auto reader = DatReader::start(file, "file", dat_limits(bytes.size()));
  std::vector<std::string> found;
  while (reader) {
    const auto next = reader->next();
    EXPECT_TRUE(next) << errors_of(next);
    if (!next || !*next) break;
    found.push_back(std::to_string((*next)->ns) + ' ' + std::string((*next)->name));
  }
  if (reader) report = reader->report();
  return found;
}

TEST(DatReader, TheRealRecordingIsTheSameAsItsText) {
  const std::string dat = std::string(kMixed) + ".dat", text = std::string(kMixed) + ".txt.gz";
  expect_same(import_dat(test::trace(dat)), test::import(test::trace(text)));
}

class TextRecordings : public testing::TestWithParam<const char*> {};
TEST_P(TextRecordings, AreTheSameAsABinaryRecordingOfTheirEvents) {
  const std::string text = test::data(GetParam());
  expect_same(import_dat(test::dat_of_text(text)), test::import(text));
  expect_same(import_dat(test::dat_of_text(text, Buffer::Instance)), test::import(text));
}
INSTANTIATE_TEST_SUITE_P(DatReader, TextRecordings,
                         testing::Values("firmware.txt", "flags.txt", "icr.txt", "ipi.txt",
                                         "joined.txt", "level.txt", "logical.txt", "routes.txt"),
                         [](const auto& file) {
                           return std::string(file.param).substr(0, std::strlen(file.param) - 4);
                         });

TEST(DatReader, ThePerfRecordingIsTheSameAsABinaryRecordingOfItsEvents) {
  std::istringstream in(test::trace("perf-edge-1vcpu.txt.gz"));
  LineSource lines{ByteSource(in)};
  std::string text;
  while (const auto line = lines.next()) text += std::string(*line) + '\n';
  expect_same(import_dat(test::dat_of_text(text)), test::import(text));
}

TEST(DatReader, MergesCpusTheTopBufferAndInstancesByTime) {
  DatMaker maker;
  maker.add(accept(10, 0, 65));
  maker.add(accept(40, 0, 66));
  maker.add(accept(20, 2, 67));
  maker.add(event(30, 2, Other{}, "sched_switch"), Buffer::Instance);
  maker.add(event(std::uint64_t{1} << 40, 2, Other{}, "far_away"), Buffer::Instance);
  ReadReport report;
  EXPECT_EQ(events_in(maker.file(), report),
            (std::vector<std::string>{"10 kvm_apic_accept_irq", "20 kvm_apic_accept_irq",
                                      "30 sched_switch", "40 kvm_apic_accept_irq",
                                      "1099511627776 far_away"}));
  EXPECT_EQ(report.ignored, (CountByName{{"far_away", 1}, {"sched_switch", 1}}));
  EXPECT_EQ(report.understood, 3u);
}

TEST(DatReader, CountsTheEventsThatTheKernelLost) {
  DatMaker maker;
  maker.add(accept(10, 0, 65));
  maker.lose(0, 7);
  maker.add(accept(20, 0, 66));
  maker.lose(0, 0);
  maker.add(accept(30, 0, 67));
  ReadReport report;
  EXPECT_EQ(events_in(maker.file(), report).size(), 3u);
  EXPECT_EQ(report.lost, 7u);
  EXPECT_EQ(report.gaps, 2u) << "the second of unknown size";
}

TEST(DatReader, ManyPagesAreReadToTheirEnd) {
  DatMaker maker;
  for (unsigned i = 0; i < 20'000; ++i) maker.add(accept(i, i % 3, 65));
  ReadReport report;
  EXPECT_EQ(events_in(maker.file(), report).size(), 20'000u);
}

TEST(DatReader, AClockThatDoesNotCountNanosecondsIsNoted) {
  DatMaker ticks("x86-tsc"), ns("tai");
  ticks.add(accept(10, 0, 65));
  ns.add(accept(10, 0, 65));
  ReadReport report;
  events_in(ticks.file(), report);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_EQ(report.notes[0].code, "ticks");
  events_in(ns.file(), report);
  EXPECT_TRUE(report.notes.empty());
}

TEST(DatReader, AFieldOutOfItsRangeIsAnError) {
  DatMaker maker;
  SetIrq odd;
  odd.source = 0x10000;
  maker.add(event(10, 0, odd, "kvm_set_irq"));
  EXPECT_EQ(code_of(maker.file()), "malformed-event");
}

TEST(DatReader, ARecordingWithoutEventsIsAnError) {
  EXPECT_EQ(code_of(DatMaker().file()), "empty");
}

TEST(DatReader, EachKindOfDamageHasACode) {
  const std::string whole = test::trace(std::string(kMixed) + ".dat");
  EXPECT_EQ(code_of(whole.substr(0, 5000)), "dat-header");
  EXPECT_EQ(code_of(whole.substr(0, whole.size() - 1000)), "dat-header");
  // Somewhere in the compressed data of a CPU.
  std::set<std::string> codes;
  for (std::size_t at = 1'150'000; at < 1'240'000; at += 6000) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    codes.insert(code_of(damaged));
  }
  EXPECT_EQ(codes.count("dat-pages"), 1u);
}

std::string flipped(std::string bytes, std::mt19937& random) {
  const std::size_t at = random() % bytes.size();
  bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
  return bytes;
}

TEST(DatReader, AnyCutAndAnyFlippedBitEndsInARecordingOrAnError) {
  std::mt19937 random(1);
  const std::string small = test::dat_of_text(test::data("firmware.txt"), Buffer::Instance);
  unsigned refused = 0;
  for (unsigned i = 0; i < 300; ++i) {
    const bool cut = i % 3 == 0;
    const std::string damaged =
        cut ? small.substr(0, random() % small.size()) : flipped(small, random);
    const auto imported = import_dat(damaged);
    if (imported) continue;
    ++refused;
    EXPECT_FALSE(imported.errors().at(0).code.empty());
    EXPECT_EQ(imported.errors().at(0).where.file, "file");
  }
  EXPECT_GT(refused, 100u) << "every cut at least";
}

TEST(DatReader, AnUncompressedFileThatIsCutIsRefusedAtEveryPage) {
  DatMaker maker;
  for (unsigned i = 0; i < 2'000; ++i) maker.add(accept(i, i % 2, 65));
  const std::string whole = maker.file();
  for (std::size_t size = whole.size() - 4096; size > 8192; size -= 4096) {
    EXPECT_NE(code_of(whole.substr(0, size)), "") << size;
  }
}

TEST(ReadRecording, FindsTheFormatByItsBytesAndReadsPipesAndGzip) {
  const std::string dat = test::trace(std::string(kMixed) + ".dat");
  for (const std::string& bytes : {dat, test::gzip(dat)}) {
    std::istringstream in(bytes);
    const auto imported = read_recording("-", in);
    ASSERT_TRUE(imported) << errors_of(imported);
    EXPECT_EQ(imported->read.format, Format::TraceDat);
    EXPECT_EQ(imported->read.events, 28'390u);
  }
  std::istringstream in(test::data("level.txt"));
  const auto text = read_recording("-", in);
  ASSERT_TRUE(text) << errors_of(text);
  EXPECT_EQ(text->read.format, Format::TraceCmd);
}

TEST(ReadRecording, TheTemporaryFileIsBounded) {
  std::istringstream in(test::trace(std::string(kMixed) + ".dat"));
  const auto imported = read_recording("-", in, 1'000'000);
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.errors().at(0).message, "the trace.dat is longer than 1000000 bytes");
}

}  // namespace
}  // namespace irqfab::recording
