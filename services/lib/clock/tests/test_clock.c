/* What acts do to the clocks of a matter, on a real PostgreSQL: memory, rows and ledger agree. */
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

static struct pg_fixture *fixture;
static const struct snapshot *reference;

static const int FILED[] = { CLOCK_KIND_SIGN, CLOCK_KIND_RETURN, CLOCK_KIND_REPLY, 0 };
static const int REPLY[] = { CLOCK_KIND_REPLY, 0 };

static int setup_group(void **state UNUSED)
{
    fixture = clock_bench_setup();
    if (fixture)
        reference = clock_bench_reference(2051);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    snapshot_put(reference);
    clock_bench_teardown(fixture);
    return 0;
}

static void assert_at(int64_t at, const char *expected)
{
    char found[TIME_TEXT_SIZE];
    instant_format(at, found);
    if (at != clock_bench_instant(expected))
        fail_msg("%s, not %s", found, expected);
}

static int do_stop(struct clock_set *set, void *arg)
{
    return clock_stop(set, *(const int *)arg);
}

static int do_cancel(struct clock_set *set, void *arg)
{
    return clock_cancel(set, *(const int *)arg);
}

static int do_extend(struct clock_set *set, void *arg)
{
    return clock_extend(set, CLOCK_KIND_REPLY, *(const uint32_t *)arg);
}

static int do_restart(struct clock_set *set, void *arg)
{
    return clock_start(set, *(const int *)arg, set->tx->now_ms);
}

static void stop(struct clock_bench *b, const char *id, int kind)
{
    clock_bench_act(b, id, do_stop, &kind);
}

static void restart(struct clock_bench *b, const char *id, int kind)
{
    clock_bench_act(b, id, do_restart, &kind);
}

static void extend(struct clock_bench *b, const char *id, uint32_t days)
{
    clock_bench_act(b, id, do_extend, &days);
}

/* Fires all that is due; how many rungs that were. */
static int fire_all(struct clock_bench *b)
{
    int done = 0;
    for (struct clock_batch batch; (batch = clock_bench_fire(b)).done; done += batch.done)
        ;
    return done;
}

static void test_filed(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    const char *id = clock_bench_file(&b, FILED, clock_bench_instant("2050-01-05T10:00"));
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    char expected[UUID_TEXT_SIZE];
    clock_id(id, CLOCK_KIND_REPLY, expected);
    assert_string_equal(c.id, expected);
    assert_int_equal(c.term, 1);
    assert_at(c.due_at, "2050-01-13");
    assert_int_equal(c.due_on, day_from_ymd(2050, 1, 12));
    assert_int_equal(c.next_rung, RUNG_YELLOW);
    assert_at(c.next_at, "2050-01-11");
    assert_string_equal(c.rule, "reply");
    assert_int_equal(c.calendar_position, snapshot_calendar_position(reference));
    assert_false(c.provisional || c.cancelled || c.ended_at || c.last_rung);
    assert_int_equal(c.row_version, 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_RETURN).next_rung, 0);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_SIGN).next_rung, RUNG_RED);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger"), 0);

    /* in the order of the ids asked for; an id without clocks has none */
    const char *other = clock_bench_file(&b, REPLY, clock_bench_instant("2050-01-05T10:00"));
    const char *ids[] = { other, "00000000-0000-4000-8000-000000000000", id, other };
    struct clock **clocks;
    int *counts;
    assert_int_equal(clock_load_many(b.pg, &b.arena, ids, 4, &clocks, &counts), 0);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 3);
    assert_int_equal(counts[3], 1);
    assert_int_equal(clocks[2][2].kind, CLOCK_KIND_REPLY);
    clock_id(other, CLOCK_KIND_REPLY, expected);
    assert_string_equal(clocks[0][0].id, expected);
    assert_int_equal(clock_load_many(b.pg, &b.arena, ids, 0, &clocks, &counts), 0);
    clock_bench_close(&b);
}

/* The start of a matter's clocks reads nothing: it cannot even see that the transaction failed. */
static void test_start_reads_nothing(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    struct tx tx;
    struct clock_set set;
    struct clock_subject subject = { .id = "018f3a3e-7c2b-7def-8a11-0123456789ab",
                                     .division = "370102",
                                     .audience = "",
                                     .unit = "x" };
    assert_int_equal(tx_begin(&tx, b.pg, &b.arena), 0);
    assert_int_equal(tx_write(&tx, &Q_MATTER_LOCK_ONE, PG_ARGS(pg_text("no uuid"))), 0);
    clock_set_init(&set, &tx, reference, &subject);
    for (const int *kind = FILED; *kind; kind++)
        assert_int_equal(clock_start(&set, *kind, clock_bench_instant("2050-01-05T10:00")), 0);
    assert_int_equal(set.count, 3);
    assert_int_equal(tx_commit(&tx), PG_NOT_EXECUTED);
    clock_bench_close(&b);
}

