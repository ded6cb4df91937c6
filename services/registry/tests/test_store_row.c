/* Loads on a real PostgreSQL: what is taken, told and answered, who takes turns, pages, the first
 * operator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "pg/tests/pg_fixture.h"
#include "reference/mirror.h"
#include "world.h"

static struct pg_fixture *fixture;
static const struct pg_module *const modules[] = { &log_module, &reference_module, &registry_module,
                                                   NULL };

/* A database of the test's own with its stream open, and what a request needs. */
struct bench {
    const char *uri;
    struct pg *pg;
    struct arena arena;
    struct principal actor;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    int64_t epoch;
    arena_init(&b->arena, 0);
    b->actor = (struct principal){ .id = "operator", .key_id = "k1", .roles = ROLE_BIT_OPERATOR };
    b->uri = pg_fixture_database(fixture);
    b->pg = b->uri ? pg_fixture_connect(fixture, b->uri) : NULL;
    *state = b;
    return b->pg && log_open_stream(b->pg, "registry", &epoch) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    pg_close(b->pg);
    pg_fixture_drop(fixture, b->uri);
    arena_clear(&b->arena);
    free(b);
    return 0;
}

static LoadRequest *request_of(struct bench *b, const char *const *rows, size_t count)
{
    LoadRequest *in = wire_new(&b->arena, &load_request_rules);
    in->rows = arena_array(&b->arena, ReferenceRow *, count);
    in->n_rows = count;
    for (size_t i = 0; i < count; i++)
        in->rows[i] = row_parse(&b->arena, rows[i]);
    return in;
}

/* One command in a transaction of its own, as a committer runs it. */
static int run_load(struct bench *b, struct tx *tx, const LoadRequest *in, LoadResponse **ret_out,
                    const char **ret_aggregate)
{
    struct request *rq = arena_new(&b->arena, struct request);
    int r = tx_begin(tx, b->pg, &b->arena);
    assert_int_equal(r, 0);
    assert_int_equal(tx_now(tx), 0);
    *rq = (struct request){ .arena = &b->arena,
                            .method = &registry_load_method,
                            .actor = &b->actor,
                            .tx = tx,
                            .now_ms = tx->now_ms };
    *ret_out = wire_new(&b->arena, &load_response_rules);
    r = registry_load_apply(rq, in, *ret_out);
    *ret_aggregate = rq->aggregate;
    return r;
}

static LoadResponse *load(struct bench *b, const char *const *rows, size_t count)
{
    struct tx tx;
    LoadResponse *out;
    const char *aggregate;
    assert_int_equal(run_load(b, &tx, request_of(b, rows, count), &out, &aggregate), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    return out;
}

static int events(struct bench *b, int64_t after, struct log_record **ret)
{
    int count;
    assert_int_equal(log_read(b->pg, &b->arena, after, 1000, ret, &count), 0);
    return count;
}

static void test_load_twice(void **state)
{
    struct bench *b = *state;
    struct log_record *told;
    LoadResponse *out = load(b, world_rows, ARRAY_LEN(world_rows));
    assert_int_equal(out->n_faults, 0);
    assert_int_equal(out->changed, ARRAY_LEN(world_rows));
    assert_int_equal(events(b, 0, &told), ARRAY_LEN(world_rows));
    for (size_t i = 0; i < ARRAY_LEN(world_rows); i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        struct fact *fact = fact_describe(&b->arena, row_parse(&b->arena, world_rows[i]));
        assert_string_equal(told[i].type, "reference.changed.v1");
        assert_string_equal(told[i].subject, fact_subject(&b->arena, fact));
        assert_string_equal(told[i].division, fact->division);
        assert_int_equal(wire_unpack(&reference_changed_rules, &b->arena, told[i].data,
                                     told[i].size, &message, &fault),
                         0);
        const ReferenceChanged *e = (const ReferenceChanged *)(const void *)message;
        const struct fact *row = fact_describe(&b->arena, e->row);
        assert_string_equal(e->kind, fact->kind);
        assert_string_equal(e->key, fact->key);
        assert_int_equal(row->size, fact->size);
        assert_memory_equal(row->data, fact->data, fact->size);
    }

    out = load(b, world_rows, ARRAY_LEN(world_rows));
    assert_int_equal(out->changed, 0);
    assert_int_equal(out->unchanged, ARRAY_LEN(world_rows));
    assert_int_equal(events(b, 0, &told), ARRAY_LEN(world_rows));
}

static void test_faulty_rows_in_between(void **state)
{
    struct bench *b = *state;
    struct log_record *told;
    static const char *const rows[] = {
        DIVISION_ROW("37", "province", "", ""),
        DIVISION_ROW("370102", "county", "3701", ""), /* its parent comes too late */
        DIVISION_ROW("3701", "city", "37", ""),
        "{}", /* of no kind */
        UNIT_ROW("3701-default", "3701", "default", "", ""),
        UNIT_ROW("3701-default", "3701", "default", "", "," Q("short_name", "s")),
        UNIT_ROW("3701-default", "3701", "default", "", ""), /* once more, the same */
    };
    LoadResponse *out = load(b, rows, ARRAY_LEN(rows));
    assert_int_equal(out->changed, 3);
    assert_int_equal(out->unchanged, 1);
    assert_int_equal(out->n_faults, 3);
    static const struct {
        uint32_t row;
        const char *reason;
    } expected[] = { { 1, "unknown_division" }, { 3, "no_row" }, { 5, "key_twice" } };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(out->faults[i]->row, expected[i].row);
        assert_string_equal(out->faults[i]->reason, expected[i].reason);
    }
    assert_int_equal(events(b, 0, &told), 3);

    /* What was refused for its parent is taken now; a change of one row is one event. */
    static const char *const later[] = {
        DIVISION_ROW("370102", "county", "3701", ""),
        DIVISION_ROW("3701", "city", "37", ""),
        UNIT_ROW("3701-default", "3701", "default", "", "," Q("short_name", "s")),
    };
    out = load(b, later, ARRAY_LEN(later));
    assert_int_equal(out->changed, 2);
    assert_int_equal(out->unchanged, 1);
    assert_int_equal(events(b, 3, &told), 2);
    assert_string_equal(told[1].subject, "unit:3701-default");
}

