/* CloudEvents: the form that HTTP, server-sent events and the CLI share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "client/cloudevent.h"
#include "lujian/contract.lj.h"
#include "wire/wire.h"

static char *text(struct arena *arena, const char *value)
{
    return arena_strdup(arena, value);
}

static Event *make_event(struct arena *arena, const char *type)
{
    Event *e = wire_new(arena, &event_rules);
    e->position = INT64_C(9007199254740993); /* more than a double holds */
    e->id = text(arena, "0192f0c1-0000-7000-8000-000000000001");
    e->type = text(arena, type);
    e->subject = text(arena, "unit:3701-default");
    e->division = text(arena, "3701");
    e->time = INT64_C(1795492800000);
    return e;
}

static void test_known_type(void **state UNUSED)
{
    struct arena arena;
    struct buf out;
    arena_init(&arena, 0);
    buf_init(&out, 0);
    ReferenceChanged *data = wire_new(&arena, &reference_changed_rules);
    data->kind = text(&arena, "unit");
    data->key = text(&arena, "3701-default");
    data->division = text(&arena, "3701");
    Event *e = make_event(&arena, "reference.changed.v1");
    e->correlation = text(&arena, "c1");
    e->traceparent = text(&arena, "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
    wire_pack(&arena, &data->base, &e->data.data, &e->data.len);

    cloudevent_json(&arena, &out, "registry", e);
    assert_string_equal(
        buf_text(&out),
        "{\"specversion\":\"1.0\",\"id\":\"0192f0c1-0000-7000-8000-000000000001\","
        "\"source\":\"/37/registry\",\"type\":\"reference.changed.v1\","
        "\"subject\":\"unit:3701-default\",\"time\":\"2026-11-24T12:00:00+08:00\","
        "\"position\":\"9007199254740993\",\"partitionkey\":\"unit:3701-default\","
        "\"correlationid\":\"c1\","
        "\"traceparent\":\"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\","
        "\"datacontenttype\":\"application/json\",\"data\":{\"kind\":\"unit\","
        "\"key\":\"3701-default\",\"division\":\"3701\",\"row\":null}}");
    buf_clear(&out);
    arena_clear(&arena);
}

/* Of a newer peer, or damaged: the envelope and the division are told all the same. */
static void test_unreadable_data(void **state UNUSED)
{
    static const struct {
        const char *type;
        const char *data;
    } cases[] = { { "thing.happened.v9", "" }, { "reference.changed.v1", "\xff\xff" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct buf out;
        arena_init(&arena, 0);
        buf_init(&out, 0);
        Event *e = make_event(&arena, cases[i].type);
        e->data.len = strlen(cases[i].data);
        e->data.data = (uint8_t *)text(&arena, cases[i].data);
        cloudevent_json(&arena, &out, "registry", e);
        assert_non_null(strstr(buf_text(&out), ",\"data\":{\"division\":\"3701\"}}"));
        assert_null(strstr(buf_text(&out), "correlationid"));
        buf_clear(&out);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_type),
        cmocka_unit_test(test_unreadable_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
