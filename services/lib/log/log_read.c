/* Reading the log, cursors into it, and opening it where its epoch is decided. */
#include "log/log_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "log/log_inside.h"
#include "log_sql.h"

static bool parse_number(const char **text, char end, int64_t *ret)
{
    const char *p = *text;
    int64_t value = 0;
    if (*p == '0' && p[1] != end)
        return false; /* one place, one text */
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    if (*p != end)
        return false;
    *text = p + 1;
    *ret = value;
    return true;
}

int log_cursor_parse(const char *text, struct log_cursor *ret)
{
    struct log_cursor c = { 0 };
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!length || length >= sizeof(c.stream) ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz_") != length)
        return err_set_reason(ERR_INVALID_ARGUMENT, "bad_pattern",
                              "a cursor is stream:epoch:position");
    memcpy(c.stream, text, length);
    const char *p = colon + 1;
    if (!parse_number(&p, ':', &c.epoch) || !parse_number(&p, '\0', &c.position))
        return err_set_reason(ERR_INVALID_ARGUMENT, "bad_pattern",
                              "a cursor is stream:epoch:position");
    *ret = c;
    return 0;
}

void log_cursor_format(const struct log_cursor *cursor, char out[LOG_CURSOR_TEXT_SIZE])
{
    int n = snprintf(out, LOG_CURSOR_TEXT_SIZE, "%s:%" PRId64 ":%" PRId64, cursor->stream,
                     cursor->epoch, cursor->position);
    assert_always(n > 0 && n < LOG_CURSOR_TEXT_SIZE);
}

void log_record_of_row(const struct pg_rows *rows, int row, struct arena *arena,
                       struct log_record *r)
{
    r->position = pg_row_int(rows, row, 0);
    r->id = pg_row_text(rows, row, 1);
    r->type = pg_row_text(rows, row, 2);
    r->subject = pg_row_text(rows, row, 3);
    r->division = pg_row_text(rows, row, 4);
    r->audience = pg_row_text(rows, row, 5);
    r->about_enforcement = pg_row_bool(rows, row, 6);
    r->correlation = pg_row_text(rows, row, 7);
    r->traceparent = pg_row_text(rows, row, 8);
    r->time_ms = pg_row_int(rows, row, 9);
    r->data = pg_row_bytes(rows, row, 10, arena, &r->size);
}

static struct log_record *records_of(const struct pg_rows *rows, struct arena *arena, int count)
{
    struct log_record *records = arena_array(arena, struct log_record, count);
    for (int i = 0; i < count; i++)
        log_record_of_row(rows, i, arena, &records[i]);
    return records;
}

int log_read(struct pg *pg, struct arena *arena, int64_t after, int count,
             struct log_record **ret_records, int *ret_count)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_READ, PG_ARGS(pg_int(after), pg_int(count)), &rows);
    if (r < 0)
        return err_wrap(r, "read the log");
    *ret_records = records_of(&rows, arena, rows.count);
    *ret_count = rows.count;
    return 0;
}

static int not_open(void)
{
    return err_set(ERR_INTERNAL, "the stream was never opened");
}

int log_read_slice(struct pg *pg, struct arena *arena, int64_t after, int count, int64_t *ret_epoch,
                   struct log_record **ret_records, int *ret_count)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_SLICE, PG_ARGS(pg_int(after), pg_int(count)), &rows);
    if (r < 0)
        return err_wrap(r, "read the log");
    if (!rows.count)
        return not_open();
    int found = pg_row_is_null(&rows, 0, 0) ? 0 : rows.count;
    *ret_epoch = pg_row_int(&rows, 0, 11);
    *ret_records = records_of(&rows, arena, found);
    *ret_count = found;
    return 0;
}

int log_head(struct pg *pg, struct arena *arena, int64_t *ret_epoch, int64_t *ret_head)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_HEAD, PG_NO_ARGS, &rows);
    if (r < 0)
        return err_wrap(r, "head of the log");
    if (!rows.count)
        return not_open();
    *ret_epoch = pg_row_int(&rows, 0, 0);
    *ret_head = pg_row_int(&rows, 0, 1);
    return 0;
}

