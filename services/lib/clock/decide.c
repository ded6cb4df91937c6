/* A corrected calendar and the clocks that were counted by the one before: what it would move (the
 * dry run), and a replica's part in moving it once an operator has decided so.
 *
 * Invariants: a decision is carried out by replicas whose calendar is at least as new as the one
 * that it names, by whichever of them; it is settled when a whole walk, begun after it was taken,
 * found no clock behind. It is never done with: a clock that turns up later, written by a replica
 * with an old calendar, opens it again (scan.c). */
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/clock_inside.h"

#define LOOK_EVERY_MS 1000 /* is there a decision that another replica heard of? */
#define AGAIN_MS      5000 /* what is left is held by others, or waits for its next attempt */

/* -- the dry run -- */

static void add_change(struct clock_changes *list, struct arena *arena, const struct clock_row *row,
                       int64_t new_due_at, enum clock_change_note note)
{
    list->counts[note]++;
    if (list->row_count == CLOCK_CHANGES_MAX)
        return;
    list->rows[list->row_count++] = (struct clock_change){
        .clock_id = arena_strdup(arena, row->c.id),
        .subject = arena_strdup(arena, row->subject.id),
        .division = arena_strdup(arena, row->subject.division),
        .kind = row->c.kind,
        .old_due_at = row->c.due_at,
        .new_due_at = new_due_at,
        .note = note,
    };
}

static void compare(struct clock_changes *list, struct arena *arena,
                    const struct snapshot *reference, const struct clock_row *row, int64_t now_ms)
{
    struct due due;
    enum clock_change_note note;
    list->older++;
    if (clock_recount(&row->c, reference, now_ms, &due, &note) < 0)
        add_change(list, arena, row, 0, CLOCK_CHANGE_FAILS);
    else if (due.due_at != row->c.due_at)
        add_change(list, arena, row, due.due_at, note);
}

int clock_changes_read(struct pg *pg, struct arena *arena, const struct snapshot *reference,
                       int64_t now_ms, struct clock_changes *ret)
{
    struct clock_walk walk;
    struct arena page;
    int r = 0;
    *ret = (struct clock_changes){ .calendar_position = snapshot_calendar_position(reference),
                                   .rows =
                                       arena_array(arena, struct clock_change, CLOCK_CHANGES_MAX) };
    clock_walk_begin(&walk, ret->calendar_position);
    arena_init(&page, 0);
    while (r >= 0 && !walk.ended) {
        struct clock_row *rows;
        int count;
        arena_reset(&page);
        r = store_older_page(pg, &page, &walk, now_ms, &rows, &count);
        for (int i = 0; r >= 0 && i < count; i++)
            compare(ret, arena, reference, &rows[i], now_ms);
    }
    arena_clear(&page);
    return r;
}

/* -- carrying it out -- */

/* The position of the decision that this replica has to carry out; 0 = none. */
static int read_work(struct pg *pg, struct arena *arena, const struct snapshot *reference,
                     int64_t *ret_position)
{
    struct clock_decision last;
    int r = clock_decision_read(pg, arena, &last);
    if (r < 0)
        return r;
    bool mine = !last.settled_at && last.calendar_position <= snapshot_calendar_position(reference);
    *ret_position = mine ? last.calendar_position : 0;
    return 0;
}

static const char **subjects_of(struct arena *arena, const struct clock_row *rows, int count,
                                int *ret_count)
{
    const char **subjects = arena_array(arena, const char *, count + 1);
    *ret_count = 0;
    for (int i = 0; i < count; i++) {
        const char *id = rows[i].subject.id;
        if (!*ret_count || strcmp(subjects[*ret_count - 1], id) != 0)
            subjects[(*ret_count)++] = id;
    }
    return subjects;
}

/* The end of a walk: settled where it found none; else another one, which looks again. */
static int end_walk(struct clock_sweep *sweep, struct pg *pg, int64_t now_ms)
{
    int r = 0;
    if (!sweep->found)
        r = store_decision_settle(pg, sweep->walk.calendar_position, now_ms);
    else if (!sweep->done)
        sweep->next_ms = mono_ms() + AGAIN_MS;
    clock_walk_begin(&sweep->walk, sweep->walk.calendar_position);
    sweep->found = sweep->done = 0;
    return r;
}

static int step(struct clock_sweep *sweep, struct pg *pg, struct arena *arena,
                const struct clock_owner *owner, const struct snapshot *reference,
                struct clock_batch *ret)
{
    struct clock_row *rows;
    int count, subject_count;
    struct tx tx;
    int r = tx_begin(&tx, pg, arena);
    if (r >= 0) {
        r = tx_now(&tx);
        if (r >= 0)
            r = store_older_page(pg, arena, &sweep->walk, tx.now_ms, &rows, &count);
        tx_rollback(&tx);
    }
    if (r < 0)
        return r;
    if (sweep->walk.ended)
        return end_walk(sweep, pg, tx.now_ms);
    sweep->found += count;
    const char **subjects = subjects_of(arena, rows, count, &subject_count);
    if (subject_count)
        r = clock_batch_subjects(pg, owner, &clock_work_decided, reference, subjects, subject_count,
                                 ret);
    sweep->done += ret->done;
    return r;
}

int clock_sweep_step(struct clock_sweep *sweep, struct pg *pg, const struct clock_owner *owner,
                     const struct snapshot *reference, struct clock_batch *ret, bool *ret_more)
{
    *ret = (struct clock_batch){ 0 };
    *ret_more = false;
    if (mono_ms() < sweep->next_ms)
        return 0;
    struct arena arena;
    int64_t position;
    arena_init(&arena, 0);
    int r = read_work(pg, &arena, reference, &position);
    if (r >= 0 && !position) {
        *sweep = (struct clock_sweep){ .next_ms = mono_ms() + LOOK_EVERY_MS };
    } else if (r >= 0) {
        if (sweep->walk.calendar_position != position) {
            *sweep = (struct clock_sweep){ 0 };
            clock_walk_begin(&sweep->walk, position);
        }
        r = step(sweep, pg, &arena, owner, reference, ret);
        *ret_more = r >= 0 && mono_ms() >= sweep->next_ms;
    }
    arena_clear(&arena);
    return r;
}
