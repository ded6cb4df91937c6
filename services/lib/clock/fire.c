/* The work of firing: a rung that is due and that nothing stopped is written down, told as
 * clock.rung_reached, and the next one armed. One rung of a clock a batch. */
#include "base/err.h"
#include "base/util.h"
#include "clock/clock_inside.h"

static const struct ladder_rule *find_rung(const struct snapshot *reference, const struct clock *c,
                                           int rung)
{
    int count;
    const struct ladder_rule *const *ladder = clock_ladder(reference, c, &count);
    for (int i = 0; i < count; i++) {
        if (ladder[i]->rung == rung)
            return ladder[i];
    }
    return NULL;
}

static int fire_apply(struct tx *tx, const struct snapshot *reference, struct clock_row *row,
                      struct clock *was)
{
    struct clock *c = &row->c;
    *was = *c;
    /* Without its rung the ladder in hand is not this clock's, and would end it in silence. */
    if (!find_rung(reference, c, c->next_rung))
        return err_set(ERR_INTERNAL, "no ladder rule of kind %s has rung %d",
                       clock_kind_names[c->kind], c->next_rung);
    c->last_rung = c->next_rung;
    c->last_fired_at = MAX(tx->now_ms, c->last_fired_at);
    c->calendar_position = MIN(c->calendar_position, snapshot_calendar_position(reference));
    c->row_version++;
    return clock_arm(c, reference);
}

static void tell(struct tx *tx, const struct snapshot *reference, const struct clock_row *row,
                 const struct clock *was)
{
    const struct clock *c = &row->c;
    const struct ladder_rule *rule = find_rung(reference, c, c->last_rung);
    struct arena *a = tx->arena;
    RungReached data = RUNG_REACHED_INIT;
    data.clock_id = arena_strdup(a, c->id);
    data.clock_kind = (ClockKind)c->kind;
    data.term = c->term;
    data.rung = (Rung)c->last_rung;
    data.subject = arena_strdup(a, row->subject.id);
    data.division = arena_strdup(a, row->subject.division);
    data.unit = arena_strdup(a, row->subject.unit);
    data.due_at = was->next_at;
    data.fired_at = c->last_fired_at;
    data.next_due_at = c->next_at;
    data.clock_due_at = c->due_at;
    data.rule = arena_strdup(a, rule ? rule->id : "");

    struct event_address address = {
        .subject = row->subject.id,
        .division = row->subject.division,
        .audience = row->subject.audience,
        .about_enforcement = row->subject.about_enforcement,
        .correlation = "",
        .cause = arena_printf(a, "rung\x1f%s\x1f%u\x1f%d", c->id, c->term, c->last_rung),
    };
    tx_event(tx, &rung_reached_event, &address, &data.base);
}

static int fire_write(struct tx *tx, const struct snapshot *reference, const struct clock_row *rows,
                      const struct clock *was, int count)
{
    int r = store_rungs(tx, rows, was, count);
    if (r < 0)
        return r;
    for (int i = 0; i < count; i++)
        tell(tx, reference, &rows[i], &was[i]);
    return 0;
}

const struct clock_work clock_work_fire = {
    .name = "fire",
    .page = store_due_page,
    .reread = store_due_locked,
    .apply = fire_apply,
    .write = fire_write,
};
