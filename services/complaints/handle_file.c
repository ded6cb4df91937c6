/* 受理并派单: filing stores, numbers, routes and dispatches a complaint and starts its clocks, in
 * one step. */
#include <pthread.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "complaints.h"

#define ORDER_BLOCK 1000 /* the sequence's INCREMENT */
#define RECEIVED_AHEAD_MS                                                                          \
    (5 * 60 * INT64_C(1000)) /* how far a centre's clock may be ahead of ours */

/* Order numbers come in blocks, so that filing reads nothing; a block lost with its process is a
 * gap. */
static struct {
    pthread_mutex_t lock;
    int64_t next, end;
} order_block = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int next_order(struct tx *tx, int64_t *ret)
{
    int r = 0;
    pthread_mutex_lock(&order_block.lock);
    if (order_block.next == order_block.end) {
        int64_t first;
        r = store_complaint_order_sequence(tx, &first);
        if (r == 0) {
            order_block.next = first;
            order_block.end = first + ORDER_BLOCK;
        }
    }
    if (r == 0)
        *ret = order_block.next++;
    pthread_mutex_unlock(&order_block.lock);
    return r;
}

/* Before anything is queued, and before any replay: whose division, whose source, known names. */
int complaint_file_check(struct request *rq, const void *message)
{
    const FileRequest *in = message;
    const struct division *division = snapshot_division(rq->reference, in->division);
    if (!division)
        return reject(rq, ERR_UNPROCESSABLE, "unknown_division", "division", "no such division");
    if (!snapshot_covers(rq->reference, rq->actor->jurisdiction, division->code))
        return reject(rq, ERR_PERMISSION_DENIED, "division_not_yours", "division",
                      "the division is not within the caller's jurisdiction");
    if (!principal_owns_source(rq->actor, in->source))
        return reject(rq, ERR_PERMISSION_DENIED, "source_not_yours", "source",
                      "the source is not one of the caller's");
    const struct category *category = snapshot_category(rq->reference, in->category);
    if (!category)
        return reject(rq, ERR_UNPROCESSABLE, "unknown_category", "category", "no such category");

    return 0;
}

/* Fills the row but for its number. Refuses what only the time or the registry's units can tell. */
static int file_row(struct request *rq, const FileRequest *in, struct complaint_row *row)
{
    *row = (struct complaint_row){ 0 };
    row->division = snapshot_division(rq->reference, in->division)->code;
    row->category = snapshot_category(rq->reference, in->category)->code;
    struct ownership owner =
        rules_owner(rq->reference, row->division, row->category, in->about_enforcement);
    if (!owner.unit)
        return err_set(ERR_NOT_EXECUTED, "the registry has no unit for %s yet", row->division);
    if (in->received_at > rq->now_ms + RECEIVED_AHEAD_MS)
        return reject(rq, ERR_UNPROCESSABLE, "received_in_future", "received_at",
                      "received_at lies in the future");

    uuid_v7(rq->now_ms, row->id);
    row->unit = owner.unit->code;
    row->audience = owner.audience;
    row->source = in->source;
    row->external_id = in->external_id;
    row->channel = (int)in->channel;
    row->type = (int)in->type;
    row->urgency = in->urgency ? (int)in->urgency : URGENCY_NORMAL;
    row->title = in->title;
    row->body = in->text;
    row->place = in->place;
    row->about_enforcement = in->about_enforcement;
    row->received_at = in->received_at ? in->received_at : rq->now_ms;
    row->filed_at = rq->now_ms;
    row->state = COMPLAINT_STATE_DISPATCHED;
    row->version = 1;
    return caller_seal(rq->arena, row->id, in->caller, row);
}

/* Clocks of an importer start when the centre received the complaint; all others when it is filed.
 */
static int64_t clocks_start(const struct request *rq, const struct complaint_row *row)
{
    bool importer = rq->actor->roles & ROLE_BIT_IMPORTER;
    return importer ? MIN(row->received_at, rq->now_ms) : rq->now_ms;
}

int complaint_file_apply(struct request *rq, const void *message, void *out)
{
    struct complaint_row row;
    int64_t sequence = 0;
    int r = file_row(rq, message, &row);
    if (r == 0)
        r = next_order(rq->tx, &sequence);
    if (r < 0)
        return r;
    row.order_no = rules_order_no(rq->arena, row.division, rq->now_ms, sequence);
    r = store_complaint_insert(rq->tx, &row, rq->digest);
    if (r < 0)
        return r;

    struct clock_set clocks;
    struct clock_subject subject = complaint_subject(&row);
    int64_t start = clocks_start(rq, &row);
    clock_set_init(&clocks, rq->tx, rq->reference, &subject);
    if ((r = clock_start(&clocks, CLOCK_KIND_SIGN, start)) < 0 ||
        (r = clock_start(&clocks, CLOCK_KIND_RETURN, start)) < 0 ||
        (r = clock_start(&clocks, CLOCK_KIND_REPLY, start)) < 0)
        return r;
    event_filed(rq->tx, &row);
    event_dispatched(rq->tx, &row, clock_find(&clocks, CLOCK_KIND_REPLY));
    rq->created = true;
    complaint_view(rq, &row, clocks.clocks, clocks.count, out);
    return 0;
}
