/* Feeds: the server side of Pull and Follow, the one way in which anyone reads this log.
 *
 * A feed gives first the past, from the log in slices read by a thread of its own, then what comes,
 * from the tail's ring; a reader that lags behind the ring goes back to the log. Credit bounds what
 * is in flight. `through` is how far the scope has been looked at: it moves over what the reader
 * does not get, too, and is sent at least once a second.
 *
 * Invariants: events of a feed are sent in the order of their positions, each once, none left out
 * that the reader may see; who reads is looked up again at every send, so a revoked or moved reader
 * stops receiving at once.
 *
 * Who sees both an event and the moved_out that follows it in the same append gets the first only.
 */
#ifndef LUJIAN_LOG_FEED_H
#define LUJIAN_LOG_FEED_H

#include "bus/door.h"
#include "log/log_read.h"
#include "log/tail.h"
#include "loop/loop.h"
#include "lujian/bus/v1/log.lj.h"

#define FEEDS_MAX             5000 /* of a replica; more are NOT_EXECUTED: another replica may have room */
#define FEEDS_PER_READER_MAX  256 /* of one principal; more are RATE_LIMITED */
#define FEED_FRAME_EVENTS_MAX 200
#define FEED_FRAME_BYTES_MAX  ((size_t)256 * 1024) /* one event more than this, at most */
#define FEED_SILENCE_MAX_MS   30000                /* without credit or sign of life: closed */
#define PULL_LIMIT_DEFAULT    100

/* What a reader may see right now. */
struct feed_view {
    /* Prefixes of the divisions that are asked for, replaced codes included; NULL-terminated. NULL
     * = no filter. */
    const char *const *divisions;
    void *reader; /* for may_see and leave */
};

struct feed_authority {
    /* Who reads, at each pull and each send: `user` is the door's ("principal/key-id"), `on_behalf`
     * "" where he speaks for himself, `division` what was asked for ("" = all). An error ends the
     * feed with that code (ERR_PERMISSION_DENIED, ERR_UNAUTHENTICATED, ...). */
    int (*look)(void *ctx, const char *user, const char *on_behalf, const char *division,
                struct feed_view *ret);
    bool (*may_see)(void *ctx, const struct feed_view *view, const struct log_record *record);
    void (*leave)(void *ctx, struct feed_view *view);
    void *ctx;
};

/* ---- pull: on a worker, with its connection ---- */

/* Looks at LOG_SLICE_MAX positions at most. Fills `out` in the arena. The view was looked up for
 * this very call. ERR_CURSOR_MISMATCH, ERR_INVALID_ARGUMENT (the stream), or the database's
 * trouble. */
int log_pull(struct pg *pg, struct arena *arena, const char *stream, const PullRequest *in,
             const struct feed_authority *authority, const struct feed_view *view,
             PullResponse *out);

/* ---- follow: on the loop thread ---- */

struct feeds;

struct feeds_options {
    struct loop *loop;
    const char *stream;
    const struct pg_options
        *pg; /* of the reader's one connection; what it points to must outlive the feeds */
    struct tail *tail; /* started before: whoever is woken by it looks first whether the feeds are
                          open yet */
    struct feed_authority authority; /* called on the loop thread */
    /* door_send: 0, ERR_AGAIN (slow), ERR_NOT_FOUND (gone). */
    int (*send)(void *ctx, const struct door_address *to, const uint8_t *head, size_t head_size,
                const uint8_t *body, size_t body_size);
    void *ctx; /* of send */
};

int feeds_open(struct feeds **ret, const struct feeds_options *options);
/* Ends what is open without a word. On the loop thread, at once after the tail was stopped: until
 * then the tail may wake the feeds, and the feeds ask the tail. Before the loop goes. */
void feeds_close(struct feeds *fs);

/* Opens one: its frames, and its end, are sent under `id`. An error is to be answered by the
 * caller: ERR_NOT_EXECUTED (too many; draining), ERR_RATE_LIMITED, ERR_INVALID_ARGUMENT, or what
 * `look` says. A cursor that does not match ends the feed with a message of its own. */
int feeds_follow(struct feeds *fs, const struct door_address *from, uint64_t id,
                 const char *on_behalf, const FollowRequest *in);
/* ERR_NOT_FOUND: this connection has no such feed (any more). */
int feeds_credit(struct feeds *fs, const struct door_address *from, uint64_t feed, uint32_t credit);
int feeds_unfollow(struct feeds *fs, const struct door_address *from, uint64_t feed);
/* The door's on_gone: the connection's feeds are closed. */
void feeds_gone(struct feeds *fs, const struct door_address *who);
/* From any thread (the tail's on_batch and on_epoch): there is something new. */
void feeds_wake(struct feeds *fs);
/* Ends all with NOT_EXECUTED, reason `draining`: their readers go to other replicas. None is opened
 * after it. */
void feeds_drain(struct feeds *fs);

struct feeds_figures {
    uint64_t events, frames, slices; /* sent, sent, read from the log for feeds that lag */
    uint64_t opened, revoked, mismatched, silent,
        slow;                   /* ended for these reasons; slow: sends put off */
    int open, lagging, waiting; /* levels; waiting: without credit */
};
void feeds_figures_read(const struct feeds *fs, struct feeds_figures *ret);

#endif
