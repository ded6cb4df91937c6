/* Events of complaints: built from the row as it is after the act; ids, codes, times and states
 * only. */
#include "complaints.h"
#include "lujian/complaints/v1/events.lj.h"

struct event_address complaint_address(const struct complaint_row *row)
{
    return (struct event_address){
        .subject = row->id,
        .division = row->division,
        .audience = row->audience,
        .about_enforcement = row->about_enforcement,
        .correlation = row->id,
    };
}

struct clock_subject complaint_subject(const struct complaint_row *row)
{
    return (struct clock_subject){
        .id = row->id,
        .division = row->division,
        .audience = row->audience,
        .unit = row->unit,
        .about_enforcement = row->about_enforcement,
    };
}

/* protobuf-c's strings are not const; nothing writes to them. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* What every event of a complaint carries. */
#define SET_COMMON(e, row)                                                                         \
    do {                                                                                           \
        (e)->complaint_id = borrow((row)->id);                                                     \
        (e)->division = borrow((row)->division);                                                   \
        (e)->unit = borrow((row)->unit);                                                           \
        (e)->state = (ComplaintState)(row)->state;                                                 \
        (e)->version = (row)->version;                                                             \
    } while (0)

static void append(struct tx *tx, const struct event_info *info, const struct complaint_row *row,
                   const ProtobufCMessage *message)
{
    struct event_address address = complaint_address(row);
    tx_event(tx, info, &address, message);
}

void event_filed(struct tx *tx, const struct complaint_row *row)
{
    ComplaintFiled *e = wire_new(tx->arena, &complaint_filed_rules);
    SET_COMMON(e, row);
    e->source = borrow(row->source);
    e->order_no = borrow(row->order_no);
    e->category = borrow(row->category);
    e->type = (ComplaintType)row->type;
    e->channel = (Channel)row->channel;
    e->urgency = (Urgency)row->urgency;
    e->about_enforcement = row->about_enforcement;
    e->received_at = row->received_at;
    append(tx, &complaint_filed_event, row, &e->base);
}

void event_dispatched(struct tx *tx, const struct complaint_row *row, const struct clock *reply)
{
    ComplaintDispatched *e = wire_new(tx->arena, &complaint_dispatched_rules);
    SET_COMMON(e, row);
    e->reply_due_at = reply->due_at;
    e->reply_term = reply->term;
    e->about_enforcement = row->about_enforcement;
    append(tx, &complaint_dispatched_event, row, &e->base);
}

void event_signed(struct tx *tx, const struct complaint_row *row)
{
    ComplaintSigned *e = wire_new(tx->arena, &complaint_signed_rules);
    SET_COMMON(e, row);
    append(tx, &complaint_signed_event, row, &e->base);
}

void event_contacted(struct tx *tx, const struct complaint_row *row, bool reached)
{
    ComplaintContacted *e = wire_new(tx->arena, &complaint_contacted_rules);
    SET_COMMON(e, row);
    e->reached = reached;
    append(tx, &complaint_contacted_event, row, &e->base);
}

void event_replied(struct tx *tx, const struct complaint_row *row, const struct clock *reply)
{
    ComplaintReplied *e = wire_new(tx->arena, &complaint_replied_rules);
    SET_COMMON(e, row);
    e->in_time = reply->ended_at < reply->due_at;
    e->reply_term = reply->term;
    append(tx, &complaint_replied_event, row, &e->base);
}

void event_extended(struct tx *tx, const struct complaint_row *row, const struct clock *reply,
                    uint32_t days)
{
    ComplaintExtended *e = wire_new(tx->arena, &complaint_extended_rules);
    SET_COMMON(e, row);
    e->working_days = days;
    e->reply_due_at = reply->due_at;
    e->reply_term = reply->term;
    append(tx, &complaint_extended_event, row, &e->base);
}

void event_returned(struct tx *tx, const struct complaint_row *row)
{
    ComplaintReturned *e = wire_new(tx->arena, &complaint_returned_rules);
    SET_COMMON(e, row);
    e->return_count = row->return_count;
    e->return_limit = row->return_limit;
    append(tx, &complaint_returned_event, row, &e->base);
}

void event_visited(struct tx *tx, const struct complaint_row *row)
{
    ComplaintVisited *e = wire_new(tx->arena, &complaint_visited_rules);
    SET_COMMON(e, row);
    e->reached = row->visit_reached;
    e->solved = row->visit_solved;
    e->satisfied = row->visit_satisfied;
    e->failed_visits = row->failed_visits;
    append(tx, &complaint_visited_event, row, &e->base);
}

void event_redone(struct tx *tx, const struct complaint_row *row, const struct clock *reply)
{
    ComplaintRedone *e = wire_new(tx->arena, &complaint_redone_rules);
    SET_COMMON(e, row);
    e->redo_count = row->redo_count;
    e->reply_due_at = reply->due_at;
    e->reply_term = reply->term;
    append(tx, &complaint_redone_event, row, &e->base);
}

void event_closed(struct tx *tx, const struct complaint_row *row)
{
    ComplaintClosed *e = wire_new(tx->arena, &complaint_closed_rules);
    SET_COMMON(e, row);
    append(tx, &complaint_closed_event, row, &e->base);
}

void event_reopened(struct tx *tx, const struct complaint_row *row)
{
    ComplaintReopened *e = wire_new(tx->arena, &complaint_reopened_rules);
    SET_COMMON(e, row);
    append(tx, &complaint_reopened_event, row, &e->base);
}

void event_moved_out(struct tx *tx, const struct complaint_row *row, const char *left_division)
{
    ComplaintMovedOut *e = wire_new(tx->arena, &complaint_moved_out_rules);
    struct event_address address = complaint_address(row);
    address.division = left_division;
    e->complaint_id = borrow(row->id);
    e->version = row->version;
    e->division = borrow(left_division);
    tx_event(tx, &complaint_moved_out_event, &address, &e->base);
}
