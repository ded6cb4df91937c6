/* What the files of the consumer share. For this folder only.
 *
 * The engine's thread owns everything but what stands under the lock. A batch holds its frames
 * until it is done, so its records stay where they are while it is tried again. */
#ifndef LUJIAN_LOG_CONSUMER_INSIDE_H
#define LUJIAN_LOG_CONSUMER_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "log/consumer.h"

#define CONSUMER_LOST 1 /* the cursor is not where we thought: nothing was done */

/* What came at once: events, and how far was looked. */
struct consumer_frame {
    struct consumer_frame *next;
    struct arena arena;
    struct log_record *records;
    int count, taken;
    struct log_cursor through;
};

struct consumer_place {
    int64_t epoch, position;
    char event_id[UUID_TEXT_SIZE]; /* "" = not known */
};

struct consumer_batch {
    struct log_record records[CONSUMER_BATCH_EVENTS_MAX];
    int count, next;           /* records before `next` are done */
    int credit;                /* to be granted when it is done */
    struct log_cursor through; /* position 0 = no further than the last record */
    struct consumer_frame *spent;
    bool in_hand;
};

struct consumer_engine {
    struct consumer_options options;
    char holder[96];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* under the lock */
    bool stopping, woken;
    uint64_t generation; /* of the open feed; 0 = none is open */
    struct consumer_frame *first_frame, *last_frame;
    int ended; /* the code that the source ended this generation with; 0 = not */

    atomic_bool leads;

    /* the thread's own */
    struct pg *pg;
    struct arena arena;
    struct consumer_place place;
    bool halted;
    int64_t own_epoch; /* of this database's log, as far as this connection knows; 0 = not */
    uint64_t last_generation;
    int64_t renew_at_ms, open_at_ms, moved_at_ms; /* mono */
    struct consumer_batch batch;
    int64_t alone_until; /* position: events up to here are run alone */
    int trial_left;      /* so many events are run alone, and counted first */
    int failures;
    bool alarm_retrying, alarm_stopped, alarm_refused;
};

/* consumer_inbox.c */
void consumer_inbox_clear(struct consumer_engine *e);
/* Takes what has come, up to a batch's limits, without waiting. */
void consumer_inbox_take(struct consumer_engine *e, struct consumer_batch *batch);
void consumer_batch_clear(struct consumer_batch *batch);

/* consumer_effect.c: each in a transaction of its own. 0; CONSUMER_LOST; or an error. */
int consumer_effect(struct consumer_engine *e, const struct log_record *records, int count,
                    const struct consumer_place *to);
int consumer_park(struct consumer_engine *e, const struct log_record *record, int attempts,
                  const char *error, const struct consumer_place *to);
/* Will this failure stay, however often it is tried? */
bool consumer_failure_stays(int code);
/* Locks the cursor's row and compares; for what must not run beside an operator's replay. */
int consumer_lock_place(struct tx *tx, const char *stream, const struct consumer_place *place);

/* consumer_batch.c: applies what is in hand, as far as it can now. 0, or an error. */
int consumer_process(struct consumer_engine *e);

/* consumer.c */
bool consumer_is_stopping(struct consumer_engine *e);
/* Nothing fails any more. */
void consumer_is_well(struct consumer_engine *e);
/* Stops for good, until an operator rebases the cursor. */
int consumer_halt(struct consumer_engine *e, const char *why);
void consumer_alarm(struct consumer_engine *e, const char *code, const char *subject,
                    const char *detail, bool raised);

#endif
