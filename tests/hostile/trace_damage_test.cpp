// Traces that were damaged on purpose, with checksums that hold: each kind of lie has its code, the
// offset of the field that lies, and leaves the frames before it readable.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/fabric/trace/trace_file.hpp"

namespace irqfab::test {
namespace {

using Json = nlohmann::json;

class TraceDamage : public TraceFile {
 protected:
  TraceDamage() : whole_(write_sample()), starts_(frame_starts(whole_)) {}

  /// The file with a field of the frame at `start` changed, under a right checksum.
  template <class Word>
  ReadBack with(std::size_t start, std::size_t offset, Word value) {
    std::string changed = whole_;
    trace::store(at(changed, start + offset), value);
    seal(changed, start);
    return read(changed);
  }
  template <class Word>
  static std::string code_and_offset(const ReadBack& back, Word from) {
    if (back.errors.empty()) return "whole";
    const std::uint64_t offset = back.errors.front().where.offset.value_or(~std::uint64_t{0});
    return back.code() + " +" + std::to_string(offset - from);
  }
  ReadBack with_header(const Json& text) { return read(with_text(whole_, text.dump())); }
  std::string problem_of(const std::string& text) {
    const ReadBack back = read(with_text(whole_, text));
    return back.opened ? "none" : back.errors.front().message;
  }

