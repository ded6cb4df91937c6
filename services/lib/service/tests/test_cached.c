/* What lies in Redis is believed only where PostgreSQL says that it stands: rows by their version,
 * pages by the log. On a real PostgreSQL and a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cache/tests/cache_fixture.h"
#include "log/log_read.h"
#include "log/log_unchanged.h"
#include "pg/tests/pg_fixture.h"
#include "service/cached.h"

static const struct pg_query see = { "thing_see",
                                     "SELECT id, body, sealed FROM thing WHERE id = $1" };
static const struct pg_query standing = {
    "thing_standing", "SELECT s.epoch, t.version FROM thing t CROSS JOIN log_stream s WHERE id = $1"
};
static const struct pg_query list = {
    "thing_list", "SELECT id, body FROM thing WHERE division ^@ ANY ($1::text[]) "
                  "ORDER BY id"
};
static const struct pg_query *const queries[] = { &see, &standing, &list, NULL };
static const struct pg_migration migrations[] = {
    { 1, "init",
      "CREATE TABLE thing (id text PRIMARY KEY, division text NOT NULL, version bigint NOT NULL, "
      "body text, sealed bytea)",
      "0000000000000000000000000000000000000000000000000000000000000000" },
    { 0 },
};
static const struct pg_module things = { "things", queries, migrations };
static const struct pg_module *const modules[] = { &log_module, &things, NULL };

static struct redis_fixture *redis;
static struct pg_fixture *fixture;
static struct arena arena;
static struct cache *cache;
static struct request rq;
static int64_t epoch;

static int setup_group(void **state)
{
    (void)state;
    redis = redis_fixture_open();
    fixture = pg_fixture_open(modules);
    return redis && fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    redis_fixture_close(redis);
    pg_fixture_close(fixture);
    return 0;
}

static void sql(const char *text)
{
    assert_int_equal(pg_script(rq.pg, text), 0);
}

static int setup(void **state)
{
    (void)state;
    struct cache_options options = redis_fixture_options(redis);
    arena_init(&arena, 0);
    const char *uri = pg_fixture_database(fixture);
    rq = (struct request){ .arena = &arena, .pg = pg_fixture_connect(fixture, uri) };
    if (!rq.pg || log_open_stream(rq.pg, "things", &epoch) < 0 || cache_open(&cache, &options) < 0)
        return -1;
    rq.cache = cache_conn_new(cache);
    sql("INSERT INTO thing VALUES ('a', '3701', 1, 'first', '\\x00ff'), ('b', '3702', 1, NULL, "
        "NULL)");
    return redis_fixture_command(redis, 1, (const char *[]){ "FLUSHALL" }) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cache_conn_free(rq.cache);
    cache_close(cache);
    pg_close(rq.pg);
    arena_clear(&arena);
    return 0;
}

static struct cache_kind_figures figures(enum cache_kind kind)
{
    struct cache_figures f;
    cache_figures_read(cache, &f);
    return f.kinds[kind];
}

/* The row's body as a reader gets it; `hit` tells whence. Fills what it had to read. */
static const char *body_of(const char *id, int64_t version, bool *hit)
{
    struct pg_rows rows;
    struct cached kept;
    const struct pg_param key = pg_text(id);
    int r = cached_row(&rq, &see, &standing, &key, 1, &rows, 1, &kept);
    assert_true(r >= 0);
    *hit = r == 1;
    if (r == 0) {
        assert_int_equal(pg_read(rq.pg, &arena, &see, &key, 1, &rows), 0);
        kept.version = (struct cache_version){ epoch, version };
        cached_keep(&kept, &rows, 1);
    }
    assert_int_equal(rows.count, 1);
    return pg_row_text(&rows, 0, 1);
}

