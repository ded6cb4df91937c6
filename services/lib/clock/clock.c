/* What acts do to the clocks of a locked subject. Everything here computes in memory and queues
 * writes; nothing reads but clock_set_load. */
#include "clock/clock.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/clock_inside.h"

void clock_set_init(struct clock_set *set, struct tx *tx, const struct snapshot *reference,
                    const struct clock_subject *subject)
{
    set->tx = tx;
    set->reference = reference;
    set->subject = *subject;
    set->count = 0;
    set->written = 0;
}

void clock_set_take(struct clock_set *set, const struct clock *clocks, int count)
{
    assert_always(count <= CLOCKS_PER_SUBJECT_MAX);
    set->count = count;
    for (int i = 0; i < count; i++)
        set->clocks[i] = clocks[i];
}

int clock_set_load(struct clock_set *set)
{
    struct clock_row *rows;
    int count;
    const char *ids[] = { set->subject.id };
    int r = store_clocks_by_subjects(set->tx->pg, set->tx->arena, ids, 1, &rows, &count);
    if (r < 0)
        return err_wrap(r, "clocks of %s", set->subject.id);
    assert_always(count <= CLOCKS_PER_SUBJECT_MAX);
    set->count = count;
    for (int i = 0; i < count; i++)
        set->clocks[i] = rows[i].c;
    return 0;
}

/* A clock that one act writes twice is two statements. */
static int write_begin(struct clock_set *set, const struct clock *c)
{
    uint32_t bit = UINT32_C(1) << c->kind;
    int r = set->written & bit ? tx_gather_end(set->tx) : 0;
    set->written |= bit;
    return r;
}

static int write_new(struct clock_set *set, const struct clock *c)
{
    int r = write_begin(set, c);
    return r < 0 ? r : store_clock_insert(set->tx, &set->subject, c);
}

/* The row as it is now, and the line of what has moved. */
static int write_moved(struct clock_set *set, const struct clock *was, const struct clock *c,
                       const char *what, int64_t at)
{
    int r = write_begin(set, c);
    if (r >= 0)
        r = store_clock_ledger(set->tx, was, c, what, at, "");
    return r < 0 ? r : store_clock_update(set->tx, &set->subject, c);
}

struct clock *clock_find(struct clock_set *set, int kind)
{
    for (int i = 0; i < set->count; i++) {
        if (set->clocks[i].kind == kind)
            return &set->clocks[i];
    }
    return NULL;
}

bool clock_is_open(const struct clock *c)
{
    return !c->ended_at;
}

int clock_state(const struct clock *c, int64_t now_ms)
{
    if (c->ended_at && c->ended_at < c->due_at)
        return c->cancelled ? CLOCK_STATE_CANCELLED : CLOCK_STATE_MET;
    if (!c->ended_at && now_ms < c->due_at)
        return CLOCK_STATE_RUNNING;
    /* A right that was not used is gone; nobody is late. */
    return c->kind == CLOCK_KIND_RETURN ? CLOCK_STATE_CANCELLED : CLOCK_STATE_LATE;
}

void clock_id(const char *subject, int kind, char out[UUID_TEXT_SIZE])
{
    char name[96];
    int length = snprintf(name, sizeof(name), "clock\x1f%s\x1f%d", subject, kind);
    assert_always(length > 0 && (size_t)length < sizeof(name));
    uuid_v5(name, (size_t)length, out);
}

/* The database's clock may be set back by a hair between two transactions: an act that waited for
 * the row lock of a rung does not come before it. */
static int64_t act_instant(const struct clock_set *set, const struct clock *c)
{
    assert_always(set->tx->now_ms > 0);
    return MAX(set->tx->now_ms, c->last_fired_at);
}

static int begin_term(struct clock_set *set, struct clock *c, const struct deadline_rule *rule,
                      int64_t started_at, int last_rung)
{
    struct due due;
    int r = calendar_due(snapshot_calendar(set->reference), rule->term, started_at, &due);
    if (r < 0)
        return err_wrap(r, "due date of %s by %s", c->id, rule->id);
    c->term++;
    c->started_at = started_at;
    c->due_at = due.due_at;
    c->due_on = due.due_on;
    c->provisional = due.provisional;
    c->ended_at = 0;
    c->cancelled = false;
    c->rule = rule->id;
    c->rule_version = rule->version;
    c->extended_days = 0;
    c->calendar_position = snapshot_calendar_position(set->reference);
    c->date_position = 0;
    c->last_rung = last_rung;
    c->last_fired_at = last_rung ? started_at : 0;
    c->row_version++;
    return clock_arm(c, set->reference);
}

