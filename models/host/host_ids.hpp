// Ids of the modelled host: what a machine is made of, by index, and handles of what can die.
#pragma once

#include <array>
#include <cstdint>
#include <tuple>

#include "models/base/ids.hpp"

namespace irqfab::host {

enum class HostCpu : std::uint16_t {};      // a CPU of the host, never a guest's; also its LaneId
enum class ProgramId : std::uint16_t {};    // a table of steps, in the numbering of the software
enum class LockId : std::uint16_t {};       // a spin lock or a mutex
enum class WaitQueueId : std::uint16_t {};  // where tasks sleep until somebody wakes them
enum class DomainId : std::uint8_t {};      // readers and those who wait for them (RCU, one SRCU)
enum class WorkqueueId : std::uint8_t {};   // deferred work and its kworkers
enum class WorkId : std::uint16_t {};       // a work item, queued at most once at a time
enum class LockClassId : std::uint8_t {};   // what lock order is checked between, see LockOrder

constexpr TaskId kNoTask{0xFFFF};
constexpr WorkId kNoWork{0xFFFF};

/// A task that may have ended, its slot taken by another since.
struct TaskHandle {
  TaskId slot = kNoTask;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(TaskHandle a, TaskHandle b) {
    return a.slot == b.slot && a.generation == b.generation;
  }
};

/// An eventfd that may have been closed, its slot taken by another since.
struct EventFdHandle {
  std::uint16_t slot = 0xFFFF;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(EventFdHandle a, EventFdHandle b) {
    return a.slot == b.slot && a.generation == b.generation;
  }
};

/// Where in the software something was done: the step `pc` of `program`.
struct Site {
  ProgramId program{};
  std::uint16_t pc = 0;
  friend constexpr bool operator==(Site a, Site b) {
    return a.program == b.program && a.pc == b.pc;
  }
};

}  // namespace irqfab::host
