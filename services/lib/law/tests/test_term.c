/* When a term ends: the vectors, the edges, and properties over every start day of the announced
 * years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "law/tests/calendar_sample.h"

static struct arena arena;
static const struct calendar *calendar;

static int setup(void **state UNUSED)
{
    arena_init(&arena, 0);
    calendar = sample_calendar(&arena);
    return calendar ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    arena_clear(&arena);
    return 0;
}

static struct due due_of(enum term_unit unit, uint32_t count, bool roll, int64_t start_ms)
{
    struct due due = { 0 };
    struct term term = { .unit = unit, .count = count, .roll = roll };
    assert_int_equal(calendar_due(calendar, term, start_ms, &due), 0);
    return due;
}

static const struct {
    enum term_unit unit;
    uint32_t count;
    bool roll;
    const char *start, *due_on;
    bool provisional;
} day_vectors[] = {
    { TERM_WORKING_DAYS, 5, false, "2024-09-27", "2024-10-10", false },
    { TERM_WORKING_DAYS, 7, false, "2024-02-08", "2024-02-23", false },
    { TERM_WORKING_DAYS, 5, false, "2024-04-03", "2024-04-11", false },
    { TERM_WORKING_DAYS, 5, false, "2025-01-24", "2025-02-07", false },
    { TERM_WORKING_DAYS, 5, false, "2025-09-26", "2025-10-10", false },
    { TERM_WORKING_DAYS, 3, false, "2025-12-31", "2026-01-06", false },
    { TERM_WORKING_DAYS, 7, false, "2026-02-13", "2026-03-02", false },
    { TERM_WORKING_DAYS, 20, false, "2024-01-19", "2024-02-21", false },
    { TERM_WORKING_DAYS, 7, false, "2024-01-19", "2024-01-30", false },
    { TERM_NATURAL_DAYS, 15, true, "2024-09-20", "2024-10-08", false },
    { TERM_NATURAL_DAYS, 90, true, "2024-07-05", "2024-10-08", false },
    { TERM_NATURAL_DAYS, 60, true, "2025-07-30", "2025-09-28", false },
    { TERM_MONTHS, 6, true, "2024-08-31", "2025-02-28", false },
    { TERM_MONTHS, 6, true, "2024-04-01", "2024-10-08", false },

    /* Without rolling: measures that restrict a party end on time. */
    { TERM_NATURAL_DAYS, 15, false, "2024-09-20", "2024-10-05", false },
    { TERM_MONTHS, 6, false, "2024-04-01", "2024-10-01", false },
    { TERM_WORKING_DAYS, 5, true, "2024-09-27", "2024-10-10", false },

    /* Leap days and ends of months. */
    { TERM_MONTHS, 1, false, "2024-01-29", "2024-02-29", false },
    { TERM_MONTHS, 1, false, "2024-01-31", "2024-02-29", false },
    { TERM_MONTHS, 1, false, "2025-01-31", "2025-02-28", false },
    { TERM_MONTHS, 12, false, "2024-02-29", "2025-02-28", false },
    { TERM_MONTHS, 48, false, "2024-02-29", "2028-02-29", false },
    { TERM_MONTHS, 1, false, "2025-02-28", "2025-03-28", false },
    { TERM_MONTHS, 2, false, "2024-12-31", "2025-02-28", false },
    { TERM_MONTHS, 1, false, "2024-12-15", "2025-01-15", false },
    { TERM_MONTHS, 11, false, "2024-01-31", "2024-12-31", false },
    { TERM_NATURAL_DAYS, 1, false, "2024-02-28", "2024-02-29", false },
    { TERM_NATURAL_DAYS, 366, false, "2024-01-01", "2025-01-01", false },

    /* Starts on a holiday, on a rest day, on a make-up day. */
    { TERM_WORKING_DAYS, 1, false, "2024-10-03", "2024-10-08", false },
    { TERM_WORKING_DAYS, 1, false, "2024-09-28", "2024-09-29", false },
    { TERM_WORKING_DAYS, 1, false, "2024-10-12", "2024-10-14", false },
    { TERM_WORKING_DAYS, 1, false, "2026-02-14", "2026-02-24", false },
    { TERM_NATURAL_DAYS, 1, true, "2026-02-14", "2026-02-24", false },

    /* Over the end of what is announced: weekdays, and said so. */
    { TERM_WORKING_DAYS, 1, false, "2026-12-30", "2026-12-31", false },
    { TERM_WORKING_DAYS, 1, false, "2026-12-31", "2027-01-01", true },
    { TERM_WORKING_DAYS, 5, false, "2026-12-28", "2027-01-04", true },
    { TERM_WORKING_DAYS, 5, false, "2027-06-01", "2027-06-08", true },
    { TERM_WORKING_DAYS, 2, false, "2023-12-28", "2024-01-02", true },
    { TERM_WORKING_DAYS, 1, false, "2023-12-31", "2024-01-02", false },
    { TERM_NATURAL_DAYS, 2, true, "2026-12-31", "2027-01-04", true },
    { TERM_NATURAL_DAYS, 2, false, "2026-12-31", "2027-01-02", false },
    { TERM_MONTHS, 1, true, "2026-12-05", "2027-01-05", true },
    { TERM_NATURAL_DAYS, 30, true, "2026-12-01", "2026-12-31", false },
};

