/* Configuration keys of every service, each documented, and what must hold between them. */
#include "service/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "service/service.h"

static struct conf_key keys[] = {
    { .name = "instance", .type = CONF_TEXT, .help = "this replica's name, unique in the cluster" },
    { .name = "database", .type = CONF_TEXT, .help = "PostgreSQL: a libpq URI or key=value text" },
    { .name = "door",
      .type = CONF_TEXT,
      .by_default = "tcp://127.0.0.1:0",
      .help = "endpoint of RPC and feeds; port 0 = any free one" },
    { .name = "pulse",
      .type = CONF_TEXT,
      .by_default = "tcp://127.0.0.1:0",
      .help = "endpoint of the pulse; port 0 = any free one" },
    { .name = "admin",
      .type = CONF_TEXT,
      .by_default = "127.0.0.1:0",
      .help = "address of /metrics, /healthz and /readyz; port 0 = any free one" },
    { .name = "curve-key-file",
      .type = CONF_PATH,
      .help = "this replica's CURVE key pair (lujian keygen), mode 0600" },
    { .name = "peers",
      .type = CONF_PATH,
      .by_default = "",
      .help = "who is where in the cluster; read again when it changes; empty = nobody" },
    { .name = "keys-dir",
      .type = CONF_PATH,
      .by_default = "",
      .help = "folder of the service's secrets: page.key, page-other.key (may be missing; opens "
              "page tokens, never seals) and its own; empty = made anew at each start" },
    { .name = "clock-offset-file",
      .type = CONF_PATH,
      .by_default = "",
      .help = "development: the offset of civil time that all processes share; empty = none" },
    { .name = "redis",
      .type = CONF_TEXT,
      .by_default = "",
      .help = "Redis for the caches: redis://[:password@]host[:port][/database] or unix:///path; "
              "empty = no cache" },
    { .name = "cache-rows",
      .type = CONF_BOOL,
      .by_default = "true",
      .help = "keep single aggregates in Redis, each checked by its version when it is read" },
    { .name = "cache-pages",
      .type = CONF_BOOL,
      .by_default = "true",
      .help = "keep pages of lists in Redis, each checked against the log when it is read" },
    { .name = "cache-timeout-ms",
      .type = CONF_INT,
      .by_default = "20",
      .min = 1,
      .max = 1000,
      .help = "how long Redis may take to answer, milliseconds; then the database is read" },
    { .name = "cache-ttl-s",
      .type = CONF_INT,
      .by_default = "600",
      .min = 1,
      .max = 86400,
      .help = "how long what nobody asks for is kept in Redis, seconds" },
    { .name = "cache-breaker-ms",
      .type = CONF_INT,
      .by_default = "1000",
      .min = 1,
      .max = 600000,
      .help = "how long Redis is left alone after three failures in a row, milliseconds" },
    { .name = "dev",
      .type = CONF_BOOL,
      .by_default = "false",
      .help = "development credentials are known; off loopback only with LUJIAN_DEV=1 set" },
    { .name = "log-level",
      .type = CONF_TEXT,
      .by_default = "info",
      .help = "debug, info, warn or error" },
    { .name = "migrate-at-start",
      .type = CONF_BOOL,
      .by_default = "true",
      .help = "apply missing migrations at start; --migrate applies them and ends" },
    { .name = "workers",
      .type = CONF_INT,
      .by_default = "4",
      .min = 1,
      .max = 64,
      .help = "threads for queries and preparations, a connection each" },
    { .name = "committers",
      .type = CONF_INT,
      .by_default = "2",
      .min = 1,
      .max = 8,
      .help = "threads that commit batches of commands, a connection each" },
    { .name = "queue-queries",
      .type = CONF_INT,
      .by_default = "1024",
      .min = 1,
      .max = 1000000,
      .help = "requests that may wait for a worker; more are not executed" },
    { .name = "queue-commands",
      .type = CONF_INT,
      .by_default = "4096",
      .min = 1,
      .max = 1000000,
      .help = "commands that may wait for a committer; more are not executed" },
    { .name = "budget-ms",
      .type = CONF_INT,
      .by_default = "10000",
      .min = 1,
      .max = 600000,
      .help = "patience of a caller who names none, milliseconds" },
    { .name = "request-memory-kib",
      .type = CONF_INT,
      .by_default = "16384",
      .min = 1024,
      .max = 1048576,
      .help = "memory that one request may take when it is unpacked, KiB" },
    { .name = "queue-mib",
      .type = CONF_INT,
      .by_default = "64",
      .min = 2,
      .max = 65536,
      .help = "bytes of requests that may be open, MiB; more are not executed" },
    { .name = "rate-per-second",
      .type = CONF_INT,
      .by_default = "20000",
      .min = 0,
      .max = 1000000,
      .help = "requests a second of one principal at this replica; 0 = no limit" },
    { .name = "rate-burst",
      .type = CONF_INT,
      .by_default = "40000",
      .min = 1,
      .max = 10000000,
      .help = "requests of one principal that may come at once" },
    { .name = "drain-timeout-ms",
      .type = CONF_INT,
      .by_default = "15000",
      .min = 100,
      .max = 600000,
      .help = "how long a stop waits for work in flight, milliseconds" },
    { 0 },
};

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warn", LOG_WARN }, { "error", LOG_ERROR }
};

