#include "models/x86/pirq_router.hpp"

#include "models/base/field.hpp"

namespace irqfab::x86 {
namespace {

using PageOffset = Field<11, 0>;
/// PIRQ[n]_ROUT.
struct Route {
  using NotRouted = Flag<7, std::uint8_t>;
  using Irq = Field<3, 0, std::uint8_t>;
  static constexpr std::uint8_t kWritable = NotRouted::kMask | Irq::kMask;
};
/// IRQs that a PIRQ may be: the others are the board's own, or do not exist.
constexpr std::uint16_t kRoutable = 0xDEF8;

constexpr bool is_routable(unsigned irq) { return (kRoutable >> irq & 1) != 0; }

}  // namespace

PirqRouter::PirqRouter(const Config& config) : config_(config) { routes_.fill(kNotRouted); }

void PirqRouter::receive(PortId port, const Message& message, Env& env) {
  if (const auto* change = std::get_if<PinChange>(&message)) {
    PinChange named = *change;
    named.driver = edge_of(port) << (32 - kEdgeBits) | change->driver;
    on_wire(named, env);
  } else if (const auto* access = std::get_if<BusWrite>(&message)) {
    // An interrupt message that was aimed at this page ends here, as data.
    if (access->span != kNoSpan) env.drop(access->span, DropReason::NoDecode);
    for (unsigned i = 0; i < access->size; ++i) {
      write(static_cast<std::uint32_t>(PageOffset::get(access->address + i)),
            static_cast<std::uint8_t>(access->data >> (8 * i)), env);
    }
  } else if (const auto* question = std::get_if<BusRead>(&message)) {
    BusData answer{{}, question->tag, BusStatus::Ok, question->span};
    for (unsigned i = 0; i < question->size; ++i) {
      answer.data[i] =
          read(static_cast<std::uint32_t>(PageOffset::get(question->address + i)), env);
    }
    env.send(port, answer);
  }
}

std::optional<Pin> PirqRouter::irq_of(Pirq pirq) const {
  const std::uint8_t route = routes_[raw(pirq)];
  const std::uint8_t irq = Route::Irq::get(route);
  if (Route::NotRouted::is_set(route) || !is_routable(irq)) return std::nullopt;
  return Pin{irq};
}

void PirqRouter::on_wire(const PinChange& change, Env& env) {
  if (raw(change.pin) >= pirqs()) {
    if (change.span != kNoSpan) env.drop(change.span, DropReason::NoRoute);
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  const Pirq pirq{static_cast<std::uint8_t>(raw(change.pin))};
  WiredOr& wire = wires_[raw(pirq)];
  wire.drive(change.driver, change.level);
  // Others may hold the wire high; another assertion is passed on, for its span.
  if (change.level == Level::Low && wire.level() == Level::High) return;
  env.note(Event::PirqRouted, change.span, raw(pirq));
  const bool to_pic = irq_of(pirq).has_value();
  if (to_pic) drive_pic(pirq, change.level, change.span, env);
  const auto pin = static_cast<std::uint16_t>(kFirstPin + raw(pirq));
  env.send(kIoapic, PinChange{Pin{pin}, change.level, raw(pirq), to_pic ? kNoSpan : change.span});
}

/// Two PIRQs that share an IRQ are two drivers of it.
void PirqRouter::drive_pic(Pirq pirq, Level level, SpanId span, Env& env) {
  if (const std::optional<Pin> irq = irq_of(pirq)) {
    env.send(kPic, PinChange{*irq, level, raw(pirq), span});
  }
}

std::optional<Pirq> PirqRouter::pirq_at(std::uint32_t offset) const {
  for (std::uint8_t n = 0; n < pirqs(); ++n) {
    if (register_of(Pirq{n}) == offset) return Pirq{n};
  }
  return std::nullopt;
}

void PirqRouter::write(std::uint32_t offset, std::uint8_t value, Env& env) {
  const std::optional<Pirq> pirq = pirq_at(offset);
  if (!pirq) return env.guest_error(GuestFault::UnknownRegister);
  const bool high = level(*pirq) == Level::High;
  if (high) drive_pic(*pirq, Level::Low, kNoSpan, env);
  routes_[raw(*pirq)] = value & Route::kWritable;
  if (high) drive_pic(*pirq, Level::High, kNoSpan, env);
}

std::uint8_t PirqRouter::read(std::uint32_t offset, Env& env) const {
  const std::optional<Pirq> pirq = pirq_at(offset);
  if (pirq) return routes_[raw(*pirq)];
  env.guest_error(GuestFault::UnknownRegister);
  return 0;
}

}  // namespace irqfab::x86