/* Terms in days: due_on, and due_at as 00:00 of the day after, wherever in the start day the term
 * starts. */
static void test_vectors(void **state UNUSED)
{
    static const int64_t times[] = { 0, 1, 9 * TIME_HOUR_MS, TIME_DAY_MS - 1 };
    for (size_t i = 0; i < ARRAY_LEN(day_vectors); i++) {
        for (size_t t = 0; t < ARRAY_LEN(times); t++) {
            int64_t start = day_start(sample_day(day_vectors[i].start)) + times[t];
            struct due due =
                due_of(day_vectors[i].unit, day_vectors[i].count, day_vectors[i].roll, start);
            char text[DAY_TEXT_SIZE];
            day_format(due.due_on, text);
            if (strcmp(text, day_vectors[i].due_on) != 0 ||
                due.provisional != day_vectors[i].provisional)
                fail_msg("case %zu (%s): due on %s", i, day_vectors[i].start, text);
            assert_int_equal(due.due_at, day_start(due.due_on + 1));
        }
    }
}

static void test_hours(void **state UNUSED)
{
    static const struct {
        uint32_t count;
        const char *start, *due_at, *due_on;
    } cases[] = {
        { 2, "2026-11-24T12:00:00+08:00", "2026-11-24T14:00:00+08:00", "2026-11-24" },
        { 24, "2026-11-24T12:00:00.123+08:00", "2026-11-25T12:00:00.123+08:00", "2026-11-25" },
        /* Through a make-up day, through holidays, over the year's end: hours do not mind. */
        { 24, "2024-09-28T18:30:00+08:00", "2024-09-29T18:30:00+08:00", "2024-09-29" },
        { 24, "2024-10-01T00:00:01+08:00", "2024-10-02T00:00:01+08:00", "2024-10-02" },
        { 24, "2026-12-31T23:59:59+08:00", "2027-01-01T23:59:59+08:00", "2027-01-01" },
        { 24, "2024-02-28T10:00:00+08:00", "2024-02-29T10:00:00+08:00", "2024-02-29" },
        /* due_at is exclusive: at 00:00 the last instant in time is on the day before. */
        { 24, "2026-11-24T00:00:00+08:00", "2026-11-25T00:00:00+08:00", "2026-11-24" },
        { 2, "2026-11-24T22:00:00+08:00", "2026-11-25T00:00:00+08:00", "2026-11-24" },
        { 2, "2026-11-24T22:00:00.001+08:00", "2026-11-25T00:00:00.001+08:00", "2026-11-25" },
        /* The local day counts, not that of UTC. */
        { 1, "2026-11-24T15:30:00Z", "2026-11-25T00:30:00+08:00", "2026-11-25" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t start, due_at;
        assert_int_equal(instant_parse(cases[i].start, &start), 0);
        assert_int_equal(instant_parse(cases[i].due_at, &due_at), 0);
        for (int roll = 0; roll < 2; roll++) {
            struct due due = due_of(TERM_HOURS, cases[i].count, roll, start);
            assert_int_equal(due.due_at, due_at);
            assert_int_equal(due.due_on, sample_day(cases[i].due_on));
            assert_false(due.provisional);
        }
    }
}

static void test_extension(void **state UNUSED)
{
    static const struct {
        struct term term;
        const char *start, *due_on;
        bool provisional;
    } cases[] = {
        { { TERM_WORKING_DAYS, 5, false, 3 }, "2024-09-27", "2024-10-14", false },
        { { TERM_WORKING_DAYS, 5, false, 10 }, "2026-12-14", "2027-01-04", true },
        { { TERM_NATURAL_DAYS, 15, true, 1 }, "2024-09-20", "2024-10-09", false },
        { { TERM_NATURAL_DAYS, 15, false, 1 }, "2024-09-20", "2024-10-08", false },
        { { TERM_HOURS, 24, false, 1 }, "2024-09-27", "2024-09-29", false },
        { { TERM_MONTHS, 1, true, 2 }, "2024-09-04", "2024-10-10", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct due due;
        int64_t start = day_start(sample_day(cases[i].start)) + 9 * TIME_HOUR_MS;
        assert_int_equal(calendar_due(calendar, cases[i].term, start, &due), 0);
        if (due.due_on != sample_day(cases[i].due_on) || due.provisional != cases[i].provisional)
            fail_msg("case %zu: %d days off", i, due.due_on - sample_day(cases[i].due_on));
        assert_int_equal(due.due_at, day_start(due.due_on + 1));
    }
}

static void test_bad_terms(void **state UNUSED)
{
    const struct term cases[] = {
        { 0 },
        { TERM_HOURS, 0, false, 0 },
        { TERM_WORKING_DAYS, 0, false, 5 },
        { TERM_HOURS, TERM_HOURS_MAX + 1, false, 0 },
        { TERM_NATURAL_DAYS, TERM_NATURAL_DAYS_MAX + 1, false, 0 },
        { TERM_WORKING_DAYS, TERM_WORKING_DAYS_MAX + 1, false, 0 },
        { TERM_MONTHS, TERM_MONTHS_MAX + 1, false, 0 },
        { TERM_MONTHS, UINT32_MAX, false, 0 },
        { TERM_WORKING_DAYS, 5, false, TERM_EXTENDED_DAYS_MAX + 1 },
        { (enum term_unit)5, 1, false, 0 },
        { (enum term_unit) - 1, 1, false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct due due = { .due_at = 77 };
        struct calendar_step *steps = NULL;
        size_t count = 0;
        int64_t start = day_start(sample_day("2026-01-05"));
        if (term_check(cases[i]) != ERR_INVALID_ARGUMENT ||
            calendar_due(calendar, cases[i], start, &due) != ERR_INVALID_ARGUMENT ||
            calendar_explain(calendar, cases[i], start, &arena, &steps, &count) !=
                ERR_INVALID_ARGUMENT)
            fail_msg("case %zu", i);
        assert_int_equal(due.due_at, 77);
        assert_null(steps);
    }
    static const char *const starts[] = { "1899-12-31", "2200-01-01", "0001-01-01", "9999-12-31" };
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        struct due due;
        struct term term = { TERM_HOURS, 1, false, 0 };
        assert_int_equal(calendar_due(calendar, term, day_start(sample_day(starts[i])), &due),
                         ERR_INVALID_ARGUMENT);
    }
    struct due due;
    struct term term = { TERM_HOURS, 1, false, 0 };
    assert_int_equal(calendar_due(calendar, term, INT64_MAX, &due), ERR_INVALID_ARGUMENT);
    assert_int_equal(calendar_due(calendar, term, INT64_MIN, &due), ERR_INVALID_ARGUMENT);
}

static void test_longest_terms(void **state UNUSED)
{
    const struct term cases[] = {
        { TERM_HOURS, TERM_HOURS_MAX, false, TERM_EXTENDED_DAYS_MAX },
        { TERM_NATURAL_DAYS, TERM_NATURAL_DAYS_MAX, true, TERM_EXTENDED_DAYS_MAX },
        { TERM_WORKING_DAYS, TERM_WORKING_DAYS_MAX, true, TERM_EXTENDED_DAYS_MAX },
        { TERM_MONTHS, TERM_MONTHS_MAX, true, TERM_EXTENDED_DAYS_MAX },
    };
    static const char *const starts[] = { "1900-01-01", "2025-06-01", "2199-12-31" };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
            struct due due;
            int64_t start = day_start(sample_day(starts[s]));
            assert_int_equal(calendar_due(calendar, cases[i], start, &due), 0);
            assert_true(due.provisional && due.due_at > start);
        }
    }
}

