/* A corrected calendar and the clocks that were counted by the one before: what the dry run shows,
 * and what an operator's decision moves, once, whoever carries it out and whatever comes late. */
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

#define WAIT_MS   20000
#define STEPS_MAX 100
#define CROWD     600 /* more than a batch */

static struct pg_fixture *fixture;

static const int REPLY[] = { CLOCK_KIND_REPLY, 0 };
static const int SIGN[] = { CLOCK_KIND_SIGN, 0 };
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

/* -- calendars -- */

struct notice {
    int year;
    struct reference_fixture_day days[4];
    int count;
};

/* The seed and these notices, in the order in which they came: a later one of a year corrects. */
static const struct snapshot *calendar_of(const struct notice *notices, int count)
{
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    for (int i = 0; i < count; i++)
        reference_fixture_add_notice(&f, notices[i].year, notices[i].days, notices[i].count);
    struct snapshot *s = reference_fixture_build(&f, day_from_ymd(2050, 1, 4));
    reference_fixture_clear(&f);
    return s;
}

static void install(const struct snapshot *s)
{
    union {
        const struct snapshot *in;
        struct snapshot *out;
    } u = { .in = snapshot_ref(s) };
    snapshot_install(u.out);
}

/* 2050 as it was announced, and the same with one more day off or worked. */
struct calendars {
    const struct snapshot *old, *new;
};

static struct calendars corrected(const char *day, int kind)
{
    struct notice notices[2] = { { 2050, { { "2050-01-03", DAY_KIND_OFF } }, 1 },
                                 { 2050, { { "2050-01-03", DAY_KIND_OFF }, { day, kind } }, 2 } };
    struct calendars c = { .old = calendar_of(notices, 1), .new = calendar_of(notices, 2) };
    install(c.old);
    return c;
}

static void put(struct calendars *c)
{
    snapshot_put(c->old);
    snapshot_put(c->new);
}

/* -- decisions -- */

static struct clock_changes dry_run(struct clock_bench *b, const struct snapshot *reference)
{
    struct clock_changes changes;
    assert_int_equal(clock_changes_read(b->pg, &b->arena, reference, clock_bench_now(b), &changes),
                     0);
    assert_int_equal(changes.calendar_position, snapshot_calendar_position(reference));
    return changes;
}

static const struct clock_change *change_of(const struct clock_changes *changes,
                                            const char *subject)
{
    for (int i = 0; i < changes->row_count; i++) {
        if (strcmp(changes->rows[i].subject, subject) == 0)
            return &changes->rows[i];
    }
    return NULL;
}

static void decide(struct clock_bench *b, const struct snapshot *reference)
{
    assert_int_equal(
        clock_decide(b->pg, snapshot_calendar_position(reference), "operator", clock_bench_now(b)),
        0);
}

static bool settled(struct clock_bench *b)
{
    struct clock_decision last;
    assert_int_equal(clock_decision_read(b->pg, &b->arena, &last), 0);
    return last.settled_at != 0;
}

/* Steps of a replica with that calendar until it has nothing to do at once; how many it wrote. */
static int sweep(struct clock_bench *b, struct clock_sweep *s, const struct snapshot *reference)
{
    int done = 0;
    bool more = true;
    for (int i = 0; more && i < STEPS_MAX; i++) {
        struct clock_batch batch;
        assert_int_equal(clock_sweep_step(s, b->pg, &clock_bench_owner, reference, &batch, &more),
                         0);
        done += batch.done;
    }
    assert_false(more);
    return done;
}

static int sweep_anew(struct clock_bench *b, const struct snapshot *reference)
{
    struct clock_sweep s = { 0 };
    return sweep(b, &s, reference);
}

static int64_t count_events(struct clock_bench *b)
{
    return clock_bench_number(b, "SELECT count(*) FROM event WHERE type = 'clock.recomputed.v1'");
}

static int64_t count_ledger(struct clock_bench *b, const char *reason)
{
    return clock_bench_number(
        b, arena_printf(&b->arena,
                        "SELECT count(*) FROM clock_ledger WHERE what = 'recomputed' AND reason = "
                        "'%s'",
                        reason));
}

static int extend_by_three(struct clock_set *set, void *kind)
{
    return clock_extend(set, *(const int *)kind, 3);
}

static void assert_due(struct clock_bench *b, const char *subject, int kind, const char *due_at)
{
    assert_int_equal(clock_bench_read(b, subject, kind).due_at, clock_bench_instant(due_at));
}

/* -- tests -- */

struct matters {
    const char *moves, *extended, *right, *lapsed, *breached, *same, *ended, *unannounced;
};

