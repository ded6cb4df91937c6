/* What every INI file of ours must be before libinih reads it. */
#ifndef LUJIAN_BASE_INI_TEXT_H
#define LUJIAN_BASE_INI_TEXT_H

#include "base/buf.h"

/* libinih cuts longer lines in two without a word. */
#define INI_LINE_MAX 190

/* ERR_INVALID_ARGUMENT, naming the file and the line, for what libinih would misread in silence: a
 * NUL, where it would stop, and a line that it would cut. */
int ini_text_check(const char *path, const struct buf *text);

#endif
