/* The client's feeds: every event once and in order, whatever becomes of the replicas; credit is
 * never overdrawn. */
#include "client_rig.h"

enum { WINDOW = 20 };

struct reader {
    struct client_rig *rig;
    struct client_feed *feed;
    struct arena arena;
    int64_t last; /* position */
    int64_t target;
    int frames, disorder, ended, code, reads_before_credit;
    uint32_t owed;
    bool holds, closes; /* grants no credit; closes itself in its callback */
    char problem[64];
};

static void reader_frame(void *ctx, const uint8_t *body, size_t size)
{
    struct reader *r = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    arena_reset(&r->arena);
    r->frames++;
    if (wire_unpack(&follow_response_rules, &r->arena, body, size, &message, &fault) < 0) {
        r->disorder++;
        return;
    }
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    for (size_t i = 0; i < frame->n_events; i++)
        if (frame->events[i]->position != ++r->last)
            r->disorder++;
    r->owed += (uint32_t)frame->n_events;
    if (r->closes) {
        client_feed_close(r->feed);
        r->feed = NULL;
    } else if (!r->holds && r->owed) {
        client_feed_credit(r->feed, r->owed);
        r->owed = 0;
    }
}

static void reader_end(void *ctx, int code, const uint8_t *head, size_t head_size)
{
    struct reader *r = ctx;
    r->ended++;
    r->code = code;
    assert_non_null(head);
    assert_true(head_size > 0);
    if (r->closes) {
        client_feed_close(r->feed);
        r->feed = NULL;
    }
}

static void reader_open(struct reader *r, struct client_rig *rig, const char *after)
{
    memset(r, 0, sizeof(*r));
    r->rig = rig;
    arena_init(&r->arena, 0);
    const struct client_feed_options options = {
        .service = "test",
        .after = after,
        .division = "3701",
        .types = (const char *const[]){ "complaint.filed.v1", NULL },
        .credit = WINDOW,
        .on_frame = reader_frame,
        .on_end = reader_end,
        .ctx = r,
    };
    assert_int_equal(client_feed_open(&r->feed, rig->client, &options), 0);
}

static void reader_close(struct reader *r)
{
    client_feed_close(r->feed);
    arena_clear(&r->arena);
}

static bool reader_is_there(void *ctx)
{
    const struct reader *r = ctx;
    return r->last >= r->target;
}

static void reader_reach(struct reader *r, int64_t position, int timeout_ms)
{
    r->target = position;
    assert_true(rig_until(r->rig->loop, reader_is_there, r, timeout_ms));
    assert_int_equal(r->last, position);
    assert_int_equal(r->disorder, 0);
}

static void heads_set(struct client_rig *rig, int64_t head)
{
    for (int i = 0; i < REPLICAS; i++)
        rig->replicas[i].head = head;
}

static struct replica *feeding(struct client_rig *rig)
{
    for (int i = 0; i < REPLICAS; i++)
        for (int f = 0; f < REPLICA_FEEDS_MAX; f++)
            if (rig->replicas[i].feeds[f].open)
                return &rig->replicas[i];
    return NULL;
}

static void test_past_then_present_within_credit(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 1);
    heads_set(&rig, 500);
    reader_open(&r, &rig, "");
    reader_reach(&r, 500, 5000);
    heads_set(&rig, 510);
    reader_reach(&r, 510, 2000);
    assert_true(rig.replicas[0].most_in_flight <= WINDOW);
    assert_true(rig.replicas[0].credits < 200); /* in portions */
    assert_int_equal(rig.replicas[0].follows, 1);
    reader_close(&r);

    /* From a cursor. */
    struct reader second;
    reader_open(&second, &rig, "test:1:400");
    second.last = 400;
    reader_reach(&second, 510, 5000);
    rig_turn(rig.loop, 50);
    assert_int_equal(rig.replicas[0].unfollows, 1);
    reader_close(&second);
    client_rig_close(&rig);
}

static void test_slow_reader_bounds_what_is_in_flight(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 1);
    heads_set(&rig, 1000);
    reader_open(&r, &rig, "");
    r.holds = true;
    reader_reach(&r, WINDOW, 5000);
    rig_turn(rig.loop, 300);
    assert_int_equal(r.last, WINDOW);
    client_feed_credit(r.feed, 5);
    reader_reach(&r, WINDOW + 5, 2000);
    rig_turn(rig.loop, 100);
    assert_int_equal(r.last, WINDOW + 5);
    /* Its replica breaks while it has no credit: it goes on when it grants some. */
    replica_shut(&rig.replicas[0]);
    rig_turn(rig.loop, 50);
    replica_open(&rig.replicas[0]);
    rig_turn(rig.loop, 300);
    assert_null(feeding(&rig));
    r.holds = false;
    client_feed_credit(r.feed, WINDOW);
    reader_reach(&r, 1000, 5000);
    assert_int_equal(rig.replicas[0].follows, 2);
    reader_close(&r);
    client_rig_close(&rig);
}

static void test_goes_on_elsewhere_when_its_replica_breaks(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    reader_open(&r, &rig, "");
    for (int round = 1; round <= 6; round++) {
        heads_set(&rig, round * 300);
        rig_turn(rig.loop, 20); /* in the middle of it */
        struct replica *broken = feeding(&rig);
        assert_non_null(broken);
        replica_shut(broken);
        reader_reach(&r, round * 300, 3000);
        replica_open(broken);
        assert_true(rig_until(rig.loop, rig_is_up, &rig, 3000));
    }
    assert_int_equal(client_rig_figures(&rig).feeds_reopened, 6);
    reader_close(&r);
    assert_int_equal(client_rig_figures(&rig).feeds_open, 0);
    client_rig_close(&rig);
}

