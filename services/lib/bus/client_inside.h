/* Private to the client: its links, calls and feeds. All on the loop thread. */
#ifndef LUJIAN_BUS_CLIENT_INSIDE_H
#define LUJIAN_BUS_CLIENT_INSIDE_H

#include "bus/client.h"
#include "bus/curve.h"
#include "bus/envelope.h"
#include "bus/monitor.h"
#include "bus/pump.h"

#define CLIENT_NAME_MAX     64
#define CLIENT_ENDPOINT_MAX 128
#define CLIENT_CURSOR_MAX   96
#define CLIENT_ATTEMPTS_MAX 2 /* open at a time: one, and a hedge */

struct client_link;
struct client_pending;

/* What an answer's id stands for. */
enum exchange_kind {
    EXCHANGE_FREE,
    EXCHANGE_ATTEMPT,
    EXCHANGE_PING,
    EXCHANGE_FEED,
    EXCHANGE_CREDIT
};

struct exchange {
    uint32_t generation; /* the upper half of the id; the lower is the place in the table */
    enum exchange_kind kind;
    struct client_link *link;
    void *owner; /* a struct client_attempt, or a struct client_feed */
    uint32_t next_free;
};

/* DOWN until libzmq has shaken hands; PROBING until a ping was answered: only then calls are sent.
 */
enum link_state { LINK_DOWN, LINK_PROBING, LINK_UP };

struct client_link {
    struct client *client;
    struct client_service *service;
    char instance[CLIENT_NAME_MAX], door[CLIENT_ENDPOINT_MAX], key[CURVE_KEY_SIZE];
    void *socket;
    struct pump *pump;
    struct monitor *monitor;
    enum link_state state;
    bool blocked;  /* its queue is full; `writable` is awaited */
    bool draining; /* it said so */
    bool warned;   /* that it refuses our key */
    int outstanding;
    unsigned
        penalty; /* grows with each NOT_EXECUTED: else the quickest to refuse would get all calls */
    struct client_attempt *attempts;
    uint64_t ping; /* 0 = none open */
    bool ping_unsent;
    int64_t ping_sent_ms, heard_ms;
};

struct client_service {
    char name[CLIENT_NAME_MAX];
    struct client_link **links;
    int link_count;
    unsigned turn; /* whose turn it is among equals */
    struct client_service *next;
};

struct client_attempt {
    uint64_t id; /* 0 = not open */
    struct client_pending *call;
    struct client_link *link;
    struct client_attempt *previous, *next; /* of the link */
    int64_t sent_ms;
};

struct client_pending {
    struct client *client;
    struct client_service *service;
    struct client_call call; /* its texts and body lie behind this structure */
    void (*done)(void *ctx, const struct client_answer *answer);
    void *ctx;
    int64_t started_ms, deadline_ms;
    int64_t retry_ms; /* not before */
    uint32_t pause_ms;
    int attempts_open;
    struct client_attempt attempts[CLIENT_ATTEMPTS_MAX];
    struct client_link *avoid; /* the one that did not serve us last */
    bool sent;                 /* at least once */
    bool unknown;              /* an earlier sending may have had its effect */
    int code;                  /* of the last answer that was not taken as final; 0 = none */
    uint8_t *head;
    size_t head_size;
    char instance[CLIENT_NAME_MAX]; /* whose answer that was */
    struct client_pending *previous, *next;
};

struct client_feed {
    struct client *client;
    struct client_service *service;
    char method_follow[CLIENT_NAME_MAX], method_credit[CLIENT_NAME_MAX];
    char method_unfollow[CLIENT_NAME_MAX];
    char *division, *on_behalf;
    char **types;
    size_t type_count;
    void (*on_frame)(void *ctx, const uint8_t *body, size_t body_size);
    void (*on_end)(void *ctx, int code, const uint8_t *head, size_t head_size);
    void *ctx;
    char through[CLIENT_CURSOR_MAX];
    uint32_t window;     /* the credit it was opened with */
    uint32_t credit;     /* what the consumer has granted and no event has used */
    uint32_t credit_due; /* of these, not yet told to the replica */
    uint64_t id;         /* 0 = not open anywhere */
    uint64_t credit_id;  /* of the CreditRequest that is open; 0 = none */
    struct client_link *link, *avoid;
    int64_t heard_ms, told_ms, retry_ms;
    uint32_t pause_ms;
    bool ended, closed, busy;
    struct client_feed *previous, *next;
};

