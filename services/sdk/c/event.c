/* Events of the log as they are handed out; cards and orders told in one shape. */
#include "event.h"

#include <stdio.h>
#include <string.h>

#include "lujian/supervision/v1/events.lj.h"

void event_clear(struct event *event)
{
    if (event->data)
        protobuf_c_message_free_unpacked(event->data, NULL);
    *event = (struct event){ 0 };
}

/* All events of cards have these fields, under these numbers, and so have all of orders but
 * moved_out: each kind is read as its first. Field 11 is another thing in each. */
static const char *const card_types[] = { "card.raised.v1", "card.acknowledged.v1",
                                          "card.closed.v1" };
static const char *const order_types[] = {
    "order.issued.v1",    "order.signed.v1",          "order.replied.v1",  "order.closed.v1",
    "order.escalated.v1", "order.cannot_escalate.v1", "order.reported.v1", "order.readdressed.v1",
};

static bool is_among(const char *type, const char *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

static void card_view(const CardRaised *card, struct lujian_escalation *view)
{
    *view = (struct lujian_escalation){
        .kind = LUJIAN_CARD,
        .id = card->card_id,
        .complaint_id = card->subject,
        .division = card->division,
        .unit = card->unit,
        .level = (int)card->level,
        .state = (int)card->state,
        .color = (int)card->color,
        .clock_kind = (int)card->clock_kind,
        .body = "",
        .previous = "",
        .raised_at_ms = card->raised_at,
    };
}

static void order_view(const OrderIssued *order, bool is_first, struct lujian_escalation *view)
{
    *view = (struct lujian_escalation){
        .kind = LUJIAN_ORDER,
        .id = order->order_id,
        .complaint_id = order->subject,
        .division = order->division,
        .unit = order->unit,
        .level = (int)order->level,
        .state = (int)order->state,
        .trigger = (int)order->trigger,
        .body = order->body,
        .previous = is_first ? order->previous : "",
        .raised_at_ms = order->issued_at,
        .due_at_ms = order->due_at,
    };
}

static void escalation_take(struct event *event, const Event *from)
{
    bool is_card = is_among(from->type, card_types, ARRAY_LEN(card_types));
    if (!is_card && !is_among(from->type, order_types, ARRAY_LEN(order_types)))
        return;
    event->data =
        protobuf_c_message_unpack(is_card ? &lujian__supervision__v1__card_raised__descriptor
                                          : &lujian__supervision__v1__order_issued__descriptor,
                                  NULL, from->data.len, from->data.data);
    if (!event->data)
        return; /* its data are still there for who can read them */
    if (is_card)
        card_view((const void *)event->data, &event->escalation);
    else
        order_view((const void *)event->data, strcmp(from->type, order_types[0]) == 0,
                   &event->escalation);
    event->view.escalation = &event->escalation;
}

void event_take(struct event *event, const Event *from, const char *through)
{
    event_clear(event);
    const char *last = strrchr(through, ':'); /* its stream and epoch stand before it */
    snprintf(event->cursor, sizeof(event->cursor), "%.*s:%lld", last ? (int)(last - through) : 0,
             through, (long long)from->position);
    event->view = (struct lujian_event){
        .position = from->position,
        .cursor = event->cursor,
        .id = from->id,
        .type = from->type,
        .subject = from->subject,
        .division = from->division,
        .correlation = from->correlation,
        .time_ms = from->time,
        .data = from->data.data,
        .data_size = from->data.len,
    };
    escalation_take(event, from);
}
