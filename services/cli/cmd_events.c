/* lujian events tail: a stream as it grows, one CloudEvent a line. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "cli.h"
#include "client/cloudevent.h"

#define TAIL_CREDIT 500
#define TAIL_LIMIT  1000
#define TYPES_MAX   OPTION_VALUES_MAX

struct tail {
    const char *stream, *from, *scope;
    const char *types[TYPES_MAX + 1];
    int type_count;

    /* the loop thread's */
    struct session *session;
    struct client_feed *feed;
    struct loop_signals *signals;
    struct arena frame;
    char through[81];
    int code;
    struct rpc_answer end; /* why it ended, where it did not end by a signal */

    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
};

static void print_events(struct arena *arena, const char *stream, Event *const *events,
                         size_t count)
{
    struct buf line;
    buf_init(&line, 0);
    for (size_t i = 0; i < count; i++) {
        buf_reset(&line);
        cloudevent_json(arena, &line, stream, events[i]);
        puts(buf_text(&line));
    }
    buf_clear(&line);
    fflush(stdout);
}

static const struct method_info *stream_method(struct arena *arena, const char *stream,
                                               const char *name)
{
    return contract_method(arena_printf(arena, "%s.%s", stream, name));
}

/* --once: slices until nothing is left. */
static int tail_once(struct tail *t, struct cli *cli)
{
    const struct method_info *method = stream_method(&cli->arena, t->stream, "pull");
    struct arena slice;
    int r = 0;
    bool more = true;
    arena_init(&slice, 0);
    snprintf(t->through, sizeof(t->through), "%s", t->from);
    while (r == 0 && more) {
        arena_reset(&slice);
        PullRequest *in = wire_new(&slice, &pull_request_rules);
        in->after = arena_strdup(&slice, t->through);
        in->division = arena_strdup(&slice, t->scope);
        in->n_types = (size_t)t->type_count;
        in->types = arena_memdup(&slice, t->types, sizeof(t->types));
        in->limit_choice_case = PULL_REQUEST_LIMIT_CHOICE_LIMIT;
        in->limit = TAIL_LIMIT;
        struct rpc call = { .method = method, .in = &in->base };
        struct rpc_answer answer;
        r = session_call(t->session, &slice, &call, &answer);
        if (r < 0)
            break;
        const PullResponse *out = answer.out;
        print_events(&slice, t->stream, out->events, out->n_events);
        more = strcmp(out->through, t->through) != 0 && !ferror(stdout);
        snprintf(t->through, sizeof(t->through), "%s", out->through);
    }
    arena_clear(&slice);
    return r;
}

/* On the loop thread. */
static void tail_finish(struct tail *t, int code)
{
    if (t->feed) {
        client_feed_close(t->feed);
        t->feed = NULL;
    }
    t->code = code;
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->lock);
}

static void tail_on_frame(void *ctx, const uint8_t *body, size_t size)
{
    struct tail *t = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    arena_reset(&t->frame);
    if (wire_unpack(&follow_response_rules, &t->frame, body, size, &message, &fault) < 0) {
        fprintf(stderr, "lujian: a frame of the feed: %s: %s\n", fault.path, fault.reason);
        tail_finish(t, ERR_INTERNAL);
        return;
    }
    const FollowResponse *frame = (const FollowResponse *)(const void *)message;
    print_events(&t->frame, t->stream, frame->events, frame->n_events);
    snprintf(t->through, sizeof(t->through), "%s", frame->through);
    if (ferror(stdout)) /* the reader is gone */
        tail_finish(t, 0);
    else if (frame->n_events)
        client_feed_credit(t->feed, (uint32_t)frame->n_events);
}

static void tail_on_end(void *ctx, int code, const uint8_t *head, size_t size)
{
    struct tail *t = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    const Problem *problem = NULL;
    arena_reset(&t->frame);
    if (head && wire_unpack(&response_head_rules, &t->frame, head, size, &message, &fault) == 0)
        problem = ((const ResponseHead *)(const void *)message)->problem;
    problem_print(stderr, code, problem);
    tail_finish(t, code);
}