struct client {
    struct loop *loop;
    void *context;
    char peers_path[512];
    struct curve_keys keys;
    char service[CLIENT_NAME_MAX], instance[CLIENT_NAME_MAX];
    void (*on_pulse)(void *ctx, const uint8_t *pulse, size_t size);
    void *ctx;

    struct peers peers;
    struct client_file {
        int64_t mtime_ns, size;
        uint64_t inode;
    } peers_file; /* as it was when last read */
    int64_t peers_looked_ms;
    struct client_service *services;
    struct client_pulses *pulses;
    struct arena arena, send_arena; /* scraps of one receive, of one send */

    struct exchange *exchanges;
    uint32_t exchange_count, exchange_free; /* 0 = none free: place 0 is never used */

    struct client_pending *calls, *calls_last; /* the oldest first */
    int waiting;                               /* calls with nothing sent */
    struct client_feed *feeds;
    struct loop_timer *timer;
    bool timer_fast, timer_used;
    struct client_figures figures;
};

/* client.c */
uint64_t exchange_open(struct client *client, enum exchange_kind kind, struct client_link *link,
                       void *owner);
struct exchange *exchange_find(struct client *client, uint64_t id);
void exchange_close(struct client *client, uint64_t id);
/* Makes the service's links where this is its first use; NULL for one name too many. */
struct client_service *client_service_get(struct client *client, const char *name);
/* The timer runs finely for a while. */
void client_wake(struct client *client);

/* client_link.c */
struct client_link *link_new(struct client *client, struct client_service *service,
                             const struct peer *peer);
void link_free(struct client_link *link); /* calls and feeds on it move elsewhere */
bool link_matches(const struct client_link *link, const struct peer *peer);
/* ERR_AGAIN: it takes nothing now. */
int link_send(struct client_link *link, const struct envelope_request *request, const uint8_t *body,
              size_t body_size);
void link_tick(struct client_link *link, int64_t now_ms);
bool link_is_suspect(const struct client_link *link, int64_t now_ms);
void link_set_draining(struct client_link *link, bool draining);
/* The best of the service's links; of that instance only, unless NULL. `passed_over` tells which
 * are not wanted. */
struct client_link *link_pick(struct client_service *service, const char *instance,
                              const struct client_link *avoid,
                              bool (*passed_over)(void *ctx, const struct client_link *link),
                              void *ctx);

/* client_call.c */
void calls_answer(struct client_attempt *attempt, const struct envelope_answer *answer,
                  const uint8_t *head, size_t head_size, const uint8_t *body, size_t body_size);
void calls_link_lost(struct client_link *link);
void calls_forget_link(struct client *client, const struct client_link *link);
void calls_flush(struct client *client); /* sends what waits, where it can */
void calls_tick(struct client *client, int64_t now_ms);
void calls_end_all(struct client *client);

/* client_feed.c */
void feed_answer(struct client_feed *feed, const struct envelope_answer *answer,
                 const uint8_t *head, size_t head_size, const uint8_t *body, size_t body_size);
void feed_credit_answer(struct client_feed *feed, const struct envelope_answer *answer);
void feeds_link_lost(struct client *client, struct client_link *link, bool forget);
void feeds_flush(struct client *client);
void client_feeds_tick(struct client *client, int64_t now_ms);

/* client_pulse.c: one SUB socket for all pulses. */
int pulses_open(struct client *client);
void pulses_close(struct client *client);
/* Listens to the peers that it should by now, and no others. */
void pulses_sync(struct client *client);

#endif
