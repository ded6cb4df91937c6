/* The cursor where it is kept. In a file: one line, replaced whole, durable before anybody is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

static enum lujian_error failed(struct problem *why, const char *what, const char *path)
{
    return problem_set(why, LUJIAN_SYSTEM, "cursor", "%s %.80s: %s", what, path, strerror(errno));
}

/* A cursor that cannot be read is never "from the beginning": that is a person's decision. */
static enum lujian_error no_cursor(struct problem *why, const char *where)
{
    return problem_set(why, LUJIAN_INVALID_ARGUMENT, "cursor",
                       "what is kept as the cursor is none: %.80s", where);
}

/* stream:epoch:position, or nothing. */
static bool text_is_good(const char *text)
{
    size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
    size_t size = letters + strspn(text + letters, "0123456789:");
    return text[size] == 0 && (size == 0 || (letters > 0 && text[letters] == ':'));
}

static enum lujian_error file_load(const char *path, char text[LUJIAN_CURSOR_SIZE],
                                   struct problem *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return LUJIAN_OK;
    if (fd < 0)
        return failed(why, "open", path);
    ssize_t size = read(fd, text, LUJIAN_CURSOR_SIZE - 1);
    if (size < 0) {
        enum lujian_error error = failed(why, "read", path);
        close(fd);
        return error;
    }
    close(fd);
    text[size] = 0;
    text[strcspn(text, "\r\n")] = 0;
    return text[0] ? LUJIAN_OK : no_cursor(why, path); /* who has none has no file */
}

enum lujian_error cursor_load(const struct cursor *cursor, char text[LUJIAN_CURSOR_SIZE],
                              struct problem *why)
{
    text[0] = 0;
    if (cursor->path) {
        enum lujian_error error = file_load(cursor->path, text, why);
        if (error)
            return error;
    } else if (cursor->load && !cursor->load(cursor->ctx, text, LUJIAN_CURSOR_SIZE)) {
        return problem_set(why, LUJIAN_SYSTEM, "cursor", "the cursor could not be loaded");
    }
    text[LUJIAN_CURSOR_SIZE - 1] = 0;
    return text_is_good(text) ? LUJIAN_OK : no_cursor(why, cursor->path ? cursor->path : "");
}

/* The rename itself is durable only with its folder. */
static int folder_sync(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    snprintf(folder, sizeof(folder), "%.*s", (int)size, path);
    int fd = open(size ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int r = fsync(fd);
    close(fd);
    return r;
}

static enum lujian_error file_save(const char *path, const char *text, struct problem *why)
{
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof(beside), "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof(beside)) {
        errno = ENAMETOOLONG;
        return failed(why, "save", path);
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(why, "create beside", path);
    size_t size = strlen(text);
    char line[LUJIAN_CURSOR_SIZE + 1];
    memcpy(line, text, size);
    line[size] = '\n';
    bool good = write(fd, line, size + 1) == (ssize_t)size + 1 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && rename(beside, path) == 0;
    if (!good) {
        enum lujian_error error = failed(why, "save", path);
        unlink(beside);
        return error;
    }
    return folder_sync(path) < 0 ? failed(why, "sync the folder of", path) : LUJIAN_OK;
}

enum lujian_error cursor_save(const struct cursor *cursor, const char *text, struct problem *why)
{
    if (cursor->path)
        return file_save(cursor->path, text, why);
    if (cursor->save && !cursor->save(cursor->ctx, text))
        return problem_set(why, LUJIAN_SYSTEM, "cursor", "the cursor could not be saved");
    return LUJIAN_OK;
}
