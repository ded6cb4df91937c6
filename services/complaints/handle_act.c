/* Acts on a complaint: lock, ask the rules, write, tell. Each handler reads from top to bottom. */
#include <string.h>

#include "base/err.h"
#include "complaints.h"
#include "law/division.h"

/* What every act begins with: the locked row, its clocks, and the caller's right to see it. */
struct acting {
    struct complaint_row row;
    struct clock_set clocks;
};

/* Who acts: the unit that has the complaint, or the centre whose source it came from. */
static int permit_unit(struct request *rq, const struct complaint_row *row)
{
    const struct unit *unit = rules_handling_unit(rq->reference, row);
    if (unit && principal_acts_for(rq->actor, unit))
        return 0;
    return reject(rq, ERR_PERMISSION_DENIED, "unit_not_yours", "id",
                  "the complaint is another unit's");
}

/* Who has returned it before, too: he is told that the common superior has decided. */
static int permit_return(struct request *rq, const struct complaint_row *row)
{
    const struct unit *before = snapshot_unit(rq->reference, row->returned_by);
    if (row->return_limit && before && principal_acts_for(rq->actor, before))
        return 0;
    return permit_unit(rq, row);
}

static int permit_centre(struct request *rq, const struct complaint_row *row)
{
    if (principal_owns_source(rq->actor, row->source))
        return 0;
    return reject(rq, ERR_PERMISSION_DENIED, "source_not_yours", "id",
                  "the complaint is another centre's");
}

int complaint_load(struct tx *tx, struct request *const *requests, const char *const *ids,
                   int count)
{
    struct complaint_seen *seen;
    int seen_count;
    int r = store_complaints_load(tx, ids, count, &seen, &seen_count);
    if (r < 0)
        return r;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < seen_count && !requests[i]->loaded; k++) {
            if (strcmp(seen[k].row.id, ids[i]) == 0)
                requests[i]->loaded = &seen[k];
        }
    }
    return 0;
}

static int act_open(struct request *rq, const char *id, enum action action,
                    int (*permit)(struct request *rq, const struct complaint_row *row),
                    struct acting *a)
{
    const struct complaint_seen *seen = rq->loaded;
    if (!seen)
        return err_set(ERR_NOT_FOUND, "no complaint %s", id);
    a->row = seen->row;
    int r;
    if (!principal_may_see(rq->actor, a->row.division, a->row.audience))
        return err_set(ERR_NOT_FOUND, "no complaint %s", id);
    if ((r = permit(rq, &a->row)) < 0 || (r = request_check_version(rq, a->row.version)) < 0)
        return r;

    struct clock_subject subject = complaint_subject(&a->row);
    clock_set_init(&a->clocks, rq->tx, rq->reference, &subject);
    clock_set_take(&a->clocks, seen->clocks, seen->clock_count);
    const struct refusal *why = rules_state_allows(rq->arena, a->row.state, action);
    return why ? refuse(rq, why) : 0;
}

/* What every act ends with: its line in the journal, and the answer. */
static int act_close(struct request *rq, struct acting *a, struct act act, Complaint *out)
{
    act.at = rq->now_ms;
    act.principal = rq->actor->id;
    int r = store_act(rq->tx, &a->row, &act);
    if (r < 0)
        return r;
    complaint_view(rq, &a->row, a->clocks.clocks, a->clocks.count, out);
    return 0;
}

static int dispatch_unit(struct request *rq, const struct acting *a, const struct unit *handling,
                         const char *asked, const struct unit **ret)
{
    /* Where no unit is named, the designated one has it, else the matter is routed anew. */
    const struct unit *unit =
        *asked ? snapshot_unit(rq->reference, asked)
        : a->row.return_limit
            ? handling
            : rules_owner(rq->reference, a->row.division, a->row.category, a->row.about_enforcement)
                  .unit;
    if (!unit)
        return reject(rq, ERR_UNPROCESSABLE, "unknown_unit", "unit", "no such unit");
    if (*asked && !a->row.return_limit &&
        !snapshot_covers(rq->reference, rq->actor->jurisdiction, unit->division))
        return reject(rq, ERR_PERMISSION_DENIED, "unit_not_yours", "unit",
                      "the unit is not within the caller's jurisdiction");
    *ret = unit;
    return 0;
}

static int dispatch_clocks(struct request *rq, struct acting *a)
{
    struct clock_subject subject = complaint_subject(&a->row);
    int r;
    if ((r = clock_set_readdress(&a->clocks, &subject)) < 0 ||
        (r = clock_stop(&a->clocks, CLOCK_KIND_DISPATCH)) < 0 ||
        (r = clock_start(&a->clocks, CLOCK_KIND_SIGN, rq->now_ms)) < 0 ||
        (r = clock_start(&a->clocks, CLOCK_KIND_RETURN, rq->now_ms)) < 0)
        return r;
    return clock_start(&a->clocks, CLOCK_KIND_REPLY, rq->now_ms);
}

