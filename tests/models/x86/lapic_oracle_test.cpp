// The bank of local APICs against an independent oracle: random operations, all state compared
// after each, every span accounted for; and ten million of them, of which each is compared by what
// it answers, tells and raises, and every fiftieth by all state.

#include "tests/models/x86/lapic_oracle.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "models/x86/lapic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

enum class Spans { Followed, NotFollowed };

/// One machine on both sides, and the operations that move both.
class Pair {
 public:
  Pair(const std::vector<unsigned>& ids, unsigned seed, Spans spans)
      : random_(seed),
        oracle_(ids),
        bank_(config_of(ids)),
        spans_(spans),
        intr_(ids.size(), Level::Low) {}

  void step() {
    const auto cpu = below(oracle_.apics.size());
    const unsigned dice = below(100);
    if (dice < 35) {
      message();
    } else if (dice < 55) {
      inta(cpu);
    } else if (dice < 72) {
      oracle_.eoi(cpu);
      write(cpu, Register::kEoi, x2apic(cpu) ? 0 : static_cast<std::uint32_t>(random_()));
    } else if (dice < 82) {
      ipi(cpu);
    } else {
      configure(cpu);
    }
  }

  void compare() {
    for (unsigned cpu = 0; cpu < oracle_.apics.size(); ++cpu) compare(cpu);
    compare_messages();
    if (spans_ == Spans::NotFollowed) return env_.clear();
    book_.read(env_);
    ASSERT_TRUE(book_.faults().empty()) << book_.faults().front();
    ASSERT_EQ(book_.live(), test::held_by(bank_));
    env_.clear();
  }
  /// What was told, and the lines.
  void compare_outputs() {
    compare_messages();
    env_.clear();
  }

 private:
  static LapicBank::Config config_of(const std::vector<unsigned>& ids) {
    LapicBank::Config config;
    for (const unsigned id : ids) config.ids.push_back(ApicId{id});
    return config;
  }

  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  /// Mostly of few values, so that interrupts meet; sometimes any.
  unsigned some_vector() { return chance(80) ? 0x30 + 0x11 * below(6) : below(256); }
  unsigned some_mode() { return chance(75) ? below(2) : below(8); }
  unsigned some_destination() {
    if (chance(40)) return some_apic().id % 256;
    return chance(20) ? 0xFF : below(256);
  }
  unsigned some_wide_destination(bool logical) {
    if (chance(20)) return chance(50) ? 0xFFFFFFFF : 0xFF;
    if (!logical) return some_apic().id;
    return some_apic().id / 16 << 16 | below(0x10000);
  }
  const lapic_oracle::Apic& some_apic() { return oracle_.apics[below(oracle_.apics.size())]; }
  bool x2apic(unsigned cpu) const { return oracle_.apics[cpu].x2apic; }

  SpanId begin() {
    return spans_ == Spans::Followed ? book_.begin() : make_span(SourceId{1}, begun_++);
  }
  /// By the page, or by the MSR of the same register.
  void write(unsigned cpu, std::uint32_t offset, std::uint64_t value) {
    if (!x2apic(cpu)) {
      return bank_.write(CpuId{cpu}, offset, static_cast<std::uint32_t>(value), env_);
    }
    const auto answer = bank_.wrmsr(CpuId{cpu}, LapicMsr::kFirst + offset / 16, value, env_);
    ASSERT_EQ(answer.status, MsrStatus::Done) << std::hex << offset << ' ' << value;
  }
  std::uint64_t read(unsigned cpu, std::uint32_t offset) {
    if (!x2apic(cpu)) return bank_.read(CpuId{cpu}, offset, env_);
    return bank_.rdmsr(CpuId{cpu}, LapicMsr::kFirst + offset / 16, env_).value;
  }
  void write_base(unsigned cpu, std::uint64_t mode) {
    const std::uint64_t bootstrap = cpu == 0 ? 0x100 : 0;
    const auto answer =
        bank_.wrmsr(CpuId{cpu}, LapicMsr::kApicBase, 0xFEE00000 | mode | bootstrap, env_);
    ASSERT_EQ(answer.status, MsrStatus::Done);
  }
  std::set<unsigned> vectors_in(unsigned cpu, std::uint32_t offset) {
    std::set<unsigned> found;
    for (unsigned index = 0; index < 8; ++index) {
      const std::uint64_t word = read(cpu, offset + 16 * index);
      for (unsigned bit = 0; bit < 32; ++bit) {
        if ((word >> bit & 1) != 0) found.insert(32 * index + bit);
      }
    }
    return found;
  }

