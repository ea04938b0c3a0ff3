// What each vCPU accepted and acknowledged, and what that says about how it ended.
//
// Models: SDM vol. 3, 11.8.4 "Interrupt Acceptance for Fixed Interrupts": of two pending vectors
// the higher one is serviced first, so an EOI of the lower one, accepted later, before that of the
// higher one means that the higher one's EOI left no event (APICv and AVIC do not exit for the EOI
// of an edge), or that the event was lost. A level that comes again at its EOI holds all below it
// back without end, and says nothing about them. Not modelled: a second acceptance of a vector that
// is in service counts as merged with the first; the recording does not tell the two apart.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "fabric/recording/replay.hpp"

namespace irqfab::recording {

class AcknowledgeLedger {
 public:
  enum class Origin : std::uint8_t { Recorded, Earlier };
  enum class Delivery : std::uint8_t { First, Again };  // Again: of a level still high at its EOI
  struct Pending {
    Vector vector{};
    std::uint64_t sent_ns = 0;  // when whoever sent it began
    std::uint64_t accepted_ns = 0;
    Delivery delivery = Delivery::First;
  };

  void accepted(ApicId apic, const Pending& interrupt);
  /// Whether the interrupt that this EOI ends was accepted in the recording.
  Origin acknowledged(ApicId apic, Vector vector, std::uint64_t ns);
  /// An EOI with nothing in service.
  void touched(ApicId apic, std::uint64_t ns) { rows_[apic].last_eoi_ns = ns; }

  EoisSeen eois() const;
  bool any_accepted() const { return any_accepted_; }
  /// A vector was accepted again before its EOI.
  bool merged() const { return merged_; }
  /// What this vCPU never acknowledged, by vector.
  std::vector<Pending> left_by(ApicId apic) const;
  /// The median time in ns that an interrupt was a vCPU's next and then in service; nothing if none
  /// ended.
  std::optional<std::uint64_t> usual_service() const;
  /// When it must have left the guest for good; nothing if it did not, or if EOIs are missing.
  std::optional<std::uint64_t> stop_of(ApicId apic) const;

 private:
  struct Slot {
    bool waiting = false;
    Pending interrupt;
    unsigned passes = 0;  // later interrupts that were acknowledged before it
  };
  struct Row {
    std::array<Slot, 256> slots;
    std::vector<Vector> waiting;
    std::uint64_t last_eoi_ns = 0;
  };

  void pass_over(Row& row, const Pending& later);

  std::map<ApicId, Row> rows_;
  std::vector<std::uint64_t> services_;  // ns, in order of the EOIs
  bool any_accepted_ = false;
  bool any_eoi_ = false;
  bool passed_over_ = false;
  bool merged_ = false;
};

}  // namespace irqfab::recording