static void tail_on_signal(void *arg, int number)
{
    (void)number;
    tail_finish(arg, 0);
}

static void tail_begin(void *arg)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    struct tail *t = arg;
    struct client_feed_options options = {
        .service = t->stream,
        .after = t->from,
        .division = t->scope,
        .types = t->types,
        .credit = TAIL_CREDIT,
        .on_frame = tail_on_frame,
        .on_end = tail_on_end,
        .ctx = t,
    };
    int r = loop_signals_new(&t->signals, session_loop(t->session), numbers, ARRAY_LEN(numbers),
                             tail_on_signal, t);
    if (r == 0)
        r = client_feed_open(&t->feed, session_client(t->session), &options);
    if (r < 0) {
        error_print("events");
        tail_finish(t, r);
    }
}

static void tail_end(void *arg)
{
    struct tail *t = arg;
    loop_signals_free(t->signals);
}

static int tail_follow(struct tail *t)
{
    arena_init(&t->frame, 0);
    loop_post(session_loop(t->session), tail_begin, t);
    pthread_mutex_lock(&t->lock);
    while (!t->done)
        pthread_cond_wait(&t->ended, &t->lock);
    pthread_mutex_unlock(&t->lock);
    if (t->signals)
        loop_post(session_loop(t->session), tail_end, t);
    return t->code;
}

static int tail_run(struct cli *cli, struct tail *t, bool once)
{
    t->session = session_open(cli);
    if (!t->session)
        return EXIT_FAILED;
    int r = once ? tail_once(t, cli) : tail_follow(t);
    session_close(t->session);
    if (*t->through)
        fprintf(stderr, "lujian: looked at up to %s\n", t->through);
    arena_clear(&t->frame);
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

static bool matches(enum wire_pattern pattern, const char *text)
{
    return !*text || wire_pattern_matches(pattern, text, strlen(text));
}

static int run_events(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = {
        { .name = "scope" },
        { .name = "from" },
        { .name = "type" },
        { .name = "once", .flag = true },
        { 0 },
    };
    struct options o;
    struct tail t = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count != 2 || strcmp(o.words[0], "tail") != 0)
        return usage_error("events", "use `lujian events tail STREAM`");
    t.stream = o.words[1];
    t.from = option_value(&o, "from") ? option_value(&o, "from") : "";
    t.scope = option_value(&o, "scope") ? option_value(&o, "scope") : "";
    if (strlen(t.stream) > 31 || !stream_method(&cli->arena, t.stream, "pull"))
        return usage_error("events", "there is no stream %s", t.stream);
    if (!matches(WIRE_PATTERN_CURSOR, t.from))
        return usage_error("events", "--from takes a cursor: %s:EPOCH:POSITION", t.stream);
    if (!matches(WIRE_PATTERN_DIVISION, t.scope))
        return usage_error("events", "--scope takes a division code");
    for (int i = 0; i < specs[2].count; i++) {
        if (!*specs[2].values[i] || !matches(WIRE_PATTERN_EVENT_TYPE, specs[2].values[i]))
            return usage_error("events", "--type takes an event type like card.raised.v1");
        t.types[t.type_count++] = specs[2].values[i];
    }
    return tail_run(cli, &t, option_given(&o, "once"));
}

const struct command command_events = {
    .name = "events",
    .summary = "a stream as it grows, one CloudEvent a line",
    .help =
        "lujian events tail STREAM [--scope DIVISION] [--from CURSOR] [--type TYPE]... [--once]\n\n"
        "Prints the events of a stream (registry, complaints, supervision) that you may see, one "
        "CloudEvents 1.0\n"
        "JSON object a line: first the past, then what comes. On the way out the last cursor is "
        "told on standard\n"
        "error: give it to --from to go on there.\n\n"
        "  --scope DIVISION   only this subtree\n"
        "  --from CURSOR      after this place, STREAM:EPOCH:POSITION; absent = from the first "
        "event\n"
        "  --type TYPE        only this type; may be given more than once\n"
        "  --once             end when the newest event has been printed\n",
    .run = run_events,
};
