/* A private Redis for tests (see the header). */
#include "cache/tests/cache_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

#define SERVER     "/usr/bin/redis-server"
#define START_MS   30000
#define ANSWER_S   30
#define TIMEOUT_MS 5000

struct redis_fixture {
    char directory[64], socket[80], uri[96];
    pid_t pid; /* 0 = not running */
};

static void run_server(const struct redis_fixture *f, pid_t parent)
{
    int out = open("/dev/null", O_RDWR);
    dup2(out, 0);
    dup2(out, 1);
    dup2(out, 2);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing of it shall outlive a test that crashes */
    if (getppid() == parent)
        execl(SERVER, SERVER, "--port", "0", "--unixsocket", f->socket, "--save", "",
              "--appendonly", "no", "--dir", f->directory, (char *)NULL);
    _exit(127);
}

static redisContext *connect_to(const struct redis_fixture *f)
{
    redisContext *redis =
        redisConnectUnixWithTimeout(f->socket, (struct timeval){ .tv_sec = ANSWER_S });
    if (redis && redis->err) {
        redisFree(redis);
        return NULL;
    }
    if (redis)
        redisSetTimeout(redis, (struct timeval){ .tv_sec = ANSWER_S });
    return redis;
}

static redisReply *answer_of(struct redis_fixture *f, int count, const char **words)
{
    redisContext *redis = connect_to(f);
    if (!redis)
        return NULL;
    redisReply *reply = redisCommandArgv(redis, count, words, NULL);
    redisFree(redis);
    return reply;
}

bool redis_fixture_command(struct redis_fixture *f, int count, const char **words)
{
    redisReply *reply = answer_of(f, count, words);
    bool ok = reply && reply->type != REDIS_REPLY_ERROR;
    if (reply)
        freeReplyObject(reply);
    return ok;
}

bool redis_fixture_says(struct redis_fixture *f, int count, const char **words, const char *text)
{
    redisReply *reply = answer_of(f, count, words);
    bool found = false;
    if (reply && reply->type == REDIS_REPLY_STRING)
        found = memmem(reply->str, (size_t)reply->len, text, strlen(text)) != NULL;
    for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_STRING)
            found = found || memmem(reply->element[i]->str, (size_t)reply->element[i]->len, text,
                                    strlen(text)) != NULL;
    if (reply)
        freeReplyObject(reply);
    return found;
}

int redis_fixture_start(struct redis_fixture *f)
{
    pid_t parent = getpid();
    unlink(f->socket);
    f->pid = fork();
    if (f->pid == 0)
        run_server(f, parent);
    int64_t deadline_ms = mono_ms() + START_MS;
    while (!redis_fixture_command(f, 1, (const char *[]){ "PING" })) {
        if (mono_ms() > deadline_ms || waitpid(f->pid, NULL, WNOHANG) != 0) {
            fprintf(stderr, "redis_fixture: " SERVER " does not answer\n");
            return -1;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return 0;
}

struct redis_fixture *redis_fixture_open(void)
{
    struct redis_fixture *f = calloc(1, sizeof(*f));
    assert_always(f);
    signal(SIGPIPE, SIG_IGN);
    snprintf(f->directory, sizeof(f->directory), "/tmp/lujian-redis-XXXXXX");
    if (!mkdtemp(f->directory)) {
        perror("redis_fixture: mkdtemp");
        free(f);
        return NULL;
    }
    snprintf(f->socket, sizeof(f->socket), "%s/socket", f->directory);
    snprintf(f->uri, sizeof(f->uri), "unix://%s", f->socket);
    if (redis_fixture_start(f) == 0)
        return f;
    redis_fixture_close(f);
    return NULL;
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
                        struct FTW *ftw UNUSED)
{
    return remove(path);
}

void redis_fixture_kill(struct redis_fixture *f)
{
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    f->pid = 0;
}

void redis_fixture_close(struct redis_fixture *f)
{
    if (!f)
        return;
    redis_fixture_kill(f);
    nftw(f->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
}

void redis_fixture_stop(struct redis_fixture *f)
{
    kill(f->pid, SIGSTOP);
    waitpid(f->pid, NULL, WUNTRACED);
}

void redis_fixture_continue(struct redis_fixture *f)
{
    kill(f->pid, SIGCONT);
}

const char *redis_fixture_uri(const struct redis_fixture *f)
{
    return f->uri;
}

struct cache_options redis_fixture_options(const struct redis_fixture *f)
{
    return (struct cache_options){ .uri = f->uri,
                                   .prefix = "test:",
                                   .timeout_ms = TIMEOUT_MS,
                                   .ttl_ms = 600000,
                                   .value_bytes_max = (size_t)256 * 1024,
                                   .breaker_failures = 3,
                                   .breaker_open_ms = 60000 };
}
