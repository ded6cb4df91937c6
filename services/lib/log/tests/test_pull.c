/* Pull: exactly what the reader may see, `through` that moves over the rest, and limits. */
#include "feed_rig.h"

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

struct puller {
    struct log_rig *rig;
    int who; /* of rig_readers */
    const char *division, *type;
    uint32_t limit; /* 0 = absent */
    char after[LOG_CURSOR_TEXT_SIZE];
    struct arena arena;
    PullResponse *out;
};

static void puller_init(struct puller *p, struct log_rig *rig, int who)
{
    *p = (struct puller){ .rig = rig, .who = who, .division = "" };
    arena_init(&p->arena, 0);
}

static int pull(struct puller *p)
{
    const struct feed_authority authority = rig_authority();
    struct feed_view view;
    arena_reset(&p->arena);
    PullRequest *in = wire_new(&p->arena, &pull_request_rules);
    in->after = arena_strdup(&p->arena, p->after);
    in->division = arena_strdup(&p->arena, p->division);
    if (p->type) {
        in->types = arena_array(&p->arena, char *, 1);
        in->types[in->n_types++] = arena_strdup(&p->arena, p->type);
    }
    if (p->limit) {
        in->limit_choice_case = PULL_REQUEST_LIMIT_CHOICE_LIMIT;
        in->limit = p->limit;
    }
    p->out = wire_new(&p->arena, &pull_response_rules);
    assert_int_equal(rig_look(NULL, rig_readers[p->who].user, "", p->division, &view), 0);
    int r = log_pull(p->rig->pg, &p->arena, "complaints", in, &authority, &view, p->out);
    rig_leave(NULL, &view);
    if (r >= 0)
        snprintf(p->after, sizeof(p->after), "%s", p->out->through);
    return r;
}

/* Pulls to the head, event by event as the model says. */
static void pull_all(struct puller *p)
{
    const struct model_filter filter = { &rig_readers[p->who], p->division, p->type };
    struct wire_fault fault;
    int64_t last = 0, pulls = 0;
    char before[LOG_CURSOR_TEXT_SIZE];
    do {
        strcpy(before, p->after);
        assert_int_equal(pull(p), 0);
        assert_int_equal(wire_check(&pull_response_rules, &p->out->base, &fault), 0);
        for (size_t i = 0; i < p->out->n_events; i++) {
            const Event *e = p->out->events[i];
            const struct model_event *m = &p->rig->model[e->position - 1];
            assert_int_equal(e->position, model_next(p->rig, &filter, last));
            assert_string_equal(e->type, m->type);
            assert_string_equal(e->division, m->division);
            assert_string_equal(e->subject, m->subject);
            last = e->position;
        }
        assert_true(++pulls < 2000);
    } while (strcmp(before, p->after) != 0); /* the head is reached when through equals after */
    assert_int_equal(model_next(p->rig, &filter, last), p->rig->head + 1);
    char head[LOG_CURSOR_TEXT_SIZE];
    snprintf(head, sizeof(head), "complaints:1:%d", (int)p->rig->head);
    assert_string_equal(p->after, head);
    arena_clear(&p->arena);
}

static void test_every_reader_gets_exactly_his(void **state UNUSED)
{
    struct log_rig rig;
    struct puller p;
    log_rig_open(&rig, fixture);
    for (int i = 0; i < 4; i++) {
        rig_append(&rig, 350, 100);
        rig_append_move(&rig, "370102", "3702");
        rig_append_move(&rig, "370102", "370103");
    }
    const char *const divisions[] = { "", "3701", "370102", "3702", "37" };
    const char *const types[] = { NULL, "complaint.signed.v1", "complaint.moved_out.v1" };
    const uint32_t limits[] = { 0, 1000, 7 };
    for (int who = 0; who < 3; who++)
        for (size_t d = 0; d < ARRAY_LEN(divisions); d++)
            for (size_t t = 0; t < ARRAY_LEN(types); t++) {
                puller_init(&p, &rig, who);
                p.division = divisions[d];
                p.type = types[t];
                p.limit = limits[(d + t) % ARRAY_LEN(limits)];
                pull_all(&p);
            }
    log_rig_close(&rig);
}

