#include <gtest/gtest.h>

#include <array>

#include "models/base/random.hpp"
#include "models/pci/functions.hpp"
#include "tests/models/pci/functions_fixture.hpp"
#include "tests/models/pci/msi_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

using PciConservation = PciFunctionsTest;

TEST_F(PciConservation, EverySpanHasOneFateWhateverTheGuestDoes) {
  test::SpanBook book;
  Random random(11, 1);
  const std::array<RequesterId, 3> rids = {kNicId, kOldId, kOtherId};
  const std::array<std::uint8_t, 5> sizes = {1, 2, 4, 8, 16};
  for (unsigned i = 0; i < 20000; ++i) {
    const auto row = static_cast<FunctionRow>(random.below(4));
    const auto value = random.next();
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        raise(row, static_cast<unsigned>(random.below(72)));
        break;
      case 3:
        intx(row, static_cast<RaiseKind>(1 + random.below(3)));
        break;
      case 4:
        set_control(rids[random.below(3)], static_cast<std::uint16_t>(value | 1u << 15));
        break;
      case 5:
        write(config_of(rids[random.below(3)], random.below(0x48)), value, sizes[random.below(5)]);
        break;
      case 6:
        write(window_of(row, random.below(72 * 4) * 4), value, sizes[random.below(4)]);
        break;
      default:
        read(window_of(row, random.below(kFunctionWindowBytes)), sizes[random.below(5)]);
        break;
    }
    for (const auto& item : env.sent) {
      const SpanId span = span_of(item.message);
      if (span != kNoSpan) {
        book.read(env);
        book.handed_over(span);
      }
    }
    book.read(env);
    env.clear();
    ASSERT_EQ(book.live(), held()) << "step " << i;
  }
  EXPECT_TRUE(book.faults().empty()) << book.faults().front();
}

/// The same with MSI in all its layouts, MSI-X beside it, moderation and its timers.
class MsiConservation : public MsiTest {
 protected:
  MsiConservation() {
    PciFunctions::Config config = msi_config();
    config.moderation = {{kWide, 1, 8, 3, 1000}, {kBoth, 1, 4, 2, 1000}};
    functions = PciFunctions(config);
  }
  /// Whose time it is, among those that wait.
  void elapse(Random& random) {
    if (timers.empty()) return;
    const std::size_t which = random.below(timers.size());
    const Elapsed elapsed = timers[which];
    timers.erase(timers.begin() + static_cast<std::ptrdiff_t>(which));
    functions.receive(PciFunctions::kStimulus, elapsed, env);
  }
  void act(Random& random) {
    const RequesterId rids[] = {kWideId, kPlainId, kNarrowId, kEduId, kBothId};
    const auto row = static_cast<FunctionRow>(random.below(6));
    const RequesterId rid = rids[random.below(5)];
    const std::uint64_t value = random.next();
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        raised = row;
        return raise(row, static_cast<unsigned>(random.below(33)));
      case 3:
        return intx(row, static_cast<RaiseKind>(1 + random.below(3)));
      case 4:
        return write(config_of(rid, kConfigMsiControl), value, 2);
      case 5:
        return write(config_of(rid, random.below(0x70)), value,
                     static_cast<std::uint8_t>(1u << random.below(3)));
      case 6:
        return elapse(random);
      default:
        return write(window_of(row, random.below(16) * 4), value, 4);
    }
  }
  FunctionRow raised{};  // last: only events start a time
  std::vector<Elapsed> timers;
};

TEST_F(MsiConservation, EverySpanHasOneFateWhateverTheGuestDoes) {
  test::SpanBook book;
  Random random(12, 1);
  for (unsigned i = 0; i < 20000; ++i) {
    act(random);
    for (const auto& delay : env.delays) timers.push_back({delay.tag, raw(raised)});
    for (const auto& item : env.sent) {
      const SpanId span = span_of(item.message);
      if (span == kNoSpan) continue;
      book.read(env);
      book.handed_over(span);
    }
    book.read(env);
    env.clear();
    ASSERT_EQ(book.live(), held()) << "step " << i;
  }
  EXPECT_TRUE(book.faults().empty()) << book.faults().front();
}

}  // namespace
}  // namespace irqfab::pci::functions_test
