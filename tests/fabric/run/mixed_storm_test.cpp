// The book of scenarios/mixed-storm.yaml, audited from its trace alone: whatever did not become an
// interrupt of its own has a name, and the rule of that name explains it. The auditor follows the
// SDM and the 82093AA with nothing but vectors, CPUs and pins.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include "tests/fabric/run/scenario_run.hpp"

namespace irqfab::test {
namespace {

/// Vectors of one CPU, as SDM vol. 3, 11.8 has them.
struct LocalApic {
  std::map<unsigned, SpanId> requested;
  std::vector<unsigned> in_service;  // the highest last

  unsigned highest_request() const {
    return requested.empty() ? 0 : requested.rbegin()->first;
  }
};

/// What became of a span so far.
struct Way {
  std::uint64_t address = 0;  // of its message
  std::uint64_t data = 0;
  bool waits_masked = false;  // at its function, for its vector to be unmasked
  bool waits_at_pin = false;  // latched and not sent
  bool level = false;
  unsigned ends = 0;
};

class Auditor {
 public:
  void read(const TraceRecord& record) {
    switch (record.event) {
      case Event::Asserted: ++asserted; break;
      case Event::MsixPended: ways_[record.span].waits_masked = true; break;
      case Event::MsiSent: sent(record); break;
      case Event::BridgeForwarded: ways_[record.span].address = record.detail; break;
      case Event::IntxAsserted: device_of_[record.span] = record.node; break;
      case Event::IntxDeasserted: fell_[record.node] = record.time; break;
      case Event::PinLatched: latched(record); break;
      case Event::IoapicSent: ways_[record.span].waits_at_pin = false; break;
      case Event::Pended: pended(record); break;
      case Event::Accepted: accepted(record); break;
      case Event::Handled: handled_one(record); break;
      case Event::Coalesced: merged(record); break;
      case Event::Cancelled: cancelled_one(record); break;
      case Event::Dropped:
      case Event::SpuriousAnswered:
      case Event::DuplicateSeen:
      case Event::GuestError: ++unexplained; break;
      default: break;
    }
  }

  unsigned asserted = 0, handled = 0, coalesced = 0, cancelled = 0;
  unsigned unexplained = 0;

  unsigned without_end() const {
    return asserted - handled - coalesced - cancelled;
  }
  unsigned ended_twice() const {
    unsigned count = 0;
    for (const auto& [span, way] : ways_) count += way.ends > 1;
    return count;
  }
  bool at_rest() const {
    for (const auto& [cpu, apic] : apics_) {
      if (!apic.requested.empty() || !apic.in_service.empty()) return false;
    }
    return true;
  }

 private:
  static unsigned cpu_of(const TraceRecord& r) { return static_cast<unsigned>(r.detail >> 8); }
  static unsigned vector_of(const TraceRecord& r) { return r.detail & 0xFF; }

  void sent(const TraceRecord& record) {
    Way& way = ways_[record.span];
    way.waits_masked = false;
    way.data = record.detail;
  }

  void latched(const TraceRecord& record) {
    Way& way = ways_[record.span];
    way.waits_at_pin = true;
    way.level = true;
  }

  /// A request that is there already would have been merged into.
  void pended(const TraceRecord& record) {
    auto& requested = apics_[cpu_of(record)].requested;
    const bool is_new = requested.emplace(vector_of(record), record.span).second;
    explain(is_new, record);
    const Way& way = ways_[record.span];
    if (way.level) return;
    explain((way.data & 0xFF) == vector_of(record), record);
    explain((way.address >> 12 & 0xFF) == cpu_of(record), record);
  }

