/* Configuration keys filled from their defaults, a file, the environment and the command line, in
 * this order.
 *
 * Unknown names are refused in the file and on the command line. In the environment they are passed
 * over, because several programs share one. Headings in the file ("[storage]") are for its reader:
 * names are unique without them, and a name that comes twice in a file is refused. */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ini_text.h"
#include "base/utf8.h"
#include "base/util.h"

#define CONF_FILE_MAX ((size_t)64 * 1024)
#define CONF_NAME_MAX 64

#define CONF_EACH(c, key)                                                                          \
    for (int t_ = 0; t_ < (c)->table_count; t_++)                                                  \
        for (struct conf_key *key = (c)->tables[t_]; key->name; key++)

static struct conf_key *conf_find(const struct conf *c, const char *name, size_t length)
{
    CONF_EACH(c, key)
    {
        if (strlen(key->name) == length && memcmp(key->name, name, length) == 0)
            return key;
    }
    return NULL;
}

void conf_clear(struct conf *c)
{
    CONF_EACH(c, key)
    {
        free((char *)key->value);
        key->value = NULL;
    }
}

static bool parse_int(const char *text, int64_t *ret_value)
{
    const char *digits = text + (text[0] == '-');
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_bool(const char *text, int *ret_value)
{
    static const char *const words[][2] = {
        { "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" }
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcmp(text, words[i][value]) == 0) {
                *ret_value = value;
                return true;
            }
        }
    }
    return false;
}

/* min = max = 0 means no limits. The value itself is not repeated: it may be a secret. */
static int check_value(const struct conf_key *key, const char *value, const char *origin)
{
    int64_t number;
    int truth;
    switch (key->type) {
    case CONF_INT:
        if (!parse_int(value, &number))
            return err_set(ERR_INVALID_ARGUMENT, "%s: %s is not a whole number", origin, key->name);
        if ((key->min || key->max) && (number < key->min || number > key->max))
            return err_set(ERR_INVALID_ARGUMENT, "%s: %s is outside %" PRId64 " to %" PRId64,
                           origin, key->name, key->min, key->max);
        return 0;
    case CONF_BOOL:
        if (!parse_bool(value, &truth))
            return err_set(ERR_INVALID_ARGUMENT, "%s: %s is neither true nor false", origin,
                           key->name);
        return 0;
    case CONF_PATH:
    case CONF_TEXT:
        break;
    }
    if (!utf8_check(value, strlen(value)))
        return err_set(ERR_INVALID_ARGUMENT, "%s: %s is not UTF-8", origin, key->name);
    return 0;
}

static int set_value(struct conf_key *key, const char *value, const char *origin)
{
    int r = check_value(key, value, origin);
    if (r < 0)
        return r;
    char *copy = strdup(value);
    assert_always(copy);
    free((char *)key->value);
    key->value = copy;
    return 0;
}

static int set_defaults(const struct conf *c)
{
    CONF_EACH(c, key)
    {
        /* Mistakes in a table are bugs of the program, not of its user. */
        assert_always(strlen(key->name) < CONF_NAME_MAX);
        assert_always(conf_find(c, key->name, strlen(key->name)) == key);
        if (!key->by_default)
            continue;
        int r = set_value(key, key->by_default, "default");
        assert_always(r == 0);
    }
    return 0;
}

struct file_load {
    const struct conf *conf;
    const char *path;
    const struct conf_key *seen[256];
    size_t seen_count;
    int error;
};

/* libinih's convention: 1 goes on. */
static int on_file_line(void *context, const char *heading UNUSED, const char *name,
                        const char *value)
{
    struct file_load *load = context;
    if (load->error)
        return 1;
    struct conf_key *key = conf_find(load->conf, name, strlen(name));
    if (!key) {
        load->error = err_set(ERR_INVALID_ARGUMENT, "%s: unknown key %s", load->path, name);
        return 1;
    }
    for (size_t i = 0; i < load->seen_count; i++) {
        if (load->seen[i] == key) {
            load->error = err_set(ERR_INVALID_ARGUMENT,
                                  "%s: %s is set twice (or goes on over lines)", load->path, name);
            return 1;
        }
    }
    assert_always(load->seen_count < ARRAY_LEN(load->seen));
    load->seen[load->seen_count++] = key;
    load->error = set_value(key, value, load->path);
    return 1;
}

