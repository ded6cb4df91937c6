/* What reached rungs of the complaints' clocks make: cards, and orders of the overdue ladder.
 *
 * Set-based, for thousands fall due at one midnight: all cards of a run are one statement, and all
 * its orders are looked up and locked by two; their writes are queued. What is told of a matter
 * keeps the order of its rungs: a run is cut where a card would come behind an order of its matter.
 */
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/time.h"
#include "supervision.h"

static bool is_card(const RungReached *e)
{
    return e->rung == RUNG_YELLOW || e->rung == RUNG_RED;
}

/* How many events, from the first on, may be done cards first and orders after. */
static int part_length(const struct consumer_event *events, int count)
{
    struct map ordered;
    map_init(&ordered);
    int n = 0;
    for (; n < count; n++) {
        const RungReached *e = events[n].data;
        if (!is_card(e))
            map_put(&ordered, e->subject, e->subject);
        else if (map_get(&ordered, e->subject))
            break;
    }
    map_clear(&ordered);
    return n;
}

/* ---- cards ---- */

static void make_card(const struct tx *tx, const struct log_record *event, const RungReached *e,
                      struct card_row *card)
{
    *card = (struct card_row){
        .color = e->rung == RUNG_YELLOW ? CARD_COLOR_YELLOW : CARD_COLOR_RED,
        .matter = matter_of(event, e->subject, e->unit),
        .clock_kind = (int)e->clock_kind,
        .term = e->term,
        .level = rules_level_of(event->division),
        .due_at = e->due_at,
        .raised_at = tx->now_ms,
        .state = CARD_STATE_OPEN,
        .acknowledged_by = "",
        .version = 1,
    };
    snprintf(card->clock_id, sizeof(card->clock_id), "%s", e->clock_id);
    const char *cause =
        arena_printf(tx->arena, "card\x1f%s\x1f%u\x1f%d", e->clock_id, e->term, (int)e->rung);
    uuid_v5(cause, strlen(cause), card->id);
}

static int raise_cards(struct tx *tx, const struct consumer_event *events, int count)
{
    struct card_row *cards = arena_array(tx->arena, struct card_row, count);
    const char **traces = arena_array(tx->arena, const char *, count);
    bool *inserted = arena_array(tx->arena, bool, count);
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (!is_card(events[i].data))
            continue;
        make_card(tx, events[i].record, events[i].data, &cards[n]);
        traces[n++] = events[i].record->traceparent;
    }
    int r = n ? store_cards_insert(tx, cards, n, inserted) : 0;
    for (int i = 0; i < n && r == 0; i++) {
        tx->traceparent = traces[i];
        if (inserted[i])
            event_card_raised(tx, &cards[i]);
    }
    return r;
}

/* ---- orders ---- */

static const struct ladder_rule *rung_rule(struct tx *tx, const struct snapshot *reference,
                                           const char *kind, int rung)
{
    int count;
    const struct ladder_rule *const *rules =
        snapshot_ladder(reference, kind, day_of_instant(tx->now_ms), &count);
    for (int i = 0; i < count; i++)
        if (rules[i]->rung == rung)
            return rules[i];
    return NULL;
}

static const char *cause_of(struct tx *tx, const RungReached *e)
{
    return arena_printf(tx->arena, "order\x1f%s\x1f%u\x1f%d", e->clock_id, e->term, (int)e->rung);
}

static struct issue overdue_issue(struct tx *tx, const struct snapshot *reference,
                                  const struct matter *matter, const RungReached *e,
                                  const struct order_row *previous)
{
    const struct ladder_rule *rule = rung_rule(tx, reference, "reply", (int)e->rung);
    return (struct issue){
        .matter = matter,
        .trigger = TRIGGER_OVERDUE,
        .level = previous ? rules_next_level(previous->level) : rules_level_of(matter->division),
        .step = (int)e->rung,
        .cause = cause_of(tx, e),
        .previous = previous ? previous->id : "",
        .clock_id = e->clock_id,
        .term = e->term,
        .due_at = e->next_due_at,
        .basis_zh = rule ? rule->basis_zh : "",
        .basis_en = rule ? rule->basis_en : "",
    };
}

/* A rung above the first climbs from the open order of the same clock and term; where that order
 * was closed, the rung is dropped: the row lock decides against a verdict that comes at the same
 * moment. `open`: by matter, locked, and what this run has issued since. */
static int apply_order(struct tx *tx, const struct snapshot *reference,
                       const struct consumer_event *event, bool known, struct map *open)
{
    const RungReached *e = event->data;
    struct order_row *row = map_get(open, e->subject);
    bool first = e->rung == RUNG_L1;
    if (!first && (!row || strcmp(row->clock_id, e->clock_id) != 0 || row->term != e->term))
        return 0;
    if (e->rung == RUNG_REPORT)
        return ladder_report(tx, row);
    if (known)
        return 0;

    struct matter matter = matter_of(event->record, e->subject, e->unit);
    struct issue issue = overdue_issue(tx, reference, &matter, e, first ? NULL : row);
    struct order_row *made = arena_new(tx->arena, struct order_row);
    int r = first ? ladder_issue_over(tx, reference, &issue, row, made)
                  : ladder_climb(tx, reference, row, &issue, made);
    if (r == 0 && *made->id)
        map_put(open, made->matter.id, made);
    return r;
}

static int load_open(struct tx *tx, const char *const *subjects, int count, struct map *open)
{
    struct order_row *rows;
    int row_count;
    int r = store_orders_open_of(tx, subjects, count, TRIGGER_OVERDUE, &rows, &row_count);
    for (int i = 0; i < row_count && r == 0; i++)
        map_put(open, rows[i].matter.id, &rows[i]);
    return r;
}

static int apply_orders(struct tx *tx, const struct snapshot *reference,
                        const struct consumer_event *events, int count)
{
    const char **subjects = arena_array(tx->arena, const char *, count);
    const char **ids = arena_array(tx->arena, const char *, count);
    bool *known = arena_array(tx->arena, bool, count);
    int n = 0;
    for (int i = 0; i < count; i++) {
        const RungReached *e = events[i].data;
        if (is_card(e))
            continue;
        const char *cause = cause_of(tx, e);
        char *id = arena_alloc(tx->arena, UUID_TEXT_SIZE);
        uuid_v5(cause, strlen(cause), id);
        subjects[n] = e->subject;
        ids[n++] = id;
    }
    if (!n)
        return 0;

    struct map open;
    map_init(&open);
    int r = load_open(tx, subjects, n, &open);
    if (r == 0)
        r = store_orders_known(tx, ids, n, known);
    n = 0;
    for (int i = 0; i < count && r == 0; i++) {
        if (is_card(events[i].data))
            continue;
        tx->traceparent = events[i].record->traceparent;
        r = apply_order(tx, reference, &events[i], known[n++], &open);
    }
    map_clear(&open);
    return r;
}

int on_rungs_reached(struct tx *tx, const struct snapshot *reference,
                     const struct consumer_event *events, int count)
{
    int r = 0;
    for (int i = 0, n; i < count && r == 0; i += n) {
        n = part_length(events + i, count - i);
        r = raise_cards(tx, events + i, n);
        if (r == 0)
            r = apply_orders(tx, reference, events + i, n);
    }
    return r;
}
