/* /metrics: one function a subject, each writing its families whole. */
#include "service/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"

#define FIRST_BUCKET_S 0.0005

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void sample(struct buf *out, const char *name, double value)
{
    buf_printf(out, "%s %.17g\n", name, value);
}

void metrics_gauge(struct buf *out, const char *name, const char *help, double value)
{
    metrics_family(out, name, "gauge", help);
    sample(out, name, value);
}

void metrics_counter(struct buf *out, const char *name, const char *help, double value)
{
    metrics_family(out, name, "counter", help);
    sample(out, name, value);
}

static void labelled(struct buf *out, const char *name, const char *label, const char *value,
                     double number)
{
    buf_printf(out, "%s{%s=\"", name, label);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_char(out, '\\');
        if (*c == '\n')
            buf_add_text(out, "\\n");
        else
            buf_add_char(out, *c);
    }
    buf_printf(out, "\"} %.17g\n", number);
}

/* ---- requests ---- */

static void write_requests(struct buf *out, const struct calls_figures *f)
{
    metrics_family(out, "lujian_requests_total", "counter",
                   "Answered requests by method and outcome.");
    for (int i = 0; i < f->method_count; i++) {
        const struct method_figures *m = &f->methods[i];
        for (int code = 0; code < CALL_CODES; code++) {
            if (m->codes[code])
                buf_printf(out, "lujian_requests_total{method=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                           m->method, code ? err_info(-code)->name : "ok", m->codes[code]);
        }
    }
    metrics_family(out, "lujian_request_duration_seconds", "histogram",
                   "From arrival to the answer's leaving, by method.");
    for (int i = 0; i < f->method_count; i++) {
        const struct method_figures *m = &f->methods[i];
        const char *name = "lujian_request_duration_seconds";
        uint64_t below = 0;
        double bound = FIRST_BUCKET_S;
        for (int k = 0; k < CALL_LATENCY_BUCKETS - 1; k++, bound *= 2) {
            below += m->latency[k];
            buf_printf(out, "%s_bucket{method=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, m->method,
                       bound, below);
        }
        below += m->latency[CALL_LATENCY_BUCKETS - 1];
        buf_printf(out, "%s_bucket{method=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, m->method,
                   below);
        buf_printf(out, "%s_sum{method=\"%s\"} %.6f\n", name, m->method,
                   (double)m->latency_us / 1e6);
        buf_printf(out, "%s_count{method=\"%s\"} %" PRIu64 "\n", name, m->method, below);
    }
    metrics_gauge(out, "lujian_requests_open", "Requests taken and not answered yet.", f->open);
    metrics_counter(out, "lujian_request_bytes_total", "Bytes of requests.", (double)f->bytes_in);
    metrics_counter(out, "lujian_answer_bytes_total", "Bytes of answers.", (double)f->bytes_out);
    metrics_counter(out, "lujian_answers_unsent_total", "Answers whose peer was gone or too slow.",
                    (double)f->unsent);
}

static void write_commits(struct buf *out, const struct committers_figures *f)
{
    const char *name = "lujian_batch_commands";
    metrics_family(out, name, "histogram", "Commands that shared a transaction.");
    int64_t below = 0;
    for (int i = 0; i < COMMITTER_SIZE_BUCKETS - 1; i++) {
        below += f->sizes[i];
        buf_printf(out, "%s_bucket{le=\"%d\"} %" PRId64 "\n", name, 1 << i, below);
    }
    below += f->sizes[COMMITTER_SIZE_BUCKETS - 1];
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, below);
    buf_printf(out, "%s_sum %" PRId64 "\n%s_count %" PRId64 "\n", name, f->members, name, below);
    metrics_counter(out, "lujian_commands_total", "Commands that were queued for a committer.",
                    (double)f->commands);
    metrics_counter(out, "lujian_commits_total", "Transactions of commands that were committed.",
                    (double)f->commits);
    metrics_counter(out, "lujian_batches_alone_total", "Batches whose members had to be run alone.",
                    (double)f->alone);
    metrics_counter(out, "lujian_commands_blocked_total",
                    "Times that a command went back because another held its key or row.",
                    (double)f->blocked);
    metrics_gauge(out, "lujian_commands_in_flight", "Commands in running transactions.",
                  f->in_flight);
}

static void write_queues(struct buf *out, const struct calls_figures *f)
{
    metrics_family(out, "lujian_queue_length", "gauge", "Requests that wait for a thread.");
    labelled(out, "lujian_queue_length", "queue", "queries", f->worker_waiting);
    labelled(out, "lujian_queue_length", "queue", "commands", f->commits.waiting);
    metrics_family(out, "lujian_connections", "gauge", "Open PostgreSQL connections by purpose.");
    labelled(out, "lujian_connections", "purpose", "workers", f->worker_connected);
    labelled(out, "lujian_connections", "purpose", "committers", f->commits.connected);
}

/* ---- the bus ---- */

static void write_door(struct buf *out, const struct service *s)
{
    struct door_figures f;
    door_figures_read(s->door, &f);
    const struct {
        const char *reason;
        uint64_t count;
    } dropped[] = { { "refused_key", f.refused_keys },
                    { "no_user", f.no_user },
                    { "bad_routing_id", f.bad_routing_id },
                    { "bad_frames", f.bad_frames },
                    { "handshake", f.handshake_failures },
                    { "slow_peer", f.slow },
                    { "gone_peer", f.gone } };
    metrics_counter(out, "lujian_door_messages_total", "Messages handed over by the door.",
                    (double)f.messages);
    metrics_counter(out, "lujian_door_bytes_total", "Bytes of those messages.", (double)f.bytes);
    metrics_family(out, "lujian_door_dropped_total", "counter",
                   "What the door let drop, by reason.");
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        labelled(out, "lujian_door_dropped_total", "reason", dropped[i].reason,
                 (double)dropped[i].count);
    metrics_counter(out, "lujian_door_disconnects_total",
                    "Connections that ended, oversized frames too.", (double)f.disconnects);
    metrics_gauge(out, "lujian_door_connections", "Peers that have spoken and are not gone.",
                  (double)f.connections);
}

