/* A program with a loop, signals, threads and a libzmq context of its own: what the library leaves
 * alone of it, and what it may rely on. Its door does as the test says. */
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <zmq.h>

#include "vendor.h"

#define WAIT_MS  5000 /* for what has to come */
#define SOON_MS  500  /* for what is there */
#define QUIET_MS 200  /* in which nothing happens */
#define TICK_US  20000

static char own[LUJIAN_CURSOR_SIZE];

static struct lujian_feed *feed(struct lujian_feed_options what, void *context)
{
    struct lujian_options o = options("supervision");
    struct lujian_feed *f;
    o.zmq_context = context;
    what.cursor_load = load;
    what.cursor_save = keep;
    what.cursor_ctx = own;
    assert(lujian_feed_open(&f, &o, &what, NULL) == LUJIAN_OK);
    return f;
}

static struct lujian *client(void *context)
{
    struct lujian_options o = options("complaints");
    struct lujian *c;
    o.zmq_context = context;
    assert(lujian_open(&c, &o, NULL) == LUJIAN_OK);
    return c;
}

/* libzmq may have something to do for itself; then once more. */
static bool falls_silent(struct lujian_feed *f, struct pollfd *fd)
{
    const struct lujian_event *e;
    for (int tries = 0; tries < 10; tries++) {
        if (poll(fd, 1, QUIET_MS) == 0)
            return true;
        assert(lujian_feed_next(f, 0, &e) == LUJIAN_AGAIN);
    }
    return false;
}

/* edge: refused at first, when nothing but the feed's own timer says that it is time to ask again.
 * Then one event comes, and nothing after it. */
static void edge(void)
{
    struct lujian_feed *f = feed((struct lujian_feed_options)LUJIAN_FEED_OPTIONS_INIT, NULL);
    const struct lujian_event *e;
    struct pollfd fd = { .fd = lujian_feed_fd(f), .events = POLLIN };
    while (!*lujian_feed_cursor(f)) {
        assert(poll(&fd, 1, WAIT_MS) == 1);
        assert(lujian_feed_next(f, 0, &e) == LUJIAN_AGAIN);
    }
    assert(falls_silent(f, &fd));
    printf("open\n");
    fflush(stdout);
    assert(poll(&fd, 1, WAIT_MS) == 1);
    assert(lujian_feed_done(f) == LUJIAN_OK); /* looks at the sockets: their edge is gone */
    assert(poll(&fd, 1, SOON_MS) == 1);
    assert(lujian_feed_next(f, 0, &e) == LUJIAN_OK && e->position == 1);
    assert(lujian_feed_next(f, 0, &e) == LUJIAN_AGAIN);
    assert(falls_silent(f, &fd));
    lujian_feed_close(f);
}

/* asks KEPT AFTER DIVISION TYPE...: of the service, with this cursor kept. */
static void asks(char **argv, int argc)
{
    struct lujian_feed_options what = LUJIAN_FEED_OPTIONS_INIT;
    const struct lujian_event *e;
    strcpy(own, argv[2]);
    what.after = argv[3];
    what.division = argv[4];
    what.types = (const char *const *)&argv[5];
    what.type_count = (size_t)(argc - 5);
    struct lujian_feed *f = feed(what, NULL);
    assert(lujian_feed_next(f, WAIT_MS, &e) == LUJIAN_OK);
    lujian_feed_close(f);
}

static const char *position_kept(void)
{
    return *own ? strrchr(own, ':') + 1 : "0";
}

/* saves EVERY COUNT HOW: what is kept when each event is handed out, and after all; HOW is `done`
 * or `leave`, with the last in hand. */
static void saves(char **argv)
{
    struct lujian_feed_options what = LUJIAN_FEED_OPTIONS_INIT;
    const struct lujian_event *e;
    what.save_every = (uint32_t)atoi(argv[2]);
    struct lujian_feed *f = feed(what, NULL);
    for (int i = 0; i < atoi(argv[3]); i++) {
        assert(lujian_feed_next(f, WAIT_MS, &e) == LUJIAN_OK);
        printf("%lld %s\n", (long long)e->position, position_kept());
    }
    assert(strcmp(argv[4], "done") != 0 || lujian_feed_done(f) == LUJIAN_OK);
    lujian_feed_close(f);
    printf("left %s\n", position_kept());
}

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks = ticks + 1;
}

static void handlers(void (*ret_handlers[NSIG])(int))
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigaction(number, NULL, &action); /* fails for libc's own, which stay as they are */
        ret_handlers[number] = action.sa_handler;
    }
}

