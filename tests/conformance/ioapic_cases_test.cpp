// What the IOAPICs of a real KVM and of QEMU were seen to do, replayed on the core and on the
// oracle of tests/models/x86/ioapic_oracle.hpp. The cases are in tests/conformance/kvm_ioapic.jsonl
// and qemu_ioapic.jsonl; an op that is not known here fails the test.
//
// Around the chip there are local APICs that know no more than the cases need. What ioctls answer
// is not compared, nor the image of edge inputs, which are KVM's own. Two differences have a name
// here:
//   KVM    Remote IRR stays clear if nobody accepted the message.
//   QEMU   "ioapic-edge-held": driving a line high that is high already counts as an edge, which no
//          wire does; the case is skipped. Input 0 is the board's timer and arrives at pin 2.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "models/x86/ioapic.hpp"
#include "tests/models/x86/ioapic_oracle.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::x86::test {
namespace {

using Json = nlohmann::json;

std::uint64_t number(const Json& value) {
  if (!value.is_string()) return value.get<std::uint64_t>();
  return std::stoull(value.get<std::string>(), nullptr, 0);
}

OracleMessage message_of(std::uint64_t address, std::uint64_t data) {
  const ApicMessage m = decode({address, static_cast<std::uint32_t>(data)});
  return {raw(m.vector), static_cast<int>(m.delivery_mode), static_cast<int>(raw(m.destination)),
          m.destination_mode == DestinationMode::Logical, m.trigger_mode == TriggerMode::Level};
}

/// The core under the oracle's names.
class CoreChip {
 public:
  void assert_pin(int n, bool on) {
    core_.on_pin({pin(n), on ? Level::High : Level::Low, 0, kNoSpan}, env_);
  }
  void program(int n, std::uint64_t entry) {
    write(0x11 + 2 * n, static_cast<std::uint32_t>(entry >> 32));
    write(0x10 + 2 * n, static_cast<std::uint32_t>(entry));
  }
  void end_of_interrupt(int vector) { core_.on_eoi(Vector(vector), env_); }
  std::uint64_t entry(int n) const { return core_.rte(pin(n)).bits; }
  std::uint32_t reg(int index) {
    core_.write(IoApic::kIoRegSel, static_cast<std::uint32_t>(index), env_);
    return core_.read(IoApic::kIoWin, env_);
  }
  void write_id(int id) { write(0, static_cast<std::uint32_t>(id) << 24); }
  bool active(int n) const { return core_.level(pin(n)) == Level::High; }
  std::vector<OracleMessage> take() {
    std::vector<OracleMessage> messages;
    for (const BusWrite& write : env_.messages<BusWrite>()) {
      messages.push_back(message_of(write.address, write.data));
    }
    env_.clear();
    return messages;
  }
  /// The core's messages are writes, which tell nobody whether anyone accepted them.
  static constexpr bool kKnowsAcceptance = false;
  void refuse(int) {}

 private:
  static Pin pin(int n) { return Pin{static_cast<std::uint16_t>(n)}; }
  void write(int index, std::uint32_t value) {
    core_.write(IoApic::kIoRegSel, static_cast<std::uint32_t>(index), env_);
    core_.write(IoApic::kIoWin, value, env_);
  }
  irqfab::test::RecordingEnv env_;
  IoApic core_{IoApic::Config{}};
};

class OracleChip : public OracleIoApic {
 public:
  bool active(int n) const { return pins[static_cast<std::size_t>(n)].active(); }
  void write_id(int written) { id = written; }
  std::vector<OracleMessage> take() { return std::exchange(sent, {}); }
  static constexpr bool kKnowsAcceptance = true;
  void refuse(int vector) {
    for (OraclePin& pin : pins) pin.served &= pin.vector != vector;
  }
};

struct LocalApic {
  bool enabled = false;
  std::uint64_t id = 0, logical = 0;
  std::set<int> irr, isr, tmr;

  void accept(const OracleMessage& m) {
    irr.insert(m.vector);
    m.level ? void(tmr.insert(m.vector)) : void(tmr.erase(m.vector));
  }
  /// Takes one, without EOI, as long as its class is higher than all in service.
  std::vector<int> take() {
    std::vector<int> taken;
    while (!irr.empty() && (isr.empty() || *irr.rbegin() / 16 > *isr.rbegin() / 16)) {
      taken.push_back(*irr.rbegin());
      isr.insert(*irr.rbegin());
      irr.erase(*irr.rbegin());
    }
    return taken;
  }
};

/// A chip, local APICs around it, and what both vocabularies have in common.
template <class Chip>
class Board {
 public:
  explicit Board(const Json& ids) {
    for (const Json& id : ids) {
      cpus.emplace_back();
      cpus.back().id = number(id);
    }
  }

