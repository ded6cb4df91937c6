/* The mirror's thread: waits for a notification, a second, or a call; looks whether rows or the
 * civil day have moved; builds and installs a snapshot.
 *
 * Invariant: the installed snapshot is of one moment of the database. Where none can be built of
 * the rows, the one before stays, and the fault is told until it is gone. */
#include "reference/mirror.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "loop/thread.h"
#include "reference/mirror_inside.h"

#define LOOK_EVERY_MS    1000
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
#define APPLY_MAX        2000 /* events of its own log that the registry applies in one transaction */

struct mirror {
    struct mirror_options options;
    struct pg_options pg_options;
    pthread_t thread;
    int wake_fd;
    atomic_bool stopping, ready;

    /* the thread's own */
    struct pg *pg;
    int64_t version; /* of the snapshot in use; -1 = none */
    int32_t day;
    bool faulty;
    int backoff_ms;
};

static void tell_fault(struct mirror *m, const char *detail)
{
    if (detail)
        log_line(LOG_ERROR, "MIRROR-FAULT", LF_TEXT("error", detail));
    if (m->options.on_fault && (detail || m->faulty))
        m->options.on_fault(m->options.ctx, detail);
    m->faulty = detail != NULL;
}

/* Reads all rows and makes them the process's snapshot. */
static int rebuild(struct mirror *m, struct tx *tx, int32_t day)
{
    struct reference_row *rows;
    int count;
    struct mirror_state state;
    int r = mirror_read_rows(tx, &rows, &count, &state);
    if (r < 0)
        return r;
    m->version = state.version;
    m->day = day;
    struct snapshot *s;
    r = snapshot_build(&s, rows, count, state.applied, day);
    if (r < 0) {
        /* Not again until something moves: these rows will not get better. */
        tell_fault(m, err_last()->text);
        return 0;
    }
    tell_fault(m, NULL);
    snapshot_ref(s);
    snapshot_install(s);
    atomic_store(&m->ready, state.reached);
    if (m->options.on_change)
        m->options.on_change(m->options.ctx, s);
    snapshot_put(s);
    return 0;
}

/* The registry: applies the next events of its own log; 1 where there may be more. */
static int apply_own_log(struct mirror *m, struct arena *arena)
{
    struct tx tx;
    int64_t applied;
    struct log_record *records;
    int count = 0;
    int r = tx_begin(&tx, m->pg, arena);
    if (r < 0)
        return r;
    int mine = mirror_take(&tx, &applied);
    r = mine;
    if (mine > 0)
        r = log_read(m->pg, arena, applied, APPLY_MAX, &records, &count);
    if (r >= 0 && count)
        r = mirror_apply(&tx, records, count);
    bool reached = mine > 0 && count < APPLY_MAX && (count || !mirror_ready(m));
    if (r >= 0 && reached)
        r = mirror_reached(&tx);
    if (r < 0 || !(count || reached)) {
        tx_rollback(&tx);
        return r < 0 ? r : 0;
    }
    if (tx_commit(&tx) != PG_DONE)
        return err_last()->code;
    return count == APPLY_MAX;
}

static int follow_own_log(struct mirror *m)
{
    int r = 1;
    while (r > 0) {
        struct arena arena;
        arena_init(&arena, 0);
        r = apply_own_log(m, &arena);
        arena_clear(&arena);
    }
    return r;
}

static int look_in(struct mirror *m, struct tx *tx)
{
    struct mirror_state state;
    int r = tx_now(tx);
    if (r >= 0)
        r = mirror_read_state(tx, &state);
    if (r < 0)
        return r;
    int32_t day = day_of_instant(tx->now_ms);
    if (state.version != m->version || day != m->day || (state.reached && !mirror_ready(m)))
        return rebuild(m, tx, day);
    return 0;
}

static int look(struct mirror *m)
{
    if (!m->pg) {
        int r = pg_open(&m->pg, &m->pg_options);
        if (r >= 0)
            r = pg_script(m->pg, "LISTEN mirror");
        if (r < 0)
            return r;
    }
    if (m->options.own_log) {
        int r = follow_own_log(m);
        if (r < 0)
            return r;
    }
    struct arena arena;
    arena_init(&arena, 0);
    struct tx tx;
    int r = tx_begin(&tx, m->pg, &arena);
    if (r >= 0) {
        r = look_in(m, &tx);
        tx_rollback(&tx);
    }
    arena_clear(&arena);
    return r;
}

/* Forgets the notifications that have come: one look answers them all. */
static int drain_notifications(struct mirror *m)
{
    struct arena arena;
    arena_init(&arena, 0);
    const char *channel, *payload;
    int r;
    do
        r = pg_notification(m->pg, &arena, &channel, &payload);
    while (r > 0);
    arena_clear(&arena);
    return r;
}

static void wait_for_news(struct mirror *m, int timeout_ms)
{
    struct pollfd fds[] = { { .fd = m->wake_fd, .events = POLLIN },
                            { .fd = m->pg ? pg_socket(m->pg) : -1, .events = POLLIN } };
    if (poll(fds, ARRAY_LEN(fds), timeout_ms) <= 0)
        return;
    uint64_t count;
    if ((fds[0].revents & POLLIN) && read(m->wake_fd, &count, sizeof(count)) < 0)
        assert_always(errno == EAGAIN || errno == EINTR);
}

static void back_off(struct mirror *m)
{
    log_error_last(LOG_WARN, "MIRROR");
    if (m->pg) {
        pg_close(m->pg);
        m->pg = NULL;
    }
    m->backoff_ms = m->backoff_ms ? MIN(m->backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
    wait_for_news(m, m->backoff_ms);
}

static void *mirror_main(void *arg)
{
    struct mirror *m = arg;
    while (!atomic_load(&m->stopping)) {
        wait_for_news(m, LOOK_EVERY_MS);
        int r = m->pg ? drain_notifications(m) : 0;
        if (r >= 0)
            r = look(m);
        if (r < 0)
            back_off(m);
        else
            m->backoff_ms = 0;
    }
    return NULL;
}

static void mirror_free(struct mirror *m)
{
    if (m->pg)
        pg_close(m->pg);
    close(m->wake_fd);
    free(m);
}

int mirror_open(struct mirror **ret, const struct mirror_options *options)
{
    struct mirror *m = calloc(1, sizeof(*m));
    assert_always(m);
    m->options = *options;
    m->pg_options = *options->pg;
    m->version = -1;
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_always(m->wake_fd >= 0);
    int r = look(m);
    if (r >= 0 && m->faulty)
        r = err_set(ERR_INTERNAL, "no snapshot can be made of the mirrored rows");
    if (r >= 0)
        r = thread_start(&m->thread, "mirror", mirror_main, m);
    if (r < 0) {
        mirror_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

void mirror_wake(struct mirror *m)
{
    uint64_t one = 1;
    if (write(m->wake_fd, &one, sizeof(one)) < 0)
        assert_always(errno == EAGAIN); /* it is full of wakes already */
}

void mirror_close(struct mirror *m)
{
    atomic_store(&m->stopping, true);
    mirror_wake(m);
    pthread_join(m->thread, NULL);
    mirror_free(m);
}

bool mirror_ready(const struct mirror *m)
{
    return atomic_load(&m->ready);
}
