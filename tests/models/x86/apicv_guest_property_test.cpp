// A guest cannot tell virtual local APICs from real ones: the same random accesses and arrivals, on
// a bank of local APICs and on virtual ones whose exits are completed, give the same vectors in the
// same order and the same registers. vCPUs come and go on the virtual side; notifications arrive
// late; virtualization is forbidden and allowed again.

#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <tuple>

#include "tests/support/virtual_rig.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

struct Variant {
  const char* name;
  VirtualApics::Config config;
};
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

enum class Spans { Followed, NotFollowed };

constexpr unsigned kVcpus = 4;
constexpr unsigned kX2apicBase = 0xC00;

/// One machine on both sides.
class Twins {
 public:
  Twins(const Variant& variant, unsigned seed, Spans spans)
      : random_(seed),
        plain_(variant.config.lapics),
        rig_(variant.config),
        config_(variant.config),
        spans_(spans) {
    for (unsigned v = 0; v < kVcpus; ++v) {
      plain_.write(CpuId{v}, Register::kSvr, 0x1FF, plain_env_);
      VectorSet exits;
      for (unsigned vector = 16; vector < 256; ++vector) {
        if (is_level(vector)) exits.add(static_cast<Vector>(vector));
      }
      rig_.apics.set_eoi_exits(CpuId{v}, exits);
    }
    plain_env_.clear();
  }

  void step() {
    const unsigned v = below(kVcpus);
    const unsigned dice = below(100);
    if (dice < 20) {
      message();
    } else if (dice < 30) {
      device(v);
    } else if (dice < 50) {
      take(v);
    } else if (dice < 67) {
      run(v);
      write(v, Register::kEoi, 0);
    } else if (dice < 80) {
      ipi(v);
    } else if (dice < 88) {
      run(v);
      task_priority(v);
    } else if (dice < 92) {
      leave(v);
    } else if (dice < 95) {
      run(v);
      read(v, below(0x40) * 16);
    } else {
      configure(v);
    }
    if (!testing::Test::HasFatalFailure()) pass_signals();
  }

