// Follows spans through what a core notes: each begins once, ends once, and does nothing
// afterwards.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/support/recording_env.hpp"

namespace irqfab::test {

class SpanBook {
 public:
  /// A span that the test itself asserts.
  SpanId begin() {
    const SpanId span = make_span(SourceId{1}, next_++);
    live_.insert(span);
    return span;
  }
  /// Takes over the notes of `env`, oldest first, and clears them.
  void read(RecordingEnv& env) {
    for (const Noted& note : env.notes) read(note);
    env.notes.clear();
  }
  /// The span was handed to somebody who is not under test, who ends it.
  void handed_over(SpanId span) {
    if (live_.erase(span) == 0) wrong("handed over, but not live", span);
  }

  /// Spans without an outcome, ascending.
  std::vector<SpanId> live() const { return {live_.begin(), live_.end()}; }
  /// What broke the rules; empty if nothing did.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  void read(const Noted& note) {
    if (note.event == Event::Asserted) {
      if (!live_.insert(note.span).second) wrong("asserted twice", note.span);
      return;
    }
    if (note.span == kNoSpan) {
      if (row_of(note.event).effect == Effect::Ends) wrong("the end of no span", note.span);
      return;
    }
    if (live_.count(note.span) == 0) {
      return wrong(std::string(name_of(note.event)) + " of a span that is not live", note.span);
    }
    if (row_of(note.event).effect == Effect::Ends) live_.erase(note.span);
  }
  void wrong(const std::string& what, SpanId span) {
    faults_.push_back(what + ": " + std::to_string(raw(span)));
  }

  std::uint64_t next_ = 0;
  std::set<SpanId> live_;
  std::vector<std::string> faults_;
};

/// What a core says it holds, in the same order as SpanBook::live.
template <class Core>
std::vector<SpanId> held_by(const Core& core) {
  std::vector<SpanId> spans;
  core.held_spans(spans);
  std::sort(spans.begin(), spans.end());
  return spans;
}

}  // namespace irqfab::test
