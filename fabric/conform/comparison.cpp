#include "fabric/conform/comparison.hpp"

namespace irqfab::conform {

std::string place_of(const Op& op) {
  return "op " + std::to_string(op.number) + ": " + std::string(op.name());
}

Json list_of(const x86::VectorSet& set) {
  Json list = Json::array();
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(Vector(static_cast<std::uint8_t>(v)))) list.push_back(v);
  }
  return list;
}

void Comparison::answer(const Op& op, std::string_view field, const Json& got) {
  if (op.has(field)) value(place_of(op), std::string(field), op.fields.at(field), got);
}

void Comparison::member(const std::string& where, const std::string& path, const Json& recorded,
                        const char* field, const Json& got) {
  if (recorded.contains(field)) value(where, path + '.' + field, recorded.at(field), got);
}

void Comparison::value(const std::string& where, const std::string& field, const Json& expected,
                       const Json& got) {
  if (difference_ || same(expected, got)) return;
  difference_ = Difference{where, field, expected, got};
}

void Comparison::gave_up(const Op& op, std::string reason) {
  if (gave_up_.empty()) gave_up_ = place_of(op) + ": " + std::move(reason);
}

}  // namespace irqfab::conform
