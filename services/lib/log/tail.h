/* The tail of a log: one thread that reads what was committed, by whichever replica, keeps the
 * recent events in a ring, and hands each batch to whoever listens.
 *
 * It reads when it is woken (a sibling's pulse, a commit of this process) and once a second
 * unprompted. The head that it tells is what it has read, so a head told is a head readable. */
#ifndef LUJIAN_LOG_TAIL_H
#define LUJIAN_LOG_TAIL_H

#include <stdatomic.h>

#include "log/log_read.h"

#define TAIL_SLICE_MAX 500 /* events of a batch */

struct tail;

/* Events side by side: records[i].position == records[0].position + i. Never changes once it is
 * handed out; counted, so that a feed may keep it while it sends. */
struct tail_batch {
    int64_t epoch;
    const struct log_record *records;
    int count;
    size_t bytes;       /* of memory, all in all */
    struct arena arena; /* a feed's own reading of the log; the tail's batches are in one piece */
    atomic_int refs;
};
struct tail_batch *tail_batch_ref(struct tail_batch *batch);
void tail_batch_unref(struct tail_batch *batch);

struct tail_options {
    const struct pg_options *pg; /* what it points to must outlive the tail */
    int ring_events_max;         /* 0 = 20,000 */
    size_t ring_bytes_max;       /* 0 = 32 MiB; the newest batch is kept however large */

    /* All on the tail's thread; any may be NULL. */
    void (*on_batch)(void *ctx, struct tail_batch *batch); /* ref it to keep it */
    /* The log was opened anew (the first time, too): cursors of another epoch are void, `head` is
     * where it stands. */
    void (*on_epoch)(void *ctx, int64_t epoch, int64_t head);
    /* The log cannot be read, or has a gap; NULL = all is well again. */
    void (*on_fault)(void *ctx, const char *code, const char *detail);
    void *ctx;
};

int tail_start(struct tail **ret, const struct tail_options *options);
void tail_stop(struct tail *t);
/* From any thread: there may be something new. */
void tail_wake(struct tail *t);
/* From any thread. Epoch 0: the log has not been reached yet. */
void tail_head(struct tail *t, int64_t *ret_epoch, int64_t *ret_head);
/* From any thread: the batch that holds position after + 1 (records before that are to be skipped),
 * to be unref'd. 1; 0 = nothing is after it yet; ERR_NOT_FOUND = too old for the ring: read the
 * log. */
int tail_get(struct tail *t, int64_t after, struct tail_batch **ret_batch);

#endif
