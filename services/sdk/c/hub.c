/* The replicas of one service: opened, chosen among, waited for, asked for signs of life. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "inside.h"

#define IN_FLIGHT_DEFAULT 64
#define IN_FLIGHT_MAX     1000
#define RETRY_MS          1000
#define REBUILD_MS        3000 /* between two tries of a replica that does not take us */

static bool z85_is_good(const char *key)
{
    uint8_t bytes[32];
    bool good = key && strnlen(key, KEY_Z85_SIZE) == KEY_Z85_SIZE - 1 && zmq_z85_decode(bytes, key);
    explicit_bzero(bytes, sizeof(bytes));
    return good;
}

static enum lujian_error keys_check(const struct lujian_options *options, struct problem *why)
{
    char public_key[KEY_Z85_SIZE];
    if (!z85_is_good(options->public_key) || !z85_is_good(options->secret_key))
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "keys",
                           "our keys are not 40 characters of Z85 each");
    if (zmq_curve_public(public_key, options->secret_key) < 0 ||
        memcmp(public_key, options->public_key, KEY_Z85_SIZE) != 0)
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "keys", "our two keys are not a pair");
    for (size_t i = 0; i < options->endpoint_count; i++)
        if (!options->endpoints[i].door || !z85_is_good(options->endpoints[i].server_key))
            return problem_set(why, LUJIAN_INVALID_ARGUMENT, "keys",
                               "endpoint %zu: no door, or a server key that is not Z85", i);
    return LUJIAN_OK;
}

static enum lujian_error options_check(const struct lujian_options *options, struct problem *why)
{
    const char *service = options->service;
    if (options->size < sizeof(struct lujian_options))
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options",
                           "options do not begin with LUJIAN_OPTIONS_INIT");
    if (!service || !*service || strnlen(service, SERVICE_SIZE) == SERVICE_SIZE)
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options", "no service is named");
    if (!options->endpoints || options->endpoint_count < 1 ||
        options->endpoint_count > LUJIAN_ENDPOINTS_MAX)
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options",
                           "%zu endpoints: 1 to %d are wanted", options->endpoint_count,
                           LUJIAN_ENDPOINTS_MAX);
    if (options->in_flight_max > IN_FLIGHT_MAX)
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options", "in_flight_max is at most %d",
                           IN_FLIGHT_MAX);
    return keys_check(options, why);
}

static enum lujian_error links_open(struct hub *hub, const struct lujian_options *options,
                                    struct problem *why)
{
    for (size_t i = 0; i < options->endpoint_count; i++) {
        struct link *link = &hub->links[i];
        link->hub = hub;
        link->trouble = TROUBLE_UNREACHABLE;
        link->door = text_copy(options->endpoints[i].door);
        if (!link->door)
            return problem_set(why, LUJIAN_NO_MEMORY, "no_memory", "no memory");
        strcpy(link->server_key, options->endpoints[i].server_key);
        hub->link_count++;
        if (!link_open(link))
            return problem_set(why, errno == EINVAL ? LUJIAN_INVALID_ARGUMENT : LUJIAN_SYSTEM,
                               "endpoint", "%s: %s", link->door, zmq_strerror(errno));
    }
    return LUJIAN_OK;
}

enum lujian_error hub_open(struct hub *hub, const struct lujian_options *options,
                           struct problem *why)
{
    hub->epoll_fd = -1;
    enum lujian_error error = options_check(options, why);
    if (error)
        return error;
    strcpy(hub->service, options->service);
    strcpy(hub->public_key, options->public_key);
    strcpy(hub->secret_key, options->secret_key);
    hub->in_flight_max = options->in_flight_max ? options->in_flight_max : IN_FLIGHT_DEFAULT;
    hub->context = options->zmq_context;
    if (!hub->context) {
        hub->context = zmq_ctx_new();
        hub->context_is_ours = true;
    }
    /* Callers must not all begin with the same replica; and ids of another life must not return. */
    if (!hub->context || random_bytes(&hub->turn, sizeof(hub->turn)) < 0 ||
        random_bytes(&hub->last_id, sizeof(hub->last_id)) < 0)
        return problem_set(why, LUJIAN_SYSTEM, "system", "libzmq or random: %s", strerror(errno));
    return links_open(hub, options, why);
}

void hub_close(struct hub *hub)
{
    for (size_t i = 0; i < hub->link_count; i++) {
        link_close(&hub->links[i]);
        free(hub->links[i].door);
    }
    hub->link_count = 0;
    if (hub->context && hub->context_is_ours)
        while (zmq_ctx_term(hub->context) < 0 && errno == EINTR)
            ;
    if (hub->epoll_fd >= 0)
        close(hub->epoll_fd);
    explicit_bzero(hub->secret_key, sizeof(hub->secret_key));
}

uint64_t hub_id(struct hub *hub)
{
    hub->last_id++;
    return hub->last_id ? hub->last_id : ++hub->last_id;
}

