#include "fabric/run/settling.hpp"

#include <utility>

namespace irqfab::run {

void Settling::settle(Duration longest) {
  const Engine& engine = machine_.engine();
  const Time limit = engine.now() + longest;
  while (!engine.idle() && !only_timers_are_left()) {
    if (engine.next_time() > limit) {
      gave_up_ = true;
      return;
    }
    machine_.run(engine.next_time());
  }
}

bool Settling::gave_up() { return std::exchange(gave_up_, false); }

/// The first lane of the local APICs is the interconnect; on the others all delays are of timers,
/// as all of the HPET's are.
bool Settling::only_timers_are_left() {
  Engine& engine = machine_.engine();
  const StationBase* lapics = &machine_.station(lapics_);
  const StationBase* hpet = hpet_ ? &machine_.station(*hpet_) : nullptr;
  bool only = true;
  engine.for_each_item([&](const Item& item) {
    const StationBase* at = &engine.station(item.station);
    const bool timer = std::holds_alternative<Elapsed>(item.message) &&
                       ((at == lapics && raw(item.lane) > 0) || at == hpet);
    only = only && timer && item.kind == Item::Kind::Arrive;
  });
  return only;
}

}  // namespace irqfab::run
