#include "tests/bench/loads.hpp"

#include <algorithm>

namespace irqfab::bench {
namespace {

/// One interrupt every `gap_ns` in all, on at least 16 CPUs, each of which takes some 0.5 us an
/// interrupt; and never more sources on a CPU than it has vectors.
std::string uncontended(unsigned long sources, unsigned long gap_ns, unsigned long interrupts) {
  const unsigned long cpus = std::max(16ul, sources / 100);
  const unsigned long devices = (sources + 99) / 100;
  const unsigned long each = sources / devices;
  std::string text = "irqfab: 1\nmachine:\n  cpus: " + std::to_string(cpus) + "\n  devices:\n";
  for (unsigned long d = 0; d < devices; ++d) {
    const std::string slot = (d % 32 < 16 ? "0" : "1") + std::string(1, "0123456789abcdef"[d % 16]);
    text += "    - { id: dev" + std::to_string(d) + ", bdf: \"0" + std::to_string(1 + d / 32) +
            ':' + slot + ".0\", msix: " + std::to_string(each) + " }\n";
  }
  text += "handler: 100ns\nworkload:\n";
  for (unsigned long d = 0; d < devices; ++d) {
    text += "  - { source: dev" + std::to_string(d) +
            ", poisson: " + std::to_string(sources * gap_ns) +
            "ns, for: " + std::to_string(interrupts * gap_ns) + "ns }\n";
  }
  return text;
}

/// Bursts of 32 to one CPU: queues, priorities, interrupts that wait for each other's end.
std::string contended(unsigned long sources, unsigned long interrupts) {
  const unsigned long devices = (sources + 99) / 100;
  const unsigned long each = sources / devices;
  const unsigned long burst_ns = 32 * 600;
  std::string text = uncontended(sources, 100, interrupts);
  text.resize(text.find("workload:"));
  text += "affinity:\n";
  for (unsigned long d = 0; d < devices; ++d) {
    text += "  dev" + std::to_string(d) + ": " + std::to_string(d) + "\n";
  }
  text += "workload:\n";
  const unsigned long groups = (each + 31) / 32;
  for (unsigned long d = 0; d < devices; ++d) {
    text += "  - { source: dev" + std::to_string(d) +
            ", burst: { size: " + std::to_string(std::min(each, 32ul)) +
            ", every: " + std::to_string(burst_ns) +
            "ns }, for: " + std::to_string(interrupts / devices * groups * burst_ns / each + 1) +
            "ns }\n";
  }
  return text;
}

/// scenarios/nvme-8q.yaml, for longer.
std::string nvme(unsigned long interrupts) {
  return "irqfab: 1\nmachine:\n  cpus: 8\n  devices:\n"
         "    - { id: nvme0, bdf: \"01:00.0\", msix: 9 }\n"
         "affinity:\n  nvme0:1..8: spread\nworkload:\n"
         "  - { source: nvme0:1..8, poisson: 100k/s, for: " +
         std::to_string(interrupts * 1250) + "ns }\nhandler: 1us\n";
}

}  // namespace

const std::vector<Load>& loads() {
  static const std::vector<Load> all = {
      {"nvme-8q", "scenarios/nvme-8q.yaml: 8 queues, 8 CPUs, Poisson"},
      {"1", "one source, Poisson, an interrupt every 5 us"},
      {"100", "100 sources, 16 CPUs, Poisson, one interrupt every 100 ns in all"},
      {"10000", "10,000 sources, 100 CPUs, the same rate in all"},
      {"100-contended", "100 sources, bursts of 32 to one CPU"},
      {"10000-contended", "10,000 sources, bursts of 32 to each of 100 CPUs"},
  };
  return all;
}

std::string scenario_of(std::string_view load, unsigned long interrupts) {
  if (load == "nvme-8q") return nvme(interrupts);
  if (load == "1") return uncontended(1, 5000, interrupts);
  if (load == "100") return uncontended(100, 100, interrupts);
  if (load == "10000") return uncontended(10'000, 100, interrupts);
  if (load == "100-contended") return contended(100, interrupts);
  if (load == "10000-contended") return contended(10'000, interrupts);
  return "";
}

}  // namespace irqfab::bench
