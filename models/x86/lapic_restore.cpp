// The state of a local APIC as a host puts it in place: KVM_SET_LAPIC (api.rst), or a debugger. No
// write of a guest could do this, and no rule of the manual is about it. Registers are as they are
// given, reserved bits included.

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

}  // namespace

/// Bits that come begin spans, bits that go end theirs.
void LapicBank::restore_vectors(VectorSet& set, std::array<SpanId, 256>& spans, unsigned index,
                                std::uint32_t word, Env& env) {
  for (unsigned bit = 0; bit < 32; ++bit) {
    const auto vector = static_cast<Vector>(32 * index + bit);
    const bool wanted = (word >> bit & 1) != 0;
    if (wanted == set.has(vector)) continue;
    SpanId& span = spans[raw(vector)];
    if (wanted) {
      set.add(vector);
      span = env.open(Cause::Software, kNoSpan);
    } else {
      set.remove(vector);
      env.cancel(span, CancelOp::Reset);
      span = kNoSpan;
    }
  }
}

void LapicBank::restore_tmr(Row& row, unsigned index, std::uint32_t word) {
  for (unsigned bit = 0; bit < 32; ++bit) {
    const auto vector = static_cast<Vector>(32 * index + bit);
    if ((word >> bit & 1) != 0) {
      row.tmr.add(vector);
    } else {
      row.tmr.remove(vector);
    }
  }
}

void LapicBank::restore(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  if (!rows_.contains(cpu)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  Row& row = rows_[cpu];
  Spans& spans = spans_[cpu];
  const bool x2apic = mode(cpu) == LapicMode::X2apic;
  if (vectors_at(row, offset)) {
    const unsigned index = (offset - Register::kIsr) / 16 % 8;
    if (offset >= Register::kIrr) {
      restore_vectors(row.irr, spans.irr, index, value, env);
    } else if (offset >= Register::kTmr) {
      restore_tmr(row, index, value);
    } else {
      restore_vectors(row.isr, spans.isr, index, value, env);
    }
    return update_intr(cpu, env);
  }
  const bool derived = x2apic && (offset == Register::kId || offset == Register::kLdr);
  if (derived || offset == Register::kEoi || offset == Register::kVersion) return;
  if (const auto entry = lvt_entry(offset)) {
    lvt(cpu, *entry) = value;
    return update_extint(cpu, env);
  }
  switch (offset) {
    case Register::kTpr:
      row.tpr = value;
      return update_intr(cpu, env);
    case Register::kSvr:  // software's own write would mask the local vector table
      row.svr = value;
      hold_back_if_disabled(row);
      return update_intr(cpu, env);
    case Register::kLdr:
      row.ldr = value;
      return;
    case Register::kDfr:
      row.dfr = value;
      return;
    case Register::kEsr:
      row.esr = value;
      return;
    case Register::kIcrLow:
      row.icr_low = value;
      return;
    case Register::kIcrHigh:
      row.icr_high = value;
      return;
    case Register::kDivideConfiguration:
      return locals_[cpu].timer.set_divide_configuration(value);
    default:
      write_register(cpu, offset, value, env);
  }
}

}  // namespace irqfab::x86
