/* The ladder of orders: issue, climb, report, stop.
 *
 * At most one order is open per matter and trigger. An order is derived from its cause, so a cause
 * that is told twice makes one order. The ladder of trigger `overdue` is the complaint's reply
 * clock; an order of any other trigger has a clock of its own, here, with the term of its level. */
#include <string.h>

#include "base/err.h"
#include "supervision.h"

static const char *const term_of_level[] = {
    [LEVEL_COUNTY] = "order_county",
    [LEVEL_CITY] = "order_city",
    [LEVEL_PROVINCE] = "order_province",
};

struct clock_subject order_subject(const struct order_row *row)
{
    return (struct clock_subject){
        .id = row->id,
        .division = row->matter.division,
        .audience = row->matter.audience,
        .unit = row->matter.unit,
        .about_enforcement = row->matter.about_enforcement,
    };
}

/* Starts the order's own clock; what is due when. */
static int start_clock(struct tx *tx, const struct snapshot *reference, struct order_row *row)
{
    struct clock_set clocks;
    struct clock_subject subject = order_subject(row);
    clock_set_init(&clocks, tx, reference, &subject);
    int r = clock_start_by(&clocks, CLOCK_KIND_ORDER, term_of_level[row->level], tx->now_ms);
    if (r < 0)
        return r;
    row->due_at = clock_find(&clocks, CLOCK_KIND_ORDER)->due_at;
    return 0;
}

int ladder_stop_order(struct tx *tx, const struct snapshot *reference, const struct order_row *row)
{
    if (*row->clock_id)
        return 0; /* the complaint's clock is stopped where it lives */
    struct clock_set clocks;
    struct clock_subject subject = order_subject(row);
    clock_set_init(&clocks, tx, reference, &subject);
    int r = clock_set_load(&clocks);
    return r < 0 ? r : clock_stop(&clocks, CLOCK_KIND_ORDER);
}

int ladder_stop(struct tx *tx, const struct snapshot *reference, const char *subject)
{
    struct order_row *open;
    int count;
    int r = store_orders_open(tx, subject, 0, &open, &count);
    for (int i = 0; r == 0 && i < count; i++)
        r = ladder_stop_order(tx, reference, &open[i]);
    return r;
}

/* An open order of the same trigger, left from an earlier term whose ladder has stopped, makes
 * room. */
static int supersede(struct tx *tx, const struct snapshot *reference, const struct issue *issue)
{
    struct order_row *open;
    int count;
    int r = store_orders_open(tx, issue->matter->id, issue->trigger, &open, &count);
    for (int i = 0; r == 0 && i < count; i++) {
        open[i].state = ORDER_STATE_CLOSED;
        open[i].closed_at = tx->now_ms;
        open[i].version++;
        if ((r = store_order_save(tx, &open[i])) == 0)
            r = ladder_stop_order(tx, reference, &open[i]);
        event_order_closed(tx, &open[i], "superseded");
    }
    return r;
}

static void make_order(struct tx *tx, const struct snapshot *reference, const struct issue *issue,
                       struct order_row *row)
{
    *row = (struct order_row){
        .level = issue->level,
        .trigger = issue->trigger,
        .matter = *issue->matter,
        .term = issue->term,
        .issued_at = tx->now_ms,
        .due_at = issue->due_at,
        .state = ORDER_STATE_ISSUED,
        .basis_zh = issue->basis_zh,
        .basis_en = issue->basis_en,
        .version = 1,
    };
    uuid_v5(issue->cause, strlen(issue->cause), row->id);
    snprintf(row->previous, sizeof(row->previous), "%s", issue->previous);
    snprintf(row->clock_id, sizeof(row->clock_id), "%s", issue->clock_id ? issue->clock_id : "");
    const struct unit *body = rules_body(reference, tx->arena, row->matter.division, row->level);
    const struct unit *unit = rules_answering_unit(reference, &row->matter);
    row->body = body ? body->code : "";
    row->matter.unit = unit ? unit->code : row->matter.unit;
}

static int write_order(struct tx *tx, const struct snapshot *reference, struct order_row *row)
{
    int r = *row->clock_id ? 0 : start_clock(tx, reference, row);
    if (r == 0)
        r = store_order_insert(tx, row);
    if (r == 0)
        event_order_issued(tx, row);
    return r;
}

int ladder_issue(struct tx *tx, const struct snapshot *reference, const struct issue *issue)
{
    struct order_row row;
    bool known;
    make_order(tx, reference, issue, &row);
    int r = store_order_known(tx, row.id, &known);
    if (r < 0 || known)
        return r;
    r = supersede(tx, reference, issue);
    return r < 0 ? r : write_order(tx, reference, &row);
}

int ladder_climb(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                 const struct issue *next)
{
    if (next->level == LEVEL_UNSPECIFIED) {
        if (row->cannot_escalate)
            return 0;
        row->cannot_escalate = true;
        row->version++;
        event_order_cannot_escalate(tx, row);
        return store_order_save(tx, row);
    }

    struct order_row above;
    make_order(tx, reference, next, &above);
    row->state = ORDER_STATE_ESCALATED;
    row->closed_at = tx->now_ms;
    row->version++;
    event_order_escalated(tx, row, above.id);
    int r = store_order_save(tx, row);
    if (r == 0)
        r = ladder_stop_order(tx, reference, row);
    return r < 0 ? r : write_order(tx, reference, &above);
}

int ladder_report(struct tx *tx, struct order_row *row)
{
    if (row->reported)
        return 0;
    row->reported = true;
    row->version++;
    event_order_reported(tx, row);
    return store_order_save(tx, row);
}
