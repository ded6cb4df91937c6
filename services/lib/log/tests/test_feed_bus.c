/* The whole way: two replicas with doors, tails and feeds on one log, and a client that follows
 * over CURVE. Replicas leave and come back; the reader gets every event once. */
#include <unistd.h>

#include "bus/client.h"
#include "bus/curve.h"
#include "feed_rig.h"
#include "log/tail.h"
#include "lujian/bus/v1/node.lj.h"

enum { REPLICAS = 2 };

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

struct node {
    struct bus_rig *rig;
    const char *instance;
    struct curve_keys keys;
    char door_port[16], pulse_port[16];
    struct door *door;
    struct tail *tail;
    struct feeds *feeds;
};

struct bus_rig {
    struct log_rig log;
    struct loop *loop;
    struct curve_keys keys;
    struct client *client;
    char peers[64];
    struct arena arena;
    struct node nodes[REPLICAS];
    /* the reader */
    struct client_feed *feed;
    int64_t last, through;
    int wrong, ended, code;
};

static bool node_authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX])
{
    const struct node *n = ctx;
    strcpy(out_user, "carl/k1");
    return strcmp(curve_public, n->rig->keys.public_key) == 0;
}

static void node_send(struct node *n, const struct door_address *to, uint64_t id, int code,
                      const ProtobufCMessage *message)
{
    ResponseHead head = RESPONSE_HEAD_INIT;
    Problem problem = PROBLEM_INIT;
    char reason[48];
    uint8_t *head_bytes, *body = NULL;
    size_t head_size, size = 0;
    head.id = id;
    if (code < 0) {
        snprintf(reason, sizeof(reason), "%s",
                 err_last()->reason[0] ? err_last()->reason : err_info(code)->name);
        problem.error = (ErrorCode)-code;
        problem.code = reason;
        head.problem = &problem;
    } else {
        wire_pack(&n->rig->arena, message, &body, &size);
    }
    wire_pack(&n->rig->arena, &head.base, &head_bytes, &head_size);
    door_send(n->door, to, head_bytes, head_size, body, size);
}

static void *node_unpack(struct node *n, const struct message_rules *rules, const uint8_t *data,
                         size_t size)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    assert_int_equal(wire_unpack(rules, &n->rig->arena, data, size, &message, &fault), 0);
    return message;
}

static void node_message(void *ctx, const struct door_address *from, const uint8_t *head_bytes,
                         size_t head_size, const uint8_t *body, size_t size)
{
    struct node *n = ctx;
    arena_reset(&n->rig->arena);
    const RequestHead *head = node_unpack(n, &request_head_rules, head_bytes, head_size);
    const char *verb = strrchr(head->method, '.') + 1;
    PingResponse ping = PING_RESPONSE_INIT;
    CreditResponse credit = CREDIT_RESPONSE_INIT;
    if (strcmp(verb, "ping") == 0) {
        node_send(n, from, head->id, 0, &ping.base);
    } else if (strcmp(verb, "follow") == 0) {
        int r = feeds_follow(n->feeds, from, head->id, head->on_behalf,
                             node_unpack(n, &follow_request_rules, body, size));
        if (r < 0)
            node_send(n, from, head->id, r, NULL);
    } else if (strcmp(verb, "credit") == 0) {
        const CreditRequest *in = node_unpack(n, &credit_request_rules, body, size);
        node_send(n, from, head->id, feeds_credit(n->feeds, from, in->feed, in->credit),
                  &credit.base);
    } else {
        const UnfollowRequest *in = node_unpack(n, &unfollow_request_rules, body, size);
        feeds_unfollow(n->feeds, from, in->feed);
    }
}

static void node_gone(void *ctx, const struct door_address *who)
{
    struct node *n = ctx;
    if (n->feeds)
        feeds_gone(n->feeds, who);
}

static int node_door_send(void *ctx, const struct door_address *to, const uint8_t *head,
                          size_t head_size, const uint8_t *body, size_t size)
{
    struct node *n = ctx;
    return door_send(n->door, to, head, head_size, body, size);
}

static void something_new(struct node *n)
{
    struct feeds *feeds = __atomic_load_n(&n->feeds, __ATOMIC_ACQUIRE);
    if (feeds)
        feeds_wake(feeds);
}

