/* Private to the feed: its state, the wire's side (feed.c) and the caller's (feed_next.c). */
#ifndef LUJIAN_SDK_FEED_INSIDE_H
#define LUJIAN_SDK_FEED_INSIDE_H

#include "event.h"

struct lujian_feed {
    struct hub hub;
    struct problem problem;
    bool ended; /* for good: the problem says why */
    char *division;
    char **types;
    size_t type_count;

    /* The wire's side. */
    struct link *link, *avoid;
    uint64_t id, credit_id; /* 0 = not open */
    char through[LUJIAN_CURSOR_SIZE];
    uint32_t credit, credit_due; /* in all; of that, finished and not told yet */
    uint32_t in_hand;            /* events received and not done with */
    int64_t heard_ms, told_ms, retry_ms;
    uint32_t pause_ms;

    /* The caller's side. */
    FollowResponse *frame; /* NULL = nothing received that is not done with */
    size_t frame_at;       /* the next of its events */
    struct event event;
    bool handed; /* `event` is in the caller's hands */
    struct cursor cursor;
    char done[LUJIAN_CURSOR_SIZE]; /* everything up to here is done with */
    uint32_t save_every, unsaved;  /* events done with since the last saving */
    bool dirty;                    /* `done` has moved since */
    int64_t saved_ms;
    int timer_fd; /* -1 = nobody asked for a descriptor */
};

void feed_hear(struct lujian_feed *feed);
/* Opens it where it is not open, tells credit, gives up who is silent. */
void feed_tick(struct lujian_feed *feed);
int64_t feed_due(const struct lujian_feed *feed); /* when feed_tick has something to do */
void feed_end(struct lujian_feed *feed);
/* A frame has come: its events are handed out before another is looked at. */
void feed_frame_set(struct lujian_feed *feed, FollowResponse *frame);

#endif
