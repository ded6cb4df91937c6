/* lujian stream rebase: an operator's decision about where a stopped reader goes on. */
#include <string.h>

#include "cli.h"

static int rebase(struct cli *cli, const struct method_info *method, const char *stream,
                  const char *cursor)
{
    RebaseRequest *in = wire_new(&cli->arena, &rebase_request_rules);
    in->stream = arena_strdup(&cli->arena, stream);
    in->cursor = arena_strdup(&cli->arena, cursor);
    struct rpc call = { .method = method, .in = &in->base };
    struct rpc_answer answer;
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    int r = session_call(session, &cli->arena, &call, &answer);
    if (r == 0) {
        const RebaseResponse *out = answer.out;
        printf("%s now follows %s from %s; it was at %s\n", method->service, stream, cursor,
               *out->previous ? out->previous : "the beginning");
    }
    session_close(session);
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run_stream(struct cli *cli, int argc, char **argv)
{
    struct options o;
    if (options_parse(cli, argc, argv, NULL, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count != 4 || strcmp(o.words[0], "rebase") != 0)
        return usage_error("stream", "use `lujian stream rebase SERVICE STREAM CURSOR`");
    const struct method_info *method =
        contract_method(arena_printf(&cli->arena, "%s.rebase", o.words[1]));
    size_t length = strlen(o.words[2]);
    if (!method)
        return usage_error("stream", "there is no service %s", o.words[1]);
    if (!wire_pattern_matches(WIRE_PATTERN_CURSOR, o.words[3], strlen(o.words[3])) ||
        strncmp(o.words[3], o.words[2], length) != 0 || o.words[3][length] != ':')
        return usage_error("stream", "the cursor is %s:EPOCH:POSITION", o.words[2]);
    return rebase(cli, method, o.words[2], o.words[3]);
}

const struct command command_stream = {
    .name = "stream",
    .summary = "set where a stopped reader of a stream goes on",
    .help = "lujian stream rebase SERVICE STREAM CURSOR\n\n"
            "A service that finds its cursor in another epoch of a stream than it knew stops and "
            "raises an alarm: after a\n"
            "restore, positions may mean other facts. Nothing goes on by itself. Compare both "
            "logs, then set the cursor\n"
            "from which SERVICE follows STREAM: what lies between is skipped or taken in again, "
            "and every effect keeps\n"
            "its key, so nothing happens twice.\n",
    .run = run_stream,
};
