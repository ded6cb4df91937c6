/* The committers' threads: take a batch, run it, settle its members.
 *
 * Invariants: every command that was accepted is answered exactly once; one that another replica
 * blocks goes back with a backoff and is answered in_progress after two seconds; one that met a
 * lost link goes back until its budget is spent. */
#include "commit/committer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"
#include "commit/command_queue.h"
#include "commit/link.h"
#include "loop/thread.h"

struct committer {
    struct committers *all;
    pthread_t thread;
    struct link link;
    struct batch batch;
    struct command *members[BATCH_MEMBERS_MAX];
    int64_t began_us; /* its batch */
};

struct committers {
    struct committers_options options;
    struct committer threads[COMMITTERS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* something to take, a batch done, or stopping */
    int waiting;            /* threads at `changed` */
    bool called;            /* one of them was woken by a command, and has not come yet */
    struct command_queue queue;
    bool stopping;
    struct link_stop link_stop;
    struct committers_figures figures;
};

static void wait_until(struct committers *cs, int64_t at_ms)
{
    struct timespec t = { .tv_sec = at_ms / 1000, .tv_nsec = (at_ms % 1000) * 1000000 };
    cs->waiting++;
    if (at_ms == INT64_MAX)
        pthread_cond_wait(&cs->changed, &cs->mutex);
    else
        pthread_cond_timedwait(&cs->changed, &cs->mutex, &t);
    cs->waiting--;
    cs->called = false;
}

/* One thread at a time: whoever comes takes all that may start, and calls the next where there is
 * more. */
static void call_one(struct committers *cs)
{
    if (!cs->waiting || cs->called)
        return;
    cs->called = true;
    pthread_cond_signal(&cs->changed);
}

/* ---- answers ---- */

static void answer_list(struct committers *cs, struct command_list *done)
{
    if (done->first)
        cs->options.on_done(cs->options.ctx, done->first);
}

static void answer_late(struct command *c)
{
    c->verdict = VERDICT_ANSWERED;
    if (c->blocked_since_ms)
        command_fail(c, err_set(ERR_IN_PROGRESS, "another request holds its key or row"));
    else
        command_fail(c, err_set_reason(ERR_NOT_EXECUTED, "expired",
                                       "its budget was spent before it was begun"));
}

static void answer_expired(struct committers *cs, int64_t now_ms)
{
    struct command_list expired = { 0 };
    pthread_mutex_lock(&cs->mutex);
    command_queue_take_expired(&cs->queue, now_ms, &expired);
    pthread_mutex_unlock(&cs->mutex);
    for (struct command *c = expired.first; c; c = c->next)
        answer_late(c);
    answer_list(cs, &expired);
}

void committers_expire(struct committers *cs)
{
    answer_expired(cs, mono_ms());
}

/* ---- one batch ---- */

/* Waits for members; 0 when the committers are stopped and nothing waits any more. */
static int next_members(struct committers *cs, struct command **members)
{
    struct command_queue *q = &cs->queue;
    int count = 0;
    pthread_mutex_lock(&cs->mutex);
    for (;;) {
        int64_t now_us = mono_us();
        command_queue_promote(q, now_us / 1000);
        bool may_start = command_queue_may_start(q, now_us);
        if (may_start)
            count = command_queue_take(q, members);
        if (count || (cs->stopping && command_queue_length(q) == 0))
            break;
        /* Where all that is ready waits for a name in flight, only the end of a batch helps. */
        int64_t until_ms = command_queue_later_ms(q);
        if (!may_start)
            until_ms = MIN(until_ms, command_queue_patience_ms(q));
        wait_until(cs, until_ms);
    }
    if (q->ready.first)
        call_one(cs); /* to begin what is left, or to know until when to wait */
    pthread_mutex_unlock(&cs->mutex);
    return count;
}

/* False = it goes back to the queue. */
static bool member_is_answered(struct committers *cs, struct command *c, int64_t now_ms)
{
    switch (c->verdict) {
    case VERDICT_APPLIED:
    case VERDICT_ANSWERED:
        return true;
    case VERDICT_BLOCKED:
        cs->figures.blocked++;
        if (!c->blocked_since_ms)
            c->blocked_since_ms = now_ms;
        if (now_ms - c->blocked_since_ms < COMMITTER_BLOCKED_MS && now_ms < c->deadline_ms)
            return false;
        answer_late(c);
        return true;
    case VERDICT_BACK:
        if (now_ms < c->deadline_ms)
            return false;
        answer_late(c);
        return true;
    case VERDICT_REPLAY:
    case VERDICT_OPEN:
        break;
    }
    assert_always(!"a verdict that settles nothing");
}

static void send_later(struct committers *cs, struct command *c, int64_t now_ms)
{
    int64_t wait_ms = MIN(INT64_C(5) << MIN(c->tries, 8), COMMITTER_BACKOFF_MS);
    c->tries++;
    c->submitted_us = mono_us();
    command_queue_add_later(&cs->queue, c, now_ms, wait_ms);
}

static int size_bucket(int members)
{
    int bucket = 0;
    while (bucket < COMMITTER_SIZE_BUCKETS - 1 && (1 << bucket) < members)
        bucket++;
    return bucket;
}

static void count_batch(struct committers_figures *f, const struct batch *b, int count)
{
    f->batches++;
    f->members += count;
    f->sizes[size_bucket(count)]++;
    f->commits += b->commits;
    f->alone += b->alone;
}

static void sort_members(struct committer *t, int count, struct command_list *done,
                         struct command_list *replays)
{
    struct committers *cs = t->all;
    int64_t now_ms = mono_ms();
    pthread_mutex_lock(&cs->mutex);
    for (int i = 0; i < count; i++) {
        struct command *c = t->members[i];
        command_queue_release(&cs->queue, c);
        if (c->verdict == VERDICT_REPLAY)
            command_list_add(replays, c);
        else if (member_is_answered(cs, c, now_ms))
            command_list_add(done, c);
        else
            send_later(cs, c, now_ms);
    }
    count_batch(&cs->figures, &t->batch, count);
    cs->queue.took_us = mono_us() - t->began_us;
    pthread_cond_broadcast(&cs->changed);
    pthread_mutex_unlock(&cs->mutex);
}

/* The pulse goes before the replies: who got an answer and asks for the event shall find it soon.
 */
static void settle(struct committer *t, int count)
{
    struct committers_options *o = &t->all->options;
    struct command_list done = { 0 }, replays = { 0 };
    sort_members(t, count, &done, &replays);
    if (t->batch.head) {
        fault_point("commit.before_pulse");
        o->on_commit(o->ctx, t->batch.head);
    }
    fault_point("commit.before_reply");
    answer_list(t->all, &done);
    for (struct command *c = replays.first, *next; c; c = next) {
        next = c->next;
        o->on_replay(o->ctx, c);
    }
}

/* ---- threads ---- */

static void *committer_run(void *arg)
{
    struct committer *t = arg;
    while (link_open(&t->link, INT64_MAX)) {
        int count = next_members(t->all, t->members);
        if (count == 0)
            break;
        t->began_us = mono_us();
        batch_run(&t->batch, t->link.pg, t->members, count);
        settle(t, count);
        if (t->batch.read_only)
            link_close(&t->link);
        link_check(&t->link);
    }
    link_close(&t->link);
    return NULL;
}

/* ---- the face ---- */

bool committers_submit(struct committers *cs, struct command *c)
{
    c->submitted_us = mono_us();
    pthread_mutex_lock(&cs->mutex);
    bool accepted = !cs->stopping && command_queue_length(&cs->queue) < cs->options.queue_max;
    if (accepted) {
        command_queue_add(&cs->queue, c);
        cs->figures.commands++;
        if (cs->queue.ready.length == 1 || command_queue_may_start(&cs->queue, c->submitted_us))
            call_one(cs); /* to begin, or to know until when to wait */
    }
    pthread_mutex_unlock(&cs->mutex);
    return accepted;
}

void committers_figures_read(struct committers *cs, struct committers_figures *ret)
{
    pthread_mutex_lock(&cs->mutex);
    *ret = cs->figures;
    ret->waiting = command_queue_length(&cs->queue);
    ret->in_flight = cs->queue.in_flight;
    pthread_mutex_unlock(&cs->mutex);
    ret->connected = link_stop_connected(&cs->link_stop);
}

static struct committers *committers_new(const struct committers_options *options)
{
    struct committers *cs = calloc(1, sizeof(*cs));
    assert_always(cs);
    cs->options = *options;
    pthread_mutex_init(&cs->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cs->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    link_stop_init(&cs->link_stop);
    return cs;
}

static int start_thread(struct committers *cs, int index)
{
    struct committer *t = &cs->threads[index];
    char name[24];
    snprintf(name, sizeof(name), "committer-%d", index + 1);
    t->all = cs;
    link_init(&t->link, &cs->link_stop, &cs->options.pg, name);
    batch_init(&t->batch);
    return thread_start(&t->thread, name, committer_run, t);
}

int committers_start(struct committers **ret, const struct committers_options *options)
{
    assert_always(options->threads > 0 && options->threads <= COMMITTERS_MAX);
    struct committers *cs = committers_new(options);
    for (int i = 0; i < options->threads; i++) {
        int r = start_thread(cs, i);
        if (r < 0) {
            cs->options.threads = i;
            committers_stop(cs);
            committers_free(cs);
            return r;
        }
    }
    *ret = cs;
    return 0;
}

void committers_stop(struct committers *cs)
{
    pthread_mutex_lock(&cs->mutex);
    cs->stopping = true;
    pthread_cond_broadcast(&cs->changed);
    pthread_mutex_unlock(&cs->mutex);
    link_stop_all(&cs->link_stop);
    for (int i = 0; i < cs->options.threads; i++) {
        pthread_join(cs->threads[i].thread, NULL);
        batch_clear(&cs->threads[i].batch);
    }
    answer_expired(cs, INT64_MAX); /* the database was away: certainly not executed */
}

void committers_free(struct committers *cs)
{
    if (!cs)
        return;
    pthread_cond_destroy(&cs->changed);
    pthread_mutex_destroy(&cs->mutex);
    link_stop_clear(&cs->link_stop);
    free(cs);
}
