/* Supervision orders: read, listed, signed and replied to by the unit, closed by the body of their
 * level. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "supervision.h"

int order_get(struct request *rq, const void *message, void *out)
{
    const GetOrderRequest *in = message;
    return order_view_by_id(rq, in->id, out);
}

/* Of one order in an answer; the rest of it has a bound of its own. */
static size_t texts_of(const void *item)
{
    const struct order_row *row = item;
    return strlen(row->reply_text) + strlen(row->verdict) + 1024;
}

int order_list(struct request *rq, const void *message, void *reply)
{
    const ListOrdersRequest *in = message;
    ListOrdersResponse *out = reply;
    struct order_filter filter = { .subject = in->subject,
                                   .state = (int)in->state,
                                   .cannot_escalate = in->cannot_escalate };
    int r = request_scope(rq, in->division, &filter.scope);
    if (r == 0)
        r = list_page(rq, in, in->page_token, in->page_size_choice_case ? (int)in->page_size : 0,
                      &filter.page);
    if (r < 0)
        return r;

    struct order_row *rows;
    int count;
    r = store_order_list(rq, &filter, &rows, &count);
    if (r < 0)
        return r;
    int fit = page_fit(rows, sizeof(*rows), MIN(count, filter.page.count_max - 1), texts_of);
    if (count > fit) {
        count = fit;
        out->next_page_token = list_next(rq, in, rows[count - 1].issued_at, rows[count - 1].id);
    }
    out->orders = arena_array(rq->arena, Order *, count);
    for (int i = 0; i < count; i++) {
        out->orders[i] = wire_new(rq->arena, &order_rules);
        order_view(rq, &rows[i], out->orders[i]);
    }
    out->n_orders = (size_t)count;
    rq->version = 0; /* a list has none */
    return 0;
}

static int visible_clocks(struct request *rq, const char *id, struct clock **ret_clocks,
                          int *ret_count)
{
    struct order_row row;
    int r = store_order_read(rq->pg, rq->arena, id, &row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row.matter.division, row.matter.audience))
        return err_set(ERR_NOT_FOUND, "no order %s", id);

    struct clock **clocks;
    int *counts;
    r = clock_load_many(rq->pg, rq->arena, &(const char *){ row.id }, 1, &clocks, &counts);
    if (r < 0)
        return r;
    *ret_clocks = clocks[0];
    *ret_count = counts[0];
    return 0;
}

int order_clocks(struct request *rq, const void *message, void *reply)
{
    const OrderClocksRequest *in = message;
    OrderClocksResponse *out = reply;
    struct clock *clocks;
    int count;
    int r = visible_clocks(rq, in->id, &clocks, &count);
    if (r < 0)
        return r;
    out->clocks = arena_array(rq->arena, Clock *, count);
    for (int i = 0; i < count; i++) {
        out->clocks[i] = wire_new(rq->arena, &clock_rules);
        clock_view(&clocks[i], rq->reference, rq->now_ms, rq->arena, out->clocks[i]);
    }
    out->n_clocks = (size_t)count;
    return 0;
}

int order_explain(struct request *rq, const void *message, void *reply)
{
    const ExplainOrderRequest *in = message;
    ExplainOrderResponse *out = reply;
    struct clock *clocks;
    int count;
    int r = visible_clocks(rq, in->id, &clocks, &count);
    if (r < 0)
        return r;
    return clock_explain_view(clocks, count, in->clock_id, rq->reference, rq->arena, &out->days,
                              &out->n_days);
}

/* Who acts: the unit that has to answer, or the supervision body whose turn it is. */
static int permit_unit(struct request *rq, const struct order_row *row)
{
    const struct unit *unit = rules_answering_unit(rq->reference, &row->matter);
    if (unit && principal_acts_for(rq->actor, unit))
        return 0;
    return reject(rq, ERR_PERMISSION_DENIED, "unit_not_yours", "id",
                  "the order is for another unit");
}

static int permit_body(struct request *rq, const struct order_row *row)
{
    const struct unit *body =
        rules_body(rq->reference, rq->arena, row->matter.division, row->level);
    if (body && strcmp(rq->actor->jurisdiction, body->division) == 0)
        return 0;
    return reject(rq, ERR_PERMISSION_DENIED, "level_not_yours", "id",
                  "the order is for the supervision body of its level to close");
}

static int act_open(struct request *rq, const char *id, enum order_action action,
                    int (*permit)(struct request *rq, const struct order_row *row),
                    struct order_row *row)
{
    int r = store_order_read(rq->tx->pg, rq->arena, id, row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row->matter.division, row->matter.audience))
        return err_set(ERR_NOT_FOUND, "no order %s", id);
    if ((r = permit(rq, row)) < 0 || (r = request_check_version(rq, row->version)) < 0)
        return r;
    const struct refusal *why = rules_order_allows(rq->arena, row->state, action);
    return why ? refuse(rq, why) : 0;
}

static int act_save(struct request *rq, struct order_row *row, Order *out)
{
    row->version++;
    int r = store_order_save(rq->tx, row);
    if (r == 0)
        order_view(rq, row, out);
    return r;
}

int order_sign_apply(struct request *rq, const void *message, void *out)
{
    const SignOrderRequest *in = message;
    struct order_row row;
    int r = act_open(rq, in->id, ORDER_SIGN, permit_unit, &row);
    if (r < 0)
        return r;
    row.state = ORDER_STATE_SIGNED;
    event_order_signed(rq->tx, &row);
    return act_save(rq, &row, out);
}

int order_reply_apply(struct request *rq, const void *message, void *out)
{
    const ReplyOrderRequest *in = message;
    struct order_row row;
    int r = act_open(rq, in->id, ORDER_REPLY, permit_unit, &row);
    if (r < 0)
        return r;
    /* The ladder goes on: only a reply to the complaint, or the body's verdict, stops it. */
    row.state = ORDER_STATE_REPLIED;
    row.reply_text = in->text;
    row.replied_at = rq->now_ms;
    event_order_replied(rq->tx, &row);
    return act_save(rq, &row, out);
}

int order_close_apply(struct request *rq, const void *message, void *out)
{
    const CloseOrderRequest *in = message;
    struct order_row row;
    int r = act_open(rq, in->id, ORDER_CLOSE, permit_body, &row);
    if (r < 0)
        return r;
    row.state = ORDER_STATE_CLOSED;
    row.verdict = in->verdict;
    row.closed_at = rq->now_ms;
    event_order_closed(rq->tx, &row, "verdict");
    r = ladder_stop_order(rq->tx, rq->reference, &row);
    return r < 0 ? r : act_save(rq, &row, out);
}
