#include "models/host/lock_order.hpp"

#include <cassert>
#include <utility>

namespace irqfab::host {
namespace {

constexpr std::uint64_t bit(LockClassId cls) { return std::uint64_t{1} << raw(cls); }

constexpr std::uint8_t bits(Usage usage) { return static_cast<std::uint8_t>(usage); }

bool breaks_interrupt_rule(std::uint8_t usage) {
  const auto both = [usage](Usage a, Usage b) {
    return (usage & bits(a)) != 0 && (usage & bits(b)) != 0;
  };
  return both(Usage::InHardIrq, Usage::UnderEnabledHardIrq) ||
         both(Usage::InSoftIrq, Usage::UnderEnabledSoftIrq);
}

}  // namespace

bool Chain::remove(LockClassId cls) {
  for (std::size_t i = size_; i-- > 0;) {
    if (links_[i].cls != cls) continue;
    for (std::size_t later = i + 1; later < size_; ++later) links_[later - 1] = links_[later];
    links_[--size_] = ChainLink{};
    return true;
  }
  return false;
}

bool Chain::has(LockClassId cls) const {
  for (const ChainLink& link : *this) {
    if (link.cls == cls) return true;
  }
  return false;
}

LockClassId LockOrder::add(ClassKind kind, std::string name) {
  assert(classes_.size() < kMaxClasses);
  classes_.push_back({kind, std::move(name), 0, 0});
  return LockClassId(classes_.size() - 1);
}

std::optional<Chain> LockOrder::learn(const Chain& held, LockClassId wanted, Site site) {
  std::optional<Chain> cycle;
  for (const ChainLink& link : held) {
    Class& from = classes_[raw(link.cls)];
    if (link.cls == wanted || (from.after & bit(wanted)) != 0) continue;
    if (!cycle) cycle = path(wanted, link.cls);
    from.after |= bit(wanted);
    edges_.push_back({link.cls, wanted, site});
  }
  return cycle;
}

bool LockOrder::learn(LockClassId cls, Usage usage) {
  std::uint8_t& known = classes_[raw(cls)].usage;
  const bool was_broken = breaks_interrupt_rule(known);
  known |= bits(usage);
  return !was_broken && breaks_interrupt_rule(known);
}

std::optional<Chain> LockOrder::path(LockClassId from, LockClassId to) const {
  std::array<LockClassId, kMaxClasses> came_from{};
  std::array<LockClassId, kMaxClasses> found{};
  std::size_t count = 0;
  std::uint64_t seen = bit(from);
  found[count++] = from;
  for (std::size_t next = 0; next < count && (seen & bit(to)) == 0; ++next) {
    std::uint64_t fresh = classes_[raw(found[next])].after & ~seen;
    seen |= fresh;
    for (; fresh != 0; fresh &= fresh - 1) {
      const auto reached = LockClassId(__builtin_ctzll(fresh));
      came_from[raw(reached)] = found[next];
      found[count++] = reached;
    }
  }
  if ((seen & bit(to)) == 0) return std::nullopt;

  std::array<LockClassId, kMaxClasses> backwards{};
  std::size_t length = 0;
  for (LockClassId at = to; at != from; at = came_from[raw(at)]) backwards[length++] = at;
  Chain chain;
  chain.add({from, Site{}});
  for (LockClassId before = from; length > 0; --length) {
    const LockClassId then = backwards[length - 1];
    chain.add({then, site_of(before, then)});
    before = then;
  }
  return chain;
}

Site LockOrder::site_of(LockClassId held, LockClassId wanted) const {
  for (const Edge& edge : edges_) {
    if (edge.held == held && edge.wanted == wanted) return edge.site;
  }
  return Site{};
}

}  // namespace irqfab::host
