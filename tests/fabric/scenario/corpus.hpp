// The corpus of scenario files: valid ones, and invalid ones each with the errors it must get.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fabric/scenario/reader.hpp"

namespace irqfab::scenario::test {

inline std::filesystem::path source_tree() { return IRQFAB_SOURCE_DIR; }

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The .yaml files of a directory, in the order of their names.
inline std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".yaml") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Those of `valid` or `invalid`.
inline std::vector<std::filesystem::path> corpus(const std::string& folder) {
  return yaml_files(source_tree() / "tests/fabric/scenario/corpus" / folder);
}

inline std::string formatted(const Diagnostics& errors) {
  std::string text;
  for (const Diagnostic& error : errors) text += format(error);
  return text;
}

/// With IRQFAB_UPDATE set in the environment, generated files are written instead of compared.
inline bool is_update() { return std::getenv("IRQFAB_UPDATE") != nullptr; }

inline void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace irqfab::scenario::test
