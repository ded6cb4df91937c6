/* A client and two replicas on one loop, and calls whose ends are counted. */
#ifndef LUJIAN_BUS_TESTS_CLIENT_RIG_H
#define LUJIAN_BUS_TESTS_CLIENT_RIG_H

#include "bus/client.h"
#include "replica_rig.h"

enum { REPLICAS = 2 };

struct client_rig {
    struct loop *loop;
    struct client *client;
    struct curve_keys keys;
    struct replica replicas[REPLICAS];
    char peers[64];
    int pulses;
};

struct ask {
    struct client_rig *rig;
    int done;
    int code;
    char instance[64], body[64], problem[64];
    int64_t ended_ms;
};

static void rig_pulse(void *ctx, const uint8_t *pulse, size_t size)
{
    (void)pulse, (void)size;
    ((struct client_rig *)ctx)->pulses++;
}

UNUSED static void client_rig_open(struct client_rig *rig, int replicas_listed)
{
    static const char *const names[REPLICAS] = { "test-1", "test-2" };
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(loop_new(&rig->loop), 0);
    curve_keypair(&rig->keys);
    strcpy(rig->peers, "/tmp/lujian-peers-XXXXXX");
    int fd = mkstemp(rig->peers);
    assert_true(fd >= 0);
    close(fd);
    struct replica *listed[REPLICAS];
    for (int i = 0; i < REPLICAS; i++) {
        struct replica *r = &rig->replicas[i];
        r->loop = rig->loop;
        r->instance = names[i];
        curve_keypair(&r->keys);
        strcpy(r->client_key, rig->keys.public_key);
        replica_open(r);
        listed[i] = r;
    }
    peers_write(rig->peers, listed, replicas_listed);
    const struct client_options options = {
        .loop = rig->loop,
        .peers_path = rig->peers,
        .curve_public = rig->keys.public_key,
        .curve_secret = rig->keys.secret_key,
        .on_pulse = rig_pulse,
        .ctx = rig,
    };
    assert_int_equal(client_open(&rig->client, &options), 0);
}

UNUSED static void client_rig_close(struct client_rig *rig)
{
    client_close(rig->client);
    for (int i = 0; i < REPLICAS; i++)
        replica_clear(&rig->replicas[i]);
    /* late answers of the replicas */
    rig_turn(rig->loop, 30);
    loop_free(rig->loop);
    unlink(rig->peers);
}

static void ask_done(void *ctx, const struct client_answer *answer)
{
    struct ask *ask = ctx;
    ask->done++;
    ask->code = answer->code;
    ask->ended_ms = mono_ms();
    snprintf(ask->instance, sizeof(ask->instance), "%s", answer->instance);
    snprintf(ask->body, sizeof(ask->body), "%.*s", (int)MIN(answer->body_size, (size_t)60),
             answer->body ? (const char *)answer->body : "");
    if (answer->head) {
        struct arena arena;
        ProtobufCMessage *message;
        struct wire_fault fault;
        arena_init(&arena, 0);
        assert_int_equal(wire_unpack(&response_head_rules, &arena, answer->head, answer->head_size,
                                     &message, &fault),
                         0);
        const ResponseHead *head = (const ResponseHead *)(void *)message;
        snprintf(ask->problem, sizeof(ask->problem), "%s",
                 head->problem ? head->problem->code : "");
        arena_clear(&arena);
    }
}

UNUSED static void ask_start(struct ask *ask, struct client_rig *rig, const char *key,
                             uint32_t budget_ms, const char *instance)
{
    memset(ask, 0, sizeof(*ask));
    ask->rig = rig;
    const struct client_call call = { .service = "test",
                                      .instance = instance,
                                      .method = "test.echo",
                                      .key = key,
                                      .on_behalf = "anna",
                                      .budget_ms = budget_ms,
                                      .if_version = 7,
                                      .body = (const uint8_t *)"hello",
                                      .body_size = 5 };
    client_call_async(rig->client, &call, ask_done, ask);
    assert_int_equal(ask->done, 0);
}

static bool ask_is_done(void *ctx)
{
    return ((struct ask *)ctx)->done > 0;
}

/* Waits for its end, and that no second one comes. */
UNUSED static void ask_end(struct ask *ask, int timeout_ms)
{
    assert_true(rig_until(ask->rig->loop, ask_is_done, ask, timeout_ms));
    rig_turn(ask->rig->loop, 10);
    assert_int_equal(ask->done, 1);
}

UNUSED static void ask_once(struct ask *ask, struct client_rig *rig, uint32_t budget_ms)
{
    ask_start(ask, rig, "key-1", budget_ms, NULL);
    ask_end(ask, (int)budget_ms + 1000);
}

static bool rig_is_up(void *ctx)
{
    struct client_rig *rig = ctx;
    return client_replicas_up(rig->client, "test") == REPLICAS;
}

/* Both replicas connected. */
UNUSED static void client_rig_up(struct client_rig *rig)
{
    struct ask ask;
    ask_once(&ask, rig, 5000);
    assert_int_equal(ask.code, 0);
    assert_true(rig_until(rig->loop, rig_is_up, rig, 5000));
    for (int i = 0; i < REPLICAS; i++)
        rig->replicas[i].calls = 0;
}

UNUSED static struct client_figures client_rig_figures(const struct client_rig *rig)
{
    struct client_figures figures;
    client_figures_read(rig->client, &figures);
    return figures;
}

#endif
