/* A small world for tests of the registry: rows as JSON, each on a line of its own. */
#ifndef LUJIAN_REGISTRY_TESTS_WORLD_H
#define LUJIAN_REGISTRY_TESTS_WORLD_H

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "registry.h"
#include "json/json.h"

#define CURVE_A         "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define CURVE_B         "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define TOKEN_A         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOKEN_B         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define TOKEN_C         "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define Q(field, value) "\"" field "\":\"" value "\""

#define DIVISION_ROW(code, level, parent, more)                                                    \
    "{\"division\":{" Q("code", code) "," Q("name", "n") "," Q("level", level) "," Q(              \
        "parent", parent) more "}}"
#define UNIT_ROW(code, division, kind, department, more)                                           \
    "{\"unit\":{" Q("code", code) "," Q("division", division) "," Q("name", "n") "," Q(            \
        "kind", kind) "," Q("department", department) more "}}"
#define CATEGORY_ROW(code, parent, leaf)                                                           \
    "{\"category\":{" Q("code", code) "," Q("parent", parent) "," Q("name_zh", "类") "," Q(        \
        "name_en", "c") ",\"leaf\":" leaf "}}"
#define ROUTE_ROW(division, category, department, unit)                                            \
    "{\"route\":{" Q("division", division) "," Q("category", category) "," Q(                      \
        "department", department) "," Q("unit", unit) "}}"
#define NOTICE_ROW(year, days)                                                                     \
    "{\"calendar_notice\":{\"year\":" year                                                         \
    "," Q("notice", "n") "," Q("title", "t") ",\"days\":[" days "]}}"
#define DAY(day, kind) "{" Q("day", day) "," Q("kind", kind) "}"
#define DEADLINE_ROW(id, version, kind, count, unit, more)                                         \
    "{\"deadline_rule\":{" Q("id", id) ",\"version\":" version                                     \
                                       "," Q("kind", kind) ",\"count\":" count "," Q("unit", unit) \
                                           more "}}"
#define LADDER_ROW(id, version, kind, rung, anchor, count, more)                                   \
    "{\"ladder_rule\":{" Q("id", id) ",\"version\":" version "," Q("kind", kind) "," Q(            \
        "rung", rung) "," Q("anchor", anchor) ",\"count\":" count more "}}"
#define PRINCIPAL_ROW(id, key_id, roles, jurisdiction, more)                                       \
    "{\"principal\":{" Q("id", id) "," Q("key_id", key_id) ",\"roles\":[" roles                    \
                                                           "]," Q("jurisdiction", jurisdiction)    \
                                                               more "}}"

static const char *const world_rows[] UNUSED = {
    DIVISION_ROW("37", "province", "", ""),
    DIVISION_ROW("3701", "city", "37", ""),
    DIVISION_ROW("3702", "city", "37", ""),
    DIVISION_ROW("370102", "county", "3701", ""),
    DIVISION_ROW("370171", "zone", "3701", ""),
    DIVISION_ROW("370102001", "town", "370102", ""),
    DIVISION_ROW("3712", "city", "37",
                 "," Q("valid_to", "2019-01-01") "," Q("replaced_by", "3701")),
    CATEGORY_ROW("city_management", "", "false"),
    CATEGORY_ROW("street_vending", "city_management", "true"),
    CATEGORY_ROW("other", "", "true"),
    UNIT_ROW("37-default", "37", "default", "", ""),
    UNIT_ROW("3701-default", "3701", "default", "", ""),
    UNIT_ROW("370102-default", "370102", "default", "", ""),
    UNIT_ROW("370102-urban", "370102", "department", "urban", ""),
    UNIT_ROW("3701-urban", "3701", "department", "urban", ""),
    UNIT_ROW("3701-old", "3701", "department", "housing", "," Q("valid_to", "2020-01-01")),
    ROUTE_ROW("3701", "city_management", "urban", ""),
    NOTICE_ROW("2026", DAY("2026-01-01", "off") "," DAY("2026-01-04", "work")),
    DEADLINE_ROW("reply", "1", "reply", "5", "working_days", "," Q("valid_to", "2030-01-01")),
    DEADLINE_ROW("sign", "1", "sign", "1", "working_days", ""),
    LADDER_ROW("reply-red", "1", "reply", "red", "first_working_day_after_due_on", "0", ""),
    PRINCIPAL_ROW("operator", "k1", "\"operator\"", "", "," Q("token_sha256", TOKEN_A)),
    PRINCIPAL_ROW("hotline_3701", "k1", "\"hotline\"", "3701",
                  "," Q("curve_public", CURVE_A) ",\"sources\":[\"jinan-12345\",\"test-*\"]"),
};

/* Aborts where the text is no row of the contract: what the door would not let in. */
static UNUSED ReferenceRow *row_parse(struct arena *arena, const char *json)
{
    ProtobufCMessage *message;
    struct wire_fault fault = { 0 };
    int r = json_to_message(&reference_row_rules, arena, json, strlen(json), &message, &fault);
    if (r == 0)
        r = wire_check(&reference_row_rules, message, &fault);
    if (r < 0) {
        fprintf(stderr, "%s\n%s: %s\n", json, fault.path, fault.reason);
        abort();
    }
    return (ReferenceRow *)(void *)message;
}

static UNUSED void world_init(struct facts *facts)
{
    facts_init(facts);
    for (size_t i = 0; i < ARRAY_LEN(world_rows); i++)
        facts_put(facts, fact_describe(&facts->arena, row_parse(&facts->arena, world_rows[i])));
}

#endif
