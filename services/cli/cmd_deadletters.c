/* lujian deadletters: events that a service could not take in and parked, and another try at them.
 */
#include <string.h>

#include "base/time.h"
#include "base/util.h"
#include "cli.h"
#include "json/json.h"

/* The service's copy of a method that every service has. */
static const struct method_info *method_of(struct cli *cli, const char *service, const char *name)
{
    return contract_method(arena_printf(&cli->arena, "%s.%s", service, name));
}

static void print_letters(struct cli *cli, const ListDeadLettersResponse *out)
{
    static const char *const titles[] = { "STREAM",   "POSITION", "SUBJECT", "TYPE",
                                          "ATTEMPTS", "PARKED",   "ERROR" };
    struct table *table = table_new(&cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < out->n_dead_letters; i++) {
        const DeadLetter *letter = out->dead_letters[i];
        char parked[TIME_TEXT_SIZE];
        instant_format(letter->parked_at, parked);
        const char *cells[] = {
            letter->stream,
            arena_printf(&cli->arena, "%lld", (long long)letter->position),
            letter->subject,
            letter->type,
            arena_printf(&cli->arena, "%u", letter->attempts),
            parked,
            letter->error,
        };
        table_add(table, cells);
    }
    if (out->n_dead_letters)
        table_print(table, stdout);
    else
        puts("none");
}

static int list_letters(struct cli *cli, struct session *session, const char *service,
                        const char *stream, bool json)
{
    ListDeadLettersRequest *in = wire_new(&cli->arena, &list_dead_letters_request_rules);
    in->stream = arena_strdup(&cli->arena, stream ? stream : "");
    struct rpc call = { .method = method_of(cli, service, "list_dead_letters"), .in = &in->base };
    struct rpc_answer answer;
    if (session_call(session, &cli->arena, &call, &answer) < 0)
        return EXIT_FAILED;
    if (!json) {
        print_letters(cli, answer.out);
        return EXIT_DONE;
    }
    struct buf text;
    buf_init(&text, 0);
    json_from_message(call.method->response, answer.out, &text);
    puts(buf_text(&text));
    buf_clear(&text);
    return EXIT_DONE;
}

/* Of every service that the contract knows, each under its name. */
static int list_all(struct cli *cli, struct session *session)
{
    int code = EXIT_DONE;
    for (const struct method_info *const *m = contract_methods; *m; m++) {
        if (strcmp(strchr((*m)->name, '.') + 1, "list_dead_letters") != 0)
            continue;
        printf("%s: ", (*m)->service);
        fflush(stdout); /* before what goes wrong is told on the other stream */
        int r = list_letters(cli, session, (*m)->service, NULL, false);
        code = MAX(code, r);
    }
    return code;
}

static int replay_letters(struct cli *cli, struct session *session, const char *service,
                          const char *stream, const char *subject)
{
    ReplayRequest *in = wire_new(&cli->arena, &replay_request_rules);
    in->stream = arena_strdup(&cli->arena, stream);
    in->subject = arena_strdup(&cli->arena, subject);
    struct rpc call = { .method = method_of(cli, service, "replay"), .in = &in->base };
    struct rpc_answer answer;
    if (session_call(session, &cli->arena, &call, &answer) < 0)
        return EXIT_FAILED;
    const ReplayResponse *out = answer.out;
    printf("replayed %u, parked again %u\n", out->replayed, out->parked);
    return out->parked ? EXIT_FAILED : EXIT_DONE;
}

static int run_words(struct cli *cli, struct session *session, const struct options *o)
{
    if (o->word_count == 1)
        return list_all(cli, session);
    if (o->word_count == 4)
        return replay_letters(cli, session, o->words[1], o->words[2], o->words[3]);
    return list_letters(cli, session, o->words[1], o->word_count == 3 ? o->words[2] : NULL,
                        option_given(o, "json"));
}

static int run_deadletters(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = { { .name = "json", .flag = true }, { 0 } };
    struct options o;
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    bool list = o.word_count >= 1 && o.word_count <= 3 && strcmp(o.words[0], "list") == 0;
    bool replay = o.word_count == 4 && strcmp(o.words[0], "replay") == 0;
    if (!list && !replay)
        return usage_error("deadletters",
                           "use `list [SERVICE [STREAM]]` or `replay SERVICE STREAM SUBJECT`");
    if (o.word_count == 1 && option_given(&o, "json"))
        return usage_error("deadletters", "--json wants a SERVICE");
    if (o.word_count > 1 && !method_of(cli, o.words[1], "list_dead_letters"))
        return usage_error("deadletters", "there is no service %s", o.words[1]);
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    int code = run_words(cli, session, &o);
    session_close(session);
    return code;
}

const struct command command_deadletters = {
    .name = "deadletters",
    .summary = "events that a service has parked, and another try at them",
    .help = "lujian deadletters list [SERVICE [STREAM]] [--json]\n"
            "lujian deadletters replay SERVICE STREAM SUBJECT\n\n"
            "An event that a service could not take in is parked with all later ones of its "
            "subject, so that the\n"
            "stream goes on. `list` shows them. `replay` tries those of a subject again, in order: "
            "when the cause is\n"
            "gone they take effect, once. Exit code 1 if any was parked again.\n",
    .run = run_deadletters,
};