  void settle() {
    for (const OracleMessage& m : chip.take()) {
      if (!deliver(m) && m.level) chip.refuse(m.vector);
    }
  }
  bool deliver(const OracleMessage& m) {
    std::vector<LocalApic*> takers;
    for (LocalApic& cpu : cpus) {
      const auto wanted = static_cast<unsigned>(m.destination);
      const bool named =
          m.logical ? (cpu.logical & wanted) != 0 : cpu.id == wanted || wanted == 255;
      if (named && cpu.enabled) takers.push_back(&cpu);
    }
    if (takers.empty()) return false;
    constexpr int kLowest = 1;
    if (m.mode == kLowest) {
      takers = {takers[static_cast<std::size_t>(m.vector) % takers.size()]};  // KVM's choice
    }
    for (LocalApic* cpu : takers) cpu->accept(m);
    return true;
  }
  void end(LocalApic& cpu) {
    if (cpu.isr.empty()) return;
    const int vector = *cpu.isr.rbegin();
    cpu.isr.erase(vector);
    if (cpu.tmr.count(vector) > 0) chip.end_of_interrupt(vector);
  }

  Chip chip;
  std::vector<LocalApic> cpus;
};

template <class Chip>
class KvmCase {
 public:
  explicit KvmCase(const Json& create) : board_(create.at("apic_ids")) {
    for (int gsi = 0; gsi < 24; ++gsi) routes_[static_cast<unsigned>(gsi)].push_back({gsi, {}});
  }
  void perform(const Json& op) {
    const auto name = op.at("op").get<std::string>();
    if (name == "set_lapic") {
      LocalApic& cpu = board_.cpus.at(number(op.at("cpu")));
      cpu.enabled = (number(op.at("svr")) & 0x100) != 0;
      cpu.logical = number(op.at("ldr")) >> 24;
    } else if (name == "set_ioapic_rte") {
      board_.chip.program(static_cast<int>(number(op.at("pin"))), number(op.at("rte")));
    } else if (name == "set_gsi_routing") {
      replace_routes(op.at("routes"));
    } else if (name == "irq_line" || name == "irq_line_status") {
      set_line(number(op.at("gsi")), number(op.at("level")) != 0);
    } else if (name == "snapshot") {
      compare(op.at("state"));
    } else {
      EXPECT_EQ(name, "create_vm");
    }
    board_.settle();
  }
  void compare(const Json& state) {
    for (std::size_t i = 0; i < board_.cpus.size(); ++i) {
      EXPECT_EQ(board_.cpus[i].irr, state.at("cpu").at(i).at("irr").get<std::set<int>>());
      EXPECT_EQ(board_.cpus[i].tmr, state.at("cpu").at(i).at("tmr").get<std::set<int>>());
    }
    const Json& ioapic = state.at("ioapic");
    std::set<int> served;
    for (int pin = 0; pin < 24; ++pin) {
      const std::uint64_t entry = board_.chip.entry(pin);
      if ((entry & 0x4000) != 0) served.insert(pin);
      if ((entry & 0x8000) == 0) continue;
      EXPECT_EQ(board_.chip.active(pin), (number(ioapic.at("irr")) >> pin & 1) != 0) << pin;
    }
    EXPECT_EQ(served, ioapic.at("remote_irr").get<std::set<int>>());
    for (const auto& [pin, entry] : ioapic.at("rte").items()) {
      EXPECT_EQ(board_.chip.entry(std::stoi(pin)), number(entry)) << pin;
    }
  }

 private:
  struct Route {
    int pin = -1;  // or a message
    OracleMessage message;
  };
  void replace_routes(const Json& routes) {
    routes_.clear();
    for (const Json& route : routes) {
      Route made;
      if (route.at("type") == "irqchip") {
        made.pin = static_cast<int>(number(route.at("pin")));
      } else {
        made.message = message_of(number(route.at("addr_lo")), number(route.at("data")));
      }
      routes_[number(route.at("gsi"))].push_back(made);
    }
  }
  /// All calls have one source id: whichever GSI they name, they are one driver of the pin.
  void set_line(std::uint64_t gsi, bool high) {
    for (const Route& route : routes_[gsi]) {
      if (route.pin >= 0) {
        board_.chip.assert_pin(route.pin, high);
      } else if (high) {
        board_.deliver(route.message);
      }
    }
  }

  Board<Chip> board_;
  std::map<std::uint64_t, std::vector<Route>> routes_;
};

template <class Chip>
class QemuCase {
 public:
  explicit QemuCase(const Json& machine) : board_(machine.at("apic_ids")) {}

