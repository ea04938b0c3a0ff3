// Judges what a routing layer does by the calls that were made of it: written from KVM's API
// documentation (KVM_SET_GSI_ROUTING, KVM_IRQFD) without a look at the layer, and sharing nothing
// with the models. Calls begin and return; in between they take effect at some moment that nobody
// outside can know, so each question is whether an answer is possible.
//
// Every update gives all messages a new version. A write to an eventfd is an interrupt with a
// number of its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace irqfab::kvm::test {

class LayerOracle {
 public:
  using Time = std::uint64_t;
  static constexpr Time kNotYet = ~Time{0};

  LayerOracle() { updates_.push_back({0, 0}); }

  /// The next moment.
  void tick() { ++now_; }

  // ---- calls begin and return. What begins is named by the answer.
  std::size_t update_begins() {
    updates_.push_back({now_, kNotYet});
    return updates_.size() - 1;
  }
  void update_returns(std::size_t version) { updates_[version].returned = now_; }

  std::size_t bind_begins(int eventfd, int gsi) {
    bindings_.push_back({eventfd, gsi, {now_, kNotYet}, true});
    return bindings_.size() - 1;
  }
  void bind_returns(std::size_t binding, long answer) {
    bindings_[binding].made.returned = now_;
    bindings_[binding].accepted = answer == 0;
  }
  /// A deassign that answered 0.
  void unbound(int eventfd, int gsi, Time begun) { ends_.push_back({eventfd, gsi, begun, now_}); }

  void written(std::uint64_t interrupt, int eventfd) { eventfd_of_[interrupt] = eventfd; }
  Time now() const { return now_; }

  // ---- what was seen: an empty answer, or what is wrong with it
  /// An interrupt reached a vCPU as that of `gsi`.
  std::string taken(std::uint64_t interrupt, int gsi) {
    const auto at = eventfd_of_.find(interrupt);
    if (at == eventfd_of_.end()) return "";  // not of a write
    return may_be_bound(at->second, gsi) ? "" : "an eventfd that is not bound to this GSI";
  }
  /// It was a message, of this version by its address and by its data (modulo `versions`).
  std::string message(std::size_t by_address, std::size_t by_data, std::size_t versions) const {
    bool possible = false;
    for (std::size_t version = 0; version < updates_.size(); ++version) {
      const bool is_it = version % 2 == by_address && version % versions == by_data;
      possible = possible || (is_it && !is_stale(version));
    }
    if (by_data % 2 != by_address) return "a torn message";
    return possible ? "" : "a message of a table that was replaced";
  }
  /// An interrupt came to an end, of whatever kind.
  std::string ended(std::uint64_t interrupt) {
    return ++ends_of_[interrupt] == 1 ? "" : "an interrupt that ends twice";
  }
  std::size_t ended() const { return ends_of_.size(); }

 private:
  struct Span {
    Time begun = 0;
    Time returned = kNotYet;
  };
  struct Binding {
    int eventfd;
    int gsi;
    Span made;
    bool accepted;  // or nobody knows yet
  };
  struct End {
    int eventfd;
    int gsi;
    Time begun;
    Time returned;
  };

  /// Another update began after this one had returned, and has returned as well.
  bool is_stale(std::size_t version) const {
    for (const Span& later : updates_) {
      if (later.returned <= now_ && later.begun > updates_[version].returned) return true;
    }
    return false;
  }
  /// An assign has begun that no deassign ended for certain: one that began after the assign had
  /// returned, and has returned.
  bool may_be_bound(int eventfd, int gsi) const {
    for (const Binding& binding : bindings_) {
      if (binding.eventfd != eventfd || binding.gsi != gsi || !binding.accepted) continue;
      bool over = false;
      for (const End& end : ends_) {
        const bool same = end.eventfd == eventfd && end.gsi == gsi;
        over = over || (same && end.begun > binding.made.returned && end.returned < now_);
      }
      if (!over) return true;
    }
    return false;
  }

  Time now_ = 1;
  std::vector<Span> updates_;  // by version; 0 is there from the beginning
  std::vector<Binding> bindings_;
  std::vector<End> ends_;
  std::map<std::uint64_t, int> eventfd_of_;    // by interrupt
  std::map<std::uint64_t, unsigned> ends_of_;  // by interrupt
};

}  // namespace irqfab::kvm::test
