/* Statutory clocks of one subject: started, stopped, extended, explained. They live in the database
 * of the service that owns what they time; the subject's row lock decides every race.
 *
 * State is derived, never stored: a clock is `running` until it ends or due_at passes, `met` when
 * it ended before due_at, `late` from due_at on whatever comes after, `cancelled` when it was
 * cancelled before due_at. A return clock is a right: it is `cancelled` when it lapses. A granted
 * extension or redo opens the next term; a recalculation keeps it. A breached clock never moves. */
#ifndef LUJIAN_CLOCK_CLOCK_H
#define LUJIAN_CLOCK_CLOCK_H

#include "log/tx.h"
#include "lujian/clock/v1/clock.lj.h"
#include "reference/snapshot.h"

/* Values are CLOCK_KIND_*, CLOCK_STATE_* and RUNG_* of the contract. */

struct clock_subject {
    const char *id;
    const char *division;
    const char *audience;
    const char *unit;
    bool about_enforcement;
};

struct clock {
    char id[UUID_TEXT_SIZE]; /* UUIDv5 of (subject, kind): a kind has one clock a subject */
    int kind;
    uint32_t term;
    int64_t started_at, due_at;
    int32_t due_on;
    bool provisional;
    int64_t ended_at; /* 0 = open */
    bool cancelled;
    const char *rule; /* id of the deadline rule row */
    uint32_t rule_version;
    uint32_t
        extended_days; /* working days added by extensions since the last full start; 0 = none */
    int64_t calendar_position;
    /* The calendar that due_at was counted by, where it is an older one; 0 = the same. */
    int64_t date_position;
    int last_rung; /* the last that fired in this term; 0 = none */
    int64_t last_fired_at;
    int next_rung; /* 0 = none */
    int64_t next_at;
    bool next_provisional; /* next_at rests on days that no notice has announced yet */
    int64_t row_version;
};

#define CLOCKS_PER_SUBJECT_MAX 16

/* The clocks of one locked subject, and what changed in them. Load after the lock, in a new
 * statement; a set for a subject born in this transaction is empty and reads nothing. */
struct clock_set {
    struct tx *tx;
    const struct snapshot *reference;
    struct clock_subject subject;
    struct clock clocks[CLOCKS_PER_SUBJECT_MAX];
    int count;
    /* By kind: a write of this clock is gathered already. Rows of one statement have no order among
     * them, so a second write of the same clock begins another. */
    uint32_t written;
};

void clock_set_init(struct clock_set *set, struct tx *tx, const struct snapshot *reference,
                    const struct clock_subject *subject);
int clock_set_load(struct clock_set *set);
/* The same from what was read for many subjects at once (clock_load_many). */
void clock_set_take(struct clock_set *set, const struct clock *clocks, int count);

struct clock *clock_find(struct clock_set *set, int kind); /* NULL = never started */
/* Starts the kind's clock, or opens its next term, with the full count of the rule of that kind in
 * force on the start day. ERR_INTERNAL where the registry has no such rule. */
int clock_start(struct clock_set *set, int kind, int64_t started_at);
/* The same by a rule of another name: an order's clock runs by order_county, order_city, ... */
int clock_start_by(struct clock_set *set, int kind, const char *rule_kind, int64_t started_at);
/* The same for a clock that goes on where another has left the ladder: that rung counts as fired at
 * the start, so the next is armed from there. 0 = none. */
int clock_start_after(struct clock_set *set, int kind, const char *rule_kind, int64_t started_at,
                      int last_rung);
/* Ends an open clock by the act that it waited for, at tx->now_ms; nothing where none is open.
 * Whether that was in time is clock_state() afterwards: met or late. */
int clock_stop(struct clock_set *set, int kind);
/* Ends an open clock without the act; nothing where none is open. */
int clock_cancel(struct clock_set *set, int kind);
/* New due date = n working days after the old one; next term, started_at unchanged. ERR_REFUSED
 * where no clock of that kind is open and in time: check before the first write. */
int clock_extend(struct clock_set *set, int kind, uint32_t working_days);
/* What events and rungs of this subject carry from now on (a dispatch to another unit, a move). */
int clock_set_readdress(struct clock_set *set, const struct clock_subject *subject);

int clock_state(const struct clock *c, int64_t now_ms);
bool clock_is_open(const struct clock *c);
/* UUIDv5 of (subject, kind). */
void clock_id(const char *subject, int kind, char out[UUID_TEXT_SIZE]);

/* Clocks of many subjects for answers, without locks: rows in the order of the ids. */
int clock_load_many(struct pg *pg, struct arena *arena, const char *const *subjects,
                    int subject_count, struct clock ***ret_clocks, int **ret_counts);
/* The same in two steps, for who keeps the rows meanwhile. */
int clock_rows_read(struct pg *pg, struct arena *arena, const char *const *subjects,
                    int subject_count, struct pg_rows *ret_rows);
