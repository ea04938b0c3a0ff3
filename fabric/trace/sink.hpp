// Where the records of a run go on their way to a file: put into canonical order, then written.
#pragma once

#include "fabric/trace/writer.hpp"
#include "models/sim/engine.hpp"
#include "models/sim/recorder.hpp"

namespace irqfab::trace {

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

  /// Ends the file; it appears under its name only now.
  Result<Writer::Written> finish() {
    reorder_.flush_all([this](const TraceRecord& r) { writer_.write(r); });
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
