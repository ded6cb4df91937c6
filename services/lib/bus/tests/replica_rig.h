/* Replicas for the client's tests: a door with a small service behind it, in this process or in a
 * child of its own, and the peers file that names them. */
#ifndef LUJIAN_BUS_TESTS_REPLICA_RIG_H
#define LUJIAN_BUS_TESTS_REPLICA_RIG_H

#include <unistd.h>

#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/bus/v1/log.lj.h"
#include "lujian/bus/v1/node.lj.h"
#include "rig.h"
#include "wire/wire.h"

enum replica_mode {
    REPLICA_ECHO,    /* answers with the body that came */
    REPLICA_MUTE,    /* answers pings only */
    REPLICA_DEAF,    /* answers nothing */
    REPLICA_REFUSES, /* NOT_EXECUTED */
    REPLICA_BUSY,    /* IN_PROGRESS */
    REPLICA_UNKNOWN, /* OUTCOME_UNKNOWN */
    REPLICA_NOT_FOUND,
};

enum { REPLICA_FEEDS_MAX = 4, REPLICA_KEPT_MAX = 64 };

struct replica_feed {
    bool open;
    struct door_address to;
    uint64_t id;
    int64_t position;
    uint32_t credit;
    int64_t sent_ms;
};

/* An answer held back. */
struct replica_kept {
    struct door_address to;
    uint64_t id;
};

struct replica {
    struct loop *loop;
    struct door *door;
    const char *instance;
    struct curve_keys keys;
    char client_key[CURVE_KEY_SIZE]; /* whom it lets in */
    char port[16], pulse_port[16];   /* kept over a restart */
    enum replica_mode mode;
    int delay_ms; /* answers wait as long */
    bool draining;
    int calls, pings; /* seen */
    char last_key[130], last_on_behalf[70], last_method[70];
    uint32_t last_budget_ms;
    int64_t last_if_version;

    /* its log: positions 1 to head, each an event */
    int64_t head;
    int feed_code;   /* refuses feeds with it */
    bool feed_stuck; /* opens them and says nothing */
    uint32_t most_in_flight, window;
    int follows, credits, unfollows;
    struct replica_feed feeds[REPLICA_FEEDS_MAX];
    struct loop_timer *timer;
    struct arena arena;
};

static bool replica_authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX])
{
    const struct replica *r = ctx;
    strcpy(out_user, "client/k1");
    return strcmp(curve_public, r->client_key) == 0;
}

static void replica_send(struct replica *r, const struct door_address *to, uint64_t id, int code,
                         const char *reason, const uint8_t *body, size_t size)
{
    ResponseHead head = RESPONSE_HEAD_INIT;
    Problem problem = PROBLEM_INIT;
    char text[48];
    head.id = id;
    if (code) {
        snprintf(text, sizeof(text), "%s", reason ? reason : err_info(code)->name);
        problem.error = (ErrorCode)-code;
        problem.code = text;
        head.problem = &problem;
    }
    uint8_t *bytes;
    size_t bytes_size;
    wire_pack(&r->arena, &head.base, &bytes, &bytes_size);
    door_send(r->door, to, bytes, bytes_size, body, size);
}

static void replica_answer(struct replica *r, const struct door_address *to, uint64_t id,
                           const ProtobufCMessage *message)
{
    uint8_t *body;
    size_t size;
    wire_pack(&r->arena, message, &body, &size);
    replica_send(r, to, id, 0, NULL, body, size);
}

static void replica_frame(struct replica *r, struct replica_feed *feed)
{
    enum { EVENTS_MAX = 7 };
    Event events[EVENTS_MAX], *pointers[EVENTS_MAX];
    FollowResponse frame = FOLLOW_RESPONSE_INIT;
    char through[64];
    while (feed->credit > 0 && feed->position < r->head && frame.n_events < EVENTS_MAX) {
        Event *e = &events[frame.n_events];
        *e = (Event)EVENT_INIT;
        e->position = ++feed->position;
        pointers[frame.n_events++] = e;
        feed->credit--;
    }
    if (frame.n_events == 0 && mono_ms() - feed->sent_ms < 500)
        return;
    feed->sent_ms = mono_ms();
    frame.events = pointers;
    snprintf(through, sizeof(through), "test:1:%lld", (long long)feed->position);
    frame.through = through;
    replica_answer(r, &feed->to, feed->id, &frame.base);
}

