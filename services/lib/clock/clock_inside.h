/* Private to clock/: rung arithmetic, rows, and the batches of the scan. */
#ifndef LUJIAN_CLOCK_CLOCK_INSIDE_H
#define LUJIAN_CLOCK_CLOCK_INSIDE_H

#include "clock/clock.h"

#define CLOCK_BATCH_MAX 256 /* subjects a transaction of the scan holds at most */

/* -- rungs.c: pure -- */

struct rung_next {
    int rung; /* 0 = none is left */
    int64_t at;
    bool provisional;
};
/* The first rung of the ladder behind c->last_rung that would not fall at or before the clock's
 * start. The ladder ascends, as snapshot_ladder gives it. */
int rung_next(const struct calendar *calendar, const struct ladder_rule *const *ladder, int count,
              const struct clock *c, struct rung_next *ret);
/* The ladder under which this clock climbs: of its kind, in force on its start day. */
const struct ladder_rule *const *clock_ladder(const struct snapshot *reference,
                                              const struct clock *c, int *ret_count);
/* Sets next_rung, next_at and next_provisional by the snapshot's ladder and calendar. */
int clock_arm(struct clock *c, const struct snapshot *reference);
/* The rule that times it: the stored version, or where the registry does not know it, none. */
const struct deadline_rule *clock_rule(const struct clock *c, const struct snapshot *reference);

/* -- recompute.c -- */

/* What this calendar would make of an open clock's date, and whether it may move there. */
int clock_recount(const struct clock *c, const struct snapshot *reference, int64_t now_ms,
                  struct due *ret_due, enum clock_change_note *ret_note);

/* -- store.c: with store_decision.c the only code that knows columns -- */

/* A clock as the scan sees it: with whom it concerns. */
struct clock_row {
    struct clock c;
    struct clock_subject subject;
    const char *reason; /* why `apply` changed it, for the ledger; or what it failed of */
    bool kept;          /* its date would have moved to before now: the ledger says so */
};

struct clock_row *store_read_rows(const struct pg_rows *rows, struct arena *arena);
void store_fill_ids(struct pg_array *ids, const char *const *subjects, int count);
int store_clocks_by_subjects(struct pg *pg, struct arena *arena, const char *const *subjects,
                             int count, struct clock_row **ret, int *ret_count);
int store_clock_insert(struct tx *tx, const struct clock_subject *subject, const struct clock *c);
int store_clock_update(struct tx *tx, const struct clock_subject *subject, const struct clock *c);
/* What moved from `was` to `c`. */
int store_clock_ledger(struct tx *tx, const struct clock *was, const struct clock *c,
                       const char *what, int64_t at, const char *reason);
int store_clock_readdress(struct tx *tx, const struct clock_subject *subject);

/* Where a page of candidates ended. */
struct clock_place {
    int64_t at;
    char subject[UUID_TEXT_SIZE];
};
#define CLOCK_PLACE_FIRST                                                                          \
    ((struct clock_place){ INT64_MIN, "00000000-0000-0000-0000-000000000000" })

/* What a batch is made of: which clocks, and what is written for those that it took. */
struct clock_work {
    const char *name;
    int (*page)(struct tx *tx, const struct snapshot *reference, struct clock_place *place,
                const char ***ret_subjects, int *ret_count);
    int (*reread)(struct tx *tx, const struct snapshot *reference, const char *const *subjects,
                  int count, struct clock_row **ret, int *ret_count);
    /* Changes c in memory; negative: this clock fails, alone. */
    int (*apply)(struct tx *tx, const struct snapshot *reference, struct clock_row *row,
                 struct clock *was);
    /* Writes what `apply` changed, and its events. */
    int (*write)(struct tx *tx, const struct snapshot *reference, const struct clock_row *rows,
                 const struct clock *was, int count);
};
extern const struct clock_work clock_work_fire, clock_work_recompute, clock_work_decided;

int store_due_page(struct tx *tx, const struct snapshot *reference, struct clock_place *place,
                   const char ***ret_subjects, int *ret_count);
int store_due_locked(struct tx *tx, const struct snapshot *reference, const char *const *subjects,
                     int count, struct clock_row **ret, int *ret_count);
int store_unsettled_page(struct tx *tx, const struct snapshot *reference, struct clock_place *place,
                         const char ***ret_subjects, int *ret_count);
int store_unsettled_locked(struct tx *tx, const struct snapshot *reference,
                           const char *const *subjects, int count, struct clock_row **ret,
                           int *ret_count);
int store_rungs(struct tx *tx, const struct clock_row *rows, const struct clock *was, int count);
int store_recomputed(struct tx *tx, const struct clock_row *rows, int count);
int store_failed(struct tx *tx, const struct clock_row *rows, int count);
/* The earliest instant at which any clock wants to be looked at; 0 = none does. */
int store_next_wake(struct tx *tx, int64_t *ret_at);

/* -- store_decision.c -- */

#define CLOCK_WALK_ROWS_MAX 4096 /* clocks that a step of a walk looks at */

/* A walk through all clocks, by their key. */
struct clock_walk {
    int64_t calendar_position; /* looked for: clocks that were counted by an older one */
    char subject[UUID_TEXT_SIZE];
    int kind;
    bool ended;
};
void clock_walk_begin(struct clock_walk *walk, int64_t calendar_position);
/* The next page: those that are older, at most CLOCK_WALK_ROWS_MAX; none is not the end yet. */
int store_older_page(struct pg *pg, struct arena *arena, struct clock_walk *walk, int64_t now_ms,
                     struct clock_row **ret, int *ret_count);
int store_older_locked(struct tx *tx, const struct snapshot *reference, const char *const *subjects,
                       int count, struct clock_row **ret, int *ret_count);
int store_decision_settle(struct pg *pg, int64_t calendar_position, int64_t now_ms);
/* A clock was found that is older than the last decision: it is not settled. */
int store_decision_reopen(struct pg *pg);

/* -- batch.c -- */

struct clock_batch {
    int found;    /* subjects with work, as far as was looked */
    int done;     /* clocks written */
    int failed;   /* clocks put off */
    int64_t head; /* newest position of our events; 0 = none */
};
/* One batch of that work: at most CLOCK_BATCH_MAX subjects, those that nobody holds. A failure of
 * one clock puts it off and leaves the others; ERR_AGAIN and a lost link are the caller's to retry,
 * as all that was not written is still work. */
int clock_batch_run(struct pg *pg, const struct clock_owner *owner, const struct clock_work *work,
                    const struct snapshot *reference, struct clock_batch *ret);
/* The same for these subjects, whatever their number. */
int clock_batch_subjects(struct pg *pg, const struct clock_owner *owner,
                         const struct clock_work *work, const struct snapshot *reference,
                         const char *const *subjects, int count, struct clock_batch *ret);

/* -- decide.c: a replica's part in carrying out a decision -- */

struct clock_sweep {
    struct clock_walk walk;
    int64_t found;   /* clocks that this walk found behind */
    int64_t done;    /* of them written */
    int64_t next_ms; /* mono: not looked at before */
};
/* One step: a page of the walk and the batches that it gives. *ret_more: the next one at once. */
int clock_sweep_step(struct clock_sweep *sweep, struct pg *pg, const struct clock_owner *owner,
                     const struct snapshot *reference, struct clock_batch *ret, bool *ret_more);

#endif
