#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {

void build_expectations(const Node& root, Building& to) {
  const Node* list = root.find("expect");
  if (list == nullptr) return;
  for (const Node& node : list->items) {
    Expectation expectation = *parse_expectation(node.text);
    expectation.where = to.lines.range(node.place);
    if (!expectation.device.empty()) find_device(expectation.device, node.place, to);
    to.scenario.expect.push_back(std::move(expectation));
  }
}

void build_prices(const Node& root, Building& to) {
  const Node* rows = root.find("prices");
  if (rows == nullptr) return;
  for (const auto& [key, value] : rows->entries) {
    PriceName name = *parse_price_name(key.text);
    const Price price = *parse_price(value.text);
    to.scenario.prices.push_back({std::move(name.node), std::move(name.event), price.value,
                                  price.in_cycles, to.lines.range(key.place)});
  }
}

}  // namespace irqfab::scenario
