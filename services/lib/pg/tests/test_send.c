/* What leaves the process, byte for byte: the send() of libpq is taken over by this program.
 *
 * - Inside a transaction every send ends in a Sync (or stops before the end of a Bind), whatever
 * the sizes.
 * - COMMIT cannot be parted from the statement before it: with the message held back at any byte,
 * around every multiple of 8 KiB, nothing of it has run and other connections commit as if nobody
 * were there.
 * - A long pipeline with large answers ends, whatever both sides buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "pg/tests/pg_fixture.h"

enum { BLOCK = 8192, DELAY_MAX_MS = 1000 /* what is held is held for ever */ };

static const struct pg_query write_query = { .name = "s_write",
                                             .sql = "INSERT INTO s (v) VALUES ($1)" };
static const struct pg_query bytes_query = { .name = "s_bytes",
                                             .sql = "INSERT INTO s (v) SELECT length($1::bytea)" };
static const struct pg_query lock_query = {
    .name = "s_lock", .sql = "SELECT length($1::text), pg_advisory_xact_lock(19530, 2)"
};
static const struct pg_query wide_query = { .name = "s_wide",
                                            .sql = "SELECT repeat('x', 10000), $1::text" };
static const struct pg_query *const queries[] = { &write_query, &bytes_query, &lock_query,
                                                  &wide_query, NULL };
static const struct pg_migration migrations[] = {
    { .number = 1, .name = "s", .sha256 = "s1", .sql = "CREATE TABLE s (v text)" },
    { .number = 0 },
};
static const struct pg_module module = { .name = "s",
                                         .queries = queries,
                                         .migrations = migrations };
static const struct pg_module *const modules[] = { &module, NULL };

/* ------------------------------------------------------------------ the send of libpq */

static struct {
    int fd;              /* recorded, -1 = none */
    struct buf bytes;    /* all that was sent */
    size_t ends[100000]; /* where each send ended */
    int count, stops;
    size_t hold_after; /* bytes that pass; what follows is kept back as if the client had stopped; 0
                          = all pass */
} record = { .fd = -1 };

static void while_stopped(void);

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    if (fd != record.fd)
        return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
    size_t passes = size;
    if (record.hold_after && record.bytes.size + size > record.hold_after)
        passes = record.hold_after > record.bytes.size ? record.hold_after - record.bytes.size : 0;
    if (!passes) {
        while_stopped();
        record.hold_after = 0;
        passes = size;
    }
    ssize_t n = syscall(SYS_sendto, fd, data, passes, flags, NULL, 0);
    if (n > 0) {
        buf_add(&record.bytes, data, (size_t)n);
        assert_true((size_t)record.count < ARRAY_LEN(record.ends));
        record.ends[record.count++] = record.bytes.size;
    }
    return n;
}

static void record_start(const struct pg *pg)
{
    buf_clear(&record.bytes);
    record.count = 0;
    record.hold_after = 0;
    record.fd = pg ? pg_socket(pg) : -1;
}

static size_t message_size(size_t at)
{
    const uint8_t *p = record.bytes.data + at;
    return 1 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
}

/* A send may end behind a Sync or a Query, or inside a message that follows one and is still to be
 * completed. Returns how many messages there were of type `count_type`. */
static int check_ends(char count_type)
{
    int found = 0, next = 0;
    bool safe = true; /* nothing between the last Sync and here could run */
    for (size_t at = 0; at < record.bytes.size;) {
        char type = (char)record.bytes.data[at];
        size_t end = at + message_size(at);
        for (; next < record.count && record.ends[next] < end; next++)
            if (!safe && record.ends[next] > at)
                fail_msg("a send ends inside %c, with messages before it that have no Sync", type);
            else if (record.ends[next] == at && !safe)
                fail_msg("a send ends between messages, before %c", type);
        safe = type == 'S' || type == 'Q';
        if (next < record.count && record.ends[next] == end && !safe)
            fail_msg("a send ends behind %c", type);
        found += type == count_type;
        at = end;
    }
    return found;
}

/* ------------------------------------------------------------------ fixtures */

static struct pg_fixture *fixture;
static const char *uri;
static struct pg *pg, *other;
static struct arena arena;

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    uri = fixture ? pg_fixture_database(fixture) : NULL;
    return uri ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state UNUSED)
{
    arena_init(&arena, 0);
    pg = pg_fixture_connect(fixture, uri);
    other = pg_fixture_connect(fixture, uri);
    return pg && other ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    record_start(NULL);
    pg_close(pg);
    pg_close(other);
    arena_clear(&arena);
    return 0;
}

static char *text_of(size_t size)
{
    char *text = arena_alloc(&arena, size + 1);
    memset(text, 'x', size);
    return text;
}

/* ------------------------------------------------------------------ cases */

