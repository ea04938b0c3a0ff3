#include "models/mem/memory.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace irqfab::mem {

void Memory::receive(PortId port, const Message& message, Env& env) {
  if (const auto* write = std::get_if<BusWrite>(&message)) {
    on_write(*write, env);
  } else if (const auto* read = std::get_if<BusRead>(&message)) {
    env.send(port, answer_to(*read, env));
  } else if (const auto* post = std::get_if<PostInterrupt>(&message)) {
    env.guest_error(GuestFault::UnclaimedAddress);
    env.send(port, BusData{{}, post->tag, BusStatus::Error, post->span});
  }
}

bool Memory::contains(std::uint64_t address, std::uint64_t count) const {
  const std::uint64_t offset = address - config_.base;  // huge for an address below the base
  return offset < config_.size && count <= config_.size - offset;
}

void Memory::write(std::uint64_t address, const void* from, std::size_t count) {
  assert(contains(address, count));
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  while (count > 0) {
    const std::uint64_t at = address % kPageBytes;
    const auto part = std::min<std::size_t>(count, kPageBytes - at);
    std::memcpy(pages_[address / kPageBytes].data() + at, bytes, part);
    address += part;
    bytes += part;
    count -= part;
  }
}

void Memory::read(std::uint64_t address, void* to, std::size_t count) const {
  assert(contains(address, count));
  auto* bytes = static_cast<std::uint8_t*>(to);
  while (count > 0) {
    const std::uint64_t at = address % kPageBytes;
    const auto part = std::min<std::size_t>(count, kPageBytes - at);
    const auto page = pages_.find(address / kPageBytes);
    if (page == pages_.end()) {
      std::memset(bytes, 0, part);
    } else {
      std::memcpy(bytes, page->second.data() + at, part);
    }
    address += part;
    bytes += part;
    count -= part;
  }
}

void Memory::on_write(const BusWrite& message, Env& env) {
  if (message.size == 0 || message.size > sizeof message.data) {
    env.guest_error(GuestFault::WrongAccessSize);
  } else if (!contains(message.address, message.size)) {
    env.guest_error(GuestFault::UnclaimedAddress);
  } else {
    write(message.address, &message.data, message.size);
    env.note(Event::MemoryWritten, message.span, message.address);
  }
  if (message.span != kNoSpan) env.drop(message.span, DropReason::NoDecode);
}

BusData Memory::answer_to(const BusRead& message, Env& env) const {
  BusData answer{{}, message.tag, BusStatus::Ok};
  if (message.size == 0 || message.size > answer.data.size()) {
    env.guest_error(GuestFault::WrongAccessSize);
    answer.status = BusStatus::Error;
  } else if (!contains(message.address, message.size)) {
    env.guest_error(GuestFault::UnclaimedAddress);
    answer.status = BusStatus::NoDecode;
  } else {
    read(message.address, answer.data.data(), message.size);
    env.note(Event::MemoryRead, message.span, message.address);
  }
  return answer;
}

/// Every page of this memory, as `other` reads it.
bool Memory::same_pages_as(const Memory& other) const {
  const Page unwritten{};
  return std::all_of(pages_.begin(), pages_.end(), [&](const auto& entry) {
    const auto theirs = other.pages_.find(entry.first);
    return entry.second == (theirs == other.pages_.end() ? unwritten : theirs->second);
  });
}

bool operator==(const Memory& a, const Memory& b) {
  return a.same_pages_as(b) && b.same_pages_as(a);
}

}  // namespace irqfab::mem
