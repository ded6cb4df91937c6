/* What the tests of the committers share: commands made by hand, and a list of what became of them.
 */
#ifndef LUJIAN_COMMIT_TESTS_HARNESS_H
#define LUJIAN_COMMIT_TESTS_HARNESS_H

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
#include "commit/committer.h"
#include "commit/tests/commit_fixture.h"
#include "log/log_read.h"
#include "pg/tests/pg_fixture.h"
#include "reference/snapshot.h"

#define WAIT_MS 30000

static const struct pg_module *const harness_modules[] = { &log_module, &commit_module,
                                                           &note_module, NULL };
static const struct principal principal_a = { .id = "hotline_a" };
static const struct principal principal_b UNUSED = { .id = "hotline_b" };

/* What is known of a command after it came back. */
struct outcome {
    bool answered, replayed, created;
    int code, batch_size;
    char reason[ERR_REASON_MAX], id[64], state[16];
    int64_t version, took_ms;
    uint32_t acts;
};

struct harness;

struct test_command {
    struct command command; /* first */
    struct arena arena;
    struct harness *harness;
    struct outcome outcome;
    int64_t submitted_ms;
};

struct harness {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct committers *committers;
    int64_t head; /* of on_commit */
    struct test_command *all[8192];
    int count, answered;
};

UNUSED static void harness_note(struct test_command *t, bool replayed)
{
    struct harness *h = t->harness;
    struct command *c = &t->command;
    pthread_mutex_lock(&h->mutex);
    assert_false(t->outcome.answered);
    t->outcome = (struct outcome){ .answered = true,
                                   .replayed = replayed,
                                   .code = replayed ? 0 : c->code,
                                   .batch_size = c->batch_size,
                                   .version = c->rq.version,
                                   .created = c->rq.created,
                                   .took_ms = mono_ms() - t->submitted_ms };
    if (c->code < 0 && !replayed)
        snprintf(t->outcome.reason, sizeof(t->outcome.reason), "%s", c->detail.reason);
    if (replayed) {
        snprintf(t->outcome.id, sizeof(t->outcome.id), "%s", c->replay);
        t->outcome.version = c->replay_version;
    } else if (c->code == 0) {
        const Complaint *out = c->out;
        snprintf(t->outcome.id, sizeof(t->outcome.id), "%s", out->id);
        t->outcome.acts = out->redo_count;
    }
    h->answered++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
}

UNUSED static void harness_done(void *ctx UNUSED, struct command *first)
{
    for (struct command *c = first, *next; c; c = next) {
        next = c->next; /* who waits may free it at once */
        harness_note(container_of(c, struct test_command, command), false);
    }
}

UNUSED static void harness_replay(void *ctx UNUSED, struct command *c)
{
    harness_note(container_of(c, struct test_command, command), true);
}

UNUSED static void harness_commit(void *ctx, int64_t head)
{
    struct harness *h = ctx;
    pthread_mutex_lock(&h->mutex);
    h->head = MAX(h->head, head);
    pthread_mutex_unlock(&h->mutex);
}

UNUSED static void harness_open(struct harness *h, const char *uri, int threads)
{
    memset(h, 0, sizeof(*h));
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    struct committers_options options = {
        .threads = threads,
        .queue_max = 8192,
        .pg = { .uri = uri, .application_name = "test", .modules = harness_modules },
        .on_done = harness_done,
        .on_replay = harness_replay,
        .on_commit = harness_commit,
        .ctx = h,
    };
    assert_int_equal(committers_start(&h->committers, &options), 0);
}

UNUSED static void harness_forget(struct harness *h)
{
    for (int i = 0; i < h->count; i++) {
        arena_clear(&h->all[i]->arena);
        free(h->all[i]);
    }
    h->count = h->answered = 0;
}

UNUSED static void harness_close(struct harness *h)
{
    committers_stop(h->committers);
    assert_int_equal(h->answered, h->count); /* every command that was accepted is answered */
    committers_free(h->committers);
    harness_forget(h);
}

UNUSED static struct test_command *command_make(struct harness *h,
                                                const struct principal *principal,
                                                const struct method_info *method, const char *key,
                                                const ProtobufCMessage *in)
{
    struct test_command *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    arena_init(&t->arena, 0);
    t->harness = h;
    uint8_t *data;
    size_t size;
    struct wire_fault fault;
    ProtobufCMessage *copy;
    wire_pack(&t->arena, in, &data, &size);
    assert_int_equal(wire_unpack(method->request, &t->arena, data, size, &copy, &fault), 0);
    t->command = (struct command){
        .rq = { .arena = &t->arena, .method = method, .actor = principal, .traceparent = "" },
        .handler = note_handler(method),
        .in = copy,
        .bytes = size,
        .deadline_ms = mono_ms() + WAIT_MS,
    };
    t->command.rq.key = arena_strdup(&t->arena, key);
    command_name(&t->command);
    assert_true(h->count < (int)ARRAY_LEN(h->all));
    h->all[h->count++] = t;
    return t;
}

UNUSED static void command_submit(struct test_command *t)
{
    t->submitted_ms = mono_ms();
    assert_true(committers_submit(t->harness->committers, &t->command));
}

UNUSED static void harness_wait(struct harness *h)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&h->mutex);
    while (h->answered < h->count)
        assert_int_equal(pthread_cond_timedwait(&h->changed, &h->mutex, &until), 0);
    pthread_mutex_unlock(&h->mutex);
}

UNUSED static struct test_command *file_make(struct harness *h, const struct principal *principal,
                                             const char *key, const char *external_id,
                                             const char *title)
{
    FileRequest in = FILE_REQUEST_INIT;
    in.source = (char *)"test-note";
    in.external_id = (char *)external_id;
    in.channel = CHANNEL_WEB;
    in.type = COMPLAINT_TYPE_HELP;
    in.title = (char *)title;
    in.text = (char *)"text";
    in.division = (char *)NOTE_DIVISION;
    return command_make(h, principal, &complaints_file_method, key, &in.base);
}

UNUSED static struct test_command *contact_make(struct harness *h, const char *key, const char *id)
{
    ContactRequest in = CONTACT_REQUEST_INIT;
    in.id = (char *)id;
    return command_make(h, &principal_a, &complaints_contact_method, key, &in.base);
}

UNUSED static struct test_command *sign_make(struct harness *h, const char *key, const char *id)
{
    SignRequest in = SIGN_REQUEST_INIT;
    in.id = (char *)id;
    return command_make(h, &principal_a, &complaints_sign_method, key, &in.base);
}

UNUSED static struct test_command *extend_make(struct harness *h, const char *key, const char *id,
                                               const char *reason)
{
    ExtendRequest in = EXTEND_REQUEST_INIT;
    in.id = (char *)id;
    in.working_days = 1;
    in.reason = (char *)reason;
    return command_make(h, &principal_a, &complaints_extend_method, key, &in.base);
}

/* The id of the i-th of many. */
UNUSED static void note_id(int i, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "01900000-0000-7000-8000-%012d", i);
}

/* Submits one and waits for it. */
UNUSED static struct outcome run_one(struct test_command *t)
{
    command_submit(t);
    harness_wait(t->harness);
    return t->outcome;
}

/* A database with its stream open. */
UNUSED static const char *harness_database(struct pg_fixture *f)
{
    const char *uri = pg_fixture_database(f);
    assert_non_null(uri);
    struct pg *pg = pg_fixture_connect(f, uri);
    assert_non_null(pg);
    int64_t epoch;
    assert_int_equal(log_open_stream(pg, "complaints", &epoch), 0);
    pg_close(pg);
    return uri;
}

#endif
