/* Rules of rows: every refusal of every kind, and that what ships passes them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reference/tests/reference_fixture.h"
#include "world.h"

/* A row, and why it is refused; NULL = it is taken. */
struct row_case {
    const char *row;
    const char *reason;
};

static const char *reason_of(struct facts *facts, struct arena *arena, const char *json)
{
    struct row_check check = { .arena = arena, .facts = facts };
    struct fact *fact = fact_describe(arena, row_parse(arena, json));
    const struct row_refusal *why = rules_check_row(&check, fact);
    if (!why)
        return NULL;
    assert_true(*why->detail && strlen(why->detail) <= ROW_DETAIL_MAX);
    return why->reason;
}

static void check_cases(const struct row_case *cases, size_t count)
{
    struct facts facts;
    struct arena arena;
    world_init(&facts);
    arena_init(&arena, 0);
    for (size_t i = 0; i < count; i++) {
        const char *reason = reason_of(&facts, &arena, cases[i].row);
        if (!reason && !cases[i].reason)
            continue;
        if (!reason || !cases[i].reason || strcmp(reason, cases[i].reason) != 0)
            fail_msg("%s\nis refused as %s, expected %s", cases[i].row, reason ? reason : "(taken)",
                     cases[i].reason ? cases[i].reason : "(taken)");
    }
    arena_clear(&arena);
    facts_clear(&facts);
}

