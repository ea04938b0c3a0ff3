#include "fabric/trace/writer.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "fabric/trace/failure.hpp"
#include "models/base/event.hpp"
#include "tests/fabric/trace/trace_file.hpp"

namespace irqfab::test {
namespace {

using trace::Writer;

class TraceWriter : public TraceFile {
 protected:
  std::size_t files() const {
    const std::filesystem::directory_iterator all(directory_);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
};

TEST_F(TraceWriter, WhatIsWrittenIsReadBack) {
  write_sample();
  Result<trace::Reader> reader = trace::Reader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header(), header());
  for (const Records& frame : frames()) {
    const Result<trace::Reader::Frame> got = reader->next_frame();
    ASSERT_TRUE(got);
    EXPECT_EQ(Records(got->begin(), got->end()), frame);
  }
  EXPECT_TRUE(reader->next_frame()->empty());
  EXPECT_TRUE(reader->next_frame()->empty());
}

TEST_F(TraceWriter, ATraceWithoutRecordsIsWhole) {
  Result<Writer> writer = Writer::create(path_, {});
  ASSERT_TRUE(writer);
  const Result<Writer::Written> written = writer->finish();
  ASSERT_TRUE(written);
  EXPECT_EQ(written->records, 0u);
  const ReadBack back = read_back(path_);
  EXPECT_TRUE(back.errors.empty());
  EXPECT_TRUE(back.records.empty());
}

TEST_F(TraceWriter, FramesEndByThemselvesAndCountsAreThoseOfTheFile) {
  constexpr std::uint64_t kCount = 70'000;
  Result<Writer> writer = Writer::create(path_, header());
  ASSERT_TRUE(writer);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    writer->write(record_of(i * 3, Event::MsiSent, make_span(SourceId{1}, i), i));
  }
  const Result<Writer::Written> written = writer->finish();
  ASSERT_TRUE(written);
  EXPECT_EQ(written->records, kCount);
  EXPECT_EQ(written->bytes, std::filesystem::file_size(path_));

