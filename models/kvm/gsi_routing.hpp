// The GSI routing table of a VM: which messages and irqchip pins a GSI stands for.
//
// Models: Linux Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING and KVM_CAP_IRQ_ROUTING:
// replaced as a whole, a failing call leaves the old table; per GSI at most one entry for each
// chip, and a message stands alone. One number, which KVM_CAP_IRQ_ROUTING answers, bounds the
// entries and the GSIs: 4096, and 1024 on x86 until 2018. Device ids of messages are taken and mean
// nothing. Xen event-channel routes are known by name and refused: delivery to an event channel is
// not modelled, and a VM without KVM_XEN_HVM_CONFIG has none. Not modelled: Hyper-V and s390
// adapter routes (refused, as a kernel without them does).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/ids.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::kvm {

constexpr std::uint32_t kMaxRoutes = 4096;  // entries, and GSIs 0..4095, unless a VM has fewer

enum class RouteTarget : std::uint8_t {
  Msi,
  IoapicPin,
  PicMasterPin,
  PicSlavePin,
  XenEvtchn,
  Unknown
};

struct Route {
  Gsi gsi{};
  RouteTarget target = RouteTarget::IoapicPin;
  Pin pin{};                // of the chip
  x86::MsiMessage message;  // Msi
  std::uint32_t flags = 0;  // of the call; nothing but KVM_MSI_VALID_DEVID of an Msi is valid
  friend bool operator==(const Route& a, const Route& b) {
    return a.gsi == b.gsi && a.target == b.target && a.pin == b.pin && a.message == b.message;
  }
};

/// What a call answers: 0 or a count, or a negated errno.
using Answer = std::int64_t;
constexpr Answer kENOENT = -2;
constexpr Answer kENXIO = -6;
constexpr Answer kEBADF = -9;
constexpr Answer kEAGAIN = -11;
constexpr Answer kEBUSY = -16;
constexpr Answer kEEXIST = -17;
constexpr Answer kEINVAL = -22;

/// Which controllers the kernel has: those of KVM_CREATE_IRQCHIP, the local APICs alone
/// (KVM_CAP_SPLIT_IRQCHIP), or none.
enum class IrqchipKind : std::uint8_t { Full, Split, None };

class GsiRouting {
 public:
  /// The table of a VM with a full in-kernel irqchip: GSI n is IOAPIC pin n, 0..15 also on the
  /// 8259s.
  GsiRouting() : GsiRouting(IrqchipKind::Full, x86::MsiDestination::Bits8, kMaxRoutes) {}
  /// Without IOAPIC and 8259s the table is empty, and no route may name them; without local APICs
  /// there is none. With 32 bits of
  /// destination, bits 7:0 of a message's upper address must be 0 (KVM_CAP_X2APIC_API). A new table
  /// has at most `limit` entries, of GSIs 0..limit - 1; `limit` is 1 to kMaxRoutes.
  GsiRouting(IrqchipKind kind, x86::MsiDestination destination, std::uint32_t limit);

  /// 0, or -EINVAL and the table stays as it was.
  Answer replace(const std::vector<Route>& routes);

  /// The entries of a GSI, none for one without a route; valid until the next replace().
  struct Entries {
    const Route* first;
    const Route* last;
    const Route* begin() const { return first; }
    const Route* end() const { return last; }
    bool empty() const { return first == last; }
  };
  Entries of(Gsi gsi) const;
  /// The GSI of a pin: of several, the last that the call named.
  std::optional<Gsi> gsi_of(RouteTarget chip, Pin pin) const;
  std::size_t size() const { return routes_.size(); }
  /// One more than the highest GSI that has an entry: where the table ends.
  std::uint32_t gsis() const { return static_cast<std::uint32_t>(first_.size()) - 1; }

  friend bool operator==(const GsiRouting& a, const GsiRouting& b) {
    return a.routes_ == b.routes_ && a.by_input_ == b.by_input_;
  }

 private:
  void index(const std::vector<Route>& as_given);
  bool valid(const Route& route) const;

  static constexpr std::uint16_t kNoGsi = 0xFFFF;
  static constexpr std::size_t kInputs = 24 + 2 * 8;  // of the IOAPIC and the 8259s

  IrqchipKind kind_;
  x86::MsiDestination destination_;
  std::uint32_t limit_;
  std::vector<Route> routes_;         // by GSI, in the order given
  std::vector<std::uint32_t> first_;  // by GSI below gsis(): where its entries begin; and the end
  std::array<std::uint16_t, kInputs> by_input_{};  // GSIs
};

}  // namespace irqfab::kvm
