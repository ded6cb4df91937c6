/* Rung arithmetic by tables: due dates and every rung of the seed's ladders, with and without
 * notices, and the properties that hold for any clock. Pure: no database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/tests/clock_fixture.h"

static struct snapshot *seed;

static int load_seed(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    seed = reference_fixture_build(&f, day_from_ymd(2026, 11, 24));
    reference_fixture_clear(&f);
    return 0;
}

static int drop_seed(void **state)
{
    (void)state;
    snapshot_put(seed);
    return 0;
}

static void assert_instant(int64_t at, const char *expected, const char *what)
{
    char found[TIME_TEXT_SIZE];
    instant_format(at, found);
    if (at != clock_bench_instant(expected))
        fail_msg("%s: %s, not %s", what, found, expected);
}

/* Every vector: the due instant, and each rung where every one fires when it is due. */
static const struct {
    const char *name;
    int kind;
    const char *start, *due;
    const char *rungs[8]; /* from RUNG_YELLOW; "" = not armed; NULL = no more */
} vectors[] = {
    { "reply, an ordinary week",
      CLOCK_KIND_REPLY,
      "2026-03-02T10:00",
      "2026-03-10",
      { "2026-03-06", "2026-03-10", "2026-03-14", "2026-03-21", "2026-03-28", "2026-04-14" } },
    /* 02-14 Saturday is worked; off 02-15 to 02-23; 02-28 Saturday is worked */
    { "reply, over Spring Festival 2026",
      CLOCK_KIND_REPLY,
      "2026-02-12T16:30",
      "2026-02-27",
      { "2026-02-25", "2026-02-27", "2026-03-04", "2026-03-12", "2026-03-20", "2026-04-04" } },
    { "reply, ends before Spring Festival",
      CLOCK_KIND_REPLY,
      "2026-02-06T09:00",
      "2026-02-14",
      { "2026-02-12", "2026-02-14", "2026-02-27", "2026-03-06", "2026-03-14", "2026-03-28" } },
    /* off 10-01 to 10-07; 09-20 Sunday and 10-10 Saturday are worked */
    { "reply, over National Day 2026",
      CLOCK_KIND_REPLY,
      "2026-09-29T23:59",
      "2026-10-13",
      { "2026-10-10", "2026-10-13", "2026-10-17", "2026-10-24", "2026-10-31", "2026-11-14" } },
    { "reply, ends on a make-up Saturday",
      CLOCK_KIND_REPLY,
      "2026-09-28T00:00",
      "2026-10-11",
      { "2026-10-09", "2026-10-12", "2026-10-16", "2026-10-24", "2026-10-31", "2026-11-14" } },
    { "reply, National Day and Mid-Autumn 2025",
      CLOCK_KIND_REPLY,
      "2025-09-26T10:00",
      "2025-10-11",
      { "2025-10-09", "2025-10-11", "2025-10-16", "2025-10-24", "2025-11-01", "2025-11-15" } },
    { "reply, 2024-04-03: the Sunday 04-07 works",
      CLOCK_KIND_REPLY,
      "2024-04-03T08:00",
      "2024-04-12",
      { "2024-04-10", "2024-04-12", "2024-04-18", "2024-04-26", "2024-05-08", "2024-05-22" } },
    { "reply, filed on a rest day",
      CLOCK_KIND_REPLY,
      "2026-03-07T12:00",
      "2026-03-14",
      { "2026-03-12", "2026-03-16", "2026-03-20", "2026-03-28", "2026-04-04", "2026-04-21" } },
    { "sign, one working day: no yellow",
      CLOCK_KIND_SIGN,
      "2026-03-02T10:00",
      "2026-03-04",
      { "", "2026-03-04" } },
    { "sign, before a holiday",
      CLOCK_KIND_SIGN,
      "2026-09-30T10:00",
      "2026-10-09",
      { "", "2026-10-09" } },
    { "return, no rungs", CLOCK_KIND_RETURN, "2026-03-02T10:00", "2026-03-05", { NULL } },
    { "dispatch, two hours over midnight",
      CLOCK_KIND_DISPATCH,
      "2026-03-02T23:15",
      "2026-03-03T01:15",
      { "", "2026-03-04" } },
    { "dispatch, on a rest day",
      CLOCK_KIND_DISPATCH,
      "2026-10-02T10:00",
      "2026-10-02T12:00",
      { "", "2026-10-08" } },
    { "contact, 24 hours into a rest day",
      CLOCK_KIND_CONTACT,
      "2026-03-06T17:00",
      "2026-03-07T17:00",
      { "", "2026-03-09" } },
    { "visit", CLOCK_KIND_VISIT, "2026-03-06T17:00", "2026-03-10", { "", "2026-03-10" } },
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct clock c = clock_bench_begin(seed, vectors[i].kind, clock_kind_names[vectors[i].kind],
                                           clock_bench_instant(vectors[i].start));
        assert_instant(c.due_at, vectors[i].due, vectors[i].name);
        assert_int_equal(c.due_on, day_of_instant(c.due_at - 1));
        assert_false(c.provisional);
        for (int rung = RUNG_YELLOW; vectors[i].rungs[rung - 1]; rung++) {
            if (!vectors[i].rungs[rung - 1][0])
                continue;
            char what[128];
            snprintf(what, sizeof(what), "%s, rung %s", vectors[i].name, rung_names[rung]);
            if (c.next_rung != rung)
                fail_msg("%s: next is %d", what, c.next_rung);
            assert_instant(c.next_at, vectors[i].rungs[rung - 1], what);
            assert_false(c.next_provisional);
            clock_bench_fired(&c, seed, c.next_at);
        }
        assert_int_equal(c.next_rung, 0);
        assert_int_equal(c.next_at, 0);
    }
}

