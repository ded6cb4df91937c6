/* Reading complaints: one, a list, its clocks, and a clock's explanation. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "complaints.h"

#define PAGE_SIZE_DEFAULT 50

int complaint_get(struct request *rq, const void *message, void *out)
{
    const GetRequest *in = message;
    return complaint_view_by_id(rq, in->id, out);
}

static int visible_clocks(struct request *rq, const char *id, struct clock **ret_clocks,
                          int *ret_count)
{
    struct complaint_row row;
    int r = store_complaint_read(rq->pg, rq->arena, id, &row);
    if (r < 0)
        return r;
    if (!principal_may_see(rq->actor, row.division, row.audience))
        return err_set(ERR_NOT_FOUND, "no complaint %s", id);

    struct clock **clocks;
    int *counts;
    r = clock_load_many(rq->pg, rq->arena, &(const char *){ row.id }, 1, &clocks, &counts);
    if (r < 0)
        return r;
    *ret_clocks = clocks[0];
    *ret_count = counts[0];
    return 0;
}

int complaint_clocks(struct request *rq, const void *message, void *reply)
{
    const ClocksRequest *in = message;
    ClocksResponse *out = reply;
    struct clock *clocks;
    int count;
    int r = visible_clocks(rq, in->id, &clocks, &count);
    if (r < 0)
        return r;
    clocks_view(rq, clocks, count, &out->n_clocks, &out->clocks);
    return 0;
}

int complaint_explain(struct request *rq, const void *message, void *reply)
{
    const ExplainRequest *in = message;
    ExplainResponse *out = reply;
    struct clock *clocks;
    int count;
    int r = visible_clocks(rq, in->id, &clocks, &count);
    if (r < 0)
        return r;
    return clock_explain_view(clocks, count, in->clock_id, rq->reference, rq->arena, &out->days,
                              &out->n_days);
}

static int list_views(struct request *rq, struct complaint_row *rows, int count, ListResponse *out)
{
    const char **ids = arena_array(rq->arena, const char *, count);
    for (int i = 0; i < count; i++)
        ids[i] = rows[i].id;
    struct clock **clocks;
    int *clock_counts;
    int r = clock_load_many(rq->pg, rq->arena, ids, count, &clocks, &clock_counts);
    if (r < 0)
        return r;
    out->complaints = arena_array(rq->arena, Complaint *, count);
    for (int i = 0; i < count; i++) {
        out->complaints[i] = wire_new(rq->arena, &complaint_rules);
        complaint_view(rq, &rows[i], clocks[i], clock_counts[i], out->complaints[i]);
    }
    out->n_complaints = (size_t)count;
    rq->version = 0; /* a list has none */
    return 0;
}

/* Of one complaint in an answer; its ids, numbers and clocks have a bound of their own. */
static size_t texts_of(const void *item)
{
    const struct complaint_row *row = item;
    return strlen(row->title) + strlen(row->body) + strlen(row->place) + strlen(row->reply_text) +
           strlen(row->reply_basis) + strlen(row->visit_note) + 2048;
}

int complaint_list(struct request *rq, const void *message, void *reply)
{
    const ListRequest *in = message;
    ListResponse *out = reply;
    struct complaint_filter filter = {
        .state = (int)in->state,
        .source = in->source,
        .external_id = in->external_id,
    };
    int page_size = in->page_size_choice_case ? (int)in->page_size : PAGE_SIZE_DEFAULT;
    int r = request_scope(rq, in->division, &filter.scope);
    if (r == 0 && *in->page_token)
        r = page_token_open(rq, in, in->page_token, &filter.before);
    if (r < 0)
        return r;

    struct complaint_row *rows;
    int count;
    filter.count_max = page_size + 1;
    r = store_complaint_list(rq->pg, rq->arena, &filter, &rows, &count);
    if (r < 0)
        return r;
    int fit = page_fit(rows, sizeof(*rows), MIN(count, page_size), texts_of);
    if (count > fit) {
        count = fit;
        out->next_page_token = arena_strdup(rq->arena, page_token_seal(rq, in, rows[count - 1].id));
    }
    return list_views(rq, rows, count, out);
}
