/* The ladder of orders: issue, climb, report, follow the matter, stop.
 *
 * At most one order is open per matter and trigger. An order is derived from its cause, so a cause
 * that is told twice makes one order. The ladder of trigger `overdue` is the complaint's reply
 * clock; an order of any other trigger has a clock of its own, here, that goes on where the one
 * before has left the ladder: so both climb by the same steps. */
#include <string.h>

#include "base/err.h"
#include "supervision.h"

/* The terms are named after the levels that the steps have in a county's matter. */
static const char *const term_of_step[] = {
    [RUNG_L1] = "order_county",
    [RUNG_L2] = "order_city",
    [RUNG_L3] = "order_province",
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
static int start_clock(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                       int step)
{
    struct clock_set clocks;
    struct clock_subject subject = order_subject(row);
    clock_set_init(&clocks, tx, reference, &subject);
    int r = clock_start_after(&clocks, CLOCK_KIND_ORDER, term_of_step[step], tx->now_ms, step);
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

/* Follows the matter to its new owner. Supervisors of a division that it left are told so, as they
 * are of the complaint. */
static int readdress(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                     const struct matter *matter)
{
    const struct matter was = row->matter;
    const struct unit *unit = rules_answering_unit(reference, matter);
    row->matter = *matter;
    row->matter.unit = unit ? unit->code : matter->unit;
    if (strcmp(row->matter.unit, was.unit) == 0 && strcmp(row->matter.division, was.division) == 0)
        return 0;

    const struct unit *body = rules_body(reference, tx->arena, row->matter.division, row->level);
    row->body = body ? body->code : "";
    row->version++;
    int r = store_order_readdress(tx, row);
    if (r == 0 && !*row->clock_id) {
        struct clock_set clocks;
        struct clock_subject subject = order_subject(row);
        clock_set_init(&clocks, tx, reference, &subject);
        r = clock_set_load(&clocks);
        if (r == 0)
            r = clock_set_readdress(&clocks, &subject);
    }
    event_order_readdressed(tx, row, was.unit);
    if (strncmp(row->matter.division, was.division, strlen(was.division)) != 0)
        event_order_moved_out(tx, row, was.division);
    return r;
}

int ladder_readdress(struct tx *tx, const struct snapshot *reference, const struct matter *matter)
{
    struct order_row *open;
    int count;
    int r = store_orders_open(tx, matter->id, 0, &open, &count);
    for (int i = 0; r == 0 && i < count; i++)
        r = readdress(tx, reference, &open[i], matter);
    return r;
}

/* An open order of the same trigger makes room: it is left from an earlier term, whose ladder has
 * stopped, or one more visit has failed and the ladder begins anew. */
static int supersede(struct tx *tx, const struct snapshot *reference, struct order_row *row)
{
    row->state = ORDER_STATE_CLOSED;
    row->closed_at = tx->now_ms;
    row->version++;
    int r = store_order_save(tx, row);
    if (r == 0)
        r = ladder_stop_order(tx, reference, row);
    event_order_closed(tx, row, "superseded");
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

static int write_order(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                       int step)
{
    int r = *row->clock_id ? 0 : start_clock(tx, reference, row, step);
    if (r == 0)
        r = store_order_insert(tx, row);
    if (r == 0)
        event_order_issued(tx, row);
    return r;
}

int ladder_issue_over(struct tx *tx, const struct snapshot *reference, const struct issue *issue,
                      struct order_row *open, struct order_row *ret_row)
{
    int r = open ? supersede(tx, reference, open) : 0;
    if (r < 0)
        return r;
    make_order(tx, reference, issue, ret_row);
    return write_order(tx, reference, ret_row, issue->step);
}

int ladder_issue(struct tx *tx, const struct snapshot *reference, const struct issue *issue)
{
    struct order_row row, *open;
    char id[UUID_TEXT_SIZE];
    bool known;
    int count;
    uuid_v5(issue->cause, strlen(issue->cause), id);
    int r = store_orders_known(tx, &(const char *){ id }, 1, &known);
    if (r < 0 || known)
        return r;
    r = store_orders_open(tx, issue->matter->id, issue->trigger, &open, &count);
    return r < 0 ? r : ladder_issue_over(tx, reference, issue, count ? open : NULL, &row);
}

int ladder_climb(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                 const struct issue *next, struct order_row *ret_row)
{
    if (next->level == LEVEL_UNSPECIFIED) {
        if (row->cannot_escalate)
            return 0;
        row->cannot_escalate = true;
        row->version++;
        event_order_cannot_escalate(tx, row);
        return store_order_save(tx, row);
    }

    make_order(tx, reference, next, ret_row);
    row->state = ORDER_STATE_ESCALATED;
    row->closed_at = tx->now_ms;
    row->version++;
    event_order_escalated(tx, row, ret_row->id);
    int r = store_order_save(tx, row);
    if (r == 0)
        r = ladder_stop_order(tx, reference, row);
    return r < 0 ? r : write_order(tx, reference, ret_row, next->step);
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
