/* Rows that queries read before, from Redis, believed only where PostgreSQL says that they stand.
 *
 * A row is valid by its version, asked by its key; a page by the log: nothing was appended under
 * its divisions since. Both are asked after the value was found, in the request itself, so an
 * answer from here is one that the database would have given: whatever Redis does, and whoever died
 * between a commit and whatever else. Commands have no cache (request.h), and nobody invalidates.
 */
#ifndef LUJIAN_SERVICE_CACHED_H
#define LUJIAN_SERVICE_CACHED_H

#include "cache/cache.h"
#include "commit/request.h"
#include "pg/pg.h"
#include "service/scope.h"

#define CACHED_SETS_MAX 8

/* A question whose answer may be kept: by its statement and parameters. */
struct cached {
    struct request *rq;
    enum cache_kind kind;
    const char *key; /* NULL = nothing is kept */
    struct cache_version version;
};

/* One aggregate's rows. `standing` is a statement of the same parameters: (epoch, version) as they
 * are now. 1: found and valid, in `sets`; 0: read them, then cached_keep; or the database's
 * failure. */
int cached_row(struct request *rq, const struct pg_query *query, const struct pg_query *standing,
               const struct pg_param *params, int param_count, struct pg_rows *sets, int set_count,
               struct cached *ret);
/* A page of a list within a scope. The same. */
int cached_page(struct request *rq, const struct scope *scope, const struct pg_query *query,
                const struct pg_param *params, int param_count, struct pg_rows *sets, int set_count,
                struct cached *ret);
/* Keeps what was read instead, for the next; of a row, first set the version of what was read. */
void cached_keep(struct cached *c, const struct pg_rows *sets, int set_count);

#endif
