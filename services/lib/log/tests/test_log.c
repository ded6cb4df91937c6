/* The log as one caller sees it: cursors, transactions that end in events, slices, the civil
 * offset, and what opening a stream refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/log_read.h"
#include "lujian/supervision/v1/events.lj.h"
#include "lujian/supervision/v1/events.pb-c.h"
#include "pg/tests/pg_fixture.h"
#include "wire/wire.h"

static const struct pg_module *modules[] = { &log_module, NULL };
static struct pg_fixture *fixture;

struct context {
    const char *uri;
    struct pg *pg;
    struct arena arena;
    char offset_path[64];
};

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state)
{
    static struct context c;
    int64_t epoch;
    c = (struct context){ .uri = pg_fixture_database(fixture),
                          .offset_path = "/tmp/lujian-offset-XXXXXX" };
    arena_init(&c.arena, 0);
    c.pg = c.uri ? pg_fixture_connect(fixture, c.uri) : NULL;
    close(mkstemp(c.offset_path));
    *state = &c;
    return c.pg && log_open_stream(c.pg, "mine", &epoch) >= 0 && epoch == 1 ? 0 : -1;
}

static int teardown(void **state)
{
    struct context *c = *state;
    civil_offset_open("");
    unlink(c->offset_path);
    pg_close(c->pg);
    arena_clear(&c->arena);
    pg_fixture_drop(fixture, c->uri);
    return 0;
}

static void test_cursor(void **state UNUSED)
{
    static const char *const bad[] = { "",
                                       ":1:2",
                                       "a",
                                       "a:1",
                                       "a:1:",
                                       "a::2",
                                       "a:1:2:3",
                                       "a:1:2 ",
                                       "a:-1:2",
                                       "a:+1:2",
                                       "a:1:0x2",
                                       "a:01:2",
                                       "a:1:02",
                                       "A:1:2",
                                       "a b:1:2",
                                       "a:1:9223372036854775808",
                                       "abcdefghijklmnopqrstuvwxyzabcdef:1:2" };
    static const char *const good[] = { "complaints:1:0", "a:0:0",
                                        "x_y:9223372036854775807:9223372036854775807",
                                        "abcdefghijklmnopqrstuvwxyzabcde:12:345" };
    struct log_cursor cursor = { .position = 42 };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (log_cursor_parse(bad[i], &cursor) != ERR_INVALID_ARGUMENT)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(cursor.position, 42);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char text[LOG_CURSOR_TEXT_SIZE];
        assert_int_equal(log_cursor_parse(good[i], &cursor), 0);
        log_cursor_format(&cursor, text);
        assert_string_equal(text, good[i]);
    }
}

static const struct event_address address = { .subject = "01890000-0000-7000-8000-000000000001",
                                              .division = "370102",
                                              .audience = "3701",
                                              .about_enforcement = true };

static void append(struct context *c, const struct event_address *where, int count, struct tx *tx)
{
    assert_int_equal(tx_begin(tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(tx), 0);
    for (int i = 0; i < count; i++)
        tx_event_encoded(tx, "thing.happened.v1", where, (const uint8_t *)"\0\xff", 2);
    assert_int_equal(tx_commit(tx), PG_DONE);
}

static void test_events_come_back_as_they_went(void **state)
{
    struct context *c = *state;
    struct tx tx;
    struct log_record *records;
    int64_t epoch, head;
    int count;
    const char *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    int64_t first_ms = tx.now_ms;
    assert_in_range(first_ms - wall_ms() + 60000, 0, 120000);
    tx.traceparent = trace;
    Lujian__Supervision__V1__CardAcknowledged *message =
        wire_new(&c->arena, card_acknowledged_event.data);
    tx_event(&tx, &card_acknowledged_event, &address, &message->base);
    assert_true(tx.wrote);
    struct event_address derived = { .subject = "s\"'\\,{}",
                                     .cause = "rung\x1f"
                                              "1",
                                     .correlation = "matter" };
    tx_event_encoded(&tx, "thing.happened.v1", &derived, (const uint8_t *)"\0\x01\xff", 3);
    tx_event_encoded(&tx, "thing.other.v1", &derived, (const uint8_t *)"", 0);
    assert_int_equal(tx.event_count, 3);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    assert_int_equal(tx.head, 3);

    assert_int_equal(log_head(c->pg, &c->arena, &epoch, &head), 0);
    assert_int_equal(epoch, 1);
    assert_int_equal(head, 3);
    assert_int_equal(log_read(c->pg, &c->arena, 0, 10, &records, &count), 0);
    assert_int_equal(count, 3);
    const struct log_record *r = &records[0];
    assert_int_equal(r->position, 1);
    assert_true(uuid_check(r->id));
    assert_int_equal(r->id[14], '7');
    assert_string_equal(r->type, "card.acknowledged.v1");
    assert_string_equal(r->subject, address.subject);
    assert_string_equal(r->division, "370102");
    assert_string_equal(r->audience, "3701");
    assert_true(r->about_enforcement);
    assert_string_equal(r->correlation, address.subject);
    assert_string_equal(r->traceparent, trace);
    assert_true(r->time_ms == first_ms);
    uint8_t *packed;
    size_t size;
    wire_pack(&c->arena, &message->base, &packed, &size);
    assert_int_equal(r->size, size);
    assert_memory_equal(r->data, packed, size);

    r = &records[1];
    assert_string_equal(r->subject, "s\"'\\,{}");
    assert_string_equal(r->division, "");
    assert_false(r->about_enforcement);
    assert_string_equal(r->correlation, "matter");
    assert_int_equal(r->size, 3);
    assert_memory_equal(r->data, "\0\x01\xff", 3);
    assert_int_equal(r->id[14], '5');
    assert_int_equal(records[2].size, 0);
    assert_string_not_equal(r->id, records[2].id); /* another type is another event of the cause */

    /* The same cause gives the same id, whenever. */
    append(c, &derived, 1, &tx);
    assert_int_equal(log_read(c->pg, &c->arena, 3, 10, &records, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(records[0].id, r->id);
}

static void test_slices(void **state)
{
    struct context *c = *state;
    struct tx tx;
    struct log_record *records;
    int64_t epoch = 0;
    int count = -1;
    assert_int_equal(log_read_slice(c->pg, &c->arena, 0, 10, &epoch, &records, &count), 0);
    assert_int_equal(epoch, 1);
    assert_int_equal(count, 0);
    append(c, &address, 25, &tx);
    assert_int_equal(log_read_slice(c->pg, &c->arena, 7, 10, &epoch, &records, &count), 0);
    assert_int_equal(count, 10);
    for (int i = 0; i < count; i++)
        assert_int_equal(records[i].position, 8 + i);
    assert_int_equal(log_read_slice(c->pg, &c->arena, 25, 10, &epoch, &records, &count), 0);
    assert_int_equal(count, 0);

    char id[UUID_TEXT_SIZE];
    assert_int_equal(log_read(c->pg, &c->arena, 24, 1, &records, &count), 0);
    snprintf(id, sizeof(id), "%s", records[0].id);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 1, 25, id), 0);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 1, 25, ""), 0);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 1, 0, ""), 0);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 1, 24, id), ERR_CURSOR_MISMATCH);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 1, 26, ""), ERR_CURSOR_MISMATCH);
    assert_int_equal(log_cursor_check(c->pg, &c->arena, 2, 25, id), ERR_CURSOR_MISMATCH);
    assert_string_equal(err_last()->reason, "cursor_mismatch");
}