static void file_matters(struct clock_bench *b, struct matters *m)
{
    int kind = CLOCK_KIND_REPLY;
    clock_bench_at(b, "2050-01-04T10:00"); /* Tuesday */
    int64_t now = clock_bench_now(b);
    m->moves = clock_bench_file(b, REPLY, now);
    m->extended = clock_bench_file(b, REPLY, now);
    clock_bench_act(b, m->extended, extend_by_three, &kind);
    m->right = clock_bench_file(b, RETURN, now);
    m->lapsed = clock_bench_file(b, RETURN, clock_bench_instant("2050-01-03T10:00"));
    m->breached = clock_bench_file(b, SIGN, now);
    m->ended = clock_bench_file(b, REPLY, now);
    clock_bench_act(b, m->ended, clock_bench_stop, &kind);
    m->same = clock_bench_file(b, REPLY, clock_bench_instant("2050-01-05T10:00"));
    m->unannounced = clock_bench_file(b, REPLY, clock_bench_instant("2051-01-02T10:00"));
    assert_true(clock_bench_read(b, m->unannounced, CLOCK_KIND_REPLY).provisional);
}

static void check_dry_run(struct clock_bench *b, const struct matters *m,
                          const struct snapshot *reference)
{
    struct clock_changes changes = dry_run(b, reference);
    assert_int_equal(changes.older, 5); /* not what has ended, has lapsed, or is provisional */
    assert_int_equal(changes.counts[CLOCK_CHANGE_MOVES], 3);
    assert_int_equal(changes.counts[CLOCK_CHANGE_BREACHED], 1);
    assert_int_equal(changes.counts[CLOCK_CHANGE_NOT_BEFORE_NOW], 0);
    assert_int_equal(changes.row_count, 4);
    const struct clock_change *c = change_of(&changes, m->moves);
    assert_non_null(c);
    assert_int_equal(c->kind, CLOCK_KIND_REPLY);
    assert_string_equal(c->clock_id, clock_bench_read(b, m->moves, CLOCK_KIND_REPLY).id);
    assert_string_equal(c->division, "370102");
    assert_int_equal(c->old_due_at, clock_bench_instant("2050-01-12"));
    assert_int_equal(c->new_due_at, clock_bench_instant("2050-01-13"));
    assert_int_equal(c->note, CLOCK_CHANGE_MOVES);
    c = change_of(&changes, m->breached);
    assert_non_null(c);
    assert_int_equal(c->note, CLOCK_CHANGE_BREACHED);
    assert_int_equal(c->new_due_at, clock_bench_instant("2050-01-07"));
    assert_null(change_of(&changes, m->same));
    assert_null(change_of(&changes, m->lapsed));
    /* nothing moved, and without a decision nothing will */
    assert_due(b, m->moves, CLOCK_KIND_REPLY, "2050-01-12");
    assert_int_equal(sweep_anew(b, reference), 0);
    assert_int_equal(count_events(b), 0);
}

/* The Wednesday turns out to have been a day off: found out on Thursday. */
static void test_what_was_looked_at_is_applied(void **state UNUSED)
{
    struct clock_bench b;
    struct matters m;
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-01-05", DAY_KIND_OFF);
    file_matters(&b, &m);
    clock_bench_at(&b, "2050-01-06T12:00");
    while (clock_bench_fire(&b).done) /* the breached one has no rung left: it is looked at still */
        ;
    int64_t started_at = clock_bench_read(&b, m.moves, CLOCK_KIND_REPLY).started_at;
    assert_int_equal(dry_run(&b, calendar.old).older, 0);
    check_dry_run(&b, &m, calendar.new);

    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.new), 5);
    assert_true(settled(&b));
    struct clock c = clock_bench_read(&b, m.moves, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2050-01-13"));
    assert_int_equal(c.due_on, day_from_ymd(2050, 1, 12));
    assert_int_equal(c.next_at,
                     clock_bench_instant("2050-01-11")); /* its yellow card moves along */
    assert_int_equal(c.started_at, started_at);
    assert_int_equal(c.term, 1);
    assert_false(c.provisional);
    assert_int_equal(c.calendar_position, snapshot_calendar_position(calendar.new));
    c = clock_bench_read(&b, m.extended, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2050-01-18"));
    assert_int_equal(c.term, 2);
    assert_due(&b, m.right, CLOCK_KIND_RETURN, "2050-01-08");
    assert_due(&b, m.breached, CLOCK_KIND_SIGN, "2050-01-06");
    assert_due(&b, m.same, CLOCK_KIND_REPLY, "2050-01-13");
    assert_due(&b, m.ended, CLOCK_KIND_REPLY, "2050-01-12");
    assert_true(clock_bench_read(&b, m.unannounced, CLOCK_KIND_REPLY).provisional);
    assert_int_equal(count_ledger(&b, "calendar_decision"), 3);
    assert_int_equal(count_events(&b), 3);

    /* once and for all: taken again it changes nothing, and there is nothing left to see */
    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.new), 0);
    assert_int_equal(dry_run(&b, calendar.new).older, 0);
    assert_int_equal(count_events(&b), 3);
    put(&calendar);
    clock_bench_close(&b);
}

