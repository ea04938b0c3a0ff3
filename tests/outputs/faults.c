/* A host that fails: for LD_PRELOAD, for tests only.
 *
 * Counts the calls of a process that write files or change names, standard error excepted, and lets
 * one of them fail. From the environment:
 *   IRQFAB_FAULT_LOG   a file that grows by one byte a call, the first letter of its name
 *   IRQFAB_FAULT_AT    number of the call that fails, from 0
 *   IRQFAB_FAULT_HOW   an errno; or `short`: the write does half; or `kill`: SIGKILL
 *   IRQFAB_FAULT_BYTES of a write that ends in a kill, how many bytes are written before
 * What does not come from the process through the dynamic linker, the C library's own writes of
 * stdio, is not seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault { none, fails, halves };

static long calls;

/* Counts the call; what is to become of it, with errno set if it fails. */
static enum fault next_call(char letter, int fd, const void* data, size_t size) {
  const char* log = getenv("IRQFAB_FAULT_LOG");
  if (log) {
    const long file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    syscall(SYS_write, file, &letter, 1);
    syscall(SYS_close, file);
  }
  const char* at = getenv("IRQFAB_FAULT_AT");
  const char* how = getenv("IRQFAB_FAULT_HOW");
  if (!at || !how || calls++ != atol(at)) return none;
  if (strcmp(how, "short") == 0) return halves;
  if (strcmp(how, "kill") == 0) {
    const char* bytes = getenv("IRQFAB_FAULT_BYTES");
    const size_t wanted = bytes ? (size_t)atol(bytes) : 0;
    if (data) syscall(SYS_write, fd, data, wanted < size ? wanted : size);
    raise(SIGKILL);
  }
  errno = atoi(how);
  return fails;
}

ssize_t write(int fd, const void* data, size_t size) {
  const enum fault fault = fd == STDERR_FILENO ? none : next_call('w', fd, data, size);
  if (fault == fails) return -1;
  return syscall(SYS_write, fd, data, fault == halves && size > 1 ? size / 2 : size);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  const enum fault fault = fd == STDERR_FILENO || count == 0
                               ? none
                               : next_call('v', fd, parts[0].iov_base, parts[0].iov_len);
  if (fault == fails) return -1;
  return syscall(SYS_writev, fd, parts, fault == halves && count > 1 ? count / 2 : count);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  const enum fault fault = next_call('p', fd, data, size);
  if (fault == fails) return -1;
  return syscall(SYS_pwrite64, fd, data, fault == halves && size > 1 ? size / 2 : size, offset);
}

int fsync(int fd) {
  return next_call('f', fd, NULL, 0) == fails ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  return next_call('d', fd, NULL, 0) == fails ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* As in Linux, the file is closed even if that fails. */
int close(int fd) {
  const enum fault fault = next_call('c', fd, NULL, 0);
  const int error = errno;
  const int result = (int)syscall(SYS_close, fd);
  if (fault != fails) return result;
  errno = error;
  return -1;
}

int rename(const char* from, const char* to) {
  return next_call('r', -1, NULL, 0) == fails ? -1 : (int)syscall(SYS_rename, from, to);
}

int unlink(const char* path) {
  return next_call('u', -1, NULL, 0) == fails ? -1 : (int)syscall(SYS_unlink, path);
}
