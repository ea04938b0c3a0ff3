#include "fabric/topology/pic_ends.hpp"

#include "models/x86/io_ports.hpp"
#include "models/x86/pic.hpp"

namespace irqfab::topology {

std::vector<cpu::EndOverBus> ends_at_pic(PicVectors vectors) {
  constexpr unsigned kSpecificEoi = 0x60;
  constexpr cpu::EndWrite kEndOfCascade = {x86::kIoPortBase + x86::Pic::kMasterCommand,
                                           kSpecificEoi | raw(x86::Pic::kCascade)};
  const bool of_slave = vectors.chip == x86::PicRole::Slave;
  const std::uint16_t port = of_slave ? x86::Pic::kSlaveCommand : x86::Pic::kMasterCommand;
  std::vector<cpu::EndOverBus> ends;
  for (unsigned ir = 0; ir < x86::kIrCount; ++ir) {
    const cpu::EndWrite own = {x86::kIoPortBase + port,
                               static_cast<std::uint8_t>(kSpecificEoi | ir)};
    cpu::EndOverBus end{Vector(static_cast<std::uint8_t>(vectors.first + ir)), {own}, {}};
    if (of_slave) end.writes.push_back(kEndOfCascade);
    // A spurious answer of the slave leaves the master's input in service.
    if (of_slave) end.writes_if_spurious = {kEndOfCascade};
    ends.push_back(std::move(end));
  }
  return ends;
}

}  // namespace irqfab::topology
