/* Whatever stands in a configuration file, reading ends with values that obey their types or with a
 * reason; and what was read, written as a file, is read as the same again. The same holds for the
 * address of Redis, the one value that has parts.
 *
 * The first byte of an input says whose file it is, the rest is the file. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/flat.h"
#include "base/util.h"
#include "bus/peers.h"
#include "cache/cache_inside.h"
#include "fuzz.h"

static struct conf_key keys[] = {
    { .name = "door", .type = CONF_TEXT, .by_default = "tcp://127.0.0.1:1" },
    { .name = "postgres", .type = CONF_TEXT },
    { .name = "workers", .type = CONF_INT, .by_default = "4", .min = 1, .max = 64 },
    { .name = "offset", .type = CONF_INT, .by_default = "-1" },
    { .name = "trace", .type = CONF_BOOL, .by_default = "no" },
    { .name = "keys-dir", .type = CONF_PATH, .by_default = "" },
    { 0 },
};

static const struct flat_value flat_names[] = {
    { .name = "public" }, { .name = "secret" }, { .name = "note", .optional = true }, { 0 }
};

/* A file in memory; its descriptor and path. */
static int file_of(const void *data, size_t size, char path[32])
{
    int fd = memfd_create("conf", MFD_CLOEXEC);
    assert_always(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static bool conf_of(struct conf *c, const void *data, size_t size)
{
    char path[32], argument[64];
    int fd = file_of(data, size, path);
    snprintf(argument, sizeof(argument), "--config=%s", path);
    char program[] = "fuzz";
    char *argv[] = { program, argument, NULL };
    int r = conf_load(c, 2, argv);
    close(fd);
    assert_always(r == 0 || (r == ERR_INVALID_ARGUMENT && *err_last()->text));
    return r == 0;
}

/* Without a space before the value: after one a `;` begins a comment. */
static void write_line(struct buf *file, const char *name, const char *value)
{
    buf_printf(file, "%s=%s\n", name, value);
}

static void check_conf(const uint8_t *data, size_t size)
{
    struct conf c = { .tables = { keys }, .table_count = 1 };
    CLEANUP(buf_clear) struct buf first, second;
    buf_init(&first, 0);
    buf_init(&second, 0);
    if (conf_of(&c, data, size)) {
        assert_always(conf_int(&c, "workers") >= 1 && conf_int(&c, "workers") <= 64);
        (void)conf_int(&c, "offset");
        (void)conf_bool(&c, "trace");
        for (const struct conf_key *key = keys; key->name; key++)
            write_line(&first, key->name, key->value);
        assert_always(conf_of(&c, first.data, first.size));
        for (const struct conf_key *key = keys; key->name; key++)
            write_line(&second, key->name, key->value);
        assert_always(strcmp(buf_text(&first), buf_text(&second)) == 0);
    }
    conf_clear(&c);
}

static bool flat_of(struct flat_value *values, const void *data, size_t size)
{
    char path[32];
    int fd = file_of(data, size, path);
    int r = flat_read(path, values);
    close(fd);
    assert_always(r == 0 || *err_last()->text);
    return r == 0;
}

static void check_flat(const uint8_t *data, size_t size)
{
    struct flat_value values[ARRAY_LEN(flat_names)], again[ARRAY_LEN(flat_names)];
    memcpy(values, flat_names, sizeof(values));
    memcpy(again, flat_names, sizeof(again));
    if (!flat_of(values, data, size))
        return;
    assert_always(*flat_text(values, "public") && *flat_text(values, "secret"));
    CLEANUP(buf_clear) struct buf file;
    buf_init(&file, 0);
    for (const struct flat_value *v = values; v->name; v++)
        write_line(&file, v->name, v->value);
    assert_always(flat_of(again, file.data, file.size));
    for (size_t i = 0; values[i].name; i++)
        assert_always(strcmp(values[i].value, again[i].value) == 0);
}

static bool peers_of(struct peers *peers, const void *data, size_t size)
{
    char path[32];
    int fd = file_of(data, size, path);
    int r = peers_read(path, peers);
    close(fd);
    assert_always(r == 0 || *err_last()->text);
    return r == 0;
}

static void write_peers(struct buf *file, const struct peers *peers)
{
    for (int i = 0; i < peers->count; i++) {
        const struct peer *p = &peers->items[i];
        assert_always(peers_by_instance(peers, p->instance) == p);
        assert_always(peers_by_key(peers, p->public_key) == p);
        buf_printf(file, "[%s]\n", p->instance);
        write_line(file, "service", p->service);
        write_line(file, "door", p->door);
        write_line(file, "pulse", p->pulse);
        write_line(file, "admin", p->admin);
        write_line(file, "public_key", p->public_key);
    }
}

static void check_peers(const uint8_t *data, size_t size)
{
    struct peers peers, again;
    if (!peers_of(&peers, data, size))
        return;
    CLEANUP(buf_clear) struct buf first, second;
    buf_init(&first, 0);
    buf_init(&second, 0);
    write_peers(&first, &peers);
    if (peers.count > 0) {
        assert_always(peers_of(&again, first.data, first.size));
        write_peers(&second, &again);
        assert_always(strcmp(buf_text(&first), buf_text(&second)) == 0);
        peers_clear(&again);
    }
    peers_clear(&peers);
}

static void write_redis(struct buf *uri, const struct cache_address *a)
{
    if (a->port)
        buf_printf(uri, "redis://:%s@%s:%d/%d", a->password, a->host, a->port, a->database);
    else
        buf_printf(uri, "unix://%s", a->host);
}

static void check_redis(const uint8_t *data, size_t size)
{
    struct cache_address a, again;
    CLEANUP(buf_clear) struct buf uri;
    buf_init(&uri, 0);
    buf_add(&uri, data, size);
    int r = cache_address_parse(buf_text(&uri), &a);
    assert_always(r == 0 || (r == ERR_INVALID_ARGUMENT && *err_last()->text));
    if (r < 0)
        return;
    assert_always(*a.host && a.port >= 0 && a.port <= 65535 && a.database >= 0);
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, 0);
    write_redis(&text, &a);
    assert_always(cache_address_parse(buf_text(&text), &again) == 0);
    assert_always(strcmp(a.host, again.host) == 0 && strcmp(a.password, again.password) == 0);
    assert_always(a.port == again.port && a.database == again.database);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(const uint8_t *, size_t) = { check_conf, check_flat, check_peers,
                                                               check_redis };
    static const char letters[] = "cfpr"; /* of each; any other is a configuration file's, too */
    if (size == 0)
        return 0;
    const char *letter = memchr(letters, *data, ARRAY_LEN(checks));
    checks[letter ? letter - letters : 0](data + 1, size - 1);
    return 0;
}
