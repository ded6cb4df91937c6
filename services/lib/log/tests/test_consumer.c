/* The consumer in one process, on a source of the test's own: each event takes effect once and in
 * order, failures that stay are parked by subject, others are tried again, and a cursor that does
 * not match stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"
#include "log/consumer.h"
#include "pg/tests/pg_fixture.h"

#define WAIT_MS    20000
#define EVENTS_MAX 4000

static const struct pg_query effect = {
    .name = "c_effect", .sql = "INSERT INTO effect (position, subject) VALUES ($1, $2)"
};
static const struct pg_query conflict = { .name = "c_conflict",
                                          .sql = "INSERT INTO taken VALUES ($1)" };
static const struct pg_query list = { .name = "c_list",
                                      .sql = "SELECT position, subject FROM effect ORDER BY id" };
static const struct pg_query *const queries[] = { &effect, &conflict, &list, NULL };
static const struct pg_migration migrations[] = {
    { .number = 1,
      .name = "c",
      .sha256 = "consumer-test-1",
      .sql = "CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, position bigint, "
             "subject text);"
             "CREATE TABLE taken (name text PRIMARY KEY); INSERT INTO taken VALUES ('taken')" },
    { .number = 0 },
};
static const struct pg_module module = { .name = "c",
                                         .queries = queries,
                                         .migrations = migrations };
static const struct pg_module *const modules[] = { &log_module, &module, NULL };

static struct pg_fixture *fixture;

/* ------------------------------------------------------------------ the source: a log in memory */

struct source {
    pthread_mutex_t lock;
    int64_t epoch;
    struct log_record events[EVENTS_MAX];
    int count;
    struct consumer_engine *engine;
    uint64_t generation; /* 0 = no feed is open */
    int64_t sent;
    uint32_t credit;
    int frame_max, opens;
    bool mute; /* sends nothing by itself */
};

static struct source source;

static void send_frames(struct source *s)
{
    while (!s->mute && s->generation && s->credit > 0 && s->sent < s->count) {
        int n = (int)MIN(MIN((int64_t)s->credit, s->count - s->sent), (int64_t)s->frame_max);
        char through[64];
        snprintf(through, sizeof(through), "other:%d:%d", (int)s->epoch, (int)s->sent + n);
        consumer_deliver(s->engine, s->generation, &s->events[s->sent], n, through);
        s->sent += n;
        s->credit -= (uint32_t)n;
    }
}

static int source_open(void *ctx, struct consumer_engine *engine, uint64_t generation,
                       const char *after, uint32_t credit)
{
    struct source *s = ctx;
    struct log_cursor cursor = { .epoch = s->epoch };
    if (*after && log_cursor_parse(after, &cursor) < 0)
        return err_last()->code;
    pthread_mutex_lock(&s->lock);
    s->opens++;
    s->engine = engine;
    s->generation = generation;
    s->credit = credit;
    s->sent = cursor.position;
    bool known = cursor.epoch == s->epoch && cursor.position <= s->count;
    if (known)
        send_frames(s);
    pthread_mutex_unlock(&s->lock);
    if (!known)
        consumer_ended(engine, generation, ERR_CURSOR_MISMATCH);
    return 0;
}

static void source_credit(void *ctx, uint64_t generation, uint32_t events)
{
    struct source *s = ctx;
    pthread_mutex_lock(&s->lock);
    if (generation == s->generation) {
        s->credit += events;
        send_frames(s);
    }
    pthread_mutex_unlock(&s->lock);
}

static void source_close(void *ctx, uint64_t generation)
{
    struct source *s = ctx;
    pthread_mutex_lock(&s->lock);
    assert_true(generation == s->generation || s->generation == 0);
    s->generation = 0;
    pthread_mutex_unlock(&s->lock);
}

/* Looked at from the test's thread, under the lock. */
static uint64_t open_generation(void)
{
    pthread_mutex_lock(&source.lock);
    uint64_t generation = source.generation;
    pthread_mutex_unlock(&source.lock);
    return generation;
}

static uint32_t credit_left(void)
{
    pthread_mutex_lock(&source.lock);
    uint32_t credit = source.credit;
    pthread_mutex_unlock(&source.lock);
    return credit;
}

