#include "models/x86/irte.hpp"

#include <gtest/gtest.h>

namespace irqfab::x86 {
namespace {

TEST(Irte, AnEntryForRemappedInterruptsHoldsTheMessageOfItsMode) {
  ApicMessage m;
  m.destination = ApicId{0x89ABCDEF};
  m.vector = Vector{0x71};
  m.delivery_mode = DeliveryMode::Nmi;
  m.destination_mode = DestinationMode::Logical;
  m.trigger_mode = TriggerMode::Level;
  m.redirection_hint = RedirectionHint::On;
  EXPECT_EQ(remapped_irte(m, InterruptMode::Extended), (Irte{0x89ABCDEF0071009D, 0}));
  EXPECT_EQ(remapped_irte(m, InterruptMode::Xapic), (Irte{0x0000EF000071009D, 0}));
}

TEST(Irte, AnEntryForPostedInterruptsHoldsItsTarget) {
  const PostTarget target{Vector{0x71}, Urgency::Urgent, 0x12'3456'78C0};
  const Irte irte = posted_irte(target);
  EXPECT_EQ(irte, (Irte{0x345678C00071C001, 0x1200000000}));
  EXPECT_EQ(irte.post_target(), target);
  EXPECT_EQ(posted_irte({Vector{0x71}, Urgency::Normal, 0x12'3456'78FF}),
            (Irte{0x345678C000718001, 0x1200000000}));
}

TEST(Irte, AnEntryForARequesterAdmitsItAlone) {
  Irte irte = for_requester(posted_irte({Vector{1}, Urgency::Normal, 0}), RequesterId{0x1234});
  EXPECT_EQ(irte.high, 0x41234u);
  EXPECT_TRUE(irte.admits(RequesterId{0x1234}));
  EXPECT_FALSE(irte.admits(RequesterId{0x1235}));
  EXPECT_FALSE((Irte{1, 0xC1234}).admits(RequesterId{0x1234})) << "the reserved SVT admits nobody";
  irte.high |= 3 << 16;
  EXPECT_EQ(for_requester(irte, RequesterId{0x1234}).high, 0x41234u) << "SQ is cleared";
}

}  // namespace
}  // namespace irqfab::x86
