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

int complaint_clocks(struct request *rq, const void *message, void *reply)
{
    const ClocksRequest *in = message;
    ClocksResponse *out = reply;
    struct complaint_seen seen;
    int r = complaint_see(rq, in->id, &seen);
    if (r < 0)
        return r;
    clocks_view(rq, seen.clocks, seen.clock_count, &out->n_clocks, &out->clocks);
    return 0;
}

int complaint_explain(struct request *rq, const void *message, void *reply)
{
    const ExplainRequest *in = message;
    ExplainResponse *out = reply;
    struct complaint_seen seen;
    int r = complaint_see(rq, in->id, &seen);
    if (r < 0)
        return r;
    return clock_explain_view(seen.clocks, seen.clock_count, in->clock_id, rq->reference, rq->arena,
                              &out->days, &out->n_days);
}

static void list_views(struct request *rq, const struct complaint_seen *seen, int count,
                       ListResponse *out)
{
    out->complaints = arena_array(rq->arena, Complaint *, count);
    for (int i = 0; i < count; i++) {
        out->complaints[i] = wire_new(rq->arena, &complaint_rules);
        complaint_view(rq, &seen[i].row, seen[i].clocks, seen[i].clock_count, out->complaints[i]);
    }
    out->n_complaints = (size_t)count;
    rq->version = 0; /* a list has none */
}

/* Of one complaint in an answer; its ids, numbers and clocks have a bound of their own. */
static size_t texts_of(const void *item)
{
    const struct complaint_row *row = &((const struct complaint_seen *)item)->row;
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

    struct complaint_seen *seen;
    int count;
    filter.count_max = page_size + 1;
    r = store_complaint_list(rq, &filter, &seen, &count);
    if (r < 0)
        return r;
    int fit = page_fit(seen, sizeof(*seen), MIN(count, page_size), texts_of);
    if (count > fit) {
        count = fit;
        out->next_page_token =
            arena_strdup(rq->arena, page_token_seal(rq, in, seen[count - 1].row.id));
    }
    list_views(rq, seen, count, out);
    return 0;
}