void clock_rows_load(const struct pg_rows *rows, struct arena *arena, const char *const *subjects,
                     int subject_count, struct clock ***ret_clocks, int **ret_counts);
/* Fills the contract's message; texts live in the arena and the snapshot. */
void clock_view(const struct clock *c, const struct snapshot *reference, int64_t now_ms,
                struct arena *arena, Clock *out);

struct explained_day {
    int32_t day;
    bool counted;
    const char *reason_zh, *reason_en, *basis;
};
/* Day by day from the start day to due_on, by the function that computed it. Texts live in the
 * arena and the snapshot. */
int clock_explain(const struct clock *c, const struct snapshot *reference, struct arena *arena,
                  struct explained_day **ret_days, int *ret_count);
/* The same of the clock with that id, as the contract shows it; ERR_NOT_FOUND where none of them
 * is it. */
int clock_explain_view(const struct clock *clocks, int clock_count, const char *id,
                       const struct snapshot *reference, struct arena *arena,
                       ExplainedDay ***ret_days, size_t *ret_count);

extern const struct pg_module clock_module;

/* The due scan of a service: one thread, batches, SKIP LOCKED on subjects, backoff for one that
 * fails. Any number of replicas may scan at once. */
struct clock_owner {
    /* ($1 text[]) -> ids locked FOR UPDATE SKIP LOCKED, ascending */
    const struct pg_query *lock_subjects;
};
struct clock_scanner;
struct pg_options;
/* Uses the process's current snapshot (snapshot_get) anew for each batch; waits for the first one.
 * What `options` points to must outlive the scanner. */
int clock_scanner_start(struct clock_scanner **ret, const struct clock_owner *owner,
                        const struct pg_options *options,
                        void (*on_commit)(void *ctx, int64_t head), void *ctx);
/* While this says so the scanner rests after each batch for as long as that took. */
void clock_scanner_yield(struct clock_scanner *scanner, bool (*busy)(void *ctx), void *ctx);
void clock_scanner_wake(struct clock_scanner *scanner); /* civil time or the calendar moved */
void clock_scanner_stop(struct clock_scanner *scanner);

/* The due dates that a corrected calendar would move, and the operator's decision that it shall.
 * Provisional clocks are no part of it: they are recomputed as soon as a notice comes. */

#define CLOCK_CHANGES_MAX 500

enum clock_change_note {
    CLOCK_CHANGE_MOVES = 0,
    CLOCK_CHANGE_BREACHED = 1,       /* stays: its day has passed */
    CLOCK_CHANGE_NOT_BEFORE_NOW = 2, /* stays: the new date has passed */
    CLOCK_CHANGE_FAILS = 3,          /* its rule is not known here */
};

struct clock_change {
    const char *clock_id, *subject, *division;
    int kind;
    int64_t old_due_at, new_due_at; /* new: what the calendar says; 0 = cannot be counted */
    enum clock_change_note note;
};

struct clock_changes {
    int64_t calendar_position;              /* of the calendar that it was counted by */
    int64_t older;                          /* open clocks counted by an older one */
    int64_t counts[CLOCK_CHANGE_FAILS + 1]; /* of those with another date, by note */
    struct clock_change *rows;              /* the first CLOCK_CHANGES_MAX, by subject */
    int row_count;
};
/* The dry run: reads every clock, a page at a time, and writes nothing. */
int clock_changes_read(struct pg *pg, struct arena *arena, const struct snapshot *reference,
                       int64_t now_ms, struct clock_changes *ret);

struct clock_decision {
    int64_t calendar_position; /* 0 = none was ever taken */
    const char *decided_by;
    int64_t decided_at;
    int64_t settled_at; /* 0 = clocks are still being recomputed */
};
/* The last one. */
int clock_decision_read(struct pg *pg, struct arena *arena, struct clock_decision *ret);
/* From now on every open clock that was counted by an older calendar than that position is work for
 * the scanners, for ever. The same position again changes nothing: the first decision stands. */
int clock_decide(struct pg *pg, int64_t calendar_position, const char *by, int64_t now_ms);

struct clock_figures {
    int64_t due;         /* rungs that are due and not waiting for another attempt */
    int64_t overdue;     /* open past due_at */
    int64_t failing;     /* waiting for another attempt */
    int64_t provisional; /* open, and resting on days that no notice has announced */
    int64_t behind;      /* not yet recomputed as an operator decided */
};
int clock_figures_read(struct pg *pg, struct arena *arena, int64_t now_ms,
                       struct clock_figures *ret);
/* Called on the scanner's thread about every ten seconds and after what changes them: alarms for
 * provisional and failing clocks. NULL = nobody any more; not called after it returned. */
void clock_scanner_watch(struct clock_scanner *scanner,
                         void (*on_figures)(void *ctx, const struct clock_figures *figures),
                         void *ctx);

#endif
