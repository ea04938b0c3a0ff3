// Names of many things, by their index: one text with their ends, a few bytes more than the letters
// themselves. A machine of a million functions names three million things. The text is at most 4
// GiB, fifty million names of the longest kind: the reader's limits stay far below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace irqfab::topology {

class Names {
 public:
  Names() = default;
  Names(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) add(name);
  }

  void add(std::string_view name) {
    text_ += name;
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  std::size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  /// Valid until the next add().
  std::string_view operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }
  /// The first index that has this name.
  std::optional<std::size_t> find(std::string_view name) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if ((*this)[i] == name) return i;
    }
    return std::nullopt;
  }

 private:
  std::string text_;
  std::vector<std::uint32_t> ends_;
};

/// What `nic[5]` is a function of: `nic`. Other names are their own.
inline std::string_view device_in(std::string_view name) { return name.substr(0, name.find('[')); }

}  // namespace irqfab::topology