  Result<trace::Reader> reader = trace::Reader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next_frame()->size(), 32'768u);
  EXPECT_EQ(reader->next_frame()->size(), 32'768u);
  const Result<trace::Reader::Frame> last = reader->next_frame();
  ASSERT_EQ(last->size(), kCount - 65'536);
  EXPECT_EQ(last->begin()[0],
            record_of(65'536 * 3, Event::MsiSent, make_span(SourceId{1}, 65'536), 65'536));
  EXPECT_TRUE(reader->next_frame()->empty());
}

TEST_F(TraceWriter, TheBytesAreThoseOfTheDescribedFormat) {
  std::string bytes = write_sample();
  EXPECT_EQ(bytes.substr(0, 8), "\x89IRQF\r\n\x1A");
  EXPECT_EQ(bytes.substr(8, 4), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(text_of(bytes).back(), '\n');
  const std::size_t second = frame_starts(bytes)[1];
  EXPECT_EQ(second % 32, 0u);
  EXPECT_EQ(bytes.substr(second, 8), std::string("FRAM\x20\0\0\0", 8));
  EXPECT_EQ(bytes.substr(second + 8, 8), std::string("\x01\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(second + 16, 8), std::string("\xB8\x0B\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(second + 24, 4), std::string("\x01\0\0\0", 4));
  const std::string record = bytes.substr(second + 32, 32);
  EXPECT_EQ(record.substr(0, 8), std::string("\xB8\x0B\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(8, 8), std::string("\x01\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(16, 8), std::string("\x21\x01\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(24, 4), std::string("\x01\0\0\0", 4));
  EXPECT_EQ(trace::load<std::uint16_t>(at(bytes, second + 32 + 28)),
            static_cast<std::uint16_t>(Event::Pended));
  const std::size_t closing = frame_starts(bytes)[3];
  EXPECT_EQ(bytes.substr(closing, 8), std::string("CLOS\x0C\0\0\0", 8));
  EXPECT_EQ(bytes.size(), closing + 32 + 12);
  EXPECT_EQ(bytes.substr(closing + 32, 8), std::string("\x06\0\0\0\0\0\0\0", 8));
}

TEST_F(TraceWriter, TheHeaderExplainsEveryNumberInARecord) {
  const nlohmann::json text = nlohmann::json::parse(text_of(write_sample()));
  EXPECT_EQ(text["irqfab"], "0.1.0");
  EXPECT_EQ(text["scenario"], "scenarios/two.yaml");
  EXPECT_EQ(text["seed"], 18446744073709551615u);
  EXPECT_EQ(text["arch"], "x86-ir");
  EXPECT_EQ(text["path"], "bare-metal");
  EXPECT_EQ(text["profile"], "default");
  EXPECT_EQ(text["behaviour"], "spec");
  EXPECT_EQ(text["time_unit"], "ps");
  EXPECT_EQ(text["nodes"][1], "lapic.0");
  EXPECT_EQ(text["sources"][1], "nvme0:1");
  ASSERT_EQ(text["events"].size(), kEventCount);
  for (const nlohmann::json& event : text["events"]) {
    const EventRow& row = row_of(Event{event["number"].get<std::uint16_t>()});
    EXPECT_EQ(event["name"], row.name);
    EXPECT_EQ(event["role"], name_of(row.role));
    EXPECT_EQ(event["detail"], row.detail);
    EXPECT_EQ(event["meaning"], row.meaning);
  }
  EXPECT_EQ(text["events"][0]["effect"], "opens");
  EXPECT_EQ(text["codes"]["reason"][1], "target-disabled");
}

TEST_F(TraceWriter, NamesThatAreNotUtf8StillMakeAReadableHeader) {
  trace::TraceHeader odd = header();
  odd.scenario = "caf\xE9\n.yaml";
  Result<Writer> writer = Writer::create(path_, odd);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->finish());
  const Result<trace::Reader> reader = trace::Reader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header().scenario, "caf\xEF\xBF\xBD?.yaml");
}

TEST_F(TraceWriter, NothingAppearsUnderTheNameBeforeTheEnd) {
  write_bytes(path_, "older");
  {
    Result<Writer> writer = Writer::create(path_, header());
    ASSERT_TRUE(writer);
    writer->write(record_of(1, Event::Asserted, make_span(SourceId{0}, 0), 0));
    writer->end_frame();
    EXPECT_EQ(read_bytes(path_), "older");
    // Where files may have no name yet there is none; elsewhere it has another one.
    EXPECT_LE(files(), 2u);
  }
  EXPECT_EQ(read_bytes(path_), "older") << "a writer that did not finish leaves the old file";
  EXPECT_EQ(files(), 1u) << "and no temporary one";
}

TEST_F(TraceWriter, AFinishedTraceReplacesTheOldFileWithUsualPermissions) {
  write_bytes(path_, "older");
  write_sample();
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(read_back(path_).records, joined(3));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
}

TEST_F(TraceWriter, ASymbolicLinkKeepsPointingAtTheFile) {
  const std::string link = directory_ + "/link";
  write_bytes(path_, "older");
  std::filesystem::create_symlink(path_, link);
  Result<Writer> writer = Writer::create(link, header());
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->finish());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_TRUE(read_back(path_).errors.empty());
}

TEST_F(TraceWriter, TwoWritersInOneDirectoryDoNotDisturbEachOther) {
  Result<Writer> one = Writer::create(directory_ + "/one", header());
  Result<Writer> two = Writer::create(directory_ + "/two", header());
  ASSERT_TRUE(one && two);
  one->write(record_of(1, Event::MsiSent, kNoSpan, 1));
  two->write(record_of(2, Event::MsiSent, kNoSpan, 2));
  ASSERT_TRUE(one->finish() && two->finish());
  EXPECT_EQ(read_back(directory_ + "/one").records,
            (Records{record_of(1, Event::MsiSent, kNoSpan, 1)}));
  EXPECT_EQ(read_back(directory_ + "/two").records,
            (Records{record_of(2, Event::MsiSent, kNoSpan, 2)}));
  EXPECT_EQ(files(), 2u);
}

TEST_F(TraceWriter, AFileThatCannotBeMadeSaysWhy) {
  const Result<Writer> missing = Writer::create(directory_ + "/no/such/a.trace", header());
  ASSERT_FALSE(missing);
  EXPECT_EQ(format(missing.errors().front()),
            directory_ + "/no/such/a.trace: error: cannot create: No such file or directory\n");
  const Result<Writer> folder = Writer::create(directory_, header());
  ASSERT_FALSE(folder);
  EXPECT_EQ(format(folder.errors().front()),
            directory_ + ": error: cannot write: Is a directory\n");
}

TEST_F(TraceWriter, ADeviceIsWrittenInPlaceAndAFullOneIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this host";
  const Result<Writer> header_fails = Writer::create("/dev/full", header());
  ASSERT_FALSE(header_fails);
  EXPECT_EQ(format(header_fails.errors().front()),
            "/dev/full: error: cannot write: No space left on device\n");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST_F(TraceWriter, AFailureAmidTheRecordsIsKeptAndEndsFinish) {
  // A pipe without a reader refuses what is written to it.
  const std::string pipe = directory_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  ::signal(SIGPIPE, SIG_IGN);
  trace::Descriptor reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK));
  Result<Writer> writer = Writer::create(pipe, header());
  ASSERT_TRUE(writer);
  EXPECT_FALSE(writer->failure());
  reader = trace::Descriptor();
  writer->write(record_of(1, Event::MsiSent, kNoSpan, 1));
  writer->end_frame();
  ASSERT_TRUE(writer->failure());
  EXPECT_EQ(writer->failure()->message, "cannot write: Broken pipe");
  const Result<Writer::Written> written = writer->finish();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.errors().front().code, trace::kReaderGone);
}

}  // namespace
}  // namespace irqfab::test
