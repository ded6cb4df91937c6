/* The log: contiguous positions in commit order, one stream a service. */
#ifndef LUJIAN_LOG_LOG_READ_H
#define LUJIAN_LOG_LOG_READ_H

#include "log/tx.h"

#define LOG_SLICE_MAX 10000 /* positions one pull looks at, one slice of a feed */

struct log_cursor {
    char stream[32];
    int64_t epoch;
    int64_t position;
};

/* "stream:epoch:position". */
int log_cursor_parse(const char *text, struct log_cursor *ret);
void log_cursor_format(const struct log_cursor *cursor, char out[64]);

struct log_record {
    int64_t position;
    const char *id, *type, *subject, *division, *audience, *correlation, *traceparent;
    bool about_enforcement;
    int64_t time_ms;
    const uint8_t *data;
    size_t size;
};

/* Records with position > after, at most `count`, in order, copied into the arena. */
int log_read(struct pg *pg, struct arena *arena, int64_t after, int count, struct log_record **ret_records,
             int *ret_count);
int log_head(struct pg *pg, struct arena *arena, int64_t *ret_epoch, int64_t *ret_head);
/* At start: creates the epoch, or bumps it where the timeline changed without a strictly synchronous standby;
 * refuses a civil time below the newest event. */
int log_open_stream(struct pg *pg, const char *stream, int64_t *ret_epoch);

extern const struct pg_module log_module;

#endif
