/* What the files of pg/ share: the connection's state. For this folder only.
 *
 * Statements are queued into groups. A group is at most PG_GROUP_BYTES_MAX bytes on the wire, its
 * Sync included, so libpq hands it to the kernel in one send(): the server never runs a statement
 * whose Sync is not on its way. What has been sent and not been answered is at most
 * PG_WINDOW_BYTES_MAX, so the kernel always has room for the next group, and neither side can wait
 * for the other to read.
 *
 * Invariants: `pending` mirrors what libpq waits for, in order: a query for each statement, NULL
 * for each Sync. `open_bytes` is 0 exactly when the last thing queued was a Sync. */
#ifndef LUJIAN_PG_PG_INSIDE_H
#define LUJIAN_PG_PG_INSIDE_H

#include <libpq-fe.h>

#include "base/err.h"
#include "pg/pg.h"

/* libpq sends by itself, in the middle of whatever it is, as soon as it holds this many bytes. */
#define PG_LIBPQ_FLUSH_BYTES  8192
#define PG_GROUP_BYTES_MAX    (PG_LIBPQ_FLUSH_BYTES - 1)
#define PG_WINDOW_BYTES_MAX   (4 * PG_LIBPQ_FLUSH_BYTES)
#define PG_SEND_BUFFER_BYTES  (256 * 1024) /* the kernel takes a large statement whole */
#define PG_ANSWER_TIMEOUT_MS  60000
#define PG_CONNECT_TIMEOUT_S  5
#define PG_STATEMENT_NAME_MAX 40 /* with an alias' suffix it is 63, an identifier's length */
#define PG_PARAMS_MAX         64
#define PG_GATHERED_MAX       16 /* statements that gather rows at a time */

struct pg_pending {
    const struct pg_query *query; /* NULL = a Sync */
    size_t bytes;                 /* of a Sync: of its whole group */
};

/* An array of one dimension in binary form, as it grows: column.c. */
struct pg_column {
    unsigned type; /* of an element: its object id in every PostgreSQL */
    struct buf bytes;
    uint32_t count;
    bool has_null;
};
/* The type of the k-th parameter's elements, as the statement names it. */
unsigned pg_column_type(const struct pg_query *query, int k);
void pg_column_init(struct pg_column *c, unsigned type);
void pg_column_clear(struct pg_column *c);
int pg_column_add(struct pg_column *c, const struct pg_param *p);
struct pg_param pg_column_param(struct pg_column *c);

/* Rows of one statement that wait to be sent together: gather.c. */
struct pg_gathered {
    const struct pg_query *query; /* NULL = free */
    int column_count;
    size_t bytes;
    struct pg_column columns[PG_PARAMS_MAX];
};

struct pg {
    PGconn *conn;
    bool alive;
    bool in_transaction; /* BEGIN was queued, and no end of it was read */
    int answer_timeout_ms;

    size_t open_bytes;   /* of the group that has no Sync yet */
    size_t window_bytes; /* of groups sent and not answered */
    struct pg_pending *pending;
    size_t pending_first, pending_count, pending_capacity;

    const struct pg_query **aliased; /* statements that are prepared under their longer name too */
    size_t aliased_count;

    struct pg_gathered *gathered[PG_GATHERED_MAX]; /* in order of their first row; NULL = no more */

    PGresult *result; /* of the last statement that succeeded */
    /* The first failure that the caller has not been told; in a transaction it stays until the
     * rollback. */
    bool failed;
    struct err_detail failure;
    char warning[6]; /* SQLSTATE of the last warning or notice since it was cleared */
};

extern const struct pg_query pg_begin_query;

size_t pg_statement_bytes(const struct pg_query *query, const struct pg_param *params, int count);
int pg_prepare(struct pg *pg, const struct pg_query *query, const char *name);
/* Queues one statement as it is, behind nothing. */
int pg_queue(struct pg *pg, const struct pg_query *query, const struct pg_param *params, int count);
/* Queues what was gathered; forgets it. */
void pg_gathered_forget(struct pg *pg);
/* Ends the open group with a Sync, which sends it. */
int pg_group_close(struct pg *pg);
/* Closes the group and reads until nothing is awaited. 0, or the failure. */
int pg_drain(struct pg *pg);
/* Waits until libpq has a result or the link is lost. */
int pg_wait_result(struct pg *pg);
/* Sends all that libpq holds. */
int pg_send_all(struct pg *pg);
/* One message of the simple protocol, outside the pipeline: nothing may be awaited. `on_result`
 * sees each result that is no failure, and may be NULL. A failed send shows when its answer is
 * read. */
int pg_query_send(struct pg *pg, const char *sql);
int pg_query_receive(struct pg *pg, void (*on_result)(void *ctx, const PGresult *result),
                     void *ctx);

/* Records the failure of a result or of the link, as this thread's error and as the connection's.
 */
int pg_fail_result(struct pg *pg, const struct pg_query *query, const PGresult *result);
int pg_fail_value(struct pg *pg, const struct pg_query *query);
int pg_fail_link(struct pg *pg, const char *what);
/* Repeats the recorded failure as this thread's error. */
int pg_fail_again(const struct pg *pg);
int pg_code_of_sqlstate(const char *sqlstate);

void pg_rows_copy(const PGresult *result, struct arena *arena, struct pg_rows *ret_rows);

/* Appends the value as an SQL literal. */
void pg_param_literal(const struct pg_param *p, struct buf *out);

#endif
