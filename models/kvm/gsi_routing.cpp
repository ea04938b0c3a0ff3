#include "models/kvm/gsi_routing.hpp"

#include <algorithm>

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kIoapicPins = 24;
constexpr std::uint32_t kPicPins = 8;

bool pin_exists(const Route& route) {
  if (route.target == RouteTarget::Msi) return true;
  return raw(route.pin) < (route.target == RouteTarget::IoapicPin ? kIoapicPins : kPicPins);
}

/// May these two stand for one GSI?
bool compatible(const Route& a, const Route& b) {
  return a.target != RouteTarget::Msi && b.target != RouteTarget::Msi && a.target != b.target;
}

bool by_gsi(const Route& a, const Route& b) { return a.gsi < b.gsi; }

}  // namespace

GsiRouting::GsiRouting() {
  for (std::uint16_t n = 0; n < kIoapicPins; ++n) {
    routes_.push_back({Gsi{n}, RouteTarget::IoapicPin, Pin{n}, {}});
    if (n >= 2 * kPicPins) continue;
    const bool master = n < kPicPins;
    routes_.push_back({Gsi{n}, master ? RouteTarget::PicMasterPin : RouteTarget::PicSlavePin,
                       Pin(static_cast<std::uint16_t>(n % kPicPins)),
                       {}});
  }
  index();
}

Answer GsiRouting::replace(const std::vector<Route>& routes) {
  if (routes.size() > kMaxRoutes) return kEINVAL;
  std::vector<Route> sorted = routes;
  std::stable_sort(sorted.begin(), sorted.end(), by_gsi);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (raw(sorted[i].gsi) >= kMaxRoutes || !pin_exists(sorted[i])) return kEINVAL;
    for (std::size_t j = i; j > 0 && sorted[j - 1].gsi == sorted[i].gsi; --j) {
      if (!compatible(sorted[j - 1], sorted[i])) return kEINVAL;
    }
  }
  routes_ = std::move(sorted);
  index();
  return 0;
}

GsiRouting::Entries GsiRouting::of(Gsi gsi) const {
  if (raw(gsi) >= kMaxRoutes) return {nullptr, nullptr};
  return {routes_.data() + first_[raw(gsi)], routes_.data() + first_[raw(gsi) + 1]};
}

void GsiRouting::index() {
  first_.assign(kMaxRoutes + 1, 0);
  std::size_t at = 0;
  for (std::uint32_t gsi = 0; gsi <= kMaxRoutes; ++gsi) {
    while (at < routes_.size() && raw(routes_[at].gsi) < gsi) ++at;
    first_[gsi] = static_cast<std::uint32_t>(at);
  }
}

}  // namespace irqfab::kvm
