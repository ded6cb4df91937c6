/* Reached rungs, on a real database: what a run of them makes is what they make one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "clock/clock.h"
#include "log/log_read.h"
#include "pg/tests/pg_fixture.h"
#include "reference/tests/reference_fixture.h"
#include "supervision.h"
#include "supervision_sql.h"

#define MATTERS 3

static const struct pg_query Q_TOLD = {
    .name = "test_told",
    /* per aggregate in the order of the log; ids are derived, so two databases tell the same */
    .sql = "SELECT coalesce(string_agg(type || ' ' || subject || ' ' || division, ', ' "
           "ORDER BY correlation, position), '') FROM event",
};
static const struct pg_query Q_ROWS = {
    .name = "test_rows",
    .sql =
        "SELECT coalesce(string_agg(t, ', ' ORDER BY t), '') FROM ("
        "SELECT concat_ws(' ', id, color, subject, term, division, unit, level, due_at, state) "
        "FROM card UNION ALL "
        "SELECT concat_ws(' ', id, level, subject, division, unit, body, previous, clock_id, term, "
        "due_at, state, cannot_escalate, reported, basis_zh, version) FROM supervision_order"
        ") AS r (t)",
};
static const struct pg_query Q_STATES = {
    .name = "test_states",
    .sql = "SELECT coalesce(string_agg(level || ':' || state, ' ' ORDER BY level, issued_at), '') "
           "FROM supervision_order WHERE subject = $1",
};
static const struct pg_query Q_CLOSE = {
    .name = "test_close",
    .sql = "UPDATE supervision_order SET state = 4 WHERE subject = $1 RETURNING id",
};
static const struct pg_query *const test_queries[] = { &Q_TOLD, &Q_ROWS, &Q_STATES, &Q_CLOSE,
                                                       NULL };
static const struct pg_migration no_migrations[] = { { .number = 0 } };
static const struct pg_module test_module = {
    .name = "test",
    .queries = test_queries,
    .migrations = no_migrations,
};
static const struct pg_module supervision_module = {
    .name = "supervision",
    .queries = supervision_queries,
    .migrations = supervision_migrations,
};
static const struct pg_module *const modules[] = { &log_module, &clock_module, &supervision_module,
                                                   &test_module, NULL };

static struct pg_fixture *fixture;
static struct snapshot *seed;

static int setup_group(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    seed = reference_fixture_build(&f, day_from_ymd(2026, 3, 2));
    reference_fixture_clear(&f);
    civil_offset_open("");
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    pg_fixture_close(fixture);
    snapshot_put(seed);
    return 0;
}

struct bench {
    struct pg *pg;
    struct arena arena; /* of the events and of what is read */
};

static void bench_open(struct bench *b)
{
    int64_t epoch;
    b->pg = pg_fixture_connect(fixture, pg_fixture_database(fixture));
    assert_non_null(b->pg);
    arena_init(&b->arena, 0);
    assert_int_equal(log_open_stream(b->pg, "supervision", &epoch), 0);
}

static void bench_close(struct bench *b)
{
    pg_close(b->pg);
    arena_clear(&b->arena);
}

static const char *matter_id(struct bench *b, int matter)
{
    return arena_printf(&b->arena, "018f3a3e-7c2b-7def-8a11-0000000000%02d", matter);
}

static struct consumer_event rung(struct bench *b, int matter, uint32_t term, int rung)
{
    static const char *const divisions[MATTERS] = { "370102", "3701", "370103001" };
    struct log_record *record = arena_new(&b->arena, struct log_record);
    RungReached *e = wire_new(&b->arena, &rung_reached_rules);
    e->subject = arena_strdup(&b->arena, matter_id(b, matter));
    e->clock_id = arena_printf(&b->arena, "018f3a3e-7c2b-7def-8a11-1111111111%02d", matter);
    e->clock_kind = CLOCK_KIND_REPLY;
    e->term = term;
    e->rung = (Rung)rung;
    e->division = arena_strdup(&b->arena, divisions[matter]);
    e->unit = arena_printf(&b->arena, "%.6s-urban", divisions[matter]);
    e->due_at = 1000 * rung;
    e->next_due_at = 1000 * (rung + 1);
    *record = (struct log_record){ .type = "clock.rung_reached.v1",
                                   .subject = e->subject,
                                   .division = e->division,
                                   .audience = "",
                                   .correlation = "",
                                   .traceparent = "" };
    return (struct consumer_event){ .record = record, .data = e };
}

