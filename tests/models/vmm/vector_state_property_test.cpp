// The vectors of several functions at one routing table, over tens of thousands of random
// operations of their guest, signals between any two duties of the VMM, and calls that the kernel
// refuses:
//   no signal is lost or doubled    what is pending is signalled or cancelled, once
//   none is delivered as another's  an irqfd's GSI leads to its vector's message, and to no other's
//   nothing leaks                   GSIs and entries add up, and go back when a vector goes
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "models/base/random.hpp"
#include "models/vmm/vector_state.hpp"

namespace irqfab::vmm {
namespace {

constexpr std::uint16_t kVectors = 6;
constexpr std::size_t kFunctions = 4;
constexpr std::uint32_t kEntriesOfPins = 38;

struct Load {
  const char* name;
  RoutePolicy policy;
  std::uint32_t gsis;
  std::uint32_t refuses;  // the kernel, one call of so many; 0 for none
};
constexpr Load kLoads[] = {
    {"Eager", RoutePolicy::Eager, 128, 0},
    {"EagerWithoutRoom", RoutePolicy::Eager, 48, 0},
    {"EagerRefused", RoutePolicy::Eager, 56, 7},
    {"OnUnmask", RoutePolicy::OnUnmask, 128, 0},
    {"OnUnmaskWithoutRoom", RoutePolicy::OnUnmask, 44, 0},
    {"OnUnmaskRefused", RoutePolicy::OnUnmask, 48, 7},
    {"OnDemand", RoutePolicy::OnDemand, 128, 0},
};
void PrintTo(const Load& load, std::ostream* out) { *out << load.name; }

/// What the guest has made of a vector, in words of its own.
struct Guest {
  x86::MsiMessage message;
  unsigned users = 0;
  bool masked = true;
  bool was_unmasked = false;  // since it is in use
};
struct GuestFunction {
  Attach attach = Attach::Emulated;
  bool enabled = false;
  bool all_masked = false;
  std::array<Guest, kVectors> vectors;

  bool in_use(std::size_t n) const {
    return enabled && (attach == Attach::Assigned || vectors[n].users > 0);
  }
  bool masked(std::size_t n) const { return all_masked || vectors[n].masked; }
};

class Walk {
 public:
  Walk(const Load& load, std::uint64_t seed)
      : load_(load), random_(seed, 0), table_({load.gsis, pc_routes(), {}}) {
    constexpr std::array<Attach, kFunctions> kAttach = {Attach::Emulated, Attach::Vhost,
                                                        Attach::Assigned, Attach::Vhost};
    for (std::size_t f = 0; f < kFunctions; ++f) {
      guests_[f].attach = kAttach[f];
      functions_.emplace_back(FunctionVectors::Config{kAttach[f], load.policy, kVectors});
    }
  }

  void step() {
    function_ = random_.below(kFunctions);
    operate();
    while (const auto duty = functions_[function_].next(table_)) {
      perform(*duty);
      check_always();
      if (random_.below(3) == 0) signal(random_.below(kVectors));
      if (!wrong_.empty()) return;
    }
    for (std::size_t n = 0; n < kVectors; ++n) check_settled(n);
    signal(random_.below(kVectors));
    check_numbers();
  }
  const std::string& wrong() const { return wrong_; }

  std::uint64_t by_irqfd = 0, by_handler = 0, pended = 0, signalled = 0, cancelled = 0, refused = 0;

 private:
  using Eventfd = std::pair<std::size_t, std::size_t>;  // function, vector

  void expect(bool holds, const char* what) {
    if (!holds && wrong_.empty()) wrong_ = what;
  }
  FunctionVectors& vectors() { return functions_[function_]; }
  GuestFunction& guest() { return guests_[function_]; }
  static VectorIndex index(std::size_t n) { return VectorIndex(static_cast<std::uint16_t>(n)); }

  // ---- the guest --------------------------------------------------------------------------------

