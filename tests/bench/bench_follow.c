/* bench_follow SUBSCRIBERS AFTER: many subscribers of complaints in one process, one thread, by
 * their feeds' descriptors. SUBSCRIBERS is a file with a line for each: his public key, his secret
 * key, and the division that he narrows to, "-" for none. All begin behind the cursor AFTER.
 * Environment: DOORS.
 *
 * A line "POSITION FILE" on the standard input asks for what came since the last such line: when
 * every feed is through the position all deliveries stand in the file, in the order in which they
 * came, and their number is told. An event is in its subscriber's hand when lujian_feed_next() has
 * returned it; then the clock is read that the services' civil time comes from.
 *
 * Nothing is computed and no file is touched while events come: that would be measured too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "doors.h"

enum {
    SUBSCRIBERS_MAX = 1000,
    SOCKETS_MAX = 8 * SUBSCRIBERS_MAX, /* of libzmq: a feed has three a replica */
    READY_MAX = 64,
    PATIENCE_MS = 60000, /* for feeds to get through a position */
};

/* As it stands in the file. */
struct delivery {
    int64_t subscriber, position, time_ms, in_hand_us;
};

struct follow {
    struct lujian_feed *feeds[SUBSCRIBERS_MAX];
    int feed_count;
    int epoll;
    struct delivery *deliveries;
    size_t count, room;
    int64_t wanted; /* the position that was asked for; 0 = none */
    int64_t asked_us;
    char path[4096];
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void watch(int epoll, int fd, int number)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = number };
    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("a descriptor cannot be waited for");
}

/* ---- the subscribers ---- */

static void subscribe(struct follow *f, struct lujian_options options, const char *after,
                      const char *division)
{
    struct lujian_feed_options what = LUJIAN_FEED_OPTIONS_INIT;
    char why[160];
    if (f->feed_count == SUBSCRIBERS_MAX)
        die("too many subscribers");
    what.after = after;
    what.division = strcmp(division, "-") == 0 ? "" : division;
    if (lujian_feed_open(&f->feeds[f->feed_count], &options, &what, why))
        die(why);
    watch(f->epoll, lujian_feed_fd(f->feeds[f->feed_count]), f->feed_count);
    f->feed_count++;
}

static void subscribe_all(struct follow *f, const char *path, const char *after, void *context)
{
    struct lujian_endpoint endpoints[LUJIAN_ENDPOINTS_MAX];
    struct lujian_options options = LUJIAN_OPTIONS_INIT;
    char line[256], *rest;
    FILE *file = fopen(path, "r");
    if (!file)
        die("SUBSCRIBERS cannot be read");
    doors_read(&options, endpoints, "complaints");
    options.zmq_context = context;
    while (fgets(line, sizeof(line), file)) {
        options.public_key = strtok_r(line, " \n", &rest);
        options.secret_key = strtok_r(NULL, " \n", &rest);
        const char *division = strtok_r(NULL, " \n", &rest);
        if (!division)
            die("SUBSCRIBERS: public key, secret key, division");
        subscribe(f, options, after, division);
    }
    fclose(file);
}

/* ---- what comes ---- */

static void keep(struct follow *f, int subscriber, const struct lujian_event *event)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 65536;
        f->deliveries = realloc(f->deliveries, f->room * sizeof(*f->deliveries));
        if (!f->deliveries)
            die("no memory");
    }
    f->deliveries[f->count++] =
        (struct delivery){ subscriber, event->position, event->time_ms, clock_us(CLOCK_REALTIME) };
}

static void take(struct follow *f, int subscriber)
{
    const struct lujian_event *event;
    enum lujian_error error;
    while ((error = lujian_feed_next(f->feeds[subscriber], 0, &event)) == LUJIAN_OK)
        keep(f, subscriber, event);
    if (error != LUJIAN_AGAIN)
        die(lujian_feed_problem(f->feeds[subscriber])->code);
}

/* ---- what is asked ---- */

/* The asker waits for an answer before it asks again: a readable input holds one line. False: it
 * has ended. */
static bool ask(struct follow *f)
{
    char line[sizeof(f->path)], *rest;
    if (!fgets(line, sizeof(line), stdin))
        return false;
    const char *position = strtok_r(line, " \n", &rest), *path = strtok_r(NULL, " \n", &rest);
    if (!path)
        die("a position and a file");
    f->wanted = strtoll(position, NULL, 10);
    f->asked_us = clock_us(CLOCK_MONOTONIC);
    strcpy(f->path, path);
    return true;
}

static bool all_through(const struct follow *f)
{
    for (int i = 0; i < f->feed_count; i++) {
        const char *position = strrchr(lujian_feed_cursor(f->feeds[i]), ':');
        if (!position || strtoll(position + 1, NULL, 10) < f->wanted)
            return false;
    }
    return true;
}

static void answer_where_due(struct follow *f)
{
    if (!f->wanted)
        return;
    if (!all_through(f)) {
        if (clock_us(CLOCK_MONOTONIC) - f->asked_us > (int64_t)PATIENCE_MS * 1000)
            die("not all feeds got through what was asked for");
        return;
    }
    FILE *file = fopen(f->path, "w");
    if (!file || fwrite(f->deliveries, sizeof(*f->deliveries), f->count, file) != f->count ||
        fclose(file))
        die("the deliveries cannot be written");
    printf("{\"subscribers\": %d, \"deliveries\": %zu}\n", f->feed_count, f->count);
    fflush(stdout);
    f->wanted = 0;
    f->count = 0;
}

static void run(struct follow *f)
{
    struct epoll_event ready[READY_MAX];
    for (;;) {
        int count = epoll_wait(f->epoll, ready, READY_MAX, 1000);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd >= 0)
                take(f, ready[i].data.fd);
            else if (!ask(f))
                return;
        }
        answer_where_due(f);
    }
}

/* A subscriber has a dozen descriptors. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct follow f;
    void *context = zmq_ctx_new();
    if (argc != 3)
        die("usage: bench_follow SUBSCRIBERS AFTER");
    allow_descriptors();
    f.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!context || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) < 0 || f.epoll < 0)
        die("no libzmq context, or no epoll");
    watch(f.epoll, STDIN_FILENO, -1);
    subscribe_all(&f, argv[1], argv[2], context);
    run(&f);
    for (int i = 0; i < f.feed_count; i++)
        lujian_feed_close(f.feeds[i]);
    zmq_ctx_term(context);
    close(f.epoll);
    free(f.deliveries);
    return 0;
}
