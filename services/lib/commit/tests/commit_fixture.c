/* Notes: a service with one aggregate, for tests of the committers and of the skeleton. */
#include "commit/tests/commit_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "log/log_read.h"
#include "lujian/complaints/v1/events.lj.h"

static const struct pg_migration note_migrations[] = {
    { .number = 1,
      .name = "init",
      .sha256 = "0000000000000000000000000000000000000000000000000000000000000001",
      .sql =
          "CREATE TABLE note (id text PRIMARY KEY, source text NOT NULL, external_id text NOT NULL,"
          " digest bytea NOT NULL, state int NOT NULL, version bigint NOT NULL, acts int NOT NULL,"
          " UNIQUE (source, external_id));"
          "CREATE FUNCTION note_fail(code text) RETURNS void LANGUAGE plpgsql AS $$"
          " BEGIN RAISE EXCEPTION 'asked for' USING ERRCODE = code; END $$;" },
    { .number = 0 },
};

#define QUERY(symbol, text) static const struct pg_query symbol = { .name = #symbol, .sql = text }

QUERY(q_note_insert, "INSERT INTO note (id, source, external_id, digest, state, version, acts)"
                     " VALUES ($1::text, $2::text, $3::text, $4::bytea, $5::int, 1, 0)");
QUERY(q_note_read,
      "SELECT state, version, acts, source, external_id FROM note WHERE id = $1::text");
QUERY(q_note_state, "UPDATE note SET state = $2::int, version = version + 1 WHERE id = $1::text");
QUERY(q_note_act, "UPDATE note SET acts = acts + 1, version = version + 1 WHERE id = $1::text");
QUERY(q_note_fail, "SELECT note_fail($1::text)");
QUERY(q_note_exist, "SELECT id FROM note WHERE id = ANY ($1::text[])");
QUERY(
    q_note_natural,
    "SELECT n.source, n.external_id, n.id, n.digest FROM note n"
    " JOIN unnest($1::text[], $2::text[]) AS k (source, external_id) USING (source, external_id)");
QUERY(q_note_count, "SELECT count(*) FROM note");
QUERY(q_note_load,
      "SELECT id, state, version, acts, source, external_id FROM note WHERE id = ANY ($1::text[])");
QUERY(q_note_events, "SELECT count(*) FROM event");

const struct pg_query Q_NOTE_LOCK = {
    .name = "q_note_lock",
    .sql = "SELECT id FROM note WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE SKIP LOCKED"
};

static const struct pg_query *const note_queries[] = {
    &q_note_insert, &q_note_read,    &q_note_state, &q_note_act,    &q_note_fail, &q_note_exist,
    &q_note_load,   &q_note_natural, &q_note_count, &q_note_events, &Q_NOTE_LOCK, NULL
};

const struct pg_module note_module = { .name = "note",
                                       .queries = note_queries,
                                       .migrations = note_migrations };

atomic_long note_applies;
atomic_int note_serialization_failures;

struct note {
    int state;
    int64_t version, acts;
    const char *source, *external_id;
};

static int note_from(const struct pg_rows *rows, struct note *ret)
{
    if (rows->count == 0)
        return err_set(ERR_NOT_FOUND, "no such note");
    *ret = (struct note){ .state = (int)pg_row_int(rows, 0, 0),
                          .version = pg_row_int(rows, 0, 1),
                          .acts = pg_row_int(rows, 0, 2),
                          .source = pg_row_text(rows, 0, 3),
                          .external_id = pg_row_text(rows, 0, 4) };
    return 0;
}

static void note_fill(struct request *rq, const char *id, const struct note *n, Complaint *out)
{
    out->id = arena_strdup(rq->arena, id);
    out->source = arena_strdup(rq->arena, n->source);
    out->external_id = arena_strdup(rq->arena, n->external_id);
    out->division = (char *)NOTE_DIVISION;
    out->state = (ComplaintState)n->state;
    out->version = n->version;
    out->redo_count = (uint32_t)n->acts;
    rq->version = n->version;
    rq->aggregate = out->id;
}

/* Only what is locked is loaded: a member that is blocked, or was answered before, is not asked
 * for. */