static void test_no_rule(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    struct tx tx;
    struct clock_set set;
    struct clock_subject subject = {
        .id = "018f3a3e-7c2b-7def-8a11-0123456789ab", .division = "37", .audience = "", .unit = ""
    };
    assert_int_equal(tx_begin(&tx, b.pg, &b.arena), 0);
    clock_set_init(&set, &tx, reference, &subject);
    assert_int_equal(clock_start_by(&set, CLOCK_KIND_ORDER, "order_nobody", 1), ERR_INTERNAL);
    assert_int_equal(clock_start(&set, CLOCK_KIND_ORDER, 1), ERR_INTERNAL);
    assert_int_equal(set.count, 0);
    assert_int_equal(clock_start_by(&set, CLOCK_KIND_ORDER, "order_city",
                                    clock_bench_instant("2050-01-05T10:00")),
                     0);
    assert_string_equal(clock_find(&set, CLOCK_KIND_ORDER)->rule, "order_city");
    assert_int_equal(clock_find(&set, CLOCK_KIND_ORDER)->next_rung, RUNG_L2);

    /* where another clock has left the ladder */
    struct clock_subject next = subject;
    next.id = "018f3a3e-7c2b-7def-8a11-0123456789ac";
    clock_set_init(&set, &tx, reference, &next);
    assert_int_equal(clock_start_after(&set, CLOCK_KIND_ORDER, "order_city",
                                       clock_bench_instant("2050-01-05T10:00"), RUNG_L2),
                     0);
    assert_int_equal(clock_set_load(&set), 0);
    const struct clock *c = clock_find(&set, CLOCK_KIND_ORDER);
    assert_int_equal(c->last_rung, RUNG_L2);
    assert_int_equal(c->last_fired_at, c->started_at);
    assert_int_equal(c->next_rung, RUNG_L3);
    assert_int_equal(c->next_at, c->due_at);
    tx_rollback(&tx);
    clock_bench_close(&b);
}

static void test_stop_and_cancel(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    int64_t started = clock_bench_now(&b);
    const char *id = clock_bench_file(&b, FILED, started);
    int kind = CLOCK_KIND_RETURN;
    stop(&b, id, CLOCK_KIND_SIGN);
    clock_bench_act(&b, id, do_cancel, &kind);
    struct clock sign = clock_bench_read(&b, id, CLOCK_KIND_SIGN);
    struct clock back = clock_bench_read(&b, id, CLOCK_KIND_RETURN);
    assert_int_equal(clock_state(&sign, sign.ended_at), CLOCK_STATE_MET);
    assert_int_equal(clock_state(&back, back.ended_at), CLOCK_STATE_CANCELLED);
    assert_true(sign.ended_at >= started && sign.ended_at < sign.due_at);
    assert_int_equal(sign.next_rung, 0);
    assert_int_equal(sign.row_version, 2);

    /* nothing is open: nothing happens, nothing is written */
    stop(&b, id, CLOCK_KIND_SIGN);
    stop(&b, id, CLOCK_KIND_VISIT);
    clock_bench_act(&b, id, do_cancel, &kind);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_SIGN).row_version, 2);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger"), 2);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger "
                                            "WHERE what = 'cancelled' AND row_version = 2"),
                     1);
    clock_bench_close(&b);
}

/* One act may write a clock more than once, also one that it has started itself: the last counts.
 */
static int do_much(struct clock_set *set, void *arg)
{
    (void)arg;
    int r = clock_cancel(set, CLOCK_KIND_SIGN);
    if (r == 0)
        r = clock_start(set, CLOCK_KIND_SIGN, set->tx->now_ms);
    if (r == 0)
        r = clock_start(set, CLOCK_KIND_CONTACT, set->tx->now_ms);
    if (r == 0)
        r = clock_stop(set, CLOCK_KIND_CONTACT);
    return r < 0 ? r : clock_stop(set, CLOCK_KIND_REPLY);
}

