/* Rules of orders: levels, every state with every act, who answers and whose turn it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "reference/tests/reference_fixture.h"
#include "supervision.h"

static void levels_by_division(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    static const struct {
        const char *division;
        int level;
        const char *county, *city, *province;
    } cases[] = {
        { "37", LEVEL_PROVINCE, "37", "37", "37" },
        { "3701", LEVEL_CITY, "3701", "3701", "37" },
        { "370102", LEVEL_COUNTY, "370102", "3701", "37" },
        { "370102001", LEVEL_COUNTY, "370102", "3701", "37" },
        { "370102001001", LEVEL_COUNTY, "370102", "3701", "37" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(rules_level_of(cases[i].division), cases[i].level);
        assert_string_equal(rules_division_at_level(&arena, cases[i].division, LEVEL_COUNTY),
                            cases[i].county);
        assert_string_equal(rules_division_at_level(&arena, cases[i].division, LEVEL_CITY),
                            cases[i].city);
        assert_string_equal(rules_division_at_level(&arena, cases[i].division, LEVEL_PROVINCE),
                            cases[i].province);
    }
    assert_int_equal(rules_next_level(LEVEL_COUNTY), LEVEL_CITY);
    assert_int_equal(rules_next_level(LEVEL_CITY), LEVEL_PROVINCE);
    assert_int_equal(rules_next_level(LEVEL_PROVINCE), LEVEL_UNSPECIFIED);
    arena_clear(&arena);
}

static void every_state_with_every_act(void **state)
{
    (void)state;
    static const struct {
        int state;
        const char *name, *allows; /* sign, reply, close */
    } expected[] = {
        { ORDER_STATE_ISSUED, "issued", "SRC" },       { ORDER_STATE_SIGNED, "signed", ".RC" },
        { ORDER_STATE_REPLIED, "replied", "..C" },     { ORDER_STATE_CLOSED, "closed", "..." },
        { ORDER_STATE_ESCALATED, "escalated", "..." },
    };
    static const char *const names[] = { "sign", "reply", "close" };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        for (int a = 0; a < ORDER_ACTION_COUNT; a++) {
            const struct refusal *why = rules_order_allows(&arena, expected[i].state, a);
            if ((why == NULL) != (expected[i].allows[a] != '.'))
                fail_msg("state %s, act %s", expected[i].name, names[a]);
            if (!why)
                continue;
            assert_string_equal(why->state, expected[i].name);
            const char *const *allowed = why->allowed;
            for (int b = 0; b < ORDER_ACTION_COUNT; b++)
                if (expected[i].allows[b] != '.')
                    assert_string_equal(*allowed++, names[b]);
            assert_null(*allowed);
        }
    }
    assert_null(rules_card_open(CARD_STATE_OPEN));
    assert_null(rules_card_open(CARD_STATE_ACKNOWLEDGED));
    assert_string_equal(rules_card_open(CARD_STATE_CLOSED)->code, "state_forbids");
    arena_clear(&arena);
}

/* A city with two counties: 370102 has all, 370103 has lost its supervision body and a department,
 * and the town of 370102 never had a body. */
static struct snapshot *two_counties(void)
{
    static const struct {
        const char *code, *division;
        int kind;
        const char *department, *valid_to;
    } units[] = {
        { "37-default", "37", UNIT_KIND_DEFAULT, NULL, NULL },
        { "37-justice", "37", UNIT_KIND_SUPERVISION, NULL, NULL },
        { "3701-default", "3701", UNIT_KIND_DEFAULT, NULL, NULL },
        { "3701-justice", "3701", UNIT_KIND_SUPERVISION, NULL, NULL },
        { "370102-default", "370102", UNIT_KIND_DEFAULT, NULL, NULL },
        { "370102-justice", "370102", UNIT_KIND_SUPERVISION, NULL, NULL },
        { "370102-urban", "370102", UNIT_KIND_DEPARTMENT, "urban", NULL },
        { "370103-default", "370103", UNIT_KIND_DEFAULT, NULL, NULL },
        { "370103-justice", "370103", UNIT_KIND_SUPERVISION, NULL, "2026-03-01" },
        { "370103-urban", "370103", UNIT_KIND_DEPARTMENT, "urban", "2026-03-01" },
        { "370102001-default", "370102001", UNIT_KIND_DEFAULT, NULL, NULL },
    };
    static const char *const divisions[] = { "37", "3701", "370102", "370103", "370102001" };
    struct reference_fixture f;
    reference_fixture_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(divisions); i++)
        reference_fixture_division(&f, divisions[i], NULL, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        reference_fixture_unit(&f, units[i].code, units[i].division, units[i].kind,
                               units[i].department, NULL, units[i].valid_to);
    struct snapshot *s = reference_fixture_build(&f, day_from_ymd(2026, 3, 2));
    reference_fixture_clear(&f);
    return s;
}

/* Nothing falls out: whoever was to answer and is gone, somebody answers. */
static void who_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *unit, *division, *audience, *answers;
    } cases[] = {
        { "its unit", "370102-urban", "370102", "", "370102-urban" },
        { "no unit", "", "370102", "", "370102-default" },
        { "no unit, a town", "", "370102001", "", "370102001-default" },
        { "dissolved", "370103-urban", "370103", "", "370103-default" },
        { "never there", "370103-water", "370103", "", "370103-default" },
        { "no unit, a division nobody knows", "", "370199", "", "3701-default" },
        { "about an organ: the superior's", "", "370102", "3701", "3701-default" },
        { "about an organ, dissolved", "370103-urban", "370103", "3701", "3701-default" },
        { "the province's own", "", "37", "", "37-default" },
    };
    struct snapshot *s = two_counties();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct matter matter = { .unit = cases[i].unit,
                                 .division = cases[i].division,
                                 .audience = cases[i].audience };
        const struct unit *unit = rules_answering_unit(s, &matter);
        if (!unit || strcmp(unit->code, cases[i].answers) != 0)
            fail_msg("%s: %s, not %s", cases[i].name, unit ? unit->code : "nobody",
                     cases[i].answers);
    }
    snapshot_put(s);
}

static void whose_turn_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *name, *division;
        int level;
        const char *body;
    } cases[] = {
        { "the county's", "370102", LEVEL_COUNTY, "370102-justice" },
        { "a town has its county's", "370102001", LEVEL_COUNTY, "370102-justice" },
        { "the city's", "370102", LEVEL_CITY, "3701-justice" },
        { "the province's", "370102", LEVEL_PROVINCE, "37-justice" },
        { "dissolved: the next above", "370103", LEVEL_COUNTY, "3701-justice" },
        { "a division nobody knows", "370199", LEVEL_COUNTY, "3701-justice" },
        { "the province is its own superior", "37", LEVEL_PROVINCE, "37-justice" },
        { "and of all that is asked of it", "37", LEVEL_COUNTY, "37-justice" },
    };
    struct arena arena;
    arena_init(&arena, 0);
    struct snapshot *s = two_counties();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct unit *body = rules_body(s, &arena, cases[i].division, cases[i].level);
        if (!body || strcmp(body->code, cases[i].body) != 0)
            fail_msg("%s: %s, not %s", cases[i].name, body ? body->code : "nobody", cases[i].body);
    }
    snapshot_put(s);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_by_division),
        cmocka_unit_test(every_state_with_every_act),
        cmocka_unit_test(who_answers),
        cmocka_unit_test(whose_turn_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
