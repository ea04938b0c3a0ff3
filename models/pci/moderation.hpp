// Interrupt moderation of PCI functions: events of a vector are gathered, and one interrupt is
// raised for them, after so many events or so long after the first, whichever comes first.
//
// Models what network and storage controllers call interrupt moderation, coalescing or throttling;
// no PCI specification has it. Each vector gathers on its own. The first event's span waits for the
// others, which coalesce into it at once. A timer cannot be called back: one that belongs to a
// batch that is gone finds another generation, of which there are 2^21, and does nothing.
//
// Not modelled: registers for it, rates that adapt, a time between two interrupts (as opposed to
// one after the first event).
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/env.hpp"

namespace irqfab::pci {

class Moderation final {
 public:
  /// Functions that follow each other, with one limit for each of their vectors.
  struct Rule {
    FunctionRow first{};
    std::uint32_t functions = 1;
    std::uint32_t vectors = 0;  // of each
    std::uint32_t count = 2;    // events, from 2
    Duration time = 1;          // ps after the first of them, from 1
  };

  /// What is due to be raised now.
  struct Batch {
    SpanId span = kNoSpan;     // kNoSpan: nothing is
    std::uint32_t events = 0;  // that the span stands for
  };

  /// `rules` ascend and do not overlap.
  explicit Moderation(std::vector<Rule> rules);

  /// An event of a vector that a rule covers.
  Batch gather(FunctionRow row, VectorIndex index, SpanId span, Env& env);
  /// The time of Elapsed{tag} on this row's lane has come.
  Batch elapsed(FunctionRow row, Tag tag);
  /// The vector that gather() made the tag for.
  static VectorIndex vector_of(Tag tag) { return VectorIndex(raw(tag) & 0x7FF); }

  const std::vector<Rule>& rules() const { return rules_; }
  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const Moderation& a, const Moderation& b);

 private:
  struct Gathered {
    SpanId first = kNoSpan;
    std::uint32_t events = 0;
    std::uint32_t generation = 0;
  };

  const Rule& rule_of(FunctionRow row) const;
  Gathered& gathered(FunctionRow row, VectorIndex index);
  static Batch take(Gathered& gathered);

  std::vector<Rule> rules_;
  std::vector<std::uint32_t> first_;  // by rule: where its vectors begin
  std::vector<Gathered> vectors_;
};

}  // namespace irqfab::pci