static void test_a_clock_written_twice(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    const char *id = clock_bench_file(&b, FILED, clock_bench_now(&b));
    clock_bench_act(&b, id, do_much, NULL);
    struct clock sign = clock_bench_read(&b, id, CLOCK_KIND_SIGN);
    assert_true(clock_is_open(&sign));
    assert_int_equal(sign.term, 2);
    assert_int_equal(sign.row_version, 3);
    struct clock contact = clock_bench_read(&b, id, CLOCK_KIND_CONTACT);
    assert_false(clock_is_open(&contact));
    assert_int_equal(contact.row_version, 2);
    struct clock reply = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_false(clock_is_open(&reply));
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_ledger"), 4);
    clock_bench_close(&b);
}

/* The extension counts from the old due date, over the feast, and opens the next term. */
static void test_extend(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    int64_t started = clock_bench_now(&b);
    const char *id = clock_bench_file(&b, REPLY, started);
    struct clock before = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    extend(&b, id, 10);
    struct clock after = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    int32_t expected;
    assert_int_equal(
        calendar_add_working_days(snapshot_calendar(reference), before.due_on, 10, &expected, NULL),
        0);
    assert_int_equal(after.due_on, expected);
    assert_int_equal(after.due_at, day_start(expected + 1));
    assert_int_equal(after.term, 2);
    assert_int_equal(after.started_at, started);
    assert_int_equal(after.extended_days, 10);
    assert_int_equal(after.next_rung, RUNG_YELLOW);
    assert_true(after.next_at > before.due_at);
    assert_int_equal(clock_bench_number(&b, "SELECT was_due_at FROM clock_ledger "
                                            "WHERE what = 'extended' AND term = 2"),
                     before.due_at);

    struct explained_day *days;
    int count;
    assert_int_equal(clock_explain(&after, reference, &b.arena, &days, &count), 0);
    int counted = 0;
    for (int i = 0; i < count; i++)
        counted += days[i].counted;
    assert_int_equal(counted, 15);
    assert_int_equal(days[count - 1].day, after.due_on);
    clock_bench_close(&b);
}

static int do_extend_refused(struct clock_set *set, void *arg)
{
    (void)arg;
    bool wrote = set->tx->wrote;
    assert_int_equal(clock_extend(set, CLOCK_KIND_REPLY, 3), ERR_REFUSED);
    assert_int_equal(clock_extend(set, CLOCK_KIND_VISIT, 3), ERR_REFUSED);
    assert_int_equal(set->tx->wrote, wrote);
    return 0;
}

static int do_extend_too_far(struct clock_set *set, void *arg)
{
    (void)arg;
    assert_int_equal(clock_extend(set, CLOCK_KIND_REPLY, 0), ERR_INVALID_ARGUMENT);
    assert_int_equal(clock_extend(set, CLOCK_KIND_REPLY, 251), ERR_INVALID_ARGUMENT);
    assert_int_equal(clock_extend(set, CLOCK_KIND_REPLY, UINT32_MAX), ERR_INVALID_ARGUMENT);
    return 0;
}

static void test_extend_around_the_yellow_card(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-02-07T10:00"); /* Monday */
    const char *early = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    const char *late = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    const char *breached = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_act(&b, early, do_extend_too_far, NULL);
    extend(&b, early, 5);                   /* due Monday 14th -> Monday 21st */
    clock_bench_at(&b, "2050-02-11T00:00"); /* the working day before: Friday */
    assert_int_equal(fire_all(&b), 2);      /* not for the one extended before it */
    assert_int_equal(clock_bench_read(&b, early, CLOCK_KIND_REPLY).last_rung, 0);

    extend(&b, late, 5); /* after its yellow card: the next term has a ladder of its own */
    struct clock c = clock_bench_read(&b, late, CLOCK_KIND_REPLY);
    assert_int_equal(c.term, 2);
    assert_int_equal(c.last_rung, 0);
    assert_int_equal(c.next_rung, RUNG_YELLOW);
    assert_at(c.next_at, "2050-02-18");

    clock_bench_at(&b, "2050-02-15T00:00"); /* late from here on */
    clock_bench_act(&b, breached, do_extend_refused, NULL);
    assert_int_equal(fire_all(&b), 1); /* its red card */
    clock_bench_at(&b, "2050-02-18T00:00");
    assert_int_equal(fire_all(&b), 2); /* the yellow cards of two extended terms */
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung WHERE rung = 1"), 4);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung r JOIN clock c "
                                            "ON c.id = r.clock_id AND c.term = r.term "
                                            "WHERE r.rung = 1 AND r.term = 2"),
                     2);
    stop(&b, late, CLOCK_KIND_REPLY);
    clock_bench_act(&b, late, do_extend_refused, NULL); /* it has ended */
    clock_bench_close(&b);
}

