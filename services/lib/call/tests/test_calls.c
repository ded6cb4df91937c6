/* Every message gets one answer, and the right one: what is malformed, unknown, forbidden, too much
 * or too late; and what is done, replayed, refused and read. */
#include "call/tests/harness.h"

static struct pg_fixture *fixture;
static const char *uri;
static struct pg *pg;
static struct rig rig;

#define HOTLINE "hotline/k1"

static void test_a_command_and_a_query(void **state)
{
    (void)state;
    FileRequest in = rig_file("e1", "one");
    struct rig_answer a = rig_call(&rig, HOTLINE, "complaints.file", "key-1", &in.base);
    assert_int_equal(code_of(&a), 0);
    assert_true(a.head->created);
    assert_false(a.head->replayed);
    assert_int_equal(a.head->version, 1);
    Complaint *made = rig_complaint(&rig, &a);
    assert_string_equal(made->external_id, "e1");
    assert_string_equal(a.user, HOTLINE);

    GetRequest get = GET_REQUEST_INIT;
    get.id = made->id;
    struct rig_answer b = rig_call(&rig, HOTLINE, "complaints.get", "", &get.base);
    assert_int_equal(code_of(&b), 0);
    assert_string_equal(rig_complaint(&rig, &b)->id, made->id);
    assert_int_equal(b.head->version, 1);
}

static void test_a_replay_answers_with_the_aggregate_as_it_is_now(void **state)
{
    (void)state;
    FileRequest in = rig_file("e1", "one");
    struct rig_answer a = rig_call(&rig, HOTLINE, "complaints.file", "key-1", &in.base);
    ContactRequest act = CONTACT_REQUEST_INIT;
    act.id = rig_complaint(&rig, &a)->id;
    struct rig_answer b = rig_call(&rig, "unit/k1", "complaints.contact", "c1", &act.base);
    assert_int_equal(code_of(&b), 0);
    struct rig_answer c = rig_call(&rig, HOTLINE, "complaints.file", "key-1", &in.base);
    assert_int_equal(code_of(&c), 0);
    assert_true(c.head->replayed);
    assert_false(c.head->created);
    assert_int_equal(c.head->version, 2);
    assert_int_equal(rig_complaint(&rig, &c)->redo_count, 1);
    in.title = (char *)"another";
    struct rig_answer d = rig_call(&rig, HOTLINE, "complaints.file", "key-1", &in.base);
    assert_int_equal(code_of(&d), ERR_UNPROCESSABLE);
    assert_string_equal(reason_of(&d), "conflicting_payload");
}

static void test_a_refusal_says_why(void **state)
{
    (void)state;
    char id[] = "01900000-0000-7000-8000-000000000001";
    note_insert(pg, id);
    SignRequest in = SIGN_REQUEST_INIT;
    in.id = id;
    struct rig_answer a = rig_call(&rig, "unit/k1", "complaints.sign", "s1", &in.base);
    assert_int_equal(code_of(&a), 0);
    struct rig_answer b = rig_call(&rig, "unit/k1", "complaints.sign", "s2", &in.base);
    const Problem *p = b.head->problem;
    assert_non_null(p);
    assert_int_equal(p->error, -ERR_REFUSED);
    assert_string_equal(p->code, "already_signed");
    assert_string_equal(p->detail_zh, "已经签收");
    assert_string_equal(p->detail_en, "signed already");
    assert_string_equal(p->basis_zh, "测试条例第一条");
    assert_string_equal(p->state, "signed");
    assert_int_equal(p->n_allowed, 2);
    assert_string_equal(p->allowed[1], "reply");
    assert_int_equal(b.body_size, 0);
}

