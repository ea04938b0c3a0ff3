// Reads files of conformance cases: one JSON object a line, one case an object.
//
// Everything is checked before anything runs: unknown ops, unknown fields, fields that are missing,
// values of the wrong kind, CPUs and functions that the machine does not have, keys that occur
// twice. Cases of vocabularies that are not supported yet are refused by name.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "fabric/conform/case.hpp"

namespace irqfab::conform {

// Bounds of one file.
constexpr std::size_t kMaxLineBytes = 4u << 20;
constexpr std::size_t kMaxFileBytes = 32u << 20;
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxErrors = 20;  // that are told at once
constexpr std::size_t kMaxCpus = 256;   // of a case
constexpr std::size_t kMaxEventfds = 1024;

/// `path` may be "-", standard input. Errors name file, line, column, and the number of the op.
Result<std::vector<Case>> read_file(const std::string& path);
Result<std::vector<Case>> read(std::istream& in, const std::string& file);

}  // namespace irqfab::conform
