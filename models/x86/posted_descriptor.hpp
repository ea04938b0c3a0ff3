// The posted-interrupt descriptor: 64 bytes of memory that a remapping unit, processors and the
// software that runs virtual CPUs share.
//
// Models: VT-d, 9.11 "Posted Interrupt Descriptor" and 5.2.3 "Interrupt-Posting Hardware
// Operation"; SDM vol. 3, 30.6 "Posted-Interrupt Processing", for the fields that processors use.
// Each method is one atomic access to the line. The interrupts that were posted rest here, a span a
// bit of the PIR; spans are bookkeeping and no part of the 64 bytes.
// Not modelled: bits that are reserved, which keep zeros.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/field.hpp"
#include "models/base/message.hpp"
#include "models/x86/vector_set.hpp"

namespace irqfab::x86 {

/// Bits 319:256 of the descriptor, the PIR being bits 255:0.
struct DescriptorControl {
  using ON = Flag<0>;  // outstanding notification
  using SN = Flag<1>;  // suppress notification; not of an urgent request
  using NV = Field<23, 16>;
  using NDST = Field<63, 32>;
  using NDST_XAPIC = Field<47, 40>;  // of NDST, in xAPIC mode
};

/// What BusData that answers PostInterrupt holds: bytes 7:0 the control word as the update left it,
/// byte 8 not 0 if the unit that posted is to send the notification.
struct PostAnswer {
  std::uint64_t control = 0;
  bool notify = false;
};
BusData encode(const PostAnswer& answer, Tag tag, SpanId span);
PostAnswer decode_post_answer(const BusData& data);

class PostedDescriptor {
 public:
  static constexpr std::uint64_t kBytes = 64;

  /// The update of VT-d 5.2.3: sets the vector's bit, and ON if a notification is due, which is so
  /// when ON is clear and SN is clear or the request urgent. A bit that was set coalesces `span`.
  /// `line` names the descriptor in the trace.
  PostAnswer post(Vector vector, Urgency urgency, SpanId span, std::uint32_t line, Env& env);
  /// The same for who has noted Posted already, before its price passed.
  PostAnswer update(Vector vector, Urgency urgency, SpanId span, Env& env);

  /// Takes 64 bits of the PIR, vectors 64 * `quarter` and up, and leaves zeros: calls
  /// `take(Vector, SpanId)` for each, lowest vector first. `quarter` is 0..3.
  template <class Take>
  void take_quarter(unsigned quarter, Take&& take) {
    std::uint64_t bits = pir_word(quarter);
    while (bits != 0) {
      const auto vector = Vector(64 * quarter + static_cast<unsigned>(__builtin_ctzll(bits)));
      bits &= bits - 1;
      pir_.remove(vector);
      take(vector, std::exchange(spans_[raw(vector)], kNoSpan));
    }
  }

  /// Software's plain write of vectors 64 * `quarter` and up: an interrupt whose bit it writes as
  /// zero is taken back, a bit that it sets is nobody's interrupt.
  void write_quarter(unsigned quarter, std::uint64_t bits, Env& env);
  /// The same of the control word. Reserved bits stay zero.
  void write_control(std::uint64_t bits);

  const VectorSet& pir() const { return pir_; }
  std::uint64_t pir_word(unsigned quarter) const {
    return pir_.register_word(2 * quarter) | std::uint64_t{pir_.register_word(2 * quarter + 1)}
                                                 << 32;
  }
  bool on() const { return DescriptorControl::ON::is_set(control_); }
  bool sn() const { return DescriptorControl::SN::is_set(control_); }
  Vector nv() const { return Vector(DescriptorControl::NV::get(control_)); }
  std::uint32_t ndst() const {
    return static_cast<std::uint32_t>(DescriptorControl::NDST::get(control_));
  }
  std::uint64_t control() const { return control_; }

  void set_on(bool on) { control_ = DescriptorControl::ON::set(control_, on); }
  void set_sn(bool sn) { control_ = DescriptorControl::SN::set(control_, sn); }
  void set_nv(Vector nv) { control_ = DescriptorControl::NV::set(control_, raw(nv)); }
  void set_ndst(std::uint32_t ndst) { control_ = DescriptorControl::NDST::set(control_, ndst); }

  /// The interrupt that rests at the vector's bit, or kNoSpan.
  SpanId span_at(Vector vector) const { return spans_[raw(vector)]; }

  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const PostedDescriptor& a, const PostedDescriptor& b) {
    return a.control_ == b.control_ && a.pir_ == b.pir_ && a.spans_ == b.spans_;
  }

 private:
  std::uint64_t control_ = 0;
  VectorSet pir_;
  std::array<SpanId, 256> spans_{};
};

}  // namespace irqfab::x86
