/* A feed as its caller has it: the next event, the cursor, the descriptor. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "feed_inside.h"

#define CREDIT_DEFAULT  100
#define CREDIT_MAX      10000
#define TYPES_MAX       32
#define THROUGH_SAVE_MS 5000 /* that nothing came is not worth an fsync a second */

static void frame_drop(struct lujian_feed *feed)
{
    event_clear(&feed->event);
    if (feed->frame)
        protobuf_c_message_free_unpacked(&feed->frame->base, NULL);
    feed->frame = NULL;
    feed->frame_at = 0;
    feed->hub.full = false;
}

/* The frame is through with: so is everything up to its `through`. */
static void frame_finish(struct lujian_feed *feed)
{
    if (*feed->frame->through && strcmp(feed->done, feed->frame->through) != 0) {
        strcpy(feed->done, feed->frame->through);
        feed->dirty = true;
    }
    frame_drop(feed);
}

void feed_frame_set(struct lujian_feed *feed, FollowResponse *frame)
{
    frame_drop(feed);
    feed->frame = frame;
    if (frame->n_events == 0)
        frame_finish(feed);
    else
        feed->hub.full = true;
}

static enum lujian_error save(struct lujian_feed *feed)
{
    enum lujian_error error =
        feed->dirty ? cursor_save(&feed->cursor, feed->done, &feed->problem) : LUJIAN_OK;
    if (error)
        return error;
    feed->dirty = false;
    feed->unsaved = 0;
    feed->saved_ms = now_ms();
    return LUJIAN_OK;
}

/* The event in hand is done with. */
static void finish(struct lujian_feed *feed)
{
    if (!feed->handed)
        return;
    feed->handed = false;
    feed->in_hand--;
    feed->credit_due++;
    feed->unsaved++;
    feed->dirty = true;
    strcpy(feed->done, feed->event.cursor);
    if (feed->frame_at == feed->frame->n_events)
        frame_finish(feed);
}

static enum lujian_error save_where_due(struct lujian_feed *feed)
{
    bool due = feed->unsaved >= feed->save_every ||
               (feed->dirty && now_ms() - feed->saved_ms >= THROUGH_SAVE_MS);
    return due ? save(feed) : LUJIAN_OK;
}

static void hand_out(struct lujian_feed *feed, const struct lujian_event **ret_event)
{
    const FollowResponse *frame = feed->frame;
    event_take(&feed->event, frame->events[feed->frame_at++], frame->through);
    feed->handed = true;
    *ret_event = &feed->event.view;
}

/* Readable now where there is something to be had, else when the feed's own time comes. */
static void arm(struct lujian_feed *feed)
{
    if (feed->timer_fd < 0)
        return;
    bool ready = feed->frame || hub_has_input(&feed->hub);
    int64_t left = ready ? 0 : MAX_OF(feed_due(feed) - now_ms(), 0);
    struct itimerspec when = { .it_value = { .tv_sec = left / 1000,
                                             .tv_nsec = left % 1000 * 1000000 + 1 } };
    timerfd_settime(feed->timer_fd, 0, &when, NULL);
}

static enum lujian_error next(struct lujian_feed *feed, int64_t deadline,
                              const struct lujian_event **ret_event)
{
    for (;;) {
        enum lujian_error error = save_where_due(feed);
        if (error)
            return error;
        hub_step(&feed->hub);
        feed_tick(feed); /* also with events at hand: a slow caller's feed is kept alive, too */
        if (feed->frame) {
            hand_out(feed, ret_event);
            return LUJIAN_OK;
        }
        if (feed->ended)
            return feed->problem.view.error;
        if (hub_is_refused(&feed->hub))
            return hub_explain(&feed->hub, &feed->problem);
        if (hub_has_input(&feed->hub))
            continue;
        if (now_ms() >= deadline)
            return LUJIAN_AGAIN;
        if (!hub_wait(&feed->hub, MIN_OF(deadline, feed_due(feed))))
            return feed->hub.gone ? hub_explain(&feed->hub, &feed->problem) : LUJIAN_AGAIN;
    }
}

API enum lujian_error lujian_feed_next(struct lujian_feed *feed, int timeout_ms,
                                       const struct lujian_event **ret_event)
{
    *ret_event = NULL;
    int64_t deadline = deadline_ms(timeout_ms);
    finish(feed);
    if (!feed->ended)
        hub_retry(&feed->hub);
    enum lujian_error error = next(feed, deadline, ret_event);
    arm(feed);
    return error;
}

API enum lujian_error lujian_feed_done(struct lujian_feed *feed)
{
    finish(feed);
    enum lujian_error error = save(feed);
    arm(feed);
    return error;
}