/* Every start day of the announced years, against straight counting on the other judge of working
 * days. */
static void test_against_naive_counting(void **state UNUSED)
{
    int32_t announced_end = sample_day("2027-01-01");
    for (int32_t d = sample_day("2024-01-01"); d < announced_end; d++) {
        int64_t start = day_start(d) + 10 * TIME_HOUR_MS;
        int32_t nth = d;
        for (uint32_t n = 1; n <= 25; n++) {
            do {
                nth++;
            } while (!sample_is_working(nth));
            struct due due = due_of(TERM_WORKING_DAYS, n, false, start);
            assert_int_equal(due.due_on, nth);
            assert_int_equal(due.provisional, nth >= announced_end);

            int32_t last = d + (int32_t)n;
            due = due_of(TERM_NATURAL_DAYS, n, false, start);
            assert_int_equal(due.due_on, last);
            assert_false(due.provisional);
            bool looked_beyond = last >= announced_end;
            while (!sample_is_working(last)) {
                last++;
                looked_beyond = looked_beyond || last >= announced_end;
            }
            due = due_of(TERM_NATURAL_DAYS, n, true, start);
            assert_int_equal(due.due_on, last);
            assert_int_equal(due.provisional, looked_beyond);
        }
    }
}

/* One more never ends earlier, a later start never ends earlier, an extension never ends earlier.
 */