/* signals: one every 20 ms ends the wait for an event, and nothing of a filing. */
static void signals(void)
{
    static void (*before[NSIG])(int), (*after[NSIG])(int);
    const struct sigaction action = { .sa_handler = tick };
    const struct itimerval often = { .it_interval = { .tv_usec = TICK_US },
                                     .it_value = { .tv_usec = TICK_US } };
    sigaction(SIGALRM, &action, NULL);
    handlers(before);
    setitimer(ITIMER_REAL, &often, NULL);

    struct lujian_feed *f = feed((struct lujian_feed_options)LUJIAN_FEED_OPTIONS_INIT, NULL);
    const struct lujian_event *e;
    long long begun = mono_ms();
    assert(lujian_feed_next(f, 2 * WAIT_MS, &e) == LUJIAN_AGAIN && !e);
    assert(mono_ms() - begun < WAIT_MS && ticks > 0);
    lujian_feed_close(f);

    struct lujian *c = client(NULL);
    struct lujian_complaint one = complaint("silence");
    int ticked = ticks;
    begun = mono_ms();
    assert(lujian_file(c, &one, NULL, SOON_MS, NULL) != LUJIAN_OK);
    assert(mono_ms() - begun >= SOON_MS && ticks > ticked);
    one.external_id = "answer";
    assert(lujian_file(c, &one, NULL, WAIT_MS, NULL) == LUJIAN_OK);
    lujian_close(c);

    handlers(after);
    assert(memcmp(before, after, sizeof(before)) == 0);
}

/* context: it is the one that is used, shared, and left to its owner. */
static void context(void)
{
    void *narrow = zmq_ctx_new(), *shared = zmq_ctx_new(), *socket;
    struct lujian_options o = options("complaints");
    struct lujian *c;
    const struct lujian_event *e;
    zmq_ctx_set(narrow, ZMQ_MAX_SOCKETS, 1);
    o.zmq_context = narrow;
    assert(lujian_open(&c, &o, NULL) == LUJIAN_SYSTEM && !c); /* a replica takes more than one */
    assert(zmq_ctx_term(narrow) == 0);

    struct lujian_feed *f = feed((struct lujian_feed_options)LUJIAN_FEED_OPTIONS_INIT, shared);
    struct lujian_complaint one = complaint("answer");
    c = client(shared);
    assert(lujian_file(c, &one, NULL, WAIT_MS, NULL) == LUJIAN_OK);
    lujian_close(c);
    assert(lujian_feed_next(f, WAIT_MS, &e) == LUJIAN_OK);
    lujian_feed_close(f);
    socket = zmq_socket(shared, ZMQ_PAIR);
    assert(socket && zmq_close(socket) == 0 && zmq_ctx_term(shared) == 0);
}

struct worker {
    pthread_t thread;
    struct lujian *client;
    struct lujian_options wrong; /* endpoints, more than there may be: as many as nobody else has */
    int count;
    const char *name;
};

/* Every second one is refused: the reason, too, is this thread's. */
static void file_many(const struct worker *w)
{
    struct lujian_batch *b;
    char number[32];
    assert(lujian_batch_new(&b, w->client) == LUJIAN_OK);
    for (int i = 0; i < w->count; i++) {
        snprintf(number, sizeof(number), "%s-%d", w->name, i);
        struct lujian_complaint one = complaint(number);
        one.title = i % 2 ? "refuse" : "accept";
        assert(lujian_batch_add(b, &one, NULL) == LUJIAN_OK);
    }
    assert(lujian_batch_run(b, 4 * WAIT_MS) == LUJIAN_OK);
    for (int i = 0; i < w->count; i++) {
        const struct lujian_result *r = lujian_batch_result(b, (size_t)i);
        snprintf(number, sizeof(number), "%s-%d", w->name, i);
        assert(r->error == (i % 2 ? LUJIAN_UNPROCESSABLE : LUJIAN_OK));
        assert(strcmp(i % 2 ? r->problem->detail_en : r->order_no, number) == 0);
    }
    lujian_batch_free(b);
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    file_many(w);
    for (int i = 0; i < 100 * w->count; i++) {
        struct lujian *c;
        char why[160];
        assert(lujian_open(&c, &w->wrong, why) == LUJIAN_INVALID_ARGUMENT);
        assert(strtoul(why, NULL, 10) == w->wrong.endpoint_count);
    }
    return NULL;
}

/* threads COUNT: two side by side, a handle each, in one context. */
static void threads(int count)
{
    void *shared = zmq_ctx_new();
    struct worker workers[2] = { { .name = "left" }, { .name = "right" } };
    for (size_t i = 0; i < 2; i++) {
        workers[i].client = client(shared);
        workers[i].wrong = options("complaints");
        workers[i].wrong.endpoint_count = LUJIAN_ENDPOINTS_MAX + 1 + i;
        workers[i].count = count;
    }
    for (size_t i = 0; i < 2; i++)
        assert(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(workers[i].thread, NULL);
        lujian_close(workers[i].client);
    }
    assert(zmq_ctx_term(shared) == 0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "edge") == 0)
        edge();
    else if (strcmp(what, "asks") == 0)
        asks(argv, argc);
    else if (strcmp(what, "saves") == 0)
        saves(argv);
    else if (strcmp(what, "signals") == 0)
        signals();
    else if (strcmp(what, "context") == 0)
        context();
    else if (strcmp(what, "threads") == 0)
        threads(atoi(argv[2]));
    else
        return 2;
    printf("good\n");
    return 0;
}
