/* ZAP (ZeroMQ RFC 27): who may speak to the sockets of one context, decided on the loop thread.
 *
 * ZeroMQ fails open: while no handler is bound, whoever knows the server's key is let in, even with
 * a domain set. So this comes before any socket of its context. */
#ifndef LUJIAN_BUS_ZAP_H
#define LUJIAN_BUS_ZAP_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

#define ZAP_DOMAIN   "lujian"
#define ZAP_USER_MAX 100

struct zap;

struct zap_options {
    struct loop *loop;
    void *context; /* ZeroMQ's */
    /* Writes the User-Id of a client's public key (Z85); false = refused. */
    bool (*authenticate)(void *ctx, const char *curve_public, char out_user[ZAP_USER_MAX]);
    void *ctx;
};

int zap_open(struct zap **ret, const struct zap_options *options);
uint64_t zap_refused(const struct zap *zap);
void zap_close(struct zap *zap); /* NULL is fine */

/* Makes a socket a CURVE server under this handler: secret key, domain, and where the library can,
 * the domain enforced: then it lets nobody in while there is no handler. */
int zap_guard(void *socket, const char *curve_secret, bool enforce_domain);

#endif