static void node_batch(void *ctx, struct tail_batch *batch UNUSED)
{
    something_new(ctx);
}

/* A feed may be open before the tail knows where the log stands. */
static void node_epoch(void *ctx, int64_t epoch UNUSED, int64_t head UNUSED)
{
    something_new(ctx);
}

static void node_open(struct node *n)
{
    struct bus_rig *rig = n->rig;
    char endpoint[64], pulse[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%s",
             n->door_port[0] ? n->door_port : "0");
    snprintf(pulse, sizeof(pulse), "tcp://127.0.0.1:%s", n->pulse_port[0] ? n->pulse_port : "0");
    const struct door_options door = { .loop = rig->loop,
                                       .endpoint = endpoint,
                                       .pulse_endpoint = pulse,
                                       .curve_secret = n->keys.secret_key,
                                       .authenticate = node_authenticate,
                                       .on_message = node_message,
                                       .on_gone = node_gone,
                                       .ctx = n };
    assert_int_equal(door_open(&n->door, &door), 0);
    snprintf(n->door_port, sizeof(n->door_port), "%s", strrchr(door_endpoint(n->door), ':') + 1);
    snprintf(n->pulse_port, sizeof(n->pulse_port), "%s",
             strrchr(door_pulse_endpoint(n->door), ':') + 1);
    const struct tail_options tail = { .pg = &rig->log.pg_options,
                                       .ring_events_max = 500,
                                       .on_batch = node_batch,
                                       .on_epoch = node_epoch,
                                       .ctx = n };
    assert_int_equal(tail_start(&n->tail, &tail), 0);
    const struct feeds_options feeds = { .loop = rig->loop,
                                         .stream = "complaints",
                                         .pg = &rig->log.pg_options,
                                         .tail = n->tail,
                                         .authority = rig_authority(),
                                         .send = node_door_send,
                                         .ctx = n };
    struct feeds *opened;
    assert_int_equal(feeds_open(&opened, &feeds), 0);
    __atomic_store_n(&n->feeds, opened, __ATOMIC_RELEASE);
}

static void node_shut(struct node *n)
{
    tail_stop(n->tail);
    feeds_close(n->feeds);
    n->feeds = NULL;
    door_close(n->door);
    n->door = NULL;
}

static void reader_frame(void *ctx, const uint8_t *body, size_t size)
{
    struct bus_rig *rig = ctx;
    struct arena arena;
    struct wire_fault fault;
    ProtobufCMessage *message;
    const struct model_filter filter = { &rig_readers[2], "", NULL };
    arena_init(&arena, 0);
    assert_int_equal(wire_unpack(&follow_response_rules, &arena, body, size, &message, &fault), 0);
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    for (size_t i = 0; i < frame->n_events; i++) {
        rig->wrong += frame->events[i]->position != model_next(&rig->log, &filter, rig->last);
        rig->last = frame->events[i]->position;
    }
    struct log_cursor through;
    rig->wrong += log_cursor_parse(frame->through, &through) < 0;
    rig->through = through.position;
    if (frame->n_events)
        client_feed_credit(rig->feed, (uint32_t)frame->n_events);
    arena_clear(&arena);
}

static void reader_end(void *ctx, int code, const uint8_t *head UNUSED, size_t size UNUSED)
{
    struct bus_rig *rig = ctx;
    rig->ended++;
    rig->code = code;
}

