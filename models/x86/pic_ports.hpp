// Which register of which 8259 an I/O port reaches: PIIX4 (290562) and ICH data sheets.
#pragma once

#include <cstdint>
#include <optional>

#include "models/x86/pic.hpp"

namespace irqfab::x86 {

enum class PicRegister : std::uint8_t { Command, Data, Elcr };
struct PicPort {
  PicRole role{};
  PicRegister reg{};
  /// Of the chip itself; the edge/level control register is beside it.
  constexpr PicAddress address() const {
    return reg == PicRegister::Command ? PicAddress::Command : PicAddress::Data;
  }
};

constexpr std::optional<PicPort> pic_port(std::uint64_t port) {
  switch (port) {
    case Pic::kMasterCommand:
      return PicPort{PicRole::Master, PicRegister::Command};
    case Pic::kMasterCommand + 1:
      return PicPort{PicRole::Master, PicRegister::Data};
    case Pic::kSlaveCommand:
      return PicPort{PicRole::Slave, PicRegister::Command};
    case Pic::kSlaveCommand + 1:
      return PicPort{PicRole::Slave, PicRegister::Data};
    case Pic::kMasterElcr:
      return PicPort{PicRole::Master, PicRegister::Elcr};
    case Pic::kSlaveElcr:
      return PicPort{PicRole::Slave, PicRegister::Elcr};
    default:
      return std::nullopt;
  }
}

}  // namespace irqfab::x86
