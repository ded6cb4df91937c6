/* Notices that come late: provisional clocks are recomputed, term kept, whoever computed them and
 * by whatever calendar; a breached date never moves, none moves to before now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/tests/clock_fixture.h"

#define WAIT_MS 20000

static struct pg_fixture *fixture;

static const int REPLY[] = { CLOCK_KIND_REPLY, 0 };
static const int SIGN[] = { CLOCK_KIND_SIGN, 0 };
static const int DISPATCH[] = { CLOCK_KIND_DISPATCH, 0 };
static const int RETURN[] = { CLOCK_KIND_RETURN, 0 };

static int setup_group(void **state UNUSED)
{
    fixture = clock_bench_setup();
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    clock_bench_teardown(fixture);
    return 0;
}

static void install(const struct snapshot *s)
{
    union {
        const struct snapshot *in;
        struct snapshot *out;
    } u = { .in = snapshot_ref(s) };
    snapshot_install(u.out);
}

static int fire_all(struct clock_bench *b)
{
    int done = 0;
    for (struct clock_batch batch; (batch = clock_bench_fire(b)).done; done += batch.done)
        ;
    return done;
}

/* The seed's calendar ends in 2026 and civil time stands in 2053: all of it is provisional until a
 * notice comes. Installed and returned. */
static const struct snapshot *with_notice(int year, const struct reference_fixture_day *days,
                                          int count)
{
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    clock_bench_hour_rungs(&f);
    if (days)
        reference_fixture_add_notice(&f, year, days, count);
    struct snapshot *s = reference_fixture_build(&f, day_from_ymd(2053, 1, 6));
    reference_fixture_clear(&f);
    snapshot_ref(s);
    snapshot_install(s);
    return s;
}

/* -- what the scanner tells -- */

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t head;
    struct clock_figures figures;
};

static void on_commit(void *ctx, int64_t head)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->head = MAX(s->head, head);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_figures(void *ctx, const struct clock_figures *figures)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->figures = *figures;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for(struct seen *s, int64_t head, int64_t provisional)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->head < head || s->figures.provisional != provisional) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
            fail_msg("waited in vain: head %d, provisional %d", (int)s->head,
                     (int)s->figures.provisional);
    }
    pthread_mutex_unlock(&s->lock);
}

/* -- tests -- */

struct matters {
    const char *moved, *right, *same, *hours, *ended;
};

static void file_matters(struct clock_bench *b, struct matters *m)
{
    clock_bench_at(b, "2053-03-03T10:00"); /* Monday */
    int64_t now = clock_bench_now(b);
    m->moved = clock_bench_file(b, REPLY, now);
    m->right = clock_bench_file(b, RETURN, now);
    m->same = clock_bench_file(b, REPLY, clock_bench_instant("2053-03-17T10:00"));
    m->hours = clock_bench_file(b, DISPATCH, now);
    m->ended = clock_bench_file(b, REPLY, now);
    int kind = CLOCK_KIND_REPLY;
    clock_bench_act(b, m->ended, clock_bench_stop, &kind);
    struct clock c = clock_bench_read(b, m->moved, CLOCK_KIND_REPLY);
    assert_true(c.provisional && c.next_provisional);
    assert_int_equal(c.due_at, clock_bench_instant("2053-03-11"));
    assert_int_equal(clock_bench_recompute(b).found, 0); /* there is no newer notice */
}

static void check_matters(struct clock_bench *b, const struct matters *m,
                          const struct snapshot *after)
{
    struct clock c = clock_bench_read(b, m->moved, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-03-14"));
    assert_int_equal(c.next_at, clock_bench_instant("2053-03-12"));
    assert_int_equal(c.term, 1); /* kept */
    assert_false(c.provisional || c.next_provisional);
    assert_int_equal(c.calendar_position, snapshot_calendar_position(after));
    /* the explanation is of the date as it is now */
    struct explained_day *days;
    int count;
    assert_int_equal(clock_explain(&c, after, &b->arena, &days, &count), 0);
    assert_int_equal(days[count - 1].day, c.due_on);
    assert_true(days[count - 1].counted);

    c = clock_bench_read(b, m->right, CLOCK_KIND_RETURN);
    assert_int_equal(c.due_at, clock_bench_instant("2053-03-11"));
    assert_int_equal(c.next_rung, 0);
    c = clock_bench_read(b, m->same, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-03-25"));
    assert_false(c.provisional);
    assert_false(clock_bench_read(b, m->hours, CLOCK_KIND_DISPATCH).provisional);
    c = clock_bench_read(b, m->ended, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-03-11")); /* what has ended stays */
}

static void test_a_notice_comes(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct matters m;
    clock_bench_open(&b, fixture);
    const struct snapshot *before = with_notice(0, NULL, 0);
    file_matters(&b, &m);

    struct clock_scanner *scanner;
    assert_int_equal(
        clock_scanner_start(&scanner, &clock_bench_owner, &b.options, on_commit, &seen), 0);
    clock_scanner_watch(scanner, on_figures, &seen);
    wait_for(&seen, 0, 3); /* what the alarm says */

    /* the notice: the rest of that week is off */
    static const struct reference_fixture_day off[] = { { "2053-03-05", DAY_KIND_OFF },
                                                        { "2053-03-06", DAY_KIND_OFF },
                                                        { "2053-03-07", DAY_KIND_OFF } };
    const struct snapshot *after = with_notice(2053, off, ARRAY_LEN(off));
    clock_scanner_wake(scanner);
    wait_for(&seen, 3, 0); /* two moved, one settled where it stood; the alarm is over */
    clock_scanner_watch(scanner, NULL, NULL);
    clock_scanner_stop(scanner);

    check_matters(&b, &m, after);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM event "
                                            "WHERE type = 'clock.recomputed.v1'"),
                     3);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger "
                                            "WHERE what = 'recomputed'"),
                     3);
    assert_int_equal(clock_bench_recompute(&b).found, 0);
    snapshot_put(before);
    snapshot_put(after);
    clock_bench_close(&b);
}