static void test_preparation_and_checks(void **state)
{
    (void)state;
    char id[] = "01900000-0000-7000-8000-000000000001";
    note_insert(pg, id);
    ReopenRequest reopen = REOPEN_REQUEST_INIT;
    reopen.id = id;
    reopen.reason = (char *)"reject";
    struct rig_answer a = rig_call(&rig, HOTLINE, "complaints.reopen", "r1", &reopen.base);
    assert_int_equal(code_of(&a), ERR_UNPROCESSABLE);
    assert_string_equal(reason_of(&a), "bad_reason");
    assert_string_equal(a.head->problem->field, "reason");
    reopen.reason = (char *)"new facts";
    struct rig_answer b = rig_call(&rig, HOTLINE, "complaints.reopen", "r1", &reopen.base);
    assert_int_equal(code_of(&b), 0);
    RedoRequest redo = REDO_REQUEST_INIT;
    redo.id = id;
    redo.reason = (char *)"not_yours";
    struct rig_answer c = rig_call(&rig, HOTLINE, "complaints.redo", "d1", &redo.base);
    assert_int_equal(code_of(&c), ERR_PERMISSION_DENIED);
    assert_int_equal(note_acts(pg, id), 1);
}

static void test_messages_that_cannot_be_read(void **state)
{
    (void)state;
    /* id 77 first, then a field that is cut off */
    static const uint8_t cut[] = { 0x08, 77, 0x12, 0x20, 'x' };
    rig_raw(&rig, HOTLINE, cut, sizeof(cut), NULL, 0);
    struct rig_answer a = rig_wait(&rig, 77);
    assert_int_equal(code_of(&a), ERR_INVALID_ARGUMENT);

    RequestHead head = REQUEST_HEAD_INIT;
    head.method = (char *)"complaints.get";
    uint64_t id = rig_request(&rig, HOTLINE, &head, NULL); /* an empty body: id is required */
    a = rig_wait(&rig, id);
    assert_int_equal(code_of(&a), ERR_INVALID_ARGUMENT);
    assert_string_equal(a.head->problem->field, "id");

    struct rig_answer unknown = rig_call(&rig, HOTLINE, "complaints.nothing", "", NULL);
    assert_int_equal(code_of(&unknown), ERR_UNSUPPORTED);
    assert_string_equal(reason_of(&unknown), "unknown_method");

    FileRequest in = rig_file("e1", "one");
    struct rig_answer keyless = rig_call(&rig, HOTLINE, "complaints.file", "", &in.base);
    assert_int_equal(code_of(&keyless), ERR_INVALID_ARGUMENT);
    assert_string_equal(keyless.head->problem->field, "key");
    in.text = (char *)"\xff\xfe";
    struct rig_answer garbled = rig_call(&rig, HOTLINE, "complaints.file", "k", &in.base);
    assert_int_equal(code_of(&garbled), ERR_INVALID_ARGUMENT);
    assert_string_equal(garbled.head->problem->field, "text");
    assert_int_equal(note_count(pg), 0);
}

static void test_who_may_what(void **state)
{
    (void)state;
    FileRequest in = rig_file("e1", "one");
    struct rig_answer a = rig_call(&rig, "unit/k1", "complaints.file", "k1", &in.base);
    assert_int_equal(code_of(&a), ERR_PERMISSION_DENIED);
    a = rig_call(&rig, "nobody/k1", "complaints.file", "k1", &in.base);
    assert_int_equal(code_of(&a), ERR_UNAUTHENTICATED);
    a = rig_call(&rig, "hotline/k9", "complaints.file", "k1", &in.base);
    assert_int_equal(code_of(&a), ERR_UNAUTHENTICATED);
    a = rig_call(&rig, "hotline/k2", "complaints.file", "k1", &in.base); /* the second key */
    assert_int_equal(code_of(&a), 0);

    char id[] = "01900000-0000-7000-8000-000000000001";
    note_insert(pg, id);
    ContactRequest act = CONTACT_REQUEST_INIT;
    act.id = id;
    a = rig_call(&rig, "unit/k1", "complaints.contact", "c1", &act.base);
    assert_int_equal(code_of(&a), 0);
    rig_install_principals(
        true); /* the unit's key is taken away: from the next message on it is nobody's */
    a = rig_call(&rig, "unit/k1", "complaints.contact", "c2", &act.base);
    assert_int_equal(code_of(&a), ERR_UNAUTHENTICATED);
    rig_install_principals(false);
    assert_int_equal(note_acts(pg, id), 1);
}

