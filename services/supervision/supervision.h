/* The supervision service: cards and orders, their rules, their rows, their views. The only private
 * header. */
#ifndef LUJIAN_SUPERVISION_SUPERVISION_H
#define LUJIAN_SUPERVISION_SUPERVISION_H

#include "base/rand.h"
#include "lujian/clock/v1/clock.lj.h"
#include "lujian/registry/v1/reference.lj.h"
#include "lujian/supervision/v1/supervision.lj.h"
#include "service/scope.h"
#include "service/service.h"

/* What cards and orders share: the matter as its events told it. */
struct matter {
    char id[UUID_TEXT_SIZE]; /* the complaint */
    const char *division, *audience, *unit;
    bool about_enforcement;
};

struct card_row {
    char id[UUID_TEXT_SIZE];
    int color;
    struct matter matter;
    int clock_kind;
    char clock_id[UUID_TEXT_SIZE];
    uint32_t term;
    int level;
    int64_t due_at, raised_at;
    int state;
    const char *acknowledged_by;
    int64_t acknowledged_at, closed_at;
    int64_t version;
};

struct order_row {
    char id[UUID_TEXT_SIZE];
    int level, trigger;
    struct matter matter;
    const char *body;
    char previous[UUID_TEXT_SIZE]; /* "" = the first of its ladder */
    char clock_id[UUID_TEXT_SIZE]; /* of the complaint's clock; "" = it has one of its own */
    uint32_t term;
    int64_t issued_at, due_at;
    int state;
    const char *reply_text;
    int64_t replied_at;
    const char *verdict;
    int64_t closed_at;
    bool cannot_escalate, reported;
    const char *basis_zh, *basis_en;
    int64_t version;
};

enum order_action { ORDER_SIGN, ORDER_REPLY, ORDER_CLOSE, ORDER_ACTION_COUNT };

/* ---- rules_order.c: pure ---- */

/* The level that a division's own matters begin at: a town's at the county. */
int rules_level_of(const char *division);
int rules_next_level(int level); /* LEVEL_UNSPECIFIED = nobody stands above */
/* The part of a division's code that stands for the level: 370102001 at city = 3701. */
const char *rules_division_at_level(struct arena *arena, const char *division, int level);
/* The supervision body whose turn it is; where it was dissolved, the next above. */
const struct unit *rules_body(const struct snapshot *reference, struct arena *arena,
                              const char *division, int level);
/* The unit that has to answer: the matter's, or where it was dissolved, its division's default
 * unit. */
const struct unit *rules_answering_unit(const struct snapshot *reference,
                                        const struct matter *matter);
const struct refusal *rules_order_allows(struct arena *arena, int state, enum order_action action);
const struct refusal *rules_card_open(int state);

/* ---- store_card.c, store_order.c: the only code that knows columns ---- */

/* Inserts what is new; `inserted[i]` tells which. */
int store_cards_insert(struct tx *tx, const struct card_row *cards, int count, bool *inserted);
int store_card_read(struct pg *pg, struct arena *arena, const char *id, struct card_row *ret_row);
/* Locks a matter's open cards of those clock kinds. */
int store_cards_open(struct tx *tx, const char *subject, const int *kinds, int kind_count,
                     struct card_row **ret_rows, int *ret_count);
int store_card_close(struct tx *tx, const struct card_row *row);
/* Records the principal; ret_first = it had not seen it before. */
int store_card_acknowledge(struct tx *tx, const struct card_row *row, const char *principal,
                           int64_t now_ms, bool *ret_first);
int store_card_acknowledged(struct tx *tx, const struct card_row *row);

struct page {
    int64_t before_at; /* 0 = from the newest */
    const char *before_id;
    int count_max;
};
struct card_filter {
    struct scope scope;
    const char *subject;
    int color, state;
    struct page page;
};
/* Through the cache, as the list of orders. */
int store_card_list(struct request *rq, const struct card_filter *filter,
                    struct card_row **ret_rows, int *ret_count);

/* `known[i]`: an order of that id was issued before. */
int store_orders_known(struct tx *tx, const char *const *ids, int count, bool *known);
int store_order_insert(struct tx *tx, const struct order_row *row);
int store_order_read(struct pg *pg, struct arena *arena, const char *id, struct order_row *ret_row);
int store_order_lock(struct tx *tx, const char *id, struct order_row *ret_row);
/* The matter's open orders, locked; trigger 0 = of any. */
int store_orders_open(struct tx *tx, const char *subject, int trigger, struct order_row **ret_rows,
                      int *ret_count);
/* The same of many matters, of one trigger: at most one each. */
int store_orders_open_of(struct tx *tx, const char *const *subjects, int subject_count, int trigger,
                         struct order_row **ret_rows, int *ret_count);
