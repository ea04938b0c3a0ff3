#include "fabric/cli/output.hpp"

#include <cstdio>
#include <filesystem>
#include <system_error>

#include "fabric/cli/commands.hpp"
#include "fabric/trace/failure.hpp"
#include "fabric/trace/output_file.hpp"
#include "models/base/utf8.hpp"

namespace irqfab::cli {

bool print(const std::string& text) { return write_whole("-", text) == kHeld; }

int write_whole(const std::string& path, const std::string& text) {
  const auto written = [&]() -> Result<std::uint64_t> {
    auto file = trace::OutputFile::create(path);
    if (!file) return file.errors();
    const auto appended = file->write(text.data(), text.size());
    return appended ? file->commit() : appended;
  }();
  return written ? kHeld : fail(written.errors());
}

bool is_input(const std::string& output, const std::string& input) {
  std::error_code absent;
  if (output == "-" || input == "-" || !std::filesystem::equivalent(output, input, absent)) {
    return false;
  }
  fail(kWrong, "'" + output + "' would be overwritten, and is what is read");
  return true;
}

int fail(const Diagnostics& diagnostics) {
  bool refused = false;
  for (const Diagnostic& diagnostic : diagnostics) {
    std::fputs(format(diagnostic).c_str(), stderr);
    refused =
        refused || diagnostic.code == trace::kHostRefused || diagnostic.code == trace::kReaderGone;
  }
  return refused ? kCannot : kWrong;
}

int fail(int exit, const std::string& message) {
  std::fprintf(stderr, "irqfab: error: %s\n", shown(message).c_str());
  return exit;
}

}  // namespace irqfab::cli
