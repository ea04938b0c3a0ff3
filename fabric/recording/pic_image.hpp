// The two 8259s as the recording shows them, over time.
//
// Models: Intel 8259A data sheet (231468) where the guest's writes to I/O ports were recorded; else
// the mask and the trigger of a pin that kvm_pic_set_irq prints each time it is driven, which says
// that they are so by then, not since when. EOIs are no input: a replay's handlers write their own.
// Where no initialization was recorded the chips are taken for initialized as the firmware of a PC
// leaves them, vectors 0x08 and 0x70. Not modelled: polled chips, and guests that read a vector.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "fabric/recording/replay.hpp"
#include "models/x86/pic_chip.hpp"

namespace irqfab::recording {

class PicImage {
 public:
  PicImage();

  /// What the guest must have written first, if the pin was not known to be so. The first sight of
  /// a pin goes into the initial state instead, unless the guest was seen to program the chips.
  std::vector<PortWritten> saw(const PicSetIrq& event);
  /// The guest's write, unless it ends an interrupt.
  std::optional<PortWritten> wrote(const PicPortWrite& write);
  /// An interrupt that the 8259s delivered has ended: its vector. None for the slave's request at
  /// the master, which ends beside the slave's own.
  std::optional<Vector> acknowledged(const AckIrq& event);

  /// Did they deliver anything?
  bool used() const { return used_; }
  /// Did the guest initialize them in the recording?
  bool initialized() const { return initialized_; }
  /// What brings chips that come out of a reset to where the recording begins.
  std::vector<PortWritten> initial_writes() const;

 private:
  struct Chip {
    x86::PicChip state;              // without requests
    std::uint8_t imr = 0, elcr = 0;  // initial, of the pins that were driven
    std::uint8_t seen = 0;           // those pins
    bool written = false;            // the guest was seen to program it
  };
  Chip& at(x86::PicRole role) { return chips_[static_cast<std::size_t>(role)]; }
  const Chip& at(x86::PicRole role) const { return chips_[static_cast<std::size_t>(role)]; }

  std::array<Chip, 2> chips_;
  bool used_ = false;
  bool initialized_ = false;
};

}  // namespace irqfab::recording
