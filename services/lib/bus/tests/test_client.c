/* The client's calls: each has one outcome, and is sent again where that is safe and of use. */
#include "client_rig.h"

static void test_round_trip(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 1);
    ask_once(&ask, &rig, 5000);
    assert_int_equal(ask.code, 0);
    assert_string_equal(ask.body, "hello");
    assert_string_equal(ask.instance, "test-1");
    const struct replica *r = &rig.replicas[0];
    assert_string_equal(r->last_method, "test.echo");
    assert_string_equal(r->last_key, "key-1");
    assert_string_equal(r->last_on_behalf, "anna");
    assert_int_equal(r->last_if_version, 7);
    assert_true(r->last_budget_ms > 4000 && r->last_budget_ms <= 5000);
    assert_int_equal(r->calls, 1);

    rig.replicas[0].mode = REPLICA_NOT_FOUND;
    ask_once(&ask, &rig, 5000);
    assert_int_equal(ask.code, ERR_NOT_FOUND);
    assert_string_equal(ask.problem, "not_found");
    assert_string_equal(ask.instance, "test-1");
    client_rig_close(&rig);
}

struct asks {
    struct ask *asks;
    int count, least;
};

static bool asks_are_done(void *ctx)
{
    const struct asks *a = ctx;
    int done = 0;
    for (int i = 0; i < a->count; i++)
        done += a->asks[i].done;
    return done >= a->least;
}

enum { SPREAD_ASKS = 40 };

static bool first_has_half(void *ctx)
{
    const struct client_rig *rig = ctx;
    return rig->replicas[0].calls >= SPREAD_ASKS / 2;
}

static void test_least_outstanding_first(void **state UNUSED)
{
    struct client_rig rig;
    static struct ask asks[SPREAD_ASKS];
    struct ask more;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    for (int i = 0; i < SPREAD_ASKS; i++)
        ask_once(&asks[i], &rig, 5000);
    /* Equals take turns. */
    assert_int_equal(rig.replicas[0].calls + rig.replicas[1].calls, SPREAD_ASKS);
    assert_in_range(rig.replicas[0].calls, SPREAD_ASKS / 4, SPREAD_ASKS * 3 / 4);

    /* Sent in one go, both get the same; one of them answers late, and gets nothing while it owes.
     */
    rig.replicas[0].calls = rig.replicas[1].calls = 0;
    rig.replicas[0].delay_ms = 1500;
    for (int i = 0; i < SPREAD_ASKS; i++)
        ask_start(&asks[i], &rig, NULL, 9000, NULL);
    struct asks half = { asks, SPREAD_ASKS, SPREAD_ASKS / 2 };
    assert_true(rig_until(rig.loop, asks_are_done, &half, 1400));
    assert_true(
        rig_until(rig.loop, first_has_half, &rig, 1400)); /* it may be slower to take them */
    assert_int_equal(rig.replicas[0].calls, SPREAD_ASKS / 2);
    for (int i = 0; i < SPREAD_ASKS / 4; i++) {
        ask_once(&more, &rig, 9000);
        assert_string_equal(more.instance, "test-2");
    }
    for (int i = 0; i < SPREAD_ASKS; i++) {
        ask_end(&asks[i], 5000);
        assert_int_equal(asks[i].code, 0);
    }
    client_rig_close(&rig);
}

static void test_not_executed_goes_elsewhere(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].mode = REPLICA_REFUSES;
    for (int i = 0; i < 10; i++) {
        ask_once(&ask, &rig, 5000);
        assert_int_equal(ask.code, 0);
        assert_string_equal(ask.instance, "test-2");
    }
    /* The one that refuses at once does not get all calls for that. */
    assert_in_range(rig.replicas[0].calls, 1, 7);

    rig.replicas[1].mode = REPLICA_REFUSES;
    int64_t start = mono_ms();
    ask_once(&ask, &rig, 400);
    assert_int_equal(ask.code, ERR_NOT_EXECUTED);
    assert_string_equal(ask.problem, "not_executed");
    assert_true(mono_ms() - start < 800);
    int calls = rig.replicas[0].calls + rig.replicas[1].calls;
    assert_in_range(calls, 3, 30); /* tried again and again, but not in a rush */
    client_rig_close(&rig);
}

static void test_never_sent_is_not_executed(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    for (int i = 0; i < REPLICAS; i++)
        replica_shut(&rig.replicas[i]);
    int64_t start = mono_ms();
    ask_once(&ask, &rig, 300);
    assert_int_equal(ask.code, ERR_NOT_EXECUTED);
    assert_string_equal(ask.instance, "");
    assert_in_range(mono_ms() - start, 290, 900);

    /* It waits for one to come. */
    ask_start(&ask, &rig, "k", 5000, NULL);
    rig_turn(rig.loop, 50);
    replica_open(&rig.replicas[0]);
    ask_end(&ask, 5000);
    assert_int_equal(ask.code, 0);
    client_rig_close(&rig);
}

