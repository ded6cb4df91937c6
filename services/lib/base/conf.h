/* Configuration: a table of documented keys, filled from a file (INI), the environment
 * (LUJIAN_<KEY>) and the command line (--key=value), the later winning. An unknown key or a bad
 * value is an error at start. */
#ifndef LUJIAN_BASE_CONF_H
#define LUJIAN_BASE_CONF_H

#include <stdint.h>
#include <stdio.h>

enum conf_type { CONF_TEXT, CONF_INT, CONF_BOOL, CONF_PATH };

struct conf_key {
    const char *name; /* lower-case with dashes: "door-endpoint" */
    enum conf_type type;
    const char *by_default; /* NULL = required */
    int64_t min, max;       /* CONF_INT; both 0 = no limits */
    const char *help;       /* one line: shape, unit */
    const char *value;      /* filled in by conf_load */
};

/* Several tables end to end: the skeleton's and the service's. `argv` may have --config=FILE
 * anywhere;
 * --help-config prints every key of all tables and exits 0. */
struct conf {
    struct conf_key *tables[8]; /* each ends with a NULL name */
    int table_count;
};

/* ERR_INVALID_ARGUMENT with a text that names the key and where it came from, never its value.
 * Unknown names are passed over in the environment only: several programs share one. */
int conf_load(struct conf *c, int argc, char **argv);
/* Forgets all values; texts handed out by conf_text die with them. */
void conf_clear(struct conf *c);
void conf_print_help(const struct conf *c, FILE *out);
/* Asking for a key that no table has is a bug and aborts. */
const char *conf_text(const struct conf *c, const char *name);
int64_t conf_int(const struct conf *c, const char *name);
int conf_bool(const struct conf *c, const char *name);

#endif