static void test_row_comes_back_as_it_was(void **state)
{
    (void)state;
    struct pg_rows rows;
    struct cached kept;
    bool hit;
    size_t size;
    const struct pg_param key = pg_text("a"), other = pg_text("b");
    body_of("a", 1, &hit);
    assert_false(hit);
    assert_int_equal(cached_row(&rq, &see, &standing, &key, 1, &rows, 1, &kept), 1);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.columns, 3);
    assert_string_equal(pg_row_text(&rows, 0, 1), "first");
    assert_memory_equal(pg_row_bytes(&rows, 0, 2, &arena, &size), "\x00\xff", 2);
    assert_int_equal(size, 2);
    /* Another parameter is another question; NULL stays NULL. */
    assert_int_equal(cached_row(&rq, &see, &standing, &other, 1, &rows, 1, &kept), 0);
    body_of("b", 1, &hit);
    assert_int_equal(cached_row(&rq, &see, &standing, &other, 1, &rows, 1, &kept), 1);
    assert_true(pg_row_is_null(&rows, 0, 1));
    assert_int_equal(figures(CACHE_ROW).hits, 2);
}

static void test_row_of_an_older_version_is_not_believed(void **state)
{
    (void)state;
    bool hit;
    body_of("a", 1, &hit);
    sql("UPDATE thing SET version = 2, body = 'second'"); /* and its writer died here */
    assert_string_equal(body_of("a", 2, &hit), "second");
    assert_false(hit);
    assert_string_equal(body_of("a", 2, &hit), "second");
    assert_true(hit);
    assert_int_equal(figures(CACHE_ROW).outdated, 1);
}

/* A reader has read version 1 and is held up; a writer commits 2; all that anybody kept is lost;
 * then the reader's fill comes, and nothing newer is there to refuse it. It is not believed. */
static void test_late_fill_into_an_empty_cache(void **state)
{
    (void)state;
    bool hit;
    struct pg_rows rows;
    struct cached late;
    const struct pg_param key = pg_text("a");
    assert_int_equal(cached_row(&rq, &see, &standing, &key, 1, &rows, 1, &late), 0);
    assert_int_equal(pg_read(rq.pg, &arena, &see, &key, 1, &rows), 0);
    late.version = (struct cache_version){ epoch, 1 };

    sql("UPDATE thing SET version = 2, body = 'second'");
    body_of("a", 2, &hit);
    cached_keep(&late, &rows, 1); /* refused: a newer one is there */
    assert_int_equal(figures(CACHE_ROW).kept[CACHE_OLDER], 1);
    assert_string_equal(body_of("a", 2, &hit), "second");
    assert_true(hit);

    assert_true(redis_fixture_command(redis, 1, (const char *[]){ "FLUSHALL" }));
    cached_keep(&late, &rows, 1); /* kept, for nobody remembers better */
    assert_int_equal(figures(CACHE_ROW).kept[CACHE_OLDER], 1);
    assert_string_equal(body_of("a", 2, &hit), "second");
    assert_false(hit);
}

static void test_another_epoch_is_not_believed(void **state)
{
    (void)state;
    bool hit;
    body_of("a", 1, &hit);
    sql("UPDATE log_stream SET epoch = epoch + 1; UPDATE thing SET body = 'of another past'");
    epoch++;
    assert_string_equal(body_of("a", 1, &hit), "of another past");
    assert_false(hit);
    body_of("a", 1, &hit);
    assert_true(hit);
}

/* The first body of a page of 3701; `hit` tells whence. */
static const char *page_of(struct cached *kept, bool *hit)
{
    static const char *const prefixes[] = { "3701", NULL };
    struct scope scope = { .prefixes = prefixes };
    struct pg_rows rows;
    const struct pg_param key = scope_param(&arena, prefixes);
    int r = cached_page(&rq, &scope, &list, &key, 1, &rows, 1, kept);
    assert_true(r >= 0);
    *hit = r == 1;
    if (r == 0) {
        assert_int_equal(pg_read(rq.pg, &arena, &list, &key, 1, &rows), 0);
        cached_keep(kept, &rows, 1);
    }
    return rows.count ? pg_row_text(&rows, 0, 1) : "";
}

static void append(const char *division, int count)
{
    char text[512];
    snprintf(text, sizeof(text),
             "INSERT INTO event SELECT coalesce(max(position), 0) + n, 0, gen_random_uuid(), "
             "false, 'thing.changed.v1', 'a', '%s', '', '', '', '' FROM event "
             "RIGHT JOIN generate_series(1, %d) n ON true GROUP BY n",
             division, count);
    sql(text);
}

static bool page_hits(void)
{
    bool hit;
    struct cached kept;
    page_of(&kept, &hit);
    return hit;
}

