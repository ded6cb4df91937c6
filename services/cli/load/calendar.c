/* The calendar: a notice and the days that it marks stand in two files and are told as one row.
 *
 * Invariant: no notice goes out with a part of its days, for its year would count as announced and
 * be counted wrongly. A broken day holds back its notice; a day of which not even the year can be
 * read holds back all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "load.h"
#include "wire/wire.h"

#define NOTICES_FILE      "calendar_notices.csv"
#define DAYS_FILE         "calendar_days.csv"
#define NOTICES_MAX       256
#define UNKNOWN_YEARS_MAX 64
#define DAYS_MAX          366 /* of one notice; the contract allows fewer, and says so */

struct notice {
    CalendarNotice *message;
    int row;
    int held_by; /* the broken day's row; 0 = none */
};

struct calendar {
    struct load_folder *folder;
    struct load_part *part;
    struct columns columns;
    int year_column; /* of the days */
    bool has_header, refused;
    struct notice notices[NOTICES_MAX];
    int count;
    int all_held_by;
    char unknown_years[UNKNOWN_YEARS_MAX][8];
    int unknown_count;
};

static void on_broken_notice(void *ctx, int row, const char *reason)
{
    struct calendar *c = ctx;
    if (c->refused)
        return;
    c->part->row_count++;
    load_fault(c->folder, c->part, NOTICES_FILE, row, "broken_row", reason);
    c->refused = !c->has_header;
}

static void on_notice(void *ctx, const struct csv_fields *fields)
{
    struct calendar *c = ctx;
    struct cell_fault fault = { 0 };
    if (c->refused)
        return;
    if (!c->has_header) {
        c->has_header = columns_read_header(&c->columns, &calendar_notice_rules, fields, &fault);
        c->refused = !c->has_header;
        if (c->refused)
            load_fault(c->folder, c->part, NOTICES_FILE, fields->row, fault.reason, fault.column);
        return;
    }
    c->part->row_count++;
    ProtobufCMessage *message = columns_read_row(&c->columns, &c->folder->arena, fields, &fault);
    if (!message || c->count == NOTICES_MAX) {
        load_fault(c->folder, c->part, NOTICES_FILE, fields->row,
                   message ? "too_many" : fault.reason, message ? "" : fault.column);
        return;
    }
    CalendarNotice *notice = (CalendarNotice *)(void *)message;
    notice->days = arena_array(&c->folder->arena, CalendarDay *, DAYS_MAX);
    c->notices[c->count++] = (struct notice){ .message = notice, .row = fields->row };
}

/* The year's column is not the day's field: it is taken out before the rest is read. */
static bool read_days_header(struct calendar *c, const struct csv_fields *header,
                             struct cell_fault *fault)
{
    struct csv_fields rest = { .row = header->row };
    c->year_column = -1;
    for (int i = 0; i < header->count; i++) {
        if (c->year_column < 0 && strcmp(header->texts[i], "year") == 0) {
            c->year_column = i;
            continue;
        }
        rest.texts[rest.count] = header->texts[i];
        rest.sizes[rest.count++] = header->sizes[i];
    }
    if (c->year_column < 0) {
        *fault = (struct cell_fault){ .column = "year", .reason = "column_missing" };
        return false;
    }
    return columns_read_header(&c->columns, &calendar_day_rules, &rest, fault);
}

static struct notice *notice_of(struct calendar *c, const char *year)
{
    char text[16];
    for (int i = 0; i < c->count; i++) {
        snprintf(text, sizeof(text), "%u", c->notices[i].message->year);
        if (strcmp(text, year) == 0)
            return &c->notices[i];
    }
    return NULL;
}

/* A broken day's row: its notice is not whole. NULL = nobody knows whose it is. */
static void hold(struct calendar *c, struct notice *notice, int row)
{
    if (notice)
        notice->held_by = row;
    else
        c->all_held_by = row;
}

static bool is_year(const char *text)
{
    return strlen(text) == 4 && strspn(text, "0123456789") == 4;
}

/* Days of a year that has no notice here: told once, for there may be dozens. */
static void tell_unknown_year(struct calendar *c, const char *year, int row)
{
    for (int i = 0; i < c->unknown_count; i++) {
        if (strcmp(c->unknown_years[i], year) == 0)
            return;
    }
    if (c->unknown_count < UNKNOWN_YEARS_MAX)
        snprintf(c->unknown_years[c->unknown_count++], sizeof(c->unknown_years[0]), "%s", year);
    load_fault(c->folder, c->part, DAYS_FILE, row, "unknown_year",
               arena_printf(&c->folder->arena, "%s has no notice: its days are left out", year));
}

