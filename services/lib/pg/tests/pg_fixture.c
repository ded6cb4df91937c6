/* A PostgreSQL for tests (see the header): a server, its guard, a template for each set of modules,
 * clones of it. */
#include "pg/tests/pg_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/err.h"
#include "base/sha.h"
#include "base/time.h"
#include "base/util.h"

#define DATABASES_MAX 256
#define START_MS      60000
#define PATH_SIZE     256
#define BIN           "/usr/lib/postgresql/15/bin"

struct pg_fixture {
    char directory[PATH_SIZE]; /* "" = a server that is not ours */
    char uri[1024];
    const struct pg_module *const *modules;
    char template_name[64];
    struct pg *admin;
    bool fsync;
    int port;
    pid_t postmaster, guard;
    int guard_fd;
    char *databases[DATABASES_MAX];
    char *tcp_uris[DATABASES_MAX];
    int database_count, tcp_uri_count;
};

static int complain(const char *what)
{
    fprintf(stderr, "pg_fixture: %s: %s\n", what, err_last()->text);
    return -1;
}

/* ------------------------------------------------------------------ processes */

static bool become_postgres(void)
{
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam("postgres");
    return user && !setgroups(0, NULL) && !setgid(user->pw_gid) && !setuid(user->pw_uid);
}

/* Starts BIN/argv[0] as user postgres with its output in the log; its pid or -1. */
static pid_t spawn(const struct pg_fixture *f, const char *const *argv)
{
    char program[PATH_SIZE], log[PATH_SIZE + 16];
    snprintf(program, sizeof(program), BIN "/%s", argv[0]);
    snprintf(log, sizeof(log), "%s/log", f->directory);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0666);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(3, ~0U, 0);
    if (chdir("/") == 0 && become_postgres())
        execv(program, (char *const *)argv);
    _exit(127);
}

static int wait_exit(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int pg_fixture_run(struct pg_fixture *f, const char *const *argv)
{
    pid_t pid = spawn(f, argv);
    return pid < 0 ? -1 : wait_exit(pid);
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
                        struct FTW *ftw UNUSED)
{
    return remove(path);
}

/* The postmaster of a data directory, by its pid file; 0 if there is none. */
static pid_t postmaster_of(const char *directory)
{
    char path[PATH_SIZE + 32], line[32] = "";
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", directory);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    pid_t pid = fgets(line, sizeof(line), file) ? (pid_t)atoi(line) : 0;
    fclose(file);
    char link[PATH_SIZE] = "";
    snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    bool ours = pid > 1 && readlink(path, link, sizeof(link) - 1) > 0 &&
                !strncmp(link, directory, strlen(directory));
    return ours ? pid : 0;
}

static volatile sig_atomic_t parent_died;

static void on_parent_death(int number UNUSED)
{
    parent_died = 1;
}

/* Waits for a byte, or for the test's death; then no server and no directory is left. */
_Noreturn static void guard_run(const char *directory, int fd, pid_t parent)
{
    struct sigaction action = { .sa_handler = on_parent_death };
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGINT, SIG_IGN);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (!parent_died && getppid() == parent && ppoll(&p, 1, NULL, &none) <= 0) {
    }
    pid_t postmaster = postmaster_of(directory);
    if (postmaster) {
        kill(postmaster, SIGCONT);
        kill(postmaster, SIGQUIT);
        while (kill(postmaster, 0) == 0 && postmaster_of(directory) == postmaster)
            poll(NULL, 0, 10); /* not our child: nothing tells of its end */
    }
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static int guard_start(struct pg_fixture *f)
{
    int fds[2];
    pid_t parent = getpid();
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    f->guard = fork();
    if (f->guard < 0)
        return -1;
    if (f->guard == 0) {
        setpgid(0, 0);
        dup2(fds[0], 0);
        close_range(3, ~0U, 0);
        guard_run(f->directory, 0, parent);
    }
    close(fds[0]);
    f->guard_fd = fds[1];
    return 0;
}

/* ------------------------------------------------------------------ the server */

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = -1;
    if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) &&
        !getsockname(fd, (struct sockaddr *)&address, &size))
        port = ntohs(address.sin_port);
    close(fd);
    return port;
}

static int server_start(struct pg_fixture *f)
{
    char data[PATH_SIZE + 16], port[32], sockets[PATH_SIZE + 64];
    snprintf(data, sizeof(data), "%s/data", f->directory);
    snprintf(port, sizeof(port), "port=%d", f->port);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", f->directory);
    f->postmaster =
        spawn(f, (const char *[]){ "postgres", "-D", data, "-c", port, "-c", sockets, "-c",
                                   "listen_addresses=127.0.0.1", "-c", "max_connections=150", "-c",
                                   f->fsync ? "fsync=on" : "fsync=off", "-c", "jit=off", "-c",
                                   "cluster_name=lujian-test", NULL });
    if (f->postmaster < 0)
        return -1;
    for (int64_t deadline = mono_ms() + START_MS; mono_ms() < deadline; poll(NULL, 0, 20)) {
        if (PQping(f->uri) == PQPING_OK)
            return 0;
        if (waitpid(f->postmaster, NULL, WNOHANG) == f->postmaster)
            break;
    }
    fprintf(stderr, "pg_fixture: the server does not start; see %s/log:\n", f->directory);
    char command[PATH_SIZE + 64];
    snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", f->directory);
    if (system(command) != 0)
        fprintf(stderr, "pg_fixture: no log\n");
    return -1;
}

