/* Flat INI files: `name = value` lines of a few known names, without sections. */
#ifndef LUJIAN_BASE_FLAT_H
#define LUJIAN_BASE_FLAT_H

#include <stdbool.h>

#define FLAT_VALUE_SIZE 160

struct flat_value {
    const char *name;
    bool optional;               /* absent is ""; else an absent or empty one is an error */
    char value[FLAT_VALUE_SIZE]; /* filled in by flat_read */
    bool given;                  /* likewise: a name comes once, be it empty */
};

/* Fills the values of a table that ends with a NULL name. ERR_NOT_FOUND: no such file.
 * ERR_INVALID_ARGUMENT, with the file and the name but never a value: an unknown, doubled, too long
 * or missing name, or a line that is none. */
int flat_read(const char *path, struct flat_value *values);
/* The value of a name of the table; asking for another is a bug and aborts. */
const char *flat_text(const struct flat_value *values, const char *name);

#endif
