/* One link to one replica: a DEALER, its pings, its breaker.
 *
 * The breaker is the link's state: what breaks, or leaves a ping unanswered, is DOWN and gets no
 * call; when libzmq has shaken hands again, one ping probes, and its answer opens the way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "bus/client_inside.h"
#include "bus/door.h"
#include "lujian/bus/v1/node.lj.h"

#define LINK_SEND_HWM    1000
#define LINK_RECEIVE_HWM 1000
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 1000
#define CONNECT_MS       2000 /* a host that does not answer at all is tried again */
#define HANDSHAKE_MS     10000
#define PENALTY_MAX      64
#define SUSPECT_HANDICAP 100000 /* outstanding calls that a suspicion weighs as much as */
#define AVOID_HANDICAP   10000

static void ping_send(struct client_link *link)
{
    char method[CLIENT_NAME_MAX + 8];
    snprintf(method, sizeof(method), "%s.ping", link->service->name);
    const struct envelope_request request = { .id = link->ping,
                                              .method = method,
                                              .budget_ms = CLIENT_PING_DEADLINE_MS };
    link->ping_unsent = link_send(link, &request, NULL, 0) < 0;
}

/* A ping that finds the queue full is open all the same: its deadline runs. */
static void ping_open(struct client_link *link)
{
    link->ping = exchange_open(link->client, EXCHANGE_PING, link, NULL);
    link->ping_sent_ms = mono_ms();
    ping_send(link);
}

static void ping_close(struct client_link *link)
{
    if (link->ping)
        exchange_close(link->client, link->ping);
    link->ping = 0;
    link->ping_unsent = false;
}

static void link_up(struct client_link *link)
{
    link->state = LINK_UP;
    calls_flush(link->client);
    feeds_flush(link->client);
}

static void ping_answer(struct client_link *link, const struct envelope_answer *answer,
                        const uint8_t *body, size_t body_size)
{
    ping_close(link);
    bool draining = answer->draining;
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (answer->code == 0 && wire_unpack(&ping_response_rules, &link->client->arena, body,
                                         body_size, &message, &fault) == 0)
        draining = ((const PingResponse *)(void *)message)->draining;
    /* A refusal is a sign of life too: calls will be told why. */
    link_set_draining(link, draining);
    if (link->state == LINK_PROBING)
        link_up(link);
}

void link_set_draining(struct client_link *link, bool draining)
{
    bool was = link->draining;
    link->draining = draining;
    if (draining && !was)
        feeds_link_lost(link->client, link, false);
    if (!draining && was) {
        calls_flush(link->client);
        feeds_flush(link->client);
    }
}

static void link_dispatch(struct client_link *link, const uint8_t *head, size_t head_size,
                          const uint8_t *body, size_t body_size)
{
    struct client *client = link->client;
    struct envelope_answer answer;
    link->heard_ms = mono_ms();
    arena_reset(&client->arena);
    if (envelope_answer_read(&client->arena, head, head_size, &answer) < 0) {
        log_error_last(LOG_WARN, "answer not understood");
        client->figures.strays++;
        return;
    }
    struct exchange *x = exchange_find(client, answer.id);
    if (!x || x->link != link) {
        client->figures.strays++; /* of a call that has its answer, or whose time is over */
        return;
    }
    void *owner = x->owner;
    switch (x->kind) {
    case EXCHANGE_ATTEMPT:
        if (answer.draining)
            link_set_draining(link, true);
        if (answer.code == ERR_NOT_EXECUTED)
            link->penalty = MIN(link->penalty * 2 + 1, PENALTY_MAX);
        else
            link->penalty /= 2;
        calls_answer(owner, &answer, head, head_size, body, body_size);
        break;
    case EXCHANGE_PING:
        ping_answer(link, &answer, body, body_size);
        break;
    case EXCHANGE_FEED:
        if (answer.draining)
            link_set_draining(link, true); /* moves all its feeds, this one too */
        else
            feed_answer(owner, &answer, head, head_size, body, body_size);
        break;
    case EXCHANGE_CREDIT:
        feed_credit_answer(owner, &answer);
        break;
    case EXCHANGE_FREE:
        break;
    }
}