static int level_of(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret = levels[i].level;
            return 0;
        }
    }
    return err_set(ERR_INVALID_ARGUMENT, "log-level is none of debug, info, warn, error");
}

static bool is_loopback(const char *endpoint)
{
    static const char *const hosts[] = { "127.", "[::1]", "localhost" };
    const char *host = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        if (strncmp(host, hosts[i], strlen(hosts[i])) == 0)
            return true;
    }
    return strncmp(endpoint, "ipc://", 6) == 0;
}

/* Whoever can move civil time, or knows the development keys, must not meet a network by accident.
 */
static int check_development(const struct settings *s)
{
    if (!s->dev && !s->clock_offset_file[0])
        return 0;
    const char *allowed = getenv("LUJIAN_DEV");
    bool may = allowed && strcmp(allowed, "1") == 0;
    if (is_loopback(s->door) && is_loopback(s->admin))
        return 0;
    if (!may)
        return err_set(ERR_REFUSED,
                       "development mode (dev or clock-offset-file) off loopback needs "
                       "LUJIAN_DEV=1 in the environment");
    return 0;
}

/* Each thread that has one, counted: workers, committers, tail, scanner, mirror, consumers, and
 * feeds' reader. */
static int count_connections(const struct settings *s, const struct service_definition *d)
{
    int count = 1; /* the mirror */
    if (d->methods)
        count += s->workers + s->committers + 2; /* and the tail, and the feeds' reader */
    if (d->clocks)
        count++;
    for (const struct consumer *c = d->consumers; c && c->stream; c++)
        count++;
    if (strcmp(d->name, "registry") != 0)
        count++; /* the consumer of the mirror */
    return count;
}

static int fill(struct settings *s, const struct conf *conf, const struct service_definition *d)
{
    s->instance = conf_text(conf, "instance");
    s->database = conf_text(conf, "database");
    s->door = conf_text(conf, "door");
    s->pulse = conf_text(conf, "pulse");
    s->admin = conf_text(conf, "admin");
    s->peers = conf_text(conf, "peers");
    s->keys_dir = conf_text(conf, "keys-dir");
    s->clock_offset_file = conf_text(conf, "clock-offset-file");
    s->dev = conf_bool(conf, "dev");
    s->migrate = conf_bool(conf, "migrate-at-start");
    s->workers = (int)conf_int(conf, "workers");
    s->committers = (int)conf_int(conf, "committers");
    s->connections = count_connections(s, d);
    int r = level_of(conf_text(conf, "log-level"), &s->log_level);
    if (r == 0)
        r = check_development(s);
    if (r == 0)
        r = curve_file_read(conf_text(conf, "curve-key-file"), &s->curve);
    return r;
}

#define REBASE "--rebase="

int settings_load(struct settings *ret, struct conf *conf,
                  const struct service_definition *definition, int argc, char **argv,
                  bool *ret_migrate_only)
{
    conf->tables[conf->table_count++] = keys;
    if (definition->conf)
        conf->tables[conf->table_count++] = definition->conf;
    bool migrate_only = false;
    const char *rebase = NULL;
    char **kept = calloc((size_t)argc + 1, sizeof(*kept));
    assert_always(kept);
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (i > 0 && strcmp(argv[i], "--migrate") == 0)
            migrate_only = true;
        else if (i > 0 && strncmp(argv[i], REBASE, strlen(REBASE)) == 0)
            rebase = argv[i] + strlen(REBASE);
        else
            kept[count++] = argv[i];
    }
    int r = conf_load(conf, count, kept);
    free(kept);
    struct settings s = { 0 };
    if (r == 0)
        r = fill(&s, conf, definition);
    if (r < 0)
        return r;
    s.rebase = rebase;
    *ret = s;
    *ret_migrate_only = migrate_only;
    return 0;
}
