/* Batches: members sent, at most in_flight_max at a time, until each is decided or the time is
 * over. One request is a batch of one. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct queue {
    struct member *first, *last;
    size_t count;
};

struct lujian_batch {
    struct lujian *client;
    struct member **members;
    size_t count, capacity;
    struct queue waiting, open;
    int64_t deadline_ms;
};

static void push(struct queue *queue, struct member *member)
{
    member->next = NULL;
    if (queue->last)
        queue->last->next = member;
    else
        queue->first = member;
    queue->last = member;
    queue->count++;
}

static void unlink_after(struct queue *queue, struct member *previous, struct member *member)
{
    if (previous)
        previous->next = member->next;
    else
        queue->first = member->next;
    if (queue->last == member)
        queue->last = previous;
    queue->count--;
}

struct lujian_batch *batch_make(struct lujian *client)
{
    struct lujian_batch *batch = calloc(1, sizeof(*batch));
    if (batch)
        batch->client = client;
    return batch;
}

API enum lujian_error lujian_batch_new(struct lujian_batch **ret_batch, struct lujian *client)
{
    *ret_batch = batch_make(client);
    return *ret_batch ? LUJIAN_OK
                      : problem_set(&client->problem, LUJIAN_NO_MEMORY, "no_memory", "no memory");
}

API void lujian_batch_free(struct lujian_batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        member_clear(batch->members[i]);
        free(batch->members[i]);
    }
    free(batch->members);
    free(batch);
}

static struct member *member_new(struct lujian_batch *batch)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? batch->capacity * 2 : 16;
        struct member **more = realloc(batch->members, capacity * sizeof(*more));
        if (!more)
            return NULL;
        batch->members = more;
        batch->capacity = capacity;
    }
    struct member *member = calloc(1, sizeof(*member));
    if (!member)
        return NULL;
    problem_set(&member->problem, LUJIAN_NOT_EXECUTED, "not_sent", "not sent yet");
    member->view = (struct lujian_result){ .error = LUJIAN_NOT_EXECUTED,
                                           .problem = &member->problem.view,
                                           .key = member->key,
                                           .id = "",
                                           .order_no = "",
                                           .division = "",
                                           .unit = "" };
    return member;
}

/* Takes the body over, also when it fails. */
enum lujian_error batch_add(struct lujian_batch *batch, const char *method, const char *key,
                            void *body, size_t size, int64_t if_version, bool is_filing)
{
    struct problem *why = &batch->client->problem;
    enum lujian_error error = LUJIAN_OK;
    struct member *member = NULL;
    if (size > BODY_BYTES_MAX)
        error =
            problem_set(why, LUJIAN_TOO_LARGE, "too_large", "%zu bytes, 1 MiB is the limit", size);
    else if (key && !key_is_good(key))
        error = problem_set(why, LUJIAN_INVALID_ARGUMENT, "key",
                            "a key is 1 to 128 printable ASCII characters without space");
    else if (!method || strnlen(method, METHOD_SIZE) == METHOD_SIZE)
        error =
            problem_set(why, LUJIAN_INVALID_ARGUMENT, "method", "no method, or too long a name");
    else if (!(member = member_new(batch)))
        error = problem_set(why, LUJIAN_NO_MEMORY, "no_memory", "no memory");
    else if (!key && key_make(member->key) < 0)
        error = problem_set(why, LUJIAN_SYSTEM, "random", "no randomness for a key");
    if (error) {
        free(member);
        free(body);
        return error;
    }
    if (key)
        strcpy(member->key, key);
    strcpy(member->method, method);
    member->body = body;
    member->size = size;
    member->if_version = if_version;
    member->is_filing = is_filing;
    batch->members[batch->count++] = member;
    return LUJIAN_OK;
}

API enum lujian_error lujian_batch_add(struct lujian_batch *batch,
                                       const struct lujian_complaint *complaint, const char *key)
{
    void *body;
    size_t size;
    enum lujian_error error = complaint_pack(complaint, &body, &size, &batch->client->problem);
    return error ? error : batch_add(batch, "complaints.file", key, body, size, 0, true);
}

API size_t lujian_batch_count(const struct lujian_batch *batch)
{
    return batch->count;
}

API const struct lujian_result *lujian_batch_result(const struct lujian_batch *batch, size_t number)
{
    return number < batch->count ? &batch->members[number]->view : NULL;
}

const struct member *batch_member(const struct lujian_batch *batch, size_t number)
{
    return batch->members[number];
}

void batch_answer(struct lujian_batch *batch, struct answer *answer)
{
    struct member *previous = NULL, *member = batch->open.first;
    while (member && (member->id != answer->head->id || member->link != answer->link)) {
        previous = member;
        member = member->next;
    }
    if (!member)
        return; /* of a sending that was given up */
    unlink_after(&batch->open, previous, member);
    link_release(answer->link);
    member_take(member, answer);
    if (member->state == MEMBER_WAITING)
        push(&batch->waiting, member);
}