  void message() {
    lapic_oracle::Message m;
    m.logical = chance(50);
    m.wide = chance(30);
    m.destination = m.wide ? some_wide_destination(m.logical) : some_destination();
    m.hint = chance(15);
    m.mode = some_mode();
    m.vector = some_vector();
    m.level_triggered = chance(40);
    m.asserted = chance(90);
    const std::uint64_t address =
        0xFEE00000 | (m.destination & 0xFF) << 12 | (m.hint ? 8u : 0u) | (m.logical ? 4u : 0u);
    const std::uint32_t data =
        (m.level_triggered ? 0x8000u : 0u) | (m.asserted ? 0x4000u : 0u) | m.mode << 8 | m.vector;
    ApicMessage sent = decode({address, data});
    if (m.wide) {
      sent.destination = ApicId{m.destination};
      sent.format = DestinationFormat::X2apic;
    }
    const unsigned expected = oracle_.deliver(m);
    ASSERT_EQ(bank_.on_message(sent, begin(), env_), expected);
  }

  void inta(unsigned cpu) {
    const auto [vector, spurious] = oracle_.inta(cpu);
    const IntaAnswer answer = bank_.on_inta(CpuId{cpu}, env_);
    intr_[cpu] = Level::Low;  // asking lowers the line
    ASSERT_EQ(raw(answer.vector), vector);
    ASSERT_EQ(answer.spurious, spurious);
    ASSERT_EQ(answer.span == kNoSpan, spurious);
  }

  void ipi(unsigned cpu) {
    const std::uint32_t low =
        below(4) << 18 | below(4) << 14 | below(2) << 11 | some_mode() << 8 | some_vector();
    if (x2apic(cpu)) return wide_ipi(cpu, low);
    const unsigned destination = some_destination();
    oracle_.apics[cpu].destination = destination;
    write(cpu, Register::kIcrHigh, destination << 24);
    oracle_.write_icr(cpu, low);
    write(cpu, Register::kIcrLow, low);
  }
  void wide_ipi(unsigned cpu, std::uint32_t low) {
    if (chance(20)) {
      constexpr std::uint32_t kSelf = 1u << 18;
      oracle_.write_icr(cpu, kSelf | (low & 0xFF));
      return write(cpu, Register::kSelfIpi, low & 0xFF);
    }
    const unsigned destination = some_wide_destination((low & 0x800) != 0);
    oracle_.apics[cpu].destination = destination;
    oracle_.write_icr(cpu, low);
    write(cpu, Register::kIcrLow, std::uint64_t{destination} << 32 | low);
  }

  /// To the other mode; software enables the LAPIC again where it was reset.
  void change_mode(unsigned cpu) {
    if (!x2apic(cpu)) {
      oracle_.enter_x2apic(cpu);
      return write_base(cpu, 0xC00);
    }
    oracle_.return_to_xapic(cpu);
    write_base(cpu, 0);
    write_base(cpu, 0x800);
    oracle_.apics[cpu].svr = 0x1FF;
    write(cpu, Register::kSvr, 0x1FF);
  }

  void configure(unsigned cpu) {
    lapic_oracle::Apic& apic = oracle_.apics[cpu];
    const auto value = static_cast<std::uint32_t>(random_());
    if (chance(10)) return change_mode(cpu);
    switch (below(x2apic(cpu) ? 3 : 6)) {
      case 0:
        apic.tpr = chance(50) ? 0 : value & 0x7F;
        return write(cpu, Register::kTpr, apic.tpr);
      case 1:
        apic.svr = (value & 0x10FF) | (chance(85) ? 0x100u : 0u);
        return write(cpu, Register::kSvr, apic.svr);
      case 2:
        oracle_.write_esr(cpu);
        return write(cpu, Register::kEsr, x2apic(cpu) ? 0 : value);
      case 3:
        apic.ldr = value & 0xFF000000;
        return write(cpu, Register::kLdr, value);
      case 4:
        apic.dfr = chance(50) ? 0xFFFFFFFF : value | 0x0FFFFFFF;
        if (chance(50)) apic.dfr &= 0x0FFFFFFF;
        return write(cpu, Register::kDfr, apic.dfr);
      default:
        apic.id = chance(80) ? cpu : below(8);
        return write(cpu, Register::kId, apic.id << 24);
    }
  }