API const char *lujian_feed_cursor(const struct lujian_feed *feed)
{
    return feed->done;
}

API const struct lujian_problem *lujian_feed_problem(const struct lujian_feed *feed)
{
    return &feed->problem.view;
}

static bool fd_make(struct lujian_feed *feed)
{
    struct epoll_event event = { .events = EPOLLIN };
    feed->hub.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    feed->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    bool good = feed->hub.epoll_fd >= 0 && feed->timer_fd >= 0 &&
                epoll_ctl(feed->hub.epoll_fd, EPOLL_CTL_ADD, feed->timer_fd, &event) == 0;
    for (size_t i = 0; good && i < feed->hub.link_count; i++)
        good = !feed->hub.links[i].socket || link_watch(&feed->hub.links[i]);
    return good;
}

API int lujian_feed_fd(struct lujian_feed *feed)
{
    if (feed->timer_fd < 0 && !fd_make(feed)) {
        problem_set(&feed->problem, LUJIAN_SYSTEM, "descriptor", "%s", strerror(errno));
        if (feed->timer_fd >= 0)
            close(feed->timer_fd);
        if (feed->hub.epoll_fd >= 0)
            close(feed->hub.epoll_fd);
        feed->timer_fd = feed->hub.epoll_fd = -1;
        return -1;
    }
    arm(feed);
    return feed->hub.epoll_fd;
}

static enum lujian_error options_take(struct lujian_feed *feed,
                                      const struct lujian_feed_options *options)
{
    struct problem *why = &feed->problem;
    if (options->size < sizeof(*options) || options->type_count > TYPES_MAX ||
        options->credit > CREDIT_MAX)
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options",
                           "a feed's options: size, %d types or a credit of %d at most", TYPES_MAX,
                           CREDIT_MAX);
    feed->credit = options->credit ? options->credit : CREDIT_DEFAULT;
    feed->save_every = options->save_every ? options->save_every : 1;
    feed->cursor = (struct cursor){ .load = options->cursor_load,
                                    .save = options->cursor_save,
                                    .ctx = options->cursor_ctx };
    feed->division = text_copy(options->division);
    feed->types = calloc(options->type_count + 1, sizeof(*feed->types));
    bool good = feed->division && feed->types;
    for (; good && feed->type_count < options->type_count; feed->type_count++)
        good = (feed->types[feed->type_count] = text_copy(options->types[feed->type_count]));
    if (good && options->cursor_path)
        good = (feed->cursor.path = text_copy(options->cursor_path));
    if (!good)
        return problem_set(why, LUJIAN_NO_MEMORY, "no_memory", "no memory");
    enum lujian_error error = cursor_load(&feed->cursor, feed->done, why);
    const char *after = options->after ? options->after : "";
    if (!error && strlen(after) >= sizeof(feed->done))
        error = problem_set(why, LUJIAN_INVALID_ARGUMENT, "cursor", "`after` is no cursor");
    if (!error && !*feed->done)
        strcpy(feed->done, after);
    strcpy(feed->through, feed->done);
    return error;
}

API enum lujian_error lujian_feed_open(struct lujian_feed **ret_feed,
                                       const struct lujian_options *options,
                                       const struct lujian_feed_options *feed_options,
                                       char ret_why[160])
{
    *ret_feed = NULL;
    struct lujian_feed *feed = calloc(1, sizeof(*feed));
    if (!feed) {
        if (ret_why)
            strcpy(ret_why, "no memory");
        return LUJIAN_NO_MEMORY;
    }
    feed_hear(feed);
    problem_clear(&feed->problem);
    feed->timer_fd = feed->hub.epoll_fd = -1;
    enum lujian_error error = options_take(feed, feed_options);
    if (!error)
        error = hub_open(&feed->hub, options, &feed->problem);
    if (!error) {
        feed->saved_ms = now_ms();
        *ret_feed = feed;
        return LUJIAN_OK;
    }
    if (ret_why)
        memcpy(ret_why, feed->problem.text, PROBLEM_TEXT_MAX);
    lujian_feed_close(feed);
    return error;
}

API void lujian_feed_close(struct lujian_feed *feed)
{
    if (!feed)
        return;
    save(feed);
    feed_end(feed);
    frame_drop(feed);
    if (feed->timer_fd >= 0)
        close(feed->timer_fd);
    hub_close(&feed->hub);
    for (size_t i = 0; feed->types && i < feed->type_count; i++)
        free(feed->types[i]);
    free(feed->types);
    free(feed->division);
    free(feed->cursor.path);
    problem_clear(&feed->problem);
    free(feed);
}
