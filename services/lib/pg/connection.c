/* A connection: opened with every setting pinned that correctness leans on, and every statement
 * prepared. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pg/pg_inside.h"

#include "base/util.h"

const struct pg_query pg_begin_query = { .name = "pg_begin",
                                         .sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" };

/* The client's keepalives find a dead server, these find a dead client: a replica's host that is
 * gone must give its locks back. A server or role that was told to commit less durably is not
 * believed. */
static const char session_sql[] = "SET default_transaction_isolation = 'read committed';"
                                  "SET default_transaction_read_only = off;"
                                  "SET default_transaction_deferrable = off;"
                                  "SET idle_in_transaction_session_timeout = '10s';"
                                  "SET tcp_keepalives_idle = 5;"
                                  "SET tcp_keepalives_interval = 2;"
                                  "SET tcp_keepalives_count = 3;"
                                  "SET tcp_user_timeout = 10000;"
                                  "SET standard_conforming_strings = on;"
                                  "SET bytea_output = hex;"
                                  "SET timezone = 'UTC';"
                                  "SET datestyle = 'ISO, YMD';"
                                  "SET client_min_messages = warning;"
                                  /* Statements are planned once and kept while tables grow. */
                                  "SET enable_seqscan = off;"
                                  "SET jit = off;"
                                  "SELECT set_config('synchronous_commit', 'on', false)"
                                  " WHERE current_setting('synchronous_commit')"
                                  "       IN ('off', 'local', 'remote_write');";

/* To plan a statement costs more than to run it for a few rows. A plan that is kept must not join
 * by reading a whole table, which is the cheapest while the table is small. */
static const char keyed_sql[] = "SET plan_cache_mode = force_generic_plan;"
                                "SET enable_hashjoin = off;"
                                "SET enable_mergejoin = off;";

static void note_warning(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (severity && sqlstate && !strcmp(severity, "WARNING"))
        memcpy(pg->warning, sqlstate, MIN(strlen(sqlstate) + 1, sizeof(pg->warning) - 1));
}

static int connect_once(struct pg *pg, const struct pg_options *o)
{
    char timeout[16];
    int timeout_s = o->connect_timeout_s > 0 ? o->connect_timeout_s : PG_CONNECT_TIMEOUT_S;
    snprintf(timeout, sizeof(timeout), "%d", timeout_s);
    const char *const settings[][2] = {
        { "dbname", o->uri }, /* a URI is taken apart where it stands; what follows wins over it */
        { "application_name", o->application_name ? o->application_name : "lujian" },
        { "connect_timeout", timeout },
        { "client_encoding", "UTF8" },
        { "gssencmode", "disable" },
        { "keepalives", "1" },
        { "keepalives_idle", "5" },
        { "keepalives_interval", "2" },
        { "keepalives_count", "3" },
        { "tcp_user_timeout", "10000" },
    };
    const char *names[ARRAY_LEN(settings) + 1] = { NULL },
                                            *values[ARRAY_LEN(settings) + 1] = { NULL };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        names[i] = settings[i][0];
        values[i] = settings[i][1];
    }
    pg->conn = PQconnectdbParams(names, values, 1);
    assert_always(pg->conn);
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        const char *message = PQerrorMessage(pg->conn);
        return err_set(ERR_AGAIN, "connect to PostgreSQL: %.*s", (int)strcspn(message, "\n"),
                       message);
    }
    pg->alive = true;
    PQsetNoticeReceiver(pg->conn, note_warning, pg);
    int size = PG_SEND_BUFFER_BYTES;
    setsockopt(PQsocket(pg->conn), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (PQsetnonblocking(pg->conn, 1) || !PQenterPipelineMode(pg->conn))
        return err_set(ERR_INTERNAL, "pipeline mode: %s", PQerrorMessage(pg->conn));
    int r = pg_script(pg, session_sql);
    return r < 0 || !o->keyed ? r : pg_script(pg, keyed_sql);
}

/* In one transaction: a hundred of their own would stand in the server's count of commits, and take
 * longer. */
static int prepare_all(struct pg *pg, const struct pg_module *const *modules)
{
    int r = pg_script(pg, "BEGIN");
    if (r >= 0)
        r = pg_prepare(pg, &pg_begin_query, pg_begin_query.name);
    for (; r >= 0 && modules && *modules; modules++) {
        const struct pg_query *const *query = (*modules)->queries;
        for (; r >= 0 && query && *query; query++)
            r = pg_prepare(pg, *query, (*query)->name);
    }
    return r < 0 ? r : pg_script(pg, "COMMIT");
}

int pg_open(struct pg **ret, const struct pg_options *options)
{
    struct pg *pg = calloc(1, sizeof(*pg));
    assert_always(pg);
    pg->answer_timeout_ms =
        options->answer_timeout_ms > 0 ? options->answer_timeout_ms : PG_ANSWER_TIMEOUT_MS;
    int r = connect_once(pg, options);
    if (r >= 0)
        r = prepare_all(pg, options->modules);
    if (r < 0) {
        pg_close(pg);
        return r;
    }
    *ret = pg;
    return 0;
}

void pg_close(struct pg *pg)
{
    if (!pg)
        return;
    pg_gathered_forget(pg);
    PQclear(pg->result);
    PQfinish(pg->conn);
    free(pg->pending);
    free(pg->aliased);
    free(pg);
}

bool pg_alive(const struct pg *pg)
{
    return pg->alive;
}

int pg_socket(const struct pg *pg)
{
    return PQsocket(pg->conn);
}

int pg_notification(struct pg *pg, struct arena *arena, const char **ret_channel,
                    const char **ret_payload)
{
    assert_always(!pg->open_bytes && !pg->pending_count);
    if (!pg->alive)
        return pg_fail_link(pg, "notification");
    PGnotify *n = PQnotifies(pg->conn);
    if (!n && !PQconsumeInput(pg->conn))
        return pg_fail_link(pg, "notification");
    if (!n)
        n = PQnotifies(pg->conn);
    if (!n)
        return 0;
    *ret_channel = arena_strdup(arena, n->relname);
    *ret_payload = arena_strdup(arena, n->extra);
    PQfreemem(n);
    return 1;
}
