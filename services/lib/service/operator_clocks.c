/* What an operator does to clocks: sees what a corrected calendar would move, and decides that it
 * shall. */
#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "reference/snapshot.h"
#include "service/replica.h"

static const char *const notes[] = {
    [CLOCK_CHANGE_MOVES] = "",
    [CLOCK_CHANGE_BREACHED] = "breached",
    [CLOCK_CHANGE_NOT_BEFORE_NOW] = "not_before_now",
    [CLOCK_CHANGE_FAILS] = "failing",
};

static int need_clocks(struct request *rq)
{
    if (rq->service->definition->clocks)
        return 0;
    return reject(rq, ERR_UNSUPPORTED, "no_clocks", NULL, "this service owns no clocks");
}

/* NULL where none was ever taken. */
static int read_decision(struct request *rq, ClockDecision **ret)
{
    struct clock_decision last;
    int r = clock_decision_read(rq->pg, rq->arena, &last);
    if (r < 0)
        return r;
    *ret = NULL;
    if (!last.calendar_position)
        return 0;
    ClockDecision *d = wire_new(rq->arena, &clock_decision_rules);
    d->calendar_position = last.calendar_position;
    d->decided_by = arena_strdup(rq->arena, last.decided_by);
    d->decided_at = last.decided_at;
    d->settled_at = last.settled_at;
    *ret = d;
    return 0;
}

static void fill_changes(struct request *rq, const struct clock_changes *found,
                         RecomputeResponse *out)
{
    out->calendar_position = found->calendar_position;
    out->older = found->older;
    out->moving = found->counts[CLOCK_CHANGE_MOVES];
    out->breached = found->counts[CLOCK_CHANGE_BREACHED];
    out->not_before_now = found->counts[CLOCK_CHANGE_NOT_BEFORE_NOW];
    out->failing = found->counts[CLOCK_CHANGE_FAILS];
    out->changes = arena_array(rq->arena, DueChange *, found->row_count);
    out->n_changes = (size_t)found->row_count;
    for (int i = 0; i < found->row_count; i++) {
        const struct clock_change *row = &found->rows[i];
        DueChange *c = wire_new(rq->arena, &due_change_rules);
        c->clock_id = (char *)row->clock_id;
        c->kind = (ClockKind)row->kind;
        c->subject = (char *)row->subject;
        c->division = (char *)row->division;
        c->old_due_at = row->old_due_at;
        c->new_due_at = row->new_due_at;
        c->note = arena_strdup(rq->arena, notes[row->note]);
        out->changes[i] = c;
    }
}

int operator_recompute(struct request *rq, const void *message, void *response)
{
    (void)message;
    RecomputeResponse *out = response;
    struct clock_changes found;
    int r = need_clocks(rq);
    if (r == 0)
        r = clock_changes_read(rq->pg, rq->arena, rq->reference, rq->now_ms, &found);
    if (r < 0)
        return r;
    fill_changes(rq, &found, out);
    return read_decision(rq, &out->last);
}

int operator_apply_recompute(struct request *rq, const void *message, void *response)
{
    static const struct refusal moved = {
        .code = "calendar_moved",
        .detail_zh = "日历已不是预演时的那一版，请重新预演后再确认",
        .detail_en = "the calendar is not the one of the dry run: look again, then decide",
    };
    const ApplyRecomputeRequest *in = message;
    ApplyRecomputeResponse *out = response;
    int r = need_clocks(rq);
    if (r < 0)
        return r;
    if (in->calendar_position != snapshot_calendar_position(rq->reference))
        return refuse(rq, &moved);
    r = clock_decide(rq->pg, in->calendar_position, rq->actor->id, rq->now_ms);
    if (r >= 0)
        r = read_decision(rq, &out->decision);
    if (r < 0)
        return r;
    log_line(LOG_WARN, "CLOCKS-RECOMPUTE-DECIDED", LF_TEXT("principal", rq->actor->id),
             LF_INT("calendar_position", in->calendar_position));
    struct clock_scanner *scanner = atomic_load(&rq->service->scanner);
    if (scanner)
        clock_scanner_wake(scanner);
    return 0;
}
