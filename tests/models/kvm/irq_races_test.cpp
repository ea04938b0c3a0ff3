// The races of the routing layer, explored whole: two and three calls that meet in every order of
// their steps, real programs from their first step to their last, kworkers and grace periods
// included. A row a race: how many schedules there are, and everything that can come of them.
//
// In all of them (see LayerWorld::broken): no message is torn (invariant G10), none goes the old
// way once KVM_SET_GSI_ROUTING has returned (G9), nothing is injected once KVM_IRQFD deassign has
// answered 0, every irqfd and every table is retired once (G13), no interrupt is lost or told twice
// (G1, G2), no lock rule is broken and nobody is stuck (G14).
//
// Kworkers are bound to the CPU that queued their work and come when it is free, so a kworker does
// not come in between two steps of the call that queued it.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/models/kvm/layer_world.hpp"
#include "tests/support/build_speed.hpp"

namespace irqfab::kvm::test {
namespace {

using irqfab::test::explore_each;
using irqfab::test::explore_merged;
using irqfab::test::Explored;
using irqfab::test::kSlowBuild;
using irqfab::test::Until;

constexpr auto kWorkqueue = IrqfdForm::Workqueue;
constexpr auto kPointer = IrqfdForm::Pointer;
constexpr auto kCopy = IrqfdForm::Copy;
constexpr auto kMessage = Wired::Message;
constexpr auto kPin = Wired::Pin;
constexpr auto kSrcu = GraceForm::SrcuExpedited;
constexpr auto kRcu = GraceForm::Rcu;
constexpr std::uint64_t kMore = ~std::uint64_t{0};  // than 2^64 - 2

struct Race {
  const char* actors;  // letters of Actor, one on each host CPU
  IrqfdForm form;
  Wired wired;
  GraceForm grace;
  std::uint64_t schedules;
  const char* outcomes;  // all of them, in the order of their names
};

/// Whoever assigns finds the eventfd unbound, unless it is there to be deassigned.
Meeting meeting_of(const Race& race) {
  Meeting meeting;
  const std::string actors = race.actors;
  for (const char letter : actors) meeting.actors.push_back(static_cast<Actor>(letter));
  meeting.form = race.form;
  meeting.wired = race.wired;
  meeting.grace = race.grace;
  const auto has = [&actors](char letter) { return actors.find(letter) != std::string::npos; };
  if (has('A') && !has('D')) meeting.bound = Bound::No;
  return meeting;
}

std::string told(const Explored<std::string>& found) {
  std::string all;
  for (const auto& [outcome, schedules] : found.outcomes) {
    if (!all.empty()) all += "; ";
    all += outcome;
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<Race>& info) {
  constexpr const char* kForms[] = {"Workqueue", "Pointer", "Copy"};
  std::string name = std::string(info.param.actors) + "_";
  name += kForms[static_cast<std::size_t>(info.param.form)];
  if (info.param.wired == kPin) name += "_Pin";
  if (info.param.grace == kRcu) name += "_Rcu";
  return name;
}

void PrintTo(const Race& race, std::ostream* out) { *out << race.actors; }

class IrqRaces : public testing::TestWithParam<Race> {
 protected:
  static void check() {
    const auto found = explore_merged(LayerWorld(meeting_of(GetParam())));
    EXPECT_EQ(found.schedules, GetParam().schedules);
    EXPECT_EQ(told(found), GetParam().outcomes);
    EXPECT_EQ(found.broken, 0u) << found.first_broken;
  }
};

constexpr const char* kTooSlow = "takes minutes without optimization, or with sanitizers";

// W: eventfd write, L: KVM_IRQ_LINE, U: KVM_SET_GSI_ROUTING, D: deassign, A: assign, C: close.
class IrqRacesOfTwo : public IrqRaces {};
class IrqRacesOfThree : public IrqRaces {};

TEST_P(IrqRacesOfTwo, EndAsTheyMay) { check(); }

TEST_P(IrqRacesOfThree, EndAsTheyMay) {
  if (kSlowBuild) GTEST_SKIP() << kTooSlow;
  check();
}

// What is worth a look:
//   WD   a write that comes after the irqfd has gone rests in the eventfd's counter
//   WA   assign looks at the counter without the eventfd's lock: it may see a signal that the new
//        irqfd takes as well, and then there are two interrupts of one write
//   WDC  close or deassign, the write has its old message or none
constexpr Race kTwo[] = {
    {"WU", kWorkqueue, kMessage, kSrcu, 61779198u, "1 new; 1 old"},
    {"WD", kWorkqueue, kMessage, kSrcu, 9452038u, "1 old; 1 resting"},
    {"WC", kWorkqueue, kMessage, kSrcu, 70828106u, "1 cancelled; 1 old"},
    {"WA", kWorkqueue, kMessage, kSrcu, 21592440u, "1 old; 1 old, 1 merged; 2 old"},
    {"UD", kWorkqueue, kMessage, kSrcu, 13479759u, "nothing"},
    {"UC", kWorkqueue, kMessage, kSrcu, 7980344u, "nothing"},
    {"UA", kWorkqueue, kMessage, kSrcu, 1311925u, "nothing"},
    {"DC", kWorkqueue, kMessage, kSrcu, 99642u, "nothing"},
    {"DA", kWorkqueue, kMessage, kSrcu, 58339u, "nothing"},
    {"CA", kWorkqueue, kMessage, kSrcu, 977522u, "nothing"},
    {"WW", kWorkqueue, kMessage, kSrcu, 738485528u, "1 old, 1 merged; 2 old"},
    {"UU", kWorkqueue, kMessage, kSrcu, 204932u, "nothing"},
    {"DD", kWorkqueue, kMessage, kSrcu, 300708u, "nothing"},
    {"AA", kWorkqueue, kMessage, kSrcu, 3146u, "nothing"},
    {"WU", kPointer, kMessage, kSrcu, 5116975u, "1 new; 1 old"},
    {"WD", kPointer, kMessage, kSrcu, 92805624u, "1 old; 1 resting"},
    {"WC", kPointer, kMessage, kSrcu, 47467u, "1 cancelled; 1 old"},
    {"WA", kPointer, kMessage, kSrcu, 197046900u, "1 old; 2 old"},
    {"UD", kPointer, kMessage, kSrcu, 13603791u, "nothing"},
    {"UC", kPointer, kMessage, kSrcu, 8291852u, "nothing"},
    {"UA", kPointer, kMessage, kSrcu, 2175676u, "nothing"},
    {"DC", kPointer, kMessage, kSrcu, 99642u, "nothing"},
    {"DA", kPointer, kMessage, kSrcu, 58339u, "nothing"},
    {"CA", kPointer, kMessage, kSrcu, 977522u, "nothing"},
    {"WW", kPointer, kMessage, kSrcu, 13678u, "2 old"},
    {"UU", kPointer, kMessage, kSrcu, 397852u, "nothing"},
    {"DD", kPointer, kMessage, kSrcu, 300708u, "nothing"},
    {"AA", kPointer, kMessage, kSrcu, 3146u, "nothing"},
    {"WU", kCopy, kMessage, kSrcu, 37963205u, "1 new; 1 old"},
    {"WD", kCopy, kMessage, kSrcu, 131209472u, "1 old; 1 resting"},
    {"WC", kCopy, kMessage, kSrcu, 47467u, "1 cancelled; 1 old"},
    {"WA", kCopy, kMessage, kSrcu, 197046900u, "1 old; 2 old"},
    {"UD", kCopy, kMessage, kSrcu, 14068911u, "nothing"},
    {"UC", kCopy, kMessage, kSrcu, 9723320u, "nothing"},
    {"UA", kCopy, kMessage, kSrcu, 4631632u, "nothing"},
    {"DC", kCopy, kMessage, kSrcu, 99642u, "nothing"},
    {"DA", kCopy, kMessage, kSrcu, 58339u, "nothing"},
    {"CA", kCopy, kMessage, kSrcu, 977522u, "nothing"},
    {"WW", kCopy, kMessage, kSrcu, 13678u, "2 old"},
    {"UU", kCopy, kMessage, kSrcu, 671684u, "nothing"},
    {"DD", kCopy, kMessage, kSrcu, 300708u, "nothing"},
    {"AA", kCopy, kMessage, kSrcu, 3146u, "nothing"},
    {"WU", kCopy, kPin, kSrcu, 807151107u, "1 pin"},
    {"WD", kCopy, kPin, kSrcu, 159772972u, "1 pin; 1 resting"},
    {"WC", kCopy, kPin, kSrcu, 157128446u, "1 cancelled; 1 pin"},
    {"WA", kCopy, kPin, kSrcu, 7041542375u, "1 pin; 1 pin, 1 merged; 2 pin"},
    {"WW", kCopy, kPin, kSrcu, 182983736040u, "1 pin, 1 merged; 2 pin"},
    {"WU", kWorkqueue, kMessage, kRcu, 1871696499u, "1 new; 1 old"},
    {"WD", kWorkqueue, kMessage, kRcu, 362587193u, "1 old; 1 resting"},
    {"UD", kWorkqueue, kMessage, kRcu, 805418061u, "nothing"},
    {"UA", kWorkqueue, kMessage, kRcu, 4496550u, "nothing"},
    {"WU", kPointer, kMessage, kRcu, 18098528u, "1 new; 1 old"},
    {"WD", kPointer, kMessage, kRcu, 1114725317u, "1 old; 1 resting"},
    {"UD", kPointer, kMessage, kRcu, 815277317u, "nothing"},
    {"UA", kPointer, kMessage, kRcu, 6875638u, "nothing"},
    {"LU", kCopy, kMessage, kSrcu, 1180299u, "1 new; 1 old"},
    {"LD", kCopy, kMessage, kSrcu, 506804u, "1 old"},
    {"LW", kCopy, kMessage, kSrcu, 497420u, "2 old"},
    {"LL", kCopy, kMessage, kSrcu, 48620u, "2 old"},
};
INSTANTIATE_TEST_SUITE_P(Kvm, IrqRacesOfTwo, testing::ValuesIn(kTwo), name_of);

constexpr Race kThree[] = {
    {"WUD", kWorkqueue, kMessage, kSrcu, 1168407470438061206u, "1 new; 1 old; 1 resting"},
    {"WUC", kWorkqueue, kMessage, kSrcu, 8134980137298765918u, "1 cancelled; 1 new; 1 old"},
    {"WDC", kWorkqueue, kMessage, kSrcu, 731642178024957u, "1 cancelled; 1 old"},
    {"UDC", kWorkqueue, kMessage, kSrcu, 39933877354371u, "nothing"},
    {"WWU", kWorkqueue, kMessage, kSrcu, kMore,
     "1 new, 1 merged; 1 old, 1 merged; 1 old, 1 new; 2 new; 2 old"},
    {"WDA", kWorkqueue, kMessage, kSrcu, 1399770148446011u,
     "1 old; 1 old, 1 merged; 1 resting; 2 old"},
    {"WUD", kPointer, kMessage, kSrcu, kMore, "1 new; 1 old; 1 resting"},
    {"WUC", kPointer, kMessage, kSrcu, 85159334357909u, "1 cancelled; 1 new; 1 old"},
    {"WDC", kPointer, kMessage, kSrcu, 12804424102444602u, "1 cancelled; 1 old"},
    {"UDC", kPointer, kMessage, kSrcu, 40465385584395u, "nothing"},
    {"WWU", kPointer, kMessage, kSrcu, 75694183477294u, "1 old, 1 new; 2 new; 2 old"},
    {"WDA", kPointer, kMessage, kSrcu, 5624683681310504u, "1 old; 1 resting; 2 old"},
    {"WUD", kCopy, kMessage, kSrcu, kMore, "1 new; 1 old; 1 resting"},
    {"WUC", kCopy, kMessage, kSrcu, 867365274281119u, "1 cancelled; 1 new; 1 old"},
    {"WDC", kCopy, kMessage, kSrcu, 19518082248597300u, "1 cancelled; 1 old"},
    {"UDC", kCopy, kMessage, kSrcu, 43951773666775u, "nothing"},
    {"WWU", kCopy, kMessage, kSrcu, 1270106002035980u, "1 old, 1 new; 2 new; 2 old"},
    {"WDA", kCopy, kMessage, kSrcu, 5641042046749192u, "1 old; 1 resting; 2 old"},
    {"WUD", kCopy, kPin, kSrcu, kMore, "1 pin; 1 resting"},
    {"WDC", kCopy, kPin, kSrcu, 23983627607435148u, "1 cancelled; 1 pin"},
    {"WDA", kCopy, kPin, kSrcu, 718887511928871033u, "1 pin; 1 pin, 1 merged; 1 resting; 2 pin"},
};
INSTANTIATE_TEST_SUITE_P(Kvm, IrqRacesOfThree, testing::ValuesIn(kThree), name_of);

// ---- the merging explorer, held against brute force -------------------------------------------

TEST(IrqRacesOneByOne, SayTheSame) {
  for (const char* const actors : {"WC", "WW", "DC", "DA", "AA"}) {
    if (kSlowBuild && actors[0] != 'A') continue;  // AA has 3,146 schedules
    Meeting meeting = meeting_of({actors, kCopy, kMessage, kSrcu, 0, ""});
    const auto each = explore_each(LayerWorld(meeting));
    const auto merged = explore_merged(LayerWorld(meeting));
    EXPECT_EQ(each.schedules, merged.schedules) << actors;
    EXPECT_EQ(each.outcomes, merged.outcomes) << actors;
    EXPECT_EQ(each.broken, 0u) << actors << each.first_broken;
  }
}

// ---- what is known to be bad is found ---------------------------------------------------------

struct BadVariant {
  const char* name;
  Mutant mutant;
  Race race;
  Bound bound;
  const char* rule;
};
void PrintTo(const BadVariant& bad, std::ostream* out) { *out << bad.name; }

class IrqRacesBad : public testing::TestWithParam<BadVariant> {};

TEST_P(IrqRacesBad, IsFound) {
  Meeting meeting = meeting_of(GetParam().race);
  if (kSlowBuild && meeting.actors.size() > 2) GTEST_SKIP() << kTooSlow;
  meeting.bound = GetParam().bound;
  meeting.mutants.add(GetParam().mutant);
  const auto found = explore_merged(LayerWorld(meeting), Until::FirstBroken);
  std::printf("  %s\n", found.first_broken.c_str());
  EXPECT_EQ(found.first_broken.substr(0, found.first_broken.find(':')), GetParam().rule);
}

TEST(IrqRacesGood, WhoResamplesIsTakenAwayBesidesAReader) {
  Meeting meeting = meeting_of({"LD", kCopy, kPin, kSrcu, 0, ""});
  meeting.bound = Bound::Resampling;
  const auto found = explore_merged(LayerWorld(meeting));
  EXPECT_EQ(told(found), "1 old");
  EXPECT_EQ(found.broken, 0u) << found.first_broken;
}

Race race(const char* actors, IrqfdForm form, Wired wired = kMessage) {
  return {actors, form, wired, kSrcu, 0, ""};
}

INSTANTIATE_TEST_SUITE_P(
    Kvm, IrqRacesBad,
    testing::Values(BadVariant{"IrqfdNotCleared_Copy", Mutant::IrqfdNotCleared, race("WUD", kCopy),
                               Bound::Yes, "route used after free"},
                    BadVariant{"IrqfdNotCleared_Pointer", Mutant::IrqfdNotCleared,
                               race("WUD", kPointer), Bound::Yes, "route used after free"},
                    BadVariant{"SequenceNotChecked", Mutant::SequenceNotChecked, race("WU", kCopy),
                               Bound::Yes, "torn message"},
                    BadVariant{"RoutesFreedEarly_Pointer", Mutant::RoutesFreedEarly,
                               race("WU", kPointer), Bound::Yes, "route used after free"},
                    BadVariant{"RoutesFreedEarly_Copy", Mutant::RoutesFreedEarly, race("WU", kCopy),
                               Bound::Yes, "route used after free"},
                    BadVariant{"IrqfdReleasedTwice", Mutant::IrqfdReleasedTwice, race("DC", kCopy),
                               Bound::Yes, "irqfd freed twice"},
                    BadVariant{"WorkCancelledUnderLock", Mutant::WorkCancelledUnderLock,
                               race("WD", kCopy, kPin), Bound::Yes, "lock rule"},
                    BadVariant{"GraceUnderResamplerLock", Mutant::GraceUnderResamplerLock,
                               race("LD", kCopy, kPin), Bound::Resampling,
                               "asleep under the resamplers' lock"}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace irqfab::kvm::test
