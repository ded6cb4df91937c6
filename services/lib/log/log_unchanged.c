/* Whether the log says that an earlier answer still stands (see the header). */
#include "log/log_unchanged.h"

#include "base/err.h"
#include "log_sql.h"

int log_unchanged(struct pg *pg, struct arena *arena, int64_t since, struct pg_param divisions,
                  struct log_standing *ret)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_UNCHANGED,
                    PG_ARGS(pg_int(since), divisions, pg_int(LOG_UNCHANGED_MAX)), &rows);
    if (r < 0)
        return err_wrap(r, "what came since position %lld", (long long)since);
    if (rows.count == 0)
        return err_set(ERR_INTERNAL, "the stream was never opened");
    *ret = (struct log_standing){ .epoch = pg_row_int(&rows, 0, 0),
                                  .head = pg_row_int(&rows, 0, 1),
                                  .unchanged = pg_row_bool(&rows, 0, 2) };
    return 0;
}

int log_place(struct pg *pg, struct arena *arena, const char **ret_place)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_LOG_PLACE, PG_NO_ARGS, &rows);
    if (r < 0 || rows.count == 0)
        return err_wrap(r < 0 ? r : err_set(ERR_INTERNAL, "the stream was never opened"),
                        "place of the log");
    *ret_place = pg_row_text(&rows, 0, 0);
    return 0;
}
