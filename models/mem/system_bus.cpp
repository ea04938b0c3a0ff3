#include "models/mem/system_bus.hpp"

#include <algorithm>

namespace irqfab::mem {

SystemBus::SystemBus(const Config& config) : windows_(config.windows) {
  std::sort(windows_.begin(), windows_.end(),
            [](const Window& a, const Window& b) { return a.base < b.base; });
}

void SystemBus::receive(PortId port, const Message& message, Env& env) {
  if (const auto* data = std::get_if<BusData>(&message)) return on_answer(*data, env);
  if (const auto* read = std::get_if<BusRead>(&message)) return on_question(port, *read, env);
  if (const auto* post = std::get_if<PostInterrupt>(&message)) return on_question(port, *post, env);
  const auto* write = std::get_if<BusWrite>(&message);
  if (write == nullptr) return;
  env.note(Event::BusRouted, write->span, write->address);
  const Window* window = find(write->address);
  if (window != nullptr) return env.send(port_of(1, window->target), *write);
  env.guest_error(GuestFault::UnclaimedAddress);
  if (write->span != kNoSpan) env.drop(write->span, DropReason::NoDecode);
}

template <class Question>
void SystemBus::on_question(PortId port, const Question& question, Env& env) {
  env.note(Event::BusRouted, question.span, question.address);
  const Window* window = find(question.address);
  if (window == nullptr) {
    env.guest_error(GuestFault::UnclaimedAddress);
    BusData nothing{{}, question.tag, BusStatus::NoDecode, question.span};
    nothing.data.fill(0xFF);
    return env.send(port, nothing);
  }
  Question forwarded = question;
  forwarded.tag = remember(port, question.tag);
  env.send(port_of(1, window->target), forwarded);
}

void SystemBus::on_answer(const BusData& data, Env& env) {
  if (raw(data.tag) >= outstanding_.size() || !outstanding_[raw(data.tag)].used) return;
  Read& read = outstanding_[raw(data.tag)];
  BusData answer = data;
  answer.tag = read.tag;
  read.used = false;
  env.send(read.from, answer);
}

const Window* SystemBus::find(std::uint64_t address) const {
  auto at = std::upper_bound(windows_.begin(), windows_.end(), address,
                             [](std::uint64_t a, const Window& w) { return a < w.base; });
  if (at == windows_.begin()) return nullptr;
  --at;
  return address - at->base < at->size ? &*at : nullptr;
}

Tag SystemBus::remember(PortId from, Tag tag) {
  for (std::size_t i = 0; i < outstanding_.size(); ++i) {
    if (outstanding_[i].used) continue;
    outstanding_[i] = {from, tag, true};
    return Tag(i);
  }
  outstanding_.push_back({from, tag, true});
  return Tag(outstanding_.size() - 1);
}

}  // namespace irqfab::mem
