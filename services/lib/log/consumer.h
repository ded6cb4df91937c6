/* A consumer: follows another service's stream and gives each event its effect in this database
 * exactly once.
 *
 * The cursor stands in this database and is moved, by compare-and-set, in the transaction of the
 * effects: that makes effects exact. Which replica follows is a lease in the cursor's row, in
 * database time: that is for liveness only, and two that both believe to lead do no harm.
 *
 * Infrastructure errors are retried for ever, with an alarm. A failure that will stay (the
 * handler's own, a value or constraint) parks the event, and later events of its subject queue
 * behind it; the stream goes on. After a holder died without releasing the lease the next one runs
 * what may have killed it one event at a time, and an event that was begun alone by three processes
 * that did not survive it is parked by the fourth. A cursor that does not match the log stops the
 * consumer until an operator rebases it. */
#ifndef LUJIAN_LOG_CONSUMER_H
#define LUJIAN_LOG_CONSUMER_H

#include "log/log_read.h"

#define CONSUMER_BATCH_EVENTS_MAX 256
#define CONSUMER_BATCH_BYTES_MAX  ((size_t)1024 * 1024)
#define CONSUMER_CREDIT           1000 /* events that may be on their way or waiting */
#define CONSUMER_LEASE_MS         5000
#define CONSUMER_DEATHS_MAX       3

struct consumer_engine;

/* Where the events come from. Called on the engine's thread; answers come through consumer_deliver
 * and consumer_ended, from any thread, with the generation that they belong to (what belongs to
 * another is dropped). */
struct consumer_source {
    /* Deliver what follows `after` ("" = from the first event), at most `credit` events until more
     * is granted. */
    int (*open)(void *ctx, struct consumer_engine *engine, uint64_t generation, const char *after,
                uint32_t credit);
    void (*credit)(void *ctx, uint64_t generation, uint32_t events);
    void (*close)(void *ctx, uint64_t generation);
    void *ctx;
};

struct consumer_options {
    const struct pg_options *pg; /* what it points to must outlive the engine */
    const char *stream;          /* "complaints" */
    const char *instance;        /* of this process */
    struct consumer_source source;

    /* All on the engine's thread.
     *
     * The effects of events side by side, in order: SQL only, for it may be run again, and each
     * time with all or with each alone. 0, or an error: ERR_AGAIN is retried for ever; any other
     * that is no SQL error of the server's own trouble parks the event once it was given alone.
     * Whoever needs civil time calls tx_now after its locks, and sets tx->now_ms to 0 before the
     * next event. tx->traceparent is the first event's. */
    int (*apply)(void *ctx, struct tx *tx, const struct log_record *records, int count);
    /* May be NULL: in each transaction that moves the cursor, with what it is moved to. */
    int (*moved)(void *ctx, struct tx *tx, int64_t epoch, int64_t position);
    /* May be NULL: effects were committed; head is the newest position of our own log that they
     * appended, or 0. */
    void (*on_commit)(void *ctx, int64_t head);
    /* May be NULL. Codes: consumer_retrying, consumer_stopped, consumer_refused; and
     * consumer_parked, which is raised here, and cleared by whoever counts the dead letters, for
     * any replica may have them replayed. The subject is the stream. */
    void (*on_alarm)(void *ctx, const char *code, const char *subject, const char *detail,
                     bool raised);
    void *ctx;
    bool own_log; /* the stream is this database's own: with a new epoch the cursor is none of it */
    int lease_ms; /* 0 = CONSUMER_LEASE_MS */
};

int consumer_start(struct consumer_engine **ret, const struct consumer_options *options);
/* Finishes what is in hand and gives the lease back. */
void consumer_stop(struct consumer_engine *e);
/* Look now: the lease may be free, a rebase happened. */
void consumer_wake(struct consumer_engine *e);
bool consumer_leads(struct consumer_engine *e);

/* By the source. The records are copied; `through` is a cursor: looked at up to there. */
void consumer_deliver(struct consumer_engine *e, uint64_t generation,
                      const struct log_record *records, int count, const char *through);
/* The source ended this generation for good: ERR_CURSOR_MISMATCH, ERR_PERMISSION_DENIED, ... */
void consumer_ended(struct consumer_engine *e, uint64_t generation, int code);

/* ---- what any replica can tell and do, with a connection of its own, outside a transaction */

struct consumer_status {
    const char *stream, *holder;
    int64_t epoch, position, dead_letters;
    bool stopped;
};
/* All streams (NULL), or the one that is named. */
int consumer_status_read(struct pg *pg, struct arena *arena, const char *stream,
                         struct consumer_status **ret, int *ret_count);
/* Sets the cursor, wherever it stands; the consumer goes on from there. ERR_NOT_FOUND: no such
 * stream is followed. */
int consumer_rebase(struct pg *pg, struct arena *arena, const struct log_cursor *to,
                    struct log_cursor *ret_previous);

struct dead_letter {
    int64_t position, parked_at;
    const char *type, *subject, *error;
    int attempts;
};
int dead_letter_list(struct pg *pg, struct arena *arena, const char *stream, int count_max,
                     struct dead_letter **ret, int *ret_count);

struct dead_letter_replay {
    int replayed, parked; /* applied now; still parked */
    int64_t head;         /* newest position of our own log that the effects appended */
};
/* Tries a parked subject's events again, in order, until one fails. The arena is reset in between.
 */
int dead_letter_replay(struct pg *pg, struct arena *arena, const char *stream, const char *subject,
                       int (*apply)(void *ctx, struct tx *tx, const struct log_record *records,
                                    int count),
                       void *ctx, struct dead_letter_replay *ret);

#endif
