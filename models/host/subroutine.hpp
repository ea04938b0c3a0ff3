// Programs that others call, two deep at most: what a thread does in user space calls what the
// kernel does for it, and that what it does inside.
//
// A caller uses locals[0..2]. What it calls finds its arguments in locals[3..6], may use them up,
// and leaves its answer in Task::value. A return address has 32 bits of locals[7].
#pragma once

#include <cstdint>

#include "models/host/action.hpp"
#include "models/host/task.hpp"

namespace irqfab::host {

constexpr std::size_t kFirstArgument = 3;
constexpr std::size_t kReturns = 7;
/// In place of a return address: a program that was started and not called.
constexpr std::uint32_t kNobody = 0;

/// A step that takes no time, after which somebody else may have the CPU.
inline Action go_on() { return Compute{0}; }

/// The task goes on with the first step of `program`, and later with the step that task.pc names
/// now. Program 0 has no steps that call, so no return address is kNobody.
inline void call(Task& task, ProgramId program) {
  const auto here = std::uint32_t{raw(task.program)} << 16 | task.pc;
  task.locals[kReturns] = task.locals[kReturns] << 32 | here;
  task.program = program;
  task.pc = 0;
}

/// The end of a program that may have been called: its caller goes on, or the task is done.
inline Action finish(Task& task) {
  const auto back = static_cast<std::uint32_t>(task.locals[kReturns]);
  if (back == kNobody) return Done{};
  task.locals[kReturns] >>= 32;
  task.program = ProgramId(static_cast<std::uint16_t>(back >> 16));
  task.pc = static_cast<std::uint16_t>(back);
  return go_on();
}

}  // namespace irqfab::host
