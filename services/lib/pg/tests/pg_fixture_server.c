/* A private server for tests and its guard, which outlives the test program and leaves nothing of
 * it. */
#include "pg/tests/pg_fixture_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/time.h"
#include "base/util.h"

#define START_MS  60000
#define PATH_SIZE PG_SERVER_PATH_SIZE
#define BIN       "/usr/lib/postgresql/15/bin"

/* ------------------------------------------------------------------ processes */

static bool become_postgres(void)
{
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam("postgres");
    return user && !setgroups(0, NULL) && !setgid(user->pw_gid) && !setuid(user->pw_uid);
}

/* Starts BIN/argv[0] as user postgres with its output in the log; its pid or -1. */
static pid_t spawn(const struct pg_server *f, const char *const *argv)
{
    char program[PATH_SIZE], log[PATH_SIZE + 16];
    snprintf(program, sizeof(program), BIN "/%s", argv[0]);
    snprintf(log, sizeof(log), "%s/log", f->directory);
    pid_t parent = getpid(), pid = fork();
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
    bool changed = chdir("/") == 0 && become_postgres();
    /* Should the guard be killed as well: a server's fast shutdown, the end of any other program.
     */
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (changed && getppid() == parent)
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

int pg_server_run(struct pg_server *f, const char *const *argv)
{
    pid_t pid = spawn(f, argv);
    return pid < 0 ? -1 : wait_exit(pid);
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
                        struct FTW *ftw UNUSED)
{
    return remove(path);
}

/* Does the process work in the directory, or was it told of it? */
static bool works_in(const char *pid, const char *directory)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
    if (readlink(path, text, sizeof(text) - 1) > 0 && !strncmp(text, directory, strlen(directory)))
        return true;
    snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    return size > 0 && memmem(text, (size_t)size, directory, strlen(directory));
}

/* Signals every program that was started on the directory; how many there are. */
static int signal_programs(const char *directory, int number)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || !works_in(entry->d_name, directory))
            continue;
        count++;
        kill(pid, number);
        kill(pid, SIGCONT);
    }
    if (proc)
        closedir(proc);
    return count;
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
    static const int ignored[] = { SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (!parent_died && getppid() == parent && ppoll(&p, 1, NULL, &none) <= 0) {
    }
    /* SIGQUIT is a server's immediate shutdown; who does not heed it within a second is killed. */
    for (int i = 0; signal_programs(directory, i < 40 ? SIGQUIT : SIGKILL) && i < 400; i++)
        poll(NULL, 0, 25); /* none of them is our child: nothing tells of their end */
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static int guard_start(struct pg_server *f)
{
    int fds[2];
    pid_t parent = getpid();
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    f->guard = fork();
    if (f->guard < 0)
        return -1;
    if (f->guard == 0) {
        setsid();
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

static int server_start(struct pg_server *f)
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

static int make_data(struct pg_server *f, const char *data_copy, const char *more)
{
    char data[PATH_SIZE + 16], conf[PATH_SIZE + 48];
    snprintf(data, sizeof(data), "%s/data", f->directory);
    snprintf(conf, sizeof(conf), "%s/postgresql.conf", data);
    if (data_copy)
        return rename(data_copy, data);
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
    if (pg_server_run(f, argv) != 0)
        return -1;
    FILE *file = fopen(conf, "ae");
    if (!file)
        return -1;
    fprintf(file, "\n%s\n", more ? more : "");
    return fclose(file);
}

/* Backends are groups of their own but stay the postmaster's children. */
static void signal_children(pid_t parent, int number)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    char line[4096] = "", *next = line;
    if (file && fgets(line, sizeof(line), file))
        for (long pid; (pid = strtol(next, &next, 10)) > 0;)
            kill((pid_t)pid, number);
    if (file)
        fclose(file);
}

int pg_server_signal(struct pg_server *f, int number)
{
    if (f->postmaster <= 0)
        return -1;
    signal_children(f->postmaster, number);
    return kill(f->postmaster, number);
}

/* A backend that was just being forked, or is held by a write to the disk, outlives the postmaster
 * by a moment, in which no other one may have the directory. */
int pg_server_crash(struct pg_server *f)
{
    if (pg_server_signal(f, SIGKILL) < 0)
        return -1;
    wait_exit(f->postmaster);
    for (int64_t deadline = mono_ms() + START_MS; signal_programs(f->directory, SIGKILL);) {
        if (mono_ms() > deadline)
            return -1;
        poll(NULL, 0, 5); /* they are nobody's children any more: nothing tells of their end */
    }
    return server_start(f);
}

int pg_server_open(struct pg_server *f, bool no_fsync, const char *conf, const char *data_copy)
{
    *f = (struct pg_server){ .directory = "/tmp/lujian-pg-XXXXXX",
                             .fsync = !no_fsync,
                             .guard_fd = -1 };
    if (!mkdtemp(f->directory) || guard_start(f) < 0)
        return -1;
    const struct passwd *user = getpwnam("postgres");
    if (geteuid() == 0 && (!user || chown(f->directory, user->pw_uid, user->pw_gid) != 0)) {
        fprintf(stderr, "pg_fixture: root needs a user postgres\n");
        return -1;
    }
    f->port = free_port();
    snprintf(f->uri, sizeof(f->uri), "host='%s' port=%d user=postgres dbname=postgres",
             f->directory, f->port);
    return make_data(f, data_copy, conf) < 0 ? -1 : server_start(f);
}

void pg_server_close(struct pg_server *f)
{
    if (f->postmaster > 0) {
        pg_server_signal(f, SIGCONT);
        kill(f->postmaster, SIGQUIT);
        wait_exit(f->postmaster);
    }
    if (f->guard_fd >= 0) {
        ssize_t written = write(f->guard_fd, "q", 1);
        close(f->guard_fd);
        if (written == 1)
            wait_exit(f->guard);
    }
}
