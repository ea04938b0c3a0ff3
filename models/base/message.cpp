#include "models/base/message.hpp"

namespace irqfab {
namespace {

template <class T, class = void>
struct HasSpan : std::false_type {};
template <class T>
struct HasSpan<T, std::void_t<decltype(T::span)>> : std::true_type {};

}  // namespace

SpanId span_of(const Message& message) {
  return std::visit(
      [](const auto& m) {
        if constexpr (HasSpan<std::decay_t<decltype(m)>>::value) {
          return m.span;
        } else {
          return kNoSpan;
        }
      },
      message);
}

}  // namespace irqfab
