/* Calls: sent, answered, sent again, ended. Each ends once.
 *
 * A call has at most one attempt open, and one hedge beside it. With none open it waits: for
 * `retry_ms`, or for a link that takes it. What was sent and has no answer makes its outcome
 * unknown for good, unless a later answer decides. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/util.h"
#include "bus/client_inside.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS   1000
#define IN_PROGRESS_MS 100
#define BUDGET_MARGIN_MS                                                                           \
    100 /* at most, and a tenth: so that a peer's "expired" comes before our own end */

static bool attempt_is_of(void *ctx, const struct client_link *link)
{
    const struct client_pending *call = ctx;
    for (int i = 0; i < CLIENT_ATTEMPTS_MAX; i++)
        if (call->attempts[i].id && call->attempts[i].link == link)
            return true;
    return false;
}

static void attempt_close(struct client_attempt *attempt)
{
    struct client_link *link = attempt->link;
    if (attempt->previous)
        attempt->previous->next = attempt->next;
    else
        link->attempts = attempt->next;
    if (attempt->next)
        attempt->next->previous = attempt->previous;
    link->outstanding--;
    exchange_close(link->client, attempt->id);
    attempt->id = 0;
    if (--attempt->call->attempts_open == 0)
        link->client->waiting++;
}

static uint32_t budget_left(const struct client_pending *call, int64_t now)
{
    int64_t left = MAX(call->deadline_ms - now, 1);
    return (uint32_t)MAX(left - MIN(left / 10, BUDGET_MARGIN_MS), 1);
}

/* False where no link takes it now. */
static bool call_send(struct client_pending *call, int64_t now)
{
    struct client *client = call->client;
    struct client_attempt *attempt = call->attempts[0].id ? &call->attempts[1] : &call->attempts[0];
    for (;;) {
        struct client_link *link =
            link_pick(call->service, call->call.instance, call->avoid, attempt_is_of, call);
        if (!link)
            return false;
        uint64_t id = exchange_open(client, EXCHANGE_ATTEMPT, link, attempt);
        const struct envelope_request request = { .id = id,
                                                  .method = call->call.method,
                                                  .key = call->call.key,
                                                  .on_behalf = call->call.on_behalf,
                                                  .traceparent = call->call.traceparent,
                                                  .if_version = call->call.if_version,
                                                  .budget_ms = budget_left(call, now) };
        if (link_send(link, &request, call->call.body, call->call.body_size) < 0) {
            exchange_close(client, id); /* it is blocked now, and not picked again */
            continue;
        }
        *attempt = (struct client_attempt){
            .id = id, .call = call, .link = link, .next = link->attempts, .sent_ms = now
        };
        if (attempt->next)
            attempt->next->previous = attempt;
        link->attempts = attempt;
        link->outstanding++;
        if (call->attempts_open++ == 0)
            client->waiting--;
        if (call->sent)
            client->figures.resent++;
        call->sent = true;
        return true;
    }
}

static void call_free(struct client_pending *call)
{
    free(call->head);
    free(call);
}

static void call_end(struct client_pending *call, const struct client_answer *answer)
{
    struct client *client = call->client;
    for (int i = 0; i < CLIENT_ATTEMPTS_MAX; i++)
        if (call->attempts[i].id)
            attempt_close(&call->attempts[i]);
    client->waiting--;
    if (call->previous)
        call->previous->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->previous = call->previous;
    else
        client->calls_last = call->previous;
    client->figures.calls_open--;
    client->figures.not_executed += answer->code == ERR_NOT_EXECUTED;
    client->figures.unknown += answer->code == ERR_OUTCOME_UNKNOWN;
    call->done(call->ctx, answer);
    call_free(call);
}

