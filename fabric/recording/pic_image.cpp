#include "fabric/recording/pic_image.hpp"

#include "models/x86/pic_ports.hpp"

namespace irqfab::recording {
namespace {

using x86::PicAddress;
using x86::PicChip;
using x86::PicRole;

constexpr std::uint8_t kIcw1 = 0x11;  // edge, cascaded, ICW4 follows
constexpr std::uint8_t kIcw4 = 0x01;  // 8086 mode
constexpr std::uint8_t kCascadeBit = 1u << raw(x86::Pic::kCascade);

struct Ports {
  std::uint16_t command, data, elcr;
};
constexpr Ports ports_of(PicRole role) {
  constexpr Ports kMaster = {x86::Pic::kMasterCommand, x86::Pic::kMasterCommand + 1,
                             x86::Pic::kMasterElcr};
  constexpr Ports kSlave = {x86::Pic::kSlaveCommand, x86::Pic::kSlaveCommand + 1,
                            x86::Pic::kSlaveElcr};
  return role == PicRole::Master ? kMaster : kSlave;
}

/// As the firmware of a PC initializes it.
std::vector<PortWritten> usual_initialization(PicRole role) {
  constexpr std::uint8_t kMasterVectors = 0x08, kSlaveVectors = 0x70;
  const Ports ports = ports_of(role);
  const bool master = role == PicRole::Master;
  return {{ports.command, kIcw1},
          {ports.data, master ? kMasterVectors : kSlaveVectors},
          {ports.data, master ? kCascadeBit : static_cast<std::uint8_t>(raw(x86::Pic::kCascade))},
          {ports.data, kIcw4}};
}

PicChip usual_chip(PicRole role) {
  PicChip chip{PicChip::Config{role}};
  for (const PortWritten& what : usual_initialization(role)) {
    chip.write(x86::pic_port(what.port)->address(), what.value);
  }
  return chip;
}

PicRole role_of(Irqchip chip) {
  return chip == Irqchip::PicMaster ? PicRole::Master : PicRole::Slave;
}

std::uint8_t with(std::uint8_t set, std::uint8_t bit, bool on) {
  return static_cast<std::uint8_t>(on ? set | bit : set & ~bit);
}

}  // namespace

PicImage::PicImage() : chips_{{{usual_chip(PicRole::Master)}, {usual_chip(PicRole::Slave)}}} {}

std::vector<PortWritten> PicImage::saw(const PicSetIrq& event) {
  const PicRole role = role_of(event.chip);
  const Ports ports = ports_of(role);
  Chip& chip = at(role);
  if (raw(event.pin) >= x86::kIrCount || !chip.state.initialized()) return {};
  const std::uint8_t bit = x86::bit_of(x86::Ir(static_cast<std::uint8_t>(raw(event.pin))));
  const std::uint8_t imr = with(chip.state.imr(), bit, event.mask == Mask::On);
  const std::uint8_t elcr = with(chip.state.elcr(), bit, event.trigger == x86::TriggerMode::Level);
  std::vector<PortWritten> writes;
  if (imr != chip.state.imr()) writes.push_back({ports.data, imr});
  if (elcr != chip.state.elcr()) writes.push_back({ports.elcr, elcr});
  chip.state.write(PicAddress::Data, imr);
  chip.state.write_elcr(elcr);
  const bool is_first = (chip.seen & bit) == 0;
  chip.seen |= bit;
  if (!is_first || chip.written) return writes;
  chip.imr = with(chip.imr, bit, event.mask == Mask::On);
  chip.elcr = with(chip.elcr, bit, event.trigger == x86::TriggerMode::Level);
  return {};
}

std::optional<PortWritten> PicImage::wrote(const PicPortWrite& write) {
  const auto place = x86::pic_port(write.port);
  if (!place) return std::nullopt;
  const PortWritten same{write.port, write.value};
  Chip& chip = at(place->role);
  if (place->reg == x86::PicRegister::Elcr) {
    chip.written = true;
    chip.state.write_elcr(write.value);
    return same;
  }
  const PicChip::Written done = chip.state.write(place->address(), write.value);
  if (done.command == PicChip::Command::EndOfInterrupt) return std::nullopt;
  chip.written = true;
  if (done.command == PicChip::Command::Initialization) initialized_ = true;
  return same;
}

std::optional<Vector> PicImage::acknowledged(const AckIrq& event) {
  if (event.chip == Irqchip::Ioapic || raw(event.pin) >= x86::kIrCount) return std::nullopt;
  if (event.chip == Irqchip::PicMaster && event.pin == x86::Pic::kCascade) return std::nullopt;
  used_ = true;
  const auto ir = x86::Ir(static_cast<std::uint8_t>(raw(event.pin)));
  return at(role_of(event.chip)).state.vector(ir);
}

std::vector<PortWritten> PicImage::initial_writes() const {
  if (!used_ || initialized_) return {};
  std::vector<PortWritten> writes;
  for (const PicRole role : {PicRole::Master, PicRole::Slave}) {
    const Chip& chip = at(role);
    const Ports ports = ports_of(role);
    for (const PortWritten& what : usual_initialization(role)) writes.push_back(what);
    // What was never driven may as well be masked; but not the way to the slave.
    const std::uint8_t silent = static_cast<std::uint8_t>(~chip.seen);
    const std::uint8_t cascade = role == PicRole::Master ? kCascadeBit : 0;
    writes.push_back({ports.data, with(chip.imr | silent, cascade, false)});
    writes.push_back({ports.elcr, chip.elcr});
  }
  return writes;
}

}  // namespace irqfab::recording
