// Random calls of several threads on a routing layer, in random orders of their steps, judged by an
// oracle that shares nothing with it: invariants G1 and G2 (every interrupt ends once or rests
// somewhere), G9 (no table is used once its successor is in force), G11 (no eventfd injects as
// another's GSI), G13 and G17 (tables and irqfds are all given back), G14 (no lock rule is broken,
// nobody is stuck). In the middle of each run the whole world is copied, and both go on alike
// (G18).
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/base/random.hpp"
#include "models/x86/rte.hpp"
#include "tests/models/kvm/layer_oracle.hpp"
#include "tests/models/kvm/layer_world.hpp"
#include "tests/support/build_speed.hpp"

namespace irqfab::kvm::test {
namespace {

constexpr unsigned kThreads = 3;
constexpr std::uint32_t kEventfds = 4;   // that are written to
constexpr std::uint32_t kToldOfEoi = 4;  // one more
constexpr std::uint32_t kMessages = 3;   // GSIs 24 to 26
constexpr std::uint32_t kFirstMessage = 24;
constexpr std::uint32_t kEdgePin = 5, kLevelPin = 6;
constexpr std::uint8_t kEdgeVector = 0x70, kLevelVector = 0x80;
constexpr std::size_t kVersions = 8;  // that can be told apart

x86::MsiMessage message_of(std::uint32_t gsi, std::size_t version) {
  const auto n = static_cast<std::uint32_t>(version);
  return {0xFEE00000 | (n % 2) << 12,
          0x40 + (gsi - kFirstMessage) * std::uint32_t{kVersions} + n % std::uint32_t{kVersions}};
}

std::vector<Route> table_of(std::size_t version) {
  std::vector<Route> routes = {{Gsi{kEdgePin}, RouteTarget::IoapicPin, Pin{kEdgePin}, {}, 0},
                               {Gsi{kLevelPin}, RouteTarget::IoapicPin, Pin{kLevelPin}, {}, 0}};
  for (std::uint32_t gsi = kFirstMessage; gsi < kFirstMessage + kMessages; ++gsi) {
    routes.push_back({Gsi{gsi}, RouteTarget::Msi, {}, message_of(gsi, version), 0});
  }
  return routes;
}

/// Tells the oracle of everything that ends.
class PropertyEnv final : public irqfab::test::WorldEnv {
 public:
  void note(Event event, SpanId span, std::uint64_t) override {
    const bool ends = event == Event::Handled || event == Event::Coalesced ||
                      event == Event::Dropped || event == Event::Cancelled;
    if (ends && span != kNoSpan) ended.push_back(span);
  }
  std::vector<SpanId> ended;
};

class RandomCalls {
 public:
  RandomCalls(std::uint64_t seed, IrqfdForm form, Mutants mutants = {})
      : random_(seed, hash_of("irq layer")) {
    host::HostMachine::Config config;
    config.cpus = kThreads;
    config.slice = 0;
    host::HostMachine machine(config);
    for (unsigned n = 0; n < kThreads; ++n) {
      machine.add_thread({host::CpuMask::only(host::HostCpu(n)), host::Priority::Normal});
    }
    IrqLayer::Config of;
    of.irqchip.ids = {ApicId{0}, ApicId{1}};
    of.form = form;
    of.mutants = mutants;
    of.grace = form == IrqfdForm::Pointer ? GraceForm::Rcu : GraceForm::SrcuExpedited;
    of.eventfds = {0, 1, 2, 3, 4};
    of.first_program = host::ProgramId{1};
    LayerCalls calls(of, machine);
    world_.emplace(World{std::move(machine), std::move(calls), PropertyEnv()});
    for (std::uint32_t vcpu = 0; vcpu < 2; ++vcpu) {
      chip().write_apic(CpuId{vcpu}, 0xF0, 0x1FF, world_->env);
    }
    chip().write_entry(Pin{kEdgePin}, kEdgeVector, world_->env);
    chip().write_entry(Pin{kLevelPin}, kLevelVector | 1u << 15, world_->env);
    layer().set_routes_now(table_of(0));
    world_->software.calls.resize(kThreads);
  }

  /// Makes so many calls, step by step.
  void run(unsigned calls) {
    const unsigned until = made_ + calls;
    while (made_ < until) turn();
  }
  void come_to_rest() {
    set_mask(kEdgePin, Mask::Off);
    set_mask(kLevelPin, Mask::Off);
    while (!world_->runnable().empty()) step(any_actor());
    for (unsigned n = 0; n < kThreads; ++n) {
      const host::TaskHandle thread = world_->machine.thread(TaskId(n));
      holds(world_->machine.state(thread) == host::TaskState::Parked, "somebody is stuck");
    }
    holds(world_->machine.violations().empty(), "a lock rule");
    holds(layer().faults().empty(), "a fault of the layer's own account");
    holds(layer().retired_tables() == 0, "a table is never freed");
    std::vector<SpanId> held;
    layer().held_spans(held);
    world_->machine.held_spans(held);
    holds(oracle_.ended() + held.size() == written_ + world_->env.opened, "an interrupt is lost");
  }
  /// The first that was wrong; empty if nothing was.
  const std::string& wrong() const { return wrong_; }
  unsigned made() const { return made_; }
  std::uint64_t taken() const { return taken_; }
  bool same_as(const RandomCalls& other) const {
    return *world_ == *other.world_ && oracle_.ended() == other.oracle_.ended() &&
           taken_ == other.taken_;
  }

