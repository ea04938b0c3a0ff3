#include <gtest/gtest.h>

#include <array>

#include "models/base/random.hpp"
#include "models/pci/functions.hpp"
#include "tests/models/pci/functions_fixture.hpp"

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

}  // namespace
}  // namespace irqfab::pci::functions_test
