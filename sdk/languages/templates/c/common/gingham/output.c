// printf and fprintf write lines to the policy's log. These functions are what the C library calls for that; in their
// place it would import WASI, which no policy may.

#include <wasi/api.h>

#include "calls.h"

enum { LONGEST = 1024, STDERR = 2 };

// The unfinished lines of standard output and standard error.
static struct {
  char text[LONGEST + 1];
  size_t length;
} lines[STDERR + 1];

static void write_line(int file) {
  if (lines[file].length == 0) return;
  lines[file].text[lines[file].length] = 0;
  lines[file].length = 0;
  gingham_log(file == STDERR ? GINGHAM_IPAM_LOG_LEVEL_WARN : GINGHAM_IPAM_LOG_LEVEL_INFO, "%s", lines[file].text);
}

static void add(int file, char byte) {
  if (byte != '\n' && lines[file].length < LONGEST) lines[file].text[lines[file].length++] = byte;
  if (byte == '\n') write_line(file);
}

void gingham_flush(void) {
  fflush(NULL);
  for (int file = 1; file <= STDERR; file++) write_line(file);
}

__attribute__((weak)) __wasi_errno_t __wasi_fd_write(__wasi_fd_t file, const __wasi_ciovec_t *parts, size_t count,
                                                     __wasi_size_t *written) {
  if (file < 1 || file > STDERR) return __WASI_ERRNO_BADF;
  *written = 0;
  for (size_t i = 0; i < count; i++) {
    for (size_t at = 0; at < parts[i].buf_len; at++) add((int)file, (char)parts[i].buf[at]);
    *written += parts[i].buf_len;
  }
  return __WASI_ERRNO_SUCCESS;
}

// A terminal: the C library writes each line when it ends.
__attribute__((weak)) __wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t file, __wasi_fdstat_t *status) {
  *status = (__wasi_fdstat_t){.fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE};
  return file <= STDERR ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}

__attribute__((weak)) __wasi_errno_t __wasi_fd_seek(__wasi_fd_t file, __wasi_filedelta_t offset,
                                                    __wasi_whence_t whence, __wasi_filesize_t *position) {
  (void)file, (void)offset, (void)whence, (void)position;
  return __WASI_ERRNO_SPIPE;
}

__attribute__((weak)) __wasi_errno_t __wasi_fd_close(__wasi_fd_t file) {
  (void)file;
  return __WASI_ERRNO_SUCCESS;
}

// A failed assert() and exit() end the request with an error.
_Noreturn void __assert_fail(const char *condition, const char *file, int line, const char *function) {
  gingham_flush();
  gingham_log(GINGHAM_IPAM_LOG_LEVEL_ERROR, "assertion failed: %s (%s:%d, %s)", condition, file, line, function);
  __builtin_trap();
}

__attribute__((weak, noreturn)) void __wasi_proc_exit(__wasi_exitcode_t status) {
  gingham_flush();
  gingham_log(GINGHAM_IPAM_LOG_LEVEL_ERROR, "exit(%u) ended the request", (unsigned)status);
  __builtin_trap();
}