  void operate() {
    const std::size_t n = random_.below(kVectors);
    Guest& vector = guest().vectors[n];
    switch (random_.below(24)) {
      case 0:
        guest().enabled = false;
        vectors().disable();
        break;
      case 1:
      case 2:
      case 3:
        guest().enabled = true;
        vectors().enable();
        break;
      case 4:
        guest().all_masked = random_.below(2) == 0;
        vectors().set_function_mask(guest().all_masked ? Mask::On : Mask::Off);
        break;
      case 5:
        reset();
        break;
      case 6:
      case 7:
      case 8:
        if (vector.users < 2) ++vector.users, vectors().use(index(n));
        break;
      case 9:
      case 10:
        if (vector.users > 0) --vector.users;
        vectors().release(index(n));
        break;
      case 11:
      case 12:
      case 13:
      case 14:
        vector.message = {0xFEE00000 + 0x1000 * random_.below(4), next_data_++};
        vectors().set_message(index(n), vector.message);
        break;
      default:
        vector.masked = random_.below(2) == 0;
        vectors().set_mask(index(n), vector.masked ? Mask::On : Mask::Off);
    }
    for (std::size_t at = 0; at < kVectors; ++at) {
      bool& unmasked = guest().vectors[at].was_unmasked;
      unmasked = guest().in_use(at) && (unmasked || !guest().masked(at));
    }
  }
  void reset() {
    const Attach attach = guest().attach;
    guest() = {};
    guest().attach = attach;
    vectors().reset();
  }

  // ---- the VMM and its kernel -------------------------------------------------------------------

  bool refuses() { return load_.refuses > 0 && random_.below(load_.refuses) == 0; }

  void perform(const VectorDuty& duty) {
    const std::size_t n = raw(duty.vector);
    const Eventfd eventfd{function_, n};
    kvm::Answer answer = 0;
    switch (duty.duty) {
      case Duty::Deassign:
        expect(irqfds_.count(eventfd) == 1 && irqfds_[eventfd] == duty.gsi, "it has the irqfd");
        expect(vectors().carrier(duty.vector) != Carrier::Irqfd, "nobody signals it any more");
        irqfds_.erase(eventfd);
        break;
      case Duty::Assign:
        answer = refuses() ? kvm::kEBUSY : 0;
        expect(irqfds_.count(eventfd) == 0, "it has none yet");
        if (answer == 0) irqfds_[eventfd] = duty.gsi;
        break;
      case Duty::Commit:
        answer = refuses() ? kvm::kEINVAL : kernel_.replace(table_.commit());
        break;
      case Duty::ToHandler:
        break;
      case Duty::ToIrqfd:
        expect(delivers(eventfd) == guest().vectors[n].message, "the irqfd is ready");
        break;
      case Duty::Signal:
        expect(guest().in_use(n) && !guest().masked(n), "it is not masked");
        take(eventfd, signalled);
        if (vectors().carrier(duty.vector) == Carrier::Irqfd)
          expect(delivers(eventfd) == guest().vectors[n].message, "by its own message");
        break;
      case Duty::Cancel:
        expect(!guest().in_use(n), "nobody uses it");
        take(eventfd, cancelled);
        break;
    }
    if (answer != 0) ++refused, refused_.insert(function_);
    vectors().done(duty, answer, table_);
  }
  void take(const Eventfd& eventfd, std::uint64_t& count) {
    expect(vectors().take_pending(index(eventfd.second)) == waiting_[eventfd], "what was pending");
    waiting_[eventfd] = kNoSpan;
    ++count;
  }
  std::optional<x86::MsiMessage> delivers(const Eventfd& eventfd) const {
    const auto irqfd = irqfds_.find(eventfd);
    if (irqfd == irqfds_.end() || kernel_.of(irqfd->second).empty()) return std::nullopt;
    return kernel_.of(irqfd->second).begin()->message;
  }

  /// The function's event happens, at any time.
  void signal(std::size_t n) {
    const Eventfd eventfd{function_, n};
    switch (vectors().carrier(index(n))) {
      case Carrier::Nobody:
        return;
      case Carrier::Irqfd:
        expect(delivers(eventfd).has_value(), "the kernel delivers it");
        ++by_irqfd;
        return;
      case Carrier::Handler:
        if (!vectors().masked(index(n))) {
          ++by_handler;
          return;
        }
        const SpanId span{next_span_++};
        const SpanId joins = vectors().pend(index(n), span);
        expect(joins == waiting_[eventfd], "one is kept");
        if (joins != kNoSpan) return;
        waiting_[eventfd] = span;
        ++pended;
    }
  }

  // ---- what must hold ---------------------------------------------------------------------------

  void check_always() {
    std::set<Gsi> gsis;
    for (const auto& [eventfd, gsi] : irqfds_) {
      expect(gsis.insert(gsi).second, "a GSI is one vector's");
      expect(!kernel_.of(gsi).empty(), "the kernel has a route for every irqfd");
      expect(functions_[eventfd.first].gsi(index(eventfd.second)) == gsi, "the vector names it");
    }
    for (std::size_t n = 0; n < kVectors; ++n) {
      const bool carries = vectors().carrier(index(n)) == Carrier::Irqfd;
      expect(!carries || irqfds_.count({function_, n}) == 1, "an irqfd carries it");
      expect(vectors().irqfd(index(n)) == (irqfds_.count({function_, n}) == 1), "it has an irqfd");
    }
  }

