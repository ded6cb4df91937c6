/* lujian status: every replica as it sees itself, and what somebody should look at. */
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "cli.h"
#include "json/json.h"

#define STATUS_BUDGET_MS 3000
#define READY_TIMEOUT_S  3L

/* One replica and what it answered. */
struct replica {
    const struct peer *peer;
    const StatusResponse *status; /* NULL = no answer */
    const char *fault;            /* why there is none; "" = there is one */
};

struct cluster {
    struct arena *arena;
    struct replica replicas[PEERS_MAX];
    int count;
};

static const StatusResponse *ask_door(struct session *session, struct cluster *c,
                                      struct replica *replica)
{
    const struct method_info *method =
        contract_method(arena_printf(c->arena, "%s.status", replica->peer->service));
    StatusRequest in = STATUS_REQUEST_INIT;
    struct rpc call = { .method = method,
                        .in = &in.base,
                        .instance = replica->peer->instance,
                        .budget_ms = STATUS_BUDGET_MS };
    struct rpc_answer answer;
    if (!method) {
        replica->fault = "not of this release's contract";
        return NULL;
    }
    if (rpc_call(session_client(session), c->arena, &call, &answer) == 0)
        return answer.out;
    replica->fault =
        arena_printf(c->arena, "%s: %s", answer.problem->code, answer.problem->detail_en);
    return NULL;
}

/* One admin page of an edge; the fault where it does not answer with 200. */
static const char *ask_page(struct cluster *c, const struct peer *peer, const char *page,
                            struct http_reply *reply)
{
    const char *url = arena_printf(c->arena, "%s/%s", peer->admin, page);
    if (http_ask(url, NULL, NULL, READY_TIMEOUT_S, reply) < 0)
        return arena_strdup(c->arena, err_last()->text);
    if (reply->status != 200)
        return arena_printf(c->arena, "not ready: %.200s", buf_text(&reply->body));
    return "";
}

/* An edge has no door: its admin pages say what it knows of itself, and whether it takes requests.
 */
static void ask_edge(struct cluster *c, struct replica *replica)
{
    struct http_reply reply;
    struct wire_fault fault;
    ProtobufCMessage *message;
    replica->fault = ask_page(c, replica->peer, "status", &reply);
    if (!*replica->fault) {
        if (wire_unpack(&status_response_rules, c->arena, reply.body.data, reply.body.size,
                        &message, &fault) == 0)
            replica->status = (const StatusResponse *)(void *)message;
        else
            replica->fault = "its status cannot be read";
    }
    buf_clear(&reply.body);
    if (!*replica->fault) {
        replica->fault = ask_page(c, replica->peer, "readyz", &reply);
        buf_clear(&reply.body);
    }
}

static void ask_all(struct session *session, const struct peers *peers, struct cluster *c)
{
    for (int i = 0; i < peers->count; i++) {
        struct replica *replica = &c->replicas[c->count++];
        *replica = (struct replica){ .peer = &peers->items[i], .fault = "" };
        if (*replica->peer->door)
            replica->status = ask_door(session, c, replica);
        else
            ask_edge(c, replica);
    }
}

/* The newest position of a stream that any of its replicas tells; -1 = none answered. */
static int64_t stream_head(const struct cluster *c, const char *stream)
{
    int64_t head = -1;
    for (int i = 0; i < c->count; i++) {
        const StatusResponse *status = c->replicas[i].status;
        if (status && strcmp(c->replicas[i].peer->service, stream) == 0)
            head = MAX(head, status->head);
    }
    return head;
}

static const char *lag_text(const struct cluster *c, const char *stream, int64_t position)
{
    int64_t head = stream_head(c, stream);
    if (head < 0)
        return arena_printf(c->arena, "at %lld", (long long)position);
    return arena_printf(c->arena, "%lld", (long long)MAX(head - position, 0));
}

static void print_replicas(const struct cluster *c)
{
    static const char *const titles[] = { "REPLICA",     "EPOCH",      "HEAD", "MIRROR LAG",
                                          "CONNECTIONS", "CIVIL TIME", "STATE" };
    struct table *t = table_new(c->arena, titles, ARRAY_LEN(titles));
    for (int i = 0; i < c->count; i++) {
        const struct replica *replica = &c->replicas[i];
        const StatusResponse *s = replica->status;
        char now[TIME_TEXT_SIZE];
        if (!s) {
            const char *cells[] = {
                replica->peer->instance, "-", "-", "-", "-", "-", replica->fault
            };
            table_add(t, cells);
            continue;
        }
        instant_format(s->civil_time, now);
        bool has_log = s->epoch > 0; /* an edge has none */
        const char *cells[] = {
            s->instance,
            has_log ? arena_printf(c->arena, "%lld", (long long)s->epoch) : "-",
            has_log ? arena_printf(c->arena, "%lld", (long long)s->head) : "-",
            lag_text(c, "registry", s->mirror_position),
            arena_printf(c->arena, "%u", s->connections_max),
            now,
            *replica->fault ? replica->fault
            : s->draining   ? "draining"
                            : "ready",
        };
        table_add(t, cells);
    }
    table_print(t, stdout);
}

