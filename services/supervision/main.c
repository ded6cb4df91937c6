/* lujian-supervision: cards and supervision orders. */
#include "base/err.h"
#include "lujian/bus/v1/node.lj.h"
#include "lujian/contract.lj.h"
#include "supervision.h"
#include "supervision_sql.h"

static const struct method_handler methods[] = {
    {
        .method = &supervision_acknowledge_card_method,
        .apply = card_acknowledge_apply,
        .view = card_view_by_id,
        .lock = &Q_CARD_LOCK,
        .exist = &Q_CARD_EXISTS,
    },
    {
        .method = &supervision_sign_order_method,
        .apply = order_sign_apply,
        .view = order_view_by_id,
        .lock = &Q_ORDER_LOCK,
        .exist = &Q_ORDER_EXISTS,
    },
    {
        .method = &supervision_reply_order_method,
        .apply = order_reply_apply,
        .view = order_view_by_id,
        .lock = &Q_ORDER_LOCK,
        .exist = &Q_ORDER_EXISTS,
    },
    {
        .method = &supervision_close_order_method,
        .apply = order_close_apply,
        .view = order_view_by_id,
        .lock = &Q_ORDER_LOCK,
        .exist = &Q_ORDER_EXISTS,
    },
    { .method = &supervision_get_card_method, .query = card_get },
    { .method = &supervision_list_cards_method, .query = card_list },
    { .method = &supervision_get_order_method, .query = order_get },
    { .method = &supervision_list_orders_method, .query = order_list },
    { .method = &supervision_order_clocks_method, .query = order_clocks },
    { .method = &supervision_explain_order_method, .query = order_explain },
    { 0 },
};

static const struct consumer consumers[] = {
    { .stream = "complaints", .handlers = on_complaints },
    { .stream = "supervision", .handlers = on_supervision },
    { 0 },
};

static const struct clock_owner clocks = { .lock_subjects = &Q_ORDER_LOCK };

/* Orders that nobody can take further are an operator's business. */
static int status(struct request *rq, void *response)
{
    StatusResponse *out = response;
    int r = store_order_stuck_count(rq->pg, rq->arena, &out->cannot_escalate);
    if (r < 0)
        return r;
    if (out->cannot_escalate > 0)
        alarm_raise(rq->service, "cannot_escalate", "",
                    "orders that nobody stands above: list them");
    else
        alarm_clear(rq->service, "cannot_escalate", "");
    return 0;
}

static const struct pg_module module = {
    .name = "supervision",
    .queries = supervision_queries,
    .migrations = supervision_migrations,
};

static const struct service_definition supervision = {
    .name = "supervision",
    .methods = methods,
    .consumers = consumers,
    .clocks = &clocks,
    .module = &module,
    .status = status,
};

int main(int argc, char **argv)
{
    return service_main(&supervision, argc, argv);
}
