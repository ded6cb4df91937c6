/* The pipeline: statements queued in groups, groups sent whole, results read in order (see
 * pg_inside.h).
 *
 * libpq sends on its own at every message end once it holds 8 KiB, and sends all it holds whenever
 * it is asked to read. So no result is read while a group is open, and a group ends before it
 * reaches 8 KiB. A statement that is larger than that has a group of its own, and goes out in
 * multiples of 8 KiB: there the end of its Bind and the end of its Sync must not be parted by such
 * a multiple, or a client stopped between the two would leave a backend that waits in the middle of
 * a pipeline, which idle_in_transaction_session_timeout never ends. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg_inside.h"

#include "base/time.h"

enum {
    SYNC_BYTES = 5,
    DESCRIBE_BYTES = 7, /* of the unnamed portal */
    EXECUTE_BYTES = 10,
    TAIL_BYTES = DESCRIBE_BYTES + EXECUTE_BYTES + SYNC_BYTES,
};

/* An alias is longer than its statement's name by more than the tail, so that it moves the tail off
 * a multiple. */
#define ALIAS_SUFFIX "_______________________"
_Static_assert(sizeof(ALIAS_SUFFIX) - 1 > TAIL_BYTES, "an alias must move a tail off a boundary");

/* Exact, as libpq 15 writes Bind, Describe and Execute. */
size_t pg_statement_bytes(const struct pg_query *query, const struct pg_param *params, int count)
{
    size_t bytes = 5 + 1 + strlen(query->name) + 1 + 2 + 2 +
                   4; /* header, portal, name, counts, result format */
    if (count > 0)
        bytes += 2 * (size_t)count; /* formats */
    for (int i = 0; i < count; i++) {
        char room[PG_PARAM_TEXT_SIZE];
        int length;
        bytes += 4 + (pg_param_value(&params[i], room, &length) ? (size_t)length : 0);
    }
    return bytes + DESCRIBE_BYTES + EXECUTE_BYTES;
}

static void pending_push(struct pg *pg, const struct pg_query *query, size_t bytes)
{
    if (pg->pending_first && pg->pending_first + pg->pending_count == pg->pending_capacity) {
        memmove(pg->pending, pg->pending + pg->pending_first,
                pg->pending_count * sizeof(*pg->pending));
        pg->pending_first = 0;
    }
    if (pg->pending_count == pg->pending_capacity) {
        pg->pending_capacity = pg->pending_capacity ? 2 * pg->pending_capacity : 64;
        pg->pending = reallocarray(pg->pending, pg->pending_capacity, sizeof(*pg->pending));
        assert_always(pg->pending);
    }
    pg->pending[pg->pending_first + pg->pending_count++] =
        (struct pg_pending){ .query = query, .bytes = bytes };
}

static struct pg_pending pending_pop(struct pg *pg)
{
    assert_always(pg->pending_count);
    struct pg_pending p = pg->pending[pg->pending_first++];
    if (!--pg->pending_count)
        pg->pending_first = 0;
    return p;
}

/* Waits for the socket, at most until the deadline. */
static int wait_socket(struct pg *pg, short events, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - mono_ms();
    if (left_ms <= 0)
        return pg_fail_link(pg, "no answer in time");
    struct pollfd fd = { .fd = PQsocket(pg->conn), .events = events };
    poll(&fd, 1, (int)left_ms);
    return fd.revents;
}

int pg_send_all(struct pg *pg)
{
    int64_t deadline_ms = mono_ms() + pg->answer_timeout_ms;
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent == 0)
            return 0;
        if (unsent < 0)
            return pg_fail_link(pg, "send");
        int events = wait_socket(pg, POLLIN | POLLOUT, deadline_ms);
        if (events < 0)
            return events;
        /* The server may be unable to read because it cannot write. */
        if ((events & POLLIN) && !PQconsumeInput(pg->conn))
            return pg_fail_link(pg, "send");
    }
}

