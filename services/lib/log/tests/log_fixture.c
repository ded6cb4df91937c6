/* The storm (see the header). */
#include "log/tests/log_fixture.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"

static const struct pg_query update = { .name = "storm_update",
                                        .sql = "UPDATE storm SET v = v + 1, t = $2 WHERE id = $1" };
static const struct pg_query insert = { .name = "storm_insert",
                                        .sql = "INSERT INTO storm_row (v) VALUES ($1)" };
static const struct pg_query *const queries[] = { &update, &insert, NULL };
static const struct pg_migration migrations[] = {
    { .number = 1,
      .name = "storm",
      .sha256 = "storm-1",
      .sql = "CREATE TABLE storm (id bigint PRIMARY KEY, v bigint NOT NULL, t text);"
             "INSERT INTO storm SELECT i, 0, '' FROM generate_series(0, 15) AS i;"
             "CREATE TABLE storm_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text "
             "NOT NULL);" },
    { .number = 0 },
};
static const struct pg_module storm_module = { .name = "storm",
                                               .queries = queries,
                                               .migrations = migrations };
const struct pg_module *const storm_modules[] = { &log_module, &storm_module, NULL };

static struct pg *connect_patiently(const char *uri, const struct storm_shared *shared)
{
    struct pg *pg = NULL;
    struct pg_options options = { .uri = uri,
                                  .application_name = "storm",
                                  .modules = storm_modules };
    while (!atomic_load(&shared->stop)) {
        if (pg_open(&pg, &options) >= 0)
            return pg;
        poll(NULL, 0, 20);
    }
    return NULL;
}

/* ------------------------------------------------------------------ a writer */

struct writer {
    const struct storm_options *options;
    struct storm_shared *shared;
    struct storm_writer *me;
    int index;
    unsigned seed;
    struct pg *pg;
    struct arena arena;
};

static int roll(struct writer *w, int sides)
{
    return rand_r(&w->seed) % sides;
}

static int work(struct writer *w, struct tx *tx, const char *subject, int events)
{
    static const char filler[300] = "an event's data are ids, codes, times and states";
    int r = tx_begin(tx, w->pg, &w->arena);
    if (r >= 0 && !w->options->insert)
        r = tx_write(tx, &update, PG_ARGS(pg_int(w->index), pg_text(subject)));
    if (r >= 0)
        r = tx_now(tx);
    for (int i = 0; r >= 0 && i < events; i++) {
        struct event_address address = { .subject = subject, .division = "3701" };
        if (w->options->insert)
            r = tx_write(tx, &insert, PG_ARGS(pg_text(filler)));
        tx_event_encoded(tx, "storm.happened.v1", &address, (const uint8_t *)filler,
                         (size_t)roll(w, 300));
    }
    return r;
}

static void one_transaction(struct writer *w, long number)
{
    char subject[32];
    struct tx tx;
    snprintf(subject, sizeof(subject), "w%d-%ld", w->index, number);
    int events = 1 + roll(w, w->options->events_max ? w->options->events_max : STORM_EVENTS_MAX);
    bool undo = roll(w, 100) < w->options->rollback_percent;
    w->me->sizes[number] = (uint8_t)events;
    int64_t begun_us = mono_us();
    atomic_store(&w->me->begun_us, (long)begun_us);
    int r = work(w, &tx, subject, events);
    if (r < 0 || undo) {
        tx_rollback(&tx);
        w->me->fates[number] = r < 0 ? FATE_NOT_EXECUTED : FATE_ROLLED_BACK;
        return;
    }
    switch (tx_commit(&tx)) {
    case PG_DONE:
        w->me->fates[number] = FATE_DONE;
        atomic_fetch_add(&w->me->done, 1);
        atomic_fetch_add(&w->me->events, events);
        break;
    case PG_NOT_EXECUTED:
        w->me->fates[number] = FATE_NOT_EXECUTED;
        break;
    case PG_UNKNOWN:
        w->me->fates[number] = FATE_UNKNOWN;
        atomic_fetch_add(&w->me->unknown, 1);
        break;
    }
    long took_us = (long)(mono_us() - begun_us);
    if (pg_alive(w->pg) && took_us > atomic_load(&w->me->slowest_us))
        atomic_store(&w->me->slowest_us, took_us);
}

static const char *stop_point;
static struct storm_writer *stop_writer;
static struct storm_shared *stop_shared;

