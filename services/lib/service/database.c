/* The database before the replica works: connections' names, migrations, the stream, the mirror.
 * Each is tried until the database is there, or the replica is told to stop. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "log/consumer.h"
#include "log/log_unchanged.h"
#include "service/replica.h"

#define RETRY_S 1

/* Waits before another try; true = told to stop meanwhile. */
static bool stopped_while_waiting(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    struct timespec wait = { .tv_sec = RETRY_S };
    return sigtimedwait(&set, NULL, &wait) > 0;
}

/* Runs a step that needs the database until it is there. ERR_AGAIN = told to stop. */
static int until_reached(struct service *s, int (*step)(struct service *s), const char *what)
{
    for (;;) {
        int r = step(s);
        if (r != ERR_AGAIN)
            return r < 0 ? err_wrap(r, "%s", what) : 0;
        log_error_last(LOG_WARN, "WAITING-FOR-DATABASE");
        if (stopped_while_waiting())
            return err_set(ERR_AGAIN, "stopped before the database was reached");
    }
}

static void modules_list(struct service *s)
{
    /* Library modules first: a service's own migrations may stand on them. */
    const struct pg_module *const all[] = { &log_module,
                                            s->definition->clocks ? &clock_module : NULL,
                                            &commit_module, &reference_module,
                                            s->definition->module };
    int count = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i])
            s->modules[count++] = all[i];
    }
    s->pg = (struct pg_options){ .uri = s->settings.database,
                                 .application_name = s->settings.instance,
                                 .modules = s->modules };
}

const struct pg_options *service_link(struct service *s, const char *purpose)
{
    char name[sizeof(s->links[0].name)];
    snprintf(name, sizeof(name), "%.50s %.24s", s->settings.instance, purpose);
    for (int i = 0; i < s->link_count; i++) {
        if (strcmp(s->links[i].name, name) == 0)
            return &s->links[i].options;
    }
    assert_always(s->link_count < SERVICE_LINKS_MAX);
    int i = s->link_count++;
    memcpy(s->links[i].name, name, sizeof(name));
    s->links[i].options = s->pg;
    s->links[i].options.application_name = s->links[i].name;
    s->links[i].options.keyed = true;
    return &s->links[i].options;
}

static int step_migrate(struct service *s)
{
    return pg_migrate(s->settings.database, s->modules);
}

static int learn_place(struct service *s, struct pg *pg)
{
    struct arena arena;
    const char *place;
    uint8_t digest[SHA256_SIZE];
    arena_init(&arena, 0);
    int r = log_place(pg, &arena, &place);
    if (r == 0) {
        sha256(place, strlen(place), digest);
        hex_encode(digest, SERVICE_PLACE_BYTES, s->place);
    }
    arena_clear(&arena);
    return r;
}

static int step_open_stream(struct service *s)
{
    struct pg *pg;
    int64_t epoch;
    int r = pg_open(&pg, &s->pg);
    if (r < 0)
        return r;
    r = log_open_stream(pg, s->definition->name, &epoch);
    if (r == 0)
        r = learn_place(s, pg);
    pg_close(pg);
    return r;
}

static void on_mirror_fault(void *ctx, const char *detail)
{
    struct service *s = ctx;
    if (detail)
        alarms_raise(&s->alarms, "mirror_fault", "registry", detail);
    else
        alarms_lower(&s->alarms, "mirror_fault", "registry");
}

/* A new calendar may make provisional clocks certain. */
static void on_mirror_change(void *ctx, const struct snapshot *snapshot)
{
    (void)snapshot;
    struct service *s = ctx;
    struct clock_scanner *scanner = atomic_load(&s->scanner);
    if (scanner)
        clock_scanner_wake(scanner);
}

static int step_open_mirror(struct service *s)
{
    struct mirror_options options = { .pg = service_link(s, "mirror"),
                                      .own_log = strcmp(s->definition->name, "registry") == 0,
                                      .on_change = on_mirror_change,
                                      .on_fault = on_mirror_fault,
                                      .ctx = s };
    return mirror_open(&s->mirror, &options);
}

int database_open(struct service *s, bool migrate_only)
{
    int r = 0;
    modules_list(s);
    if (s->settings.migrate || migrate_only)
        r = until_reached(s, step_migrate, "migrate");
    if (r < 0 || migrate_only)
        return r;
    r = civil_offset_open(s->settings.clock_offset_file);
    if (r == 0 && s->definition->methods)
        r = until_reached(s, step_open_stream, "open the stream");
    if (r == 0)
        r = until_reached(s, step_open_mirror, "open the mirror");
    return r;
}

int database_rebase(struct service *s)
{
    struct log_cursor to, previous;
    struct pg *pg;
    struct arena arena;
    modules_list(s);
    int r = log_cursor_parse(s->settings.rebase, &to);
    if (r == 0)
        r = pg_open(&pg, &s->pg);
    if (r < 0)
        return r;
    arena_init(&arena, 0);
    r = consumer_rebase(pg, &arena, &to, &previous);
    arena_clear(&arena);
    pg_close(pg);
    if (r < 0)
        return r;
    char text[LOG_CURSOR_TEXT_SIZE];
    log_cursor_format(&previous, text);
    log_line(LOG_WARN, "CURSOR-REBASED", LF_TEXT("previous", text),
             LF_TEXT("cursor", s->settings.rebase));
    return 0;
}
