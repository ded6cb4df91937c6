/* Proof 5, first half: the same commands in opposite order to two replicas. No deadlock, each
 * effect once; a row or a key that another holds delays nobody else; and many commands share few
 * commits. */
#include "commit/tests/harness.h"

#define NOTES        150
#define IN_FLIGHT    64
#define COMMANDS     1000
#define DELAY_MAX_MS 100 /* of a member that is not blocked itself */

static struct pg_fixture *fixture;
static const char *uri;
static struct pg *pg;
static struct harness one, two;

static void insert_notes(int count)
{
    for (int i = 0; i < count; i++) {
        char id[UUID_TEXT_SIZE];
        note_id(i, id);
        note_insert(pg, id);
    }
}

/* The i-th of the commands that both replicas get: acts on notes, and notes filed under a natural
 * key that a second idempotency key names too. */
static struct test_command *nth(struct harness *h, int i)
{
    char key[32], name[32], id[UUID_TEXT_SIZE];
    snprintf(key, sizeof(key), "key-%d", i);
    if (i % 3 == 0) {
        snprintf(name, sizeof(name), "matter-%d", i / 6); /* two commands a matter */
        return file_make(h, &principal_a, key, name, "same");
    }
    note_id(i % NOTES, id);
    return contact_make(h, key, id);
}

static int64_t deadlocks(void)
{
    static const struct pg_query query = {
        .name = "deadlocks",
        .sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    };
    static const struct pg_query *const queries[] = { &query, NULL };
    static const struct pg_module module = { .name = "stat", .queries = queries };
    const struct pg_module *const modules[] = { &module, NULL };
    struct pg_options options = { .uri = uri, .application_name = "stat", .modules = modules };
    struct pg *stat;
    struct pg_rows rows;
    struct arena arena;
    arena_init(&arena, 0);
    assert_int_equal(pg_open(&stat, &options), 0);
    assert_int_equal(pg_read(stat, &arena, &query, PG_NO_ARGS, &rows), 0);
    int64_t count = pg_row_int(&rows, 0, 0);
    pg_close(stat);
    arena_clear(&arena);
    return count;
}

static void test_opposite_orders_do_not_deadlock(void **state)
{
    (void)state;
    enum { COUNT = 1500 };
    insert_notes(NOTES);
    struct test_command *forward[COUNT], *backward[COUNT];
    for (int i = 0; i < COUNT; i++)
        forward[i] = nth(&one, i);
    for (int i = COUNT - 1; i >= 0; i--)
        backward[i] = nth(&two, i);
    for (int i = 0; i < COUNT; i++) {
        command_submit(forward[i]);
        command_submit(backward[COUNT - 1 - i]);
    }
    harness_wait(&one);
    harness_wait(&two);
    int executed = 0;
    for (int i = 0; i < COUNT; i++) {
        const struct outcome *a = &forward[i]->outcome, *b = &backward[i]->outcome;
        assert_int_equal(a->code, 0);
        assert_int_equal(b->code, 0);
        assert_string_equal(a->id, b->id); /* one key, one answer */
        executed += !a->replayed + !b->replayed;
    }
    int matters = (COUNT / 3 + 1) / 2, acts = COUNT - COUNT / 3;
    assert_int_equal(executed, matters + acts);
    assert_int_equal(note_count(pg), NOTES + matters);
    assert_int_equal(note_events(pg), matters + acts);
    int64_t sum = 0;
    for (int i = 0; i < NOTES; i++) {
        char id[UUID_TEXT_SIZE];
        note_id(i, id);
        sum += note_acts(pg, id);
    }
    assert_int_equal(sum, acts);
    assert_int_equal(deadlocks(), 0);
}

/* The slowest of these acts on notes from..to, one after another. */
static int64_t slowest_act_ms(const char *name, int from, int to)
{
    int64_t slowest_ms = 0;
    for (int i = from; i < to; i++) {
        char key[24], id[UUID_TEXT_SIZE];
        note_id(i, id);
        snprintf(key, sizeof(key), "%s-%d", name, i);
        struct test_command *t = contact_make(&one, key, id);
        command_submit(t);
        pthread_mutex_lock(&one.mutex);
        while (!t->outcome.answered)
            pthread_cond_wait(&one.changed, &one.mutex);
        assert_int_equal(t->outcome.code, 0);
        slowest_ms = MAX(slowest_ms, t->outcome.took_ms);
        pthread_mutex_unlock(&one.mutex);
    }
    return slowest_ms;
}

/* Others go on beside a row that somebody holds; whoever wants the row is told after two seconds.
 */