/* Appends `n` events; subjects go round s0 .. s<subjects-1>. */
static void happen(int n, int subjects, const char *type)
{
    pthread_mutex_lock(&source.lock);
    for (int i = 0; i < n; i++) {
        struct log_record *r = &source.events[source.count++];
        static char ids[EVENTS_MAX][UUID_TEXT_SIZE], names[EVENTS_MAX][16];
        uuid_v7(wall_ms(), ids[source.count - 1]);
        snprintf(names[source.count - 1], sizeof(names[0]), "s%d", i % subjects);
        *r = (struct log_record){ .position = source.count,
                                  .id = ids[source.count - 1],
                                  .type = type,
                                  .subject = names[source.count - 1],
                                  .division = "3701",
                                  .audience = "",
                                  .correlation = names[source.count - 1],
                                  .traceparent = "",
                                  .time_ms = 1790000000000,
                                  .data = (const uint8_t *)"data",
                                  .size = 4 };
    }
    send_frames(&source);
    pthread_mutex_unlock(&source.lock);
}

/* ------------------------------------------------------------------ the handler, and what it is
 * told to do */

struct handler {
    pthread_mutex_t lock;
    atomic_int again;     /* so often it says ERR_AGAIN */
    const char *bad_type; /* events of it conflict with a constraint */
    const char *sick;     /* subject whose events the handler itself refuses */
    atomic_int calls, commits, moved_to, alarms, parked_alarms;
    char raised[64]; /* the alarm that stands, but for parked */
};

static struct handler handler;

static int apply_one(struct tx *tx, const struct log_record *r)
{
    int e = tx_write(tx, &effect, PG_ARGS(pg_int(r->position), pg_text(r->subject)));
    if (e >= 0 && handler.bad_type && !strcmp(r->type, handler.bad_type))
        e = tx_write(tx, &conflict, PG_ARGS(pg_text("taken")));
    if (e >= 0 && handler.sick && !strcmp(r->subject, handler.sick))
        e = err_set(ERR_UNPROCESSABLE, "the subject is sick");
    return e;
}

static int apply(void *ctx UNUSED, struct tx *tx, const struct log_record *records, int count)
{
    atomic_fetch_add(&handler.calls, 1);
    if (atomic_load(&handler.again) > 0 && atomic_fetch_sub(&handler.again, 1) > 0)
        return err_set(ERR_AGAIN, "not now");
    int r = 0;
    for (int i = 0; r >= 0 && i < count; i++)
        r = apply_one(tx, &records[i]);
    return r;
}

static int moved(void *ctx UNUSED, struct tx *tx UNUSED, int64_t epoch UNUSED, int64_t position)
{
    atomic_store(&handler.moved_to, (int)position);
    return 0;
}

static void on_commit(void *ctx UNUSED, int64_t head UNUSED)
{
    atomic_fetch_add(&handler.commits, 1);
}

static void on_alarm(void *ctx UNUSED, const char *code, const char *subject, const char *detail,
                     bool is_raised)
{
    assert_non_null(detail);
    pthread_mutex_lock(&handler.lock);
    if (!strcmp(code, "consumer_parked")) {
        atomic_fetch_add(&handler.parked_alarms, 1);
    } else {
        assert_string_equal(subject, "other");
        snprintf(handler.raised, sizeof(handler.raised), "%s", is_raised ? code : "");
        atomic_fetch_add(&handler.alarms, is_raised);
    }
    pthread_mutex_unlock(&handler.lock);
}

static bool stands(const char *code)
{
    pthread_mutex_lock(&handler.lock);
    bool is = !strcmp(handler.raised, code);
    pthread_mutex_unlock(&handler.lock);
    return is;
}

/* ------------------------------------------------------------------ fixtures */

struct context {
    const char *uri;
    struct pg_options options;
    struct pg *pg;
    struct arena arena;
    struct consumer_engine *engine, *second;
    bool own_log; /* of the engines to be started */
};

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state)
{
    static struct context c;
    int64_t epoch;
    memset(&c, 0, sizeof(c));
    memset(&source, 0, sizeof(source));
    memset(&handler, 0, sizeof(handler));
    source.epoch = 1;
    source.frame_max = 100;
    pthread_mutex_init(&source.lock, NULL);
    pthread_mutex_init(&handler.lock, NULL);
    arena_init(&c.arena, 0);
    c.uri = pg_fixture_database(fixture);
    c.pg = c.uri ? pg_fixture_connect(fixture, c.uri) : NULL;
    c.options =
        (struct pg_options){ .uri = c.uri, .application_name = "engine", .modules = modules };
    *state = &c;
    return c.pg && log_open_stream(c.pg, "mine", &epoch) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    struct context *c = *state;
    consumer_stop(c->engine);
    consumer_stop(c->second);
    pg_close(c->pg);
    arena_clear(&c->arena);
    pg_fixture_drop(fixture, c->uri);
    return 0;
}

