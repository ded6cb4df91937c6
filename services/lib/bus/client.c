/* The client as a whole: what answers belong to, which services are in use, the peers file, the
 * timer. */
#include "bus/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/err.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/time.h"
#include "bus/client_inside.h"

#define PEERS_LOOK_MS       1000
#define CLIENT_SERVICES_MAX 32 /* names that somebody asked for, known or not */
#define TICK_FAST_MS        20 /* while calls are open: how exactly a budget ends */
#define TICK_SLOW_MS        250
#define EXCHANGES_FIRST     256
#define ARENA_SCRAPS_BYTES  ((size_t)64 * 1024)

static void exchanges_grow(struct client *client)
{
    uint32_t count = client->exchange_count ? client->exchange_count * 2 : EXCHANGES_FIRST;
    client->exchanges = realloc(client->exchanges, count * sizeof(client->exchanges[0]));
    assert_always(client->exchanges);
    uint32_t from = client->exchange_count ? client->exchange_count : 1;
    for (uint32_t i = count - 1; i >= from; i--) {
        /* Ids of an earlier life of this process must not meet those of this one. */
        client->exchanges[i] = (struct exchange){ .generation = (uint32_t)rand_u64(),
                                                  .next_free = client->exchange_free };
        client->exchange_free = i;
    }
    client->exchange_count = count;
}

uint64_t exchange_open(struct client *client, enum exchange_kind kind, struct client_link *link,
                       void *owner)
{
    if (!client->exchange_free)
        exchanges_grow(client);
    uint32_t place = client->exchange_free;
    struct exchange *x = &client->exchanges[place];
    client->exchange_free = x->next_free;
    x->generation++;
    x->kind = kind;
    x->link = link;
    x->owner = owner;
    return (uint64_t)x->generation << 32 | place;
}

struct exchange *exchange_find(struct client *client, uint64_t id)
{
    uint32_t place = (uint32_t)id;
    if (place == 0 || place >= client->exchange_count)
        return NULL;
    struct exchange *x = &client->exchanges[place];
    return x->kind != EXCHANGE_FREE && x->generation == (uint32_t)(id >> 32) ? x : NULL;
}

void exchange_close(struct client *client, uint64_t id)
{
    struct exchange *x = exchange_find(client, id);
    assert_always(x);
    x->kind = EXCHANGE_FREE;
    x->next_free = client->exchange_free;
    client->exchange_free = (uint32_t)id;
}

static bool peer_is_of(const struct client_service *service, const struct peer *peer)
{
    return peer->door[0] && strcmp(peer->service, service->name) == 0;
}

static struct client_link *service_link(struct client_service *service, const char *instance)
{
    for (int i = 0; i < service->link_count; i++)
        if (strcmp(service->links[i]->instance, instance) == 0)
            return service->links[i];
    return NULL;
}

static void service_remove_link(struct client_service *service, int at)
{
    struct client_link *link = service->links[at];
    service->links[at] = service->links[--service->link_count];
    link_free(link);
}

/* Links as the peers file has them: a replaced key or port makes a new one. */
static void service_sync(struct client *client, struct client_service *service)
{
    for (int i = service->link_count - 1; i >= 0; i--) {
        const struct peer *peer = peers_by_instance(&client->peers, service->links[i]->instance);
        if (!peer || !peer_is_of(service, peer) || !link_matches(service->links[i], peer))
            service_remove_link(service, i);
    }
    for (int i = 0; i < client->peers.count; i++) {
        const struct peer *peer = &client->peers.items[i];
        if (!peer_is_of(service, peer) || strcmp(peer->instance, client->instance) == 0 ||
            service_link(service, peer->instance))
            continue;
        struct client_link *link = link_new(client, service, peer);
        if (!link) {
            log_error_last(LOG_ERROR, "peer cannot be connected to");
            continue;
        }
        service->links =
            realloc(service->links, (size_t)(service->link_count + 1) * sizeof(service->links[0]));
        assert_always(service->links);
        service->links[service->link_count++] = link;
    }
}

struct client_service *client_service_get(struct client *client, const char *name)
{
    int count = 0;
    for (struct client_service *s = client->services; s; s = s->next, count++)
        if (strcmp(s->name, name) == 0)
            return s;
    if (count == CLIENT_SERVICES_MAX || strlen(name) >= CLIENT_NAME_MAX)
        return NULL;
    struct client_service *service = calloc(1, sizeof(*service));
    assert_always(service);
    strcpy(service->name, name);
    service->next = client->services;
    client->services = service;
    service_sync(client, service);
    pulses_sync(client);
    return service;
}

static struct client_file file_state(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return (struct client_file){ 0 };
    return (struct client_file){
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .size = (int64_t)st.st_size,
        .inode = (uint64_t)st.st_ino,
    };
}

/* A file that cannot be read changes nothing: the links stand as they stood. */
static void peers_look(struct client *client)
{
    struct client_file now = file_state(client->peers_path);
    if (now.mtime_ns == client->peers_file.mtime_ns && now.size == client->peers_file.size &&
        now.inode == client->peers_file.inode)
        return;
    client->peers_file = now;
    struct peers peers;
    if (peers_read(client->peers_path, &peers) < 0) {
        log_error_last(LOG_WARN, "peers file not taken over");
        return;
    }
    peers_clear(&client->peers);
    client->peers = peers;
    for (struct client_service *s = client->services; s; s = s->next)
        service_sync(client, s);
    pulses_sync(client);
    calls_flush(client);
    feeds_flush(client);
}

