/* Private to liblujian: problems, the hub of links to replicas, requests, the cursor.
 *
 * Everything happens on the caller's thread, within his calls. Whatever is allocated may fail, and
 * then says so: this code lives in other people's processes. */
#ifndef LUJIAN_SDK_INSIDE_H
#define LUJIAN_SDK_INSIDE_H

#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/complaints/v1/complaint.lj.h"
#include "lujian/lujian.h"

#define API __attribute__((visibility("default")))

#define PROBLEM_TEXT_MAX 160 /* as the header has it */
#define KEY_Z85_SIZE     41
#define KEY_SIZE         129
#define SERVICE_SIZE     33
#define METHOD_SIZE      65
#define FRAME_BYTES_MAX  1114112 /* WIRE.md, "Sockets" */
#define BODY_BYTES_MAX   (1024 * 1024)
#define BUDGET_MAX_MS    600000
#define PING_EVERY_MS    1000 /* WIRE.md, "Signs of life" */
#define SILENCE_MAX_MS   3000
#define STEP_MS          100 /* at most, where something has to be tried again */
#define ARRAY_LEN(a)     (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)     ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)     ((a) > (b) ? (a) : (b))

/* util.c */
int64_t now_ms(void);                     /* monotonic */
int64_t deadline_ms(int timeout_ms);      /* INT64_MAX = never */
int random_bytes(void *out, size_t size); /* 0, or -1 */
int key_make(char key[KEY_SIZE]);         /* a UUID of version 7; 0, or -1 */
bool key_is_good(const char *key);        /* WIRE.md, "RequestHead" */
char *text_copy(const char *text);        /* NULL is ""; NULL = no memory */
char *text_borrowed(const char *text);    /* for the generated structures, which packing reads */
void *message_pack(const ProtobufCMessage *message, size_t *ret_size); /* NULL = no memory */