static void print_consumers(const struct cluster *c)
{
    static const char *const titles[] = { "CONSUMER", "STREAM",       "CURSOR",
                                          "LAG",      "DEAD LETTERS", "STATE" };
    struct table *t = table_new(c->arena, titles, ARRAY_LEN(titles));
    int count = 0;
    for (int i = 0; i < c->count; i++) {
        const StatusResponse *s = c->replicas[i].status;
        for (size_t k = 0; s && k < s->n_consumers; k++, count++) {
            const ConsumerStatus *consumer = s->consumers[k];
            const char *cells[] = {
                s->instance,
                consumer->stream,
                consumer->cursor,
                lag_text(c, consumer->stream, consumer->position),
                arena_printf(c->arena, "%lld", (long long)consumer->dead_letters),
                consumer->stopped ? "STOPPED: its cursor is not of this log" : "running",
            };
            table_add(t, cells);
        }
    }
    if (count == 0)
        return;
    putchar('\n');
    table_print(t, stdout);
}

static void print_clocks(const struct cluster *c)
{
    static const char *const titles[] = { "CLOCKS OF",   "DUE",     "OVERDUE",
                                          "PROVISIONAL", "FAILING", "CANNOT ESCALATE" };
    struct table *t = table_new(c->arena, titles, ARRAY_LEN(titles));
    for (int i = 0; i < c->count; i++) {
        const StatusResponse *s = c->replicas[i].status;
        const int64_t figures[] = { s ? s->clocks_due : 0, s ? s->clocks_overdue : 0,
                                    s ? s->clocks_provisional : 0, s ? s->clocks_failing : 0,
                                    s ? s->cannot_escalate : 0 };
        const char *cells[ARRAY_LEN(titles)] = { s ? s->instance : "" };
        if (!s || !s->epoch)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(figures); k++)
            cells[k + 1] = arena_printf(c->arena, "%lld", (long long)figures[k]);
        table_add(t, cells);
    }
    putchar('\n');
    table_print(t, stdout);
}

static int print_alarms(const struct cluster *c)
{
    static const char *const titles[] = { "ALARM OF", "SINCE", "CODE", "SUBJECT", "DETAIL" };
    struct table *t = table_new(c->arena, titles, ARRAY_LEN(titles));
    int count = 0;
    for (int i = 0; i < c->count; i++) {
        const StatusResponse *s = c->replicas[i].status;
        for (size_t k = 0; s && k < s->n_alarms; k++, count++) {
            const Alarm *alarm = s->alarms[k];
            char since[TIME_TEXT_SIZE];
            instant_format(alarm->since, since);
            const char *cells[] = { s->instance, since, alarm->code, alarm->subject,
                                    alarm->detail };
            table_add(t, cells);
        }
    }
    putchar('\n');
    if (count)
        table_print(t, stdout);
    else
        puts("no alarms");
    return count;
}

static void print_json(const struct cluster *c)
{
    struct buf out;
    buf_init(&out, 0);
    buf_add_text(&out, "{\"replicas\":[");
    for (int i = 0; i < c->count; i++) {
        const struct replica *replica = &c->replicas[i];
        buf_add_text(&out, i ? ",{\"instance\":" : "{\"instance\":");
        json_add_string(&out, replica->peer->instance);
        buf_add_text(&out, ",\"service\":");
        json_add_string(&out, replica->peer->service);
        buf_printf(&out, ",\"ready\":%s,\"fault\":",
                   *replica->fault || (replica->status && replica->status->draining) ? "false"
                                                                                     : "true");
        json_add_string(&out, replica->fault);
        buf_add_text(&out, ",\"status\":");
        if (replica->status)
            json_from_message(&status_response_rules, &replica->status->base, &out);
        else
            buf_add_text(&out, "null");
        buf_add_char(&out, '}');
    }
    buf_add_text(&out, "]}");
    puts(buf_text(&out));
    buf_clear(&out);
}

static void print_tables(const struct cluster *c)
{
    uint64_t connections = 0;
    print_replicas(c);
    print_consumers(c);
    print_clocks(c);
    print_alarms(c);
    for (int i = 0; i < c->count; i++)
        connections += c->replicas[i].status ? c->replicas[i].status->connections_max : 0;
    printf("\nconnections to PostgreSQL at most: %llu\n", (unsigned long long)connections);
}

static bool all_answered(const struct cluster *c)
{
    for (int i = 0; i < c->count; i++) {
        if (*c->replicas[i].fault)
            return false;
    }
    return true;
}

static int run_status(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = { { .name = "json", .flag = true }, { 0 } };
    struct options o;
    struct peers peers;
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count)
        return usage_error("status", "status takes no words");
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    struct cluster *c = arena_new(&cli->arena, struct cluster);
    c->arena = &cli->arena;
    int r = peers_read(session_peers_path(session), &peers);
    if (r == 0) {
        ask_all(session, &peers, c);
        if (option_given(&o, "json"))
            print_json(c);
        else
            print_tables(c);
        peers_clear(&peers);
    } else {
        error_print("status");
    }
    session_close(session);
    return r == 0 && all_answered(c) ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_status = {
    .name = "status",
    .summary = "every replica, its consumers, clocks and alarms",
    .help = "lujian status [--json]\n\n"
            "Asks every replica of the peers file and shows its epoch and head, how far its mirror "
            "of the registry and\n"
            "each of its consumers lag behind, its clocks (due now, overdue, provisional, "
            "failing), what cannot\n"
            "escalate, its alarms, and how many connections to PostgreSQL it may hold. Exit code 1 "
            "if one did not\n"
            "answer. Role operator.\n",
    .run = run_status,
};
