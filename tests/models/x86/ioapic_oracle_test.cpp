// The core against an independent model of the same chip, over every sequence of eight actions:
// three lines and three masks that change, and the EOI. After each action messages, entries and
// waiting assertions are equal. The tree of sequences is walked depth first: what two sequences
// begin with alike is executed once.

#include "tests/models/x86/ioapic_oracle.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "models/x86/ioapic.hpp"

namespace irqfab::x86::test {
namespace {

constexpr int kPinCount = 3;
constexpr int kActions = 7;
constexpr int kDepth = 8;
constexpr std::uint64_t kSequences = 5'764'801;  // 7^8
constexpr std::uint8_t kEnded = 0x61;
constexpr std::uint64_t kLevel = 0x8000, kMask = 0x10000;

/// Keeps the messages of one action.
class MessagesEnv final : public Env {
 public:
  using Env::note;
  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message& message) override {
    const auto& write = std::get<BusWrite>(message);
    if (count < sent.size()) sent[count] = {write.address, static_cast<std::uint32_t>(write.data)};
    ++count;
  }
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  using Env::open;
  SpanId open(Cause, SpanId, std::uint32_t) override { return make_span(SourceId{1}, opened_++); }

  std::array<MsiMessage, 4> sent;
  std::size_t count = 0;