 private:
  using World = irqfab::test::HostedWorld<LayerCalls, PropertyEnv>;
  struct Call {
    Actor actor{};
    std::size_t named = 0;  // as the oracle named it
    std::uint32_t eventfd = 0;
    std::uint32_t gsi = 0;
    LayerOracle::Time begun = 0;
  };

  IrqLayer& layer() { return world_->software.layer; }
  Irqchip& chip() { return layer().chip(); }

  void turn() {
    if (random_.below(20) == 0) {
      const bool edge = random_.below(2) == 0;
      set_mask(edge ? kEdgePin : kLevelPin, Mask(random_.below(2)));
    }
    const auto thread = static_cast<std::size_t>(random_.below(kThreads));
    if (!calls_[thread] && random_.below(3) == 0) begin(thread);
    if (!world_->runnable().empty()) step(any_actor());
  }
  host::HostCpu any_actor() {
    host::CpuMask actors = world_->runnable();
    std::vector<host::HostCpu> all;
    while (const std::optional<host::HostCpu> actor = actors.pop_lowest()) all.push_back(*actor);
    return all[static_cast<std::size_t>(random_.below(all.size()))];
  }

  void begin(std::size_t thread) {
    constexpr std::array kActors = {Actor::Write,  Actor::Write,    Actor::Write,  Actor::Write,
                                    Actor::Update, Actor::Deassign, Actor::Assign, Actor::Assign};
    Call call;
    call.actor = kActors[static_cast<std::size_t>(random_.below(kActors.size()))];
    call.eventfd = static_cast<std::uint32_t>(random_.below(kEventfds));
    // The last eventfd is the level pin's, which resamples; the others share the rest.
    const bool resamples = call.eventfd == kEventfds - 1;
    const auto other = static_cast<std::uint32_t>(random_.below(kMessages + 1));
    call.gsi = resamples ? kLevelPin : other == kMessages ? kEdgePin : kFirstMessage + other;
    call.begun = oracle_.now();
    host::Start start;
    std::uint64_t* const arguments = start.locals.data() + host::kFirstArgument;
    arguments[0] = call.eventfd;
    switch (call.actor) {
      case Actor::Write:
        start.program = layer().program(LayerCall::EventfdWrite);
        start.span = make_span(SourceId{2}, written_++);
        arguments[1] = 1;
        oracle_.written(raw(start.span), static_cast<int>(call.eventfd));
        break;
      case Actor::Update:
        call.named = oracle_.update_begins();
        start.program = layer().program(LayerCall::SetGsiRouting);
        arguments[0] = layer().stage(table_of(call.named));
        break;
      default:
        start.program = layer().program(LayerCall::Irqfd);
        arguments[1] = call.gsi;
        if (call.actor == Actor::Deassign) {
          arguments[2] = static_cast<std::uint64_t>(IrqfdFlag::Deassign);
          break;
        }
        call.named =
            oracle_.bind_begins(static_cast<int>(call.eventfd), static_cast<int>(call.gsi));
        arguments[2] = resamples ? static_cast<std::uint64_t>(IrqfdFlag::Resample) : 0;
        arguments[3] = kToldOfEoi;
    }
    world_->software.calls[thread] = start;
    world_->machine.receive(PortId{0}, HostCall{0, TaskId(thread), thread, 0}, world_->software,
                            world_->env);
    calls_[thread] = call;
    ++made_;
  }

  void step(host::HostCpu actor) {
    oracle_.tick();
    world_->step(actor);
    look();
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      const host::TaskHandle handle = world_->machine.thread(TaskId(thread));
      const bool returned = world_->machine.state(handle) == host::TaskState::Parked;
      if (calls_[thread] && returned) end(thread, world_->machine.task(handle).value);
    }
  }
  void end(std::size_t thread, std::uint64_t value) {
    const Call call = *calls_[thread];
    calls_[thread].reset();
    const auto answer = static_cast<long>(value);
    switch (call.actor) {
      case Actor::Write:
        holds(answer == 8, "the answer of a write");
        break;
      case Actor::Update:
        holds(answer == 0, "the answer of an update");
        oracle_.update_returns(call.named);
        break;
      case Actor::Deassign:
        holds(answer == 0, "the answer of a deassign");
        oracle_.unbound(static_cast<int>(call.eventfd), static_cast<int>(call.gsi), call.begun);
        break;
      default:
        holds(answer == 0 || answer == kEBUSY, "the answer of an assign");
        oracle_.bind_returns(call.named, answer);
    }
  }

