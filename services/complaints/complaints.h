/* The complaints service: its rows, its rules, its views. The only private header. */
#ifndef LUJIAN_COMPLAINTS_COMPLAINTS_H
#define LUJIAN_COMPLAINTS_COMPLAINTS_H

#include "base/rand.h"
#include "lujian/complaints/v1/complaint.lj.h"
#include "service/scope.h"
#include "service/service.h"

/* A complaint as stored. Texts live in the request's arena. */
struct complaint_row {
    char id[UUID_TEXT_SIZE];
    const char *order_no, *source, *external_id;
    int channel, type, urgency;
    const char *category, *title, *body, *place;
    const char *division, *unit, *audience;
    bool about_enforcement;
    const uint8_t *caller_sealed; /* NULL = anonymous */
    size_t caller_sealed_size;
    const char *caller_key;
    bool confidential, wants_reply;
    int64_t received_at, filed_at;
    int state;
    int64_t version;
    uint32_t redo_count, return_count, failed_visits;
    const char *returned_by;
    bool return_limit, extended;
    const char *reply_text, *reply_basis;
    int64_t replied_at; /* 0 = never */
    bool visit_reached, visit_solved, visit_satisfied;
    const char *visit_note;
    int64_t visited_at; /* 0 = never */
};

enum action {
    ACTION_DISPATCH,
    ACTION_SIGN,
    ACTION_CONTACT,
    ACTION_REPLY,
    ACTION_EXTEND,
    ACTION_RETURN,
    ACTION_VISIT,
    ACTION_REDO,
    ACTION_CLOSE,
    ACTION_REOPEN,
    ACTION_COUNT,
};

/* ---- rules_complaint.c: pure; no I/O, no clock ---- */

const char *action_name(enum action action);
/* Does the state allow the action? NULL = yes. The refusal names the state and what it allows. */
const struct refusal *rules_state_allows(struct arena *arena, int state, enum action action);
const struct refusal *rules_can_extend(const struct complaint_row *row, const struct clock *reply,
                                       int64_t now_ms);
const struct refusal *rules_can_return(const struct complaint_row *row, const struct clock *term,
                                       int64_t now_ms);
const struct refusal *rules_can_redo(const struct complaint_row *row);
/* `handling` has the complaint now. */
const struct refusal *rules_can_dispatch(const struct complaint_row *row,
                                         const struct unit *handling, const struct unit *unit);
bool rules_visit_failed(bool reached, bool solved, bool satisfied);

/* Who owns a matter: by category, or, where it is about an organ, the superior of the organ that it
 * is about. */
struct ownership {
    const struct unit *unit;
    const char *audience; /* "" = none */
};
struct ownership rules_owner(const struct snapshot *reference, const char *division,
                             const char *category, bool about_enforcement);
/* Who has a complaint: its unit, or, once that is dissolved, the default unit of the division (of
 * the superior, where the matter is about an organ), so that nothing is ever without an owner. */
const struct unit *rules_handling_unit(const struct snapshot *reference,
                                       const struct complaint_row *row);
/* The unit that the second accepted return hands the matter to. */
const struct unit *rules_common_superior(const struct snapshot *reference, const char *first_unit,
                                         const char *second_unit);
/* The division of a matter once `unit` has it: unchanged where the unit's division contains it. */
const char *rules_division_at(const struct unit *unit, const char *division);
/* {division6}{yyyymmdd}{seq8} */
const char *rules_order_no(struct arena *arena, const char *division, int64_t filed_at,
                           int64_t sequence);

/* ---- store_complaint.c: the only code that knows columns ---- */

int store_complaint_insert(struct tx *tx, const struct complaint_row *row, const uint8_t *digest);
struct complaint_filter {
    struct scope scope;
    int state;                        /* 0 = any */
    const char *source, *external_id; /* "" = any */
    const char *before;               /* ids smaller than this; NULL = from the newest */
    int count_max;
};
struct complaint_seen {
    struct complaint_row row;
    struct clock *clocks;
    int clock_count;
};
/* For acts: those that are there, of rows that are locked; into the transaction's arena. */
int store_complaints_load(struct tx *tx, const char *const *ids, int count,
                          struct complaint_seen **ret_seen, int *ret_count);
/* For readers, through the cache. */
int store_complaint_see(struct request *rq, const char *id, struct complaint_seen *ret);
int store_complaint_list(struct request *rq, const struct complaint_filter *filter,
                         struct complaint_seen **ret_seen, int *ret_count);
