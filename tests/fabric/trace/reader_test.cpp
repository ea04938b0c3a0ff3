#include "fabric/trace/reader.hpp"

#include <nlohmann/json.hpp>

#include "models/base/outcome.hpp"
#include "models/base/random.hpp"
#include "tests/fabric/trace/trace_file.hpp"

namespace irqfab::test {
namespace {

class TraceReader : public TraceFile {};

/// The records of the frames that lie whole before `offset`.
std::size_t frames_before(const std::vector<std::size_t>& starts, std::size_t offset) {
  std::size_t whole = 0;
  while (whole + 1 < starts.size() && starts[whole + 1] <= offset) ++whole;
  return whole;
}

TEST_F(TraceReader, AFileCutAnywhereGivesItsWholeFramesAndThenTheOffsetOfTheCut) {
  const std::string bytes = write_sample();
  const std::vector<std::size_t> starts = frame_starts(bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    if (length > 40 && length + 40 < starts[0] && length % 64 != 0) continue;  // all alike
    const ReadBack back = read(bytes.substr(0, length));
    ASSERT_EQ(back.code(), "trace-truncated") << length;
    ASSERT_EQ(back.errors.front().where.offset, length);
    ASSERT_EQ(back.errors.front().where.file, path_);
    ASSERT_EQ(back.opened, length >= starts[0]) << length;
    if (back.opened) {
      ASSERT_EQ(back.records, joined(frames_before(starts, length))) << length;
    }
  }
}

TEST_F(TraceReader, AFlippedBitAnywhereIsFoundAndTheFramesBeforeItStayReadable) {
  const std::string bytes = write_sample();
  const std::vector<std::size_t> starts = frame_starts(bytes);
  for (std::size_t offset = 0; offset < bytes.size(); ++offset) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if (offset >= 40 && offset < starts[0] && offset % 64 != 9 * bit) continue;  // all alike
      std::string flipped = bytes;
      flipped[offset] = static_cast<char>(flipped[offset] ^ (1 << bit));
      const ReadBack back = read(flipped);
      ASSERT_FALSE(back.errors.empty()) << "bit " << bit << " at " << offset;
      ASSERT_TRUE(back.errors.front().where.offset) << offset;
      ASSERT_EQ(back.opened, offset >= starts[0]);
      if (back.opened) {
        ASSERT_EQ(back.records, joined(frames_before(starts, offset))) << offset;
      }
    }
  }
}

TEST_F(TraceReader, TheDiagnosticIsPrintedWithItsOffset) {
  const std::string bytes = write_sample();
  const ReadBack back = read(bytes.substr(0, 8 + 3));
  ASSERT_EQ(back.errors.size(), 1u);
  EXPECT_EQ(format(back.errors.front()), path_ + ":+0xb: error: the file ends within the header\n");
}

TEST_F(TraceReader, TheSameDamageIsReportedAgain) {
  const std::string bytes = write_sample();
  write_bytes(path_, bytes.substr(0, frame_starts(bytes)[1]));
  Result<trace::Reader> reader = trace::Reader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next_frame()->size(), 3u);
  for (int i = 0; i < 2; ++i) {
    const Result<trace::Reader::Frame> frame = reader->next_frame();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.errors().front().message, "the file ends without its closing frame");
  }
}

TEST_F(TraceReader, AnotherFileIsNoTrace) {
  EXPECT_EQ(read("irqfab: 1\nmachine: {}\n").code(), "trace-magic");
  EXPECT_EQ(read("").code(), "trace-truncated");
  EXPECT_EQ(read_back(directory_ + "/missing").errors.front().message,
            "cannot open: No such file or directory");
  EXPECT_EQ(read_back(directory_).errors.front().message, "cannot read: Is a directory");
}

TEST_F(TraceReader, AnotherVersionIsRefusedByItsNumber) {
  std::string bytes = write_sample();
  trace::store(at(bytes, 8), std::uint32_t{2});
  const ReadBack back = read(with_text(bytes, text_of(bytes)));
  EXPECT_EQ(back.code(), "trace-version");
  EXPECT_EQ(back.errors.front().where.offset, 8u);
  EXPECT_EQ(back.errors.front().message, "version 2 of the format; this program reads 1");
}

