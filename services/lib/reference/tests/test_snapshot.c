/* The snapshot over the seed's own rows and over small registries made for one question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "reference/tests/reference_fixture.h"

#define TODAY day_from_ymd(2026, 11, 24)

static struct snapshot *build(struct reference_fixture *f)
{
    struct snapshot *s = reference_fixture_build(f, TODAY);
    reference_fixture_clear(f);
    return s;
}

/* -- the seed -- */

static struct snapshot *seed;

static int load_seed(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    seed = build(&f);
    return 0;
}

static int drop_seed(void **state)
{
    (void)state;
    snapshot_put(seed);
    return 0;
}

static void test_division_codes(void **state)
{
    (void)state;
    static const struct {
        const char *given, *found; /* NULL = unknown */
    } cases[] = {
        { "37", "37" },
        { "370000", "37" },
        { "370000000000", "37" },
        { "3701", "3701" },
        { "370100", "3701" },
        { "370102", "370102" },
        { "370102000", "370102" },
        { "370102000000", "370102" },
        { "3712", "3701" },     /* 莱芜市 became part of 济南市 */
        { "371200", "3701" },   /* both at once */
        { "371202", "370116" }, /* 莱城区 */
        { "371203", "370117" },
        { "370176", "370176" }, /* a zone */
        { "", NULL },
        { "3", NULL },
        { "370", NULL },
        { "37010", NULL },
        { "3701020", NULL },
        { "99", NULL },
        { "00", NULL },
        { "379999", NULL },
        { "370102999", NULL }, /* a town that is not there */
        { "3701 2", NULL },
        { "-70102", NULL },
        { "370102001001001", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct division *d = snapshot_division(seed, cases[i].given);
        if (!cases[i].found) {
            if (d)
                fail_msg("%s found %s", cases[i].given, d->code);
            continue;
        }
        if (!d)
            fail_msg("%s not found", cases[i].given);
        assert_string_equal(d->code, cases[i].found);
    }
    assert_int_equal(snapshot_division(seed, "37")->level, DIVISION_LEVEL_PROVINCE);
    assert_int_equal(snapshot_division(seed, "370176")->level, DIVISION_LEVEL_ZONE);
}

static void test_owners(void **state)
{
    (void)state;
    static const struct {
        const char *division, *default_unit, *supervision, *superior;
    } cases[] = {
        { "37", "37-default", "37-justice", "37" },
        { "3701", "3701-default", "3701-justice", "37" },
        { "370102", "370102-default", "370102-justice", "3701" },
        { "370176", "370176-default", "370176-justice", "3701" },
        { "370102001", "370102001-default", "370102-justice", "370102" },
        { "371202", "370116-default", "370116-justice", "3701" },
        { "370102999", "370102-default", "370102-justice", "3701" }, /* unknown: nearest above */
        { "99", "37-default", "37-justice", "37" },
        { "nonsense", "37-default", "37-justice", "37" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *code = cases[i].division;
        assert_string_equal(snapshot_default_unit(seed, code)->code, cases[i].default_unit);
        assert_string_equal(snapshot_supervision_body(seed, code)->code, cases[i].supervision);
        assert_string_equal(snapshot_superior(seed, code)->code, cases[i].superior);
    }
    assert_string_equal(snapshot_unit(seed, "3702-transport")->division, "3702");
    assert_null(snapshot_unit(seed, "3702-nobody"));
    assert_null(snapshot_unit(seed, ""));
}

static void test_categories(void **state)
{
    (void)state;
    assert_string_equal(snapshot_category(seed, "")->code, "other");
    assert_string_equal(snapshot_category(seed, "heating")->code, "heating");
    const struct category *c = snapshot_category(seed, "城管执法");
    assert_non_null(c);
    assert_true(c->leaf);
    assert_string_equal(snapshot_category(seed, c->code)->name_zh, "城管执法");
    assert_null(snapshot_category(seed, "no_such_category"));
    assert_null(snapshot_category(seed, "没有这个类别"));
}

static void test_seed_routes(void **state)
{
    (void)state;
    static const struct {
        const char *division, *category, *unit;
    } cases[] = {
        { "370102", "street_vending", "370102-urban" },
        { "370102001", "street_vending", "370102-urban" }, /* a town's: its county's */
        { "3701", "street_vending", "3701-urban" },
        { "37", "street_vending", "37-urban" },
        { "370102", "other", "370102-default" },
        { "370102", "", "370102-default" },
        { "370102", "unheard_of", "370102-default" },
        { "370202", "public_transit", "3702-transport" },   /* the city's, by its own rule */
        { "370281", "public_transit", "370281-transport" }, /* but not there */
        { "370281", "taxi", "370281-transport" },
        { "370176", "street_vending", "3701-urban" },     /* a zone has no departments */
        { "370176", "heating", "3701-housing" },          /* its rule is for the group housing */
        { "371071", "street_vending", "371071-default" }, /* here the zone answers itself */
        { "371202", "street_vending", "370116-urban" },   /* replaced */
        { "370000", "street_vending", "37-urban" },
        { "370102999", "street_vending", "370102-urban" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct unit *u = snapshot_route(seed, cases[i].division, cases[i].category);
        assert_non_null(u);
        if (strcmp(u->code, cases[i].unit) != 0)
            fail_msg("%s x %s went to %s, not %s", cases[i].division, cases[i].category, u->code,
                     cases[i].unit);
    }
}

static void test_seed_rules(void **state)
{
    (void)state;
    const struct deadline_rule *rule = snapshot_deadline_rule(seed, "reply", TODAY);
    assert_non_null(rule);
    assert_int_equal(rule->term.unit, TERM_WORKING_DAYS);
    assert_int_equal(rule->term.count, 5);
    assert_ptr_equal(snapshot_deadline_rule_version(seed, rule->id, rule->version), rule);
    assert_null(snapshot_deadline_rule_version(seed, rule->id, 99));
    assert_null(snapshot_deadline_rule(seed, "no_such_kind", TODAY));
    assert_int_equal(snapshot_deadline_rule(seed, "dispatch", TODAY)->term.unit, TERM_HOURS);

    int count;
    const struct ladder_rule *const *ladder = snapshot_ladder(seed, "reply", TODAY, &count);
    assert_int_equal(count, 6);
    for (int i = 0; i < count; i++)
        assert_int_equal(ladder[i]->rung, RUNG_YELLOW + i);
    snapshot_ladder(seed, "return", TODAY, &count);
    assert_int_equal(count, 0);

    int32_t day;
    bool provisional = true;
    /* 2026-02-13, 7 working days: the domain's own vector, through rows and notices */
    assert_int_equal(calendar_add_working_days(snapshot_calendar(seed), day_from_ymd(2026, 2, 13),
                                               7, &day, &provisional),
                     0);
    assert_int_equal(day, day_from_ymd(2026, 3, 2));
    assert_false(provisional);
    assert_true(snapshot_calendar_position(seed) > 0);
    assert_true(snapshot_calendar_position(seed) < snapshot_position(seed));
    assert_int_equal(snapshot_day(seed), TODAY);
}

static void test_lookups_are_fast(void **state)
{
    (void)state;
    enum { ROUNDS = 200000 };
    static const char *const divisions[] = { "370102001", "370202", "371202", "370000", "370176" };
    static const char *const categories[] = { "street_vending", "public_transit", "other" };
    struct timespec start, end; /* of this thread alone: tests run beside each other */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    size_t found = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const char *division = divisions[(size_t)i % ARRAY_LEN(divisions)];
        const struct category *c =
            snapshot_category(seed, categories[(size_t)i % ARRAY_LEN(categories)]);
        found += snapshot_route(seed, division, c->code) != NULL;
        found += snapshot_default_unit(seed, division) != NULL;
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    double us =
        ((double)(end.tv_sec - start.tv_sec) * 1e6 + (double)(end.tv_nsec - start.tv_nsec) / 1e3) /
        ROUNDS;
    print_message("category + route + default unit: %.3f us\n", us);
    assert_int_equal(found, 2 * ROUNDS);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(us < 2.0);
#endif
}

/* -- small registries -- */

static void test_replaced_chains_and_rings(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_division(&f, "37", NULL, NULL, NULL);
    reference_fixture_division(&f, "3701", NULL, NULL, NULL);
    reference_fixture_division(&f, "370101", NULL, "2020-01-01", "370102"); /* a chain */
    reference_fixture_division(&f, "370102", NULL, "2022-01-01", "370103");
    reference_fixture_division(&f, "370103", NULL, NULL, NULL);
    reference_fixture_division(&f, "370104", NULL, "2020-01-01", "370105"); /* a ring */
    reference_fixture_division(&f, "370105", NULL, "2020-01-01", "370104");
    reference_fixture_division(&f, "370106", NULL, "2027-01-01", "370103"); /* announced, not yet */
    reference_fixture_division(&f, "370107", NULL, "2020-01-01", "379999"); /* into nothing */
    reference_fixture_division(&f, "370108", NULL, "2020-01-01", NULL); /* gone without successor */
    reference_fixture_division(&f, "370109", NULL, NULL, "370109");     /* itself */
    reference_fixture_division(&f, "370200", NULL, NULL, NULL);         /* filled up: nobody's */
    reference_fixture_division(&f, "370101001", NULL, NULL, NULL);      /* below a replaced one */
    reference_fixture_division(&f, "370108001", NULL, NULL, NULL);      /* below one that is gone */
    reference_fixture_unit(&f, "top", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    reference_fixture_unit(&f, "successor", "370103", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    struct snapshot *s = build(&f);

    static const struct {
        const char *given, *found, *default_unit;
    } cases[] = {
        { "370101", "370103", "successor" },
        { "370102", "370103", "successor" },
        { "370104", "370104", "top" },
        { "370105", "370105", "top" },
        { "370106", "370106", "top" },
        { "370107", "370107", "top" },
        { "370108", "370108", "top" },
        { "370109", "370109", "top" },
        { "370101001", "370101001", "successor" },
        { "370108001", "370108001", "top" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(snapshot_division(s, cases[i].given)->code, cases[i].found);
        assert_string_equal(snapshot_default_unit(s, cases[i].given)->code, cases[i].default_unit);
    }
    assert_string_equal(snapshot_superior(s, "370101001")->code, "370103");
    assert_string_equal(snapshot_superior(s, "370108001")->code, "3701");

    assert_true(snapshot_covers(s, "370103", "370101"));
    assert_true(snapshot_covers(s, "3701", "370101"));
    assert_true(snapshot_covers(s, "370101", "370101")); /* who had it goes on seeing it */
    assert_false(snapshot_covers(s, "370104", "370101"));
    assert_true(snapshot_covers(s, "", "370104"));
    assert_true(snapshot_covers(s, "37", ""));
    assert_false(snapshot_covers(s, "3701", ""));
    assert_true(snapshot_covers(s, "370100", "370104"));

    struct arena arena;
    arena_init(&arena, 0);
    const char *const *scope = snapshot_scope(s, &arena, "370103");
    bool seen[3] = { false };
    int count = 0;
    for (; scope[count]; count++) {
        seen[0] = seen[0] || strcmp(scope[count], "370103") == 0;
        seen[1] = seen[1] || strcmp(scope[count], "370101") == 0;
        seen[2] = seen[2] || strcmp(scope[count], "370102") == 0;
    }
    assert_int_equal(count, 3);
    assert_true(seen[0] && seen[1] && seen[2]);
    scope = snapshot_scope(s, &arena, "3701"); /* all of them lie below by their own code */
    assert_string_equal(scope[0], "3701");
    assert_null(scope[1]);
    arena_clear(&arena);
    snapshot_put(s);
}

static void test_parents_never_ring(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    static char one[] = "370101", two[] = "370102";
    Division d = DIVISION_INIT;
    d.name = one;
    d.level = DIVISION_LEVEL_COUNTY;
    d.code = one;
    d.parent = two;
    reference_fixture_add(&f, REFERENCE_ROW_ROW_DIVISION, &d.base);
    d.code = two;
    d.parent = one;
    reference_fixture_add(&f, REFERENCE_ROW_ROW_DIVISION, &d.base);
    struct snapshot *s = build(&f);
    assert_non_null(snapshot_superior(s, "370101"));
    assert_null(snapshot_default_unit(s, "370101"));
    assert_null(snapshot_route(s, "370101", "other"));
    snapshot_put(s);
}

static void test_units_out_of_force(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_division(&f, "37", NULL, NULL, NULL);
    reference_fixture_division(&f, "3701", NULL, NULL, NULL);
    reference_fixture_division(&f, "370101", NULL, NULL, NULL);
    reference_fixture_unit(&f, "37-d", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    reference_fixture_unit(&f, "3701-d", "3701", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    reference_fixture_unit(&f, "370101-d", "370101", UNIT_KIND_DEFAULT, NULL, NULL,
                           "2026-11-24"); /* today gone */
    reference_fixture_unit(&f, "37-s", "37", UNIT_KIND_SUPERVISION, NULL, NULL, NULL);
    reference_fixture_unit(&f, "3701-s", "3701", UNIT_KIND_SUPERVISION, NULL, "2026-11-25",
                           NULL); /* tomorrow */
    reference_fixture_unit(&f, "37-u", "37", UNIT_KIND_DEPARTMENT, "urban", NULL, NULL);
    reference_fixture_unit(&f, "3701-u", "3701", UNIT_KIND_DEPARTMENT, "urban", NULL, "2026-12-01");
    reference_fixture_unit(&f, "3701-u2", "3701", UNIT_KIND_DEPARTMENT, "urban", "2026-11-20",
                           NULL); /* newer */
    reference_fixture_unit(&f, "370101-u", "370101", UNIT_KIND_DEPARTMENT, "urban", NULL,
                           "2020-01-01");
    reference_fixture_unit(&f, "gone", "3701", UNIT_KIND_DEPARTMENT, "x", NULL, NULL);
    reference_fixture_unit(&f, "gone", "3701", UNIT_KIND_DEPARTMENT, "x", NULL,
                           "2026-01-01"); /* the newer row */
    reference_fixture_category(&f, "group", NULL, "组");
    reference_fixture_category(&f, "leaf", "group", "叶");
    reference_fixture_category(&f, "twin_a", NULL, "同名");
    reference_fixture_category(&f, "twin_b", NULL, "同名");
    reference_fixture_category(&f, "loop_a", "loop_b", "环甲");
    reference_fixture_category(&f, "loop_b", "loop_a", "环乙");
    reference_fixture_route(&f, "37", "group", "urban", NULL);
    reference_fixture_route(&f, "3701", "leaf", NULL, "gone"); /* leads nowhere: passed over */
    reference_fixture_route(&f, "37", "twin_a", "unknown_department", NULL);
    reference_fixture_route(&f, "99", "leaf", "urban", NULL);
    reference_fixture_route(&f, "37", "no_category", "urban", NULL);
    struct snapshot *s = build(&f);

    assert_null(snapshot_unit(s, "370101-d"));
    assert_null(snapshot_unit(s, "3701-s"));
    assert_null(snapshot_unit(s, "gone"));
    assert_string_equal(snapshot_default_unit(s, "370101")->code, "3701-d");
    assert_string_equal(snapshot_supervision_body(s, "370101")->code, "37-s");
    assert_string_equal(snapshot_route(s, "370101", "leaf")->code, "3701-u2");
    assert_string_equal(snapshot_route(s, "370101", "group")->code, "3701-u2");
    assert_string_equal(snapshot_route(s, "37", "leaf")->code, "37-u");
    assert_string_equal(snapshot_route(s, "370101", "twin_a")->code, "3701-d");
    assert_string_equal(snapshot_route(s, "370101", "loop_a")->code, "3701-d");
    assert_null(snapshot_category(s, "同名"));
    assert_string_equal(snapshot_category(s, "twin_b")->code, "twin_b");
    assert_null(snapshot_category(s, "")); /* this registry has no `other` */
    snapshot_put(s);
}

static void test_division_beats_category(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_division(&f, "37", NULL, NULL, NULL);
    reference_fixture_division(&f, "3701", NULL, NULL, NULL);
    reference_fixture_unit(&f, "37-d", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    reference_fixture_unit(&f, "37-leaf", "37", UNIT_KIND_DEPARTMENT, "leaf", NULL, NULL);
    reference_fixture_unit(&f, "37-a", "37", UNIT_KIND_DEPARTMENT, "a", NULL, NULL);
    reference_fixture_unit(&f, "37-group", "37", UNIT_KIND_DEPARTMENT, "group", NULL, NULL);
    reference_fixture_category(&f, "group", NULL, "组");
    reference_fixture_category(&f, "leaf", "group", "叶");
    reference_fixture_route(&f, "37", "leaf", "leaf", NULL);
    reference_fixture_route(&f, "37", "group", "a", NULL);
    reference_fixture_route(&f, "3701", "group", "group", NULL);
    struct snapshot *s = build(&f);
    assert_string_equal(snapshot_route(s, "37", "leaf")->code, "37-leaf");
    assert_string_equal(snapshot_route(s, "37", "group")->code, "37-a");
    assert_string_equal(snapshot_route(s, "3701", "leaf")->code, "37-group");
    snapshot_put(s);
}

static void test_rules_by_day(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_deadline(&f, "reply", 1, "reply", 15, NULL, "2020-01-01");
    reference_fixture_deadline(&f, "reply", 2, "reply", 5, "2020-01-01", "2026-06-01");
    reference_fixture_deadline(&f, "reply", 3, "reply", 4, "2026-06-01", NULL);
    reference_fixture_rung(&f, "reply-yellow", 1, "reply", RUNG_YELLOW, 24, NULL, "2026-06-01");
    reference_fixture_rung(&f, "reply-yellow", 2, "reply", RUNG_YELLOW, 48, "2026-06-01", NULL);
    reference_fixture_rung(&f, "reply-l1", 1, "reply", RUNG_L1, 1, NULL, NULL);
    reference_fixture_rung(&f, "reply-red", 1, "reply", RUNG_RED, 0, NULL, NULL);
    reference_fixture_rung(&f, "reply-report", 1, "reply", RUNG_REPORT, 0, "2026-01-01",
                           "2026-07-01");
    struct snapshot *s = build(&f);

    static const struct {
        int year, month, mday;
        uint32_t count;
    } terms[] = { { 1999, 1, 1, 15 }, { 2019, 12, 31, 15 }, { 2020, 1, 1, 5 },
                  { 2026, 5, 31, 5 }, { 2026, 6, 1, 4 },    { 2199, 1, 1, 4 } };
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        int32_t day = day_from_ymd(terms[i].year, terms[i].month, terms[i].mday);
        assert_int_equal(snapshot_deadline_rule(s, "reply", day)->term.count, terms[i].count);
    }
    assert_int_equal(snapshot_deadline_rule_version(s, "reply", 1)->term.count, 15);

    static const struct {
        int year, month, mday, count;
        uint32_t yellow;
    } ladders[] = { { 2025, 12, 31, 3, 24 }, { 2026, 1, 1, 4, 24 },  { 2026, 5, 31, 4, 24 },
                    { 2026, 6, 1, 4, 48 },   { 2026, 6, 30, 4, 48 }, { 2026, 7, 1, 3, 48 } };
    for (size_t i = 0; i < ARRAY_LEN(ladders); i++) {
        int count;
        int32_t day = day_from_ymd(ladders[i].year, ladders[i].month, ladders[i].mday);
        const struct ladder_rule *const *rules = snapshot_ladder(s, "reply", day, &count);
        assert_int_equal(count, ladders[i].count);
        assert_int_equal(rules[0]->count, ladders[i].yellow);
        for (int k = 1; k < count; k++)
            assert_true(rules[k - 1]->rung < rules[k]->rung);
    }
    snapshot_put(s);
}

static void test_empty_and_broken(void **state)
{
    (void)state;
    struct snapshot *s;
    assert_int_equal(snapshot_build(&s, NULL, 0, 7, TODAY), 0);
    int count;
    assert_int_equal(snapshot_position(s), 7);
    assert_null(snapshot_division(s, "37"));
    assert_null(snapshot_default_unit(s, "37"));
    assert_null(snapshot_superior(s, "37"));
    assert_null(snapshot_route(s, "37", "other"));
    assert_null(snapshot_category(s, ""));
    assert_null(snapshot_deadline_rule(s, "reply", TODAY));
    assert_null(snapshot_ladder(s, "reply", TODAY, &count));
    assert_null(snapshot_principal(s, "x"));
    assert_int_equal(snapshot_calendar_position(s), 0);
    snapshot_put(s);

    static const uint8_t bad[] = { 0x0a, 0x05, 0xff };
    struct reference_row rows[] = { { .position = 1, .data = bad, .size = sizeof(bad) } };
    assert_int_equal(snapshot_build(&s, rows, 1, 1, TODAY), ERR_INVALID_ARGUMENT);

    /* a row of a kind that this release does not know: field 100, a message */
    static const uint8_t later[] = { 0xa2, 0x06, 0x02, 0x08, 0x01 };
    rows[0] = (struct reference_row){ .position = 1, .data = later, .size = sizeof(later) };
    assert_int_equal(snapshot_build(&s, rows, 1, 1, TODAY), 0);
    snapshot_put(s);

    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_add_notice(
        &f, 2026,
        (struct reference_fixture_day[]){ { "2026-01-01", DAY_KIND_OFF },
                                          { "2026-01-01", DAY_KIND_WORK } },
        2);
    assert_int_equal(snapshot_build(&s, f.rows, f.count, 1, TODAY), ERR_UNPROCESSABLE);
    /* the registry sends the corrected notice under the same year: the newer one counts */
    reference_fixture_add_notice(
        &f, 2026, (struct reference_fixture_day[]){ { "2026-01-01", DAY_KIND_OFF } }, 1);
    assert_int_equal(snapshot_build(&s, f.rows, f.count, 2, TODAY), 0);
    assert_false(calendar_day_describe(snapshot_calendar(s), day_from_ymd(2026, 1, 1)).working);
    assert_int_equal(snapshot_calendar_position(s), 2);
    reference_fixture_clear(&f);
    snapshot_put(s);
}

static void test_holds(void **state)
{
    (void)state;
    struct snapshot *a, *b;
    snapshot_build(&a, NULL, 0, 1, TODAY);
    snapshot_build(&b, NULL, 0, 2, TODAY);
    snapshot_install(a);
    const struct snapshot *held = snapshot_get();
    assert_int_equal(snapshot_position(held), 1);
    const struct snapshot *again = snapshot_ref(held);
    snapshot_install(b);
    snapshot_put(again);
    assert_int_equal(snapshot_position(held), 1); /* still there: sanitizers watch */
    snapshot_put(held);
    held = snapshot_get();
    assert_int_equal(snapshot_position(held), 2);
    snapshot_put(held);
    snapshot_put(NULL);
    snapshot_install(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_division_codes),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_seed_routes),
        cmocka_unit_test(test_seed_rules),
        cmocka_unit_test(test_lookups_are_fast),
        cmocka_unit_test(test_replaced_chains_and_rings),
        cmocka_unit_test(test_parents_never_ring),
        cmocka_unit_test(test_units_out_of_force),
        cmocka_unit_test(test_division_beats_category),
        cmocka_unit_test(test_rules_by_day),
        cmocka_unit_test(test_empty_and_broken),
        cmocka_unit_test(test_holds),
    };
    return cmocka_run_group_tests(tests, load_seed, drop_seed);
}
