// The routing layer of a VM on a machine whose CPUs a test advances step by step: thread n runs on
// host CPU n, and kworkers run on the CPU that queued their work.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "models/kvm/irq_layer.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::kvm::test {

constexpr Gsi kMsiGsi{24};
constexpr x86::MsiMessage kFirst{0xFEE00000, 0x41};   // to vCPU 0
constexpr x86::MsiMessage kSecond{0xFEE01000, 0x52};  // to vCPU 1, other data
constexpr Gsi kPinGsi{20};
constexpr std::uint8_t kPinVector = 0x63;  // to vCPU 0
constexpr std::uint64_t kLevelEntry = 1u << 15;

inline Route message_route(Gsi gsi, const x86::MsiMessage& message) {
  return {gsi, RouteTarget::Msi, Pin{}, message};
}
inline Route pin_route(Gsi gsi, std::uint16_t pin) {
  return {gsi, RouteTarget::IoapicPin, Pin{pin}, {}};
}

/// Two eventfds that may be bound, and two to be signalled at EOIs.
constexpr std::uint32_t kFd = 0, kOtherFd = 1, kResampleFd = 2, kOtherResampleFd = 3;

class LayerRig final : public host::Software {
 public:
  static IrqLayer::Config plain(IrqfdForm form = IrqfdForm::Copy) {
    IrqLayer::Config config;
    config.irqchip.ids = {ApicId{0}, ApicId{1}};
    config.form = form;
    config.grace = form == IrqfdForm::Copy ? GraceForm::SrcuExpedited : GraceForm::Rcu;
    config.eventfds = {10, 11, 12, 13};
    return config;
  }
  static IrqLayer::Config with(Mutant mutant, IrqfdForm form = IrqfdForm::Copy) {
    IrqLayer::Config config = plain(form);
    config.mutants.add(mutant);
    return config;
  }

