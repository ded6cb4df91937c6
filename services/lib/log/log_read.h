/* The log: contiguous positions in commit order, one stream a service. */
#ifndef LUJIAN_LOG_LOG_READ_H
#define LUJIAN_LOG_LOG_READ_H

#include "log/tx.h"

#define LOG_SLICE_MAX 10000 /* positions one pull looks at, one slice of a feed */

#define LOG_CURSOR_TEXT_SIZE 80
/* Raised by log_append where the stream was not opened as things are now. */
#define LOG_SQLSTATE_NOT_OPEN "LJ001"

struct log_cursor {
    char stream[32];
    int64_t epoch;
    int64_t position;
};

/* "stream:epoch:position". */
int log_cursor_parse(const char *text, struct log_cursor *ret);
void log_cursor_format(const struct log_cursor *cursor, char out[LOG_CURSOR_TEXT_SIZE]);

struct log_record {
    int64_t position;
    const char *id, *type, *subject, *division, *audience, *correlation, *traceparent;
    bool about_enforcement;
    int64_t time_ms;
    const uint8_t *data;
    size_t size;
};

/* Records with position > after, at most `count`, in order, copied into the arena. */
int log_read(struct pg *pg, struct arena *arena, int64_t after, int count,
             struct log_record **ret_records, int *ret_count);
/* The same with the epoch of the very snapshot that was read. */
int log_read_slice(struct pg *pg, struct arena *arena, int64_t after, int count, int64_t *ret_epoch,
                   struct log_record **ret_records, int *ret_count);
int log_head(struct pg *pg, struct arena *arena, int64_t *ret_epoch, int64_t *ret_head);
/* The newest epochs, at most `count`, in order, and the head that each found when it began: up to
 * there it holds the events of the one before. */
struct log_epoch {
    int64_t epoch, position;
};
int log_epochs(struct pg *pg, struct arena *arena, int count, struct log_epoch **ret,
               int *ret_count);
/* Is this a place in the log as it is: the epoch, a position that exists, and the event that stands
 * there (event_id,
 * "" = not known)? ERR_CURSOR_MISMATCH where not. */
int log_cursor_check(struct pg *pg, struct arena *arena, int64_t epoch, int64_t position,
                     const char *event_id);
/* At start: creates the epoch, or bumps it where the timeline changed without a strictly
 * synchronous standby, or the database is another one than it was (a restore); brings back the
 * civil offset that the database kept; refuses (ERR_REFUSED) a civil time below the newest event.
 * Nothing can be appended on a timeline that the stream was not opened on, nor where commits began,
 * or ceased, to wait for a standby since: tx_commit then opens it by itself and is not executed. */
int log_open_stream(struct pg *pg, const char *stream, int64_t *ret_epoch);
/* The same for a stream that was opened before, on a new connection: only the epoch. */
int log_reopen_stream(struct pg *pg, int64_t *ret_epoch);
/* Keeps the civil offset in the database. */
int log_offset_keep(struct pg *pg, int64_t offset_ms);

extern const struct pg_module log_module;

#endif
