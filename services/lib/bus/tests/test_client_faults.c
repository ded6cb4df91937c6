/* Replicas in processes of their own are killed and stopped under load: every call has exactly one
 * outcome, none is lost, and while one replica lives all succeed. Also measures round trips, CURVE
 * on.
 *
 * Run with --replica this program is such a replica: it reads its keys and ports from standard
 * input, says its ports on standard output, and serves until it is killed or its input ends. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bus/client.h"
#include "replica_rig.h"

enum { REPLICAS = 2, OUTSTANDING = 64 };

extern char **environ;

struct child {
    struct replica replica; /* its keys and ports; no door in this process */
    pid_t pid;
    int input; /* ends when we do */
};

/* ---- the child ---- */

static void input_ended(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    char byte;
    if (read(STDIN_FILENO, &byte, 1) <= 0)
        uv_stop(poll->loop);
}

static int replica_main(void)
{
    struct replica r = { .instance = "child" };
    char line[256];
    if (!fgets(line, sizeof(line), stdin) ||
        sscanf(line, "%40s %40s %15s %15s", r.keys.secret_key, r.client_key, r.port,
               r.pulse_port) != 4 ||
        curve_public_of(r.keys.secret_key, r.keys.public_key) < 0 || loop_new(&r.loop) < 0)
        return 1;
    replica_open(&r);
    printf("%s %s\n", r.port, r.pulse_port);
    fflush(stdout);
    uv_poll_t input;
    uv_poll_init(loop_uv(r.loop), &input, STDIN_FILENO);
    uv_poll_start(&input, UV_READABLE, input_ended);
    uv_run(loop_uv(r.loop), UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&input, NULL);
    replica_clear(&r);
    rig_turn(r.loop, 20);
    loop_free(r.loop);
    return 0;
}

/* ---- the parent ---- */

static void child_start(struct child *c)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    char self[] = "/proc/self/exe", flag[] = "--replica";
    char *argv[] = { self, flag, NULL };
    assert_int_equal(posix_spawn(&c->pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    c->input = in[1];
    struct replica *r = &c->replica;
    dprintf(c->input, "%s %s %s %s\n", r->keys.secret_key, r->client_key,
            r->port[0] ? r->port : "0", r->pulse_port[0] ? r->pulse_port : "0");
    FILE *said = fdopen(out[0], "r");
    assert_int_equal(fscanf(said, "%15s %15s", r->port, r->pulse_port), 2);
    fclose(said);
}

static void child_kill(struct child *c)
{
    assert_int_equal(kill(c->pid, SIGKILL), 0);
    assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
    close(c->input);
    c->pid = 0;
}

struct storm {
    struct loop *loop;
    struct client *client;
    struct curve_keys keys;
    struct child children[REPLICAS];
    char peers[64];
    bool over;
    int outstanding, failed, twice;
    uint64_t started, ended, unknown, not_executed;
    int64_t slowest_ms;
};

struct storm_call {
    struct storm *storm;
    int64_t started_ms;
    uint32_t number;
    bool ended;
};

static void storm_start(struct storm *s, struct storm_call *call);

static void storm_done(void *ctx, const struct client_answer *answer)
{
    struct storm_call *call = ctx;
    struct storm *s = call->storm;
    if (call->ended)
        s->twice++;
    call->ended = true;
    s->ended++;
    s->outstanding--;
    s->slowest_ms = MAX(s->slowest_ms, mono_ms() - call->started_ms);
    if (answer->code == ERR_OUTCOME_UNKNOWN)
        s->unknown++;
    else if (answer->code == ERR_NOT_EXECUTED)
        s->not_executed++;
    else if (answer->code || answer->body_size != sizeof(call->number) ||
             memcmp(answer->body, &call->number, sizeof(call->number)) != 0)
        s->failed++; /* another call's answer, or none of ours */
    if (!s->over)
        storm_start(s, call);
}

static void storm_start(struct storm *s, struct storm_call *call)
{
    char key[32];
    call->started_ms = mono_ms();
    call->number = (uint32_t)s->started++;
    call->ended = false;
    snprintf(key, sizeof(key), "k-%u", call->number);
    const struct client_call c = { .service = "test",
                                   .method = "test.echo",
                                   .key = key,
                                   .budget_ms = 8000,
                                   .body = (const uint8_t *)&call->number,
                                   .body_size = sizeof(call->number) };
    s->outstanding++;
    client_call_async(s->client, &c, storm_done, call);
}

static bool storm_is_up(void *ctx)
{
    return client_replicas_up(((struct storm *)ctx)->client, "test") == REPLICAS;
}

static bool storm_is_over(void *ctx)
{
    return ((struct storm *)ctx)->outstanding == 0;
}

static void storm_open(struct storm *s)
{
    static const char *const names[REPLICAS] = { "test-1", "test-2" };
    memset(s, 0, sizeof(*s));
    struct replica *listed[REPLICAS];
    assert_int_equal(loop_new(&s->loop), 0);
    curve_keypair(&s->keys);
    for (int i = 0; i < REPLICAS; i++) {
        struct replica *r = &s->children[i].replica;
        r->instance = names[i];
        curve_keypair(&r->keys);
        strcpy(r->client_key, s->keys.public_key);
        child_start(&s->children[i]);
        listed[i] = r;
    }
    strcpy(s->peers, "/tmp/lujian-peers-XXXXXX");
    int fd = mkstemp(s->peers);
    assert_true(fd >= 0);
    close(fd);
    peers_write(s->peers, listed, REPLICAS);
    const struct client_options options = { .loop = s->loop,
                                            .peers_path = s->peers,
                                            .curve_public = s->keys.public_key,
                                            .curve_secret = s->keys.secret_key };
    assert_int_equal(client_open(&s->client, &options), 0);
}

static void storm_close(struct storm *s)
{
    client_close(s->client);
    for (int i = 0; i < REPLICAS; i++)
        if (s->children[i].pid)
            child_kill(&s->children[i]);
    loop_free(s->loop);
    unlink(s->peers);
}

static void storm_end(struct storm *s)
{
    s->over = true;
    assert_true(rig_until(s->loop, storm_is_over, s, 9000));
    rig_turn(s->loop, 50);
    assert_int_equal(s->ended, s->started);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->failed, 0);
}