static void test_every_send_ends_in_a_sync(void **state UNUSED)
{
    record_start(pg);
    assert_int_equal(pg_begin(pg), 0);
    unsigned seed = 1;
    for (int i = 0; i < 2000; i++)
        assert_int_equal(
            pg_write(pg, &write_query, PG_ARGS(pg_text(text_of((size_t)rand_r(&seed) % 700)))), 0);
    assert_int_equal(pg_flush(pg, NULL), 0);
    check_ends('S');
    assert_int_equal(pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL), PG_DONE);
    assert_int_equal(check_ends('Q'), 1);
    for (int i = 0; i < record.count; i++)
        assert_true(record.ends[i] - (i ? record.ends[i - 1] : 0) <= BLOCK);
}

/* One statement of each size around every multiple of 8 KiB up to 64 KiB, alone and behind a small
 * one. */
static void test_large_statements_around_each_block(void **state UNUSED)
{
    assert_int_equal(pg_begin(pg), 0);
    record_start(pg);
    for (size_t block = 1; block <= 8; block++) {
        for (size_t size = block * BLOCK - 120; size < block * BLOCK + 40; size++) {
            if (size % 3 == 0)
                assert_int_equal(pg_write(pg, &write_query, PG_ARGS(pg_text("small"))), 0);
            struct pg_param param =
                size % 2 ? pg_text(text_of(size)) : pg_bytes(text_of(size), size);
            const struct pg_query *query = size % 2 ? &write_query : &bytes_query;
            assert_int_equal(pg_write(pg, query, &param, 1), 0);
            assert_int_equal(pg_flush(pg, NULL), 0);
        }
        arena_reset(&arena);
    }
    assert_true(check_ends('S') > 8 * 160);
    pg_rollback(pg);
}

/* The client stands between two sends, with the last bytes of its commit unsent: others commit. */
static void while_stopped(void)
{
    int64_t begun_ms = mono_ms();
    struct pg_rows rows;
    assert_int_equal(pg_begin(other), 0);
    assert_int_equal(pg_commit_with(other, &arena, &lock_query, PG_ARGS(pg_text("")), &rows),
                     PG_DONE);
    int64_t took_ms = mono_ms() - begun_ms;
    if (took_ms > DELAY_MAX_MS)
        fail_msg("a commit elsewhere took %d ms", (int)took_ms);
    record.stops++;
}

/* Commits with a last statement that takes a lock; the commit's message is cut off so many bytes
 * before its end. */
static void commit_held(size_t size, size_t held_back)
{
    struct pg_rows rows;
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(pg_flush(pg, NULL), 0);
    record_start(pg);
    size_t whole = 1 + 4 + strlen("EXECUTE \"s_lock\"('');COMMIT") + size + 1;
    record.hold_after = whole - held_back;
    int stops = record.stops;
    assert_int_equal(
        pg_commit_with(pg, &arena, &lock_query, PG_ARGS(pg_text(text_of(size))), &rows), PG_DONE);
    assert_int_equal(pg_row_int(&rows, 0, 0), (int64_t)size);
    assert_int_equal(record.bytes.size, whole);
    assert_int_equal(check_ends('Q'), 1);
    assert_int_equal(record.stops, stops + 1);
    arena_reset(&arena);
}

static void test_commit_is_one_with_its_statement(void **state UNUSED)
{
    /* Around every multiple of 8 KiB: where libpq itself would part an Execute from a COMMIT. */
    for (size_t block = 1; block <= 16; block++)
        for (size_t size = block * BLOCK - 64; size <= block * BLOCK + 16;
             size += block < 3 ? 1 : 5)
            commit_held(size, 1);
    /* At any byte of one message. */
    for (size_t held_back = 1; held_back < 60; held_back++)
        commit_held(BLOCK + 10, held_back);
    for (size_t held_back = 60; held_back < 3 * BLOCK; held_back += 997)
        commit_held(3 * BLOCK, held_back);
    commit_held(1024 * 1024, 1);
}

/* The counter-proof: in the extended protocol, stopped between Execute and COMMIT, the lock is
 * held. */
static void test_the_measure_can_fail(void **state UNUSED)
{
    struct pg_rows rows;
    assert_int_equal(pg_script(other, "SET lock_timeout = '300ms'"), 0);
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(pg_read(pg, &arena, &lock_query, PG_ARGS(pg_text("")), &rows), 0);
    assert_int_equal(pg_begin(other), 0);
    assert_int_equal(pg_commit_with(other, &arena, &lock_query, PG_ARGS(pg_text("")), &rows),
                     PG_NOT_EXECUTED);
    assert_string_equal(err_last()->sqlstate, "55P03");
    pg_rollback(pg);
}

static void test_a_long_pipeline_ends(void **state UNUSED)
{
    assert_int_equal(pg_begin(pg), 0);
    for (int i = 0; i < 3000; i++) /* 30 MB come back that nobody reads before the flush */
        assert_int_equal(pg_write(pg, &wide_query, PG_ARGS(pg_text(text_of(i % 5 ? 100 : 9000)))),
                         0);
    assert_int_equal(pg_flush(pg, NULL), 0);
    assert_int_equal(pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL), PG_DONE);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_every_send_ends_in_a_sync),
        CASE(test_large_statements_around_each_block),
        CASE(test_commit_is_one_with_its_statement),
        CASE(test_the_measure_can_fail),
        CASE(test_a_long_pipeline_ends),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