static void apply(struct bench *b, const struct consumer_event *events, int count)
{
    struct arena arena;
    struct tx tx;
    arena_init(&arena, 0);
    assert_int_equal(tx_begin(&tx, b->pg, &arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    assert_int_equal(on_rungs_reached(&tx, seed, events, count), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    arena_clear(&arena);
}

static const char *text_of(struct bench *b, const struct pg_query *query, const char *argument)
{
    struct pg_rows rows;
    struct pg_param param = pg_text(argument);
    assert_int_equal(pg_read(b->pg, &b->arena, query, &param, argument ? 1 : 0, &rows), 0);
    return rows.count ? pg_row_text(&rows, 0, 0) : "";
}

/* Everything that a ladder can come to, the matters interleaved as a scan would find them. */
static int whole_ladders(struct bench *b, struct consumer_event *events)
{
    int n = 0;
    for (int r = RUNG_YELLOW; r <= RUNG_REPORT; r++)
        for (int m = 0; m < MATTERS; m++)
            events[n++] = rung(b, m, 1, r);
    for (int r = RUNG_YELLOW; r <= RUNG_L1; r++) /* a card behind orders of its matter */
        for (int m = 0; m < MATTERS; m++)
            events[n++] = rung(b, m, 2, r);
    return n;
}

static void a_run_makes_what_they_make_one_by_one(void **state)
{
    (void)state;
    struct bench run, single;
    struct consumer_event events[MATTERS * 9];
    bench_open(&run);
    bench_open(&single);
    int count = whole_ladders(&run, events);
    apply(&run, events, count);
    for (int i = 0; i < count; i++)
        apply(&single, &events[i], 1);
    assert_true(strlen(text_of(&run, &Q_TOLD, NULL)) > 1000);
    assert_string_equal(text_of(&run, &Q_TOLD, NULL), text_of(&single, &Q_TOLD, NULL));
    assert_string_equal(text_of(&run, &Q_ROWS, NULL), text_of(&single, &Q_ROWS, NULL));
    /* county, city, province; the city's own has two; the new term's first supersedes the last */
    assert_string_equal(text_of(&run, &Q_STATES, matter_id(&run, 0)), "1:5 1:1 2:5 3:4");
    assert_string_equal(text_of(&run, &Q_STATES, matter_id(&run, 1)), "2:5 2:1 3:4");
    bench_close(&run);
    bench_close(&single);
}

static void told_twice_makes_one(void **state)
{
    (void)state;
    struct bench b;
    struct consumer_event events[MATTERS * 9];
    bench_open(&b);
    int count = whole_ladders(&b, events);
    struct consumer_event twice[] = { events[0], events[0], events[MATTERS * 2] };
    apply(&b, twice, ARRAY_LEN(twice));
    apply(&b, events, count);
    const char *told = text_of(&b, &Q_TOLD, NULL), *rows = text_of(&b, &Q_ROWS, NULL);
    apply(&b, events, MATTERS * 2);           /* cards */
    apply(&b, events + MATTERS * 2, MATTERS); /* first orders, of a term that is over */
    assert_string_equal(text_of(&b, &Q_TOLD, NULL), told);
    assert_string_equal(text_of(&b, &Q_ROWS, NULL), rows);
    bench_close(&b);
}

static void a_rung_whose_order_was_closed_is_dropped(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    struct consumer_event first[] = { rung(&b, 0, 1, RUNG_L1), rung(&b, 2, 1, RUNG_L1) };
    apply(&b, first, ARRAY_LEN(first));
    text_of(&b, &Q_CLOSE, matter_id(&b, 0));
    struct consumer_event next[] = { rung(&b, 0, 1, RUNG_L2), rung(&b, 2, 1, RUNG_L2),
                                     rung(&b, 2, 2, RUNG_L3), rung(&b, 0, 1, RUNG_REPORT) };
    apply(&b, next, ARRAY_LEN(next));
    assert_string_equal(text_of(&b, &Q_STATES, matter_id(&b, 0)), "1:4");
    assert_string_equal(text_of(&b, &Q_STATES, matter_id(&b, 2)),
                        "1:5 2:1"); /* another term's l3 */
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_makes_what_they_make_one_by_one),
        cmocka_unit_test(told_twice_makes_one),
        cmocka_unit_test(a_rung_whose_order_was_closed_is_dropped),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
