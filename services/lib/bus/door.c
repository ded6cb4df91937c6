/* The door's sockets: one ROUTER, one PUB, under one ZAP handler in a context of their own.
 *
 * A context has one ZAP endpoint: a door has its own, so that it can be told that the handler
 * stands before the sockets and falls after them. */
#include "bus/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/err.h"
#include "base/rand.h"
#include "bus/door_table.h"
#include "bus/monitor.h"
#include "bus/pump.h"

#define ENDPOINT_MAX       128
#define HANDSHAKE_MS       10000 /* a connection that says nothing is not kept */
#define HEARTBEAT_MS       5000  /* a link cut without a word is noticed and its memory freed */
#define HEARTBEAT_PATIENCE 15000
#define DISCARD_BUDGET     1000 /* frames of an endless message dropped at a time */

#ifdef LUJIAN_FAULT_POINTS
enum door_fault door_fault;
static bool handler_wanted(void)
{
    return door_fault == DOOR_FAULT_NONE;
}
static bool domain_enforced(void)
{
    return door_fault != DOOR_FAULT_NO_HANDLER_NOR_DOMAIN;
}
#else
static bool handler_wanted(void)
{
    return true;
}
static bool domain_enforced(void)
{
    return true;
}
#endif

struct door {
    struct door_options options;
    void *context, *router, *pulse;
    struct zap *zap;
    struct pump *pump;
    struct monitor *monitor;
    struct door_table table;
    bool discarding; /* in the middle of a message with too many frames */
    char endpoint[ENDPOINT_MAX], pulse_endpoint[ENDPOINT_MAX];
    struct door_figures figures;
};

static bool message_more(void *socket)
{
    int more = 0;
    size_t size = sizeof(more);
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    return more;
}

/* Frames are dropped as they come and never held; the loop has its turn between. */
static void door_discard(struct door *door)
{
    for (int i = 0; i < DISCARD_BUDGET && door->discarding; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        int r = zmq_msg_recv(&frame, door->router, ZMQ_DONTWAIT);
        zmq_msg_close(&frame);
        door->discarding = r >= 0 && message_more(door->router);
    }
}

static void door_judge(struct door *door, zmq_msg_t *id, zmq_msg_t *head, zmq_msg_t *body)
{
    const uint8_t *routing_id = zmq_msg_data(id);
    const char *user = zmq_msg_gets(head, "User-Id");
    if (!user || !user[0] || strlen(user) >= DOOR_USER_MAX) {
        door->figures.no_user++;
        return;
    }
    int fd = zmq_msg_get(head, ZMQ_SRCFD);
    if (zmq_msg_size(id) != DOOR_ROUTING_ID_SIZE || routing_id[0] != 0 || fd < 0) {
        door->figures.bad_routing_id++;
        return;
    }
    door->figures.messages++;
    door->figures.bytes += zmq_msg_size(head) + zmq_msg_size(body);
    struct door_address from;
    const struct door_address *known = door_table_find(&door->table, routing_id, fd, user);
    if (known) {
        from = *known;
    } else {
        /* A descriptor's earlier owner left before its new one came: that is known first. */
        monitor_drain(door->monitor);
        from = door_table_bind(&door->table, routing_id, fd, user);
    }
    door->options.on_message(door->options.ctx, &from, zmq_msg_data(head), zmq_msg_size(head),
                             zmq_msg_data(body), zmq_msg_size(body));
}

static bool door_receive(void *ctx)
{
    struct door *door = ctx;
    if (door->discarding) {
        door_discard(door);
        return true;
    }
    zmq_msg_t frames[3];
    int count = 0;
    bool more = true;
    while (more && count < 3) {
        zmq_msg_init(&frames[count]);
        if (zmq_msg_recv(&frames[count], door->router, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frames[count]);
            break;
        }
        count++;
        more = message_more(door->router);
    }
    bool any = count > 0;
    if (count == 3 && !more)
        door_judge(door, &frames[0], &frames[1], &frames[2]);
    else if (any)
        door->figures.bad_frames++;
    door->discarding = any && more;
    while (count > 0)
        zmq_msg_close(&frames[--count]);
    return any;
}

