/* A command between the door and its answer, as committers see it. Its owner embeds it and keeps it
 * alive until it comes back through one of the committers' callbacks. */
#ifndef LUJIAN_COMMIT_COMMAND_H
#define LUJIAN_COMMIT_COMMAND_H

#include "base/err.h"
#include "base/sha.h"
#include "commit/request.h"

/* What a batch holds alone among all batches: the idempotency key, and the natural key or the
 * subject. */
enum { COMMAND_NAME_KEY, COMMAND_NAME_MATTER, COMMAND_NAMES };

/* What a run decided on a command. */
enum verdict {
    VERDICT_OPEN,
    VERDICT_APPLIED,  /* done, durably */
    VERDICT_ANSWERED, /* `code` says why not; nothing of it was written, or nobody knows
                         (OUTCOME_UNKNOWN) */
    VERDICT_REPLAY,   /* its key, or its natural key, was answered before */
    VERDICT_BLOCKED,  /* another holds its key or its row: later */
    VERDICT_BACK,     /* not run: the link was lost before COMMIT was sent */
};

struct command {
    struct request rq;
    const struct method_handler *handler;
    const ProtobufCMessage *in;
    const char *principal; /* whose key it is */
    uint8_t digest[SHA256_SIZE];
    size_t bytes;        /* of the request: bounds a batch */
    int64_t deadline_ms; /* mono: what is not begun by then is not executed */

    /* the outcome */
    void *out; /* the response message, in rq.arena; valid when code is 0 and the command was
                  applied */
    int code;  /* 0, or an enum err with its detail */
    struct err_detail detail;
    uint32_t retry_after_ms; /* 0 = nothing to say */
    const char *replay;      /* on_replay: the aggregate that the key made or changed */
    int64_t replay_version;  /* its version at that time */

    /* figures */
    int64_t queued_us, apply_us;
    int batch_size;

    /* the committers' own */
    enum verdict verdict;
    const char *subject;    /* NULL = it makes its aggregate */
    const char *natural[2]; /* NULL = none */
    uint64_t names[COMMAND_NAMES];
    bool has_matter;
    int64_t submitted_us;
    int64_t blocked_since_ms, not_before_ms;
    int tries; /* times it was sent back; decides the backoff */
    struct command *next;
};

/* Derives subject, natural key, names and digest from handler, in and principal. */
void command_name(struct command *c);
/* Records the thread's last error as the command's answer. */
void command_fail(struct command *c, int code);

#endif
