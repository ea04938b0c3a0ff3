// Random interrupts, IPIs, accesses and halts of four vCPUs that share two host CPUs: each
// interrupt ends, and ends once; no vCPU sleeps that has one.
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "models/kvm/vcpu_threads.hpp"
#include "tests/models/kvm/vm_rig.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::kvm {
namespace {

using test::VmRig;
using x86::Virtualization;
using Register = x86::LapicRegister;

constexpr std::uint32_t kVcpus = 4;
constexpr unsigned kOperations = 4000;
constexpr Duration kLong = 10'000'000;

struct Variant {
  const char* name;
  VmRig::Options options;
  Duration pace = 4'000;  // the longest time between two operations
};

class NoInterruptIsLost : public testing::TestWithParam<Variant> {
 protected:
  unsigned up_to(unsigned most) { return static_cast<unsigned>(random_() % (most + 1)); }
  unsigned a_vcpu() { return up_to(kVcpus - 1); }
  unsigned a_vector() { return 0x31 + 0x10 * up_to(4) + up_to(1); }
  bool is_avic() const { return GetParam().options.virtualization == Virtualization::Avic; }
  bool is_apicv() const { return GetParam().options.virtualization == Virtualization::Apicv; }

  void operate(VmRig& rig) {
    switch (up_to(7)) {
      case 0:
      case 1:
        rig.msi(a_vcpu(), a_vector());
        return;
      case 2:
        if (is_apicv()) rig.post(a_vcpu(), a_vector(), static_cast<Urgency>(up_to(1)));
        return;
      case 3: {
        const unsigned sender = a_vcpu();
        rig.guest_writes(sender, Register::kIcrHigh, a_vcpu() << 24);
        rig.guest_writes(sender, Register::kIcrLow, a_vector());
        return;
      }
      case 4:
        rig.message(up_to(1), Vector{0x31});  // of the host's own, which has no use for it
        return;
      case 5:
        rig.device_access(a_vcpu(), 0x1000);
        return;
      default:
        rig.run_for(up_to(static_cast<unsigned>(GetParam().pace)));
    }
  }
  /// Of what was posted, the wake-up may still be on its way; with AVIC that of an IPI is with the
  /// sender, whose exit says that the target does not run.
  void nobody_sleeps_who_has_something(const VmRig& rig) {
    for (std::uint32_t n = 0; n < kVcpus; ++n) {
      const x86::VirtualApics& apics = rig.host.software().apics();
      const bool told = apics.descriptor(CpuId{n}).on();
      const bool sleeps = rig.place(n) == VcpuPlace::Blocked && !is_avic();
      ASSERT_FALSE(sleeps && !told && apics.has_event(CpuId{n})) << "vCPU " << n;
    }
  }
  void book(VmRig& rig) {
    for (const test::Happened& h : rig.records) notes_.notes.push_back({h.event, h.span, h.detail});
    rig.records.clear();
    book_.read(notes_);
    ASSERT_EQ(book_.faults(), std::vector<std::string>{});
  }

  std::mt19937 random_{6};
  irqfab::test::RecordingEnv notes_;
  irqfab::test::SpanBook book_;
};

TEST_P(NoInterruptIsLost, WhateverTheThreadsAreDoing) {
  VmRig rig(GetParam().options);
  rig.start_all();
  std::array<unsigned, 7> seen{};
  for (unsigned i = 0; i < kOperations && !HasFatalFailure(); ++i) {
    operate(rig);
    nobody_sleeps_who_has_something(rig);
    for (std::uint32_t n = 0; n < kVcpus; ++n) ++seen[static_cast<std::size_t>(rig.place(n))];
    book(rig);
    std::vector<SpanId> held = rig.held();
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    for (const SpanId span : held) {
      const std::vector<SpanId> live = book_.live();
      ASSERT_TRUE(std::binary_search(live.begin(), live.end(), span)) << raw(span);
    }
  }
  rig.run_for(kLong);
  book(rig);
  EXPECT_TRUE(book_.live().empty()) << book_.live().size() << " never ended";
  EXPECT_TRUE(rig.held().empty());
  std::uint64_t handled = 0;
  for (std::uint32_t n = 0; n < kVcpus; ++n) {
    EXPECT_EQ(rig.place(n), VcpuPlace::Blocked);
    handled += rig.handled(n);
  }
  EXPECT_GT(handled, kOperations / 10);
  for (const VcpuPlace place : {VcpuPlace::Host, VcpuPlace::Entering, VcpuPlace::Guest,
                                VcpuPlace::Blocked, VcpuPlace::Woken}) {
    EXPECT_GT(seen[static_cast<std::size_t>(place)], 0u) << static_cast<int>(place);
  }
  std::cout << kOperations << " operations, " << handled << " interrupts handled\n";
}

std::vector<Variant> variants() {
  VmRig::Options base;
  base.vcpus = kVcpus;
  base.host_cpus = 2;
  base.idle = cpu::Idle::Halt;
  base.slice = 5'000;
  const auto with = [&base](Virtualization virtualization, HaltPolling polling) {
    VmRig::Options options = base;
    options.virtualization = virtualization;
    options.polling = polling;
    return options;
  };
  constexpr HaltPolling kNever{0, 0, 0, 0};
  constexpr HaltPolling kPolls{8'000, 2'000, 2, 2};
  VmRig::Options without_ipis = with(Virtualization::Apicv, kPolls);
  without_ipis.controls = without_ipis.controls.without(x86::ApicvControl::IpiVirtualization);
  VmRig::Options user = with(Virtualization::None, kNever);
  user.home = ApicHome::User;
  return {{"None", with(Virtualization::None, kNever)},
          {"NonePolls", with(Virtualization::None, kPolls)},
          {"Apicv", with(Virtualization::Apicv, kNever)},
          {"ApicvPolls", with(Virtualization::Apicv, kPolls)},
          {"ApicvWithoutIpis", without_ipis},
          {"Avic", with(Virtualization::Avic, kNever)},
          {"AvicPolls", with(Virtualization::Avic, kPolls)},
          {"UserSpace", user, 30'000}};
}
INSTANTIATE_TEST_SUITE_P(Variants, NoInterruptIsLost, testing::ValuesIn(variants()),
                         [](const auto& variant) { return std::string(variant.param.name); });

}  // namespace
}  // namespace irqfab::kvm
