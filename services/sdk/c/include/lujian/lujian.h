/* liblujian: file complaints with Lujian and follow what supervision raises about them.
 *
 * It speaks the wire of proto/WIRE.md, whose sections are named below where they are meant.
 *
 * Manners. Linux; C99 or C++. No global state, no signal handler, no output, no thread of its own:
 * only libzmq has threads, those of the context, which you may own (`zmq_context`). A handle
 * belongs to one thread at a time; different handles may be used by different threads. Nothing
 * survives a fork() but in the process that opened it. Work is done within your calls and at no
 * other time.
 *
 * Shapes. Texts are UTF-8 and end in NUL. Instants are int64 milliseconds since
 * 1970-01-01T00:00:00Z, 0 = none. Durations are int milliseconds; a negative timeout is for ever.
 * Limits in bytes are the contract's: the service checks them and answers INVALID_ARGUMENT with the
 * field's name. In structures that you fill, a pointer that is NULL is an empty text; in those that
 * the library fills no text is ever NULL.
 *
 * Stability. Structures that you fill begin with their size, set by their _INIT; structures that
 * the library hands out are its own and may grow at their end. Enums may get further numbers: treat
 * what you do not know as the sections "Errors" and "Versions" say.
 *
 * Ownership. What is handed out belongs to the handle that it came from, until the time that is
 * said at each function. What you hand in is copied. */
#ifndef LUJIAN_LUJIAN_H
#define LUJIAN_LUJIAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LUJIAN_VERSION "0.1.0"
/* Of the library that is linked. Static. */
const char *lujian_version(void);

/* ---- errors: WIRE.md, "Errors" ---- */

enum lujian_error {
    LUJIAN_OK = 0,
    LUJIAN_INVALID_ARGUMENT = 1,  /* the shape is wrong, on the wire or in a call. Do not retry */
    LUJIAN_UNPROCESSABLE = 2,     /* names what is not there, or conflicts. Do not retry */
    LUJIAN_UNAUTHENTICATED = 3,   /* our key is not known, or revoked. Do not retry */
    LUJIAN_PERMISSION_DENIED = 4, /* a method, division or source that is not ours. Do not retry */
    LUJIAN_NOT_FOUND = 5,         /* absent, or out of our scope. Do not retry */
    LUJIAN_REFUSED = 6,           /* the state or the law forbids it. Read again, then decide */
    LUJIAN_IN_PROGRESS = 7,       /* the same key is being worked on. Retry later, same key */
    LUJIAN_VERSION_MISMATCH = 8,  /* another version by now. Read again, then decide */
    LUJIAN_TOO_LARGE = 9,         /* Do not retry */
    LUJIAN_UNSUPPORTED = 10,      /* no such method. Do not retry */
    LUJIAN_RATE_LIMITED = 11,     /* Retry after retry_after_ms */
    LUJIAN_NOT_EXECUTED = 12,     /* certainly not done. Retry at once or later */
    LUJIAN_OUTCOME_UNKNOWN = 13,  /* done or not done. Retry with the same key, nothing else */
    LUJIAN_INTERNAL = 14,         /* a defect or a broken dependency. Retry later, same key */
    LUJIAN_CURSOR_MISMATCH = 16,  /* "Cursors": stop; a person decides */

    /* The library's own, never on the wire. */
    LUJIAN_AGAIN = 100,     /* nothing yet: the time is up, or a signal came */
    LUJIAN_NO_MEMORY = 101, /* of this process */
    LUJIAN_SYSTEM = 102,    /* a file or a descriptor: the problem's text tells errno */
};

/* "OUTCOME_UNKNOWN". Static; never NULL. */
const char *lujian_error_name(enum lujian_error error);
/* Whether sending the same again, under the same key, may bring another answer. */
bool lujian_error_is_retryable(enum lujian_error error);

/* Why something failed. Read `code` where reasons must be told apart, never the texts. */
struct lujian_problem {
    enum lujian_error error;
    const char *code;      /* stable, lower_snake: "conflicting_payload" */
    const char *detail_zh; /* for people; what the library itself finds has English alone */
    const char *detail_en;
    const char *basis_zh; /* the legal basis, where there is one */
    const char *basis_en;
    const char *state;          /* of a refusal: the state that forbids the action, */
    const char *const *allowed; /* and the actions that it allows */
    size_t allowed_count;
    const char *field;       /* path of the field that is wrong: "caller.phone" */
    uint32_t retry_after_ms; /* a hint; 0 = none */
};

/* ---- whom to talk to: WIRE.md, "Sockets" and "Security" ---- */

