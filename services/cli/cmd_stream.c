/* lujian stream rebase: an operator's decision about where a stopped reader goes on, and the dry
 * run that says where the log that it knew and the log that is there part. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "cli.h"

static const StatusResponse *ask_status(struct cli *cli, struct session *session,
                                        const char *service)
{
    StatusRequest in = STATUS_REQUEST_INIT;
    struct rpc call = { .method = contract_method(arena_printf(&cli->arena, "%s.status", service)),
                        .in = &in.base };
    struct rpc_answer answer;
    return session_call(session, &cli->arena, &call, &answer) == 0 ? answer.out : NULL;
}

static const ConsumerStatus *consumer_of(const StatusResponse *status, const char *stream)
{
    for (size_t i = 0; i < status->n_consumers; i++) {
        if (strcmp(status->consumers[i]->stream, stream) == 0)
            return status->consumers[i];
    }
    return NULL;
}

/* Up to where the log is the one that was known in that epoch: every epoch that came later may have
 * cut it. 0 where one of them is not told of. */
static int64_t common_until(const StatusResponse *log, int64_t epoch, int64_t position)
{
    int64_t told = 0;
    for (size_t i = 0; i < log->n_epochs; i++) {
        const EpochStart *start = log->epochs[i];
        if (start->epoch > epoch) {
            position = MIN(position, start->position);
            told++;
        }
    }
    return epoch > 0 && told == log->epoch - epoch ? MIN(position, log->head) : 0;
}

static void print_proposal(const StatusResponse *reader, const ConsumerStatus *consumer,
                           const StatusResponse *log)
{
    int64_t epoch = strtoll(strchr(consumer->cursor, ':') + 1, NULL, 10);
    int64_t until = common_until(log, epoch, consumer->position);
    printf("%s follows %s and %s at %s\n", reader->service, log->service,
           consumer->stopped ? "is stopped" : "is", consumer->cursor);
    printf("%s is in epoch %" PRId64 ", its head is %" PRId64 "\n", log->service, log->epoch,
           log->head);
    for (size_t i = 0; i < log->n_epochs; i++) {
        if (log->epochs[i]->epoch > epoch)
            printf("epoch %" PRId64 " began at position %" PRId64 "\n", log->epochs[i]->epoch,
                   log->epochs[i]->position);
    }
    printf("up to position %" PRId64 " it is the log that %s knew; %" PRId64
           " positions that it took in are not of this log\n"
           "nothing was changed; to go on from there:\n"
           "    lujian stream rebase %s %s %s:%" PRId64 ":%" PRId64 "\n",
           until, reader->service, consumer->position - until, reader->service, log->service,
           log->service, log->epoch, until);
}

static int propose(struct cli *cli, const char *service, const char *stream)
{
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    const StatusResponse *reader = ask_status(cli, session, service);
    const StatusResponse *log = reader ? ask_status(cli, session, stream) : NULL;
    session_close(session);
    if (!log)
        return EXIT_FAILED;
    const ConsumerStatus *consumer = consumer_of(reader, stream);
    if (!consumer) {
        fprintf(stderr, "lujian stream: %s does not follow %s\n", service, stream);
        return EXIT_FAILED;
    }
    print_proposal(reader, consumer, log);
    return EXIT_DONE;
}

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
    if (o.word_count < 3 || o.word_count > 4 || strcmp(o.words[0], "rebase") != 0)
        return usage_error("stream", "use `lujian stream rebase SERVICE STREAM [CURSOR]`");
    const char *service = o.words[1], *stream = o.words[2];
    const struct method_info *method =
        contract_method(arena_printf(&cli->arena, "%s.rebase", service));
    if (!method)
        return usage_error("stream", "there is no service %s", service);
    if (o.word_count == 3 && !contract_method(arena_printf(&cli->arena, "%s.status", stream)))
        return usage_error("stream", "there is no stream %s", stream);
    if (o.word_count == 3)
        return propose(cli, service, stream);
    const char *cursor = o.words[3];
    size_t length = strlen(stream);
    if (!wire_pattern_matches(WIRE_PATTERN_CURSOR, cursor, strlen(cursor)) ||
        strncmp(cursor, stream, length) != 0 || cursor[length] != ':')
        return usage_error("stream", "the cursor is %s:EPOCH:POSITION", stream);
    return rebase(cli, method, stream, cursor);
}

const struct command command_stream = {
    .name = "stream",
    .summary = "set where a stopped reader of a stream goes on",
    .help = "lujian stream rebase SERVICE STREAM [CURSOR]\n\n"
            "A service that finds its cursor in another epoch of a stream than it knew stops and "
            "raises an alarm: after a\n"
            "restore, or a failover to a standby that did not have every commit, positions may "
            "mean other facts. Nothing\n"
            "goes on by itself. Without CURSOR nothing is changed: it is shown up to which "
            "position the log is the one\n"
            "that SERVICE knew, and the command that would go on from there. With CURSOR, SERVICE "
            "follows STREAM from it:\n"
            "what lies between is skipped or taken in again, and every effect keeps its key, so "
            "nothing happens twice.\n",
    .run = run_stream,
};
