/* Listing rows: public ones for everyone, principals for operators and never with what proves who
 * they are. */
#include <string.h>

#include "base/err.h"
#include "registry.h"

#define PAGE_SIZE_DEFAULT 50

int registry_list_check(struct request *rq, const void *message)
{
    const ListRowsRequest *in = message;
    if (!fact_kind_known(in->kind))
        return reject(rq, ERR_NOT_FOUND, "unknown_kind", "kind", "no rows are of that kind");
    if (strcmp(in->kind, "principal") == 0 && !(rq->actor->roles & ROLE_BIT_OPERATOR))
        return reject(rq, ERR_PERMISSION_DENIED, "kind_not_yours", "kind",
                      "principals are for operators to see");
    if (*in->division && !snapshot_division(rq->reference, in->division))
        return reject(rq, ERR_UNPROCESSABLE, "unknown_division", "division", "no such division");
    return 0;
}

static void hide_secrets(struct request *rq, ReferenceRow *row)
{
    if (row->row_case == REFERENCE_ROW_ROW_PRINCIPAL)
        row->principal->token_sha256 = arena_strdup(rq->arena, "");
}

int registry_list_rows(struct request *rq, const void *message, void *reply)
{
    const ListRowsRequest *in = message;
    ListRowsResponse *out = reply;
    int page_size = in->page_size_choice_case ? (int)in->page_size : PAGE_SIZE_DEFAULT;
    struct row_filter filter = { .kind = in->kind, .after = "", .count_max = page_size + 1 };
    int r = 0;
    if (*in->division)
        filter.divisions = snapshot_scope(rq->reference, rq->arena, in->division);
    if (*in->page_token)
        r = page_token_open(rq, in, in->page_token, &filter.after);
    if (r < 0)
        return r;

    struct listed_row *rows;
    int count;
    r = store_rows_list(rq->pg, rq->arena, &filter, &rows, &count);
    if (r < 0)
        return r;
    if (count > page_size) {
        count = page_size;
        out->next_page_token =
            arena_strdup(rq->arena, page_token_seal(rq, in, rows[count - 1].key));
    }
    out->rows = arena_array(rq->arena, ReferenceRow *, count + 1);
    for (int i = 0; i < count; i++) {
        out->rows[i] = rows[i].row;
        hide_secrets(rq, rows[i].row);
    }
    out->n_rows = (size_t)count;
    return 0;
}