static void test_divisions(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { DIVISION_ROW("370103", "county", "3701", ""), NULL },
        { DIVISION_ROW("370172", "zone", "3701", ""), NULL },
        { DIVISION_ROW("441900001", "town", "4419", ""), "unknown_division" },
        { DIVISION_ROW("370100", "county", "3701", ""), "bad_division" },
        { DIVISION_ROW("370000", "province", "", ""), "bad_division" },
        { DIVISION_ROW("370103", "city", "3701", ""), "level_mismatch" },
        { DIVISION_ROW("370102001001", "town", "370102001", ""), "level_mismatch" },
        { DIVISION_ROW("370103", "county", "3702", ""), "parent_mismatch" },
        { DIVISION_ROW("37", "province", "37", ""), "parent_mismatch" },
        { DIVISION_ROW("370301", "county", "3703", ""), "unknown_division" },
        { DIVISION_ROW("3703", "city", "37",
                       "," Q("valid_from", "2026-01-02") "," Q("valid_to", "2026-01-02")),
          "empty_window" },
        { DIVISION_ROW("3703", "city", "37", "," Q("replaced_by", "3701")),
          "replaced_without_end" },
        { DIVISION_ROW("3703", "city", "37",
                       "," Q("valid_to", "2026-01-01") "," Q("replaced_by", "3709")),
          "unknown_division" },
        { DIVISION_ROW("3703", "city", "37",
                       "," Q("valid_to", "2026-01-01") "," Q("replaced_by", "3703")),
          "replaced_in_a_ring" },
        { DIVISION_ROW("3701", "city", "37", /* 3712 leads to 3701 */
                       "," Q("valid_to", "2026-01-01") "," Q("replaced_by", "3712")),
          "replaced_in_a_ring" },
        { DIVISION_ROW("3703", "city", "37",
                       "," Q("valid_to", "2026-01-01") "," Q("replaced_by", "3712")),
          NULL },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_units(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { UNIT_ROW("3702-default", "3702", "default", "", ""), NULL },
        { UNIT_ROW("3702-urban", "3702", "department", "urban", ""), NULL },
        { UNIT_ROW("3709-default", "3709", "default", "", ""), "unknown_division" },
        { UNIT_ROW("3702-x", "3702", "department", "", ""), "department_mismatch" },
        { UNIT_ROW("3702-x", "3702", "default", "urban", ""), "department_mismatch" },
        /* one in a place at a time */
        { UNIT_ROW("3701-second", "3701", "default", "", ""), "window_overlap" },
        { UNIT_ROW("3701-second", "3701", "default", "", "," Q("valid_from", "2026-01-01")),
          "window_overlap" },
        { UNIT_ROW("3701-urban2", "3701", "department", "urban", ""), "window_overlap" },
        { UNIT_ROW("3701-sup", "3701", "supervision", "", ""), NULL },
        /* the old one is closed: the new begins on that very day, and no day before */
        { UNIT_ROW("3701-new", "3701", "department", "housing", "," Q("valid_from", "2020-01-01")),
          NULL },
        { UNIT_ROW("3701-new", "3701", "department", "housing", "," Q("valid_from", "2019-12-31")),
          "window_overlap" },
        /* the same unit again, changed: it is not in its own way */
        { UNIT_ROW("3701-default", "3701", "default", "", "," Q("valid_to", "2027-01-01")), NULL },
        { UNIT_ROW("3701-default", "3701", "default", "",
                   "," Q("valid_from", "2027-01-01") "," Q("valid_to", "2026-01-01")),
          "empty_window" },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_categories(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { CATEGORY_ROW("heating", "", "true"), NULL },
        { CATEGORY_ROW("noise", "city_management", "true"), NULL },
        { CATEGORY_ROW("noise", "nothing", "true"), "unknown_category" },
        { CATEGORY_ROW("noise", "street_vending", "true"), "parent_is_leaf" },
        { CATEGORY_ROW("city_management", "", "true"), "leaf_with_children" },
        { CATEGORY_ROW("noise", "noise", "false"), "category_ring" },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_category_rings_and_depth(void **state UNUSED)
{
    struct facts facts;
    struct arena arena;
    world_init(&facts);
    arena_init(&arena, 0);
    /* c1 under c0, ... c7 under c6: eight levels; the ninth is too deep, and c0 under c7 is a ring.
     */
    for (int i = 0; i < 8; i++) {
        const char *parent = i ? arena_printf(&arena, "c%d", i - 1) : "";
        const char *row = arena_printf(&arena,
                                       "{\"category\":{\"code\":\"c%d\",\"parent\":\"%s\","
                                       "\"name_zh\":\"z\",\"name_en\":\"e\"}}",
                                       i, parent);
        assert_null(reason_of(&facts, &arena, row));
        facts_put(&facts, fact_describe(&facts.arena, row_parse(&facts.arena, row)));
    }
    assert_string_equal(reason_of(&facts, &arena, CATEGORY_ROW("c8", "c7", "true")), "too_deep");
    assert_string_equal(reason_of(&facts, &arena, CATEGORY_ROW("c0", "c5", "false")),
                        "category_ring");
    arena_clear(&arena);
    facts_clear(&facts);
}

static void test_routes(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { ROUTE_ROW("370102", "street_vending", "", "370102-urban"), NULL },
        { ROUTE_ROW("370102", "street_vending", "", "3701-urban"), NULL },
        { ROUTE_ROW("37", "street_vending", "urban", ""), NULL },
        { ROUTE_ROW("370102001", "street_vending", "urban", ""), NULL },
        { ROUTE_ROW("3709", "street_vending", "urban", ""), "unknown_division" },
        { ROUTE_ROW("3701", "nothing", "urban", ""), "unknown_category" },
        { ROUTE_ROW("3701", "street_vending", "", ""), "target_mismatch" },
        { ROUTE_ROW("3701", "street_vending", "urban", "3701-urban"), "target_mismatch" },
        { ROUTE_ROW("3701", "street_vending", "", "3701-x"), "unknown_unit" },
        { ROUTE_ROW("3701", "street_vending", "", "370102-urban"), "unit_aside" },
        { ROUTE_ROW("3702", "street_vending", "", "3701-urban"), "unit_aside" },
        { ROUTE_ROW("3701", "street_vending", "fishing", ""), "unknown_department" },
        { ROUTE_ROW("3702", "street_vending", "urban", ""), "unknown_department" },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_calendars(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { NOTICE_ROW("2027", DAY("2027-01-01", "off")), NULL },
        { NOTICE_ROW("2026", DAY("2026-01-02", "off")), NULL }, /* a notice may be mended */
        { NOTICE_ROW("2027", DAY("2026-12-31", "off")), NULL },
        { NOTICE_ROW("2027", DAY("2026-12-24", "off")), "day_of_another_year" },
        { NOTICE_ROW("2027", DAY("2028-01-01", "off")), "day_of_another_year" },
        { NOTICE_ROW("2027", ""), "no_days" },
        { NOTICE_ROW("2027", DAY("2027-01-01", "off") "," DAY("2027-01-01", "off")), "day_twice" },
        { NOTICE_ROW("2027", DAY("2027-01-02", "work")), NULL },             /* a Saturday */
        { NOTICE_ROW("2027", DAY("2027-01-04", "work")), "no_weekend_day" }, /* a Monday */
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_deadlines(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { DEADLINE_ROW("visit", "1", "visit", "1", "working_days", ""), NULL },
        { DEADLINE_ROW("visit", "1", "lunch", "1", "working_days", ""), "unknown_kind" },
        { DEADLINE_ROW("visit", "1", "visit", "9999", "months", ""), "bad_term" },
        { DEADLINE_ROW("visit", "1", "visit", "1", "working_days", ",\"roll\":true"), "bad_term" },
        { DEADLINE_ROW("visit", "1", "visit", "30", "natural_days", ",\"roll\":true"), NULL },
        /* the next version begins where the one before ends */
        { DEADLINE_ROW("reply", "2", "reply", "3", "working_days",
                       "," Q("valid_from", "2030-01-01")),
          NULL },
        { DEADLINE_ROW("reply", "2", "reply", "3", "working_days",
                       "," Q("valid_from", "2029-12-31")),
          "window_overlap" },
        { DEADLINE_ROW("reply_fast", "1", "reply", "3", "working_days", ""), "window_overlap" },
        { DEADLINE_ROW("reply", "2", "visit", "3", "working_days", ""), "kind_fixed" },
        /* what a version says stands; its window and basis may be mended */
        { DEADLINE_ROW("sign", "1", "sign", "2", "working_days", ""), "version_fixed" },
        { DEADLINE_ROW("sign", "1", "sign", "1", "natural_days", ""), "version_fixed" },
        { DEADLINE_ROW("sign", "1", "sign", "1", "working_days", "," Q("basis_en", "House rule")),
          NULL },
        { DEADLINE_ROW("sign", "1", "sign", "1", "working_days",
                       "," Q("valid_from", "2026-02-01") "," Q("valid_to", "2026-01-01")),
          "empty_window" },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void test_ladders(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { LADDER_ROW("reply-yellow", "1", "reply", "yellow", "working_days_before_due_on", "1", ""),
          NULL },
        { LADDER_ROW("reply-l1", "1", "reply", "l1", "term_after_previous", "3",
                     "," Q("unit", "working_days")),
          NULL },
        { LADDER_ROW("x", "1", "return", "red", "at_due_at", "0", ""), "unknown_kind" },
        { LADDER_ROW("x", "1", "sign", "l1", "at_due_at", "0", ""), "bad_rung" },
        { LADDER_ROW("x", "1", "order", "red", "at_due_at", "0", ""), "bad_rung" },
        { LADDER_ROW("x", "1", "order", "l2", "term_after_previous", "3",
                     "," Q("unit", "working_days")),
          "bad_anchor" }, /* the first rung follows no other */
        { LADDER_ROW("x", "1", "order", "l3", "term_after_previous", "3", ""), "bad_anchor" },
        { LADDER_ROW("x", "1", "order", "l3", "term_after_previous", "0",
                     "," Q("unit", "working_days")),
          "bad_anchor" },
        { LADDER_ROW("x", "1", "order", "l3", "term_after_previous", "9999",
                     "," Q("unit", "months")),
          "bad_term" },
        { LADDER_ROW("x", "1", "sign", "yellow", "working_days_before_due_on", "9999", ""),
          "bad_term" },
        { LADDER_ROW("x", "1", "order", "l2", "at_due_at", "1", ""), "bad_anchor" },
        { LADDER_ROW("x", "1", "order", "l2", "at_due_at", "0", "," Q("unit", "hours")),
          "bad_anchor" },
        { LADDER_ROW("x", "1", "reply", "red", "at_due_at", "0", ""), "window_overlap" },
        { LADDER_ROW("reply-red", "2", "reply", "l1", "at_due_at", "0", ""), "kind_fixed" },
        { LADDER_ROW("reply-red", "1", "reply", "red", "at_due_at", "0", ""), "version_fixed" },
        { LADDER_ROW("reply-red", "1", "reply", "red", "first_working_day_after_due_on", "0",
                     "," Q("valid_to", "2030-01-01")),
          NULL },
        { LADDER_ROW("x", "1", "sign", "red", "at_due_at", "0",
                     "," Q("valid_from", "2026-02-01") "," Q("valid_to", "2026-01-01")),
          "empty_window" },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

#define KEYED "," Q("curve_public", CURVE_B) "," Q("token_sha256", TOKEN_B)

static void test_principals(void **state UNUSED)
{
    static const struct row_case cases[] = {
        { PRINCIPAL_ROW("unit_370102", "k1", "\"unit\"", "370102", KEYED), NULL },
        { PRINCIPAL_ROW("unit/x", "k1", "\"unit\"", "370102", KEYED), "bad_name" },
        { PRINCIPAL_ROW("u", "k/1", "\"unit\"", "370102", KEYED), "bad_name" },
        { PRINCIPAL_ROW("u", "k1", "", "370102", KEYED), "bad_roles" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\",\"unit\"", "370102", KEYED), "bad_roles" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "", KEYED), "no_jurisdiction" },
        { PRINCIPAL_ROW("edge", "k1", "\"edge\"", "", KEYED), NULL },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "3709", KEYED), "unknown_division" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", KEYED ",\"units\":[\"370102-urban\"]"),
          NULL },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", KEYED ",\"units\":[\"370102-x\"]"),
          "unknown_unit" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", KEYED ",\"units\":[\"3701-urban\"]"),
          "unit_outside" },
        { PRINCIPAL_ROW("u", "k1", "\"supervisor\"", "370102",
                        KEYED ",\"units\":[\"370102-urban\"]"),
          "units_without_role" },
        { PRINCIPAL_ROW("h", "k1", "\"hotline\"", "3702", KEYED ",\"sources\":[\"qingdao-*\"]"),
          NULL },
        { PRINCIPAL_ROW("h", "k1", "\"hotline\"", "3702", KEYED ",\"sources\":[\"q*o\"]"),
          "bad_source" },
        { PRINCIPAL_ROW("h", "k1", "\"hotline\"", "3702", KEYED ",\"sources\":[\"q**\"]"),
          "bad_source" },
        { PRINCIPAL_ROW("h", "k1", "\"unit\"", "3702", KEYED ",\"sources\":[\"q\"]"),
          "sources_without_role" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", "," Q("curve_public", "short")),
          "bad_curve_key" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", "," Q("token_sha256", "abcd")),
          "bad_token_hash" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", ""), "no_key" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", ",\"revoked\":true"), NULL },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", "," Q("curve_public", CURVE_A)),
          "key_taken" },
        { PRINCIPAL_ROW("u", "k1", "\"unit\"", "370102", "," Q("token_sha256", TOKEN_A)),
          "key_taken" },
        { PRINCIPAL_ROW("hotline_3701", "k2", "\"hotline\"", "3701",
                        "," Q("curve_public", CURVE_A)),
          "key_taken" }, /* a second key is another key */
        { PRINCIPAL_ROW("hotline_3701", "k2", "\"hotline\"", "3701", KEYED), NULL },
        { PRINCIPAL_ROW("hotline_3701", "k1", "\"hotline\"", "3701",
                        "," Q("curve_public", CURVE_A) ",\"revoked\":true"),
          NULL },
        { PRINCIPAL_ROW("operator", "k1", "\"operator\"", "",
                        "," Q("token_sha256", TOKEN_A) ",\"revoked\":true"),
          "last_operator" },
        { PRINCIPAL_ROW("operator", "k1", "\"supervisor\"", "37", "," Q("token_sha256", TOKEN_A)),
          "last_operator" },
        { PRINCIPAL_ROW("operator", "k1", "\"operator\",\"supervisor\"", "37",
                        "," Q("token_sha256", TOKEN_A)),
          NULL },
    };
    check_cases(cases, ARRAY_LEN(cases));
}

