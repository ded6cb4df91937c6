/* Pull: one bounded look into the log. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "log/feed_inside.h"

#define PULL_READ_EVENTS 1000
#define PULL_BYTES_MAX   ((size_t)768 * 1024) /* an answer is one frame of the door's */
#define PULL_LIMIT_MAX   1000

struct pull {
    struct pg *pg;
    struct arena *arena; /* of the answer */
    struct arena scraps; /* of one read */
    struct feed_filter filter;
    struct log_cursor through;
    size_t limit, bytes;
    PullResponse *out;
};

static size_t event_bytes(const struct log_record *r)
{
    return 128 + strlen(r->id) + strlen(r->type) + strlen(r->subject) + strlen(r->division) +
           strlen(r->audience) + strlen(r->traceparent) + strlen(r->correlation) + r->size;
}

static void pull_add(struct pull *p, const struct log_record *r)
{
    struct log_record kept = *r;
    kept.id = arena_strdup(p->arena, r->id);
    kept.type = arena_strdup(p->arena, r->type);
    kept.subject = arena_strdup(p->arena, r->subject);
    kept.division = arena_strdup(p->arena, r->division);
    kept.audience = arena_strdup(p->arena, r->audience);
    kept.traceparent = arena_strdup(p->arena, r->traceparent);
    kept.correlation = arena_strdup(p->arena, r->correlation);
    kept.data = arena_memdup(p->arena, r->data, r->size);
    Event *event = wire_new(p->arena, &event_rules);
    feed_event_fill(event, &kept);
    p->out->events[p->out->n_events++] = event;
    p->bytes += event_bytes(r);
}

/* Looks at the records behind `through`. False: the answer is full. */
static bool pull_look(struct pull *p, const struct log_record *records, int count)
{
    for (int i = 0; i < count; i++) {
        const struct log_record *r = &records[i];
        if (r->position <= p->through.position)
            continue;
        if (feed_gets(&p->filter, r, i > 0 ? &records[i - 1] : NULL)) {
            if (p->out->n_events == p->limit ||
                (p->out->n_events > 0 && p->bytes + event_bytes(r) > PULL_BYTES_MAX))
                return false;
            pull_add(p, r);
        }
        p->through.position = r->position;
    }
    return p->out->n_events < p->limit;
}

static int pull_read(struct pull *p)
{
    int64_t until = p->through.position + LOG_SLICE_MAX;
    bool more = true;
    while (more && p->through.position < until) {
        struct log_record *records;
        int64_t epoch;
        int count;
        /* One before the first wanted one: a moved_out is judged by it. */
        int64_t after = MAX(p->through.position - 1, 0);
        int wanted = (int)MIN(until - after, PULL_READ_EVENTS);
        arena_reset(&p->scraps);
        int r = log_read_slice(p->pg, &p->scraps, after, wanted, &epoch, &records, &count);
        if (r < 0)
            return r;
        if (!p->through.epoch)
            p->through.epoch = epoch;
        if (epoch != p->through.epoch)
            return err_set_reason(ERR_CURSOR_MISMATCH, "cursor_mismatch",
                                  "the cursor is of another epoch");
        more = pull_look(p, records, count) && count == wanted;
    }
    return 0;
}

int log_pull(struct pg *pg, struct arena *arena, const char *stream, const PullRequest *in,
             const struct feed_authority *authority, const struct feed_view *view,
             PullResponse *out)
{
    struct pull p = { .pg = pg, .arena = arena, .out = out };
    int r = feed_cursor_read(in->after, stream, &p.through);
    if (r >= 0 && p.through.epoch)
        r = log_cursor_check(pg, arena, p.through.epoch, p.through.position, "");
    if (r < 0)
        return r;
    p.filter = (struct feed_filter){
        .types = in->types, .type_count = in->n_types, .authority = authority, .view = view
    };
    bool limited = in->limit_choice_case == PULL_REQUEST_LIMIT_CHOICE_LIMIT;
    p.limit = limited ? MIN(in->limit, PULL_LIMIT_MAX) : PULL_LIMIT_DEFAULT;
    out->events = arena_array(arena, Event *, p.limit);
    arena_init(&p.scraps, 0);
    r = pull_read(&p);
    arena_clear(&p.scraps);
    if (r < 0)
        return r;
    char through[LOG_CURSOR_TEXT_SIZE];
    log_cursor_format(&p.through, through);
    out->through = arena_strdup(arena, through);
    return 0;
}