static void bus_rig_open(struct bus_rig *rig)
{
    static const char *const names[REPLICAS] = { "complaints-1", "complaints-2" };
    memset(rig, 0, sizeof(*rig));
    log_rig_open(&rig->log, fixture);
    arena_init(&rig->arena, 0);
    assert_int_equal(loop_new(&rig->loop), 0);
    curve_keypair(&rig->keys);
    strcpy(rig->peers, "/tmp/lujian-peers-XXXXXX");
    int fd = mkstemp(rig->peers);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    for (int i = 0; i < REPLICAS; i++) {
        struct node *n = &rig->nodes[i];
        n->rig = rig;
        n->instance = names[i];
        curve_keypair(&n->keys);
        node_open(n);
        fprintf(file,
                "[%s]\nservice = complaints\ndoor = tcp://127.0.0.1:%s\n"
                "pulse = tcp://127.0.0.1:%s\npublic_key = %s\n",
                names[i], n->door_port, n->pulse_port, n->keys.public_key);
    }
    fclose(file);
    const struct client_options client = { .loop = rig->loop,
                                           .peers_path = rig->peers,
                                           .curve_public = rig->keys.public_key,
                                           .curve_secret = rig->keys.secret_key };
    assert_int_equal(client_open(&rig->client, &client), 0);
    const struct client_feed_options feed = { .service = "complaints",
                                              .after = "",
                                              .credit = 200,
                                              .on_frame = reader_frame,
                                              .on_end = reader_end,
                                              .ctx = rig };
    assert_int_equal(client_feed_open(&rig->feed, rig->client, &feed), 0);
}

static void bus_rig_close(struct bus_rig *rig)
{
    client_feed_close(rig->feed);
    client_close(rig->client);
    for (int i = 0; i < REPLICAS; i++)
        if (rig->nodes[i].door)
            node_shut(&rig->nodes[i]);
    loop_free(rig->loop);
    arena_clear(&rig->arena);
    unlink(rig->peers);
    log_rig_close(&rig->log);
}

static void bus_tick(void *arg UNUSED)
{
}

static bool bus_until(struct bus_rig *rig, bool (*done)(const struct bus_rig *rig), int timeout_ms)
{
    struct loop_timer *tick = loop_timer_new(rig->loop, bus_tick, NULL);
    loop_timer_start(tick, 5, 5);
    int64_t deadline = mono_ms() + timeout_ms;
    while (!done(rig) && mono_ms() < deadline)
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    loop_timer_free(tick);
    return done(rig);
}

static bool reader_is_through(const struct bus_rig *rig)
{
    return rig->through >= rig->log.head;
}

static bool reader_has_ended(const struct bus_rig *rig)
{
    return rig->ended > 0;
}

static bool reader_feeds(const struct bus_rig *rig, int node)
{
    struct feeds_figures figures;
    if (!rig->nodes[node].feeds)
        return false;
    feeds_figures_read(rig->nodes[node].feeds, &figures);
    return figures.open > 0;
}

static bool somebody_feeds(const struct bus_rig *rig)
{
    return reader_feeds(rig, 0) || reader_feeds(rig, 1);
}

static void test_replicas_come_and_go(void **state UNUSED)
{
    struct bus_rig rig;
    bus_rig_open(&rig);
    for (int round = 0; round < 6; round++) {
        assert_true(bus_until(&rig, somebody_feeds, 5000));
        for (int i = 0; i < 5; i++)
            rig_append(&rig.log, 400, 200);
        bus_until(&rig, reader_is_through, 20); /* in the middle of it */
        struct node *leaving = &rig.nodes[reader_feeds(&rig, 0) ? 0 : 1];
        if (round % 2)
            feeds_drain(leaving->feeds);
        else
            node_shut(leaving);
        assert_true(bus_until(&rig, reader_is_through, 8000));
        assert_int_equal(rig.wrong, 0);
        if (leaving->door)
            node_shut(leaving);
        node_open(leaving);
    }
    assert_int_equal(rig.last, rig.log.head);
    assert_int_equal(rig.ended, 0);
    bus_rig_close(&rig);
}

static void test_revoked_over_the_wire(void **state UNUSED)
{
    struct bus_rig rig;
    bus_rig_open(&rig);
    rig_append(&rig.log, 100, 10);
    assert_true(bus_until(&rig, reader_is_through, 5000));
    rig_readers[2].revoked = true;
    assert_true(bus_until(&rig, reader_has_ended, 3000));
    assert_int_equal(rig.code, ERR_PERMISSION_DENIED);
    int64_t last = rig.last;
    rig_append(&rig.log, 100, 10);
    bus_until(&rig, reader_is_through, 1500);
    assert_int_equal(rig.last, last);
    assert_int_equal(rig.ended, 1);
    rig_readers[2].revoked = false;
    bus_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replicas_come_and_go),
        cmocka_unit_test(test_revoked_over_the_wire),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
