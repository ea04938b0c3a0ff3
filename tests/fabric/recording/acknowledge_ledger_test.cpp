#include "fabric/recording/acknowledge_ledger.hpp"

#include <gtest/gtest.h>

namespace irqfab::recording {
namespace {

using Delivery = AcknowledgeLedger::Delivery;
using Origin = AcknowledgeLedger::Origin;
constexpr ApicId kCpu{0};

class AcknowledgeLedgerTest : public testing::Test {
 protected:
  /// Sent 10 ns before it is accepted.
  void accept(std::uint8_t vector, std::uint64_t ns, Delivery delivery = Delivery::First) {
    ledger_.accepted(kCpu, {Vector{vector}, ns - 10, ns, delivery});
  }
  Origin eoi(std::uint8_t vector, std::uint64_t ns) {
    return ledger_.acknowledged(kCpu, Vector{vector}, ns);
  }
  AcknowledgeLedger ledger_;
};

TEST_F(AcknowledgeLedgerTest, AnEoiEndsWhatWasAccepted) {
  accept(0x41, 100);
  EXPECT_EQ(eoi(0x41, 200), Origin::Recorded);
  EXPECT_TRUE(ledger_.left_by(kCpu).empty());
  EXPECT_FALSE(ledger_.stop_of(kCpu));
  EXPECT_EQ(ledger_.eois(), EoisSeen::All);
}

TEST_F(AcknowledgeLedgerTest, AnEoiOfSomethingThatWasNotAcceptedIsEarlier) {
  EXPECT_EQ(eoi(0x41, 200), Origin::Earlier);
}

TEST_F(AcknowledgeLedgerTest, ASecondAcceptanceBeforeTheEoiIsMerged) {
  accept(0x41, 100);
  EXPECT_FALSE(ledger_.merged());
  accept(0x41, 150);
  EXPECT_TRUE(ledger_.merged());
  eoi(0x41, 200);
  EXPECT_TRUE(ledger_.left_by(kCpu).empty());
}

TEST_F(AcknowledgeLedgerTest, AVcpuStopsJustBeforeWhatItNeverAcknowledges) {
  accept(0x41, 100);
  eoi(0x41, 200);
  accept(0x5F, 1000);
  EXPECT_EQ(ledger_.stop_of(kCpu), 989u) << "1 ns before it was sent";
  ASSERT_EQ(ledger_.left_by(kCpu).size(), 1u);
  EXPECT_EQ(ledger_.left_by(kCpu)[0].vector, Vector{0x5F});
}

TEST_F(AcknowledgeLedgerTest, AVcpuDoesNotStopBeforeItsLastEoi) {
  accept(0x61, 100);
  accept(0x41, 110);
  eoi(0x61, 200);
  ledger_.touched(kCpu, 250);
  EXPECT_EQ(ledger_.stop_of(kCpu), 251u);
}

TEST_F(AcknowledgeLedgerTest, WithoutAnyEoiNothingIsSaid) {
  accept(0x41, 100);
  EXPECT_EQ(ledger_.eois(), EoisSeen::None);
  EXPECT_FALSE(ledger_.stop_of(kCpu));
}

TEST_F(AcknowledgeLedgerTest, AHigherVectorThatIsPassedOverHadAnEoiThatIsNotSeen) {
  accept(0x61, 100);
  accept(0x41, 110);
  eoi(0x41, 200);
  EXPECT_EQ(ledger_.eois(), EoisSeen::Partly);
  EXPECT_FALSE(ledger_.stop_of(kCpu));
}

TEST_F(AcknowledgeLedgerTest, ALowerVectorMayWaitForItsTurnButNotForEver) {
  accept(0x31, 100);
  for (unsigned i = 1; i <= 7; ++i) {
    accept(0x41, 100 + 20 * i);
    eoi(0x41, 110 + 20 * i);
  }
  EXPECT_EQ(ledger_.eois(), EoisSeen::All);
  accept(0x41, 1000);
  eoi(0x41, 1010);
  EXPECT_EQ(ledger_.eois(), EoisSeen::Partly);
}

TEST_F(AcknowledgeLedgerTest, ALevelThatComesAgainHoldsOthersBackAsLongAsItLikes) {
  accept(0x31, 100);
  for (unsigned i = 1; i <= 20; ++i) {
    accept(0x41, 100 + 20 * i, Delivery::Again);
    eoi(0x41, 110 + 20 * i);
  }
  EXPECT_EQ(ledger_.eois(), EoisSeen::All);
}

TEST_F(AcknowledgeLedgerTest, TheUsualServiceIsTheMedianFromBeingNextToTheEoi) {
  EXPECT_FALSE(ledger_.usual_service());
  accept(0x31, 100);
  accept(0x41, 110);
  eoi(0x41, 140);  // 30
  eoi(0x31, 150);  // 10: it was next from 140 on
  accept(0x31, 200);
  eoi(0x31, 212);  // 12
  EXPECT_EQ(ledger_.usual_service(), 12u);
}

}  // namespace
}  // namespace irqfab::recording
