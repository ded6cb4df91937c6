/* Events of supervision: built from the row as it is; ids, codes, times and states only.
 *
 * What follows from another event has an id derived from its cause, so that what runs twice tells
 * one thing. */
#include "lujian/supervision/v1/events.lj.h"
#include "supervision.h"

/* protobuf-c's strings are not const; nothing writes to them. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void append(struct tx *tx, const struct event_info *info, const struct matter *matter,
                   const char *aggregate, const char *cause, const ProtobufCMessage *message)
{
    struct event_address address = {
        .subject = aggregate,
        .division = matter->division,
        .audience = matter->audience,
        .about_enforcement = matter->about_enforcement,
        .correlation = matter->id,
        .cause = cause,
    };
    tx_event(tx, info, &address, message);
}

static const char *derived(struct tx *tx, const char *what, const char *id)
{
    return arena_printf(tx->arena, "%s\x1f%s", what, id);
}

#define SET_CARD(e, row)                                                                           \
    do {                                                                                           \
        (e)->card_id = borrow((row)->id);                                                          \
        (e)->color = (CardColor)(row)->color;                                                      \
        (e)->subject = borrow((row)->matter.id);                                                   \
        (e)->clock_kind = (ClockKind)(row)->clock_kind;                                            \
        (e)->term = (row)->term;                                                                   \
        (e)->division = borrow((row)->matter.division);                                            \
        (e)->unit = borrow((row)->matter.unit);                                                    \
        (e)->level = (Level)(row)->level;                                                          \
        (e)->raised_at = (row)->raised_at;                                                         \
        (e)->state = (CardState)(row)->state;                                                      \
    } while (0)

#define SET_ORDER(e, row)                                                                          \
    do {                                                                                           \
        (e)->order_id = borrow((row)->id);                                                         \
        (e)->level = (Level)(row)->level;                                                          \
        (e)->trigger = (Trigger)(row)->trigger;                                                    \
        (e)->subject = borrow((row)->matter.id);                                                   \
        (e)->division = borrow((row)->matter.division);                                            \
        (e)->unit = borrow((row)->matter.unit);                                                    \
        (e)->body = borrow((row)->body);                                                           \
        (e)->issued_at = (row)->issued_at;                                                         \
        (e)->due_at = (row)->due_at;                                                               \
        (e)->state = (OrderState)(row)->state;                                                     \
    } while (0)

void event_card_raised(struct tx *tx, const struct card_row *row)
{
    CardRaised *e = wire_new(tx->arena, &card_raised_rules);
    SET_CARD(e, row);
    e->clock_id = borrow(row->clock_id);
    append(tx, &card_raised_event, &row->matter, row->id, derived(tx, "card.raised", row->id),
           &e->base);
}

void event_card_acknowledged(struct tx *tx, const struct card_row *row, const char *principal)
{
    CardAcknowledged *e = wire_new(tx->arena, &card_acknowledged_rules);
    SET_CARD(e, row);
    e->acknowledged_by = borrow(principal);
    append(tx, &card_acknowledged_event, &row->matter, row->id, NULL, &e->base);
}

void event_card_closed(struct tx *tx, const struct card_row *row)
{
    CardClosed *e = wire_new(tx->arena, &card_closed_rules);
    SET_CARD(e, row);
    append(tx, &card_closed_event, &row->matter, row->id, derived(tx, "card.closed", row->id),
           &e->base);
}

void event_order_issued(struct tx *tx, const struct order_row *row)
{
    OrderIssued *e = wire_new(tx->arena, &order_issued_rules);
    SET_ORDER(e, row);
    e->previous = borrow(row->previous);
    append(tx, &order_issued_event, &row->matter, row->id, derived(tx, "order.issued", row->id),
           &e->base);
}

void event_order_signed(struct tx *tx, const struct order_row *row)
{
    OrderSigned *e = wire_new(tx->arena, &order_signed_rules);
    SET_ORDER(e, row);
    append(tx, &order_signed_event, &row->matter, row->id, NULL, &e->base);
}

void event_order_replied(struct tx *tx, const struct order_row *row)
{
    OrderReplied *e = wire_new(tx->arena, &order_replied_rules);
    SET_ORDER(e, row);
    append(tx, &order_replied_event, &row->matter, row->id, NULL, &e->base);
}

void event_order_closed(struct tx *tx, const struct order_row *row, const char *reason)
{
    OrderClosed *e = wire_new(tx->arena, &order_closed_rules);
    SET_ORDER(e, row);
    e->reason = borrow(reason);
    append(tx, &order_closed_event, &row->matter, row->id, derived(tx, "order.closed", row->id),
           &e->base);
}

void event_order_escalated(struct tx *tx, const struct order_row *row, const char *next)
{
    OrderEscalated *e = wire_new(tx->arena, &order_escalated_rules);
    SET_ORDER(e, row);
    e->next = borrow(next);
    append(tx, &order_escalated_event, &row->matter, row->id,
           derived(tx, "order.escalated", row->id), &e->base);
}

void event_order_cannot_escalate(struct tx *tx, const struct order_row *row)
{
    OrderCannotEscalate *e = wire_new(tx->arena, &order_cannot_escalate_rules);
    SET_ORDER(e, row);
    append(tx, &order_cannot_escalate_event, &row->matter, row->id,
           derived(tx, "order.cannot_escalate", row->id), &e->base);
}

void event_order_readdressed(struct tx *tx, const struct order_row *row, const char *previous_unit)
{
    OrderReaddressed *e = wire_new(tx->arena, &order_readdressed_rules);
    SET_ORDER(e, row);
    e->previous_unit = borrow(previous_unit);
    append(tx, &order_readdressed_event, &row->matter, row->id, NULL, &e->base);
}

void event_order_moved_out(struct tx *tx, const struct order_row *row, const char *left_division)
{
    OrderMovedOut *e = wire_new(tx->arena, &order_moved_out_rules);
    struct matter there = row->matter;
    there.division = left_division;
    e->order_id = borrow(row->id);
    e->version = row->version;
    e->subject = borrow(row->matter.id);
    e->division = borrow(left_division);
    append(tx, &order_moved_out_event, &there, row->id, NULL, &e->base);
}

void event_order_reported(struct tx *tx, const struct order_row *row)
{
    OrderReported *e = wire_new(tx->arena, &order_reported_rules);
    SET_ORDER(e, row);
    append(tx, &order_reported_event, &row->matter, row->id, derived(tx, "order.reported", row->id),
           &e->base);
}
