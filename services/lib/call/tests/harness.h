/* What the tests of the call layer share: a replica's calls without a door, its loop on a thread,
 * principals made by hand, and the answers as a peer would read them. */
#ifndef LUJIAN_CALL_TESTS_HARNESS_H
#define LUJIAN_CALL_TESTS_HARNESS_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "call/calls.h"
#include "commit/tests/commit_fixture.h"
#include "log/log_read.h"
#include "loop/loop.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/contract.lj.h"
#include "pg/tests/pg_fixture.h"
#include "reference/tests/reference_fixture.h"

#define WAIT_MS     30000
#define ANSWERS_MAX 4096

static const struct pg_module *const rig_modules[] = { &log_module, &commit_module, &note_module,
                                                       NULL };

/* An answer, copied and unpacked. */
struct rig_answer {
    bool came;
    uint64_t id;
    ResponseHead *head;
    uint8_t *body;
    size_t body_size;
    char user[DOOR_USER_MAX];
};

struct rig {
    const char *uri;
    struct loop *loop;
    pthread_t thread;
    struct calls *calls;
    struct callers *callers;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct arena arena; /* under the mutex */
    struct rig_answer answers[ANSWERS_MAX];
    uint64_t next_id;
    atomic_bool troubled;
    int pings;
};

static int rig_send(void *ctx, const struct door_address *to, const uint8_t *head, size_t head_size,
                    const uint8_t *body, size_t body_size)
{
    struct rig *rig = ctx;
    struct wire_fault fault;
    ProtobufCMessage *message;
    pthread_mutex_lock(&rig->mutex);
    assert_int_equal(
        wire_unpack(&response_head_rules, &rig->arena, head, head_size, &message, &fault), 0);
    ResponseHead *h = (ResponseHead *)(void *)message;
    struct rig_answer *a = &rig->answers[h->id % ANSWERS_MAX];
    assert_false(a->came); /* one message, one answer */
    *a = (struct rig_answer){ .came = true, .id = h->id, .head = h, .body_size = body_size };
    a->body = arena_memdup(&rig->arena, body_size ? body : (const uint8_t *)"", body_size);
    snprintf(a->user, sizeof(a->user), "%s", to->user);
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->mutex);
    return 0;
}

static void rig_on_commit(void *ctx UNUSED, int64_t head UNUSED)
{
}

static void rig_on_trouble(void *ctx, const char *code)
{
    struct rig *rig = ctx;
    rig->troubled = code != NULL;
}

static void rig_ping(void *ctx, struct call *call)
{
    struct rig *rig = ctx;
    PingResponse out = PING_RESPONSE_INIT;
    rig->pings++;
    out.head = 42;
    call_answer(call, &out.base);
}

static void rig_follow(void *ctx UNUSED, struct call *call)
{
    call_release(call);
}

static const struct loop_handler rig_loop_methods[] = {
    { .method = &complaints_ping_method, .fn = rig_ping },
    { .method = &complaints_follow_method, .starts = true, .fn = rig_follow },
    { 0 },
};

static void *rig_run(void *arg)
{
    struct rig *rig = arg;
    loop_run(rig->loop);
    return NULL;
}

static void rig_principal(struct reference_fixture *f, const char *id, const char *key_id,
                          Role role, const char *curve)
{
    Principal p = PRINCIPAL_INIT;
    Role roles[] = { role };
    char *sources[] = { (char *)"test-*" };
    p.id = (char *)id;
    p.key_id = (char *)key_id;
    p.roles = roles;
    p.n_roles = 1;
    p.jurisdiction = (char *)"3701";
    p.sources = sources;
    p.n_sources = 1;
    p.curve_public = (char *)curve;
    reference_fixture_add(f, REFERENCE_ROW_ROW_PRINCIPAL, &p.base);
}

#define CURVE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CURVE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

UNUSED static void rig_install_principals(bool revoke_unit)
{
    struct reference_fixture f;
    reference_fixture_init(&f);
    reference_fixture_load_seed(&f);
    rig_principal(&f, "hotline", "k1", ROLE_HOTLINE, CURVE_A);
    rig_principal(&f, "hotline", "k2", ROLE_HOTLINE, CURVE_B);
    if (!revoke_unit)
        rig_principal(&f, "unit", "k1", ROLE_UNIT, "");
    rig_principal(&f, "operator", "k1", ROLE_OPERATOR, "");
    snapshot_install(reference_fixture_build(&f, day_from_ymd(2026, 11, 24)));
    reference_fixture_clear(&f);
}

static void rig_open(struct rig *rig, const char *uri, const struct calls_options *changes,
                     const char *peers)
{
    memset(rig, 0, sizeof(*rig));
    rig->uri = uri;
    rig->next_id = 1;
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->changed, NULL);
    arena_init(&rig->arena, 0);
    assert_int_equal(loop_new(&rig->loop), 0);
    assert_int_equal(callers_open(&rig->callers, rig->loop, peers), 0);
    struct calls_options options = *changes;
    options.loop = rig->loop;
    options.methods = note_methods;
    options.loop_methods = rig_loop_methods;
    options.callers = rig->callers;
    options.ctx = rig;
    options.send = rig_send;
    options.on_commit = rig_on_commit;
    options.on_trouble = rig_on_trouble;
    options.pg =
        (struct pg_options){ .uri = uri, .application_name = "rig", .modules = rig_modules };
    options.workers = 2;
    options.committers = 2;
    options.worker_queue_max = options.worker_queue_max ? options.worker_queue_max : 1000;
    options.commit_queue_max = options.commit_queue_max ? options.commit_queue_max : 1000;
    options.budget_default_ms = 10000;
    options.unpack_bytes_max = 8 * 1024 * 1024;
    options.open_bytes_max = options.open_bytes_max ? options.open_bytes_max : 64 * 1024 * 1024;
    assert_int_equal(calls_open(&rig->calls, &options), 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, rig_run, rig), 0);
}

