/* The snapshot over the seed's own rows and over small registries made for one question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "reference/tests/reference_fixture.h"

#define TODAY day_from_ymd(2026, 11, 24)

static char none[] = ""; /* protobuf-c's strings are not const */

/* -- rows of a test's own; the literals outlive the fixture -- */

static char *text(const char *literal)
{
    union {
        const char *in;
        char *out;
    } u = { .in = literal ? literal : none };
    return u.out;
}

static void add_division(struct reference_fixture *f, const char *code, const char *valid_from,
                         const char *valid_to, const char *replaced_by)
{
    Division d = DIVISION_INIT;
    d.code = text(code);
    d.name = text(code);
    d.level = DIVISION_LEVEL_COUNTY;
    d.valid_from = text(valid_from);
    d.valid_to = text(valid_to);
    d.replaced_by = text(replaced_by);
    reference_fixture_add(f, REFERENCE_ROW_ROW_DIVISION, &d.base);
}

static void add_unit(struct reference_fixture *f, const char *code, const char *division, int kind,
                     const char *department, const char *valid_from, const char *valid_to)
{
    Unit u = UNIT_INIT;
    u.code = text(code);
    u.division = text(division);
    u.name = text(code);
    u.kind = (UnitKind)kind;
    u.department = text(department);
    u.valid_from = text(valid_from);
    u.valid_to = text(valid_to);
    reference_fixture_add(f, REFERENCE_ROW_ROW_UNIT, &u.base);
}

static void add_category(struct reference_fixture *f, const char *code, const char *parent,
                         const char *name)
{
    Category c = CATEGORY_INIT;
    c.code = text(code);
    c.parent = text(parent);
    c.name_zh = text(name);
    c.name_en = text(code);
    c.leaf = true;
    reference_fixture_add(f, REFERENCE_ROW_ROW_CATEGORY, &c.base);
}

static void add_route(struct reference_fixture *f, const char *division, const char *category,
                      const char *department, const char *unit)
{
    Route r = ROUTE_INIT;
    r.division = text(division);
    r.category = text(category);
    r.department = text(department);
    r.unit = text(unit);
    reference_fixture_add(f, REFERENCE_ROW_ROW_ROUTE, &r.base);
}

static void add_principal(struct reference_fixture *f, const char *id, const char *key, Role role,
                          const char *jurisdiction, const char *unit, const char *source,
                          const char *token, bool revoked)
{
    Principal p = PRINCIPAL_INIT;
    Role roles[] = { role };
    char *units[] = { text(unit) }, *sources[] = { text(source) };
    p.id = text(id);
    p.key_id = text(key);
    p.n_roles = 1;
    p.roles = roles;
    p.jurisdiction = text(jurisdiction);
    p.n_units = unit != NULL;
    p.units = units;
    p.n_sources = source != NULL;
    p.sources = sources;
    p.token_sha256 = text(token);
    p.revoked = revoked;
    reference_fixture_add(f, REFERENCE_ROW_ROW_PRINCIPAL, &p.base);
}

static void add_deadline(struct reference_fixture *f, const char *id, uint32_t version,
                         const char *kind, uint32_t count, const char *from, const char *to)
{
    DeadlineRule d = DEADLINE_RULE_INIT;
    d.id = text(id);
    d.version = version;
    d.kind = text(kind);
    d.count = count;
    d.unit = TERM_UNIT_WORKING_DAYS;
    d.valid_from = text(from);
    d.valid_to = text(to);
    reference_fixture_add(f, REFERENCE_ROW_ROW_DEADLINE_RULE, &d.base);
}

static void add_rung(struct reference_fixture *f, const char *id, uint32_t version,
                     const char *kind, Rung rung, uint32_t count, const char *from, const char *to)
{
    LadderRule l = LADDER_RULE_INIT;
    l.id = text(id);
    l.version = version;
    l.kind = text(kind);
    l.rung = rung;
    l.anchor = RUNG_ANCHOR_HOURS_BEFORE_DUE_AT;
    l.count = count;
    l.valid_from = text(from);
    l.valid_to = text(to);
    reference_fixture_add(f, REFERENCE_ROW_ROW_LADDER_RULE, &l.base);
}

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
    int64_t start = mono_us();
    size_t found = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const char *division = divisions[(size_t)i % ARRAY_LEN(divisions)];
        const struct category *c =
            snapshot_category(seed, categories[(size_t)i % ARRAY_LEN(categories)]);
        found += snapshot_route(seed, division, c->code) != NULL;
        found += snapshot_default_unit(seed, division) != NULL;
    }
    double us = (double)(mono_us() - start) / ROUNDS;
    print_message("category + route + default unit: %.3f us\n", us);
    assert_int_equal(found, 2 * ROUNDS);