static void replica_tick(void *arg)
{
    struct replica *r = arg;
    arena_reset(&r->arena);
    for (int i = 0; i < REPLICA_FEEDS_MAX; i++)
        if (r->feeds[i].open && !r->feed_stuck)
            replica_frame(r, &r->feeds[i]);
}

static void replica_follow(struct replica *r, const struct door_address *from, uint64_t id,
                           const FollowRequest *in)
{
    r->follows++;
    if (r->feed_code) {
        replica_send(r, from, id, r->feed_code, NULL, NULL, 0);
        return;
    }
    for (int i = 0; i < REPLICA_FEEDS_MAX; i++) {
        struct replica_feed *feed = &r->feeds[i];
        if (feed->open)
            continue;
        const char *position = strrchr(in->after, ':');
        *feed = (struct replica_feed){ .open = true,
                                       .to = *from,
                                       .id = id,
                                       .position = position ? atoll(position + 1) : 0,
                                       .credit = in->credit };
        r->most_in_flight = MAX(r->most_in_flight, feed->credit);
        return;
    }
    replica_send(r, from, id, ERR_NOT_EXECUTED, NULL, NULL, 0);
}

static struct replica_feed *replica_feed_find(struct replica *r, uint64_t id)
{
    for (int i = 0; i < REPLICA_FEEDS_MAX; i++)
        if (r->feeds[i].open && r->feeds[i].id == id)
            return &r->feeds[i];
    return NULL;
}

static void replica_credit(struct replica *r, const struct door_address *from, uint64_t id,
                           const CreditRequest *in)
{
    struct replica_feed *feed = replica_feed_find(r, in->feed);
    r->credits++;
    if (!feed) {
        replica_send(r, from, id, ERR_NOT_FOUND, NULL, NULL, 0);
        return;
    }
    feed->credit += in->credit;
    r->most_in_flight = MAX(r->most_in_flight, feed->credit);
    CreditResponse out = CREDIT_RESPONSE_INIT;
    replica_answer(r, from, id, &out.base);
}

static void replica_unfollow(struct replica *r, const UnfollowRequest *in)
{
    struct replica_feed *feed = replica_feed_find(r, in->feed);
    r->unfollows++;
    if (feed)
        feed->open = false;
}

struct replica_late {
    struct replica *replica;
    struct loop_timer *timer;
    struct door_address to;
    uint64_t id;
    size_t size;
    uint8_t body[];
};

static void replica_send_late(void *arg)
{
    struct replica_late *late = arg;
    if (late->replica->door)
        replica_send(late->replica, &late->to, late->id, 0, NULL, late->body, late->size);
    loop_timer_free(late->timer);
    free(late);
}

static void replica_call(struct replica *r, const struct door_address *from,
                         const RequestHead *head, const uint8_t *body, size_t size)
{
    const int codes[] = { [REPLICA_REFUSES] = ERR_NOT_EXECUTED,
                          [REPLICA_BUSY] = ERR_IN_PROGRESS,
                          [REPLICA_UNKNOWN] = ERR_OUTCOME_UNKNOWN,
                          [REPLICA_NOT_FOUND] = ERR_NOT_FOUND };
    r->calls++;
    snprintf(r->last_method, sizeof(r->last_method), "%s", head->method);
    snprintf(r->last_key, sizeof(r->last_key), "%s", head->key);
    snprintf(r->last_on_behalf, sizeof(r->last_on_behalf), "%s", head->on_behalf);
    r->last_budget_ms = head->budget_ms;
    r->last_if_version = head->if_version;
    if (r->mode == REPLICA_MUTE)
        return;
    if (r->mode != REPLICA_ECHO) {
        replica_send(r, from, head->id, codes[r->mode], NULL, NULL, 0);
    } else if (r->draining) {
        replica_send(r, from, head->id, ERR_NOT_EXECUTED, "draining", NULL, 0);
    } else if (r->delay_ms) {
        struct replica_late *late = malloc(sizeof(*late) + size);
        late->replica = r;
        late->to = *from;
        late->id = head->id;
        late->size = size;
        memcpy(late->body, body, size);
        late->timer = loop_timer_new(r->loop, replica_send_late, late);
        loop_timer_start(late->timer, (uint64_t)r->delay_ms, 0);
    } else {
        replica_send(r, from, head->id, 0, NULL, body, size);
    }
}

static void *replica_unpack(struct replica *r, const struct message_rules *rules,
                            const uint8_t *data, size_t size)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (wire_unpack(rules, &r->arena, data, size, &message, &fault) < 0)
        abort();
    return message;
}

