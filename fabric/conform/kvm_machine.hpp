// A case of the kvm_x86 vocabulary, performed on the modelled VM: vCPUs, and KVM on a modelled
// host.
//
// KVM_SIGNAL_MSI, KVM_IRQ_LINE and writes to eventfds are calls of a thread, and take its way
// through the host; ioctls that only set state are set at no time. Settling is running until
// nothing moves.
#pragma once

#include "fabric/conform/comparison.hpp"

namespace irqfab::conform {

Comparison run_kvm(const Case& test, x86::Quirks quirks);

}  // namespace irqfab::conform