static void test_page_stands_until_something_happens_in_it(void **state)
{
    (void)state;
    assert_false(page_hits());
    assert_true(page_hits());
    append("3702", 3); /* a neighbour's */
    append("37", 1);   /* of the province itself: its matters are in no list of a city */
    assert_true(page_hits());
    append("370102", 1);
    assert_false(page_hits());
    assert_true(page_hits());
    append("", 1); /* the whole province's */
    assert_false(page_hits());
    assert_true(page_hits());
    assert_int_equal(figures(CACHE_PAGE).outdated, 2);
}

static void test_page_is_moved_along(void **state)
{
    (void)state;
    page_hits();
    /* More in all than is looked at; each time less since it was last asked for. */
    for (int i = 0; i < 4; i++) {
        append("3702", LOG_UNCHANGED_MAX / 2);
        assert_true(page_hits());
    }
    append("3702", LOG_UNCHANGED_MAX + 1); /* too much to look at */
    assert_false(page_hits());
}

/* A page that was read before a commit, and comes into the cache after it. */
static void test_late_page(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "3701", NULL };
    struct scope scope = { .prefixes = prefixes };
    struct pg_rows before;
    struct cached late, kept;
    bool hit;
    const struct pg_param key = scope_param(&arena, prefixes);
    append("3701", 1);
    assert_int_equal(cached_page(&rq, &scope, &list, &key, 1, &before, 1, &late), 0);
    assert_int_equal(pg_read(rq.pg, &arena, &list, &key, 1, &before), 0);

    sql("UPDATE thing SET body = 'second' WHERE id = 'a'");
    append("3701", 1);
    assert_string_equal(page_of(&kept, &hit), "second");
    cached_keep(&late, &before, 1); /* refused */
    assert_int_equal(figures(CACHE_PAGE).kept[CACHE_OLDER], 1);
    assert_string_equal(page_of(&kept, &hit), "second");
    assert_true(hit);

    assert_true(redis_fixture_command(redis, 1, (const char *[]){ "FLUSHALL" }));
    cached_keep(&late, &before, 1); /* kept, and not believed */
    assert_string_equal(page_of(&kept, &hit), "second");
    assert_false(hit);
}

static void test_page_of_another_epoch(void **state)
{
    (void)state;
    bool hit;
    struct cached kept;
    append("3701", 5);
    assert_string_equal(page_of(&kept, &hit), "first");
    sql("DELETE FROM event WHERE position > 3"); /* lost by a failover */
    assert_false(page_hits());                   /* the page is of positions that never were */
    /* They are given again, and by their numbers alone nothing has happened since the page. */
    sql("UPDATE log_stream SET epoch = epoch + 1; UPDATE thing SET body = 'of another past'");
    append("3701", 2);
    append("3702", 1);
    assert_string_equal(page_of(&kept, &hit), "of another past");
    assert_false(hit);
    assert_int_equal(kept.version.number, 6);
    assert_string_equal(page_of(&kept, &hit), "of another past");
    assert_true(hit);
}

static void test_rubbish_is_read_anew(void **state)
{
    (void)state;
    bool hit;
    body_of("a", 1, &hit);
    static const char script[] = "for _, k in ipairs(redis.call('KEYS', '*')) do "
                                 "redis.call('HSET', k, 'd', 'x') end return 1";
    const char *overwrite[] = { "EVAL", script, "0" };
    assert_true(redis_fixture_command(redis, 3, overwrite));
    assert_string_equal(body_of("a", 1, &hit), "first");
    assert_false(hit);
}

static void test_no_cache(void **state)
{
    (void)state;
    bool hit;
    struct cache_conn *conn = rq.cache;
    rq.cache = NULL;
    assert_string_equal(body_of("a", 1, &hit), "first");
    body_of("a", 1, &hit);
    assert_false(hit);
    assert_false(page_hits());
    assert_false(page_hits());
    rq.cache = conn;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_row_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_row_of_an_older_version_is_not_believed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_late_fill_into_an_empty_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_epoch_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_stands_until_something_happens_in_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_page_is_moved_along, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_of_another_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rubbish_is_read_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_cache, setup, teardown),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
