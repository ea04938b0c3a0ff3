// The software's side of a remapping unit: its registers and its invalidation queue.
#include <cstring>

#include "models/x86/vtd_remapper.hpp"

namespace irqfab::x86 {

using namespace vtd;

namespace {

constexpr std::uint32_t kVersion = 0x10;                                  // 1.0
constexpr std::uint64_t kCapabilities = Cap::FRO::set(0, FRCD_REG / 16);  // one fault record
constexpr std::uint64_t kExtendedCapabilities =
    Ecap::MHMV::set(Ecap::IR::set(Ecap::QI::set(0, 1), 1), 15);
constexpr Tag kWaitMarker{0};  // one wait at a time

std::uint32_t dword_of(std::uint64_t reg, std::uint64_t offset) {
  return static_cast<std::uint32_t>(offset % 8 == 4 ? reg >> 32 : reg);
}
std::uint64_t with_dword(std::uint64_t reg, std::uint64_t offset, std::uint32_t value) {
  return offset % 8 == 4 ? Field<63, 32>::set(reg, value) : Field<31, 0>::set(reg, value);
}
bool is_register_access(std::uint64_t offset, unsigned size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

}  // namespace

// ---- invalidation -----------------------------------------------------------------------------

void VtdRemapper::invalidate_all(Env& env) {
  cache_.invalidate_all();
  slots_.invalidate([](std::uint32_t) { return true; });
  env.note(Event::IecInvalidated, kNoSpan, ~std::uint64_t{0});
}

void VtdRemapper::invalidate(const IndexRange& range, Env& env) {
  cache_.invalidate(range);
  slots_.invalidate([&](std::uint32_t index) { return range.covers(index); });
  env.note(Event::IecInvalidated, kNoSpan, range.first);
}

/// Fetches the descriptor at the head, if there is one and nothing is under way.
void VtdRemapper::advance_queue(Env& env) {
  if (queue_state_ != QueueState::Idle || !Gsts::QIES::is_set(GSTS_REG_)) return;
  if (faults_.queue_error() || IQH_REG_ == IQT_REG_) return;
  if (IQT_REG_ >= queue_bytes()) return stop_queue();
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
  if (answer.status != BusStatus::Ok) return stop_queue();

  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, answer.data.data(), sizeof low);
  std::memcpy(&high, answer.data.data() + sizeof low, sizeof high);
  switch (static_cast<DescriptorType>(DescriptorTypeField::get(low))) {
    case DescriptorType::ContextCache:
    case DescriptorType::Iotlb:
      return finish_descriptor(env);
    case DescriptorType::InterruptEntryCache:
      if ((low & ~IecDescriptor::kLowMask) != 0 || high != 0) return stop_queue();
      if (IecDescriptor::G::is_set(low)) {
        invalidate(IndexRange{static_cast<std::uint32_t>(IecDescriptor::IIDX::get(low)),
                              static_cast<unsigned>(IecDescriptor::IM::get(low))},
                   env);
      } else {
        invalidate_all(env);
      }
      return finish_descriptor(env);
    case DescriptorType::Wait:
      return on_wait(low, high, env);
  }
  stop_queue();
}

void VtdRemapper::on_wait(std::uint64_t low, std::uint64_t high, Env& env) {
  if ((low & ~WaitDescriptor::kLowMask) != 0 ||
      (high & ~WaitDescriptor::StatusAddress::kMask) != 0) {
    return stop_queue();
  }
  wait_low_ = low;
  wait_high_ = high;
  if (config_.mutants.has(Mutant::InvalidationWaitEarly)) return complete_wait(env);
  fence_ = slots_.fence();
  queue_state_ = QueueState::Draining;
  drain(env);
}

/// VT-d, "Interrupt Draining": once everything older has left, a marker follows it to the interrupt
/// controller.
void VtdRemapper::drain(Env& env) {
  if (queue_state_ != QueueState::Draining || slots_.any_older_than(fence_)) return;
  queue_state_ = QueueState::Marking;
  env.send(kOutput, Marker{kWaitMarker});
}

void VtdRemapper::on_marker_done(Env& env) {
  if (queue_state_ == QueueState::Marking) return complete_wait(env);
  if (queue_state_ != QueueState::Abandoned) return;
  queue_state_ = QueueState::Idle;
  advance_queue(env);
}

void VtdRemapper::complete_wait(Env& env) {
  env.note(Event::InvalidationWaited, kNoSpan, QueueOffset::get(IQH_REG_));
  if (WaitDescriptor::SW::is_set(wait_low_)) {
    env.send(kMemory,
             BusWrite{wait_high_, WaitDescriptor::StatusData::get(wait_low_), kNoSpan, {}, 4});
  }
  if (WaitDescriptor::IF::is_set(wait_low_)) ICS_REG_ = Ics::IWC::set(ICS_REG_, 1);
  finish_descriptor(env);
}

void VtdRemapper::finish_descriptor(Env& env) {
  queue_state_ = QueueState::Idle;
  IQH_REG_ = (IQH_REG_ + kDescriptorBytes) % queue_bytes();
  advance_queue(env);
}

/// The head stays at the descriptor that is wrong (VT-d 6.5.2, "Invalidation Queue Error").
void VtdRemapper::stop_queue() {
  queue_state_ = QueueState::Idle;
  faults_.set_queue_error();
}

std::uint64_t VtdRemapper::queue_bytes() const {
  return std::uint64_t{4096} << Iqa::QS::get(IQA_REG_);
}

// ---- registers --------------------------------------------------------------------------------

void VtdRemapper::on_register_write(const BusWrite& write, Env& env) {
  const std::uint64_t offset = write.address - config_.register_base;
  if (offset >= kRegisterBytes) return env.guest_error(GuestFault::UnclaimedAddress);
  if (!is_register_access(offset, write.size)) return env.guest_error(GuestFault::WrongAccessSize);
  write_register(offset, static_cast<std::uint32_t>(write.data), env);
  if (write.size == 8) {
    write_register(offset + 4, static_cast<std::uint32_t>(write.data >> 32), env);
  }
}

BusData VtdRemapper::answer_to(const BusRead& read, Env& env) const {
  BusData answer{{}, read.tag, BusStatus::Ok};
  const std::uint64_t offset = read.address - config_.register_base;
  if (offset >= kRegisterBytes) {
    env.guest_error(GuestFault::UnclaimedAddress);
    answer.status = BusStatus::NoDecode;
  } else if (!is_register_access(offset, read.size)) {
    env.guest_error(GuestFault::WrongAccessSize);
    answer.status = BusStatus::Error;
  } else {
    for (unsigned at = 0; at < read.size; at += 4) {
      const std::uint32_t value = read_register(offset + at, env);
      std::memcpy(answer.data.data() + at, &value, sizeof value);
    }
  }
  return answer;
}

std::uint32_t VtdRemapper::read_register(std::uint64_t offset, Env& env) const {
  switch (offset) {
    case VER_REG:
      return kVersion;
    case CAP_REG:
    case CAP_REG + 4:
      return dword_of(kCapabilities, offset);
    case ECAP_REG:
    case ECAP_REG + 4:
      return dword_of(kExtendedCapabilities, offset);
    case GCMD_REG:
      return 0;  // write-only
    case GSTS_REG:
      return GSTS_REG_;
    case FSTS_REG:
      return faults_.FSTS_REG();
    case IQH_REG:
    case IQH_REG + 4:
      return dword_of(IQH_REG_, offset);
    case IQT_REG:
    case IQT_REG + 4:
      return dword_of(IQT_REG_, offset);
    case IQA_REG:
    case IQA_REG + 4:
      return dword_of(IQA_REG_, offset);
    case ICS_REG:
      return ICS_REG_;
    case IRTA_REG:
    case IRTA_REG + 4:
      return dword_of(IRTA_REG_, offset);
    case FRCD_REG:
    case FRCD_REG + 4:
      return dword_of(faults_.low(), offset);
    case FRCD_REG + 8:
    case FRCD_REG + 12:
      return dword_of(faults_.high(), offset);
    default:
      env.guest_error(GuestFault::UnknownRegister);
      return 0;  // reserved
  }
}

void VtdRemapper::write_register(std::uint64_t offset, std::uint32_t value, Env& env) {
  switch (offset) {
    case GCMD_REG:
      return write_GCMD_REG(value, env);
    case FSTS_REG:
      faults_.write_FSTS_REG(value);
      return advance_queue(env);
    case IQT_REG:
    case IQT_REG + 4:
      IQT_REG_ = with_dword(IQT_REG_, offset, value) & QueueOffset::kMask;
      return advance_queue(env);
    case IQA_REG:
    case IQA_REG + 4:
      IQA_REG_ = with_dword(IQA_REG_, offset, value) & (Iqa::IQA::kMask | Iqa::QS::kMask);
      return;
    case ICS_REG:  // write 1 to clear
      if (Ics::IWC::is_set(value)) ICS_REG_ = Ics::IWC::set(ICS_REG_, 0);
      return;
    case IRTA_REG:
    case IRTA_REG + 4:
      IRTA_REG_ = with_dword(IRTA_REG_, offset, value) & (Irta::IRTA::kMask | Irta::S::kMask);
      return;
    case FRCD_REG + 8:
    case FRCD_REG + 12:
      return faults_.write_high(with_dword(0, offset, value));
    case VER_REG:
    case CAP_REG:
    case CAP_REG + 4:
    case ECAP_REG:
    case ECAP_REG + 4:
    case GSTS_REG:
    case IQH_REG:
    case IQH_REG + 4:
    case FRCD_REG:
    case FRCD_REG + 4:
      return;  // read-only
    default:
      return env.guest_error(GuestFault::UnknownRegister);
  }
}

void VtdRemapper::write_GCMD_REG(std::uint32_t value, Env& env) {
  if (Gcmd::SIRTP::is_set(value)) {
    table_ = IRTA_REG_;
    GSTS_REG_ = Gsts::IRTPS::set(GSTS_REG_, 1);
  }
  GSTS_REG_ = Gsts::IRES::set(GSTS_REG_, Gcmd::IRE::get(value));
  GSTS_REG_ = Gsts::CFIS::set(GSTS_REG_, Gcmd::CFI::get(value));
  set_queued_invalidation(Gcmd::QIE::is_set(value));
  advance_queue(env);
}

/// Disabling resets the head; what is under way then has no effect any more.
void VtdRemapper::set_queued_invalidation(bool enabled) {
  GSTS_REG_ = Gsts::QIES::set(GSTS_REG_, enabled);
  if (enabled) return;
  IQH_REG_ = 0;
  if (queue_state_ == QueueState::Draining) queue_state_ = QueueState::Idle;
  if (queue_state_ != QueueState::Idle) queue_state_ = QueueState::Abandoned;
}

}  // namespace irqfab::x86
