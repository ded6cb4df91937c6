/* A PostgreSQL for tests (see the header): a template for each set of modules, clones of it. */
#include "pg/tests/pg_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/err.h"
#include "base/sha.h"
#include "base/util.h"
#include "pg/tests/pg_fixture_server.h"

#define DATABASES_MAX 256

struct pg_fixture {
    struct pg_server server;
    char uri[1024];
    const struct pg_module *const *modules;
    char template_name[64];
    struct pg *admin;
    char *databases[DATABASES_MAX];
    char *tcp_uris[DATABASES_MAX];
    int database_count, tcp_uri_count;
};

static int complain(const char *what)
{
    fprintf(stderr, "pg_fixture: %s: %s\n", what, err_last()->text);
    return -1;
}

static struct pg_fixture *fixture_new(const struct pg_module *const *modules, const char *uri)
{
    struct pg_fixture *f = calloc(1, sizeof(*f));
    assert_always(f);
    f->modules = modules;
    f->server.guard_fd = -1;
    snprintf(f->uri, sizeof(f->uri), "%s", uri);
    return f;
}

struct pg_fixture *pg_fixture_open_private(const struct pg_fixture_options *o)
{
    struct pg_fixture *f = fixture_new(o->modules, "");
    if (pg_server_open(&f->server, o->no_fsync, o->conf, o->data_copy) < 0) {
        pg_fixture_close(f);
        return NULL;
    }
    snprintf(f->uri, sizeof(f->uri), "%s", f->server.uri);
    return f;
}

struct pg_fixture *pg_fixture_open(const struct pg_module *const *modules)
{
    const char *uri = getenv("LUJIAN_TEST_PG_URI");
    if (uri && *uri)
        return fixture_new(modules, uri);
    return pg_fixture_open_private(
        &(struct pg_fixture_options){ .modules = modules, .no_fsync = true });
}

void pg_fixture_close(struct pg_fixture *f)
{
    if (!f)
        return;
    while (f->database_count > 0 && !f->server.directory[0])
        pg_fixture_drop(f, f->databases[f->database_count - 1]);
    pg_close(f->admin);
    pg_server_close(&f->server);
    for (int i = 0; i < f->database_count; i++)
        free(f->databases[i]);
    for (int i = 0; i < f->tcp_uri_count; i++)
        free(f->tcp_uris[i]);
    free(f);
}

/* ------------------------------------------------------------------ databases */

/* The server's conninfo with another database, and over TCP where a port is given. */
static char *conninfo_for(const struct pg_fixture *f, const char *base, const char *database,
                          int tcp_port)
{
    PQconninfoOption *options = PQconninfoParse(base, NULL);
    struct buf text;
    buf_init(&text, 0);
    for (PQconninfoOption *o = options; o && o->keyword; o++) {
        bool replaced = (database && !strcmp(o->keyword, "dbname")) ||
                        (tcp_port && !strcmp(o->keyword, "host"));
        if (!o->val || replaced)
            continue;
        buf_printf(&text, "%s='", o->keyword);
        for (const char *c = o->val; *c; c++) {
            if (*c == '\'' || *c == '\\')
                buf_add_char(&text, '\\');
            buf_add_char(&text, *c);
        }
        buf_add_text(&text, "' ");
    }
    if (database)
        buf_printf(&text, "dbname='%s' ", database);
    if (tcp_port)
        buf_printf(&text, "host='127.0.0.1' ");
    PQconninfoFree(options);
    assert_always(f && text.data);
    return (char *)text.data; /* the caller's, to free */
}

static struct pg *admin(struct pg_fixture *f)
{
    if (f->admin && pg_alive(f->admin) && pg_script(f->admin, "SELECT 1") >= 0)
        return f->admin;
    pg_close(f->admin);
    f->admin = NULL;
    if (pg_open(&f->admin,
                &(struct pg_options){ .uri = f->uri, .application_name = "pg_fixture" }) < 0)
        complain("connect");
    return f->admin;
}

static void template_name(const struct pg_fixture *f, char *out, size_t size)
{
    struct sha256 s;
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_TEXT_SIZE];
    sha256_init(&s);
    for (const struct pg_module *const *m = f->modules; m && *m; m++)
        for (const struct pg_migration *x = (*m)->migrations; x && x->number; x++)
            sha256_add(&s, x->sha256, strlen(x->sha256));
    sha256_end(&s, digest);
    hex_encode(digest, sizeof(digest), hex);
    snprintf(out, size, "lujian_t_%.20s", hex);
}