int store_order_save(struct tx *tx, const struct order_row *row);
/* Where the matter is by now: division, audience, unit, body. */
int store_order_readdress(struct tx *tx, const struct order_row *row);
struct order_filter {
    struct scope scope;
    const char *subject;
    int state;
    bool cannot_escalate;
    struct page page;
};
int store_order_list(struct request *rq, const struct order_filter *filter,
                     struct order_row **ret_rows, int *ret_count);
int store_order_stuck_count(struct pg *pg, struct arena *arena, int64_t *ret_count);

/* ---- ladder.c: issuing, climbing, readdressing, stopping ---- */

struct issue {
    const struct matter *matter;
    int trigger, level;
    int step;             /* RUNG_L1 .. RUNG_L3: the order's place in its ladder */
    const char *cause;    /* what the order's id is derived from */
    const char *previous; /* "" = first */
    const char *clock_id; /* of the complaint's ladder; NULL = the order gets a clock of its own */
    uint32_t term;
    int64_t due_at; /* with clock_id: of the next rung */
    const char *basis_zh, *basis_en;
};
/* Issued once a cause. */
int ladder_issue(struct tx *tx, const struct snapshot *reference, const struct issue *issue);
/* The same by who has looked: the cause is new, and `open` is the matter's open order of that
 * trigger, locked, or NULL. ret_row: the new one. */
int ladder_issue_over(struct tx *tx, const struct snapshot *reference, const struct issue *issue,
                      struct order_row *open, struct order_row *ret_row);
/* One step up, ret_row being the new order; or cannot_escalate where nobody stands above, and
 * ret_row stays as it is. */
int ladder_climb(struct tx *tx, const struct snapshot *reference, struct order_row *row,
                 const struct issue *next, struct order_row *ret_row);
int ladder_report(struct tx *tx, struct order_row *row);
/* The matter's open orders go where the matter went, and go on climbing. */
int ladder_readdress(struct tx *tx, const struct snapshot *reference, const struct matter *matter);
/* The orders' own clocks stop: the unit has replied to the complaint. */
int ladder_stop(struct tx *tx, const struct snapshot *reference, const char *subject);
int ladder_stop_order(struct tx *tx, const struct snapshot *reference, const struct order_row *row);
struct clock_subject order_subject(const struct order_row *row);

/* ---- events.c ---- */

void event_card_raised(struct tx *tx, const struct card_row *row);
void event_card_acknowledged(struct tx *tx, const struct card_row *row, const char *principal);
void event_card_closed(struct tx *tx, const struct card_row *row);
void event_order_issued(struct tx *tx, const struct order_row *row);
void event_order_signed(struct tx *tx, const struct order_row *row);
void event_order_replied(struct tx *tx, const struct order_row *row);
void event_order_closed(struct tx *tx, const struct order_row *row, const char *reason);
void event_order_escalated(struct tx *tx, const struct order_row *row, const char *next);
void event_order_cannot_escalate(struct tx *tx, const struct order_row *row);
void event_order_reported(struct tx *tx, const struct order_row *row);
void event_order_readdressed(struct tx *tx, const struct order_row *row, const char *previous_unit);
/* To those of a division that the order left. */
void event_order_moved_out(struct tx *tx, const struct order_row *row, const char *left_division);

/* ---- on_complaints.c, on_rungs.c, on_supervision.c ---- */

struct matter matter_of(const struct log_record *event, const char *id, const char *unit);
int on_rungs_reached(struct tx *tx, const struct snapshot *reference,
                     const struct consumer_event *events, int count);

extern const struct consumer_handler on_complaints[];
extern const struct consumer_handler on_supervision[];

/* ---- view.c ---- */

void card_view(struct request *rq, const struct card_row *row, Card *out);
void order_view(struct request *rq, const struct order_row *row, Order *out);
int card_view_by_id(struct request *rq, const char *id, void *out);
int order_view_by_id(struct request *rq, const char *id, void *out);

/* ---- handle_*.c ---- */

int card_get(struct request *rq, const void *in, void *out);
int card_list(struct request *rq, const void *in, void *out);
int card_acknowledge_apply(struct request *rq, const void *in, void *out);
int order_get(struct request *rq, const void *in, void *out);
int order_list(struct request *rq, const void *in, void *out);
int order_clocks(struct request *rq, const void *in, void *out);
int order_explain(struct request *rq, const void *in, void *out);
int order_sign_apply(struct request *rq, const void *in, void *out);
int order_reply_apply(struct request *rq, const void *in, void *out);
int order_close_apply(struct request *rq, const void *in, void *out);

/* list.c: what both lists share: the page. */
int list_page(struct request *rq, const void *request_message, const char *token, int page_size,
              struct page *ret);
char *list_next(struct request *rq, const void *request_message, int64_t at, const char *id);

#endif