/* What has fired stays fired; the next one goes by the new date. */
static void test_rungs_that_fired_stay(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-01-18", DAY_KIND_OFF);
    clock_bench_at(&b, "2050-01-11T10:00"); /* Tuesday: due on the 18th */
    const char *id = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_at(&b, "2050-01-17T00:00");
    assert_int_equal(clock_bench_fire(&b).done, 1);
    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.new), 1);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2050-01-20"));
    assert_int_equal(c.last_rung, RUNG_YELLOW);
    assert_int_equal(c.next_rung, RUNG_RED);
    assert_int_equal(c.next_at, clock_bench_instant("2050-01-20"));
    install(calendar.new);
    clock_bench_at(&b, "2050-01-19T12:00");
    assert_int_equal(clock_bench_fire(&b).found, 0); /* the red card of the old date */
    put(&calendar);
    clock_bench_close(&b);
}

/* A Saturday turns out to have been worked, which would have ended the term before now. */
static void test_never_before_now(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-01-22", DAY_KIND_WORK);
    clock_bench_at(&b, "2050-01-21T10:00"); /* Friday: due on Monday */
    const char *id = clock_bench_file(&b, SIGN, clock_bench_now(&b));
    clock_bench_at(&b, "2050-01-24T10:00");
    struct clock_changes changes = dry_run(&b, calendar.new);
    assert_int_equal(changes.counts[CLOCK_CHANGE_NOT_BEFORE_NOW], 1);
    assert_int_equal(change_of(&changes, id)->new_due_at, clock_bench_instant("2050-01-23"));
    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.new), 1);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_SIGN);
    assert_int_equal(c.due_at, clock_bench_instant("2050-01-25"));
    assert_int_equal(count_ledger(&b, "not_before_now"), 1);
    assert_int_equal(count_events(&b), 0); /* nothing moved */
    put(&calendar);
    clock_bench_close(&b);
}

/* A subject that another transaction holds is passed over, not forgotten. */
static void test_what_is_held_is_left_for_later(void **state UNUSED)
{
    struct clock_bench b;
    struct tx holder;
    struct pg_rows rows;
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-01-26", DAY_KIND_OFF);
    clock_bench_at(&b, "2050-01-25T10:00"); /* Tuesday */
    const char *held = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_file(&b, REPLY, clock_bench_now(&b));
    struct pg *other = pg_fixture_connect(fixture, b.uri);
    assert_int_equal(tx_begin(&holder, other, &b.arena), 0);
    assert_int_equal(tx_read(&holder, &Q_MATTER_LOCK_ONE, PG_ARGS(pg_text(held)), &rows), 0);

    struct clock_sweep s = { 0 };
    decide(&b, calendar.new);
    assert_int_equal(sweep(&b, &s, calendar.new), 1);
    assert_true(s.next_ms > mono_ms()); /* no walk after walk for what another holds */
    assert_false(settled(&b));
    pg_close(other); /* its replica dies, in the middle of its batch */
    /* The server has seen it too when somebody else gets the row: this waits for it. */
    other = pg_fixture_connect(fixture, b.uri);
    assert_int_equal(pg_read(other, &b.arena, &Q_MATTER_LOCK_ONE, PG_ARGS(pg_text(held)), &rows),
                     0);
    pg_close(other);
    s.next_ms = 0;
    assert_int_equal(sweep(&b, &s, calendar.new), 1);
    assert_true(settled(&b));
    assert_due(&b, held, CLOCK_KIND_REPLY, "2050-02-03");
    assert_int_equal(count_events(&b), 2);
    put(&calendar);
    clock_bench_close(&b);
}

/* -- the scanner -- */

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t head;
};

static void on_commit(void *ctx, int64_t head)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->head = MAX(s->head, head);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for_head(struct seen *s, int64_t head)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->head < head) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
            fail_msg("waited in vain: head %d", (int)s->head);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Carried out by replicas that know the new calendar, and again for what one with the old calendar
 * writes when all was done. */
