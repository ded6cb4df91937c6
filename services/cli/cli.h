/* lujian, the command line: what its commands share. The only private header beside load.h.
 *
 * Exit codes: 0 done; 1 the cluster said no, or something is wrong with the input; 2 used wrongly.
 */
#ifndef LUJIAN_CLI_CLI_H
#define LUJIAN_CLI_CLI_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "client/rpc.h"
#include "lujian/contract.lj.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* What every command is given. */
struct cli {
    struct arena arena;                        /* as long as the command */
    const char *peers, *credentials, *gateway; /* paths and URL as given; "" = not given */
};

struct command {
    const char *name;                                   /* "load" */
    const char *summary;                                /* one line of the overview */
    const char *help;                                   /* usage first, then what it does */
    int (*run)(struct cli *cli, int argc, char **argv); /* argv without the command's name */
};

extern const struct command command_call, command_events, command_load, command_status,
    command_deadletters, command_clocks, command_stream, command_keygen, command_time;

/* ---- options.c ---- */

#define OPTION_VALUES_MAX 32

/* `--name value`, `--name=value`, or a flag. */
struct option_spec {
    const char *name; /* without the dashes; NULL ends a list */
    bool flag;
    int count; /* how often it was given */
    const char *values[OPTION_VALUES_MAX];
};

struct options {
    struct option_spec *specs; /* may be NULL */
    const char **words;        /* what is no option, in order */
    int word_count;
};

/* EXIT_DONE, or EXIT_USAGE with the reason on standard error. Options that every command has are
 * put into the cli. */
int options_parse(struct cli *cli, int argc, char **argv, struct option_spec *specs,
                  struct options *ret);
/* The value given last, or NULL. */
const char *option_value(const struct options *o, const char *name);
bool option_given(const struct options *o, const char *name);
/* Prints why, then how to get help; returns EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- credentials.c ---- */

struct credentials {
    char principal[65], key_id[33];
    char curve_public[41], curve_secret[41];
    char token[161];
};

/* Reads the file of the options or of LUJIAN_CREDENTIALS; says on standard error what is wrong. */
int credentials_read(const struct cli *cli, struct credentials *ret);
/* Writes such a file, mode 0600, and never over one that is there. */
int credentials_write(const char *path, const struct credentials *c);
/* New keys and a new token. */
void credentials_make(const char *principal, const char *key_id, struct credentials *ret);
void token_hash(const char *token, char ret_digits[65]);

/* ---- session.c: the cluster, reached with the credentials ---- */

struct session;

/* NULL where it cannot be opened; the reason is on standard error. */
struct session *session_open(struct cli *cli);
void session_close(struct session *s); /* NULL is fine */
struct client *session_client(const struct session *s);
struct loop *session_loop(const struct session *s);
const char *session_peers_path(const struct session *s);
/* rpc_call; a failure is printed. */
int session_call(struct session *s, struct arena *arena, const struct rpc *call,
                 struct rpc_answer *ret);

/* ---- problem.c ---- */

/* Tells a problem in Chinese and English, with its legal basis, state and field, where it has them.
 */
void problem_print(FILE *out, int code, const Problem *problem);
/* The thread's last error, for failures on this side. */
void error_print(const char *what);

/* ---- table.c: columns for people ---- */

struct table;
struct table *table_new(struct arena *arena, const char *const *titles, int columns);
void table_add(struct table *t, const char *const *cells);
/* As wide as needed; a character of Chinese counts for two. */
void table_print(const struct table *t, FILE *out);

/* ---- http.c ---- */

struct http_reply {
    long status; /* 0 = no answer; the reason is in err_last() */
    struct buf body;
};

/* `token` and `body` may be NULL: a GET without them. The caller clears the body. */
int http_ask(const char *url, const char *token, const char *body, long timeout_s,
             struct http_reply *ret);

#endif
