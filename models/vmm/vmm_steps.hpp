// The steps of a VMM's programs. A thread begins at the first, and comes back to it until nothing
// is left to do; so does a vCPU's thread that has to go to user space, once.
#pragma once

#include <cstdint>

namespace irqfab::vmm {

/// Of a read's tag: the host's handler of the pin that the other bits name waits for it.
constexpr std::uint32_t kHostRead = std::uint32_t{1} << 30;

}  // namespace irqfab::vmm

namespace irqfab::vmm::step {

enum : std::uint16_t {
  kBegin,      // what is there to do?
  kSignalled,  // the eventfd has been signalled: has an irqfd taken it?
  kReading,    // the lock of an eventfd is held
  kTaken,      // what was in it has been taken
  kReturning,  // by a call that comes back
  kRead,       // and has come back
  kLocked,     // under the big lock from here on
  kSeek,       // a route of the message is sought
  kCommitted,  // the kernel has answered for a new route
  kInjected,   // and the message has been injected on it
  kAccess,     // a register's model has run
  kAwait,      // its answer is waited for
  kMirrored,   // the kernel has answered for the routes that mirror an IOAPIC
  kPins,       // messages of that IOAPIC leave
  kSettle,     // a function's vectors are put in order
  kSettled,    // one call of that has come back
  kInvalid,    // a remapping entry was written, and the unit is to forget the old one
  kUpdated,    // the routing table has been committed on demand
  kReady,      // what was to be done under the big lock is done
  kUnlocked,   // and the lock given back
};

}  // namespace irqfab::vmm::step
