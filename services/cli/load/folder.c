/* A folder of CSV: which files, in which order, and the rows of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/util.h"
#include "load.h"
#include "wire/wire.h"

/* In this order each row finds what it names: parents before children, units before routes. */
static const struct file_kind {
    const char *file;
    int row_case;
    const struct message_rules *rules;
} kinds[] = {
    { "divisions.csv", REFERENCE_ROW_ROW_DIVISION, &division_rules },
    { "categories.csv", REFERENCE_ROW_ROW_CATEGORY, &category_rules },
    { "units.csv", REFERENCE_ROW_ROW_UNIT, &unit_rules },
    { "routes.csv", REFERENCE_ROW_ROW_ROUTE, &route_rules },
    { "calendar_notices.csv", REFERENCE_ROW_ROW_CALENDAR_NOTICE, NULL }, /* joined with its days */
    { "deadline_rules.csv", REFERENCE_ROW_ROW_DEADLINE_RULE, &deadline_rule_rules },
    { "ladder_rules.csv", REFERENCE_ROW_ROW_LADDER_RULE, &ladder_rule_rules },
    { "principals.csv", REFERENCE_ROW_ROW_PRINCIPAL, &principal_rules },
};
_Static_assert(ARRAY_LEN(kinds) == LOAD_PARTS, "a part for each file");

static void print_fault(void *ctx, const char *file, int row, const char *reason,
                        const char *detail)
{
    (void)ctx;
    fprintf(stderr, "%s:%d: %s%s%s\n", file, row, reason, *detail ? ": " : "", detail);
}

void load_folder_init(struct load_folder *f)
{
    *f = (struct load_folder){ .on_fault = print_fault };
    arena_init(&f->arena, 0);
}

void load_folder_clear(struct load_folder *f)
{
    arena_clear(&f->arena);
}

void load_fault(struct load_folder *f, struct load_part *part, const char *file, int row,
                const char *reason, const char *detail)
{
    part->fault_count++;
    f->on_fault(f->ctx, file, row, reason, detail);
}

void load_part_add(struct load_folder *f, struct load_part *part, const char *file, int number,
                   int row_case, ProtobufCMessage *message)
{
    if (part->count == part->capacity) {
        part->capacity = part->capacity ? part->capacity * 2 : 256;
        struct load_row *grown = arena_array(&f->arena, struct load_row, part->capacity);
        if (part->count)
            memcpy(grown, part->rows, (size_t)part->count * sizeof(*grown));
        part->rows = grown;
    }
    ReferenceRow *row = wire_new(&f->arena, &reference_row_rules);
    row->row_case = (Lujian__Registry__V1__ReferenceRow__RowCase)row_case;
    /* All members of the oneof are pointers to messages in one place. */
    row->division = (Division *)(void *)message;
    part->rows[part->count++] =
        (struct load_row){ .row = row,
                           .file = file,
                           .number = number,
                           .bytes = protobuf_c_message_get_packed_size(&row->base) };
}

int load_file_rows(const char *path, const struct csv_sink *sink)
{
    struct buf text;
    buf_init(&text, 0);
    int r = file_read(path, CSV_BYTES_MAX, &text);
    if (r >= 0)
        csv_read((const char *)text.data, text.size, sink);
    buf_clear(&text);
    return r < 0 ? r : 0;
}

/* One file being read. */
struct part_reading {
    struct load_folder *folder;
    struct load_part *part;
    const struct file_kind *kind;
    struct columns columns;
    bool has_header, refused;
};

static void on_broken(void *ctx, int row, const char *reason)
{
    struct part_reading *rd = ctx;
    if (rd->refused)
        return;
    rd->part->row_count++;
    load_fault(rd->folder, rd->part, rd->kind->file, row, "broken_row", reason);
    if (!rd->has_header)
        rd->refused = true; /* without a header no row means anything */
}

static void on_row(void *ctx, const struct csv_fields *fields)
{
    struct part_reading *rd = ctx;
    struct cell_fault fault = { 0 };
    if (rd->refused)
        return;
    if (!rd->has_header) {
        rd->has_header = columns_read_header(&rd->columns, rd->kind->rules, fields, &fault);
        rd->refused = !rd->has_header;
        if (rd->refused)
            load_fault(rd->folder, rd->part, rd->kind->file, fields->row, fault.reason,
                       fault.column);
        return;
    }
    rd->part->row_count++;
    ProtobufCMessage *message = columns_read_row(&rd->columns, &rd->folder->arena, fields, &fault);
    if (message)
        load_part_add(rd->folder, rd->part, rd->kind->file, fields->row, rd->kind->row_case,
                      message);
    else
        load_fault(rd->folder, rd->part, rd->kind->file, fields->row, fault.reason, fault.column);
}

static int read_part(struct load_folder *f, struct load_part *part, const struct file_kind *kind,
                     const char *folder)
{
    const char *path = arena_printf(&f->arena, "%s/%s", folder, kind->file);
    if (!kind->rules)
        return load_calendar_read(f, part, path,
                                  arena_printf(&f->arena, "%s/calendar_days.csv", folder));
    struct part_reading rd = { .folder = f, .part = part, .kind = kind };
    struct csv_sink sink = { .on_row = on_row, .on_broken = on_broken, .ctx = &rd };
    int r = load_file_rows(path, &sink);
    if (r == 0 && !rd.has_header && !rd.refused)
        load_fault(f, part, kind->file, 1, "no_header", "the file is empty");
    return r;
}

int load_folder_read(struct load_folder *f, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(ERR_NOT_FOUND, "%s is no folder", path);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct load_part *part = &f->parts[f->part_count];
        *part = (struct load_part){ .file = kinds[i].file };
        int r = read_part(f, part, &kinds[i], path);
        if (r == ERR_NOT_FOUND)
            continue;
        if (r < 0)
            load_fault(f, part, kinds[i].file, 0, "unreadable", err_last()->text);
        f->part_count++;
    }
    if (f->part_count == 0)
        return err_set(ERR_NOT_FOUND, "%s has none of the files that are loaded, from %s to %s",
                       path, kinds[0].file, kinds[ARRAY_LEN(kinds) - 1].file);
    return 0;
}