static void test_on_behalf_is_the_edges_alone(void **state)
{
    (void)state;
    FileRequest in = rig_file("e1", "one");
    RequestHead head = REQUEST_HEAD_INIT;
    head.method = (char *)"complaints.file";
    head.key = (char *)"k1";
    head.on_behalf = (char *)"hotline";
    struct rig_answer a = rig_wait(&rig, rig_request(&rig, "operator/k1", &head, &in.base));
    assert_int_equal(code_of(&a), ERR_PERMISSION_DENIED);
    a = rig_wait(&rig, rig_request(&rig, "service:gateway/gateway-1", &head, &in.base));
    assert_int_equal(code_of(&a), 0);
    a = rig_wait(&rig, rig_request(&rig, "service:complaints/complaints-1", &head, &in.base));
    assert_int_equal(code_of(&a), ERR_PERMISSION_DENIED);
    /* An instance that the peers file does not name, or names as another service. */
    a = rig_wait(&rig, rig_request(&rig, "service:gateway/complaints-1", &head, &in.base));
    assert_int_equal(code_of(&a), ERR_UNAUTHENTICATED);
    head.on_behalf = (char *)"unit"; /* whose role counts */
    a = rig_wait(&rig, rig_request(&rig, "service:gateway/gateway-1", &head, &in.base));
    assert_int_equal(code_of(&a), ERR_PERMISSION_DENIED);
    head.on_behalf = (char *)"stranger";
    a = rig_wait(&rig, rig_request(&rig, "service:gateway/gateway-1", &head, &in.base));
    assert_int_equal(code_of(&a), ERR_UNAUTHENTICATED);
    /* The key is the one's acted for: hotline's own second sending is a replay. */
    a = rig_call(&rig, HOTLINE, "complaints.file", "k1", &in.base);
    assert_true(a.head->replayed);
}

static void test_the_door_knows_keys(void **state)
{
    (void)state;
    char user[DOOR_USER_MAX];
    assert_true(callers_authenticate(rig.callers, CURVE_A, user));
    assert_string_equal(user, "hotline/k1");
    assert_true(callers_authenticate(rig.callers, CURVE_B, user));
    assert_string_equal(user, "hotline/k2");
    assert_false(
        callers_authenticate(rig.callers, "cccccccccccccccccccccccccccccccccccccccc", user));
}

static void test_a_budget_that_is_spent(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    uint64_t ids[200];
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "b%d", i);
        FileRequest in = rig_file(name, "one");
        RequestHead head = REQUEST_HEAD_INIT;
        head.method = (char *)"complaints.file";
        head.key = name;
        head.budget_ms = 200;
        ids[i] = rig_request(&rig, HOTLINE, &head, &in.base);
    }
    struct rig_answer last =
        rig_wait(&rig, ids[199]); /* more than two batches: the last ones waited */
    assert_int_equal(code_of(&last), ERR_NOT_EXECUTED);
    assert_string_equal(reason_of(&last), "expired");
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    int done = 0;
    for (int i = 0; i < 200; i++) {
        struct rig_answer a = rig_wait(&rig, ids[i]);
        assert_true(code_of(&a) == 0 || code_of(&a) == ERR_NOT_EXECUTED);
        done += code_of(&a) == 0;
    }
    assert_int_equal(note_count(pg), done); /* not executed means so */
    pg_close(other);
}

static void drain(void *arg)
{
    calls_drain(arg);
}

static void test_draining(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    FileRequest in = rig_file("e1", "one");
    RequestHead head = REQUEST_HEAD_INIT;
    head.method = (char *)"complaints.file";
    head.key = (char *)"k1";
    uint64_t taken = rig_request(&rig, HOTLINE, &head, &in.base);
    loop_post(rig.loop, drain, rig.calls);
    struct rig_answer late = rig_call(&rig, HOTLINE, "complaints.file", "k2", &in.base);
    assert_int_equal(code_of(&late), ERR_NOT_EXECUTED);
    assert_string_equal(reason_of(&late), "draining");
    struct rig_answer ping = rig_call(&rig, HOTLINE, "complaints.ping", "", NULL);
    assert_int_equal(code_of(&ping), 0);
    FollowRequest follow = FOLLOW_REQUEST_INIT;
    follow.credit = 1;
    struct rig_answer feed = rig_call(&rig, HOTLINE, "complaints.follow", "", &follow.base);
    assert_int_equal(code_of(&feed), ERR_NOT_EXECUTED);
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    struct rig_answer done = rig_wait(&rig, taken); /* what was taken is finished */
    assert_int_equal(code_of(&done), 0);
    pg_close(other);
}