int clock_start_after(struct clock_set *set, int kind, const char *rule_kind, int64_t started_at,
                      int last_rung)
{
    const struct deadline_rule *rule =
        snapshot_deadline_rule(set->reference, rule_kind, day_of_instant(started_at));
    if (!rule)
        return err_set(ERR_INTERNAL, "no deadline rule of kind %s is in force", rule_kind);

    struct clock *there = clock_find(set, kind);
    struct clock c = { .kind = kind };
    if (there)
        c = *there;
    else
        clock_id(set->subject.id, kind, c.id);
    int r = begin_term(set, &c, rule, started_at, last_rung);
    if (r < 0)
        return r;
    /* The rule's texts belong to the snapshot, which a set may outlive. */
    c.rule = arena_strdup(set->tx->arena, c.rule);

    if (!there) {
        assert_always(set->count < CLOCKS_PER_SUBJECT_MAX);
        set->clocks[set->count++] = c;
        return write_new(set, &c);
    }
    struct clock was = *there;
    *there = c;
    return write_moved(set, &was, there, "started", set->tx->now_ms);
}

int clock_start_by(struct clock_set *set, int kind, const char *rule_kind, int64_t started_at)
{
    return clock_start_after(set, kind, rule_kind, started_at, 0);
}

int clock_start(struct clock_set *set, int kind, int64_t started_at)
{
    return clock_start_by(set, kind, clock_kind_names[kind], started_at);
}

static int end_clock(struct clock_set *set, int kind, bool cancelled)
{
    struct clock *c = clock_find(set, kind);
    if (!c || !clock_is_open(c))
        return 0;
    struct clock was = *c;
    c->ended_at = act_instant(set, c);
    c->cancelled = cancelled;
    c->next_rung = 0;
    c->next_at = 0;
    c->next_provisional = false;
    c->row_version++;
    return write_moved(set, &was, c, cancelled ? "cancelled" : "stopped", c->ended_at);
}

int clock_stop(struct clock_set *set, int kind)
{
    return end_clock(set, kind, false);
}

int clock_cancel(struct clock_set *set, int kind)
{
    return end_clock(set, kind, true);
}

int clock_extend(struct clock_set *set, int kind, uint32_t working_days)
{
    struct clock *c = clock_find(set, kind);
    if (!c || !clock_is_open(c) || act_instant(set, c) >= c->due_at)
        return err_set_reason(ERR_REFUSED, "clock_not_running",
                              "only a clock that runs and is not late can be extended");
    if (working_days < 1 || c->extended_days + working_days > TERM_EXTENDED_DAYS_MAX)
        return err_set(ERR_INVALID_ARGUMENT, "an extension of %u working days", working_days);

    struct clock was = *c, next = *c;
    bool provisional;
    int r = calendar_add_working_days(snapshot_calendar(set->reference), c->due_on,
                                      (int32_t)working_days, &next.due_on, &provisional);
    if (r < 0)
        return err_wrap(r, "extension of clock %s", c->id);
    next.due_at = day_start(next.due_on + 1);
    next.provisional = c->provisional || provisional;
    next.term++;
    next.extended_days += working_days;
    /* The old date stays as old as it was; the new one is no younger than the older of the two. */
    int64_t known = snapshot_calendar_position(set->reference);
    next.calendar_position = MIN(c->calendar_position, known);
    next.date_position = MIN(c->date_position, known);
    next.last_rung = 0;
    next.last_fired_at = 0;
    next.row_version++;
    r = clock_arm(&next, set->reference);
    if (r < 0)
        return r;
    *c = next;
    return write_moved(set, &was, c, "extended", set->tx->now_ms);
}

int clock_set_readdress(struct clock_set *set, const struct clock_subject *subject)
{
    assert_always(strcmp(set->subject.id, subject->id) == 0);
    set->subject = *subject;
    return set->count ? store_clock_readdress(set->tx, subject) : 0;
}
