/* What a batch finds out before it applies anything: which keys were answered before, which matters
 * exist, which rows another holds.
 *
 * Invariant: nothing here waits for another transaction. Names are claimed by try-locks and rows by
 * SKIP LOCKED, so batches of any order on any number of replicas cannot deadlock, and a blocked
 * member delays nobody else. */
#include <string.h>

#include "base/util.h"
#include "commit/batch.h"
#include "commit_sql.h"

const struct pg_module commit_module = { .name = "commit",
                                         .queries = commit_queries,
                                         .migrations = commit_migrations };

/* A key or matter that was answered before: the same request is replayed, another is a mistake of
 * the caller. */
static void decide_answered_before(struct command *c, const uint8_t *digest, size_t digest_size,
                                   const char *aggregate, int64_t version)
{
    if (digest_size == SHA256_SIZE && memcmp(digest, c->digest, SHA256_SIZE) == 0) {
        c->replay = arena_strdup(c->rq.arena, aggregate);
        c->replay_version = version;
        c->verdict = VERDICT_REPLAY;
        return;
    }
    c->verdict = VERDICT_ANSWERED;
    command_fail(c, err_set_reason(ERR_UNPROCESSABLE, "conflicting_payload",
                                   "the key was used for another request"));
}

static int claim_rows_read(struct batch *b, struct pg_rows *ret_rows)
{
    struct pg_array names, matters, principals, methods, keys;
    struct pg_array *const all[] = { &names, &matters, &principals, &methods, &keys };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pg_array_init(all[i]);
    for (int i = 0; i < b->count; i++) {
        const struct command *c = b->members[i];
        /* A subject's exclusion is its row lock: there is nothing else to claim. */
        uint64_t matter = c->names[c->natural[0] ? COMMAND_NAME_MATTER : COMMAND_NAME_KEY];
        pg_array_add_int(&names, (int64_t)c->names[COMMAND_NAME_KEY]);
        pg_array_add_int(&matters, (int64_t)matter);
        pg_array_add_text(&principals, c->principal);
        pg_array_add_text(&methods, c->rq.method->name);
        pg_array_add_text(&keys, c->rq.key);
    }
    int r = tx_read(&b->tx, &Q_IDEMPOTENCY_CLAIM,
                    PG_ARGS(pg_array_param(&names), pg_array_param(&matters),
                            pg_array_param(&principals), pg_array_param(&methods),
                            pg_array_param(&keys)),
                    ret_rows);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pg_array_clear(all[i]);
    return r;
}

int batch_claim_keys(struct batch *b)
{
    struct pg_rows rows;
    int r = claim_rows_read(b, &rows);
    if (r < 0)
        return err_wrap(r, "claim keys");
    assert_always(rows.count == b->count);
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (!pg_row_bool(&rows, i, 1)) {
            c->verdict = VERDICT_BLOCKED;
        } else if (!pg_row_is_null(&rows, i, 2)) {
            size_t size;
            const uint8_t *digest = pg_row_bytes(&rows, i, 2, &b->arena, &size);
            decide_answered_before(c, digest, size, pg_row_text(&rows, i, 3),
                                   pg_row_int(&rows, i, 4));
        }
    }
    return 0;
}

/* The member of this natural key; those that the query asks for are all there. */
static struct command *member_of_matter(const struct batch *b, const struct pg_query *query,
                                        const char *first, const char *second)
{
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->handler->natural_lookup == query && c->natural[0] &&
            strcmp(c->natural[0], first) == 0 && strcmp(c->natural[1], second) == 0)
            return c;
    }
    return NULL;
}

static int lookup_matters(struct batch *b, const struct pg_query *query, int from)
{
    struct pg_array first, second;
    pg_array_init(&first);
    pg_array_init(&second);
    for (int i = from; i < b->count; i++) {
        const struct command *c = b->members[i];
        if (c->verdict != VERDICT_OPEN || c->handler->natural_lookup != query)
            continue;
        pg_array_add_text(&first, c->natural[0]);
        pg_array_add_text(&second, c->natural[1]);
    }
    struct pg_rows rows;
    int r = tx_read(&b->tx, query, PG_ARGS(pg_array_param(&first), pg_array_param(&second)), &rows);
    pg_array_clear(&first);
    pg_array_clear(&second);
    if (r < 0)
        return err_wrap(r, "%s", query->name);
    for (int i = 0; i < rows.count; i++) {
        struct command *c =
            member_of_matter(b, query, pg_row_text(&rows, i, 0), pg_row_text(&rows, i, 1));
        if (!c || c->verdict != VERDICT_OPEN)
            continue;
        size_t size;
        const uint8_t *digest = pg_row_bytes(&rows, i, 3, &b->arena, &size);
        decide_answered_before(c, digest, size, pg_row_text(&rows, i, 2), 0);
    }
    return 0;
}

