#include "models/vmm/route_table.hpp"

#include <algorithm>

namespace irqfab::vmm {
namespace {

constexpr std::uint16_t kPicPins = 8;
constexpr std::uint16_t kCascade = 2;

}  // namespace

std::vector<kvm::Route> pc_routes() {
  std::vector<kvm::Route> routes;
  for (std::uint16_t n = 0; n < kPinGsis; ++n) {
    if (n == kCascade) continue;
    if (n < 2 * kPicPins) {
      const bool first = n < kPicPins;
      routes.push_back({Gsi{n},
                        first ? kvm::RouteTarget::PicMasterPin : kvm::RouteTarget::PicSlavePin,
                        Pin(static_cast<std::uint16_t>(n % kPicPins)),
                        {}});
    }
    routes.push_back({Gsi{n}, kvm::RouteTarget::IoapicPin, Pin(n == 0 ? kCascade : n), {}});
  }
  return routes;
}

std::vector<kvm::Route> mirror_routes() {
  std::vector<kvm::Route> routes;
  for (std::uint32_t n = 0; n < kPinGsis; ++n) {
    routes.push_back({Gsi{n}, kvm::RouteTarget::Msi, Pin{0}, {}});
  }
  return routes;
}

RouteTable::RouteTable(const Config& config)
    : mutants_(config.mutants),
      gsis_(config.gsis, config.mutants),
      routes_(gsis_.gsis()),
      names_(gsis_.gsis()) {
  for (std::uint32_t n = 0; n < kPinGsis; ++n) {
    const auto of_pin = [n](const kvm::Route& route) { return route.gsi == Gsi{n}; };
    gsis_.reserve(Gsi{n}, static_cast<std::uint32_t>(
                              std::count_if(config.fixed.begin(), config.fixed.end(), of_pin)));
  }
  for (const kvm::Route& route : config.fixed) {
    if (raw(route.gsi) >= std::min(kPinGsis, gsis_.gsis())) continue;
    if (route.target == kvm::RouteTarget::Msi) {
      routes_[route.gsi] = route.message;
    } else {
      pins_.push_back(route);
    }
  }
  kernels_ = routes_;
  counters_.peak = gsis_.entries();
}

std::optional<Gsi> RouteTable::add(const x86::MsiMessage& message) {
  const std::optional<Gsi> gsi = gsis_.allocate();
  if (!gsi) return std::nullopt;
  routes_[*gsi] = message;
  names_[*gsi] = 1;
  changed_ = true;
  counters_.peak = std::max(counters_.peak, gsis_.entries());
  return gsi;
}

void RouteTable::set(Gsi gsi, const x86::MsiMessage& message) {
  if (this->message(gsi) == nullptr || *routes_[gsi] == message) return;
  routes_[gsi] = message;
  changed_ = true;
}

void RouteTable::remove(Gsi gsi) {
  if (!gsis_.release(gsi)) return;
  changed_ = true;
  stale_ = stale_ || kernels_[gsi].has_value();
  routes_[gsi].reset();
  kernels_[gsi].reset();
  names_[gsi] = 0;
}

std::uint32_t RouteTable::flush() {
  std::uint32_t removed = 0;
  for (std::uint32_t n = kPinGsis; n < gsis_.gsis(); ++n) {
    const Gsi gsi{n};
    if (gsis_.state(gsi) != GsiState::Bound) continue;
    if (names_[gsi] > 0 && !mutants_.has(Mutant::FlushWhileNamed)) continue;
    remove(gsi);
    ++removed;
  }
  return removed;
}

bool RouteTable::in_kernel(Gsi gsi) const {
  const x86::MsiMessage* here = message(gsi);
  const x86::MsiMessage* there = routed(kernels_, gsi);
  return here != nullptr && there != nullptr && *here == *there;
}

std::vector<kvm::Route> RouteTable::commit() {
  ++counters_.commits;
  std::vector<kvm::Route> table = pins_;
  table.reserve(gsis_.entries());
  for (std::uint32_t n = 0; n < gsis_.gsis(); ++n) {
    if (const x86::MsiMessage* to = message(Gsi{n})) {
      table.push_back({Gsi{n}, kvm::RouteTarget::Msi, Pin{0}, *to});
    }
  }
  return table;
}

void RouteTable::answered(kvm::Answer answer) {
  if (answer == 0) {
    kernels_ = routes_;
    changed_ = stale_ = false;
    return;
  }
  ++counters_.refused;
  for (std::uint32_t n = 0; n < gsis_.gsis(); ++n) {
    if (!kernels_[Gsi{n}]) {
      remove(Gsi{n});
    } else {
      routes_[Gsi{n}] = kernels_[Gsi{n}];
    }
  }
  changed_ = stale_;
}

}  // namespace irqfab::vmm