static int note_load(struct tx *tx, struct request *const *requests, const char *const *ids,
                     int count)
{
    struct pg_rows rows;
    struct pg_array array;
    pg_array_init(&array);
    for (int i = 0; i < count; i++)
        pg_array_add_text(&array, ids[i]);
    int r = tx_read(tx, &q_note_load, PG_ARGS(pg_array_param(&array)), &rows);
    pg_array_clear(&array);
    for (int k = 0; r >= 0 && k < rows.count; k++) {
        struct note *n = arena_new(tx->arena, struct note);
        *n = (struct note){ .state = (int)pg_row_int(&rows, k, 1),
                            .version = pg_row_int(&rows, k, 2),
                            .acts = pg_row_int(&rows, k, 3),
                            .source = pg_row_text(&rows, k, 4),
                            .external_id = pg_row_text(&rows, k, 5) };
        for (int i = 0; i < count; i++) {
            if (strcmp(ids[i], pg_row_text(&rows, k, 0)) == 0)
                requests[i]->loaded = n;
        }
    }
    return r;
}

static int note_take(struct request *rq, struct note *ret)
{
    atomic_fetch_add(&note_applies, 1);
    if (!rq->loaded)
        return err_set(ERR_NOT_FOUND, "no such note");
    *ret = *(const struct note *)rq->loaded;
    return 0;
}

static struct event_address note_address(const char *id)
{
    return (struct event_address){
        .subject = id, .division = NOTE_DIVISION, .audience = "", .correlation = ""
    };
}

static void note_filed_event(struct request *rq, const char *id)
{
    ComplaintFiled data = COMPLAINT_FILED_INIT;
    struct event_address address = note_address(id);
    data.complaint_id = (char *)id;
    data.division = (char *)NOTE_DIVISION;
    tx_event(rq->tx, &complaint_filed_event, &address, &data.base);
}

/* One kind for all acts. */
static void note_event(struct request *rq, const char *id)
{
    ComplaintSigned data = COMPLAINT_SIGNED_INIT;
    struct event_address address = note_address(id);
    data.complaint_id = (char *)id;
    data.division = (char *)NOTE_DIVISION;
    tx_event(rq->tx, &complaint_signed_event, &address, &data.base);
}

static int file_apply(struct request *rq, const void *message, void *response)
{
    const FileRequest *in = message;
    atomic_fetch_add(&note_applies, 1);
    if (strcmp(in->title, "refuse") == 0)
        return refuse(rq, &(const struct refusal){ .code = "not_today",
                                                   .detail_zh = "今日不办",
                                                   .detail_en = "not today" });
    char id[UUID_TEXT_SIZE];
    uuid_v7(rq->now_ms, id);
    int r = tx_write(rq->tx, &q_note_insert,
                     PG_ARGS(pg_text(id), pg_text(in->source), pg_text(in->external_id),
                             pg_bytes(rq->digest, 32), pg_int(COMPLAINT_STATE_DISPATCHED)));
    if (r < 0)
        return r;
    note_filed_event(rq, id);
    struct note n = { .state = COMPLAINT_STATE_DISPATCHED,
                      .version = 1,
                      .source = in->source,
                      .external_id = in->external_id };
    note_fill(rq, id, &n, response);
    rq->created = true;
    return 0;
}

static const char *const signed_allows[] = { "contact", "reply", NULL };
static const struct refusal already_signed = { .code = "already_signed",
                                               .detail_zh = "已经签收",
                                               .detail_en = "signed already",
                                               .basis_zh = "测试条例第一条",
                                               .basis_en = "Test Rules, article 1",
                                               .state = "signed",
                                               .allowed = signed_allows };

static int sign_apply(struct request *rq, const void *message, void *response)
{
    const SignRequest *in = message;
    struct note n = { 0 };
    int r = note_take(rq, &n);
    if (r == 0)
        r = request_check_version(rq, n.version);
    if (r < 0)
        return r;
    if (n.state != COMPLAINT_STATE_DISPATCHED)
        return refuse(rq, &already_signed);
    r = tx_write(rq->tx, &q_note_state, PG_ARGS(pg_text(in->id), pg_int(COMPLAINT_STATE_SIGNED)));
    if (r < 0)
        return r;
    n.state = COMPLAINT_STATE_SIGNED;
    n.version++;
    note_event(rq, in->id);
    note_fill(rq, in->id, &n, response);
    return 0;
}

static int act_apply(struct request *rq, const char *id, void *response)
{
    struct note n = { 0 };
    int r = note_take(rq, &n);
    if (r == 0)
        r = tx_write(rq->tx, &q_note_act, PG_ARGS(pg_text(id)));
    if (r < 0)
        return r;
    n.acts++;
    n.version++;
    note_event(rq, id);
    note_fill(rq, id, &n, response);
    return 0;
}

static int contact_apply(struct request *rq, const void *message, void *response)
{
    return act_apply(rq, ((const ContactRequest *)message)->id, response);
}

