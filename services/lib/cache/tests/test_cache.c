/* Versions in order, whoever comes late; nothing lost but time when Redis stops, dies, forgets, or
 * answers too late for the one who asked. On a real redis-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "cache/cache_inside.h"
#include "cache/tests/cache_fixture.h"

static struct redis_fixture *redis;
static struct arena arena;
static struct cache *cache;
static struct cache_conn *conn;

static int setup_group(void **state)
{
    (void)state;
    redis = redis_fixture_open();
    return redis ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    redis_fixture_close(redis);
    return 0;
}

static void open_with(struct cache_options options)
{
    cache_conn_free(conn);
    cache_close(cache);
    assert_int_equal(cache_open(&cache, &options), 0);
    conn = cache_conn_new(cache);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    open_with(redis_fixture_options(redis));
    return redis_fixture_command(redis, 1, (const char *[]){ "FLUSHALL" }) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cache_conn_free(conn);
    cache_close(cache);
    conn = NULL;
    cache = NULL;
    arena_clear(&arena);
    return 0;
}

static struct cache_figures figures(void)
{
    struct cache_figures f;
    cache_figures_read(cache, &f);
    return f;
}

static enum cache_kept put(const char *key, int64_t epoch, int64_t number, const char *value)
{
    return cache_put(conn, CACHE_ROW, key, (struct cache_version){ epoch, number },
                     (const uint8_t *)value, strlen(value));
}

/* The value under the key; NULL = nothing to be had. */
static const char *get(const char *key, struct cache_version *version)
{
    const uint8_t *value;
    size_t size;
    if (!cache_get(conn, CACHE_ROW, key, &arena, version, &value, &size))
        return NULL;
    return arena_strndup(&arena, (const char *)value, size);
}

static void assert_holds(const char *key, int64_t epoch, int64_t number, const char *value)
{
    struct cache_version v;
    const char *found = get(key, &v);
    assert_non_null(found);
    assert_string_equal(found, value);
    assert_int_equal(v.epoch, epoch);
    assert_int_equal(v.number, number);
}

static void test_older_never_replaces_newer(void **state)
{
    (void)state;
    struct cache_version v;
    assert_null(get("a", &v));
    assert_int_equal(put("a", 1, 9, "nine"), CACHE_KEPT);
    assert_int_equal(put("a", 1, 10, "ten"), CACHE_KEPT); /* numbers, not texts */
    assert_int_equal(put("a", 1, 9, "late"), CACHE_OLDER);
    assert_holds("a", 1, 10, "ten");
    assert_int_equal(put("a", 1, 10, "again"), CACHE_KEPT);
    assert_holds("a", 1, 10, "again");
    assert_int_equal(figures().kinds[CACHE_ROW].kept[CACHE_OLDER], 1);
    assert_int_equal(figures().kinds[CACHE_ROW].misses, 1);
}

static void test_epoch_counts_first(void **state)
{
    (void)state;
    assert_int_equal(put("a", 1, 500, "lost"), CACHE_KEPT);
    assert_int_equal(put("a", 2, 3, "true"), CACHE_KEPT);
    assert_int_equal(put("a", 1, 501, "of the lost past"), CACHE_OLDER);
    assert_holds("a", 2, 3, "true");
}

/* The race of the stale write: a reader has version n from the database and is held up; a writer
 * commits n + 1, and whoever reads that keeps it; then the first reader's fill comes. */
static void test_late_fill_loses(void **state)
{
    (void)state;
    struct cache_conn *slow_reader = cache_conn_new(cache);
    struct cache_version read_at = { 1, 41 };
    assert_int_equal(put("a", 1, 42, "after"), CACHE_KEPT);
    assert_int_equal(cache_put(slow_reader, CACHE_ROW, "a", read_at, (const uint8_t *)"before", 6),
                     CACHE_OLDER);
    assert_holds("a", 1, 42, "after");
    cache_conn_free(slow_reader);
}

