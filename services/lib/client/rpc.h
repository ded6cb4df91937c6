/* Typed calls over the generated tables: a message in, a message out, and a problem that is never
 * missing.
 *
 *     PingRequest in = PING_REQUEST_INIT;
 *     struct rpc call = { .method = &complaints_ping_method, .in = &in.base };
 *     struct rpc_answer answer;
 *     if (rpc_call(client, &arena, &call, &answer) < 0)
 *         ... answer.problem->code, detail_zh, detail_en
 *     const PingResponse *out = answer.out;
 *
 * From a thread that is not the loop's: it waits. */
#ifndef LUJIAN_CLIENT_RPC_H
#define LUJIAN_CLIENT_RPC_H

#include "bus/client.h"
#include "lujian/bus/v1/envelope.lj.h"

struct rpc {
    const struct method_info *method;
    const ProtobufCMessage *in;
    const char *instance; /* NULL = any replica */
    const char *key;      /* of a command; NULL = one of its own */
    const char *on_behalf;
    int64_t if_version;
    uint32_t budget_ms; /* of one call; 0 = the client's default */
    /* For how long an answer that says "later" (in progress, rate limited, not executed, outcome
     * unknown) is taken for a reason to ask again, with the same key and a growing pause. 0 = each
     * answer counts. */
    uint32_t patience_ms;
};

struct rpc_answer {
    int code;                 /* 0, or an enum err */
    const ResponseHead *head; /* NULL where nobody answered */
    const Problem *problem;   /* NULL where code is 0 */
    void *out;                /* the response; NULL where code is not 0 */
    const char *instance;     /* who answered, or "" */
};

/* Everything that is answered lives in the arena. Returns the answer's code. */
int rpc_call(struct client *client, struct arena *arena, const struct rpc *call,
             struct rpc_answer *ret);

#endif