static void test_empty_log(void **state UNUSED)
{
    struct log_rig rig;
    struct puller p;
    log_rig_open(&rig, fixture);
    puller_init(&p, &rig, 2);
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, 0);
    assert_string_equal(p.out->through, "complaints:1:0");
    assert_int_equal(pull(&p), 0);
    assert_string_equal(p.out->through, "complaints:1:0");
    rig_append(&rig, 3, 10);
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, 3);
    arena_clear(&p.arena);
    log_rig_close(&rig);
}

static void test_limits(void **state UNUSED)
{
    struct log_rig rig;
    struct puller p;
    log_rig_open(&rig, fixture);
    for (int i = 0; i < 12; i++)
        rig_append(&rig, 1000, 10);
    puller_init(&p, &rig, 2);
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, PULL_LIMIT_DEFAULT);
    assert_string_equal(p.out->through, "complaints:1:100");
    p.limit = 1;
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, 1);
    assert_string_equal(p.out->through, "complaints:1:101");
    p.limit = 1000;
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, 1000);
    assert_string_equal(p.out->through, "complaints:1:1101");
    /* What finds nothing stops after a slice and says how far it has looked. */
    p.type = "order.issued.v1";
    assert_int_equal(pull(&p), 0);
    assert_int_equal(p.out->n_events, 0);
    char through[LOG_CURSOR_TEXT_SIZE];
    snprintf(through, sizeof(through), "complaints:1:%d", 1101 + LOG_SLICE_MAX);
    assert_string_equal(p.out->through, through);
    assert_int_equal(pull(&p), 0);
    assert_string_equal(p.out->through, "complaints:1:12000");
    arena_clear(&p.arena);
    log_rig_close(&rig);
}

/* An answer is one frame: big events make it end early, and the next pull goes on there. */
static void test_big_events(void **state UNUSED)
{
    struct log_rig rig;
    struct puller p;
    log_rig_open(&rig, fixture);
    for (int i = 0; i < 3; i++)
        rig_append(&rig, 12, TX_EVENT_DATA_MAX);
    puller_init(&p, &rig, 2);
    p.limit = 1000;
    assert_int_equal(pull(&p), 0);
    assert_in_range(p.out->n_events, 8, 12);
    assert_true(protobuf_c_message_get_packed_size(&p.out->base) <
                DOOR_FRAME_BYTES_MAX - 64 * 1024);
    p.after[0] = 0;
    pull_all(&p);
    log_rig_close(&rig);
}

static void test_cursors(void **state UNUSED)
{
    struct log_rig rig;
    struct puller p;
    log_rig_open(&rig, fixture);
    rig_append(&rig, 5, 10);
    puller_init(&p, &rig, 2);
    const struct {
        const char *after;
        int code;
    } cases[] = {
        { "complaints:1:5", 0 },
        { "complaints:1:6", ERR_CURSOR_MISMATCH }, /* beyond the head */
        { "complaints:2:3", ERR_CURSOR_MISMATCH },
        { "complaints:0:0", ERR_CURSOR_MISMATCH },
        { "registry:1:3", ERR_INVALID_ARGUMENT },
        { "complaints:1", ERR_INVALID_ARGUMENT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        strcpy(p.after, cases[i].after);
        assert_int_equal(pull(&p), cases[i].code);
        if (cases[i].code == ERR_CURSOR_MISMATCH)
            assert_string_equal(err_last()->reason, "cursor_mismatch");
    }
    assert_int_equal(pg_script(rig.pg, "UPDATE log_stream SET epoch = 2"), 0);
    strcpy(p.after, "complaints:1:5");
    assert_int_equal(pull(&p), ERR_CURSOR_MISMATCH);
    arena_clear(&p.arena);
    log_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reader_gets_exactly_his),
        cmocka_unit_test(test_empty_log),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_big_events),
        cmocka_unit_test(test_cursors),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