static void test_silence_is_unknown(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 1);
    ask_once(&ask, &rig, 5000);
    rig.replicas[0].mode = REPLICA_MUTE;
    ask_once(&ask, &rig, 300);
    assert_int_equal(ask.code, ERR_OUTCOME_UNKNOWN);
    assert_int_equal(client_rig_figures(&rig).unknown, 1);

    /* A late answer is nobody's. */
    rig.replicas[0].mode = REPLICA_ECHO;
    rig.replicas[0].delay_ms = 200;
    ask_once(&ask, &rig, 100);
    assert_int_equal(ask.code, ERR_OUTCOME_UNKNOWN);
    rig_turn(rig.loop, 300);
    assert_int_equal(ask.done, 1);
    assert_int_equal(client_rig_figures(&rig).strays, 1);

    /* Unknown once is unknown, whatever a second replica did not do. */
    rig.replicas[0].delay_ms = 0;
    rig.replicas[0].mode = REPLICA_UNKNOWN;
    ask_once(&ask, &rig, 200);
    assert_int_equal(ask.code, ERR_OUTCOME_UNKNOWN);
    assert_string_equal(ask.problem, "outcome_unknown");
    client_rig_close(&rig);
}

static void test_slow_answer_is_hedged(void **state UNUSED)
{
    struct client_rig rig;
    struct ask asks[2];
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].mode = REPLICA_MUTE; /* its pings are answered: only the call is lost */
    int64_t start = mono_ms();
    for (int i = 0; i < 2; i++)
        ask_start(&asks[i], &rig, "k", 5000, NULL);
    for (int i = 0; i < 2; i++) {
        ask_end(&asks[i], 4500);
        assert_int_equal(asks[i].code, 0);
        assert_string_equal(asks[i].instance, "test-2");
    }
    assert_in_range(mono_ms() - start, CLIENT_HEDGE_MS - 100, CLIENT_HEDGE_MS + 1500);
    assert_int_equal(client_rig_figures(&rig).hedged, 1);
    assert_int_equal(rig.replicas[0].calls, 1);
    assert_int_equal(rig.replicas[1].calls, 2);
    client_rig_close(&rig);
}

static void test_deaf_replica_is_left(void **state UNUSED)
{
    enum { ASKS = 20 };
    struct client_rig rig;
    struct ask asks[ASKS], late;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].mode = REPLICA_DEAF;
    int64_t start = mono_ms();
    for (int i = 0; i < ASKS; i++)
        ask_start(&asks[i], &rig, "k", 9000, NULL);
    for (int i = 0; i < ASKS; i++) {
        ask_end(&asks[i], 9000);
        assert_int_equal(asks[i].code, 0);
    }
    /* By suspicion, long before half of the budget or the ping's deadline. */
    assert_true(mono_ms() - start < CLIENT_PING_EVERY_MS + CLIENT_SUSPECT_MS + 1000);
    assert_true(client_rig_figures(&rig).hedged > 0);
    ask_once(&late, &rig, 1000);
    assert_string_equal(late.instance, "test-2");
    while (client_rig_figures(&rig).pings_unanswered == 0 && mono_ms() - start < 8000)
        rig_turn(rig.loop, 20);
    assert_int_equal(client_rig_figures(&rig).pings_unanswered, 1);
    assert_int_equal(client_replicas_up(rig.client, "test"), 1);
    /* It comes to itself: a probe opens the way. */
    rig.replicas[0].mode = REPLICA_ECHO;
    assert_true(rig_until(rig.loop, rig_is_up, &rig, 5000));
    client_rig_close(&rig);
}

static void test_broken_link_is_resent_at_once(void **state UNUSED)
{
    struct client_rig rig;
    struct ask asks[2];
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].mode = rig.replicas[1].mode = REPLICA_MUTE;
    for (int i = 0; i < 2; i++)
        ask_start(&asks[i], &rig, "k", 5000, NULL);
    rig_turn(rig.loop, 100);
    assert_int_equal(rig.replicas[0].calls, 1);
    assert_int_equal(rig.replicas[1].calls, 1);
    rig.replicas[1].mode = REPLICA_ECHO;
    int64_t start = mono_ms();
    replica_shut(&rig.replicas[0]);
    assert_true(rig_until(rig.loop, rig_never, NULL, 300) == false);
    assert_int_equal(asks[0].done + asks[1].done, 1);
    struct ask *first = asks[0].done ? &asks[0] : &asks[1];
    assert_int_equal(first->code, 0);
    assert_true(first->ended_ms - start < 300);
    assert_int_equal(rig.replicas[1].calls, 2);
    assert_int_equal(client_rig_figures(&rig).links_lost, 1);

    /* A restart is found again. */
    replica_open(&rig.replicas[0]);
    assert_true(rig_until(rig.loop, rig_is_up, &rig, 5000));
    client_rig_close(&rig);
    assert_int_equal(asks[0].done + asks[1].done, 2);
    struct ask *second = first == &asks[0] ? &asks[1] : &asks[0];
    assert_int_equal(second->code, ERR_OUTCOME_UNKNOWN); /* open when the client closed */
}

