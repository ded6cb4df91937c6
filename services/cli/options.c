/* Options of commands: long names only, values after a space or an equals sign, in any place. */
#include <stdarg.h>
#include <string.h>

#include "cli.h"

int usage_error(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lujian: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry `lujian %s%s--help`.\n", command, *command ? " " : "");
    return EXIT_USAGE;
}

static struct option_spec *find(struct option_spec *specs, const char *name, size_t length)
{
    for (; specs && specs->name; specs++) {
        if (strlen(specs->name) == length && strncmp(specs->name, name, length) == 0)
            return specs;
    }
    return NULL;
}

/* Takes argv[i] and, where it needs one, its value; how many words that were, 0 = used wrongly. */
static int take_option(struct option_spec *common, struct option_spec *own, int argc, char **argv,
                       int i)
{
    const char *name = argv[i] + 2;
    const char *value = strchr(name, '=');
    size_t length = value ? (size_t)(value - name) : strlen(name);
    struct option_spec *spec = find(own, name, length);
    int words = 1;
    if (!spec)
        spec = find(common, name, length);
    if (!spec) {
        usage_error("", "there is no option --%.*s", (int)length, name);
        return 0;
    }
    if (spec->flag && value) {
        usage_error("", "--%s takes no value", spec->name);
        return 0;
    }
    if (value) {
        value++;
    } else if (!spec->flag) {
        if (i + 1 == argc) {
            usage_error("", "--%s needs a value", spec->name);
            return 0;
        }
        value = argv[i + 1];
        words = 2;
    }
    if (spec->count == OPTION_VALUES_MAX) {
        usage_error("", "--%s is given too often", spec->name);
        return 0;
    }
    spec->values[spec->count++] = value;
    return words;
}

static void take_common(const struct option_spec *spec, const char **member)
{
    if (spec->count)
        *member = spec->values[spec->count - 1];
}

int options_parse(struct cli *cli, int argc, char **argv, struct option_spec *specs,
                  struct options *ret)
{
    struct option_spec common[] = {
        { .name = "peers" }, { .name = "credentials" }, { .name = "gateway" }, { 0 }
    };
    *ret = (struct options){ .specs = specs,
                             .words = arena_array(&cli->arena, const char *, argc + 1) };
    bool only_words = false;
    for (int i = 0; i < argc;) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            i++;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            int words = take_option(common, specs, argc, argv, i);
            if (!words)
                return EXIT_USAGE;
            i += words;
        } else {
            ret->words[ret->word_count++] = argv[i++];
        }
    }
    take_common(&common[0], &cli->peers);
    take_common(&common[1], &cli->credentials);
    take_common(&common[2], &cli->gateway);
    return EXIT_DONE;
}

const char *option_value(const struct options *o, const char *name)
{
    const struct option_spec *spec = find(o->specs, name, strlen(name));
    return spec && spec->count ? spec->values[spec->count - 1] : NULL;
}

bool option_given(const struct options *o, const char *name)
{
    const struct option_spec *spec = find(o->specs, name, strlen(name));
    return spec && spec->count > 0;
}