static struct consumer_engine *start(struct context *c, const char *instance)
{
    struct consumer_engine *engine;
    struct consumer_options options = {
        .pg = &c->options,
        .stream = "other",
        .instance = instance,
        .source = { .open = source_open,
                    .credit = source_credit,
                    .close = source_close,
                    .ctx = &source },
        .apply = apply,
        .moved = moved,
        .on_commit = on_commit,
        .on_alarm = on_alarm,
        .own_log = c->own_log,
        .lease_ms = 1500,
    };
    assert_int_equal(consumer_start(&engine, &options), 0);
    return engine;
}

static struct consumer_status status(struct context *c)
{
    struct consumer_status *items;
    int count;
    assert_int_equal(consumer_status_read(c->pg, &c->arena, "other", &items, &count), 0);
    return count ? items[0] : (struct consumer_status){ .position = -1 };
}

#define WAIT_FOR(expression)                                                                       \
    do {                                                                                           \
        for (int64_t deadline_ms_ = mono_ms() + WAIT_MS; !(expression); poll(NULL, 0, 5))          \
            if (mono_ms() > deadline_ms_)                                                          \
                fail_msg("waited in vain for %s", #expression);                                    \
    } while (0)

/* The positions that took effect, in the order in which they did. */
static struct pg_rows effects(struct context *c)
{
    struct pg_rows rows;
    assert_int_equal(pg_read(c->pg, &c->arena, &list, PG_NO_ARGS, &rows), 0);
    return rows;
}

static void assert_effects_are_all(struct context *c, int count)
{
    struct pg_rows rows = effects(c);
    assert_int_equal(rows.count, count);
    for (int i = 0; i < rows.count; i++)
        assert_int_equal(pg_row_int(&rows, i, 0), i + 1);
}

/* ------------------------------------------------------------------ cases */

static void test_each_event_once_and_in_order(void **state)
{
    struct context *c = *state;
    happen(1500, 7, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 1500);
    happen(3, 1, "thing.happened.v1");
    WAIT_FOR(status(c).position == 1503);
    assert_effects_are_all(c, 1503);
    assert_int_equal(status(c).epoch, 1);
    assert_int_equal(atomic_load(&handler.moved_to), 1503);
    assert_true(atomic_load(&handler.commits) >= 6);
    assert_true(atomic_load(&handler.calls) < 40); /* in batches */
    WAIT_FOR(credit_left() == CONSUMER_CREDIT);
    assert_int_equal(source.opens, 1);
}

static void test_through_moves_the_cursor_without_events(void **state)
{
    struct context *c = *state;
    source.mute = true;
    c->engine = start(c, "a");
    WAIT_FOR(open_generation() != 0);
    consumer_deliver(c->engine, open_generation(), NULL, 0, "other:1:40");
    WAIT_FOR(status(c).position == 40);
    assert_int_equal(atomic_load(&handler.calls), 0);
    for (int i = 41; i <= 400; i++) {
        char through[32];
        snprintf(through, sizeof(through), "other:1:%d", i);
        consumer_deliver(c->engine, open_generation(), NULL, 0, through);
    }
    WAIT_FOR(status(c).position == 400);
    assert_true(atomic_load(&handler.commits) < 20);
}

static void test_redelivery_has_no_effect(void **state)
{
    struct context *c = *state;
    happen(10, 2, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 10);
    consumer_deliver(c->engine, open_generation(), source.events, 10, "other:1:10");
    consumer_deliver(c->engine, open_generation() - 1, source.events, 10,
                     "other:1:99"); /* of another feed */
    happen(1, 1, "thing.happened.v1");
    WAIT_FOR(status(c).position == 11);
    assert_effects_are_all(c, 11);
}

static void test_failure_of_a_constraint_parks_by_subject(void **state)
{
    struct context *c = *state;
    struct dead_letter *letters;
    struct dead_letter_replay replay;
    int count;
    handler.bad_type = "thing.broke.v1";
    happen(6, 3, "thing.happened.v1"); /* 1..6: s0 s1 s2 s0 s1 s2 */
    happen(2, 2, "thing.broke.v1");    /* 7 s0, 8 s1 */
    happen(6, 3, "thing.happened.v1"); /* 9..14 */
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 14);
    struct pg_rows rows = effects(c);
    assert_int_equal(rows.count, 8);
    for (int i = 6; i < 8; i++)
        assert_string_equal(pg_row_text(&rows, i, 1), "s2");
    assert_int_equal(status(c).dead_letters, 6);
    assert_int_equal(atomic_load(&handler.parked_alarms), 2);
    assert_int_equal(dead_letter_list(c->pg, &c->arena, "other", 100, &letters, &count), 0);
    assert_int_equal(count, 6);
    assert_int_equal(letters[0].position, 7);
    assert_int_equal(letters[0].attempts, 1);
    assert_non_null(strstr(letters[0].error, "23505"));
    assert_int_equal(letters[2].attempts, 0);

    /* Still broken: one more attempt, nothing lost. */
    assert_int_equal(dead_letter_replay(c->pg, &c->arena, "other", "s0", apply, NULL, &replay), 0);
    assert_int_equal(replay.replayed, 0);
    assert_int_equal(replay.parked, 3);
    assert_int_equal(dead_letter_list(c->pg, &c->arena, "other", 1, &letters, &count), 0);
    assert_int_equal(letters[0].attempts, 2);

    handler.bad_type = NULL;
    assert_int_equal(dead_letter_replay(c->pg, &c->arena, "other", "s0", apply, NULL, &replay), 0);
    assert_int_equal(replay.replayed, 3);
    assert_int_equal(replay.parked, 0);
    happen(3, 3, "thing.happened.v1"); /* 15 s0 takes effect again, 16 s1 queues up */
    WAIT_FOR(status(c).position == 17);
    assert_int_equal(status(c).dead_letters, 4);
    assert_int_equal(dead_letter_replay(c->pg, &c->arena, "other", "s1", apply, NULL, &replay), 0);
    assert_int_equal(replay.replayed, 4);
    rows = effects(c);
    assert_int_equal(rows.count, 17);
    int64_t last[3] = { 0 };
    for (int i = 0; i < rows.count; i++) {
        int64_t *of_subject = &last[pg_row_text(&rows, i, 1)[1] - '0'];
        assert_true(pg_row_int(&rows, i, 0) > *of_subject);
        *of_subject = pg_row_int(&rows, i, 0);
    }
}

