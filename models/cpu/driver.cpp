#include "models/cpu/driver.hpp"

#include <cstring>

namespace irqfab::cpu {

void Driver::receive(PortId port, const Message& message, Env& env) {
  if (const auto* data = std::get_if<BusData>(&message)) {
    std::memcpy(&last_answer_, data->data.data(), sizeof last_answer_);
    return;
  }
  if (port != kStart) return;
  const auto* call = std::get_if<HostCall>(&message);
  if (call == nullptr) return env.send(kBus, message);
  for (const Access& access : config_.episodes[call->a].accesses) {
    if (access.kind == AccessKind::Write) {
      env.send(kBus, BusWrite{access.address, access.data, kNoSpan, {}, access.size});
    } else {
      env.send(kBus, BusRead{access.address, Tag{0}, kNoSpan, {}, access.size});
    }
  }
}

}  // namespace irqfab::cpu
