/* What supervision does on its own clocks: an order of a trigger other than `overdue` climbs when
 * its term has run out. The rung that it reaches is the step of the next level's order, or the
 * report; where nobody stands above, the same clock goes on through the steps that are left. */
#include <string.h>

#include "base/err.h"
#include "supervision.h"

static bool is_open(int state)
{
    return state == ORDER_STATE_ISSUED || state == ORDER_STATE_SIGNED ||
           state == ORDER_STATE_REPLIED;
}

static int on_rung_reached(struct tx *tx, const struct snapshot *reference,
                           const struct log_record *event, const void *data)
{
    (void)event;
    const RungReached *e = data;
    struct order_row row;
    int r = store_order_lock(tx, e->subject, &row);
    if (r < 0)
        return r;
    if (!is_open(row.state))
        return 0; /* the verdict came first */
    if (e->rung == RUNG_REPORT)
        return ladder_report(tx, &row);

    struct issue next = {
        .matter = &row.matter,
        .trigger = row.trigger,
        .level = rules_next_level(row.level),
        .step = (int)e->rung,
        .cause =
            arena_printf(tx->arena, "order\x1f%s\x1f%u\x1f%d", e->clock_id, e->term, (int)e->rung),
        .previous = row.id,
        .basis_zh = row.basis_zh,
        .basis_en = row.basis_en,
    };
    struct order_row above;
    return ladder_climb(tx, reference, &row, &next, &above);
}

const struct consumer_handler on_supervision[] = {
    { .type = "clock.rung_reached.v1", .apply = on_rung_reached, .data = &rung_reached_rules },
    { 0 },
};
