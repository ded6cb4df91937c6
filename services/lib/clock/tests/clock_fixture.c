/* Matters, acts and civil time for the tests of clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "clock/tests/clock_fixture.h"

#include "base/err.h"
#include "base/time.h"

const struct pg_query Q_MATTER_LOCK = {
    .name = "matter_lock",
    .sql = "SELECT id FROM matter WHERE id = ANY($1::text[]::uuid[]) "
           "ORDER BY id FOR UPDATE SKIP LOCKED",
};
const struct pg_query Q_MATTER_LOCK_ONE = {
    .name = "matter_lock_one",
    .sql = "SELECT id FROM matter WHERE id = $1 FOR UPDATE",
};
static const struct pg_query Q_MATTER_INSERT = {
    .name = "matter_insert",
    .sql = "INSERT INTO matter (id) VALUES ($1)",
};
static const struct pg_query *const matter_queries[] = { &Q_MATTER_LOCK, &Q_MATTER_LOCK_ONE,
                                                         &Q_MATTER_INSERT, NULL };
static const struct pg_migration matter_migrations[] = {
    { .number = 1,
      .name = "init",
      .sql = "CREATE TABLE matter (id uuid PRIMARY KEY)",
      .sha256 = "matter" },
    { .number = 0 },
};
static const struct pg_module matter_module = {
    .name = "matter",
    .queries = matter_queries,
    .migrations = matter_migrations,
};
const struct pg_module *const clock_bench_modules[] = { &log_module, &clock_module, &matter_module,
                                                        NULL };
const struct clock_owner clock_bench_owner = { .lock_subjects = &Q_MATTER_LOCK };

static char offset_path[] = "/tmp/lujian-offset-XXXXXX";

struct pg_fixture *clock_bench_setup(void)
{
    int fd = mkstemp(offset_path);
    if (fd < 0 || civil_offset_open(offset_path) < 0)
        return NULL;
    close(fd);
    int64_t offset;
    if (civil_offset_advance(clock_bench_instant("2050-01-04T09:00") - wall_ms(), &offset) < 0)
        return NULL;
    return pg_fixture_open_private(
        &(struct pg_fixture_options){ .modules = clock_bench_modules, .no_fsync = true });
}

void clock_bench_teardown(struct pg_fixture *f)
{
    pg_fixture_close(f);
    civil_offset_open("");
    unlink(offset_path);
    snapshot_install(NULL);
}

/* Invented days off: New Year, and a long feast in January with a worked day before it. */
static void add_notice(struct reference_fixture *f, int year)
{
    static const char *const off[] = { "01-01", "01-02", "01-03", "01-24",
                                       "01-25", "01-26", "01-27", "01-28" };
    struct reference_fixture_day days[sizeof(off) / sizeof(off[0]) + 1];
    int count = 0;
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        days[count++] =
            (struct reference_fixture_day){ arena_printf(&f->arena, "%04d-%s", year, off[i]),
                                            DAY_KIND_OFF };
    /* a Saturday in 2050, a Sunday in 2051 */
    days[count++] = (struct reference_fixture_day){ arena_printf(&f->arena, "%04d-01-22", year),
                                                    DAY_KIND_WORK };
    reference_fixture_add_notice(f, year, days, count);
}

void clock_bench_hour_rungs(struct reference_fixture *f)
{
    enum { BEFORE_THE_SEEDS = 1000 }; /* of two versions the later counts */
    reference_fixture_rung(f, "dispatch-yellow", 1, "dispatch", RUNG_YELLOW, 1, NULL, NULL);
    reference_fixture_rung(f, "dispatch-red", BEFORE_THE_SEEDS, "dispatch", RUNG_RED, 0, NULL,
                           NULL);
}

const struct snapshot *clock_bench_reference(int last_year)
{
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    clock_bench_hour_rungs(&f);
    for (int year = 2050; year <= last_year; year++)
        add_notice(&f, year);
    struct snapshot *s = reference_fixture_build(&f, day_from_ymd(2050, 1, 4));
    reference_fixture_clear(&f);
    snapshot_ref(s);
    snapshot_install(s);
    return s;
}

void clock_bench_open(struct clock_bench *b, struct pg_fixture *f)
{
    int64_t epoch;
    *b = (struct clock_bench){ .fixture = f, .uri = pg_fixture_database(f) };
    assert_non_null(b->uri);
    b->pg = pg_fixture_connect(f, b->uri);
    assert_non_null(b->pg);
    arena_init(&b->arena, 0);
    b->options = (struct pg_options){ .uri = b->uri,
                                      .application_name = "clocks",
                                      .modules = clock_bench_modules };
    assert_int_equal(log_open_stream(b->pg, "matters", &epoch), 0);
}

void clock_bench_close(struct clock_bench *b)
{
    pg_close(b->pg);
    arena_clear(&b->arena);
    pg_fixture_drop(b->fixture, b->uri);
}