static void test_silence_reopens_elsewhere(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    heads_set(&rig, 100);
    reader_open(&r, &rig, "");
    reader_reach(&r, 100, 3000);
    struct replica *stuck = feeding(&rig);
    stuck->feed_stuck = true; /* answers pings and sends no frame */
    heads_set(&rig, 200);
    int64_t start = mono_ms();
    reader_reach(&r, 200, 6000);
    assert_in_range(mono_ms() - start, CLIENT_FEED_SILENCE_MS - 1000,
                    CLIENT_FEED_SILENCE_MS + 1500);
    assert_ptr_not_equal(feeding(&rig), stuck);
    assert_int_equal(stuck->unfollows, 1);
    /* An idle feed is not silent: `through` comes. */
    rig_turn(rig.loop, CLIENT_FEED_SILENCE_MS + 500);
    assert_int_equal(client_rig_figures(&rig).feeds_reopened, 1);
    reader_close(&r);
    client_rig_close(&rig);
}

static void test_draining_moves_it(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    heads_set(&rig, 50);
    reader_open(&r, &rig, "");
    reader_reach(&r, 50, 3000);
    struct replica *draining = feeding(&rig);
    draining->draining = true;
    for (int i = 0; i < 100 && feeding(&rig) == draining; i++) {
        replica_pulse(draining, true);
        rig_turn(rig.loop, 10);
    }
    heads_set(&rig, 100);
    reader_reach(&r, 100, 2000);
    assert_ptr_not_equal(feeding(&rig), draining);
    reader_close(&r);
    client_rig_close(&rig);
}

static bool reader_has_ended(void *ctx)
{
    return ((struct reader *)ctx)->ended > 0;
}

static void test_ends_for_good(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 1);
    const int codes[] = { ERR_CURSOR_MISMATCH, ERR_PERMISSION_DENIED, ERR_INVALID_ARGUMENT };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        rig.replicas[0].feed_code = codes[i];
        reader_open(&r, &rig, "");
        r.closes = i == 1;
        assert_true(rig_until(rig.loop, reader_has_ended, &r, 3000));
        rig_turn(rig.loop, 300);
        assert_int_equal(r.ended, 1);
        assert_int_equal(r.code, codes[i]);
        reader_close(&r);
    }
    assert_int_equal(rig.replicas[0].follows, (int)ARRAY_LEN(codes));

    /* What passes is tried again. */
    rig.replicas[0].feed_code = ERR_NOT_EXECUTED;
    heads_set(&rig, 10);
    reader_open(&r, &rig, "");
    rig_turn(rig.loop, 500);
    assert_int_equal(r.ended, 0);
    assert_in_range(rig.replicas[0].follows, ARRAY_LEN(codes) + 2, ARRAY_LEN(codes) + 10);
    rig.replicas[0].feed_code = 0;
    reader_reach(&r, 10, 5000);
    reader_close(&r);
    client_rig_close(&rig);
}

static void test_closes_itself(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 1);
    heads_set(&rig, 100);
    reader_open(&r, &rig, "");
    r.closes = true;
    reader_reach(&r, 7, 3000);
    rig_turn(rig.loop, 100);
    assert_int_equal(r.frames, 1);
    assert_int_equal(client_rig_figures(&rig).feeds_open, 0);
    arena_clear(&r.arena);

    /* Before it is open anywhere, too; and refused ones leave nothing. */
    replica_shut(&rig.replicas[0]);
    reader_open(&r, &rig, "");
    reader_close(&r);
    client_feed_close(NULL);
    struct client_feed *none = NULL;
    struct client_feed_options options = { .service = "test", .credit = 0 };
    assert_int_equal(client_feed_open(&none, rig.client, &options), ERR_INVALID_ARGUMENT);
    assert_null(none);
    client_rig_close(&rig);
}

/* The replica forgot the feed (30 s without a sign of life): the next credit tells. */
static void test_forgotten_feed_is_opened_again(void **state UNUSED)
{
    struct client_rig rig;
    struct reader r;
    client_rig_open(&rig, 1);
    heads_set(&rig, 1000);
    reader_open(&r, &rig, "");
    r.holds = true;
    reader_reach(&r, WINDOW, 3000);
    memset(rig.replicas[0].feeds, 0, sizeof(rig.replicas[0].feeds));
    r.holds = false;
    client_feed_credit(r.feed, WINDOW);
    reader_reach(&r, 1000, 2000);
    assert_int_equal(rig.replicas[0].follows, 2);
    reader_close(&r);
    client_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_past_then_present_within_credit),
        cmocka_unit_test(test_slow_reader_bounds_what_is_in_flight),
        cmocka_unit_test(test_goes_on_elsewhere_when_its_replica_breaks),
        cmocka_unit_test(test_silence_reopens_elsewhere),
        cmocka_unit_test(test_draining_moves_it),
        cmocka_unit_test(test_ends_for_good),
        cmocka_unit_test(test_closes_itself),
        cmocka_unit_test(test_forgotten_feed_is_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
