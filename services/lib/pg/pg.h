/* PostgreSQL: one connection in pipeline mode, named statements, and an honest answer to "did it
 * commit?".
 *
 * Writes are queued and flushed with a Sync at the next read, so straight-line code costs few round
 * trips. Every flush inside a transaction ends in a Sync: a backend waiting between pipelined
 * messages would never be timed out by idle_in_transaction_session_timeout. A connection is used by
 * one thread. */
#ifndef LUJIAN_PG_PG_H
#define LUJIAN_PG_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* Written by embed_sql.py from queries.sql: `-- name: complaint_lock` becomes Q_COMPLAINT_LOCK. */
struct pg_query {
    const char *name; /* also the prepared statement's name */
    const char *sql;
};

/* All statements of a module: <module>_queries, NULL-terminated. */
struct pg_module {
    const char *name;
    const struct pg_query *const *queries;
    const struct pg_migration *migrations; /* ends with number 0 */
};

struct pg_migration {
    int number;
    const char *name;
    const char *sql;
    const char *sha256; /* hex, of the text */
};

/* Advisory locks taken under this class, two integers, are the library's own; keys of one bigint
 * are free for hashes (PostgreSQL keeps the two spaces apart). */
#define PG_LOCK_CLASS   "19530" /* 0x4c4a, "LJ" */
#define PG_LOCK_MIGRATE "1"
#define PG_LOCK_LOG     "2" /* in log/sql: appending, opening a stream */

struct pg_options {
    const char *uri;
    const char *application_name; /* the instance and the thread's purpose */
    const struct pg_module *const
        *modules;          /* NULL-terminated; prepared when the connection opens */
    int connect_timeout_s; /* 0 = 5 */
    int answer_timeout_ms; /* a server silent for longer is taken for lost; 0 = 60,000 */
    /* Every statement is planned once, for any parameters, and every join in it is a look-up by
     * key: for commands and effects. Lists are planned by what they ask for. */
    bool keyed;
};

struct pg;

/* Connects once; ERR_AGAIN when the server cannot be reached (the caller backs off). */
int pg_open(struct pg **ret, const struct pg_options *options);
void pg_close(struct pg *pg);
/* False once the link is lost: only pg_close is left to do. */
bool pg_alive(const struct pg *pg);
/* The connection's descriptor, for LISTEN; and the notification that has come, copied into the
 * arena. */
int pg_socket(const struct pg *pg);
int pg_notification(struct pg *pg, struct arena *arena, const char **ret_channel,
                    const char **ret_payload);

enum pg_kind { PG_KIND_NULL, PG_KIND_TEXT, PG_KIND_INT, PG_KIND_BOOL, PG_KIND_BINARY };
/* A parameter: build with the functions below, pass in a PG_ARGS(...) list. Borrowed until the call
 * returns. */
struct pg_param {
    enum pg_kind kind;
    int length; /* of text and binary */
    const char
        *data; /* the same; binary is in the type's own binary format, which bytea's bytes are */
    int64_t integer; /* int and bool */
};

struct pg_param pg_text(const char *text); /* NULL = SQL NULL */
struct pg_param pg_code(const char *text); /* "" = SQL NULL */
struct pg_param pg_int(int64_t value);
struct pg_param pg_bool(bool value);
struct pg_param pg_bytes(const void *data, size_t size);
struct pg_param pg_null(void);
/* int8 milliseconds; 0 = SQL NULL. Instants are bigint in our tables: civil time never meets a
 * session's zone. */
struct pg_param pg_instant(int64_t instant_ms);
#define PG_PARAM_TEXT_SIZE 24
/* The value as it is sent, text or binary; a number is put into `room`. NULL = SQL NULL. */
const char *pg_param_value(const struct pg_param *p, char room[PG_PARAM_TEXT_SIZE],
                           int *ret_length);

/* A text[] / bigint[] / bytea[] literal for unnest. */
struct pg_array {
    struct buf text;
    size_t count;
};
void pg_array_init(struct pg_array *a);
void pg_array_clear(struct pg_array *a);
void pg_array_add_text(struct pg_array *a, const char *text); /* NULL = NULL */
void pg_array_add_int(struct pg_array *a, int64_t value);
void pg_array_add_bool(struct pg_array *a, bool value);
void pg_array_add_bytes(struct pg_array *a, const void *data, size_t size);
struct pg_param pg_array_param(struct pg_array *a);