static void test_a_full_queue(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    struct rig small;
    rig_open(&small, uri, &(struct calls_options){ .commit_queue_max = 5, .worker_queue_max = 5 },
             "");
    uint64_t ids[400];
    for (int i = 0; i < 400; i++) {
        char name[16];
        snprintf(name, sizeof(name), "q%d", i);
        FileRequest in = rig_file(name, "one");
        RequestHead head = REQUEST_HEAD_INIT;
        head.method = (char *)"complaints.file";
        head.key = name;
        ids[i] = rig_request(&small, HOTLINE, &head, &in.base);
    }
    struct rig_answer refused = rig_wait(&small, ids[399]);
    assert_int_equal(code_of(&refused), ERR_NOT_EXECUTED);
    assert_string_equal(reason_of(&refused), "queue_full");
    assert_true(refused.head->problem->retry_after_ms > 0);
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    rig_close(&small);
    pg_close(other);
}

static void test_requests_that_wait_may_hold_so_much(void **state)
{
    (void)state;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_int_equal(pg_script(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"), 0);
    struct rig small;
    rig_open(&small, uri, &(struct calls_options){ .open_bytes_max = 100 * 1024 }, "");
    char text[60 * 1024];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    uint64_t ids[4];
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "big%d", i);
        FileRequest in = rig_file(name, "one");
        RequestHead head = REQUEST_HEAD_INIT;
        in.text = text;
        head.method = (char *)"complaints.file";
        head.key = name;
        ids[i] = rig_request(&small, HOTLINE, &head, &in.base);
    }
    struct rig_answer last = rig_wait(&small, ids[3]);
    assert_int_equal(code_of(&last), ERR_NOT_EXECUTED);
    assert_string_equal(reason_of(&last), "queue_full");
    struct rig_answer ping = rig_call(&small, HOTLINE, "complaints.ping", "", NULL);
    assert_int_equal(code_of(&ping), 0);
    assert_int_equal(pg_script(other, "ROLLBACK"), 0);
    struct rig_answer first = rig_wait(&small, ids[0]);
    assert_int_equal(code_of(&first), 0);
    rig_close(&small);
    pg_close(other);
}

static void test_rates(void **state)
{
    (void)state;
    struct rig slow;
    rig_open(&slow, uri, &(struct calls_options){ .rate_per_second = 1, .rate_burst = 3 }, "");
    struct rig_answer a;
    for (int i = 0; i < 3; i++) {
        a = rig_call(&slow, HOTLINE, "complaints.ping", "", NULL);
        assert_int_equal(code_of(&a), 0);
    }
    a = rig_call(&slow, HOTLINE, "complaints.ping", "", NULL);
    assert_int_equal(code_of(&a), ERR_RATE_LIMITED);
    assert_in_range(a.head->problem->retry_after_ms, 1, 1001);
    a = rig_call(&slow, "hotline/k2", "complaints.ping", "", NULL); /* a principal's, not a key's */
    assert_int_equal(code_of(&a), ERR_RATE_LIMITED);
    a = rig_call(&slow, "unit/k1", "complaints.ping", "", NULL);
    assert_int_equal(code_of(&a), 0);
    rig_close(&slow);
}

static void test_a_full_disk_is_told_and_ends(void **state)
{
    (void)state;
    char id[] = "01900000-0000-7000-8000-000000000001";
    note_insert(pg, id);
    ExtendRequest in = EXTEND_REQUEST_INIT;
    in.id = id;
    in.working_days = 1;
    in.reason = (char *)"full";
    struct rig_answer a = rig_call(&rig, "unit/k1", "complaints.extend", "x1", &in.base);
    assert_int_equal(code_of(&a), ERR_NOT_EXECUTED);
    assert_string_equal(reason_of(&a), "storage_full");
    assert_true(rig.troubled);
    in.reason = (char *)"fine";
    a = rig_call(&rig, "unit/k1", "complaints.extend", "x1", &in.base);
    assert_int_equal(code_of(&a), 0);
    assert_false(rig.troubled);
}

