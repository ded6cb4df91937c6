/* A feed: opened at one replica, kept alive with credit, opened anew at another where that one
 * dies, hangs or drains.
 *
 * Invariants: frames count only under the id of the last opening, and every opening goes on at the
 * last `through`: so no event comes twice and none is left out. The cursor saved is never ahead of
 * what the caller is done with. */
#include "feed_inside.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   2000
#define SIGN_MS        5000 /* a feed unheard of for 30 s is closed by the replica */

static bool is_passing(enum lujian_error error)
{
    return error == LUJIAN_NOT_EXECUTED || error == LUJIAN_IN_PROGRESS ||
           error == LUJIAN_OUTCOME_UNKNOWN || error == LUJIAN_INTERNAL ||
           error == LUJIAN_RATE_LIMITED;
}

static bool feed_send(struct lujian_feed *feed, struct link *link, uint64_t id, const char *verb,
                      const ProtobufCMessage *message)
{
    char method[METHOD_SIZE];
    size_t size;
    strcpy(method, feed->hub.service);
    strcat(method, verb);
    void *body = message_pack(message, &size);
    const struct head head = { .method = method, .deadline_ms = now_ms() + SILENCE_MAX_MS };
    bool sent = body && link_send(link, id, &head, body, size);
    free(body);
    return sent;
}

static void feed_leave(struct lujian_feed *feed, uint32_t pause_ms)
{
    if (feed->id && feed->link->up) {
        UnfollowRequest request = UNFOLLOW_REQUEST_INIT;
        request.feed = feed->id;
        feed_send(feed, feed->link, hub_id(&feed->hub), ".unfollow", &request.base);
    }
    if (feed->link)
        feed->avoid = feed->link;
    feed->link = NULL;
    feed->id = feed->credit_id = 0;
    feed->retry_ms = now_ms() + pause_ms;
}

static uint32_t feed_pause(struct lujian_feed *feed, uint32_t least_ms)
{
    feed->pause_ms = MIN_OF(MAX_OF(feed->pause_ms * 2, PAUSE_FIRST_MS), PAUSE_MAX_MS);
    return MAX_OF(feed->pause_ms, least_ms);
}

static void frame_take(struct lujian_feed *feed, const struct answer *answer)
{
    FollowResponse *frame = (void *)protobuf_c_message_unpack(
        &lujian__bus__v1__follow_response__descriptor, NULL, answer->body_size, answer->body);
    if (!frame || strlen(frame->through) >= LUJIAN_CURSOR_SIZE) {
        if (frame)
            protobuf_c_message_free_unpacked(&frame->base, NULL);
        problem_set(&feed->problem, LUJIAN_INTERNAL, "frame", "a frame was not understood");
        feed_leave(feed, feed_pause(feed, 0));
        return;
    }
    problem_clear(&feed->problem);
    feed->pause_ms = 0;
    feed->in_hand += (uint32_t)frame->n_events;
    if (*frame->through)
        strcpy(feed->through, frame->through);
    feed_frame_set(feed, frame);
}

static void on_answer(void *owner, struct answer *answer)
{
    struct lujian_feed *feed = owner;
    ResponseHead *head = answer->head;
    if (answer->link != feed->link)
        return;
    if (head->id == feed->credit_id) {
        feed->credit_id = 0;
        if (head->problem && head->problem->error == ERROR_CODE_NOT_FOUND)
            feed_leave(feed, 0); /* the replica has given it up */
        return;
    }
    if (head->id != feed->id)
        return;
    feed->heard_ms = now_ms();
    if (!head->problem) {
        frame_take(feed, answer);
        return;
    }
    bool draining = strcmp(head->problem->code, "draining") == 0;
    answer->head = NULL;
    enum lujian_error error = problem_take(&feed->problem, head);
    answer->link->draining |= draining;
    feed->ended = !is_passing(error);
    feed_leave(feed, draining ? 0 : feed_pause(feed, feed->problem.view.retry_after_ms));
}

static void on_lost(void *owner, struct link *link)
{
    struct lujian_feed *feed = owner;
    if (feed->link == link) {
        problem_set(&feed->problem, LUJIAN_NOT_EXECUTED, "link_lost", "%s was lost", link->door);
        feed_leave(feed, 0);
    }
}

void feed_hear(struct lujian_feed *feed)
{
    feed->hub.on_answer = on_answer;
    feed->hub.on_lost = on_lost;
    feed->hub.owner = feed;
}

/* What is in the caller's hands takes its part of the credit. */
static void feed_try(struct lujian_feed *feed, int64_t now)
{
    if (feed->id || feed->ended || feed->retry_ms > now || feed->in_hand >= feed->credit)
        return;
    struct link *link = hub_pick(&feed->hub, feed->avoid);
    if (!link) {
        hub_explain(&feed->hub, &feed->problem);
        return;
    }
    FollowRequest request = FOLLOW_REQUEST_INIT;
    request.after = feed->through;
    request.division = feed->division;
    request.types = feed->types;
    request.n_types = feed->type_count;
    request.credit = feed->credit - feed->in_hand;
    uint64_t id = hub_id(&feed->hub);
    if (!feed_send(feed, link, id, ".follow", &request.base))
        return;
    feed->id = id;
    feed->link = link;
    feed->credit_due = 0;
    feed->heard_ms = feed->told_ms = now;
}

/* In portions: a message for every event would cost more than the event. */
static void credit_try(struct lujian_feed *feed, int64_t now)
{
    bool due = feed->credit_due > 0 && feed->credit_due >= feed->credit / 4;
    if (!feed->id || feed->credit_id || (!due && now - feed->told_ms < SIGN_MS))
        return;
    CreditRequest request = CREDIT_REQUEST_INIT;
    request.feed = feed->id;
    request.credit = feed->credit_due;
    uint64_t id = hub_id(&feed->hub);
    if (!feed_send(feed, feed->link, id, ".credit", &request.base))
        return;
    feed->credit_id = id;
    feed->credit_due = 0;
    feed->told_ms = now;
}

void feed_tick(struct lujian_feed *feed)
{
    int64_t now = now_ms();
    hub_tick(&feed->hub, now);
    if (feed->id && !feed->hub.full && now - feed->heard_ms >= SILENCE_MAX_MS) {
        problem_set(&feed->problem, LUJIAN_NOT_EXECUTED, "silent", "%s says nothing",
                    feed->link->door);
        feed_leave(feed, 0);
    }
    feed_try(feed, now);
    credit_try(feed, now);
}

int64_t feed_due(const struct lujian_feed *feed)
{
    int64_t now = now_ms();
    if (feed->ended)
        return now;
    if (!feed->id)
        return MAX_OF(feed->retry_ms, now + STEP_MS);
    return MIN_OF(feed->heard_ms + SILENCE_MAX_MS, MAX_OF(feed->told_ms + SIGN_MS, now + STEP_MS));
}

void feed_end(struct lujian_feed *feed)
{
    if (feed->id)
        feed_leave(feed, 0);
}
