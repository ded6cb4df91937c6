/* What would break a feed: a writer killed between its commit and its pulse on an idle stream, a
 * reader who is revoked while he is sent to, a reader who stands still while 100,000 events pass.
 */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "follow_rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PASSING 20000 /* they are slow; the numbers are proved without them */
#else
#define PASSING 100000
#endif

extern char **environ;

static struct pg_fixture *fixture;

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(rig_modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

/* A process (this program with --commit) that commits and is killed before it can tell anyone. */
static int commit_and_die(const char *uri)
{
    struct pg *pg;
    struct tx tx;
    struct arena arena;
    const struct pg_options options = { .uri = uri, .modules = rig_modules };
    const struct event_address address = { .subject = "s-0", .division = "3701" };
    arena_init(&arena, 0);
    if (pg_open(&pg, &options) >= 0 && tx_begin(&tx, pg, &arena) >= 0 && tx_now(&tx) >= 0) {
        tx_event_encoded(&tx, "complaint.filed.v1", &address, (const uint8_t *)"x", 1);
        if (tx_commit(&tx) == PG_DONE)
            kill(getpid(), SIGKILL);
    }
    return 1;
}

static void test_killed_between_commit_and_pulse(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    struct follower *f = follow(&rig, 0, 0, 10);
    for (int i = 0; i < 3; i++) {
        follow_turn(&rig, 300); /* idle */
        char self[] = "/proc/self/exe", flag[] = "--commit";
        char *argv[] = { self, flag, (char *)(uintptr_t)rig.log.uri, NULL };
        pid_t pid;
        int status;
        assert_int_equal(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        int64_t start = mono_ms();
        struct model_event *m = &rig.log.model[rig.log.head++];
        *m = (struct model_event){ .type = "complaint.filed.v1", .division = "3701" };
        strcpy(m->subject, "s-0");
        follower_reach_head(f, 5000);
        assert_int_equal(f->events, i + 1);
        assert_true(mono_ms() - start < 2000); /* a second, and what the machine adds */
    }
    follow_rig_close(&rig);
}

static void test_revoked_while_streaming(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 300);
    for (int i = 0; i < 10; i++)
        follow_append(&rig, 1000, 50);
    struct follower *anna = follow(&rig, 0, 0, 20), *idle = follow(&rig, 0, 0, 1000);
    struct follower *bert = follow(&rig, 1, 0, 20), *held = follow(&rig, 0, 0, 5);
    held->holds = true;
    for (int i = 0; i < 500 && anna->events < 1000; i++)
        follow_turn(&rig, 2);
    assert_in_range(anna->events, 1000, 9000); /* in the middle of it */
    int events = anna->events;
    rig_readers[0].revoked = true;
    /* Not one more, whatever was under way; streaming, idle and waiting alike. */
    follower_end(anna, ERR_PERMISSION_DENIED, "revoked");
    assert_int_equal(anna->events, events);
    int idle_events = idle->events;
    follower_end(idle, ERR_PERMISSION_DENIED, "revoked");
    follower_end(held, ERR_PERMISSION_DENIED, "revoked");
    assert_int_equal(idle->events, idle_events);
    assert_int_equal(held->events, 5);
    follower_reach_head(bert, 10000);
    assert_int_equal(follow_figures(&rig).revoked, 3);
    assert_int_equal(follow(&rig, 0, 0, 5)->code, ERR_PERMISSION_DENIED);
    follow_rig_close(&rig);
}

/* A jurisdiction that changes changes what is sent next. */
static void test_moved_while_streaming(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 0);
    struct follower *f = follow(&rig, 0, 0, 1000);
    follow_append(&rig, 60, 10);
    follower_reach_head(f, 5000);
    int64_t before = rig.log.head;
    rig_readers[0].jurisdiction = "3702";
    f->last = before; /* the model goes on under the new one */
    follow_append(&rig, 60, 10);
    follower_reach_head(f, 5000);
    rig_readers[0].jurisdiction = "3701";
    follow_rig_close(&rig);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_stopped_reader_while_100000_events_pass(void **state UNUSED)
{
    struct follow_rig rig;
    follow_rig_open(&rig, fixture, 2000);
    struct follower *stopped = follow(&rig, 2, 0, 200), *steady = follow(&rig, 1, 0, 500);
    stopped->holds = true;
    follow_append(&rig, 1000, 100);
    follow_turn(&rig, 100);
    long before = resident_kib();
    while (rig.log.head < PASSING) {
        follow_append(&rig, 1000, 100);
        follow_turn(&rig, 1);
        /* It shows signs of life and takes nothing. */
        assert_int_equal(feeds_credit(rig.feeds, &stopped->address, stopped->id, 0), 0);
    }
    follower_reach_head(steady, 10000);
    long grown = resident_kib() - before;
    print_message("%d events passed a stopped reader: %ld KiB more\n", PASSING, grown);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what was freed */
    assert_true(grown < 48 * 1024);
#endif
    assert_int_equal(stopped->events, 200);
    assert_int_equal(stopped->ended, 0);

    stopped->holds = false;
    stopped->credit += 1000;
    int64_t start = mono_ms();
    assert_int_equal(feeds_credit(rig.feeds, &stopped->address, stopped->id, 1000), 0);
    follower_reach_head(stopped, 15000);
    print_message("caught up in %ld ms\n", (long)(mono_ms() - start));
    assert_int_equal(stopped->events, rig.log.head);
    follow_rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--commit") == 0)
        return commit_and_die(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_between_commit_and_pulse),
        cmocka_unit_test(test_revoked_while_streaming),
        cmocka_unit_test(test_moved_while_streaming),
        cmocka_unit_test(test_stopped_reader_while_100000_events_pass),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
