#include "fabric/trace/csv.hpp"

#include <gtest/gtest.h>

namespace irqfab::trace {
namespace {

TraceHeader header() {
  TraceHeader header;
  header.nodes.add("nic0");
  header.nodes.add("lapic12");
  header.nodes.add("run");
  header.sources.add("nic0:3");
  header.components = {{"hb0.functions", 1}, {"lapics", 1}};
  return header;
}
std::string row(const TraceRecord& record, const TraceHeader& names = header()) {
  std::string out;
  CsvFormat(names).append(record, out);
  return out;
}

TEST(TraceCsv, ARowHasACellForEveryColumn) {
  std::string head;
  const TraceHeader names = header();
  CsvFormat(names).append_head(head);
  EXPECT_EQ(head,
            "time_ps,round,component,node,event,role,effect,source,sequence,detail,cpu,vector,"
            "fields\r\n");
  EXPECT_EQ(row({1234, make_span(SourceId{0}, 17), 0xC41, NodeId{1}, Event::Accepted, 2}),
            "1234,2,lapics,lapic12,Accepted,deliver,moves,nic0:3,17,3137,12,65,"
            "CPU=12 vector=0x41\r\n");
}

TEST(TraceCsv, WhatARecordLacksIsAnEmptyCell) {
  EXPECT_EQ(row({5, kNoSpan, 0, NodeId{2}, Event::TimeStoodStill, 0}),
            "5,0,,run,TimeStoodStill,host,none,,,0,,,\r\n");
}

TEST(TraceCsv, NamesThatTheHeaderLacksAreNumbers) {
  EXPECT_EQ(row({0, make_span(SourceId{9}, 0), 0, NodeId{7}, Event::Stalled, 0}),
            "0,0,,node-7,Stalled,bridge,moves,source-9,0,0,,,\r\n");
}

TEST(TraceCsv, TextThatWouldEndItsCellIsQuoted) {
  TraceHeader odd;
  odd.nodes.add("a,b");
  odd.sources.add("say \"x\"");
  odd.components = {{"plain", 1}};
  const SpanId span = make_span(SourceId{0}, 0);
  EXPECT_EQ(row({0, span, raw(span), NodeId{0}, Event::Coalesced, 0}, odd),
            "0,0,plain,\"a,b\",Coalesced,controller,ends,\"say \"\"x\"\"\",0,1,,,"
            "\"span-merged-into=say \"\"x\"\"#0\"\r\n");
}

}  // namespace
}  // namespace irqfab::trace
