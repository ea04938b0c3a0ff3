// A set of host CPUs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/host/host_ids.hpp"

namespace irqfab::host {

constexpr unsigned kMaxHostCpus = 256;

class CpuMask {
 public:
  constexpr CpuMask() = default;
  static constexpr CpuMask only(HostCpu cpu) {
    CpuMask mask;
    mask.add(cpu);
    return mask;
  }
  /// CPUs 0 to count - 1.
  static constexpr CpuMask first(unsigned count) {
    CpuMask mask;
    for (unsigned cpu = 0; cpu < count && cpu < kMaxHostCpus; ++cpu) mask.add(HostCpu(cpu));
    return mask;
  }

  constexpr void add(HostCpu cpu) { words_[raw(cpu) / 64] |= bit(cpu); }
  constexpr void remove(HostCpu cpu) { words_[raw(cpu) / 64] &= ~bit(cpu); }
  constexpr bool has(HostCpu cpu) const { return (words_[raw(cpu) / 64] & bit(cpu)) != 0; }
  constexpr bool empty() const { return !lowest(); }

  /// The lowest CPU of the set, none if it is empty.
  constexpr std::optional<HostCpu> lowest() const {
    for (unsigned word = 0; word < kWords; ++word) {
      if (words_[word] != 0) return HostCpu(word * 64 + lowest_bit(words_[word]));
    }
    return std::nullopt;
  }
  /// Takes the lowest CPU out of the set.
  constexpr std::optional<HostCpu> pop_lowest() {
    const std::optional<HostCpu> cpu = lowest();
    if (cpu) remove(*cpu);
    return cpu;
  }

  friend constexpr CpuMask operator&(CpuMask a, CpuMask b) {
    for (unsigned word = 0; word < kWords; ++word) a.words_[word] &= b.words_[word];
    return a;
  }
  friend constexpr bool operator==(CpuMask a, CpuMask b) {
    for (unsigned word = 0; word < kWords; ++word) {
      if (a.words_[word] != b.words_[word]) return false;
    }
    return true;
  }

 private:
  static constexpr unsigned kWords = kMaxHostCpus / 64;
  static constexpr std::uint64_t bit(HostCpu cpu) { return std::uint64_t{1} << (raw(cpu) % 64); }
  static constexpr unsigned lowest_bit(std::uint64_t word) {
    return static_cast<unsigned>(__builtin_ctzll(word));
  }

  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace irqfab::host