static void test_move(void **state)
{
    (void)state;
    put("p", 1, 10, "page");
    cache_move(conn, "p", (struct cache_version){ 1, 10 }, 15);
    assert_holds("p", 1, 15, "page");
    /* Another page is there by now: it is not moved on the word of who looked at the first. */
    cache_move(conn, "p", (struct cache_version){ 1, 10 }, 99);
    assert_holds("p", 1, 15, "page");
    cache_move(conn, "p", (struct cache_version){ 2, 15 }, 99);
    assert_holds("p", 1, 15, "page");
    /* Nothing is made of nothing. */
    struct cache_version v;
    cache_move(conn, "none", (struct cache_version){ 1, 1 }, 2);
    assert_null(get("none", &v));
    assert_int_equal(put("p", 1, 14, "older than where it was moved"), CACHE_OLDER);
}

static void test_any_bytes_any_size(void **state)
{
    (void)state;
    size_t size = (size_t)200 * 1024, found_size;
    uint8_t *bytes = arena_alloc(&arena, size);
    const uint8_t *found;
    struct cache_version v;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31);
    struct cache_version one = { 1, 1 };
    assert_int_equal(cache_put(conn, CACHE_PAGE, "b", one, bytes, size), CACHE_KEPT);
    assert_true(cache_get(conn, CACHE_PAGE, "b", &arena, &v, &found, &found_size));
    assert_int_equal(found_size, size);
    assert_memory_equal(found, bytes, size);
    assert_int_equal(cache_put(conn, CACHE_PAGE, "b", (struct cache_version){ 1, 2 }, bytes,
                               (size_t)256 * 1024 + 1),
                     CACHE_TOO_LARGE);
    assert_int_equal(cache_put(conn, CACHE_PAGE, "empty", one, bytes, 0), CACHE_KEPT);
    assert_true(cache_get(conn, CACHE_PAGE, "empty", &arena, &v, &found, &found_size));
    assert_int_equal(found_size, 0);
}

static void test_values_end(void **state)
{
    (void)state;
    put("a", 1, 1, "x");
    assert_true(redis_fixture_command(redis, 2, (const char *[]){ "PERSIST", "test:a" }));
    /* PERSIST says 1 only where there was an end; so there is none any more, until the next put. */
    put("a", 1, 2, "y");
    struct cache_options brief = redis_fixture_options(redis);
    brief.ttl_ms = 1;
    open_with(brief);
    put("gone", 1, 1, "x");
    struct cache_version v;
    int64_t deadline_ms = mono_ms() + 30000;
    while (get("gone", &v) && mono_ms() < deadline_ms)
        ;
    assert_null(get("gone", &v));
}

static void test_rubbish_is_a_miss(void **state)
{
    (void)state;
    struct cache_version v;
    const char *odd[] = { "HSET", "test:a", "e", "one", "v", "2", "d", "x" };
    assert_true(redis_fixture_command(redis, 8, odd));
    assert_null(get("a", &v));
    assert_true(redis_fixture_command(redis, 3, (const char *[]){ "SET", "test:s", "x" }));
    assert_null(get("s", &v)); /* WRONGTYPE */
    assert_int_equal(put("s", 1, 1, "x"), CACHE_NOT_KEPT);
    assert_int_equal(put("ok", 1, 1, "x"), CACHE_KEPT);
    assert_holds("ok", 1, 1, "x");
}

/* The answer that came too late must not be taken for the next one's. */
static void test_late_answer_is_nobodys(void **state)
{
    (void)state;
    struct cache_version v;
    put("a", 1, 1, "a's");
    put("b", 1, 1, "b's");
    struct cache_options brief = redis_fixture_options(redis);
    brief.timeout_ms = 20;
    brief.breaker_failures = 1000;
    open_with(brief);
    get("a", &v); /* connected, if the machine is not too busy */
    redis_fixture_stop(redis);
    assert_null(get("a", &v));
    redis_fixture_continue(redis);
    int64_t deadline_ms = mono_ms() + 30000;
    const char *found = NULL;
    while (!found && mono_ms() < deadline_ms)
        found = get("b", &v);
    assert_non_null(found);
    assert_string_equal(found, "b's");
}

