/* What people see of a clock: its state, the days that explain its date, its message. */
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

static void test_states(void **state)
{
    (void)state;
    static const struct {
        int kind;
        int64_t ended_at;
        bool cancelled;
        int64_t now;
        int expected;
    } cases[] = {
        { CLOCK_KIND_REPLY, 0, false, 99, CLOCK_STATE_RUNNING },
        { CLOCK_KIND_REPLY, 0, false, 100,
          CLOCK_STATE_LATE }, /* due_at is the first late instant */
        { CLOCK_KIND_REPLY, 99, false, 1000, CLOCK_STATE_MET },
        { CLOCK_KIND_REPLY, 100, false, 1000, CLOCK_STATE_LATE },
        { CLOCK_KIND_REPLY, 99, true, 1000, CLOCK_STATE_CANCELLED },
        { CLOCK_KIND_REPLY, 100, true, 1000, CLOCK_STATE_LATE },
        { CLOCK_KIND_RETURN, 0, false, 99, CLOCK_STATE_RUNNING },
        { CLOCK_KIND_RETURN, 0, false, 100, CLOCK_STATE_CANCELLED }, /* a right that lapsed */
        { CLOCK_KIND_RETURN, 99, false, 100, CLOCK_STATE_MET },
        { CLOCK_KIND_RETURN, 99, true, 100, CLOCK_STATE_CANCELLED },
        { CLOCK_KIND_RETURN, 100, true, 200, CLOCK_STATE_CANCELLED },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct clock c = { .kind = cases[i].kind,
                           .started_at = 1,
                           .due_at = 100,
                           .ended_at = cases[i].ended_at,
                           .cancelled = cases[i].cancelled };
        if (clock_state(&c, cases[i].now) != cases[i].expected)
            fail_msg("case %zu: state %d", i, clock_state(&c, cases[i].now));
        assert_int_equal(clock_is_open(&c), cases[i].ended_at == 0);
    }
}

static void assert_explained(const struct clock *c, const struct snapshot *reference,
                             const char *days)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct explained_day *list;
    int count;
    assert_int_equal(clock_explain(c, reference, &arena, &list, &count), 0);
    assert_int_equal(count, (int)strlen(days));
    assert_int_equal(list[0].day, day_of_instant(c->started_at));
    assert_int_equal(list[count - 1].day, c->due_on);
    for (int i = 0; i < count; i++) {
        assert_int_equal(list[i].day, list[0].day + i);
        if (list[i].counted != (days[i] == '1'))
            fail_msg("day %d: %s", i, list[i].reason_en);
        assert_true(list[i].reason_zh[0] && list[i].reason_en[0] && list[i].basis[0]);
    }
    arena_clear(&arena);
}

static void test_explain(void **state)
{
    (void)state;
    struct clock c =
        clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-02-12T16:30"));
    assert_explained(&c, seed, "011000000000111"); /* 12 start, 13, 14 worked, off, 24 25 26 */

    /* extended by two working days after the old due date */
    c.extended_days = 2;
    c.due_on = day_from_ymd(2026, 2, 28);
    assert_explained(&c, seed, "01100000000011111");

    /* a date that stayed although the count now ends elsewhere */
    c.extended_days = 0;
    c.due_on = day_from_ymd(2026, 2, 28);
    assert_explained(&c, seed, "01100000000011100");
    c.due_on = day_from_ymd(2026, 2, 25);
    assert_explained(&c, seed, "01100000000011");

    c = clock_bench_begin(seed, CLOCK_KIND_DISPATCH, "dispatch",
                          clock_bench_instant("2026-03-02T23:15"));
    assert_explained(&c, seed, "11");
    c = clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-12-28T10:00"));
    assert_explained(&c, seed, "01111001"); /* by weekday into 2027 */

    c.rule_version = 99;
    struct arena arena;
    arena_init(&arena, 0);
    struct explained_day *list;
    int count;
    assert_int_equal(clock_explain(&c, seed, &arena, &list, &count), ERR_INTERNAL);
    arena_clear(&arena);
}

static void test_view(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    struct clock c =
        clock_bench_begin(seed, CLOCK_KIND_REPLY, "reply", clock_bench_instant("2026-03-02T10:00"));
    clock_id("018f3a3e-7c2b-7def-8a11-0123456789ab", c.kind, c.id);
    Clock out;
    clock_view(&c, seed, clock_bench_instant("2026-03-10T00:00"), &arena, &out);
    assert_string_equal(out.id, c.id);
    assert_string_equal(out.due_on, "2026-03-09");
    assert_int_equal(out.state, CLOCK_STATE_LATE);
    assert_int_equal(out.kind, CLOCK_KIND_REPLY);
    assert_string_equal(out.rule, "reply");
    assert_true(strlen(out.basis_zh) > 0);
    c.rule_version = 99;
    clock_view(&c, seed, c.started_at, &arena, &out);
    assert_int_equal(out.state, CLOCK_STATE_RUNNING);
    assert_string_equal(out.basis_zh, "");

    char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];
    clock_id("018f3a3e-7c2b-7def-8a11-0123456789ab", CLOCK_KIND_REPLY, a);
    clock_id("018f3a3e-7c2b-7def-8a11-0123456789ab", CLOCK_KIND_SIGN, b);
    assert_string_not_equal(a, b);
    assert_string_equal(a, out.id);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_states),
                                        cmocka_unit_test(test_explain),
                                        cmocka_unit_test(test_view) };
    return cmocka_run_group_tests(tests, load_seed, drop_seed);
}
