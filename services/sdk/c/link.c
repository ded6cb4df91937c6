/* One link to one replica: a DEALER and its monitor. Up when hands are shaken; when it falls, what
 * was open on it has no answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "inside.h"

#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 1000
#define CONNECT_MS       2000 /* a host that does not answer at all is tried again */
#define HANDSHAKE_MS     10000
#define EVENT_BYTES      6 /* 16 bits of event, 32 of value, in the machine's order */

#define EVENTS                                                                                     \
    (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |                \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                       \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)

static bool set_int(void *socket, int name, int value)
{
    return zmq_setsockopt(socket, name, &value, sizeof(value)) == 0;
}

static bool socket_make(struct link *link)
{
    const struct {
        int name, value;
    } options[] = {
        { ZMQ_LINGER, 0 },
        { ZMQ_IMMEDIATE, 1 },
        { ZMQ_RECONNECT_IVL, RECONNECT_MS },
        { ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
    };
    const struct hub *hub = link->hub;
    const int64_t bytes_max = FRAME_BYTES_MAX;
    void *s = link->socket = zmq_socket(hub->context, ZMQ_DEALER);
    bool good = s != NULL;
    for (size_t i = 0; good && i < ARRAY_LEN(options); i++)
        good = set_int(s, options[i].name, options[i].value);
    return good && zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, link->server_key, KEY_Z85_SIZE) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, hub->public_key, KEY_Z85_SIZE) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, hub->secret_key, KEY_Z85_SIZE) == 0;
}

/* Never a name of before: libzmq gives an endpoint up some time after its socket is closed. No
 * limit on its queue: a full pipe would block libzmq's own thread, and us when we stop it. */
static bool monitor_make(struct link *link)
{
    uint64_t number;
    char endpoint[48];
    if (random_bytes(&number, sizeof(number)) < 0)
        return false;
    snprintf(endpoint, sizeof(endpoint), "inproc://lujian-%016llx", (unsigned long long)number);
    if (zmq_socket_monitor(link->socket, endpoint, EVENTS) < 0)
        return false;
    link->monitor = zmq_socket(link->hub->context, ZMQ_PAIR);
    return link->monitor && set_int(link->monitor, ZMQ_LINGER, 0) &&
           set_int(link->monitor, ZMQ_RCVHWM, 0) && zmq_connect(link->monitor, endpoint) == 0;
}

static bool watch(struct hub *hub, void *socket, int *fd)
{
    size_t size = sizeof(*fd);
    struct epoll_event event = { .events = EPOLLIN };
    if (zmq_getsockopt(socket, ZMQ_FD, fd, &size) == 0 &&
        epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, *fd, &event) == 0)
        return true;
    *fd = -1;
    return false;
}

bool link_watch(struct link *link)
{
    return watch(link->hub, link->socket, &link->socket_fd) &&
           watch(link->hub, link->monitor, &link->monitor_fd);
}

bool link_open(struct link *link)
{
    link->socket_fd = link->monitor_fd = -1;
    link->up = link->draining = false;
    link->outstanding = link->penalty = 0;
    link->ping = 0;
    link->tried_ms = link->heard_ms = now_ms();
    if (socket_make(link) && monitor_make(link) && zmq_connect(link->socket, link->door) == 0 &&
        (link->hub->epoll_fd < 0 || link_watch(link)))
        return true;
    int error = errno;
    link_close(link);
    errno = error;
    return false;
}

static void unwatch(const struct hub *hub, int *fd)
{
    if (*fd >= 0)
        epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
    *fd = -1;
}

void link_close(struct link *link)
{
    unwatch(link->hub, &link->socket_fd);
    unwatch(link->hub, &link->monitor_fd);
    if (link->socket) {
        zmq_socket_monitor(link->socket, NULL, 0);
        zmq_close(link->socket);
    }
    if (link->monitor)
        zmq_close(link->monitor);
    link->socket = link->monitor = NULL;
}

static void link_fall(struct link *link)
{
    bool was_up = link->up;
    link->up = link->draining = false;
    link->ping = 0;
    link->outstanding = 0;
    if (was_up)
        link->hub->on_lost(link->hub->owner, link);
}

/* Closed and connected anew: whatever hangs in the old connection is given up. Where that fails it
 * is tried again by and by. */
void link_rebuild(struct link *link)
{
    link_fall(link);
    link_close(link);
    link_open(link);
    link->tried_ms = now_ms();
}

