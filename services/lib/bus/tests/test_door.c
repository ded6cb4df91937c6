/* The door to those who are let in: round trips, addresses, slow peers and lost ones, the pulse,
 * closing. */
#include "door_rig.h"

static void test_round_trip_names_the_user(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    assert_null(strstr(door_endpoint(rig.door), ":0"));
    assert_non_null(strstr(door_endpoint(rig.door), "tcp://127.0.0.1:"));
    void *anna = rig_knock(&rig, ANNA), *bert = rig_knock(&rig, BERT);
    rig_round_trip(&rig, anna, "one");
    assert_string_equal(rig.last.user, "anna/k1");
    struct door_address address_anna = rig.last;
    rig_round_trip(&rig, bert, "two");
    assert_string_equal(rig.last.user, "bert/k7");
    assert_int_equal(rig.last.routing_id[0], 0);
    assert_true(rig.last.connection != address_anna.connection);
    rig_round_trip(&rig, anna, "three");
    assert_true(rig.last.connection == address_anna.connection);
    struct door_figures figures = rig_figures(&rig);
    assert_int_equal(figures.messages, 3);
    assert_int_equal(figures.bytes, 3 + 3 + 5 + 3 * 4);
    assert_int_equal(figures.connections, 2);

    zmq_close(anna);
    rig_await(&rig, disconnects, 1);
    assert_int_equal(rig.gone, 1);
    assert_string_equal(rig.last_gone.user, "anna/k1");
    assert_int_equal(rig_figures(&rig).connections, 1);
    const uint8_t x = 'x';
    assert_int_equal(door_send(rig.door, &address_anna, &x, 1, &x, 1), ERR_NOT_FOUND);
    zmq_close(bert);
    door_rig_close(&rig);
}

/* Empty frames are two frames all the same. */
static void test_empty_frames_are_handed_over(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *anna = rig_knock(&rig, ANNA);
    rig_send(anna, "", "");
    rig_await(&rig, messages, 1);
    assert_string_equal(rig.head, "");
    zmq_close(anna);
    door_rig_close(&rig);
}

static void test_slow_peer_holds_up_nobody(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *slow = rig_knock(&rig, ANNA), *good = rig_knock(&rig, BERT);
    rig_round_trip(&rig, slow, "hello");
    struct door_address address = rig.last;
    /* Big enough that no kernel buffer takes all, small enough for a test. */
    static uint8_t body[64 * 1024];
    int sent = 0, r = 0;
    while (r == 0 && sent < 10 * DOOR_SEND_HWM) {
        r = door_send(rig.door, &address, body, 1, body, sizeof(body));
        sent += r == 0;
    }
    assert_int_equal(r, ERR_AGAIN);
    assert_true(sent > DOOR_SEND_HWM / 2);
    assert_int_equal(rig_figures(&rig).slow, 1);
    for (int i = 0; i < 20; i++)
        rig_round_trip(&rig, good, "still served");
    zmq_close(slow);
    rig_await(&rig, disconnects, 1);
    assert_int_equal(door_send(rig.door, &address, body, 1, body, 1), ERR_NOT_FOUND);
    zmq_close(good);
    door_rig_close(&rig);
}

enum { REPLIES = 1500 };

