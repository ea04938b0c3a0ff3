#include "models/x86/avic_access.hpp"

#include "models/x86/lapic_registers.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

constexpr std::uint32_t kRemoteRead = 0x0C0;

bool is_vector_register(std::uint32_t offset) {
  return offset >= Register::kIsr && offset < Register::kEsr;
}
bool is_lvt(std::uint32_t offset) {
  return offset >= Register::kLvtTimer && offset <= Register::kLvtError;
}

}  // namespace

AvicAccess avic_read(std::uint32_t offset) {
  if (offset % 16 != 0) return AvicAccess::Fault;
  if (is_vector_register(offset) || is_lvt(offset)) return AvicAccess::Allowed;
  switch (offset) {
    case Register::kTpr:
      return AvicAccess::Accelerated;
    case Register::kId:
    case Register::kVersion:
    case Register::kPpr:
    case Register::kEoi:
    case kRemoteRead:
    case Register::kLdr:
    case Register::kDfr:
    case Register::kSvr:
    case Register::kEsr:
    case Register::kIcrLow:
    case Register::kIcrHigh:
    case Register::kInitialCount:
    case Register::kDivideConfiguration:
      return AvicAccess::Allowed;
    default:
      return AvicAccess::Fault;  // APR and the current count, which would have to be computed
  }
}

AvicAccess avic_write(std::uint32_t offset) {
  if (offset % 16 != 0) return AvicAccess::Fault;
  if (is_lvt(offset)) return AvicAccess::Trap;
  switch (offset) {
    case Register::kTpr:
    case Register::kEoi:
    case Register::kIcrLow:
      return AvicAccess::Accelerated;
    case Register::kIcrHigh:
      return AvicAccess::Allowed;
    case Register::kId:
    case kRemoteRead:
    case Register::kLdr:
    case Register::kDfr:
    case Register::kSvr:
    case Register::kEsr:
    case Register::kInitialCount:
    case Register::kDivideConfiguration:
      return AvicAccess::Trap;
    default:
      return AvicAccess::Fault;
  }
}

bool x2avic_passes(std::uint32_t offset) {
  switch (offset) {
    case Register::kApr:  // these are no MSRs
    case kRemoteRead:
    case Register::kDfr:
    case Register::kIcrHigh:
    case Register::kLvtTimer:
    case Register::kSelfIpi:
      return false;
    default:
      return avic_read(offset) != AvicAccess::Fault || offset == Register::kCurrentCount;
  }
}

}  // namespace irqfab::x86