  explicit LayerRig(const IrqLayer::Config& config = plain(), unsigned cpus = 3)
      : machine(machine_with_threads(cpus)), layer(config, machine) {
    for (std::uint32_t cpu = 0; cpu < layer.chip().lapics().cpus(); ++cpu) {
      layer.chip().write_apic(CpuId{cpu}, 0xF0, 0x1FF, env);
    }
    if (config.irqchip.kind == IrqchipKind::Full) {
      layer.chip().write_entry(Pin{static_cast<std::uint16_t>(raw(kPinGsi))}, kPinVector, env);
      layer.set_routes_now({message_route(kMsiGsi, kFirst), pin_route(kPinGsi, 20)});
    }
    env.clear();
  }

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& e) override {
    if (task.program == kSleeper) return sleep(task);
    if (other != nullptr && other->owns(task.program)) return other->run(task, kernel, e);
    return layer.run(task, kernel, e);
  }
  host::Reception receive(PortId, const Message& message, host::HostKernel& kernel,
                          Env& e) override {
    if (const auto* call = std::get_if<HostCall>(&message)) {
      kernel.start(kernel.machine().thread(call->task), begin_);
    } else {
      act_(kernel, e);
    }
    return host::Reception::Taken;
  }

  // ---- calls

  /// The thread on that CPU enters the call; nothing of it has run yet.
  void begin(unsigned cpu, LayerCall call, std::initializer_list<std::uint64_t> arguments,
             SpanId span = kNoSpan) {
    begin(cpu, layer.program(call), arguments, span);
  }
  void begin(unsigned cpu, host::ProgramId program, std::initializer_list<std::uint64_t> arguments,
             SpanId span = kNoSpan) {
    begin_ = {program, span, {}};
    std::copy(arguments.begin(), arguments.end(), begin_.locals.begin() + host::kFirstArgument);
    machine.receive(PortId{0}, HostCall{0, thread(cpu).slot, 0, 0}, *this, env);
  }
  /// The whole call, with all that it sets in motion. What it answers.
  Answer call(LayerCall call, std::initializer_list<std::uint64_t> arguments,
              SpanId span = kNoSpan) {
    begin(0, call, arguments, span);
    settle();
    return answer(0);
  }
  Answer answer(unsigned cpu) const { return static_cast<Answer>(machine.task(thread(cpu)).value); }
  Answer assign(std::uint32_t eventfd, Gsi gsi) {
    return call(LayerCall::Irqfd, {eventfd, raw(gsi), 0, 0});
  }
  Answer assign(std::uint32_t eventfd, Gsi gsi, std::uint32_t resample) {
    return call(LayerCall::Irqfd, {eventfd, raw(gsi), kResample, resample});
  }
  Answer deassign(std::uint32_t eventfd, Gsi gsi) {
    return call(LayerCall::Irqfd, {eventfd, raw(gsi), kDeassign, 0});
  }
  Answer write(std::uint32_t eventfd) {
    return call(LayerCall::EventfdWrite, {eventfd, 1}, span());
  }
  Answer close(std::uint32_t eventfd) { return call(LayerCall::EventfdClose, {eventfd}); }
  Answer line(Gsi gsi, std::uint32_t source, Level level) {
    const SpanId rise = layer.chip().announce(gsi, source, level) ? span() : kNoSpan;
    return call(LayerCall::IrqLine, {raw(gsi), source, static_cast<std::uint64_t>(level)}, rise);
  }
  Answer set_routes(std::vector<Route> routes) {
    return call(LayerCall::SetGsiRouting, {layer.stage(std::move(routes))});
  }
  /// The thread on that CPU sleeps until somebody wakes the queue.
  void begin_sleep(unsigned cpu, host::WaitQueueId queue) {
    begin(cpu, kSleeper, {raw(queue)});
    while (runnable(cpu)) step(cpu);
  }
  SpanId span() { return env.open(Cause::Software, kNoSpan); }
  void open(std::uint32_t eventfd, std::uint64_t count,
            host::EventFdMode mode = host::EventFdMode::Counter) {
    at([&](host::HostKernel& kernel, Env&) { layer.open(eventfd, count, mode, kernel); });
  }
  /// Something outside of all tasks.
  void at(std::function<void(host::HostKernel&, Env&)> act) {
    act_ = std::move(act);
    machine.receive(PortId{0}, Marker{}, *this, env);
  }

  // ---- time

  void step(unsigned cpu) { machine.step(host::HostCpu(cpu), *this, env); }
  bool runnable(unsigned cpu) const { return machine.runnable(host::HostCpu(cpu)); }
  bool parked(unsigned cpu) const { return machine.state(thread(cpu)) == host::TaskState::Parked; }
  /// Steps of one CPU while it can, until `reached`. False if that never came.
  template <class Condition>
  bool until(unsigned cpu, Condition&& reached) {
    for (unsigned n = 0; n < kEnough && !reached(); ++n) {
      if (!runnable(cpu)) return false;
      step(cpu);
    }
    return reached();
  }
  /// Just before whatever follows the event.
  bool until_noted(unsigned cpu, Event event) {
    const std::size_t before = env.count(event);
    return until(cpu, [&] { return env.count(event) > before; });
  }
  bool until_parked(unsigned cpu) {
    return until(cpu, [&] { return parked(cpu); });
  }
  /// All CPUs in turn, and timers when nothing else moves.
  void settle() {
    for (unsigned n = 0; n < kEnough; ++n) {
      bool moved = false;
      for (unsigned cpu = 0; cpu < machine.config().cpus; ++cpu) {
        if (!runnable(cpu)) continue;
        step(cpu);
        moved = true;
      }
      if (!moved && !elapse()) return;
    }
    ADD_FAILURE() << "it does not come to rest";
  }
  /// The oldest timer that is under way comes. False if there is none.
  bool elapse() {
    for (; next_delay_ < env.delays.size(); ++next_delay_) {
      const irqfab::test::Delayed delay = env.delays[next_delay_];
      if (!host::HostMachine::owns(delay.tag) || !host::HostMachine::is_timer(delay.tag)) continue;
      ++next_delay_;
      machine.receive(PortId{0xFFFF}, Elapsed{delay.tag, 0}, *this, env);
      return true;
    }
    return false;
  }

  // ---- what there is to see

  host::TaskHandle thread(unsigned cpu) const {
    return machine.thread(TaskId(static_cast<std::uint16_t>(cpu)));
  }
  bool pending(std::uint32_t vcpu, unsigned vector) const {
    return layer.chip().lapics().irr(CpuId{vcpu}).has(Vector(static_cast<std::uint8_t>(vector)));
  }
  std::uint64_t counter(std::uint32_t eventfd) const {
    return machine.eventfds().count(layer.eventfd(eventfd));
  }
  bool held(host::LockId lock) const { return machine.owner(lock) != host::kNoTask; }
  bool has_fault(LayerFault fault) const {
    return std::find(layer.faults().begin(), layer.faults().end(), fault) != layer.faults().end();
  }
  bool violated(host::ViolationKind kind) const {
    return std::any_of(machine.violations().begin(), machine.violations().end(),
                       [kind](const host::Violation& found) { return found.kind == kind; });
  }
  bool clean() const { return layer.faults().empty() && machine.violations().empty(); }
  /// The vCPU takes what is pending first, and ends it.
  void handle(std::uint32_t vcpu) {
    layer.chip().on_inta(CpuId{vcpu}, env);
    layer.chip().write_apic(CpuId{vcpu}, 0xB0, 0, env);
    at([this](host::HostKernel& kernel, Env& e) { layer.signal_resamplers(kernel, e); });
  }
  std::size_t resting() const {
    std::vector<SpanId> held_spans;
    layer.held_spans(held_spans);
    machine.held_spans(held_spans);
    return held_spans.size();
  }

  irqfab::test::RecordingEnv env;
  host::HostMachine machine;
  IrqLayer layer;
  IrqLayer* other = nullptr;  // of another VM

  static constexpr std::uint64_t kDeassign = 1, kResample = 2;

 private:
  static constexpr unsigned kEnough = 100'000;
  static constexpr host::ProgramId kSleeper{100};
  static host::Action sleep(host::Task& task) {
    const auto queue = host::WaitQueueId(task.locals[host::kFirstArgument]);
    if (task.pc++ == 0) return host::Wait{queue};
    return host::Done{};
  }
  static host::HostMachine machine_with_threads(unsigned cpus) {
    host::HostMachine::Config config;
    config.cpus = cpus;
    config.slice = 0;
    host::HostMachine machine(config);
    for (unsigned n = 0; n < cpus; ++n) {
      machine.add_thread({host::CpuMask::only(host::HostCpu(n)), host::Priority::Normal});
    }
    return machine;
  }

  host::Start begin_;
  std::function<void(host::HostKernel&, Env&)> act_;
  std::size_t next_delay_ = 0;
};

}  // namespace irqfab::kvm::test
