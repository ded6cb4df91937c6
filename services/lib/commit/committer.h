/* Committers: threads that take whatever commands are queued, of any method, and run them in
 * batches.
 *
 * Group commit: a lone client never waits for company; among many, a batch waits a few milliseconds
 * for those who were here a moment ago and are about to return, and starts beside one that runs
 * only with enough members to be worth a transaction: batches cost more in processor time than in
 * waiting. command_queue.h has the rule.
 */
#ifndef LUJIAN_COMMIT_COMMITTER_H
#define LUJIAN_COMMIT_COMMITTER_H

#include "commit/batch.h"

#define COMMITTERS_MAX         8
#define COMMITTER_BLOCKED_MS   2000 /* then in_progress */
#define COMMITTER_BACKOFF_MS   100  /* at most, between two tries of a blocked command */
#define COMMITTER_SIZE_BUCKETS 8    /* batches of 1, 2, 3-4, 5-8, ... 33-64 and more */

struct committers;

struct committers_options {
    int threads;
    int queue_max;        /* commands that wait; more are not accepted */
    struct pg_options pg; /* application_name is extended by the thread's */
    /* Answered commands, linked by `next`; on a committer's or the caller's thread. What they hold
     * of the batch's memory is gone when this returns: pack the answers here. */
    void (*on_done)(void *ctx, struct command *first);
    /* A key that was answered before: answer with the aggregate `replay` as it is now. */
    void (*on_replay)(void *ctx, struct command *c);
    void (*on_commit)(void *ctx, int64_t head); /* events were appended up to head */
    void *ctx;
};

int committers_start(struct committers **ret, const struct committers_options *options);
/* False when the queue is full or closed: the command is still the caller's. */
bool committers_submit(struct committers *cs, struct command *c);
/* Answers what has waited past its deadline; call it from time to time. */
void committers_expire(struct committers *cs);
/* Runs what is queued (or answers it, where the database is away), then ends the threads; accepts
 * nothing any more. */
void committers_stop(struct committers *cs);
void committers_free(struct committers *cs); /* stopped; NULL is fine */

struct committers_figures {
    int64_t commands, batches, commits, alone, blocked, members;
    int64_t sizes[COMMITTER_SIZE_BUCKETS];
    int waiting, in_flight;
    int connected;
};
void committers_figures_read(struct committers *cs, struct committers_figures *ret);

#endif
