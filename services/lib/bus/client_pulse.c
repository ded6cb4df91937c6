/* Pulses: one SUB socket for all peers of the services in use and for our own siblings. A pulse
 * tells that its replica drains; what else it tells is the listener's business. */
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "bus/client_inside.h"
#include "lujian/bus/v1/envelope.lj.h"

#define PULSE_HWM          1000
#define PULSE_BYTES_MAX    4096
#define RECONNECT_MS       100
#define RECONNECT_MAX_MS   1000
#define CONNECT_MS         2000
#define HEARTBEAT_MS       2000 /* nobody answers a SUB: a dead link shows by this alone */
#define HEARTBEAT_PATIENCE 5000

struct pulse_source {
    char endpoint[CLIENT_ENDPOINT_MAX], key[CURVE_KEY_SIZE];
    bool wanted;
};

struct client_pulses {
    void *socket;
    struct pump *pump;
    struct pulse_source sources[PEERS_MAX];
    int count;
};

static void pulse_take(struct client *client, const uint8_t *data, size_t size)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    arena_reset(&client->arena);
    if (wire_unpack(&pulse_rules, &client->arena, data, size, &message, &fault) < 0) {
        log_error_last(LOG_WARN, "pulse not understood");
        return;
    }
    const Pulse *pulse = (const Pulse *)(void *)message;
    bool draining = pulse->draining;
    for (struct client_service *s = client->services; s; s = s->next)
        for (int i = 0; i < s->link_count; i++)
            if (strcmp(s->links[i]->instance, pulse->instance) == 0 &&
                s->links[i]->state != LINK_DOWN) {
                link_set_draining(s->links[i], draining);
                goto told;
            }
told:
    if (client->on_pulse)
        client->on_pulse(client->ctx, data, size);
}

static bool pulse_receive(void *ctx)
{
    struct client *client = ctx;
    void *socket = client->pulses->socket;
    uint8_t data[PULSE_BYTES_MAX];
    int size = 0, count = 0, more = 1;
    while (more) {
        size = zmq_recv(socket, data, sizeof(data), ZMQ_DONTWAIT);
        if (size < 0)
            return false;
        size_t more_size = sizeof(more);
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
        count++;
    }
    if (count == 2 && (size_t)size <= sizeof(data)) /* the stream's name, then the pulse */
        pulse_take(client, data, (size_t)size);
    return true;
}

int pulses_open(struct client *client)
{
    const struct {
        int name, value;
    } options[] = {
        { ZMQ_LINGER, 0 },
        { ZMQ_RCVHWM, PULSE_HWM },
        { ZMQ_RECONNECT_IVL, RECONNECT_MS },
        { ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
        { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
        { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_PATIENCE },
    };
    struct client_pulses *p = calloc(1, sizeof(*p));
    assert_always(p);
    client->pulses = p;
    p->socket = zmq_socket(client->context, ZMQ_SUB);
    if (!p->socket)
        return err_errno(ERR_INTERNAL, zmq_errno(), "SUB socket");
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (zmq_setsockopt(p->socket, options[i].name, &options[i].value, sizeof(int)) < 0)
            return err_errno(ERR_INTERNAL, zmq_errno(), "socket option %d", options[i].name);
    const int64_t bytes_max = PULSE_BYTES_MAX;
    if (zmq_setsockopt(p->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) < 0 ||
        zmq_setsockopt(p->socket, ZMQ_SUBSCRIBE, "", 0) < 0 ||
        zmq_setsockopt(p->socket, ZMQ_CURVE_PUBLICKEY, client->keys.public_key, CURVE_KEY_SIZE) <
            0 ||
        zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, client->keys.secret_key, CURVE_KEY_SIZE) < 0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "SUB socket's options");
    return pump_new(&p->pump, client->loop, p->socket,
                    &(struct pump_handler){ .receive = pulse_receive, .ctx = client });
}

void pulses_close(struct client *client)
{
    struct client_pulses *p = client->pulses;
    if (!p)
        return;
    pump_free(p->pump);
    if (p->socket)
        zmq_close(p->socket);
    free(p);
    client->pulses = NULL;
}

static bool source_is_wanted(const struct client *client, const struct peer *peer)
{
    if (!peer->pulse[0] || strcmp(peer->instance, client->instance) == 0)
        return false;
    if (strcmp(peer->service, client->service) == 0)
        return true;
    for (const struct client_service *s = client->services; s; s = s->next)
        if (strcmp(s->name, peer->service) == 0)
            return true;
    return false;
}

static struct pulse_source *source_find(struct client_pulses *p, const struct peer *peer)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->sources[i].endpoint, peer->pulse) == 0 &&
            strcmp(p->sources[i].key, peer->public_key) == 0)
            return &p->sources[i];
    return NULL;
}

static void source_connect(struct client_pulses *p, const struct peer *peer)
{
    struct pulse_source *source = &p->sources[p->count];
    snprintf(source->endpoint, sizeof(source->endpoint), "%s", peer->pulse);
    snprintf(source->key, sizeof(source->key), "%s", peer->public_key);
    source->wanted = true;
    /* The key counts for the connections made after it. */
    if (zmq_setsockopt(p->socket, ZMQ_CURVE_SERVERKEY, source->key, CURVE_KEY_SIZE) < 0 ||
        zmq_connect(p->socket, source->endpoint) < 0) {
        err_errno(ERR_INTERNAL, zmq_errno(), "connect %s", source->endpoint);
        log_error_last(LOG_ERROR, "peer's pulse cannot be heard");
        return;
    }
    p->count++;
}

void pulses_sync(struct client *client)
{
    struct client_pulses *p = client->pulses;
    if (!p)
        return;
    for (int i = 0; i < p->count; i++)
        p->sources[i].wanted = false;
    for (int i = 0; i < client->peers.count; i++) {
        struct pulse_source *source = source_find(p, &client->peers.items[i]);
        if (source && source_is_wanted(client, &client->peers.items[i]))
            source->wanted = true;
    }
    for (int i = p->count - 1; i >= 0; i--) {
        if (p->sources[i].wanted)
            continue;
        zmq_disconnect(p->socket, p->sources[i].endpoint);
        p->sources[i] = p->sources[--p->count];
    }
    for (int i = 0; i < client->peers.count && p->count < PEERS_MAX; i++)
        if (source_is_wanted(client, &client->peers.items[i]) &&
            !source_find(p, &client->peers.items[i]))
            source_connect(p, &client->peers.items[i]);
    pump_touch(p->pump);
}
