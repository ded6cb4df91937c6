/* Reads deploy/seed by the contract's own descriptors: a column is the field of its name. */
#include "reference/tests/reference_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "wire/wire.h"

#define CELLS_MAX 16

void reference_fixture_init(struct reference_fixture *f)
{
    *f = (struct reference_fixture){ 0 };
    arena_init(&f->arena, 0);
}

void reference_fixture_clear(struct reference_fixture *f)
{
    free(f->rows);
    arena_clear(&f->arena);
}

static void add_row(struct reference_fixture *f, const ReferenceRow *row)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 1024;
        f->rows = realloc(f->rows, sizeof(f->rows[0]) * (size_t)f->capacity);
        assert_always(f->rows);
    }
    uint8_t *data;
    size_t size;
    wire_pack(&f->arena, &row->base, &data, &size);
    f->rows[f->count] =
        (struct reference_row){ .position = f->count + 1, .data = data, .size = size };
    f->count++;
}

void reference_fixture_add(struct reference_fixture *f, int row_case,
                           const ProtobufCMessage *message)
{
    ReferenceRow row = REFERENCE_ROW_INIT;
    row.row_case = (unsigned)row_case;
    union {
        const ProtobufCMessage *in;
        Division *out;
    } u = { .in = message };
    row.division = u.out; /* any member of the oneof: they share their place */
    add_row(f, &row);
}

void reference_fixture_add_notice(struct reference_fixture *f, int year,
                                  const struct reference_fixture_day *days, int count)
{
    CalendarNotice notice = CALENDAR_NOTICE_INIT;
    notice.year = (uint32_t)year;
    notice.notice = arena_printf(&f->arena, "TEST-%d", year);
    notice.title = arena_printf(&f->arena, "Notice of %d", year);
    notice.days = arena_array(&f->arena, CalendarDay *, count + 1);
    for (int i = 0; i < count; i++) {
        CalendarDay *day = arena_new(&f->arena, CalendarDay);
        *day = (CalendarDay)CALENDAR_DAY_INIT;
        day->day = arena_strdup(&f->arena, days[i].day);
        day->kind = (DayKind)days[i].kind;
        notice.days[notice.n_days++] = day;
    }
    reference_fixture_add(f, REFERENCE_ROW_ROW_CALENDAR_NOTICE, &notice.base);
}

struct snapshot *reference_fixture_build(struct reference_fixture *f, int32_t day)
{
    struct snapshot *s = NULL;
    int r = snapshot_build(&s, f->rows, f->count, f->count, day);
    if (r < 0)
        fprintf(stderr, "reference fixture: %s\n", err_last()->text);
    assert_always(r >= 0);
    return s;
}

/* -- rows of a test's own -- */

static char none[] = ""; /* protobuf-c's strings are not const */

static char *text(const char *literal)
{
    union {
        const char *in;
        char *out;
    } u = { .in = literal ? literal : none };
    return u.out;
}

void reference_fixture_division(struct reference_fixture *f, const char *code,
                                const char *valid_from, const char *valid_to,
                                const char *replaced_by)
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

void reference_fixture_unit(struct reference_fixture *f, const char *code, const char *division,
                            int kind, const char *department, const char *valid_from,
                            const char *valid_to)
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

