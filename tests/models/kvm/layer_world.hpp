// The routing layer of a VM as a world to explore: threads that make one call each, on a host CPU
// each, and vCPUs that take and end every interrupt at once, so that each injection is seen as one.
//
// The eventfd is bound to a GSI whose route is the old message; an update changes it to the new
// one. They differ in address and in data, so a message that is torn is seen as well. What came of
// it all is told in words ("1 old, 1 rests"), and so is the first rule that was broken.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "models/kvm/irq_layer.hpp"
#include "tests/support/explorer.hpp"
#include "tests/support/hosted_world.hpp"

namespace irqfab::kvm::test {

/// What a thread does.
enum class Actor : char {
  Write = 'W',
  Line = 'L',  // KVM_IRQ_LINE of the message's GSI, whatever the eventfd is bound to
  Update = 'U',
  Deassign = 'D',
  Close = 'C',
  Assign = 'A',
};

enum class Wired : std::uint8_t { Message, Pin };  // what the GSI is a route to
enum class Bound : std::uint8_t { Yes, No, Resampling };

struct Meeting {
  std::vector<Actor> actors;
  IrqfdForm form = IrqfdForm::Copy;
  GraceForm grace = GraceForm::SrcuExpedited;
  Wired wired = Wired::Message;
  Bound bound = Bound::Yes;
  Mutants mutants{};
};

/// The layer, and which calls its threads make. HostCall::a is an index.
class LayerCalls final : public host::Software {
 public:
  LayerCalls(const IrqLayer::Config& config, host::HostMachine& machine) : layer(config, machine) {}

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override {
    return layer.run(task, kernel, env);
  }
  host::Reception receive(PortId, const Message& message, host::HostKernel& kernel, Env&) override {
    const auto& call = std::get<HostCall>(message);
    kernel.start(kernel.machine().thread(call.task), calls[call.a]);
    return host::Reception::Taken;
  }
  friend bool operator==(const LayerCalls& a, const LayerCalls& b) { return a.layer == b.layer; }

  IrqLayer layer;
  std::vector<host::Start> calls;
};

/// How interrupts end, counted.
class LayerEnv final : public irqfab::test::WorldEnv {
 public:
  void note(Event event, SpanId, std::uint64_t) override {
    merged += event == Event::Coalesced;
    dropped += event == Event::Dropped;
    cancelled += event == Event::Cancelled;
    handled += event == Event::Handled;
  }
  friend bool operator==(const LayerEnv& a, const LayerEnv& b) {
    return static_cast<const WorldEnv&>(a) == b && a.merged == b.merged && a.dropped == b.dropped &&
           a.cancelled == b.cancelled && a.handled == b.handled;
  }
  unsigned merged = 0, dropped = 0, cancelled = 0, handled = 0;
};

class LayerWorld : public irqfab::test::HostedWorld<LayerCalls, LayerEnv> {
 public:
  /// A reader of an entry that is being written tries again.
  static constexpr auto kSpins = irqfab::test::Spins::Maybe;
  static constexpr Gsi kMessageGsi{24};
  static constexpr Gsi kPinGsi{5};
  static constexpr x86::MsiMessage kOld{0xFEE00000, 0x41};  // to vCPU 0
  static constexpr x86::MsiMessage kNew{0xFEE01000, 0x52};  // to vCPU 1
  static constexpr std::uint8_t kPinVector = 0x63;          // to vCPU 0

  explicit LayerWorld(const Meeting& meeting);

  void step(host::HostCpu actor) {
    HostedWorld::step(actor);
    for (std::uint32_t vcpu = 0; vcpu < kVcpus; ++vcpu) take_interrupts(CpuId{vcpu});
    const TaskId holder = machine.owner(software.layer.locks().resampler);
    const bool asleep =
        holder != host::kNoTask && machine.state({holder, 0}) == host::TaskState::Blocked;
    if (asleep) breaks("asleep under the resamplers' lock");
  }
  std::string outcome() const;
  std::string broken() const;

  /// The thread that does this has come back from its call.
  bool has_returned(Actor actor) const {
    for (std::size_t n = 0; n < actors_.size(); ++n) {
      if (actors_[n] == actor && !is_parked(n)) return false;
    }
    return std::find(actors_.begin(), actors_.end(), actor) != actors_.end();
  }
  /// A deassign has come back that found the eventfd open: it was too late for a signal then.
  bool is_deassigned() const {
    for (std::size_t n = 0; n < actors_.size(); ++n) {
      if (actors_[n] == Actor::Deassign && is_parked(n) && answer(n) == 0) return true;
    }
    return false;
  }
  bool has(Actor actor) const {
    return std::find(actors_.begin(), actors_.end(), actor) != actors_.end();
  }
  /// What the thread's call answered.
  Answer answer(std::size_t thread) const {
    return static_cast<Answer>(machine.task(machine.thread(TaskId(thread))).value);
  }

  friend bool operator==(const LayerWorld& a, const LayerWorld& b) {
    return static_cast<const HostedWorld&>(a) == b && a.taken_ == b.taken_ && a.rule_ == b.rule_;
  }