  void compare(unsigned cpu) {
    const lapic_oracle::Apic& expected = oracle_.apics[cpu];
    ASSERT_EQ(vectors_in(cpu, Register::kIrr), expected.irr);
    ASSERT_EQ(vectors_in(cpu, Register::kIsr), expected.isr);
    ASSERT_EQ(vectors_in(cpu, Register::kTmr), expected.tmr);
    ASSERT_EQ(read(cpu, Register::kId), expected.x2apic ? expected.id : expected.id << 24);
    ASSERT_EQ(read(cpu, Register::kTpr), expected.tpr);
    ASSERT_EQ(read(cpu, Register::kPpr), expected.ppr());
    ASSERT_EQ(read(cpu, Register::kLdr), expected.logical_id());
    ASSERT_EQ(read(cpu, Register::kSvr), expected.svr);
    ASSERT_EQ(read(cpu, Register::kEsr), expected.esr);
    ASSERT_EQ(bank_.waits_for_sipi(CpuId{cpu}), expected.waits_for_sipi);
    if (expected.x2apic) return;  // which has no APR and no DFR
    ASSERT_EQ(read(cpu, Register::kApr), expected.apr());
    ASSERT_EQ(read(cpu, Register::kDfr), expected.dfr);
  }

  /// The lines and broadcasts of this step. A line is told when it changes, and only then.
  void compare_messages() {
    std::vector<unsigned> broadcasts;
    std::vector<std::string> told;
    for (const test::Sent& sent : env_.sent) {
      if (const auto* eoi = std::get_if<EoiMessage>(&sent.message)) {
        broadcasts.push_back(raw(eoi->vector));
      } else if (const auto* change = std::get_if<CpuLineChange>(&sent.message)) {
        take(*change, told);
      }
    }
    std::sort(told.begin(), told.end());
    std::sort(oracle_.messages.begin(), oracle_.messages.end());
    ASSERT_EQ(told, oracle_.messages);
    ASSERT_EQ(broadcasts, oracle_.broadcasts);
    oracle_.messages.clear();
    oracle_.broadcasts.clear();
    for (unsigned cpu = 0; cpu < intr_.size(); ++cpu) {
      ASSERT_EQ(intr_[cpu] == Level::High, oracle_.apics[cpu].intr()) << cpu;
    }
  }

  void take(const CpuLineChange& change, std::vector<std::string>& told) {
    const std::string cpu = std::to_string(raw(change.cpu));
    if (change.line == CpuLine::Intr) {
      ASSERT_NE(intr_[raw(change.cpu)], change.level) << "told without a change";
      intr_[raw(change.cpu)] = change.level;
      return;
    }
    if (spans_ == Spans::Followed) {
      book_.read(env_);
      book_.handed_over(change.span);
    }
    if (change.line == CpuLine::Smi) told.push_back("SMI " + cpu);
    if (change.line == CpuLine::Nmi) told.push_back("NMI " + cpu);
    if (change.line == CpuLine::Init) told.push_back("INIT " + cpu);
    if (change.line == CpuLine::Sipi) {
      told.push_back("SIPI " + cpu + " " + std::to_string(raw(change.vector)));
    }
  }

  std::mt19937 random_;
  lapic_oracle::Oracle oracle_;
  LapicBank bank_;
  Spans spans_;
  std::uint64_t begun_ = 0;
  test::SpanBook book_;
  test::RecordingEnv env_;
  std::vector<Level> intr_;  // as the CPUs were told
};

class LapicOracle : public ::testing::TestWithParam<std::vector<unsigned>> {};

TEST_P(LapicOracle, AgreesOnEveryStateAfterEveryOperation) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Pair pair(GetParam(), seed, Spans::Followed);
    for (unsigned n = 0; n < 10'000; ++n) {
      pair.step();
      if (!HasFatalFailure()) pair.compare();
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", step " << n;
    }
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||
                            __has_feature(undefined_behavior_sanitizer);
#else
constexpr bool kSanitized = false;
#endif
/// For each of the four machines.
constexpr unsigned kOperations = kSanitized ? 50'000 : 2'500'000;

TEST_P(LapicOracle, AgreesOnWhatMillionsOfOperationsDo) {
  Pair pair(GetParam(), 99, Spans::NotFollowed);
  for (unsigned n = 1; n <= kOperations; ++n) {
    pair.step();
    if (!HasFatalFailure()) pair.compare_outputs();
    if (!HasFatalFailure() && n % 50 == 0) pair.compare();
    if (HasFatalFailure()) FAIL() << "operation " << n;
  }
  std::cout << kOperations << " operations" << (kSanitized ? ", few for the sanitizers' sake" : "")
            << '\n';
}

INSTANTIATE_TEST_SUITE_P(Machines, LapicOracle,
                         ::testing::Values(std::vector<unsigned>{0},
                                           std::vector<unsigned>{0, 1, 2, 3},
                                           std::vector<unsigned>{7, 3, 9, 200, 1, 0},
                                           std::vector<unsigned>{0, 300, 17, 44, 70000, 255, 18}),
                         [](const auto& machine) {
                           return std::to_string(machine.param.size()) + "Cpus";
                         });

}  // namespace
}  // namespace irqfab::x86
