#include "fabric/trace/text.hpp"

#include <gtest/gtest.h>

#include "models/base/outcome.hpp"

namespace irqfab::trace {
namespace {

const SpanId kSpan = make_span(SourceId{0}, 17);

TraceHeader header() {
  TraceHeader header;
  header.nodes.add("hb0");
  header.nodes.add("lapic.12");
  header.sources.add("nvme0:3");
  return header;
}
std::string line(Time time, NodeId node, Event event, SpanId span, std::uint64_t detail) {
  const TraceHeader names = header();
  TraceRecord record;
  record.time = time;
  record.node = node;
  record.event = event;
  record.span = span;
  record.detail = detail;
  std::string out;
  TextFormat(names).append(record, out);
  return out;
}
/// What a line says of an event's detail.
template <class Detail>
std::string detail_of(Event event, Detail detail) {
  const std::string text = line(0, NodeId{0}, event, kSpan, static_cast<std::uint64_t>(detail));
  const std::string span = "nvme0:3#17        ";
  const std::size_t at = text.find(span);
  return at == text.npos ? "" : text.substr(at + span.size(), text.size() - at - span.size() - 1);
}

TEST(TraceText, ALineHasTimeNodeEventSpanAndDetail) {
  EXPECT_EQ(
      line(1'234'567, NodeId{0}, Event::BridgeForwarded, kSpan, 0xFEE00000),
      "        1234.567  hb0       BridgeForwarded       nvme0:3#17        address=0xfee00000\n");
  EXPECT_EQ(line(5, NodeId{1}, Event::Stalled, kSpan, 0),
            "           0.005  lapic.12  Stalled               nvme0:3#17\n");
}

TEST(TraceText, TheWholeRangeOfTimeIsShown) {
  EXPECT_EQ(line(kNever, NodeId{1}, Event::Stalled, kNoSpan, 0),
            "18446744073709551.615  lapic.12  Stalled               -\n");
}

TEST(TraceText, NamesThatTheHeaderLacksAreNumbers) {
  EXPECT_EQ(line(0, NodeId{2}, Event::Stalled, make_span(SourceId{9}, 0), 0),
            "           0.000  node-2    Stalled               source-9#0\n");
}

TEST(TraceText, CodesAreShownByName) {
  EXPECT_EQ(detail_of(Event::Asserted, Cause::Resample), "cause=resample");
  EXPECT_EQ(detail_of(Event::Dropped, DropReason::RemapFault), "reason=remap-fault");
  EXPECT_EQ(detail_of(Event::Cancelled, CancelOp::LineLow), "operation=line-low");
  EXPECT_EQ(detail_of(Event::GuestError, GuestFault::WrongAccessSize),
            "code-of-the-rule=wrong-access-size");
  EXPECT_EQ(detail_of(Event::Dropped, 999), "reason=999");
}

TEST(TraceText, SpansInDetailsAreShownAsSpans) {
  EXPECT_EQ(detail_of(Event::Coalesced, make_span(SourceId{0}, 4)), "span-merged-into=nvme0:3#4");
  EXPECT_EQ(detail_of(Event::Forked, make_span(SourceId{7}, 0)), "child-span=source-7#0");
}

TEST(TraceText, FieldsOfADetailAreTakenApart) {
  EXPECT_EQ(detail_of(Event::Pended, 0x1021), "CPU=16 vector=0x21");
  EXPECT_EQ(detail_of(Event::SignalMsiCalled, 0xFEE0100000004021u),
            "address-bits-31..0=0xfee01000 data=0x4021");
}

TEST(TraceText, TheTextOfADetailGivesItsFieldsFromTheHighestBits) {
  const std::vector<DetailField> fields = fields_of("CPU << 48 | register offset << 32 | lock");
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "CPU");
  EXPECT_EQ(fields[0].high, 63u);
  EXPECT_EQ(fields[0].low, 48u);
  EXPECT_EQ(fields[0].kind, DetailKind::Decimal);
  EXPECT_EQ(fields[1].name, "register offset");
  EXPECT_EQ(fields[1].high, 47u);
  EXPECT_EQ(fields[1].low, 32u);
  EXPECT_EQ(fields[1].kind, DetailKind::Hex);
  EXPECT_EQ(fields[2].name, "lock");
  EXPECT_EQ(fields[2].high, 31u);
  EXPECT_EQ(fields[2].low, 0u);
}

TEST(TraceText, AllOnesMayHaveAName) {
  EXPECT_EQ(detail_of(Event::IecInvalidated, ~std::uint64_t{0}), "index=all");
  EXPECT_EQ(detail_of(Event::IecInvalidated, 7), "index=7");
}

TEST(TraceText, EveryEventHasALineAndEveryFieldAWidth) {
  for (std::uint16_t i = 0; i < kEventCount; ++i) {
    const EventRow& row = row_of(Event{i});
    const std::vector<DetailField> fields = fields_of(row.detail);
    EXPECT_EQ(fields.empty(), row.detail == "-") << row.name;
    unsigned next = 63;
    for (const DetailField& field : fields) {
      EXPECT_FALSE(field.name.empty()) << row.name;
      EXPECT_EQ(field.high, next) << row.name;
      EXPECT_LE(field.low, field.high) << row.name;
      next = field.low - 1;
    }
    EXPECT_NE(line(0, NodeId{0}, Event{i}, kSpan, 0).find(row.name), std::string::npos);
  }
}

}  // namespace
}  // namespace irqfab::trace
