/* Typed calls: keys, problems, and asking again where the answer says that this is safe. */
#include "bus/tests/client_rig.h"
#include "client/rpc.h"
#include "loop/thread.h"

/* The rig's replicas answer with what came: one message both ways. */
static const struct method_info echo_command = { .name = "test.echo",
                                                 .service = "test",
                                                 .kind = METHOD_COMMAND,
                                                 .request = &replay_request_rules,
                                                 .response = &replay_request_rules };
static const struct method_info echo_query = { .name = "test.echo",
                                               .service = "test",
                                               .kind = METHOD_QUERY,
                                               .request = &replay_request_rules,
                                               .response = &replay_request_rules };
static const struct method_info other_answer = { .name = "test.echo",
                                                 .service = "test",
                                                 .kind = METHOD_QUERY,
                                                 .request = &replay_request_rules,
                                                 .response = &event_rules };

struct bench {
    struct client_rig rig;
    pthread_t thread;
    struct arena arena;
    ReplayRequest *in;
    enum replica_mode mode;
    struct loop_timer *timer;
};

static void *run_loop(void *arg)
{
    struct bench *b = arg;
    loop_run(b->rig.loop);
    return NULL;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    client_rig_open(&b->rig, REPLICAS);
    arena_init(&b->arena, 0);
    b->in = wire_new(&b->arena, &replay_request_rules);
    b->in->stream = arena_strdup(&b->arena, "complaints");
    b->in->subject = arena_strdup(&b->arena, "s1");
    assert_int_equal(thread_start(&b->thread, "rig", run_loop, b), 0);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    loop_stop(b->rig.loop);
    pthread_join(b->thread, NULL);
    client_rig_close(&b->rig);
    arena_clear(&b->arena);
    free(b);
    return 0;
}

/* The replicas are the loop thread's: what the test wants of them is posted, ahead of its next
 * call. */
static void replicas_set(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; i < REPLICAS; i++) {
        b->rig.replicas[i].mode = b->mode;
        b->rig.replicas[i].calls = 0;
    }
}

static void set_modes(struct bench *b, enum replica_mode mode)
{
    b->mode = mode;
    loop_post(b->rig.loop, replicas_set, b);
}

static int calls_seen(const struct bench *b)
{
    return b->rig.replicas[0].calls + b->rig.replicas[1].calls;
}

static const char *last_key(const struct bench *b)
{
    return b->rig.replicas[b->rig.replicas[0].calls ? 0 : 1].last_key;
}

static void test_answer(void **state)
{
    struct bench *b = *state;
    struct rpc call = { .method = &echo_command, .in = &b->in->base, .if_version = 7 };
    struct rpc_answer answer;
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), 0);
    const ReplayRequest *out = answer.out;
    assert_string_equal(out->subject, "s1");
    assert_null(answer.problem);
    assert_non_null(answer.head);
    assert_int_equal(strlen(last_key(b)), 36); /* a key of its own */
    assert_true(strncmp(answer.instance, "test-", 5) == 0);

    call.key = "mine";
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), 0);
    bool mine = false;
    for (int i = 0; i < REPLICAS; i++)
        mine = mine || strcmp(b->rig.replicas[i].last_key, "mine") == 0;
    assert_true(mine);
}

static void test_query_has_no_key(void **state)
{
    struct bench *b = *state;
    struct rpc call = { .method = &echo_query, .in = &b->in->base, .instance = "test-2" };
    struct rpc_answer answer;
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), 0);
    assert_string_equal(answer.instance, "test-2");
    assert_string_equal(b->rig.replicas[1].last_key, "");
}

static void test_final_problem(void **state)
{
    struct bench *b = *state;
    struct rpc call = { .method = &echo_command, .in = &b->in->base, .patience_ms = 60000 };
    struct rpc_answer answer;
    set_modes(b, REPLICA_NOT_FOUND);
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), ERR_NOT_FOUND);
    assert_string_equal(answer.problem->code, "not_found");
    assert_null(answer.out);
    assert_int_equal(calls_seen(b), 1); /* patience is for what may change */
}

/* Lets the replicas answer once enough calls have come. */
static void relent(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; calls_seen(b) >= 3 && i < REPLICAS; i++)
        b->rig.replicas[i].mode = REPLICA_ECHO;
}

static void relent_soon(void *arg)
{
    struct bench *b = arg;
    b->timer = loop_timer_new(b->rig.loop, relent, b);
    loop_timer_start(b->timer, 5, 5);
}

static void relent_end(void *arg)
{
    struct bench *b = arg;
    loop_timer_free(b->timer);
}

static void test_patience(void **state)
{
    struct bench *b = *state;
    struct rpc call = { .method = &echo_command, .in = &b->in->base };
    struct rpc_answer answer;
    set_modes(b, REPLICA_BUSY);
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), ERR_IN_PROGRESS);
    assert_int_equal(calls_seen(b), 1);

    /* It runs out ... */
    call.patience_ms = 200;
    int64_t before = mono_ms();
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), ERR_IN_PROGRESS);
    assert_true(mono_ms() - before < 2000);
    assert_true(calls_seen(b) >= 3);

    /* ... or is rewarded, under one key. */
    set_modes(b, REPLICA_BUSY);
    loop_post(b->rig.loop, relent_soon, b);
    call.patience_ms = 30000;
    call.key = "once";
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), 0);
    assert_true(calls_seen(b) >= 4);
    for (int i = 0; i < REPLICAS; i++)
        assert_true(!b->rig.replicas[i].calls || strcmp(b->rig.replicas[i].last_key, "once") == 0);
    loop_post(b->rig.loop, relent_end, b);
}

static void test_problems_of_this_side(void **state)
{
    struct bench *b = *state;
    struct rpc call = { .method = &echo_query, .in = &b->in->base, .budget_ms = 300 };
    struct rpc_answer answer;
    call.instance = "nobody";
    assert_true(rpc_call(b->rig.client, &b->arena, &call, &answer) < 0);
    assert_true(*answer.problem->code && *answer.problem->detail_en);
    assert_null(answer.out);

    call.instance = NULL;
    call.method = &other_answer; /* what comes is no such message */
    assert_int_equal(rpc_call(b->rig.client, &b->arena, &call, &answer), ERR_INTERNAL);
    assert_non_null(strstr(answer.problem->detail_en, "test-"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answer),   TEST(test_query_has_no_key),      TEST(test_final_problem),
        TEST(test_patience), TEST(test_problems_of_this_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
