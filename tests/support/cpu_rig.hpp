// CPUs without a controller: a rule says what arrives and sees what they ask for.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "models/cpu/cpus.hpp"
#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::test {

/// CPU 0 is the bootstrap processor, CPU 1 is none.
class CpuRig {
 public:
  using Config = cpu::Cpus::Config;
  using StepKind = cpu::StepKind;
  using Instruction = cpu::Instruction;
  static constexpr Duration kLong = 1000;

  explicit CpuRig(Config config = busy()) : cpus(config) {}

  /// Handlers of one long step.
  static Config busy() { return with({{StepKind::Busy, kLong}}); }
  static Config with(std::vector<cpu::HandlerStep> program) {
    Config config;
    config.cpus = 2;
    config.programs = {std::move(program)};
    config.completions = cpu::Cpus::Completions::NotTold;
    return config;
  }
  /// Handlers that can be preempted from their start on.
  static Config preemptible() {
    return with({{StepKind::EnableInterrupts, 0}, {StepKind::Busy, kLong}});
  }

  void receive(const Message& message) { cpus.receive(cpu::Cpus::kController, message, env); }
  void line(Level level = Level::High, SpanId by = kNoSpan) {
    receive(CpuLineChange{cpu, CpuLine::Intr, level, kNoSpan, {}, by});
  }
  void tell(CpuLine line, std::uint64_t n) {
    receive(CpuLineChange{cpu, line, Level::High, span(n)});
  }
  void answer(unsigned vector, std::uint64_t n) {
    receive(IntaAnswer{cpu, Vector(static_cast<std::uint8_t>(vector)), false, span(n)});
  }
  void answer_spurious() { receive(IntaAnswer{cpu, Vector{0xFF}, true, kNoSpan}); }
  void take(unsigned vector, std::uint64_t n) {
    line();
    answer(vector, n);
  }
  void call(cpu::Call what, std::uint64_t operand) {
    receive(HostCall{static_cast<std::uint16_t>(what), {}, raw(cpu), operand});
  }
  void execute(std::vector<Instruction> instructions) {
    cpu::Code code;
    for (std::size_t i = 0; i < instructions.size(); ++i) code = code.with(i, instructions[i]);
    call(cpu::Call::Execute, code.word());
  }
  /// Time passes, and the delay that was asked for last comes back.
  void elapse() {
    ASSERT_FALSE(env.delays.empty());
    const Delayed delay = env.delays.back();
    env.delays.pop_back();
    env.time += delay.delay;
    receive(Elapsed{delay.tag, raw(cpu)});
  }

  static SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }
  std::size_t intas() const { return env.messages<Inta>().size(); }
  std::size_t eois() const { return env.messages<RegisterWrite>().size(); }
  bool noted(Event event, std::uint64_t n) const {
    for (const auto& note : env.notes) {
      if (note.event == event && note.span == span(n)) return true;
    }
    return false;
  }
  /// Handlers as they began and ended: "enter 1, end 1".
  std::string story() const {
    std::string text;
    for (const auto& note : env.notes) {
      const char* what = nullptr;
      if (note.event == Event::HandlerEntered) what = "enter ";
      if (note.event == Event::EoiWritten || note.event == Event::Handled) what = "end ";
      if (what == nullptr) continue;
      text +=
          (text.empty() ? "" : ", ") + std::string(what) + std::to_string(sequence_of(note.span));
    }
    return text;
  }

  RecordingEnv env;
  cpu::Cpus cpus;
  CpuId cpu{0};
};

}  // namespace irqfab::test
