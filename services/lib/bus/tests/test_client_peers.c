/* The client among its peers: those that drain, that are named, that come, change and go; and
 * threads that wait. */
#include "client_rig.h"

#include <pthread.h>

#include "loop/thread.h"

static bool rig_heard_pulse(void *ctx)
{
    struct client_rig *rig = ctx;
    replica_pulse(&rig->replicas[0], rig->replicas[0].draining);
    return rig->pulses > 3;
}

static void test_draining_takes_it_out(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    assert_true(rig_until(rig.loop, rig_heard_pulse, &rig, 5000));
    for (int i = 0; i < 10; i++)
        ask_once(&ask, &rig, 1000);
    assert_true(rig.replicas[0].calls > 0);

    rig.replicas[0].draining = true;
    rig.pulses = 0;
    assert_true(rig_until(rig.loop, rig_heard_pulse, &rig, 5000));
    rig.replicas[0].calls = 0;
    for (int i = 0; i < 10; i++) {
        ask_once(&ask, &rig, 1000);
        assert_string_equal(ask.instance, "test-2");
    }
    assert_int_equal(rig.replicas[0].calls, 0);
    /* Who names the instance gets it all the same. */
    ask_start(&ask, &rig, NULL, 300, "test-1");
    ask_end(&ask, 1000);
    assert_int_equal(ask.code, ERR_NOT_EXECUTED);
    assert_string_equal(ask.problem, "draining");

    rig.replicas[0].draining = false;
    rig.pulses = 0;
    assert_true(rig_until(rig.loop, rig_heard_pulse, &rig, 5000));
    for (int i = 0; i < 10; i++)
        ask_once(&ask, &rig, 1000);
    assert_true(rig.replicas[0].calls > 0);
    client_rig_close(&rig);
}

/* Without a pulse the first refusal tells it, and no caller notices. */
static void test_draining_without_pulse(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    rig.replicas[0].draining = true;
    for (int i = 0; i < 20; i++) {
        ask_once(&ask, &rig, 1000);
        assert_int_equal(ask.code, 0);
    }
    assert_int_equal(rig.replicas[0].calls, 1);
    client_rig_close(&rig);
}

static void test_instance_is_kept_to(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 2);
    client_rig_up(&rig);
    for (int i = 0; i < 10; i++) {
        ask_start(&ask, &rig, NULL, 1000, "test-2");
        ask_end(&ask, 2000);
        assert_string_equal(ask.instance, "test-2");
    }
    replica_shut(&rig.replicas[1]);
    ask_start(&ask, &rig, NULL, 300, "test-2");
    ask_end(&ask, 2000);
    /* Sent or not: the break may have come before or after. */
    assert_true(ask.code == ERR_NOT_EXECUTED || ask.code == ERR_OUTCOME_UNKNOWN);
    ask_start(&ask, &rig, NULL, 200, "test-9");
    ask_end(&ask, 2000);
    assert_int_equal(ask.code, ERR_NOT_EXECUTED);
    client_rig_close(&rig);
}

struct rig_calls {
    struct replica *replica;
    struct client_rig *rig;
};

static bool replica_gets_calls(void *ctx)
{
    struct rig_calls *c = ctx;
    struct ask *ask = calloc(1, sizeof(*ask));
    int before = c->replica->calls;
    ask_once(ask, c->rig, 3000);
    assert_int_equal(ask->code, 0);
    free(ask);
    return c->replica->calls > before;
}