static void stop_hook(const char *name)
{
    int armed = 1;
    if (strcmp(name, stop_point) != 0 ||
        !atomic_compare_exchange_strong(&stop_shared->stop_armed, &armed, 0))
        return;
    atomic_store(&stop_writer->stopped, 1);
    raise(SIGSTOP); /* to this very thread */
}

_Noreturn static void writer_run(struct writer *w)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    arena_init(&w->arena, 0);
    if (w->options->stop_at && w->index == 0) {
        stop_point = w->options->stop_at;
        stop_writer = w->me;
        stop_shared = w->shared;
        fault_set_hook(stop_hook);
    }
    w->pg = connect_patiently(w->options->uri, w->shared);
    while (w->pg && !atomic_load(&w->shared->stop)) {
        long number = atomic_fetch_add(&w->me->count, 1);
        if (number >= STORM_TRANSACTIONS_MAX)
            break;
        one_transaction(w, number);
        arena_reset(&w->arena);
        if (w->options->pause_ms)
            poll(NULL, 0, w->options->pause_ms);
        if (!pg_alive(w->pg)) {
            pg_close(w->pg);
            w->pg = connect_patiently(w->options->uri, w->shared);
        }
    }
    pg_close(w->pg);
    _exit(0);
}

/* ------------------------------------------------------------------ the reader */

static void reader_pass(struct storm_shared *shared, struct pg *pg, struct arena *arena)
{
    struct log_record *records;
    int count;
    int64_t after = atomic_load(&shared->reader_position);
    if (log_read(pg, arena, after, 500, &records, &count) < 0)
        return;
    for (int i = 0; i < count; i++) {
        if (records[i].position != after + 1)
            atomic_fetch_add(&shared->reader_gaps, 1);
        after = records[i].position;
    }
    atomic_store(&shared->reader_position, after);
    if (!count)
        poll(NULL, 0, 1); /* it is to watch the writers, not to take their processor */
    atomic_fetch_add(&shared->reader_passes, 1);
}

_Noreturn static void reader_run(struct storm_shared *shared, const char *uri)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct arena arena;
    arena_init(&arena, 0);
    struct pg *pg = connect_patiently(uri, shared);
    while (pg && !atomic_load(&shared->stop)) {
        reader_pass(shared, pg, &arena);
        arena_reset(&arena);
        if (!pg_alive(pg)) {
            pg_close(pg);
            pg = connect_patiently(uri, shared);
        }
    }
    pg_close(pg);
    _exit(0);
}

/* ------------------------------------------------------------------ the storm */

int storm_start(struct storm *s, const struct storm_options *options)
{
    *s = (struct storm){ .writer_count = options->writers };
    s->shared =
        mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->shared == MAP_FAILED)
        return -1;
    for (int i = 0; i < options->writers; i++) {
        s->writers[i] = fork();
        if (s->writers[i] == 0) {
            struct writer w = { .options = options,
                                .shared = s->shared,
                                .me = &s->shared->writers[i],
                                .index = i,
                                .seed = (unsigned)(i + 1) };
            writer_run(&w);
        }
    }
    s->reader = fork();
    if (s->reader == 0)
        reader_run(s->shared, options->uri);
    return 0;
}

