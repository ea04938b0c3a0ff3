#include "models/sim/recorder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "models/base/random.hpp"

namespace irqfab {
namespace {

using Records = std::vector<TraceRecord>;

TraceRecord record_at(Time time, std::uint64_t detail) {
  TraceRecord record;
  record.time = time;
  record.detail = detail;
  return record;
}
Key key_at(Time time, unsigned node) {
  Key key;
  key.time = time;
  key.node = NodeId{node};
  return key;
}
auto into(Records& records) {
  return [&records](const TraceRecord& record) { records.push_back(record); };
}

TEST(Reorder, AFlushGivesWhatLiesBeforeItsTimeAndKeepsTheRest) {
  Reorder reorder;
  reorder.add(key_at(30, 0), record_at(30, 3));
  reorder.add(key_at(10, 0), record_at(10, 1));
  reorder.add(key_at(20, 0), record_at(20, 2));
  Records out;
  reorder.flush_before(20, into(out));
  EXPECT_EQ(out, (Records{record_at(10, 1)}));
  EXPECT_EQ(reorder.size(), 2u);
  reorder.add(key_at(20, 0), record_at(20, 4));
  reorder.flush_all(into(out));
  EXPECT_EQ(out, (Records{record_at(10, 1), record_at(20, 2), record_at(20, 4), record_at(30, 3)}));
  EXPECT_EQ(reorder.size(), 0u);
}

TEST(Reorder, RecordsOfEqualKeyKeepTheOrderOfAddition) {
  Reorder reorder;
  Records expected;
  for (std::uint64_t i = 0; i < 40; ++i) {
    reorder.add(key_at(7, 1), record_at(7, i));
    expected.push_back(record_at(7, i));
  }
  Records out;
  reorder.flush_all(into(out));
  EXPECT_EQ(out, expected);
}

TEST(Reorder, AtOneTimeTheKeyDecides) {
  Reorder reorder;
  reorder.add(key_at(7, 2), record_at(7, 2));
  reorder.add(key_at(7, 1), record_at(7, 1));
  Records out;
  reorder.flush_all(into(out));
  EXPECT_EQ(out, (Records{record_at(7, 1), record_at(7, 2)}));
}

TEST(Reorder, AnyOrderOfAdditionGivesTheSameOutput) {
  Random random(1, hash_of("recorder_test"));
  std::vector<std::pair<Key, TraceRecord>> entries;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Key key = key_at(random.below(500) * 100, static_cast<unsigned>(random.below(4)));
    key.arrival = i;
    entries.emplace_back(key, record_at(key.time, i));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Records expected;
  for (const auto& [key, record] : entries) expected.push_back(record);

  for (int round = 0; round < 20; ++round) {
    // Engines differ in how early they know a record; each entry is added up to `lead` ps early.
    const Duration lead = 1 + random.below(20'000);
    std::vector<std::pair<Time, std::size_t>> additions;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Time time = entries[i].first.time;
      additions.emplace_back(time - std::min<Time>(time, random.below(lead)), i);
    }
    for (std::size_t i = additions.size(); i-- > 1;) {
      std::swap(additions[i], additions[random.below(i + 1)]);
    }
    std::stable_sort(additions.begin(), additions.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Reorder reorder;
    Records out;
    for (const auto& [now, i] : additions) {
      reorder.flush_before(now, into(out));
      reorder.add(entries[i].first, entries[i].second);
    }
    reorder.flush_all(into(out));
    ASSERT_EQ(out, expected) << "lead " << lead;
  }
}

TEST(Reorder, ACopyContinuesAlike) {
  Reorder reorder;
  reorder.add(key_at(30, 0), record_at(30, 3));
  reorder.add(key_at(10, 0), record_at(10, 1));
  Reorder copy = reorder;
  EXPECT_EQ(copy, reorder);
  Records left;
  Records right;
  reorder.flush_before(20, into(left));
  EXPECT_NE(copy, reorder);
  copy.flush_before(20, into(right));
  EXPECT_EQ(copy, reorder);
  reorder.flush_all(into(left));
  copy.flush_all(into(right));
  EXPECT_EQ(left, right);
}

}  // namespace
}  // namespace irqfab
