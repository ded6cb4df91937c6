/* A PostgreSQL for tests: private, under mktemp, gone with the test program however that ends.
 *
 * How to use it, from the tests of any layer above pg:
 *
 *     #include "pg/tests/pg_fixture.h"
 *
 *     static struct pg_fixture *fixture;
 *     static const struct pg_module *const modules[] = { &log_module, &clock_module, NULL };
 *
 *     static int setup_group(void **state)    { fixture = pg_fixture_open(modules); return fixture
 * ? 0 : -1; } static int teardown_group(void **state) { pg_fixture_close(fixture); return 0; }
 *     static void test_x(void **state)
 *     {
 *         const char *uri = pg_fixture_database(fixture);   (migrated, empty, this test's own)
 *         struct pg *pg = pg_fixture_connect(fixture, uri);  (all statements of the modules
 * prepared)
 *         ...
 *         pg_close(pg);
 *         pg_fixture_drop(fixture, uri);                     (optional)
 *     }
 *
 * The schema is migrated once into a template database for each set of modules and cloned for each
 * test: a clone takes some 50 ms. Where LUJIAN_TEST_PG_URI names a superuser of a running server
 * (scripts/test starts one for all tests), that server is used and nothing is started; a test that
 * stops, kills or configures its server asks for one of its own with pg_fixture_open_private.
 *
 * Root runs the server as user postgres. A guard process owns the server: when the test program is
 * gone, also by SIGKILL, the guard ends the server and removes its directory. Failures print and
 * return NULL or -1. */
#ifndef LUJIAN_PG_TESTS_PG_FIXTURE_H
#define LUJIAN_PG_TESTS_PG_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "pg/pg.h"

struct pg_fixture;

struct pg_fixture *pg_fixture_open(const struct pg_module *const *modules);
void pg_fixture_close(struct pg_fixture *f);

/* A new database, cloned from the template; the URI lives as long as the fixture. NULL on failure.
 */
const char *pg_fixture_database(struct pg_fixture *f);
void pg_fixture_drop(struct pg_fixture *f, const char *uri);
/* A connection with the modules' statements prepared; NULL on failure. */
struct pg *pg_fixture_connect(struct pg_fixture *f, const char *uri);

struct pg_fixture_options {
    const struct pg_module *const *modules; /* NULL = none */
    bool no_fsync; /* quicker; what is killed loses nothing by it, only a machine that loses power
                      does */
    const char *conf;      /* more lines of postgresql.conf, or NULL */
    const char *data_copy; /* start on this data directory (a base backup; it becomes the
                              fixture's), or NULL */
};
/* A server of this test's own, whatever the environment says. */
struct pg_fixture *pg_fixture_open_private(const struct pg_fixture_options *options);

/* Of a private server. */
pid_t pg_fixture_pid(const struct pg_fixture *f);       /* the postmaster's */
const char *pg_fixture_uri(const struct pg_fixture *f); /* superuser, database postgres */
const char *pg_fixture_tcp_uri(struct pg_fixture *f,
                               const char *uri); /* the same database over TCP on loopback */
int pg_fixture_port(const struct pg_fixture *f); /* TCP on 127.0.0.1; no password is asked */
const char *pg_fixture_directory(
    const struct pg_fixture *f); /* user postgres may write here; removed at the end */
int pg_fixture_crash(
    struct pg_fixture *f); /* SIGKILLs postmaster and backends, starts again, waits for it */
int pg_fixture_signal(struct pg_fixture *f,
                      int number); /* to the postmaster and every process of it */
/* Runs a program of PostgreSQL's (argv[0] is its name, NULL-terminated) as the server's user; its
 * exit status. */
int pg_fixture_run(struct pg_fixture *f, const char *const *argv);

#endif
