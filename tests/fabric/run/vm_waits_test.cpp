// Where the time of a guest's interrupt goes while nothing else happens: what the host does for it
// is a hop with a name, and of what is Waited each case here says what was waited for.
#include <gtest/gtest.h>

#include "tests/fabric/run/vm_run.hpp"

namespace irqfab::test {
namespace {

/// A `length` of waiting, in ps, and what came after it.
struct Wait {
  Event until;
  Duration length;
  friend bool operator==(Wait a, Wait b) { return a.until == b.until && a.length == b.length; }
  friend std::ostream& operator<<(std::ostream& out, Wait wait) {
    return out << wait.length << " ps until " << name_of(wait.until);
  }
};
using Waits = std::vector<Wait>;

/// It has the CPU that the task is woken on: a thread on its way back to user space, after what it
/// did for the interrupt is done.
const Wait kForWhoeverReturns{Event::TaskSwitched, 150'000};
/// The host was interrupted on the vCPU's CPU, where the kworker is woken: the thread enters the
/// guest before the scheduler looks.
const Wait kForAnEntry{Event::TaskSwitched, 615'600};
/// The kworker has the vCPU's CPU: it asks for the route of the falling edge.
const Wait kForTheFallingEdge{Event::TaskSwitched, 20'000};

struct Case {
  std::string path;
  std::string attach;
  std::string source;  // vectors or a pin of the function
  Waits waits;
};

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  std::string name =
      info.param.path + '_' + info.param.attach + '_' + info.param.source.substr(0, 4);
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

/// Three interrupts, one at a time, on a guest with nothing else to do.
std::string idle_guest(const Case& of) {
  const bool pin = of.source == "intx: A";
  return "irqfab: 1\nmachine: { path: " + of.path +
         ", cpus: 1, devices: [ { id: n, bdf: \"00:03.0\", " + of.source +
         ", attach: " + of.attach + " } ] }\nworkload: [ { source: \"n:" + (pin ? "INTA" : "0") +
         "\", periodic: 500us, for: 1200us } ]\n";
}

/// Of the second interrupt, when routes that are made on demand are there.
Waits waits_of_one(VmRun& run) {
  const std::vector<SpanId> spans = run.spans(Cause::Device);
  EXPECT_EQ(spans.size(), 3u);
  const std::vector<TraceRecord> story = run.story_of(spans.at(1));
  Waits waits;
  for (std::size_t i = 0; i + 1 < story.size(); ++i) {
    if (story[i].event != Event::Waited) continue;
    const auto ended = std::find_if(
        story.begin() + static_cast<std::ptrdiff_t>(i) + 1, story.end(),
        [](const TraceRecord& record) { return row_of(record.event).effect != Effect::None; });
    waits.push_back({ended->event, story[i].detail});
  }
  EXPECT_EQ(story.back().event, Event::Handled);
  EXPECT_EQ(run.outcome().accounting.duplicated, 0u);
  EXPECT_EQ(run.outcome().accounting.asserted, run.outcome().accounting.handled);
  return waits;
}

class IdleGuest : public testing::TestWithParam<Case> {};

TEST_P(IdleGuest, AnInterruptWaitsForNothingButWhatHasANameHere) {
  VmRun run(idle_guest(GetParam()));
  run.run();
  EXPECT_EQ(waits_of_one(run), GetParam().waits);
}

TEST_P(IdleGuest, WhoeverWorksForAnInterruptItIsFoundAndNoOther) {
  VmRun run(idle_guest(GetParam()));
  for (Time stop = 0; stop < 530'000'000; stop += stop < 499'000'000 ? 1'000'000 : 70'000) {
    run.machine().run(stop);
    std::vector<SpanId> found = run.machine().held_spans();
    const std::vector<SpanId> moving = run.machine().moving_spans();
    found.insert(found.end(), moving.begin(), moving.end());
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    ASSERT_EQ(run.machine().ledger().in_flight_spans(), found) << stop;
  }
}

/// The vCPU's thread waits for the kworker that ends the irqfd of a vector that is masked.
TEST(MaskingHandler, PaysForWhatTheVmmDoesForItsAccesses) {
  VmRun run(idle_guest({"kvm-irqfd", "emulated", "msix: 1", {}}) +
            "handler: { steps: [ mask, busy 1us, unmask ] }\n");
  run.run();
  EXPECT_EQ(waits_of_one(run), (Waits{{Event::TaskSwitched, 1'403'000}}));
  const SpanId span = run.spans(Cause::Device).at(1);
  EXPECT_TRUE(run.passes(
      span, {Event::HandlerEntered, Event::VmExited, Event::UserExited, Event::DeviceModelled,
             Event::IrqfdDeassigned, Event::VcpuEntered, Event::HandlerResumed, Event::HandlerStep,
             Event::UserExited, Event::IrqfdAssigned, Event::VcpuEntered, Event::Handled}));
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&cases](const std::string& path, const std::string& attach,
                            const Waits& waits) {
    cases.push_back({path, attach, "msix: 1", waits});
  };
  for (const char* path : {"kvm-irqfd", "kvm-split-irqchip"}) {
    for (const char* attach : {"emulated", "vhost", "assigned"}) add(path, attach, {});
  }
  add("kvm-irqfd-workqueue", "emulated", {kForWhoeverReturns});
  add("kvm-irqfd-workqueue", "vhost", {});
  add("kvm-irqfd-workqueue", "assigned", {kForAnEntry, kForTheFallingEdge});
  for (const char* path : {"kvm-signal-msi", "kvm-dynamic-route"}) {
    add(path, "emulated", {});
    add(path, "vhost", {kForWhoeverReturns});
    add(path, "assigned", {});
  }
  for (const char* attach : {"emulated", "vhost", "assigned"}) add("vmm-userspace", attach, {});
  for (const char* path : {"kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi",
                           "kvm-dynamic-route", "kvm-split-irqchip", "vmm-userspace"}) {
    for (const char* attach : {"emulated", "vhost"}) cases.push_back({path, attach, "intx: A", {}});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(EachPath, IdleGuest, testing::ValuesIn(all_cases()), name_of_case);

}  // namespace
}  // namespace irqfab::test
