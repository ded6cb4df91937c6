/* lujian clocks: what a corrected calendar would move in a service's open clocks, and the decision
 * that it shall. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "base/util.h"
#include "cli.h"
#include "lujian/clock/v1/clock.lj.h"
#include "json/json.h"

#define DRY_RUN_BUDGET_MS 300000u /* it reads every clock of the service */

static const struct method_info *method_of(struct cli *cli, const char *service, const char *name)
{
    return contract_method(arena_printf(&cli->arena, "%s.%s", service, name));
}

static const char *instant_text(struct cli *cli, int64_t at)
{
    char text[TIME_TEXT_SIZE];
    if (!at)
        return "-";
    instant_format(at, text);
    return arena_strdup(&cli->arena, text);
}

static void print_changes(struct cli *cli, const RecomputeResponse *out)
{
    static const char *const titles[] = { "KIND", "DIVISION", "SUBJECT", "CLOCK",
                                          "DUE",  "NEW DUE",  "STAYS" };
    struct table *table = table_new(&cli->arena, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < out->n_changes; i++) {
        const DueChange *change = out->changes[i];
        const char *cells[] = {
            clock_kind_names[change->kind],
            change->division,
            change->subject,
            change->clock_id,
            instant_text(cli, change->old_due_at),
            instant_text(cli, change->new_due_at),
            *change->note ? change->note : "-",
        };
        table_add(table, cells);
    }
    if (out->n_changes)
        table_print(table, stdout);
}

static void print_decision(struct cli *cli, const ClockDecision *d)
{
    printf("calendar position %lld: decided by %s at %s, ", (long long)d->calendar_position,
           d->decided_by, instant_text(cli, d->decided_at));
    if (d->settled_at)
        printf("carried out by %s\n", instant_text(cli, d->settled_at));
    else
        puts("being carried out");
}

static void print_sums(struct cli *cli, const char *service, const RecomputeResponse *out)
{
    int64_t differ = out->moving + out->breached + out->not_before_now + out->failing;
    if (differ > (int64_t)out->n_changes)
        printf("... and %lld more\n", (long long)differ - (long long)out->n_changes);
    printf(
        "%lld open clocks were counted by an older calendar: %lld would move, %lld stay breached, "
        "%lld stay because the new date has passed, %lld cannot be counted\n",
        (long long)out->older, (long long)out->moving, (long long)out->breached,
        (long long)out->not_before_now, (long long)out->failing);
    if (out->last)
        print_decision(cli, out->last);
    if (out->moving)
        printf("nothing was changed; to move them: lujian clocks recompute %s --apply %lld\n",
               service, (long long)out->calendar_position);
    else
        printf("the calendar is at position %lld\n", (long long)out->calendar_position);
}

static void print_json(const struct message_rules *rules, const void *message)
{
    struct buf text;
    buf_init(&text, 0);
    json_from_message(rules, message, &text);
    puts(buf_text(&text));
    buf_clear(&text);
}

static int dry_run(struct cli *cli, struct session *session, const char *service, bool json)
{
    RecomputeRequest *in = wire_new(&cli->arena, &recompute_request_rules);
    struct rpc call = { .method = method_of(cli, service, "recompute"),
                        .in = &in->base,
                        .budget_ms = DRY_RUN_BUDGET_MS };
    struct rpc_answer answer;
    if (session_call(session, &cli->arena, &call, &answer) < 0)
        return EXIT_FAILED;
    if (json) {
        print_json(call.method->response, answer.out);
        return EXIT_DONE;
    }
    print_changes(cli, answer.out);
    print_sums(cli, service, answer.out);
    return EXIT_DONE;
}

static int apply(struct cli *cli, struct session *session, const char *service, int64_t position,
                 bool json)
{
    ApplyRecomputeRequest *in = wire_new(&cli->arena, &apply_recompute_request_rules);
    in->calendar_position = position;
    struct rpc call = { .method = method_of(cli, service, "apply_recompute"), .in = &in->base };
    struct rpc_answer answer;
    if (session_call(session, &cli->arena, &call, &answer) < 0)
        return EXIT_FAILED;
    const ApplyRecomputeResponse *out = answer.out;
    if (json)
        print_json(call.method->response, out);
    else
        print_decision(cli, out->decision);
    return EXIT_DONE;
}

/* 0 = it is none. */
static int64_t position_of(const char *text)
{
    errno = 0;
    int64_t position = strtoll(text, NULL, 10);
    return errno == 0 && *text && strspn(text, "0123456789") == strlen(text) ? position : 0;
}

static int run_clocks(struct cli *cli, int argc, char **argv)
{
    struct option_spec specs[] = { { .name = "apply" }, { .name = "json", .flag = true }, { 0 } };
    struct options o;
    if (options_parse(cli, argc, argv, specs, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count != 2 || strcmp(o.words[0], "recompute") != 0)
        return usage_error("clocks", "use `recompute SERVICE [--apply POSITION]`");
    const char *service = o.words[1];
    const char *position = option_value(&o, "apply");
    if (!method_of(cli, service, "recompute"))
        return usage_error("clocks", "there is no service %s", service);
    if (position && !position_of(position))
        return usage_error("clocks", "--apply takes the position that the dry run has shown");
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    bool json = option_given(&o, "json");
    int code = position ? apply(cli, session, service, position_of(position), json)
                        : dry_run(cli, session, service, json);
    session_close(session);
    return code;
}

const struct command command_clocks = {
    .name = "clocks",
    .summary = "what a corrected calendar would move, and the decision that it shall",
    .help =
        "lujian clocks recompute SERVICE [--json]\n"
        "lujian clocks recompute SERVICE --apply POSITION [--json]\n\n"
        "A notice that corrects an announced year leaves open clocks where they are. The first "
        "form "
        "shows which of\n"
        "them the calendar, as it is now, would give another due date, up to 500 of them, and "
        "changes "
        "nothing. The\n"
        "second decides, with the calendar position that was shown, that they move: whichever "
        "replica "
        "finds them\n"
        "recomputes them, in the same term, each told by clock.recomputed.v1. A breached clock "
        "never "
        "moves, no date\n"
        "moves to before now. Refused where the calendar has moved since. Provisional clocks need "
        "none of this:\n"
        "they follow a notice by themselves.\n",
    .run = run_clocks,
};
