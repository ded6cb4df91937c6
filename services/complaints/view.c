/* A complaint as its readers see it. */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "complaints.h"

static int by_kind(const void *a, const void *b)
{
    return (int)(*(Clock *const *)a)->kind - (int)(*(Clock *const *)b)->kind;
}

void clocks_view(struct request *rq, const struct clock *clocks, int clock_count, size_t *ret_count,
                 Clock ***ret_clocks)
{
    /* By kind, however they came about: an answer and its replay are the same. */
    Clock **list = arena_array(rq->arena, Clock *, clock_count);
    for (int i = 0; i < clock_count; i++) {
        list[i] = wire_new(rq->arena, &clock_rules);
        clock_view(&clocks[i], rq->reference, rq->now_ms, rq->arena, list[i]);
    }
    qsort(list, (size_t)clock_count, sizeof(*list), by_kind);
    *ret_clocks = list;
    *ret_count = (size_t)clock_count;
}

static char *text(struct request *rq, const char *value)
{
    return arena_strdup(rq->arena, value ? value : "");
}

static void view_newest(struct request *rq, const struct complaint_row *row, Complaint *out)
{
    if (row->replied_at) {
        out->reply = wire_new(rq->arena, &reply_rules);
        out->reply->text = text(rq, row->reply_text);
        out->reply->basis = text(rq, row->reply_basis);
        out->reply->replied_at = row->replied_at;
    }
    if (row->visited_at) {
        out->visit = wire_new(rq->arena, &visit_rules);
        out->visit->reached = row->visit_reached;
        out->visit->solved = row->visit_solved;
        out->visit->satisfied = row->visit_satisfied;
        out->visit->note = text(rq, row->visit_note);
        out->visit->visited_at = row->visited_at;
    }
}

void complaint_view(struct request *rq, const struct complaint_row *row, const struct clock *clocks,
                    int clock_count, Complaint *out)
{
    out->id = text(rq, row->id);
    out->order_no = text(rq, row->order_no);
    out->source = text(rq, row->source);
    out->external_id = text(rq, row->external_id);
    out->channel = (Channel)row->channel;
    out->received_at = row->received_at;
    out->filed_at = row->filed_at;
    out->type = (ComplaintType)row->type;
    out->category = text(rq, row->category);
    out->title = text(rq, row->title);
    out->text = text(rq, row->body);
    out->division = text(rq, row->division);
    out->unit = text(rq, row->unit);
    out->place = text(rq, row->place);
    out->urgency = (Urgency)row->urgency;
    out->about_enforcement = row->about_enforcement;
    out->state = (ComplaintState)row->state;
    out->version = row->version;
    out->redo_count = row->redo_count;
    out->return_count = row->return_count;
    out->failed_visits = row->failed_visits;
    out->return_limit = row->return_limit;
    out->extended = row->extended;
    out->caller = wire_new(rq->arena, &caller_rules);
    if (caller_open(rq->arena, row, out->caller) < 0)
        log_error_last(LOG_ERROR, "caller not readable"); /* the rest of the complaint still is */
    caller_mask(rq->arena, row, rq->actor, rq->reference, out->caller);
    view_newest(rq, row, out);
    clocks_view(rq, clocks, clock_count, &out->n_clocks, &out->clocks);
    rq->version = row->version;
    rq->aggregate = out->id;
}

int complaint_see(struct request *rq, const char *id, struct complaint_seen *ret)
{
    struct complaint_seen seen;
    int r = store_complaint_see(rq, id, &seen);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, seen.row.division, seen.row.audience))
        return err_set(ERR_NOT_FOUND, "no complaint %s", id);
    *ret = seen;
    return 0;
}

int complaint_view_by_id(struct request *rq, const char *id, void *out)
{
    struct complaint_seen seen;
    int r = complaint_see(rq, id, &seen);
    if (r == 0)
        complaint_view(rq, &seen.row, seen.clocks, seen.clock_count, out);
    return r;
}
