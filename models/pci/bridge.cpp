#include "models/pci/bridge.hpp"

#include <cstring>

namespace irqfab::pci {
namespace {

constexpr std::uint32_t kBridgeClass = 0x060400u << 8;  // PCI-to-PCI bridge
constexpr std::uint32_t kBridgeHeader = 1u << 16;       // type 1, in the dword with Header Type
constexpr std::uint64_t kBusNumbers = 0x18;
constexpr std::uint64_t kBytesOfBus = 0x100000;  // configuration space of one bus

}  // namespace

void Bridge::receive(PortId port, const Message& message, Env& env) {
  const unsigned spec = spec_of(port);
  if (spec == spec_of(kSecondary)) {
    if (const auto* write = std::get_if<BusWrite>(&message)) return on_upstream_write(*write, env);
    if (const auto* read = std::get_if<BusRead>(&message)) return refuse_read(port, *read, env);
  } else if (spec == spec_of(kIntx)) {
    if (const auto* change = std::get_if<PinChange>(&message)) on_intx(port, *change, env);
  } else if (spec == spec_of(kPrimary)) {
    if (const auto* write = std::get_if<BusWrite>(&message)) return on_write_down(*write, env);
    if (const auto* read = std::get_if<BusRead>(&message)) return on_read_down(*read, env);
  } else if (spec == spec_of(kDownstream)) {
    env.note(Event::CompletionForwarded, span_of(message));
    env.send(kPrimary, message);
  }
}

void Bridge::on_upstream_write(BusWrite write, Env& env) {
  // PCI-to-PCI Bridge 1.2, 3.2.4.3: without Bus Master the bridge answers nothing from below. The
  // writer of a posted write is not told.
  if ((command_ & kBusMaster) == 0) {
    if (write.span == kNoSpan) return env.guest_error(GuestFault::UnclaimedAddress);
    return env.drop(write.span, DropReason::BusMasterOff);
  }
  if (config_.kind == BridgeKind::PcieToPci) {
    write.requester.rid = RequesterId(static_cast<std::uint16_t>(config_.secondary << 8));
    env.note(Event::PciBridgeForwarded, write.span, write.address);
  } else {
    env.note(Event::RootPortForwarded, write.span, write.address);
  }
  env.send(kUpstream, write);
}

void Bridge::refuse_read(PortId port, const BusRead& read, Env& env) {
  env.guest_error(GuestFault::UnclaimedAddress);
  BusData refused{{}, read.tag, BusStatus::NoDecode, read.span};
  refused.data.fill(0xFF);
  env.send(port, refused);
}

void Bridge::on_intx(PortId port, const PinChange& change, Env& env) {
  const unsigned device = config_.below.device(edge_of(port), change.driver);
  const auto wire = static_cast<std::uint16_t>(swizzled(device, raw(change.pin)));
  env.note(Event::IntxSwizzled, change.span, wire);
  env.send(kIntxUp, PinChange{Pin{wire}, change.level, change.driver, change.span});
}

Bridge::Down Bridge::meaning_of(std::uint64_t address) const {
  if (address - own_space() < kConfigSpaceBytes) return Down::Own;
  const std::uint64_t buses = config_.subordinate - config_.secondary + 1u;
  const bool config =
      address - (config_.ecam_base + config_.secondary * kBytesOfBus) < buses * kBytesOfBus;
  return config || (command_ & kMemorySpace) != 0 ? Down::Forwarded : Down::Nobody;
}

void Bridge::on_write_down(const BusWrite& write, Env& env) {
  env.note(Event::BusRouted, write.span, write.address);
  switch (meaning_of(write.address)) {
    case Down::Forwarded:
      return env.send(way_to(write.address), write);
    case Down::Nobody:
      return env.guest_error(GuestFault::UnclaimedAddress);
    case Down::Own:
      break;
  }
  const auto access = config_write_of(write.address - own_space(), write);
  if (!access) return env.guest_error(GuestFault::WrongAccessSize);
  if (access->offset != kConfigCommand) return;
  write_command(static_cast<std::uint16_t>(access->merged_into(config_dword(kConfigCommand))));
}

void Bridge::on_read_down(const BusRead& read, Env& env) {
  env.note(Event::BusRouted, read.span, read.address);
  const Down meaning = meaning_of(read.address);
  if (meaning == Down::Forwarded) return env.send(way_to(read.address), read);
  if (meaning == Down::Nobody) return refuse_read(kPrimary, read, env);
  BusData answer{{}, read.tag, BusStatus::Ok, read.span};
  answer.data.fill(0xFF);
  const std::uint64_t offset = read.address - own_space();
  const std::uint64_t low = config_dword(offset & ~std::uint64_t{3});
  const std::uint64_t high = config_dword((offset & ~std::uint64_t{3}) + 4);
  const std::uint64_t value = (low | high << 32) >> (offset % 4 * 8);
  std::memcpy(answer.data.data(), &value, sizeof value);
  env.send(kPrimary, answer);
}

PortId Bridge::way_to(std::uint64_t address) const {
  return port_of(spec_of(kDownstream), edge_to(config_.routes, address));
}

std::uint32_t Bridge::config_dword(std::uint64_t offset) const {
  switch (offset) {
    case kConfigId:
      return kBridgeVendorAndDevice;
    case kConfigCommand:
      return command_;
    case kConfigClass:
      return kBridgeClass;
    case kConfigHeaderType:
      return kBridgeHeader;
    case kBusNumbers:
      return static_cast<std::uint32_t>(raw(config_.rid) >> 8 | config_.secondary << 8 |
                                        config_.subordinate << 16);
    default:
      return 0;
  }
}

}  // namespace irqfab::pci
