// The two kinds of failure a trace file can meet.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "models/base/result.hpp"

namespace irqfab::trace {

/// The file is not as it should be at this offset.
inline Diagnostic damage(std::string file, std::uint64_t offset, std::string code,
                         std::string message) {
  Diagnostic diagnostic;
  diagnostic.code = std::move(code);
  diagnostic.where.file = std::move(file);
  diagnostic.where.offset = offset;
  diagnostic.message = std::move(message);
  return diagnostic;
}

/// The code of a write to a pipe whose reader has gone away.
constexpr const char* kReaderGone = "reader-gone";

/// The host refused; `error` is its errno.
inline Diagnostic refused(std::string file, const std::string& what, int error) {
  Diagnostic diagnostic;
  diagnostic.code = error == EPIPE ? kReaderGone : "host-io";
  diagnostic.where.file = std::move(file);
  diagnostic.message = what + ": " + std::generic_category().message(error);
  return diagnostic;
}

}  // namespace irqfab::trace
