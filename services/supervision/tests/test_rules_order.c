/* Rules of orders: levels, every state with every act. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_by_division),
        cmocka_unit_test(every_state_with_every_act),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
