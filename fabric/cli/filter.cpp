#include "fabric/cli/filter.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "fabric/trace/descriptor.hpp"

extern char** environ;

namespace irqfab::cli {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Diagnostic failed(const std::string& program, const std::string& why) {
  return {Severity::Error, "tool-failed", {}, "cannot run '" + program + "': " + why, "", ""};
}

std::string text_of(int error) { return std::generic_category().message(error); }

/// The input as a file without a name: a pipe would have to be fed while the output is read.
File file_with(const std::string& text) {
  File file(std::tmpfile(), std::fclose);
  if (file == nullptr) return file;
  const bool whole = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  if (!whole || std::fflush(file.get()) != 0 || std::fseek(file.get(), 0, SEEK_SET) != 0) {
    file.reset();
  }
  return file;
}

/// 0, or the errno.
int spawn(const std::vector<std::string>& command, int in, int out, pid_t& child) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  const int error =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    const ssize_t count = ::read(fd, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Result<std::string> filter(const std::vector<std::string>& command, const std::string& input) {
  const File in = file_with(input);
  if (in == nullptr) return failed(command[0], "no temporary file: " + text_of(errno));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(command[0], text_of(errno));
  const trace::Descriptor from(ends[0]);
  trace::Descriptor to(ends[1]);
  pid_t child = 0;
  const int error = spawn(command, ::fileno(in.get()), to.get(), child);
  if (error != 0) return failed(command[0], text_of(error));
  to = trace::Descriptor();  // so that the output ends with the child
  std::string output = read_all(from.get());
  const int status = wait_for(child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return failed(command[0], "it failed");
  return output;
}

}  // namespace irqfab::cli