/* An extension of a day, granted on the last day: the new term's yellow card is due at once. */
static void test_extend_on_the_last_day(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-02-21T10:00");
    const char *id = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_at(&b, "2050-02-28T17:00");
    assert_int_equal(fire_all(&b), 1);
    extend(&b, id, 1);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_at(c.due_at, "2050-03-02");
    assert_at(c.next_at, "2050-02-28");
    assert_int_equal(fire_all(&b), 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_REPLY).next_rung, RUNG_RED);
    clock_bench_close(&b);
}

/* Redo and reopening: the next term, a full count from now, whatever became of the one before. */
static void test_next_terms(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-03-07T10:00");
    const char *id = clock_bench_file(&b, FILED, clock_bench_now(&b));
    extend(&b, id, 3);
    clock_bench_at(&b, "2050-03-20T10:00");
    fire_all(&b);
    stop(&b, id, CLOCK_KIND_REPLY);
    struct clock was = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(was.term, 2);
    assert_int_equal(clock_state(&was, was.ended_at), CLOCK_STATE_LATE);

    int64_t redone = clock_bench_now(&b);
    restart(&b, id, CLOCK_KIND_REPLY);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(c.term, 3);
    assert_true(c.started_at >= redone);
    assert_at(c.due_at, "2050-03-26");
    assert_int_equal(c.ended_at, 0);
    assert_int_equal(c.extended_days, 0);
    assert_int_equal(c.last_rung, 0);
    assert_int_equal(c.last_fired_at, 0);
    assert_int_equal(c.next_rung, RUNG_YELLOW);
    assert_string_equal(c.id, was.id);
    assert_int_equal(clock_bench_number(&b, "SELECT was_started_at FROM clock_ledger "
                                            "WHERE what = 'started' AND term = 3"),
                     was.started_at);

    /* a clock that is open when the next term opens leaves no rung of the old one behind */
    restart(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_REPLY).term, 4);
    clock_bench_at(&b, "2050-04-20T10:00");
    fire_all(&b);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung WHERE term = 3"), 0);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung r JOIN clock c "
                                            "ON c.id = r.clock_id "
                                            "WHERE c.kind = 5 AND r.term = 4"),
                     2); /* yellow, red; the order three working days after */
    clock_bench_close(&b);
}

static int do_move(struct clock_set *set, void *arg)
{
    (void)arg;
    struct clock_subject moved = set->subject;
    moved.division = "370202";
    moved.audience = "3702";
    moved.unit = "3702-default";
    moved.about_enforcement = true;
    int r = clock_set_readdress(set, &moved);
    return r < 0 ? r : clock_start(set, CLOCK_KIND_SIGN, set->tx->now_ms);
}

static void test_readdress(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-05-03T10:00");
    const char *id = clock_bench_file(&b, FILED, clock_bench_now(&b));
    stop(&b, id, CLOCK_KIND_SIGN);
    clock_bench_act(&b, id, do_move, NULL);
    clock_bench_at(&b, "2050-05-12T10:00");
    assert_int_equal(fire_all(&b), 3);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM event WHERE division = '370202' "
                                            "AND audience = '3702' AND about_enforcement "
                                            "AND type = 'clock.rung_reached.v1'"),
                     3);
    clock_bench_close(&b);
}

static int do_stop_before_rung(struct clock_set *set, void *arg)
{
    struct clock *c = clock_find(set, CLOCK_KIND_REPLY);
    /* the database's clock is set back by an hour after the rung has fired */
    set->tx->now_ms = c->due_at - TIME_HOUR_MS;
    int r = clock_stop(set, CLOCK_KIND_REPLY);
    *(struct clock *)arg = *c;
    return r;
}

static void test_time_set_back(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-06-06T10:00");
    const char *id = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_at(&b, "2050-06-14T00:00");
    assert_int_equal(fire_all(&b), 2);
    struct clock c;
    clock_bench_act(&b, id, do_stop_before_rung, &c);
    assert_int_equal(c.ended_at, c.last_fired_at);
    assert_int_equal(clock_state(&c, c.ended_at), CLOCK_STATE_LATE); /* never in time with a red */
    clock_bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filed),
        cmocka_unit_test(test_start_reads_nothing),
        cmocka_unit_test(test_no_rule),
        cmocka_unit_test(test_stop_and_cancel),
        cmocka_unit_test(test_a_clock_written_twice),
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_extend_around_the_yellow_card),
        cmocka_unit_test(test_extend_on_the_last_day),
        cmocka_unit_test(test_next_terms),
        cmocka_unit_test(test_readdress),
        cmocka_unit_test(test_time_set_back),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