static bool link_receive(void *ctx)
{
    struct client_link *link = ctx;
    zmq_msg_t frames[2];
    int count = 0, more = 1;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, link->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            break;
        }
        more = zmq_msg_more(&frame);
        if (count < 2) {
            zmq_msg_init(&frames[count]);
            zmq_msg_move(&frames[count], &frame);
        }
        zmq_msg_close(&frame);
        count++;
    }
    if (count == 0)
        return false;
    if (count == 2)
        link_dispatch(link, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]),
                      zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]));
    else
        link->client->figures.strays++;
    for (int i = 0; i < MIN(count, 2); i++)
        zmq_msg_close(&frames[i]);
    return true;
}

static void link_writable(void *ctx)
{
    struct client_link *link = ctx;
    link->blocked = false;
    if (link->ping_unsent)
        ping_send(link);
    calls_flush(link->client);
    feeds_flush(link->client);
}

/* Nothing comes back over it any more. */
static void link_fall(struct client_link *link)
{
    link->state = LINK_DOWN;
    link->draining = link->blocked = false;
    link->penalty = 0;
    ping_close(link);
    calls_link_lost(link);
    feeds_link_lost(link->client, link, false);
}

static void link_event(void *ctx, int event, int value)
{
    (void)value;
    struct client_link *link = ctx;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        link->state = LINK_PROBING;
        link->warned = false;
        link->heard_ms = mono_ms();
        ping_close(link);
        ping_open(link);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        if (link->state == LINK_DOWN)
            return;
        link->client->figures.links_lost++;
        /* Answers that came before the break are answers. */
        while (link_receive(link))
            ;
        link_fall(link);
    } else if (!link->warned) {
        link->warned = true;
        log_line(LOG_WARN, "peer refuses our key", LF_TEXT("peer", link->instance));
    }
}

static int link_connect(struct client_link *link)
{
    const struct {
        int name, value;
    } options[] = {
        { ZMQ_LINGER, 0 },
        { ZMQ_IMMEDIATE, 1 },
        { ZMQ_SNDHWM, LINK_SEND_HWM },
        { ZMQ_RCVHWM, LINK_RECEIVE_HWM },
        { ZMQ_RECONNECT_IVL, RECONNECT_MS },
        { ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
    };
    struct client *client = link->client;
    link->socket = zmq_socket(client->context, ZMQ_DEALER);
    if (!link->socket)
        return err_errno(ERR_INTERNAL, zmq_errno(), "DEALER socket");
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (zmq_setsockopt(link->socket, options[i].name, &options[i].value, sizeof(int)) < 0)
            return err_errno(ERR_INTERNAL, zmq_errno(), "socket option %d", options[i].name);
    const int64_t bytes_max = DOOR_FRAME_BYTES_MAX;
    if (zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) < 0 ||
        zmq_setsockopt(link->socket, ZMQ_CURVE_SERVERKEY, link->key, CURVE_KEY_SIZE) < 0 ||
        zmq_setsockopt(link->socket, ZMQ_CURVE_PUBLICKEY, client->keys.public_key, CURVE_KEY_SIZE) <
            0 ||
        zmq_setsockopt(link->socket, ZMQ_CURVE_SECRETKEY, client->keys.secret_key, CURVE_KEY_SIZE) <
            0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "CURVE client");
    int r = monitor_new(&link->monitor, client->loop, client->context, link->socket,
                        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                        link_event, link);
    if (r >= 0)
        r = pump_new(&link->pump, client->loop, link->socket,
                     &(struct pump_handler){
                         .receive = link_receive, .writable = link_writable, .ctx = link });
    if (r >= 0 && zmq_connect(link->socket, link->door) < 0)
        r = err_errno(ERR_INTERNAL, zmq_errno(), "connect %s", link->door);
    return r;
}

static void link_disconnect(struct client_link *link)
{
    pump_free(link->pump);
    monitor_free(link->monitor);
    if (link->socket)
        zmq_close(link->socket);
    link->pump = NULL;
    link->monitor = NULL;
    link->socket = NULL;
}