void hub_retry(struct hub *hub)
{
    for (size_t i = 0; i < hub->link_count; i++)
        if (hub->links[i].trouble == TROUBLE_KEY_REFUSED &&
            now_ms() - hub->links[i].tried_ms >= RETRY_MS) {
            hub->links[i].trouble = TROUBLE_UNREACHABLE;
            link_rebuild(&hub->links[i]);
        }
}

void hub_step(struct hub *hub)
{
    for (size_t i = 0; i < hub->link_count; i++)
        link_step(&hub->links[i]);
}

struct link *hub_pick(struct hub *hub, const struct link *avoid)
{
    struct link *best = NULL;
    size_t turn = hub->turn++;
    for (size_t i = 0; i < hub->link_count; i++) {
        struct link *link = &hub->links[(turn + i) % hub->link_count];
        if (!link->up || link->draining)
            continue;
        bool better = !best || best == avoid ||
                      (link != avoid &&
                       link->outstanding + link->penalty < best->outstanding + best->penalty);
        if (better)
            best = link;
    }
    return best;
}

static bool has_input(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    return socket && zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 &&
           (events & ZMQ_POLLIN);
}

bool hub_has_input(struct hub *hub)
{
    bool any = false;
    for (size_t i = 0; i < hub->link_count; i++) /* each of them: asking consumes edges */
        any |= has_input(hub->links[i].socket) | has_input(hub->links[i].monitor);
    return any;
}

bool hub_wait(struct hub *hub, int64_t until_ms)
{
    zmq_pollitem_t items[2 * LUJIAN_ENDPOINTS_MAX];
    int count = 0;
    for (size_t i = 0; i < hub->link_count; i++) {
        const struct link *link = &hub->links[i];
        if (!link->socket)
            continue; /* it could not be built */
        items[count++] = (zmq_pollitem_t){ .socket = link->socket, .events = ZMQ_POLLIN };
        items[count++] = (zmq_pollitem_t){ .socket = link->monitor, .events = ZMQ_POLLIN };
    }
    int64_t left = MAX_OF(until_ms - now_ms(), 0);
    bool good = zmq_poll(items, count, (long)MIN_OF(left, 60000)) >= 0;
    hub->gone |= !good && errno != EINTR;
    return good;
}

bool hub_is_refused(const struct hub *hub)
{
    for (size_t i = 0; i < hub->link_count; i++)
        if (hub->links[i].trouble != TROUBLE_KEY_REFUSED)
            return false;
    return true;
}

enum lujian_error hub_explain(const struct hub *hub, struct problem *problem)
{
    const struct link *worst = &hub->links[0];
    for (size_t i = 0; i < hub->link_count; i++)
        if (hub->links[i].trouble > worst->trouble)
            worst = &hub->links[i];
    if (hub->gone)
        return problem_set(problem, LUJIAN_SYSTEM, "context", "the libzmq context was terminated");
    switch (worst->trouble) {
    case TROUBLE_KEY_REFUSED:
        return problem_set(
            problem, hub_is_refused(hub) ? LUJIAN_UNAUTHENTICATED : LUJIAN_NOT_EXECUTED,
            "key_refused", "%s refuses our key: the registry does not know it", worst->door);
    case TROUBLE_HANDSHAKE:
        return problem_set(problem, LUJIAN_NOT_EXECUTED, "handshake_failed",
                           "%s does not shake hands: is that its server key?", worst->door);
    case TROUBLE_UNREACHABLE:
        return problem_set(problem, LUJIAN_NOT_EXECUTED, "unreachable", "%s cannot be reached",
                           worst->door);
    default:
        return problem_set(problem, LUJIAN_NOT_EXECUTED, "not_sent", "%s takes nothing now",
                           worst->door);
    }
}

static void ping(struct link *link, int64_t now)
{
    char method[SERVICE_SIZE + 8];
    strcpy(method, link->hub->service);
    strcat(method, ".ping");
    link->ping = hub_id(link->hub);
    link->ping_ms = now;
    const struct head head = { .method = method, .deadline_ms = now + SILENCE_MAX_MS };
    link_send(link, link->ping, &head, NULL, 0); /* sent or not, its time runs */
}

void hub_tick(struct hub *hub, int64_t now)
{
    for (size_t i = 0; i < hub->link_count; i++) {
        struct link *link = &hub->links[i];
        bool given_up = !link->socket || link->trouble >= TROUBLE_HANDSHAKE;
        if (!link->up && given_up && now - link->tried_ms >= REBUILD_MS)
            link_rebuild(link);
        else if (!link->up || link->outstanding == 0)
            continue;
        else if (link->ping && now - MAX_OF(link->ping_ms, link->heard_ms) >= SILENCE_MAX_MS)
            link_rebuild(link);
        else if (!link->ping && now - link->heard_ms >= PING_EVERY_MS)
            ping(link, now);
    }
}
