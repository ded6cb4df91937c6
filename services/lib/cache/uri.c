/* Where Redis is: redis://[user][:password@]host[:port][/database], or unix:///path. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cache/cache_inside.h"

#define REDIS_PORT 6379

/* The URI may hold a password: no error repeats it. */
static int bad(const char *what)
{
    return err_set(ERR_INVALID_ARGUMENT, "redis is no Redis URI: %s", what);
}

static bool number(const char *text, long max, int *ret)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < 0 || value > max)
        return false;
    *ret = (int)value;
    return true;
}

static bool copy(char *out, size_t size, const char *text, size_t length)
{
    if (length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

int cache_address_parse(const char *uri, struct cache_address *ret)
{
    struct cache_address a = { .port = REDIS_PORT };
    if (strncmp(uri, "unix://", 7) == 0) {
        a.port = 0;
        if (uri[7] != '/' || !copy(a.host, sizeof(a.host), uri + 7, strlen(uri + 7)))
            return bad("a Unix socket has an absolute path");
        *ret = a;
        return 0;
    }
    if (strncmp(uri, "redis://", 8) != 0)
        return bad("it begins with redis:// or unix://");
    const char *at = strrchr(uri, '@'), *host = at ? at + 1 : uri + 8;
    if (at) {
        const char *colon = memchr(uri + 8, ':', (size_t)(at - uri - 8));
        if (!colon || !copy(a.password, sizeof(a.password), colon + 1, (size_t)(at - colon - 1)))
            return bad("before @ stands :password");
    }
    const char *slash = strchr(host, '/');
    size_t length = slash ? (size_t)(slash - host) : strlen(host);
    if (slash && slash[1] && !number(slash + 1, 1000, &a.database))
        return bad("a database is a number");
    if (!copy(a.host, sizeof(a.host), host, length))
        return bad("its host is too long");
    char *port = strrchr(a.host, ':');
    if (port) {
        *port = '\0';
        if (!number(port + 1, 65535, &a.port) || a.port == 0)
            return bad("a port is a number up to 65535");
    }
    if (!a.host[0])
        return bad("it names no host");
    *ret = a;
    return 0;
}
