/* The peers file, read whole and checked whole: a half-good file changes nothing. */
#include "bus/peers.h"

#include <ini.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ini_text.h"
#include "base/util.h"
#include "bus/curve.h"

#define PEERS_FILE_MAX  ((size_t)256 * 1024)
#define PEERS_NAME_MAX  64
#define PEERS_VALUE_MAX 128

struct reading {
    struct peers *peers;
    const char *path;
    int error;
};

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    { "service", offsetof(struct peer, service) },       { "door", offsetof(struct peer, door) },
    { "pulse", offsetof(struct peer, pulse) },           { "admin", offsetof(struct peer, admin) },
    { "public_key", offsetof(struct peer, public_key) },
};

static const char **peer_field(struct peer *peer, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return (const char **)(void *)((char *)peer + fields[i].offset);
    return NULL;
}

static struct peer *peer_of_section(struct peers *peers, const char *section)
{
    for (int i = 0; i < peers->count; i++)
        if (strcmp(peers->items[i].instance, section) == 0)
            return &peers->items[i];
    if (peers->count == PEERS_MAX)
        return NULL;
    struct peer *peer = &peers->items[peers->count++];
    *peer = (struct peer){ .instance = arena_strdup(&peers->arena, section) };
    return peer;
}

static int take_value(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *rd = arg;
    if (!section[0] || strlen(section) >= PEERS_NAME_MAX || strlen(value) >= PEERS_VALUE_MAX) {
        rd->error = err_set(ERR_INVALID_ARGUMENT, "%s: [%s] %s: no section, or too long", rd->path,
                            section, name);
        return 0;
    }
    struct peer *peer = peer_of_section(rd->peers, section);
    if (!peer) {
        rd->error = err_set(ERR_INVALID_ARGUMENT, "%s: more than %d peers", rd->path, PEERS_MAX);
        return 0;
    }
    const char **field = peer_field(peer, name);
    if (!field || *field) {
        rd->error = err_set(ERR_INVALID_ARGUMENT, "%s: [%s] %s: %s", rd->path, section, name,
                            field ? "given twice" : "unknown name");
        return 0;
    }
    *field = arena_strdup(&rd->peers->arena, value);
    return 1;
}

static bool endpoint_check(const char *endpoint)
{
    return !endpoint[0] || strncmp(endpoint, "tcp://", 6) == 0;
}

static int peer_check(const struct peers *peers, int at, const char *path)
{
    const struct peer *peer = &peers->items[at];
    const char *why = NULL;
    if (!peer->service[0])
        why = "no service";
    else if (!curve_key_check(peer->public_key))
        why = "public_key is not a CURVE key";
    else if (!endpoint_check(peer->door) || !endpoint_check(peer->pulse))
        why = "door and pulse are tcp:// endpoints";
    else if (peers_by_key(peers, peer->public_key) != peer)
        why = "its public_key is another's too";
    return why ? err_set(ERR_INVALID_ARGUMENT, "%s: [%s]: %s", path, peer->instance, why) : 0;
}

static int peers_parse(struct peers *peers, const struct buf *text, const char *path)
{
    int r = ini_text_check(path, text);
    if (r < 0)
        return r;
    struct reading rd = { .peers = peers, .path = path };
    int line = ini_parse_string(buf_text(text), take_value, &rd);
    if (rd.error)
        return rd.error;
    if (line != 0)
        return err_set(ERR_INVALID_ARGUMENT, "%s: line %d is malformed", path, line);
    for (int i = 0; i < peers->count; i++) {
        for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
            const char **value = peer_field(&peers->items[i], fields[f].name);
            if (!*value)
                *value = "";
        }
    }
    for (int i = 0; i < peers->count; i++) {
        r = peer_check(peers, i, path);
        if (r < 0)
            return r;
    }
    return 0;
}

int peers_read(const char *path, struct peers *ret)
{
    struct buf text;
    buf_init(&text, PEERS_FILE_MAX);
    int r = file_read(path, PEERS_FILE_MAX, &text);
    if (r < 0) {
        buf_clear(&text);
        return r;
    }
    struct peers peers = { 0 };
    arena_init(&peers.arena, 0);
    peers.items = arena_array(&peers.arena, struct peer, PEERS_MAX);
    r = peers_parse(&peers, &text, path);
    buf_clear(&text);
    if (r < 0) {
        arena_clear(&peers.arena);
        return r;
    }
    *ret = peers;
    return 0;
}

void peers_clear(struct peers *p)
{
    arena_clear(&p->arena);
    p->items = NULL;
    p->count = 0;
}

const struct peer *peers_by_key(const struct peers *p, const char *public_key)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->items[i].public_key, public_key) == 0)
            return &p->items[i];
    return NULL;
}

const struct peer *peers_by_instance(const struct peers *p, const char *instance)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->items[i].instance, instance) == 0)
            return &p->items[i];
    return NULL;
}
