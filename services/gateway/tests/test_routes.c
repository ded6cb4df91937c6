/* Routes and parameters: every route of the contract is found, and only by its own method and
 * shape; texts become fields by the contract's types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "gateway.h"
#include "lujian/complaints/v1/complaint.lj.h"
#include "lujian/contract.lj.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    routes_init();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* The template with every field filled in. */
static const char *fill(const char *template)
{
    const char *path = "";
    while (*template) {
        size_t literal = strcspn(template, "{");
        path = arena_printf(&arena, "%s%.*s", path, (int)literal, template);
        template += literal;
        if (!*template)
            break;
        path = arena_printf(&arena, "%sab-12", path);
        template = strchr(template, '}') + 1;
    }
    return path;
}

static void every_route_is_its_methods(void **state)
{
    (void)state;
    int seen = 0;
    for (const struct method_info *const *m = contract_methods; *m; m++) {
        const char *template = (*m)->http_get ? (*m)->http_get : (*m)->http_post;
        if (!template)
            continue;
        struct route_match match;
        assert_int_equal(
            routes_match(&arena, (*m)->http_get ? "GET" : "POST", fill(template), &match), 0);
        assert_ptr_equal(match.method, *m);
        assert_string_equal(match.route, template);
        for (int i = 0; i < match.binding_count; i++)
            assert_string_equal(match.bindings[i].value, "ab-12");
        seen++;
    }
    assert_true(seen > 20);
}

static void other_paths_and_methods_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int code;
        const char *allow;
    } cases[] = {
        { "HEAD", "/v1/complaints/x", 0, NULL },
        { "PUT", "/v1/complaints", ERR_UNSUPPORTED, "GET, POST" },
        { "GET", "/v1/complaints/x:sign", ERR_UNSUPPORTED, "POST" },
        { "POST", "/v1/complaints/x", ERR_UNSUPPORTED, "GET" },
        { "POST", "/v1/complaints/x:dance", ERR_NOT_FOUND, NULL },
        { "GET", "/v1/complaints/", ERR_NOT_FOUND, NULL },
        { "GET", "/v1/complaints/x/", ERR_NOT_FOUND, NULL },
        { "GET", "/v1/complaints/x/clocks/y", ERR_NOT_FOUND, NULL },
        { "GET", "/v1//complaints", ERR_NOT_FOUND, NULL },
        { "GET", "v1/complaints", ERR_NOT_FOUND, NULL },
        { "GET", "", ERR_NOT_FOUND, NULL },
        { "GET", "/", ERR_NOT_FOUND, NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match match;
        int r = routes_match(&arena, cases[i].method, cases[i].path, &match);
        if (r != cases[i].code)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, r);
        if (cases[i].allow)
            assert_string_equal(match.allow, cases[i].allow);
    }
}

static void parameters_become_fields(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *reason; /* NULL = taken */
    } cases[] = {
        { "division", "3701", NULL },
        { "state", "signed", NULL },
        { "state", "unspecified", "unknown_enum" },
        { "state", "SIGNED", "unknown_enum" },
        { "page_size", "50", NULL },
        { "page_size", "-1", "out_of_range" },
        { "page_size", "", "bad_type" },
        { "page_size", "1e2", "bad_type" },
        { "page_size", "+5", "bad_type" },
        { "page_size", "99999999999999999999", "bad_type" },
        { "page_size", "4294967296", "out_of_range" },
        { "nothing", "1", "unknown_field" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ListRequest *message = wire_new(&arena, &list_request_rules);
        struct wire_fault fault = { 0 };
        int r = bind_text(&arena, &list_request_rules, &message->base, cases[i].name,
                          cases[i].value, &fault);
        if ((r == 0) != (cases[i].reason == NULL))
            fail_msg("%s=%s: %d", cases[i].name, cases[i].value, r);
        if (cases[i].reason)
            assert_string_equal(fault.reason, cases[i].reason);
    }
    ListRequest *message = wire_new(&arena, &list_request_rules);
    struct wire_fault fault;
    assert_int_equal(
        bind_text(&arena, &list_request_rules, &message->base, "page_size", "0", &fault), 0);
    assert_true(message->page_size_choice_case != 0); /* given, and so held to its bounds */
    assert_int_equal(wire_check(&list_request_rules, &message->base, &fault), ERR_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_its_methods),
        cmocka_unit_test(other_paths_and_methods_are_told_apart),
        cmocka_unit_test(parameters_become_fields),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
