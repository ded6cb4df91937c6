/* What the tests of pull and feeds share: a log that is written here, a model of what each reader
 * must get, and readers who may see what their jurisdiction holds. */
#ifndef LUJIAN_LOG_TESTS_FEED_RIG_H
#define LUJIAN_LOG_TESTS_FEED_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/feed.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "pg/tests/pg_fixture.h"
#include "wire/wire.h"

#define MODEL_MAX 120000

static const struct pg_module *const rig_modules[] = { &log_module, NULL };

struct model_event {
    const char *type, *division;
    char subject[16];
};

struct log_rig {
    struct pg_fixture *fixture;
    const char *uri;
    struct pg *pg; /* the writer's */
    struct pg_options pg_options;
    struct arena arena;
    struct model_event *model; /* [position - 1] */
    int64_t head;
};

/* A principal: anna sees 3701, bert 3702, carl all. */
struct rig_reader {
    const char *user, *jurisdiction;
    bool revoked;
};
static struct rig_reader rig_readers[] = {
    { "anna/k1", "3701", false },
    { "bert/k1", "3702", false },
    { "carl/k1", "37", false },
};
static int rig_looks;

static const char *const rig_divisions[] = { "3701", "370102", "370102001", "3702", "370211", "" };
static const char *const rig_types[] = { "complaint.filed.v1", "complaint.signed.v1",
                                         "clock.rung_reached.v1" };

struct rig_view {
    const struct rig_reader *reader;
    const char *divisions[2];
};

static int rig_look(void *ctx, const char *user, const char *on_behalf, const char *division,
                    struct feed_view *ret)
{
    (void)ctx;
    const char *who = on_behalf[0] ? on_behalf : user;
    rig_looks++;
    for (size_t i = 0; i < ARRAY_LEN(rig_readers); i++) {
        if (strncmp(rig_readers[i].user, who, 4) != 0)
            continue;
        if (rig_readers[i].revoked)
            break;
        struct rig_view *view = calloc(1, sizeof(*view));
        view->reader = &rig_readers[i];
        view->divisions[0] = strdup(division);
        ret->reader = view;
        ret->divisions = division[0] ? view->divisions : NULL;
        return 0;
    }
    return err_set_reason(ERR_PERMISSION_DENIED, "revoked", "nobody any more");
}

static bool rig_sees(const struct rig_reader *reader, const char *division)
{
    return !division[0] ||
           strncmp(division, reader->jurisdiction, strlen(reader->jurisdiction)) == 0;
}

static bool rig_may_see(void *ctx, const struct feed_view *view, const struct log_record *record)
{
    (void)ctx;
    const struct rig_view *v = view->reader;
    return rig_sees(v->reader, record->division);
}

static void rig_leave(void *ctx, struct feed_view *view)
{
    (void)ctx;
    struct rig_view *v = view->reader;
    free((char *)(uintptr_t)v->divisions[0]);
    free(v);
}

UNUSED static struct feed_authority rig_authority(void)
{
    return (struct feed_authority){ .look = rig_look, .may_see = rig_may_see, .leave = rig_leave };
}

/* ---- the log ---- */

UNUSED static void log_rig_open(struct log_rig *rig, struct pg_fixture *fixture)
{
    *rig = (struct log_rig){ .fixture = fixture };
    rig->uri = pg_fixture_database(fixture);
    assert_non_null(rig->uri);
    rig->pg_options =
        (struct pg_options){ .uri = rig->uri, .application_name = "feeds", .modules = rig_modules };
    rig->pg = pg_fixture_connect(fixture, rig->uri);
    assert_non_null(rig->pg);
    arena_init(&rig->arena, 0);
    int64_t epoch;
    assert_int_equal(log_open_stream(rig->pg, "complaints", &epoch), 0);
    assert_int_equal(epoch, 1);
    rig->model = calloc(MODEL_MAX, sizeof(rig->model[0]));
    for (size_t i = 0; i < ARRAY_LEN(rig_readers); i++)
        rig_readers[i].revoked = false;
}

UNUSED static void log_rig_close(struct log_rig *rig)
{
    pg_close(rig->pg);
    pg_fixture_drop(rig->fixture, rig->uri);
    arena_clear(&rig->arena);
    free(rig->model);
}

static void rig_event(struct log_rig *rig, struct tx *tx, const char *type, const char *division,
                      const char *subject, size_t size)
{
    static const uint8_t filler[TX_EVENT_DATA_MAX];
    const struct event_address address = { .subject = subject, .division = division };
    tx_event_encoded(tx, type, &address, filler, size);
    struct model_event *m = &rig->model[rig->head++];
    m->type = type;
    m->division = division;
    snprintf(m->subject, sizeof(m->subject), "%s", subject);
}

UNUSED static void rig_begin(struct log_rig *rig, struct tx *tx)
{
    arena_reset(&rig->arena);
    assert_int_equal(tx_begin(tx, rig->pg, &rig->arena), 0);
    assert_int_equal(tx_now(tx), 0);
}

UNUSED static void rig_commit(struct tx *tx)
{
    assert_int_equal(tx_commit(tx), PG_DONE);
}

/* So many events in one transaction, of all divisions and types in turn. */
UNUSED static void rig_append(struct log_rig *rig, int count, size_t size)
{
    struct tx tx;
    rig_begin(rig, &tx);
    for (int i = 0; i < count; i++) {
        char subject[16];
        int64_t n = rig->head;
        snprintf(subject, sizeof(subject), "s-%d", (int)n);
        rig_event(rig, &tx, rig_types[(size_t)(n / 7) % ARRAY_LEN(rig_types)],
                  rig_divisions[(size_t)n % ARRAY_LEN(rig_divisions)], subject, size);
    }
    rig_commit(&tx);
}

/* A matter moves: an event under the new division, and one under the old. */
UNUSED static void rig_append_move(struct log_rig *rig, const char *from, const char *to)
{
    struct tx tx;
    char subject[16];
    snprintf(subject, sizeof(subject), "m-%d", (int)rig->head);
    rig_begin(rig, &tx);
    rig_event(rig, &tx, "complaint.dispatched.v1", to, subject, 10);
    rig_event(rig, &tx, "complaint.moved_out.v1", from, subject, 10);
    rig_commit(&tx);
}

/* ---- the model ---- */

struct model_filter {
    const struct rig_reader *reader;
    const char *division, *type; /* "" and NULL = all */
};

static bool model_sees(const struct model_filter *f, const struct model_event *m)
{
    bool in_division = strncmp(m->division, f->division, strlen(f->division)) == 0 ||
                       (!m->division[0] && strlen(f->division) <= 2);
    return rig_sees(f->reader, m->division) && in_division &&
           (!f->type || strcmp(f->type, m->type) == 0);
}

UNUSED static bool model_gets(const struct log_rig *rig, const struct model_filter *f,
                              int64_t position)
{
    const struct model_event *m = &rig->model[position - 1];
    if (!model_sees(f, m))
        return false;
    bool paired = strcmp(m->type, "complaint.moved_out.v1") == 0 && position > 1 &&
                  strcmp(m[-1].subject, m->subject) == 0;
    return !paired || !model_sees(f, m - 1);
}

/* The first position after this one that the filter lets through, or head + 1. */
UNUSED static int64_t model_next(const struct log_rig *rig, const struct model_filter *f,
                                 int64_t position)
{
    do
        position++;
    while (position <= rig->head && !model_gets(rig, f, position));
    return position;
}

#endif