void batch_lost(struct lujian_batch *batch, const struct link *link)
{
    struct member *previous = NULL, *next;
    for (struct member *member = batch->open.first; member; member = next) {
        next = member->next;
        if (member->link != link) {
            previous = member;
            continue;
        }
        unlink_after(&batch->open, previous, member);
        member_lost(member);
        push(&batch->waiting, member);
    }
}

static bool send_one(struct lujian_batch *batch, struct member *member)
{
    struct hub *hub = &batch->client->hub;
    struct link *link = hub_pick(hub, member->avoid);
    if (!link)
        return false;
    const struct head head = { .method = member->method,
                               .key = member->key,
                               .if_version = member->if_version,
                               .deadline_ms = batch->deadline_ms };
    uint64_t id = hub_id(hub);
    if (!link_send(link, id, &head, member->body, member->size))
        return false;
    link_occupy(link);
    member->id = id;
    member->link = link;
    member->state = MEMBER_OPEN;
    return true;
}

/* What waits and may go, goes. */
static void send_waiting(struct lujian_batch *batch, int64_t now)
{
    struct member *previous = NULL, *next;
    for (struct member *member = batch->waiting.first; member; member = next) {
        next = member->next;
        if (batch->open.count >= batch->client->hub.in_flight_max)
            return;
        if (member->retry_ms > now) {
            previous = member;
            continue;
        }
        if (!send_one(batch, member))
            return;
        unlink_after(&batch->waiting, previous, member);
        push(&batch->open, member);
    }
}

static void end_all(struct lujian_batch *batch)
{
    struct hub *hub = &batch->client->hub;
    for (struct member *member = batch->waiting.first; member; member = member->next)
        member_end(member, hub);
    for (struct member *member = batch->open.first; member; member = member->next) {
        link_release(member->link);
        member_end(member, hub);
    }
    batch->waiting = batch->open = (struct queue){ 0 };
}

static int64_t wait_until(const struct lujian_batch *batch, int64_t now)
{
    /* Full: nothing but an answer or a ping's time changes anything. */
    bool full = batch->open.count >= batch->client->hub.in_flight_max;
    int64_t until = now + (batch->waiting.first && !full ? STEP_MS : PING_EVERY_MS);
    for (const struct member *m = full ? NULL : batch->waiting.first; m; m = m->next)
        if (m->retry_ms > now)
            until = MIN_OF(until, m->retry_ms);
    return MIN_OF(until, batch->deadline_ms);
}

static void run(struct lujian_batch *batch)
{
    struct hub *hub = &batch->client->hub;
    for (;;) {
        hub_step(hub);
        int64_t now = now_ms();
        send_waiting(batch, now);
        if (batch->waiting.count + batch->open.count == 0 || now >= batch->deadline_ms ||
            hub_is_refused(hub) || hub->gone)
            return;
        hub_tick(hub, now);
        hub_wait(hub, wait_until(batch, now)); /* a signal is no reason to leave */
    }
}

/* The one that leaves most to be decided. */
static enum lujian_error summary(struct lujian_batch *batch)
{
    const struct member *worst = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const struct member *m = batch->members[i];
        enum lujian_error error = m->view.error;
        if (error == LUJIAN_UNAUTHENTICATED || lujian_error_is_retryable(error))
            if (!worst || error == LUJIAN_UNAUTHENTICATED || error == LUJIAN_OUTCOME_UNKNOWN)
                worst = m;
    }
    if (!worst)
        return LUJIAN_OK;
    problem_copy(&batch->client->problem, &worst->problem);
    return worst->view.error == LUJIAN_UNAUTHENTICATED   ? LUJIAN_UNAUTHENTICATED
           : worst->view.error == LUJIAN_OUTCOME_UNKNOWN ? LUJIAN_OUTCOME_UNKNOWN
                                                         : LUJIAN_NOT_EXECUTED;
}

API enum lujian_error lujian_batch_run(struct lujian_batch *batch, int timeout_ms)
{
    struct lujian *client = batch->client;
    problem_clear(&client->problem);
    batch->deadline_ms = deadline_ms(timeout_ms);
    for (size_t i = 0; i < batch->count; i++) {
        struct member *m = batch->members[i];
        bool open = m->state != MEMBER_DECIDED || lujian_error_is_retryable(m->view.error) ||
                    m->view.error == LUJIAN_UNAUTHENTICATED;
        if (open) {
            member_restart(m);
            push(&batch->waiting, m);
        }
    }
    client->running = batch;
    hub_retry(&client->hub);
    run(batch);
    end_all(batch);
    client->running = NULL;
    return summary(batch);
}
