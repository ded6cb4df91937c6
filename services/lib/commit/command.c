/* What names a command: its key, its matter or subject, its digest. */
#include "commit/command.h"

#include <string.h>

#include "base/rand.h"
#include "reference/snapshot.h"

/* Names are hashes in one space of 64 bits, shared by all replicas as advisory locks: a collision
 * makes two strangers take turns and nothing else. */
static uint64_t name_hash(struct arena *arena, const char *class, const char *a, const char *b,
                          const char *c)
{
    const char *text = arena_printf(arena, "%s\x1f%s\x1f%s\x1f%s", class, a, b, c);
    return hash_bytes(text, strlen(text), 0);
}

void command_name(struct command *c)
{
    struct request *rq = &c->rq;
    const struct method_info *method = rq->method;
    wire_digest(method->name, c->in, c->digest);
    rq->digest = c->digest;
    c->principal = rq->actor->id;
    c->names[COMMAND_NAME_KEY] = name_hash(rq->arena, "key", c->principal, method->name, rq->key);
    c->has_matter = true;
    if (method->subject) {
        c->subject = wire_string(c->in, method->subject);
        c->names[COMMAND_NAME_MATTER] = name_hash(rq->arena, "subject", c->subject, "", "");
    } else if (method->natural_key) {
        c->natural[0] = wire_string(c->in, method->natural_key[0]);
        c->natural[1] = wire_string(c->in, method->natural_key[1]);
        c->names[COMMAND_NAME_MATTER] =
            name_hash(rq->arena, "natural", method->name, c->natural[0], c->natural[1]);
    } else {
        c->has_matter = false;
        c->names[COMMAND_NAME_MATTER] = c->names[COMMAND_NAME_KEY];
    }
}

void command_fail(struct command *c, int code)
{
    c->code = code;
    c->detail = *err_last();
}