static void replica_message(void *ctx, const struct door_address *from, const uint8_t *head_bytes,
                            size_t head_size, const uint8_t *body, size_t body_size)
{
    struct replica *r = ctx;
    arena_reset(&r->arena);
    const RequestHead *head = replica_unpack(r, &request_head_rules, head_bytes, head_size);
    const char *verb = strrchr(head->method, '.') + 1;
    if (r->mode == REPLICA_DEAF)
        return;
    if (strcmp(verb, "ping") == 0) {
        PingResponse out = PING_RESPONSE_INIT;
        out.draining = r->draining;
        r->pings++;
        replica_answer(r, from, head->id, &out.base);
    } else if (strcmp(verb, "follow") == 0) {
        replica_follow(r, from, head->id,
                       replica_unpack(r, &follow_request_rules, body, body_size));
    } else if (strcmp(verb, "credit") == 0) {
        replica_credit(r, from, head->id,
                       replica_unpack(r, &credit_request_rules, body, body_size));
    } else if (strcmp(verb, "unfollow") == 0) {
        replica_unfollow(r, replica_unpack(r, &unfollow_request_rules, body, body_size));
    } else {
        replica_call(r, from, head, body, body_size);
    }
}

static void replica_gone(void *ctx, const struct door_address *who)
{
    struct replica *r = ctx;
    for (int i = 0; i < REPLICA_FEEDS_MAX; i++)
        if (r->feeds[i].open && r->feeds[i].to.connection == who->connection)
            r->feeds[i].open = false;
}

/* Opens it at the ports that it had, or at any. */
UNUSED static void replica_open(struct replica *r)
{
    char endpoint[64], pulse[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%s", r->port[0] ? r->port : "0");
    snprintf(pulse, sizeof(pulse), "tcp://127.0.0.1:%s", r->pulse_port[0] ? r->pulse_port : "0");
    const struct door_options options = {
        .loop = r->loop,
        .endpoint = endpoint,
        .pulse_endpoint = pulse,
        .curve_secret = r->keys.secret_key,
        .authenticate = replica_authenticate,
        .on_message = replica_message,
        .on_gone = replica_gone,
        .ctx = r,
    };
    if (door_open(&r->door, &options) < 0) {
        fprintf(stderr, "%s\n", err_last()->text);
        abort();
    }
    snprintf(r->port, sizeof(r->port), "%s", strrchr(door_endpoint(r->door), ':') + 1);
    snprintf(r->pulse_port, sizeof(r->pulse_port), "%s",
             strrchr(door_pulse_endpoint(r->door), ':') + 1);
    memset(r->feeds, 0, sizeof(r->feeds));
    if (!r->timer) {
        arena_init(&r->arena, 0);
        r->timer = loop_timer_new(r->loop, replica_tick, r);
        loop_timer_start(r->timer, 5, 5);
    }
}

/* As a process that ends: without a word. */
UNUSED static void replica_shut(struct replica *r)
{
    door_close(r->door);
    r->door = NULL;
    memset(r->feeds, 0, sizeof(r->feeds));
}

UNUSED static void replica_clear(struct replica *r)
{
    if (r->door)
        replica_shut(r);
    loop_timer_free(r->timer);
    r->timer = NULL;
    arena_clear(&r->arena);
}

UNUSED static void replica_pulse(struct replica *r, bool draining)
{
    Pulse pulse = PULSE_INIT;
    char stream[] = "test", instance[64];
    uint8_t bytes[256];
    snprintf(instance, sizeof(instance), "%s", r->instance);
    pulse.stream = stream;
    pulse.instance = instance;
    pulse.epoch = 1;
    pulse.head = r->head;
    pulse.draining = draining;
    size_t size = protobuf_c_message_pack(&pulse.base, bytes);
    door_pulse(r->door, stream, bytes, size);
}

/* The peers file, replaced by rename as it is in real life. */
UNUSED static void peers_write(const char *path, struct replica *const *replicas, int count)
{
    char fresh[256];
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *f = fopen(fresh, "w");
    if (!f)
        abort();
    for (int i = 0; i < count; i++)
        fprintf(f,
                "[%s]\nservice = test\ndoor = tcp://127.0.0.1:%s\npulse = tcp://127.0.0.1:%s\n"
                "public_key = %s\n",
                replicas[i]->instance, replicas[i]->port, replicas[i]->pulse_port,
                replicas[i]->keys.public_key);
    fclose(f);
    if (rename(fresh, path) < 0)
        abort();
}

#endif
