/* The calls of a replica: the method table, the queues' threads, and what they report. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "call/inside.h"

#define EXPIRY_MS 50

static void on_done(void *ctx, struct command *first)
{
    for (struct command *c = first; c; c = c->next)
        call_pack(call_of(c));
    calls_post(ctx, first);
}

/* A key that was answered before: a worker reads the aggregate as it is now. */
static void on_replay(void *ctx, struct command *c)
{
    struct calls *cs = ctx;
    struct call *call = call_of(c);
    call->replayed = true;
    call->work = WORK_VIEW;
    c->code = 0;
    if (workers_submit(cs->workers, call))
        return;
    call->replayed = false;
    command_fail(c, err_set_reason(ERR_NOT_EXECUTED, "queue_full", "too much waits already"));
    call_pack(call);
    calls_post(cs, c);
}

static void on_commit(void *ctx, int64_t head)
{
    struct calls *cs = ctx;
    cs->options.on_commit(cs->options.ctx, head);
}

static void on_expiry(void *arg)
{
    struct calls *cs = arg;
    committers_expire(cs->committers);
    workers_expire(cs->workers);
}

/* A table that is wrong is found at the start, not by the first request. */
static void handler_check(const struct method_handler *all, const struct method_handler *h)
{
    bool query = h->method->kind == METHOD_QUERY;
    assert_always(query ? h->query && !h->apply : h->apply && h->view && !h->query);
    assert_always(!h->lock == !h->exist);
    assert_always(!h->lock || h->method->subject);
    assert_always(!h->load || h->lock);
    for (const struct method_handler *other = all; h->lock && other->method; other++)
        assert_always(other->lock != h->lock ||
                      (other->exist == h->exist && other->load == h->load));
    assert_always(!h->natural_lookup || h->method->natural_key);
}

static void method_add(struct calls *cs, const struct method_info *info,
                       const struct method_handler *handler, const struct loop_handler *on_loop)
{
    struct call_method *m = &cs->method_table[cs->method_count];
    *m = (struct call_method){ .info = info,
                               .handler = handler,
                               .on_loop = on_loop,
                               .figures = &cs->figures[cs->method_count] };
    m->figures->method = info->name;
    assert_always(!map_get(&cs->methods, info->name));
    map_put(&cs->methods, info->name, m);
    cs->method_count++;
}

static void methods_build(struct calls *cs)
{
    const struct calls_options *o = &cs->options;
    const struct method_handler *const tables[] = { o->methods, o->node_methods };
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (const struct method_handler *h = tables[i]; h && h->method; h++)
            count++;
    }
    for (const struct loop_handler *l = o->loop_methods; l && l->method; l++)
        count++;
    cs->method_table = calloc(count, sizeof(*cs->method_table));
    cs->figures = calloc(count + 1, sizeof(*cs->figures));
    assert_always(cs->method_table && cs->figures);
    map_init(&cs->methods);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (const struct method_handler *h = tables[i]; h && h->method; h++) {
            handler_check(tables[i], h);
            method_add(cs, h->method, h, NULL);
        }
    }
    for (const struct loop_handler *l = o->loop_methods; l && l->method; l++)
        method_add(cs, l->method, NULL, l);
    cs->figures[cs->method_count].method = "unknown";
}

int calls_open(struct calls **ret, const struct calls_options *options)
{
    struct calls *cs = calloc(1, sizeof(*cs));
    assert_always(cs);
    cs->options = *options;
    methods_build(cs);
    rate_init(&cs->rate, options->rate_per_second, options->rate_burst);
    struct committers_options committers = { .threads = options->committers,
                                             .queue_max = options->commit_queue_max,
                                             .pg = options->pg,
                                             .on_done = on_done,
                                             .on_replay = on_replay,
                                             .on_commit = on_commit,
                                             .ctx = cs };
    committers.pg.keyed = true;
    int r = committers_start(&cs->committers, &committers);
    if (r == 0)
        r = workers_start(&cs->workers, cs);
    if (r < 0) {
        calls_stop(cs);
        calls_free(cs);
        return r;
    }
    cs->expiry = loop_timer_new(options->loop, on_expiry, cs);
    loop_timer_start(cs->expiry, EXPIRY_MS, EXPIRY_MS);
    *ret = cs;
    return 0;
}

void calls_drain(struct calls *cs)
{
    cs->draining = true;
}

int calls_open_count(const struct calls *cs)
{
    return cs->open;
}

int calls_arrivals(struct calls *cs)
{
    int arrivals = cs->arrivals;
    cs->arrivals = 0;
    return arrivals;
}

/* The committers first: what they replay is the workers' to answer. */
void calls_stop(struct calls *cs)
{
    loop_timer_free(cs->expiry);
    cs->expiry = NULL;
    if (cs->committers)
        committers_stop(cs->committers);
    workers_stop(cs->workers);
    cs->workers = NULL;
    committers_free(cs->committers);
    cs->committers = NULL;
}

void calls_free(struct calls *cs)
{
    assert_always(cs->open == 0);
    rate_clear(&cs->rate);
    map_clear(&cs->methods);
    free(cs->method_table);
    free(cs->figures);
    free(cs);
}

bool calls_commands_under_way(struct calls *cs)
{
    struct committers_figures f;
    committers_figures_read(cs->committers, &f);
    return f.waiting + f.in_flight > 0;
}

void calls_figures_read(struct calls *cs, struct calls_figures *ret)
{
    *ret = (struct calls_figures){ .methods = cs->figures,
                                   .method_count = cs->method_count + 1,
                                   .bytes_in = cs->bytes_in,
                                   .bytes_out = cs->bytes_out,
                                   .unsent = cs->unsent,
                                   .open = cs->open };
    if (cs->workers)
        workers_figures(cs->workers, &ret->worker_waiting, &ret->worker_connected);
    if (cs->committers)
        committers_figures_read(cs->committers, &ret->commits);
}