  void compare() {
    for (unsigned v = 0; v < kVcpus; ++v) {
      if (!late_[v] && in_guest_[v]) compare_line(v);
      if (!testing::Test::HasFatalFailure() && settled(v)) compare_priorities(v);
      if (testing::Test::HasFatalFailure()) return;
    }
    compare_messages();
  }
  /// Every register.
  void compare_all() {
    for (unsigned v = 0; v < kVcpus; ++v) {
      run(v);
      for (std::uint32_t offset = 0; offset < 0x400; offset += 16) {
        if (offset != 0x0C0) read(v, offset);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
    ASSERT_TRUE(same_state());
    if (spans_ == Spans::NotFollowed) return;
    rig_.book.read(rig_.env);
    ASSERT_TRUE(rig_.book.faults().empty()) << rig_.book.faults().front();
    ASSERT_EQ(rig_.book.live(), test::held_by(rig_.apics));
  }
  std::uint64_t taken() const { return taken_; }
  std::uint64_t exits() const { return exits_; }

 private:
  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  static bool is_level(unsigned vector) { return vector % 3 == 0; }
  unsigned some_vector() { return chance(80) ? 0x31 + 0x13 * below(8) : 16 + below(240); }
  /// Processors that set an IRR bit leave the TMR: a guest keeps such vectors apart.
  unsigned edge_vector() {
    for (;;) {
      const unsigned vector = some_vector();
      if (!is_level(vector)) return vector;
    }
  }
  bool x2apic() const { return plain_.mode(CpuId{0}) == LapicMode::X2apic; }
  bool delivers() const {
    if (!rig_.apics.active()) return false;
    return config_.virtualization == Virtualization::Avic ||
           config_.controls.has(Control::VirtualInterruptDelivery);
  }
  bool unit_posts() const {
    return config_.virtualization == Virtualization::Avic ||
           (config_.virtualization == Virtualization::Apicv &&
            config_.controls.has(Control::ProcessPostedInterrupts));
  }
  bool settled(unsigned v) const {
    return !late_[v] && rig_.apics.descriptor(CpuId{v}).pir().empty();
  }

  // ---- vCPUs come and go

  /// Puts the vCPU into its guest, or lets what is under way to it arrive.
  void run(unsigned v) {
    PostedDescriptor& descriptor = rig_.apics.descriptor(CpuId{v});
    if (!in_guest_[v]) {
      descriptor.set_sn(false);
      if (!descriptor.pir().empty()) descriptor.set_on(true);
      rig_.apics.avic_load(CpuId{v}, ApicId{0x10 + v});
      rig_.apics.enter(CpuId{v}, rig_.env);
      in_guest_[v] = true;
    } else if (late_[v]) {
      tell(v);
    } else if (!delivers()) {
      rig_.apics.enter(CpuId{v}, rig_.env);  // as a window for the interrupt opens
    }
    late_[v] = false;
  }
  void run_all() {
    for (unsigned v = 0; v < kVcpus; ++v) run(v);
  }
  void leave(unsigned v) {
    if (!in_guest_[v]) return;
    in_guest_[v] = false;
    late_[v] = false;
    const VcpuPut why = chance(50) ? VcpuPut::Blocked : VcpuPut::Preempted;
    rig_.apics.avic_put(CpuId{v}, why);
    rig_.apics.descriptor(CpuId{v}).set_sn(why == VcpuPut::Preempted);
  }
  /// A notification, a doorbell or the host reaches a CPU that is in the guest.
  void tell(unsigned v) {
    if (!delivers()) return rig_.apics.enter(CpuId{v}, rig_.env);
    if (config_.virtualization == Virtualization::Avic) {
      return rig_.apics.doorbell(CpuId{v}, rig_.env);
    }
    rig_.apics.sync(CpuId{v}, rig_.env);
  }
  void pass_signals() {
    for (const VirtualSignal& signal : rig_.signals()) reach(raw(signal.vcpu));
  }
  void reach(unsigned v) {
    if (!in_guest_[v]) return;  // it looks when it comes back
    late_[v] = chance(30);
    if (!late_[v]) tell(v);
  }

  // ---- operations

  void message() {
    ApicMessage m;
    m.vector = static_cast<Vector>(some_vector());
    if (is_level(raw(m.vector)) && chance(70)) m.trigger_mode = TriggerMode::Level;
    m.destination = ApicId{chance(80) ? below(kVcpus) : below(256)};
    m.destination_mode = chance(40) ? DestinationMode::Logical : DestinationMode::Physical;
    m.delivery_mode = chance(25) ? DeliveryMode::LowestPriority : DeliveryMode::Fixed;
    if (chance(5)) m.delivery_mode = DeliveryMode::Nmi;
    if (m.delivery_mode == DeliveryMode::LowestPriority) run_all();
    const SpanId span = begin();
    const unsigned expected = plain_.on_message(m, span, plain_env_);
    ASSERT_EQ(rig_.apics.on_message(m, span, rig_.env), expected);
  }
  void device(unsigned v) {
    if (!unit_posts()) return;
    const auto vector = static_cast<Vector>(edge_vector());
    ApicMessage m;
    m.vector = vector;
    m.destination = ApicId{plain_.id(CpuId{v})};
    const SpanId span = begin();
    plain_.on_message(m, span, plain_env_);
    const Urgency urgency = chance(10) ? Urgency::Urgent : Urgency::Normal;
    const PostAnswer answer = rig_.apics.post(CpuId{v}, vector, urgency, span, rig_.env);
    if (answer.notify || config_.virtualization == Virtualization::Avic) reach(v);
  }
  void take(unsigned v) {
    run(v);
    compare_line(v);
    if (plain_.intr(CpuId{v}) == Level::Low) return;
    const IntaAnswer expected = plain_.on_inta(CpuId{v}, plain_env_);
    const IntaAnswer answer = rig_.apics.take(CpuId{v}, rig_.env);
    ASSERT_EQ(raw(answer.vector), raw(expected.vector));
    ASSERT_EQ(answer.spurious, expected.spurious);
    ++taken_;
    run(v);
  }
  void ipi(unsigned v) {
    const bool fixed = chance(80);
    const unsigned mode = fixed ? 0 : chance(50) ? 1 : 4;
    const unsigned trigger = chance(10) ? 0x8000 : 0;
    const std::uint32_t low = (chance(60) ? 0 : below(4)) << 18 | trigger | 0x4000 |
                              (chance(40) ? 0x800u : 0u) | mode << 8 | edge_vector();
    if (mode == 1) run_all();
    run(v);
    if (x2apic()) {
      if (chance(20)) return write(v, Register::kSelfIpi, low & 0xFF);
      const bool logical = (low & 0x800) != 0;
      const std::uint64_t destination = chance(10) ? 0xFFFFFFFF : logical ? below(16) : below(6);
      return write(v, Register::kIcrLow, destination << 32 | low);
    }
    const bool broadcast = chance(10);
    write(v, Register::kIcrHigh, (broadcast ? 0xFF : below(chance(80) ? 4 : 256)) << 24);
    run(v);
    write(v, Register::kIcrLow, low);
  }
  void task_priority(unsigned v) {
    const unsigned tpr = chance(70) ? 0 : below(256);
    if (!chance(40)) return write(v, Register::kTpr, tpr);
    plain_.restore(CpuId{v}, Register::kTpr, tpr & 0xF0, plain_env_);
    finish(rig_.apics.write_cr8(CpuId{v}, static_cast<std::uint8_t>(tpr >> 4), rig_.env));
  }
  void configure(unsigned v) {
    run(v);
    switch (below(9)) {
      case 0:
        if (x2apic()) return;
        return write(v, Register::kLdr, (chance(80) ? 1u << v : below(256)) << 24);
      case 1:
        if (x2apic()) return;
        return write(v, Register::kDfr, chance(70) ? 0xFFFFFFFF : 0x0FFFFFFF);
      case 2:
        return write(v, Register::kEsr, 0);
      case 3:
        return write(v, Register::kSvr, 0x1FF & ~below(16));
      case 4:
        return write(v, Register::kDivideConfiguration, below(4));
      case 5:
        return write(v, Register::kLvtError, 0x100FF);
      case 6:
        if (chance(20)) change_mode();
        return;
      case 7:
        if (chance(20)) restart(v, below(kVcpus));
        return;
      default:
        return forbid();
    }
  }
  /// INIT, after which software enables the local APIC again.
  void restart(unsigned by, unsigned target) {
    constexpr std::uint32_t kInit = 0x4500;
    if (x2apic()) {
      write(by, Register::kIcrLow, std::uint64_t{target} << 32 | kInit);
    } else {
      write(by, Register::kIcrHigh, target << 24);
      write(by, Register::kIcrLow, kInit);
    }
    pass_signals();
    run(target);
    write(target, Register::kSvr, 0x1FF);
  }
  /// All together, as software does it.
  void change_mode() {
    run_all();
    const bool leaves = x2apic();
    for (unsigned v = 0; v < kVcpus; ++v) {
      if (leaves) base(v, 0);
      base(v, leaves ? 0x800 : kX2apicBase);
      if (leaves) write(v, Register::kSvr, 0x1FF);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  void base(unsigned v, std::uint64_t mode) {
    const std::uint64_t value = 0xFEE00000 | mode | (v == 0 ? 0x100 : 0);
    const MsrAnswer expected = plain_.wrmsr(CpuId{v}, LapicMsr::kApicBase, value, plain_env_);
    const VirtualAccess access = rig_.wrmsr(v, LapicMsr::kApicBase, value);
    ASSERT_TRUE(access.exit);
    ASSERT_EQ(rig_.complete(access).status, expected.status);
  }
  /// The host learns of a reason not to virtualize, or that it is gone.
  void forbid() {
    if (rig_.apics.inhibits().has(Inhibit::BlockIrq)) {
      rig_.apics.allow(Inhibit::BlockIrq);
    } else if (chance(30)) {
      rig_.apics.inhibit(Inhibit::BlockIrq);
    }
  }

  void write(unsigned v, std::uint32_t offset, std::uint64_t value) {
    if (x2apic()) {
      const std::uint32_t msr = LapicMsr::kFirst + offset / 16;
      const MsrAnswer expected = plain_.wrmsr(CpuId{v}, msr, value, plain_env_);
      ASSERT_EQ(finish(rig_.wrmsr(v, msr, value)).status, expected.status)
          << std::hex << msr << ' ' << value;
      return;
    }
    const auto word = static_cast<std::uint32_t>(value);
    plain_.write(CpuId{v}, offset, word, plain_env_);
    finish(rig_.write(v, offset, word));
  }
  void read(unsigned v, std::uint32_t offset) {
    if (offset == 0x0C0) return;  // which AVIC answers from the page
    if (x2apic()) {
      const std::uint32_t msr = LapicMsr::kFirst + offset / 16;
      const MsrAnswer expected = plain_.rdmsr(CpuId{v}, msr, plain_env_);
      const MsrAnswer answer = finish(rig_.rdmsr(v, msr));
      ASSERT_EQ(answer.status, expected.status) << std::hex << msr;
      ASSERT_EQ(answer.value, expected.value) << std::hex << msr;
      return;
    }
    const std::uint32_t expected = plain_.read(CpuId{v}, offset, plain_env_);
    ASSERT_EQ(finish(rig_.read(v, offset)).value, expected) << std::hex << offset;
  }
  MsrAnswer finish(const VirtualAccess& access) {
    if (!access.exit) return {access.status, access.value};
    ++exits_;
    return rig_.complete(access);
  }

  SpanId begin() {
    return spans_ == Spans::Followed ? rig_.book.begin() : make_span(SourceId{1}, begun_++);
  }

  // ---- comparison

  void compare_line(unsigned v) {
    const bool expected = plain_.intr(CpuId{v}) == Level::High;
    // Without delivery a line that the guest lowered by its TPR is only looked at upon entry.
    ASSERT_TRUE(rig_.line(v) == expected || (!delivers() && !expected)) << v;
  }
  void compare_priorities(unsigned v) {
    const LapicBank& virtual_ones = rig_.apics.lapics();
    ASSERT_TRUE(virtual_ones.irr(CpuId{v}) == plain_.irr(CpuId{v})) << v;
    ASSERT_TRUE(virtual_ones.isr(CpuId{v}) == plain_.isr(CpuId{v})) << v;
    ASSERT_TRUE(virtual_ones.tmr(CpuId{v}) == plain_.tmr(CpuId{v})) << v;
    ASSERT_EQ(virtual_ones.ppr(CpuId{v}), plain_.ppr(CpuId{v})) << v;
    ASSERT_EQ(virtual_ones.tpr(CpuId{v}), plain_.tpr(CpuId{v})) << v;
    ASSERT_EQ(virtual_ones.esr(CpuId{v}), plain_.esr(CpuId{v})) << v;
  }
  bool same_state() const {
    for (unsigned v = 0; v < kVcpus; ++v) {
      const CpuId cpu{v};
      const LapicBank& other = rig_.apics.lapics();
      if (other.ldr(cpu) != plain_.ldr(cpu) || other.dfr(cpu) != plain_.dfr(cpu) ||
          other.icr_high(cpu) != plain_.icr_high(cpu) || other.id(cpu) != plain_.id(cpu)) {
        return false;
      }
    }
    return true;
  }
  /// EOIs that IOAPICs see, and lines that are messages.
  void compare_messages() {
    ASSERT_EQ(told(rig_.env), told(plain_env_));
    plain_env_.clear();
    rig_.env.sent.clear();
    rig_.env.delays.clear();
    if (spans_ == Spans::NotFollowed) return rig_.env.notes.clear();
    for (const SpanId span : handed_over_) rig_.book.read(rig_.env), rig_.book.handed_over(span);
    handed_over_.clear();
  }
  using Told = std::vector<std::tuple<unsigned, unsigned, unsigned>>;
  Told told(const test::RecordingEnv& env) {
    Told found;
    for (const test::Sent& sent : env.sent) {
      if (const auto* eoi = std::get_if<EoiMessage>(&sent.message)) {
        found.emplace_back(0, 0, raw(eoi->vector));
      } else if (const auto* change = std::get_if<CpuLineChange>(&sent.message)) {
        if (change->line == CpuLine::Intr) continue;
        found.emplace_back(static_cast<unsigned>(change->line), raw(change->cpu),
                           raw(change->vector));
        if (&env == &rig_.env) handed_over_.push_back(change->span);
      }
    }
    return found;
  }

  std::mt19937 random_;
  LapicBank plain_;
  test::RecordingEnv plain_env_;
  VirtualRig rig_;
  VirtualApics::Config config_;
  Spans spans_;
  std::uint64_t begun_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t exits_ = 0;
  std::array<bool, kVcpus> in_guest_{true, true, true, true};
  std::array<bool, kVcpus> late_{};  // something is under way to the CPU that it is on
  std::vector<SpanId> handed_over_;
};

class VirtualApicsAreLapics : public testing::TestWithParam<Variant> {};

TEST_P(VirtualApicsAreLapics, EveryInterruptKeepsItsSpan) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Twins twins(GetParam(), seed, Spans::Followed);
    for (unsigned n = 1; n <= 4'000; ++n) {
      twins.step();
      if (!HasFatalFailure()) twins.compare();
      if (!HasFatalFailure() && n % 10 == 0) twins.compare_all();
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", operation " << n;
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
/// For each variant.
constexpr unsigned kOperations = kSanitized ? 20'000 : 500'000;

TEST_P(VirtualApicsAreLapics, MillionsOfOperationsTellNoDifference) {
  Twins twins(GetParam(), 7, Spans::NotFollowed);
  for (unsigned n = 1; n <= kOperations; ++n) {
    twins.step();
    if (!HasFatalFailure()) twins.compare();
    if (!HasFatalFailure() && n % 100 == 0) twins.compare_all();
    if (HasFatalFailure()) FAIL() << "operation " << n;
  }
  std::cout << kOperations << " operations, " << twins.taken() << " interrupts, " << twins.exits()
            << " exits\n";
}

std::vector<Variant> variants() {
  constexpr ApicvControls kAll = ApicvControls::all();
  constexpr ApicvControls kNoPosting =
      kAll.without(Control::ProcessPostedInterrupts).without(Control::IpiVirtualization);
  const auto none = [](ApicvControls controls) {
    VirtualApics::Config config = VirtualRig::config_of(Virtualization::None, kVcpus);
    config.controls = controls;
    return config;
  };
  return {
      {"Apicv", VirtualRig::apicv()},
      {"ApicvWithoutIpis", VirtualRig::apicv(kAll.without(Control::IpiVirtualization))},
      {"ApicvWithoutPosting", VirtualRig::apicv(kNoPosting)},
      {"ApicvWithoutRegisters",
       VirtualRig::apicv(kNoPosting.without(Control::ApicRegisterVirtualization))},
      {"ApicvWithoutDelivery",
       VirtualRig::apicv(kNoPosting.without(Control::VirtualInterruptDelivery))},
      {"Avic", VirtualRig::avic()},
      {"X2avic", VirtualRig::avic(X2avic::Present)},
      {"TprShadow", none(kAll)},
      {"Nothing", none(ApicvControls{})},
  };
}
INSTANTIATE_TEST_SUITE_P(Variants, VirtualApicsAreLapics, testing::ValuesIn(variants()),
                         [](const auto& variant) { return std::string(variant.param.name); });

}  // namespace
}  // namespace irqfab::x86
