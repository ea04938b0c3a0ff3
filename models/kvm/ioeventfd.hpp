// The ioeventfds of a VM: stores of the guest that signal an eventfd instead of leaving to user
// space.
//
// Models: api.rst, KVM_IOEVENTFD: in the memory or the port space, for a length of 1, 2, 4 or 8
// bytes or, with 0, for a store of any length; with or without a value to match. Not modelled: the
// virtio-ccw space (refused), the limit of devices on a bus.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/kvm/gsi_routing.hpp"

namespace irqfab::kvm {

enum class StoreSpace : std::uint8_t { Memory, Ports };

/// KVM_IOEVENTFD's flags.
enum class IoEventfdFlag : std::uint8_t { Datamatch = 1, Pio = 2, Deassign = 4 };

/// The call's argument.
struct IoEventfd {
  std::uint64_t address = 0;
  std::uint32_t length = 0;
  std::uint64_t datamatch = 0;
  std::uint32_t eventfd = 0;
  std::uint32_t flags = 0;  // IoEventfdFlag bits
};

class IoEventfds {
 public:
  /// 0 or a negative errno: -EINVAL for an unknown flag, a length that is none, a range that wraps,
  /// or a value to match in a store of any length; -EEXIST for one whose stores another has
  /// already; -ENOENT for one to take away that is not there.
  Answer change(const IoEventfd& call);

  /// The eventfd that a store signals; none if it goes to user space.
  std::optional<std::uint32_t> matching(StoreSpace space, std::uint64_t address,
                                        std::uint32_t length, std::uint64_t value) const;

  friend bool operator==(const IoEventfds& a, const IoEventfds& b) { return a.rows_ == b.rows_; }

 private:
  struct Row {
    StoreSpace space{};
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    std::optional<std::uint64_t> datamatch;
    std::uint32_t eventfd = 0;
    friend bool operator==(const Row& a, const Row& b) {
      return a.space == b.space && a.address == b.address && a.length == b.length &&
             a.datamatch == b.datamatch && a.eventfd == b.eventfd;
    }
  };
  static bool collide(const Row& a, const Row& b);

  std::vector<Row> rows_;  // in the order of assignment
};

}  // namespace irqfab::kvm
