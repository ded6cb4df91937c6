/* The client side of the bus, on a loop thread: one DEALER a peer replica, least outstanding first,
 * a breaker and an application ping for each, and open feeds that survive a replica.
 *
 * peers.ini is re-read on change. A call has one outcome: an answer, NOT_EXECUTED (never sent, or
 * refused so by every peer that was asked), or OUTCOME_UNKNOWN (sent, and its time ran out).
 *
 * When a call is sent again, within its budget and under its key, to another replica where there is
 * one:
 *   - at once, when the link it was sent by breaks, or the replica is silent for
 * CLIENT_PING_DEADLINE_MS;
 *   - after a growing pause, when the answer is NOT_EXECUTED or OUTCOME_UNKNOWN;
 *   - beside the first (a hedge, once at a time), when its replica is suspect, that is, a ping has
 * been open for CLIENT_SUSPECT_MS, or when half of its budget and CLIENT_HEDGE_MS have passed. The
 * first answer counts.
 *   - IN_PROGRESS is an answer to who has asked once; after an earlier sending it is our own echo,
 * and is waited out. A query has no effect and a command has a key, so sending twice is safe. */
#ifndef LUJIAN_BUS_CLIENT_H
#define LUJIAN_BUS_CLIENT_H

#include "bus/peers.h"
#include "loop/loop.h"
#include "wire/wire.h"

#define CLIENT_BUDGET_DEFAULT_MS 10000
#define CLIENT_CALLS_MAX         20000 /* open at a time; more are NOT_EXECUTED */
#define CLIENT_BODY_MAX          (1024 * 1024 + 32 * 1024)
#define CLIENT_PING_EVERY_MS     1000 /* of silence */
#define CLIENT_SUSPECT_MS        500
#define CLIENT_PING_DEADLINE_MS  3000
#define CLIENT_HEDGE_MS          2000
#define CLIENT_FEED_SILENCE_MS   3000

struct client;

struct client_options {
    struct loop *loop;
    const char *peers_path;
    const char *curve_public, *curve_secret; /* ours, Z85 */
    /* Our own service, whose siblings' pulses are heard from the start, and our own instance, which
     * is never called. NULL = none. Pulses of other services are heard from the first call or feed
     * on. */
    const char *service, *instance;
    /* An encoded Pulse; may be NULL. */
    void (*on_pulse)(void *ctx, const uint8_t *pulse, size_t size);
    void *ctx;
};

int client_open(struct client **ret, const struct client_options *options);
/* Open calls end first, as NOT_EXECUTED or OUTCOME_UNKNOWN; feeds must be closed before. Not within
 * a callback. */
void client_close(struct client *client);

struct client_call {
    const char *service;  /* "complaints" */
    const char *instance; /* NULL = any replica of the service */
    const char *method;   /* "complaints.file" */
    const char *key;      /* idempotency key; NULL for queries */
    const char *on_behalf;
    const char *traceparent;
    int64_t if_version;
    uint32_t budget_ms; /* 0 = CLIENT_BUDGET_DEFAULT_MS */
    const uint8_t *body;
    size_t body_size;
};

struct client_answer {
    int code;                   /* 0, or the enum err of the problem */
    const uint8_t *head, *body; /* encoded ResponseHead and response; NULL where no answer came */
    size_t head_size, body_size;
    const char *instance; /* who answered, or "" */
};

/* Calls `done` exactly once, on the loop thread, never before it returns. What `call` points to is
 * copied. */
void client_call_async(struct client *client, const struct client_call *call,
                       void (*done)(void *ctx, const struct client_answer *answer), void *ctx);
/* The same from a thread that is not the loop's: waits. The answer's bytes are copied into the
 * arena. Returns the answer's code. The loop must run until it returns. */
int client_call_wait(struct client *client, const struct client_call *call, struct arena *arena,
                     struct client_answer *ret_answer);

/* A followed stream. Frames come on the loop thread; credit is granted by client_feed_credit as
 * they are consumed. The feed reopens elsewhere at its last `through` when its replica breaks,
 * drains, or sends no frame for CLIENT_FEED_SILENCE_MS. No event comes twice and none is left out.
 */
struct client_feed;
struct client_feed_options {
    const char *service;
    const char *after; /* cursor or "" */
    const char *division;
    const char *const *types; /* NULL-terminated or NULL */
    const char *on_behalf;
    uint32_t credit;
    /* `body` is an encoded FollowResponse. */
    void (*on_frame)(void *ctx, const uint8_t *body, size_t body_size);
    /* The feed ended for good: cursor_mismatch, permission_denied, ... It still wants to be closed.
     */
    void (*on_end)(void *ctx, int code, const uint8_t *head, size_t head_size);
    void *ctx;
};
int client_feed_open(struct client_feed **ret, struct client *client,
                     const struct client_feed_options *options);
void client_feed_credit(struct client_feed *feed, uint32_t credit);
void client_feed_close(struct client_feed *feed); /* allowed in its own callbacks; NULL is fine */

/* Replicas of the service that answer pings now. */
int client_replicas_up(const struct client *client, const char *service);

struct client_figures {
    uint64_t calls, resent, hedged, not_executed, unknown;
    uint64_t links_lost, pings_unanswered, strays, feeds_reopened;
    uint64_t calls_open, feeds_open; /* levels */
};
void client_figures_read(const struct client *client, struct client_figures *ret);

#endif