int pg_wait_result(struct pg *pg)
{
    int64_t deadline_ms = mono_ms() + pg->answer_timeout_ms;
    while (PQisBusy(pg->conn)) {
        int unsent = PQflush(pg->conn);
        int events = wait_socket(pg, (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), deadline_ms);
        if (events < 0)
            return events;
        /* Where the link is lost PQgetResult tells it, and perhaps the server's last words before
         * that. */
        if ((events & ~POLLOUT) && !PQconsumeInput(pg->conn))
            return 0;
    }
    return 0;
}

static void take_result(struct pg *pg, PGresult *result)
{
    const struct pg_query *query = pg->pending[pg->pending_first].query;
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        PQclear(pg->result);
        pg->result = result;
        return;
    case PGRES_PIPELINE_ABORTED:
        break; /* told by the failure before it */
    case PGRES_PIPELINE_SYNC:
        pg->window_bytes -= pending_pop(pg).bytes;
        break;
    case PGRES_FATAL_ERROR:
        pg_fail_result(pg, query, result);
        break;
    default:
        pg_fail_link(pg,
                     query ? query->name : "statement"); /* COPY and the like: nothing of ours */
        break;
    }
    PQclear(result);
}

/* Reads the results of one statement, or one Sync. */
static int take_next(struct pg *pg)
{
    assert_always(!pg->open_bytes && pg->pending_count);
    bool is_sync = !pg->pending[pg->pending_first].query, answered = false;
    for (int empty = 0; empty < 2;) {
        int r = pg_wait_result(pg);
        if (r < 0)
            return r;
        PGresult *result = PQgetResult(pg->conn);
        if (result)
            take_result(pg, result);
        if (PQstatus(pg->conn) == CONNECTION_BAD)
            return pg_fail_link(pg, "read");
        if (!pg->alive)
            return pg_fail_again(pg);
        if (is_sync && result)
            return 0;
        if (!result && answered) {
            pending_pop(pg);
            return 0;
        }
        answered |= result != NULL;
        empty += !result;
    }
    return pg_fail_link(pg, "results out of step");
}

static int make_room(struct pg *pg)
{
    while (pg->window_bytes + PG_GROUP_BYTES_MAX > PG_WINDOW_BYTES_MAX) {
        int r = take_next(pg);
        if (r < 0)
            return r;
    }
    return 0;
}

int pg_group_close(struct pg *pg)
{
    if (!pg->open_bytes)
        return 0;
    if (!PQpipelineSync(pg->conn))
        return pg_fail_link(pg, "sync");
    size_t bytes = pg->open_bytes + SYNC_BYTES;
    pg->open_bytes = 0;
    pg->window_bytes += bytes;
    pending_push(pg, NULL, bytes);
    return 0;
}

/* Sends the group and reads until nothing is awaited. What is gathered stays. */
static int settle(struct pg *pg)
{
    int r = pg->alive ? pg_group_close(pg) : pg_fail_link(pg, "drain");
    while (r >= 0 && pg->pending_count)
        r = take_next(pg);
    if (!pg->failed)
        return r;
    r = pg_fail_again(pg);
    if (!pg->in_transaction)
        pg->failed = false;
    return r;
}

int pg_drain(struct pg *pg)
{
    int r = pg_gather_end(pg);
    int settled = settle(pg);
    return r < 0 ? r : settled;
}

int pg_prepare(struct pg *pg, const struct pg_query *query, const char *name)
{
    assert_always(!pg->open_bytes);
    int r = make_room(pg);
    if (r < 0)
        return r;
    if (!PQsendPrepare(pg->conn, name, query->sql, 0, NULL))
        return pg_fail_link(pg, query->name);
    pending_push(pg, query, 0);
    pg->open_bytes = strlen(name) + strlen(query->sql);
    return pg_group_close(pg);
}

static int send_statement(struct pg *pg, const struct pg_query *query, const char *name,
                          const struct pg_param *params, int count)
{
    const char *values[PG_PARAMS_MAX];
    char rooms[PG_PARAMS_MAX][PG_PARAM_TEXT_SIZE];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    for (int i = 0; i < count; i++) {
        values[i] = pg_param_value(&params[i], rooms[i], &lengths[i]);
        formats[i] = params[i].kind == PG_KIND_BINARY;
    }
    if (!PQsendQueryPrepared(pg->conn, name, count, values, lengths, formats, 0))
        return pg_fail_link(pg, query->name);
    pending_push(pg, query, 0);
    return 0;
}