static void take(struct facts *facts, const char *row)
{
    facts_put(facts, fact_describe(&facts->arena, row_parse(&facts->arena, row)));
}

/* What stands in the way of a key goes away with it. */
static void test_keys_rotate(void **state UNUSED)
{
    static const char second[] =
        PRINCIPAL_ROW("hotline_3701", "k2", "\"hotline\"", "3701", "," Q("token_sha256", TOKEN_B));
    static const char third[] =
        PRINCIPAL_ROW("hotline_3701", "k3", "\"hotline\"", "3701", "," Q("token_sha256", TOKEN_C));
    static const char thief[] =
        PRINCIPAL_ROW("unit_370102", "k1", "\"unit\"", "370102", "," Q("curve_public", CURVE_A));
    struct facts facts;
    struct arena arena;
    world_init(&facts);
    arena_init(&arena, 0);
    assert_null(reason_of(&facts, &arena, second));
    take(&facts, second);
    assert_string_equal(reason_of(&facts, &arena, third), "too_many_keys");
    assert_string_equal(reason_of(&facts, &arena, thief), "key_taken");
    take(&facts, PRINCIPAL_ROW("hotline_3701", "k1", "\"hotline\"", "3701",
                               "," Q("curve_public", CURVE_A) ",\"revoked\":true"));
    assert_null(reason_of(&facts, &arena, third));
    assert_null(reason_of(&facts, &arena, thief));

    static const char operator2[] =
        PRINCIPAL_ROW("operator2", "k1", "\"operator\"", "", "," Q("token_sha256", TOKEN_C));
    static const char leave[] = PRINCIPAL_ROW("operator", "k1", "\"operator\"", "",
                                              "," Q("token_sha256", TOKEN_A) ",\"revoked\":true");
    assert_string_equal(reason_of(&facts, &arena, leave), "last_operator");
    take(&facts, operator2);
    assert_null(reason_of(&facts, &arena, leave));
    arena_clear(&arena);
    facts_clear(&facts);
}