#ifndef __SANITIZE_ADDRESS__
    assert_true(us < 4.0); /* 2 us alone on a machine; tests run beside each other */
#endif
}

/* -- small registries -- */

static void test_replaced_chains_and_rings(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    add_division(&f, "37", NULL, NULL, NULL);
    add_division(&f, "3701", NULL, NULL, NULL);
    add_division(&f, "370101", NULL, "2020-01-01", "370102"); /* a chain */
    add_division(&f, "370102", NULL, "2022-01-01", "370103");
    add_division(&f, "370103", NULL, NULL, NULL);
    add_division(&f, "370104", NULL, "2020-01-01", "370105"); /* a ring */
    add_division(&f, "370105", NULL, "2020-01-01", "370104");
    add_division(&f, "370106", NULL, "2027-01-01", "370103"); /* announced, not yet */
    add_division(&f, "370107", NULL, "2020-01-01", "379999"); /* into nothing */
    add_division(&f, "370108", NULL, "2020-01-01", NULL);     /* gone without successor */
    add_division(&f, "370109", NULL, NULL, "370109");         /* itself */
    add_division(&f, "370200", NULL, NULL, NULL);             /* filled up: nobody's */
    add_division(&f, "370101001", NULL, NULL, NULL);          /* below a replaced one */
    add_division(&f, "370108001", NULL, NULL, NULL);          /* below one that is gone */
    add_unit(&f, "top", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    add_unit(&f, "successor", "370103", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
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
    Division d = DIVISION_INIT;
    d.name = text("x");
    d.level = DIVISION_LEVEL_COUNTY;
    d.code = text("370101");
    d.parent = text("370102");
    reference_fixture_add(&f, REFERENCE_ROW_ROW_DIVISION, &d.base);
    d.code = text("370102");
    d.parent = text("370101");
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
    add_division(&f, "37", NULL, NULL, NULL);
    add_division(&f, "3701", NULL, NULL, NULL);
    add_division(&f, "370101", NULL, NULL, NULL);
    add_unit(&f, "37-d", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    add_unit(&f, "3701-d", "3701", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    add_unit(&f, "370101-d", "370101", UNIT_KIND_DEFAULT, NULL, NULL,
             "2026-11-24"); /* today gone */
    add_unit(&f, "37-s", "37", UNIT_KIND_SUPERVISION, NULL, NULL, NULL);
    add_unit(&f, "3701-s", "3701", UNIT_KIND_SUPERVISION, NULL, "2026-11-25", NULL); /* tomorrow */
    add_unit(&f, "37-u", "37", UNIT_KIND_DEPARTMENT, "urban", NULL, NULL);
    add_unit(&f, "3701-u", "3701", UNIT_KIND_DEPARTMENT, "urban", NULL, "2026-12-01");
    add_unit(&f, "3701-u2", "3701", UNIT_KIND_DEPARTMENT, "urban", "2026-11-20", NULL); /* newer */
    add_unit(&f, "370101-u", "370101", UNIT_KIND_DEPARTMENT, "urban", NULL, "2020-01-01");
    add_unit(&f, "gone", "3701", UNIT_KIND_DEPARTMENT, "x", NULL, NULL);
    add_unit(&f, "gone", "3701", UNIT_KIND_DEPARTMENT, "x", NULL, "2026-01-01"); /* the newer row */
    add_category(&f, "group", NULL, "组");
    add_category(&f, "leaf", "group", "叶");
    add_category(&f, "twin_a", NULL, "同名");
    add_category(&f, "twin_b", NULL, "同名");
    add_category(&f, "loop_a", "loop_b", "环甲");
    add_category(&f, "loop_b", "loop_a", "环乙");
    add_route(&f, "37", "group", "urban", NULL);
    add_route(&f, "3701", "leaf", NULL, "gone"); /* leads nowhere: passed over */
    add_route(&f, "37", "twin_a", "unknown_department", NULL);
    add_route(&f, "99", "leaf", "urban", NULL);
    add_route(&f, "37", "no_category", "urban", NULL);
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
    add_division(&f, "37", NULL, NULL, NULL);
    add_division(&f, "3701", NULL, NULL, NULL);
    add_unit(&f, "37-d", "37", UNIT_KIND_DEFAULT, NULL, NULL, NULL);
    add_unit(&f, "37-leaf", "37", UNIT_KIND_DEPARTMENT, "leaf", NULL, NULL);
    add_unit(&f, "37-a", "37", UNIT_KIND_DEPARTMENT, "a", NULL, NULL);
    add_unit(&f, "37-group", "37", UNIT_KIND_DEPARTMENT, "group", NULL, NULL);
    add_category(&f, "group", NULL, "组");
    add_category(&f, "leaf", "group", "叶");
    add_route(&f, "37", "leaf", "leaf", NULL);
    add_route(&f, "37", "group", "a", NULL);
    add_route(&f, "3701", "group", "group", NULL);
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
    add_deadline(&f, "reply", 1, "reply", 15, NULL, "2020-01-01");
    add_deadline(&f, "reply", 2, "reply", 5, "2020-01-01", "2026-06-01");
    add_deadline(&f, "reply", 3, "reply", 4, "2026-06-01", NULL);
    add_rung(&f, "reply-yellow", 1, "reply", RUNG_YELLOW, 24, NULL, "2026-06-01");
    add_rung(&f, "reply-yellow", 2, "reply", RUNG_YELLOW, 48, "2026-06-01", NULL);
    add_rung(&f, "reply-l1", 1, "reply", RUNG_L1, 1, NULL, NULL);
    add_rung(&f, "reply-red", 1, "reply", RUNG_RED, 0, NULL, NULL);
    add_rung(&f, "reply-report", 1, "reply", RUNG_REPORT, 0, "2026-01-01", "2026-07-01");
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

#define TOKEN_A "aa00000000000000000000000000000000000000000000000000000000000000"
#define TOKEN_B "bb00000000000000000000000000000000000000000000000000000000000000"
#define TOKEN_C "cc00000000000000000000000000000000000000000000000000000000000000"

static void test_principal_keys(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    add_division(&f, "37", NULL, NULL, NULL);
    add_principal(&f, "centre", "k1", ROLE_HOTLINE, "3701", NULL, "a", TOKEN_A, false);
    add_principal(&f, "centre", "k2", ROLE_SUPERVISOR, "3702", NULL, "b", TOKEN_B, false);
    add_principal(&f, "lost", "k1", ROLE_UNIT, "37", NULL, NULL, TOKEN_C, false);
    add_principal(&f, "lost", "k1", ROLE_UNIT, "37", NULL, NULL, TOKEN_C, true);
    add_principal(&f, "turned", "k1", ROLE_UNIT, "37", NULL, NULL, NULL, false);
    add_principal(&f, "turned", "k2", ROLE_UNIT, "3701", NULL, NULL, NULL, false);
    /* the old key is taken away last, with what the principal once was */
    add_principal(&f, "turned", "k1", ROLE_OPERATOR, "37", NULL, NULL, NULL, true);
    struct snapshot *s = build(&f);

    const struct principal *p = snapshot_principal(s, "centre");
    assert_string_equal(p->key_id, "k2");
    assert_int_equal(p->roles, ROLE_BIT_SUPERVISOR);
    p = snapshot_principal_by_token(s, TOKEN_A);
    assert_string_equal(p->key_id, "k1");
    assert_string_equal(p->jurisdiction, "3702"); /* shared: the newest row's */
    assert_int_equal(p->roles, ROLE_BIT_SUPERVISOR);
    assert_true(principal_owns_source(p, "b"));
    assert_false(principal_owns_source(p, "a"));
    assert_string_equal(snapshot_principal_key(s, "centre", "k1")->token_sha256, TOKEN_A);
    assert_null(snapshot_principal_key(s, "centre", "k3"));
    assert_null(snapshot_principal_key(s, "nobody", "k1"));

    assert_null(snapshot_principal(s, "lost"));
    assert_null(snapshot_principal_by_token(s, TOKEN_C));
    assert_null(snapshot_principal_by_token(s, ""));
    assert_null(snapshot_principal_by_curve(s, ""));

    p = snapshot_principal(s, "turned");
    assert_string_equal(p->key_id, "k2");
    assert_int_equal(p->roles, ROLE_BIT_UNIT);
    assert_string_equal(p->jurisdiction, "3701");
    assert_null(snapshot_principal_key(s, "turned", "k1"));
    snapshot_put(s);
}

static void test_authority(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    add_division(&f, "37", NULL, NULL, NULL);
    add_division(&f, "3701", NULL, NULL, NULL);
    add_division(&f, "370116", NULL, NULL, NULL);
    add_division(&f, "371202", NULL, "2018-12-26", "370116");
    add_principal(&f, "hotline", "k", ROLE_HOTLINE, "3701", NULL, "test-*", NULL, false);
    add_principal(&f, "unit", "k", ROLE_UNIT, "370116", NULL, NULL, NULL, false);
    add_principal(&f, "one", "k", ROLE_UNIT, "370116", "370116-x", NULL, NULL, false);
    add_principal(&f, "county", "k", ROLE_SUPERVISOR, "370116", NULL, NULL, NULL, false);
    add_principal(&f, "city", "k", ROLE_SUPERVISOR, "3701", NULL, NULL, NULL, false);
    add_principal(&f, "province", "k", ROLE_SUPERVISOR, "37", NULL, NULL, NULL, false);
    add_principal(&f, "operator", "k", ROLE_OPERATOR, NULL, NULL, NULL, NULL, false);
    Principal both = PRINCIPAL_INIT;
    Role roles[] = { ROLE_HOTLINE, ROLE_UNIT };
    both.id = text("both");
    both.key_id = text("k");
    both.n_roles = 2;
    both.roles = roles;
    both.jurisdiction = text("370116");
    reference_fixture_add(&f, REFERENCE_ROW_ROW_PRINCIPAL, &both.base);
    add_principal(&f, "stray", "k", ROLE_UNIT, NULL, NULL, NULL, NULL, false);
    struct snapshot *s = build(&f);

    static const struct {
        const char *who, *division, *audience;
        bool sees;
    } sights[] = {
        { "hotline", "370116", "", true },
        { "hotline", "3702", "", false },
        { "hotline", "37", "", false },
        { "hotline", "371202", "", true }, /* replaced: its successor is below 3701 */
        { "unit", "370116", "", true },
        { "unit", "370116001", "", true },
        { "unit", "371202", "", true },
        { "unit", "3701", "", false },
        { "county", "370116", "", true },
        { "city", "370116", "", true },
        { "province", "370116", "", true },
        { "province", "", "", true },
        { "city", "", "", false },
        { "operator", "370116", "3701", true },
        { "operator", "", "", true },
        { "stray", "370116", "", false },
        { "stray", "", "", false },
        /* about an organ of 370116: not its own eyes; its division's supervision body sees it */
        { "unit", "370116", "3701", false },
        { "county", "370116", "3701", true },
        { "city", "370116", "3701", true },
        { "province", "370116", "3701", true },
        { "hotline", "370116", "3701", true },
        /* about an organ of the city: likewise, and the centre that took it in */
        { "city", "3701", "37", true },
        { "province", "3701", "37", true },
        { "hotline", "3701", "37", true },
        { "hotline", "3702", "37", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(sights); i++) {
        const struct principal *p = snapshot_principal(s, sights[i].who);
        if (principal_may_see(p, sights[i].division, sights[i].audience) != sights[i].sees)
            fail_msg("%s, division %s, audience %s", sights[i].who, sights[i].division,
                     sights[i].audience);
    }

    static const struct {
        const char *who, *unit, *division;
        bool acts;
    } acts[] = {
        { "unit", "370116-default", "370116", true },
        { "unit", "370116-x", "370116", true },
        { "unit", "370116001-default", "370116001", true },
        { "unit", "3701-x", "3701", false },
        { "one", "370116-x", "370116", true },
        { "one", "370116-default", "370116", false },
        { "operator", "370116-x", "370116", false },
        { "stray", "370116-x", "370116", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        struct unit u = { .code = acts[i].unit, .division = acts[i].division };
        if (principal_acts_for(snapshot_principal(s, acts[i].who), &u) != acts[i].acts)
            fail_msg("%s for %s", acts[i].who, acts[i].unit);
    }

    const struct principal *hotline = snapshot_principal(s, "hotline");
    assert_true(principal_owns_source(hotline, "test-1"));
    assert_true(principal_owns_source(hotline, "test-"));
    assert_false(principal_owns_source(hotline, "test"));
    assert_false(principal_owns_source(hotline, "other"));
    assert_false(principal_owns_source(hotline, ""));

    struct principal revoked = *hotline;
    revoked.revoked = true;
    assert_false(principal_may_see(&revoked, "370116", ""));
    assert_false(principal_owns_source(&revoked, "test-1"));
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
        cmocka_unit_test(test_principal_keys),
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_empty_and_broken),
        cmocka_unit_test(test_holds),
    };
    return cmocka_run_group_tests(tests, load_seed, drop_seed);
}