  /// The highest request, if its class is above that of what is in service (11.8.3.1).
  void accepted(const TraceRecord& record) {
    LocalApic& apic = apics_[cpu_of(record)];
    const unsigned vector = vector_of(record);
    const auto at = apic.requested.find(vector);
    explain(at != apic.requested.end() && at->second == record.span, record);
    explain(vector == apic.highest_request(), record);
    explain(apic.in_service.empty() || vector / 16 > apic.in_service.back() / 16, record);
    apic.requested.erase(vector);
    apic.in_service.push_back(vector);
    cpu_of_[record.span] = cpu_of(record);
  }

  /// EOI ends the highest vector in service (11.8.5).
  void handled_one(const TraceRecord& record) {
    ++handled;
    ++ways_[record.span].ends;
    const auto cpu = cpu_of_.find(record.span);
    explain(cpu != cpu_of_.end(), record);
    if (cpu == cpu_of_.end()) return;
    auto& in_service = apics_[cpu->second].in_service;
    explain(!in_service.empty() && in_service.back() == vector_of(record), record);
    if (!in_service.empty()) in_service.pop_back();
  }

  /// Into a request of the same vector and CPU (11.8.4), or into the pending bit of the same vector
  /// of the function (PCI 3.0, 6.8.2.10).
  void merged(const TraceRecord& record) {
    ++coalesced;
    Way& way = ways_[record.span];
    ++way.ends;
    const SpanId into{record.detail};
    if (ways_[into].waits_masked) {
      explain(source_of(into) == source_of(record.span), record);
      return;
    }
    const auto& requested = apics_[way.address >> 12 & 0xFF].requested;
    const auto at = requested.find(way.data & 0xFF);
    explain(at != requested.end() && at->second == into, record);
  }

  /// An INTx that fell before its pin could send it.
  void cancelled_one(const TraceRecord& record) {
    ++cancelled;
    Way& way = ways_[record.span];
    ++way.ends;
    explain(static_cast<CancelOp>(record.detail) == CancelOp::LineLow, record);
    const auto fell = fell_.find(device_of_[record.span]);
    explain(way.waits_at_pin && fell != fell_.end() && fell->second <= record.time, record);
  }

  void explain(bool holds, const TraceRecord& record) {
    if (holds) return;
    ++unexplained;
    ADD_FAILURE() << name_of(record.event) << " at " << record.time << " ps, source "
                  << raw(source_of(record.span)) << ", number " << sequence_of(record.span)
                  << ", detail 0x" << std::hex << record.detail;
  }

  std::map<unsigned, LocalApic> apics_;
  std::map<SpanId, Way> ways_;
  std::map<SpanId, NodeId> device_of_;
  std::map<SpanId, unsigned> cpu_of_;
  std::map<NodeId, Time> fell_;
};

std::string mixed_storm() {
  std::ifstream file(IRQFAB_SOURCE_DIR "/scenarios/mixed-storm.yaml");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(MixedStorm, EveryInterruptIsHandledOrARuleSaysWhyNot) {
  ScenarioRun run(mixed_storm());
  run.run_to_end();
  Auditor auditor;
  for (const TraceRecord& record : run.sink().in_order()) auditor.read(record);
  EXPECT_EQ(auditor.unexplained, 0u);
  EXPECT_EQ(auditor.without_end(), 0u);
  EXPECT_EQ(auditor.ended_twice(), 0u);
  EXPECT_TRUE(auditor.at_rest());
  // What the scenario is there for has happened.
  EXPECT_GT(auditor.handled, 10'000u);
  EXPECT_GT(auditor.coalesced, 1'000u);
  EXPECT_GT(auditor.cancelled, 10u);
  const run::Outcome outcome = run.outcome();
  EXPECT_EQ(outcome.accounting.asserted, auditor.asserted);
  EXPECT_EQ(outcome.accounting.handled, auditor.handled);
  EXPECT_EQ(outcome.accounting.coalesced, auditor.coalesced);
  EXPECT_EQ(outcome.accounting.cancelled, auditor.cancelled);
  EXPECT_EQ(outcome.in_flight, 0u);
}

}  // namespace
}  // namespace irqfab::test