  void perform(const Json& op, const Json& observed) {
    const Json found = result_of(op);
    board_.settle();
    if (!op.contains("as")) return;
    const Json& expected = observed.at(op.at("as").get<std::string>());
    if (found.is_number()) {
      EXPECT_EQ(found.get<std::uint64_t>(), number(expected)) << op;
    } else {
      EXPECT_EQ(found, expected) << op;
    }
  }

 private:
  Json result_of(const Json& op) {
    const auto name = op.at("op").get<std::string>();
    if (name.rfind("ioapic_", 0) == 0) return of_chip(name, op);
    LocalApic& cpu = board_.cpus.at(number(op.at("cpu")));
    if (name == "lapic_write") {
      write_lapic(cpu, number(op.at("off")), number(op.at("val")));
    } else if (name == "lapic_state") {
      return {{"irr", cpu.irr}, {"isr", cpu.isr}, {"tmr", cpu.tmr}};
    } else if (name == "cpu_accept") {
      return cpu.take();
    } else {
      ADD_FAILURE() << "unknown op " << name;
    }
    return {};
  }
  Json of_chip(const std::string& name, const Json& op) {
    const auto at = [&op](const char* key) { return static_cast<int>(number(op.at(key))); };
    if (name == "ioapic_pin") {
      board_.chip.assert_pin(at("pin") == 0 ? 2 : at("pin"), at("level") != 0);
    } else if (name == "ioapic_rte_write") {
      board_.chip.program(at("pin"), number(op.at("val")));
    } else if (name == "ioapic_rte_read") {
      return board_.chip.entry(at("pin"));
    } else if (name == "ioapic_reg") {
      return board_.chip.reg(at("index"));
    } else if (name == "ioapic_reg_write") {
      EXPECT_EQ(at("index"), 0) << "of these registers only the id is written";
      board_.chip.write_id(static_cast<int>(number(op.at("val")) >> 24 & 0xF));
    } else if (name == "ioapic_eoi_reg") {
      board_.chip.end_of_interrupt(at("vec"));
    } else {
      ADD_FAILURE() << "unknown op " << name;
    }
    return {};
  }
  void write_lapic(LocalApic& cpu, std::uint64_t offset, std::uint64_t value) {
    constexpr std::uint64_t kTpr = 0x80, kEoi = 0xB0, kSvr = 0xF0;
    if (offset == kSvr) cpu.enabled = (value & 0x100) != 0;
    if (offset == kEoi) board_.end(cpu);
    if (offset == kTpr) {
      EXPECT_EQ(value, 0u) << "these local APICs have no task priority";
    }
  }

  Board<Chip> board_;
};

std::vector<Json> cases_in(const std::string& name) {
  std::ifstream file(IRQFAB_SOURCE_DIR "/tests/conformance/" + name);
  std::vector<Json> cases;
  for (std::string line; std::getline(file, line);) cases.push_back(Json::parse(line));
  return cases;
}

template <class Chip>
class IoApicCases : public testing::Test {};
using Chips = testing::Types<CoreChip, OracleChip>;
struct ChipNames {
  template <class Chip>
  static std::string GetName(int) {
    return std::is_same_v<Chip, CoreChip> ? "Core" : "Oracle";
  }
};
TYPED_TEST_SUITE(IoApicCases, Chips, ChipNames);

TYPED_TEST(IoApicCases, SeenOnKvmHold) {
  unsigned cases = 0;
  for (const Json& test : cases_in("kvm_ioapic.jsonl")) {
    SCOPED_TRACE(test.at("id").get<std::string>());
    const bool nobody_accepts = test.at("id") == "ioapic_line/level-lapic-disabled";
    if (nobody_accepts && !TypeParam::kKnowsAcceptance) continue;
    KvmCase<TypeParam> chip(test.at("setup").at(0));
    for (const Json& op : test.at("setup")) chip.perform(op);
    for (const Json& op : test.at("stimulus")) chip.perform(op);
    chip.compare(test.at("observed"));
    ++cases;
  }
  EXPECT_EQ(cases, TypeParam::kKnowsAcceptance ? 12u : 11u);
}

TYPED_TEST(IoApicCases, SeenOnQemuHold) {
  unsigned cases = 0;
  for (const Json& test : cases_in("qemu_ioapic.jsonl")) {
    SCOPED_TRACE(test.at("id").get<std::string>());
    if (test.at("id") == "ioapic-edge-held") continue;
    QemuCase<TypeParam> chip(test.at("machine"));
    for (const Json& op : test.at("setup")) chip.perform(op, test.at("observed"));
    for (const Json& op : test.at("stimulus")) chip.perform(op, test.at("observed"));
    ++cases;
  }
  EXPECT_EQ(cases, 7u);
}

}  // namespace
}  // namespace irqfab::x86::test
