/* The admin pages, on the loop thread: /healthz (the loop turns), /readyz (work can be done here),
 * /metrics, /status (a StatusResponse of what the replica knows of itself: an edge has no door that
 * could be asked). */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "service/metrics.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_BODY_MAX        1024
#define STATUS_BUDGET_MS      1000

static void respond_text(struct http_exchange *x, int status, const char *text)
{
    struct http_answer answer = { .status = status,
                                  .content_type = "text/plain; charset=utf-8",
                                  .body = text,
                                  .size = strlen(text) };
    http_respond(x, &answer);
}

const char *admin_not_ready(const struct service *s)
{
    if (service_draining(s))
        return "draining";
    if (!mirror_ready(s->mirror))
        return "the registry's facts are not whole yet";
    if (!s->calls)
        return NULL;
    struct calls_figures f;
    calls_figures_read(s->calls, &f);
    if (f.worker_connected == 0 || f.commits.connected == 0)
        return "no connection to the database";
    int64_t epoch, head;
    tail_head(s->tail, &epoch, &head);
    return epoch == 0 ? "the log was not read yet" : NULL;
}

static void show_ready(struct service *s, struct http_exchange *x)
{
    const char *why = admin_not_ready(s);
    char *text = arena_printf(http_arena(x), "%s\n", why ? why : "ready");
    respond_text(x, why ? 503 : 200, text);
}

/* ---- metrics: the status is asked of a worker, so the answer comes later ---- */

struct scrape {
    struct service *service;
    struct http_exchange *x;
    bool closed; /* nobody waits for it any more */
    bool asked;
};

static void scrape_answer(struct scrape *scrape, const StatusResponse *status)
{
    struct buf text;
    buf_init(&text, 0);
    metrics_write(&text, scrape->service, status);
    struct http_answer answer = { .status = 200,
                                  .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                  .body = text.data,
                                  .size = text.size };
    http_respond(scrape->x, &answer);
    buf_clear(&text);
}

static void on_scrape_closed(void *context)
{
    struct scrape *scrape = context;
    scrape->closed = true;
    if (!scrape->asked)
        free(scrape);
}

static void on_status(void *ctx, int code, const void *out)
{
    struct scrape *scrape = ctx;
    scrape->asked = false;
    if (scrape->closed)
        free(scrape);
    else
        scrape_answer(scrape, code < 0 ? NULL : out);
}

static void show_metrics(struct service *s, struct http_exchange *x)
{
    struct scrape *scrape = calloc(1, sizeof(*scrape));
    assert_always(scrape);
    *scrape = (struct scrape){ .service = s, .x = x };
    http_set_context(x, scrape, on_scrape_closed);
    if (!s->calls || service_draining(s)) { /* nobody to ask, or soon so */
        scrape_answer(scrape, NULL);
        return;
    }
    scrape->asked = true;
    calls_ask(s->calls, node_status(s), STATUS_BUDGET_MS, on_status, scrape);
}

static void show_status(struct service *s, struct http_exchange *x)
{
    StatusResponse status = STATUS_RESPONSE_INIT;
    uint8_t *data;
    size_t size;
    node_status_own(s, http_arena(x), &status);
    wire_pack(http_arena(x), &status.base, &data, &size);
    struct http_answer answer = {
        .status = 200, .content_type = "application/x-protobuf", .body = data, .size = size
    };
    http_respond(x, &answer);
}

static void on_request(void *ctx, struct http_exchange *x)
{
    struct service *s = ctx;
    const char *path = http_path(x);
    if (http_fault(x) || http_body_too_large(x))
        respond_text(x, 400, "bad request\n");
    else if (strcmp(http_method(x), "GET") != 0)
        respond_text(x, 405, "only GET\n");
    else if (strcmp(path, "/healthz") == 0)
        respond_text(x, 200, "ok\n");
    else if (strcmp(path, "/readyz") == 0)
        show_ready(s, x);
    else if (strcmp(path, "/metrics") == 0)
        show_metrics(s, x);
    else if (strcmp(path, "/status") == 0)
        show_status(s, x);
    else
        respond_text(x, 404, "no such page\n");
}

int admin_open(struct service *s)
{
    struct http_options options = { .loop = s->loop,
                                    .address = s->settings.admin,
                                    .body_bytes_max = ADMIN_BODY_MAX,
                                    .connections_max = ADMIN_CONNECTIONS_MAX,
                                    .on_request = on_request,
                                    .ctx = s };
    int r = http_open(&s->admin, &options);
    return r < 0 ? err_wrap(r, "admin pages") : 0;
}
