/* What the tests' programs have in common: whom the environment names, a complaint, a clock, a
 * cursor. */
#ifndef LUJIAN_TESTS_SDK_VENDOR_H
#define LUJIAN_TESTS_SDK_VENDOR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lujian/lujian.h>

static struct lujian_endpoint endpoints[LUJIAN_ENDPOINTS_MAX];
static char list[4096];

static inline struct lujian_options options(const char *service)
{
    struct lujian_options o = LUJIAN_OPTIONS_INIT;
    char *rest = list;
    snprintf(list, sizeof(list), "%s", getenv("LUJIAN_DOORS"));
    for (char *door; (door = strtok_r(rest, " ", &rest)); o.endpoint_count++) {
        endpoints[o.endpoint_count].door = door;
        endpoints[o.endpoint_count].server_key = strtok_r(rest, " ", &rest);
    }
    o.service = service;
    o.endpoints = endpoints;
    o.public_key = getenv("LUJIAN_PUBLIC_KEY");
    o.secret_key = getenv("LUJIAN_SECRET_KEY");
    return o;
}

static inline struct lujian_complaint complaint(const char *external_id)
{
    struct lujian_complaint c = LUJIAN_COMPLAINT_INIT;
    c.source = "test-sdk";
    c.external_id = external_id;
    c.channel = LUJIAN_CHANNEL_PHONE;
    c.type = LUJIAN_TYPE_COMPLAINT;
    c.title = "夜间占道经营";
    c.text = "路口每晚有摊贩占道。\n第二行";
    c.division = "370102";
    c.caller_phone = "19900001234";
    return c;
}

static inline long long mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A cursor in our own hands: LUJIAN_CURSOR_SIZE bytes at `ctx`. */
static inline bool load(void *ctx, char *cursor, size_t size)
{
    snprintf(cursor, size, "%s", (char *)ctx);
    return true;
}

static inline bool keep(void *ctx, const char *cursor)
{
    strcpy(ctx, cursor);
    return true;
}

#endif