static void test_replayed_answer(void **state)
{
    struct bench *b = *state;
    struct tx tx;
    LoadResponse *out, *again = wire_new(&b->arena, &load_response_rules);
    const char *aggregate;
    static const char *const rows[] = {
        DIVISION_ROW("37", "province", "", ""),
        DIVISION_ROW("370102", "county", "3701", ""),
    };
    assert_int_equal(run_load(b, &tx, request_of(b, rows, 2), &out, &aggregate), 0);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    struct request rq = { .arena = &b->arena, .pg = b->pg, .actor = &b->actor };
    assert_int_equal(registry_load_view(&rq, aggregate, again), 0);
    assert_int_equal(again->changed, 1);
    assert_int_equal(again->n_faults, 1);
    assert_int_equal(again->faults[0]->row, 1);
    assert_string_equal(again->faults[0]->reason, "unknown_division");
    assert_int_equal(registry_load_view(&rq, "00000000-0000-7000-8000-000000000000", again),
                     ERR_NOT_FOUND);
}

static void test_one_load_at_a_time(void **state)
{
    struct bench *b = *state;
    struct bench other = { .uri = b->uri, .actor = b->actor };
    struct tx first, second;
    LoadResponse *out;
    const char *aggregate;
    static const char *const rows[] = { DIVISION_ROW("37", "province", "", "") };
    other.pg = pg_fixture_connect(fixture, b->uri);
    assert_non_null(other.pg);
    arena_init(&other.arena, 0);

    assert_int_equal(run_load(b, &first, request_of(b, rows, 1), &out, &aggregate), 0);
    assert_int_equal(out->changed, 1);
    /* While the first is open the second is told to come again, and has written nothing. */
    assert_int_equal(run_load(&other, &second, request_of(&other, rows, 1), &out, &aggregate),
                     ERR_IN_PROGRESS);
    assert_false(second.wrote);
    tx_rollback(&second);
    /* A second load of the same batch has the turn already, and sees what the first wrote. */
    struct request rq = {
        .arena = &b->arena, .actor = &b->actor, .tx = &first, .now_ms = first.now_ms
    };
    out = wire_new(&b->arena, &load_response_rules);
    assert_int_equal(registry_load_apply(&rq, request_of(b, rows, 1), out), 0);
    assert_int_equal(out->unchanged, 1);
    assert_int_equal(tx_commit(&first), PG_DONE);

    assert_int_equal(run_load(&other, &second, request_of(&other, rows, 1), &out, &aggregate), 0);
    assert_int_equal(out->unchanged, 1);
    assert_int_equal(tx_commit(&second), PG_DONE);
    pg_close(other.pg);
    arena_clear(&other.arena);
}

static int list(struct bench *b, const char *kind, const char *division, const char *after,
                int count_max, struct listed_row **ret)
{
    const char *prefixes[] = { division, NULL };
    struct row_filter filter = { .kind = kind,
                                 .divisions = division ? prefixes : NULL,
                                 .after = after,
                                 .count_max = count_max };
    int count;
    assert_int_equal(store_rows_list(b->pg, &b->arena, &filter, ret, &count), 0);
    return count;
}

