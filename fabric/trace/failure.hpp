// The kinds of failure a file can meet.
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

constexpr const char* kHostRefused = "host-io";  // code: the input may be right, the host cannot
/// The code of a write to a pipe whose reader has gone away.
constexpr const char* kReaderGone = "reader-gone";

/// The host refused; `error` is its errno.
inline Diagnostic refused(std::string file, const std::string& what, int error) {
  Diagnostic diagnostic;
  diagnostic.code = error == EPIPE ? kReaderGone : kHostRefused;
  diagnostic.where.file = std::move(file);
  diagnostic.message = what + ": " + std::generic_category().message(error);
  return diagnostic;
}

/// What the user named as input cannot be read; `error` is the host's errno.
inline Diagnostic unreadable(std::string file, const std::string& what, int error) {
  Diagnostic diagnostic = refused(std::move(file), what, error);
  diagnostic.code = "unreadable";
  return diagnostic;
}

}  // namespace irqfab::trace