  void check_settled(std::size_t n) {
    const Eventfd eventfd{function_, n};
    const bool in_use = guest().in_use(n), masked = guest().masked(n);
    const auto gsi = vectors().gsi(index(n));
    const bool wants =
        in_use && (load_.policy == RoutePolicy::Eager ||
                   (load_.policy == RoutePolicy::OnUnmask && guest().vectors[n].was_unmasked));
    expect(vectors().message(index(n)) == guest().vectors[n].message, "the guest's message");
    expect(vectors().masked(index(n)) == masked, "the guest's mask");
    expect(!gsi || wants, "a GSI only for who wants one");
    expect(gsi.has_value() == wants || load_.gsis < 128, "with room, for all of them");
    const bool has_irqfd = gsi && (guest().attach != Attach::Emulated || !masked);
    expect((irqfds_.count(eventfd) == 1) == has_irqfd, "an irqfd with the GSI");
    const Carrier carrier = !in_use                ? Carrier::Nobody
                            : masked || !has_irqfd ? Carrier::Handler
                                                   : Carrier::Irqfd;
    expect(vectors().carrier(index(n)) == carrier, "who carries it");
    if (carrier == Carrier::Irqfd)
      expect(delivers(eventfd) == guest().vectors[n].message, "the kernel has its message");
    const SpanId waiting = waiting_[eventfd];
    expect(waiting == kNoSpan || (in_use && masked), "nothing waits without a mask");
    expect(vectors().pending(index(n)) == waiting, "what waits");
  }

  void check_numbers() {
    std::uint32_t with_gsi = 0;
    std::set<Gsi> gsis;
    std::vector<SpanId> held;
    for (const FunctionVectors& function : functions_) {
      for (std::size_t n = 0; n < kVectors; ++n) {
        const auto gsi = function.gsi(index(n));
        if (!gsi) continue;
        ++with_gsi;
        expect(gsis.insert(*gsi).second, "no GSI twice");
        expect(table_.in_kernel(*gsi), "the kernel has its route");
      }
      function.held_spans(held);
    }
    expect(held.size() == pended - signalled - cancelled, "signalled or cancelled, once");
    expect(table_.gsis().bound() == with_gsi, "none has leaked");
    expect(table_.gsis().entries() == kEntriesOfPins + with_gsi, "an entry each");
    expect(table_.gsis().entries() <= load_.gsis, "within the limit");
  }

  Load load_;
  Random random_;
  RouteTable table_;
  kvm::GsiRouting kernel_;
  std::vector<FunctionVectors> functions_;
  std::array<GuestFunction, kFunctions> guests_;
  std::size_t function_ = 0;
  std::map<Eventfd, Gsi> irqfds_;
  std::map<Eventfd, SpanId> waiting_;
  std::set<std::size_t> refused_;
  std::uint32_t next_data_ = 1;
  std::uint64_t next_span_ = 1;
  std::string wrong_;
};

class RandomVectors : public testing::TestWithParam<Load> {};

TEST_P(RandomVectors, NoSignalIsLostDoubledOrDeliveredAsAnothers) {
  std::uint64_t by_irqfd = 0, by_handler = 0, signalled = 0, cancelled = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    Walk walk(GetParam(), seed);
    for (int n = 0; n < 10000; ++n) {
      walk.step();
      ASSERT_EQ(walk.wrong(), "") << "seed " << seed << ", operation " << n;
    }
    by_irqfd += walk.by_irqfd;
    by_handler += walk.by_handler;
    signalled += walk.signalled;
    cancelled += walk.cancelled;
    refused += walk.refused;
  }
  // The load is what its name says.
  EXPECT_EQ(by_irqfd > 1000, GetParam().policy != RoutePolicy::OnDemand) << by_irqfd;
  EXPECT_EQ(by_irqfd > 0, GetParam().policy != RoutePolicy::OnDemand);
  EXPECT_GT(by_handler, 100u);
  EXPECT_GT(signalled, 300u);
  EXPECT_GT(cancelled, 100u);
  EXPECT_EQ(refused > 100, GetParam().refuses > 0) << refused;
}
INSTANTIATE_TEST_SUITE_P(Vectors, RandomVectors, testing::ValuesIn(kLoads),
                         [](const auto& load) { return std::string(load.param.name); });

}  // namespace
}  // namespace irqfab::vmm
