/* Proof of the log over a failover: a standby that is read while it follows and then promoted shows
 * contiguous positions; without a synchronous standby the epoch is bumped before anything can be
 * appended, with one it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "log/tests/log_fixture.h"

#define WAIT_MS 30000

struct pair {
    struct pg_fixture *primary, *standby;
    const char *uri;       /* of the log on the primary */
    char standby_uri[512]; /* the same database on the standby */
};

/* The database of one server as another that holds a copy of it names it. */
static void same_database(const struct pg_fixture *f, const char *uri, char *out, size_t size)
{
    const char *name = strstr(uri, "dbname='");
    assert_non_null(name);
    snprintf(out, size, "host='%s' port=%d user=postgres %s", pg_fixture_directory(f),
             pg_fixture_port(f), name);
}

static void open_stream(const char *uri, int64_t *ret_epoch)
{
    struct pg *pg;
    assert_int_equal(pg_open(&pg, &(struct pg_options){ .uri = uri, .modules = storm_modules }), 0);
    assert_int_equal(log_open_stream(pg, "storm", ret_epoch), 0);
    pg_close(pg);
}

static void script(const char *uri, const char *sql)
{
    struct pg *pg;
    assert_int_equal(pg_open(&pg, &(struct pg_options){ .uri = uri }), 0);
    assert_int_equal(pg_script(pg, sql), 0);
    pg_close(pg);
}

/* Waits until the expression is true. */
static void wait_sql(const char *uri, const char *expression)
{
    char sql[512];
    struct pg *pg;
    snprintf(sql, sizeof(sql), "SELECT 1 / (%s)::int", expression);
    assert_int_equal(pg_open(&pg, &(struct pg_options){ .uri = uri }), 0);
    for (int64_t deadline = mono_ms() + WAIT_MS; pg_script(pg, sql) < 0; poll(NULL, 0, 10))
        assert_true(mono_ms() < deadline);
    pg_close(pg);
}

static void setup_pair(struct pair *p, const char *conf)
{
    char data[256], connection[256];
    int64_t epoch;
    struct pg_fixture_options options = { .modules = storm_modules,
                                          .no_fsync = true,
                                          .conf = conf };
    p->primary = pg_fixture_open_private(&options);
    assert_non_null(p->primary);
    p->uri = pg_fixture_database(p->primary);
    assert_non_null(p->uri);
    open_stream(p->uri, &epoch);
    assert_int_equal(epoch, 1);

    snprintf(data, sizeof(data), "%s/backup", pg_fixture_directory(p->primary));
    snprintf(connection, sizeof(connection),
             "host=%s port=%d user=postgres application_name=second",
             pg_fixture_directory(p->primary), pg_fixture_port(p->primary));
    const char *const argv[] = {
        "pg_basebackup", "-D", data,     "-d",        connection, "-R", "-c",
        "fast",          "-X", "stream", "--no-sync", NULL
    };
    assert_int_equal(pg_fixture_run(p->primary, argv), 0);
    options.data_copy = data;
    p->standby = pg_fixture_open_private(&options);
    assert_non_null(p->standby);
    same_database(p->standby, p->uri, p->standby_uri, sizeof(p->standby_uri));
    wait_sql(pg_fixture_uri(p->primary),
             "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'");
}

static void teardown_pair(struct pair *p)
{
    pg_fixture_close(p->standby);
    pg_fixture_close(p->primary);
}

/* Reads the standby while the storm blows on the primary: every pass contiguous, and the log grows.
 */