/* problem.c: why something failed, with the memory that its texts live in. */
struct problem {
    struct lujian_problem view;
    ResponseHead *head; /* NULL = found by the library */
    char text[PROBLEM_TEXT_MAX];
};
void problem_clear(struct problem *problem);
enum lujian_error problem_set(struct problem *problem, enum lujian_error error, const char *code,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Of an answer whose head has one; the head is the problem's from then on. */
enum lujian_error problem_take(struct problem *problem, ResponseHead *head);
enum lujian_error problem_copy(struct problem *to, const struct problem *from);

/* hub.c, link.c: the replicas of one service. */
struct hub;

/* Why a link is not up. */
enum trouble { TROUBLE_NONE, TROUBLE_UNREACHABLE, TROUBLE_HANDSHAKE, TROUBLE_KEY_REFUSED };

struct link {
    struct hub *hub;
    char *door;
    char server_key[KEY_Z85_SIZE];
    void *socket, *monitor;
    int socket_fd, monitor_fd; /* as the hub's epoll knows them; -1 = not */
    bool up, draining;
    enum trouble trouble;
    unsigned outstanding; /* requests open on it */
    unsigned penalty;     /* grows with each NOT_EXECUTED: the quickest to refuse gets no more */
    uint64_t ping;        /* its id; 0 = none open */
    int64_t heard_ms, ping_ms, tried_ms;
};

/* An answer; who keeps the head sets it to NULL. */
struct answer {
    struct link *link;
    ResponseHead *head;
    const uint8_t *body;
    size_t body_size;
};

struct hub {
    void *context;
    bool context_is_ours;
    char service[SERVICE_SIZE];
    char public_key[KEY_Z85_SIZE], secret_key[KEY_Z85_SIZE];
    uint32_t in_flight_max;
    struct link links[LUJIAN_ENDPOINTS_MAX];
    size_t link_count;
    size_t turn;
    uint64_t last_id;
    int epoll_fd; /* -1 = nobody asked for a descriptor */
    bool gone;    /* the context was terminated under us */
    bool full;    /* the owner has enough: answers stay where they are */
    void (*on_answer)(void *owner, struct answer *answer);
    void (*on_lost)(void *owner, struct link *link); /* what was open on it has no answer */
    void *owner;
};

struct head {
    const char *method, *key; /* key NULL = a query */
    int64_t if_version;
    int64_t deadline_ms;
};

enum lujian_error hub_open(struct hub *hub, const struct lujian_options *options,
                           struct problem *why);
void hub_close(struct hub *hub);
uint64_t hub_id(struct hub *hub);
/* Replicas that refused us are tried anew, at most once a second: who calls again has a reason. */
void hub_retry(struct hub *hub);
/* Takes what has come: links that came and went, answers. */
void hub_step(struct hub *hub);
/* The best link; NULL = none is up. `avoid` only where it is the last. */
struct link *hub_pick(struct hub *hub, const struct link *avoid);
/* Is there something to take now? */
bool hub_has_input(struct hub *hub);
/* Waits for input; false = a signal came, or the context is gone. */
bool hub_wait(struct hub *hub, int64_t until_ms);
bool hub_is_refused(const struct hub *hub); /* by all, for our key */
/* Why nobody is there. */
enum lujian_error hub_explain(const struct hub *hub, struct problem *problem);
/* Links with requests open are asked for a sign of life, and given up without. */
void hub_tick(struct hub *hub, int64_t now);

bool link_open(struct link *link);
void link_close(struct link *link);
void link_rebuild(struct link *link);
void link_step(struct link *link);
bool link_watch(struct link *link); /* by the hub's epoll; false = failed */
bool link_send(struct link *link, uint64_t id, const struct head *head, const void *body,
               size_t size);
void link_occupy(struct link *link);
void link_release(struct link *link);

/* batch.c */
struct member;
struct lujian_batch *batch_make(struct lujian *client);
enum lujian_error batch_add(struct lujian_batch *batch, const char *method, const char *key,
                            void *body, size_t size, int64_t if_version, bool is_filing);
const struct member *batch_member(const struct lujian_batch *batch, size_t number);
void batch_answer(struct lujian_batch *batch, struct answer *answer);
void batch_lost(struct lujian_batch *batch, const struct link *link);

/* client.c */
struct lujian {
    struct hub hub;
    struct problem problem;
    struct lujian_batch *one;     /* of lujian_file and lujian_call */
    struct lujian_batch *running; /* whose answers come */
};

/* member.c: one request of a batch. */
enum member_state { MEMBER_WAITING, MEMBER_OPEN, MEMBER_DECIDED };

struct member {
    char method[METHOD_SIZE], key[KEY_SIZE];
    void *body;
    size_t size;
    int64_t if_version;
    bool is_filing; /* the answer is a Complaint */
    enum member_state state;
    bool unknown; /* some sending may have had its effect */
    uint64_t id;
    struct link *link, *avoid;
    int64_t retry_ms; /* not before */
    uint32_t pause_ms;
    struct member *next; /* in the queue of those that wait or are open */
    struct problem problem;
    Complaint *complaint;
    uint8_t *answer; /* of any other method */
    size_t answer_size;
    struct lujian_result view;
};
void member_clear(struct member *member);
/* Of an answer: decided, or to be sent again. */
void member_take(struct member *member, struct answer *answer);
void member_lost(struct member *member);
/* The time is over: what is known of it. */
void member_end(struct member *member, const struct hub *hub);
void member_restart(struct member *member);

/* complaint.c */
enum lujian_error complaint_pack(const struct lujian_complaint *complaint, void **ret_body,
                                 size_t *ret_size, struct problem *why);
void complaint_view(const Complaint *complaint, struct lujian_result *view);

/* cursor.c: the cursor in its file, or in the caller's hands. */
struct cursor {
    char *path;
    bool (*load)(void *ctx, char *cursor, size_t size);
    bool (*save)(void *ctx, const char *cursor);
    void *ctx;
};
enum lujian_error cursor_load(const struct cursor *cursor, char text[LUJIAN_CURSOR_SIZE],
                              struct problem *why);
enum lujian_error cursor_save(const struct cursor *cursor, const char *text, struct problem *why);

#endif