TEST_F(TraceReader, AHeaderOfMoreThan64MiBIsRefusedUnread) {
  std::string bytes = write_sample();
  trace::store(at(bytes, 12), std::uint32_t{(64u << 20) + 1});
  EXPECT_EQ(read(bytes).code(), "trace-header");
  trace::store(at(bytes, 12), std::uint32_t{64u << 20});
  EXPECT_EQ(read(bytes).code(), "trace-truncated");
}

TEST_F(TraceReader, CountsThatDisagreeAreRefusedThoughTheChecksumHolds) {
  const std::string bytes = write_sample();
  const std::size_t start = frame_starts(bytes)[1];
  for (const std::uint32_t records : {0u, 2u, 0x08000001u}) {  // 32 times the last is 32 again
    std::string changed = bytes;
    trace::store(at(changed, start + 24), records);
    seal(changed, start);
    const ReadBack back = read(changed);
    EXPECT_EQ(back.code(), "trace-count") << records;
    EXPECT_EQ(back.errors.front().where.offset, start + (records == 0 ? 24 : 4));
    EXPECT_EQ(back.records, joined(1));
  }
}

TEST_F(TraceReader, AFrameOfMoreThan16MiBIsRefusedUnread) {
  std::string bytes = write_sample();
  const std::size_t start = frame_starts(bytes)[0];
  const auto claim = [&](std::uint32_t records) {
    trace::store(at(bytes, start + 4), records * 32);
    trace::store(at(bytes, start + 24), records);
    return read(bytes).code();
  };
  EXPECT_EQ(claim((16u << 20) / 32 + 1), "trace-count");
  EXPECT_EQ(claim((16u << 20) / 32), "trace-truncated");
}

TEST_F(TraceReader, TimeThatRunsBackwardsEndsTheTraceAtThatRecord) {
  const std::string bytes = write_sample();
  const std::vector<std::size_t> starts = frame_starts(bytes);
  const std::size_t third = starts[0] + 32 + 2 * 32;
  std::string changed = bytes;
  trace::store(at(changed, third), Time{999});
  seal(changed, starts[0]);
  const ReadBack back = read(changed);
  EXPECT_EQ(back.code(), "trace-order");
  EXPECT_EQ(back.errors.front().where.offset, third);
  EXPECT_EQ(back.records, (Records{joined(1)[0], joined(1)[1]})) << "those before it are readable";

  changed = bytes;  // and from one frame to the next
  trace::store(at(changed, starts[1] + 16), Time{2499});
  trace::store(at(changed, starts[1] + 32), Time{2499});
  seal(changed, starts[1]);
  EXPECT_EQ(read(changed).code(), "trace-order");
}

TEST_F(TraceReader, AFramesTimeIsThatOfItsFirstRecord) {
  std::string bytes = write_sample();
  const std::size_t start = frame_starts(bytes)[1];
  trace::store(at(bytes, start + 16), Time{2999});
  seal(bytes, start);
  EXPECT_EQ(read(bytes).code(), "trace-time");
}

TEST_F(TraceReader, AMissingOrDoubledFrameIsFoundByItsNumber) {
  const std::string bytes = write_sample();
  const std::vector<std::size_t> starts = frame_starts(bytes);
  const ReadBack missing = read(bytes.substr(0, starts[1]) + bytes.substr(starts[2]));
  EXPECT_EQ(missing.code(), "trace-sequence");
  EXPECT_EQ(missing.records, joined(1));
  const ReadBack doubled = read(bytes.substr(0, starts[2]) + bytes.substr(starts[1]));
  EXPECT_EQ(doubled.code(), "trace-sequence");
  EXPECT_EQ(doubled.records, joined(2));
}

