/* lujian keygen: keys and tokens. What others may know is printed or written apart; secrets stay in
 * files of mode 0600. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "bus/curve.h"
#include "cli.h"

static bool is_name(const char *text, size_t length_max)
{
    return *text && strlen(text) <= length_max && !strchr(text, '/') &&
           wire_pattern_matches(WIRE_PATTERN_CODE, text, strlen(text));
}

static int make_folder(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_errno(ERR_INTERNAL, errno, "%s", path);
    return 0;
}

/* Refuses before anything was made: keys that were lost by half are worse than none. */
static int check_absent(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return err_set(ERR_REFUSED, "%s is there already; nothing was written", path);
    return 0;
}

static int make_operator(struct cli *cli, const char *folder, const char *name, const char *key_id)
{
    struct credentials c;
    struct buf text;
    char digits[65];
    const char *own = arena_printf(&cli->arena, "%s/%s.ini", folder, name);
    const char *bootstrap = arena_printf(&cli->arena, "%s/bootstrap.ini", folder);
    int r = make_folder(folder);
    if (r == 0)
        r = check_absent(own);
    if (r == 0)
        r = check_absent(bootstrap);
    if (r < 0)
        return r;
    credentials_make(name, key_id, &c);
    token_hash(c.token, digits);
    r = credentials_write(own, &c);
    if (r == 0) {
        buf_init(&text, 0);
        buf_printf(&text, "principal = %s\nkey_id = %s\ncurve_public = %s\ntoken_sha256 = %s\n",
                   name, key_id, c.curve_public, digits);
        r = file_write(bootstrap, text.data, text.size, 0600);
        buf_clear(&text);
    }
    explicit_bzero(&c, sizeof(c));
    if (r == 0)
        printf("%s: the operator's credentials\n%s: for the registry (key `bootstrap` of its "
               "configuration)\n",
               own, bootstrap);
    return r;
}

/* A field of CSV; quoted where it has to be. */
static void add_cell(struct buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        buf_add_text(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_add_char(out, '"');
        buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}

static int make_principal(struct cli *cli, const struct options *o, const char *folder,
                          const char *id, const char *key_id)
{
    static const char *const given[] = { "name", "roles", "jurisdiction", "units", "sources" };
    struct credentials c;
    struct buf row;
    char digits[65];
    const char *own = arena_printf(&cli->arena, "%s/%s.ini", folder, id);
    int r = make_folder(folder);
    if (r < 0)
        return r;
    credentials_make(id, key_id, &c);
    r = credentials_write(own, &c);
    if (r < 0)
        return r;
    token_hash(c.token, digits);
    buf_init(&row, 0);
    buf_printf(&row, "%s,%s", id, key_id);
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        const char *value = option_value(o, given[i]);
        buf_add_char(&row, ',');
        add_cell(&row, value ? value : "");
    }
    buf_add_char(&row, ',');
    add_cell(&row, c.curve_public);
    buf_printf(&row, ",%s,0", digits);
    puts(buf_text(&row));
    buf_clear(&row);
    explicit_bzero(&c, sizeof(c));
    fprintf(stderr, "lujian: %s holds the credentials; the row above is for principals.csv\n", own);
    return 0;
}

static int make_service(const char *path)
{
    struct curve_keys keys;
    int r = check_absent(path);
    if (r < 0)
        return r;
    curve_keypair(&keys);
    r = curve_file_write(path, &keys);
    if (r == 0)
        puts(keys.public_key);
    explicit_bzero(&keys, sizeof(keys));
    return r;
}

static int run_keygen(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = {
        { .name = "operator" },
        { .name = "principal" },
        { .name = "service" },
        { .name = "out" },
        { .name = "key-id" },
        { .name = "name" },
        { .name = "roles" },
        { .name = "jurisdiction" },
        { .name = "units" },
        { .name = "sources" },
        { 0 },
    };
    struct options o;
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    const char *first = option_value(&o, "operator"), *principal = option_value(&o, "principal");
    const char *service = option_value(&o, "service"), *folder = option_value(&o, "out");
    const char *key_id = option_value(&o, "key-id") ? option_value(&o, "key-id") : "k1";
    if (o.word_count || (first != NULL) + (principal != NULL) + (service != NULL) != 1)
        return usage_error("keygen", "give one of --operator, --principal and --service");
    if (!service && !folder)
        return usage_error("keygen", "--out DIR says where the credentials go");
    if (!service && (!is_name(first ? first : principal, 64) || !is_name(key_id, 32)))
        return usage_error("keygen", "names are letters, digits, '.', '_' and '-'");
    if (principal && !option_given(&o, "roles"))
        return usage_error("keygen", "--roles says what the principal may do: hotline, unit, ...");
    int r;
    if (service)
        r = make_service(service);
    else if (first)
        r = make_operator(cli, folder, first, key_id);
    else
        r = make_principal(cli, &o, folder, principal, key_id);
    if (r < 0)
        error_print("keygen");
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_keygen = {
    .name = "keygen",
    .summary = "new keys and tokens for an operator, a principal or a service",
    .help = "lujian keygen --operator NAME --out DIR [--key-id K]\n"
            "lujian keygen --principal ID --roles R|R [--jurisdiction D] [--sources S|S] [--units "
            "U|U]\n"
            "              [--name TEXT] [--key-id K] --out DIR\n"
            "lujian keygen --service FILE\n\n"
            "--operator writes DIR/NAME.ini, the credentials, and DIR/bootstrap.ini, which the "
            "registry reads at its\n"
            "start: so the first operator comes in. --principal writes DIR/ID.ini and prints the "
            "row for\n"
            "principals.csv (`lujian load`). --service writes a replica's key pair and prints its "
            "public key for\n"
            "peers.ini. A file that is there is never written over; a second key gets another "
            "--key-id (k2) and\n"
            "another folder.\n",
    .run = run_keygen,
};