int complaint_dispatch_apply(struct request *rq, const void *message, void *out)
{
    const DispatchRequest *in = message;
    struct acting a;
    const struct unit *unit = NULL;
    int r = act_open(rq, in->id, ACTION_DISPATCH, permit_centre, &a);
    if (r < 0)
        return r;
    const struct unit *handling = rules_handling_unit(rq->reference, &a.row);
    r = dispatch_unit(rq, &a, handling, in->unit, &unit);
    if (r < 0)
        return r;
    const struct refusal *why = rules_can_dispatch(&a.row, handling, unit);
    if (why)
        return refuse(rq, why);

    const char *left = a.row.division;
    a.row.unit = unit->code;
    a.row.division = rules_division_at(unit, a.row.division);
    a.row.extended = false;
    a.row.state = COMPLAINT_STATE_DISPATCHED;
    a.row.version++;
    if ((r = store_complaint_dispatched(rq->tx, &a.row)) < 0 || (r = dispatch_clocks(rq, &a)) < 0)
        return r;
    event_dispatched(rq->tx, &a.row, clock_find(&a.clocks, CLOCK_KIND_REPLY));
    if (!division_contains(left, a.row.division))
        event_moved_out(rq->tx, &a.row, left);
    return act_close(rq, &a, (struct act){ .action = ACTION_DISPATCH, .unit = unit->code }, out);
}

int complaint_sign_apply(struct request *rq, const void *message, void *out)
{
    const SignRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_SIGN, permit_unit, &a);
    if (r < 0)
        return r;

    a.row.state = COMPLAINT_STATE_SIGNED;
    a.row.version++;
    if ((r = store_complaint_state(rq->tx, &a.row)) < 0 ||
        (r = clock_stop(&a.clocks, CLOCK_KIND_SIGN)) < 0 ||
        (r = clock_start(&a.clocks, CLOCK_KIND_CONTACT, rq->now_ms)) < 0)
        return r;
    event_signed(rq->tx, &a.row);
    return act_close(rq, &a, (struct act){ .action = ACTION_SIGN, .unit = a.row.unit }, out);
}

int complaint_contact_apply(struct request *rq, const void *message, void *out)
{
    const ContactRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_CONTACT, permit_unit, &a);
    if (r < 0)
        return r;

    /* Not reached: recorded, and nothing else changes. */
    if (in->reached) {
        a.row.state = COMPLAINT_STATE_HANDLING;
        r = clock_stop(&a.clocks, CLOCK_KIND_CONTACT);
        if (r < 0)
            return r;
    }
    a.row.version++;
    r = store_complaint_state(rq->tx, &a.row);
    if (r < 0)
        return r;
    event_contacted(rq->tx, &a.row, in->reached);
    return act_close(rq, &a,
                     (struct act){ .action = ACTION_CONTACT,
                                   .unit = a.row.unit,
                                   .note = in->note,
                                   .has_reached = true,
                                   .reached = in->reached },
                     out);
}

int complaint_reply_apply(struct request *rq, const void *message, void *out)
{
    const ReplyRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_REPLY, permit_unit, &a);
    if (r < 0)
        return r;

    a.row.state = COMPLAINT_STATE_REPLIED;
    a.row.version++;
    a.row.reply_text = in->text;
    a.row.reply_basis = in->basis;
    a.row.replied_at = rq->now_ms;
    if ((r = store_complaint_replied(rq->tx, &a.row)) < 0 ||
        (r = clock_stop(&a.clocks, CLOCK_KIND_REPLY)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_CONTACT)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_RETURN)) < 0 ||
        (r = clock_start(&a.clocks, CLOCK_KIND_VISIT, rq->now_ms)) < 0)
        return r;
    event_replied(rq->tx, &a.row, clock_find(&a.clocks, CLOCK_KIND_REPLY));
    return act_close(rq, &a, (struct act){ .action = ACTION_REPLY, .unit = a.row.unit }, out);
}

int complaint_extend_apply(struct request *rq, const void *message, void *out)
{
    const ExtendRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_EXTEND, permit_unit, &a);
    if (r < 0)
        return r;
    const struct refusal *why =
        rules_can_extend(&a.row, clock_find(&a.clocks, CLOCK_KIND_REPLY), rq->now_ms);
    if (why)
        return refuse(rq, why);

    a.row.extended = true;
    a.row.version++;
    if ((r = store_complaint_extended(rq->tx, &a.row)) < 0 ||
        (r = clock_extend(&a.clocks, CLOCK_KIND_REPLY, in->working_days)) < 0)
        return r;
    event_extended(rq->tx, &a.row, clock_find(&a.clocks, CLOCK_KIND_REPLY), in->working_days);
    return act_close(
        rq, &a, (struct act){ .action = ACTION_EXTEND, .unit = a.row.unit, .note = in->reason },
        out);
}