 private:
  static constexpr std::uint32_t kVcpus = 2;
  enum Taken : std::size_t { kOldTaken, kNewTaken, kPinTaken, kTornTaken, kKinds };

  std::uint64_t call(Actor actor, std::uint32_t eventfd, Gsi gsi);
  void learn_lock_order();
  void take_interrupts(CpuId vcpu);
  void take(CpuId vcpu, Vector vector);
  void breaks(const char* rule) {
    if (rule_.empty()) rule_ = rule;
  }
  bool is_parked(std::size_t thread) const {
    return machine.state(machine.thread(TaskId(thread))) == host::TaskState::Parked;
  }
  bool can_be_bound_again() const;
  std::size_t resting() const {
    std::vector<SpanId> held;
    software.layer.held_spans(held);
    machine.held_spans(held);
    return held.size();
  }

  std::vector<Actor> actors_;
  unsigned asserted_ = 0;
  std::array<unsigned, kKinds> taken_{};
  std::string rule_;
};

// ---- how it is put together -------------------------------------------------------------------

inline host::HostMachine machine_for(const Meeting& meeting) {
  host::HostMachine::Config config;
  config.cpus = static_cast<unsigned>(meeting.actors.size() + 1);
  config.slice = 0;
  host::HostMachine machine(config);
  for (unsigned n = 0; n < config.cpus; ++n) {
    machine.add_thread({host::CpuMask::only(host::HostCpu(n)), host::Priority::Normal});
  }
  return machine;
}

inline IrqLayer::Config layer_for(const Meeting& meeting) {
  IrqLayer::Config config;
  config.irqchip.ids = {ApicId{0}, ApicId{1}};
  config.form = meeting.form;
  config.grace = meeting.grace;
  config.eventfds = {0, 1, 2};  // written to, told of EOIs, and there to learn from
  config.first_program = host::ProgramId{1};
  config.mutants = meeting.mutants;
  return config;
}

inline std::vector<Route> routes_with(const x86::MsiMessage& message) {
  return {{LayerWorld::kPinGsi, RouteTarget::IoapicPin, Pin{5}, {}, 0},
          {LayerWorld::kMessageGsi, RouteTarget::Msi, {}, message, 0}};
}

inline irqfab::test::HostedWorld<LayerCalls, LayerEnv> host_for(const Meeting& meeting) {
  host::HostMachine machine = machine_for(meeting);
  LayerCalls calls(layer_for(meeting), machine);
  return {std::move(machine), std::move(calls), LayerEnv()};
}

inline LayerWorld::LayerWorld(const Meeting& meeting)
    : HostedWorld(host_for(meeting)), actors_(meeting.actors) {
  IrqLayer& layer = software.layer;
  constexpr std::uint32_t kSvr = 0xF0, kEnabled = 0x1FF;
  for (std::uint32_t vcpu = 0; vcpu < kVcpus; ++vcpu) {
    layer.chip().write_apic(CpuId{vcpu}, kSvr, kEnabled, env);
  }
  layer.chip().write_entry(Pin{5}, kPinVector, env);
  if (meeting.mutants == Mutants{}) learn_lock_order();
  // A level that no EOI lowers would come again and again.
  const std::uint64_t level = meeting.bound == Bound::Resampling ? 1u << 15 : 0;
  layer.chip().write_entry(Pin{5}, kPinVector | level, env);
  layer.set_routes_now(routes_with(kOld));
  const Gsi gsi = meeting.wired == Wired::Message ? kMessageGsi : kPinGsi;
  if (meeting.bound == Bound::Yes) layer.assign_now(0, gsi, std::nullopt, machine);
  if (meeting.bound == Bound::Resampling) layer.assign_now(0, gsi, 1, machine);
  for (std::size_t n = 0; n < actors_.size(); ++n) {
    machine.receive(PortId{0}, HostCall{0, TaskId(n), call(actors_[n], 0, gsi), 0}, software, env);
  }
}

/// The call that an actor makes, for its own eventfd and GSI: an index of LayerCalls::calls.
inline std::uint64_t LayerWorld::call(Actor actor, std::uint32_t eventfd, Gsi gsi) {
  IrqLayer& layer = software.layer;
  host::Start start;
  std::uint64_t* const arguments = start.locals.data() + host::kFirstArgument;
  arguments[0] = eventfd;
  switch (actor) {
    case Actor::Write:
      start.program = layer.program(LayerCall::EventfdWrite);
      start.span = make_span(SourceId{2}, asserted_++);
      arguments[1] = 1;
      break;
    case Actor::Line:
      start.program = layer.program(LayerCall::IrqLine);
      start.span = make_span(SourceId{2}, asserted_++);
      arguments[0] = raw(kMessageGsi);
      arguments[2] = 1;
      break;
    case Actor::Update:
      start.program = layer.program(LayerCall::SetGsiRouting);
      arguments[0] = layer.stage(routes_with(kNew));
      break;
    case Actor::Deassign:
      start.program = layer.program(LayerCall::Irqfd);
      arguments[1] = raw(gsi);
      arguments[2] = static_cast<std::uint64_t>(IrqfdFlag::Deassign);
      break;
    case Actor::Close:
      start.program = layer.program(LayerCall::EventfdClose);
      break;
    case Actor::Assign:
      start.program = layer.program(LayerCall::Irqfd);
      arguments[1] = raw(gsi);
      break;
  }
  software.calls.push_back(start);
  return software.calls.size() - 1;
}

/// Everything is done once, with another eventfd on a CPU of its own: the order of locks is known
/// then, and worlds do not differ by who was the first to show it.
inline void LayerWorld::learn_lock_order() {
  for (const Gsi gsi : {kMessageGsi, kPinGsi}) {
    for (const Actor actor : {Actor::Assign, Actor::Write, Actor::Line, Actor::Update,
                              Actor::Deassign, Actor::Assign, Actor::Close}) {
      const std::uint64_t which = call(actor, 2, gsi);
      machine.receive(PortId{0}, HostCall{0, TaskId(actors_.size()), which, 0}, software, env);
      while (!runnable().empty()) step(*runnable().lowest());
    }
    host::HostKernel kernel(machine, std::nullopt, host::kNoTask, env);
    software.layer.open(2, 0, host::EventFdMode::Counter, kernel);
  }
  software.calls.clear();
  asserted_ = 0;
  taken_ = {};
  rule_.clear();
  env = LayerEnv();
}

// ---- what is seen of it -----------------------------------------------------------------------

inline void LayerWorld::take_interrupts(CpuId vcpu) {
  constexpr std::uint32_t kEoi = 0xB0;
  Irqchip& chip = software.layer.chip();
  while (chip.lapics().intr(vcpu) == Level::High) {
    take(vcpu, chip.on_inta(vcpu, env).vector);
    chip.write_apic(vcpu, kEoi, 0, env);
    host::HostKernel kernel(machine, std::nullopt, host::kNoTask, env);
    software.layer.signal_resamplers(kernel, env);
  }
}

inline void LayerWorld::take(CpuId vcpu, Vector vector) {
  const auto is = [&](const x86::MsiMessage& message) {
    return raw(vcpu) == (message.address >> 12 & 0xFF) && raw(vector) == message.data;
  };
  const Taken kind = raw(vector) == kPinVector ? kPinTaken
                     : is(kOld)                ? kOldTaken
                     : is(kNew)                ? kNewTaken
                                               : kTornTaken;
  ++taken_[kind];
  if (kind == kTornTaken) breaks("torn message");
  if (kind == kOldTaken && has_returned(Actor::Update)) breaks("old route after the update");
  const bool others_inject = has(Actor::Assign) || has(Actor::Line);
  if (is_deassigned() && !others_inject) breaks("injected after deassign");
}

inline std::string LayerWorld::outcome() const {
  std::string told;
  const auto tell = [&told](std::size_t count, const char* of) {
    if (count == 0) return;
    if (!told.empty()) told += ", ";
    told += std::to_string(count) + " " + of;
  };
  tell(taken_[kOldTaken], "old");
  tell(taken_[kNewTaken], "new");
  tell(taken_[kPinTaken], "pin");
  tell(taken_[kTornTaken], "torn");
  tell(env.merged, "merged");
  tell(env.dropped, "dropped");
  tell(env.cancelled, "cancelled");
  tell(resting(), "resting");
  return told.empty() ? "nothing" : told;
}

inline std::string LayerWorld::broken() const {
  if (!rule_.empty()) return rule_;
  const IrqLayer& layer = software.layer;
  constexpr std::array kFaults = {"route used after free",
                                  "irqfd used after free",
                                  "irqfd freed twice",
                                  "injected after deassign (generation)",
                                  "torn entry",
                                  "index out of the table"};
  if (!layer.faults().empty()) return kFaults[static_cast<std::size_t>(layer.faults().front())];
  if (!machine.violations().empty()) return "lock rule";
  for (std::size_t n = 0; n < actors_.size(); ++n) {
    if (!is_parked(n)) return "stuck";
  }
  if (layer.retired_tables() != 0) return "a table is never freed";
  const std::size_t ended = env.handled + env.merged + env.dropped + env.cancelled;
  if (asserted_ + env.opened != ended + resting()) return "an interrupt lost or told twice";
  const bool ends = (has(Actor::Deassign) || has(Actor::Close)) && !has(Actor::Assign);
  if (ends && layer.bound(0)) return "an irqfd that stays";
  if (ends && !can_be_bound_again()) return "an irqfd that is not freed";
  return "";
}

inline bool LayerWorld::can_be_bound_again() const {
  LayerWorld later = *this;
  IrqLayer& layer = later.software.layer;
  if (!later.machine.eventfds().open(layer.eventfd(0))) {
    host::HostKernel kernel(later.machine, std::nullopt, host::kNoTask, later.env);
    layer.open(0, 0, host::EventFdMode::Counter, kernel);
  }
  return layer.assign_now(0, kMessageGsi, std::nullopt, later.machine) == 0;
}

}  // namespace irqfab::kvm::test
