/* Civil time, carried on between two looks at the database's clock. */
#include "call/civil.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/time.h"
#include "log/tx.h"
#include "log_sql.h"

/* One for the process: all its connections lead to one database. */
static _Atomic int64_t ahead_ms; /* database time minus monotonic time */
static _Atomic int64_t looked_at_ms = -CIVIL_CARRY_MS;

int civil_now(struct pg *pg, struct arena *arena, int64_t *ret_now_ms)
{
    int64_t now_ms = mono_ms();
    if (now_ms - atomic_load(&looked_at_ms) >= CIVIL_CARRY_MS) {
        struct pg_rows rows;
        int r = pg_read(pg, arena, &Q_LOG_NOW, PG_ARGS(pg_int(0)), &rows);
        if (r < 0)
            return err_wrap(r, "database time");
        now_ms = mono_ms();
        atomic_store(&ahead_ms, pg_row_int(&rows, 0, 0) - now_ms);
        atomic_store(&looked_at_ms, now_ms);
    }
    *ret_now_ms = now_ms + atomic_load(&ahead_ms) + civil_offset_ms();
    return 0;
}
