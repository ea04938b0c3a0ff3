#include "models/kvm/gsi_routing.hpp"

#include <algorithm>

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kIoapicPins = 24;
constexpr std::uint32_t kPicPins = 8;

/// May these two stand for one GSI?
bool compatible(const Route& a, const Route& b) {
  return a.target != RouteTarget::Msi && b.target != RouteTarget::Msi && a.target != b.target;
}

/// Where a chip's pin stands among the inputs of all chips.
std::optional<std::size_t> input_of(RouteTarget chip, Pin pin) {
  if (chip == RouteTarget::IoapicPin && raw(pin) < kIoapicPins) return raw(pin);
  if (raw(pin) >= kPicPins) return std::nullopt;
  if (chip == RouteTarget::PicMasterPin) return kIoapicPins + raw(pin);
  if (chip == RouteTarget::PicSlavePin) return kIoapicPins + kPicPins + raw(pin);
  return std::nullopt;
}

bool by_gsi(const Route& a, const Route& b) { return a.gsi < b.gsi; }

}  // namespace

GsiRouting::GsiRouting(IrqchipKind kind, x86::MsiDestination destination, std::uint32_t limit)
    : kind_(kind), destination_(destination), limit_(limit) {
  for (std::uint16_t n = 0; kind == IrqchipKind::Full && n < kIoapicPins; ++n) {
    routes_.push_back({Gsi{n}, RouteTarget::IoapicPin, Pin{n}, {}});
    if (n >= 2 * kPicPins) continue;
    const bool master = n < kPicPins;
    routes_.push_back({Gsi{n},
                       master ? RouteTarget::PicMasterPin : RouteTarget::PicSlavePin,
                       Pin(static_cast<std::uint16_t>(n % kPicPins)),
                       {}});
  }
  index(routes_);
}

Answer GsiRouting::replace(const std::vector<Route>& routes) {
  if (routes.size() > limit_ || kind_ == IrqchipKind::None) return kEINVAL;
  std::vector<Route> sorted = routes;
  std::stable_sort(sorted.begin(), sorted.end(), by_gsi);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (!valid(sorted[i])) return kEINVAL;
    for (std::size_t j = i; j > 0 && sorted[j - 1].gsi == sorted[i].gsi; --j) {
      if (!compatible(sorted[j - 1], sorted[i])) return kEINVAL;
    }
  }
  routes_ = std::move(sorted);
  index(routes);
  return 0;
}

bool GsiRouting::valid(const Route& route) const {
  constexpr std::uint32_t kValidDevid = 1;
  if (raw(route.gsi) >= limit_) return false;
  switch (route.target) {
    case RouteTarget::Msi:
      return (route.flags & ~kValidDevid) == 0 &&
             !(destination_ == x86::MsiDestination::Bits32 &&
               x86::MsiAddress::ReservedUpper::get(route.message.address) != 0);
    case RouteTarget::IoapicPin:
      return route.flags == 0 && kind_ == IrqchipKind::Full && raw(route.pin) < kIoapicPins;
    case RouteTarget::PicMasterPin:
    case RouteTarget::PicSlavePin:
      return route.flags == 0 && kind_ == IrqchipKind::Full && raw(route.pin) < kPicPins;
    case RouteTarget::XenEvtchn:
    case RouteTarget::Unknown:
      break;
  }
  return false;
}

std::optional<Gsi> GsiRouting::gsi_of(RouteTarget chip, Pin pin) const {
  const std::optional<std::size_t> input = input_of(chip, pin);
  if (!input || by_input_[*input] == kNoGsi) return std::nullopt;
  return Gsi{by_input_[*input]};
}

GsiRouting::Entries GsiRouting::of(Gsi gsi) const {
  if (raw(gsi) >= gsis()) return {nullptr, nullptr};
  return {routes_.data() + first_[raw(gsi)], routes_.data() + first_[raw(gsi) + 1]};
}

void GsiRouting::index(const std::vector<Route>& as_given) {
  const std::uint32_t end = routes_.empty() ? 0 : raw(routes_.back().gsi) + 1;
  first_.assign(end + 1, 0);
  std::size_t at = 0;
  for (std::uint32_t gsi = 0; gsi <= end; ++gsi) {
    while (at < routes_.size() && raw(routes_[at].gsi) < gsi) ++at;
    first_[gsi] = static_cast<std::uint32_t>(at);
  }
  by_input_.fill(kNoGsi);
  for (const Route& route : as_given) {
    const std::optional<std::size_t> input = input_of(route.target, route.pin);
    if (input) by_input_[*input] = static_cast<std::uint16_t>(raw(route.gsi));
  }
}

}  // namespace irqfab::kvm
