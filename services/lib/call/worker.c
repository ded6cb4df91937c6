/* Workers: threads with a connection each, for queries and replays.
 *
 * What a worker does has no effect, so after a lost link it is simply done again on the next
 * connection, within the call's budget. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "cache/cache.h"
#include "call/civil.h"
#include "call/inside.h"
#include "commit/link.h"
#include "loop/thread.h"

#define WORKERS_MAX 64

struct worker {
    struct workers *all;
    pthread_t thread;
    struct link link;
    struct cache_conn *cache; /* NULL = none */
};

struct workers {
    struct calls *calls;
    struct worker threads[WORKERS_MAX];
    int thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct command_list queue;
    bool stopping;
    struct link_stop link_stop;
};

/* ---- the queue ---- */

bool workers_submit(struct workers *ws, struct call *call)
{
    call->command.submitted_us = mono_us();
    pthread_mutex_lock(&ws->mutex);
    bool accepted = !ws->stopping && ws->queue.length < ws->calls->options.worker_queue_max;
    if (accepted) {
        command_list_add(&ws->queue, &call->command);
        pthread_cond_signal(&ws->changed);
    }
    pthread_mutex_unlock(&ws->mutex);
    return accepted;
}

/* NULL = stopped, and nothing waits any more. */
static struct call *next_call(struct workers *ws)
{
    pthread_mutex_lock(&ws->mutex);
    while (!ws->queue.first && !ws->stopping)
        pthread_cond_wait(&ws->changed, &ws->mutex);
    struct command *c = command_list_take_first(&ws->queue);
    pthread_mutex_unlock(&ws->mutex);
    return c ? call_of(c) : NULL;
}

static void answer_expired(struct command *c)
{
    command_fail(
        c, err_set_reason(ERR_NOT_EXECUTED, "expired", "its budget was spent before it was begun"));
    call_pack(call_of(c));
}

void workers_expire(struct workers *ws)
{
    struct command_list expired = { 0 };
    pthread_mutex_lock(&ws->mutex);
    command_list_take_expired(&ws->queue, mono_ms(), &expired);
    pthread_mutex_unlock(&ws->mutex);
    for (struct command *c = expired.first, *next; c; c = next) {
        next = c->next;
        answer_expired(c);
        call_finish(call_of(c));
    }
}

/* ---- the work ---- */

static int run_once(struct worker *w, struct call *call)
{
    struct command *c = &call->command;
    struct request *rq = &c->rq;
    struct pg *pg = w->link.pg;
    err_clear();
    rq->version = 0;
    rq->refusal = NULL;
    rq->field = NULL;
    rq->pg = pg;
    c->out = wire_new(&call->arena, rq->method->response);
    int r = civil_now(pg, &call->arena, &rq->now_ms);
    if (r == 0 && call->work == WORK_QUERY) {
        rq->cache = w->cache;
        r = c->handler->query(rq, c->in, c->out);
        rq->cache = NULL;
    } else if (r == 0) {
        r = c->handler->view(rq, c->replay, c->out);
    }
    rq->pg = NULL;
    return r;
}

/* 0 or the failure to answer with. */
static int run_until_done(struct worker *w, struct call *call)
{
    while (link_open(&w->link, call->command.deadline_ms)) {
        if (mono_ms() >= call->command.deadline_ms)
            return err_set_reason(ERR_NOT_EXECUTED, "expired", "its budget was spent in the queue");
        int r = run_once(w, call);
        if (r >= 0 || pg_alive(w->link.pg))
            return r;
        link_check(&w->link);
    }
    return err_set_reason(ERR_NOT_EXECUTED, "expired", "the database could not be reached in time");
}

static void answer(struct call *call, int code)
{
    if (code < 0)
        command_fail(&call->command, code);
    call_pack(call);
    call->command.next = NULL;
    calls_post(call->calls, &call->command);
}

static void run_call(struct worker *w, struct call *call)
{
    struct command *c = &call->command;
    int64_t began_us = mono_us();
    c->queued_us += began_us - c->submitted_us;
    int r = run_until_done(w, call);
    call->read_us += mono_us() - began_us;
    answer(call, MIN(r, 0));
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    /* Connected before there is work: whoever asks whether this replica is ready shall know. */
    while (link_open(&w->link, INT64_MAX)) {
        struct call *call = next_call(w->all);
        if (!call)
            break;
        run_call(w, call);
    }
    cache_conn_free(w->cache);
    link_close(&w->link);
    return NULL;
}

/* ---- threads ---- */

void workers_figures(struct workers *ws, int *ret_waiting, int *ret_connected)
{
    pthread_mutex_lock(&ws->mutex);
    *ret_waiting = ws->queue.length;
    pthread_mutex_unlock(&ws->mutex);
    *ret_connected = link_stop_connected(&ws->link_stop);
}

int workers_start(struct workers **ret, struct calls *cs)
{
    struct workers *ws = calloc(1, sizeof(*ws));
    assert_always(ws && cs->options.workers > 0 && cs->options.workers <= WORKERS_MAX);
    ws->calls = cs;
    pthread_mutex_init(&ws->mutex, NULL);
    pthread_cond_init(&ws->changed, NULL);
    link_stop_init(&ws->link_stop);
    for (int i = 0; i < cs->options.workers; i++) {
        struct worker *w = &ws->threads[i];
        char name[24];
        snprintf(name, sizeof(name), "worker-%d", i + 1);
        w->all = ws;
        link_init(&w->link, &ws->link_stop, &cs->options.pg, name);
        w->cache = cache_conn_new(cs->options.cache);
        int r = thread_start(&w->thread, name, worker_run, w);
        if (r < 0) {
            cache_conn_free(w->cache);
            workers_stop(ws);
            return r;
        }
        ws->thread_count++;
    }
    *ret = ws;
    return 0;
}

void workers_stop(struct workers *ws)
{
    if (!ws)
        return;
    pthread_mutex_lock(&ws->mutex);
    ws->stopping = true;
    pthread_cond_broadcast(&ws->changed);
    pthread_mutex_unlock(&ws->mutex);
    link_stop_all(&ws->link_stop);
    for (int i = 0; i < ws->thread_count; i++)
        pthread_join(ws->threads[i].thread, NULL);
    /* What waits still: the database was away, and nothing of it was begun. */
    for (struct command *c; (c = command_list_take_first(&ws->queue)) != NULL;) {
        answer_expired(c);
        calls_post(ws->calls, c);
    }
    link_stop_clear(&ws->link_stop);
    pthread_cond_destroy(&ws->changed);
    pthread_mutex_destroy(&ws->mutex);
    free(ws);
}
