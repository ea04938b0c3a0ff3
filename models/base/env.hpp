// Everything a core may touch. A core is a value: it holds no pointer outwards, knows no clock and
// no file, and says what it wants done through the Env of the current call.
#pragma once

#include "models/base/event.hpp"
#include "models/base/message.hpp"
#include "models/base/outcome.hpp"

namespace irqfab {

class Env {
 public:
  /// Something happened to `span` here. The event's price passes before whatever the core does
  /// next, and the trace shows the event at the end of its price.
  virtual void note(Event event, SpanId span, std::uint64_t detail) = 0;

  /// Leaves through an output port once the prices noted so far have passed.
  virtual void send(PortId port, const Message& message) = 0;

  /// Comes back as Elapsed{tag} after `delay` on top of the prices noted so far. For lengths that
  /// the scenario gives (a handler, a timer); latencies of hops are prices.
  virtual void after(Duration delay, Tag tag) = 0;
  /// The same, on another lane of this model: one CPU of a machine sets another going.
  virtual void after(Duration delay, Tag tag, LaneId lane) = 0;

  /// When this is: the prices noted so far have passed. For registers that show time, and for what
  /// is left of a delay that is interrupted; nothing else may depend on it. 0 where no time passes.
  virtual Time now() const { return 0; }

  /// Opens a span that starts here, and notes Asserted with the cause. `parent` is the span it was
  /// forked or resampled from, or kNoSpan. `source` counts within this lane: a function's vectors,
  /// then its INTx pin; models with one source a lane leave it 0.
  virtual SpanId open(Cause cause, SpanId parent, std::uint32_t source) = 0;
  SpanId open(Cause cause, SpanId parent) { return open(cause, parent, 0); }

  /// The same for work whose length is so many times the event's price, as one event.
  virtual void note_many(Event event, SpanId span, std::uint64_t detail, std::uint32_t /*times*/) {
    note(event, span, detail);
  }
  void note(Event event, SpanId span) { note(event, span, 0); }
  void drop(SpanId span, DropReason reason) {
    note(Event::Dropped, span, static_cast<std::uint64_t>(reason));
  }
  void cancel(SpanId span, CancelOp op) {
    note(Event::Cancelled, span, static_cast<std::uint64_t>(op));
  }
  void coalesce(SpanId span, SpanId into) { note(Event::Coalesced, span, raw(into)); }
  void guest_error(GuestFault fault) {
    note(Event::GuestError, kNoSpan, static_cast<std::uint64_t>(fault));
  }

 protected:
  ~Env() = default;
};

}  // namespace irqfab