int log_epochs(struct pg *pg, struct arena *arena, int count, struct log_epoch **ret,
               int *ret_count)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_EPOCHS, PG_ARGS(pg_int(count)), &rows);
    if (r < 0)
        return err_wrap(r, "epochs of the log");
    struct log_epoch *epochs = arena_array(arena, struct log_epoch, rows.count);
    for (int i = 0; i < rows.count; i++)
        epochs[i] = (struct log_epoch){ .epoch = pg_row_int(&rows, i, 0),
                                        .position = pg_row_int(&rows, i, 1) };
    *ret = epochs;
    *ret_count = rows.count;
    return 0;
}

static int mismatch(const char *what)
{
    return err_set_reason(ERR_CURSOR_MISMATCH, "cursor_mismatch", "the cursor %s", what);
}

int log_cursor_check(struct pg *pg, struct arena *arena, int64_t epoch, int64_t position,
                     const char *event_id)
{
    int64_t now_epoch = 0, head = 0;
    int r = log_head(pg, arena, &now_epoch, &head);
    if (r < 0)
        return r;
    if (epoch != now_epoch)
        return mismatch("is of another epoch");
    if (position > head)
        return mismatch("is beyond the head of the log");
    if (!event_id || !*event_id)
        return 0;
    struct pg_rows rows;
    r = pg_read(pg, arena, &Q_LOG_EVENT_ID, PG_ARGS(pg_int(position)), &rows);
    if (r < 0)
        return err_wrap(r, "cursor");
    if (rows.count != 1 || strcmp(pg_row_text(&rows, 0, 0), event_id) != 0)
        return mismatch("names another event than stands at its position");
    return 0;
}

static int check_civil_time(struct pg *pg, struct arena *arena)
{
    struct pg_rows newest, now;
    int r = pg_read(pg, arena, &Q_LOG_NEWEST, PG_NO_ARGS, &newest);
    if (r >= 0)
        r = pg_read(pg, arena, &Q_LOG_NOW, PG_ARGS(pg_int(civil_offset_ms())), &now);
    if (r < 0 || !newest.count)
        return r;
    int64_t behind_ms = pg_row_int(&newest, 0, 0) - pg_row_int(&now, 0, 0);
    if (behind_ms > 0)
        return err_set(ERR_REFUSED, "civil time is %" PRId64 " ms below the newest event's",
                       behind_ms);
    return 0;
}

static int open_in(struct pg *pg, struct arena *arena, const char *stream, int64_t *ret_epoch)
{
    struct pg_rows opened, offset;
    int r = pg_read(pg, arena, &Q_LOG_OPEN, PG_ARGS(pg_text(stream)), &opened);
    if (r >= 0)
        r = pg_read(pg, arena, &Q_LOG_OFFSET, PG_NO_ARGS, &offset);
    if (r < 0)
        return r;
    civil_offset_restore(pg_row_int(&offset, 0, 0));
    r = check_civil_time(pg, arena);
    if (r < 0)
        return r;
    *ret_epoch = pg_row_int(&opened, 0, 0);
    return 0;
}

int log_open_stream(struct pg *pg, const char *stream, int64_t *ret_epoch)
{
    struct arena arena;
    arena_init(&arena, 0);
    int r = open_in(pg, &arena, stream, ret_epoch);
    arena_clear(&arena);
    return r < 0 ? err_wrap(r, "open the stream %s", stream) : 0;
}

int log_reopen_stream(struct pg *pg, int64_t *ret_epoch)
{
    struct arena arena;
    struct pg_rows opened;
    arena_init(&arena, 0);
    int r = pg_read(pg, &arena, &Q_LOG_OPEN, PG_ARGS(pg_text("")), &opened);
    if (r >= 0)
        *ret_epoch = pg_row_int(&opened, 0, 0);
    arena_clear(&arena);
    return r < 0 ? err_wrap(r, "open the stream again") : 0;
}

int log_offset_keep(struct pg *pg, int64_t offset_ms)
{
    int r = pg_write(pg, &Q_LOG_OFFSET_KEEP, PG_ARGS(pg_int(offset_ms)));
    if (r >= 0)
        r = pg_flush(pg, NULL);
    return r < 0 ? err_wrap(r, "keep the civil offset") : 0;
}