int store_complaint_order_sequence(struct tx *tx, int64_t *ret_sequence);
/* Each writes the row's fields that its act changes, version included. */
int store_complaint_state(struct tx *tx, const struct complaint_row *row);
int store_complaint_dispatched(struct tx *tx, const struct complaint_row *row);
int store_complaint_returned(struct tx *tx, const struct complaint_row *row);
int store_complaint_replied(struct tx *tx, const struct complaint_row *row);
int store_complaint_extended(struct tx *tx, const struct complaint_row *row);
int store_complaint_visited(struct tx *tx, const struct complaint_row *row);
int store_complaint_redone(struct tx *tx, const struct complaint_row *row);
int store_complaint_reopened(struct tx *tx, const struct complaint_row *row);
struct act {
    enum action action;
    int64_t at;
    const char *principal, *unit, *note;
    bool has_reached, reached;
};
int store_act(struct tx *tx, const struct complaint_row *row, const struct act *act);

/* ---- caller.c: identities of callers, sealed at rest, masked by role ---- */

int caller_keys_open(const struct service *service);
int caller_seal(struct arena *arena, const char *complaint_id, const Caller *caller,
                struct complaint_row *row);
int caller_open(struct arena *arena, const struct complaint_row *row, Caller *out);
/* Masks what this reader may not see. */
void caller_mask(struct arena *arena, const struct complaint_row *row,
                 const struct principal *reader, const struct snapshot *reference, Caller *caller);

/* ---- view.c ---- */

void complaint_view(struct request *rq, const struct complaint_row *row, const struct clock *clocks,
                    int clock_count, Complaint *out);
void clocks_view(struct request *rq, const struct clock *clocks, int clock_count, size_t *ret_count,
                 Clock ***ret_clocks);
/* ERR_NOT_FOUND where the reader may not see it. */
int complaint_see(struct request *rq, const char *id, struct complaint_seen *ret);
int complaint_view_by_id(struct request *rq, const char *id, void *out);

/* ---- events.c ---- */

struct event_address complaint_address(const struct complaint_row *row);
struct clock_subject complaint_subject(const struct complaint_row *row);
void event_filed(struct tx *tx, const struct complaint_row *row);
void event_dispatched(struct tx *tx, const struct complaint_row *row, const struct clock *reply);
void event_moved_out(struct tx *tx, const struct complaint_row *row, const char *left_division);
void event_signed(struct tx *tx, const struct complaint_row *row);
void event_contacted(struct tx *tx, const struct complaint_row *row, bool reached);
void event_replied(struct tx *tx, const struct complaint_row *row, const struct clock *reply);
void event_extended(struct tx *tx, const struct complaint_row *row, const struct clock *reply,
                    uint32_t days);
void event_returned(struct tx *tx, const struct complaint_row *row);
void event_visited(struct tx *tx, const struct complaint_row *row);
void event_redone(struct tx *tx, const struct complaint_row *row, const struct clock *reply);
void event_closed(struct tx *tx, const struct complaint_row *row);
void event_reopened(struct tx *tx, const struct complaint_row *row);

/* ---- handle_*.c ---- */

int complaint_file_check(struct request *rq, const void *in);
int complaint_file_apply(struct request *rq, const void *in, void *out);
int complaint_load(struct tx *tx, struct request *const *requests, const char *const *ids,
                   int count);
int complaint_get(struct request *rq, const void *in, void *out);
int complaint_list(struct request *rq, const void *in, void *out);
int complaint_clocks(struct request *rq, const void *in, void *out);
int complaint_explain(struct request *rq, const void *in, void *out);
int complaint_dispatch_apply(struct request *rq, const void *in, void *out);
int complaint_sign_apply(struct request *rq, const void *in, void *out);
int complaint_contact_apply(struct request *rq, const void *in, void *out);
int complaint_reply_apply(struct request *rq, const void *in, void *out);
int complaint_extend_apply(struct request *rq, const void *in, void *out);
int complaint_return_apply(struct request *rq, const void *in, void *out);
int complaint_visit_apply(struct request *rq, const void *in, void *out);
int complaint_redo_apply(struct request *rq, const void *in, void *out);
int complaint_close_apply(struct request *rq, const void *in, void *out);
int complaint_reopen_apply(struct request *rq, const void *in, void *out);

#endif
