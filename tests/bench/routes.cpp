// One measurement of routes: `bench_routes WHAT ROUTES COUNT` does it COUNT times with a table of
// ROUTES messages. README.md says how to read it. Exit code 1 if a route was not found.
//
//   lookup   kvm::GsiRouting::of, which every injection on a GSI calls
//   replace  kvm::GsiRouting::replace, which KVM_SET_GSI_ROUTING calls
//   hit      vmm::DynamicRoutes, a message that has a route

#include <cstdio>
#include <cstdlib>
#include <string>

#include "models/kvm/gsi_routing.hpp"
#include "models/vmm/dynamic_routes.hpp"

namespace irqfab::bench {
namespace {

/// Of 200 vectors of each CPU.
x86::MsiMessage message(std::uint32_t n) {
  return {0xFEE00000 + 0x1000 * (n / 200), 0x30 + n % 200};
}

std::vector<kvm::Route> table_of(std::uint32_t routes) {
  std::vector<kvm::Route> table;
  for (std::uint32_t n = 0; n < routes; ++n) {
    table.push_back({Gsi{n}, kvm::RouteTarget::Msi, Pin{0}, message(n)});
  }
  return table;
}

bool lookup(std::uint32_t routes, std::uint64_t count) {
  kvm::GsiRouting routing;
  bool found = routing.replace(table_of(routes)) == 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto gsi = static_cast<std::uint32_t>(i % routes);
    found &= routing.of(Gsi{gsi}).first->gsi == Gsi{gsi};
  }
  return found;
}

bool replace(std::uint32_t routes, std::uint64_t count) {
  kvm::GsiRouting routing;
  const std::vector<kvm::Route> table = table_of(routes);
  bool taken = true;
  for (std::uint64_t i = 0; i < count; ++i) taken &= routing.replace(table) == 0;
  return taken;
}

bool hit(std::uint32_t routes, std::uint64_t count) {
  vmm::RouteTable table({kvm::kMaxRoutes, vmm::mirror_routes(), {}});
  vmm::DynamicRoutes dynamic({});
  for (std::uint32_t n = 0; n < routes; ++n) {
    dynamic.seek(message(n), table);
    dynamic.done(dynamic.committed(0, table).gsi, table);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto found = dynamic.seek(message(static_cast<std::uint32_t>(i % routes)), table);
    dynamic.done(found.gsi, table);
  }
  return dynamic.counters().hits == count;
}

struct Measurement {
  const char* name;
  bool (*run)(std::uint32_t routes, std::uint64_t count);
};
constexpr Measurement kMeasurements[] = {{"lookup", lookup}, {"replace", replace}, {"hit", hit}};

}  // namespace
}  // namespace irqfab::bench

int main(int argc, char** argv) {
  using namespace irqfab::bench;
  const unsigned long routes = argc == 4 ? std::strtoul(argv[2], nullptr, 10) : 0;
  for (const Measurement& measurement : kMeasurements) {
    if (routes == 0 || routes > irqfab::kvm::kMaxRoutes || argv[1] != std::string(measurement.name))
      continue;
    const bool well =
        measurement.run(static_cast<std::uint32_t>(routes), std::strtoull(argv[3], nullptr, 10));
    std::printf("%s routes=%lu %s\n", measurement.name, routes, well ? "well" : "not found");
    return well ? 0 : 1;
  }
  std::fputs("bench_routes lookup|replace|hit ROUTES COUNT; ROUTES from 1 to 4096\n", stderr);
  return 2;
}
