// Scenario texts that are too large or too odd to be files: each is refused at its place, in memory
// and in time that follow from its size. The limits are those of docs/scenarios.md.
#include <gtest/gtest.h>

#include <string>

#include "fabric/scenario/document.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/topology/x86_build.hpp"
#include "tests/fabric/scenario/corpus.hpp"

namespace irqfab::scenario {
namespace {

using namespace std::string_literals;

/// "CODE LINE:COLUMN" of the first error, or "" if there is none.
std::string place_of_error(const std::string& text) {
  const auto found = read(text, "generated.yaml");
  if (found) return "";
  const Diagnostic& error = found.errors().front();
  return error.code + ' ' + std::to_string(error.where.line) + ':' +
         std::to_string(error.where.column);
}

std::string message_of(const std::string& text) {
  const auto found = read(text, "generated.yaml");
  return found ? "" : test::formatted(found.errors());
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(GeneratedScenarios, OtherEncodingsAreNamed) {
  EXPECT_EQ(place_of_error("\xff\xfei\0r\0q\0"s), "bad-encoding 1:1");
  EXPECT_EQ(place_of_error("\xfe\xff\0i\0r\0q"s), "bad-encoding 1:1");
  EXPECT_EQ(place_of_error("i\0r\0q\0f\0"s), "bad-encoding 1:1");
  EXPECT_EQ(place_of_error("\0\0\xfe\xff\0\0\0i"s), "bad-encoding 1:1");
  EXPECT_EQ(place_of_error("irqfab: 1\ntitle: a\0b\n"s), "bad-encoding 2:9");
  EXPECT_EQ(place_of_error("\xef\xbb\xbf\xef\xbb\xbfirqfab: 1\n"), "unknown-key 1:1");
}

TEST(GeneratedScenarios, NothingIsNoScenario) {
  EXPECT_EQ(place_of_error(""), "empty 0:0");
  EXPECT_EQ(place_of_error("\xef\xbb\xbf"), "empty 0:0");
  EXPECT_EQ(place_of_error(std::string(1u << 20, '\n')), "empty 0:0");
  EXPECT_EQ(place_of_error(repeated("# only comments\n", 10'000)), "empty 0:0");
}

TEST(GeneratedScenarios, SizeDepthAndNumberHaveTheirLimits) {
  EXPECT_EQ(place_of_error(std::string(kMaxFileBytes + 1, ' ')), "too-large 0:0");
  EXPECT_EQ(place_of_error("irqfab: 1\ntitle: " + std::string(100'000, '[')).substr(0, 11),
            "too-deep 2:");
  EXPECT_EQ(place_of_error("irqfab: 1\nexpect:\n" + repeated("- ", 100) + "x\n"), "too-deep 3:127");
  EXPECT_EQ(place_of_error("irqfab: 1\nexpect: [ " + repeated("x,", kMaxNodes) + "]\n"),
            "too-large 2:2097153");
}

TEST(GeneratedScenarios, ANumberOfAMillionDigitsIsOutOfRangeAndShownInPart) {
  const std::string text = "irqfab: 1\nmachine: { cpus: " + std::string(1'000'000, '9') + " }\n";
  EXPECT_EQ(place_of_error(text), "out-of-range 2:18");
  EXPECT_LT(message_of(text).size(), 1000u);
  EXPECT_EQ(place_of_error("irqfab: 1\nuntil: 0." + std::string(1'000'000, '0') + "1s\n"),
            "bad-number 2:8");
}

TEST(GeneratedScenarios, OfALongLineTheEchoIsWhatIsAroundThePlace) {
  const std::string line = "title: \"" + std::string(100'000, 'x') + "\", cpus: 0x }";
  const std::string message = message_of("irqfab: 1\nmachine: { " + line + "\n");
  EXPECT_NE(message.find("xxx\", cpus: 0x }\n"), std::string::npos) << message;
  EXPECT_NE(message.find("\n  ...xxx"), std::string::npos) << message;
  EXPECT_LT(message.size(), 1500u);
}

TEST(GeneratedScenarios, AliasesCannotMultiplyValuesOrText) {
  std::string bomb = "irqfab: 1\nexpect:\n  - &a0 [ x, x, x, x, x, x, x, x ]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string older = " *a" + std::to_string(i - 1) + ",";
    bomb += "  - &a" + std::to_string(i) + " [" + repeated(older, 8) + " ]\n";
  }
  EXPECT_EQ(place_of_error(bomb), "too-large 9:16");
  const std::string megabyte(1u << 20, 'x');
  EXPECT_EQ(place_of_error("irqfab: 1\ntitle: &t " + megabyte + "\nexpect:\n" +
                           repeated("  - *t\n", 1000)),
            "too-large 65:5");
}

TEST(GeneratedScenarios, AnAliasWithinItsOwnAnchorIsRefused) {
  EXPECT_EQ(place_of_error("irqfab: 1\nmachine: &m { devices: [ *m ] }\n"), "bad-alias 2:26");
}

TEST(GeneratedScenarios, TextThatYamlReadersTakeLongForIsReadInTime) {
  // A megabyte each: what is quadratic would not come back.
  constexpr std::size_t kTimes = 1u << 20;
  for (const char* part : {"a\n", "&a ", "*a ", "'", "\"\\n", "!", "? ", ": ", "- ", "|\n", "{a: ",
                           "[a, ", "a: ", "\t", "%a\n", "#\n", "---\n", "\xc3\xa9", "\r\n"}) {
    EXPECT_NE(place_of_error(repeated(part, kTimes / std::string(part).size())), "") << part;
  }
}

TEST(GeneratedScenarios, ManyWrongReferencesAmongManyDevicesAreToldInTime) {
  std::string text = "irqfab: 1\nmachine:\n  devices:\n";
  for (unsigned i = 0; i < 30'000; ++i) {
    char row[96];
    std::snprintf(row, sizeof row, "  - {id: device_%05u, bdf: %02x:%02x.%u, msix: 1}\n", i, i >> 8,
                  i >> 3 & 31, i & 7);
    text += row;
  }
  text += "workload:\n";
  for (unsigned i = 0; i < 30'000; ++i)
    text += "- {source: devise_" + std::to_string(i) + ", at: 1us}\n";
  const auto found = read(text, "generated.yaml");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.errors().size(), kMaxErrors + 1);
  EXPECT_EQ(found.errors().front().code, "no-such-device");
}

TEST(GeneratedScenarios, HostBridgesEndWithTheSegments) {
  std::string text = "irqfab: 1\nmachine:\n  host_bridges:\n";
  for (unsigned i = 0; i < 70'000; ++i) text += "  - {id: b" + std::to_string(i) + "}\n";
  EXPECT_EQ(place_of_error(text), "out-of-range 65540:5");
}

TEST(GeneratedScenarios, AMachineHasAtMostFourMillionSources) {
  std::string text = "irqfab: 1\nmachine:\n  devices:\n";
  for (unsigned i = 0; i < 1954; ++i) {
    char row[96];
    std::snprintf(row, sizeof row, "  - {id: d%u, bdf: %02x:%02x.%u, msix: 2048}\n", i, i >> 8,
                  i >> 3 & 31, i & 7);
    text += row;
    if (i == 1952) {
      EXPECT_EQ(place_of_error(text), "");
    }
  }
  EXPECT_EQ(place_of_error(text), "too-many-sources 1957:5");
}

TEST(GeneratedScenarios, AWorkloadHasAtMostFourMillionStreams) {
  const std::string machine =
      "irqfab: 1\nmachine: { devices: [ { id: d, bdf: 01:00.0, msix: 2048 } ] }\nworkload:\n";
  const std::string row = "  - { source: d, at: 1us }\n";
  EXPECT_EQ(place_of_error(machine + repeated(row, 1953)), "");
  EXPECT_EQ(place_of_error(machine + repeated(row, 1954)), "too-many-streams 1957:5");
}

constexpr const char* kTwoDevices =
    "irqfab: 1\n"
    "machine:\n"
    "  devices:\n"
    "    - { id: nic0, bdf: 01:00.0, msix: 2048 }\n"
    "    - { id: uart0, bdf: 02:00.0, intx: A }\n"
    "until: 1s\n"
    "during: [ ";

/// The first error of building the machine of kTwoDevices with this change, or "".
std::string building_refuses(const std::string& change) {
  const auto scenario = read(kTwoDevices + change + " ]\n", "generated.yaml");
  if (!scenario) return "the reader refuses it";
  const auto machine = topology::build_x86(*scenario, topology::Remapping::Off, Mutants{});
  return machine ? "" : machine.errors().front().code;
}

TEST(GeneratedScenarios, ChangesOfAnIntxAreRefusedByName) {
  EXPECT_EQ(building_refuses("{ at: 1ms, mask: nic0:1 }"), "");
  EXPECT_EQ(building_refuses("{ at: 1ms, mask: uart0 }"), "not-yet");
  EXPECT_EQ(building_refuses("{ at: 1ms, unmask: \"uart0:INTA\" }"), "not-yet");
  EXPECT_EQ(building_refuses("{ at: 1ms, retarget: uart0, to: 0 }"), "not-yet");
}

TEST(GeneratedScenarios, ChangesAreCountedByTheVectorsTheyChange) {
  EXPECT_EQ(building_refuses("{ at: 1ms, every: 10ms, mask: nic0 }"), "") << "100 times 2048";
  EXPECT_EQ(building_refuses("{ at: 1ms, every: 1ms, mask: nic0 }"), "too-many-changes");
  EXPECT_EQ(building_refuses("{ at: 1ms, every: 1ps, mask: nic0:0 }"), "too-many-changes");
}

}  // namespace
}  // namespace irqfab::scenario
