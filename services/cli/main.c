/* lujian: the cluster from the command line. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli.h"

static const struct command *const commands[] = {
    &command_call,   &command_events, &command_load,   &command_status, &command_deadletters,
    &command_clocks, &command_stream, &command_keygen, &command_time,
};

static void print_overview(FILE *out)
{
    fputs("lujian: the cluster from the command line\n\n  lujian COMMAND [ARGUMENT...]\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "  --help after a command tells more. Options of all commands, and the environment that "
          "stands in for\n"
          "  them:\n\n"
          "  --peers FILE        LUJIAN_PEERS        who is where (peers.ini)\n"
          "  --credentials FILE  LUJIAN_CREDENTIALS  who you are: principal, key_id, curve_public, "
          "curve_secret, "
          "token\n"
          "  --gateway URL       LUJIAN_GATEWAY      the HTTP API; only `time` needs it\n\n"
          "  Exit codes: 0 done; 1 refused or failed; 2 used wrongly.\n",
          out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    const struct command *command = find_command(argv[1]);
    if (!command)
        return usage_error("", "there is no command %s", argv[1]);
    if (wants_help(argc - 2, argv + 2)) {
        fputs(command->help, stdout);
        return EXIT_DONE;
    }
    signal(SIGPIPE, SIG_IGN);
    struct cli cli = {
        .peers = environment("LUJIAN_PEERS"),
        .credentials = environment("LUJIAN_CREDENTIALS"),
        .gateway = environment("LUJIAN_GATEWAY"),
    };
    arena_init(&cli.arena, 0);
    int code = command->run(&cli, argc - 2, argv + 2);
    arena_clear(&cli.arena);
    /* What could not be printed was not done. */
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        code = EXIT_FAILED;
    return code;
}