/* Methods share statements: each runs once a batch. */
struct asked {
    const struct pg_query *queries[BATCH_MEMBERS_MAX];
    int count;
};

static bool ask_once(struct asked *asked, const struct pg_query *query)
{
    for (int i = 0; i < asked->count; i++) {
        if (asked->queries[i] == query)
            return false;
    }
    asked->queries[asked->count++] = query;
    return true;
}

int batch_claim_matters(struct batch *b)
{
    struct asked asked = { 0 };
    for (int i = 0; i < b->count; i++) {
        const struct command *c = b->members[i];
        const struct pg_query *query = c->natural[0] ? c->handler->natural_lookup : NULL;
        if (c->verdict != VERDICT_OPEN || !query || !ask_once(&asked, query))
            continue;
        int r = lookup_matters(b, query, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool rows_have(const struct pg_rows *rows, const char *id)
{
    for (int i = 0; i < rows->count; i++) {
        if (strcmp(pg_row_text(rows, i, 0), id) == 0)
            return true;
    }
    return false;
}

/* Reads `query` with the subjects of the open members that are not in `except`. */
static int read_subjects(struct batch *b, const struct pg_query *lock, const struct pg_query *query,
                         const struct pg_rows *except, struct pg_rows *ret_rows)
{
    struct pg_array ids;
    pg_array_init(&ids);
    for (int i = 0; i < b->count; i++) {
        const struct command *c = b->members[i];
        if (c->verdict == VERDICT_OPEN && c->handler->lock == lock &&
            !(except && rows_have(except, c->subject)))
            pg_array_add_text(&ids, c->subject);
    }
    *ret_rows = (struct pg_rows){ 0 };
    int r = ids.count ? tx_read(&b->tx, query, PG_ARGS(pg_array_param(&ids)), ret_rows) : 0;
    pg_array_clear(&ids);
    return r < 0 ? err_wrap(r, "%s", query->name) : 0;
}

/* What exists and was not locked is another's for now. What does not exist goes on: apply says so.
 */
static int lock_rows(struct batch *b, const struct method_handler *h)
{
    struct pg_rows locked, existing;
    int r = read_subjects(b, h->lock, h->lock, NULL, &locked);
    if (r < 0)
        return r;
    r = read_subjects(b, h->lock, h->exist, &locked, &existing);
    if (r < 0)
        return r;
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->verdict == VERDICT_OPEN && c->handler->lock == h->lock &&
            rows_have(&existing, c->subject))
            c->verdict = VERDICT_BLOCKED;
    }
    return 0;
}

/* Whoever shares the lock and is still open gets what is to be read of its subject. */
static int load_rows(struct batch *b, const struct method_handler *h)
{
    struct request *requests[BATCH_MEMBERS_MAX];
    const char *subjects[BATCH_MEMBERS_MAX];
    int count = 0;
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->verdict != VERDICT_OPEN || c->handler->lock != h->lock)
            continue;
        c->rq.loaded = NULL;
        requests[count] = &c->rq;
        subjects[count++] = c->subject;
    }
    return count && h->load ? h->load(&b->tx, requests, subjects, count) : 0;
}

int batch_lock_subjects(struct batch *b)
{
    struct asked asked = { 0 };
    for (int i = 0; i < b->count; i++) {
        const struct command *c = b->members[i];
        if (c->verdict != VERDICT_OPEN || !c->handler->lock || !ask_once(&asked, c->handler->lock))
            continue;
        int r = lock_rows(b, c->handler);
        if (r == 0)
            r = load_rows(b, c->handler);
        if (r < 0)
            return r;
    }
    return 0;
}

int batch_record_keys(struct batch *b)
{
    int r = 0;
    for (int i = 0; r >= 0 && i < b->count; i++) {
        const struct command *c = b->members[i];
        if (c->verdict != VERDICT_APPLIED)
            continue;
        const char *aggregate = c->rq.aggregate ? c->rq.aggregate : c->subject ? c->subject : "";
        r = tx_gather(&b->tx, &Q_IDEMPOTENCY_RECORD,
                      PG_ARGS(pg_text(c->principal), pg_text(c->rq.method->name),
                              pg_text(c->rq.key), pg_bytes(c->digest, SHA256_SIZE),
                              pg_text(aggregate), pg_int(c->rq.version), pg_int(b->tx.now_ms)));
    }
    return r;
}
