// The invalidation queue, and draining.
#include <cstring>

#include "models/x86/vtd_remapper.hpp"

namespace irqfab::x86 {

using namespace vtd;

namespace {

constexpr Tag kWaitMarker{0};     // one wait at a time
constexpr Tag kCommandMarker{1};  // and one command

}  // namespace

/// What these walks bring is for requests that are here already, and not for the cache. The mutant
/// took a line of the cache at the miss, before it had any data: nothing there is invalidated, and
/// the data comes in later.
template <class Covers>
void VtdRemapper::invalidate_walks(Covers&& covers) {
  if (!config_.mutants.has(Mutant::IecFilledEarly)) slots_.invalidate(covers);
}

void VtdRemapper::invalidate_all(Env& env) {
  cache_.invalidate_all();
  invalidate_walks([](std::uint32_t) { return true; });
  env.note(Event::IecInvalidated, kNoSpan, ~std::uint64_t{0});
}

void VtdRemapper::invalidate(const IndexRange& range, Env& env) {
  cache_.invalidate(range);
  invalidate_walks([&](std::uint32_t index) { return range.covers(index); });
  env.note(Event::IecInvalidated, kNoSpan, range.first);
}

/// Fetches the descriptor at the head, if there is one and nothing is under way.
void VtdRemapper::advance_queue(Env& env) {
  if (queue_state_ != QueueState::Idle || !Gsts::QIES::is_set(GSTS_REG_)) return;
  if (faults_.queue_error() || IQH_REG_ == IQT_REG_) return;
  if (IQT_REG_ >= queue_bytes()) return stop_queue(QueueError::InvalidTail, env);
  queue_state_ = QueueState::Fetching;
  env.send(kMemory, BusRead{(IQA_REG_ & Iqa::IQA::kMask) + IQH_REG_,
                            descriptor_tag(),
                            kNoSpan,
                            {},
                            kDescriptorBytes});
}

void VtdRemapper::on_descriptor(const BusData& answer, Env& env) {
  const QueueState was = queue_state_;
  if (was != QueueState::Fetching && was != QueueState::Abandoned) return;
  queue_state_ = QueueState::Idle;
  if (was == QueueState::Abandoned) return advance_queue(env);
  if (answer.status != BusStatus::Ok) return stop_queue(QueueError::DescriptorFetch, env);

  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, answer.data.data(), sizeof low);
  std::memcpy(&high, answer.data.data() + sizeof low, sizeof high);
  const DescriptorType type = type_of_descriptor(low);
  env.note(Event::CommandFetched, kNoSpan, static_cast<std::uint64_t>(type));
  switch (type) {
    case DescriptorType::ContextCache:
    case DescriptorType::Iotlb:
      return finish_descriptor(env);
    case DescriptorType::InterruptEntryCache:
      return on_entry_cache_descriptor(low, high, env);
    case DescriptorType::Wait:
      return on_wait(low, high, env);
  }
  stop_queue(QueueError::InvalidType, env);
}

void VtdRemapper::on_entry_cache_descriptor(std::uint64_t low, std::uint64_t high, Env& env) {
  if ((low & ~IecDescriptor::kLowMask) != 0 || high != 0) {
    return stop_queue(QueueError::ReservedField, env);
  }
  if (IecDescriptor::G::is_set(low)) {
    invalidate(IndexRange{static_cast<std::uint32_t>(IecDescriptor::IIDX::get(low)),
                          static_cast<unsigned>(IecDescriptor::IM::get(low))},
               env);
  } else {
    invalidate_all(env);
  }
  finish_descriptor(env);
}

void VtdRemapper::on_wait(std::uint64_t low, std::uint64_t high, Env& env) {
  if ((low & ~WaitDescriptor::kLowMask) != 0 ||
      (high & ~WaitDescriptor::StatusAddress::kMask) != 0) {
    return stop_queue(QueueError::ReservedField, env);
  }
  wait_low_ = low;
  wait_high_ = high;
  if (config_.mutants.has(Mutant::InvalidationWaitEarly)) return complete_wait(env);
  fence_ = slots_.fence();
  queue_state_ = QueueState::Draining;
  drain(env);
}

/// VT-d 6.5.2.8 and 6.5.2.9: the status first, then the event.
void VtdRemapper::complete_wait(Env& env) {
  env.note(Event::InvalidationWaited, kNoSpan, QueueOffset::get(IQH_REG_));
  if (WaitDescriptor::SW::is_set(wait_low_)) {
    env.send(kMemory,
             BusWrite{wait_high_, WaitDescriptor::StatusData::get(wait_low_), kNoSpan, {}, 4});
  }
  if (WaitDescriptor::IF::is_set(wait_low_) && !Ics::IWC::is_set(ICS_REG_)) {
    ICS_REG_ = Ics::IWC::set(ICS_REG_, 1);
    raise(invalidation_event_, Source::InvalidationEvent, env);
  }
  finish_descriptor(env);
}

void VtdRemapper::finish_descriptor(Env& env) {
  queue_state_ = QueueState::Idle;
  IQH_REG_ = (IQH_REG_ + kDescriptorBytes) % queue_bytes();
  advance_queue(env);
}

/// The head stays at the descriptor that is wrong (VT-d 6.5.2.10).
void VtdRemapper::stop_queue(QueueError error, Env& env) {
  queue_state_ = QueueState::Idle;
  const bool is_condition = !faults_.any_reported();
  faults_.set_queue_error(error);
  if (is_condition) raise(fault_event_, Source::FaultEvent, env);
}

std::uint64_t VtdRemapper::queue_bytes() const {
  return std::uint64_t{4096} << Iqa::QS::get(IQA_REG_);
}

// ---- draining ----------------------------------------------------------------------------------

/// VT-d, "Interrupt Draining": once everything older has left, a marker follows it to the interrupt
/// controller.
void VtdRemapper::drain(Env& env) {
  if (command_state_ == CommandState::Draining && !slots_.any_older_than(command_fence_)) {
    const bool all_landed =
        !emitted_ && queue_state_ != QueueState::Marking && queue_state_ != QueueState::Abandoned;
    if (all_landed) {
      report_command();
    } else {
      command_state_ = CommandState::Marking;
      emitted_ = false;
      env.send(kOutput, Marker{kCommandMarker});
    }
  }
  if (queue_state_ != QueueState::Draining || slots_.any_older_than(fence_)) return;
  queue_state_ = QueueState::Marking;
  emitted_ = false;
  env.send(kOutput, Marker{kWaitMarker});
}

void VtdRemapper::on_marker_done(const MarkerDone& done, Env& env) {
  if (done.tag == kCommandMarker) {
    if (command_state_ == CommandState::Marking) report_command();
    if (command_state_ != CommandState::Outdated) return;
    command_state_ = CommandState::Draining;
    return drain(env);
  }
  if (queue_state_ == QueueState::Marking) return complete_wait(env);
  if (queue_state_ != QueueState::Abandoned) return;
  queue_state_ = QueueState::Idle;
  advance_queue(env);
}

/// What GCMD_REG asked for is in effect since then; only now is it reported.
void VtdRemapper::report_command() {
  command_state_ = CommandState::None;
  GSTS_REG_ = in_effect_;
}

}  // namespace irqfab::x86
