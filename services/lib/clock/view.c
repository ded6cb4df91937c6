/* A clock as the contract shows it. */
#include "base/time.h"
#include "clock/clock_inside.h"

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
