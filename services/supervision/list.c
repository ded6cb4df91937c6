/* What the lists of cards and orders share: the subtree, the audience, the page. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "law/division.h"
#include "supervision.h"

#define PAGE_SIZE_DEFAULT 50

int list_scope(struct request *rq, const char *asked, const char **ret_division,
               const char **ret_audience)
{
    uint32_t readers = ROLE_BIT_HOTLINE | ROLE_BIT_SUPERVISOR | ROLE_BIT_OPERATOR;
    *ret_audience = rq->actor->roles & readers ? NULL : rq->actor->jurisdiction;
    *ret_division = rq->actor->jurisdiction;
    if (!*asked)
        return 0;
    const struct division *division = snapshot_division(rq->reference, asked);
    if (!division)
        return reject(rq, ERR_UNPROCESSABLE, "unknown_division", "division", "no such division");
    if (!division_contains(rq->actor->jurisdiction, division->code))
        return reject(rq, ERR_PERMISSION_DENIED, "division_not_yours", "division",
                      "the division is not within the caller's jurisdiction");
    *ret_division = division->code;
    return 0;
}

int list_page(struct request *rq, const void *request_message, const char *token, int page_size,
              struct page *ret)
{
    *ret = (struct page){ .count_max = (page_size ? page_size : PAGE_SIZE_DEFAULT) + 1 };
    if (!*token)
        return 0;
    const char *last;
    int r = page_token_open(rq, request_message, token, &last);
    if (r < 0)
        return r;
    char *separator;
    ret->before_at = strtoll(last, &separator, 10);
    ret->before_id = separator + 1;
    return 0;
}

char *list_next(struct request *rq, const void *request_message, int64_t at, const char *id)
{
    const char *last = arena_printf(rq->arena, "%lld %s", (long long)at, id);
    return arena_strdup(rq->arena, page_token_seal(rq, request_message, last));
}
