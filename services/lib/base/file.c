/* Whole files: read with a limit, written by rename. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static int read_all(int fd, const char *path, size_t size_max, struct buf *b)
{
    size_t size = 0;
    for (;;) {
        uint8_t chunk[16 * 1024];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(ERR_INTERNAL, errno, "read %s", path);
        if (n == 0)
            return 0;
        if ((size_t)n > size_max - size)
            return err_set(ERR_TOO_LARGE, "%s has more than %zu bytes", path, size_max);
        size += (size_t)n;
        buf_add(b, chunk, (size_t)n);
        if (b->overflow)
            return err_set(ERR_TOO_LARGE, "%s does not fit its buffer", path);
    }
}

int file_read(const char *path, size_t size_max, struct buf *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, errno, "open %s", path);
    size_t before = b->size;
    bool overflow_before = b->overflow;
    int r = read_all(fd, path, size_max, b);
    close(fd);
    if (r < 0) {
        b->size = before;
        b->overflow = overflow_before;
        if (b->data)
            b->data[before] = '\0';
    }
    return r;
}

static int write_all(int fd, const char *path, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(ERR_INTERNAL, errno, "write %s", path);
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_new(int fd, const char *path, const void *data, size_t size, mode_t mode)
{
    int r = write_all(fd, path, data, size);
    if (r < 0)
        return r;
    if (fchmod(fd, mode) < 0)
        return err_errno(ERR_INTERNAL, errno, "chmod %s", path);
    if (fsync(fd) < 0)
        return err_errno(ERR_INTERNAL, errno, "fsync %s", path);
    return 0;
}

/* The rename itself is durable only with its folder. */
static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else if (slash == path)
        snprintf(folder, sizeof(folder), "/");
    else
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(ERR_INTERNAL, errno, "open %s", folder);
    int r = fsync(fd) < 0 ? err_errno(ERR_INTERNAL, errno, "fsync %s", folder) : 0;
    close(fd);
    return r;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode)
{
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof(beside))
        return err_errno(ERR_INTERNAL, ENAMETOOLONG, "write a file");
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return err_errno(ERR_INTERNAL, errno, "create %s", beside);

    int r = write_new(fd, beside, data, size, mode);
    if (close(fd) < 0 && r == 0)
        r = err_errno(ERR_INTERNAL, errno, "close %s", beside);
    if (r == 0 && rename(beside, path) < 0)
        r = err_errno(ERR_INTERNAL, errno, "rename %s to %s", beside, path);
    if (r < 0) {
        unlink(beside);
        return r;
    }
    return sync_folder(path);
}
