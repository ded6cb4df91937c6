/* Proof 5, second half: the link to the database is cut at each step. What was answered as done is
 * there once; what is unknown is told so, and the same key again has one effect; what was not begun
 * is done on the next link. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "commit/tests/harness.h"

/* A TCP proxy before PostgreSQL. When it is told to, it lets the next COMMIT through, swallows the
 * answer, and cuts the link; or it cuts the link with the COMMIT still in its hands. */
enum cut { CUT_NEVER, CUT_AFTER_COMMIT, CUT_BEFORE_COMMIT };

struct proxy {
    int listener, port, server_port;
    atomic_int cut;
    atomic_int cuts_made;
    atomic_bool stopping;
    pthread_t thread;
};

struct pair {
    struct proxy *proxy;
    int client, server;
};

static bool has_commit(const char *data, ssize_t size)
{
    return memmem(data, (size_t)size, "COMMIT", 6) != NULL;
}

static bool forward(int to, const char *data, ssize_t size)
{
    for (ssize_t done = 0; done < size;) {
        ssize_t n = send(to, data + done, (size_t)(size - done), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += n;
    }
    return true;
}

/* Reads what the server says until it says that it has committed, and tells nobody. False = the
 * link broke before. */
static bool await_commit(struct pair *p)
{
    char said[1 << 16];
    for (ssize_t have = 0, n; !has_commit(said, have); have += n) {
        n = recv(p->server, said + have, sizeof(said) - (size_t)have, 0);
        if (n <= 0)
            return false;
    }
    return true;
}

/* False = this link is to be cut. */
static bool on_client_bytes(struct pair *p, const char *data, ssize_t size)
{
    int cut = has_commit(data, size) ? atomic_exchange(&p->proxy->cut, CUT_NEVER) : CUT_NEVER;
    if (cut == CUT_BEFORE_COMMIT)
        return false;
    if (!forward(p->server, data, size))
        return false;
    if (cut == CUT_AFTER_COMMIT)
        return !await_commit(p);
    return true;
}

static void *pair_run(void *arg)
{
    struct pair *p = arg;
    char data[65536];
    struct pollfd fds[2] = { { .fd = p->client, .events = POLLIN },
                             { .fd = p->server, .events = POLLIN } };
    bool going = true;
    while (going && !atomic_load(&p->proxy->stopping)) {
        if (poll(fds, 2, 50) <= 0)
            continue;
        if (fds[0].revents) {
            ssize_t n = recv(p->client, data, sizeof(data), 0);
            bool cut = n > 0 && !on_client_bytes(p, data, n);
            if (cut)
                atomic_fetch_add(&p->proxy->cuts_made, 1);
            going = n > 0 && !cut;
        }
        if (going && fds[1].revents) {
            ssize_t n = recv(p->server, data, sizeof(data), 0);
            going = n > 0 && forward(p->client, data, n);
        }
    }
    close(p->client);
    close(p->server);
    free(p);
    return NULL;
}

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *proxy_run(void *arg)
{
    struct proxy *proxy = arg;
    pthread_t pairs[64];
    int count = 0;
    while (!atomic_load(&proxy->stopping)) {
        struct pollfd fd = { .fd = proxy->listener, .events = POLLIN };
        if (poll(&fd, 1, 50) <= 0)
            continue;
        struct pair *p = calloc(1, sizeof(*p));
        *p = (struct pair){ .proxy = proxy, .client = accept(proxy->listener, NULL, NULL) };
        p->server = connect_to(proxy->server_port);
        if (p->server < 0) {
            close(p->client);
            free(p);
            continue;
        }
        assert_always(count < (int)ARRAY_LEN(pairs));
        pthread_create(&pairs[count++], NULL, pair_run, p);
    }
    for (int i = 0; i < count; i++)
        pthread_join(pairs[i], NULL);
    return NULL;
}

static void proxy_open(struct proxy *proxy, int server_port)
{
    *proxy = (struct proxy){ .server_port = server_port };
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(proxy->listener, 16), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    proxy->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
}

static void proxy_close(struct proxy *proxy)
{
    atomic_store(&proxy->stopping, true);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

static struct pg_fixture *fixture;
static const char *uri;
static struct pg *pg;
static struct harness h;
static struct proxy proxy;
static char proxied[512];

static void insert_notes(int count)
{
    for (int i = 0; i < count; i++) {
        char id[UUID_TEXT_SIZE];
        note_id(i, id);
        note_insert(pg, id);
    }
}

static void test_a_cut_after_commit_is_unknown_and_the_key_has_one_effect(void **state)
{
    (void)state;
    char id[UUID_TEXT_SIZE];
    note_id(0, id);
    insert_notes(1);
    run_one(contact_make(&h, "warm", id));
    atomic_store(&proxy.cut, CUT_AFTER_COMMIT);
    struct outcome first = run_one(contact_make(&h, "k1", id));
    assert_int_equal(atomic_load(&proxy.cuts_made), 1);
    assert_int_equal(first.code, ERR_OUTCOME_UNKNOWN);
    assert_int_equal(note_acts(pg, id), 2); /* it was done */

    struct outcome again = run_one(contact_make(&h, "k1", id));
    assert_true(again.replayed);
    assert_string_equal(again.id, id);
    assert_int_equal(note_acts(pg, id), 2);
    assert_int_equal(note_events(pg), 2);
}

static void test_a_cut_before_commit_is_told_as_unknown_too(void **state)
{
    (void)state;
    char id[UUID_TEXT_SIZE];
    note_id(0, id);
    insert_notes(1);
    atomic_store(&proxy.cut, CUT_BEFORE_COMMIT);
    struct outcome first = run_one(contact_make(&h, "k1", id));
    assert_int_equal(first.code, ERR_OUTCOME_UNKNOWN); /* it was sent: nobody can know */
    struct outcome again = run_one(contact_make(&h, "k1", id));
    assert_int_equal(again.code, 0);
    assert_false(again.replayed);
    assert_int_equal(note_acts(pg, id), 1);
    assert_int_equal(note_events(pg), 1);
}

static void test_a_storm_over_cuts_has_each_effect_once(void **state)
{
    (void)state;
    enum { COUNT = 400, CUTS = 6 };
    insert_notes(COUNT);
    bool done[COUNT] = { false };
    int left = COUNT, rounds = 0, unknown = 0;
    while (left > 0 && rounds < 20) {
        if (rounds < CUTS)
            atomic_store(&proxy.cut, rounds % 2 ? CUT_AFTER_COMMIT : CUT_BEFORE_COMMIT);
        struct test_command *all[COUNT];
        for (int i = 0; i < COUNT; i++) {
            char key[24], id[UUID_TEXT_SIZE];
            note_id(i, id);
            snprintf(key, sizeof(key), "k%d", i);
            all[i] = contact_make(&h, key, id);
        }
        for (int i = 0; i < COUNT; i++)
            command_submit(all[i]);
        harness_wait(&h);
        for (int i = 0; i < COUNT; i++) {
            unknown += all[i]->outcome.code == ERR_OUTCOME_UNKNOWN;
            if (all[i]->outcome.code == 0 && !done[i]) {
                done[i] = true;
                left--;
            }
        }
        harness_forget(&h);
        rounds++;
    }
    assert_int_equal(left, 0);
    assert_true(unknown > 0);
    for (int i = 0; i < COUNT; i++) {
        char id[UUID_TEXT_SIZE];
        note_id(i, id);
        assert_int_equal(note_acts(pg, id), 1);
    }
    assert_int_equal(note_events(pg), COUNT);
}

/* The server is killed with commands in every step; they wait for it within their budget. */
static void test_a_crash_of_the_server_loses_nothing_acknowledged(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    struct test_command *all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char name[24];
        snprintf(name, sizeof(name), "m%d", i);
        all[i] = file_make(&h, &principal_a, name, name, "one");
    }
    pg_close(pg);
    for (int i = 0; i < COUNT; i++) {
        command_submit(all[i]);
        if (i == COUNT / 2)
            assert_int_equal(pg_fixture_crash(fixture), 0);
    }
    harness_wait(&h);
    pg = pg_fixture_connect(fixture, uri);
    int acknowledged = 0, unknown = 0;
    for (int i = 0; i < COUNT; i++) {
        acknowledged += all[i]->outcome.code == 0;
        unknown += all[i]->outcome.code == ERR_OUTCOME_UNKNOWN;
    }
    print_message("%d acknowledged, %d unknown of %d over a crash\n", acknowledged, unknown, COUNT);
    assert_int_equal(acknowledged + unknown, COUNT);
    assert_true(note_count(pg) >= acknowledged);
    for (int i = 0; i < COUNT; i++) {
        char name[24];
        snprintf(name, sizeof(name), "m%d", i);
        if (all[i]->outcome.code != 0)
            run_one(file_make(&h, &principal_a, name, name, "one"));
    }
    assert_int_equal(note_count(pg), COUNT);
    assert_int_equal(note_events(pg), COUNT);
}

/* The backend is ended between the steps of a batch, before COMMIT was sent: the members are run on
 * the next link. */
static const char *fault_wanted;
static atomic_int faults_left;

static void end_backends(const char *name)
{
    if (strcmp(name, fault_wanted) != 0 || atomic_fetch_sub(&faults_left, 1) <= 0)
        return;
    struct pg *other = pg_fixture_connect(fixture, uri);
    assert_always(other);
    assert_always(pg_script(other, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                                   " WHERE application_name LIKE 'test committer%'") == 0);
    pg_close(other);
}

static void test_a_backend_ended_at_each_step(void **state)
{
    (void)state;
    static const char *const steps[] = { "commit.claimed", "commit.locked", "commit.applied_one",
                                         "commit.before_commit" };
    char id[UUID_TEXT_SIZE];
    note_id(0, id);
    insert_notes(1);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        fault_wanted = steps[i];
        atomic_store(&faults_left, 1);
        fault_set_hook(end_backends);
        struct outcome o = run_one(contact_make(&h, steps[i], id));
        fault_set_hook(NULL);
        assert_true(atomic_load(&faults_left) <= 0); /* it was passed */
        if (o.code == ERR_OUTCOME_UNKNOWN) /* COMMIT may have left before the end was noticed */
            o = run_one(contact_make(&h, steps[i], id));
        assert_int_equal(o.code, 0);
        assert_int_equal(note_acts(pg, id), (int64_t)i + 1);
    }
    assert_int_equal(note_events(pg), (int64_t)ARRAY_LEN(steps));
}