static void test_an_old_calendar_leaves_none_behind(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-02-09", DAY_KIND_OFF);
    clock_bench_at(&b, "2050-02-08T10:00"); /* Tuesday */
    const char *early = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.old), 0);
    assert_false(settled(&b));
    assert_int_equal(sweep_anew(&b, calendar.new), 1);
    assert_true(settled(&b));

    const char *late = clock_bench_file(&b, REPLY, clock_bench_now(&b)); /* by the old one */
    assert_due(&b, late, CLOCK_KIND_REPLY, "2050-02-16");
    struct clock_figures figures;
    assert_int_equal(clock_figures_read(b.pg, &b.arena, clock_bench_now(&b), &figures), 0);
    assert_int_equal(figures.behind, 1);
    install(calendar.new);
    struct clock_scanner *scanner;
    assert_int_equal(
        clock_scanner_start(&scanner, &clock_bench_owner, &b.options, on_commit, &seen), 0);
    wait_for_head(&seen, 2);
    clock_scanner_stop(scanner);
    assert_due(&b, early, CLOCK_KIND_REPLY, "2050-02-17");
    assert_due(&b, late, CLOCK_KIND_REPLY, "2050-02-17");
    assert_int_equal(count_events(&b), 2);
    put(&calendar);
    clock_bench_close(&b);
}

/* Two replicas at once, more clocks than a batch holds: each moves once. */
static void test_two_replicas_and_a_crowd(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    clock_bench_open(&b, fixture);
    struct calendars calendar = corrected("2050-02-23", DAY_KIND_OFF);
    clock_bench_at(&b, "2050-02-22T10:00"); /* Tuesday */
    for (int i = 0; i < CROWD; i++)
        clock_bench_file(&b, REPLY, clock_bench_now(&b));
    struct clock_changes changes = dry_run(&b, calendar.new);
    assert_int_equal(changes.counts[CLOCK_CHANGE_MOVES], CROWD);
    assert_int_equal(changes.row_count, CLOCK_CHANGES_MAX);

    install(calendar.new);
    struct clock_scanner *scanners[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            clock_scanner_start(&scanners[i], &clock_bench_owner, &b.options, on_commit, &seen), 0);
    decide(&b, calendar.new);
    for (int i = 0; i < 2; i++)
        clock_scanner_wake(scanners[i]);
    wait_for_head(&seen, CROWD);
    for (int i = 0; i < 2; i++)
        clock_scanner_stop(scanners[i]);
    assert_int_equal(count_events(&b), CROWD);
    assert_int_equal(count_ledger(&b, "calendar_decision"), CROWD);
    assert_int_equal(clock_bench_number(&b, "SELECT count(DISTINCT subject) FROM event"), CROWD);
    assert_int_equal(sweep_anew(&b, calendar.new), 0);
    assert_true(settled(&b));
    put(&calendar);
    clock_bench_close(&b);
}

/* The notice for the next year settles a clock's next rung and, in passing, marks a last day of
 * this one: the date is as old as it was, and an operator's to decide on. */
static void test_a_settled_rung_does_not_hide_the_date(void **state UNUSED)
{
    struct clock_bench b;
    struct notice notices[] = {
        { 2050, { { "2050-01-03", DAY_KIND_OFF } }, 1 },
        { 2051, { { "2050-12-30", DAY_KIND_OFF }, { "2051-01-02", DAY_KIND_OFF } }, 2 }
    };
    struct calendars calendar = { .old = calendar_of(notices, 1), .new = calendar_of(notices, 2) };
    clock_bench_open(&b, fixture);
    install(calendar.old);
    clock_bench_at(&b, "2050-12-23T10:00"); /* Friday: due on Friday the 30th */
    const char *id = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_at(&b, "2050-12-29T00:00");
    assert_int_equal(clock_bench_fire(&b).done, 1);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_true(!c.provisional && c.next_provisional); /* its red card: nobody has announced 2051 */

    install(calendar.new);
    assert_int_equal(clock_bench_recompute(&b).done, 1);
    c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2050-12-31"));
    assert_int_equal(c.next_at, clock_bench_instant("2051-01-03"));
    assert_int_equal(c.date_position, snapshot_calendar_position(calendar.old));
    assert_int_equal(clock_bench_recompute(&b).found, 0);
    struct clock_changes changes = dry_run(&b, calendar.new);
    assert_int_equal(changes.counts[CLOCK_CHANGE_MOVES], 1);

    decide(&b, calendar.new);
    assert_int_equal(sweep_anew(&b, calendar.new), 1);
    c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(c.due_at, clock_bench_instant("2051-01-04"));
    assert_int_equal(c.date_position, 0);
    assert_int_equal(dry_run(&b, calendar.new).older, 0);
    put(&calendar);
    clock_bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_looked_at_is_applied),
        cmocka_unit_test(test_rungs_that_fired_stay),
        cmocka_unit_test(test_never_before_now),
        cmocka_unit_test(test_what_is_held_is_left_for_later),
        cmocka_unit_test(test_an_old_calendar_leaves_none_behind),
        cmocka_unit_test(test_two_replicas_and_a_crowd),
        cmocka_unit_test(test_a_settled_rung_does_not_hide_the_date),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