void reference_fixture_category(struct reference_fixture *f, const char *code, const char *parent,
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

void reference_fixture_route(struct reference_fixture *f, const char *division,
                             const char *category, const char *department, const char *unit)
{
    Route r = ROUTE_INIT;
    r.division = text(division);
    r.category = text(category);
    r.department = text(department);
    r.unit = text(unit);
    reference_fixture_add(f, REFERENCE_ROW_ROW_ROUTE, &r.base);
}

void reference_fixture_principal(struct reference_fixture *f, const char *id, const char *key,
                                 Role role, const char *jurisdiction, const char *unit,
                                 const char *source, const char *token, bool revoked)
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

void reference_fixture_deadline(struct reference_fixture *f, const char *id, uint32_t version,
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

void reference_fixture_rung(struct reference_fixture *f, const char *id, uint32_t version,
                            const char *kind, Rung rung, uint32_t count, const char *from,
                            const char *to)
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

/* -- CSV (RFC 4180) into messages -- */

struct csv {
    char *at;
    char *cells[CELLS_MAX];
    int count;
};

/* Cuts the next record out of the text; false at its end. */
static bool csv_next(struct csv *c)
{
    c->count = 0;
    if (!*c->at)
        return false;
    for (;;) {
        assert_always(c->count < CELLS_MAX);
        char *out = c->at;
        c->cells[c->count++] = out;
        bool quoted = *c->at == '"';
        if (quoted)
            c->at++;
        while (*c->at && (quoted || (*c->at != ',' && *c->at != '\n'))) {
            if (quoted && *c->at == '"' && *++c->at != '"')
                quoted = false;
            else
                *out++ = *c->at++;
        }
        char end = *c->at;
        *out = '\0';
        if (end)
            c->at++;
        if (end != ',')
            return true;
    }
}

static int enum_value(const struct field_rule *rule, const char *name)
{
    if (!name[0])
        return 0;
    for (int i = 0; rule->enum_names[i]; i++) {
        if (strcmp(rule->enum_names[i], name) == 0)
            return i;
    }
    fprintf(stderr, "reference fixture: no value is named %s\n", name);
    abort();
}

static void set_field(ProtobufCMessage *message, const struct message_rules *rules,
                      const char *name, char *text)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(rules->descriptor, name);
    if (!field) {
        fprintf(stderr, "reference fixture: %s has no field %s\n", rules->name, name);
        abort();
    }
    const struct field_rule *rule = &rules->fields[field - rules->descriptor->fields];
    char *at = (char *)message + field->offset;
    assert_always(field->label != PROTOBUF_C_LABEL_REPEATED);
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(at, &text, sizeof(text));
        return;
    case PROTOBUF_C_TYPE_UINT32: {
        uint32_t value = (uint32_t)strtoul(text, NULL, 10);
        memcpy(at, &value, sizeof(value));
        return;
    }
    case PROTOBUF_C_TYPE_BOOL: {
        protobuf_c_boolean value = text[0] == '1';
        memcpy(at, &value, sizeof(value));
        return;
    }
    case PROTOBUF_C_TYPE_ENUM: {
        int value = enum_value(rule, text);
        memcpy(at, &value, sizeof(value));
        return;
    }
    default:
        abort();
    }
}

static char *read_seed(struct reference_fixture *f, const char *name)
{
    struct buf text;
    buf_init(&text, 0);
    const char *path = arena_printf(&f->arena, "%s/deploy/seed/%s", LUJIAN_SOURCE_DIR, name);
    assert_always(file_read(path, 16 * 1024 * 1024, &text) >= 0);
    char *copy = arena_strdup(&f->arena, buf_text(&text));
    buf_clear(&text);
    return copy;
}

static void load_table(struct reference_fixture *f, const char *file, int row_case,
                       const struct message_rules *rules)
{
    struct csv head = { .at = read_seed(f, file) };
    assert_always(csv_next(&head));
    struct csv line = { .at = head.at };
    while (csv_next(&line)) {
        ProtobufCMessage *message = wire_new(&f->arena, rules);
        assert_always(line.count == head.count);
        for (int i = 0; i < head.count; i++)
            set_field(message, rules, head.cells[i], line.cells[i]);
        reference_fixture_add(f, row_case, message);
    }
}

static void add_days(struct reference_fixture *f, CalendarNotice *notice)
{
    struct csv line = { .at = read_seed(f, "calendar_days.csv") };
    notice->days = arena_array(&f->arena, CalendarDay *, 120);
    assert_always(csv_next(&line)); /* day,kind,festival,year */
    while (csv_next(&line)) {
        if ((uint32_t)atoi(line.cells[3]) != notice->year)
            continue;
        CalendarDay *day = wire_new(&f->arena, &calendar_day_rules);
        day->day = line.cells[0];
        day->kind = strcmp(line.cells[1], "off") == 0 ? DAY_KIND_OFF : DAY_KIND_WORK;
        day->festival = line.cells[2];
        notice->days[notice->n_days++] = day;
    }
}

static void load_notices(struct reference_fixture *f)
{
    struct csv head = { .at = read_seed(f, "calendar_notices.csv") };
    assert_always(csv_next(&head));
    struct csv line = { .at = head.at };
    while (csv_next(&line)) {
        CalendarNotice *notice = wire_new(&f->arena, &calendar_notice_rules);
        for (int i = 0; i < head.count; i++)
            set_field(&notice->base, &calendar_notice_rules, head.cells[i], line.cells[i]);
        add_days(f, notice);
        reference_fixture_add(f, REFERENCE_ROW_ROW_CALENDAR_NOTICE, &notice->base);
    }
}

void reference_fixture_load_seed(struct reference_fixture *f)
{
    load_table(f, "divisions.csv", REFERENCE_ROW_ROW_DIVISION, &division_rules);
    load_table(f, "units.csv", REFERENCE_ROW_ROW_UNIT, &unit_rules);
    load_table(f, "categories.csv", REFERENCE_ROW_ROW_CATEGORY, &category_rules);
    load_table(f, "routes.csv", REFERENCE_ROW_ROW_ROUTE, &route_rules);
    load_notices(f);
    load_table(f, "deadline_rules.csv", REFERENCE_ROW_ROW_DEADLINE_RULE, &deadline_rule_rules);
    load_table(f, "ladder_rules.csv", REFERENCE_ROW_ROW_LADDER_RULE, &ladder_rule_rules);
}
