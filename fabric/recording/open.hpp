// A recording in a file or on standard input, in any of the formats that there are.
//
// Models: trace.dat by its first bytes, never by the file's name; else text (text_reader.hpp); both
// gzipped or not. A trace.dat that is no plain file goes to a temporary file without a name first,
// because its parts refer to each other by their places.
#pragma once

#include <cstdint>
#include <istream>
#include <string>

#include "fabric/recording/replay.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

constexpr std::uint64_t kLargestSpool = std::uint64_t{8} << 30;  // bytes of the temporary file

/// `path` may be "-", `standard_input`. Code "host-io" if it is the host that cannot.
Result<Recording> read_recording(const std::string& path, std::istream& standard_input,
                                 std::uint64_t largest_spool = kLargestSpool);

}  // namespace irqfab::recording
