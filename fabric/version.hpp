// The version of the program; CMakeLists.txt has the same, and a test holds them together.
#pragma once

namespace irqfab {

constexpr const char* kVersion = "0.1.0";

}  // namespace irqfab
