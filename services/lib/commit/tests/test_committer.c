/* Commands take effect once a key, fail alone, and are answered for what happened. */
#include "commit/tests/harness.h"

static struct pg_fixture *fixture;
static const char *uri;
static struct pg *pg;
static struct harness h;

static void test_a_command_is_done_and_its_key_replays(void **state)
{
    (void)state;
    struct outcome made = run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    assert_int_equal(made.code, 0);
    assert_true(made.created);
    assert_int_equal(made.version, 1);
    assert_int_equal(note_count(pg), 1);
    assert_int_equal(note_events(pg), 1);
    assert_int_equal(h.head, 1);

    struct outcome again = run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    assert_true(again.replayed);
    assert_string_equal(again.id, made.id);
    assert_int_equal(note_count(pg), 1);
    assert_int_equal(note_events(pg), 1);
}

static void test_a_key_for_another_request_conflicts(void **state)
{
    (void)state;
    run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    struct outcome other = run_one(file_make(&h, &principal_a, "k1", "e2", "two"));
    assert_int_equal(other.code, ERR_UNPROCESSABLE);
    assert_string_equal(other.reason, "conflicting_payload");
    assert_int_equal(note_count(pg), 1);
}

static void test_keys_are_a_principals_and_a_methods_own(void **state)
{
    (void)state;
    struct outcome made = run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    assert_int_equal(run_one(file_make(&h, &principal_b, "k1", "e2", "two")).code, 0);
    assert_int_equal(run_one(contact_make(&h, "k1", made.id)).code, 0);
    assert_int_equal(note_count(pg), 2);
    assert_int_equal(note_acts(pg, made.id), 1);
}

static void test_the_natural_key_decides_where_the_key_is_new(void **state)
{
    (void)state;
    struct outcome made = run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    struct outcome again = run_one(file_make(&h, &principal_a, "k2", "e1", "one"));
    assert_true(again.replayed);
    assert_string_equal(again.id, made.id);
    struct outcome other = run_one(file_make(&h, &principal_a, "k3", "e1", "changed"));
    assert_int_equal(other.code, ERR_UNPROCESSABLE);
    assert_string_equal(other.reason, "conflicting_payload");
    assert_int_equal(note_count(pg), 1);
}

static void test_one_matter_twice_in_one_moment_is_made_once(void **state)
{
    (void)state;
    struct test_command *all[40];
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i % 20); /* each key twice, all one matter */
        all[i] = file_make(&h, &principal_a, key, "e1", "one");
    }
    for (int i = 0; i < 40; i++)
        command_submit(all[i]);
    harness_wait(&h);
    int created = 0;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(all[i]->outcome.code, 0);
        created += all[i]->outcome.created;
        assert_string_equal(all[i]->outcome.id, all[0]->outcome.id);
    }
    assert_int_equal(created, 1);
    assert_int_equal(note_count(pg), 1);
}

static void test_a_refusal_leaves_no_record(void **state)
{
    (void)state;
    struct outcome refused = run_one(file_make(&h, &principal_a, "k1", "e1", "refuse"));
    assert_int_equal(refused.code, ERR_REFUSED);
    assert_string_equal(refused.reason, "not_today");
    /* So the key may be used again, for something else. */
    assert_int_equal(run_one(file_make(&h, &principal_a, "k1", "e1", "one")).code, 0);

    struct outcome made = run_one(file_make(&h, &principal_a, "k2", "e2", "two"));
    assert_int_equal(run_one(sign_make(&h, "s1", made.id)).code, 0);
    assert_int_equal(run_one(sign_make(&h, "s2", made.id)).code, ERR_REFUSED);
    assert_int_equal(run_one(sign_make(&h, "s2", made.id)).code, ERR_REFUSED);
    assert_true(run_one(sign_make(&h, "s1", made.id)).replayed);
}

static void test_if_match(void **state)
{
    (void)state;
    struct outcome made = run_one(file_make(&h, &principal_a, "k1", "e1", "one"));
    struct test_command *stale = sign_make(&h, "s1", made.id);
    stale->command.rq.if_version = 7;
    struct outcome outcome = run_one(stale);
    assert_int_equal(outcome.code, ERR_VERSION_MISMATCH);
    assert_int_equal(outcome.version, 1);
    struct test_command *current = sign_make(&h, "s1", made.id);
    current->command.rq.if_version = 1;
    assert_int_equal(run_one(current).code, 0);
}

static void test_an_absent_subject_is_not_found_at_once(void **state)
{
    (void)state;
    struct outcome o = run_one(contact_make(&h, "c1", "0192aaaa-0000-7000-8000-000000000000"));
    assert_int_equal(o.code, ERR_NOT_FOUND);
    assert_true(o.took_ms < 1000);
}

static void submit_with_bad_one(const char *reason, int expected)
{
    struct test_command *all[30];
    char ids[30][UUID_TEXT_SIZE], key[24];
    for (int i = 0; i < 30; i++) {
        note_id(i, ids[i]);
        snprintf(key, sizeof(key), "%s-%d", reason, i);
        all[i] = i == 17 ? extend_make(&h, key, ids[i], reason) : contact_make(&h, key, ids[i]);
    }
    int64_t before[30];
    for (int i = 0; i < 30; i++)
        before[i] = note_acts(pg, ids[i]);
    for (int i = 0; i < 30; i++)
        command_submit(all[i]);
    harness_wait(&h);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(all[i]->outcome.code, i == 17 ? expected : 0);
        int effects = all[i]->outcome.code == 0;
        assert_int_equal(note_acts(pg, ids[i]), before[i] + effects);
    }
}