static int make_data(struct pg_fixture *f, const struct pg_fixture_options *o)
{
    char data[PATH_SIZE + 16], conf[PATH_SIZE + 48];
    snprintf(data, sizeof(data), "%s/data", f->directory);
    snprintf(conf, sizeof(conf), "%s/postgresql.conf", data);
    if (o->data_copy)
        return rename(o->data_copy, data);
    const char *argv[] = { "initdb",
                           "-D",
                           data,
                           "-U",
                           "postgres",
                           "-A",
                           "trust",
                           "--no-sync",
                           "--encoding=UTF8",
                           "--locale=C.UTF-8",
                           "--data-checksums",
                           "--no-instructions",
                           NULL };
    if (pg_fixture_run(f, argv) != 0)
        return -1;
    FILE *file = fopen(conf, "ae");
    if (!file)
        return -1;
    fprintf(file, "\n%s\n", o->conf ? o->conf : "");
    return fclose(file);
}

struct pg_fixture *pg_fixture_open_private(const struct pg_fixture_options *o)
{
    struct pg_fixture *f = calloc(1, sizeof(*f));
    assert_always(f);
    f->modules = o->modules;
    f->fsync = !o->no_fsync;
    f->guard_fd = -1;
    snprintf(f->directory, sizeof(f->directory), "/tmp/lujian-pg-XXXXXX");
    if (!mkdtemp(f->directory) || guard_start(f) < 0) {
        free(f);
        return NULL;
    }
    const struct passwd *user = getpwnam("postgres");
    if (geteuid() == 0 && (!user || chown(f->directory, user->pw_uid, user->pw_gid) != 0)) {
        complain("root needs a user postgres");
        pg_fixture_close(f);
        return NULL;
    }
    f->port = free_port();
    snprintf(f->uri, sizeof(f->uri), "host='%s' port=%d user=postgres dbname=postgres",
             f->directory, f->port);
    if (make_data(f, o) < 0 || server_start(f) < 0) {
        complain("start");
        pg_fixture_close(f);
        return NULL;
    }
    return f;
}

struct pg_fixture *pg_fixture_open(const struct pg_module *const *modules)
{
    const char *uri = getenv("LUJIAN_TEST_PG_URI");
    if (!uri || !*uri)
        return pg_fixture_open_private(
            &(struct pg_fixture_options){ .modules = modules, .no_fsync = true });
    struct pg_fixture *f = calloc(1, sizeof(*f));
    assert_always(f);
    f->modules = modules;
    f->guard_fd = -1;
    snprintf(f->uri, sizeof(f->uri), "%s", uri);
    return f;
}

void pg_fixture_close(struct pg_fixture *f)
{
    if (!f)
        return;
    while (f->database_count > 0 && !f->directory[0])
        pg_fixture_drop(f, f->databases[f->database_count - 1]);
    pg_close(f->admin);
    if (f->postmaster > 0) {
        pg_fixture_signal(f, SIGCONT);
        kill(f->postmaster, SIGQUIT);
        wait_exit(f->postmaster);
    }
    if (f->guard_fd >= 0) {
        ssize_t written = write(f->guard_fd, "q", 1);
        close(f->guard_fd);
        if (written == 1)
            wait_exit(f->guard);
    }
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
    return f->postmaster;
}

const char *pg_fixture_uri(const struct pg_fixture *f)
{
    return f->uri;
}

int pg_fixture_port(const struct pg_fixture *f)
{
    return f->port;
}

const char *pg_fixture_directory(const struct pg_fixture *f)
{
    return f->directory;
}

const char *pg_fixture_tcp_uri(struct pg_fixture *f, const char *uri)
{
    assert_always(f->port && f->tcp_uri_count < DATABASES_MAX);
    return f->tcp_uris[f->tcp_uri_count++] = conninfo_for(f, uri, NULL, f->port);
}

/* Backends are groups of their own but stay the postmaster's children. */
static void signal_children(pid_t parent, int number)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    int pid;
    while (file && fscanf(file, "%d", &pid) == 1)
        kill((pid_t)pid, number);
    if (file)
        fclose(file);
}

int pg_fixture_signal(struct pg_fixture *f, int number)
{
    if (f->postmaster <= 0)
        return -1;
    signal_children(f->postmaster, number);
    return kill(f->postmaster, number);
}

int pg_fixture_crash(struct pg_fixture *f)
{
    if (pg_fixture_signal(f, SIGKILL) < 0)
        return -1;
    wait_exit(f->postmaster);
    return server_start(f);
}
