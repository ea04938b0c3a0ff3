// A VM of KVM: recordings replayed on it, and steps in the terms of its ioctls.
#pragma once

#include "fabric/run/session.hpp"

namespace irqfab::run {

Result<std::unique_ptr<Session>> create_kvm(const Prepared& prepared, RecordSink* sink);
Result<topology::Topology> kvm_topology(const Prepared& prepared);

}  // namespace irqfab::run
