/* POST /v1/time:advance: moves civil time of a development cluster and answers once everything has
 * settled.
 *
 * Settled: every replica confirms the offset, no rung that can fire is due, every consumer stands
 * at the head of what it follows, and nothing moved between two rounds. Clocks that fail are
 * listed, not waited for. */
#include <microhttpd.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "bus/peers.h"
#include "gateway.h"
#include "lujian/bus/v1/node.lj.h"
#include "json/json.h"

#define SETTLE_BUDGET_MS 60000
#define SETTLE_ROUND_MS  50
#define SETTLE_PEERS_MAX 64

struct settle {
    struct gateway_request *rq;
    struct arena round; /* reset each round */
    struct loop_timer *timer;
    struct peers peers;
    int64_t offset_ms, deadline_ms;
    int pending;
    bool failed; /* a replica did not answer this round */
    StatusResponse *status[SETTLE_PEERS_MAX];
    int count;
    uint64_t last_fingerprint;
    int equal_rounds;
};

static void settle_round(void *arg);

static void settle_end(struct settle *s)
{
    loop_timer_free(s->timer);
    peers_clear(&s->peers);
    arena_clear(&s->round);
}

static int64_t head_of(const struct settle *s, const char *stream)
{
    int64_t head = 0;
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->status[i]->service, stream) == 0)
            head = MAX(head, s->status[i]->head);
    return head;
}

/* All confirmed, nothing due, every cursor at its head? And what it all looks like, to compare two
 * rounds, in which the replicas answer in any order: so their parts are added up. */
static bool settle_quiet(const struct settle *s, uint64_t *ret_fingerprint)
{
    uint64_t fingerprint = 0;
    for (int i = 0; i < s->count; i++) {
        const StatusResponse *status = s->status[i];
        if (status->clock_offset_ms != s->offset_ms || status->clocks_due > 0)
            return false;
        uint64_t part = hash_bytes(&status->head, sizeof(status->head), 0);
        for (size_t c = 0; c < status->n_consumers; c++) {
            const ConsumerStatus *consumer = status->consumers[c];
            if (!consumer->stopped && consumer->position < head_of(s, consumer->stream))
                return false;
            part = hash_bytes(&consumer->position, sizeof(consumer->position), part);
        }
        fingerprint += part;
    }
    *ret_fingerprint = fingerprint;
    return true;
}

static void settle_answer(struct settle *s)
{
    AdvanceTimeResponse *answer = wire_new(&s->round, &advance_time_response_rules);
    answer->clock_offset_ms = s->offset_ms;
    for (int i = 0; i < s->count; i++) {
        answer->clocks_failing = MAX(answer->clocks_failing, s->status[i]->clocks_failing);
        answer->civil_time = MAX(answer->civil_time, s->status[i]->civil_time);
    }
    struct buf out;
    buf_init(&out, 0);
    json_from_message(&advance_time_response_rules, &answer->base, &out);
    respond_json(s->rq, MHD_HTTP_OK, &out, NULL);
    buf_clear(&out);
}

static void settle_judge(struct settle *s)
{
    uint64_t fingerprint = 0;
    bool quiet = !s->failed && settle_quiet(s, &fingerprint);
    s->equal_rounds = quiet && fingerprint == s->last_fingerprint ? s->equal_rounds + 1 : 0;
    s->last_fingerprint = fingerprint;
    if (quiet && s->equal_rounds >= 1) {
        settle_answer(s);
        settle_end(s);
        return;
    }
    if (mono_ms() > s->deadline_ms || gateway.draining) {
        err_set(ERR_OUTCOME_UNKNOWN, "time was advanced; the cluster has not settled within %d s",
                SETTLE_BUDGET_MS / 1000);
        respond_problem(s->rq, ERR_OUTCOME_UNKNOWN, NULL);
        settle_end(s);
        return;
    }
    loop_timer_start(s->timer, SETTLE_ROUND_MS, 0);
}

static void settle_status(void *ctx, const struct client_answer *answer)
{
    struct settle *s = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (answer->code < 0 || wire_unpack(&status_response_rules, &s->round, answer->body,
                                        answer->body_size, &message, &fault) < 0)
        s->failed = true;
    else
        s->status[s->count++] = (StatusResponse *)(void *)message;
    if (--s->pending == 0)
        settle_judge(s);
}

static void settle_ask(struct settle *s, const struct peer *peer, const char *method,
                       void (*done)(void *ctx, const struct client_answer *answer))
{
    struct client_call call = {
        .service = arena_strdup(&s->round, peer->service),
        .instance = arena_strdup(&s->round, peer->instance),
        .method = arena_printf(&s->round, "%s.%s", peer->service, method),
        .budget_ms = 2000,
    };
    s->pending++;
    client_call_async(gateway.client, &call, done, s);
}

static void settle_time(void *ctx, const struct client_answer *answer)
{
    struct settle *s = ctx;
    if (answer->code < 0)
        s->failed = true;
    if (--s->pending > 0)
        return;
    for (int i = 0; i < s->peers.count && i < SETTLE_PEERS_MAX; i++)
        if (*s->peers.items[i].door)
            settle_ask(s, &s->peers.items[i], "status", settle_status);
}

static void settle_round(void *arg)
{
    struct settle *s = arg;
    arena_reset(&s->round);
    s->count = 0;
    s->failed = false;
    /* Each replica confirms the offset, which wakes its clock scanner; then each tells its status.
     */
    s->pending = 1;
    for (int i = 0; i < s->peers.count && i < SETTLE_PEERS_MAX; i++)
        if (*s->peers.items[i].door)
            settle_ask(s, &s->peers.items[i], "time", settle_time);
    if (--s->pending == 0)
        settle_judge(s);
}

static int read_request(struct gateway_request *rq, const AdvanceTimeRequest **ret,
                        struct wire_fault *fault)
{
    ProtobufCMessage *message = NULL;
    int r = request_body(rq, &advance_time_request_rules, &message, fault);
    if (r == 0)
        r = wire_check(&advance_time_request_rules, message, fault);
    *ret = (const AdvanceTimeRequest *)(void *)message;
    return r;
}

void time_advance(struct gateway_request *rq)
{
    const struct conf *conf = service_conf(gateway.service);
    if (!*conf_text(conf, "clock-offset-file")) {
        respond_problem(rq, err_set(ERR_NOT_FOUND, "no such path"), NULL);
        return;
    }
    const AdvanceTimeRequest *in = NULL;
    struct wire_fault fault = { 0 };
    int r = read_request(rq, &in, &fault);
    if (r < 0) {
        respond_problem(rq, r, fault.path);
        return;
    }

    struct settle *s = arena_new(rq->arena, struct settle);
    s->rq = rq;
    arena_init(&s->round, 0);
    r = peers_read(conf_text(conf, "peers"), &s->peers);
    if (r == 0)
        r = civil_offset_advance((int64_t)in->seconds * 1000, &s->offset_ms);
    if (r < 0) {
        respond_problem(rq, r, NULL);
        peers_clear(&s->peers);
        return;
    }
    s->deadline_ms = mono_ms() + SETTLE_BUDGET_MS;
    s->timer = loop_timer_new(gateway.loop, settle_round, s);
    settle_round(s);
}
