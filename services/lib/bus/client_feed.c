/* Feeds: opened, kept fed with credit, and opened again elsewhere at the last `through` when their
 * replica fails.
 *
 * Frames count only under the id of the last opening: what an earlier replica still sends is a
 * stray. So no event comes twice, and as every opening goes on at `through`, none is left out. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/util.h"
#include "bus/client_inside.h"
#include "lujian/bus/v1/log.lj.h"

#define PAUSE_FIRST_MS  50
#define PAUSE_MAX_MS    2000
#define SIGN_MS         5000 /* a feed unheard of for 30 s is closed by the replica */
#define FEED_CREDIT_MAX 10000

static bool no_link_is_passed_over(void *ctx, const struct client_link *link)
{
    (void)ctx, (void)link;
    return false;
}

static int feed_request(struct client_feed *feed, struct client_link *link, uint64_t id,
                        const char *method, const ProtobufCMessage *message)
{
    uint8_t *body;
    size_t body_size;
    struct arena *arena = &feed->client->arena;
    wire_pack(arena, message, &body, &body_size);
    const struct envelope_request request = { .id = id,
                                              .method = method,
                                              .on_behalf = feed->on_behalf };
    return link_send(link, &request, body, body_size);
}

/* Tells the replica, where it still listens, that this feed is over. Its answer is a stray. */
static void feed_unfollow(struct client_feed *feed)
{
    if (feed->link->state != LINK_UP || feed->link->blocked)
        return;
    UnfollowRequest request = UNFOLLOW_REQUEST_INIT;
    request.feed = feed->id;
    uint64_t id = exchange_open(feed->client, EXCHANGE_CREDIT, feed->link, NULL);
    feed_request(feed, feed->link, id, feed->method_unfollow, &request.base);
    exchange_close(feed->client, id);
}

static void credit_forget(struct client_feed *feed)
{
    if (feed->credit_id)
        exchange_close(feed->client, feed->credit_id);
    feed->credit_id = 0;
}

static void feed_leave(struct client_feed *feed)
{
    credit_forget(feed);
    if (feed->id)
        exchange_close(feed->client, feed->id);
    feed->id = 0;
    if (feed->link)
        feed->avoid = feed->link;
    feed->link = NULL;
}

/* An opening that the peer would refuse for its credit waits until the consumer grants some. */
static void feed_try(struct client_feed *feed)
{
    int64_t now = mono_ms();
    if (feed->id || feed->ended || feed->closed || feed->credit == 0 || feed->retry_ms > now)
        return;
    struct client_link *link =
        link_pick(feed->service, NULL, feed->avoid, no_link_is_passed_over, NULL);
    if (!link)
        return;
    FollowRequest request = FOLLOW_REQUEST_INIT;
    request.after = feed->through;
    request.division = feed->division;
    request.types = feed->types;
    request.n_types = feed->type_count;
    request.credit = MIN(feed->credit, FEED_CREDIT_MAX);
    uint64_t id = exchange_open(feed->client, EXCHANGE_FEED, link, feed);
    if (feed_request(feed, link, id, feed->method_follow, &request.base) < 0) {
        exchange_close(feed->client, id);
        return;
    }
    feed->id = id;
    feed->link = link;
    feed->credit_due = feed->credit - request.credit;
    feed->heard_ms = feed->told_ms = now;
}

static void feed_reopen(struct client_feed *feed, uint32_t pause_ms)
{
    feed->client->figures.feeds_reopened++;
    feed_leave(feed);
    feed->retry_ms = mono_ms() + pause_ms;
    feed_try(feed);
}

static uint32_t feed_pause(struct client_feed *feed)
{
    feed->pause_ms = MIN(MAX(feed->pause_ms * 2, PAUSE_FIRST_MS), PAUSE_MAX_MS);
    return feed->pause_ms + (uint32_t)(rand_u64() % feed->pause_ms);
}

static void feed_free(struct client_feed *feed)
{
    for (size_t i = 0; i < feed->type_count; i++)
        free(feed->types[i]);
    free(feed->types);
    free(feed->division);
    free(feed->on_behalf);
    free(feed);
}

static void feed_end(struct client_feed *feed, int code, const uint8_t *head, size_t head_size)
{
    feed_leave(feed);
    feed->ended = true;
    feed->busy = true;
    feed->on_end(feed->ctx, code, head, head_size);
    feed->busy = false;
    if (feed->closed)
        feed_free(feed);
}

static bool is_passing(int code)
{
    return code == ERR_NOT_EXECUTED || code == ERR_IN_PROGRESS || code == ERR_OUTCOME_UNKNOWN ||
           code == ERR_INTERNAL || code == ERR_RATE_LIMITED;
}

static void feed_frame(struct client_feed *feed, const uint8_t *body, size_t body_size)
{
    uint32_t events;
    const char *through;
    size_t through_size;
    if (envelope_frame_skim(body, body_size, &events, &through, &through_size) < 0 ||
        through_size >= CLIENT_CURSOR_MAX || events > feed->credit) {
        log_line(LOG_WARN, "frame of a feed not understood", LF_TEXT("peer", feed->link->instance));
        feed_reopen(feed, feed_pause(feed));
        return;
    }
    feed->pause_ms = 0;
    feed->credit -= events;
    if (through_size) {
        memcpy(feed->through, through, through_size);
        feed->through[through_size] = 0;
    }
    feed->busy = true;
    feed->on_frame(feed->ctx, body, body_size);
    feed->busy = false;
    if (feed->closed)
        feed_free(feed);
}

