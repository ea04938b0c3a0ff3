// Where the records of a run go on their way to a file: put into canonical order, then written.
#pragma once

#include <algorithm>

#include "fabric/trace/writer.hpp"
#include "models/sim/engine.hpp"
#include "models/sim/recorder.hpp"

namespace irqfab::trace {

struct RunEnd {
  enum class How : std::uint8_t { Well, StoodStill };
  Time simulated = 0;  // time of the last event
  How how = How::Well;
};

class FileSink final : public RecordSink {
 public:
  explicit FileSink(Writer writer) : writer_(std::move(writer)) {}

  /// Whose time says which records can have no earlier ones any more. Before the run.
  void follow(const Engine& engine) { engine_ = &engine; }

  void take(const Key& key, const TraceRecord& record) override {
    reorder_.add(key, record);
    if (++since_flush_ < kFlushEvery) return;
    since_flush_ = 0;
    reorder_.flush_before(engine_->now(), [this](const TraceRecord& r) { writer_.write(r); });
  }

  /// Ends the file with how the run ended, at `node`; it appears under its name only now.
  Result<Writer::Written> finish(RunEnd end, NodeId node) {
    reorder_.flush_all([this](const TraceRecord& r) { writer_.write(r); });
    // Prices may pass after the last event, so records may be later than it.
    TraceRecord last;
    last.time = std::max(end.simulated, writer_.latest());
    last.node = node;
    if (end.how == RunEnd::How::StoodStill) {
      last.event = Event::TimeStoodStill;
      writer_.write(last);
    }
    last.event = Event::RunEnded;
    last.detail = end.simulated;
    writer_.write(last);
    return writer_.finish();
  }

 private:
  static constexpr unsigned kFlushEvery = 256;

  Writer writer_;
  Reorder reorder_;
  const Engine* engine_ = nullptr;
  unsigned since_flush_ = 0;
};

}  // namespace irqfab::trace
