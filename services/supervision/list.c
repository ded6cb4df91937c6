/* What the lists of cards and orders share: the page. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "supervision.h"

#define PAGE_SIZE_DEFAULT 50

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
