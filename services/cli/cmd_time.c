/* lujian time advance: civil time moves forward, where development allows it. */
#include <string.h>

#include "base/err.h"
#include "cli.h"

#define SETTLE_S 75L /* the gateway answers after 60 s at the latest */

static bool is_count(const char *text)
{
    return *text && strlen(text) <= 10 && strspn(text, "0123456789") == strlen(text);
}

static int advance(struct cli *cli, const char *seconds)
{
    struct credentials who;
    struct http_reply reply;
    if (credentials_read(cli, &who) < 0)
        return EXIT_FAILED;
    if (!*who.token) {
        fprintf(stderr, "lujian: %s has no token, and the gateway asks for one\n",
                cli->credentials);
        return EXIT_FAILED;
    }
    size_t length = strlen(cli->gateway);
    while (length && cli->gateway[length - 1] == '/')
        length--;
    const char *url = arena_printf(&cli->arena, "%.*s/v1/time:advance", (int)length, cli->gateway);
    const char *body = arena_printf(&cli->arena, "{\"seconds\":%s}", seconds);
    int r = http_ask(url, who.token, body, SETTLE_S, &reply);
    explicit_bzero(&who, sizeof(who));
    if (r < 0)
        error_print("time");
    else if (reply.status == 200)
        puts(buf_text(&reply.body));
    else
        fprintf(stderr, "lujian: the gateway answered %ld\n%s\n", reply.status,
                buf_text(&reply.body));
    buf_clear(&reply.body);
    return r == 0 && reply.status == 200 ? EXIT_DONE : EXIT_FAILED;
}

static int run_time(struct cli *cli, int argc, char **argv)
{
    struct options o;
    if (options_parse(cli, argc, argv, NULL, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count != 2 || strcmp(o.words[0], "advance") != 0 || !is_count(o.words[1]))
        return usage_error("time", "use `lujian time advance SECONDS`");
    if (!*cli->gateway)
        return usage_error("time", "where is the gateway? --gateway URL or LUJIAN_GATEWAY");
    return advance(cli, o.words[1]);
}

const struct command command_time = {
    .name = "time",
    .summary = "move civil time forward, where development allows it",
    .help = "lujian time advance SECONDS --gateway URL\n\n"
            "Moves the cluster's civil time forward and waits until it has settled: every clock "
            "that ran out has\n"
            "fired and every service has taken in what that caused. Role operator; only where the "
            "cluster was started\n"
            "with an offset file (scripts/up does). Clocks that fail are counted in the answer, "
            "not waited for. Time\n"
            "never goes back.\n",
    .run = run_time,
};
