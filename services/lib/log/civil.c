/* The offset of civil time: eight bytes in a file that every process of a development cluster maps.
 *
 * Invariant: it only grows, whoever grows it, so civil time never runs backwards. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "log/tx.h"

/* A hundred years: beyond it instants leave the range that is understood. */
#define OFFSET_MAX_MS (INT64_C(100) * 366 * 86400 * 1000)

static _Atomic int64_t *mapped; /* NULL = none may exist */

static int map_file(int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(ERR_INTERNAL, errno, "civil offset %s", path);
    if (st.st_size != 0 && st.st_size != sizeof(*mapped))
        return err_set(ERR_INTERNAL, "civil offset %s: %lld bytes are not 8", path,
                       (long long)st.st_size);
    /* A new file grows by zeros: an offset that another process wrote meanwhile stays. */
    if (ftruncate(fd, sizeof(*mapped)) < 0)
        return err_errno(ERR_INTERNAL, errno, "civil offset %s", path);
    void *p = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_errno(ERR_INTERNAL, errno, "civil offset %s", path);
    if (mapped)
        munmap((void *)mapped, sizeof(*mapped));
    mapped = p;
    return 0;
}

int civil_offset_open(const char *path)
{
    if (!path || !*path) {
        if (mapped)
            munmap((void *)mapped, sizeof(*mapped));
        mapped = NULL;
        return 0;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(ERR_INTERNAL, errno, "civil offset %s", path);
    int r = map_file(fd, path);
    close(fd);
    if (r >= 0 && (civil_offset_ms() < 0 || civil_offset_ms() > OFFSET_MAX_MS))
        return err_set(ERR_INTERNAL, "civil offset %s holds no offset", path);
    return r;
}

int64_t civil_offset_ms(void)
{
    return mapped ? atomic_load(mapped) : 0;
}

int civil_offset_advance(int64_t by_ms, int64_t *ret_offset_ms)
{
    if (!mapped)
        return err_set(ERR_REFUSED, "civil time cannot be advanced here");
    int64_t offset = atomic_load(mapped);
    do {
        if (by_ms < 0 || by_ms > OFFSET_MAX_MS - offset)
            return err_set(ERR_INVALID_ARGUMENT, "civil time only grows, and by 100 years at most");
    } while (!atomic_compare_exchange_weak(mapped, &offset, offset + by_ms));
    msync((void *)mapped, sizeof(*mapped), MS_SYNC);
    *ret_offset_ms = offset + by_ms;
    return 0;
}

void civil_offset_restore(int64_t offset_ms)
{
    int64_t offset = civil_offset_ms();
    while (mapped && offset < offset_ms &&
           !atomic_compare_exchange_weak(mapped, &offset, offset_ms)) {
    }
}
