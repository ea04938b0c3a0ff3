// What the files of the architectural level of the language share: shapes, and the tables of the
// remapping units, the HPET and virtual machines, which have files of their own.
#pragma once

#include "fabric/scenario/language.hpp"

namespace irqfab::scenario {

constexpr std::uint64_t kMaxConfig = 0xfff;
constexpr std::uint64_t kMax16 = 0xffff, kMax32 = 0xffff'ffff, kMax64 = ~std::uint64_t{0};

constexpr Shape kVector = bits(255);
constexpr Shape kFlag = of(Kind::Flag);

constexpr Word kModes[] = {{"fixed"}, {"lowest"}, {"smi"}, {"nmi"}, {"init"}, {"extint"}};
constexpr Word kDestModes[] = {{"physical"}, {"logical"}};
constexpr Word kTriggers[] = {{"edge"}, {"level"}};

// Steps.
extern const Table kVtdEnable, kVtdIrte, kVtdWrite, kVtdRead, kVtdInvalidate, kVtdWait,
    kVtdDescriptor, kHpetWrite, kAmdviEnable, kAmdviDte, kAmdviIrte, kAmdviWrite, kAmdviRead,
    kAmdviInvalidate, kAmdviWait, kAmdviCommand, kLapicRead, kVmInhibit;
// What can be observed.
extern const Table kVtdRegState, kVtdFault, kVtdQueue, kVtdCache, kMemoryState, kHpetRegState,
    kAmdviReg, kAmdviEvent, kVmDescriptor, kVmVcpu, kVmExits;

}  // namespace irqfab::scenario
