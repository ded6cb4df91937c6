/* Who asks: a bearer token, known by its SHA-256, looked up in the mirror; the registry need not be
 * up. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/sha.h"
#include "gateway.h"

int authenticate(struct gateway_request *rq, const struct snapshot *reference,
                 const struct principal **ret)
{
    const char *header = http_header(rq->x, "Authorization");
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return err_set(ERR_UNAUTHENTICATED, "a bearer token is needed");

    const char *token = header + 7;
    uint8_t digest[SHA256_SIZE];
    char text[SHA256_TEXT_SIZE];
    sha256(token, strlen(token), digest);
    hex_encode(digest, sizeof(digest), text);
    const struct principal *p = snapshot_principal_by_token(reference, text);
    if (!p)
        return err_set(ERR_UNAUTHENTICATED, "the token is not known");

    snprintf(rq->principal, sizeof(rq->principal), "%s", p->id);
    *ret = p;
    return 0;
}
