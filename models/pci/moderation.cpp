#include "models/pci/moderation.hpp"

#include <algorithm>
#include <cassert>

namespace irqfab::pci {
namespace {

constexpr unsigned kIndexBits = 11;  // a vector's index among up to 2048
constexpr std::uint32_t kGenerations = 1u << (32 - kIndexBits);

}  // namespace

Moderation::Moderation(std::vector<Rule> rules) : rules_(std::move(rules)) {
  std::uint32_t vectors = 0;
  for (const Rule& rule : rules_) {
    first_.push_back(vectors);
    vectors += rule.functions * rule.vectors;
  }
  vectors_.resize(vectors);
}

Moderation::Batch Moderation::gather(FunctionRow row, VectorIndex index, SpanId span, Env& env) {
  const Rule& rule = rule_of(row);
  Gathered& batch = gathered(row, index);
  ++batch.events;
  if (batch.first == kNoSpan) {
    batch.first = span;
    env.after(rule.time, Tag{raw(index) | batch.generation << kIndexBits});
  } else {
    env.coalesce(span, batch.first);
  }
  return batch.events == rule.count ? take(batch) : Batch{};
}

Moderation::Batch Moderation::elapsed(FunctionRow row, Tag tag) {
  Gathered& batch = gathered(row, vector_of(tag));
  return raw(tag) >> kIndexBits == batch.generation ? take(batch) : Batch{};
}

void Moderation::held_spans(std::vector<SpanId>& out) const {
  for (const Gathered& batch : vectors_) {
    if (batch.first != kNoSpan) out.push_back(batch.first);
  }
}

const Moderation::Rule& Moderation::rule_of(FunctionRow row) const {
  const auto after =
      std::upper_bound(rules_.begin(), rules_.end(), row,
                       [](FunctionRow r, const Rule& rule) { return r < rule.first; });
  assert(after != rules_.begin());
  return *(after - 1);
}

Moderation::Gathered& Moderation::gathered(FunctionRow row, VectorIndex index) {
  const Rule& rule = rule_of(row);
  assert(raw(row) - raw(rule.first) < rule.functions && raw(index) < rule.vectors);
  const std::uint32_t function = raw(row) - raw(rule.first);
  return vectors_[first_[static_cast<std::size_t>(&rule - rules_.data())] +
                  function * rule.vectors + raw(index)];
}

/// The next batch is another generation.
Moderation::Batch Moderation::take(Gathered& gathered) {
  const Batch batch{gathered.first, gathered.events};
  gathered = {kNoSpan, 0, (gathered.generation + 1) % kGenerations};
  return batch;
}

bool operator==(const Moderation& a, const Moderation& b) {
  return std::equal(a.vectors_.begin(), a.vectors_.end(), b.vectors_.begin(), b.vectors_.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.events == y.events &&
                             x.generation == y.generation;
                    });
}

}  // namespace irqfab::pci
