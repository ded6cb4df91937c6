/* The mirror on a real PostgreSQL: events in, snapshots out, on every replica. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "pg/tests/pg_fixture.h"
#include "reference/mirror.h"
#include "reference/tests/reference_fixture.h"
#include "wire/wire.h"

#define WAIT_MS 10000

static struct pg_fixture *fixture;
static const struct pg_module *const modules[] = { &log_module, &reference_module, NULL };
static char offset_path[] = "/tmp/lujian-offset-XXXXXX";

static int setup_group(void **state UNUSED)
{
    int fd = mkstemp(offset_path);
    if (fd < 0)
        return -1;
    close(fd);
    fixture = pg_fixture_open(modules);
    return fixture && civil_offset_open(offset_path) == 0 ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    civil_offset_open("");
    unlink(offset_path);
    return 0;
}

/* -- a database, a connection, and what a mirror has told -- */

struct watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int changes, faults, cleared;
    int64_t position;
};

struct bench {
    const char *uri;
    struct pg *pg;
    struct arena arena;
    struct pg_options options;
    struct watch watch;
    struct mirror *mirror;
};

static void on_change(void *ctx, const struct snapshot *s)
{
    struct watch *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->changes++;
    w->position = snapshot_position(s);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void on_fault(void *ctx, const char *detail)
{
    struct watch *w = ctx;
    pthread_mutex_lock(&w->lock);
    if (detail)
        w->faults++;
    else
        w->cleared++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void watch_init(struct watch *w)
{
    *w = (struct watch){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

/* Waits until *counter has reached `least`; the milliseconds that took. */
static int64_t watch_for(struct watch *w, const int *counter, int least)
{
    int64_t start = mono_ms();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&w->lock);
    while (*counter < least) {
        if (pthread_cond_timedwait(&w->changed, &w->lock, &until) != 0)
            fail_msg("waited in vain");
    }
    pthread_mutex_unlock(&w->lock);
    return mono_ms() - start;
}

static void bench_open(struct bench *b)
{
    int64_t epoch;
    *b = (struct bench){ .uri = pg_fixture_database(fixture) };
    assert_non_null(b->uri);
    b->pg = pg_fixture_connect(fixture, b->uri);
    assert_non_null(b->pg);
    arena_init(&b->arena, 0);
    watch_init(&b->watch);
    assert_int_equal(log_open_stream(b->pg, "registry", &epoch), 0);
    b->options =
        (struct pg_options){ .uri = b->uri, .application_name = "mirror", .modules = modules };
}

static void mirror_start(struct bench *b, struct mirror **ret, struct watch *w, bool own_log)
{
    struct mirror_options options = { .pg = &b->options,
                                      .own_log = own_log,
                                      .on_change = on_change,
                                      .on_fault = on_fault,
                                      .ctx = w };
    assert_int_equal(mirror_open(ret, &options), 0);
}

static void bench_close(struct bench *b)
{
    if (b->mirror)
        mirror_close(b->mirror);
    pg_close(b->pg);
    arena_clear(&b->arena);
    pg_fixture_drop(fixture, b->uri);
    snapshot_install(NULL);
}

/* -- events of the registry -- */

static struct log_record change(struct bench *b, int64_t position, const char *kind,
                                const char *key, ReferenceRow *row)
{
    ReferenceChanged data = REFERENCE_CHANGED_INIT;
    data.kind = arena_strdup(&b->arena, kind);
    data.key = arena_strdup(&b->arena, key);
    data.row = row;
    struct log_record record = { .position = position, .type = reference_changed_event.type };
    uint8_t *bytes;
    wire_pack(&b->arena, &data.base, &bytes, &record.size);
    record.data = bytes;
    return record;
}

static ReferenceRow *division_row(struct bench *b, const char *code, const char *name)
{
    Division *d = arena_new(&b->arena, Division);
    *d = (Division)DIVISION_INIT;
    d->code = arena_strdup(&b->arena, code);
    d->name = arena_strdup(&b->arena, name);
    d->level = DIVISION_LEVEL_CITY;
    ReferenceRow *row = arena_new(&b->arena, ReferenceRow);
    *row = (ReferenceRow)REFERENCE_ROW_INIT;
    row->row_case = REFERENCE_ROW_ROW_DIVISION;
    row->division = d;
    return row;
}

static ReferenceRow *notice_row(struct bench *b, const char *first, const char *second)
{
    CalendarNotice *n = arena_new(&b->arena, CalendarNotice);
    *n = (CalendarNotice)CALENDAR_NOTICE_INIT;
    n->year = 2027;
    n->notice = arena_strdup(&b->arena, "N-2027");
    n->title = arena_strdup(&b->arena, "2027");
    n->days = arena_array(&b->arena, CalendarDay *, 2);
    const char *kinds[] = { first, second };
    for (int i = 0; i < 2; i++) {
        CalendarDay *day = arena_new(&b->arena, CalendarDay);
        *day = (CalendarDay)CALENDAR_DAY_INIT;
        day->day = arena_strdup(&b->arena, "2027-01-01");
        day->kind = strcmp(kinds[i], "off") == 0 ? DAY_KIND_OFF : DAY_KIND_WORK;
        n->days[n->n_days++] = day;
    }
    ReferenceRow *row = arena_new(&b->arena, ReferenceRow);
    *row = (ReferenceRow)REFERENCE_ROW_INIT;
    row->row_case = REFERENCE_ROW_ROW_CALENDAR_NOTICE;
    row->calendar_notice = n;
    return row;
}

static int apply(struct bench *b, const struct log_record *records, int count, bool reached,
                 bool commit)
{
    struct tx tx;
    assert_int_equal(tx_begin(&tx, b->pg, &b->arena), 0);
    int r = mirror_apply(&tx, records, count);
    if (r >= 0 && reached)
        r = mirror_reached(&tx);
    if (r < 0 || !commit) {
        tx_rollback(&tx);
        return r;
    }
    assert_int_equal(tx_commit(&tx), PG_DONE);
    return 0;
}

static void assert_name(const char *code, const char *name)
{
    const struct snapshot *s = snapshot_get();
    const struct division *d = snapshot_division(s, code);
    if (name) {
        assert_non_null(d);
        assert_string_equal(d->name, name);
    } else {
        assert_null(d);
    }
    snapshot_put(s);
}

/* -- tests -- */

static void test_newest_per_key(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    mirror_start(&b, &b.mirror, &b.watch, false);
    assert_int_equal(b.watch.changes, 1); /* an empty one, at once */
    assert_false(mirror_ready(b.mirror));
    assert_name("37", NULL);

    struct log_record other = change(&b, 4, "division", "37", division_row(&b, "37", "no"));
    other.type = "something.else.v1";
    struct log_record first[] = {
        change(&b, 1, "division", "37", division_row(&b, "37", "one")),
        change(&b, 2, "division", "3701", division_row(&b, "3701", "city")),
        change(&b, 3, "division", "37", division_row(&b, "37", "two")),
        other,
    };
    assert_int_equal(apply(&b, first, ARRAY_LEN(first), false, true), 0);
    watch_for(&b.watch, &b.watch.changes, 2);
    assert_name("37", "two");
    assert_name("3701", "city");
    assert_int_equal(b.watch.position, 4);
    assert_false(mirror_ready(b.mirror));

    struct log_record second[] = { change(&b, 5, "division", "37", division_row(&b, "37", "3")) };
    assert_int_equal(apply(&b, second, 1, true, false), 0); /* rolled back: nothing */
    assert_int_equal(apply(&b, second, 1, true, true), 0);
    watch_for(&b.watch, &b.watch.changes, 3);
    assert_name("37", "3");
    assert_true(mirror_ready(b.mirror));

    /* who starts later finds the same, and is ready from the beginning */
    mirror_close(b.mirror);
    snapshot_install(NULL);
    mirror_start(&b, &b.mirror, &b.watch, false);
    assert_true(mirror_ready(b.mirror));
    assert_name("37", "3");
    bench_close(&b);
}

/* It looks once a second, counted from its last look; notified, or woken, it looks before that. */
static void test_notified(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    mirror_start(&b, &b.mirror, &b.watch, false);
    int64_t took = 1000;
    for (int tries = 0; tries < 5 && took >= 800; tries++) {
        struct log_record one =
            change(&b, tries + 1, "division", "37", division_row(&b, "37", "x"));
        assert_int_equal(apply(&b, &one, 1, false, true), 0);
        took = watch_for(&b.watch, &b.watch.changes, tries + 2);
    }
    assert_true(took < 800);
    bench_close(&b);
}

/* After a log has lost its end, and its reader was rebased, a position stands for another event. */
static void test_a_position_is_given_again(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    mirror_start(&b, &b.mirror, &b.watch, false);
    struct log_record lost = change(&b, 1, "division", "37", division_row(&b, "37", "lost"));
    assert_int_equal(apply(&b, &lost, 1, true, true), 0);
    watch_for(&b.watch, &b.watch.changes, 2);
    assert_name("37", "lost");
    struct log_record other = change(&b, 1, "division", "37", division_row(&b, "37", "other"));
    assert_int_equal(apply(&b, &other, 1, true, true), 0);
    watch_for(&b.watch, &b.watch.changes, 3);
    assert_name("37", "other");
    bench_close(&b);
}

static void test_bad_data(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    struct log_record bad = change(&b, 1, "division", "37", division_row(&b, "37", "x"));
    bad.size--;
    assert_int_equal(apply(&b, &bad, 1, false, true), ERR_INVALID_ARGUMENT);
    assert_int_equal(apply(&b, NULL, 0, false, true), 0);
    /* a kind that only later releases know: kept, and passed over */
    struct log_record later = change(&b, 2, "planet", "earth", NULL);
    assert_int_equal(apply(&b, &later, 1, false, true), 0);
    mirror_start(&b, &b.mirror, &b.watch, false);
    assert_int_equal(b.watch.position, 2);
    bench_close(&b);
}

static void test_fault_keeps_the_old(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    struct log_record good = change(&b, 1, "division", "37", division_row(&b, "37", "good"));
    assert_int_equal(apply(&b, &good, 1, true, true), 0);
    mirror_start(&b, &b.mirror, &b.watch, false);

    struct log_record torn[] = {
        change(&b, 2, "calendar_notice", "2027", notice_row(&b, "off", "work")),
        change(&b, 3, "division", "37", division_row(&b, "37", "later")),
    };
    assert_int_equal(apply(&b, torn, 2, false, true), 0);
    watch_for(&b.watch, &b.watch.faults, 1);
    assert_name("37", "good");
    assert_int_equal(b.watch.cleared, 0);

    struct log_record mended =
        change(&b, 4, "calendar_notice", "2027", notice_row(&b, "off", "off"));
    assert_int_equal(apply(&b, &mended, 1, false, true), 0);
    watch_for(&b.watch, &b.watch.cleared, 1);
    watch_for(&b.watch, &b.watch.changes, 2);
    assert_name("37", "later");
    bench_close(&b);
}

static void test_the_day_changes(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    struct log_record good = change(&b, 1, "division", "37", division_row(&b, "37", "good"));
    assert_int_equal(apply(&b, &good, 1, true, true), 0);
    mirror_start(&b, &b.mirror, &b.watch, false);
    const struct snapshot *s = snapshot_get();
    int32_t before = snapshot_day(s);
    snapshot_put(s);

    int64_t offset, took = 1000;
    int days = 0;
    for (; days < 5 && took >= 800; days++) {
        assert_int_equal(civil_offset_advance(TIME_DAY_MS, &offset), 0);
        mirror_wake(b.mirror);
        took = watch_for(&b.watch, &b.watch.changes, days + 2);
    }
    assert_true(took < 800);
    s = snapshot_get();
    assert_in_range(snapshot_day(s), before + days, before + days + 1);
    snapshot_put(s);
    bench_close(&b);
}

static void test_the_link_is_lost(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    struct log_record one = change(&b, 1, "division", "37", division_row(&b, "37", "one"));
    assert_int_equal(apply(&b, &one, 1, true, true), 0);
    mirror_start(&b, &b.mirror, &b.watch, false);
    assert_int_equal(pg_script(b.pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                     "WHERE application_name = 'mirror'"),
                     0);
    struct log_record two = change(&b, 2, "division", "37", division_row(&b, "37", "two"));
    assert_int_equal(apply(&b, &two, 1, false, true), 0);
    watch_for(&b.watch, &b.watch.changes, 2);
    assert_name("37", "two");
    bench_close(&b);
}

/* The registry: what it tells in its own log is what its replicas' mirrors hold. */
static void tell(struct bench *b, int first, int count)
{
    struct tx tx;
    assert_int_equal(tx_begin(&tx, b->pg, &b->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    for (int i = first; i < first + count; i++) {
        const char *code = arena_printf(&b->arena, "3701%04d1", i);
        ReferenceChanged data = REFERENCE_CHANGED_INIT;
        data.kind = arena_strdup(&b->arena, "division");
        data.key = arena_strdup(&b->arena, code);
        data.row = division_row(b, code, "told");
        struct event_address address = { .subject = arena_printf(&b->arena, "division:%s", code),
                                         .division = "",
                                         .audience = "",
                                         .correlation = "" };
        tx_event(&tx, &reference_changed_event, &address, &data.base);
    }
    assert_int_equal(mirror_notify(&tx), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
}

static void test_own_log(void **state UNUSED)
{
    struct bench b;
    struct watch second;
    struct mirror *replica;
    bench_open(&b);
    watch_init(&second);
    tell(&b, 1, 5000); /* more than one transaction applies */
    mirror_start(&b, &b.mirror, &b.watch, true);
    assert_true(mirror_ready(b.mirror));
    assert_int_equal(b.watch.position, 5000);
    mirror_start(&b, &replica, &second, true);
    assert_int_equal(second.position, 5000);
    assert_name("370100011", "told");

    for (int i = 0; i < 20; i++)
        tell(&b, 5001 + i, 1);
    struct watch *both[] = { &b.watch, &second };
    for (int i = 0; i < 2; i++) {
        int64_t until = mono_ms() + WAIT_MS;
        pthread_mutex_lock(&both[i]->lock);
        while (both[i]->position < 5020 && mono_ms() < until) {
            struct timespec soon;
            clock_gettime(CLOCK_REALTIME, &soon);
            soon.tv_sec += 1;
            pthread_cond_timedwait(&both[i]->changed, &both[i]->lock, &soon);
        }
        assert_int_equal(both[i]->position, 5020);
        pthread_mutex_unlock(&both[i]->lock);
    }
    mirror_close(replica);
    bench_close(&b);
}

static void test_an_empty_registry_is_ready(void **state UNUSED)
{
    struct bench b;
    bench_open(&b);
    mirror_start(&b, &b.mirror, &b.watch, true);
    assert_true(mirror_ready(b.mirror));
    bench_close(&b);
}

/* The whole seed through the database: what a service pays when anything changes. */
static void test_seed_through_the_mirror(void **state UNUSED)
{
    struct bench b;
    struct reference_fixture f;
    bench_open(&b);
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    struct log_record *records = arena_array(&b.arena, struct log_record, f.count);
    for (int i = 0; i < f.count; i++) {
        ProtobufCMessage *row;
        struct wire_fault fault;
        assert_int_equal(wire_unpack(&reference_row_rules, &b.arena, f.rows[i].data, f.rows[i].size,
                                     &row, &fault),
                         0);
        records[i] = change(&b, i + 1, "any", arena_printf(&b.arena, "%d", i), (ReferenceRow *)row);
    }
    int64_t start = mono_ms();
    assert_int_equal(apply(&b, records, f.count, true, true), 0);
    int64_t applied = mono_ms();
    mirror_start(&b, &b.mirror, &b.watch, false);
    print_message("%d rows: applied in %d ms, read and built in %d ms\n", f.count,
                  (int)(applied - start), (int)(mono_ms() - applied));
    const struct snapshot *s = snapshot_get();
    assert_string_equal(snapshot_route(s, "370202", "public_transit")->code, "3702-transport");
    snapshot_put(s);
    reference_fixture_clear(&f);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_per_key),
        cmocka_unit_test(test_notified),
        cmocka_unit_test(test_a_position_is_given_again),
        cmocka_unit_test(test_bad_data),
        cmocka_unit_test(test_fault_keeps_the_old),
        cmocka_unit_test(test_the_day_changes),
        cmocka_unit_test(test_the_link_is_lost),
        cmocka_unit_test(test_own_log),
        cmocka_unit_test(test_an_empty_registry_is_ready),
        cmocka_unit_test(test_seed_through_the_mirror),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
