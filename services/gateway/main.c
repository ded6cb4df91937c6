/* lujian-gateway: HTTP/JSON in front of the services. */
#include "base/time.h"
#include "gateway.h"

#define DRAIN_ARRIVING_MS 200

static int64_t drain_until_ms;

static struct conf_key gateway_conf[] = {
    { .name = "http",
      .type = CONF_TEXT,
      .by_default = "127.0.0.1:8080",
      .help = "address of the HTTP door, host:port" },
    { .name = "http-connections-max",
      .type = CONF_INT,
      .by_default = "4096",
      .min = 16,
      .max = 65536,
      .help = "open HTTP connections, streams included" },
    { 0 },
};

/* Service hooks: the gateway's own work on the loop thread. */
static int start(struct service *service)
{
    const struct conf *conf = service_conf(service);
    routes_init();
    gateway.service = service;
    gateway.loop = service_loop(service);
    gateway.client = service_client(service);
    struct http_options options = {
        .loop = gateway.loop,
        .address = conf_text(conf, "http"),
        .body_bytes_max = GATEWAY_BODY_BYTES_MAX,
        .connections_max = (int)conf_int(conf, "http-connections-max"),
        .on_request = gateway_on_request,
    };
    return http_open(&gateway.http, &options);
}

static void drain(struct service *service)
{
    (void)service;
    gateway.draining = true;
    drain_until_ms = mono_ms() + DRAIN_ARRIVING_MS;
    http_quiesce(gateway.http);
    streams_end_all();
}

static int open_work(const struct service *service)
{
    (void)service;
    /* A request may be on its way over a connection that was taken before. */
    return http_open_exchanges(gateway.http) + (mono_ms() < drain_until_ms);
}

static void stop(struct service *service)
{
    (void)service;
    http_close(gateway.http);
}

static const struct service_definition definition = {
    .name = "gateway",
    .conf = gateway_conf,
    .start = start,
    .drain = drain,
    .open_work = open_work,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return service_main(&definition, argc, argv);
}
