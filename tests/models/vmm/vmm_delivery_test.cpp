#include <gtest/gtest.h>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

TEST(Vmm, Look) {
  for (const Attach attach : {Attach::Emulated, Attach::Vhost, Attach::Assigned}) {
    for (const Delivery delivery : {Delivery::Irqfd, Delivery::SignalMsi, Delivery::DynamicRoute,
                                    Delivery::Userspace}) {
      VmmRig::Options options;
      options.attach = attach;
      options.delivery = delivery;
      if (delivery == Delivery::Userspace) {
        options.home = kvm::ApicHome::User;
        options.virtualization = x86::Virtualization::None;
      }
      VmmRig rig(options);
      const SpanId span = rig.raise(0, 1);
      rig.run_for(100'000);
      printf("== attach %d delivery %d\n", int(attach), int(delivery));
      for (const Happened& h : rig.records)
        printf("  %8llu %-18s %llx %llx\n", (unsigned long long)h.time, std::string(name_of(h.event)).c_str(), (unsigned long long)raw(h.span), (unsigned long long)h.detail);
      EXPECT_EQ(rig.count(Event::Handled, span), 1u);
      EXPECT_EQ(rig.in_flight(), rig.found());
    }
  }
}

}  // namespace
}  // namespace irqfab::vmm::test