/* Its time is over: what is known of it is its outcome. */
static void call_end_undecided(struct client_pending *call)
{
    struct client_answer answer = { .code = ERR_NOT_EXECUTED, .instance = "" };
    bool unknown = call->unknown || call->attempts_open > 0;
    /* The last words of a peer, where they say no more and no less than what is known. */
    bool fits = call->code && (unknown ? call->code != ERR_NOT_EXECUTED : true);
    if (fits) {
        answer.code = call->code;
        answer.head = call->head;
        answer.head_size = call->head_size;
        answer.instance = call->instance;
    } else if (unknown) {
        answer.code = ERR_OUTCOME_UNKNOWN;
    }
    call_end(call, &answer);
}

/* The answer is not final: it is kept for the case that nothing better comes, and the call goes on.
 */
static void call_retry(struct client_pending *call, const struct client_link *from,
                       const struct envelope_answer *answer, const uint8_t *head, size_t head_size,
                       uint32_t least_pause_ms)
{
    int64_t now = mono_ms();
    call->code = answer->code;
    free(call->head);
    call->head = malloc(head_size ? head_size : 1);
    assert_always(call->head);
    memcpy(call->head, head, head_size);
    call->head_size = head_size;
    strcpy(call->instance, from->instance);
    if (call->attempts_open > 0)
        return; /* the other attempt may still decide */

    call->pause_ms = MIN(MAX(call->pause_ms * 2, PAUSE_FIRST_MS), PAUSE_MAX_MS);
    uint32_t pause = MAX(MAX(call->pause_ms, least_pause_ms), answer->retry_after_ms);
    if (call->avoid && call->service->link_count > 1 && !call->call.instance &&
        call->pause_ms == PAUSE_FIRST_MS)
        pause = 0; /* another replica may have room right now */
    else
        pause += (uint32_t)(rand_u64() % (pause / 2 + 1)); /* callers must not come back in step */
    call->retry_ms = now + pause;
    if (call->retry_ms >= call->deadline_ms)
        call_end_undecided(call);
    else if (!pause)
        call_send(call, now);
}

void calls_answer(struct client_attempt *attempt, const struct envelope_answer *answer,
                  const uint8_t *head, size_t head_size, const uint8_t *body, size_t body_size)
{
    struct client_pending *call = attempt->call;
    struct client_link *link = attempt->link;
    attempt_close(attempt);
    bool ours_before = call->unknown || call->attempts_open > 0;
    if (answer->code == ERR_NOT_EXECUTED) {
        call->avoid = link;
        call_retry(call, link, answer, head, head_size, 0);
    } else if (answer->code == ERR_OUTCOME_UNKNOWN) {
        call->unknown = true;
        call->avoid = link;
        call_retry(call, link, answer, head, head_size, 0);
    } else if (answer->code == ERR_IN_PROGRESS && ours_before) {
        call_retry(call, link, answer, head, head_size, IN_PROGRESS_MS);
    } else {
        call_end(call, &(struct client_answer){ .code = answer->code,
                                                .head = head,
                                                .head_size = head_size,
                                                .body = body,
                                                .body_size = body_size,
                                                .instance = link->instance });
    }
}

void calls_link_lost(struct client_link *link)
{
    int64_t now = mono_ms();
    while (link->attempts) {
        struct client_pending *call = link->attempts->call;
        attempt_close(link->attempts);
        call->unknown = true;
        call->avoid = link;
        if (call->attempts_open > 0)
            continue;
        call->retry_ms = now;
        call_send(call, now);
    }
}

void calls_forget_link(struct client *client, const struct client_link *link)
{
    for (struct client_pending *call = client->calls; call; call = call->next)
        if (call->avoid == link)
            call->avoid = NULL;
}

void calls_flush(struct client *client)
{
    if (client->waiting == 0)
        return;
    int64_t now = mono_ms();
    for (struct client_pending *call = client->calls; call; call = call->next)
        if (call->attempts_open == 0 && call->retry_ms <= now)
            call_send(call, now);
}

