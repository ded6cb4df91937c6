/* Private to feeds: what is sent to whom, encoded events, and the thread that reads the past. */
#ifndef LUJIAN_LOG_FEED_INSIDE_H
#define LUJIAN_LOG_FEED_INSIDE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/map.h"
#include "log/feed.h"
#include "loop/queue.h"
#include "wire/wire.h"

/* ---- feed_filter.c ---- */

struct feed_filter {
    char *const *types; /* none = all */
    size_t type_count;
    const struct feed_authority *authority;
    const struct feed_view *view;
};

bool feed_is_moved_out(const struct log_record *record);
/* `previous` is what stands just before it in the log, NULL where nothing does; only asked for by a
 * moved_out. */
bool feed_gets(const struct feed_filter *filter, const struct log_record *record,
               const struct log_record *previous);
void feed_event_fill(Event *event, const struct log_record *record);
/* "" = from the first event (epoch 0, position 0). */
int feed_cursor_read(const char *text, const char *stream, struct log_cursor *ret);

/* ---- feed_encode.c: each event is encoded once for all feeds ---- */

#define FEED_PIECES_KEPT 4

/* The events of a batch as fields of a FollowResponse, made when first asked for. */
struct feed_pieces {
    struct tail_batch *batch; /* counted; NULL = free */
    struct arena arena;
    struct feed_piece {
        uint8_t *data;
        size_t size;
    } * pieces;
    uint64_t used;
};

struct feed_encoder {
    struct feed_pieces kept[FEED_PIECES_KEPT]; /* the least recently used makes room */
    uint64_t clock;
};

void feed_encoder_init(struct feed_encoder *e);
void feed_encoder_clear(struct feed_encoder *e);
const struct feed_piece *feed_encode(struct feed_encoder *e, struct tail_batch *batch, int index);
/* The field `through`. */
void feed_through_add(struct buf *body, const struct log_cursor *cursor);

/* ---- feed_reader.c: the past, on a thread with a connection of its own ---- */

#define FEED_READ_EVENTS 1000

struct feed_read {
    /* asked */
    struct feed *feed;
    bool check;              /* is the cursor a place in the log? otherwise a slice is wanted */
    int64_t epoch, position; /* epoch 0 with check: which one is it? */
    /* answered */
    int code;
    struct err_detail detail;
    struct tail_batch
        *batch; /* from `position` itself on: what stands before the first wanted one */
};

struct feed_reader;
int feed_reader_start(struct feed_reader **ret, const struct pg_options *pg, uv_async_t *done);
void feed_reader_stop(struct feed_reader *reader); /* all that was asked is answered then */
void feed_reader_free(struct feed_reader *reader); /* stopped, and its answers taken */
/* The loop's side. */
void feed_reader_ask(struct feed_reader *reader, struct feed_read *read);
struct feed_read *feed_reader_answer(struct feed_reader *reader); /* NULL = none yet */
void feed_read_free(struct feed_read *read);

/* ---- the feeds ---- */

#define FEED_READS_MAX        2                          /* slices on their way at a time */
#define FEED_SLICES_BYTES_MAX ((size_t)64 * 1024 * 1024) /* kept for feeds that lag */

enum feed_state {
    FEED_CHECKING, /* its cursor is looked up */
    FEED_RUNNING,
};

struct feed_list {
    struct feed *first, *last;
};

struct feed {
    struct feeds *feeds;
    struct feed_key {
        uint64_t connection, id;
    } key; /* in the map */
    struct door_address to;
    char *on_behalf, *division;
    char **types;
    size_t type_count;
    enum feed_state state;
    int64_t epoch, position; /* looked at up to here, and what was to be sent is sent */
    uint32_t credit;
    int64_t heard_ms, sent_ms, retry_ms;
    struct tail_batch *slice; /* of the past, kept while it lasts; NULL = none */
    bool due, reading, wants_read, closed;
    struct feed *previous, *next; /* of all */
    struct feed *next_due, *next_read;
};

struct feeds {
    struct feeds_options options;
    uv_async_t async; /* the tail, the reader, and our own next turn */
    atomic_bool news; /* the tail has something */
    struct loop_timer *tick;
    struct feed_reader *reader;
    struct feed_encoder encoder;
    struct map by_key;
    struct feed *first;
    struct feed_list due, wanting; /* in turn; wanting a read */
    int reads_open;
    size_t slices_bytes;
    struct buf body;
    struct arena arena;
    bool draining;
    struct feeds_figures figures;
};

/* ---- feed_send.c ---- */

enum feed_took {
    TOOK_ALL,  /* of the batch */
    TOOK_SOME, /* a frame is full: another turn */
    TOOK_NONE, /* no credit, or a slow peer: not before something changes */
    TOOK_END,  /* the feed is closed */
};

/* Sends what the feed gets of the batch, one frame. */
enum feed_took feed_take(struct feed *feed, struct tail_batch *batch,
                         const struct log_record *before);
/* Sends `through` alone. False: the feed is closed. */
bool feed_tell(struct feed *feed);
/* Tells the reader why, with this thread's last error, and closes. */
void feed_end(struct feed *feed, int code);

/* ---- feed_run.c ---- */

#define FEED_TICK_MS 250

void feed_due(struct feed *feed);       /* it has its turn */
void feed_want_read(struct feed *feed); /* of its cursor, or of a slice */
void feed_reads_finish(struct feeds *fs);
void feed_unlist(struct feed *feed);
void feeds_turn(uv_async_t *async);
void feeds_tick(void *feeds);

/* ---- feed.c ---- */

void feed_close(struct feed *feed); /* frees it, or has it freed by the answer that it waits for */
void feed_free(struct feed *feed);

#endif
