/* What a list may show to whom: the subtree asked for, within what the caller may see. */
#ifndef LUJIAN_SERVICE_SCOPE_H
#define LUJIAN_SERVICE_SCOPE_H

#include "commit/request.h"
#include "pg/pg.h"

struct scope {
    const char *const *prefixes; /* of division codes, replaced ones included; NULL-terminated */
    /* Their first six digits, where all have them: a list of counties can walk an index. NULL
     * otherwise. */
    const char *const *counties;
    /* What the audience of a matter about an organ must begin with; NULL = the division alone
     * decides. */
    const char *audience;
};

/* `asked` "" = all that the caller may see. ERR_UNPROCESSABLE: no such division;
 * ERR_PERMISSION_DENIED: it is not within the caller's jurisdiction. */
int request_scope(struct request *rq, const char *asked, struct scope *ret);

/* Answers have a limit (a frame of the bus): a page of long texts ends before its count is reached.
 */
#define PAGE_BYTES_MAX ((size_t)512 * 1024)
/* How many of the items fit into a page: at least one; `bytes_of` tells an item's texts. */
int page_fit(const void *items, size_t item_size, int count, size_t (*bytes_of)(const void *item));

/* A text[] of a NULL-terminated list, in the arena. */
struct pg_param scope_param(struct arena *arena, const char *const *list);

#endif