static void test_a_bad_member_fails_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        char id[UUID_TEXT_SIZE];
        note_id(i, id);
        note_insert(pg, id);
    }
    submit_with_bad_one("sql_error", ERR_INTERNAL);
    submit_with_bad_one("late_error", ERR_INTERNAL);
    submit_with_bad_one("internal", ERR_INTERNAL);
    submit_with_bad_one("full", ERR_NOT_EXECUTED);
    atomic_store(&note_serialization_failures, 3);
    submit_with_bad_one("serialization", 0);
    atomic_store(&note_serialization_failures, 100);
    char id[UUID_TEXT_SIZE];
    note_id(1, id);
    struct outcome given_up = run_one(extend_make(&h, "s", id, "serialization"));
    assert_int_equal(given_up.code, ERR_NOT_EXECUTED);
    struct committers_figures f;
    committers_figures_read(h.committers, &f);
    assert_true(f.alone >= 5);
}

static void test_a_refusal_beside_the_events_of_others(void **state)
{
    (void)state;
    struct test_command *all[30];
    char ids[30][UUID_TEXT_SIZE], key[24];
    for (int i = 0; i < 30; i++) {
        note_id(i, ids[i]);
        note_insert(pg, ids[i]);
    }
    assert_int_equal(run_one(sign_make(&h, "first", ids[17])).code, 0);
    for (int i = 0; i < 30; i++) {
        snprintf(key, sizeof(key), "k-%d", i);
        all[i] = i == 17 ? sign_make(&h, key, ids[i]) : contact_make(&h, key, ids[i]);
    }
    for (int i = 0; i < 30; i++)
        command_submit(all[i]);
    harness_wait(&h);
    for (int i = 0; i < 30; i++)
        assert_int_equal(all[i]->outcome.code, i == 17 ? ERR_REFUSED : 0);
}

static void test_what_was_expired_is_not_executed(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    struct test_command *late = file_make(&h, &principal_a, "k1", "e1", "one");
    late->command.deadline_ms = mono_ms() - 1;
    /* Something is in flight and holds the batch back, so that the late one waits. */
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    struct test_command *first = file_make(&h, &principal_a, "k0", "e0", "zero");
    struct test_command *second = file_make(&h, &principal_a, "k2", "e2", "two");
    command_submit(first);
    command_submit(second);
    command_submit(late);
    int64_t until_ms = mono_ms() + WAIT_MS;
    while (!late->outcome.answered && mono_ms() < until_ms)
        committers_expire(h.committers);
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    harness_wait(&h);
    if (late->outcome.code != 0) {
        assert_int_equal(late->outcome.code, ERR_NOT_EXECUTED);
        assert_string_equal(late->outcome.reason, "expired");
    }
    assert_int_equal(first->outcome.code, 0);
    pg_close(other);
}

static void test_a_full_queue_takes_no_more(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    struct harness small;
    memset(&small, 0, sizeof(small));
    pthread_mutex_init(&small.mutex, NULL);
    pthread_cond_init(&small.changed, NULL);
    struct committers_options options = {
        .threads = 1,
        .queue_max = 3,
        .pg = { .uri = uri, .application_name = "test", .modules = harness_modules },
        .on_done = harness_done,
        .on_replay = harness_replay,
        .on_commit = harness_commit,
        .ctx = &small,
    };
    assert_int_equal(committers_start(&small.committers, &options), 0);
    int accepted = 0;
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof(name), "q%d", i);
        struct test_command *t = file_make(&small, &principal_a, name, name, "one");
        if (committers_submit(small.committers, &t->command)) {
            accepted++;
        } else {
            arena_clear(&t->arena);
            free(t);
            small.count--;
        }
    }
    assert_in_range(accepted, 3, 200);
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    harness_close(&small);
    assert_int_equal(note_count(pg), accepted);
    pg_close(other);
}

static int setup(void **state)
{
    (void)state;
    uri = harness_database(fixture);
    pg = pg_fixture_connect(fixture, uri);
    harness_open(&h, uri, 2);
    return pg ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    harness_close(&h);
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
        TEST(test_a_command_is_done_and_its_key_replays),
        TEST(test_a_key_for_another_request_conflicts),
        TEST(test_keys_are_a_principals_and_a_methods_own),
        TEST(test_the_natural_key_decides_where_the_key_is_new),
        TEST(test_one_matter_twice_in_one_moment_is_made_once),
        TEST(test_a_refusal_leaves_no_record),
        TEST(test_if_match),
        TEST(test_an_absent_subject_is_not_found_at_once),
        TEST(test_a_bad_member_fails_alone),
        TEST(test_a_refusal_beside_the_events_of_others),
        TEST(test_what_was_expired_is_not_executed),
        TEST(test_a_full_queue_takes_no_more),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
