/* A vendor's program as the tests need one: it includes what is installed and nothing else, and
 * tells line by line what it saw. The environment is the example's. */
#include <assert.h>
#include <poll.h>
#include <unistd.h>

#include "vendor.h"

static struct lujian *client(unsigned in_flight)
{
    struct lujian_options o = options("complaints");
    struct lujian *c;
    char why[160] = "";
    o.in_flight_max = in_flight;
    enum lujian_error error = lujian_open(&c, &o, why);
    if (error != LUJIAN_OK) {
        printf("open %s %s\n", lujian_error_name(error), why);
        exit(0);
    }
    return c;
}

static void tell(const struct lujian_result *r)
{
    const struct lujian_problem *p = r->problem;
    printf("%s code=%s field=%s id=%s order_no=%s unit=%s replayed=%d created=%d version=%lld "
           "due=%d key=%s why=%s\n",
           lujian_error_name(r->error), p ? p->code : "", p ? p->field : "", r->id, r->order_no,
           r->unit, r->replayed, r->created, (long long)r->version,
           r->reply_due_at_ms > r->filed_at_ms, r->key, p ? p->detail_en : "");
}

/* file TIMEOUT EXTERNAL_ID TITLE [KEY]: twice, so that the second is a replay where the first was
 * accepted. */
static int file(char **argv, int argc)
{
    struct lujian *c = client(0);
    struct lujian_complaint one = complaint(argv[3]);
    const struct lujian_result *result;
    one.title = argv[4];
    for (int i = 0; i < 2; i++) {
        long long begun = mono_ms();
        enum lujian_error error =
            lujian_file(c, &one, argc > 5 ? argv[5] : NULL, atoi(argv[2]), &result);
        if (result) {
            assert(error == result->error && lujian_problem(c)->error == error);
            tell(result);
        } else {
            printf("%s code=%s\n", lujian_error_name(error), lujian_problem(c)->code);
        }
        printf("took %lld\n", mono_ms() - begun);
    }
    lujian_close(c);
    return 0;
}

#define RUNS_MAX 10

/* batch TIMEOUT PREFIX COUNT IN_FLIGHT [RUNS]: run until nothing is open, RUNS times at most. */
static int batch(char **argv, int argc)
{
    struct lujian *c = client((unsigned)atoi(argv[5]));
    struct lujian_batch *b;
    enum lujian_error ends[RUNS_MAX];
    int runs = 0, runs_max = argc > 6 ? atoi(argv[6]) : RUNS_MAX;
    assert(lujian_batch_new(&b, c) == LUJIAN_OK);
    for (int i = 0; i < atoi(argv[4]); i++) {
        char external_id[64];
        snprintf(external_id, sizeof(external_id), "%s-%d", argv[3], i);
        struct lujian_complaint one = complaint(external_id);
        assert(lujian_batch_add(b, &one, NULL) == LUJIAN_OK);
        assert(lujian_batch_result(b, (size_t)i)->error == LUJIAN_NOT_EXECUTED);
    }
    do
        ends[runs] = lujian_batch_run(b, atoi(argv[2]));
    while (ends[runs++] != LUJIAN_OK && runs < runs_max);
    for (size_t i = 0; i < lujian_batch_count(b); i++)
        tell(lujian_batch_result(b, i));
    assert(!lujian_batch_result(b, lujian_batch_count(b)));
    printf("run %s after", lujian_error_name(ends[runs - 1]));
    for (int i = 0; i < runs; i++)
        printf(" %s", lujian_error_name(ends[i]));
    printf("\n");
    lujian_batch_free(b);
    lujian_close(c);
    return 0;
}

static void tell_event(const struct lujian_event *e)
{
    printf("%lld %s %s %s", (long long)e->position, e->id, e->type, e->cursor);
    if (e->escalation)
        printf(" %d %s %s %s", (int)e->escalation->kind, e->escalation->id,
               e->escalation->complaint_id, e->escalation->unit);
    printf("\n");
    fflush(stdout);
}

static struct lujian_feed *feed(const char *cursor_path, char *own)
{
    struct lujian_options o = options("supervision");
    struct lujian_feed_options what = LUJIAN_FEED_OPTIONS_INIT;
    struct lujian_feed *f;
    char why[160] = "";
    what.cursor_path = own ? NULL : cursor_path;
    if (own) {
        what.cursor_load = load;
        what.cursor_save = keep;
        what.cursor_ctx = own;
    }
    what.credit = 7; /* so that it has to be given again and again */
    enum lujian_error error = lujian_feed_open(&f, &o, &what, why);
    if (error != LUJIAN_OK) {
        printf("open %s %s\n", lujian_error_name(error), why);
        exit(0);
    }
    return f;
}

/* follow TIMEOUT CURSOR_FILE COUNT HOW: leaves when COUNT events have come or nothing came for
 * TIMEOUT; HOW it leaves: done, or crash with the last event in hand. */