/* One replica of a service: its door and its public key. All replicas are equal. */
struct lujian_endpoint {
    const char *door;       /* "tcp://host:port" */
    const char *server_key; /* 40 characters of Z85 */
};

#define LUJIAN_ENDPOINTS_MAX 16

struct lujian_options {
    size_t size;
    const char *service;                     /* "complaints" or "supervision" */
    const struct lujian_endpoint *endpoints; /* 1 to LUJIAN_ENDPOINTS_MAX replicas of it */
    size_t endpoint_count;
    const char *public_key; /* ours: 40 characters of Z85 each (`lujian keygen`) */
    const char *secret_key;
    void *zmq_context;      /* a libzmq context that outlives the handle; NULL = one of its own */
    uint32_t in_flight_max; /* requests open at a time, 1 to 1000; 0 = 64 */
};
#define LUJIAN_OPTIONS_INIT                                                                        \
    {                                                                                              \
        sizeof(struct lujian_options), NULL, NULL, 0, NULL, NULL, NULL, 0                          \
    }

/* ---- filing ---- */

struct lujian; /* a client of one service */

/* Connects in the background: it fails for what is wrong with the options (INVALID_ARGUMENT),
 * NO_MEMORY or SYSTEM, never because nobody is there. On failure *ret_client is NULL and, unless
 * ret_why is NULL, 160 bytes there tell why. */
enum lujian_error lujian_open(struct lujian **ret_client, const struct lujian_options *options,
                              char ret_why[160]);
/* Requests without an answer keep their unknown outcome. Batches must be freed before. NULL is
 * fine. */
void lujian_close(struct lujian *client);
/* Of the last call that failed on the client; valid until its next call. Never NULL. */
const struct lujian_problem *lujian_problem(const struct lujian *client);

/* Numbers of the contract (complaints/v1). */
enum lujian_channel {
    LUJIAN_CHANNEL_PHONE = 1,
    LUJIAN_CHANNEL_WEB = 2,
    LUJIAN_CHANNEL_LETTER = 3,
    LUJIAN_CHANNEL_SMS = 4,
    LUJIAN_CHANNEL_APP = 5,
    LUJIAN_CHANNEL_WECHAT = 6,
    LUJIAN_CHANNEL_WEIBO = 7,
    LUJIAN_CHANNEL_VISIT = 8,
    LUJIAN_CHANNEL_SUPERIOR = 9,
    LUJIAN_CHANNEL_OPEN311 = 10,
    LUJIAN_CHANNEL_MEDIA = 11,
};
enum lujian_type {
    LUJIAN_TYPE_CONSULTATION = 1,
    LUJIAN_TYPE_HELP = 2,
    LUJIAN_TYPE_COMPLAINT = 3,
    LUJIAN_TYPE_REPORT = 4,
    LUJIAN_TYPE_SUGGESTION = 5,
    LUJIAN_TYPE_PRAISE = 6,
    LUJIAN_TYPE_OTHER = 7,
};
enum lujian_urgency {
    LUJIAN_URGENCY_NORMAL = 1,
    LUJIAN_URGENCY_URGENT = 2,
    LUJIAN_URGENCY_CRITICAL = 3,
};

/* What complaints.file takes; * = required. */
struct lujian_complaint {
    size_t size;
    const char *source;      /* * your centre's code, 64 bytes; one of those that are yours */
    const char *external_id; /* * your number of the matter, 128 printable ASCII bytes */
    int channel;             /* * enum lujian_channel */
    int type;                /* * enum lujian_type */
    int64_t received_at_ms;  /* 0 = the time of filing */
    const char *category;    /* a code, or a Chinese name where unique, 96 bytes; "" = other */
    const char *title;       /* * 1,024 bytes */
    const char *text;        /* * 65,536 bytes, lines allowed */
    const char *division;    /* * 2, 4, 6, 9 or 12 digits */
    const char *place;       /* 1,024 bytes */
    int urgency;             /* enum lujian_urgency; 0 = normal */
    bool about_enforcement;
    const char *caller_name;  /* 96 bytes */
    const char *caller_phone; /* 32 bytes */
    bool caller_confidential;
    bool caller_wants_reply;
};
#define LUJIAN_COMPLAINT_INIT                                                                      \
    {                                                                                              \
        sizeof(struct lujian_complaint), NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, 0,  \
            NULL, NULL, 0, 0                                                                       \
    }