/* All that was sent before the close arrives after it, in order. */
static void test_close_lets_replies_leave(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    rig.echo = false;
    void *anna = rig_knock(&rig, ANNA);
    rig_set_int(anna, ZMQ_RCVHWM, 0);
    rig_send(anna, "all", "");
    rig_await(&rig, messages, 1);
    static uint8_t body[8 * 1024];
    int sent = 0;
    for (int64_t until = mono_ms() + 10000; sent < REPLIES && mono_ms() < until;) {
        char head[16];
        snprintf(head, sizeof(head), "%d", sent);
        if (door_send(rig.door, &rig.last, (uint8_t *)head, strlen(head), body, sizeof(body)) == 0)
            sent++;
        else
            rig_turn(rig.loop, 1);
    }
    assert_int_equal(sent, REPLIES);
    door_close(rig.door);

    rig_set_int(anna, ZMQ_RCVTIMEO, 2000);
    for (int i = 0; i < REPLIES; i++) {
        char head[64], want[16];
        int length = zmq_recv(anna, head, sizeof(head) - 1, 0);
        assert_true(length > 0);
        head[length] = 0;
        snprintf(want, sizeof(want), "%d", i);
        assert_string_equal(head, want);
        assert_int_equal(zmq_recv(anna, body, sizeof(body), 0), sizeof(body));
    }
    zmq_close(anna);
    zmq_ctx_term(rig.context);
    loop_free(rig.loop);
}

struct pulses {
    struct door_rig *rig;
    void *known, *unknown, *plain;
    int heard;
};

static bool pulses_heard(void *ctx)
{
    struct pulses *p = ctx;
    char stream[32], pulse[32];
    door_pulse(p->rig->door, "complaints", (const uint8_t *)"beat", 4);
    if (rig_receive(p->known, stream, sizeof(stream)) &&
        rig_receive(p->known, pulse, sizeof(pulse)) && strcmp(stream, "complaints") == 0 &&
        strcmp(pulse, "beat") == 0)
        p->heard++;
    return p->heard >= 20;
}

static void test_pulse_is_heard_by_the_known_only(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    struct pulses p = { .rig = &rig };
    const char *endpoint = door_pulse_endpoint(rig.door);
    p.unknown = rig_client(rig.context, ZMQ_SUB, endpoint, &rig.keys[NOBODY], rig.server.public_key,
                           NULL, 0);
    p.plain = rig_client(rig.context, ZMQ_SUB, endpoint, NULL, NULL, NULL, 0);
    p.known =
        rig_client(rig.context, ZMQ_SUB, endpoint, &rig.keys[ANNA], rig.server.public_key, NULL, 0);
    rig_await(&rig, refused_keys, 1);
    assert_true(rig_until(rig.loop, pulses_heard, &p, 5000));
    char text[32];
    assert_false(rig_receive(p.unknown, text, sizeof(text)));
    assert_false(rig_receive(p.plain, text, sizeof(text)));
    zmq_close(p.known);
    zmq_close(p.unknown);
    zmq_close(p.plain);
    door_rig_close(&rig);
}

static void test_open_fails_whole(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    struct door *second = NULL;
    struct door_options options = {
        .loop = rig.loop,
        .endpoint = "tcp://127.0.0.1:0",
        .pulse_endpoint = door_pulse_endpoint(rig.door), /* taken */
        .curve_secret = rig.server.secret_key,
        .authenticate = rig_authenticate,
        .on_message = rig_message,
        .ctx = &rig,
    };
    assert_int_equal(door_open(&second, &options), ERR_INTERNAL);
    options.pulse_endpoint = "tcp://127.0.0.1:0";
    options.curve_secret = "not a key";
    assert_int_equal(door_open(&second, &options), ERR_INVALID_ARGUMENT);
    assert_null(second);
    /* The first lives on, and a second one beside it in the same process has its own handler. */
    options.curve_secret = rig.server.secret_key;
    assert_int_equal(door_open(&second, &options), 0);
    void *anna = rig_knock(&rig, ANNA);
    rig_round_trip(&rig, anna, "first");
    door_close(second);
    rig_round_trip(&rig, anna, "first again");
    zmq_close(anna);
    door_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_names_the_user),
        cmocka_unit_test(test_empty_frames_are_handed_over),
        cmocka_unit_test(test_slow_peer_holds_up_nobody),
        cmocka_unit_test(test_close_lets_replies_leave),
        cmocka_unit_test(test_pulse_is_heard_by_the_known_only),
        cmocka_unit_test(test_open_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