void feed_answer(struct client_feed *feed, const struct envelope_answer *answer,
                 const uint8_t *head, size_t head_size, const uint8_t *body, size_t body_size)
{
    feed->heard_ms = mono_ms();
    if (answer->code == 0)
        feed_frame(feed, body, body_size);
    else if (is_passing(answer->code))
        feed_reopen(feed, MAX(feed_pause(feed), answer->retry_after_ms));
    else
        feed_end(feed, answer->code, head, head_size);
}

static void credit_tell(struct client_feed *feed)
{
    CreditRequest request = CREDIT_REQUEST_INIT;
    request.feed = feed->id;
    request.credit = MIN(feed->credit_due, FEED_CREDIT_MAX);
    uint64_t id = exchange_open(feed->client, EXCHANGE_CREDIT, feed->link, feed);
    if (feed_request(feed, feed->link, id, feed->method_credit, &request.base) < 0) {
        exchange_close(feed->client, id); /* the next tick tells it */
        return;
    }
    feed->credit_id = id;
    feed->credit_due -= request.credit;
    feed->told_ms = mono_ms();
}

/* In portions: a message for every event would cost more than the event. */
static bool credit_is_due(const struct client_feed *feed)
{
    return feed->id && !feed->credit_id && feed->credit_due > 0 &&
           (feed->credit_due >= feed->window / 4 || feed->credit_due == feed->credit);
}

void feed_credit_answer(struct client_feed *feed, const struct envelope_answer *answer)
{
    credit_forget(feed);
    if (answer->code == ERR_NOT_FOUND) /* the replica has given it up */
        feed_reopen(feed, 0);
    else if (credit_is_due(feed))
        credit_tell(feed);
}

void feeds_link_lost(struct client *client, struct client_link *link, bool forget)
{
    struct client_feed *next;
    for (struct client_feed *feed = client->feeds; feed; feed = next) {
        next = feed->next;
        if (feed->id && feed->link == link) {
            feed_unfollow(feed);
            feed_reopen(feed, 0);
        }
        if (forget && feed->avoid == link)
            feed->avoid = NULL;
    }
}

void feeds_flush(struct client *client)
{
    for (struct client_feed *feed = client->feeds; feed; feed = feed->next)
        feed_try(feed);
}

void client_feeds_tick(struct client *client, int64_t now_ms)
{
    for (struct client_feed *feed = client->feeds; feed; feed = feed->next) {
        if (!feed->id) {
            feed_try(feed);
        } else if (now_ms - feed->heard_ms >= CLIENT_FEED_SILENCE_MS) {
            feed_unfollow(feed);
            feed_reopen(feed, 0);
        } else if (!feed->credit_id && feed->link->state == LINK_UP && !feed->link->blocked &&
                   (feed->credit_due > 0 || now_ms - feed->told_ms >= SIGN_MS)) {
            credit_tell(feed);
        }
    }
}

static char *text_new(const char *text)
{
    char *copy = strdup(text ? text : "");
    assert_always(copy);
    return copy;
}

int client_feed_open(struct client_feed **ret, struct client *client,
                     const struct client_feed_options *options)
{
    const char *after = options->after ? options->after : "";
    if (options->credit == 0 || options->credit > FEED_CREDIT_MAX ||
        strlen(after) >= CLIENT_CURSOR_MAX || strlen(options->service) >= CLIENT_NAME_MAX - 10)
        return err_set(ERR_INVALID_ARGUMENT, "a feed's credit, cursor or service");
    struct client_service *service = client_service_get(client, options->service);
    if (!service)
        return err_set(ERR_UNSUPPORTED, "no service %s", options->service);
    struct client_feed *feed = calloc(1, sizeof(*feed));
    assert_always(feed);
    feed->client = client;
    feed->service = service;
    snprintf(feed->method_follow, sizeof(feed->method_follow), "%s.follow", options->service);
    snprintf(feed->method_credit, sizeof(feed->method_credit), "%s.credit", options->service);
    snprintf(feed->method_unfollow, sizeof(feed->method_unfollow), "%s.unfollow", options->service);
    feed->division = text_new(options->division);
    feed->on_behalf = text_new(options->on_behalf);
    for (const char *const *type = options->types; type && *type; type++) {
        feed->types = realloc(feed->types, (feed->type_count + 1) * sizeof(feed->types[0]));
        assert_always(feed->types);
        feed->types[feed->type_count++] = text_new(*type);
    }
    strcpy(feed->through, after);
    feed->on_frame = options->on_frame;
    feed->on_end = options->on_end;
    feed->ctx = options->ctx;
    feed->window = feed->credit = options->credit;
    feed->next = client->feeds;
    if (feed->next)
        feed->next->previous = feed;
    client->feeds = feed;
    client->figures.feeds_open++;
    client_wake(client);
    *ret = feed;
    feed_try(feed);
    return 0;
}

void client_feed_credit(struct client_feed *feed, uint32_t credit)
{
    feed->credit += credit;
    if (feed->id)
        feed->credit_due += credit;
    if (credit_is_due(feed) && feed->link->state == LINK_UP && !feed->link->blocked)
        credit_tell(feed);
    else if (!feed->id)
        feed_try(feed);
}

void client_feed_close(struct client_feed *feed)
{
    if (!feed || feed->closed)
        return;
    struct client *client = feed->client;
    if (feed->id)
        feed_unfollow(feed);
    feed_leave(feed);
    feed->closed = true;
    if (feed->previous)
        feed->previous->next = feed->next;
    else
        client->feeds = feed->next;
    if (feed->next)
        feed->next->previous = feed->previous;
    client->figures.feeds_open--;
    if (!feed->busy)
        feed_free(feed);
}
