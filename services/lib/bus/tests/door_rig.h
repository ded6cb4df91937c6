/* A door under test, with what it was handed, and three clients' keys: two known, one not. */
#ifndef LUJIAN_BUS_TESTS_DOOR_RIG_H
#define LUJIAN_BUS_TESTS_DOOR_RIG_H

#include "rig.h"

enum { ANNA, BERT, NOBODY, KEYS };

struct door_rig {
    struct loop *loop;
    struct door *door;
    void *context; /* the clients' */
    struct curve_keys server, keys[KEYS];
    bool echo; /* answer at once with what came */
    int received, gone;
    struct door_address last, last_gone;
    char head[64], body[64];
};

static bool rig_authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX])
{
    struct door_rig *rig = ctx;
    if (strcmp(curve_public, rig->keys[ANNA].public_key) == 0)
        strcpy(out_user, "anna/k1");
    else if (strcmp(curve_public, rig->keys[BERT].public_key) == 0)
        strcpy(out_user, "bert/k7");
    else
        return false;
    return true;
}

static void rig_message(void *ctx, const struct door_address *from, const uint8_t *head,
                        size_t head_size, const uint8_t *body, size_t body_size)
{
    struct door_rig *rig = ctx;
    rig->received++;
    rig->last = *from;
    snprintf(rig->head, sizeof(rig->head), "%.*s", (int)head_size, (const char *)head);
    snprintf(rig->body, sizeof(rig->body), "%.*s", (int)MIN(body_size, (size_t)60),
             (const char *)body);
    if (rig->echo)
        door_send(rig->door, from, head, head_size, body, body_size);
}

static void rig_gone(void *ctx, const struct door_address *who)
{
    struct door_rig *rig = ctx;
    rig->gone++;
    rig->last_gone = *who;
}

UNUSED static void door_rig_open(struct door_rig *rig)
{
    *rig = (struct door_rig){ .echo = true };
    assert_int_equal(loop_new(&rig->loop), 0);
    rig->context = zmq_ctx_new();
    curve_keypair(&rig->server);
    for (int i = 0; i < KEYS; i++)
        curve_keypair(&rig->keys[i]);
    const struct door_options options = {
        .loop = rig->loop,
        .endpoint = "tcp://127.0.0.1:0",
        .pulse_endpoint = "tcp://127.0.0.1:0",
        .curve_secret = rig->server.secret_key,
        .authenticate = rig_authenticate,
        .on_message = rig_message,
        .on_gone = rig_gone,
        .ctx = rig,
    };
    assert_int_equal(door_open(&rig->door, &options), 0);
}

UNUSED static void door_rig_close(struct door_rig *rig)
{
    door_close(rig->door);
    zmq_ctx_term(rig->context);
    loop_free(rig->loop);
}

UNUSED static struct door_figures rig_figures(const struct door_rig *rig)
{
    struct door_figures figures;
    door_figures_read(rig->door, &figures);
    return figures;
}

UNUSED static void *rig_knock(struct door_rig *rig, int who)
{
    return rig_client(rig->context, ZMQ_DEALER, door_endpoint(rig->door), &rig->keys[who],
                      rig->server.public_key, NULL, 0);
}

struct rig_answer {
    void *socket;
    char head[64], body[64];
};

static bool rig_answered(void *ctx)
{
    struct rig_answer *a = ctx;
    return rig_receive(a->socket, a->head, sizeof(a->head)) &&
           rig_receive(a->socket, a->body, sizeof(a->body));
}

/* The door serves: a round trip within two seconds. */
UNUSED static void rig_round_trip(struct door_rig *rig, void *socket, const char *text)
{
    struct rig_answer answer = { .socket = socket };
    rig_send(socket, text, "body");
    assert_true(rig_until(rig->loop, rig_answered, &answer, 2000));
    assert_string_equal(answer.head, text);
    assert_string_equal(answer.body, "body");
}

/* Waits until a figure (given by its place in struct door_figures) reaches a value. */
struct rig_figure {
    const struct door_rig *rig;
    size_t offset;
    uint64_t least;
};

static bool rig_figure_reached(void *ctx)
{
    const struct rig_figure *f = ctx;
    struct door_figures figures = rig_figures(f->rig);
    return *(const uint64_t *)(const void *)((const char *)&figures + f->offset) >= f->least;
}

#define rig_await(rig_, figure, value)                                                             \
    do {                                                                                           \
        struct rig_figure f_ = { (rig_), offsetof(struct door_figures, figure), (value) };         \
        assert_true(rig_until((rig_)->loop, rig_figure_reached, &f_, 5000));                       \
    } while (0)

#endif