TEST_F(TraceReader, TheClosingFrameMustAgreeWithTheFile) {
  const std::string bytes = write_sample();
  const std::size_t closing = frame_starts(bytes)[3];
  const auto code_with = [&](std::size_t offset, std::uint32_t value) {
    std::string changed = bytes;
    trace::store(at(changed, closing + offset), value);
    seal(changed, closing);
    return read(changed).code();
  };
  EXPECT_EQ(code_with(16, 8999), "trace-time") << "the time of the last record";
  EXPECT_EQ(code_with(32, 7), "trace-count") << "the number of records";
  EXPECT_EQ(code_with(40, 1), "trace-checksum") << "the checksum of checksums";
  EXPECT_EQ(code_with(24, 1), "trace-count") << "records in the closing frame";
  EXPECT_EQ(read(bytes + '\n').code(), "trace-trailing");
  EXPECT_EQ(read(bytes + '\n').errors.front().where.offset, bytes.size());
}

TEST_F(TraceReader, AFrameOfAnotherTraceIsFoundByTheChecksumOfChecksums) {
  const std::string bytes = write_sample();
  const std::size_t start = frame_starts(bytes)[1];
  std::string changed = bytes;
  trace::store(at(changed, start + 32 + 16), std::uint64_t{0x122});
  seal(changed, start);
  const ReadBack back = read(changed);
  EXPECT_EQ(back.code(), "trace-checksum");
  EXPECT_EQ(back.errors.front().where.offset, frame_starts(bytes)[3] + 32 + 8);
}

TEST_F(TraceReader, HeadersThatAreNotAsDescribedAreRefused) {
  const std::string bytes = write_sample();
  const nlohmann::json whole = nlohmann::json::parse(text_of(bytes));
  const auto problem_of = [&](const std::string& text) {
    const ReadBack back = read(with_text(bytes, text));
    return back.opened ? "none" : back.errors.front().message;
  };
  EXPECT_EQ(problem_of(whole.dump()), "none");
  for (const char* key : {"format", "irqfab", "scenario", "seed", "arch", "path", "profile",
                          "behaviour", "time_unit", "nodes", "sources", "codes", "events"}) {
    nlohmann::json changed = whole;
    changed.erase(key);
    EXPECT_EQ(problem_of(changed.dump()),
              std::string("the header's text: '") + key + "' is missing");
    changed[key] = nlohmann::json::array({{{"x", 1.5}}});
    EXPECT_NE(problem_of(changed.dump()), "none") << key;
    changed[key] = -1;
    EXPECT_NE(problem_of(changed.dump()), "none") << key;
  }
  nlohmann::json changed = whole;
  changed["later"] = {{"added", true}};
  EXPECT_EQ(problem_of(changed.dump()), "none") << "later versions may add members";
  changed["events"][0]["number"] = 65536;
  EXPECT_NE(problem_of(changed.dump()), "none");
  EXPECT_EQ(problem_of("[]"), "the header's text: 'format' is missing");
  EXPECT_NE(problem_of("{\"format\": "), "none");
  EXPECT_NE(problem_of(""), "none");
  const std::string deep = "[[[[[[[[1]]]]]]]]";
  EXPECT_EQ(problem_of("{\"later\":" + deep.substr(1, 15) + "}"),
            "the header's text: 'format' is missing");
  EXPECT_EQ(problem_of("{\"later\":" + deep + "}"), "the header's text: nested more than 8 deep");
  EXPECT_NE(problem_of(std::string(1 << 20, '[')), "none");
  EXPECT_NE(problem_of("{\"format\":\"\xFF\"}"), "none");
}

TEST_F(TraceReader, AHeaderOfMillionsOfValuesIsRefused) {
  const std::string bytes = write_sample();
  std::string text = "[0";
  for (int i = 0; i < 24'000'001; ++i) text += ",0";
  const ReadBack back = read(with_text(bytes, text + ']'));
  ASSERT_FALSE(back.opened);
  EXPECT_EQ(back.errors.front().message, "the header's text: more than 24000000 values");
}