static void timer_set(struct client *client, bool fast)
{
    client->timer_fast = fast;
    uint64_t every = fast ? TICK_FAST_MS : TICK_SLOW_MS;
    loop_timer_start(client->timer, every, every);
}

void client_wake(struct client *client)
{
    client->timer_used = true;
    if (!client->timer_fast)
        timer_set(client, true);
}

static void client_tick(void *ctx)
{
    struct client *client = ctx;
    int64_t now = mono_ms();
    if (now - client->peers_looked_ms >= PEERS_LOOK_MS) {
        client->peers_looked_ms = now;
        peers_look(client);
        /* Fine ticks go on for a while after the last call: starting a timer for every call costs
         * more. */
        if (client->timer_fast && !client->timer_used && !client->calls)
            timer_set(client, false);
        client->timer_used = false;
    }
    for (struct client_service *s = client->services; s; s = s->next)
        for (int i = 0; i < s->link_count; i++)
            link_tick(s->links[i], now);
    calls_tick(client, now);
    client_feeds_tick(client, now);
}

int client_open(struct client **ret, const struct client_options *options)
{
    if (!curve_key_check(options->curve_public) || !curve_key_check(options->curve_secret))
        return err_set(ERR_INVALID_ARGUMENT, "the client's keys are not CURVE keys");
    struct client *client = calloc(1, sizeof(*client));
    assert_always(client);
    client->loop = options->loop;
    client->on_pulse = options->on_pulse;
    client->ctx = options->ctx;
    strcpy(client->keys.public_key, options->curve_public);
    strcpy(client->keys.secret_key, options->curve_secret);
    snprintf(client->service, sizeof(client->service), "%s",
             options->service ? options->service : "");
    snprintf(client->instance, sizeof(client->instance), "%s",
             options->instance ? options->instance : "");
    snprintf(client->peers_path, sizeof(client->peers_path), "%s", options->peers_path);
    arena_init(&client->arena, ARENA_SCRAPS_BYTES);
    arena_init(&client->send_arena, 0);
    arena_init(&client->peers.arena, 0);
    client->peers_file = file_state(client->peers_path);
    client->context = zmq_ctx_new();
    assert_always(client->context);
    client->timer = loop_timer_new(client->loop, client_tick, client);
    int r = peers_read(client->peers_path, &client->peers);
    if (r >= 0)
        r = pulses_open(client);
    if (r < 0) {
        client_close(client);
        return r;
    }
    pulses_sync(client);
    timer_set(client, false);
    *ret = client;
    return 0;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    assert_always(!client->feeds);
    loop_timer_free(client->timer);
    calls_end_all(client);
    struct client_service *next;
    for (struct client_service *s = client->services; s; s = next) {
        next = s->next;
        while (s->link_count)
            service_remove_link(s, s->link_count - 1);
        free(s->links);
        free(s);
    }
    pulses_close(client);
    while (zmq_ctx_term(client->context) < 0 && zmq_errno() == EINTR)
        ;
    peers_clear(&client->peers);
    arena_clear(&client->arena);
    arena_clear(&client->send_arena);
    free(client->exchanges);
    explicit_bzero(&client->keys, sizeof(client->keys));
    free(client);
}

int client_replicas_up(const struct client *client, const char *service)
{
    int up = 0;
    for (const struct client_service *s = client->services; s; s = s->next)
        if (strcmp(s->name, service) == 0)
            for (int i = 0; i < s->link_count; i++)
                up += s->links[i]->state == LINK_UP;
    return up;
}

void client_figures_read(const struct client *client, struct client_figures *ret)
{
    *ret = client->figures;
}

/* A thread that waits for its call. */
struct waiter {
    struct client *client;
    const struct client_call *call;
    struct arena *arena;
    struct client_answer *answer;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
};

static void waiter_done(void *ctx, const struct client_answer *answer)
{
    struct waiter *w = ctx;
    pthread_mutex_lock(&w->mutex);
    /* Its owner waits under this mutex: the arena is ours meanwhile. */
    *w->answer = *answer;
    if (answer->head)
        w->answer->head = arena_memdup(w->arena, answer->head, answer->head_size);
    if (answer->body)
        w->answer->body = arena_memdup(w->arena, answer->body, answer->body_size);
    w->answer->instance = arena_strdup(w->arena, answer->instance);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
}

static void waiter_start(void *arg)
{
    struct waiter *w = arg;
    client_call_async(w->client, w->call, waiter_done, w);
}

int client_call_wait(struct client *client, const struct client_call *call, struct arena *arena,
                     struct client_answer *ret_answer)
{
    struct waiter w = { .client = client, .call = call, .arena = arena, .answer = ret_answer };
    pthread_mutex_init(&w.mutex, NULL);
    pthread_cond_init(&w.ended, NULL);
    loop_post(client->loop, waiter_start, &w);
    pthread_mutex_lock(&w.mutex);
    while (!w.done)
        pthread_cond_wait(&w.ended, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.ended);
    pthread_mutex_destroy(&w.mutex);
    return ret_answer->code;
}
