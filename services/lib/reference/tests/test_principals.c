/* Principals: keys and their rotation, what each may see, file and act for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "reference/tests/reference_fixture.h"

static struct snapshot *build(struct reference_fixture *f)
{
    struct snapshot *s = reference_fixture_build(f, day_from_ymd(2026, 11, 24));
    reference_fixture_clear(f);
    return s;
}

#define TOKEN_A "aa00000000000000000000000000000000000000000000000000000000000000"
#define TOKEN_B "bb00000000000000000000000000000000000000000000000000000000000000"
#define TOKEN_C "cc00000000000000000000000000000000000000000000000000000000000000"

static void test_principal_keys(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_division(&f, "37", NULL, NULL, NULL);
    reference_fixture_principal(&f, "centre", "k1", ROLE_HOTLINE, "3701", NULL, "a", TOKEN_A,
                                false);
    reference_fixture_principal(&f, "centre", "k2", ROLE_SUPERVISOR, "3702", NULL, "b", TOKEN_B,
                                false);
    reference_fixture_principal(&f, "lost", "k1", ROLE_UNIT, "37", NULL, NULL, TOKEN_C, false);
    reference_fixture_principal(&f, "lost", "k1", ROLE_UNIT, "37", NULL, NULL, TOKEN_C, true);
    reference_fixture_principal(&f, "turned", "k1", ROLE_UNIT, "37", NULL, NULL, NULL, false);
    reference_fixture_principal(&f, "turned", "k2", ROLE_UNIT, "3701", NULL, NULL, NULL, false);
    /* the old key is taken away last, with what the principal once was */
    reference_fixture_principal(&f, "turned", "k1", ROLE_OPERATOR, "37", NULL, NULL, NULL, true);
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

static struct snapshot *s;

static int load(void **state)
{
    (void)state;
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_division(&f, "37", NULL, NULL, NULL);
    reference_fixture_division(&f, "3701", NULL, NULL, NULL);
    reference_fixture_division(&f, "370116", NULL, NULL, NULL);
    reference_fixture_division(&f, "371202", NULL, "2018-12-26", "370116");
    reference_fixture_principal(&f, "hotline", "k", ROLE_HOTLINE, "3701", NULL, "test-*", NULL,
                                false);
    reference_fixture_principal(&f, "unit", "k", ROLE_UNIT, "370116", NULL, NULL, NULL, false);
    reference_fixture_principal(&f, "one", "k", ROLE_UNIT, "370116", "370116-x", NULL, NULL, false);
    reference_fixture_principal(&f, "county", "k", ROLE_SUPERVISOR, "370116", NULL, NULL, NULL,
                                false);
    reference_fixture_principal(&f, "city", "k", ROLE_SUPERVISOR, "3701", NULL, NULL, NULL, false);
    reference_fixture_principal(&f, "province", "k", ROLE_SUPERVISOR, "37", NULL, NULL, NULL,
                                false);
    reference_fixture_principal(&f, "operator", "k", ROLE_OPERATOR, NULL, NULL, NULL, NULL, false);
    static char both_id[] = "both", both_key[] = "k", both_jurisdiction[] = "370116";
    Principal both = PRINCIPAL_INIT;
    Role roles[] = { ROLE_HOTLINE, ROLE_UNIT };
    both.id = both_id;
    both.key_id = both_key;
    both.n_roles = 2;
    both.roles = roles;
    both.jurisdiction = both_jurisdiction;
    reference_fixture_add(&f, REFERENCE_ROW_ROW_PRINCIPAL, &both.base);
    reference_fixture_principal(&f, "stray", "k", ROLE_UNIT, NULL, NULL, NULL, NULL, false);
    s = build(&f);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    snapshot_put(s);
    return 0;
}

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

static void test_sight(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sights); i++) {
        const struct principal *p = snapshot_principal(s, sights[i].who);
        if (principal_may_see(p, sights[i].division, sights[i].audience) != sights[i].sees)
            fail_msg("%s, division %s, audience %s", sights[i].who, sights[i].division,
                     sights[i].audience);
    }
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

static void test_acting(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        struct unit u = { .code = acts[i].unit, .division = acts[i].division };
        if (principal_acts_for(snapshot_principal(s, acts[i].who), &u) != acts[i].acts)
            fail_msg("%s for %s", acts[i].who, acts[i].unit);
    }
}

static void test_sources(void **state)
{
    (void)state;
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_principal_keys),
        cmocka_unit_test(test_sight),
        cmocka_unit_test(test_acting),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, load, drop);
}