static int fail_with(struct request *rq, const char *sqlstate, bool at_commit)
{
    struct pg_rows rows;
    if (at_commit)
        return tx_write(rq->tx, &q_note_fail, PG_ARGS(pg_text(sqlstate)));
    return tx_read(rq->tx, &q_note_fail, PG_ARGS(pg_text(sqlstate)), &rows);
}

static int extend_apply(struct request *rq, const void *message, void *response)
{
    const ExtendRequest *in = message;
    int r = act_apply(rq, in->id, response);
    if (r < 0)
        return r;
    if (strcmp(in->reason, "sql_error") == 0)
        return fail_with(rq, "22012", false);
    if (strcmp(in->reason, "late_error") == 0)
        return fail_with(rq, "22012", true);
    if (strcmp(in->reason, "full") == 0)
        return fail_with(rq, "53100", true);
    if (strcmp(in->reason, "serialization") == 0 &&
        atomic_fetch_sub(&note_serialization_failures, 1) > 0)
        return fail_with(rq, "40001", false);
    if (strcmp(in->reason, "internal") == 0)
        return err_set(ERR_INTERNAL, "a defect");
    return 0;
}

static int note_view(struct request *rq, const char *id, void *response)
{
    struct pg_rows rows;
    struct note n = { 0 };
    int r = pg_read(rq->pg, rq->arena, &q_note_read, PG_ARGS(pg_text(id)), &rows);
    if (r == 0)
        r = note_from(&rows, &n);
    if (r == 0)
        note_fill(rq, id, &n, response);
    return r;
}

static int get_query(struct request *rq, const void *message, void *response)
{
    return note_view(rq, ((const GetRequest *)message)->id, response);
}

static int reopen_apply(struct request *rq, const void *message, void *response)
{
    const ReopenRequest *in = message;
    if (strcmp(in->reason, "reject") == 0)
        return reject(rq, ERR_UNPROCESSABLE, "bad_reason", "reason", "not a reason");
    return act_apply(rq, in->id, response);
}

static int redo_check(struct request *rq, const void *message)
{
    const RedoRequest *in = message;
    if (strcmp(in->reason, "not_yours") == 0)
        return reject(rq, ERR_PERMISSION_DENIED, "not_yours", "reason", "not yours");
    return 0;
}

static int redo_apply(struct request *rq, const void *message, void *response)
{
    return act_apply(rq, ((const RedoRequest *)message)->id, response);
}

#define ACT(act)                                                                                   \
    .method = &complaints_##act##_method, .apply = act##_apply, .view = note_view,                 \
    .lock = &Q_NOTE_LOCK, .exist = &q_note_exist, .load = note_load

const struct method_handler note_methods[] = {
    { .method = &complaints_file_method,
      .apply = file_apply,
      .view = note_view,
      .natural_lookup = &q_note_natural },
    { ACT(sign) },
    { ACT(contact) },
    { ACT(extend) },
    { ACT(redo), .check = redo_check },
    { ACT(reopen) },
    { .method = &complaints_get_method, .query = get_query },
    { 0 },
};

const struct method_handler *note_handler(const struct method_info *method)
{
    for (const struct method_handler *h = note_methods; h->method; h++) {
        if (h->method == method)
            return h;
    }
    return NULL;
}

static int64_t read_one(struct pg *pg, const struct pg_query *query, const struct pg_param *params,
                        int count, int column)
{
    struct arena arena;
    struct pg_rows rows;
    arena_init(&arena, 0);
    int64_t value = -1;
    if (pg_read(pg, &arena, query, params, count, &rows) == 0 && rows.count == 1)
        value = pg_row_int(&rows, 0, column);
    arena_clear(&arena);
    return value;
}

int64_t note_count(struct pg *pg)
{
    return read_one(pg, &q_note_count, PG_NO_ARGS, 0);
}

int64_t note_acts(struct pg *pg, const char *id)
{
    return read_one(pg, &q_note_read, PG_ARGS(pg_text(id)), 2);
}

int64_t note_events(struct pg *pg)
{
    return read_one(pg, &q_note_events, PG_NO_ARGS, 0);
}

void note_insert(struct pg *pg, const char *id)
{
    const uint8_t digest[32] = { 0 };
    pg_write(pg, &q_note_insert,
             PG_ARGS(pg_text(id), pg_text("test-note"), pg_text(id), pg_bytes(digest, 32),
                     pg_int(COMPLAINT_STATE_DISPATCHED)));
    assert_always(pg_flush(pg, NULL) == 0);
}
