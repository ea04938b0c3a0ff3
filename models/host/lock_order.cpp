#include "models/host/lock_order.hpp"

#include <cassert>
#include <utility>

namespace irqfab::host {
namespace {

constexpr std::uint64_t bit(LockClassId cls) { return std::uint64_t{1} << raw(cls); }

/// The lowest class of a set that is not empty.
LockClassId lowest(std::uint64_t set) { return LockClassId(__builtin_ctzll(set)); }

constexpr std::uint8_t bits(Usage usage) { return static_cast<std::uint8_t>(usage); }

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
  classes_.push_back({kind, std::move(name), 0, 0, 0});
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
    unchecked_ = true;
  }
  return cycle;
}

void LockOrder::learn(LockClassId cls, Usage usage) {
  std::uint8_t& known = classes_[raw(cls)].usage;
  if ((known & bits(usage)) != 0) return;
  known |= bits(usage);
  unchecked_ = true;
}

std::optional<Chain> LockOrder::new_interrupt_hazard() {
  if (!unchecked_) return std::nullopt;
  const auto first_hazard = [this](Usage taken, Usage open) -> std::optional<Chain> {
    for (std::uint64_t from = used(taken); from != 0; from &= from - 1) {
      const LockClassId cls = lowest(from);
      Class& row = classes_[raw(cls)];
      const std::uint64_t fresh = reachable(cls) & used(open) & ~row.hazards;
      if (fresh == 0) continue;
      row.hazards |= bit(lowest(fresh));
      return path(cls, lowest(fresh));
    }
    return std::nullopt;
  };
  std::optional<Chain> hazard = first_hazard(Usage::InHardIrq, Usage::UnderEnabledHardIrq);
  if (!hazard) hazard = first_hazard(Usage::InSoftIrq, Usage::UnderEnabledSoftIrq);
  unchecked_ = hazard.has_value();
  return hazard;
}

/// The classes that were taken in this way.
std::uint64_t LockOrder::used(Usage usage) const {
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    if ((classes_[i].usage & bits(usage)) != 0) found |= bit(LockClassId(i));
  }
  return found;
}

/// The class itself, and those that edges lead to from it.
std::uint64_t LockOrder::reachable(LockClassId from) const {
  std::uint64_t seen = bit(from);
  for (std::uint64_t open = seen; open != 0;) {
    const std::uint64_t fresh = classes_[raw(lowest(open))].after & ~seen;
    open = (open & (open - 1)) | fresh;
    seen |= fresh;
  }
  return seen;
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
      const LockClassId reached = lowest(fresh);
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
