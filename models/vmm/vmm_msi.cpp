// The MSI capability of functions as a VMM traps it: what the guest writes there says where the
// function's vectors go.
//
// Models: PCI Local Bus 3.0, 6.8.1. The capability is kept as a core of PciFunctions that has
// nothing else; of what changes in it the function's vectors are told, one by one, although they
// share the message: each has a route of its own. Of an assigned function the host has the message
// and the enable bit, and the guest the mask bits, which the function itself obeys.
#include <algorithm>

#include "models/base/silent_env.hpp"
#include "models/vmm/vmm.hpp"

namespace irqfab::vmm {
namespace {

constexpr FunctionRow kOnly{0};

/// Message and mask of an event: 6.8.1.6, the low bits of the data are the vector's. A function
/// that was given fewer messages than it asked for shares them.
struct MsiVector {
  x86::MsiMessage message;
  Mask mask = Mask::Off;
};
MsiVector msi_vector_of(const pci::PciFunctions& capability, unsigned index) {
  const pci::Msi& msi = *capability.function(kOnly).msi;
  const unsigned encoded = (capability.msi_control(kOnly) & pci::kMsiMultipleMessageEnable) >>
                           pci::kMsiMultipleMessageEnableShift;
  const std::uint32_t own = (std::uint32_t{1} << encoded) - 1;
  const std::uint32_t shared = index & own;
  MsiVector vector;
  vector.message.address = capability.config_dword(kOnly, pci::kConfigMsiAddress);
  if (msi.width == pci::MsiWidth::Address64) {
    const std::uint64_t upper = capability.config_dword(kOnly, pci::kConfigMsiUpperAddress);
    vector.message.address |= upper << 32;
  }
  const std::uint32_t data = capability.config_dword(kOnly, pci::msi_data_offset(msi));
  vector.message.data = (data & ~own) | shared;
  if ((capability.msi_mask(kOnly) >> shared & 1) != 0) vector.mask = Mask::On;
  return vector;
}

std::optional<pci::ConfigWrite> config_write_of(std::uint64_t offset, const Access& access) {
  return pci::config_write_of(offset,
                              BusWrite{access.address, access.data, kNoSpan, {}, access.size});
}

}  // namespace

/// A register of the capability.
bool Vmm::is_msi(const Place& place) const {
  if (place.space != Place::Space::Config) return false;
  const std::optional<pci::PciFunctions>& capability = functions_[place.function].msi;
  if (!capability || place.offset < pci::kConfigMsiCapability) return false;
  const pci::Msi& msi = *capability->function(kOnly).msi;
  const std::uint64_t last =
      msi.maskable() ? pci::msi_pending_offset(msi) : pci::msi_data_offset(msi);
  return (place.offset & ~std::uint64_t{3}) <= last;
}

/// One that an assigned function is not told of.
bool Vmm::is_kept_msi(const Place& place) const {
  if (!is_msi(place)) return false;
  return place.offset < pci::msi_mask_offset(*functions_[place.function].msi->function(kOnly).msi);
}

/// After the access, may a vector send that could not before?
bool Vmm::opens_msi(const Place& place, const Access& access) const {
  const auto write = config_write_of(place.offset, access);
  if (!write) return false;
  const pci::PciFunctions& before = *functions_[place.function].msi;
  pci::PciFunctions after = before;
  SilentEnv env;
  after.write_config(kOnly, *write, env);
  if (!after.msi_enabled(kOnly)) return false;
  return !before.msi_enabled(kOnly) || (before.msi_mask(kOnly) & ~after.msi_mask(kOnly)) != 0;
}

void Vmm::take_msi(const Place& place, const Access& access) {
  const auto write = config_write_of(place.offset, access);
  if (!write) return;
  Function& function = functions_[place.function];
  SilentEnv env;
  function.msi->write_config(kOnly, *write, env);
  for (std::size_t n = 0; n < function.vectors.size(); ++n) {
    const auto index = VectorIndex(static_cast<std::uint16_t>(n));
    const MsiVector now = msi_vector_of(*function.msi, static_cast<unsigned>(n));
    const x86::MsiMessage& known = function.vectors.message(index);
    const bool changed = known.address != now.message.address || known.data != now.message.data;
    if (changed) function.vectors.set_message(index, now.message);
    if (function.vectors.masked(index) != (now.mask == Mask::On)) {
      function.vectors.set_mask(index, now.mask);
    }
  }
  const bool enabled = function.msi->msi_enabled(kOnly);
  if (enabled != function.vectors.enabled()) {
    enabled ? function.vectors.enable() : function.vectors.disable();
  }
}

}  // namespace irqfab::vmm