static void test_subjects(void **state UNUSED)
{
    static const struct {
        const char *row, *kind, *key, *division, *subject;
    } cases[] = {
        { DIVISION_ROW("3701", "city", "37", ""), "division", "3701", "3701", "division:3701" },
        { UNIT_ROW("3701-default", "3701", "default", "", ""), "unit", "3701-default", "3701",
          "unit:3701-default" },
        { CATEGORY_ROW("other", "", "true"), "category", "other", "", "category:other" },
        { ROUTE_ROW("3701", "other", "urban", ""), "route", "3701/other", "3701",
          "route:3701/other" },
        { NOTICE_ROW("2026", ""), "calendar_notice", "2026", "", "calendar_notice:2026" },
        { DEADLINE_ROW("reply", "3", "reply", "5", "working_days", ""), "deadline_rule", "reply/3",
          "", "deadline_rule:reply/3" },
        { LADDER_ROW("reply-red", "1", "reply", "red", "at_due_at", "0", ""), "ladder_rule",
          "reply-red/1", "", "ladder_rule:reply-red/1" },
        { PRINCIPAL_ROW("hotline_3701", "k1", "\"hotline\"", "3701", ""), "principal",
          "hotline_3701/k1", "3701", "principal:hotline_3701/k1" },
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fact *fact = fact_describe(&arena, row_parse(&arena, cases[i].row));
        assert_string_equal(fact->kind, cases[i].kind);
        assert_string_equal(fact->key, cases[i].key);
        assert_string_equal(fact->division, cases[i].division);
        assert_string_equal(fact_subject(&arena, fact), cases[i].subject);
    }
    /* A key of the longest kind: its subject still has the contract's shape, and is its own. */
    const char *longest =
        "{\"unit\":{\"code\":\"370102-%056d\",\"division\":\"3701\",\"name\":\"n\","
        "\"kind\":\"default\"}}";
    const char *subjects[2];
    for (int i = 0; i < 2; i++) {
        char row[256];
        snprintf(row, sizeof(row), longest, i);
        subjects[i] = fact_subject(&arena, fact_describe(&arena, row_parse(&arena, row)));
        assert_true(strlen(subjects[i]) <= 64);
        assert_true(wire_pattern_matches(WIRE_PATTERN_CODE, subjects[i], strlen(subjects[i])));
    }
    assert_string_not_equal(subjects[0], subjects[1]);
    ReferenceRow none = REFERENCE_ROW_INIT;
    assert_null(fact_describe(&arena, &none));
    arena_clear(&arena);
}

