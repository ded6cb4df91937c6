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
    sha256(token, strlen(token), digest);
    hex_encode(digest, sizeof(digest), rq->token_sha256);
    const struct principal *p = snapshot_principal_by_token(reference, rq->token_sha256);
    if (!p)
        return err_set(ERR_UNAUTHENTICATED, "the token is not known");

    snprintf(rq->principal, sizeof(rq->principal), "%s", p->id);
    *ret = p;
    return 0;
}

bool authentic_still(const struct gateway_request *rq)
{
    const struct snapshot *reference = snapshot_get();
    const struct principal *p = snapshot_principal_by_token(reference, rq->token_sha256);
    bool still = p && strcmp(p->id, rq->principal) == 0;
    snapshot_put(reference);
    return still;
}
