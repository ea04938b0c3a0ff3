// What happens when a VM has more vectors than its kernel takes routes: 17 functions of 257
// vectors, 4369 in all, and room for 4058 beside the 38 entries of a PC's pins.
#include <gtest/gtest.h>

#include "models/vmm/dynamic_routes.hpp"
#include "models/vmm/vector_state.hpp"

namespace irqfab::vmm {
namespace {

constexpr std::uint16_t kFunctions = 17;
constexpr std::uint16_t kVectors = 257;
constexpr std::uint32_t kRoom = 4096 - 38;
constexpr std::uint32_t kTooMany = 17 * 257 - kRoom;  // 311

/// Each vector has its own: 200 of each CPU's 256.
x86::MsiMessage message_of(std::uint32_t function, std::uint32_t vector) {
  const std::uint32_t n = function * kVectors + vector;
  return {0xFEE00000 + 0x1000 * (n / 200), 0x30 + n % 200};
}

class Vm {
 public:
  explicit Vm(RoutePolicy policy) : table_({kvm::kMaxRoutes, pc_routes(), {}}), routes_({}) {
    for (std::uint32_t f = 0; f < kFunctions; ++f) {
      functions_.emplace_back(FunctionVectors::Config{Attach::Assigned, policy, kVectors});
      for (std::uint16_t n = 0; n < kVectors; ++n) {
        functions_[f].set_message(VectorIndex{n}, message_of(f, n));
      }
      functions_[f].enable();
      settle(f);
    }
  }
  void unmask(std::uint16_t first, std::uint16_t last) {
    for (std::uint32_t f = 0; f < kFunctions; ++f) {
      for (std::uint16_t n = first; n <= last; ++n) {
        functions_[f].set_mask(VectorIndex{n}, Mask::Off);
        settle(f);
      }
    }
  }
  void send(std::uint16_t first, std::uint16_t last) {
    for (std::uint32_t f = 0; f < kFunctions; ++f) {
      for (std::uint16_t n = first; n <= last; ++n) deliver(message_of(f, n));
    }
  }

  std::uint32_t count(Carrier carrier) const {
    std::uint32_t count = 0;
    for (const FunctionVectors& function : functions_) {
      for (std::uint16_t n = 0; n < kVectors; ++n) {
        count += function.carrier(VectorIndex{n}) == carrier;
      }
    }
    return count;
  }
  const FunctionVectors& function(std::size_t n) const { return functions_[n]; }
  const RouteTable& table() const { return table_; }
  const DynamicRoutes& routes() const { return routes_; }
  std::uint64_t entries_copied() const { return entries_copied_; }
  std::uint32_t without_gsi() const { return without_gsi_; }
  /// The kernel takes the table as it is now.
  bool kernel_agrees() {
    kvm::GsiRouting kernel;
    return kernel.replace(table_.commit()) == 0;
  }

 private:
  void settle(std::uint32_t f) {
    while (const auto duty = functions_[f].next(table_)) {
      if (duty->duty == Duty::Commit) entries_copied_ += table_.commit().size();
      functions_[f].done(*duty, 0, table_);
    }
  }
  void deliver(const x86::MsiMessage& message) {
    auto answer = routes_.seek(message, table_);
    while (answer.next == DynamicRoutes::Next::Commit) {
      entries_copied_ += table_.commit().size();
      answer = routes_.committed(0, table_);
    }
    if (answer.next == DynamicRoutes::Next::NoGsi) {
      ++without_gsi_;
    } else {
      routes_.done(answer.gsi, table_);
    }
  }