static void test_an_internal_text_stays_inside(void **state)
{
    (void)state;
    char id[] = "01900000-0000-7000-8000-000000000001";
    note_insert(pg, id);
    ExtendRequest in = EXTEND_REQUEST_INIT;
    in.id = id;
    in.working_days = 1;
    in.reason = (char *)"internal";
    struct rig_answer a = rig_call(&rig, "unit/k1", "complaints.extend", "x1", &in.base);
    assert_int_equal(code_of(&a), ERR_INTERNAL);
    assert_null(strstr(a.head->problem->detail_en, "a defect"));
}

struct figures_look {
    struct calls_figures figures;
    uint64_t ok, unsupported, latencies;
};

/* Figures belong to the loop thread. */
static void look_at_figures(void *arg)
{
    struct figures_look *look = arg;
    calls_figures_read(rig.calls, &look->figures);
    for (int i = 0; i < look->figures.method_count; i++) {
        const struct method_figures *m = &look->figures.methods[i];
        look->ok += m->codes[0];
        look->unsupported += m->codes[-ERR_UNSUPPORTED];
        for (int k = 0; k < CALL_LATENCY_BUCKETS; k++)
            look->latencies += m->latency[k];
    }
}

static void test_figures_count_answers(void **state)
{
    (void)state;
    rig_call(&rig, HOTLINE, "complaints.ping", "", NULL);
    rig_call(&rig, HOTLINE, "complaints.nothing", "", NULL);
    FileRequest in = rig_file("e1", "one");
    rig_call(&rig, HOTLINE, "complaints.file", "k1", &in.base);
    struct figures_look look = { 0 };
    rig_run_on_loop(&rig, look_at_figures, &look);
    assert_int_equal(look.ok, 2);
    assert_int_equal(look.unsupported, 1);
    assert_int_equal(look.latencies, 3);
    assert_int_equal(look.figures.commits.commits, 1);
}

static char peers_path[] = "/tmp/lujian-test-peers-XXXXXX";

static int setup(void **state)
{
    (void)state;
    uri = pg_fixture_database(fixture);
    pg = uri ? pg_fixture_connect(fixture, uri) : NULL;
    int64_t epoch;
    if (!pg || log_open_stream(pg, "complaints", &epoch) < 0)
        return -1;
    rig_install_principals(false);
    rig_open(&rig, uri, &(struct calls_options){ 0 }, peers_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    pg_close(pg);
    pg_fixture_drop(fixture, uri);
    return 0;
}

static int setup_group(void **state)
{
    (void)state;
    int fd = mkstemp(peers_path);
    FILE *peers = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!peers)
        return -1;
    fputs("[gateway-1]\nservice = gateway\npublic_key = rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n"
          "[complaints-1]\nservice = complaints\ndoor = tcp://127.0.0.1:1\n"
          "public_key = Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\n",
          peers);
    fclose(peers);
    fixture = pg_fixture_open(rig_modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    pg_fixture_close(fixture);
    remove(peers_path);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_and_a_query),
        TEST(test_a_replay_answers_with_the_aggregate_as_it_is_now),
        TEST(test_a_refusal_says_why),
        TEST(test_preparation_and_checks),
        TEST(test_messages_that_cannot_be_read),
        TEST(test_who_may_what),
        TEST(test_on_behalf_is_the_edges_alone),
        TEST(test_the_door_knows_keys),
        TEST(test_a_budget_that_is_spent),
        TEST(test_draining),
        TEST(test_a_full_queue),
        TEST(test_requests_that_wait_may_hold_so_much),
        TEST(test_rates),
        TEST(test_a_full_disk_is_told_and_ends),
        TEST(test_an_internal_text_stays_inside),
        TEST(test_figures_count_answers),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
