// The state of a VM as the host reads it, beside the state that was recorded.
#pragma once

#include <string>
#include <vector>

#include "fabric/conform/comparison.hpp"
#include "models/kvm/kvm_host.hpp"

namespace irqfab::conform {

/// `entries` are the IOAPIC's pins whose entries the case has set: those that a record shows.
void compare_vm(const std::string& where, const Json& recorded, const kvm::KvmSoftware& vm,
                const std::vector<Pin>& entries, Comparison& comparison);

}  // namespace irqfab::conform
