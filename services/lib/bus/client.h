/* The client side of the bus, on a loop thread: one DEALER a peer replica, least outstanding first,
 * a breaker and an application ping for each, and open feeds that survive a replica.
 *
 * peers.ini is re-read on change. A call has one outcome: an answer, NOT_EXECUTED (never sent, or
 * refused so by the peer), or OUTCOME_UNKNOWN (sent, and its time ran out or the link broke). */
#ifndef LUJIAN_BUS_CLIENT_H
#define LUJIAN_BUS_CLIENT_H

#include "bus/peers.h"
#include "loop/loop.h"
#include "wire/wire.h"

struct client;

struct client_options {
    struct loop *loop;
    const char *peers_path;
    const char *curve_public, *curve_secret; /* ours, Z85 */
};

int client_open(struct client **ret, const struct client_options *options);
void client_close(struct client *client);

struct client_call {
    const char *service;  /* "complaints" */
    const char *instance; /* NULL = any replica of the service */
    const char *method;   /* "complaints.file" */
    const char *key;      /* idempotency key; NULL for queries */
    const char *on_behalf;
    const char *traceparent;
    int64_t if_version;
    uint32_t budget_ms;
    const uint8_t *body;
    size_t body_size;
};

struct client_answer {
    int code;                   /* 0, or the enum err of the problem */
    const uint8_t *head, *body; /* encoded ResponseHead and response; NULL where no answer came */
    size_t head_size, body_size;
    const char *instance; /* who answered, or "" */
};

/* Calls `done` exactly once, on the loop thread, never before it returns. With a key, or for a
 * query, a call that a replica did not execute or whose link broke is sent again to another within
 * the budget. */
void client_call_async(struct client *client, const struct client_call *call,
                       void (*done)(void *ctx, const struct client_answer *answer), void *ctx);
/* The same from a thread that is not the loop's: waits. The answer's bytes are copied into the
 * arena. */
int client_call_wait(struct client *client, const struct client_call *call, struct arena *arena,
                     struct client_answer *ret_answer);

/* A followed stream. Frames come on the loop thread; credit is granted by client_feed_credit as
 * they are consumed. The feed reopens elsewhere at its last `through` when 3 s pass without a
 * frame. */
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
    /* The feed ended for good: cursor_mismatch, permission_denied, ... */
    void (*on_end)(void *ctx, int code, const uint8_t *head, size_t head_size);
    void *ctx;
};
int client_feed_open(struct client_feed **ret, struct client *client,
                     const struct client_feed_options *options);
void client_feed_credit(struct client_feed *feed, uint32_t credit);
void client_feed_close(struct client_feed *feed);

#endif