TEST_F(TraceReader, EventsAreTranslatedByName) {
  // A file of another version: two events have changed places, and so have two reasons.
  Result<trace::Writer> writer = trace::Writer::create(path_, header());
  ASSERT_TRUE(writer);
  const auto reason = static_cast<std::uint64_t>(DropReason::NoRoute);
  writer->write(record_of(1, Event::Pended, kNoSpan, 0x121));
  writer->write(record_of(2, Event::Dropped, kNoSpan, reason));
  ASSERT_TRUE(writer->finish());
  const std::string bytes = read_bytes(path_);
  nlohmann::json text = nlohmann::json::parse(text_of(bytes));
  std::swap(text["events"][static_cast<std::size_t>(Event::Pended)]["number"],
            text["events"][static_cast<std::size_t>(Event::Accepted)]["number"]);
  std::swap(text["codes"]["reason"][static_cast<std::size_t>(DropReason::NoRoute)],
            text["codes"]["reason"][static_cast<std::size_t>(DropReason::RemapFault)]);
  const ReadBack back = read(with_text(bytes, text.dump()));
  ASSERT_EQ(back.records.size(), 2u);
  EXPECT_EQ(back.records[0].event, Event::Accepted);
  EXPECT_EQ(back.records[0].detail, 0x121u);
  EXPECT_EQ(back.records[1].detail, static_cast<std::uint64_t>(DropReason::RemapFault));
}

TEST_F(TraceReader, WhatThisProgramDoesNotKnowIsRefusedWhereItIsUsed) {
  Result<trace::Writer> writer = trace::Writer::create(path_, header());
  ASSERT_TRUE(writer);
  writer->write(record_of(1, Event::Asserted, kNoSpan, 0));
  writer->write(record_of(2, Event::Pended, kNoSpan, 0x121));
  writer->write(record_of(3, Event::Dropped, kNoSpan, 1));
  ASSERT_TRUE(writer->finish());
  const std::string bytes = read_bytes(path_);
  const nlohmann::json whole = nlohmann::json::parse(text_of(bytes));
  const auto read_with = [&](const nlohmann::json& text) {
    return read(with_text(bytes, text.dump()));
  };

  nlohmann::json changed = whole;
  changed["events"][static_cast<std::size_t>(Event::Pended)]["name"] = "Teleported";
  ReadBack back = read_with(changed);
  EXPECT_EQ(back.code(), "trace-vocabulary");
  EXPECT_EQ(back.errors.front().message, "this program knows no event 'Teleported'");
  EXPECT_EQ(back.records.size(), 1u);

  changed = whole;
  changed["events"].erase(static_cast<std::size_t>(Event::Pended));
  back = read_with(changed);
  EXPECT_EQ(back.errors.front().message,
            "the header names no event " + std::to_string(static_cast<std::size_t>(Event::Pended)));

  changed = whole;
  changed["codes"]["reason"][1] = "shyness";
  back = read_with(changed);
  EXPECT_EQ(back.errors.front().message, "this program knows no reason 'shyness'");
  EXPECT_EQ(back.records.size(), 2u);

  changed["codes"]["reason"] = nlohmann::json::array({"masked-not-latched"});
  EXPECT_EQ(read_with(changed).errors.front().message, "the header names no reason 1");
}

TEST_F(TraceReader, RandomDamageUnderRightChecksumsNeverCrashes) {
  const std::string bytes = write_sample();
  const std::vector<std::size_t> starts = frame_starts(bytes);
  Random random(1, hash_of("reader_test"));
  std::size_t damaged = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string changed = bytes;
    const std::size_t frame = random.below(starts.size());
    const std::size_t end = frame + 1 < starts.size() ? starts[frame + 1] : bytes.size();
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      const std::size_t offset = starts[frame] + 8 + random.below(end - starts[frame] - 8);
      changed[offset] = static_cast<char>(random.next());
    }
    seal(changed, starts[frame]);
    std::string text = text_of(changed);
    if (round % 2 == 0) text[random.below(text.size())] = static_cast<char>(random.below(128));
    const ReadBack back = read(with_text(changed, text));
    damaged += !back.errors.empty();
    ASSERT_LE(back.records.size(), 6u);
  }
  EXPECT_GT(damaged, 950u) << "a byte may have been replaced by itself, seldom";
}

}  // namespace
}  // namespace irqfab::test
