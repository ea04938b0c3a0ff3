#include "models/x86/pic_chip.hpp"

#include <tuple>

#include "models/base/field.hpp"

namespace irqfab::x86 {
namespace {

template <unsigned High, unsigned Low>
using Bits = Field<High, Low, std::uint8_t>;
template <unsigned Bit>
using BitAt = Flag<Bit, std::uint8_t>;

struct Icw1 {
  using Address7to5 = Bits<7, 5>;
  using Select = BitAt<4>;
  using LTIM = BitAt<3>;
  using ADI = BitAt<2>;  // addresses are 4 bytes apart, otherwise 8
  using SNGL = BitAt<1>;
  using IC4 = BitAt<0>;
};
using Icw2Vectors = Bits<7, 3>;
using Icw3Id = Bits<2, 0>;
struct Icw4 {
  using SFNM = BitAt<4>;
  using BUF = BitAt<3>;
  using AEOI = BitAt<1>;
  using UPM = BitAt<0>;  // 8086 mode
};
struct Ocw2 {
  using Operation = Bits<7, 5>;  // R, SL, EOI
  using Target = Bits<2, 0>;
};
/// Values of R, SL, EOI.
enum class Operation : std::uint8_t {
  StopRotatingInAutomaticEoi,
  NonSpecificEoi,
  None,
  SpecificEoi,
  RotateInAutomaticEoi,
  RotateOnNonSpecificEoi,
  SetPriority,
  RotateOnSpecificEoi,
};
struct Ocw3 {
  using ESMM = BitAt<6>;
  using SMM = BitAt<5>;
  using Select = BitAt<3>;
  using P = BitAt<2>;
  using RR = BitAt<1>;
  using RIS = BitAt<0>;
};

/// IRQ 0, 1, 2 and IRQ 8, 13 are edge-sensitive by wiring; their bits are reserved.
constexpr std::uint8_t elcr_bits(PicRole role) { return role == PicRole::Master ? 0xF8 : 0xDE; }
/// Cascading as in every PC: the slave is at IR2.
constexpr std::uint8_t usual_icw3(PicRole role) { return role == PicRole::Master ? 0x04 : 0x02; }

constexpr std::uint8_t without(std::uint8_t set, std::uint8_t taken) {
  return static_cast<std::uint8_t>(set & ~taken);
}

}  // namespace

PicChip::PicChip(const Config& config) : config_(config) {
  if (config.quirks.has(Quirk::PicReadyAtReset)) presume_initialized();
}

void PicChip::presume_initialized() {
  if (initialized()) return;
  icw3_ = usual_icw3(config_.role);
  icw4_ = Icw4::UPM::set(icw4_, 1);
  expected_ = Expected::Nothing;
}

/// "Edge and Level Triggered Modes": an edge is remembered as long as its line stays high; it must
/// stay high until INTA. A level is a request while it is high.
void PicChip::set_line(Ir ir, Level level) {
  const std::uint8_t bit = bit_of(ir);
  if (level == Level::High) {
    irr_ |= bit & (level_sensitive() | ~lines_);
    lines_ |= bit;
    return;
  }
  lines_ = without(lines_, bit);
  const bool remembered =
      config_.quirks.has(Quirk::PicEdgeLatched) && (level_sensitive() & bit) == 0;
  if (!remembered) irr_ = without(irr_, bit);
}

void PicChip::pulse(Ir ir) {
  set_line(ir, Level::High);
  const auto edge = static_cast<std::uint8_t>(irr_ & bit_of(ir) & ~level_sensitive());
  set_line(ir, Level::Low);
  irr_ |= edge;
}

std::uint8_t PicChip::level_sensitive() const {
  if (config_.trigger == PicTrigger::Elcr) return elcr_;
  return Icw1::LTIM::is_set(icw1_) ? 0xFF : 0;
}

std::optional<Ir> PicChip::request() const {
  if (!initialized()) return std::nullopt;
  const std::optional<Ir> requested = highest_of(without(irr_, imr_));
  if (!requested) return std::nullopt;
  const std::optional<Ir> in_service = highest_of(blocking());
  if (!in_service || rank_of(*requested) < rank_of(*in_service)) return requested;
  // "Special Fully Nested Mode": a slave in service is not locked out by itself.
  const bool itself = requested == in_service && has_slave(*requested);
  if (itself && Icw4::SFNM::is_set(icw4_)) return requested;
  return std::nullopt;
}

/// "Special Mask Mode": a level that is masked blocks no other one.
std::uint8_t PicChip::blocking() const { return special_mask_ ? without(isr_, imr_) : isr_; }

std::optional<Ir> PicChip::acknowledge() {
  const std::optional<Ir> taken = request();
  if (!taken) return std::nullopt;
  const std::uint8_t bit = bit_of(*taken);
  irr_ = without(irr_, bit) | (lines_ & level_sensitive() & bit);
  isr_ |= bit;
  if (automatic_eoi()) {
    isr_ = without(isr_, bit);
    if (rotates_in_automatic_eoi_) lowest_ = *taken;
  }
  return taken;
}

bool PicChip::automatic_eoi() const { return Icw4::AEOI::is_set(icw4_); }
bool PicChip::buffered() const { return Icw4::BUF::is_set(icw4_); }

Vector PicChip::vector(Ir ir) const {
  if (Icw4::UPM::is_set(icw4_)) {
    return static_cast<Vector>((icw2_ & Icw2Vectors::kMask) | raw(ir));
  }
  const unsigned spacing = Icw1::ADI::is_set(icw1_) ? 4 : 8;
  const unsigned table = icw1_ & Icw1::Address7to5::kMask & ~(spacing * kIrCount - 1);
  return static_cast<Vector>(table + spacing * raw(ir));
}

bool PicChip::has_slave(Ir ir) const {
  const bool cascades = config_.role == PicRole::Master && !Icw1::SNGL::is_set(icw1_);
  return cascades && (icw3_ & bit_of(ir)) != 0;
}

Ir PicChip::slave_address() const { return Ir{Icw3Id::get(icw3_)}; }

PicChip::Written PicChip::write(PicAddress address, std::uint8_t value) {
  if (address == PicAddress::Command) {
    if (Icw1::Select::is_set(value)) return initialize(value);
    if (!Ocw3::Select::is_set(value)) return operate(value);
    set_modes(value);
  } else if (expected_ == Expected::Icw1 || expected_ == Expected::Nothing) {
    imr_ = value;
  } else {
    continue_initialization(value);
  }
  return {};
}

/// "Initialization Command Words 1 and 2", what ICW1 causes, (a) to (f).
PicChip::Written PicChip::initialize(std::uint8_t icw1) {
  const Written written{Command::Initialization, isr_};
  icw1_ = icw1;
  if (!Icw1::IC4::is_set(icw1)) icw4_ = 0;
  if (config_.role == PicRole::Slave) icw3_ = Icw3Id::kMask;
  irr_ = lines_ & level_sensitive();
  isr_ = 0;
  imr_ = 0;
  lowest_ = Ir{7};
  special_mask_ = false;
  rotates_in_automatic_eoi_ = false;
  reads_isr_ = false;
  polled_ = false;
  expected_ = Expected::Icw2;
  return written;
}

void PicChip::continue_initialization(std::uint8_t icw) {
  const Expected last = Icw1::IC4::is_set(icw1_) ? Expected::Icw4 : Expected::Nothing;
  if (expected_ == Expected::Icw2) {
    icw2_ = icw;
    expected_ = Icw1::SNGL::is_set(icw1_) ? last : Expected::Icw3;
  } else if (expected_ == Expected::Icw3) {
    icw3_ = icw;
    expected_ = last;
  } else {
    icw4_ = icw;
    expected_ = Expected::Nothing;
  }
}

/// "Operation Control Word 2".
PicChip::Written PicChip::operate(std::uint8_t ocw2) {
  const auto operation = static_cast<Operation>(Ocw2::Operation::get(ocw2));
  const Ir target{Ocw2::Target::get(ocw2)};
  std::optional<Ir> ended;
  switch (operation) {
    case Operation::StopRotatingInAutomaticEoi:
    case Operation::RotateInAutomaticEoi:
      rotates_in_automatic_eoi_ = operation == Operation::RotateInAutomaticEoi;
      return {};
    case Operation::None:
      return {};
    case Operation::SetPriority:
      lowest_ = target;
      return {};
    case Operation::NonSpecificEoi:
    case Operation::RotateOnNonSpecificEoi:
      // In special mask mode it does not reach a level that is masked.
      ended = highest_of(blocking());
      if (ended && operation == Operation::RotateOnNonSpecificEoi) lowest_ = *ended;
      break;
    case Operation::SpecificEoi:
    case Operation::RotateOnSpecificEoi:
      ended = target;
      if (operation == Operation::RotateOnSpecificEoi) lowest_ = target;
      break;
  }
  const std::uint8_t cleared = ended ? isr_ & bit_of(*ended) : 0;
  isr_ = without(isr_, cleared);
  return {Command::EndOfInterrupt, cleared};
}

/// "Operation Control Word 3". A poll overrides the choice of a register to read.
void PicChip::set_modes(std::uint8_t ocw3) {
  if (Ocw3::ESMM::is_set(ocw3)) special_mask_ = Ocw3::SMM::is_set(ocw3);
  if (Ocw3::P::is_set(ocw3)) {
    polled_ = true;
  } else if (Ocw3::RR::is_set(ocw3)) {
    reads_isr_ = Ocw3::RIS::is_set(ocw3);
  }
}

std::uint8_t PicChip::read(PicAddress address) const {
  if (address == PicAddress::Data) return imr_;
  return reads_isr_ ? isr_ : irr_;
}

void PicChip::write_elcr(std::uint8_t value) { set_elcr(value & elcr_bits(config_.role)); }

void PicChip::set_elcr(std::uint8_t value) {
  if (config_.trigger == PicTrigger::Ltim) return;
  const std::uint8_t before = elcr_;
  elcr_ = value;
  // The latches know nothing of the trigger mode where they keep what they have.
  if (config_.quirks.has(Quirk::PicEdgeLatched)) return;
  const auto changed = static_cast<std::uint8_t>(before ^ elcr_);
  irr_ = without(irr_, changed) | (lines_ & elcr_ & changed);
}

void PicChip::restore(const Settings& settings) {
  presume_initialized();
  imr_ = settings.imr;
  icw2_ = settings.vectors;
  set_elcr(settings.elcr);
}

/// The priority of an input now, 0 the highest.
unsigned PicChip::rank_of(Ir ir) const {
  return (raw(ir) + kIrCount - 1 - raw(lowest_)) % kIrCount;
}

std::optional<Ir> PicChip::highest_of(std::uint8_t set) const {
  for (unsigned rank = 0; rank < kIrCount; ++rank) {
    const auto ir = static_cast<Ir>((raw(lowest_) + 1 + rank) % kIrCount);
    if ((set & bit_of(ir)) != 0) return ir;
  }
  return std::nullopt;
}

bool operator==(const PicChip& a, const PicChip& b) {
  const auto all = [](const PicChip& c) {
    return std::tie(c.expected_, c.icw1_, c.icw2_, c.icw3_, c.icw4_, c.lines_, c.irr_, c.isr_,
                    c.imr_, c.elcr_, c.lowest_, c.special_mask_, c.rotates_in_automatic_eoi_,
                    c.reads_isr_, c.polled_);
  };
  return all(a) == all(b);
}

}  // namespace irqfab::x86
