/* Small files read whole, and files replaced whole so that a reader never sees half of one. */
#ifndef LUJIAN_BASE_FILE_H
#define LUJIAN_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/* Adds the file's bytes to `b`. Absent: ERR_NOT_FOUND; more than `size_max` bytes: ERR_TOO_LARGE;
 * anything else: ERR_INTERNAL with its errno. `b` is as before on failure. */
int file_read(const char *path, size_t size_max, struct buf *b);

/* Writes a new file beside `path` with exactly `mode`, whatever the umask, makes it durable, and
 * renames it to `path`. On failure (ERR_INTERNAL) `path` is as before and nothing is left beside
 * it. */
int file_write(const char *path, const void *data, size_t size, mode_t mode);

#endif
