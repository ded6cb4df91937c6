/* CSV, a line at a time, so that a broken row costs itself alone.
 *
 * libcsv stops at what is no CSV. The parser is then made anew and goes on with the line below the
 * one on which the broken row began: an open quote would otherwise swallow the rest of the file. */
#include <csv.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "load.h"

#define CSV_FIELD_MAX ((size_t)64 * 1024)
#define CSV_FLAGS     (CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL)

struct reading {
    const struct csv_sink *sink;
    struct csv_parser parser;
    struct arena arena; /* the row's fields */
    struct csv_fields fields;
    int row;           /* number of the row being read */
    const char *fault; /* of the row being read: too many or too long fields */
    bool ended;        /* a row has ended on this line */
};

static void take_field(void *data, size_t size, void *arg)
{
    struct reading *rd = arg;
    struct csv_fields *f = &rd->fields;
    if (f->count == CSV_FIELDS_MAX || size > CSV_FIELD_MAX) {
        rd->fault = size > CSV_FIELD_MAX ? "a field is too long" : "too many fields";
        return;
    }
    f->texts[f->count] = arena_strndup(&rd->arena, data ? data : "", 0);
    if (size) {
        f->texts[f->count] = arena_alloc(&rd->arena, size + 1);
        memcpy(f->texts[f->count], data, size);
    }
    f->sizes[f->count++] = size;
}

static void start_row(struct reading *rd)
{
    arena_reset(&rd->arena);
    rd->fields.count = 0;
    rd->fault = NULL;
}

static void take_row(int end, void *arg)
{
    struct reading *rd = arg;
    (void)end;
    rd->fields.row = rd->row;
    if (rd->fault)
        rd->sink->on_broken(rd->sink->ctx, rd->row, rd->fault);
    else
        rd->sink->on_row(rd->sink->ctx, &rd->fields);
    rd->row++;
    rd->ended = true;
    start_row(rd);
}

static int no_space(unsigned char c)
{
    (void)c;
    return 0; /* spaces are part of a field */
}

static void start_parser(struct reading *rd)
{
    assert_always(csv_init(&rd->parser, CSV_FLAGS) == 0);
    csv_set_space_func(&rd->parser, no_space);
    start_row(rd);
}

static size_t line_length(const char *data, size_t size)
{
    const char *end = memchr(data, '\n', size);
    return end ? (size_t)(end - data) + 1 : size;
}

static bool is_empty_line(const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] != '\r' && data[i] != '\n')
            return false;
    }
    return true;
}

static void break_row(struct reading *rd, const char *reason)
{
    rd->sink->on_broken(rd->sink->ctx, rd->row++, reason);
    csv_free(&rd->parser);
    start_parser(rd);
}

/* Reads one row, or tells that it is broken; how many bytes that took. */
static size_t read_row(struct reading *rd, const char *data, size_t size)
{
    size_t first = line_length(data, size), at = 0;
    if (is_empty_line(data, first)) {
        rd->row++;
        return first;
    }
    rd->ended = false;
    while (at < size && !rd->ended) {
        size_t length = line_length(data + at, size - at);
        if (csv_parse(&rd->parser, data + at, length, take_field, take_row, rd) != length) {
            /* Where a bare CR ended rows on this line, those were given already. */
            break_row(rd, "is no CSV: a quote in the middle of a field, or text behind one");
            return rd->ended ? at + length : first;
        }
        at += length;
    }
    if (!rd->ended && csv_fini(&rd->parser, take_field, take_row, rd) != 0) {
        break_row(rd, "is no CSV: a quote is never closed");
        return first;
    }
    return at;
}

void csv_read(const char *data, size_t size, const struct csv_sink *sink)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct reading rd = { .sink = sink, .row = 1 };
    size_t at = size >= 3 && memcmp(data, mark, 3) == 0 ? 3 : 0;
    arena_init(&rd.arena, 0);
    start_parser(&rd);
    while (at < size)
        at += read_row(&rd, data + at, size - at);
    csv_free(&rd.parser);
    arena_clear(&rd.arena);
}