static void test_rolled_back_events_are_nowhere(void **state)
{
    struct context *c = *state;
    struct tx tx;
    int64_t epoch, head;
    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    tx_event_encoded(&tx, "thing.happened.v1", &address, NULL, 0);
    tx_rollback(&tx);
    append(c, &address, 1, &tx);
    assert_int_equal(tx.head, 1);
    assert_int_equal(log_head(c->pg, &c->arena, &epoch, &head), 0);
    assert_int_equal(head, 1);
}

/* 2 MiB of events in one commit. */
static void test_a_large_append(void **state)
{
    struct context *c = *state;
    struct tx tx;
    struct log_record *records;
    int count;
    uint8_t *data = arena_alloc(&c->arena, TX_EVENT_DATA_MAX);
    memset(data, 0xa5, TX_EVENT_DATA_MAX);
    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    for (int i = 0; i < 32; i++)
        tx_event_encoded(&tx, "thing.happened.v1", &address, data, TX_EVENT_DATA_MAX);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    assert_int_equal(tx.head, 32);
    assert_int_equal(log_read(c->pg, &c->arena, 31, 1, &records, &count), 0);
    assert_int_equal(records[0].size, TX_EVENT_DATA_MAX);
    assert_memory_equal(records[0].data, data, TX_EVENT_DATA_MAX);
}

