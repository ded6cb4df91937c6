/* Transactions that end in events: collected while the statements run, appended as the last
 * statement, in one message with COMMIT. */
#include "log/tx.h"

#include <string.h>

#include "base/err.h"
#include "base/fault.h"
#include "log/log_read.h"
#include "log_sql.h"
#include "wire/wire.h"

const struct pg_module log_module = { .name = "log",
                                      .queries = log_queries,
                                      .migrations = log_migrations };

int tx_begin(struct tx *tx, struct pg *pg, struct arena *arena)
{
    *tx = (struct tx){ .pg = pg, .arena = arena, .traceparent = "" };
    return pg_begin(pg);
}

int tx_now(struct tx *tx)
{
    struct pg_rows rows;
    int r = pg_read(tx->pg, tx->arena, &Q_LOG_NOW, PG_ARGS(pg_int(civil_offset_ms())), &rows);
    if (r < 0)
        return err_wrap(r, "civil time");
    tx->now_ms = pg_row_int(&rows, 0, 0);
    return 0;
}

int tx_write(struct tx *tx, const struct pg_query *query, const struct pg_param *params, int count)
{
    tx->wrote = true;
    return pg_write(tx->pg, query, params, count);
}

int tx_gather(struct tx *tx, const struct pg_query *query, const struct pg_param *params, int count)
{
    tx->wrote = true;
    return pg_gather(tx->pg, query, params, count);
}

int tx_gather_end(struct tx *tx)
{
    return pg_gather_end(tx->pg);
}

int tx_read(struct tx *tx, const struct pg_query *query, const struct pg_param *params, int count,
            struct pg_rows *ret_rows)
{
    return pg_read(tx->pg, tx->arena, query, params, count, ret_rows);
}

static const char *keep_text(struct tx *tx, const char *text)
{
    return text && *text ? arena_strdup(tx->arena, text) : "";
}

static void event_id(struct tx *tx, const char *type, const char *cause, char out[UUID_TEXT_SIZE])
{
    if (!cause || !*cause) {
        uuid_v7(tx->now_ms, out);
        return;
    }
    const char *name = arena_printf(tx->arena, "event\x1f%s\x1f%s", type, cause);
    uuid_v5(name, strlen(name), out);
}

void tx_event_encoded(struct tx *tx, const char *type, const struct event_address *address,
                      const uint8_t *data, size_t size)
{
    assert_always(tx->now_ms && address->subject && *address->subject && size <= TX_EVENT_DATA_MAX);
    struct tx_event *e = arena_new(tx->arena, struct tx_event);
    *e = (struct tx_event){
        .type = type,
        .subject = keep_text(tx, address->subject),
        .division = keep_text(tx, address->division),
        .audience = keep_text(tx, address->audience),
        .about_enforcement = address->about_enforcement,
        .traceparent = keep_text(tx, tx->traceparent),
        .data = data,
        .size = size,
    };
    bool own_matter = !address->correlation || !*address->correlation;
    e->correlation = own_matter ? e->subject : keep_text(tx, address->correlation);
    event_id(tx, type, address->cause, e->id);
    if (tx->last_event)
        tx->last_event->next = e;
    else
        tx->first_event = e;
    tx->last_event = e;
    tx->event_count++;
    tx->wrote = true;
}

void tx_event(struct tx *tx, const struct event_info *event, const struct event_address *address,
              const ProtobufCMessage *message)
{
    assert_always(message->descriptor == event->data->descriptor && !event->data->any_personal);
    uint8_t *data;
    size_t size;
    wire_pack(tx->arena, message, &data, &size);
    tx_event_encoded(tx, event->type, address, data, size);
}

/* The columns of log_append, in the order of its parameters. */
enum column {
    COLUMN_ID,
    COLUMN_TYPE,
    COLUMN_SUBJECT,
    COLUMN_DIVISION,
    COLUMN_AUDIENCE,
    COLUMN_ENFORCEMENT,
    COLUMN_CORRELATION,
    COLUMN_TRACEPARENT,
    COLUMN_TIME,
    COLUMN_DATA,
    COLUMNS,
};

static enum pg_outcome commit_events(struct tx *tx)
{
    struct pg_array columns[COLUMNS];
    struct pg_param params[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        pg_array_init(&columns[i]);
    for (const struct tx_event *e = tx->first_event; e; e = e->next) {
        pg_array_add_text(&columns[COLUMN_ID], e->id);
        pg_array_add_text(&columns[COLUMN_TYPE], e->type);
        pg_array_add_text(&columns[COLUMN_SUBJECT], e->subject);
        pg_array_add_text(&columns[COLUMN_DIVISION], e->division);
        pg_array_add_text(&columns[COLUMN_AUDIENCE], e->audience);
        pg_array_add_bool(&columns[COLUMN_ENFORCEMENT], e->about_enforcement);
        pg_array_add_text(&columns[COLUMN_CORRELATION], e->correlation);
        pg_array_add_text(&columns[COLUMN_TRACEPARENT], e->traceparent);
        pg_array_add_int(&columns[COLUMN_TIME], tx->now_ms);
        pg_array_add_bytes(&columns[COLUMN_DATA], e->data, e->size);
    }
    for (int i = 0; i < COLUMNS; i++)
        params[i] = pg_array_param(&columns[i]);
    struct pg_rows rows = { 0 };
    enum pg_outcome outcome =
        pg_commit_with(tx->pg, tx->arena, &Q_LOG_APPEND, params, COLUMNS, &rows);
    if (outcome == PG_DONE)
        tx->head = pg_row_int(&rows, 0, 0);
    for (int i = 0; i < COLUMNS; i++)
        pg_array_clear(&columns[i]);
    return outcome;
}

/* A failover happened under us: the stream is opened on the new timeline, and this transaction may
 * run again. */
static void open_on_new_timeline(struct tx *tx)
{
    int64_t epoch;
    int r = log_reopen_stream(tx->pg, &epoch);
    if (r >= 0)
        err_set(ERR_AGAIN, "the stream was opened on another timeline");
}

enum pg_outcome tx_commit(struct tx *tx)
{
    fault_point("tx.before_commit");
    enum pg_outcome outcome = tx->first_event
                                  ? commit_events(tx)
                                  : pg_commit_with(tx->pg, tx->arena, NULL, PG_NO_ARGS, NULL);
    fault_point("tx.committed");
    if (outcome == PG_NOT_EXECUTED && !strcmp(err_last()->sqlstate, LOG_SQLSTATE_NOT_OPEN))
        open_on_new_timeline(tx);
    return outcome;
}

void tx_rollback(struct tx *tx)
{
    pg_rollback(tx->pg);
}
