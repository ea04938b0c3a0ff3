// What the 8259s of a real KVM were seen to do, replayed on the core with KVM's quirks. The cases
// in tests/conformance/kvm_pic.jsonl drive GSIs; here each goes to the pins that its routes name,
// and the state of both chips and the status of each call are compared. An op that is not known
// here fails the test.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/x86/ioapic.hpp"
#include "models/x86/pic.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86 {
namespace {

using Json = nlohmann::json;

std::uint32_t number(const Json& value) {
  if (!value.is_string()) return value.get<std::uint32_t>();
  return static_cast<std::uint32_t>(std::stoul(value.get<std::string>(), nullptr, 0));
}

Pic::Config kvm() {
  Pic::Config config;
  config.quirks.add(Quirk::PicEdgeLatched);
  config.quirks.add(Quirk::PicCascadePulsed);
  config.quirks.add(Quirk::PicReadyAtReset);
  return config;
}

class KvmPic {
 public:
  KvmPic() {
    for (std::uint32_t gsi = 0; gsi < 24; ++gsi) {
      routes_[gsi].push_back({Chip::Ioapic, Pin(gsi)});
      if (gsi < Pic::kPinCount) routes_[gsi].push_back({Chip::Pic, Pin(gsi)});
    }
  }

  void perform(const Json& op) {
    const auto name = op.at("op").get<std::string>();
    if (name == "set_pic") {
      pic_.restore(role(op.at("chip")), settings(op), env_);
    } else if (name == "set_ioapic_rte") {
      write_entry(number(op.at("pin")), number(op.at("rte")));
    } else if (name == "set_gsi_routing") {
      replace_routes(op.at("routes"));
    } else if (name == "irq_line_status") {
      EXPECT_EQ(set_line(number(op.at("gsi")), number(op.at("level"))), op.at("status")) << op;
    } else if (name == "irqfd") {
      gsi_of_fd_[op.at("fd")] = number(op.at("gsi"));
    } else if (name == "eventfd_write") {
      set_line(gsi_of_fd_.at(op.at("fd")), 1);
      set_line(gsi_of_fd_.at(op.at("fd")), 0);
    } else if (name == "snapshot") {
      compare(op.at("state").at("pic"));
    } else {
      // What concerns the local APIC, or has no effect by itself.
      const bool apart = name == "create_vm" || name == "eventfd" || name == "set_lapic" ||
                         name == "set_lapic_reg";
      EXPECT_TRUE(apart) << "unknown op " << name;
    }
  }

  void compare(const Json& expected) const {
    compare(PicRole::Master, expected.at("master"));
    compare(PicRole::Slave, expected.at("slave"));
  }

 private:
  enum class Chip { Ioapic, Pic };
  struct Target {
    Chip chip;
    Pin pin;
  };

  static PicRole role(const Json& chip) {
    return chip == "pic_master" ? PicRole::Master : PicRole::Slave;
  }
  static PicChip::Settings settings(const Json& op) {
    return {static_cast<std::uint8_t>(number(op.at("imr"))),
            static_cast<std::uint8_t>(number(op.at("irq_base"))),
            static_cast<std::uint8_t>(number(op.at("elcr")))};
  }

  void write_entry(std::uint32_t pin, std::uint32_t low) {
    ioapic_.write(IoApic::kIoRegSel, 0x10 + 2 * pin, env_);
    ioapic_.write(IoApic::kIoWin, low, env_);
  }

  void replace_routes(const Json& routes) {
    routes_.clear();
    for (const Json& route : routes) {
      const auto pin = static_cast<std::uint16_t>(number(route.at("pin")));
      Target target{Chip::Ioapic, Pin{pin}};
      if (route.at("chip") != "ioapic") {
        const unsigned first = role(route.at("chip")) == PicRole::Master ? 0 : kIrCount;
        target = {Chip::Pic, Pin(first + pin)};
      }
      routes_[number(route.at("gsi"))].push_back(target);
    }
  }

  /// KVM_IRQ_LINE_STATUS: the sum over the routes that did not answer -1.
  int set_line(std::uint32_t gsi, std::uint32_t level) {
    int sum = -1;
    for (const Target& target : routes_[gsi]) {
      const PinChange change{target.pin, level != 0 ? Level::High : Level::Low, 0, kNoSpan};
      const int status = target.chip == Chip::Pic ? set_pic_pin(change) : set_ioapic_pin(change);
      if (status >= 0) sum = (sum < 0 ? 0 : sum) + status;
    }
    return sum;
  }

  /// -1 if masked, 0 if a rise found the request set.
  int set_pic_pin(const PinChange& change) {
    const PicRole role = raw(change.pin) < kIrCount ? PicRole::Master : PicRole::Slave;
    const std::uint8_t bit = bit_of(Ir(raw(change.pin) % kIrCount));
    const PicChip before = pic_.chip(role);
    pic_.on_pin(change, env_);
    if ((before.imr() & bit) != 0) return -1;
    const bool rises = change.level == Level::High && (before.lines() & bit) == 0;
    return rises && (before.irr() & bit) != 0 ? 0 : 1;
  }

  int set_ioapic_pin(const PinChange& change) {
    const bool masked = ioapic_.rte(change.pin).masked();
    ioapic_.on_pin(change, env_);
    return masked && change.level == Level::High ? -1 : 1;
  }

  void compare(PicRole role, const Json& expected) const {
    const PicChip& chip = pic_.chip(role);
    EXPECT_EQ(chip.irr(), number(expected.at("irr")));
    EXPECT_EQ(chip.isr(), number(expected.at("isr")));
    EXPECT_EQ(chip.imr(), number(expected.at("imr")));
    EXPECT_EQ(chip.lines(), number(expected.at("last_irr")));
    EXPECT_EQ(chip.elcr(), number(expected.at("elcr")));
  }

  irqfab::test::RecordingEnv env_;
  Pic pic_{kvm()};
  IoApic ioapic_{IoApic::Config{}};
  std::map<std::uint32_t, std::vector<Target>> routes_;
  std::map<std::string, std::uint32_t> gsi_of_fd_;
};

TEST(PicConformance, CasesSeenOnKvmHold) {
  std::ifstream file(IRQFAB_SOURCE_DIR "/tests/conformance/kvm_pic.jsonl");
  std::string line;
  unsigned cases = 0;
  while (std::getline(file, line)) {
    const Json test = Json::parse(line);
    SCOPED_TRACE(test.at("id").get<std::string>());
    KvmPic chip;
    for (const Json& op : test.at("setup")) chip.perform(op);
    for (const Json& op : test.at("stimulus")) chip.perform(op);
    chip.compare(test.at("observed").at("pic"));
    ++cases;
  }
  EXPECT_EQ(cases, 7u);
}

}  // namespace
}  // namespace irqfab::x86
