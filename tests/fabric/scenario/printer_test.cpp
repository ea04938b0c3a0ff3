#include "fabric/scenario/printer.hpp"

#include <gtest/gtest.h>

#include "fabric/scenario/equal.hpp"
#include "tests/fabric/scenario/corpus.hpp"

namespace irqfab::scenario {
namespace {

using test::contents;
using test::corpus;
using test::formatted;

TEST(Fill, ReadsBackAsTheSameScenario) {
  for (const auto& path : corpus("valid")) {
    const auto once = read(contents(path), path.filename());
    ASSERT_TRUE(once) << path.filename();
    const std::string text = fill(*once);
    const auto twice = read(text, "filled.yaml");
    ASSERT_TRUE(twice) << formatted(twice.errors()) << text;
    EXPECT_TRUE(same(*once, *twice)) << text;
    EXPECT_EQ(fill(*twice), text);
  }
}

TEST(Fill, ShowsEveryDefault) {
  const auto scenario = read(
      "irqfab: 1\nmachine: { devices: [ { id: d, bdf: 00:01.0, msix: 2 } ] }\n"
      "workload: [ { source: d:1, poisson: 100k/s, for: 1ms } ]\n",
      "t");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(fill(*scenario),
            "irqfab: 1\n"
            "machine:\n"
            "  # arch: x86\n"
            "  # path: bare-metal\n"
            "  cpus: 1\n"
            "  sockets: 1\n"
            "  apic: xapic\n"
            "  idle: poll\n"
            "  posted: { loops: 3 }\n"
            "  interrupts: ioapic\n"
            "  remapping: vt-d\n"
            "  ioapics:\n"
            "    - { pins: 24, version: 0x20, inputs: asserted }\n"
            "  host_bridges:\n"
            "    - id: hb0\n"
            "      segment: 0\n"
            "      buses: 00..ff\n"
            "      devices:\n"
            "        - { id: d, bdf: \"00:01.0\", count: 1, msix: 2 }\n"
            "affinity:\n"
            "  d:0..1: spread\n"
            "workload:\n"
            "  - { source: d:1, poisson: 10us, start: 0ns, for: 1ms }\n"
            "handler: { steps: [busy 1us] }\n"
            "# until: nothing is in flight\n"
            "seed: 1\n"
            "# profile: the fabric's\n"
            "# behaviour: spec\n");
}

TEST(Same, SeesADifferenceInEverySection) {
  const std::string base =
      "irqfab: 1\n"
      "title: one\n"
      "machine: { cpus: 2, tick: 1ms, interrupts_off: { every: 2us, for: 1us }, devices: [ { id: "
      "d, bdf: 00:01.0, msix: 2 } ] }\n"
      "affinity: { 'd:0': 0 }\n"
      "workload: [ { source: d:1, poisson: 100k/s, for: 1ms } ]\n"
      "handler: 1us\n"
      "during: [ { at: 1us, mask: d:0 } ]\n"
      "setup: [ { raise: d:0 } ]\n"
      "steps: [ { msix.entry: { device: d, entry: 0, data: 0x41, masked: true } } ]\n"
      "afterwards: [ { cpu.execute: { cpu: 0, code: [ sti, hlt ] } } ]\n"
      "expect: [ lost == 0 ]\n"
      "until: 1ms\n"
      "seed: 3\n"
      "profile: p\n"
      "prices: { Pended: 1ns }\n";
  const auto original = read(base, "a");
  ASSERT_TRUE(original) << formatted(original.errors());
  EXPECT_TRUE(same(*original, *read("\n\n" + base, "b"))) << "places do not matter";
  const std::pair<const char*, const char*> changes[] = {
      {"title: one", "title: two"},
      {"cpus: 2", "cpus: 4"},
      {"bdf: 00:01.0", "bdf: 00:02.0"},
      {"msix: 2", "msix: 3"},
      {"'d:0': 0", "'d:0': 1"},
      {"poisson: 100k/s", "poisson: 200k/s"},
      {"poisson: 100k/s", "periodic: 100k/s"},
      {"for: 1ms", "for: 2ms"},
      {"handler: 1us", "handler: 2us"},
      {"at: 1us", "at: 2us"},
      {"mask: d:0 }", "unmask: d:0 }"},
      {"raise: d:0", "raise: d:1"},
      {"data: 0x41", "data: 0x42"},
      {"masked: true", "masked: false"},
      {"sti, hlt", "cli, hlt"},
      {"sti, hlt", "sti, mov ss"},
      {"tick: 1ms", "tick: 2ms"},
      {"tick: 1ms", "tick: 1ms, apic: x2apic"},
      {"every: 2us", "every: 3us"},
      {"2us, for: 1us", "2us, for: 1.5us"},
      {"tick: 1ms, interrupts_off: { every: 2us, for: 1us }", "tick: 1ms, idle: halt"},
      {"lost == 0", "lost <= 0"},
      {"until: 1ms", "until: 2ms"},
      {"seed: 3", "seed: 4"},
      {"profile: p", "profile: q"},
      {"Pended: 1ns", "Pended: 2ns"},
      {"Pended: 1ns", "x.Pended: 1ns"},
  };
  for (const auto& [from, to] : changes) {
    std::string text = base;
    text.replace(text.find(from), std::string_view(from).size(), to);
    const auto other = read(text, "b");
    ASSERT_TRUE(other) << to << formatted(other.errors());
    EXPECT_FALSE(same(*original, *other)) << to;
  }
}

}  // namespace
}  // namespace irqfab::scenario