static void take(struct link *link, zmq_msg_t *first, zmq_msg_t *second)
{
    struct hub *hub = link->hub;
    ResponseHead *head =
        (void *)protobuf_c_message_unpack(&lujian__bus__v1__response_head__descriptor, NULL,
                                          zmq_msg_size(first), zmq_msg_data(first));
    if (!head)
        return;
    link->heard_ms = now_ms();
    if (link->ping && head->id == link->ping) {
        link->ping = 0;
    } else {
        struct answer answer = { link, head, zmq_msg_data(second), zmq_msg_size(second) };
        hub->on_answer(hub->owner, &answer);
        head = answer.head;
    }
    if (head)
        protobuf_c_message_free_unpacked(&head->base, NULL);
}

/* One message; what has not two parts is no answer. False = there is none. */
static bool receive(struct link *link)
{
    zmq_msg_t parts[3]; /* the last is for what nobody asked for */
    int count = 0, more = 1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        zmq_msg_init(&parts[i]);
    while (more) {
        zmq_msg_t *part = &parts[MIN_OF(count, 2)];
        if (zmq_msg_recv(part, link->socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(part);
        count++;
    }
    if (count == 2)
        take(link, &parts[0], &parts[1]);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        zmq_msg_close(&parts[i]);
    return count > 0;
}

static void receive_all(struct link *link)
{
    while (!link->hub->full && link->socket && receive(link))
        ;
}

static void happened(struct link *link, int event)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        link->up = true;
        link->trouble = TROUBLE_NONE;
        link->heard_ms = now_ms();
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        link->trouble = TROUBLE_KEY_REFUSED;
        break;
    case ZMQ_EVENT_CONNECTED:
        link->tried_ms = now_ms();
        __attribute__((fallthrough));
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        if (link->trouble != TROUBLE_KEY_REFUSED)
            link->trouble = TROUBLE_HANDSHAKE;
        break;
    default:               /* DISCONNECTED */
        receive_all(link); /* answers that came before the break are answers */
        if (link->up)
            link->trouble = TROUBLE_UNREACHABLE;
        link_fall(link);
    }
}

static bool monitor_receive(struct link *link)
{
    uint8_t event[EVENT_BYTES];
    uint16_t number;
    int more = 1;
    size_t more_size = sizeof(more);
    int size = zmq_recv(link->monitor, event, sizeof(event), ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    while (zmq_getsockopt(link->monitor, ZMQ_RCVMORE, &more, &more_size) == 0 && more)
        if (zmq_recv(link->monitor, NULL, 0, ZMQ_DONTWAIT) < 0) /* the endpoint's text */
            break;
    memcpy(&number, event, sizeof(number));
    if (size == EVENT_BYTES)
        happened(link, number);
    return true;
}

void link_step(struct link *link)
{
    while (link->monitor && monitor_receive(link))
        ;
    receive_all(link);
}

bool link_send(struct link *link, uint64_t id, const struct head *head, const void *body,
               size_t size)
{
    RequestHead message = REQUEST_HEAD_INIT;
    message.id = id;
    message.method = text_borrowed(head->method);
    message.key = text_borrowed(head->key);
    message.if_version = head->if_version;
    int64_t left = head->deadline_ms == INT64_MAX ? BUDGET_MAX_MS : head->deadline_ms - now_ms();
    message.budget_ms = (uint32_t)MAX_OF(MIN_OF(left, BUDGET_MAX_MS), 1);
    uint8_t bytes[512];
    if (protobuf_c_message_get_packed_size(&message.base) > sizeof(bytes))
        return false; /* never: method and key have their limits */
    size_t head_size = protobuf_c_message_pack(&message.base, bytes);
    zmq_msg_t second; /* made first: the second part must not fail when the first has gone */
    if (zmq_msg_init_size(&second, size) < 0)
        return false;
    if (size)
        memcpy(zmq_msg_data(&second), body, size);
    if (zmq_send(link->socket, bytes, head_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 ||
        zmq_msg_send(&second, link->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&second);
        return false;
    }
    return true;
}

void link_occupy(struct link *link)
{
    if (link->outstanding++ == 0)
        link->heard_ms = MAX_OF(link->heard_ms, now_ms());
}

void link_release(struct link *link)
{
    if (link->outstanding > 0 && --link->outstanding == 0)
        link->ping = 0;
}