static void test_peers_file_is_read_again(void **state UNUSED)
{
    struct client_rig rig;
    struct ask ask;
    client_rig_open(&rig, 1);
    ask_once(&ask, &rig, 5000);
    struct replica *one = &rig.replicas[0], *two = &rig.replicas[1];
    struct rig_calls calls = { two, &rig };

    /* A second one comes. */
    peers_write(rig.peers, (struct replica *const[]){ one, two }, 2);
    assert_true(rig_until(rig.loop, replica_gets_calls, &calls, 5000));

    /* A broken file changes nothing. */
    FILE *f = fopen(rig.peers, "w");
    fputs("[test-1]\nnonsense = 1\n", f);
    fclose(f);
    rig_turn(rig.loop, 1300);
    assert_int_equal(client_replicas_up(rig.client, "test"), 2);

    /* Its key and its ports are replaced; calls go on meanwhile. */
    replica_shut(two);
    curve_keypair(&two->keys);
    two->port[0] = two->pulse_port[0] = 0;
    replica_open(two);
    peers_write(rig.peers, (struct replica *const[]){ one, two }, 2);
    two->calls = 0;
    assert_true(rig_until(rig.loop, replica_gets_calls, &calls, 5000));
    assert_true(rig_until(rig.loop, rig_is_up, &rig, 5000));
    rig.pulses = 0;
    for (int i = 0; i < 200 && rig.pulses == 0; i++) {
        replica_pulse(two, false);
        rig_turn(rig.loop, 5);
    }
    assert_true(rig.pulses > 0);

    /* The first leaves, with a call open. */
    one->mode = REPLICA_MUTE;
    struct ask asks[2];
    for (int i = 0; i < 2; i++)
        ask_start(&asks[i], &rig, "k", 5000, NULL);
    peers_write(rig.peers, (struct replica *const[]){ two }, 1);
    for (int i = 0; i < 2; i++) {
        ask_end(&asks[i], 1900);
        assert_int_equal(asks[i].code, 0);
        assert_string_equal(asks[i].instance, "test-2");
    }
    assert_int_equal(client_replicas_up(rig.client, "test"), 1);
    client_rig_close(&rig);
}

enum { WAITERS = 4, WAITS = 200 };

struct waiting {
    struct client_rig *rig;
    int number, good, ended;
};

static void *waiting_main(void *arg)
{
    struct waiting *w = arg;
    struct arena arena;
    arena_init(&arena, 0);
    for (int i = 0; i < WAITS; i++) {
        char body[32];
        struct client_answer answer;
        arena_reset(&arena);
        snprintf(body, sizeof(body), "%d/%d", w->number, i);
        const struct client_call call = { .service = "test",
                                          .method = "test.echo",
                                          .budget_ms = 10000,
                                          .body = (uint8_t *)body,
                                          .body_size = strlen(body) };
        if (client_call_wait(w->rig->client, &call, &arena, &answer) == 0 &&
            answer.body_size == strlen(body) && memcmp(answer.body, body, strlen(body)) == 0 &&
            answer.head_size > 0 && strncmp(answer.instance, "test-", 5) == 0)
            w->good++;
    }
    arena_clear(&arena);
    __atomic_store_n(&w->ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

static bool waiting_ended(void *ctx)
{
    const struct waiting *w = ctx;
    for (int i = 0; i < WAITERS; i++)
        if (!__atomic_load_n(&w[i].ended, __ATOMIC_ACQUIRE))
            return false;
    return true;
}

static void test_wait_from_threads(void **state UNUSED)
{
    struct client_rig rig;
    pthread_t threads[WAITERS];
    struct waiting waiting[WAITERS] = { 0 };
    client_rig_open(&rig, 2);
    for (int i = 0; i < WAITERS; i++) {
        waiting[i] = (struct waiting){ .rig = &rig, .number = i };
        assert_int_equal(thread_start(&threads[i], "waiter", waiting_main, &waiting[i]), 0);
    }
    assert_true(rig_until(rig.loop, waiting_ended, waiting, 15000));
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiting[i].good, WAITS);
    }
    client_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draining_takes_it_out),
        cmocka_unit_test(test_draining_without_pulse),
        cmocka_unit_test(test_instance_is_kept_to),
        cmocka_unit_test(test_peers_file_is_read_again),
        cmocka_unit_test(test_wait_from_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