static void test_failure_of_the_handler_parks(void **state)
{
    struct context *c = *state;
    handler.sick = "s1";
    happen(9, 3, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 9);
    assert_int_equal(status(c).dead_letters, 3);
    assert_int_equal(effects(c).count, 6);
    assert_int_equal(atomic_load(&handler.alarms), 0);
}

static void test_passing_trouble_is_tried_again(void **state)
{
    struct context *c = *state;
    atomic_store(&handler.again, 6);
    happen(20, 3, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(stands("consumer_retrying"));
    WAIT_FOR(status(c).position == 20);
    WAIT_FOR(stands(""));
    assert_effects_are_all(c, 20);
    assert_int_equal(status(c).dead_letters, 0);
}

static void test_lost_connections_lose_nothing(void **state)
{
    struct context *c = *state;
    c->engine = start(c, "a");
    for (int i = 0; i < 30; i++) {
        happen(50, 5, "thing.happened.v1");
        if (i % 3 == 0)
            assert_int_equal(
                pg_script(c->pg,
                          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE application_name = 'engine' AND datname = current_database()"),
                0);
        WAIT_FOR(status(c).position >= 50 * i);
    }
    WAIT_FOR(status(c).position == 1500);
    assert_effects_are_all(c, 1500);
}

static void test_unknown_epoch_stops_until_rebased(void **state)
{
    struct context *c = *state;
    struct log_cursor previous, to = { .stream = "other", .epoch = 2, .position = 3 };
    happen(5, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 5);
    consumer_stop(c->engine);
    source.epoch = 2;
    source.count = 4; /* an event was lost, another will stand there */
    happen(4, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(stands("consumer_stopped"));
    WAIT_FOR(status(c).stopped);
    assert_effects_are_all(c, 5);

    /* A restart changes nothing. */
    consumer_stop(c->engine);
    snprintf(handler.raised, sizeof(handler.raised), "none");
    c->engine = start(c, "a");
    WAIT_FOR(stands("consumer_stopped"));
    assert_int_equal(consumer_rebase(c->pg, &c->arena, &to, &previous), 0);
    assert_int_equal(previous.epoch, 1);
    assert_int_equal(previous.position, 5);
    WAIT_FOR(status(c).position == 8);
    WAIT_FOR(stands(""));
    assert_int_equal(effects(c).count, 10);
    snprintf(to.stream, sizeof(to.stream), "nothing");
    assert_int_equal(consumer_rebase(c->pg, &c->arena, &to, &previous), ERR_NOT_FOUND);
}

static void test_another_event_at_our_position_stops(void **state)
{
    struct context *c = *state;
    happen(5, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 5);
    consumer_stop(c->engine);
    source.count = 4;
    happen(4, 1, "thing.happened.v1"); /* under the same epoch */
    c->engine = start(c, "a");
    WAIT_FOR(stands("consumer_stopped"));
    assert_true(status(c).stopped);
    assert_effects_are_all(c, 5);
}

/* Siblings may hand out for a moment what a failover took of the log that they and we share. */
static void test_what_our_own_log_lost_takes_no_effect(void **state)
{
    struct context *c = *state;
    struct log_cursor previous, to = { .stream = "other", .epoch = 2, .position = 5 };
    c->own_log = true;
    happen(5, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 5);
    consumer_stop(c->engine);
    assert_int_equal(pg_script(c->pg, "UPDATE log_stream SET epoch = epoch + 1"), 0);
    happen(5, 1, "thing.happened.v1"); /* in the epoch that was */
    c->engine = start(c, "a");
    WAIT_FOR(stands("consumer_stopped"));
    assert_true(status(c).stopped);
    assert_int_equal(status(c).position, 5);
    assert_effects_are_all(c, 5);
    pthread_mutex_lock(&source.lock);
    source.epoch = 2;
    pthread_mutex_unlock(&source.lock);
    assert_int_equal(consumer_rebase(c->pg, &c->arena, &to, &previous), 0);
    WAIT_FOR(status(c).position == 10);
    WAIT_FOR(stands(""));
    assert_effects_are_all(c, 10);
    /* Bumped under a connection that lives, too. */
    assert_int_equal(pg_script(c->pg, "UPDATE log_stream SET epoch = epoch + 1"), 0);
    pthread_mutex_lock(&source.lock);
    source.epoch = 3;
    pthread_mutex_unlock(&source.lock);
    to.epoch = 3;
    to.position = 10;
    assert_int_equal(consumer_rebase(c->pg, &c->arena, &to, &previous), 0);
    happen(5, 1, "thing.happened.v1");
    WAIT_FOR(status(c).position == 15);
    assert_effects_are_all(c, 15);
}

static void test_a_rebase_under_way_is_seen(void **state)
{
    struct context *c = *state;
    struct log_cursor previous, back = { .stream = "other", .epoch = 1, .position = 2 };
    happen(5, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 5);
    assert_int_equal(consumer_rebase(c->pg, &c->arena, &back, &previous), 0);
    WAIT_FOR(status(c).position == 5);
    WAIT_FOR(effects(c).count == 8); /* 3, 4 and 5 again, as he wanted it */
}

static void test_one_leads(void **state)
{
    struct context *c = *state;
    c->engine = start(c, "a");
    WAIT_FOR(consumer_leads(c->engine));
    c->second = start(c, "b");
    happen(100, 5, "thing.happened.v1");
    WAIT_FOR(status(c).position == 100);
    poll(NULL, 0, 2000); /* longer than a lease: it is renewed */
    assert_true(consumer_leads(c->engine));
    assert_false(consumer_leads(c->second));

    /* A clean end hands over at once, and is no death. */
    consumer_stop(c->engine);
    c->engine = NULL;
    consumer_wake(c->second);
    WAIT_FOR(consumer_leads(c->second));
    atomic_store(&handler.calls, 0);
    happen(100, 5, "thing.happened.v1");
    WAIT_FOR(status(c).position == 200);
    assert_true(atomic_load(&handler.calls) < 50); /* not one by one */
    assert_effects_are_all(c, 200);
}

static void *replay_all_the_time(void *arg)
{
    struct context *c = arg;
    struct arena arena;
    struct dead_letter_replay replay;
    arena_init(&arena, 0);
    struct pg *pg = pg_fixture_connect(fixture, c->uri);
    for (int i = 0; i < 300; i++)
        assert_true(dead_letter_replay(pg, &arena, "other", "s0", apply, NULL, &replay) >= 0);
    pg_close(pg);
    arena_clear(&arena);
    return NULL;
}

static void test_replay_beside_new_events(void **state)
{
    struct context *c = *state;
    pthread_t thread;
    handler.sick = "s0";
    happen(2, 2, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).position == 2);
    assert_int_equal(status(c).dead_letters, 1);
    handler.sick = NULL;
    pthread_create(&thread, NULL, replay_all_the_time, c);
    for (int i = 0; i < 100; i++) {
        happen(2, 2, "thing.happened.v1");
        poll(NULL, 0, 2);
    }
    WAIT_FOR(status(c).position == 202);
    pthread_join(thread, NULL);
    /* Nothing is stuck behind what was taken away, and each subject's order was kept. */
    assert_int_equal(status(c).dead_letters, 0);
    struct pg_rows rows = effects(c);
    assert_int_equal(rows.count, 202);
    int64_t last[2] = { 0 };
    for (int i = 0; i < rows.count; i++) {
        int64_t *of_subject = &last[pg_row_text(&rows, i, 1)[1] - '0'];
        assert_true(pg_row_int(&rows, i, 0) > *of_subject);
        *of_subject = pg_row_int(&rows, i, 0);
    }
}

/* The engine knows that the subject is parked; before it can queue the next event behind it, an
 * operator takes all away. The row's lock orders the two: the event is not left waiting behind
 * nothing. */
static atomic_int parked_known, replay_done;

static void hold_when_parked_is_known(const char *name)
{
    if (strcmp(name, "consumer.parked_known") != 0 || atomic_exchange(&parked_known, 1))
        return;
    for (int64_t deadline = mono_ms() + 700; !atomic_load(&replay_done) && mono_ms() < deadline;)
        poll(NULL, 0, 5);
}

static void test_replay_just_before_one_queues_up(void **state)
{
    struct context *c = *state;
    struct dead_letter_replay replay;
    handler.sick = "s0";
    happen(1, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(status(c).dead_letters == 1);
    handler.sick = NULL;
    atomic_store(&parked_known, 0);
    atomic_store(&replay_done, 0);
    fault_set_hook(hold_when_parked_is_known);
    happen(1, 1, "thing.happened.v1");
    WAIT_FOR(atomic_load(&parked_known));
    assert_int_equal(dead_letter_replay(c->pg, &c->arena, "other", "s0", apply, NULL, &replay), 0);
    atomic_store(&replay_done, 1);
    fault_set_hook(NULL);
    WAIT_FOR(status(c).position == 2);
    assert_int_equal(status(c).dead_letters, 0);
    assert_effects_are_all(c, 2);
}

static void test_a_source_that_refuses(void **state)
{
    struct context *c = *state;
    source.mute = true;
    happen(3, 1, "thing.happened.v1");
    c->engine = start(c, "a");
    WAIT_FOR(open_generation() != 0);
    consumer_ended(c->engine, open_generation(), ERR_PERMISSION_DENIED);
    WAIT_FOR(stands("consumer_refused"));
    assert_false(status(c).stopped);
    source.mute = false;
    WAIT_FOR(status(c).position == 3); /* it asked again */
    WAIT_FOR(stands(""));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_each_event_once_and_in_order),
        CASE(test_through_moves_the_cursor_without_events),
        CASE(test_redelivery_has_no_effect),
        CASE(test_failure_of_a_constraint_parks_by_subject),
        CASE(test_failure_of_the_handler_parks),
        CASE(test_passing_trouble_is_tried_again),
        CASE(test_lost_connections_lose_nothing),
        CASE(test_unknown_epoch_stops_until_rebased),
        CASE(test_another_event_at_our_position_stops),
        CASE(test_what_our_own_log_lost_takes_no_effect),
        CASE(test_a_rebase_under_way_is_seen),
        CASE(test_one_leads),
        CASE(test_replay_beside_new_events),
        CASE(test_replay_just_before_one_queues_up),
        CASE(test_a_source_that_refuses),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
