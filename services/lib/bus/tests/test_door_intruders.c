/* Who must not get in, and what must not pass: each is dropped and counted, the door lives on and
 * serves a good client meanwhile. */
#include "door_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY_FRAMES = 300000 };

static void send_frames(void *socket, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(zmq_send(socket, "f", 1, i < count - 1 ? ZMQ_SNDMORE : 0) >= 0);
}

static void test_unknown_and_wrong_keys(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA);
    rig_round_trip(&rig, good, "before");

    void *unknown = rig_knock(&rig, NOBODY);
    /* A known public key whose secret the client has not. */
    struct curve_keys forged = rig.keys[ANNA];
    memcpy(forged.secret_key, rig.keys[NOBODY].secret_key, CURVE_KEY_SIZE);
    void *forger = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), &forged,
                              rig.server.public_key, NULL, 0);
    /* Believes in another server. */
    void *misled = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), &rig.keys[BERT],
                              rig.keys[NOBODY].public_key, NULL, 0);
    void *plain = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), NULL, NULL, NULL, 0);
    void *sockets[] = { unknown, forger, misled, plain };
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        rig_send(sockets[i], "let me", "in");

    rig_await(&rig, refused_keys, 1);
    rig_await(&rig, handshake_failures, 3);
    for (int i = 0; i < 50; i++)
        rig_round_trip(&rig, good, "meanwhile");
    struct door_figures figures = rig_figures(&rig);
    assert_int_equal(figures.messages, 51);
    assert_int_equal(figures.no_user, 0);
    assert_int_equal(figures.connections, 1);
    char text[16];
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        assert_false(rig_receive(sockets[i], text, sizeof(text)));
        zmq_close(sockets[i]);
    }
    zmq_close(good);
    door_rig_close(&rig);
}

static int tcp_connect(const char *endpoint)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void test_not_even_zmtp(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA);
    const char *noise[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "",
                            "\x01" };
    int fds[ARRAY_LEN(noise)];
    for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
        fds[i] = tcp_connect(door_endpoint(rig.door));
        size_t length = strlen(noise[i]);
        assert_int_equal(send(fds[i], noise[i], length, MSG_NOSIGNAL), (ssize_t)length);
    }
    for (int i = 0; i < 20; i++)
        rig_round_trip(&rig, good, "meanwhile");
    for (size_t i = 0; i < ARRAY_LEN(noise); i++)
        close(fds[i]);
    rig_await(&rig, disconnects, ARRAY_LEN(noise));
    assert_int_equal(rig_figures(&rig).messages, 20);
    zmq_close(good);
    door_rig_close(&rig);
}

static void test_wrong_numbers_of_frames(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA), *bad = rig_knock(&rig, BERT);
    const int counts[] = { 1, 3, 5, 100 };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        send_frames(bad, counts[i]);
        rig_await(&rig, bad_frames, i + 1);
        rig_round_trip(&rig, good, "meanwhile");
    }
    assert_int_equal(rig_figures(&rig).messages, ARRAY_LEN(counts));
    /* Who sent them is still served where he is right. */
    rig_round_trip(&rig, bad, "now properly");
    zmq_close(bad);
    zmq_close(good);
    door_rig_close(&rig);
}

static void test_endless_message(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA), *bad = rig_knock(&rig, BERT);
    rig_round_trip(&rig, good, "before");
    rig_round_trip(&rig, bad, "before");
    send_frames(bad, MANY_FRAMES);
    rig_send(bad, "behind it", "body");
    for (int i = 0; i < 200; i++)
        rig_round_trip(&rig, good, "meanwhile");
    rig_await(&rig, bad_frames, 1);
    rig_await(&rig, messages, 203);
    struct door_figures figures = rig_figures(&rig);
    assert_int_equal(figures.bad_frames, 1);
    assert_int_equal(figures.messages, 203);
    zmq_close(bad);
    zmq_close(good);
    door_rig_close(&rig);
}

static void test_giant_frames_cut_the_connection(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA), *bad = rig_knock(&rig, BERT);
    rig_round_trip(&rig, bad, "before");
    size_t sizes[] = { DOOR_FRAME_BYTES_MAX + 1, (size_t)64 * 1024 * 1024 };
    uint8_t *giant = calloc(1, sizes[1]);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t before = rig_figures(&rig).disconnects;
        assert_int_equal(zmq_send(bad, "head", 4, ZMQ_SNDMORE), 4);
        assert_true(zmq_send(bad, giant, sizes[i], 0) >= 0);
        rig_await(&rig, disconnects, before + 1);
        rig_round_trip(&rig, good, "meanwhile");
    }
    /* The largest allowed passes; encryption's own bytes are part of the limit. */
    rig.echo = false;
    assert_int_equal(zmq_send(good, "head", 4, ZMQ_SNDMORE), 4);
    assert_true(zmq_send(good, giant, DOOR_FRAME_BYTES_MAX - 64, 0) >= 0);
    rig_await(&rig, messages, 4);
    free(giant);
    zmq_close(bad);
    zmq_close(good);
    door_rig_close(&rig);
}

