/* Matters whose clocks are tested: a subject table with its row locks, acts in transactions of
 * their own, and a civil time of the test's choosing.
 *
 * Civil time starts in 2050, for which the fixture has notices (2050 and 2051), so that no test
 * depends on the day on which it runs: the seed's rules, another decade's calendar. Only a dispatch
 * has rungs of its own here: yellow an hour before due_at, red at due_at. */
#ifndef LUJIAN_CLOCK_TESTS_CLOCK_FIXTURE_H
#define LUJIAN_CLOCK_TESTS_CLOCK_FIXTURE_H

#include "clock/clock_inside.h"
#include "log/log_read.h"
#include "pg/tests/pg_fixture.h"
#include "reference/tests/reference_fixture.h"

extern const struct pg_module *const clock_bench_modules[];
extern const struct clock_owner clock_bench_owner;
extern const struct pg_query Q_MATTER_LOCK, Q_MATTER_LOCK_ONE;

struct clock_bench {
    struct pg_fixture *fixture;
    const char *uri;
    struct pg *pg;
    struct arena arena;
    struct pg_options options;
};

/* For the whole program: the server, the offset file, the seed with notices up to `last_year`. */
struct pg_fixture *clock_bench_setup(void);
void clock_bench_teardown(struct pg_fixture *f);
/* What the scan is tested on: rungs that are hours apart. The seed has none, as every card of its
 * ladders falls on the beginning of a working day. */
void clock_bench_hour_rungs(struct reference_fixture *f);
/* Installs and returns a snapshot with the seed and the notices of 2050 .. last_year. */
const struct snapshot *clock_bench_reference(int last_year);

void clock_bench_open(struct clock_bench *b, struct pg_fixture *f);
void clock_bench_close(struct clock_bench *b);
int64_t clock_bench_now(struct clock_bench *b); /* civil */
/* Moves civil time forward to that local instant "2050-01-05T10:00"; fails if it has passed. */
void clock_bench_at(struct clock_bench *b, const char *text);
void clock_bench_advance(int64_t by_ms);
int64_t clock_bench_instant(const char *text); /* "2050-01-05" or with T10:00 */

/* Pure: a clock as clock_start would begin it, and its next rung fired at that instant. */
struct clock clock_bench_begin(const struct snapshot *reference, int kind, const char *rule_kind,
                               int64_t started_at);
void clock_bench_fired(struct clock *c, const struct snapshot *reference, int64_t at);

/* A matter with its clocks of those kinds (ends with 0) started at that instant; its id. */
const char *clock_bench_file(struct clock_bench *b, const int *kinds, int64_t started_at);
/* One act: locks the matter, reads the time, loads, calls, commits. */
void clock_bench_act(struct clock_bench *b, const char *id,
                     int (*act)(struct clock_set *set, void *arg), void *arg);
int clock_bench_stop(struct clock_set *set, void *kind); /* acts: kind is an int */
/* What is stored. */
struct clock clock_bench_read(struct clock_bench *b, const char *id, int kind);
/* A number that a statement selects. */
int64_t clock_bench_number(struct clock_bench *b, const char *sql);
/* One batch; its figures. */
struct clock_batch clock_bench_fire(struct clock_bench *b);
struct clock_batch clock_bench_recompute(struct clock_bench *b);

#endif
