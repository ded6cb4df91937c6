/* Loading rows: each is checked against all that stand and against the rows before it; the faulty
 * ones are told and the others taken. */
#include <string.h>

#include "base/err.h"
#include "base/rand.h"
#include "reference/mirror.h"
#include "registry.h"

/* A load in the making: what stands, and what changes. */
struct load {
    struct tx *tx;
    struct facts *facts;
    const struct fact **changed;
    int changed_count;
    LoadResponse *out;
};

static void load_fault(struct load *l, size_t row, const char *reason, const char *detail)
{
    RowFault *fault = wire_new(l->tx->arena, &row_fault_rules);
    fault->row = (uint32_t)row;
    fault->reason = arena_strdup(l->tx->arena, reason);
    fault->detail = arena_strdup(l->tx->arena, detail);
    l->out->faults[l->out->n_faults++] = fault;
}

static bool fact_equal(const struct fact *a, const struct fact *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static void load_row(struct load *l, size_t i, const ReferenceRow *row)
{
    struct row_check check = { .arena = l->tx->arena, .facts = l->facts };
    struct fact *fact = fact_describe(l->tx->arena, row);
    if (!fact) {
        load_fault(l, i, "no_row", "the row is of no kind that this release knows");
        return;
    }
    const struct fact *there = facts_get(l->facts, fact->kind, fact->key);
    if (there && fact_equal(there, fact)) {
        l->out->unchanged++;
        return;
    }
    const struct row_refusal *why =
        there && there->fresh
            ? row_refuse(&check, "key_twice", "%s %s stands twice in this request, differently",
                         fact->kind, fact->key)
            : rules_check_row(&check, fact);
    if (why) {
        load_fault(l, i, why->reason, why->detail);
        return;
    }
    fact->fresh = true;
    facts_put(l->facts, fact);
    l->changed[l->changed_count++] = fact;
    l->out->changed++;
}

/* protobuf-c's members are not const; nothing writes to them. */
static void *borrow(const void *data)
{
    return (void *)(uintptr_t)data;
}

static void tell_change(struct tx *tx, const struct fact *fact)
{
    struct event_address address = {
        .subject = fact_subject(tx->arena, fact),
        .division = fact->division,
    };
    ReferenceChanged *e = wire_new(tx->arena, &reference_changed_rules);
    e->kind = borrow(fact->kind);
    e->key = borrow(fact->key);
    e->division = borrow(fact->division);
    e->row = borrow(fact->row);
    tx_event(tx, &reference_changed_event, &address, &e->base);
}

static int take_rows(struct load *l, ReferenceRow *const *rows, size_t count)
{
    struct arena *arena = l->tx->arena;
    int r = store_rows_read(l->tx->pg, l->facts);
    if (r < 0)
        return r;
    l->changed = arena_array(arena, const struct fact *, count + 1);
    l->out->faults = arena_array(arena, RowFault *, count + 1);
    for (size_t i = 0; i < count; i++)
        load_row(l, i, rows[i]);
    if (l->changed_count == 0)
        return 0;
    r = store_rows_write(l->tx, l->changed, l->changed_count);
    if (r < 0)
        return r;
    for (int i = 0; i < l->changed_count; i++)
        tell_change(l->tx, l->changed[i]);
    return mirror_notify(l->tx);
}

int registry_take_rows(struct tx *tx, ReferenceRow *const *rows, size_t count, LoadResponse *out)
{
    struct facts facts;
    facts_init(&facts);
    struct load load = { .tx = tx, .facts = &facts, .out = out };
    int r = take_rows(&load, rows, count);
    facts_clear(&facts);
    return r;
}

int registry_load_apply(struct request *rq, const void *message, void *reply)
{
    const LoadRequest *in = message;
    LoadResponse *out = reply;
    char id[UUID_TEXT_SIZE];
    bool mine;
    int r = store_take_turn(rq->tx, &mine);
    if (r < 0)
        return r;
    if (!mine)
        return err_set(ERR_IN_PROGRESS, "another load is under way");
    r = registry_take_rows(rq->tx, in->rows, in->n_rows, out);
    if (r < 0)
        return r;
    uuid_v7(rq->now_ms, id);
    rq->aggregate = arena_strdup(rq->arena, id);
    return store_load_insert(rq->tx, id, rq->actor->id, out);
}

int registry_load_view(struct request *rq, const char *aggregate, void *out)
{
    return store_load_read(rq->pg, rq->arena, aggregate, out);
}