static void door_event(void *ctx, int event, int value)
{
    struct door *door = ctx;
    if (event == ZMQ_EVENT_ACCEPTED) {
        door_table_accepted(&door->table, value);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        door->figures.disconnects++;
        door_table_disconnected(&door->table, value);
    } else {
        door->figures.handshake_failures++;
    }
}

static void door_gone(void *ctx, const struct door_address *who)
{
    struct door *door = ctx;
    if (door->options.on_gone)
        door->options.on_gone(door->options.ctx, who);
}

struct int_option {
    int name, value;
};

static int options_set(void *socket, const struct int_option *options)
{
    for (; options->name; options++)
        if (zmq_setsockopt(socket, options->name, &options->value, sizeof(options->value)) < 0)
            return err_errno(ERR_INTERNAL, zmq_errno(), "socket option %d", options->name);
    return 0;
}

static int maxmsgsize_set(void *socket, int64_t bytes_max)
{
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) < 0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "frame limit");
    return 0;
}

static int socket_bind(void *socket, const char *endpoint, char ret_endpoint[ENDPOINT_MAX])
{
    size_t size = ENDPOINT_MAX;
    if (zmq_bind(socket, endpoint) < 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size) < 0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "bind %s", endpoint);
    return 0;
}

static int router_open(struct door *door)
{
    const struct int_option options[] = {
        { ZMQ_LINGER, 0 }, /* until door_close */
        { ZMQ_ROUTER_MANDATORY, 1 },
        { ZMQ_RCVHWM, DOOR_RECEIVE_HWM },
        { ZMQ_SNDHWM, DOOR_SEND_HWM },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
        { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
        { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_PATIENCE },
        { 0, 0 },
    };
    /* libzmq numbers connections from a rand() that it has seeded with the time. Whoever can guess
     * the numbers can claim one as his own id: he would end the process by it (an assertion of
     * libzmq's) or wait for another's answers. */
    srand((unsigned)rand_u64());
    door->router = zmq_socket(door->context, ZMQ_ROUTER);
    if (!door->router)
        return err_errno(ERR_INTERNAL, zmq_errno(), "ROUTER socket");
    int r = options_set(door->router, options);
    if (r >= 0)
        r = maxmsgsize_set(door->router, DOOR_FRAME_BYTES_MAX);
    if (r >= 0)
        r = zap_guard(door->router, door->options.curve_secret, domain_enforced());
    if (r >= 0)
        r = monitor_new(&door->monitor, door->options.loop, door->context, door->router,
                        ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                        door_event, door);
    if (r >= 0)
        r = socket_bind(door->router, door->options.endpoint, door->endpoint);
    if (r >= 0)
        r = pump_new(&door->pump, door->options.loop, door->router,
                     &(struct pump_handler){ .receive = door_receive, .ctx = door });
    return r;
}

static int pulse_open(struct door *door)
{
    const struct int_option options[] = {
        { ZMQ_LINGER, 0 },
        { ZMQ_SNDHWM, DOOR_PULSE_HWM },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
        { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
        { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_PATIENCE },
        { 0, 0 },
    };
    door->pulse = zmq_socket(door->context, ZMQ_PUB);
    if (!door->pulse)
        return err_errno(ERR_INTERNAL, zmq_errno(), "PUB socket");
    int r = options_set(door->pulse, options);
    if (r >= 0)
        r = maxmsgsize_set(door->pulse, 1024); /* all that comes in is subscriptions */
    if (r >= 0)
        r = zap_guard(door->pulse, door->options.curve_secret, domain_enforced());
    if (r >= 0)
        r = socket_bind(door->pulse, door->options.pulse_endpoint, door->pulse_endpoint);
    return r;
}

static int handler_open(struct door *door)
{
    if (!handler_wanted())
        return 0;
    return zap_open(&door->zap, &(struct zap_options){ .loop = door->options.loop,
                                                       .context = door->context,
                                                       .authenticate = door->options.authenticate,
                                                       .ctx = door->options.ctx });
}

int door_open(struct door **ret, const struct door_options *options)
{
    struct door *door = calloc(1, sizeof(*door));
    assert_always(door);
    door->options = *options;
    door_table_init(&door->table, door_gone, door);
    door->context = zmq_ctx_new();
    assert_always(door->context);
    int r = handler_open(door);
    if (r >= 0)
        r = router_open(door);
    if (r >= 0)
        r = pulse_open(door);
    if (r < 0) {
        door_close(door);
        return r;
    }
    door->options.endpoint = door->options.pulse_endpoint = door->options.curve_secret = NULL;
    *ret = door;
    return 0;
}

static int frame_send(void *socket, const void *data, size_t size, int flags)
{
    return zmq_send(socket, data, size, ZMQ_DONTWAIT | flags);
}

int door_send(struct door *door, const struct door_address *to, const uint8_t *head,
              size_t head_size, const uint8_t *body, size_t body_size)
{
    if (!door_table_holds(&door->table, to)) {
        door->figures.gone++;
        return err_set(ERR_NOT_FOUND, "the peer is gone");
    }
    int r = frame_send(door->router, to->routing_id, DOOR_ROUTING_ID_SIZE, ZMQ_SNDMORE);
    int why = r < 0 ? zmq_errno() : 0;
    if (r >= 0) {
        /* The first frame found room for the whole message: the others cannot fail. */
        assert_always(frame_send(door->router, head, head_size, ZMQ_SNDMORE) >= 0);
        assert_always(frame_send(door->router, body, body_size, 0) >= 0);
    }
    pump_touch(door->pump);
    if (why == EAGAIN) {
        door->figures.slow++;
        return err_set(ERR_AGAIN, "the peer's queue is full");
    }
    if (why) {
        door->figures.gone++;
        return err_set(ERR_NOT_FOUND, "the peer is gone");
    }
    return 0;
}

void door_pulse(struct door *door, const char *stream, const uint8_t *pulse, size_t size)
{
    /* New subscribers are taken in by this call; a send alone may put it off. */
    int events;
    size_t events_size = sizeof(events);
    zmq_getsockopt(door->pulse, ZMQ_EVENTS, &events, &events_size);
    if (frame_send(door->pulse, stream, strlen(stream), ZMQ_SNDMORE) >= 0)
        frame_send(door->pulse, pulse, size, 0);
}

const char *door_endpoint(const struct door *door)
{
    return door->endpoint;
}

const char *door_pulse_endpoint(const struct door *door)
{
    return door->pulse_endpoint;
}

void door_close(struct door *door)
{
    if (!door)
        return;
    pump_free(door->pump);
    monitor_free(door->monitor);
    const int linger = DOOR_LINGER_MS;
    if (door->router) {
        zmq_setsockopt(door->router, ZMQ_LINGER, &linger, sizeof(linger));
        zmq_close(door->router);
    }
    if (door->pulse) {
        zmq_setsockopt(door->pulse, ZMQ_LINGER, &linger, sizeof(linger));
        zmq_close(door->pulse);
    }
    /* Last of all: while a socket stands, the handler does. Connections that still shake hands are
     * not answered. */
    zap_close(door->zap);
    while (zmq_ctx_term(door->context) < 0 && zmq_errno() == EINTR)
        ;
    door_table_clear(&door->table);
    free(door);
}

void door_figures_read(const struct door *door, struct door_figures *ret)
{
    *ret = door->figures;
    ret->refused_keys = door->zap ? zap_refused(door->zap) : 0;
    ret->connections = door->table.by_id.count;
}
