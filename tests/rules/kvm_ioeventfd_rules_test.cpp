// The KVM API, Documentation/virt/kvm/api.rst, KVM_IOEVENTFD; where the document is silent, what a
// real /dev/kvm answers.
#include <optional>

#include "tests/rules/rule.hpp"
#include "tests/support/layer_rig.hpp"

namespace irqfab::rules {
namespace {

using namespace kvm;
using kvm::test::kFd;
using kvm::test::kOtherFd;
using kvm::test::LayerRig;

struct Stores {
  LayerRig rig;
  Answer change(std::uint64_t address, std::uint32_t length, std::uint32_t flags = 0,
                std::uint64_t match = 0, std::uint32_t eventfd = kFd) {
    return rig.layer.ioeventfd({address, length, match, eventfd, flags}, rig.machine);
  }
  std::optional<std::uint32_t> store(std::uint64_t address, std::uint32_t length,
                                     std::uint64_t value = 0,
                                     StoreSpace space = StoreSpace::Memory) {
    return rig.layer.guest_store(space, address, length, value);
  }
};
constexpr std::uint32_t kDatamatch = 1, kPio = 2, kDeassign = 4;

void store_lengths() {
  Stores stores;
  for (const std::uint32_t length : {1u, 2u, 4u, 8u, 0u}) {
    EXPECT_EQ(stores.change(0x1000 + 16 * length, length), 0) << length;
  }
  for (const std::uint32_t length : {3u, 5u, 16u})
    EXPECT_EQ(stores.change(0x2000, length), kEINVAL);
}
void store_flags() {
  Stores stores;
  EXPECT_EQ(stores.change(0x1000, 4, 8), kEINVAL);
  EXPECT_EQ(stores.change(0x1000, 0, kDatamatch), kEINVAL);
  EXPECT_EQ(stores.change(0x1000, 4, kDatamatch), 0);
}
void store_ranges() {
  Stores stores;
  EXPECT_EQ(stores.change(~std::uint64_t{0} - 2, 4), kEINVAL);
  EXPECT_EQ(stores.change(~std::uint64_t{0} - 4, 4), 0);
}
void store_eventfds() {
  Stores stores;
  EXPECT_EQ(stores.change(0x1000, 4, 0, 0, 99), kEBADF);
  EXPECT_EQ(stores.change(0x1000, 4, 0, 0, kOtherFd), 0);
  EXPECT_EQ(stores.store(0x1000, 4), std::optional<std::uint32_t>(kOtherFd));
}
void store_collisions() {
  Stores stores;
  EXPECT_EQ(stores.change(0x1000, 4), 0);
  EXPECT_EQ(stores.change(0x1000, 4), kEEXIST);
  EXPECT_EQ(stores.change(0x1000, 4, kDatamatch, 7), kEEXIST);
  EXPECT_EQ(stores.change(0x1000, 0), kEEXIST);
  EXPECT_EQ(stores.change(0x1000, 2), 0);
  EXPECT_EQ(stores.change(0x1004, 4), 0);
  EXPECT_EQ(stores.change(0x1000, 4, kPio), 0);
}
void store_values() {
  Stores stores;
  EXPECT_EQ(stores.change(0x1000, 2, kDatamatch, 7, kFd), 0);
  EXPECT_EQ(stores.change(0x1000, 2, kDatamatch, 7, kOtherFd), kEEXIST);
  EXPECT_EQ(stores.change(0x1000, 2, kDatamatch, 8, kOtherFd), 0);
  EXPECT_EQ(stores.store(0x1000, 2, 7), std::optional<std::uint32_t>(kFd));
  EXPECT_EQ(stores.store(0x1000, 2, 8), std::optional<std::uint32_t>(kOtherFd));
  EXPECT_EQ(stores.store(0x1000, 2, 9), std::nullopt);
}
void store_matches() {
  Stores stores;
  stores.change(0x1000, 4);
  EXPECT_EQ(stores.store(0x1000, 4, 123), std::optional<std::uint32_t>(kFd));
  EXPECT_EQ(stores.store(0x1000, 2), std::nullopt);
  EXPECT_EQ(stores.store(0x1001, 4), std::nullopt);
  EXPECT_EQ(stores.store(0x1000, 4, 0, StoreSpace::Ports), std::nullopt);
}
void stores_of_any_length() {
  Stores stores;
  stores.change(0x1000, 0);
  EXPECT_EQ(stores.store(0x1000, 1), std::optional<std::uint32_t>(kFd));
  EXPECT_EQ(stores.store(0x1000, 8), std::optional<std::uint32_t>(kFd));
}
void stores_taken_away() {
  Stores stores;
  EXPECT_EQ(stores.change(0x1000, 4, kDeassign), kENOENT);
  stores.change(0x1000, 4);
  EXPECT_EQ(stores.change(0x1000, 2, kDeassign), kENOENT);
  EXPECT_EQ(stores.change(0x1000, 4, kDeassign, 0, kOtherFd), kENOENT);
  EXPECT_EQ(stores.change(0x1000, 4, kDeassign), 0);
  EXPECT_EQ(stores.store(0x1000, 4), std::nullopt);
}

const Rule kRules[] = {
    {"KVM_IOEVENTFD", "LengthsArePowersOfTwoToEightOrNone", store_lengths},
    {"KVM_IOEVENTFD", "UnknownFlagsAndAMatchWithoutLengthAreRefused", store_flags},
    {"KVM_IOEVENTFD", "ARangeMustNotWrap", store_ranges},
    {"KVM_IOEVENTFD", "ItNeedsAnOpenEventfd", store_eventfds},
    {"KVM_IOEVENTFD", "OneStoreSignalsOneEventfd", store_collisions},
    {"KVM_IOEVENTFD", "OneAddressMayHaveSeveralValues", store_values},
    {"KVM_IOEVENTFD", "AddressLengthAndSpaceMustMatch", store_matches},
    {"KVM_IOEVENTFD", "WithoutALengthAnyStoreMatches", stores_of_any_length},
    {"KVM_IOEVENTFD", "DeassignNeedsTheSame", stores_taken_away},
};

INSTANTIATE_TEST_SUITE_P(KvmIoeventfd, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