/* ------------------------------------------------------------------ civil time */

static void test_no_offset_where_none_may_be(void **state UNUSED)
{
    int64_t offset = -1;
    assert_int_equal(civil_offset_open(""), 0);
    assert_int_equal(civil_offset_ms(), 0);
    assert_int_equal(civil_offset_advance(1000, &offset), ERR_REFUSED);
    civil_offset_restore(1000);
    assert_int_equal(civil_offset_ms(), 0);
    assert_int_equal(offset, -1);
}

static void test_offset_moves_civil_time_for_all(void **state)
{
    struct context *c = *state;
    struct tx tx;
    int64_t offset = 0, day_ms = TIME_DAY_MS;
    assert_int_equal(civil_offset_open(c->offset_path), 0);
    assert_int_equal(civil_offset_ms(), 0);
    append(c, &address, 1, &tx);
    int64_t before = tx.now_ms;
    pid_t pid = fork();
    if (pid == 0) /* another process, which maps the same file */
        _exit(civil_offset_open(c->offset_path) == 0 &&
                      civil_offset_advance(day_ms, &offset) == 0 && offset == day_ms
                  ? 0
                  : 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    append(c, &address, 1, &tx);
    assert_in_range(tx.now_ms - before, day_ms, day_ms + 60000);

    assert_int_equal(civil_offset_advance(-1, &offset), ERR_INVALID_ARGUMENT);
    assert_int_equal(civil_offset_advance(INT64_MAX, &offset), ERR_INVALID_ARGUMENT);
    civil_offset_restore(day_ms / 2);
    assert_true(civil_offset_ms() == day_ms);
    civil_offset_restore(2 * day_ms);
    assert_true(civil_offset_ms() == 2 * day_ms);
}

static void test_a_start_below_the_newest_event_is_refused(void **state)
{
    struct context *c = *state;
    struct tx tx;
    int64_t offset, epoch = 0;
    assert_int_equal(civil_offset_open(c->offset_path), 0);
    assert_int_equal(civil_offset_advance(TIME_DAY_MS, &offset), 0);
    append(c, &address, 1, &tx);
    assert_int_equal(civil_offset_open(""), 0);
    assert_int_equal(log_open_stream(c->pg, "mine", &epoch), ERR_REFUSED);
    /* The database keeps the offset: a lost file is made good where one may exist. */
    assert_int_equal(log_offset_keep(c->pg, TIME_DAY_MS), 0);
    assert_int_equal(log_offset_keep(c->pg, 5), 0);
    assert_int_equal(truncate(c->offset_path, 0), 0);
    assert_int_equal(civil_offset_open(c->offset_path), 0);
    assert_int_equal(civil_offset_ms(), 0);
    assert_int_equal(log_open_stream(c->pg, "mine", &epoch), 0);
    assert_true(civil_offset_ms() == TIME_DAY_MS);
    assert_int_equal(epoch, 1);
}

static void test_a_file_that_is_no_offset(void **state)
{
    struct context *c = *state;
    FILE *file = fopen(c->offset_path, "w");
    fputs("0123456789", file);
    fclose(file);
    assert_int_equal(civil_offset_open(c->offset_path), ERR_INTERNAL);
    file = fopen(c->offset_path, "w");
    fwrite("\xff\xff\xff\xff\xff\xff\xff\xff", 1, 8, file);
    fclose(file);
    assert_int_equal(civil_offset_open(c->offset_path), ERR_INTERNAL);
    assert_int_equal(civil_offset_open("/nowhere/offset"), ERR_INTERNAL);
}

/* ------------------------------------------------------------------ opening */

static void test_epoch_is_kept_and_bumped(void **state)
{
    struct context *c = *state;
    int64_t epoch = 0;
    struct tx tx;
    assert_int_equal(log_open_stream(c->pg, "mine", &epoch), 0);
    assert_int_equal(epoch, 1);
    assert_int_equal(log_open_stream(c->pg, "other", &epoch), ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "LJ002");

    /* As a restore leaves it: the row was written in another database. */
    assert_int_equal(pg_script(c->pg, "UPDATE log_stream SET place = '7/16384'"), 0);
    assert_int_equal(log_reopen_stream(c->pg, &epoch), 0);
    assert_int_equal(epoch, 2);
    assert_int_equal(log_open_stream(c->pg, "mine", &epoch), 0);
    assert_int_equal(epoch, 2);

    /* As a failover leaves it: nothing is appended before the epoch is decided. */
    assert_int_equal(pg_script(c->pg, "UPDATE log_stream SET timeline = '00000000'"), 0);
    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    tx_event_encoded(&tx, "thing.happened.v1", &address, NULL, 0);
    assert_int_equal(tx_commit(&tx), PG_NOT_EXECUTED);
    assert_int_equal(err_last()->code, ERR_AGAIN);
    append(c, &address, 1, &tx);
    assert_int_equal(tx.head, 1);
    assert_int_equal(log_reopen_stream(c->pg, &epoch), 0);
    assert_int_equal(epoch, 3);
}

static void test_a_stream_that_was_never_opened(void **state)
{
    struct context *c = *state;
    int64_t epoch, head;
    struct tx tx;
    assert_int_equal(pg_script(c->pg, "DELETE FROM log_stream"), 0);
    assert_int_equal(log_reopen_stream(c->pg, &epoch), ERR_INTERNAL);
    assert_int_equal(log_head(c->pg, &c->arena, &epoch, &head), ERR_INTERNAL);
    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    tx_event_encoded(&tx, "thing.happened.v1", &address, NULL, 0);
    assert_int_equal(tx_commit(&tx), PG_NOT_EXECUTED);
    assert_int_equal(err_last()->code, ERR_INTERNAL); /* not to be run again */
}

/* After log_append nothing may wait: the table has its primary key and nothing else. */
static void test_event_table_has_nothing_else(void **state)
{
    struct context *c = *state;
    assert_int_equal(
        pg_script(
            c->pg,
            "SELECT 1 / (count(*) = 1)::int FROM pg_index WHERE indrelid = 'event'::regclass;"
            "SELECT 1 / (count(*) = 0)::int FROM pg_trigger WHERE tgrelid = 'event'::regclass;"
            "SELECT 1 / (count(*) = 1)::int FROM pg_constraint"
            " WHERE 'event'::regclass IN (conrelid, confrelid)"),
        0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor),
        CASE(test_events_come_back_as_they_went),
        CASE(test_slices),
        CASE(test_rolled_back_events_are_nowhere),
        CASE(test_a_large_append),
        CASE(test_no_offset_where_none_may_be),
        CASE(test_offset_moves_civil_time_for_all),
        CASE(test_a_start_below_the_newest_event_is_refused),
        CASE(test_a_file_that_is_no_offset),
        CASE(test_epoch_is_kept_and_bumped),
        CASE(test_a_stream_that_was_never_opened),
        CASE(test_event_table_has_nothing_else),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