static void test_chosen_routing_ids(void **state UNUSED)
{
    struct door_rig rig;
    door_rig_open(&rig);
    void *good = rig_knock(&rig, ANNA);
    const char *ids[] = { "supervisor", "abcde", "x" };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        void *bad = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), &rig.keys[BERT],
                               rig.server.public_key, ids[i], strlen(ids[i]));
        rig_send(bad, "hello", "body");
        rig_await(&rig, bad_routing_id, i + 1);
        rig_round_trip(&rig, good, "meanwhile");
        zmq_close(bad);
    }
    assert_int_equal(rig_figures(&rig).messages, ARRAY_LEN(ids));
    zmq_close(good);
    door_rig_close(&rig);
}

/* Anna leaves; Bert comes with her id, which he has guessed; an answer to her is on its way. */
static void test_another_s_routing_id(void **state UNUSED)
{
    for (int speaks = 0; speaks < 2; speaks++) {
        struct door_rig rig;
        door_rig_open(&rig);
        void *anna = rig_knock(&rig, ANNA);
        rig_round_trip(&rig, anna, "who am I");
        struct door_address hers = rig.last;

        /* While she is there nobody can take her id. */
        void *bert = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), &rig.keys[BERT],
                                rig.server.public_key, hers.routing_id, DOOR_ROUTING_ID_SIZE);
        rig_send(bert, "hers", "body");
        rig_round_trip(&rig, anna, "still me");
        rig_turn(rig.loop, 100);
        rig_round_trip(&rig, anna, "still me");
        assert_string_equal(rig.last.user, "anna/k1");
        zmq_close(bert);
        zmq_close(anna);
        rig_await(&rig, connections, 0);
        rig_await(&rig, disconnects, 2);

        bert = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), &rig.keys[BERT],
                          rig.server.public_key, hers.routing_id, DOOR_ROUTING_ID_SIZE);
        uint64_t messages = rig_figures(&rig).messages;
        if (speaks) { /* he is served under that id as himself */
            rig_round_trip(&rig, bert, "me");
            assert_string_equal(rig.last.user, "bert/k7");
            assert_memory_equal(rig.last.routing_id, hers.routing_id, DOOR_ROUTING_ID_SIZE);
            assert_int_equal(rig_figures(&rig).messages, messages + 1);
        } else { /* he only listens; the ROUTER has taken his id by the time the handshake is over
                  */
            rig_turn(rig.loop, 300);
        }
        const uint8_t secret[] = "for Anna's eyes";
        assert_int_equal(door_send(rig.door, &hers, secret, sizeof(secret), secret, sizeof(secret)),
                         ERR_NOT_FOUND);
        rig_turn(rig.loop, 100);
        char text[64];
        assert_false(rig_receive(bert, text, sizeof(text)));
        zmq_close(bert);
        door_rig_close(&rig);
    }
}

/* The handler is absent, as if it had come too late. */
static void knock_without_handler(enum door_fault fault, bool (*settled)(void *ctx))
{
    struct door_rig rig;
    door_fault = fault;
    door_rig_open(&rig);
    door_fault = DOOR_FAULT_NONE;
    void *anna = rig_knock(&rig, ANNA), *nobody = rig_knock(&rig, NOBODY);
    void *plain = rig_client(rig.context, ZMQ_DEALER, door_endpoint(rig.door), NULL, NULL, NULL, 0);
    for (int i = 0; i < 10; i++) {
        rig_send(anna, "let me", "in");
        rig_send(nobody, "let me", "in");
        rig_send(plain, "let me", "in");
    }
    assert_true(rig_until(rig.loop, settled, &rig, 5000));
    rig_turn(rig.loop, 200);
    struct door_figures figures = rig_figures(&rig);
    assert_int_equal(figures.messages, 0);
    assert_int_equal(rig.received, 0);
    assert_int_equal(figures.connections, 0);
    zmq_close(anna);
    zmq_close(nobody);
    zmq_close(plain);
    door_rig_close(&rig);
}

static bool none_shook_hands(void *ctx)
{
    struct door_figures figures = rig_figures(ctx);
    return figures.handshake_failures >= 3 || figures.no_user >= 20;
}

static bool all_were_dropped(void *ctx)
{
    return rig_figures(ctx).no_user == 20; /* the one without CURVE fails before */
}

/* Handshakes fail where the library enforces the domain; where it does not, messages are dropped.
 */
static void test_without_handler_nothing_gets_in(void **state UNUSED)
{
    knock_without_handler(DOOR_FAULT_NO_HANDLER, none_shook_hands);
}

/* libzmq by itself lets everyone in who knows the server's key: what they send has no User-Id. */
static void test_without_user_id_nothing_gets_in(void **state UNUSED)
{
    knock_without_handler(DOOR_FAULT_NO_HANDLER_NOR_DOMAIN, all_were_dropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_and_wrong_keys),
        cmocka_unit_test(test_not_even_zmtp),
        cmocka_unit_test(test_wrong_numbers_of_frames),
        cmocka_unit_test(test_endless_message),
        cmocka_unit_test(test_giant_frames_cut_the_connection),
        cmocka_unit_test(test_chosen_routing_ids),
        cmocka_unit_test(test_another_s_routing_id),
        cmocka_unit_test(test_without_handler_nothing_gets_in),
        cmocka_unit_test(test_without_user_id_nothing_gets_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
