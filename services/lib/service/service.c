/* service_main: the parts of a replica, opened in order and closed in reverse.
 *
 * Start: signals blocked, log, configuration, migrations, the stream, the mirror, threads, and the
 * door last, so that nobody is let in before there is someone to answer. */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "service/replica.h"

#define MALLOC_ARENAS   2 /* threads share them: a heap a thread costs more than it saves */
#define EXIT_BAD_CONFIG 2

const struct conf *service_conf(const struct service *service)
{
    return &service->conf;
}

struct client *service_client(const struct service *service)
{
    return service->client;
}

struct loop *service_loop(const struct service *service)
{
    return service->loop;
}

bool service_draining(const struct service *service)
{
    return atomic_load(&service->draining);
}

/* Alarms belong to the replica, and handlers hold it as const. */
void alarm_raise(const struct service *service, const char *code, const char *subject,
                 const char *detail)
{
    alarms_raise(&((struct service *)service)->alarms, code, subject, detail);
}

void alarm_clear(const struct service *service, const char *code, const char *subject)
{
    alarms_lower(&((struct service *)service)->alarms, code, subject);
}

/* ---- before the loop runs ---- */

static void signals_block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void signals_unblock(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- the loop's side ---- */

static int send_answer(void *ctx, const struct door_address *to, const uint8_t *head,
                       size_t head_size, const uint8_t *body, size_t body_size)
{
    struct service *s = ctx;
    return door_send(s->door, to, head, head_size, body, body_size);
}

static void on_trouble(void *ctx, const char *code)
{
    struct service *s = ctx;
    if (code)
        alarms_raise(&s->alarms, code, "database", "commands are not executed until there is room");
    else
        alarms_lower(&s->alarms, "storage_full", "database");
}

static int start_calls(struct service *s)
{
    const struct conf *conf = &s->conf;
    node_methods_build(s);
    struct calls_options options = {
        .loop = s->loop,
        .methods = s->definition->methods,
        .node_methods = s->node_methods,
        .loop_methods = s->loop_methods,
        .callers = s->callers,
        .service = s,
        .ctx = s,
        .send = send_answer,
        .on_commit = stream_on_commit,
        .on_trouble = on_trouble,
        .pg = s->pg,
        .cache = s->cache,
        .workers = s->settings.workers,
        .committers = s->settings.committers,
        .worker_queue_max = (int)conf_int(conf, "queue-queries"),
        .commit_queue_max = (int)conf_int(conf, "queue-commands"),
        .budget_default_ms = (uint32_t)conf_int(conf, "budget-ms"),
        .unpack_bytes_max = (size_t)conf_int(conf, "request-memory-kib") * 1024,
        .open_bytes_max = (size_t)conf_int(conf, "queue-mib") * 1024 * 1024,
        .rate_per_second = conf_int(conf, "rate-per-second"),
        .rate_burst = conf_int(conf, "rate-burst"),
    };
    return calls_open(&s->calls, &options);
}

static void on_message(void *ctx, const struct door_address *from, const uint8_t *head,
                       size_t head_size, const uint8_t *body, size_t body_size)
{
    struct service *s = ctx;
    calls_on_message(s->calls, from, head, head_size, body, body_size);
}

static bool authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX])
{
    struct service *s = ctx;
    return callers_authenticate(s->callers, curve_public, out_user);
}

static void on_gone(void *ctx, const struct door_address *who)
{
    stream_on_gone(ctx, who);
}

static int open_door(struct service *s)
{
    struct door_options options = { .loop = s->loop,
                                    .endpoint = s->settings.door,
                                    .pulse_endpoint = s->settings.pulse,
                                    .curve_secret = s->settings.curve.secret_key,
                                    .authenticate = authenticate,
                                    .on_message = on_message,
                                    .on_gone = on_gone,
                                    .ctx = s };
    return door_open(&s->door, &options);
}

static void on_clock_figures(void *ctx, const struct clock_figures *figures)
{
    struct service *s = ctx;
    if (figures->provisional > 0)
        alarms_raise(&s->alarms, "clocks_provisional", "calendar",
                     "open clocks rest on days that no notice has announced");
    else
        alarms_lower(&s->alarms, "clocks_provisional", "calendar");
    if (figures->failing > 0)
        alarms_raise(&s->alarms, "clocks_failing", "clocks", "due rungs could not be fired");
    else
        alarms_lower(&s->alarms, "clocks_failing", "clocks");
}

static bool commands_under_way(void *ctx)
{
    const struct service *s = ctx;
    return calls_commands_under_way(s->calls);
}

static int start_scanner(struct service *s)
{
    if (!s->definition->clocks)
        return 0;
    struct clock_scanner *scanner;
    int r = clock_scanner_start(&scanner, s->definition->clocks, service_link(s, "clocks"),
                                stream_on_commit, s);
    if (r < 0)
        return r;
    clock_scanner_watch(scanner, on_clock_figures, s);
    clock_scanner_yield(scanner, commands_under_way, s);
    atomic_store(&s->scanner, scanner);
    return 0;
}

static int start_client(struct service *s)
{
    struct client_options options = { .loop = s->loop,
                                      .peers_path = s->settings.peers,
                                      .curve_public = s->settings.curve.public_key,
                                      .curve_secret = s->settings.curve.secret_key,
                                      .service =
                                          s->definition->methods ? s->definition->name : NULL,
                                      .instance = follow_is_own(s->definition)
                                                      ? NULL /* its own door is followed too */
                                                      : s->settings.instance,
                                      .on_pulse = stream_on_pulse,
                                      .ctx = s };
    int r = callers_open(&s->callers, s->loop, s->settings.peers);
    if (r == 0 && s->settings.peers[0])
        r = client_open(&s->client, &options);
    return r;
}

