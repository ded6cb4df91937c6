/* One pass over a file's bytes, before libinih has them. */
#include "base/ini_text.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

int ini_text_check(const char *path, const struct buf *text)
{
    if (utf8_has_nul(text->data, text->size))
        return err_set(ERR_INVALID_ARGUMENT, "%s: has a NUL byte", path);
    int number = 1;
    for (const char *line = buf_text(text); *line; number++) {
        size_t length = strcspn(line, "\n");
        if (length > INI_LINE_MAX)
            return err_set(ERR_INVALID_ARGUMENT, "%s: line %d is longer than %d bytes", path,
                           number, INI_LINE_MAX);
        line += length + (line[length] == '\n');
    }
    return 0;
}