/* Everything that ships, in the order in which it is loaded, into an empty registry. */
static void test_seed(void **state UNUSED)
{
    struct reference_fixture seed;
    struct facts facts;
    reference_fixture_init(&seed);
    reference_fixture_load_seed(&seed);
    facts_init(&facts);
    assert_true(seed.count > 7000);
    for (int i = 0; i < seed.count; i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        struct row_check check = { .arena = &facts.arena, .facts = &facts };
        assert_int_equal(wire_unpack(&reference_row_rules, &facts.arena, seed.rows[i].data,
                                     seed.rows[i].size, &message, &fault),
                         0);
        struct fact *fact = fact_describe(&facts.arena, (ReferenceRow *)(void *)message);
        const struct row_refusal *why = rules_check_row(&check, fact);
        if (why)
            fail_msg("%s %s: %s", fact->kind, fact->key, why->detail);
        facts_put(&facts, fact);
    }
    facts_clear(&facts);
    reference_fixture_clear(&seed);
}

static void test_who_may_see(void **state UNUSED)
{
    static const struct {
        uint32_t roles;
        const char *subject;
        bool revoked, seen;
    } cases[] = {
        { ROLE_BIT_HOTLINE, "unit:3701-default", false, true },
        { ROLE_BIT_HOTLINE, "principal:operator/k1", false, false },
        { ROLE_BIT_SUPERVISOR | ROLE_BIT_UNIT | ROLE_BIT_IMPORTER, "principal:x/k1", false, false },
        { ROLE_BIT_OPERATOR, "principal:x/k1", false, true },
        { ROLE_BIT_EDGE, "principal:x/k1", false, true },
        { ROLE_BIT_SERVICE, "principal:x/k1", false, true },
        { ROLE_BIT_OPERATOR, "principal:x/k1", true, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct principal reader = { .roles = cases[i].roles, .revoked = cases[i].revoked };
        struct log_record event = { .subject = cases[i].subject };
        assert_int_equal(rules_may_see_event(&reader, &event), cases[i].seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divisions),   cmocka_unit_test(test_units),
        cmocka_unit_test(test_categories),  cmocka_unit_test(test_category_rings_and_depth),
        cmocka_unit_test(test_routes),      cmocka_unit_test(test_calendars),
        cmocka_unit_test(test_deadlines),   cmocka_unit_test(test_ladders),
        cmocka_unit_test(test_principals),  cmocka_unit_test(test_keys_rotate),
        cmocka_unit_test(test_subjects),    cmocka_unit_test(test_seed),
        cmocka_unit_test(test_who_may_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