int complaint_return_apply(struct request *rq, const void *message, void *out)
{
    const ReturnRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_RETURN, permit_return, &a);
    if (r < 0)
        return r;
    const struct refusal *why =
        rules_can_return(&a.row, clock_find(&a.clocks, CLOCK_KIND_RETURN), rq->now_ms);
    if (why)
        return refuse(rq, why);

    const char *returner = a.row.unit;
    a.row.state = COMPLAINT_STATE_RETURNED;
    a.row.version++;
    a.row.return_count++;
    if (a.row.return_count >= 2) {
        a.row.return_limit = true;
        a.row.unit = rules_common_superior(rq->reference, a.row.returned_by, returner)->code;
    }
    a.row.returned_by = returner;
    struct clock_subject subject = complaint_subject(&a.row); /* its unit may be another now */
    if ((r = store_complaint_returned(rq->tx, &a.row)) < 0 ||
        (r = clock_set_readdress(&a.clocks, &subject)) < 0 ||
        (r = clock_stop(&a.clocks, CLOCK_KIND_RETURN)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_SIGN)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_CONTACT)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_REPLY)) < 0 ||
        (r = clock_start(&a.clocks, CLOCK_KIND_DISPATCH, rq->now_ms)) < 0)
        return r;
    event_returned(rq->tx, &a.row);
    return act_close(
        rq, &a, (struct act){ .action = ACTION_RETURN, .unit = returner, .note = in->reason }, out);
}

int complaint_visit_apply(struct request *rq, const void *message, void *out)
{
    const VisitRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_VISIT, permit_centre, &a);
    if (r < 0)
        return r;

    a.row.version++;
    a.row.visit_reached = in->reached;
    a.row.visit_solved = in->solved;
    a.row.visit_satisfied = in->satisfied;
    a.row.visit_note = in->note;
    a.row.visited_at = rq->now_ms;
    /* Not reached: recorded; the visit stays due. */
    if (in->reached) {
        a.row.state = COMPLAINT_STATE_VISITED;
        if (rules_visit_failed(in->reached, in->solved, in->satisfied))
            a.row.failed_visits++;
        r = clock_stop(&a.clocks, CLOCK_KIND_VISIT);
        if (r < 0)
            return r;
    }
    r = store_complaint_visited(rq->tx, &a.row);
    if (r < 0)
        return r;
    event_visited(rq->tx, &a.row);
    return act_close(
        rq, &a,
        (struct act){
            .action = ACTION_VISIT, .note = in->note, .has_reached = true, .reached = in->reached },
        out);
}

int complaint_redo_apply(struct request *rq, const void *message, void *out)
{
    const RedoRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_REDO, permit_centre, &a);
    if (r < 0)
        return r;
    const struct refusal *why = rules_can_redo(&a.row);
    if (why)
        return refuse(rq, why);

    a.row.state = COMPLAINT_STATE_HANDLING;
    a.row.version++;
    a.row.redo_count++;
    a.row.extended = false;
    if ((r = store_complaint_redone(rq->tx, &a.row)) < 0 ||
        (r = clock_start(&a.clocks, CLOCK_KIND_REPLY, rq->now_ms)) < 0)
        return r;
    event_redone(rq->tx, &a.row, clock_find(&a.clocks, CLOCK_KIND_REPLY));
    return act_close(
        rq, &a, (struct act){ .action = ACTION_REDO, .unit = a.row.unit, .note = in->reason }, out);
}

int complaint_close_apply(struct request *rq, const void *message, void *out)
{
    const CloseRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_CLOSE, permit_centre, &a);
    if (r < 0)
        return r;

    a.row.state = COMPLAINT_STATE_CLOSED;
    a.row.version++;
    if ((r = store_complaint_state(rq->tx, &a.row)) < 0 ||
        (r = clock_cancel(&a.clocks, CLOCK_KIND_VISIT)) < 0)
        return r;
    event_closed(rq->tx, &a.row);
    return act_close(rq, &a, (struct act){ .action = ACTION_CLOSE, .note = in->note }, out);
}

int complaint_reopen_apply(struct request *rq, const void *message, void *out)
{
    const ReopenRequest *in = message;
    struct acting a;
    int r = act_open(rq, in->id, ACTION_REOPEN, permit_centre, &a);
    if (r < 0)
        return r;

    /* New facts, a new round: earlier redos and failed visits belong to the old one. */
    a.row.state = COMPLAINT_STATE_RECEIVED;
    a.row.version++;
    a.row.redo_count = 0;
    a.row.failed_visits = 0;
    if ((r = store_complaint_reopened(rq->tx, &a.row)) < 0 ||
        (r = clock_start(&a.clocks, CLOCK_KIND_DISPATCH, rq->now_ms)) < 0)
        return r;
    event_reopened(rq->tx, &a.row);
    return act_close(rq, &a, (struct act){ .action = ACTION_REOPEN, .note = in->reason }, out);
}