 private:
  std::uint64_t opened_ = 0;
};

enum class EoiBy { Broadcast, Register };

/// What the three pins are, and how an interrupt ends.
struct Mix {
  const char* name;
  std::array<std::uint64_t, kPinCount> entries;
  EoiBy eoi;
  InputLevels inputs = InputLevels::Asserted;
};
constexpr Mix kMixes[] = {
    // Two level pins share the vector that the EOI names; a third level pin has another.
    {"SharedLevelVector", {kLevel | 0x61, kLevel | 0x61, kLevel | 0x62}, EoiBy::Broadcast},
    // A level and an edge pin share it, and a level pin for the lowest priority has it, too.
    {"LevelAndEdge",
     {kLevel | 0x61, 0x61, 0x0300'0000'0000'0000 | kLevel | 0x961},
     EoiBy::Register},
    // Wires that are low when asserted: one entry knows, one level and one edge entry do not.
    {"WrongPolarity", {kLevel | 0x2061, kLevel | 0x61, 0x61}, EoiBy::Broadcast, InputLevels::Wired},
};

class Walk {
 public:
  explicit Walk(const Mix& mix, Mutants mutants = {}) : mix_(mix) {
    IoApic::Config config;
    config.pins = kPinCount;
    config.inputs = mix.inputs;
    if (mix.inputs == InputLevels::Wired) config.active_low = {Pin{0}, Pin{1}, Pin{2}};
    config.mutants = mutants;
    cores_.fill(IoApic(config));
    const bool wired = mix.inputs == InputLevels::Wired;
    using Outside = OracleIoApic::Outside;
    oracles_.fill(OracleIoApic(kPinCount, wired ? Outside::PullsDown : Outside::Asserts));
    for (int pin = 0; pin < kPinCount; ++pin) {
      const std::uint64_t entry = mix.entries[static_cast<std::size_t>(pin)] | kMask;
      oracles_[0].program(pin, entry);
      write_entry(cores_[0], pin, entry);
    }
    compare(0);
  }

  /// Below the state at `depth`.
  void descend(int depth) {
    for (int action = 0; action < kActions && disagreement_.empty(); ++action) {
      path_[static_cast<std::size_t>(depth)] = action;
      const auto next = static_cast<std::size_t>(depth) + 1;
      cores_[next] = cores_[next - 1];
      oracles_[next] = oracles_[next - 1];
      act(action, cores_[next], oracles_[next]);
      compare(depth + 1);
      if (depth + 1 == kDepth) {
        ++sequences_;
      } else {
        descend(depth + 1);
      }
    }
  }

  std::uint64_t sequences() const { return sequences_; }
  const std::string& disagreement() const { return disagreement_; }

 private:
  void write_entry(IoApic& core, int pin, std::uint64_t entry) {
    write_half(core, 0x11 + 2 * pin, static_cast<std::uint32_t>(entry >> 32));
    write_half(core, 0x10 + 2 * pin, static_cast<std::uint32_t>(entry));
  }
  void write_half(IoApic& core, int index, std::uint32_t value) {
    core.write(IoApic::kIoRegSel, static_cast<std::uint32_t>(index), env_);
    core.write(IoApic::kIoWin, value, env_);
  }

  void act(int action, IoApic& core, OracleIoApic& oracle) {
    const int n = action % kPinCount;
    const Pin pin{static_cast<std::uint16_t>(n)};
    if (action < kPinCount) {
      const bool high = core.level(pin) == Level::Low;
      core.on_pin({pin, high ? Level::High : Level::Low, 0, kNoSpan}, env_);
      oracle.assert_pin(n, high);
    } else if (action < 2 * kPinCount) {
      const std::uint64_t changed = core.rte(pin).bits ^ kMask;
      write_half(core, 0x10 + 2 * n, static_cast<std::uint32_t>(changed));
      oracle.mask(n, (changed & kMask) != 0);
    } else {
      if (mix_.eoi == EoiBy::Broadcast)
        core.receive(IoApic::kEoi, EoiMessage{Vector{kEnded}}, env_);
      if (mix_.eoi == EoiBy::Register) core.write(IoApic::kEoiRegister, kEnded, env_);
      oracle.end_of_interrupt(kEnded);
    }
  }

  void compare(int depth) {
    const IoApic& core = cores_[static_cast<std::size_t>(depth)];
    OracleIoApic& oracle = oracles_[static_cast<std::size_t>(depth)];
    bool equal = same_messages(oracle.sent);
    std::size_t fresh = 0;
    for (int n = 0; n < kPinCount; ++n) {
      equal &= core.rte(Pin{static_cast<std::uint16_t>(n)}).bits == oracle.entry(n);
      fresh += oracle.pins[static_cast<std::size_t>(n)].fresh;
    }
    held_.clear();
    core.held_spans(held_);
    equal &= held_.size() == fresh;
    oracle.sent.clear();
    env_.count = 0;
    if (!equal) report(depth);
  }

  bool same_messages(const std::vector<OracleMessage>& expected) const {
    if (env_.count != expected.size()) return false;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const ApicMessage found = decode(env_.sent[i]);
      const OracleMessage& wanted = expected[i];
      const bool same = raw(found.vector) == wanted.vector &&
                        static_cast<int>(found.delivery_mode) == wanted.mode &&
                        raw(found.destination) == static_cast<unsigned>(wanted.destination) &&
                        (found.destination_mode == DestinationMode::Logical) == wanted.logical &&
                        (found.trigger_mode == TriggerMode::Level) == wanted.level;
      if (!same) return false;
    }
    return true;
  }

  void report(int depth) {
    constexpr const char* kNames[kActions] = {"line0 ", "line1 ", "line2 ", "mask0 ",
                                              "mask1 ", "mask2 ", "eoi "};
    disagreement_ = "after: ";
    for (int i = 0; i < depth; ++i) {
      disagreement_ += kNames[path_[static_cast<std::size_t>(i)]];
    }
  }

  const Mix& mix_;
  MessagesEnv env_;
  std::array<IoApic, kDepth + 1> cores_ = filled();
  std::array<OracleIoApic, kDepth + 1> oracles_{};
  std::array<int, kDepth> path_{};
  std::vector<SpanId> held_;
  std::string disagreement_;
  std::uint64_t sequences_ = 0;

  static std::array<IoApic, kDepth + 1> filled() {
    const IoApic one{IoApic::Config{}};
    return {one, one, one, one, one, one, one, one, one};
  }
};

class IoApicOracle : public testing::TestWithParam<Mix> {};

TEST_P(IoApicOracle, AgreesOverEverySequenceOfEightActions) {
  Walk walk(GetParam());
  walk.descend(0);
  EXPECT_EQ(walk.disagreement(), "");
  EXPECT_EQ(walk.sequences(), kSequences);
}

TEST_P(IoApicOracle, SeesAnIoApicThatIgnoresEois) {
  Mutants mutants;
  mutants.add(Mutant::RemoteIrrNeverCleared);
  Walk walk(GetParam(), mutants);
  walk.descend(0);
  EXPECT_NE(walk.disagreement(), "");
}

INSTANTIATE_TEST_SUITE_P(Mixes, IoApicOracle, testing::ValuesIn(kMixes),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace irqfab::x86::test
