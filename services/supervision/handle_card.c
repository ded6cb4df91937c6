/* Cards: read, listed, acknowledged. */
#include "base/err.h"
#include "supervision.h"

int card_get(struct request *rq, const void *message, void *out)
{
    const GetCardRequest *in = message;
    return card_view_by_id(rq, in->id, out);
}

int card_list(struct request *rq, const void *message, void *reply)
{
    const ListCardsRequest *in = message;
    ListCardsResponse *out = reply;
    struct card_filter filter = { .subject = in->subject,
                                  .color = (int)in->color,
                                  .state = (int)in->state };
    int r = request_scope(rq, in->division, &filter.scope);
    if (r == 0)
        r = list_page(rq, in, in->page_token, in->page_size_choice_case ? (int)in->page_size : 0,
                      &filter.page);
    if (r < 0)
        return r;

    struct card_row *rows;
    int count;
    r = store_card_list(rq, &filter, &rows, &count);
    if (r < 0)
        return r;
    if (count == filter.page.count_max) {
        count--;
        out->next_page_token = list_next(rq, in, rows[count - 1].raised_at, rows[count - 1].id);
    }
    out->cards = arena_array(rq->arena, Card *, count);
    for (int i = 0; i < count; i++) {
        out->cards[i] = wire_new(rq->arena, &card_rules);
        card_view(rq, &rows[i], out->cards[i]);
    }
    out->n_cards = (size_t)count;
    rq->version = 0; /* a list has none */
    return 0;
}

int card_acknowledge_apply(struct request *rq, const void *message, void *out)
{
    const AcknowledgeCardRequest *in = message;
    struct card_row row;
    int r = store_card_read(rq->tx->pg, rq->arena, in->id, &row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row.matter.division, row.matter.audience))
        return err_set(ERR_NOT_FOUND, "no card %s", in->id);
    if ((r = request_check_version(rq, row.version)) < 0)
        return r;
    const struct refusal *why = rules_card_open(row.state);
    if (why)
        return refuse(rq, why);

    /* Everyone who saw it is recorded; the first moves the card. */
    bool first;
    r = store_card_acknowledge(rq->tx, &row, rq->actor->id, rq->now_ms, &first);
    if (r < 0)
        return r;
    if (row.state == CARD_STATE_OPEN) {
        row.state = CARD_STATE_ACKNOWLEDGED;
        row.acknowledged_by = rq->actor->id;
        row.acknowledged_at = rq->now_ms;
        row.version++;
        if ((r = store_card_acknowledged(rq->tx, &row)) < 0)
            return r;
    }
    if (first)
        event_card_acknowledged(rq->tx, &row, rq->actor->id);
    card_view(rq, &row, out);
    return 0;
}
