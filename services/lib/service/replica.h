/* Private to service/: a running replica and its parts. */
#ifndef LUJIAN_SERVICE_REPLICA_H
#define LUJIAN_SERVICE_REPLICA_H

#include <stdatomic.h>

#include "base/sha.h"
#include "bus/client.h"
#include "bus/door.h"
#include "cache/cache.h"
#include "call/calls.h"
#include "http/http.h"
#include "log/tail.h"
#include "loop/loop.h"
#include "lujian/bus/v1/node.lj.h"
#include "reference/mirror.h"
#include "service/alarm.h"
#include "service/service.h"
#include "service/settings.h"

#define SERVICE_MODULES_MAX   8
#define SERVICE_LINKS_MAX     16
#define SERVICE_PLACE_BYTES   8
#define SERVICE_FOLLOWERS_MAX 8
#define TICK_MS               100
#define PULSE_IDLE_MS         1000
#define COUNT_EVERY_MS        10000
#define TAIL_PAUSE_MAX_MS     50

struct dead_letter_replay;
struct feeds;
struct follower;

struct service {
    const struct service_definition *definition;
    struct conf conf;
    struct settings settings;
    uint8_t page_keys[2][SHA256_SIZE]; /* the first seals, all open */
    int page_key_count;
    char place[2 * SERVICE_PLACE_BYTES + 1]; /* which database this is, digested: in cache keys */
    const struct pg_module *modules[SERVICE_MODULES_MAX + 1];
    struct pg_options pg;
    struct {
        struct pg_options options;
        char name[80];
    } links[SERVICE_LINKS_MAX];
    int link_count;

    struct loop *loop;
    struct loop_signals *signals;
    struct loop_timer *tick, *wake_timer;
    struct client *client;
    struct callers *callers;
    struct mirror *mirror;
    struct http_server *admin;
    struct alarms alarms;

    /* NULL in a service without methods of its own: the edge */
    struct calls *calls;
    struct cache *cache; /* NULL = none */
    struct door *door;
    struct tail *tail;
    _Atomic(struct feeds *) feeds;           /* the tail's thread wakes them */
    _Atomic(struct clock_scanner *) scanner; /* the mirror's thread wakes it too */
    struct follower *followers[SERVICE_FOLLOWERS_MAX];
    int follower_count;

    /* the node's methods, made for this service's name */
    struct method_handler node_methods[10];
    struct loop_handler loop_methods[8];

    /* the loop thread's own */
    int64_t pulsed_at_ms, woken_at_ms, offset_seen_ms, drain_began_ms, last_arrival_ms;
    int64_t counted_at_ms;
    bool counting;
    atomic_bool pulse_posted, wake_posted, draining;
    atomic_int tail_found; /* events in its last slice that had any */
};

/* database.c: migrations, the stream, the mirror; ERR_AGAIN where it was told to stop before they
 * were done. */
int database_open(struct service *s, bool migrate_only);
/* Sets the cursor that the settings name, as an operator's `rebase` does through a door: an edge
 * has none. Running replicas go on from there. */
int database_rebase(struct service *s);
/* The options of a connection that is named after its purpose; they live as long as the replica. */
const struct pg_options *service_link(struct service *s, const char *purpose);

/* caches.c: opens the cache, where one is configured. */
int caches_open(struct service *s);
void caches_metrics(struct buf *out, const struct service *s);

/* page_token.c: the key of page tokens, from keys-dir. */
int page_key_load(struct service *s);

/* node.c: ping, time, status and what else every service answers. */
void node_methods_build(struct service *s);
const struct method_handler *node_status(const struct service *s);
/* What the replica knows of itself without asking anybody; on the loop thread. */
void node_status_own(struct service *s, struct arena *arena, StatusResponse *out);

/* stream.c: the tail, the pulse, the feeds, what is heard of siblings. */
int stream_start(struct service *s);
void stream_drain(struct service *s); /* ends the feeds: their readers go to other replicas */
void stream_stop(struct service *s);
void stream_pulse(struct service *s);
void stream_on_commit(void *ctx, int64_t head);
void stream_on_pulse(void *ctx, const uint8_t *pulse, size_t size);
void stream_on_gone(struct service *s, const struct door_address *who);
int stream_pull(struct request *rq, const void *in, void *out);
void stream_follow(void *ctx, struct call *call);
void stream_credit(void *ctx, struct call *call);
void stream_unfollow(void *ctx, struct call *call);
void stream_metrics(struct buf *out, const struct service *s);

/* follow.c: the consumers of other streams, the mirror among them. */
int follow_start(struct service *s);
bool follow_is_own(const struct service_definition *definition); /* is its own stream among them? */
void follow_stop(struct service *s);
void follow_close_feeds(struct service *s); /* before the client is closed */
void follow_free(struct service *s);        /* after it */
struct follower *follow_find(const struct service *s, const char *stream);
int follow_replay(struct follower *f, struct request *rq, const char *subject,
                  struct dead_letter_replay *ret);
void follow_wake(struct follower *f);

/* operator.c */
int operator_consumers(struct request *rq, StatusResponse *out);
int operator_list_dead_letters(struct request *rq, const void *in, void *out);
int operator_replay(struct request *rq, const void *in, void *out);
int operator_rebase(struct request *rq, const void *in, void *out);

/* operator_clocks.c */
int operator_recompute(struct request *rq, const void *in, void *out);
int operator_apply_recompute(struct request *rq, const void *in, void *out);

/* admin.c */
int admin_open(struct service *s);
/* Why the replica is not ready; NULL = it is. */
const char *admin_not_ready(const struct service *s);

/* drain.c */
void drain_begin(struct service *s);
void drain_tick(struct service *s);

#endif