static void test_a_held_row_delays_nobody_else(void **state)
{
    (void)state;
    insert_notes(60);
    struct pg *holder = pg_fixture_connect(fixture, uri);
    char held[UUID_TEXT_SIZE], text[128];
    int64_t alone_ms = slowest_act_ms("before", 1, 60);
    note_id(0, held);
    snprintf(text, sizeof(text), "BEGIN; SELECT FROM note WHERE id = '%s' FOR UPDATE", held);
    assert_int_equal(pg_script(holder, text), 0);

    struct test_command *blocked = contact_make(&one, "blocked", held);
    command_submit(blocked);
    int64_t beside_ms = slowest_act_ms("beside", 1, 60);
    print_message("slowest alone %lld ms, beside a held row %lld ms\n", (long long)alone_ms,
                  (long long)beside_ms);
    assert_true(beside_ms < alone_ms + DELAY_MAX_MS);
    harness_wait(&one);
    assert_int_equal(blocked->outcome.code, ERR_IN_PROGRESS);
    assert_in_range(blocked->outcome.took_ms, COMMITTER_BLOCKED_MS, COMMITTER_BLOCKED_MS + 1000);

    /* Released, the same key goes through. */
    assert_int_equal(pg_script(holder, "ROLLBACK"), 0);
    assert_int_equal(run_one(contact_make(&one, "blocked", held)).code, 0);
    assert_int_equal(note_acts(pg, held), 1);
    pg_close(holder);
}

static void hold_name(struct pg *holder, uint64_t name)
{
    char text[128];
    snprintf(text, sizeof(text), "BEGIN; SELECT pg_advisory_xact_lock(%lld)", (long long)name);
    assert_int_equal(pg_script(holder, text), 0);
}

static void test_a_held_key_delays_nobody_else(void **state)
{
    (void)state;
    insert_notes(60);
    struct pg *holder = pg_fixture_connect(fixture, uri);
    int64_t alone_ms = slowest_act_ms("before", 0, 60);
    struct test_command *blocked = file_make(&one, &principal_a, "held", "e-held", "one");
    hold_name(holder, blocked->command.names[COMMAND_NAME_KEY]);
    command_submit(blocked);
    assert_true(slowest_act_ms("beside", 0, 60) < alone_ms + DELAY_MAX_MS);
    harness_wait(&one);
    assert_int_equal(blocked->outcome.code, ERR_IN_PROGRESS);

    /* Released within its patience, the command goes through by itself. */
    assert_int_equal(pg_script(holder, "ROLLBACK"), 0);
    struct test_command *patient = file_make(&one, &principal_a, "held", "e-held", "one");
    hold_name(holder, patient->command.names[COMMAND_NAME_MATTER]);
    command_submit(patient);
    struct committers_figures f, before;
    committers_figures_read(one.committers, &before);
    do { /* until it was sent back a few times */
        committers_figures_read(one.committers, &f);
    } while (f.blocked < before.blocked + 3);
    assert_int_equal(pg_script(holder, "ROLLBACK"), 0);
    harness_wait(&one);
    assert_int_equal(patient->outcome.code, 0);
    assert_int_equal(note_count(pg), 61);
    pg_close(holder);
}

/* A client that has IN_FLIGHT commands out at any time. */
static void test_many_commands_share_few_commits(void **state)
{
    (void)state;
    struct test_command *all[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) {
        char name[24];
        snprintf(name, sizeof(name), "c%d", i);
        all[i] = file_make(&one, &principal_a, name, name, "one");
    }
    int64_t began_us = mono_us();
    for (int sent = 0; sent < COMMANDS; sent++) {
        pthread_mutex_lock(&one.mutex);
        while (sent - one.answered >= IN_FLIGHT)
            pthread_cond_wait(&one.changed, &one.mutex);
        pthread_mutex_unlock(&one.mutex);
        command_submit(all[sent]);
    }
    harness_wait(&one);
    int64_t took_us = mono_us() - began_us;
    struct committers_figures f;
    committers_figures_read(one.committers, &f);
    print_message("%d commands at %d in flight: %lld commits, %lld commands/s\n", COMMANDS,
                  IN_FLIGHT, (long long)f.commits, (long long)COMMANDS * 1000000 / took_us);
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(all[i]->outcome.code, 0);
    assert_true(f.commits < 100);
    assert_int_equal(note_count(pg), COMMANDS);
}

static int setup(void **state)
{
    (void)state;
    uri = harness_database(fixture);
    pg = pg_fixture_connect(fixture, uri);
    harness_open(&one, uri, 2);
    harness_open(&two, uri, 2);
    return pg ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    harness_close(&one);
    harness_close(&two);
    pg_close(pg);
    pg_fixture_drop(fixture, uri);
    return 0;
}

static int setup_group(void **state)
{
    (void)state;
    fixture = pg_fixture_open(harness_modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    pg_fixture_close(fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_opposite_orders_do_not_deadlock),
        TEST(test_a_held_row_delays_nobody_else),
        TEST(test_a_held_key_delays_nobody_else),
        TEST(test_many_commands_share_few_commits),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