/* What became of one complaint. */
struct lujian_result {
    enum lujian_error error;              /* OK = accepted, now or before */
    const struct lujian_problem *problem; /* NULL where OK */
    const char *key;                      /* that it was sent with */
    bool replayed; /* it was there already: what follows is it as it is now */
    bool created;
    const char *id;       /* a UUID */
    const char *order_no; /* the number for people */
    const char *division; /* whose matter it is */
    const char *unit;     /* that has to answer */
    int state;            /* complaints/v1 ComplaintState */
    int64_t version;
    int64_t filed_at_ms;
    int64_t reply_due_at_ms; /* the first late instant; 0 = no such clock */
};

/* Files one complaint and waits, at most timeout_ms.
 *
 * `key` (WIRE.md, "Keys"): 1 to 128 printable ASCII characters without space, made before the first
 * sending and kept with the complaint; NULL = one of the library's, told in the result. Filing the
 * same again has no second effect, under the same key or, by (source, external_id), another.
 *
 * Within the time it is sent again, to another replica where there is one, when a replica dies,
 * hangs (3 s), or answers that it did not do it or does not know. After it: OUTCOME_UNKNOWN where
 * some sending may have had its effect, else the last answer, or NOT_EXECUTED. UNAUTHENTICATED
 * comes at once when all replicas refuse our key.
 *
 * *ret_result, when ret_result is not NULL, is set in every case but NO_MEMORY and a NULL argument,
 * and lives until the client's next call. Returns its error. */
enum lujian_error lujian_file(struct lujian *client, const struct lujian_complaint *complaint,
                              const char *key, int timeout_ms,
                              const struct lujian_result **ret_result);

/* Many complaints, in_flight_max of them under way at a time. */
struct lujian_batch;
enum lujian_error lujian_batch_new(struct lujian_batch **ret_batch, struct lujian *client);
void lujian_batch_free(struct lujian_batch *batch); /* NULL is fine */
/* Copies the complaint. `key` as above. Members are numbered from 0 on. */
enum lujian_error lujian_batch_add(struct lujian_batch *batch,
                                   const struct lujian_complaint *complaint, const char *key);
size_t lujian_batch_count(const struct lujian_batch *batch);
/* Sends what is not decided yet and waits, at most timeout_ms, for all answers. OK: every member is
 * decided, accepted or refused for good: look at each. OUTCOME_UNKNOWN: of some the outcome is not
 * known; NOT_EXECUTED: some are certainly not done. Then run it again: what is open is sent again
 * with the same keys, what is decided stays. Members have no order among them. */
enum lujian_error lujian_batch_run(struct lujian_batch *batch, int timeout_ms);
/* Before the first run, a member's error is NOT_EXECUTED. NULL for a number that is not there.
 * Lives until the batch is run again or freed. */
const struct lujian_result *lujian_batch_result(const struct lujian_batch *batch, size_t number);

/* Any other method of the service, for who has the contract's generated code: encoded messages in
 * and out. Sent again under the same key as lujian_file does. */
struct lujian_request {
    size_t size;
    const char *method; /* "complaints.close" */
    const char *key;    /* of a command; NULL = one of the library's. Queries ignore it */
    const void *body;   /* the encoded message, 1 MiB */
    size_t body_size;
    int64_t if_version; /* the version that you saw; 0 = any */
};
#define LUJIAN_REQUEST_INIT                                                                        \
    {                                                                                              \
        sizeof(struct lujian_request), NULL, NULL, NULL, 0, 0                                      \
    }
/* *ret_body lives until the client's next call. */
enum lujian_error lujian_call(struct lujian *client, const struct lujian_request *request,
                              int timeout_ms, const void **ret_body, size_t *ret_body_size);

/* ---- following: WIRE.md, "Cursors", "Events" and "Follow" ---- */

struct lujian_feed;

struct lujian_feed_options {
    size_t size;
    const char *division;     /* narrows to a subtree; "" = all that we may see */
    const char *const *types; /* "order.issued.v1", ...; NULL = all: at most 32 */
    size_t type_count;
    const char *after; /* where to begin when no cursor is kept yet; "" = the first event */

    /* Where the cursor is kept: in a file of your choice, replaced whole by one beside it (.new,
     * fsync, rename), one feed a file, and one that is empty is a damaged one; or by the two
     * functions, with the effects of the events in one transaction. Both absent: it begins at
     * `after` each time. */
    const char *cursor_path;
    /* Writes the cursor kept, "" for none, into `cursor`; false = failed: SYSTEM. */
    bool (*cursor_load)(void *ctx, char *cursor, size_t size);
    /* Everything up to the cursor is done with. False = failed: SYSTEM, and asked again. */
    bool (*cursor_save)(void *ctx, const char *cursor);
    void *cursor_ctx;
    /* Events done with between two savings, at most; 0 = 1: each is saved before the next is handed
     * out. After a crash that many may come again: their `id` tells. */
    uint32_t save_every;
    uint32_t credit; /* events under way, 1 to 10,000; 0 = 100 */
};
#define LUJIAN_FEED_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct lujian_feed_options), NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, 0, 0      \
    }

