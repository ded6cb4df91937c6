/* Scopes of lists: a division's subtree as prefixes of codes. */
#include "service/scope.h"

#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "reference/snapshot.h"

#define COUNTY_DIGITS 6

static const char *const *county_list(struct arena *arena, const char *const *prefixes)
{
    int count = 0;
    for (const char *const *p = prefixes; *p; p++, count++)
        if (strlen(*p) < COUNTY_DIGITS)
            return NULL;
    const char **counties = arena_array(arena, const char *, count + 1);
    for (int i = 0; i < count; i++)
        counties[i] = arena_strndup(arena, prefixes[i], COUNTY_DIGITS);
    return counties;
}

int request_scope(struct request *rq, const char *asked, struct scope *ret)
{
    /* What one shows, the list of all shows too. */
    bool all = principal_sees_all(rq->actor);
    const char *jurisdiction = all ? "" : rq->actor->jurisdiction;
    const char *code = jurisdiction;
    if (*asked) {
        const struct division *division = snapshot_division(rq->reference, asked);
        if (!division)
            return reject(rq, ERR_UNPROCESSABLE, "unknown_division", "division",
                          "no such division");
        if (!snapshot_covers(rq->reference, jurisdiction, division->code))
            return reject(rq, ERR_PERMISSION_DENIED, "division_not_yours", "division",
                          "the division is not within the caller's jurisdiction");
        code = division->code;
    }
    ret->prefixes = snapshot_scope(rq->reference, rq->arena, code);
    ret->counties = county_list(rq->arena, ret->prefixes);
    ret->audience = all ? NULL : principal_audience(rq->actor);
    return 0;
}

int page_fit(const void *items, size_t item_size, int count, size_t (*bytes_of)(const void *item))
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += bytes_of((const char *)items + (size_t)i * item_size);
        if (bytes > PAGE_BYTES_MAX)
            return MAX(i, 1);
    }
    return count;
}

struct pg_param scope_param(struct arena *arena, const char *const *list)
{
    if (!list)
        return pg_null();
    struct pg_array array;
    pg_array_init(&array);
    for (const char *const *item = list; *item; item++)
        pg_array_add_text(&array, *item);
    struct pg_param built = pg_array_param(&array);
    char *text = arena_strdup(arena, built.data);
    pg_array_clear(&array);
    return pg_text(text);
}