struct client_link *link_new(struct client *client, struct client_service *service,
                             const struct peer *peer)
{
    struct client_link *link = calloc(1, sizeof(*link));
    assert_always(link);
    link->client = client;
    link->service = service;
    /* The peers file's own limits are no longer than these. */
    snprintf(link->instance, sizeof(link->instance), "%s", peer->instance);
    snprintf(link->door, sizeof(link->door), "%s", peer->door);
    snprintf(link->key, sizeof(link->key), "%s", peer->public_key);
    if (link_connect(link) < 0) {
        link_disconnect(link);
        free(link);
        return NULL;
    }
    return link;
}

void link_free(struct client_link *link)
{
    link_fall(link);
    calls_forget_link(link->client, link);
    feeds_link_lost(link->client, link, true);
    link_disconnect(link);
    free(link);
}

bool link_matches(const struct client_link *link, const struct peer *peer)
{
    return strcmp(link->door, peer->door) == 0 && strcmp(link->key, peer->public_key) == 0;
}

int link_send(struct client_link *link, const struct envelope_request *request, const uint8_t *body,
              size_t body_size)
{
    uint8_t *head;
    size_t head_size;
    struct arena *arena = &link->client->send_arena;
    arena_reset(arena);
    envelope_request_pack(arena, request, &head, &head_size);
    int r = zmq_send(link->socket, head, head_size, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    if (r >= 0) {
        /* The first frame found room for the whole message. */
        assert_always(zmq_send(link->socket, body, body_size, ZMQ_DONTWAIT) >= 0);
        pump_touch(link->pump);
        return 0;
    }
    link->blocked = true;
    pump_want_write(link->pump);
    return err_set(ERR_AGAIN, "%s takes nothing now", link->instance);
}

/* Closed and connected anew: whatever hangs in the old connection is given up. */
static void link_rebuild(struct client_link *link)
{
    link_fall(link);
    link_disconnect(link);
    if (link_connect(link) < 0) {
        log_error_last(LOG_ERROR, "peer cannot be connected to");
        link_disconnect(link);
        link->heard_ms = mono_ms();
    }
}

void link_tick(struct client_link *link, int64_t now_ms)
{
    if (!link->socket && now_ms - link->heard_ms >= RECONNECT_MAX_MS) {
        link_rebuild(link);
    } else if (link->state == LINK_DOWN) {
        return;
    } else if (link->ping &&
               now_ms - MAX(link->ping_sent_ms, link->heard_ms) >= CLIENT_PING_DEADLINE_MS) {
        link->client->figures.pings_unanswered++;
        log_line(LOG_WARN, "peer does not answer", LF_TEXT("peer", link->instance));
        link_rebuild(link);
    } else if (!link->ping && now_ms - link->heard_ms >= CLIENT_PING_EVERY_MS) {
        ping_open(link);
    }
}

bool link_is_suspect(const struct client_link *link, int64_t now_ms)
{
    return link->ping && now_ms - link->ping_sent_ms >= CLIENT_SUSPECT_MS &&
           link->heard_ms < link->ping_sent_ms;
}

struct client_link *link_pick(struct client_service *service, const char *instance,
                              const struct client_link *avoid,
                              bool (*passed_over)(void *ctx, const struct client_link *link),
                              void *ctx)
{
    struct client_link *best = NULL;
    int64_t best_score = INT64_MAX, now = mono_ms();
    unsigned turn = service->turn++;
    for (int i = 0; i < service->link_count; i++) {
        struct client_link *link =
            service->links[(turn + (unsigned)i) % (unsigned)service->link_count];
        bool asked_for = instance && strcmp(link->instance, instance) == 0;
        if (link->state != LINK_UP || link->blocked || (instance && !asked_for) ||
            (link->draining && !asked_for) || passed_over(ctx, link))
            continue;
        int64_t score = (int64_t)link->outstanding + link->penalty +
                        (link_is_suspect(link, now) ? SUSPECT_HANDICAP : 0) +
                        (link == avoid ? AVOID_HANDICAP : 0);
        if (score < best_score) {
            best = link;
            best_score = score;
        }
    }
    return best;
}
