/* Rules of complaints: every state with every act, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "complaints.h"

/* Which act each state allows, written out independently of the rules' own table: one letter an
 * act, in the order dispatch, sign, contact, reply, extend, return, visit, redo, close, reopen. */
static const struct {
    int state;
    const char *name, *allows;
} expected[] = {
    { COMPLAINT_STATE_RECEIVED, "received", "D........." },
    { COMPLAINT_STATE_ANSWERED, "answered", ".........." },
    { COMPLAINT_STATE_REFUSED, "refused", ".........." },
    { COMPLAINT_STATE_TRANSFERRED, "transferred", ".........." },
    { COMPLAINT_STATE_DISPATCHED, "dispatched", ".S..ER...." },
    { COMPLAINT_STATE_SIGNED, "signed", "..CAER...." },
    { COMPLAINT_STATE_RETURNED, "returned", "D........." },
    { COMPLAINT_STATE_HANDLING, "handling", "..CAE....." },
    { COMPLAINT_STATE_REPLIED, "replied", "......V.L." },
    { COMPLAINT_STATE_VISITED, "visited", ".......UL." },
    { COMPLAINT_STATE_CLOSED, "closed", ".........O" },
    { COMPLAINT_STATE_PENDING, "pending", ".........." },
};

static void every_state_with_every_act(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        for (int a = 0; a < ACTION_COUNT; a++) {
            const struct refusal *why = rules_state_allows(&arena, expected[i].state, a);
            if ((why == NULL) != (expected[i].allows[a] != '.'))
                fail_msg("state %s, act %s", expected[i].name, action_name(a));
            if (!why)
                continue;
            assert_string_equal(why->code, "state_forbids");
            assert_string_equal(why->state, expected[i].name);
            assert_true(why->detail_zh[0] && why->detail_en[0]);
            /* It names exactly what the state allows. */
            const char *const *allowed = why->allowed;
            for (int b = 0; b < ACTION_COUNT; b++) {
                if (expected[i].allows[b] == '.')
                    continue;
                assert_non_null(*allowed);
                assert_string_equal(*allowed++, action_name(b));
            }
            assert_null(*allowed);
        }
    }
    arena_clear(&arena);
}

static void assert_code(const struct refusal *why, const char *code)
{
    if (!code) {
        assert_null(why);
        return;
    }
    assert_non_null(why);
    assert_string_equal(why->code, code);
    assert_true(why->detail_zh[0] && why->detail_en[0] && why->basis_zh[0] && why->basis_en[0]);
}

static void extension_once_and_in_time(void **state)
{
    (void)state;
    struct clock open = { .started_at = 1000, .due_at = 5000 };
    struct clock ended = { .started_at = 1000, .due_at = 5000, .ended_at = 2000 };
    struct complaint_row fresh = { 0 }, extended = { .extended = true };
    assert_code(rules_can_extend(&fresh, &open, 4999), NULL);
    assert_code(rules_can_extend(&fresh, &open, 5000), "deadline_passed");
    assert_code(rules_can_extend(&fresh, &ended, 3000), "deadline_passed");
    assert_code(rules_can_extend(&fresh, NULL, 3000), "deadline_passed");
    assert_code(rules_can_extend(&extended, &open, 3000), "already_extended");
}

static void return_within_its_term_and_not_when_designated(void **state)
{
    (void)state;
    struct clock open = { .started_at = 1000, .due_at = 5000 };
    struct complaint_row fresh = { 0 }, designated = { .return_limit = true };
    assert_code(rules_can_return(&fresh, &open, 4999), NULL);
    assert_code(rules_can_return(&fresh, &open, 5000), "deadline_passed");
    assert_code(rules_can_return(&fresh, NULL, 1), "deadline_passed");
    assert_code(rules_can_return(&designated, &open, 2000), "return_limit");
}

static void redo_after_a_failed_visit_at_most_twice(void **state)
{
    (void)state;
    static const struct {
        bool reached, solved, satisfied;
        uint32_t redone;
        const char *code;
    } cases[] = {
        { true, true, true, 0, "visit_not_failed" },
        { true, false, true, 0, NULL },
        { true, true, false, 0, NULL },
        { true, false, false, 1, NULL },
        { true, false, false, 2, "redo_limit" },
        { false, false, false, 0, "visit_not_failed" },
        { true, true, true, 2, "visit_not_failed" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct complaint_row row = {
            .visit_reached = cases[i].reached,
            .visit_solved = cases[i].solved,
            .visit_satisfied = cases[i].satisfied,
            .redo_count = cases[i].redone,
        };
        assert_code(rules_can_redo(&row), cases[i].code);
    }
}

static void dispatch_respects_designation_and_audience(void **state)
{
    (void)state;
    struct unit county = { .code = "370102-urban", .division = "370102" };
    struct unit city = { .code = "3701-default", .division = "3701" };
    struct complaint_row plain = { .unit = "370102-default", .audience = "" };
    struct complaint_row designated = { .unit = "3701-default",
                                        .audience = "",
                                        .return_limit = true };
    struct complaint_row about_organ = { .unit = "3701-default", .audience = "3701" };
    assert_code(rules_can_dispatch(&plain, &county, &county), NULL);
    assert_code(rules_can_dispatch(&designated, &city, &city), NULL);
    assert_code(rules_can_dispatch(&designated, &city, &county), "return_limit");
    assert_code(rules_can_dispatch(&about_organ, &city, &city), NULL);
    assert_code(rules_can_dispatch(&about_organ, &city, &county), "about_this_organ");
}

static void a_matter_moves_only_out_of_reach(void **state)
{
    (void)state;
    static const struct {
        const char *unit_division, *division, *after;
    } cases[] = {
        { "370102", "370102", "370102" },       { "3701", "370102", "370102" },
        { "370102", "370102001", "370102001" }, { "370103", "370102", "370103" },
        { "370102001", "370102", "370102001" }, { "37", "370102", "370102" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct unit unit = { .code = "u", .division = cases[i].unit_division };
        assert_string_equal(rules_division_at(&unit, cases[i].division), cases[i].after);
    }
}

static void order_numbers_have_their_shape(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    int64_t late_evening; /* the last second of that day in China, 16 h UTC */
    assert_int_equal(instant_parse("2026-11-24T23:59:59+08:00", &late_evening), 0);
    assert_string_equal(rules_order_no(&arena, "370102001", late_evening, 42),
                        "3701022026112400000042");
    assert_string_equal(rules_order_no(&arena, "3701", late_evening, 7), "3701002026112400000007");
    assert_string_equal(rules_order_no(&arena, "37", late_evening + 1000, 123456789),
                        "3700002026112523456789");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_with_every_act),
        cmocka_unit_test(extension_once_and_in_time),
        cmocka_unit_test(return_within_its_term_and_not_when_designated),
        cmocka_unit_test(redo_after_a_failed_visit_at_most_twice),
        cmocka_unit_test(dispatch_respects_designation_and_audience),
        cmocka_unit_test(a_matter_moves_only_out_of_reach),
        cmocka_unit_test(order_numbers_have_their_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
