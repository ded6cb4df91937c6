/* What supervision does on the complaints' events: orders from failed visits, and the end of cards
 * and orders when the act came; what reached rungs make is in on_rungs.c. SQL only, in the
 * transaction that moves the cursor. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "lujian/complaints/v1/events.lj.h"
#include "supervision.h"

#define BASIS_UNSATISFIED_ZH                                                                       \
    "《山东省省级政府服务投诉热线管理办法》（2017年）：重办后仍不满意的发督办单"
#define BASIS_UNSATISFIED_EN                                                                       \
    "Shandong Provincial Complaint Hotline Measures (2017): a supervision order when still "       \
    "unsatisfied after a redo"

#define FAILED_VISITS_TO_ORDER 2

struct matter matter_of(const struct log_record *event, const char *id, const char *unit)
{
    struct matter m = {
        .division = event->division,
        .audience = event->audience,
        .unit = unit,
        .about_enforcement = *event->audience != 0, /* what is about an organ, and nothing else */
    };
    snprintf(m.id, sizeof(m.id), "%s", id);
    return m;
}

/* What the cards of those clocks warned of is over. */
static int close_cards(struct tx *tx, const char *subject, const int *kinds, int kind_count)
{
    struct card_row *open;
    int count;
    int r = store_cards_open(tx, subject, kinds, kind_count, &open, &count);
    for (int i = 0; r == 0 && i < count; i++) {
        open[i].state = CARD_STATE_CLOSED;
        open[i].closed_at = tx->now_ms;
        open[i].version++;
        r = store_card_close(tx, &open[i]);
        event_card_closed(tx, &open[i]);
    }
    return r;
}

#define CLOSE_CARDS(tx, event, ...)                                                                \
    close_cards((tx), (event)->subject, (const int[]){ __VA_ARGS__ },                              \
                (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)))

static int on_dispatched(struct tx *tx, const struct snapshot *reference,
                         const struct log_record *event, const void *data)
{
    const ComplaintDispatched *e = data;
    if (e->reply_term == 1)
        return 0; /* at filing: there is nothing yet */
    struct matter matter = matter_of(event, e->complaint_id, e->unit);
    int r = ladder_readdress(tx, reference, &matter);
    return r < 0 ? r : CLOSE_CARDS(tx, event, CLOCK_KIND_DISPATCH);
}

static int on_signed(struct tx *tx, const struct snapshot *reference,
                     const struct log_record *event, const void *data)
{
    (void)reference;
    (void)data;
    return CLOSE_CARDS(tx, event, CLOCK_KIND_SIGN);
}

static int on_contacted(struct tx *tx, const struct snapshot *reference,
                        const struct log_record *event, const void *data)
{
    (void)reference;
    const ComplaintContacted *e = data;
    return e->reached ? CLOSE_CARDS(tx, event, CLOCK_KIND_CONTACT) : 0;
}

static int on_returned(struct tx *tx, const struct snapshot *reference,
                       const struct log_record *event, const void *data)
{
    const ComplaintReturned *e = data;
    struct matter matter = matter_of(event, e->complaint_id, e->unit); /* it may be designated */
    int r = ladder_readdress(tx, reference, &matter);
    return r < 0 ? r
                 : CLOSE_CARDS(tx, event, CLOCK_KIND_SIGN, CLOCK_KIND_CONTACT, CLOCK_KIND_REPLY);
}

static int on_replied(struct tx *tx, const struct snapshot *reference,
                      const struct log_record *event, const void *data)
{
    (void)data;
    int r = ladder_stop(tx, reference, event->subject);
    return r < 0 ? r : CLOSE_CARDS(tx, event, CLOCK_KIND_REPLY, CLOCK_KIND_CONTACT);
}

static int on_visited(struct tx *tx, const struct snapshot *reference,
                      const struct log_record *event, const void *data)
{
    const ComplaintVisited *e = data;
    if (!e->reached)
        return 0;
    int r = CLOSE_CARDS(tx, event, CLOCK_KIND_VISIT);
    if (r < 0 || (e->solved && e->satisfied) || e->failed_visits < FAILED_VISITS_TO_ORDER)
        return r;
    struct matter matter = matter_of(event, e->complaint_id, e->unit);
    struct issue issue = {
        .matter = &matter,
        .trigger = TRIGGER_UNSATISFIED,
        .level = rules_level_of(event->division),
        .step = RUNG_L1,
        .cause = arena_printf(tx->arena, "order\x1funsatisfied\x1f%s", event->id),
        .previous = "",
        .basis_zh = BASIS_UNSATISFIED_ZH,
        .basis_en = BASIS_UNSATISFIED_EN,
    };
    return ladder_issue(tx, reference, &issue);
}

static int on_closed(struct tx *tx, const struct snapshot *reference,
                     const struct log_record *event, const void *data)
{
    (void)reference;
    (void)data;
    /* An order of a failed visit goes on: the centre has closed the matter, nobody has answered it.
     */
    return CLOSE_CARDS(tx, event, CLOCK_KIND_DISPATCH, CLOCK_KIND_SIGN, CLOCK_KIND_CONTACT,
                       CLOCK_KIND_REPLY, CLOCK_KIND_VISIT);
}

const struct consumer_handler on_complaints[] = {
    { .type = "clock.rung_reached.v1", .apply_run = on_rungs_reached, .data = &rung_reached_rules },
    { .type = "complaint.dispatched.v1",
      .apply = on_dispatched,
      .data = &complaint_dispatched_rules },
    { .type = "complaint.signed.v1", .apply = on_signed, .data = &complaint_signed_rules },
    { .type = "complaint.contacted.v1", .apply = on_contacted, .data = &complaint_contacted_rules },
    { .type = "complaint.returned.v1", .apply = on_returned, .data = &complaint_returned_rules },
    { .type = "complaint.replied.v1", .apply = on_replied, .data = &complaint_replied_rules },
    { .type = "complaint.visited.v1", .apply = on_visited, .data = &complaint_visited_rules },
    { .type = "complaint.closed.v1", .apply = on_closed, .data = &complaint_closed_rules },
    { 0 },
};
