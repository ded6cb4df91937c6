/* Transactions and their end: the commit that nothing can be parted from, and what its answer
 * means.
 *
 * The last statement and COMMIT travel in one message of the simple protocol: `EXECUTE
 * "log_append"(...); COMMIT`. The server runs nothing of a message before it has all of it, so
 * there is no moment, whatever libpq or the kernel sends in how many pieces and wherever a client
 * is stopped or a link is cut, at which the statement's locks are held and COMMIT is still to come.
 * Extended-protocol messages in one flush cannot promise that. */
#include <string.h>

#include "pg/pg_inside.h"

#include "base/fault.h"

int pg_begin(struct pg *pg)
{
    assert_always(!pg->in_transaction);
    int r = pg_drain(pg);
    if (r < 0)
        return r;
    pg->in_transaction = true;
    r = pg_write(pg, &pg_begin_query, PG_NO_ARGS);
    if (r < 0)
        pg->in_transaction = pg->failed = false;
    return r;
}

int pg_query_send(struct pg *pg, const char *sql)
{
    assert_always(!pg->pending_count && !pg->open_bytes);
    if (!pg->alive)
        return pg_fail_link(pg, "query");
    if (!PQexitPipelineMode(pg->conn) || !PQsendQuery(pg->conn, sql))
        return pg_fail_link(pg, "query");
    return pg_send_all(pg);
}

int pg_query_receive(struct pg *pg, void (*on_result)(void *ctx, const PGresult *result), void *ctx)
{
    int r = pg->alive ? 0 : pg_fail_link(pg, "query");
    while (r >= 0) {
        r = pg_wait_result(pg);
        PGresult *result = r < 0 ? NULL : PQgetResult(pg->conn);
        if (!result)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR)
            pg_fail_result(pg, NULL, result);
        else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
                 status != PGRES_EMPTY_QUERY)
            r = pg_fail_link(pg, "query"); /* COPY and the like: nothing of ours */
        else if (on_result)
            on_result(ctx, result);
        PQclear(result);
    }
    if (r < 0 || PQstatus(pg->conn) == CONNECTION_BAD || !PQenterPipelineMode(pg->conn))
        return pg_fail_link(pg, "query");
    return pg->failed ? pg_fail_again(pg) : 0;
}

static int query_run(struct pg *pg, const char *sql)
{
    pg_query_send(pg, sql);
    return pg_query_receive(pg, NULL, NULL);
}

int pg_script(struct pg *pg, const char *sql)
{
    int r = pg_drain(pg);
    if (r >= 0)
        r = query_run(pg, sql);
    if (!pg->in_transaction)
        pg->failed = false;
    return r;
}

void pg_rollback(struct pg *pg)
{
    struct err_detail kept = *err_last();
    pg_gathered_forget(pg);
    if (pg->alive)
        pg_drain(pg);
    pg->failed = false;
    if (pg->alive && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        query_run(pg, "ROLLBACK");
    pg->failed = false;
    pg->in_transaction = false;
    err_restore(&kept);
}

struct commit_watch {
    struct arena *arena;
    struct pg_rows *rows; /* NULL = none expected, or had */
    bool committed, rolled_back;
};

static void watch_result(void *ctx, const PGresult *result)
{
    struct commit_watch *watch = ctx;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && watch->rows) {
        pg_rows_copy(result, watch->arena, watch->rows);
        watch->rows = NULL;
    }
    const char *tag = PQcmdStatus((PGresult *)result);
    watch->committed |= !strcmp(tag, "COMMIT");
    watch->rolled_back |= !strcmp(tag, "ROLLBACK");
}

static void commit_text(struct buf *text, const struct pg_query *query,
                        const struct pg_param *params, int count)
{
    if (query) {
        buf_printf(text, "EXECUTE \"%s\"", query->name);
        for (int i = 0; i < count; i++) {
            buf_add_char(text, i ? ',' : '(');
            pg_param_literal(&params[i], text);
        }
        buf_add_text(text, count ? ");" : ";");
    }
    buf_add_text(text, "COMMIT");
}

/* decisions: the tag COMMIT is done; the tag ROLLBACK, or an SQLSTATE on a living link, is not
 * executed; a lost link, a server that shuts down or a warning at COMMIT (the wait for a standby
 * was cancelled) is unknown. */
static enum pg_outcome judge(struct pg *pg, const struct commit_watch *watch)
{
    if (watch->committed && !pg->warning[0] && pg->alive)
        return PG_DONE;
    if (watch->rolled_back) {
        err_set(ERR_INTERNAL, "commit: the transaction had failed");
        return PG_NOT_EXECUTED;
    }
    const char *sqlstate = pg->failed ? pg->failure.sqlstate : "";
    /* The server ended the session while it was idle in the transaction, so it never saw the
     * COMMIT. */
    if (!strcmp(sqlstate, "25P03"))
        return PG_NOT_EXECUTED;
    if (pg->alive && sqlstate[0] && strncmp(sqlstate, "57P", 3) && !pg->warning[0])
        return PG_NOT_EXECUTED;
    err_set(ERR_OUTCOME_UNKNOWN, "commit: %s%s", pg->warning[0] ? "warning " : "the link is lost",
            pg->warning);
    return PG_UNKNOWN;
}

enum pg_outcome pg_commit_with(struct pg *pg, struct arena *arena, const struct pg_query *query,
                               const struct pg_param *params, int count, struct pg_rows *ret_rows)
{
    assert_always(pg->in_transaction);
    if (pg_drain(pg) < 0) {
        pg_rollback(pg);
        return PG_NOT_EXECUTED;
    }
    fault_point("pg.statements_done");
    struct buf text;
    buf_init(&text, 0);
    commit_text(&text, query, params, count);
    struct commit_watch watch = { .arena = arena, .rows = query ? ret_rows : NULL };
    memset(pg->warning, 0, sizeof(pg->warning));
    pg_query_send(pg, buf_text(&text));
    buf_clear(&text);
    fault_point("pg.commit_sent");
    pg_query_receive(pg, watch_result, &watch);

    enum pg_outcome outcome = judge(pg, &watch);
    pg_rollback(pg); /* nothing, or the end of a transaction that failed */
    return outcome;
}
