// Routes on demand among vectors with irqfds, over tens of thousands of random operations, against
// an independent oracle: messages that are sent, injections that are under way meanwhile, vectors
// that come and go, and calls that the kernel refuses. No GSI stands for two messages, none is
// given away that somebody names, and GSIs and entries add up after every operation.
#include <gtest/gtest.h>

#include "models/base/random.hpp"
#include "models/vmm/dynamic_routes.hpp"
#include "tests/models/vmm/routes_oracle.hpp"

namespace irqfab::vmm::test {
namespace {

using Next = DynamicRoutes::Next;

constexpr std::uint32_t kEntriesOfPins = 38;

struct Load {
  const char* name;
  std::uint32_t gsis;
  std::uint32_t messages;  // that are sent, of so many different ones
  std::uint32_t refuses;   // the kernel, one call of so many; 0 for none
  std::uint32_t most_under_way;
  std::uint32_t most_irqfds;
};
constexpr Load kLoads[] = {
    {"AllFit", 128, 60, 0, 8, 8},
    {"FlushedOften", 64, 60, 0, 4, 8},
    {"KernelRefuses", 64, 60, 9, 4, 8},
    {"NamedFillTheTable", 48, 40, 11, 8, 9},
    {"IrqfdsFillTheTable", 48, 40, 0, 2, 10},
};
void PrintTo(const Load& load, std::ostream* out) { *out << load.name; }

x86::MsiMessage message(std::uint64_t n) {
  // Several in one bucket, some in none other.
  return {0xFEE00000 + 0x1000 * (n / 7), static_cast<std::uint32_t>(0x30 + n % 7)};
}
OracleMessage key(const x86::MsiMessage& message) { return {message.address, message.data}; }

class Walk {
 public:
  Walk(const Load& load, std::uint64_t seed, Mutants mutants = {})
      : load_(load),
        random_(seed, 0),
        table_({load.gsis, pc_routes(), mutants}),
        routes_(mutants),
        oracle_(load.gsis, kPinGsis, kEntriesOfPins) {}

