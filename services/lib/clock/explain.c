/* Why a clock ends when it does, day by day: the calendar's own explanation of the same term, held
 * against the date that stands in the clock's row. */
#include "base/err.h"
#include "base/time.h"
#include "clock/clock_inside.h"

#define KEPT_ZH "到期日已定，不因后来的通知或规则提前"
#define KEPT_EN "The due date stood already; no later notice or rule brings it forward"
#define HELD_ZH "期限届满日已定，不因后来的通知或规则推后"
#define HELD_EN "The due date stood already; no later notice or rule puts it off"

/* The date was kept although the term would end earlier now: the days up to it carry nothing. */
static void add_kept(const struct snapshot *reference, struct explained_day *days, int *count,
                     int32_t due_on)
{
    while (*count && days[*count - 1].day < due_on) {
        struct calendar_day day =
            calendar_day_describe(snapshot_calendar(reference), days[*count - 1].day + 1);
        days[(*count)++] = (struct explained_day){
            .day = day.day, .reason_zh = KEPT_ZH, .reason_en = KEPT_EN, .basis = day.basis
        };
    }
}

int clock_explain(const struct clock *c, const struct snapshot *reference, struct arena *arena,
                  struct explained_day **ret_days, int *ret_count)
{
    const struct deadline_rule *rule = clock_rule(c, reference);
    if (!rule)
        return err_set(ERR_INTERNAL, "deadline rule %s version %u is unknown", c->rule,
                       c->rule_version);
    struct term term = rule->term;
    term.extended_days = c->extended_days;
    struct calendar_step *steps;
    size_t step_count;
    int r = calendar_explain(snapshot_calendar(reference), term, c->started_at, arena, &steps,
                             &step_count);
    if (r < 0)
        return err_wrap(r, "explain clock %s", c->id);

    int32_t first = day_of_instant(c->started_at);
    size_t room = step_count + (size_t)(c->due_on > first ? c->due_on - first : 0) + 1;
    struct explained_day *days = arena_array(arena, struct explained_day, room);
    int count = 0;
    for (size_t i = 0; i < step_count && steps[i].day <= c->due_on; i++)
        days[count++] = (struct explained_day){ .day = steps[i].day,
                                                .counted = steps[i].counted,
                                                .reason_zh = steps[i].reason_zh,
                                                .reason_en = steps[i].reason_en,
                                                .basis = steps[i].basis };
    if (step_count && steps[step_count - 1].day > c->due_on && count) {
        struct explained_day *last = &days[count - 1];
        last->reason_zh = arena_printf(arena, "%s；%s", last->reason_zh, HELD_ZH);
        last->reason_en = arena_printf(arena, "%s. %s", last->reason_en, HELD_EN);
    }
    add_kept(reference, days, &count, c->due_on);
    *ret_days = days;
    *ret_count = count;
    return 0;
}