/* An order's clock: its level's term, then l2 when it is out. */
static void test_order_clock(void **state)
{
    (void)state;
    struct clock c = clock_bench_begin(seed, CLOCK_KIND_ORDER, "order_county",
                                       clock_bench_instant("2026-03-02T10:00"));
    assert_instant(c.due_at, "2026-03-10", "due");
    assert_int_equal(c.next_rung, RUNG_L2);
    assert_int_equal(c.next_at, c.due_at);
    clock_bench_fired(&c, seed, c.next_at);
    assert_int_equal(c.next_rung, RUNG_L3);
    assert_instant(c.next_at, "2026-03-18", "l3");
    clock_bench_fired(&c, seed, c.next_at);
    assert_int_equal(c.next_rung, RUNG_REPORT);
    clock_bench_fired(&c, seed, c.next_at);
    assert_int_equal(c.next_rung, 0);
    c = clock_bench_begin(seed, CLOCK_KIND_ORDER, "order_province",
                          clock_bench_instant("2026-03-02T10:00"));
    assert_instant(c.due_at, "2026-03-17", "province");
}

/* The second and third order of a ladder: their clocks begin with the step that they are, so each
 * has the time of its own step and the ladder ends where one clock alone would have ended it. */
static void test_order_clocks_of_later_steps(void **state)
{
    (void)state;
    struct clock c = { .kind = CLOCK_KIND_ORDER,
                       .started_at = clock_bench_instant("2026-03-02T10:00"),
                       .due_at = clock_bench_instant("2026-03-10"),
                       .due_on = day_of_instant(clock_bench_instant("2026-03-09")),
                       .last_rung = RUNG_L2 };
    c.last_fired_at = c.started_at;
    assert_int_equal(clock_arm(&c, seed), 0);
    assert_int_equal(c.next_rung, RUNG_L3);
    assert_int_equal(c.next_at, c.due_at);
    c.last_rung = RUNG_L3;
    assert_int_equal(clock_arm(&c, seed), 0);
    assert_int_equal(c.next_rung, RUNG_REPORT);
    assert_instant(c.next_at, "2026-03-17", "report"); /* the term of the third order */
}

/* After an outage each step is counted from when the one before fired. */
static void test_late_firing(void **state)
{
    (void)state;
    struct clock c =
        clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-03-02T10:00"));
    int64_t found = clock_bench_instant("2026-04-09T03:00"); /* 30 working days later */
    clock_bench_fired(&c, seed, found);
    assert_int_equal(c.next_rung, RUNG_RED);
    assert_true(c.next_at < found); /* the red card is due too, but is another step */
    clock_bench_fired(&c, seed, found);
    assert_int_equal(c.next_rung, RUNG_L1);
    assert_instant(c.next_at, "2026-04-15", "l1"); /* 9 Thursday, 10, 13, 14: three working days */
    clock_bench_fired(&c, seed, clock_bench_instant("2026-04-15T00:00"));
    assert_int_equal(c.next_rung, RUNG_L2);
    assert_instant(c.next_at, "2026-04-23", "l2");
}

