/* Feeds: what each reader gets, from the past into the present; cursors, credit, slow and lost
 * peers, limits. */
#include "follow_rig.h"
#include "log/feed_inside.h"

static struct pg_fixture *fixture;

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(rig_modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static void test_every_reader_gets_exactly_his(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    rig_append(&rig.log, 700, 50);
    rig_append_move(&rig.log, "370102", "3702");
    follow_append(&rig, 700, 50);
    const char *const divisions[] = { "", "3701", "370102", "3702", "37" };
    const char *const types[] = { NULL, "complaint.signed.v1", "complaint.moved_out.v1" };
    for (int who = 0; who < 3; who++)
        for (size_t d = 0; d < ARRAY_LEN(divisions); d++)
            for (size_t t = 0; t < ARRAY_LEN(types); t++)
                follow_filtered(&rig, who, divisions[d], types[t], 1 + (uint32_t)(d * 20 + t));
    for (int i = 0; i < rig.count; i++)
        follower_reach_head(&rig.followers[i], 10000);
    /* The present. */
    for (int i = 0; i < 20; i++) {
        follow_append(&rig, 13, 50);
        rig_append_move(&rig.log, "370102", i % 2 ? "3702" : "370103");
        tail_wake(rig.tail);
        follow_turn(&rig, 5);
    }
    for (int i = 0; i < rig.count; i++)
        follower_reach_head(&rig.followers[i], 10000);
    assert_int_equal(follow_figures(&rig).open, rig.count);
    follow_rig_close(&rig);
}

static void test_lagging_reader_goes_back_to_the_log(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 100); /* the ring holds little */
    struct follower *f = follow(&rig, 2, 0, 50), *steady = follow(&rig, 0, 0, 50);
    f->holds = true;
    for (int i = 0; i < 50; i++) {
        follow_append(&rig, 100, 50);
        follow_turn(&rig, 2);
    }
    follower_reach_head(steady, 10000);
    assert_int_equal(f->events, 50);
    assert_true(f->credit == 0);
    assert_int_equal(follow_figures(&rig).waiting, 1);
    f->holds = false;
    f->credit += 50;
    assert_int_equal(feeds_credit(rig.feeds, &f->address, f->id, 50), 0);
    follower_reach_head(f, 10000);
    assert_int_equal(f->events, 5000);
    assert_true(follow_figures(&rig).slices > 0);
    assert_int_equal(follow_figures(&rig).lagging, 0);
    follow_rig_close(&rig);
}

/* Where pairs of an event and its moved_out are torn by batches, slices, frames and cursors. */
static void test_moved_out_at_every_border(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 60);
    for (int i = 0; i < TAIL_SLICE_MAX + 100; i++)
        if (i % 3)
            rig_append_move(&rig.log, "370102", "370103");
        else
            rig_append(&rig.log, 1, 10);
    tail_wake(rig.tail);
    for (uint32_t credit = 1; credit <= 3; credit++) {
        follow(&rig, 0, 0, credit);
        for (int64_t after = rig.log.head - 70; after < rig.log.head; after++)
            follow(&rig, 0, after, credit);
    }
    for (int i = 0; i < rig.count; i++)
        follower_reach_head(&rig.followers[i], 15000);
    /* One at a time through the ring. */
    for (int i = 0; i < 100; i++) {
        rig_append_move(&rig.log, "370102", "3702");
        tail_wake(rig.tail);
        follow_turn(&rig, 1);
    }
    for (int i = 0; i < rig.count; i++)
        follower_reach_head(&rig.followers[i], 15000);
    follow_rig_close(&rig);
}

static void test_through_once_a_second(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    follow_append(&rig, 50, 10);
    struct follower *idle = follow(&rig, 2, 50, 10);
    struct follower *filtered = follow_filtered(&rig, 2, "", "order.issued.v1", 10);
    struct follower *waiting = follow(&rig, 2, 0, 3);
    waiting->holds = true;
    for (int i = 0; i < 35; i++) {
        follow_append(&rig, 1, 10);
        follow_turn(&rig, 100);
    }
    follow_turn(&rig, 1200);
    struct follower *all[] = { idle, filtered, waiting };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(all[i]->wrong, 0);
        assert_true(all[i]->frames >= 4);
        assert_true(all[i]->longest_silence_ms <= 1300); /* a second, on a busy machine */
    }
    assert_int_equal(filtered->events, 0);
    assert_int_equal(filtered->through, rig.log.head);
    assert_int_equal(waiting->through, 3);
    follow_rig_close(&rig);
}

