/* The works of recomputing: clocks that were counted over days that no notice had announced, once a
 * newer notice is there; and all others that were counted by an older calendar, once an operator
 * has decided so. The term is kept; rungs that fired stay fired.
 *
 * Invariants: a breached clock's date never moves; no date moves to before now. A clock whose date
 * is settled that way is provisional no longer, whatever the calendar says later. */
#include "base/err.h"
#include "clock/clock_inside.h"

#define REASON_NOTICE         "calendar_notice"
#define REASON_DECISION       "calendar_decision"
#define REASON_NOT_BEFORE_NOW "not_before_now"

int clock_recount(const struct clock *c, const struct snapshot *reference, int64_t now_ms,
                  struct due *ret_due, enum clock_change_note *ret_note)
{
    const struct deadline_rule *rule = clock_rule(c, reference);
    if (!rule)
        return err_set(ERR_INTERNAL, "deadline rule %s version %u is unknown", c->rule,
                       c->rule_version);
    struct term term = rule->term;
    term.extended_days = c->extended_days;
    int r = calendar_due(snapshot_calendar(reference), term, c->started_at, ret_due);
    if (r < 0)
        return err_wrap(r, "clock %s", c->id);
    *ret_note = CLOCK_CHANGE_MOVES;
    if (now_ms >= c->due_at)
        *ret_note = CLOCK_CHANGE_BREACHED;
    else if (ret_due->due_at <= now_ms)
        *ret_note = CLOCK_CHANGE_NOT_BEFORE_NOW;
    return 0;
}

/* The date by the calendar as it is now, where it may move. */
static int recompute_date(const struct tx *tx, const struct snapshot *reference,
                          struct clock_row *row, const char *reason)
{
    struct clock *c = &row->c;
    struct due due;
    enum clock_change_note note;
    int r = clock_recount(c, reference, tx->now_ms, &due, &note);
    if (r < 0)
        return r;
    row->reason = reason;
    if (note == CLOCK_CHANGE_BREACHED) {
        c->provisional = c->provisional && due.provisional;
    } else if (note == CLOCK_CHANGE_NOT_BEFORE_NOW) {
        c->provisional = false;
        row->reason = REASON_NOT_BEFORE_NOW;
        row->kept = true;
    } else {
        c->due_at = due.due_at;
        c->due_on = due.due_on;
        c->provisional = due.provisional;
    }
    c->date_position = 0;
    return 0;
}

static int settle(const struct snapshot *reference, struct clock *c)
{
    c->calendar_position = snapshot_calendar_position(reference);
    c->row_version++;
    return clock_arm(c, reference);
}

static int unsettled_apply(struct tx *tx, const struct snapshot *reference, struct clock_row *row,
                           struct clock *was)
{
    struct clock *c = &row->c;
    *was = *c;
    int r = 0;
    /* A date that was announced stands, also where only the clock's next rung was not: it stays as
     * old as it is, for an operator to decide on. */
    if (c->provisional)
        r = recompute_date(tx, reference, row, REASON_NOTICE);
    else if (!c->date_position)
        c->date_position = c->calendar_position;
    return r < 0 ? r : settle(reference, c);
}

static int decided_apply(struct tx *tx, const struct snapshot *reference, struct clock_row *row,
                         struct clock *was)
{
    *was = row->c;
    int r = recompute_date(tx, reference, row, REASON_DECISION);
    return r < 0 ? r : settle(reference, &row->c);
}

static void tell(struct tx *tx, const struct clock_row *row, const struct clock *was)
{
    const struct clock *c = &row->c;
    struct arena *a = tx->arena;
    Recomputed data = RECOMPUTED_INIT;
    data.clock_id = arena_strdup(a, c->id);
    data.clock_kind = (ClockKind)c->kind;
    data.term = c->term;
    data.subject = arena_strdup(a, row->subject.id);
    data.division = arena_strdup(a, row->subject.division);
    data.old_due_at = was->due_at;
    data.new_due_at = c->due_at;
    data.provisional = c->provisional;
    data.reason = arena_strdup(a, row->reason);

    struct event_address address = {
        .subject = row->subject.id,
        .division = row->subject.division,
        .audience = row->subject.audience,
        .about_enforcement = row->subject.about_enforcement,
        .correlation = "",
        .cause = arena_printf(a, "recomputed\x1f%s\x1f%u\x1f%lld", c->id, c->term,
                              (long long)c->row_version),
    };
    tx_event(tx, &recomputed_event, &address, &data.base);
}

static int recompute_write(struct tx *tx, const struct snapshot *reference,
                           const struct clock_row *rows, const struct clock *was, int count)
{
    (void)reference;
    int r = store_recomputed(tx, rows, count);
    for (int i = 0; r >= 0 && i < count; i++) {
        const struct clock *c = &rows[i].c;
        bool moved = c->due_at != was[i].due_at || c->provisional != was[i].provisional;
        /* Else at most its next rung moved, which nobody has been told as settled. */
        if (moved || rows[i].kept)
            r = store_clock_ledger(tx, &was[i], c, "recomputed", tx->now_ms, rows[i].reason);
        if (moved)
            tell(tx, &rows[i], &was[i]);
    }
    return r;
}

const struct clock_work clock_work_recompute = {
    .name = "recompute",
    .page = store_unsettled_page,
    .reread = store_unsettled_locked,
    .apply = unsettled_apply,
    .write = recompute_write,
};

/* Its clocks are found by a walk, not by pages: decide.c. */
const struct clock_work clock_work_decided = {
    .name = "decided",
    .reread = store_older_locked,
    .apply = decided_apply,
    .write = recompute_write,
};