  void step() {
    switch (random_.below(8)) {
      case 0:
        return add_irqfd();
      case 1:
        return remove_irqfd();
      case 2:
      case 3:
        return finish();
      default:
        return send();
    }
  }
  void check() {
    const GsiAllocator& gsis = table_.gsis();
    expect(gsis.free() + gsis.reserved() + gsis.bound() == load_.gsis, "GSIs add up");
    expect(gsis.free() == oracle_.free.size(), "as many are free");
    expect(gsis.bound() == oracle_.on_demand.size() + oracle_.of_irqfds.size(), "none has leaked");
    expect(gsis.entries() == kEntriesOfPins + gsis.bound(), "an entry each");
    expect(gsis.entries() <= load_.gsis, "within the limit");
    expect(routes_.size() == oracle_.on_demand.size(), "as many can be found");
    for (const auto& [sent, gsi] : oracle_.on_demand) expect_route(gsi, sent);
    for (const auto& [gsi, sent] : oracle_.of_irqfds) expect_route(gsi, sent);
    const auto& counters = routes_.counters();
    expect(counters.hits == hits_ && counters.misses == misses_, "hits and misses");
    expect(counters.flushes == flushes_ && counters.flushed == flushed_, "flushes");
    expect(table_.counters().commits == commits_, "commits");
    expect(table_.counters().refused == refused_, "refused");
  }
  const std::string& wrong() const { return wrong_; }
  std::uint64_t flushes() const { return flushes_; }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t without_gsi() const { return without_gsi_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t delivered() const { return delivered_; }

 private:
  struct UnderWay {
    std::uint32_t gsi;
    OracleMessage sent;
  };

  void expect(bool holds, const char* what) {
    if (!holds && wrong_.empty()) wrong_ = what;
  }
  /// The table and the kernel lead from the GSI to the message, and so does the search back.
  void expect_route(std::uint32_t gsi, const OracleMessage& sent) {
    const x86::MsiMessage* routed = table_.message(Gsi{gsi});
    expect(routed != nullptr && key(*routed) == sent, "the table has the route");
    expect(in_kernel(gsi) == sent, "the kernel has the route");
    expect(table_.in_kernel(Gsi{gsi}), "and the table knows");
    const auto on_demand = oracle_.on_demand.find(sent);
    const auto found = routes_.find({sent.first, sent.second});
    expect(found.has_value() == (on_demand != oracle_.on_demand.end()), "what can be found");
    expect(!found || raw(*found) == on_demand->second, "where it is");
  }
  std::optional<OracleMessage> in_kernel(std::uint32_t gsi) const {
    const auto entries = kernel_.of(Gsi{gsi});
    if (entries.empty()) return std::nullopt;
    return key(entries.begin()->message);
  }

  kvm::Answer commit() {
    ++commits_;
    const bool refuse = load_.refuses > 0 && random_.below(load_.refuses) == 0;
    const std::vector<kvm::Route> routes = table_.commit();
    const kvm::Answer answer = refuse ? kvm::kEINVAL : kernel_.replace(routes);
    expect(refuse || answer == 0, "the kernel takes the table");
    if (answer != 0) ++refused_;
    return answer;
  }

  void send() {
    const x86::MsiMessage to = message(random_.below(load_.messages));
    if (oracle_.under_way.size() >= load_.most_under_way) return;
    const auto known = oracle_.on_demand.find(key(to));
    DynamicRoutes::Answer answer = routes_.seek(to, table_);
    if (known != oracle_.on_demand.end()) {
      ++hits_;
      return expect_found(answer, known->second, to);
    }
    ++misses_;
    if (!oracle_.room()) {
      const unsigned flushed = oracle_.flush();
      expect(answer.flushed == flushed, "as many are flushed");
      if (flushed == 0) {
        ++without_gsi_;
        return expect(answer.next == Next::NoGsi, "there is none");
      }
      ++flushes_;
      flushed_ += flushed;
      expect(answer.next == Next::Commit && !answer.made, "the flush is committed by itself");
      const kvm::Answer kernels = commit();
      answer = routes_.committed(kernels, table_);
      if (kernels != 0) return expect(answer.next == Next::Failed, "the flush was refused");
      expect(kernel_.size() == table_.gsis().entries() - 1u, "the kernel has forgotten them");
    }
    make(answer, to);
  }
  void make(DynamicRoutes::Answer answer, const x86::MsiMessage& to) {
    expect(answer.next == Next::Commit && answer.made, "a route is made");
    expect(!routes_.find(to), "and cannot be found yet");
    const unsigned gsi = oracle_.take();
    expect(raw(answer.gsi) == gsi, "at the lowest GSI");
    const kvm::Answer kernels = commit();
    answer = routes_.committed(kernels, table_);
    if (kernels != 0) {
      oracle_.give_back(gsi);
      return expect(answer.next == Next::Failed, "the route was refused");
    }
    oracle_.on_demand[key(to)] = gsi;
    expect_found(answer, gsi, to);
  }
  void expect_found(const DynamicRoutes::Answer& answer, unsigned gsi, const x86::MsiMessage& to) {
    expect(answer.next == Next::Inject && raw(answer.gsi) == gsi, "the route is found");
    oracle_.under_way.insert(raw(answer.gsi));
    under_way_.push_back({raw(answer.gsi), key(to)});
  }
  /// An injection that was looked up some time ago comes to the kernel now.
  void finish() {
    if (under_way_.empty()) return;
    const std::size_t which = random_.below(under_way_.size());
    const UnderWay injection = under_way_[which];
    under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(which));
    expect(in_kernel(injection.gsi) == injection.sent, "what was sent is what is delivered");
    oracle_.under_way.erase(oracle_.under_way.find(injection.gsi));
    routes_.done(Gsi{injection.gsi}, table_);
    ++delivered_;
  }