static void test_cursors(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    follow_append(&rig, 10, 10);
    assert_true(follow_until(&rig, tail_is_at_head, &rig, 5000));
    follower_end(follow(&rig, 2, 11, 5), ERR_CURSOR_MISMATCH, "cursor_mismatch");

    const struct {
        const char *after;
        int code;
    } cases[] = {
        { "complaints:2:3", 0 }, /* told by a message: only the log knows */
        { "complaints:0:0", ERR_CURSOR_MISMATCH },
        { "registry:1:3", ERR_INVALID_ARGUMENT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct follower *f = &rig.followers[rig.count++];
        *f = (struct follower){ .rig = &rig, .who = 2, .division = "", .id = 5, .credit = 1 };
        f->address.connection = (uint64_t)rig.count;
        strcpy(f->address.user, rig_readers[2].user);
        FollowRequest in = FOLLOW_REQUEST_INIT;
        in.after = (char *)(uintptr_t)cases[i].after;
        in.credit = 1;
        assert_int_equal(feeds_follow(rig.feeds, &f->address, f->id, "", &in), cases[i].code);
        if (cases[i].code == 0)
            follower_end(f, ERR_CURSOR_MISMATCH, "cursor_mismatch");
    }

    /* Beyond what our own tail has read, but in the log: a reader who comes from a quicker replica.
     */
    rig_append(&rig.log, 5, 10);
    struct follower *ahead = follow(&rig, 2, 15, 5);
    follow_turn(&rig, 100);
    assert_int_equal(ahead->ended, 0);
    follow_append(&rig, 5, 10);
    follower_reach_head(ahead, 5000);

    /* The log is opened anew while feeds are open. */
    struct follower *other = follow(&rig, 1, 0, 100);
    follower_reach_head(other, 5000);
    assert_int_equal(pg_script(rig.log.pg, "UPDATE log_stream SET epoch = 2"), 0);
    tail_wake(rig.tail);
    follower_end(ahead, ERR_CURSOR_MISMATCH, "cursor_mismatch");
    follower_end(other, ERR_CURSOR_MISMATCH, "cursor_mismatch");
    assert_int_equal(follow_figures(&rig).open, 0);
    follow_rig_close(&rig);
}

static void test_slow_and_lost_peers(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    follow_append(&rig, 500, 10);
    struct follower *slow = follow(&rig, 2, 0, 1000), *lost = follow(&rig, 2, 0, 1000);
    struct follower *good = follow(&rig, 2, 0, 1000);
    slow->slow = true;
    follower_reach_head(good, 5000);
    follower_reach_head(lost, 5000);
    assert_int_equal(slow->events, 0);
    assert_true(follow_figures(&rig).slow > 0);
    slow->slow = false;
    lost->gone = true;
    follow_append(&rig, 100, 10);
    follower_reach_head(slow, 5000);
    follower_reach_head(good, 5000);
    assert_int_equal(follow_figures(&rig).open, 2);
    /* The door's word. */
    feeds_gone(rig.feeds, &good->address);
    assert_int_equal(follow_figures(&rig).open, 1);
    assert_int_equal(feeds_credit(rig.feeds, &good->address, good->id, 1), ERR_NOT_FOUND);
    follow_append(&rig, 10, 10);
    follower_reach_head(slow, 5000);
    assert_int_equal(good->last, 600);
    follow_rig_close(&rig);
}

static bool reading_begun(void *ctx)
{
    return follow_figures(ctx).lagging > 0;
}

static void test_unfollow_and_silence(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 20);
    follow_append(&rig, 2000, 10);
    assert_true(follow_until(&rig, tail_is_at_head, &rig, 5000));
    struct follower *f = follow(&rig, 2, 0, 100);
    assert_int_equal(feeds_unfollow(rig.feeds, &f->address, f->id + 1), ERR_NOT_FOUND);
    /* In the middle of a read. */
    assert_true(follow_until(&rig, reading_begun, &rig, 5000));
    assert_int_equal(feeds_unfollow(rig.feeds, &f->address, f->id), 0);
    assert_int_equal(feeds_unfollow(rig.feeds, &f->address, f->id), ERR_NOT_FOUND);
    int events = f->events;
    follow_turn(&rig, 200);
    assert_int_equal(f->events, events);
    assert_int_equal(f->ended, 0);

    struct follower *silent = follow(&rig, 2, 1000, 10), *alive = follow(&rig, 2, 1000, 10);
    silent->holds = alive->holds = true;
    follow_turn(&rig, 300);
    for (struct feed *feed = rig.feeds->first; feed; feed = feed->next)
        feed->heard_ms -= FEED_SILENCE_MAX_MS - 500;
    assert_int_equal(feeds_credit(rig.feeds, &alive->address, alive->id, 0), 0);
    follower_end(silent, ERR_NOT_EXECUTED, "silent");
    follow_turn(&rig, 300);
    assert_int_equal(alive->ended, 0);
    assert_int_equal(follow_figures(&rig).silent, 1);
    follow_rig_close(&rig);
}

