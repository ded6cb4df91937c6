/* What the files of log/ share. For this folder only. */
#ifndef LUJIAN_LOG_LOG_INSIDE_H
#define LUJIAN_LOG_LOG_INSIDE_H

#include "log/log_read.h"

/* Of the columns of the statement log_read, and of those in its shape. */
void log_record_of_row(const struct pg_rows *rows, int row, struct arena *arena,
                       struct log_record *ret);

#endif
