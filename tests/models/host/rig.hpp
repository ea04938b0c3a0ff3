// A HostMachine with programs written down as lists of steps, run by a TimedEnv with small prices.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "models/host/host_machine.hpp"
#include "tests/support/timed_env.hpp"

namespace irqfab::host::test {

using Step = std::function<Action(Task&, HostKernel&, Env&)>;

/// A step that always asks for the same.
template <class A>
Step just(const A& action) {
  return [action](Task&, HostKernel&, Env&) -> Action { return action; };
}
/// A step that notes what the action before it came to, and takes no time.
inline Step outcome_to(std::vector<Outcome>& out) {
  return [&out](Task& task, HostKernel&, Env&) -> Action {
    out.push_back(task.outcome);
    return Compute{0};
  };
}

/// Programs as lists of steps; behind the last step a program is done.
class Script final : public Software {
 public:
  using OnCall = std::function<Reception(const HostCall&, HostKernel&, Env&)>;

  ProgramId add(std::vector<Step> steps) {
    programs_.push_back(std::move(steps));
    return ProgramId(programs_.size() - 1);
  }
  Action run(Task& task, HostKernel& kernel, Env& env) override {
    const auto& steps = programs_[raw(task.program)];
    if (observe) observe(task, kernel);
    const std::uint16_t pc = task.pc++;
    return pc < steps.size() ? steps[pc](task, kernel, env) : Action{Done{}};
  }
  Reception receive(PortId, const Message& message, HostKernel& kernel, Env& env) override {
    const HostCall* call = std::get_if<HostCall>(&message);
    return call != nullptr && on_call ? on_call(*call, kernel, env) : Reception::Taken;
  }

  std::function<void(const Task&, HostKernel&)> observe;  // sees each step before it runs
  OnCall on_call;

 private:
  std::vector<std::vector<Step>> programs_;
};

// Prices of the rig, in ps: different sums tell apart what a time consists of.
constexpr Duration kAcquire = 10;
constexpr Duration kRelease = 3;
constexpr Duration kSwitch = 100;
constexpr Duration kWake = 20;
constexpr Duration kUp = kWake + kSwitch;  // from asleep to its next step on an idle CPU
constexpr Duration kGrace = 7;
constexpr Duration kWork = 1000;  // Event::HandlerStep, for work that a program does

using Prices = std::map<Event, Duration>;
inline const Prices kPrices = {{Event::LockAcquired, kAcquire}, {Event::LockReleased, kRelease},
                               {Event::TaskSwitched, kSwitch},  {Event::TaskWoken, kWake},
                               {Event::GracePeriod, kGrace},    {Event::HandlerStep, kWork}};

class Rig {
 public:
  explicit Rig(const HostMachine::Config& config = {}, const Prices& prices = kPrices)
      : machine(config), env(prices) {
    // Call `a`: start program a on the thread; span b. Waits while the thread is busy.
    script.on_call = [](const HostCall& call, HostKernel& kernel, Env&) {
      const Start start{ProgramId(call.a), SpanId{call.b}, {}};
      return kernel.start(kernel.machine().thread(call.task), start) ? Reception::Taken
                                                                     : Reception::Later;
    };
  }

  TaskHandle thread(CpuMask allowed, Priority priority = Priority::Normal) {
    return machine.add_thread({allowed, priority});
  }
  TaskHandle thread() { return thread(CpuMask::first(machine.config().cpus)); }

  /// At `time` the thread begins `program` for a span of its own: span_of(thread).
  void start(TaskHandle thread, ProgramId program, Time time = 0) {
    call(thread, raw(program), raw(span_of(thread)), time);
  }
  void start(TaskHandle thread, std::vector<Step> steps, Time time = 0) {
    start(thread, script.add(std::move(steps)), time);
  }
  void call(TaskHandle thread, std::uint64_t a, std::uint64_t b, Time time) {
    const HostCall message{0, thread.slot, a, b};
    env.post(time, machine.lane_of(message), PortId{0}, message);
  }
  /// At `time` something happens outside the CPUs.
  void at(Time time, std::function<void(HostKernel&, Env&)> act) {
    const auto index = acts_.size();
    acts_.push_back(std::move(act));
    env.post(time, LaneId{machine.config().cpus}, kActs, Marker{Tag(index)});
  }
  static SpanId span_of(TaskHandle thread) { return SpanId{0x100u + raw(thread.slot)}; }

  /// Runs, keeping account of what each CPU is at.
  void run(Time until = kNever) {
    spent.resize(machine.config().cpus);
    env.run([this](PortId port, const Message& message, Env& e) { serve(port, message, e); }, until,
            [this](Time from, Time to) {
              for (unsigned cpu = 0; cpu < machine.config().cpus; ++cpu) {
                spent[cpu][machine.activity(HostCpu(cpu))] += to - from;
              }
            });
  }

  /// When the n-th such event was noted for the thread's span; none if it was not.
  std::optional<Time> time_of(Event event, TaskHandle thread, std::size_t n = 0) const {
    for (const auto& record : env.records) {
      if (record.event == event && record.span == span_of(thread) && n-- == 0) return record.time;
    }
    return std::nullopt;
  }
  std::size_t count(Event event) const {
    std::size_t n = 0;
    for (const auto& record : env.records) n += record.event == event;
    return n;
  }
  bool violated(ViolationKind kind) const { return violation(kind) != nullptr; }
  const Violation* violation(ViolationKind kind) const {
    for (const Violation& found : machine.violations()) {
      if (found.kind == kind) return &found;
    }
    return nullptr;
  }

  HostMachine machine;
  Script script;
  irqfab::test::TimedEnv env;
  std::vector<std::map<Activity, Duration>> spent;  // by CPU

 private:
  static constexpr PortId kActs{0xFF};

  void serve(PortId port, const Message& message, Env& e) {
    if (port != kActs) return machine.receive(port, message, script, e);
    // As software that receives a message of its own would.
    const auto usual = std::exchange(
        script.on_call, [this, &message](const HostCall&, HostKernel& kernel, Env& inner) {
          acts_[raw(std::get<Marker>(message).tag)](kernel, inner);
          return Reception::Taken;
        });
    machine.receive(PortId{0}, HostCall{0, kNoTask, 0, 0}, script, e);
    script.on_call = usual;
  }

  std::vector<std::function<void(HostKernel&, Env&)>> acts_;
};

inline const Step kDoWork = just(Charge{Event::HandlerStep});

}  // namespace irqfab::host::test