static void test_not_armed_at_or_before_start(void **state)
{
    (void)state;
    struct ladder_rule yellow = { .rung = RUNG_YELLOW,
                                  .anchor = RUNG_ANCHOR_HOURS_BEFORE_DUE_AT,
                                  .count = 2 };
    struct ladder_rule red = { .rung = RUNG_RED, .anchor = RUNG_ANCHOR_AT_DUE_AT };
    const struct ladder_rule *ladder[] = { &yellow, &red };
    struct clock c = { .started_at = 1000, .due_at = 1000 + 2 * TIME_HOUR_MS };
    struct rung_next next;
    assert_int_equal(rung_next(snapshot_calendar(seed), ladder, 2, &c, &next), 0);
    assert_int_equal(next.rung, RUNG_RED); /* yellow would fall on the start */
    yellow.count = 1;
    assert_int_equal(rung_next(snapshot_calendar(seed), ladder, 2, &c, &next), 0);
    assert_int_equal(next.rung, RUNG_YELLOW);
    assert_int_equal(next.at, c.due_at - TIME_HOUR_MS);
    yellow.anchor = 99;
    assert_int_equal(rung_next(snapshot_calendar(seed), ladder, 2, &c, &next), ERR_INTERNAL);
    assert_int_equal(rung_next(snapshot_calendar(seed), NULL, 0, &c, &next), 0);
    assert_int_equal(next.rung, 0);

    /* the first rung of a ladder has none before it: counted from due_at */
    struct ladder_rule order = {
        .rung = RUNG_L1, .anchor = RUNG_ANCHOR_TERM_AFTER_PREVIOUS, .count = 3, .unit = TERM_HOURS
    };
    ladder[0] = &order;
    assert_int_equal(rung_next(snapshot_calendar(seed), ladder, 1, &c, &next), 0);
    assert_int_equal(next.at, c.due_at + 3 * TIME_HOUR_MS);
}

/* A yellow card the working day before due_on warns of nothing where a term is of hours: whatever
 * the start, it would fall on it or before it. Why dispatch and contact have red cards only. */
static void test_no_yellow_card_of_terms_in_hours(void **state)
{
    (void)state;
    struct ladder_rule yellow = { .rung = RUNG_YELLOW,
                                  .anchor = RUNG_ANCHOR_WORKING_DAYS_BEFORE_DUE_ON,
                                  .count = 1 };
    const struct ladder_rule *ladder[] = { &yellow };
    static const int kinds[] = { CLOCK_KIND_DISPATCH, CLOCK_KIND_CONTACT };
    for (int64_t at = clock_bench_instant("2025-01-01T00:00");
         at < clock_bench_instant("2026-12-01T00:00"); at += 5 * TIME_HOUR_MS + 1234567) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct clock c = clock_bench_begin(seed, kinds[k], clock_kind_names[kinds[k]], at);
            struct rung_next next;
            assert_int_equal(rung_next(snapshot_calendar(seed), ladder, 1, &c, &next), 0);
            assert_int_equal(next.rung, 0);
            assert_int_equal(c.next_rung, RUNG_RED);
        }
    }
}

/* December 2026: beyond the last notice, counted on weekdays and said so. */
static void test_provisional(void **state)
{
    (void)state;
    struct clock c =
        clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-12-22T10:00"));
    assert_instant(c.due_at, "2026-12-30", "the year's last");
    assert_false(c.provisional);
    clock_bench_fired(&c, seed, c.next_at);
    assert_int_equal(c.next_rung, RUNG_RED);
    assert_false(c.next_provisional);
    clock_bench_fired(&c, seed, c.next_at);
    assert_int_equal(c.next_rung, RUNG_L1); /* 12-30 fired; 12-31, 01-01 and 01-04 by weekday */
    assert_instant(c.next_at, "2027-01-05", "l1");
    assert_true(c.next_provisional);

    c = clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-12-28T10:00"));
    assert_true(c.provisional);
    assert_instant(c.due_at, "2027-01-05", "by weekday");
    assert_int_equal(c.next_rung, RUNG_YELLOW);
    assert_instant(c.next_at, "2027-01-01", "yellow"); /* a Friday, as far as anybody knows */
    assert_true(c.next_provisional);

    c = clock_bench_begin(seed, CLOCK_KIND_CONTACT, "contact",
                          clock_bench_instant("2026-12-31T18:00"));
    assert_false(c.provisional);                    /* hours decide nothing by days */
    assert_instant(c.next_at, "2027-01-04", "red"); /* its rung does */
    assert_true(c.next_provisional);
}

/* The notice for 2027 comes while these clocks run: what each makes of it, and when it comes too
 * late to move anything. The days off are invented. */