static int follow(char **argv)
{
    struct lujian_feed *f = feed(argv[3], NULL);
    const struct lujian_event *e;
    enum lujian_error error = LUJIAN_OK;
    int left = atoi(argv[4]);
    while (left-- && (error = lujian_feed_next(f, atoi(argv[2]), &e)) == LUJIAN_OK)
        tell_event(e);
    printf("%s code=%s why=%s\n", lujian_error_name(error), lujian_feed_problem(f)->code,
           lujian_feed_problem(f)->detail_en);
    fflush(stdout);
    if (strcmp(argv[5], "crash") == 0)
        _exit(0);
    assert(lujian_feed_done(f) == LUJIAN_OK);
    lujian_feed_close(f);
    return 0;
}

/* poll TIMEOUT COUNT: the same by poll(2), the cursor in our own hands, other calls on the feed in
 * between. */
static int polled(char **argv)
{
    char own[LUJIAN_CURSOR_SIZE] = "";
    struct lujian_feed *f = feed(NULL, own);
    const struct lujian_event *e;
    int left = atoi(argv[3]), wakes = 0;
    struct pollfd fd = { .fd = lujian_feed_fd(f), .events = POLLIN };
    assert(fd.fd >= 0 && fd.fd == lujian_feed_fd(f));
    while (left > 0 && poll(&fd, 1, atoi(argv[2])) > 0) {
        enum lujian_error error;
        wakes++;
        while ((error = lujian_feed_next(f, 0, &e)) == LUJIAN_OK) {
            tell_event(e);
            left--;
            if (left % 3 == 0) { /* may consume an edge */
                assert(lujian_feed_done(f) == LUJIAN_OK);
                assert(strcmp(own, lujian_feed_cursor(f)) == 0);
            }
        }
        assert(error == LUJIAN_AGAIN);
    }
    printf("left=%d own=%s woken=%d\n", left, own, wakes);
    lujian_feed_close(f);
    return 0;
}

/* call TIMEOUT METHOD HEX */
static int call(char **argv)
{
    struct lujian *c = client(0);
    struct lujian_request request = LUJIAN_REQUEST_INIT;
    unsigned char body[256];
    const void *out;
    size_t size;
    request.method = argv[3];
    request.body = body;
    for (const char *at = argv[4]; *at; at += 2)
        sscanf(at, "%2hhx", &body[request.body_size++]);
    enum lujian_error error = lujian_call(c, &request, atoi(argv[2]), &out, &size);
    printf("%s code=%s ", lujian_error_name(error), lujian_problem(c)->code);
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)out)[i]);
    printf("\n");
    lujian_close(c);
    return 0;
}

/* options: what is wrong with a call is told at once. */
static int wrong_options(void)
{
    struct lujian_options good = options("complaints"), o = good;
    struct lujian *c;
    char why[160];
    o.size = 8;
    assert(lujian_open(&c, &o, why) == LUJIAN_INVALID_ARGUMENT && !c && *why);
    o = good;
    o.endpoint_count = 0;
    assert(lujian_open(&c, &o, NULL) == LUJIAN_INVALID_ARGUMENT && !c);
    o = good;
    o.public_key = o.secret_key;
    assert(lujian_open(&c, &o, why) == LUJIAN_INVALID_ARGUMENT && strstr(why, "pair"));
    o.public_key = "short";
    assert(lujian_open(&c, &o, why) == LUJIAN_INVALID_ARGUMENT && strstr(why, "Z85"));
    o = good;
    o.in_flight_max = 1001;
    assert(lujian_open(&c, &o, why) == LUJIAN_INVALID_ARGUMENT);
    endpoints[0].door = "nonsense";
    assert(lujian_open(&c, &good, why) == LUJIAN_INVALID_ARGUMENT && strstr(why, "nonsense"));
    endpoints[0].door = "tcp://127.0.0.1:1";
    assert(lujian_open(&c, &good, why) == LUJIAN_OK);
    struct lujian_complaint one = complaint("x");
    assert(lujian_file(c, &one, "a b", 0, NULL) == LUJIAN_INVALID_ARGUMENT);
    assert(strcmp(lujian_problem(c)->code, "key") == 0);
    one.size = 1;
    assert(lujian_file(c, &one, NULL, 0, NULL) == LUJIAN_INVALID_ARGUMENT);
    lujian_close(c);
    lujian_close(NULL);
    lujian_feed_close(NULL);
    lujian_batch_free(NULL);
    assert(strcmp(lujian_version(), LUJIAN_VERSION) == 0);
    assert(strcmp(lujian_error_name((enum lujian_error)77), "INTERNAL") == 0);
    assert(lujian_error_is_retryable(LUJIAN_OUTCOME_UNKNOWN) &&
           !lujian_error_is_retryable(LUJIAN_REFUSED));
    printf("good\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "file") == 0)
        return file(argv, argc);
    if (strcmp(what, "batch") == 0)
        return batch(argv, argc);
    if (strcmp(what, "follow") == 0)
        return follow(argv);
    if (strcmp(what, "poll") == 0)
        return polled(argv);
    if (strcmp(what, "call") == 0)
        return call(argv);
    return wrong_options();
}