int64_t clock_bench_now(struct clock_bench *b)
{
    struct tx tx;
    assert_int_equal(tx_begin(&tx, b->pg, &b->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    tx_rollback(&tx);
    return tx.now_ms;
}

int64_t clock_bench_instant(const char *text)
{
    char full[TIME_TEXT_SIZE];
    int64_t at = 0;
    snprintf(full, sizeof(full), strchr(text, 'T') ? "%s:00+08:00" : "%sT00:00:00+08:00", text);
    assert_always(instant_parse(full, &at) == 0);
    return at;
}

void clock_bench_advance(int64_t by_ms)
{
    int64_t offset;
    assert_int_equal(civil_offset_advance(by_ms, &offset), 0);
}

void clock_bench_at(struct clock_bench *b, const char *text)
{
    int64_t by = clock_bench_instant(text) - clock_bench_now(b);
    if (by < 0)
        fail_msg("%s has passed", text);
    clock_bench_advance(by);
}

struct clock clock_bench_begin(const struct snapshot *reference, int kind, const char *rule_kind,
                               int64_t started_at)
{
    struct clock c = { .kind = kind, .term = 1, .started_at = started_at };
    const struct deadline_rule *rule =
        snapshot_deadline_rule(reference, rule_kind, day_of_instant(started_at));
    struct due due;
    assert_non_null(rule);
    assert_int_equal(calendar_due(snapshot_calendar(reference), rule->term, started_at, &due), 0);
    c.due_at = due.due_at;
    c.due_on = due.due_on;
    c.provisional = due.provisional;
    c.rule = rule->id;
    c.rule_version = rule->version;
    assert_int_equal(clock_arm(&c, reference), 0);
    return c;
}

void clock_bench_fired(struct clock *c, const struct snapshot *reference, int64_t at)
{
    c->last_rung = c->next_rung;
    c->last_fired_at = at;
    assert_int_equal(clock_arm(c, reference), 0);
}

const char *clock_bench_file(struct clock_bench *b, const int *kinds, int64_t started_at)
{
    struct tx tx;
    char id[UUID_TEXT_SIZE];
    uuid_v7(wall_ms(), id);
    const struct snapshot *reference = snapshot_get();
    struct clock_subject subject = { .id = arena_strdup(&b->arena, id),
                                     .division = "370102",
                                     .audience = "",
                                     .unit = "370102-urban" };
    struct clock_set set;
    assert_int_equal(tx_begin(&tx, b->pg, &b->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    assert_int_equal(tx_write(&tx, &Q_MATTER_INSERT, PG_ARGS(pg_text(id))), 0);
    clock_set_init(&set, &tx, reference, &subject);
    for (; *kinds; kinds++)
        assert_int_equal(clock_start(&set, *kinds, started_at), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    snapshot_put(reference);
    return subject.id;
}

void clock_bench_act(struct clock_bench *b, const char *id,
                     int (*act)(struct clock_set *set, void *arg), void *arg)
{
    struct tx tx;
    struct pg_rows rows;
    const struct snapshot *reference = snapshot_get();
    struct clock_subject subject = {
        .id = id, .division = "370102", .audience = "", .unit = "370102-urban"
    };
    struct clock_set set;
    assert_int_equal(tx_begin(&tx, b->pg, &b->arena), 0);
    assert_int_equal(tx_read(&tx, &Q_MATTER_LOCK_ONE, PG_ARGS(pg_text(id)), &rows), 0);
    assert_int_equal(tx_now(&tx), 0);
    clock_set_init(&set, &tx, reference, &subject);
    assert_int_equal(clock_set_load(&set), 0);
    assert_int_equal(act(&set, arg), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    snapshot_put(reference);
}

int clock_bench_stop(struct clock_set *set, void *kind)
{
    return clock_stop(set, *(const int *)kind);
}

struct clock clock_bench_read(struct clock_bench *b, const char *id, int kind)
{
    struct clock **clocks;
    int *counts;
    assert_int_equal(clock_load_many(b->pg, &b->arena, &id, 1, &clocks, &counts), 0);
    for (int i = 0; i < counts[0]; i++) {
        if (clocks[0][i].kind == kind)
            return clocks[0][i];
    }
    fail_msg("no clock of kind %d", kind);
    abort();
}

int64_t clock_bench_number(struct clock_bench *b, const char *sql)
{
    struct pg_rows rows;
    static int number;
    const char *name = arena_printf(&b->arena, "number_%d", number++);
    struct pg_query query = { .name = name, .sql = sql };
    assert_int_equal(pg_script(b->pg, arena_printf(&b->arena, "PREPARE %s AS %s", name, sql)), 0);
    assert_int_equal(pg_read(b->pg, &b->arena, &query, PG_NO_ARGS, &rows), 0);
    return rows.count ? pg_row_int(&rows, 0, 0) : 0;
}

static struct clock_batch run(struct clock_bench *b, const struct clock_work *work)
{
    struct clock_batch batch;
    const struct snapshot *reference = snapshot_get();
    assert_int_equal(clock_batch_run(b->pg, &clock_bench_owner, work, reference, &batch), 0);
    snapshot_put(reference);
    return batch;
}

struct clock_batch clock_bench_fire(struct clock_bench *b)
{
    return run(b, &clock_work_fire);
}

struct clock_batch clock_bench_recompute(struct clock_bench *b)
{
    return run(b, &clock_work_recompute);
}