/* A replica that has not heard of the notice yet starts and fires clocks; none is left behind. */
static void test_an_old_calendar_leaves_none_behind(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2053-04-07T10:00"); /* Monday */
    static const struct reference_fixture_day off[] = { { "2053-04-14", DAY_KIND_OFF },
                                                        { "2053-04-16", DAY_KIND_OFF } };
    const struct snapshot *new = with_notice(2053, off, 2);
    const char *known = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    struct clock c = clock_bench_read(&b, known, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-04-16"));
    assert_false(c.provisional);
    const struct snapshot *old = with_notice(0, NULL, 0); /* the other replica's */
    const char *late = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    assert_true(clock_bench_read(&b, late, CLOCK_KIND_REPLY).provisional);

    clock_bench_at(&b, "2053-04-15T00:00");
    install(old);
    assert_int_equal(fire_all(&b),
                     3); /* by the old one: yellow and red of `late`, yellow of `known` */
    c = clock_bench_read(&b, known, CLOCK_KIND_REPLY);
    assert_true(c.next_provisional); /* its red card is, by the old one, due on the 16th */
    assert_int_equal(c.next_at, clock_bench_instant("2053-04-16"));
    install(new);
    assert_int_equal(clock_bench_recompute(&b).done, 2);
    c = clock_bench_read(&b, known, CLOCK_KIND_REPLY);
    assert_int_equal(c.next_at, clock_bench_instant("2053-04-17"));
    assert_int_equal(c.due_at, clock_bench_instant("2053-04-16"));
    assert_false(c.provisional || c.next_provisional);

    /* the breached one: its date stays, its next step follows the calendar */
    c = clock_bench_read(&b, late, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-04-15"));
    assert_int_equal(c.last_rung, RUNG_RED);
    assert_int_equal(c.next_rung, RUNG_L1);
    assert_int_equal(c.next_at, clock_bench_instant("2053-04-22")); /* 17, 18 and 21 */
    assert_false(c.provisional || c.next_provisional);
    snapshot_put(new);
    snapshot_put(old);
    clock_bench_close(&b);
}

/* A worked weekend brings a date forward, but not to before now. */
static void test_never_before_now(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    const struct snapshot *old = with_notice(0, NULL, 0);
    clock_bench_at(&b, "2053-05-09T10:00"); /* Friday: due at the end of Monday */
    const char *kept = clock_bench_file(&b, SIGN, clock_bench_now(&b));
    const char *forward = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_at(&b, "2053-05-12T10:00"); /* Monday: the Saturday had been a working day */
    static const struct reference_fixture_day worked[] = { { "2053-05-10", DAY_KIND_WORK } };
    const struct snapshot *new = with_notice(2053, worked, 1);
    assert_int_equal(clock_bench_recompute(&b).done, 2);
    struct clock c = clock_bench_read(&b, kept, CLOCK_KIND_SIGN);
    assert_int_equal(c.due_at, clock_bench_instant("2053-05-13"));
    assert_false(c.provisional);
    assert_int_equal(clock_state(&c, clock_bench_now(&b)), CLOCK_STATE_RUNNING);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger "
                                            "WHERE reason = 'not_before_now'"),
                     1);
    struct explained_day *days;
    int count;
    assert_int_equal(clock_explain(&c, new, &b.arena, &days, &count), 0);
    assert_int_equal(days[count - 1].day, c.due_on);

    c = clock_bench_read(&b, forward, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2053-05-16")); /* not the 17th */
    snapshot_put(old);
    snapshot_put(new);
    clock_bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_notice_comes),
        cmocka_unit_test(test_an_old_calendar_leaves_none_behind),
        cmocka_unit_test(test_never_before_now),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
