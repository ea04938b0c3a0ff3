// The book of scenarios/mixed-storm.yaml, audited from its trace alone: whatever did not become an
// interrupt of its own has a name, and the rule of that name explains it. The auditor follows the
// SDM, the 82093AA and, for posted interrupts, VT-d 5.2.3 with nothing but vectors, CPUs, pins and
// descriptors.
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

  unsigned highest_request() const { return requested.empty() ? 0 : requested.rbegin()->first; }
};

/// A posted-interrupt descriptor, as VT-d 5.2.3 has it, and what software took from it.
struct Descriptor {
  std::map<unsigned, SpanId> posted;
  std::map<unsigned, SpanId> taken;
  bool on = false;
  unsigned owed = 0;  // notifications that were not sent yet
};

/// How the messages of devices go.
enum class Messages : std::uint8_t { Direct, Remapped, Posted };

/// What became of a span so far.
struct Way {
  std::uint64_t address = 0;  // of its message
  std::uint64_t data = 0;
  bool waits_masked = false;  // at its function, for its vector to be unmasked
  bool waits_at_pin = false;  // latched and not sent
  bool level = false;
  bool notifies = false;    // of posted interrupts
  bool called = false;      // by the handler of a notification
  std::uint64_t line = 0;   // of the descriptor
  SpanId merges = kNoSpan;  // found its bit set, by this one
  unsigned ends = 0;
};

class Auditor {
 public:
  explicit Auditor(Messages messages) : messages_(messages) {}

  void read(const TraceRecord& record) {
    switch (record.event) {
      case Event::Asserted:
        begun(record);
        break;
      case Event::Posted:
        posted(record);
        break;
      case Event::NotificationSent:
        notified(record);
        break;
      case Event::NotificationCleared:
        descriptors_[record.detail].on = false;
        break;
      case Event::PirTaken:
        taken(record);
        break;
      case Event::HandlerDispatched:
        called(record);
        break;
      case Event::MessageRouted:
        ways_[record.span].address = record.detail;
        break;
      case Event::MsixPended:
        ways_[record.span].waits_masked = true;
        break;
      case Event::MsiSent:
        sent(record);
        break;
      case Event::IntxAsserted:
        device_of_[record.span] = record.node;
        break;
      case Event::IntxDeasserted:
        fell_[record.node] = record.time;
        break;
      case Event::PinLatched:
        latched(record);
        break;
      case Event::IoapicSent:
        ways_[record.span].waits_at_pin = false;
        break;
      case Event::Pended:
        pended(record);
        break;
      case Event::Accepted:
        accepted(record);
        break;
      case Event::Handled:
        handled_one(record);
        break;
      case Event::Coalesced:
        merged(record);
        break;
      case Event::Cancelled:
        cancelled_one(record);
        break;
      case Event::Dropped:
      case Event::SpuriousAnswered:
      case Event::DuplicateSeen:
      case Event::GuestError:
        ++unexplained;
        break;
      default:
        break;
    }
  }

  unsigned asserted = 0, handled = 0, coalesced = 0, cancelled = 0, notifications = 0;
  unsigned unexplained = 0;

  unsigned without_end() const { return asserted - handled - coalesced - cancelled; }
  unsigned ended_twice() const {
    unsigned count = 0;
    for (const auto& [span, way] : ways_) count += way.ends > 1;
    return count;
  }
  bool at_rest() const {
    for (const auto& [cpu, apic] : apics_) {
      if (!apic.requested.empty() || !apic.in_service.empty()) return false;
    }
    for (const auto& [line, descriptor] : descriptors_) {
      if (!descriptor.posted.empty() || !descriptor.taken.empty()) return false;
      if (descriptor.on || descriptor.owed > 0) return false;
    }
    return true;
  }

 private:
  static unsigned cpu_of(const TraceRecord& r) { return static_cast<unsigned>(r.detail >> 8); }
  static unsigned vector_of(const TraceRecord& r) { return r.detail & 0xFF; }

  void begun(const TraceRecord& record) {
    ++asserted;
    const bool notifies = static_cast<Cause>(record.detail) == Cause::Notification;
    notifications += notifies;
    ways_[record.span].notifies = notifies;
  }

  /// The bit is set; ON with it, and a notification is due, if it was clear.
  void posted(const TraceRecord& record) {
    Way& way = ways_[record.span];
    explain(messages_ == Messages::Posted && !way.level && !way.notifies, record);
    way.line = record.detail >> 8;
    Descriptor& descriptor = descriptors_[way.line];
    const auto [at, is_new] = descriptor.posted.emplace(vector_of(record), record.span);
    if (!is_new) way.merges = at->second;
    if (!descriptor.on) ++descriptor.owed;
    descriptor.on = true;
  }

  void notified(const TraceRecord& record) {
    Descriptor& descriptor = descriptors_[record.detail >> 8];
    explain(descriptor.owed > 0 && vector_of(record) == 0xEB, record);
    if (descriptor.owed > 0) --descriptor.owed;
  }