/* Would a multiple of what libpq sends by itself part the end of the Bind from the end of the Sync?
 */
static bool tail_is_parted(size_t statement_bytes)
{
    size_t end = statement_bytes + SYNC_BYTES;
    size_t last_multiple = (end - 1) / PG_LIBPQ_FLUSH_BYTES * PG_LIBPQ_FLUSH_BYTES;
    return last_multiple >= end - TAIL_BYTES;
}

/* The statement's second, longer name, prepared when it is first needed. */
static int prepare_alias(struct pg *pg, const struct pg_query *query, char *out, size_t size)
{
    snprintf(out, size, "%s" ALIAS_SUFFIX, query->name);
    for (size_t i = 0; i < pg->aliased_count; i++)
        if (pg->aliased[i] == query)
            return 0;
    int r = pg_prepare(pg, query, out);
    if (r >= 0)
        r = settle(pg);
    if (r < 0)
        return r;
    pg->aliased = reallocarray(pg->aliased, pg->aliased_count + 1, sizeof(*pg->aliased));
    assert_always(pg->aliased);
    pg->aliased[pg->aliased_count++] = query;
    return 0;
}

/* Sent alone into an empty socket, whose buffer takes it whole up to PG_SEND_BUFFER_BYTES. */
static int queue_large(struct pg *pg, const struct pg_query *query, const struct pg_param *params,
                       int count, size_t bytes)
{
    char alias[PG_STATEMENT_NAME_MAX + sizeof(ALIAS_SUFFIX)];
    const char *name = query->name;
    int r = settle(pg);
    if (r >= 0 && tail_is_parted(bytes)) {
        r = prepare_alias(pg, query, alias, sizeof(alias));
        name = alias;
    }
    if (r >= 0)
        r = send_statement(pg, query, name, params, count);
    if (r < 0)
        return r;
    pg->open_bytes = bytes;
    return pg_group_close(pg);
}

int pg_queue(struct pg *pg, const struct pg_query *query, const struct pg_param *params, int count)
{
    assert_always(count >= 0 && count <= PG_PARAMS_MAX);
    if (pg->failed)
        return pg_fail_again(pg);
    if (!pg->alive)
        return pg_fail_link(pg, query->name);
    size_t bytes = pg_statement_bytes(query, params, count);
    if (bytes + SYNC_BYTES > PG_GROUP_BYTES_MAX)
        return queue_large(pg, query, params, count, bytes);
    int r = 0;
    if (pg->open_bytes + bytes + SYNC_BYTES > PG_GROUP_BYTES_MAX)
        r = pg_group_close(pg);
    if (r >= 0 && !pg->open_bytes)
        r = make_room(pg);
    if (r >= 0)
        r = send_statement(pg, query, query->name, params, count);
    if (r < 0)
        return r;
    pg->open_bytes += bytes;
    return 0;
}

int pg_write(struct pg *pg, const struct pg_query *query, const struct pg_param *params, int count)
{
    int r = pg_gather_end(pg);
    if (r >= 0)
        r = pg_queue(pg, query, params, count);
    if (r < 0 && !pg->in_transaction)
        pg->failed = false;
    return r;
}

int pg_read(struct pg *pg, struct arena *arena, const struct pg_query *query,
            const struct pg_param *params, int count, struct pg_rows *ret_rows)
{
    int r = pg_write(pg, query, params, count);
    if (r >= 0)
        r = pg_drain(pg);
    if (r < 0)
        return r;
    pg_rows_copy(pg->result, arena, ret_rows);
    PQclear(pg->result);
    pg->result = NULL;
    return 0;
}

int pg_flush(struct pg *pg, int64_t *ret_affected)
{
    int r = pg_drain(pg);
    if (r < 0)
        return r;
    if (ret_affected)
        *ret_affected = pg->result ? strtoll(PQcmdTuples(pg->result), NULL, 10) : 0;
    PQclear(pg->result);
    pg->result = NULL;
    return 0;
}