static int start_parts(struct service *s)
{
    bool edge = !s->definition->methods;
    int r = loop_new(&s->loop);
    if (r == 0)
        r = start_client(s);
    if (r == 0 && s->definition->start)
        r = s->definition->start(s);
    if (r == 0 && !edge)
        r = caches_open(s);
    if (r == 0 && !edge)
        r = start_calls(s);
    if (r == 0 && !edge)
        r = stream_start(s);
    if (r == 0)
        r = follow_start(s);
    if (r == 0)
        r = start_scanner(s);
    if (r == 0 && !edge)
        r = open_door(s);
    if (r == 0)
        r = admin_open(s);
    return r;
}

static void on_signal(void *arg, int number)
{
    (void)number;
    struct service *s = arg;
    if (service_draining(s)) {
        log_line(LOG_WARN, "STOP-NOW");
        loop_stop(s->loop);
        return;
    }
    drain_begin(s);
}

static void on_counted(void *ctx, int code, const void *out)
{
    (void)code;
    (void)out;
    struct service *s = ctx;
    s->counting = false;
}

/* What is counted for the status raises and clears alarms: so it is asked though nobody else
 * asks. */
static void count_now_and_then(struct service *s, int64_t now_ms)
{
    if (!s->calls || s->counting || service_draining(s) ||
        now_ms - s->counted_at_ms < COUNT_EVERY_MS)
        return;
    s->counting = true;
    s->counted_at_ms = now_ms;
    calls_ask(s->calls, node_status(s), COUNT_EVERY_MS, on_counted, s);
}

static void on_tick(void *arg)
{
    struct service *s = arg;
    int64_t now_ms = mono_ms();
    if (s->door && now_ms - s->pulsed_at_ms >= PULSE_IDLE_MS)
        stream_pulse(s);
    if (civil_offset_ms() != s->offset_seen_ms) {
        s->offset_seen_ms = civil_offset_ms();
        mirror_wake(s->mirror);
        if (s->scanner)
            clock_scanner_wake(s->scanner);
    }
    count_now_and_then(s, now_ms);
    drain_tick(s);
}

static int run(struct service *s)
{
    static const int numbers[] = { SIGTERM, SIGINT };
    int r = loop_signals_new(&s->signals, s->loop, numbers, ARRAY_LEN(numbers), on_signal, s);
    if (r < 0)
        return r;
    s->offset_seen_ms = civil_offset_ms();
    s->tick = loop_timer_new(s->loop, on_tick, s);
    loop_timer_start(s->tick, TICK_MS, TICK_MS);
    signals_unblock();
    log_line(LOG_INFO, "STARTED", LF_TEXT("door", s->door ? door_endpoint(s->door) : ""),
             LF_TEXT("pulse", s->door ? door_pulse_endpoint(s->door) : ""),
             LF_INT("admin_port", http_port(s->admin)),
             LF_INT("connections_max", s->settings.connections), LF_BOOL("dev", s->settings.dev));
    if (s->settings.dev || s->settings.clock_offset_file[0])
        log_line(LOG_ERROR, "DEVELOPMENT-MODE",
                 LF_TEXT("detail", "development credentials or a movable civil time are in force"));
    loop_run(s->loop);
    return 0;
}

/* Lets what threads have posted run, without waiting for more. */
static void loop_run_posted(struct service *s)
{
    loop_stop(s->loop);
    loop_run(s->loop);
}

static void stop_parts(struct service *s)
{
    loop_timer_free(s->tick);
    loop_signals_free(s->signals);
    mirror_close(s->mirror); /* first: it wakes the scanner */
    if (s->scanner)
        clock_scanner_stop(s->scanner);
    follow_stop(s);
    if (s->calls)
        calls_stop(s->calls);
    loop_run_posted(s);
    if (s->definition->stop)
        s->definition->stop(s);
    http_close(s->admin);
    if (s->calls) {
        stream_stop(s);
        door_close(s->door);
        calls_free(s->calls);
        cache_close(s->cache);
    }
    follow_close_feeds(s);
    if (s->client)
        client_close(s->client);
    follow_free(s);
    callers_close(s->callers);
    loop_free(s->loop);
}

static int start_and_run(struct service *s, bool migrate_only)
{
    if (s->settings.rebase)
        return database_rebase(s);
    int r = page_key_load(s);
    if (r == 0)
        r = database_open(s, migrate_only);
    if (r < 0 || migrate_only)
        return r;
    r = start_parts(s);
    if (r == 0)
        r = run(s);
    if (r < 0) {
        /* Threads are running and half of the parts are not there: there is nothing to save. */
        log_error_last(LOG_ERROR, "NOT-STARTED");
        _exit(EXIT_FAILURE);
    }
    stop_parts(s);
    return 0;
}

int service_main(const struct service_definition *definition, int argc, char **argv)
{
    static struct service s; /* large, one a process */
    signals_block();
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    s.definition = definition;
    alarms_init(&s.alarms);
    log_init(definition->name, "", LOG_INFO);
    bool migrate_only;
    int r = settings_load(&s.settings, &s.conf, definition, argc, argv, &migrate_only);
    if (r < 0) {
        log_error_last(LOG_ERROR, "CONFIGURATION-REFUSED");
        return EXIT_BAD_CONFIG;
    }
    log_init(definition->name, s.settings.instance, s.settings.log_level);
    r = start_and_run(&s, migrate_only);
    if (r < 0 && r != ERR_AGAIN)
        log_error_last(LOG_ERROR, "ENDED");
    else
        log_line(LOG_INFO, migrate_only ? "MIGRATED" : "STOPPED");
    alarms_clear(&s.alarms);
    conf_clear(&s.conf);
    return r < 0 && r != ERR_AGAIN ? EXIT_FAILURE : EXIT_SUCCESS;
}