  void taken(const TraceRecord& record) {
    Descriptor& descriptor = descriptors_[record.detail >> 8];
    const auto at = descriptor.posted.find(vector_of(record));
    explain(at != descriptor.posted.end() && at->second == record.span, record);
    if (at != descriptor.posted.end()) descriptor.posted.erase(at);
    explain(descriptor.taken.emplace(vector_of(record), record.span).second, record);
  }

  /// The lowest vector that was taken, by the one CPU that owns the descriptor.
  void called(const TraceRecord& record) {
    Way& way = ways_[record.span];
    way.called = true;
    auto& taken = descriptors_[way.line].taken;
    const auto lowest = taken.begin();
    const bool next = lowest != taken.end() && lowest->second == record.span &&
                      lowest->first == vector_of(record);
    explain(next, record);
    if (next) taken.erase(lowest);
    explain(owner_.emplace(way.line, record.node).first->second == record.node, record);
  }

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
    explain((way.address >> 12 & 0xFF) == cpu_of(record), record);
    if (way.level || way.notifies) return;
    explain(messages_ != Messages::Posted, record);
    explain(is_vector_of(way, record), record);
  }

  /// The message's; or that of a remapping entry, which has one vector for each CPU it goes to.
  bool is_vector_of(const Way& way, const TraceRecord& record) {
    if (messages_ == Messages::Direct) return (way.data & 0xFF) == vector_of(record);
    const auto key = std::pair(source_of(record.span), cpu_of(record));
    return vectors_.emplace(key, vector_of(record)).first->second == vector_of(record);
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
    Way& way = ways_[record.span];
    ++way.ends;
    if (way.called) return;  // a posted one has no EOI
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
    if (way.merges != kNoSpan) return explain(way.merges == into, record);
    const unsigned cpu = way.address >> 12 & 0xFF;
    const auto& requested = apics_[cpu].requested;
    const auto key = std::pair(source_of(record.span), cpu);
    const unsigned vector =
        messages_ == Messages::Direct || vectors_.count(key) == 0 ? way.data & 0xFF : vectors_[key];
    const auto at = requested.find(vector);
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

  Messages messages_;
  std::map<unsigned, LocalApic> apics_;
  std::map<std::uint64_t, Descriptor> descriptors_;
  std::map<std::uint64_t, NodeId> owner_;                      // of a descriptor
  std::map<std::pair<SourceId, unsigned>, unsigned> vectors_;  // of a source on a CPU
  std::map<SpanId, Way> ways_;
  std::map<SpanId, NodeId> device_of_;
  std::map<SpanId, unsigned> cpu_of_;
  std::map<NodeId, Time> fell_;
};

std::string mixed_storm(const std::string& arch) {
  std::ifstream file(IRQFAB_SOURCE_DIR "/scenarios/mixed-storm.yaml");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string machine = "machine:\n";
  return text.replace(text.find(machine), machine.size(), machine + "  arch: " + arch + '\n');
}

/// Reads the whole run, and answers what the auditor counted.
Auditor audit(const std::string& arch, Messages messages) {
  ScenarioRun run(mixed_storm(arch));
  run.run_to_end();
  Auditor auditor(messages);
  for (const TraceRecord& record : run.sink().in_order()) auditor.read(record);
  EXPECT_EQ(auditor.unexplained, 0u);
  EXPECT_EQ(auditor.without_end(), 0u);
  EXPECT_EQ(auditor.ended_twice(), 0u);
  EXPECT_TRUE(auditor.at_rest());
  // What the scenario is there for has happened.
  EXPECT_GT(auditor.handled, 10'000u);
  EXPECT_GT(auditor.coalesced, 1'000u);
  const run::Outcome outcome = run.outcome();
  EXPECT_EQ(outcome.accounting.asserted, auditor.asserted);
  EXPECT_EQ(outcome.accounting.handled, auditor.handled);
  EXPECT_EQ(outcome.accounting.coalesced, auditor.coalesced);
  EXPECT_EQ(outcome.accounting.cancelled, auditor.cancelled);
  EXPECT_EQ(outcome.in_flight, 0u);
  return auditor;
}

TEST(MixedStorm, EveryInterruptIsHandledOrARuleSaysWhyNot) {
  EXPECT_GT(audit("x86", Messages::Direct).cancelled, 10u);
}

TEST(MixedStorm, LikewiseBehindARemappingUnit) {
  EXPECT_GT(audit("x86-ir", Messages::Remapped).cancelled, 0u);
}

TEST(MixedStorm, LikewiseBehindAUnitOfAmd) {
  const std::string arch = "x86-ir\n  remapping: amd-vi";
  EXPECT_GT(audit(arch, Messages::Remapped).cancelled, 0u);
}

TEST(MixedStorm, LikewiseWhereMessagesArePosted) {
  const Auditor auditor = audit("x86-pi", Messages::Posted);
  EXPECT_GT(auditor.notifications, 1'000u);
  EXPECT_LT(auditor.notifications, auditor.handled / 2) << "most are found by a look";
}

}  // namespace
}  // namespace irqfab::test
