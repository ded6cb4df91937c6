/* What waits for the committers: commands in order of arrival, those that were sent back, and the
 * names in flight. Its owner keeps a mutex around every call. */
#ifndef LUJIAN_COMMIT_COMMAND_QUEUE_H
#define LUJIAN_COMMIT_COMMAND_QUEUE_H

#include "commit/batch.h"

#define COMMAND_NAME_SLOTS  65536 /* a power of two */
#define COMMAND_WORTH       16    /* so many are worth a transaction of their own */
#define COMMAND_CROWD_MS    100   /* how long it is remembered how many there were at once */
#define COMMAND_GATHER_MS   16 /* the longest wait for the others of the crowd, or a batch's time */
#define COMMAND_PATIENCE_MS 100 /* the longest wait for a batch that runs */

struct command_list {
    struct command *first, *last;
    int length;
};

struct command_queue {
    struct command_list ready;
    struct command_list later; /* sent back, not before their time */
    int in_flight;
    /* The most that waited and ran at once in the running span of COMMAND_CROWD_MS and in the one
     * before it. */
    int crowd, crowd_before;
    int64_t crowd_since_us;
    int64_t took_us; /* the newest batch: where batches are slow, so are those who come back */
    /* Names in flight, counted by slot: two names that share one take turns, which is all that a
     * collision does. */
    uint8_t busy[COMMAND_NAME_SLOTS];
};

void command_list_add(struct command_list *l, struct command *c);
struct command *command_list_take_first(struct command_list *l); /* NULL = it is empty */
/* Moves what is past its deadline to `expired`. */
void command_list_take_expired(struct command_list *l, int64_t now_ms,
                               struct command_list *expired);

int command_queue_length(const struct command_queue *q);
void command_queue_add(struct command_queue *q, struct command *c);
/* Not before `wait_ms` from now. */
void command_queue_add_later(struct command_queue *q, struct command *c, int64_t now_ms,
                             int64_t wait_ms);
/* Makes ready what was sent back and has waited long enough. */
void command_queue_promote(struct command_queue *q, int64_t now_ms);
/* When the next of those is due; INT64_MAX = never. */
int64_t command_queue_later_ms(const struct command_queue *q);
/* When the first that is ready will have waited for long enough; INT64_MAX = none is. */
int64_t command_queue_patience_ms(const struct command_queue *q);
/* Is a batch worth starting? Where nothing is in flight: as soon as all of whom there were at once
 * lately are here again, which for a lone client is at once; or when there are many, or the first
 * of them has waited for COMMAND_GATHER_MS, or as long as a batch takes where that is longer.
 * Beside a batch that runs: when what is ready is worth a transaction, or has waited for long (the
 * one that runs is held up by something). */
bool command_queue_may_start(const struct command_queue *q, int64_t now_us);
/* Members of the next batch, in order of arrival, passing over those whose name is in flight. */
int command_queue_take(struct command_queue *q, struct command *members[BATCH_MEMBERS_MAX]);
/* A member is no longer in flight. */
void command_queue_release(struct command_queue *q, const struct command *c);
void command_queue_take_expired(struct command_queue *q, int64_t now_ms,
                                struct command_list *expired);

#endif