static bool hedge_is_due(const struct client_pending *call, int64_t now)
{
    if (call->attempts_open != 1 || call->call.instance)
        return false;
    const struct client_attempt *open =
        call->attempts[0].id ? &call->attempts[0] : &call->attempts[1];
    int64_t patience = MAX((call->deadline_ms - call->started_ms) / 2, CLIENT_HEDGE_MS);
    return link_is_suspect(open->link, now) || now - open->sent_ms >= patience;
}

void calls_tick(struct client *client, int64_t now_ms)
{
    struct client_pending *next;
    for (struct client_pending *call = client->calls; call; call = next) {
        next = call->next;
        if (now_ms >= call->deadline_ms) {
            call_end_undecided(call);
        } else if (call->attempts_open == 0) {
            if (call->retry_ms <= now_ms)
                call_send(call, now_ms);
        } else if (hedge_is_due(call, now_ms) && call_send(call, now_ms)) {
            client->figures.hedged++;
        }
    }
}

void calls_end_all(struct client *client)
{
    while (client->calls)
        call_end_undecided(client->calls);
}

static char *text_keep(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *kept = memcpy(*at, text, size);
    *at += size;
    return kept;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static struct client_pending *call_new(struct client *client, const struct client_call *from)
{
    size_t size = sizeof(struct client_pending) + text_size(from->instance) +
                  text_size(from->method) + text_size(from->key) + text_size(from->on_behalf) +
                  text_size(from->traceparent) + from->body_size;
    struct client_pending *call = malloc(size);
    assert_always(call);
    *call = (struct client_pending){ .client = client, .call = *from };
    char *at = (char *)(call + 1);
    struct client_call *c = &call->call;
    c->instance = text_keep(&at, from->instance);
    c->method = text_keep(&at, from->method);
    c->key = text_keep(&at, from->key);
    c->on_behalf = text_keep(&at, from->on_behalf);
    c->traceparent = text_keep(&at, from->traceparent);
    c->body = (const uint8_t *)at;
    if (from->body_size)
        memcpy(at, from->body, from->body_size);
    return call;
}

/* A call that is not begun ends on its own turn, as all others do. */
struct unbegun {
    void (*done)(void *ctx, const struct client_answer *answer);
    void *ctx;
    int code;
};

static void unbegun_end(void *arg)
{
    struct unbegun u = *(struct unbegun *)arg;
    free(arg);
    u.done(u.ctx, &(struct client_answer){ .code = u.code, .instance = "" });
}

static int call_check(const struct client *client, const struct client_call *call)
{
    if (call->body_size > CLIENT_BODY_MAX)
        return ERR_TOO_LARGE; /* the door would cut the link, and all other calls on it */
    if (client->figures.calls_open >= CLIENT_CALLS_MAX)
        return ERR_NOT_EXECUTED;
    return 0;
}

void client_call_async(struct client *client, const struct client_call *call,
                       void (*done)(void *ctx, const struct client_answer *answer), void *ctx)
{
    client->figures.calls++;
    int code = call_check(client, call);
    struct client_service *service = client_service_get(client, call->service);
    if (code == 0 && !service)
        code = ERR_UNSUPPORTED;
    if (code < 0) {
        struct unbegun *u = malloc(sizeof(*u));
        assert_always(u);
        *u = (struct unbegun){ done, ctx, code };
        loop_post(client->loop, unbegun_end, u);
        return;
    }
    int64_t now = mono_ms();
    struct client_pending *pending = call_new(client, call);
    pending->service = service;
    pending->done = done;
    pending->ctx = ctx;
    pending->started_ms = now;
    pending->deadline_ms = now + (call->budget_ms ? call->budget_ms : CLIENT_BUDGET_DEFAULT_MS);
    pending->previous = client->calls_last;
    if (client->calls_last)
        client->calls_last->next = pending;
    else
        client->calls = pending;
    client->calls_last = pending;
    client->waiting++;
    client->figures.calls_open++;
    client_wake(client);
    call_send(pending, now);
}
