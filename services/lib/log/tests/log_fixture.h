/* A storm of writers on a log, and a reader that must never see a gap: processes of their own, so
 * that they can be stopped and killed, which tell what they did through shared memory.
 *
 * Each transaction of a writer updates the writer's own row, appends 1 to STORM_EVENTS_MAX events
 * about the subject "w<writer>-<number>", and is now and then rolled back instead. What became of
 * it is kept by number, and storm_verify compares that with the log: acknowledged = there, once,
 * side by side; not executed = not there; unknown = all or nothing. */
#ifndef LUJIAN_LOG_TESTS_LOG_FIXTURE_H
#define LUJIAN_LOG_TESTS_LOG_FIXTURE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "log/log_read.h"
#include "pg/tests/pg_fixture.h"

#define STORM_WRITERS_MAX      16
#define STORM_TRANSACTIONS_MAX 200000
#define STORM_EVENTS_MAX       20

enum storm_fate { FATE_NONE, FATE_ROLLED_BACK, FATE_DONE, FATE_NOT_EXECUTED, FATE_UNKNOWN };

struct storm_writer {
    atomic_long count; /* transactions begun */
    atomic_long done, unknown, events;
    atomic_long
        slowest_us;       /* of a transaction that ended as it should; reset by whoever measures */
    atomic_long begun_us; /* mono: the transaction at hand */
    atomic_int stopped;   /* this writer is about to stop itself (storm_stop_at) */
    uint8_t fates[STORM_TRANSACTIONS_MAX];
    uint8_t sizes[STORM_TRANSACTIONS_MAX];
};

struct storm_shared {
    atomic_int stop, stop_armed;
    atomic_long reader_position, reader_gaps, reader_passes;
    struct storm_writer writers[STORM_WRITERS_MAX];
};

struct storm {
    struct storm_shared *shared; /* mapped */
    int writer_count;
    pid_t writers[STORM_WRITERS_MAX];
    pid_t reader;
};

struct storm_options {
    const char *uri;
    int writers;
    int events_max; /* of a transaction; 0 = STORM_EVENTS_MAX */
    int rollback_percent;
    int pause_ms; /* after each transaction */
    bool insert;  /* a new row for each event, instead of an update of one's own row */
    const char
        *stop_at; /* once stop_armed is set, writer 0 stops itself (SIGSTOP) at this fault point */
};

/* The schema of the storm: the log's and a table of rows. */
extern const struct pg_module *const storm_modules[];

int storm_start(struct storm *s, const struct storm_options *options);
void storm_stop(struct storm *s); /* waits for all; kills what does not end */
void storm_clear(struct storm *s);
/* Waits until that many transactions were done by all writers together; -1 after timeout_ms. */
int storm_wait_done(const struct storm *s, long done, int timeout_ms);
long storm_done(const struct storm *s);
/* Of all writers, after the storm. */
long storm_count(const struct storm *s, enum storm_fate fate);
/* Compares the log with what the writers and the reader saw; prints and returns the number of
 * differences. */
int storm_verify(const struct storm *s, const char *uri);
/* The positions of the log alone: contiguous from 1; -1 where not, else the head. */
int64_t storm_head(const char *uri);

#endif