static void test_the_notice_of_2027(void **state)
{
    (void)state;
    static const struct reference_fixture_day days[] = {
        { "2027-01-01", DAY_KIND_OFF },  { "2027-01-02", DAY_KIND_OFF },
        { "2027-01-03", DAY_KIND_OFF },  { "2026-12-27", DAY_KIND_WORK },
        { "2027-01-09", DAY_KIND_WORK },
    };
    static const struct {
        const char *name;
        int kind;
        const char *start, *now, *due; /* due: after the notice */
        int fired;                     /* rungs that had fired, each when it was due */
        int next_rung;
        const char *next;
    } cases[] = {
        { "moves on over the days off", CLOCK_KIND_REPLY, "2026-12-28T10:00", "2026-12-29T09:00",
          "2027-01-06", 0, RUNG_YELLOW, "2027-01-04" },
        { "an announced date stands, its red card moves", CLOCK_KIND_REPLY, "2026-12-24T10:00",
          "2026-12-31T09:00", "2027-01-01", 1, RUNG_RED, "2027-01-04" },
        { "comes forward by a worked Sunday", CLOCK_KIND_REPLY, "2026-12-25T10:00",
          "2026-12-26T09:00", "2027-01-01", 0, RUNG_YELLOW, "2026-12-30" },
        { "a yellow card that fired stays", CLOCK_KIND_REPLY, "2026-12-28T10:00",
          "2027-01-01T09:00", "2027-01-06", 1, RUNG_RED, "2027-01-06" },
        { "breached: only the next step moves", CLOCK_KIND_REPLY, "2026-12-22T10:00",
          "2026-12-31T09:00", "2026-12-30", 2, RUNG_L1, "2027-01-06" },
        { "breached before its red card: that one moves", CLOCK_KIND_SIGN, "2026-12-30T10:00",
          "2027-01-01T00:00", "2027-01-01", 0, RUNG_RED, "2027-01-04" },
    };
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    reference_fixture_add_notice(&f, 2027, days, ARRAY_LEN(days));
    struct snapshot *after = reference_fixture_build(&f, day_from_ymd(2026, 12, 25));
    reference_fixture_clear(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clock_row row = { .c = clock_bench_begin(seed, cases[i].kind,
                                                        clock_kind_names[cases[i].kind],
                                                        clock_bench_instant(cases[i].start)) };
        for (int k = 0; k < cases[i].fired; k++)
            clock_bench_fired(&row.c, seed, row.c.next_at);
        struct tx tx = { .now_ms = clock_bench_instant(cases[i].now) };
        struct clock was;
        assert_int_equal(clock_work_recompute.apply(&tx, after, &row, &was), 0);
        assert_instant(row.c.due_at, cases[i].due, cases[i].name);
        assert_false(row.c.provisional || row.c.next_provisional);
        assert_int_equal(row.c.next_rung, cases[i].next_rung);
        assert_instant(row.c.next_at, cases[i].next, cases[i].name);
        assert_int_equal(row.c.term, was.term);
        assert_int_equal(row.c.last_rung, was.last_rung);
        assert_int_equal(row.c.calendar_position, snapshot_calendar_position(after));
    }
    snapshot_put(after);
}

/* For any start: rungs ascend, none at or before the start, red not before due_at. */
static void test_properties(void **state)
{
    (void)state;
    static const int kinds[] = { CLOCK_KIND_DISPATCH, CLOCK_KIND_SIGN,  CLOCK_KIND_CONTACT,
                                 CLOCK_KIND_REPLY,    CLOCK_KIND_VISIT, CLOCK_KIND_RETURN };
    for (int64_t at = clock_bench_instant("2021-01-01T00:00");
         at < clock_bench_instant("2026-11-01T00:00"); at += 7 * TIME_HOUR_MS + 1234567) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct clock c = clock_bench_begin(seed, kinds[k], clock_kind_names[kinds[k]], at);
            int64_t before = c.started_at;
            assert_true(c.due_at > c.started_at);
            for (int steps = 0; c.next_rung; steps++) {
                assert_true(steps < 6);
                assert_true(c.next_at > before);
                if (c.next_rung == RUNG_YELLOW)
                    assert_true(c.next_at < c.due_at);
                else
                    assert_true(c.next_at >= c.due_at);
                before = c.next_at;
                clock_bench_fired(&c, seed, c.next_at);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_order_clock),
        cmocka_unit_test(test_order_clocks_of_later_steps),
        cmocka_unit_test(test_late_firing),
        cmocka_unit_test(test_not_armed_at_or_before_start),
        cmocka_unit_test(test_no_yellow_card_of_terms_in_hours),
        cmocka_unit_test(test_provisional),
        cmocka_unit_test(test_the_notice_of_2027),
        cmocka_unit_test(test_properties),
    };
    return cmocka_run_group_tests(tests, load_seed, drop_seed);
}
