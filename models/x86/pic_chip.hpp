// One 8259A: its command words, its registers and its priorities, as bits. What spans, wires and
// the bus have to do with them is in pic.hpp.
//
// Models: Intel 8259A data sheet (order number 231468): ICW1-ICW4, OCW1-OCW3, edge and level
// inputs, fully nested, special fully nested and special mask mode, fixed and rotating priority,
// automatic EOI, poll, the address bytes of both processor modes; and the edge/level control
// register of the PIIX and ICH data sheets. Not modelled: the third INTA pulse of an 8080 (see
// vector()), buffered mode beyond its bits, the time between the pulses of INTA.
//
// Choices the data sheet leaves open. ICW1 also clears the ISR and the rotation in automatic EOI
// mode. In special mask mode, a level in service that is not masked blocks as ever. A poll leaves
// the register that is selected for reading as it was, and is decided when it is read. OCW2 and
// OCW3 work during initialization; a chip that was never initialized latches requests and asks for
// nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/base/ids.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::x86 {

/// An interrupt request input of one chip, 0..7.
enum class Ir : std::uint8_t {};
constexpr unsigned kIrCount = 8;
/// Its bit in the chip's registers.
constexpr std::uint8_t bit_of(Ir ir) { return static_cast<std::uint8_t>(1u << raw(ir)); }

enum class PicRole : std::uint8_t { Master, Slave };
/// Which register an access reaches: the level of A0.
enum class PicAddress : std::uint8_t { Command, Data };
/// What makes an input level-sensitive.
enum class PicTrigger : std::uint8_t {
  Ltim,  // ICW1, for all eight at once: a chip of its own
  Elcr,  // a register with a bit for each, and ICW1's is ignored: PIIX and later
};

class PicChip final {
 public:
  struct Config {
    PicRole role = PicRole::Master;
    PicTrigger trigger = PicTrigger::Elcr;
    Quirks quirks{};
  };
  /// What a hypervisor restores of a chip that is initialized.
  struct Settings {
    std::uint8_t imr = 0;
    std::uint8_t vectors = 0;  // ICW2: bits 7:3 of the vectors
    std::uint8_t elcr = 0;
  };
  enum class Command : std::uint8_t { Setting, EndOfInterrupt, Initialization };
  struct Written {
    Command command = Command::Setting;
    std::uint8_t ended = 0;  // ISR bits that it cleared
  };

  explicit PicChip(const Config& config);

  void set_line(Ir ir, Level level);
  /// The line rises, unless it is high, and falls: an edge-sensitive input keeps that, a level is
  /// gone again.
  void pulse(Ir ir);

  /// The request that INT stands for.
  std::optional<Ir> request() const;
  /// INTA: moves the request from IRR to ISR, and on to its end with automatic EOI. Without a
  /// request nothing changes, and the chip answers as for IR7.
  std::optional<Ir> acknowledge();
  static constexpr Ir kDefault{7};
  bool automatic_eoi() const;
  /// The byte of the second INTA pulse. In 8080 mode that is the low half of an address, which a
  /// processor of the 8086 family takes for a vector all the same.
  Vector vector(Ir ir) const;
  /// Does a slave answer for this input of a master (ICW3)?
  bool has_slave(Ir ir) const;
  /// The cascade address that a slave answers to (ICW3).
  Ir slave_address() const;

  Written write(PicAddress address, std::uint8_t value);
  /// Not while polled(): then the next read is an INTA: end_poll() and acknowledge().
  std::uint8_t read(PicAddress address) const;
  bool polled() const { return polled_; }
  void end_poll() { polled_ = false; }
  /// Reserved bits stay clear. A chip without ELCR ignores it.
  void write_elcr(std::uint8_t value);
  /// ELCR is taken as it is given, reserved bits included (KVM_SET_IRQCHIP).
  void restore(const Settings& settings);

  std::uint8_t irr() const { return irr_; }
  std::uint8_t isr() const { return isr_; }
  std::uint8_t imr() const { return imr_; }
  std::uint8_t elcr() const { return elcr_; }
  std::uint8_t lines() const { return lines_; }
  bool initialized() const { return expected_ == Expected::Nothing; }
  bool buffered() const;
  /// Inputs that follow their level now.
  std::uint8_t level_sensitive() const;

  friend bool operator==(const PicChip& a, const PicChip& b);

 private:
  enum class Expected : std::uint8_t { Icw1, Icw2, Icw3, Icw4, Nothing };

  Written initialize(std::uint8_t icw1);
  void continue_initialization(std::uint8_t icw);
  void presume_initialized();
  Written operate(std::uint8_t ocw2);
  void set_modes(std::uint8_t ocw3);
  void set_elcr(std::uint8_t value);
  std::optional<Ir> highest_of(std::uint8_t set) const;
  unsigned rank_of(Ir ir) const;
  std::uint8_t blocking() const;

  Config config_;
  Expected expected_ = Expected::Icw1;
  std::uint8_t icw1_ = 0, icw2_ = 0, icw3_ = 0, icw4_ = 0;
  std::uint8_t lines_ = 0, irr_ = 0, isr_ = 0, imr_ = 0, elcr_ = 0;
  Ir lowest_{7};  // the input of the lowest priority; the next one has the highest
  bool special_mask_ = false;
  bool rotates_in_automatic_eoi_ = false;
  bool reads_isr_ = false;
  bool polled_ = false;
};

}  // namespace irqfab::x86
