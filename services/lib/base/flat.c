/* Flat INI files, read whole by libinih. */
#include "base/flat.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ini_text.h"

#define FLAT_FILE_MAX ((size_t)16 * 1024)

struct reading {
    const char *path;
    struct flat_value *values;
    int error;
};

static int take_value(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *rd = arg;
    for (struct flat_value *v = rd->values; v->name; v++) {
        if (*section || strcmp(v->name, name) != 0)
            continue;
        if (v->given || strlen(value) >= sizeof(v->value)) {
            rd->error = err_set(ERR_INVALID_ARGUMENT, "%s: %s is %s", rd->path, name,
                                v->given ? "given twice (or goes on over lines)" : "too long");
            return 0;
        }
        snprintf(v->value, sizeof(v->value), "%s", value);
        v->given = true;
        return 1;
    }
    rd->error =
        err_set(ERR_INVALID_ARGUMENT, "%s: %s is not a name of such a file", rd->path, name);
    return 0;
}

int flat_read(const char *path, struct flat_value *values)
{
    struct buf text;
    buf_init(&text, 0);
    int r = file_read(path, FLAT_FILE_MAX, &text);
    if (r < 0) {
        buf_clear(&text);
        return r;
    }
    for (struct flat_value *v = values; v->name; v++) {
        v->value[0] = '\0';
        v->given = false;
    }
    struct reading rd = { .path = path, .values = values };
    rd.error = ini_text_check(path, &text);
    int line = rd.error ? 0 : ini_parse_string(buf_text(&text), take_value, &rd);
    buf_clear(&text);
    if (rd.error)
        return rd.error;
    if (line != 0)
        return err_set(ERR_INVALID_ARGUMENT, "%s: line %d is no `name = value`", path, line);
    for (const struct flat_value *v = values; v->name; v++) {
        if (!*v->value && !v->optional)
            return err_set(ERR_INVALID_ARGUMENT, "%s: %s is missing", path, v->name);
    }
    return 0;
}

const char *flat_text(const struct flat_value *values, const char *name)
{
    while (values->name && strcmp(values->name, name) != 0)
        values++;
    assert_always(values->name);
    return values->value;
}
