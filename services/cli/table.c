/* A table for people: columns as wide as their widest cell, one row a line. */
#include <string.h>

#include "cli.h"

#define TABLE_ROWS_MAX 1024

struct table {
    struct arena *arena;
    int columns;
    int count;
    const char **rows[TABLE_ROWS_MAX + 1]; /* the first is the titles */
};

/* Columns on a terminal: a character from U+1100 on (Chinese and its punctuation) takes two. */
static int text_width(const char *text)
{
    int width = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c & 0xc0) == 0x80)
            continue; /* the rest of a character */
        width += *c >= 0xe1 ? 2 : 1;
    }
    return width;
}

struct table *table_new(struct arena *arena, const char *const *titles, int columns)
{
    struct table *t = arena_new(arena, struct table);
    t->arena = arena;
    t->columns = columns;
    table_add(t, titles);
    return t;
}

void table_add(struct table *t, const char *const *cells)
{
    if (t->count > TABLE_ROWS_MAX)
        return;
    const char **row = arena_array(t->arena, const char *, t->columns);
    for (int i = 0; i < t->columns; i++)
        row[i] = arena_strdup(t->arena, cells[i]);
    t->rows[t->count++] = row;
}

void table_print(const struct table *t, FILE *out)
{
    int *widths = arena_array(t->arena, int, t->columns);
    for (int i = 0; i < t->count; i++) {
        for (int c = 0; c < t->columns; c++) {
            int width = text_width(t->rows[i][c]);
            if (width > widths[c])
                widths[c] = width;
        }
    }
    for (int i = 0; i < t->count; i++) {
        for (int c = 0; c < t->columns; c++) {
            const char *cell = t->rows[i][c];
            bool last = c + 1 == t->columns;
            fprintf(out, "%s%*s", cell, last ? 0 : widths[c] - text_width(cell) + 2, "");
        }
        fputc('\n', out);
    }
}
