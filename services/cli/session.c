/* A session: the client of the bus on a loop thread of its own, under the credentials given. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cli.h"
#include "loop/thread.h"

struct session {
    struct credentials who;
    const char *peers;
    struct loop *loop;
    struct client *client;
    pthread_t thread;
};

static void *session_main(void *arg)
{
    struct session *s = arg;
    loop_run(s->loop);
    return NULL;
}

static int session_start(struct session *s)
{
    struct peers peers;
    struct client_options options = { .peers_path = s->peers,
                                      .curve_public = s->who.curve_public,
                                      .curve_secret = s->who.curve_secret };
    int r = peers_read(s->peers, &peers); /* told at once, not by calls that nobody answers */
    if (r < 0)
        return r;
    peers_clear(&peers);
    r = loop_new(&s->loop);
    if (r < 0)
        return r;
    options.loop = s->loop;
    r = client_open(&s->client, &options);
    if (r >= 0) {
        r = thread_start(&s->thread, "session", session_main, s);
        if (r >= 0)
            return 0;
        client_close(s->client);
    }
    loop_free(s->loop);
    return r;
}

struct session *session_open(struct cli *cli)
{
    struct session *s = arena_new(&cli->arena, struct session);
    log_init("lujian", "cli", LOG_ERROR);
    if (!*cli->peers) {
        usage_error("", "where is the cluster? Name its peers file: --peers FILE or LUJIAN_PEERS");
        return NULL;
    }
    s->peers = cli->peers;
    if (credentials_read(cli, &s->who) < 0)
        return NULL;
    if (session_start(s) < 0) {
        error_print("connect");
        return NULL;
    }
    return s;
}

static void session_end(void *arg)
{
    struct session *s = arg;
    client_close(s->client);
    loop_stop(s->loop);
}

void session_close(struct session *s)
{
    if (!s)
        return;
    loop_post(s->loop, session_end, s);
    pthread_join(s->thread, NULL);
    loop_free(s->loop);
    explicit_bzero(&s->who, sizeof(s->who));
}

struct client *session_client(const struct session *s)
{
    return s->client;
}

struct loop *session_loop(const struct session *s)
{
    return s->loop;
}

const char *session_peers_path(const struct session *s)
{
    return s->peers;
}

int session_call(struct session *s, struct arena *arena, const struct rpc *call,
                 struct rpc_answer *ret)
{
    int r = rpc_call(s->client, arena, call, ret);
    if (r < 0)
        problem_print(stderr, r, ret->problem);
    return r;
}