static void test_kill_under_load(void **state UNUSED)
{
    struct storm s;
    static struct storm_call calls[OUTSTANDING];
    storm_open(&s);
    for (int i = 0; i < OUTSTANDING; i++) {
        calls[i] = (struct storm_call){ .storm = &s };
        storm_start(&s, &calls[i]);
    }
    assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    for (int round = 0; round < 6; round++) {
        rig_turn(s.loop, 200);
        child_kill(&s.children[round % 2]);
        rig_turn(s.loop, 200);
        child_start(&s.children[round % 2]);
        assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    }
    storm_end(&s);
    struct client_figures figures;
    client_figures_read(s.client, &figures);
    print_message("%lu calls, %lu sent again, slowest %ld ms\n", s.ended, figures.resent,
                  (long)s.slowest_ms);
    assert_int_equal(s.unknown + s.not_executed, 0);
    assert_true(figures.links_lost >= 6);
    assert_true(figures.resent > 0);
    assert_true(s.slowest_ms < 4000);
    storm_close(&s);
}

static void test_stop_under_load(void **state UNUSED)
{
    struct storm s;
    static struct storm_call calls[OUTSTANDING];
    storm_open(&s);
    for (int i = 0; i < OUTSTANDING; i++) {
        calls[i] = (struct storm_call){ .storm = &s };
        storm_start(&s, &calls[i]);
    }
    assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    assert_int_equal(kill(s.children[0].pid, SIGSTOP), 0);
    rig_turn(s.loop, 5000);
    assert_int_equal(client_replicas_up(s.client, "test"), 1);
    assert_int_equal(kill(s.children[0].pid, SIGCONT), 0);
    /* What it still answers from before is nobody's. */
    assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    rig_turn(s.loop, 200);
    storm_end(&s);
    struct client_figures figures;
    client_figures_read(s.client, &figures);
    print_message("%lu calls, %lu hedged, slowest %ld ms\n", s.ended, figures.hedged,
                  (long)s.slowest_ms);
    assert_int_equal(s.unknown + s.not_executed, 0);
    assert_int_equal(figures.pings_unanswered, 1);
    assert_true(s.slowest_ms < CLIENT_PING_EVERY_MS + CLIENT_SUSPECT_MS + 2500);
    storm_close(&s);
}

/* Both die: what was sent is unknown, what was not is not executed, and each is told. */
static void test_all_dead(void **state UNUSED)
{
    struct storm s;
    static struct storm_call calls[OUTSTANDING];
    storm_open(&s);
    for (int i = 0; i < OUTSTANDING; i++) {
        calls[i] = (struct storm_call){ .storm = &s };
        storm_start(&s, &calls[i]);
    }
    assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    rig_turn(s.loop, 100);
    s.over = true;
    for (int i = 0; i < REPLICAS; i++)
        child_kill(&s.children[i]);
    storm_end(&s);
    assert_true(s.unknown > 0);
    storm_close(&s);
}

/* ---- figures ---- */

struct rate {
    struct client *client;
    int limit, done, due;
    uint8_t body[1100];
};

static void rate_start(struct rate *r);

static void rate_done(void *ctx, const struct client_answer *answer)
{
    struct rate *r = ctx;
    assert_int_equal(answer->code, 0);
    r->done++;
    if (r->limit > 0)
        rate_start(r);
}

static void rate_start(struct rate *r)
{
    r->limit--;
    const struct client_call call = { .service = "test",
                                      .method = "test.echo",
                                      .budget_ms = 10000,
                                      .body = r->body,
                                      .body_size = sizeof(r->body) };
    client_call_async(r->client, &call, rate_done, r);
}

static bool rate_is_over(void *ctx)
{
    const struct rate *r = ctx;
    return r->done >= r->due;
}

static void test_round_trips_a_second(void **state UNUSED)
{
    struct storm s;
    storm_open(&s);
    struct storm_call first = { .storm = &s };
    storm_start(&s, &first);
    storm_end(&s);
    assert_true(rig_until(s.loop, storm_is_up, &s, 5000));
    const int outstanding[] = { 1, 16, 256 };
    for (size_t i = 0; i < ARRAY_LEN(outstanding); i++) {
        struct rate r = { .client = s.client, .limit = INT32_MAX };
        int64_t start = mono_us();
        for (int n = 0; n < outstanding[i]; n++)
            rate_start(&r);
        rig_turn(s.loop, 700);
        r.limit = 0;
        int done = r.done;
        double seconds = (double)(mono_us() - start) / 1e6;
        print_message("%d outstanding: %.0f round trips of 1.1 KB a second\n", outstanding[i],
                      done / seconds);
        assert_true(done > 0);
        r.due = done + outstanding[i];
        assert_true(rig_until(s.loop, rate_is_over, &r, 5000));
    }
    storm_close(&s);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--replica") == 0)
        return replica_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_under_load),
        cmocka_unit_test(test_stop_under_load),
        cmocka_unit_test(test_all_dead),
        cmocka_unit_test(test_round_trips_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