static void read_standby_under_storm(const struct pair *p, const struct storm *s, long done)
{
    struct pg *pg;
    struct arena arena;
    int64_t head = 0;
    arena_init(&arena, 0);
    assert_int_equal(
        pg_open(&pg, &(struct pg_options){ .uri = p->standby_uri, .modules = storm_modules }), 0);
    while (storm_done(s) < done || head == 0) {
        struct log_record *records;
        int count;
        assert_int_equal(log_read(pg, &arena, head, 1000, &records, &count), 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(records[i].position, ++head);
        arena_reset(&arena);
    }
    pg_close(pg);
    arena_clear(&arena);
}

/* The newest epoch, and the head that it found. */
static void assert_epoch_began(const char *uri, int64_t epoch, int64_t head)
{
    struct pg *pg;
    struct arena arena;
    struct log_epoch *epochs;
    int count;
    arena_init(&arena, 0);
    assert_int_equal(pg_open(&pg, &(struct pg_options){ .uri = uri, .modules = storm_modules }), 0);
    assert_int_equal(log_epochs(pg, &arena, 16, &epochs, &count), 0);
    assert_int_equal(count, epoch);
    assert_int_equal(epochs[0].epoch, 1);
    assert_int_equal(epochs[0].position, 0);
    assert_int_equal(epochs[count - 1].epoch, epoch);
    assert_int_equal(epochs[count - 1].position, head);
    assert_int_equal(log_epochs(pg, &arena, 1, &epochs, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(epochs[0].epoch, epoch);
    pg_close(pg);
    arena_clear(&arena);
}

static void test_promoted_without_synchronous_standby(void **state)
{
    (void)state;
    struct pair p;
    struct storm s, again;
    int64_t epoch;
    setup_pair(&p, NULL);
    assert_int_equal(storm_start(&s, &(struct storm_options){ .uri = p.uri, .writers = 4 }), 0);
    read_standby_under_storm(&p, &s, 300);
    assert_int_equal(pg_fixture_signal(p.primary, SIGKILL), 0);
    storm_stop(&s);
    script(pg_fixture_uri(p.standby), "SELECT pg_promote()");

    int64_t head = storm_head(p.standby_uri);
    assert_true(head > 0);
    print_message("promoted at position %d; the reader of the old primary had seen %ld\n",
                  (int)head, atomic_load(&s.shared->reader_position));

    /* Nobody opened the stream here: the first append is refused, opens it with a new epoch, and is
     * run again. */
    assert_int_equal(
        storm_start(&again, &(struct storm_options){ .uri = p.standby_uri, .writers = 4 }), 0);
    assert_int_equal(storm_wait_done(&again, 100, WAIT_MS), 0);
    storm_stop(&again);
    assert_true(storm_head(p.standby_uri) > head);
    int refused = 0;
    for (int i = 0; i < again.writer_count; i++)
        refused += again.shared->writers[i].fates[0] == FATE_NOT_EXECUTED;
    assert_true(refused > 0);
    open_stream(p.standby_uri, &epoch);
    assert_int_equal(epoch, 2);
    assert_epoch_began(p.standby_uri, 2, head);
    storm_clear(&s);
    storm_clear(&again);
    teardown_pair(&p);
}

static void test_promoted_with_synchronous_standby(void **state)
{
    (void)state;
    struct pair p;
    struct storm s;
    int64_t epoch;
    setup_pair(&p, NULL);
    script(pg_fixture_uri(p.primary), "ALTER SYSTEM SET synchronous_standby_names = 'second'");
    script(pg_fixture_uri(p.primary), "SELECT pg_reload_conf()");
    wait_sql(pg_fixture_uri(p.primary),
             "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    /* The first append notes that it is synchronous now. */
    assert_int_equal(storm_start(&s, &(struct storm_options){ .uri = p.uri, .writers = 4 }), 0);
    read_standby_under_storm(&p, &s, 200);
    assert_int_equal(pg_fixture_signal(p.primary, SIGKILL), 0);
    storm_stop(&s);

    /* The new primary is as strict, towards a third one. */
    script(pg_fixture_uri(p.standby), "SELECT pg_promote()");
    char connection[256];
    snprintf(connection, sizeof(connection), "host=%s port=%d user=postgres application_name=third",
             pg_fixture_directory(p.standby), pg_fixture_port(p.standby));
    pid_t third = fork();
    if (third == 0) {
        const char *const argv[] = { "pg_receivewal",
                                     "-D",
                                     pg_fixture_directory(p.standby),
                                     "-d",
                                     connection,
                                     "--synchronous",
                                     "--no-loop",
                                     NULL };
        _exit(pg_fixture_run(p.standby, argv));
    }
    script(pg_fixture_uri(p.standby), "ALTER SYSTEM SET synchronous_standby_names = 'third'");
    script(pg_fixture_uri(p.standby), "SELECT pg_reload_conf()");
    wait_sql(pg_fixture_uri(p.standby),
             "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    open_stream(p.standby_uri, &epoch);
    assert_int_equal(epoch, 1);
    /* Everything that was told as done is there. */
    assert_int_equal(storm_verify(&s, p.standby_uri), 0);
    storm_clear(&s);
    pg_fixture_signal(p.standby, SIGTERM);
    waitpid(third, NULL, 0);
    teardown_pair(&p);
}

/* A primary that ceased to wait for its standby promises nothing any more, and says so before the
 * first event that nobody waited for. */
static void test_no_longer_synchronous(void **state)
{
    (void)state;
    struct pair p;
    struct storm s;
    int64_t epoch;
    setup_pair(&p, NULL);
    const char *uri = pg_fixture_uri(p.primary);
    script(uri, "ALTER SYSTEM SET synchronous_standby_names = 'second'");
    script(uri, "SELECT pg_reload_conf()");
    wait_sql(uri, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
    open_stream(p.uri, &epoch);
    wait_sql(p.standby_uri, "SELECT synchronous FROM log_stream");
    script(uri, "ALTER SYSTEM SET synchronous_standby_names = ''");
    script(uri, "SELECT pg_reload_conf()");
    wait_sql(uri, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'async'");
    assert_int_equal(storm_start(&s, &(struct storm_options){ .uri = p.uri, .writers = 2 }), 0);
    assert_int_equal(storm_wait_done(&s, 20, WAIT_MS), 0);
    storm_stop(&s);
    wait_sql(p.standby_uri, "SELECT NOT synchronous FROM log_stream");
    assert_int_equal(pg_fixture_signal(p.primary, SIGKILL), 0);
    /* The new one is strict, which says nothing of the old one. Nobody follows it, so nothing is
     * committed. */
    script(pg_fixture_uri(p.standby), "SELECT pg_promote()");
    script(pg_fixture_uri(p.standby), "ALTER SYSTEM SET synchronous_standby_names = 'third'");
    script(pg_fixture_uri(p.standby), "SELECT pg_reload_conf()");
    wait_sql(p.standby_uri, "log_synchronous()");
    script(p.standby_uri, "BEGIN; SELECT 1 / (log_open('storm') = 2)::int; ROLLBACK");
    storm_clear(&s);
    teardown_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promoted_without_synchronous_standby),
        cmocka_unit_test(test_promoted_with_synchronous_standby),
        cmocka_unit_test(test_no_longer_synchronous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