static int setup(void **state)
{
    (void)state;
    uri = harness_database(fixture);
    pg = pg_fixture_connect(fixture, uri);
    const char *tcp = pg_fixture_tcp_uri(fixture, uri);
    if (!pg || !tcp)
        return -1;
    proxy_open(&proxy, pg_fixture_port(fixture));
    /* Of a keyword that comes twice the later one counts. */
    snprintf(proxied, sizeof(proxied), "%s port='%d'", tcp, proxy.port);
    harness_open(&h, proxied, 2);
    struct committers_figures f;
    do { /* connecting commits too, and is not to be cut */
        committers_figures_read(h.committers, &f);
    } while (f.connected < 2 && sched_yield() == 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    harness_close(&h);
    proxy_close(&proxy);
    pg_close(pg);
    pg_fixture_drop(fixture, uri);
    return 0;
}

static int setup_group(void **state)
{
    (void)state;
    const struct pg_fixture_options options = { .modules = harness_modules };
    fixture = pg_fixture_open_private(&options);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    pg_fixture_close(fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cut_after_commit_is_unknown_and_the_key_has_one_effect),
        TEST(test_a_cut_before_commit_is_told_as_unknown_too),
        TEST(test_a_storm_over_cuts_has_each_effect_once),
        TEST(test_a_crash_of_the_server_loses_nothing_acknowledged),
        TEST(test_a_backend_ended_at_each_step),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
