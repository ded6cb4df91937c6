/* lujian call: any method of the contract, JSON in and JSON out. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli.h"
#include "json/json.h"

static int list_methods(const char *service)
{
    for (const struct method_info *const *m = contract_methods; *m; m++) {
        if (!service || strcmp((*m)->service, service) == 0)
            printf("%-32s %s  %s\n", (*m)->name,
                   (*m)->kind == METHOD_COMMAND ? "command" : "query  ", (*m)->summary);
    }
    return EXIT_DONE;
}

/* The text as given, or all of standard input for "-". */
static int read_input(const char *text, struct buf *out)
{
    char chunk[4096];
    size_t size;
    if (strcmp(text, "-") != 0) {
        buf_add_text(out, text);
        return 0;
    }
    while ((size = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        buf_add(out, chunk, size);
    if (ferror(stdin))
        return err_set(ERR_INTERNAL, "standard input cannot be read");
    return out->overflow ? err_set(ERR_TOO_LARGE, "the request is longer than 1 MiB") : 0;
}

static int read_message(struct cli *cli, const struct method_info *method, const char *text,
                        ProtobufCMessage **ret)
{
    struct buf input;
    struct wire_fault fault = { 0 };
    buf_init(&input, JSON_BYTES_MAX);
    int r = read_input(text, &input);
    if (r == 0)
        r = json_to_message(method->request, &cli->arena, buf_text(&input), input.size, ret,
                            &fault);
    if (r == 0)
        r = wire_check(method->request, *ret, &fault);
    buf_clear(&input);
    if (r < 0 && fault.reason)
        fprintf(stderr, "lujian: the request: %s%s%s\n", fault.path, *fault.path ? ": " : "",
                fault.reason);
    else if (r < 0)
        error_print("the request");
    return r;
}

static void print_answer(const struct rpc *call, const struct rpc_answer *answer)
{
    struct buf out;
    buf_init(&out, 0);
    json_from_message(call->method->response, answer->out, &out);
    puts(buf_text(&out));
    buf_clear(&out);
    if (answer->head && answer->head->replayed)
        fputs("lujian: this key was answered before; nothing was done again\n", stderr);
}

static int call_method(struct cli *cli, const struct method_info *method, const struct options *o,
                       const char *json)
{
    ProtobufCMessage *in;
    if (read_message(cli, method, json, &in) < 0)
        return EXIT_FAILED;
    const char *version = option_value(o, "if-version");
    struct rpc call = {
        .method = method,
        .in = in,
        .instance = option_value(o, "instance"),
        .key = option_value(o, "key"),
        .if_version = version ? strtoll(version, NULL, 10) : 0,
    };
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    struct rpc_answer answer;
    int r = session_call(session, &cli->arena, &call, &answer);
    if (r == 0)
        print_answer(&call, &answer);
    session_close(session);
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

static bool is_number(const char *text)
{
    return *text && strlen(text) <= 16 && strspn(text, "0123456789") == strlen(text);
}

static int run_call(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = {
        { .name = "key" },
        { .name = "instance" },
        { .name = "if-version" },
        { .name = "list", .flag = true },
        { 0 },
    };
    struct options o;
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (option_given(&o, "list"))
        return list_methods(o.word_count ? o.words[0] : NULL);
    if (o.word_count < 1 || o.word_count > 2)
        return usage_error("call", "call takes a method and its request as JSON");
    const struct method_info *method = contract_method(o.words[0]);
    const char *rest = strrchr(o.words[0], '.');
    const char *version = option_value(&o, "if-version");
    const char *key = option_value(&o, "key");
    if (!method)
        return usage_error("call", "the contract has no method %s (see `call --list`)", o.words[0]);
    if (strcmp(rest, ".follow") == 0 || strcmp(rest, ".credit") == 0 ||
        strcmp(rest, ".unfollow") == 0)
        return usage_error("events", "%s is a feed: use `lujian events tail`", o.words[0]);
    if (version && !is_number(version))
        return usage_error("call", "--if-version takes the number of a version");
    if (key &&
        (!*key || strlen(key) > 128 || !wire_pattern_matches(WIRE_PATTERN_KEY, key, strlen(key))))
        return usage_error("call", "--key takes 1 to 128 printable ASCII characters");
    return call_method(cli, method, &o, o.word_count == 2 ? o.words[1] : "{}");
}

const struct command command_call = {
    .name = "call",
    .summary = "any method of the contract, JSON in and JSON out",
    .help = "lujian call SERVICE.METHOD [JSON | -] [--key KEY] [--instance NAME] [--if-version N]\n"
            "lujian call --list [SERVICE]\n\n"
            "Sends one request and prints the answer as JSON. JSON is the request as the contract "
            "names its\n"
            "fields; absent = {}, - = standard input.\n\n"
            "  --key KEY         idempotency key of a command: sent again under the same key it is "
            "done once\n"
            "  --instance NAME   this replica and no other\n"
            "  --if-version N    refuse unless the aggregate has this version\n"
            "  --list            the methods\n\n"
            "  lujian call complaints.list '{\"division\":\"370102\",\"page_size\":10}'\n",
    .run = run_call,
};