  void add_irqfd() {
    if (oracle_.of_irqfds.size() >= load_.most_irqfds) return;
    const x86::MsiMessage to{0xFEEFF000, static_cast<std::uint32_t>(next_vector_++)};
    const auto gsi = table_.add(to);
    expect(gsi.has_value() == oracle_.room(), "a vector gets a GSI if there is one");
    if (!gsi) return;
    const unsigned expected = oracle_.take();
    expect(raw(*gsi) == expected, "the lowest");
    const kvm::Answer answer = commit();
    table_.answered(answer);
    if (answer == 0) oracle_.of_irqfds[expected] = key(to);
    if (answer != 0) oracle_.give_back(expected);
  }
  void remove_irqfd() {
    if (oracle_.of_irqfds.empty()) return;
    const auto at = std::next(oracle_.of_irqfds.begin(),
                              static_cast<std::ptrdiff_t>(random_.below(oracle_.of_irqfds.size())));
    expect(in_kernel(at->first) == at->second, "its irqfd delivered its own until the end");
    table_.remove(Gsi{at->first});
    oracle_.give_back(at->first);
    oracle_.of_irqfds.erase(at);
  }

  Load load_;
  Random random_;
  RouteTable table_;
  DynamicRoutes routes_;
  kvm::GsiRouting kernel_;
  OracleRoutes oracle_;
  std::vector<UnderWay> under_way_;
  std::string wrong_;
  std::uint64_t next_vector_ = 0, hits_ = 0, misses_ = 0, flushes_ = 0, flushed_ = 0, commits_ = 0,
                refused_ = 0, delivered_ = 0, without_gsi_ = 0;
};

class RandomRoutes : public testing::TestWithParam<Load> {};

TEST_P(RandomRoutes, NoGsiIsTwoMessagesAtOnceAndNoneIsLost) {
  std::uint64_t flushes = 0, hits = 0, without_gsi = 0, refused = 0, delivered = 0;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    Walk walk(GetParam(), seed);
    for (int n = 0; n < 10000; ++n) {
      walk.step();
      walk.check();
      ASSERT_EQ(walk.wrong(), "") << "seed " << seed << ", operation " << n;
    }
    flushes += walk.flushes();
    hits += walk.hits();
    without_gsi += walk.without_gsi();
    refused += walk.refused();
    delivered += walk.delivered();
  }
  // The load is what its name says.
  const std::string name = GetParam().name;
  EXPECT_GT(delivered, 3000u);
  EXPECT_GT(hits, 50u);
  EXPECT_EQ(flushes > 50, name != "AllFit") << flushes;
  EXPECT_EQ(refused > 50, name == "KernelRefuses" || name == "NamedFillTheTable") << refused;
  EXPECT_EQ(without_gsi > 10, name == "NamedFillTheTable" || name == "IrqfdsFillTheTable")
      << without_gsi;
}
INSTANTIATE_TEST_SUITE_P(Dynamic, RandomRoutes, testing::ValuesIn(kLoads),
                         [](const auto& load) { return std::string(load.param.name); });

std::string found_with(Mutant mutant, const Load& load) {
  Mutants mutants;
  mutants.add(mutant);
  Walk walk(load, 1, mutants);
  for (int n = 0; n < 10000 && walk.wrong().empty(); ++n) {
    walk.step();
    walk.check();
  }
  return walk.wrong();
}

TEST(RandomRoutesWithMutant, HashBeforeCommitIsFound) {
  EXPECT_EQ(found_with(Mutant::HashBeforeCommit, kLoads[2]), "and cannot be found yet");
}
TEST(RandomRoutesWithMutant, FlushWithoutCommitIsFound) {
  EXPECT_EQ(found_with(Mutant::FlushWithoutCommit, kLoads[1]), "the flush is committed by itself");
}
TEST(RandomRoutesWithMutant, FlushWhileNamedIsFound) {
  EXPECT_EQ(found_with(Mutant::FlushWhileNamed, kLoads[1]), "as many are flushed");
}
TEST(RandomRoutesWithMutant, RoutesLimitedByGsiIsFound) {
  EXPECT_NE(found_with(Mutant::RoutesLimitedByGsi, kLoads[1]), "");
}
TEST(RandomRoutesWithMutant, GsiLimitOffByOneIsFound) {
  EXPECT_EQ(found_with(Mutant::GsiLimitOffByOne, kLoads[1]), "GSIs add up");
}

}  // namespace
}  // namespace irqfab::vmm::test