/* Made under another name and renamed when it is whole; one program at a time makes it. */
static int make_template(struct pg_fixture *f)
{
    static const struct pg_module *const none[] = { NULL };
    char sql[256], making[80];
    struct pg *pg = admin(f);
    if (!pg || pg_script(pg, "SELECT pg_advisory_lock(8153, 1)") < 0)
        return -1;
    template_name(f, f->template_name, sizeof(f->template_name));
    snprintf(sql, sizeof(sql), "SELECT 1 / count(*) FROM pg_database WHERE datname = '%s'",
             f->template_name);
    int r = pg_script(pg, sql); /* divides by zero where there is none */
    if (r < 0 && pg_alive(pg)) {
        snprintf(making, sizeof(making), "%s_new", f->template_name);
        snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s", making);
        r = pg_script(pg, sql);
        snprintf(sql, sizeof(sql), "CREATE DATABASE %s", making);
        if (r >= 0)
            r = pg_script(pg, sql);
        char *uri = conninfo_for(f, f->uri, making, 0);
        if (r >= 0)
            r = pg_migrate(uri, f->modules ? f->modules : none);
        free(uri);
        snprintf(sql, sizeof(sql), "ALTER DATABASE %s RENAME TO %s", making, f->template_name);
        if (r >= 0)
            r = pg_script(pg, sql);
    }
    if (r < 0)
        complain("template");
    if (pg_alive(pg))
        pg_script(pg, "SELECT pg_advisory_unlock(8153, 1)");
    if (r < 0)
        f->template_name[0] = '\0';
    return r;
}

const char *pg_fixture_database(struct pg_fixture *f)
{
    static int number;
    char name[64], sql[256];
    if (!f->template_name[0] && make_template(f) < 0)
        return NULL;
    assert_always(f->database_count < DATABASES_MAX);
    snprintf(name, sizeof(name), "lujian_d_%d_%d", (int)getpid(), ++number);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name,
             f->template_name);
    struct pg *pg = admin(f);
    if (!pg || pg_script(pg, sql) < 0) {
        complain("clone");
        return NULL;
    }
    return f->databases[f->database_count++] = conninfo_for(f, f->uri, name, 0);
}

void pg_fixture_drop(struct pg_fixture *f, const char *uri)
{
    for (int i = 0; i < f->database_count; i++) {
        if (f->databases[i] != uri)
            continue;
        char sql[256];
        const char *name = strstr(uri, "dbname='") + strlen("dbname='");
        snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %.*s WITH (FORCE)",
                 (int)strcspn(name, "'"), name);
        struct pg *pg = admin(f);
        if (pg && pg_script(pg, sql) < 0)
            complain("drop");
        free(f->databases[i]);
        f->databases[i] = f->databases[--f->database_count];
        return;
    }
}

struct pg *pg_fixture_connect(struct pg_fixture *f, const char *uri)
{
    struct pg *pg;
    struct pg_options options = { .uri = uri, .application_name = "test", .modules = f->modules };
    if (pg_open(&pg, &options) >= 0)
        return pg;
    complain("connect");
    return NULL;
}

/* ------------------------------------------------------------------ of a private server */

pid_t pg_fixture_pid(const struct pg_fixture *f)
{
    return f->server.postmaster;
}

const char *pg_fixture_uri(const struct pg_fixture *f)
{
    return f->uri;
}

int pg_fixture_port(const struct pg_fixture *f)
{
    return f->server.port;
}

const char *pg_fixture_directory(const struct pg_fixture *f)
{
    return f->server.directory;
}

const char *pg_fixture_tcp_uri(struct pg_fixture *f, const char *uri)
{
    assert_always(f->server.port && f->tcp_uri_count < DATABASES_MAX);
    return f->tcp_uris[f->tcp_uri_count++] = conninfo_for(f, uri, NULL, f->server.port);
}

int pg_fixture_signal(struct pg_fixture *f, int number)
{
    return pg_server_signal(&f->server, number);
}

int pg_fixture_crash(struct pg_fixture *f)
{
    return pg_server_crash(&f->server);
}

int pg_fixture_run(struct pg_fixture *f, const char *const *argv)
{
    return pg_server_run(&f->server, argv);
}