static void test_list(void **state)
{
    struct bench *b = *state;
    struct listed_row *rows;
    load(b, world_rows, ARRAY_LEN(world_rows));
    assert_int_equal(list(b, "division", NULL, "", 100, &rows), 7);
    assert_int_equal(list(b, "division", "3701", "", 100, &rows), 4);
    assert_string_equal(rows[0].key, "3701");
    assert_string_equal(rows[3].row->division->code, "370171");
    assert_int_equal(list(b, "unit", "3701", "", 100, &rows), 5);
    assert_int_equal(list(b, "category", "3701", "", 100, &rows), 3); /* hold everywhere */
    assert_int_equal(list(b, "nothing", NULL, "", 100, &rows), 0);

    /* Pages: each row once, in order. */
    const char *after = "";
    int seen = 0, count;
    while ((count = list(b, "unit", NULL, after, 2, &rows)) > 0) {
        for (int i = 0; i < count; i++) {
            assert_true(strcmp(after, rows[i].key) < 0);
            after = rows[i].key;
        }
        seen += count;
    }
    assert_int_equal(seen, 6);
}

static ListRowsResponse *list_rows(struct bench *b, struct request *rq, const char *kind)
{
    ListRowsRequest *in = wire_new(&b->arena, &list_rows_request_rules);
    ListRowsResponse *out = wire_new(&b->arena, &list_rows_response_rules);
    in->kind = arena_strdup(&b->arena, kind);
    rq->arena = &b->arena;
    rq->pg = b->pg;
    if (registry_list_check(rq, in) < 0)
        return NULL;
    assert_int_equal(registry_list_rows(rq, in, out), 0);
    return out;
}

static void test_who_lists_principals(void **state)
{
    struct bench *b = *state;
    struct principal unit = { .id = "unit_370102", .roles = ROLE_BIT_UNIT };
    struct request rq = { .actor = &b->actor };
    load(b, world_rows, ARRAY_LEN(world_rows));
    ListRowsResponse *out = list_rows(b, &rq, "principal");
    assert_int_equal(out->n_rows, 2);
    for (size_t i = 0; i < out->n_rows; i++)
        assert_string_equal(out->rows[i]->principal->token_sha256, "");
    assert_string_equal(out->rows[0]->principal->curve_public, CURVE_A);

    rq.actor = &unit;
    assert_null(list_rows(b, &rq, "principal"));
    assert_int_equal(err_last()->code, ERR_PERMISSION_DENIED);
    assert_int_equal(list_rows(b, &rq, "unit")->n_rows, 6);
    assert_null(list_rows(b, &rq, "lunch"));
    assert_int_equal(err_last()->code, ERR_NOT_FOUND);
}

static const char *write_file(struct bench *b, const char *text)
{
    const char *path = arena_printf(&b->arena, "/tmp/lujian-bootstrap-%d.ini", (int)getpid());
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
    return path;
}

static void test_bootstrap(void **state)
{
    struct bench *b = *state;
    struct log_record *told;
    struct listed_row *rows;
    const char *path =
        write_file(b, "principal = operator\nkey_id = k1\ntoken_sha256 = " TOKEN_A "\n");
    assert_int_equal(registry_bootstrap(b->pg, ""), 0);
    assert_int_equal(registry_bootstrap(b->pg, "/nonexistent/bootstrap.ini"), 0);
    assert_int_equal(events(b, 0, &told), 0);

    for (int i = 0; i < 2; i++) /* the second start finds it there */
        assert_int_equal(registry_bootstrap(b->pg, path), 0);
    assert_int_equal(events(b, 0, &told), 1);
    assert_string_equal(told[0].subject, "principal:operator/k1");
    assert_int_equal(list(b, "principal", NULL, "", 10, &rows), 1);
    assert_int_equal(rows[0].row->principal->roles[0], ROLE_OPERATOR);

    /* Revoked is revoked: the file does not bring it back. */
    static const char *const revoked[] = {
        PRINCIPAL_ROW("operator2", "k1", "\"operator\"", "", "," Q("token_sha256", TOKEN_B)),
        PRINCIPAL_ROW("operator", "k1", "\"operator\"", "",
                      "," Q("token_sha256", TOKEN_A) ",\"revoked\":true"),
    };
    assert_int_equal(load(b, revoked, 2)->changed, 2);
    assert_int_equal(registry_bootstrap(b->pg, path), 0);
    assert_int_equal(list(b, "principal", NULL, "", 10, &rows), 2);
    assert_true(rows[0].row->principal->revoked);

    static const char *const broken[] = {
        "principal = operator\n",
        "principal = operator\nkey_id = k9\n", /* neither key nor token */
        "principal = operator\nkey_id = k9\ntoken_sha256 = nothex\n",
        "principal = operator\nkey_id = k9\ntoken = secret\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        assert_true(registry_bootstrap(b->pg, write_file(b, broken[i])) < 0);
        assert_null(strstr(err_last()->text, "secret"));
        assert_true(pg_alive(b->pg));
    }
    assert_int_equal(events(b, 0, &told), 3);
    unlink(path);
}

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_load_twice),
        TEST(test_faulty_rows_in_between),
        TEST(test_replayed_answer),
        TEST(test_one_load_at_a_time),
        TEST(test_list),
        TEST(test_who_lists_principals),
        TEST(test_bootstrap),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