static void test_in_progress(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].mode = rig.replicas[1].mode = REPLICA_BUSY;
    ask_once(&ask, &rig, 5000); /* somebody else's: he is told */
    assert_int_equal(ask.code, ERR_IN_PROGRESS);
    rig.replicas[0].calls = rig.replicas[1].calls = 0;

    /* Our own echo: the first replica has it, the second is asked after the link broke. */
    rig.replicas[0].mode = rig.replicas[1].mode = REPLICA_MUTE;
    ask_start(&ask, &rig, "k", 5000, NULL);
    rig_turn(rig.loop, 100);
    int one = rig.replicas[0].calls ? 0 : 1;
    rig.replicas[1 - one].mode = REPLICA_BUSY;
    replica_shut(&rig.replicas[one]);
    rig_turn(rig.loop, 500);
    assert_int_equal(ask.done, 0);
    rig.replicas[1 - one].mode = REPLICA_ECHO;
    ask_end(&ask, 3000);
    assert_int_equal(ask.code, 0);
    client_rig_close(&rig);
}

static void test_limits(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask = { .rig = &rig };
    client_rig_open(&rig, 1);
    uint8_t *giant = calloc(1, CLIENT_BODY_MAX + 1);
    struct client_call call = { .service = "test",
                                .method = "test.echo",
                                .budget_ms = 5000,
                                .body = giant,
                                .body_size = CLIENT_BODY_MAX + 1 };
    client_call_async(rig.client, &call, ask_done, &ask);
    assert_int_equal(ask.done, 0);
    ask_end(&ask, 1000);
    assert_int_equal(ask.code, ERR_TOO_LARGE);
    /* The largest that is allowed does pass, both ways. */
    ask = (struct ask){ .rig = &rig };
    call.body_size = CLIENT_BODY_MAX;
    client_call_async(rig.client, &call, ask_done, &ask);
    ask_end(&ask, 5000);
    assert_int_equal(ask.code, 0);
    free(giant);

    rig.replicas[0].mode = REPLICA_MUTE;
    struct ask *asks = calloc(CLIENT_CALLS_MAX + 1, sizeof(*asks));
    for (int i = 0; i <= CLIENT_CALLS_MAX; i++)
        ask_start(&asks[i], &rig, "k", 60000, NULL);
    ask_end(&asks[CLIENT_CALLS_MAX], 1000);
    assert_int_equal(asks[CLIENT_CALLS_MAX].code, ERR_NOT_EXECUTED);
    client_rig_close(&rig);
    int unknown = 0, not_executed = 0;
    for (int i = 0; i < CLIENT_CALLS_MAX; i++) {
        assert_int_equal(asks[i].done, 1);
        unknown += asks[i].code == ERR_OUTCOME_UNKNOWN;
        not_executed += asks[i].code == ERR_NOT_EXECUTED;
    }
    assert_int_equal(unknown + not_executed, CLIENT_CALLS_MAX);
    assert_true(unknown > 0);
    free(asks);
}

static void test_open_refuses(void **state UNUSED)
{
    struct loop *loop;
    struct client *client = NULL;
    struct curve_keys keys;
    assert_int_equal(loop_new(&loop), 0);
    curve_keypair(&keys);
    struct client_options options = { .loop = loop,
                                      .peers_path = "/nonexistent/peers.ini",
                                      .curve_public = keys.public_key,
                                      .curve_secret = keys.secret_key };
    assert_int_equal(client_open(&client, &options), ERR_NOT_FOUND);
    options.curve_secret = "short";
    assert_int_equal(client_open(&client, &options), ERR_INVALID_ARGUMENT);
    assert_null(client);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_least_outstanding_first),
        cmocka_unit_test(test_not_executed_goes_elsewhere),
        cmocka_unit_test(test_never_sent_is_not_executed),
        cmocka_unit_test(test_silence_is_unknown),
        cmocka_unit_test(test_slow_answer_is_hedged),
        cmocka_unit_test(test_deaf_replica_is_left),
        cmocka_unit_test(test_broken_link_is_resent_at_once),
        cmocka_unit_test(test_in_progress),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_open_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