static void rig_close(struct rig *rig)
{
    loop_stop(rig->loop);
    pthread_join(rig->thread, NULL);
    calls_stop(rig->calls);
    loop_stop(rig->loop);
    loop_run(rig->loop);
    calls_free(rig->calls);
    callers_close(rig->callers);
    loop_free(rig->loop);
    arena_clear(&rig->arena);
}

/* ---- messages, posted to the loop thread as the door would hand them over ---- */

struct rig_message {
    struct rig *rig;
    struct door_address from;
    struct arena arena;
    uint8_t *head, *body;
    size_t head_size, body_size;
};

static void rig_deliver(void *arg)
{
    struct rig_message *m = arg;
    calls_on_message(m->rig->calls, &m->from, m->head, m->head_size, m->body, m->body_size);
    arena_clear(&m->arena);
    free(m);
}

static void rig_raw(struct rig *rig, const char *user, const void *head, size_t head_size,
                    const void *body, size_t body_size)
{
    struct rig_message *m = calloc(1, sizeof(*m));
    arena_init(&m->arena, 0);
    m->rig = rig;
    snprintf(m->from.user, sizeof(m->from.user), "%s", user);
    m->head = arena_memdup(&m->arena, head_size ? head : "", head_size);
    m->head_size = head_size;
    m->body = arena_memdup(&m->arena, body_size ? body : "", body_size);
    m->body_size = body_size;
    loop_post(rig->loop, rig_deliver, m);
}

/* Sends `message` under `head`, whose id is set here and returned. */
static uint64_t rig_request(struct rig *rig, const char *user, RequestHead *head,
                            const ProtobufCMessage *message)
{
    struct arena arena;
    uint8_t *head_data, *body = NULL;
    size_t head_size, body_size = 0;
    arena_init(&arena, 0);
    head->id = rig->next_id++;
    wire_pack(&arena, &head->base, &head_data, &head_size);
    if (message)
        wire_pack(&arena, message, &body, &body_size);
    rig_raw(rig, user, head_data, head_size, body, body_size);
    arena_clear(&arena);
    return head->id;
}

static struct rig_answer rig_wait(struct rig *rig, uint64_t id)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&rig->mutex);
    struct rig_answer *a = &rig->answers[id % ANSWERS_MAX];
    while (!a->came)
        assert_int_equal(pthread_cond_timedwait(&rig->changed, &rig->mutex, &until), 0);
    struct rig_answer copy = *a;
    pthread_mutex_unlock(&rig->mutex);
    return copy;
}

struct rig_job {
    struct rig *rig;
    void (*fn)(void *arg);
    void *arg;
    bool done;
};

static void rig_job_run(void *arg)
{
    struct rig_job *job = arg;
    job->fn(job->arg);
    pthread_mutex_lock(&job->rig->mutex);
    job->done = true;
    pthread_cond_broadcast(&job->rig->changed);
    pthread_mutex_unlock(&job->rig->mutex);
}

/* Runs fn on the loop thread and waits for it. */
UNUSED static void rig_run_on_loop(struct rig *rig, void (*fn)(void *arg), void *arg)
{
    struct rig_job job = { .rig = rig, .fn = fn, .arg = arg };
    loop_post(rig->loop, rig_job_run, &job);
    pthread_mutex_lock(&rig->mutex);
    while (!job.done)
        pthread_cond_wait(&rig->changed, &rig->mutex);
    pthread_mutex_unlock(&rig->mutex);
}

UNUSED static int code_of(const struct rig_answer *a)
{
    return a->head->problem ? -(int)a->head->problem->error : 0;
}

UNUSED static const char *reason_of(const struct rig_answer *a)
{
    return a->head->problem ? a->head->problem->code : "";
}

UNUSED static struct rig_answer rig_call(struct rig *rig, const char *user, const char *method,
                                         const char *key, const ProtobufCMessage *message)
{
    RequestHead head = REQUEST_HEAD_INIT;
    head.method = (char *)method;
    head.key = (char *)key;
    return rig_wait(rig, rig_request(rig, user, &head, message));
}

UNUSED static Complaint *rig_complaint(struct rig *rig, const struct rig_answer *a)
{
    struct wire_fault fault;
    ProtobufCMessage *message;
    pthread_mutex_lock(&rig->mutex);
    int r = wire_unpack(&complaint_rules, &rig->arena, a->body, a->body_size, &message, &fault);
    pthread_mutex_unlock(&rig->mutex);
    assert_int_equal(r, 0);
    return (Complaint *)(void *)message;
}

UNUSED static FileRequest rig_file(const char *external_id, const char *title)
{
    FileRequest in = FILE_REQUEST_INIT;
    in.source = (char *)"test-note";
    in.external_id = (char *)external_id;
    in.channel = CHANNEL_WEB;
    in.type = COMPLAINT_TYPE_HELP;
    in.title = (char *)title;
    in.text = (char *)"text";
    in.division = (char *)NOTE_DIVISION;
    return in;
}

#endif