static void wait_child(pid_t pid)
{
    for (int64_t deadline = mono_ms() + 15000; mono_ms() < deadline; poll(NULL, 0, 5))
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void storm_stop(struct storm *s)
{
    atomic_store(&s->shared->stop, 1);
    for (int i = 0; i < s->writer_count; i++) {
        kill(s->writers[i], SIGCONT);
        wait_child(s->writers[i]);
    }
    wait_child(s->reader);
}

void storm_clear(struct storm *s)
{
    munmap(s->shared, sizeof(*s->shared));
    s->shared = NULL;
}

long storm_done(const struct storm *s)
{
    long done = 0;
    for (int i = 0; i < s->writer_count; i++)
        done += atomic_load(&s->shared->writers[i].done);
    return done;
}

long storm_count(const struct storm *s, enum storm_fate fate)
{
    long count = 0;
    for (int i = 0; i < s->writer_count; i++)
        for (long n = 0; n < MIN(atomic_load(&s->shared->writers[i].count), STORM_TRANSACTIONS_MAX);
             n++)
            count += s->shared->writers[i].fates[n] == fate;
    return count;
}

int storm_wait_done(const struct storm *s, long done, int timeout_ms)
{
    for (int64_t deadline = mono_ms() + timeout_ms; storm_done(s) < done; poll(NULL, 0, 2))
        if (mono_ms() > deadline)
            return -1;
    return 0;
}

/* ------------------------------------------------------------------ what must be true afterwards
 */

struct verify {
    const struct storm *storm;
    uint8_t (*seen)[STORM_TRANSACTIONS_MAX]; /* events of each transaction */
    int64_t head;
    int64_t last_position_of[STORM_WRITERS_MAX];
    long last_number_of[STORM_WRITERS_MAX];
    int faults;
};

__attribute__((format(printf, 2, 3))) static void fault(struct verify *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (++v->faults <= 10) {
        fprintf(stderr, "storm: ");
        vfprintf(stderr, format, args);
        fprintf(stderr, "\n");
    }
    va_end(args);
}

static void verify_record(struct verify *v, const struct log_record *r)
{
    char *end = NULL;
    long writer = r->subject[0] == 'w' ? strtol(r->subject + 1, &end, 10) : -1;
    long number = end && *end == '-' ? strtol(end + 1, &end, 10) : -1;
    if (r->position != v->head + 1)
        fault(v, "position %" PRId64 " after %" PRId64, r->position, v->head);
    v->head = r->position;
    if (!end || *end || writer < 0 || writer >= STORM_WRITERS_MAX || number < 0 ||
        number >= STORM_TRANSACTIONS_MAX) {
        fault(v, "foreign subject %s", r->subject);
        return;
    }
    /* The events of a transaction stand side by side. */
    if (v->seen[writer][number]++ && v->last_position_of[writer] != r->position - 1)
        fault(v, "events of %s are apart", r->subject);
    v->last_position_of[writer] = r->position;
    /* What a writer began after another commit of its own stands after it. */
    if (number < v->last_number_of[writer])
        fault(v, "%s stands after a later one", r->subject);
    v->last_number_of[writer] = number;
}

static int read_all(struct verify *v, const char *uri)
{
    struct pg *pg;
    struct arena arena;
    struct log_record *records;
    int count = 1;
    arena_init(&arena, 0);
    if (pg_open(&pg, &(struct pg_options){ .uri = uri, .modules = storm_modules }) < 0)
        return -1;
    while (count > 0 && log_read(pg, &arena, v->head, 2000, &records, &count) >= 0) {
        for (int i = 0; i < count; i++)
            verify_record(v, &records[i]);
        arena_reset(&arena);
    }
    bool alive = pg_alive(pg);
    pg_close(pg);
    arena_clear(&arena);
    return alive ? 0 : -1;
}

static void verify_fate(struct verify *v, int writer, long number)
{
    const struct storm_writer *w = &v->storm->shared->writers[writer];
    int seen = v->seen[writer][number], size = w->sizes[number];
    enum storm_fate fate = w->fates[number];
    bool right = fate == FATE_DONE                           ? seen == size
                 : fate == FATE_UNKNOWN || fate == FATE_NONE ? !seen || seen == size
                                                             : !seen;
    if (!right)
        fault(v, "w%d-%ld: fate %d, %d of %d events are there", writer, number, (int)fate, seen,
              size);
}

int storm_verify(const struct storm *s, const char *uri)
{
    struct verify v = { .storm = s };
    v.seen = calloc(STORM_WRITERS_MAX, sizeof(*v.seen));
    assert_always(v.seen);
    if (read_all(&v, uri) < 0)
        fault(&v, "the log cannot be read: %s", err_last()->text);
    for (int writer = 0; writer < s->writer_count; writer++)
        for (long number = 0; number < STORM_TRANSACTIONS_MAX; number++)
            verify_fate(&v, writer, number);
    if (atomic_load(&s->shared->reader_gaps))
        fault(&v, "the reader saw %ld gaps", atomic_load(&s->shared->reader_gaps));
    if (atomic_load(&s->shared->reader_position) > v.head)
        fault(&v, "the reader saw %ld, the head is %" PRId64,
              atomic_load(&s->shared->reader_position), v.head);
    free(v.seen);
    return v.faults;
}

int64_t storm_head(const char *uri)
{
    struct pg *pg;
    struct arena arena;
    struct log_record *records;
    int count = 1;
    int64_t head = 0;
    if (pg_open(&pg, &(struct pg_options){ .uri = uri, .modules = storm_modules }) < 0)
        return -1;
    arena_init(&arena, 0);
    while (count > 0 && head >= 0) {
        if (log_read(pg, &arena, head, 2000, &records, &count) < 0)
            head = -1;
        for (int i = 0; head >= 0 && i < count; i++)
            head = records[i].position == head + 1 ? head + 1 : -1;
        arena_reset(&arena);
    }
    arena_clear(&arena);
    pg_close(pg);
    return head;
}