  std::string whole_;
  std::vector<std::size_t> starts_;  // of the three frames and the closing frame
};

TEST_F(TraceDamage, EveryFieldOfAFrameHasItsCodeAndItsOffset) {
  const std::size_t second = starts_[1];
  const auto damaged = [&](std::size_t offset, auto value) {
    const ReadBack back = with(second, offset, value);
    EXPECT_EQ(back.records, joined(1)) << "the frame before is readable";
    return code_and_offset(back, second);
  };
  EXPECT_EQ(damaged(0, std::uint32_t{0x454D4147}), "trace-magic +0");
  EXPECT_EQ(damaged(8, std::uint64_t{2}), "trace-sequence +8");
  EXPECT_EQ(damaged(16, Time{2999}), "trace-time +16");
  EXPECT_EQ(damaged(24, std::uint32_t{0}), "trace-count +24");
  EXPECT_EQ(damaged(24, std::uint32_t{2}), "trace-count +4");
  EXPECT_EQ(damaged(32, Time{1}), "trace-order +32");
  EXPECT_EQ(damaged(32 + 8, std::uint64_t{1} << 40), "trace-span +40");
  EXPECT_EQ(damaged(32 + 8, raw(make_span(SourceId{2}, 0))), "trace-span +40");
  EXPECT_EQ(damaged(32 + 24, std::uint32_t{2}), "trace-node +56");
  EXPECT_EQ(damaged(32 + 28, std::uint16_t{0xFFFF}), "trace-vocabulary +60");
}

TEST_F(TraceDamage, AWrongChecksumIsFoundWhereItStands) {
  std::string changed = whole_;
  changed[starts_[1] + 28] = static_cast<char>(changed[starts_[1] + 28] ^ 1);
  EXPECT_EQ(code_and_offset(read(changed), starts_[1]), "trace-checksum +28");
  changed = whole_;
  changed[16] = static_cast<char>(changed[16] ^ 1);
  EXPECT_EQ(code_and_offset(read(changed), 0), "trace-checksum +16");
}

TEST_F(TraceDamage, EveryFieldOfTheClosingFrameHasItsCodeAndItsOffset) {
  const std::size_t closing = starts_[3];
  const auto damaged = [&](std::size_t offset, auto value) {
    const ReadBack back = with(closing, offset, value);
    EXPECT_EQ(back.records, joined(3)) << "all records are readable";
    return code_and_offset(back, closing);
  };
  EXPECT_EQ(damaged(8, std::uint64_t{4}), "trace-sequence +8");
  EXPECT_EQ(damaged(16, Time{8999}), "trace-time +16");
  EXPECT_EQ(damaged(24, std::uint32_t{1}), "trace-count +24");
  EXPECT_EQ(damaged(32, std::uint64_t{7}), "trace-count +32");
  EXPECT_EQ(damaged(40, std::uint32_t{1}), "trace-checksum +40");
}

TEST_F(TraceDamage, TheClosingFrameStandsOnceAndLast) {
  const std::string closing = whole_.substr(starts_[3]);
  EXPECT_EQ(code_and_offset(read(whole_ + closing), whole_.size()), "trace-trailing +0");
  EXPECT_EQ(code_and_offset(read(whole_.substr(0, starts_[3])), starts_[3]), "trace-truncated +0");
  const std::string second_frame = whole_.substr(starts_[1], starts_[2] - starts_[1]);
  EXPECT_EQ(code_and_offset(read(whole_ + second_frame), whole_.size()), "trace-trailing +0");
  const std::string early = whole_.substr(0, starts_[1]) + closing + whole_.substr(starts_[1]);
  EXPECT_EQ(code_and_offset(read(early), starts_[1]), "trace-sequence +8");
}

TEST_F(TraceDamage, AFileCutAtAnyFrameGivesTheFramesBeforeIt) {
  for (std::size_t frame = 0; frame < starts_.size(); ++frame) {
    for (const std::size_t more : {0u, 1u, 31u, 32u, 33u}) {
      const ReadBack back = read(whole_.substr(0, starts_[frame] + more));
      EXPECT_EQ(back.code(), "trace-truncated") << frame << " +" << more;
      EXPECT_EQ(back.errors.front().where.offset, starts_[frame] + more);
      EXPECT_EQ(back.records, joined(std::min<std::size_t>(frame, 3)));
    }
  }
}

TEST_F(TraceDamage, ALengthThatTheFileDoesNotHaveIsRefusedUnread) {
  for (const std::uint32_t length : {0u, 31u, 33u, 0x7FFF'FFFFu, 0xFFFF'FFFFu}) {
    std::string changed = whole_;
    trace::store(at(changed, starts_[1] + 4), length);
    EXPECT_EQ(code_and_offset(read(changed), starts_[1]), "trace-count +4") << length;
  }
}

TEST_F(TraceDamage, ACodeThatTheHeaderDoesNotNameNeverReachesAReader) {
  Result<trace::Writer> writer = trace::Writer::create(path_, header());
  ASSERT_TRUE(writer);
  writer->write(record_of(1, Event::Dropped, kNoSpan, 0));
  ASSERT_TRUE(writer->finish());
  whole_ = read_bytes(path_);
  Json text = Json::parse(text_of(whole_));
  text["events"][static_cast<std::size_t>(Event::Dropped)]["detail"] = "anything";
  const ReadBack back = with_header(text);
  EXPECT_EQ(back.code(), "trace-vocabulary");
  EXPECT_EQ(back.errors.front().message,
            "the header does not name the codes that the detail of 'Dropped' holds");
}

TEST_F(TraceDamage, AHeaderSaysEachThingOnce) {
  const std::string text = text_of(whole_);
  EXPECT_EQ(problem_of(text.substr(0, text.rfind('}')) + ",\"seed\":2}"),
            "the header's text: 'seed' stands twice in one object");
  Json twice = Json::parse(text);
  twice["events"][1]["number"] = 0;
  EXPECT_EQ(problem_of(twice.dump()), "the header's text: 'events' is not one event a number");
}

TEST_F(TraceDamage, NothingInAHeaderReachesATerminal) {
  Json text = Json::parse(text_of(whole_));
  text["nodes"][1] = "lapic\x1b[2J\xc2\x9b\xe2\x80\xae\t\n.0";
  std::filesystem::remove(path_);
  write_bytes(path_, with_text(whole_, text.dump()));
  const Result<trace::Reader> reader = trace::Reader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header().nodes[NodeId{1}], "lapic?[2J????.0");
  const std::string name = "\x1b[2J" + std::string(100'000, 'x');
  const std::string problem = problem_of("{\"" + name + "\":1,\"" + name + "\":2}");
  EXPECT_EQ(problem.find('\x1b'), std::string::npos);
  EXPECT_LT(problem.size(), 200u);
}

TEST_F(TraceDamage, AHeaderOfMuchVocabularyIsReadInTime) {
  Json text = Json::parse(text_of(whole_));
  Json codes = text["codes"];
  for (int i = 0; i < 200'000; ++i) codes["list " + std::to_string(i)] = Json::array();
  text["codes"] = codes;
  for (int i = 1000; i < 60'000; ++i) {
    text["events"].push_back({{"number", i}, {"name", "E"}, {"detail", "none of them"}});
  }
  EXPECT_TRUE(with_header(text).opened) << "59,000 events times 200,000 lists is too much";
}

TEST_F(TraceDamage, HostileJsonIsRefused) {
  for (const std::string& text :
       {std::string(1u << 20, '{'), "{\"a\":" + std::string(1u << 20, '['), std::string("nul"),
        std::string("{\"format\":1e999}"), std::string("{\"format\":\"\\ud800\"}"),
        std::string("\xEF\xBB\xBF"), std::string("{} {}"), std::string("{,}"),
        std::string("{\"format\":\"irqfab-trace/1\",}")}) {
    EXPECT_NE(problem_of(text), "none") << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace irqfab::test
