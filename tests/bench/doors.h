/* What a load program reads from its environment. */
#ifndef LUJIAN_BENCH_DOORS_H
#define LUJIAN_BENCH_DOORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lujian/lujian.h>

static inline void die(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* DOORS is taken apart where it stands: once a process. */
static inline void doors_read(struct lujian_options *options, struct lujian_endpoint *endpoints,
                              const char *service)
{
    char *rest = getenv("DOORS");
    options->service = service;
    options->endpoints = endpoints;
    options->public_key = getenv("CURVE_PUBLIC");
    options->secret_key = getenv("CURVE_SECRET");
    for (char *door; (door = strtok_r(NULL, " ", &rest));) {
        char *key = strtok_r(NULL, " ", &rest);
        if (!key || options->endpoint_count == LUJIAN_ENDPOINTS_MAX)
            die("DOORS: endpoint and key by turns");
        endpoints[options->endpoint_count++] = (struct lujian_endpoint){ door, key };
    }
}

#endif
