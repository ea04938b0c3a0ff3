#include "fabric/cli/output.hpp"

#include <cstdio>

#include "fabric/cli/commands.hpp"
#include "fabric/trace/output_file.hpp"
#include "models/base/utf8.hpp"

namespace irqfab::cli {

bool print(const std::string& text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (whole && std::fflush(stdout) == 0) return true;
  std::fputs("irqfab: error: standard output could not be written\n", stderr);
  return false;
}

int write_whole(const std::string& path, const std::string& text) {
  const auto written = [&]() -> Result<std::uint64_t> {
    auto file = trace::OutputFile::create(path);
    if (!file) return file.errors();
    const auto appended = file->write(text.data(), text.size());
    return appended ? file->commit() : appended;
  }();
  if (written) return kHeld;
  fail(written.errors());
  return kCannot;
}

int fail(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) {
    std::fputs(format(diagnostic).c_str(), stderr);
  }
  return kWrong;
}

int fail(int exit, const std::string& message) {
  std::fprintf(stderr, "irqfab: error: %s\n", shown(message).c_str());
  return exit;
}

}  // namespace irqfab::cli
