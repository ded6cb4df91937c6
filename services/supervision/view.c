/* Cards and orders as their readers see them. */
#include "base/err.h"
#include "supervision.h"

static char *text(struct request *rq, const char *value)
{
    return arena_strdup(rq->arena, value ? value : "");
}

void card_view(struct request *rq, const struct card_row *row, Card *out)
{
    out->id = text(rq, row->id);
    out->color = (CardColor)row->color;
    out->subject = text(rq, row->matter.id);
    out->clock_kind = (ClockKind)row->clock_kind;
    out->clock_id = text(rq, row->clock_id);
    out->term = row->term;
    out->division = text(rq, row->matter.division);
    out->unit = text(rq, row->matter.unit);
    out->level = (Level)row->level;
    out->due_at = row->due_at;
    out->raised_at = row->raised_at;
    out->state = (CardState)row->state;
    out->acknowledged_by = text(rq, row->acknowledged_by);
    out->acknowledged_at = row->acknowledged_at;
    out->closed_at = row->closed_at;
    out->version = row->version;
    rq->version = row->version;
    rq->aggregate = out->id;
}

void order_view(struct request *rq, const struct order_row *row, Order *out)
{
    out->id = text(rq, row->id);
    out->level = (Level)row->level;
    out->trigger = (Trigger)row->trigger;
    out->subject = text(rq, row->matter.id);
    out->division = text(rq, row->matter.division);
    out->unit = text(rq, row->matter.unit);
    out->body = text(rq, row->body);
    out->previous = text(rq, row->previous);
    out->issued_at = row->issued_at;
    out->due_at = row->due_at;
    out->state = (OrderState)row->state;
    out->reply = text(rq, row->reply_text);
    out->replied_at = row->replied_at;
    out->verdict = text(rq, row->verdict);
    out->closed_at = row->closed_at;
    out->cannot_escalate = row->cannot_escalate;
    out->reported = row->reported;
    out->basis_zh = text(rq, row->basis_zh);
    out->basis_en = text(rq, row->basis_en);
    out->version = row->version;
    rq->version = row->version;
    rq->aggregate = out->id;
}

int card_view_by_id(struct request *rq, const char *id, void *out)
{
    struct card_row row;
    int r = store_card_read(rq->pg, rq->arena, id, &row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row.matter.division, row.matter.audience))
        return err_set(ERR_NOT_FOUND, "no card %s", id);
    card_view(rq, &row, out);
    return 0;
}

int order_view_by_id(struct request *rq, const char *id, void *out)
{
    struct order_row row;
    int r = store_order_read(rq->pg, rq->arena, id, &row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row.matter.division, row.matter.audience))
        return err_set(ERR_NOT_FOUND, "no order %s", id);
    order_view(rq, &row, out);
    return 0;
}
