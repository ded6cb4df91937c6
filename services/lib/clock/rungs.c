/* Rung arithmetic: which rung a clock reaches next, and when. Pure.
 *
 * Rungs of a term fire in order and none is skipped, save one that would fall at or before the
 * clock's start: it warns of nothing. A rung that is a term after the one before is counted from
 * when that one fired, not from when it was due, so after an outage the ladder opens step by step.
 */
#include "clock/clock_inside.h"

#include "base/err.h"
#include "base/time.h"
#include "lujian/registry/v1/reference.lj.h"

static int rung_at(const struct calendar *calendar, const struct ladder_rule *rule,
                   const struct clock *c, struct rung_next *ret)
{
    *ret = (struct rung_next){ .rung = rule->rung };
    int32_t day;
    struct due due;
    int r;
    switch (rule->anchor) {
    case RUNG_ANCHOR_WORKING_DAYS_BEFORE_DUE_ON:
        r = calendar_add_working_days(calendar, c->due_on, -(int32_t)rule->count, &day,
                                      &ret->provisional);
        if (r < 0)
            return r;
        ret->at = day_start(day);
        return 0;
    case RUNG_ANCHOR_FIRST_WORKING_DAY_AFTER_DUE_ON:
        ret->at = day_start(calendar_next_working_day(calendar, c->due_on, &ret->provisional));
        return 0;
    case RUNG_ANCHOR_TERM_AFTER_PREVIOUS:
        r = calendar_due(calendar, (struct term){ .unit = rule->unit, .count = rule->count },
                         c->last_rung ? c->last_fired_at : c->due_at, &due);
        if (r < 0)
            return r;
        ret->at = due.due_at;
        ret->provisional = due.provisional;
        return 0;
    case RUNG_ANCHOR_HOURS_BEFORE_DUE_AT:
        ret->at = c->due_at - (int64_t)rule->count * TIME_HOUR_MS;
        return 0;
    case RUNG_ANCHOR_AT_DUE_AT:
        ret->at = c->due_at;
        return 0;
    default:
        return err_set(ERR_INTERNAL, "ladder rule %s has the anchor %d", rule->id, rule->anchor);
    }
}

int rung_next(const struct calendar *calendar, const struct ladder_rule *const *ladder, int count,
              const struct clock *c, struct rung_next *ret)
{
    for (int i = 0; i < count; i++) {
        struct rung_next next;
        if (ladder[i]->rung <= c->last_rung)
            continue;
        int r = rung_at(calendar, ladder[i], c, &next);
        if (r < 0)
            return err_wrap(r, "rung %d of clock %s", ladder[i]->rung, c->id);
        if (next.at > c->started_at) {
            *ret = next;
            return 0;
        }
    }
    *ret = (struct rung_next){ 0 };
    return 0;
}

const struct ladder_rule *const *clock_ladder(const struct snapshot *reference,
                                              const struct clock *c, int *ret_count)
{
    return snapshot_ladder(reference, clock_kind_names[c->kind], day_of_instant(c->started_at),
                           ret_count);
}

int clock_arm(struct clock *c, const struct snapshot *reference)
{
    int count;
    const struct ladder_rule *const *ladder = clock_ladder(reference, c, &count);
    struct rung_next next;
    int r = rung_next(snapshot_calendar(reference), ladder, count, c, &next);
    if (r < 0)
        return r;
    c->next_rung = next.rung;
    c->next_at = next.at;
    c->next_provisional = next.provisional;
    return 0;
}

const struct deadline_rule *clock_rule(const struct clock *c, const struct snapshot *reference)
{
    return snapshot_deadline_rule_version(reference, c->rule, c->rule_version);
}