static void write_client(struct buf *out, const struct service *s)
{
    struct client_figures f;
    client_figures_read(s->client, &f);
    const struct {
        const char *outcome;
        uint64_t count;
    } outcomes[] = { { "resent", f.resent },
                     { "hedged", f.hedged },
                     { "not_executed", f.not_executed },
                     { "unknown", f.unknown } };
    metrics_counter(out, "lujian_client_calls_total", "Calls to other services.", (double)f.calls);
    metrics_family(out, "lujian_client_calls_troubled_total", "counter",
                   "Calls that met trouble, by kind.");
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
        labelled(out, "lujian_client_calls_troubled_total", "kind", outcomes[i].outcome,
                 (double)outcomes[i].count);
    metrics_counter(out, "lujian_client_links_lost_total", "Links to peers that broke.",
                    (double)f.links_lost);
    metrics_counter(out, "lujian_client_feeds_reopened_total",
                    "Followed streams that moved to another replica.", (double)f.feeds_reopened);
    metrics_gauge(out, "lujian_client_feeds_open", "Followed streams.", (double)f.feeds_open);
}

/* ---- the log and what follows it ---- */

static void write_stream(struct buf *out, const struct service *s)
{
    int64_t epoch, head;
    tail_head(s->tail, &epoch, &head);
    metrics_gauge(out, "lujian_log_epoch", "Epoch of the log.", (double)epoch);
    metrics_gauge(out, "lujian_log_head", "Newest position that this replica has read.",
                  (double)head);
    stream_metrics(out, s);
}

static void write_consumers(struct buf *out, const StatusResponse *status)
{
    metrics_family(out, "lujian_consumer_position", "gauge", "Position of a consumer's cursor.");
    for (size_t i = 0; i < status->n_consumers; i++)
        labelled(out, "lujian_consumer_position", "stream", status->consumers[i]->stream,
                 (double)status->consumers[i]->position);
    metrics_family(out, "lujian_consumer_dead_letters", "gauge", "Parked events of a consumer.");
    for (size_t i = 0; i < status->n_consumers; i++)
        labelled(out, "lujian_consumer_dead_letters", "stream", status->consumers[i]->stream,
                 (double)status->consumers[i]->dead_letters);
    metrics_family(out, "lujian_consumer_stopped", "gauge",
                   "1 where the cursor does not match the log: rebase is an operator's decision.");
    for (size_t i = 0; i < status->n_consumers; i++)
        labelled(out, "lujian_consumer_stopped", "stream", status->consumers[i]->stream,
                 status->consumers[i]->stopped);
}

static void write_clocks(struct buf *out, const StatusResponse *status)
{
    metrics_family(out, "lujian_clocks", "gauge",
                   "Statutory clocks by what is to be said of them.");
    labelled(out, "lujian_clocks", "state", "due", (double)status->clocks_due);
    labelled(out, "lujian_clocks", "state", "overdue", (double)status->clocks_overdue);
    labelled(out, "lujian_clocks", "state", "failing", (double)status->clocks_failing);
    labelled(out, "lujian_clocks", "state", "provisional", (double)status->clocks_provisional);
}

static void write_alarms(struct buf *out, struct service *s)
{
    struct alarm alarms[ALARMS_MAX];
    int64_t dropped;
    int count = alarms_copy(&s->alarms, alarms, &dropped);
    metrics_gauge(out, "lujian_alarms", "Alarms that stand.", count);
    metrics_family(out, "lujian_alarm_since_seconds", "gauge",
                   "Civil time at which an alarm was raised.");
    for (int i = 0; i < count; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%.48s %.64s", alarms[i].code, alarms[i].subject);
        labelled(out, "lujian_alarm_since_seconds", "alarm", name,
                 (double)alarms[i].since_ms / 1e3);
    }
}

static double resident_bytes(void)
{
    char text[128] = "";
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        const char *second = fgets(text, sizeof(text), f) ? strchr(text, ' ') : NULL;
        pages = second ? strtol(second, NULL, 10) : 0;
        fclose(f);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void metrics_write(struct buf *out, struct service *s, const StatusResponse *status)
{
    if (s->calls) {
        struct calls_figures f;
        calls_figures_read(s->calls, &f);
        write_requests(out, &f);
        write_commits(out, &f.commits);
        write_queues(out, &f);
        write_door(out, s);
        write_stream(out, s);
    }
    if (s->cache)
        caches_metrics(out, s);
    if (s->client)
        write_client(out, s);
    if (status && status->n_consumers)
        write_consumers(out, status);
    if (status && s->definition->clocks)
        write_clocks(out, status);
    write_alarms(out, s);
    metrics_gauge(out, "lujian_connections_max",
                  "PostgreSQL connections that this replica may hold.", s->settings.connections);
    const struct snapshot *snapshot = snapshot_get();
    metrics_gauge(out, "lujian_mirror_position", "Registry position of the snapshot in use.",
                  snapshot ? (double)snapshot_position(snapshot) : 0);
    snapshot_put(snapshot);
    metrics_gauge(out, "lujian_civil_offset_seconds", "Civil time minus database time.",
                  (double)civil_offset_ms() / 1e3);
    metrics_gauge(out, "lujian_draining", "1 while the replica takes no new work.",
                  service_draining(s));
    metrics_gauge(out, "lujian_ready", "1 where the replica is ready.", admin_not_ready(s) == NULL);
    metrics_gauge(out, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
}
