// Where the programs of the routing layer keep what they work on, and how they answer.
#pragma once

#include <cstdint>

#include "models/host/subroutine.hpp"
#include "models/kvm/gsi_routing.hpp"

namespace irqfab::kvm {

/// Argument `n` of a program, counted from 0.
inline std::uint64_t& argument(host::Task& task, std::size_t n) {
  return task.locals[host::kFirstArgument + n];
}
inline std::uint64_t argument(const host::Task& task, std::size_t n) {
  return task.locals[host::kFirstArgument + n];
}
inline std::uint32_t eventfd_of(const host::Task& task) {
  return static_cast<std::uint32_t>(argument(task, 0));
}

inline void set_answer(host::Task& task, Answer answer) {
  task.value = static_cast<std::uint64_t>(answer);
}

/// The program goes on at its step `pc`.
inline void jump(host::Task& task, std::uint16_t pc) { task.pc = pc; }

/// A step that has nothing to do is none: the next one runs in its place.
inline void pass(host::Task& task) { ++task.pc; }

}  // namespace irqfab::kvm
