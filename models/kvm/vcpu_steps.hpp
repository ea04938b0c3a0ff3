// The steps of the program of a vCPU's thread, for the files that it is written in.
#pragma once

#include <cstdint>

namespace irqfab::kvm::step {

constexpr std::uint16_t kEnter = 0;     // what is left to do, or the entry
constexpr std::uint16_t kRunGuest = 1;  // the entry is over
constexpr std::uint16_t kLeft = 2;      // the guest
constexpr std::uint16_t kCallUser = 3;  // KVM_RUN has returned
constexpr std::uint16_t kComplete = 4;  // the time that the exit takes has passed
constexpr std::uint16_t kHalt = 5;
constexpr std::uint16_t kPolled = 6;
constexpr std::uint16_t kWoken = 7;

}  // namespace irqfab::kvm::step
