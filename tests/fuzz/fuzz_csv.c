/* Whatever bytes come as a file, each row is told once, in order, and becomes a message that obeys
 * the contract's rules or a fault with its reason. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "fuzz.h"
#include "load.h"
#include "wire/wire.h"

struct reading {
    const struct message_rules *rules;
    struct columns columns;
    struct arena arena;
    bool has_header;
    int last_row;
};

static void next_row(struct reading *rd, int row)
{
    assert_always(row > rd->last_row);
    rd->last_row = row;
}

static void on_row(void *ctx, const struct csv_fields *fields)
{
    struct reading *rd = ctx;
    struct cell_fault fault = { 0 };
    struct wire_fault wire_fault;
    next_row(rd, fields->row);
    assert_always(fields->count > 0 && fields->count <= CSV_FIELDS_MAX);
    for (int i = 0; i < fields->count; i++)
        assert_always(fields->texts[i][fields->sizes[i]] == '\0');
    if (!rd->has_header) {
        rd->has_header = columns_read_header(&rd->columns, rd->rules, fields, &fault);
        assert_always(rd->has_header || fault.reason);
        return;
    }
    const ProtobufCMessage *message = columns_read_row(&rd->columns, &rd->arena, fields, &fault);
    assert_always(message || fault.reason);
    if (message)
        assert_always(wire_check(rd->rules, message, &wire_fault) == 0);
    arena_reset(&rd->arena);
}

static void on_broken(void *ctx, int row, const char *reason)
{
    next_row(ctx, row);
    assert_always(*reason);
}

/* The first line of an input names the file's message, or else its first byte picks one. */
static const struct message_rules *pick_rules(const uint8_t **data, size_t *size)
{
    static const struct message_rules *const files[] = {
        &division_rules,      &unit_rules,        &category_rules,  &route_rules,
        &deadline_rule_rules, &ladder_rule_rules, &principal_rules, &calendar_day_rules,
    };
    const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
    size_t length = end ? (size_t)(end - *data) : 0;
    const struct message_rules *found = files[*size ? **data % ARRAY_LEN(files) : 0];
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (strlen(files[i]->name) == length && memcmp(files[i]->name, *data, length) == 0)
            found = files[i];
    }
    *data += end ? length + 1 : 0;
    *size -= end ? length + 1 : 0;
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading rd = { .rules = pick_rules(&data, &size) };
    struct csv_sink sink = { .on_row = on_row, .on_broken = on_broken, .ctx = &rd };
    arena_init(&rd.arena, 0);
    csv_read((const char *)data, size, &sink);
    arena_clear(&rd.arena);
    return 0;
}
