#include "models/sim/engine.hpp"

#include "models/sim/station.hpp"

namespace irqfab {

std::uint16_t Engine::add(StationBase& station) {
  stations_.push_back(&station);
  return static_cast<std::uint16_t>(stations_.size() - 1);
}

void Engine::step() {
  const Key key = timeline_.next();
  const Item item = timeline_.pop();
  now_ = key.time;
  round_ = key.round;
  if (round_ > kMaxRounds) {
    stuck_ = true;
    return;
  }
  stations_[item.station]->take(key, item);
}

void Engine::run(Time until) {
  while (!idle() && next_time() <= until) step();
}

void Engine::restore(const Saved& saved) {
  timeline_ = saved.timeline;
  ledger_ = saved.ledger;
  now_ = saved.now;
  round_ = saved.round;
  stuck_ = false;
}

}  // namespace irqfab
