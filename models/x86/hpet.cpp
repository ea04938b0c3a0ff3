#include "models/x86/hpet.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "models/x86/register_data.hpp"

namespace irqfab::x86 {
namespace {

using Reg = HpetRegister;
using Cnf = HpetTimerConfiguration;

constexpr std::uint64_t kRevision = 0x01;
constexpr std::uint64_t kVendor = 0x8086;
constexpr std::uint64_t kFsPerPs = 1000;
/// A match that is farther away than this, in ticks, does not happen: ten days at 100 ns.
constexpr std::uint64_t kFarthest = std::uint64_t{1} << 43;
/// A tag holds a timer and a generation.
constexpr unsigned kTimerBits = 3;
static_assert(Hpet::kMostComparators <= 1u << kTimerBits);

constexpr std::uint64_t kWritable = Cnf::FSB_EN_CNF::kMask | Cnf::INT_ROUTE_CNF::kMask |
                                    Cnf::MODE32_CNF::kMask | Cnf::INT_ENB_CNF::kMask |
                                    Cnf::INT_TYPE_CNF::kMask;
constexpr std::uint64_t kWritableOfPeriodic = Cnf::VAL_SET_CNF::kMask | Cnf::TYPE_CNF::kMask;

bool is_register_access(std::uint32_t offset, unsigned size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

Tag tag_of(unsigned n, std::uint32_t generation) { return Tag{generation << kTimerBits | n}; }

}  // namespace

Hpet::Hpet(const Config& config) : config_(config), timers_(config.comparators) {
  assert(config.comparators >= 1 && config.comparators <= kMostComparators);
  assert(config.tick >= 1 && config.tick <= 100 * kPsPerNs);
}

void Hpet::receive(PortId port, const Message& message, Env& env) {
  const auto offset_of = [](std::uint64_t address) {
    return static_cast<std::uint32_t>(address % kPageBytes);
  };
  if (const auto* access = std::get_if<BusWrite>(&message)) {
    // An interrupt message that was aimed at this page ends here, as data.
    if (access->span != kNoSpan) env.drop(access->span, DropReason::NoDecode);
    write(offset_of(access->address), access->data, access->size, env);
  } else if (const auto* question = std::get_if<BusRead>(&message)) {
    const std::uint64_t value = read(offset_of(question->address), question->size, env);
    env.send(port, register_data(value, question->tag, question->span));
  } else if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    on_match(elapsed->tag, env);
  }
}

// ---- registers --------------------------------------------------------------------------------

std::uint64_t Hpet::capabilities() const {
  using Cap = HpetCapabilities;
  std::uint64_t value = Cap::COUNTER_CLK_PERIOD::set(0, config_.tick * kFsPerPs);
  value = Cap::VENDOR_ID::set(value, kVendor);
  value = Cap::COUNT_SIZE_CAP::set(value, 1);
  value = Cap::NUM_TIM_CAP::set(value, timers_.size() - 1);
  return Cap::REV_ID::set(value, kRevision);
}

std::uint64_t Hpet::read(std::uint32_t offset, unsigned size, Env& env) const {
  if (!is_register_access(offset, size)) {
    env.guest_error(GuestFault::WrongAccessSize);
    return 0;
  }
  const std::uint64_t value = read_register(offset & ~7u, env);
  if (size == 8) return value;
  return offset % 8 == 4 ? value >> 32 : value & 0xFFFFFFFF;
}

std::uint64_t Hpet::read_register(std::uint32_t offset, Env& env) const {
  if (offset == Reg::kCapabilities) return capabilities();
  if (offset == Reg::kConfiguration) return HpetConfiguration::ENABLE_CNF::set(0, enabled_);
  if (offset == Reg::kStatus) return status_;
  if (offset == Reg::kCounter) return counter(env.now());
  const std::uint32_t n = (offset - Reg::kTimers) / Reg::kTimerBytes;
  const std::uint32_t place = offset % Reg::kTimerBytes;
  if (offset < Reg::kTimers || n >= timers_.size() || place > Reg::kTimerFsbRoute) {
    env.guest_error(GuestFault::UnknownRegister);
    return 0;
  }
  const Timer& timer = timers_[n];
  if (place == Reg::kTimerComparator) return timer.comparator;
  if (place == Reg::kTimerFsbRoute) return timer.fsb_route;
  std::uint64_t value = Cnf::VAL_SET_CNF::set(timer.configuration, 0);
  value = Cnf::INT_ROUTE_CAP::set(value, config_.routes);
  value = Cnf::FSB_INT_DEL_CAP::set(value, 1);
  value = Cnf::SIZE_CAP::set(value, 1);
  return Cnf::PER_INT_CAP::set(value, n == 0);
}

/// A DWORD leaves the other half of its register as it is: that of a period in periodic mode, and
/// of a status, whose bits are cleared by ones, nothing.
std::uint64_t Hpet::kept(std::uint32_t offset, Env& env) const {
  if (offset == Reg::kStatus) return 0;
  const std::uint32_t n = (offset - Reg::kTimers) / Reg::kTimerBytes;
  const bool comparator = offset >= Reg::kTimers && n < timers_.size() &&
                          offset % Reg::kTimerBytes == Reg::kTimerComparator;
  if (comparator && timers_[n].periodic()) return timers_[n].period;
  return read_register(offset, env);
}

void Hpet::write(std::uint32_t offset, std::uint64_t value, unsigned size, Env& env) {
  if (!is_register_access(offset, size)) return env.guest_error(GuestFault::WrongAccessSize);
  const std::uint32_t whole = offset & ~7u;
  if (size == 8) return write_register(whole, value, env);
  const std::uint64_t other = kept(whole, env);
  write_register(
      whole, offset % 8 == 4 ? Field<63, 32>::set(other, value) : Field<31, 0>::set(other, value),
      env);
}

void Hpet::write_register(std::uint32_t offset, std::uint64_t value, Env& env) {
  if (offset == Reg::kCapabilities) return;  // read-only
  if (offset == Reg::kConfiguration) {
    return set_enabled(HpetConfiguration::ENABLE_CNF::is_set(value), env);
  }
  if (offset == Reg::kStatus) return write_status(value, env);
  if (offset == Reg::kCounter) {
    base_ = value;
    since_ = env.now();
    return arm_all(env);
  }
  const std::uint32_t n = (offset - Reg::kTimers) / Reg::kTimerBytes;
  const std::uint32_t place = offset % Reg::kTimerBytes;
  if (offset < Reg::kTimers || n >= timers_.size() || place > Reg::kTimerFsbRoute) {
    return env.guest_error(GuestFault::UnknownRegister);
  }
  write_timer(n, place, value, env);
}

void Hpet::write_timer(unsigned n, std::uint32_t place, std::uint64_t value, Env& env) {
  if (place == Reg::kTimerFsbRoute) {
    timers_[n].fsb_route = value;
  } else if (place == Reg::kTimerComparator) {
    write_comparator(n, value, env);
  } else {
    write_timer_configuration(n, value, env);
  }
}

/// A route that the timer does not have is not taken (2.3.8, Tn_INT_ROUTE_CNF).
void Hpet::write_timer_configuration(unsigned n, std::uint64_t value, Env& env) {
  Timer& timer = timers_[n];
  const Pin before = timer.route();
  timer.configuration = value & (n == 0 ? kWritable | kWritableOfPeriodic : kWritable);
  if ((config_.routes >> raw(timer.route()) & 1) == 0) {
    timer.configuration = Cnf::INT_ROUTE_CNF::set(timer.configuration, raw(before));
  }
  timer.comparator &= timer.width();
  if (!timer.level()) status_ &= ~(std::uint64_t{1} << n);
  drive(n, env);
  arm(n, env);
}

void Hpet::write_comparator(unsigned n, std::uint64_t value, Env& env) {
  Timer& timer = timers_[n];
  value &= timer.width();
  if (!timer.periodic() || timer.is_set(Cnf::VAL_SET_CNF::kMask)) timer.comparator = value;
  if (timer.periodic()) timer.period = value;
  timer.configuration = Cnf::VAL_SET_CNF::set(timer.configuration, 0);
  arm(n, env);
}

void Hpet::write_status(std::uint64_t value, Env& env) {
  status_ &= ~value;
  for (unsigned n = 0; n < timers_.size(); ++n) drive(n, env);
}

void Hpet::set_enabled(bool enabled, Env& env) {
  if (enabled == enabled_) return;
  base_ = counter(env.now());
  since_ = env.now();
  enabled_ = enabled;
  arm_all(env);
}

// ---- time -------------------------------------------------------------------------------------

/// Since the counter was started or written.
std::uint64_t Hpet::ticks(Time now) const { return enabled_ ? (now - since_) / config_.tick : 0; }
std::uint64_t Hpet::counter(Time now) const { return base_ + ticks(now); }

/// What was due for the timer is stale; its next match is due if the counter runs.
void Hpet::arm(unsigned n, Env& env) {
  Timer& timer = timers_[n];
  ++timer.generation;
  if (!enabled_) return;
  const Time now = env.now();
  // One less than the distance, so that none is the whole way round.
  const std::uint64_t before = (timer.comparator - counter(now) - 1) & timer.width();
  if (before >= kFarthest) return;
  schedule(n, since_ + (ticks(now) + before + 1) * config_.tick, env);
}

void Hpet::schedule(unsigned n, Time due, Env& env) {
  Timer& timer = timers_[n];
  timer.due = due;
  const Time now = env.now();
  env.after(due > now ? due - now : 0, tag_of(n, timer.generation));
}

void Hpet::arm_all(Env& env) {
  for (unsigned n = 0; n < timers_.size(); ++n) arm(n, env);
}

// ---- interrupts -------------------------------------------------------------------------------

void Hpet::on_match(Tag tag, Env& env) {
  const unsigned n = raw(tag) % (1u << kTimerBits);
  if (n >= timers_.size() || tag != tag_of(n, timers_[n].generation)) return;
  Timer& timer = timers_[n];
  if (timer.periodic()) timer.comparator = (timer.comparator + timer.period) & timer.width();
  interrupt(n, env);
  // Periods count from match to match, however long the HPET was busy in between.
  const bool repeats = timer.periodic() && timer.period > 0 && timer.period < kFarthest;
  repeats ? schedule(n, timer.due + timer.period * config_.tick, env) : arm(n, env);
}

/// The status of a level is set whether or not the timer may interrupt (2.3.8, Tn_INT_ENB_CNF).
void Hpet::interrupt(unsigned n, Env& env) {
  const Timer& timer = timers_[n];
  const bool news = !timer.level() || !status(n);
  if (timer.level()) status_ |= std::uint64_t{1} << n;
  if (timer.by_message()) {
    if (timer.enabled() && news) send_message(n, env);
  } else if (timer.level()) {
    drive(n, env);
  } else if (timer.enabled()) {
    pulse(n, env);
  }
}

void Hpet::send_message(unsigned n, Env& env) {
  const std::uint64_t route = timers_[n].fsb_route;
  const SpanId span = env.open(Cause::Device, kNoSpan, n);
  env.note(Event::ComparatorSent, span, n);
  env.send(kMessages, BusWrite{HpetFsbRoute::FSB_INT_ADDR::get(route),
                               HpetFsbRoute::FSB_INT_VAL::get(route), span, config_.requester, 4});
}

void Hpet::pulse(unsigned n, Env& env) {
  const Pin pin = timers_[n].route();
  env.send(kPins, PinChange{pin, Level::High, n, env.open(Cause::Device, kNoSpan, n)});
  env.send(kPins, PinChange{pin, Level::Low, n, kNoSpan});
}

/// The wire follows the status of a level that may interrupt.
void Hpet::drive(unsigned n, Env& env) {
  Timer& timer = timers_[n];
  std::optional<Pin> wanted;
  const bool on_wire = timer.level() && timer.enabled() && !timer.by_message();
  if (on_wire && status(n)) wanted = timer.route();
  if (wanted == timer.driven) return;
  if (timer.driven) env.send(kPins, PinChange{*timer.driven, Level::Low, n, kNoSpan});
  timer.driven = wanted;
  if (!wanted) return;
  env.send(kPins, PinChange{*wanted, Level::High, n, env.open(Cause::Device, kNoSpan, n)});
}

bool Hpet::Timer::operator==(const Timer& other) const {
  return std::tie(configuration, comparator, period, fsb_route, generation, due, driven) ==
         std::tie(other.configuration, other.comparator, other.period, other.fsb_route,
                  other.generation, other.due, other.driven);
}

bool operator==(const Hpet& a, const Hpet& b) {
  return std::tie(a.enabled_, a.base_, a.since_, a.status_, a.timers_) ==
         std::tie(b.enabled_, b.base_, b.since_, b.status_, b.timers_);
}

}  // namespace irqfab::x86
