/* A transaction as handlers, consumers and clocks see it: a connection, the civil time, and the
 * events that will be appended with it. The events are the last statement before COMMIT, in one
 * flush with it. */
#ifndef LUJIAN_LOG_TX_H
#define LUJIAN_LOG_TX_H

#include "base/rand.h"
#include "pg/pg.h"
#include "wire/rules.h"

struct tx_event {
    const char *type;
    char id[UUID_TEXT_SIZE];
    const char *subject;
    const char *division;
    const char *audience;
    bool about_enforcement;
    const char *correlation;
    const char *traceparent;
    const uint8_t *data;
    size_t size;
    struct tx_event *next;
};

struct tx {
    struct pg *pg;
    struct arena *arena;
    int64_t now_ms; /* civil time, read after the locks; 0 until tx_now */
    const char *traceparent;
    bool wrote; /* a write was queued: a refusal from here on is a bug */
    struct tx_event *first_event, *last_event;
    int event_count;
    int64_t head; /* after tx_commit: the newest position of ours, 0 if no events */
};

int tx_begin(struct tx *tx, struct pg *pg, struct arena *arena);
/* Civil time = database time + offset, by its own statement: call it when the subject's lock is
 * held. */
int tx_now(struct tx *tx);
int tx_write(struct tx *tx, const struct pg_query *query, const struct pg_param *params, int count);
/* A row of a statement that takes many: see pg_gather and pg_gather_end. */
int tx_gather(struct tx *tx, const struct pg_query *query, const struct pg_param *params,
              int count);
int tx_gather_end(struct tx *tx);
int tx_read(struct tx *tx, const struct pg_query *query, const struct pg_param *params, int count,
            struct pg_rows *ret_rows);

struct event_address {
    const char *subject;  /* the aggregate's id */
    const char *division; /* "" = the whole province's */
    const char *audience; /* "" = none */
    bool about_enforcement;
    const char *correlation; /* the matter across services; "" = the subject */
    /* Where given (derived events) the id is the UUIDv5 of "event", the type and the cause with
     * \x1f between: what runs twice makes one event. Else it is a new UUIDv7. */
    const char *cause;
};
#define TX_EVENT_DATA_MAX 65536
/* Packs `message` (of `event`'s type) and keeps it for the commit. */
void tx_event(struct tx *tx, const struct event_info *event, const struct event_address *address,
              const ProtobufCMessage *message);
/* The same with data that are encoded already. */
void tx_event_encoded(struct tx *tx, const char *type, const struct event_address *address,
                      const uint8_t *data, size_t size);

/* Flushes, appends the events, commits. After PG_NOT_EXECUTED and PG_UNKNOWN err_last() tells why:
 * ERR_AGAIN may be run again. */
enum pg_outcome tx_commit(struct tx *tx);
void tx_rollback(struct tx *tx);

/* The civil-time offset: an 8-byte file that all processes map, milliseconds, only grows. "" =
 * none, for good. */
int civil_offset_open(const char *path);
int64_t civil_offset_ms(void);
/* Grows the offset; ERR_REFUSED where none may exist. */
int civil_offset_advance(int64_t by_ms, int64_t *ret_offset_ms);
/* Grows it to at least this, where one may exist: the database keeps it too (log_open_stream,
 * log_offset_keep). */
void civil_offset_restore(int64_t offset_ms);

#endif
