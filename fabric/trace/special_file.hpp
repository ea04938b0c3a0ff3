// Devices, pipes and folders: they have a name as files have, and are none.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace irqfab::trace {

/// True if something stands under this name that is no regular file, behind symbolic links.
inline bool is_special(const std::string& path) {
  std::error_code absent;
  const std::filesystem::file_status status = std::filesystem::status(path, absent);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

}  // namespace irqfab::trace