static void on_broken_day(void *ctx, int row, const char *reason)
{
    struct calendar *c = ctx;
    if (c->refused)
        return;
    load_fault(c->folder, c->part, DAYS_FILE, row, "broken_row", reason);
    hold(c, NULL, row);
    c->refused = !c->has_header;
}

/* The day without its year, or NULL with the reason. */
static CalendarDay *read_day(struct calendar *c, const struct csv_fields *fields,
                             struct cell_fault *fault)
{
    struct csv_fields rest = { .row = fields->row };
    if (fields->count != c->columns.count + 1) {
        *fault = (struct cell_fault){ .reason = "fields" };
        return NULL;
    }
    for (int i = 0; i < fields->count; i++) {
        if (i == c->year_column)
            continue;
        rest.texts[rest.count] = fields->texts[i];
        rest.sizes[rest.count++] = fields->sizes[i];
    }
    ProtobufCMessage *day = columns_read_row(&c->columns, &c->folder->arena, &rest, fault);
    return (CalendarDay *)(void *)day;
}

static void add_day(struct calendar *c, const struct csv_fields *fields)
{
    struct cell_fault fault = { 0 };
    const char *year = c->year_column < fields->count ? fields->texts[c->year_column] : "";
    struct notice *notice = notice_of(c, year);
    CalendarDay *day = read_day(c, fields, &fault);
    if (day && !notice && is_year(year)) {
        tell_unknown_year(c, year, fields->row);
        return;
    }
    if (day && notice && notice->message->n_days < DAYS_MAX) {
        notice->message->days[notice->message->n_days++] = day;
        return;
    }
    if (day)
        fault = (struct cell_fault){ .column = "year", .reason = notice ? "too_many" : "bad_type" };
    load_fault(c->folder, c->part, DAYS_FILE, fields->row, fault.reason, fault.column);
    if (notice || !is_year(year))
        hold(c, notice, fields->row);
}

static void on_day(void *ctx, const struct csv_fields *fields)
{
    struct calendar *c = ctx;
    struct cell_fault fault = { 0 };
    if (c->refused)
        return;
    if (c->has_header) {
        add_day(c, fields);
        return;
    }
    c->has_header = read_days_header(c, fields, &fault);
    c->refused = !c->has_header;
    if (c->refused) {
        load_fault(c->folder, c->part, DAYS_FILE, fields->row, fault.reason, fault.column);
        hold(c, NULL, fields->row);
    }
}

static void add_notices(struct calendar *c)
{
    struct wire_fault fault;
    for (int i = 0; i < c->count; i++) {
        struct notice *notice = &c->notices[i];
        int held_by = notice->held_by ? notice->held_by : c->all_held_by;
        if (held_by) {
            load_fault(c->folder, c->part, NOTICES_FILE, notice->row, "held_back",
                       arena_printf(&c->folder->arena,
                                    "its days are not whole: see " DAYS_FILE ":%d", held_by));
        } else if (wire_check(&calendar_notice_rules, &notice->message->base, &fault) < 0) {
            load_fault(c->folder, c->part, NOTICES_FILE, notice->row, fault.reason, fault.path);
        } else {
            load_part_add(c->folder, c->part, NOTICES_FILE, notice->row,
                          REFERENCE_ROW_ROW_CALENDAR_NOTICE, &notice->message->base);
        }
    }
}

int load_calendar_read(struct load_folder *f, struct load_part *part, const char *notices_path,
                       const char *days_path)
{
    struct calendar *c = arena_new(&f->arena, struct calendar);
    struct csv_sink notices = { .on_row = on_notice, .on_broken = on_broken_notice, .ctx = c };
    struct csv_sink days = { .on_row = on_day, .on_broken = on_broken_day, .ctx = c };
    c->folder = f;
    c->part = part;
    int r = load_file_rows(notices_path, &notices);
    if (r < 0)
        return r;
    if (!c->has_header && !c->refused)
        load_fault(f, part, NOTICES_FILE, 1, "no_header", "the file is empty");
    c->has_header = c->refused = false;
    r = load_file_rows(days_path, &days);
    if (r < 0 || !(c->has_header || c->refused)) {
        load_fault(f, part, DAYS_FILE, 0, "unreadable", r < 0 ? err_last()->text : "it is empty");
        hold(c, NULL, 1);
    }
    add_notices(c);
    return 0;
}
