/* A clock, and its explanation, as the contract shows them. */
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "clock/clock_inside.h"
#include "wire/wire.h"

void clock_view(const struct clock *c, const struct snapshot *reference, int64_t now_ms,
                struct arena *arena, Clock *out)
{
    const struct deadline_rule *rule = clock_rule(c, reference);
    char due_on[DAY_TEXT_SIZE];
    day_format(c->due_on, due_on);
    *out = (Clock)CLOCK_INIT;
    out->id = arena_strdup(arena, c->id);
    out->kind = (ClockKind)c->kind;
    out->term = c->term;
    out->started_at = c->started_at;
    out->due_at = c->due_at;
    out->due_on = arena_strdup(arena, due_on);
    out->provisional = c->provisional;
    out->state = (ClockState)clock_state(c, now_ms);
    out->ended_at = c->ended_at;
    out->rule = arena_strdup(arena, c->rule);
    out->basis_zh = arena_strdup(arena, rule ? rule->basis_zh : "");
    out->basis_en = arena_strdup(arena, rule ? rule->basis_en : "");
}

static ExplainedDay *day_view(struct arena *arena, const struct explained_day *day)
{
    char date[DAY_TEXT_SIZE];
    ExplainedDay *out = wire_new(arena, &explained_day_rules);
    day_format(day->day, date);
    out->date = arena_strdup(arena, date);
    out->counted = day->counted;
    out->reason = arena_strdup(arena, day->reason_zh);
    out->reason_en = arena_strdup(arena, day->reason_en);
    out->basis = arena_strdup(arena, day->basis);
    return out;
}

int clock_explain_view(const struct clock *clocks, int clock_count, const char *id,
                       const struct snapshot *reference, struct arena *arena,
                       ExplainedDay ***ret_days, size_t *ret_count)
{
    const struct clock *c = NULL;
    for (int i = 0; i < clock_count && !c; i++)
        if (strcmp(clocks[i].id, id) == 0)
            c = &clocks[i];
    if (!c)
        return err_set(ERR_NOT_FOUND, "no clock %s of it", id);

    struct explained_day *days;
    int count;
    int r = clock_explain(c, reference, arena, &days, &count);
    if (r < 0)
        return r;
    ExplainedDay **views = arena_array(arena, ExplainedDay *, count);
    for (int i = 0; i < count; i++)
        views[i] = day_view(arena, &days[i]);
    *ret_days = views;
    *ret_count = (size_t)count;
    return 0;
}
