/* One batch in one transaction: claim, look up, lock, read the time, apply one by one, record,
 * commit.
 *
 * Invariants: one bad member fails alone (any error rolls back and the members run alone); what was
 * written is answered only by the transaction's outcome; after COMMIT was sent nothing is run
 * again. */
#include "commit/batch.h"

#include <string.h>

#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"

void batch_init(struct batch *b)
{
    *b = (struct batch){ 0 };
    arena_init(&b->arena, 0);
}

void batch_clear(struct batch *b)
{
    arena_clear(&b->arena);
}

static bool any_member(const struct batch *b, enum verdict verdict)
{
    for (int i = 0; i < b->count; i++) {
        if (b->members[i]->verdict == verdict)
            return true;
    }
    return false;
}

static void request_begin_apply(struct command *c, struct tx *tx)
{
    struct request *rq = &c->rq;
    rq->tx = tx;
    rq->now_ms = tx->now_ms;
    rq->version = 0;
    rq->created = false;
    rq->aggregate = NULL;
    rq->refusal = NULL;
    rq->field = NULL;
    tx->wrote = false;
    tx->traceparent = rq->traceparent;
    c->out = wire_new(rq->arena, rq->method->response);
    c->code = 0;
}

/* 0 with a verdict, or the failure that costs the transaction. */
static int member_apply(struct batch *b, struct command *c)
{
    int events = b->tx.event_count;
    request_begin_apply(c, &b->tx);
    int r = c->handler->apply(&c->rq, c->in, c->out);
    c->rq.tx = NULL;
    if (r >= 0) {
        c->verdict = VERDICT_APPLIED;
        return 0;
    }
    bool wrote = b->tx.wrote || b->tx.event_count != events;
    command_fail(c, r);
    if (wrote || r == ERR_INTERNAL || r == ERR_AGAIN)
        return r;
    c->verdict = VERDICT_ANSWERED;
    return 0;
}

static int apply_all(struct batch *b)
{
    for (int i = 0; i < b->count; i++) {
        if (b->members[i]->verdict != VERDICT_OPEN)
            continue;
        int r = member_apply(b, b->members[i]);
        if (r < 0)
            return r;
        fault_point("commit.applied_one");
    }
    return 0;
}

/* Everything up to the point where only COMMIT is left. */
static int run_steps(struct batch *b)
{
    int r = batch_claim_keys(b);
    fault_point("commit.claimed");
    if (r == 0)
        r = batch_claim_matters(b);
    if (r == 0)
        r = batch_lock_subjects(b);
    fault_point("commit.locked");
    if (r < 0 || !any_member(b, VERDICT_OPEN))
        return r;
    r = tx_now(&b->tx);
    if (r == 0)
        r = apply_all(b);
    if (r == 0 && any_member(b, VERDICT_APPLIED))
        r = batch_record_keys(b);
    return r;
}

static void answer_members(struct batch *b, enum verdict which, int code)
{
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->verdict != which)
            continue;
        c->verdict = VERDICT_ANSWERED;
        command_fail(c, code);
    }
}

/* The link is gone and COMMIT was never sent: what is not decided waits for another connection. A
 * refusal that the members met may rest on another's uncommitted work, so it is asked again. */
static void send_back(struct batch *b)
{
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->verdict != VERDICT_REPLAY && c->verdict != VERDICT_BLOCKED)
            c->verdict = VERDICT_BACK;
    }
}

/* 0 with verdicts, or the failure of a transaction that was rolled back. */
static int commit_all(struct batch *b)
{
    fault_point("commit.before_commit");
    switch (tx_commit(&b->tx)) {
    case PG_DONE:
        fault_point("commit.after_commit");
        b->commits++;
        b->head = MAX(b->head, b->tx.head);
        return 0;
    case PG_UNKNOWN:
        b->commits++;
        answer_members(
            b, VERDICT_APPLIED,
            err_set(ERR_OUTCOME_UNKNOWN, "the link to the database broke at the commit"));
        return 0;
    case PG_NOT_EXECUTED:
        break;
    }
    int code = err_last()->code;
    return code < 0 ? code : err_set(ERR_INTERNAL, "the commit was rolled back");
}

/* One transaction. A failure is kept in b->failure: undoing it may fail too, and must not hide it.
 */
static int attempt(struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        b->members[i]->verdict = VERDICT_OPEN;
    err_clear();
    int r = tx_begin(&b->tx, b->pg, &b->arena);
    if (r == 0)
        r = run_steps(b);
    if (r == 0 && any_member(b, VERDICT_APPLIED))
        r = commit_all(b);
    else if (r == 0)
        tx_rollback(&b->tx);
    if (r == 0)
        return 0;
    b->failure = *err_last();
    b->failure.code = r;
    tx_rollback(&b->tx);
    return r;
}

/* The last word on a member whose transaction failed while it was alone in it. */
static void member_failed(struct batch *b, struct command *c)
{
    c->verdict = VERDICT_ANSWERED;
    c->detail = b->failure;
    c->code = b->failure.code;
    if (strncmp(b->failure.sqlstate, "53", 2) == 0) { /* no disk, no memory: reading may go on */
        command_fail(c,
                     err_set_reason(ERR_NOT_EXECUTED, "storage_full", "the database has no room"));
    } else if (c->code == ERR_AGAIN) {
        c->code = ERR_NOT_EXECUTED;
        c->detail.code = ERR_NOT_EXECUTED;
    }
}

static void run_one_alone(struct batch *b, struct command *c, int r)
{
    struct command **all = b->members;
    int count = b->count;
    b->members = &c;
    b->count = 1;
    for (int i = 0; i < BATCH_RERUNS_MAX && r == ERR_AGAIN && pg_alive(b->pg); i++)
        r = attempt(b);
    if (r < 0 && !pg_alive(b->pg))
        send_back(b);
    else if (r < 0)
        member_failed(b, c);
    b->members = all;
    b->count = count;
}

/* Members that were decided by durable records (a replay) or by another's lock stay decided. A
 * refusal is asked again: it may have seen what was rolled back. */
static void run_alone(struct batch *b)
{
    b->alone = true;
    for (int i = 0; i < b->count; i++) {
        struct command *c = b->members[i];
        if (c->verdict == VERDICT_REPLAY || c->verdict == VERDICT_BLOCKED)
            continue;
        run_one_alone(b, c, ERR_AGAIN);
    }
}

void batch_run(struct batch *b, struct pg *pg, struct command **members, int count)
{
    assert_always(count > 0 && count <= BATCH_MEMBERS_MAX);
    arena_reset(&b->arena);
    *b = (struct batch){ .pg = pg, .arena = b->arena, .members = members, .count = count };
    int64_t began_us = mono_us();
    int r = attempt(b);
    b->read_only = r < 0 && strcmp(b->failure.sqlstate, "25006") == 0;
    if (r < 0 && (b->read_only || !pg_alive(pg)))
        send_back(b);
    else if (r < 0 && count == 1)
        run_one_alone(b, members[0], r);
    else if (r < 0)
        run_alone(b);
    int64_t took_us = mono_us() - began_us;
    for (int i = 0; i < count; i++) {
        members[i]->queued_us += began_us - members[i]->submitted_us;
        members[i]->apply_us = took_us;
        members[i]->batch_size = count;
    }
}