  void set_mask(std::uint32_t pin, Mask mask) {
    const auto at = Pin(static_cast<std::uint16_t>(pin));
    const std::uint64_t entry = chip().ioapic().rte(at).bits;
    constexpr std::uint64_t kMasked = 1u << 16;
    chip().write_entry(at, mask == Mask::On ? entry | kMasked : entry & ~kMasked, world_->env);
    look();
  }
  /// vCPUs take what there is and end it at once.
  void look() {
    for (std::uint32_t vcpu = 0; vcpu < 2; ++vcpu) {
      while (chip().lapics().intr(CpuId{vcpu}) == Level::High) {
        const IntaAnswer answer = chip().on_inta(CpuId{vcpu}, world_->env);
        judge(vcpu, raw(answer.vector), answer.span);
        chip().write_apic(CpuId{vcpu}, 0xB0, 0, world_->env);
        host::HostKernel kernel(world_->machine, std::nullopt, host::kNoTask, world_->env);
        layer().signal_resamplers(kernel, world_->env);
      }
    }
    for (const SpanId span : world_->env.ended) judged(oracle_.ended(raw(span)));
    world_->env.ended.clear();
  }
  void judge(std::uint32_t vcpu, unsigned vector, SpanId span) {
    ++taken_;
    int gsi = vector == kEdgeVector ? int{kEdgePin} : int{kLevelPin};
    if (vector < kEdgeVector) {
      gsi = static_cast<int>(kFirstMessage + (vector - 0x40) / kVersions);
      judged(oracle_.message(vcpu, (vector - 0x40) % kVersions, kVersions));
    }
    judged(oracle_.taken(raw(span), gsi));
  }

  void judged(const std::string& verdict) {
    if (wrong_.empty()) wrong_ = verdict;
  }
  void holds(bool rule, const char* otherwise) {
    if (!rule) judged(otherwise);
  }

  Random random_;
  std::string wrong_;
  std::optional<World> world_;
  LayerOracle oracle_;
  std::array<std::optional<Call>, kThreads> calls_;
  unsigned made_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t taken_ = 0;
};

class IrqLayerProperty : public testing::TestWithParam<IrqfdForm> {};

TEST_P(IrqLayerProperty, HoldsForRandomCallsAndForACopyInTheMiddle) {
  constexpr std::uint64_t kSeeds = irqfab::test::kSlowBuild ? 10 : 200;
  constexpr unsigned kCalls = 100;
  std::uint64_t calls = 0;
  std::uint64_t taken = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomCalls run(seed, GetParam());
    run.run(kCalls / 2);
    RandomCalls copy = run;
    run.run(kCalls / 2);
    run.come_to_rest();
    copy.run(kCalls / 2);
    copy.come_to_rest();
    EXPECT_EQ(run.wrong(), "");
    EXPECT_TRUE(run.same_as(copy));
    calls += run.made() + copy.made();
    taken += run.taken();
  }
  std::printf("  seeds 1 to %d: %llu calls, %llu interrupts taken\n", static_cast<int>(kSeeds),
              static_cast<unsigned long long>(calls), static_cast<unsigned long long>(taken));
  EXPECT_GT(taken, kSeeds * kCalls / 10);
}

/// What is wrong first, by a rule of the oracle or of the world, within so many seeds.
std::set<std::string> wrong_with(Mutant mutant, IrqfdForm form) {
  Mutants mutants;
  mutants.add(mutant);
  std::set<std::string> found;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    RandomCalls run(seed, form, mutants);
    run.run(50);
    run.come_to_rest();
    if (!run.wrong().empty()) found.insert(run.wrong());
  }
  return found;
}

TEST(IrqLayerProperties, AreBrokenByWhatIsKnownToBeBad) {
  const auto torn = wrong_with(Mutant::SequenceNotChecked, IrqfdForm::Copy);
  EXPECT_EQ(torn.count("a torn message"), 1u);
  EXPECT_FALSE(wrong_with(Mutant::RoutesFreedEarly, IrqfdForm::Pointer).empty());
}

std::string name_of(const testing::TestParamInfo<IrqfdForm>& form) {
  constexpr std::array kNames = {"Workqueue", "Pointer", "Copy"};
  return kNames[static_cast<std::size_t>(form.param)];
}

INSTANTIATE_TEST_SUITE_P(Kvm, IrqLayerProperty,
                         testing::Values(IrqfdForm::Workqueue, IrqfdForm::Pointer, IrqfdForm::Copy),
                         name_of);

}  // namespace
}  // namespace irqfab::kvm::test