static int load_file(const struct conf *c, const char *path)
{
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, CONF_FILE_MAX);
    int r = file_read(path, CONF_FILE_MAX, &text);
    if (r < 0)
        return err_wrap(ERR_INVALID_ARGUMENT, "configuration");
    r = ini_text_check(path, &text);
    if (r < 0)
        return r;
    struct file_load load = { .conf = c, .path = path };
    int line = ini_parse_string(buf_text(&text), on_file_line, &load);
    if (load.error)
        return load.error;
    if (line != 0)
        return err_set(ERR_INVALID_ARGUMENT, "%s: line %d is not \"key = value\"", path, line);
    return 0;
}

/* "door-endpoint" -> "LUJIAN_DOOR_ENDPOINT" */
static void environment_name(const char *name, char out[CONF_NAME_MAX + 8])
{
    char *p = stpcpy(out, "LUJIAN_");
    for (; *name; name++)
        *p++ = (char)(*name == '-' ? '_' : toupper((unsigned char)*name));
    *p = '\0';
}

static int load_environment(const struct conf *c)
{
    CONF_EACH(c, key)
    {
        char name[CONF_NAME_MAX + 8];
        environment_name(key->name, name);
        const char *value = getenv(name);
        int r = value ? set_value(key, value, name) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_arguments(const struct conf *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + 2;
        const char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(name, '=') : NULL;
        if (!equals)
            return err_set(ERR_INVALID_ARGUMENT, "argument %d is not --key=value", i);
        size_t length = (size_t)(equals - name);
        if (length == strlen("config") && memcmp(name, "config", length) == 0)
            continue;
        struct conf_key *key = conf_find(c, name, length);
        if (!key)
            return err_set(ERR_INVALID_ARGUMENT, "unknown key --%.*s (see --help-config)",
                           (int)MIN(length, (size_t)CONF_NAME_MAX), name);
        int r = set_value(key, equals + 1, "command line");
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_all(const struct conf *c, int argc, char **argv)
{
    int r = set_defaults(c);
    for (int i = 1; i < argc && r == 0; i++) {
        if (strncmp(argv[i], "--config=", strlen("--config=")) == 0)
            r = load_file(c, argv[i] + strlen("--config="));
    }
    if (r == 0)
        r = load_environment(c);
    if (r == 0)
        r = load_arguments(c, argc, argv);
    if (r < 0)
        return r;
    CONF_EACH(c, key)
    {
        if (!key->value)
            return err_set(ERR_INVALID_ARGUMENT, "%s is required: %s", key->name, key->help);
    }
    return 0;
}

int conf_load(struct conf *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help-config") == 0) {
            conf_print_help(c, stdout);
            exit(fflush(stdout) == 0 ? 0 : 1);
        }
    }
    conf_clear(c);
    int r = load_all(c, argc, argv);
    if (r < 0)
        conf_clear(c);
    return r;
}

void conf_print_help(const struct conf *c, FILE *out)
{
    fprintf(out, "Each key: in the file of --config=FILE \"key = value\", in the environment "
                 "LUJIAN_KEY, as argument --key=value; the later wins.\n");
    CONF_EACH(c, key)
    {
        char name[CONF_NAME_MAX + 8];
        environment_name(key->name, name);
        fprintf(out, "\n%s  (%s)\n    %s\n", key->name, name, key->help);
        static const char *const types[] = {
            [CONF_TEXT] = "text", [CONF_INT] = "number", [CONF_BOOL] = "bool", [CONF_PATH] = "path"
        };
        fprintf(out, "    %s", types[key->type]);
        if (key->type == CONF_INT && (key->min || key->max))
            fprintf(out, " %" PRId64 " to %" PRId64, key->min, key->max);
        if (!key->by_default)
            fprintf(out, ", required\n");
        else
            fprintf(out, ", default \"%s\"\n", key->by_default);
    }
}

static const struct conf_key *conf_get(const struct conf *c, const char *name)
{
    const struct conf_key *key = conf_find(c, name, strlen(name));
    assert_always(key && key->value);
    return key;
}

const char *conf_text(const struct conf *c, const char *name)
{
    const struct conf_key *key = conf_get(c, name);
    assert_always(key->type == CONF_TEXT || key->type == CONF_PATH);
    return key->value;
}

int64_t conf_int(const struct conf *c, const char *name)
{
    const struct conf_key *key = conf_get(c, name);
    int64_t value = 0;
    assert_always(key->type == CONF_INT && parse_int(key->value, &value));
    return value;
}

int conf_bool(const struct conf *c, const char *name)
{
    const struct conf_key *key = conf_get(c, name);
    int value = 0;
    assert_always(key->type == CONF_BOOL && parse_bool(key->value, &value));
    return value;
}