/* Longest cursor, with its NUL. */
#define LUJIAN_CURSOR_SIZE 96

enum lujian_escalation_kind { LUJIAN_CARD = 1, LUJIAN_ORDER = 2 };
enum lujian_color { LUJIAN_COLOR_YELLOW = 1, LUJIAN_COLOR_RED = 2 };
enum lujian_level { LUJIAN_LEVEL_COUNTY = 1, LUJIAN_LEVEL_CITY = 2, LUJIAN_LEVEL_PROVINCE = 3 };

/* A card (黄牌, 红牌) or a supervision order (督办单) as an event of supervision tells of it. */
struct lujian_escalation {
    enum lujian_escalation_kind kind;
    const char *id;           /* of the card or the order */
    const char *complaint_id; /* the matter */
    const char *division;     /* the matter's */
    const char *unit;         /* that is to answer */
    int level;                /* enum lujian_level: whose turn it is */
    int state;                /* supervision/v1 CardState or OrderState */
    int color;                /* of a card: enum lujian_color */
    int clock_kind;           /* of a card: clock/v1 ClockKind, what was missed */
    int trigger;              /* of an order: registry/v1 Trigger */
    const char *body;         /* of an order: the supervision body whose turn it is */
    const char *previous;     /* of an order: the one that it escalates */
    int64_t raised_at_ms;     /* raised or issued */
    int64_t due_at_ms;        /* of an order: then it climbs */
};

struct lujian_event {
    int64_t position;
    const char *cursor;  /* up to and with this event */
    const char *id;      /* a UUID: the same event has the same id for ever */
    const char *type;    /* "order.issued.v1"; skip what you do not know */
    const char *subject; /* the aggregate's id */
    const char *division;
    const char *correlation; /* the matter across services */
    int64_t time_ms;
    const void *data; /* the encoded message that `type` names */
    size_t data_size;
    const struct lujian_escalation *escalation; /* NULL where it tells of none */
};

/* `options` says whom, `feed_options` what. Errors as lujian_open, and SYSTEM or INVALID_ARGUMENT
 * for a cursor that cannot be read. */
enum lujian_error lujian_feed_open(struct lujian_feed **ret_feed,
                                   const struct lujian_options *options,
                                   const struct lujian_feed_options *feed_options,
                                   char ret_why[160]);
/* Saves the cursor of what is done with. An event in hand is not done with: it comes again. NULL is
 * fine. */
void lujian_feed_close(struct lujian_feed *feed);
/* Of the last call that failed; after AGAIN, why no feed is open at the moment (OK = one is). */
const struct lujian_problem *lujian_feed_problem(const struct lujian_feed *feed);

/* The next event, in order, each once; asking for it says that the one before is done with. Waits
 * at most timeout_ms; 0 = not at all. The event lives until the feed's next call.
 *
 *   AGAIN             nothing yet; also when a signal interrupted the wait. Replicas that die, hang
 *                     or drain are no error: it goes on with another one
 *   UNAUTHENTICATED   all replicas refuse our key; a call a second later tries again
 *   PERMISSION_DENIED, CURSOR_MISMATCH, INVALID_ARGUMENT, ...: the feed has ended; so it stays
 *   SYSTEM            the cursor could not be saved; no event is handed out before it is
 *
 * Call it, or wait on the descriptor, at least every 20 s: a feed that the service has not heard
 * for 30 s is opened anew, from where it was. */
enum lujian_error lujian_feed_next(struct lujian_feed *feed, int timeout_ms,
                                   const struct lujian_event **ret_event);
/* The event in hand is done with, and the cursor saved, now: before you leave. */
enum lujian_error lujian_feed_done(struct lujian_feed *feed);
/* Everything up to here is done with. Lives until the feed's next call. */
const char *lujian_feed_cursor(const struct lujian_feed *feed);

/* For poll, select or epoll: readable when lujian_feed_next(feed, 0, ...) should be called, for an
 * event or for the feed's own timers. Call it until it says AGAIN, and only then wait again: libzmq
 * tells of a change once. Wait for reading only, and neither read nor close it. The same as long as
 * the feed; -1 and the problem where there is none to be had.
 *
 * The trap that libzmq's own descriptor has, an edge that another call consumed, is handled: every
 * call on the feed looks again before it returns, and leaves the descriptor readable where there is
 * something to be had. */
int lujian_feed_fd(struct lujian_feed *feed);

#ifdef __cplusplus
}
#endif

#endif