static void test_limits_and_replaced_id(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    for (int i = 0; i < FEEDS_PER_READER_MAX; i++)
        assert_int_equal(follow(&rig, 0, 0, 1)->code, 0);
    assert_int_equal(follow(&rig, 0, 0, 1)->code, ERR_RATE_LIMITED);
    struct follower *other = follow(&rig, 1, 0, 100);
    assert_int_equal(other->code, 0);
    /* The same id on the same connection is the new feed. */
    follow_append(&rig, 30, 10);
    follower_reach_head(other, 5000);
    FollowRequest in = FOLLOW_REQUEST_INIT;
    in.credit = 100;
    other->last = other->through = other->events = 0;
    other->credit = 100;
    int open = follow_figures(&rig).open;
    assert_int_equal(feeds_follow(rig.feeds, &other->address, other->id, "", &in), 0);
    assert_int_equal(follow_figures(&rig).open, open);
    follower_reach_head(other, 5000);
    assert_int_equal(other->events, 15);
    follow_rig_close(&rig);
}

static void test_drain(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 20);
    follow_append(&rig, 1000, 10);
    struct follower *a = follow(&rig, 0, 0, 100), *b = follow(&rig, 2, 0, 1);
    b->holds = true;
    follow_turn(&rig, 50);
    feeds_drain(rig.feeds);
    follower_end(a, ERR_NOT_EXECUTED, "draining");
    follower_end(b, ERR_NOT_EXECUTED, "draining");
    struct follower *late = follow(&rig, 0, 0, 100);
    assert_int_equal(late->code, ERR_NOT_EXECUTED);
    assert_string_equal(err_last()->reason, "draining");
    assert_int_equal(follow_figures(&rig).open, 0);
    follow_rig_close(&rig);
}

static bool feed_is_read_for(void *ctx)
{
    return follow_figures(ctx).lagging > 0;
}

/* The feeds end while one of them waits for the log. */
static void test_drain_while_reading(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 20);
    follow_append(&rig, 1000, 10);
    assert_true(follow_until(&rig, tail_is_at_head, &rig, 5000));
    assert_int_equal(pg_script(rig.log.pg, "BEGIN; LOCK TABLE event"), 0);
    struct follower *f = follow(&rig, 0, 0, 100);
    assert_true(follow_until(&rig, feed_is_read_for, &rig, 5000));
    feeds_drain(rig.feeds);
    follower_end(f, ERR_NOT_EXECUTED, "draining");
    assert_int_equal(pg_script(rig.log.pg, "ROLLBACK"), 0);
    follow_rig_close(&rig);
}

/* The reader's connection is cut in the middle of the past; the tail's, too. */
static void test_database_connections_are_cut(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 20);
    for (int i = 0; i < 10; i++)
        follow_append(&rig, 1000, 10);
    struct follower *f = follow(&rig, 2, 0, 300);
    for (int i = 0; i < 5; i++) {
        follow_turn(&rig, 15);
        assert_int_equal(pg_script(rig.log.pg,
                                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                                   "application_name = 'feeds' AND pid <> pg_backend_pid() AND "
                                   "datname = current_database()"),
                         0);
    }
    follower_reach_head(f, 15000);
    follow_append(&rig, 100, 10);
    follower_reach_head(f, 5000);
    follow_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reader_gets_exactly_his),
        cmocka_unit_test(test_lagging_reader_goes_back_to_the_log),
        cmocka_unit_test(test_moved_out_at_every_border),
        cmocka_unit_test(test_through_once_a_second),
        cmocka_unit_test(test_cursors),
        cmocka_unit_test(test_slow_and_lost_peers),
        cmocka_unit_test(test_unfollow_and_silence),
        cmocka_unit_test(test_limits_and_replaced_id),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_while_reading),
        cmocka_unit_test(test_database_connections_are_cut),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
