// An Env that writes down what a core asks for, so that a test reads as stimulus -> effects.
#pragma once

#include <optional>
#include <vector>

#include "models/base/env.hpp"

namespace irqfab::test {

struct Noted {
  Event event;
  SpanId span;
  std::uint64_t detail;
};
struct Sent {
  PortId port;
  Message message;
};
struct Delayed {
  Duration delay;
  Tag tag;
  std::optional<LaneId> lane = std::nullopt;  // absent: the lane of the call
};

class RecordingEnv final : public Env {
 public:
  using Env::note;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    notes.push_back({event, span, detail});
  }
  void send(PortId port, const Message& message) override { sent.push_back({port, message}); }
  void after(Duration delay, Tag tag) override { delays.push_back({delay, tag}); }
  void after(Duration delay, Tag tag, LaneId lane) override {
    delays.push_back({delay, tag, lane});
  }
  Time now() const override { return time; }
  using Env::open;
  SpanId open(Cause cause, SpanId, std::uint32_t source) override {
    const SpanId span = make_span(SourceId{0xF00 + source}, opened_++);
    note(Event::Asserted, span, static_cast<std::uint64_t>(cause));
    return span;
  }

  bool noted(Event event) const { return count(event) > 0; }
  std::size_t count(Event event) const {
    std::size_t n = 0;
    for (const Noted& item : notes) n += item.event == event;
    return n;
  }
  /// The messages of one kind, oldest first.
  template <class T>
  std::vector<T> messages() const {
    std::vector<T> found;
    for (const Sent& item : sent) {
      if (const T* message = std::get_if<T>(&item.message)) found.push_back(*message);
    }
    return found;
  }
  void clear() {
    notes.clear();
    sent.clear();
    delays.clear();
  }

  std::vector<Noted> notes;
  std::vector<Sent> sent;
  std::vector<Delayed> delays;
  Time time = 0;  // what now() answers: a test moves it

 private:
  std::uint64_t opened_ = 0;
};

}  // namespace irqfab::test