static void test_stopped_opens_the_breaker(void **state)
{
    (void)state;
    struct cache_version v;
    struct cache_options o = redis_fixture_options(redis);
    o.timeout_ms = 20;
    o.breaker_failures = 3;
    open_with(o);
    redis_fixture_stop(redis);
    for (int i = 0; i < 10; i++)
        assert_null(get("a", &v));
    struct cache_figures f = figures();
    redis_fixture_continue(redis);
    /* Three were let wait; the others did not. */
    assert_int_equal(f.failures, 3);
    assert_int_equal(f.calls, 3);
    assert_int_equal(f.kinds[CACHE_ROW].unavailable, 10);
    assert_int_equal(f.breaker_opened, 1);
    assert_int_equal(f.breaker, BREAKER_OPEN);
    assert_int_equal(put("a", 1, 1, "x"), CACHE_NOT_KEPT);
}

static void test_one_call_probes(void **state)
{
    (void)state;
    struct cache_version v;
    struct cache_options o = redis_fixture_options(redis);
    o.breaker_failures = 1;
    o.breaker_open_ms = 1;
    open_with(o);
    redis_fixture_kill(redis);
    assert_null(get("a", &v));
    assert_int_equal(figures().breaker_opened, 1);
    int64_t deadline_ms = mono_ms() + 30000;
    while (figures().breaker != BREAKER_HALF_OPEN && mono_ms() < deadline_ms)
        ;
    assert_int_equal(figures().breaker, BREAKER_HALF_OPEN);
    assert_null(get("a", &v)); /* the probe fails: open again, and that is no new opening */
    assert_int_equal(figures().breaker_opened, 1);
    assert_int_equal(figures().failures, 2);
    assert_int_equal(redis_fixture_start(redis), 0);
    enum cache_kept kept = CACHE_NOT_KEPT;
    while (kept == CACHE_NOT_KEPT && mono_ms() < deadline_ms)
        kept = put("a", 1, 1, "back");
    assert_int_equal(kept, CACHE_KEPT);
    assert_int_equal(figures().breaker, BREAKER_CLOSED);
    assert_holds("a", 1, 1, "back");
}

static void test_killed_and_empty_again(void **state)
{
    (void)state;
    struct cache_version v;
    put("a", 1, 5, "five");
    redis_fixture_kill(redis);
    assert_null(get("a", &v));
    assert_int_equal(redis_fixture_start(redis), 0);
    assert_null(get("a", &v)); /* a connection that went is opened again */
    assert_int_equal(put("a", 1, 6, "six"), CACHE_KEPT);
    assert_holds("a", 1, 6, "six");
    assert_true(redis_fixture_command(redis, 1, (const char *[]){ "FLUSHALL" }));
    assert_null(get("a", &v));
    assert_int_equal(figures().breaker_opened, 0);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "http://h",
                                       "redis://",
                                       "redis://h:0",
                                       "redis://h:port",
                                       "redis://h:70000",
                                       "redis://h/x",
                                       "redis://secret@h",
                                       "unix://relative" };
    struct cache_address a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(cache_address_parse(bad[i], &a), ERR_INVALID_ARGUMENT);
        assert_null(strstr(err_last()->text, "secret"));
    }
    assert_int_equal(cache_address_parse("redis://:p@ss@127.0.0.1:7000/3", &a), 0);
    assert_string_equal(a.host, "127.0.0.1");
    assert_string_equal(a.password, "p@ss");
    assert_int_equal(a.port, 7000);
    assert_int_equal(a.database, 3);
    assert_int_equal(cache_address_parse("redis://cache", &a), 0);
    assert_int_equal(a.port, 6379);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_older_never_replaces_newer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epoch_counts_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_fill_loses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_bytes_any_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rubbish_is_a_miss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_answer_is_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_opens_the_breaker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_call_probes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_and_empty_again, setup, teardown),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