static void test_monotonic(void **state UNUSED)
{
    for (int unit = TERM_HOURS; unit <= TERM_MONTHS; unit++) {
        for (int roll = 0; roll < 2; roll++) {
            for (uint32_t n = 1; n <= 40; n += 3) {
                int64_t before = INT64_MIN;
                for (int32_t d = sample_day("2024-01-01"); d < sample_day("2027-02-01"); d += 3) {
                    int64_t start = day_start(d) + TIME_HOUR_MS;
                    struct term term = { (enum term_unit)unit, n, roll, 0 };
                    struct due one, more, extended;
                    calendar_due(calendar, term, start, &one);
                    term.extended_days = n % 10 + 1;
                    calendar_due(calendar, term, start, &extended);
                    term.extended_days = 0;
                    term.count++;
                    calendar_due(calendar, term, start, &more);
                    assert_true(more.due_at >= one.due_at);
                    assert_true(extended.due_at > one.due_at);
                    assert_true(one.due_at >= before && one.due_at > start);
                    assert_int_equal(one.due_on, day_of_instant(one.due_at - 1));
                    bool must_work = unit == TERM_WORKING_DAYS || (roll && unit != TERM_HOURS);
                    assert_true(!must_work || sample_is_working(one.due_on));
                    before = one.due_at;
                }
            }
        }
    }
}

/* Loading the next notice changes what was provisional, and nothing that was not. */
static void test_notice_of_2026_arrives(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    struct calendar_mark marks[SAMPLE_MARKS_MAX];
    size_t count = sample_marks(marks, 2024, 2025);
    const struct calendar *old = NULL;
    assert_int_equal(calendar_build(&own, sample_notices, 2, marks, count, &old), 0);
    int moved = 0;
    for (int32_t d = sample_day("2025-01-01"); d < sample_day("2026-03-01"); d++) {
        for (uint32_t n = 1; n <= 10; n++) {
            struct due before, after;
            struct term term = { TERM_WORKING_DAYS, n, false, 0 };
            calendar_due(old, term, day_start(d), &before);
            calendar_due(calendar, term, day_start(d), &after);
            assert_false(after.provisional);
            if (!before.provisional)
                assert_int_equal(before.due_at, after.due_at);
            moved += before.due_at != after.due_at;
        }
    }
    assert_true(moved > 100);
    arena_clear(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),       cmocka_unit_test(test_hours),
        cmocka_unit_test(test_extension),     cmocka_unit_test(test_bad_terms),
        cmocka_unit_test(test_longest_terms), cmocka_unit_test(test_against_naive_counting),
        cmocka_unit_test(test_monotonic),     cmocka_unit_test(test_notice_of_2026_arrives),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