/* Rows of a read, copied into an arena: they live as long as it. Columns by number: only store_*
 * code knows them. */
struct pg_rows {
    int count;
    int columns;
    const char **values; /* row-major, text format; NULL = SQL NULL */
    int *lengths;
};
const char *pg_row_text(const struct pg_rows *rows, int row, int column); /* SQL NULL = "" */
bool pg_row_is_null(const struct pg_rows *rows, int row, int column);
int64_t pg_row_int(const struct pg_rows *rows, int row, int column); /* SQL NULL = 0 */
bool pg_row_bool(const struct pg_rows *rows, int row, int column);
/* Decodes bytea's text form into the arena. */
const uint8_t *pg_row_bytes(const struct pg_rows *rows, int row, int column, struct arena *arena,
                            size_t *ret_size);

#define PG_ARGS(...)                                                                               \
    (const struct pg_param[]){ __VA_ARGS__ },                                                      \
        (int)(sizeof((const struct pg_param[]){ __VA_ARGS__ }) / sizeof(struct pg_param))
#define PG_NO_ARGS NULL, 0

/* Transactions are READ COMMITTED, pinned on the connection. */
int pg_begin(struct pg *pg);
/* Queues a statement; its failure shows at the next read or at commit. */
int pg_write(struct pg *pg, const struct pg_query *query, const struct pg_param *params, int count);
/* Queues one row of a statement that takes many: its parameters are arrays, read by unnest, and
 * these are an element of each. They go in binary form, which the server takes without parsing, so
 * the statement says what each one is: $1::uuid[]; element types are smallint, integer, bigint,
 * boolean, text, bytea and uuid. What is no value of its type is ERR_INTERNAL, and costs the
 * transaction. Rows that are gathered one after the other go to the server as few
 * statements; whatever else is queued or read comes after all of them. Rows overtake one another,
 * so no two of them may touch the same row of a table. For a statement that runs once a row its
 * start costs more than its row. */
int pg_gather(struct pg *pg, const struct pg_query *query, const struct pg_param *params,
              int count);
/* What was gathered so far goes before what will be. */
int pg_gather_end(struct pg *pg);
/* Flushes what is queued, then runs this one and returns its rows. An SQL error is ERR_INTERNAL, or
 * ERR_AGAIN where the same may succeed later (40001, 40P01, 55P03, 57014, 25P03, classes 53, 57,
 * 58), with the SQLSTATE in err_last(); a lost link is ERR_AGAIN with 08006, and pg_alive is false.
 * Texts of errors never hold values. In a transaction the first failure is told again by every call
 * until the rollback. */
int pg_read(struct pg *pg, struct arena *arena, const struct pg_query *query,
            const struct pg_param *params, int count, struct pg_rows *ret_rows);
/* Flushes and reads all results; the row count of the last write where wanted (may be NULL). */
int pg_flush(struct pg *pg, int64_t *ret_affected);
/* Undoes; the connection is usable again, or not alive. */
void pg_rollback(struct pg *pg);

enum pg_outcome {
    PG_DONE,         /* durable */
    PG_NOT_EXECUTED, /* certainly rolled back */
    PG_UNKNOWN,      /* the link was lost, the server shut down, or a warning came at COMMIT */
};
/* The last statement and COMMIT in one message, which the server has whole before it runs any of
 * it: what the statement locks is never held while COMMIT is still to come. After it nothing is
 * cancelled. The statement's rows are returned where the outcome is PG_DONE; otherwise err_last()
 * tells why, and the transaction has ended. Its values are literals of that message: they may
 * stand in the server's own log, so nothing personal goes this way. */
enum pg_outcome pg_commit_with(struct pg *pg, struct arena *arena, const struct pg_query *query,
                               const struct pg_param *params, int count, struct pg_rows *ret_rows);

/* Runs one statement or script outside a transaction, simple protocol: migrations, LISTEN, tests.
 */
int pg_script(struct pg *pg, const char *sql);

/* Applies what is missing, in the order of the modules, under an advisory lock; a changed checksum
 * is an error. */
int pg_migrate(const char *uri, const struct pg_module *const *modules);

#endif