  RouteTable table_;
  DynamicRoutes routes_;
  std::vector<FunctionVectors> functions_;
  std::uint64_t entries_copied_ = 0;
  std::uint32_t without_gsi_ = 0;
};

TEST(RouteCapacity, EagerServesTheFirstFifteenFunctionsAndPartOfTheNext) {
  Vm vm(RoutePolicy::Eager);
  EXPECT_EQ(vm.table().counters().commits, 16u) << "one a function that got a GSI at all";
  EXPECT_EQ(vm.entries_copied(), 35'506u) << "38 + 257 n for n = 1...15, and 4096";
  EXPECT_EQ(vm.table().counters().peak, 4096u);
  EXPECT_EQ(vm.table().gsis().free(), 14u) << "GSIs are left, entries are not";
  vm.unmask(0, kVectors - 1);
  EXPECT_EQ(vm.table().counters().commits, 16u);
  EXPECT_EQ(vm.count(Carrier::Irqfd), kRoom);
  EXPECT_EQ(vm.count(Carrier::Handler), kTooMany);
  EXPECT_EQ(vm.function(15).carrier(VectorIndex{202}), Carrier::Irqfd);
  EXPECT_EQ(vm.function(15).carrier(VectorIndex{203}), Carrier::Handler);
  EXPECT_EQ(vm.function(16).carrier(VectorIndex{0}), Carrier::Handler);
  EXPECT_TRUE(vm.kernel_agrees());
}

TEST(RouteCapacity, OnUnmaskServesAllThatAreUsedAsLongAsTheyFit) {
  Vm vm(RoutePolicy::OnUnmask);
  EXPECT_EQ(vm.table().counters().commits, 0u);
  vm.unmask(0, 63);
  EXPECT_EQ(vm.count(Carrier::Irqfd), 1088u);
  EXPECT_EQ(vm.table().counters().commits, 1088u) << "one a vector";
  EXPECT_EQ(vm.entries_copied(), 633'760u) << "38 + n for n = 1...1088";
  EXPECT_EQ(vm.table().counters().peak, 1126u);
}

TEST(RouteCapacity, OnUnmaskServesTheFirstToComeIfAllAreUsed) {
  Vm vm(RoutePolicy::OnUnmask);
  vm.unmask(0, kVectors - 1);
  EXPECT_EQ(vm.count(Carrier::Irqfd), kRoom);
  EXPECT_EQ(vm.count(Carrier::Handler), kTooMany);
  EXPECT_EQ(vm.table().counters().commits, kRoom);
  EXPECT_EQ(vm.entries_copied(), 8'389'915u) << "38 + n for n = 1...4058";
  EXPECT_EQ(vm.table().counters().peak, 4096u);
  EXPECT_TRUE(vm.kernel_agrees());
}

TEST(RouteCapacity, OnDemandServesAllAndFindsThemAgainAsLongAsTheyFit) {
  Vm vm(RoutePolicy::OnDemand);
  EXPECT_EQ(vm.table().counters().commits, 0u);
  vm.send(0, 63);
  vm.send(0, 63);
  EXPECT_EQ(vm.routes().counters(), (DynamicRoutes::Counters{1088, 1088, 0, 0}));
  EXPECT_EQ(vm.table().counters().commits, 1088u);
  EXPECT_EQ(vm.table().counters().peak, 1126u);
}

TEST(RouteCapacity, OnDemandServesAllAndFindsNoneAgainIfTheyDoNotFit) {
  Vm vm(RoutePolicy::OnDemand);
  vm.send(0, kVectors - 1);
  EXPECT_EQ(vm.routes().counters(), (DynamicRoutes::Counters{0, 4369, 1, kRoom}));
  EXPECT_EQ(vm.routes().size(), kTooMany);
  EXPECT_EQ(vm.table().counters().commits, 4370u) << "one a message, and one for the flush";
  EXPECT_EQ(vm.table().counters().peak, 4096u);
  vm.send(0, kVectors - 1);
  EXPECT_EQ(vm.routes().counters(), (DynamicRoutes::Counters{0, 8738, 2, 2 * kRoom}));
  EXPECT_EQ(vm.routes().size(), 622u);
  EXPECT_EQ(vm.table().counters().commits, 8740u);
  EXPECT_EQ(vm.without_gsi(), 0u);
  EXPECT_TRUE(vm.kernel_agrees());
}

}  // namespace
}  // namespace irqfab::vmm
