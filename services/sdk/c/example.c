/* A hotline centre's side of Lujian in a page: files a complaint, or follows what supervision
 * raises.
 *
 *   cc example.c $(pkg-config --cflags --libs lujian) -o example
 *
 *   ./example file EXTERNAL_ID DIVISION TITLE TEXT [PHONE]
 *   ./example follow CURSOR_FILE [COUNT]
 *
 * Who we are and whom we talk to stands in the environment, all of it from the operator:
 *   LUJIAN_PUBLIC_KEY, LUJIAN_SECRET_KEY    our key pair (`lujian keygen`)
 *   LUJIAN_SOURCE                           our centre's code
 *   LUJIAN_COMPLAINTS, LUJIAN_SUPERVISION   replicas: "tcp://host:port KEY tcp://host:port KEY ..."
 *
 * Ends with 0 when it is done, 1 when it is refused, 75 when the same may be tried again, as it is.
 * Synthetic people only: nothing here is anybody's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lujian/lujian.h>

#define TRY_AGAIN 75

static volatile sig_atomic_t leaving;

static void leave(int number)
{
    (void)number;
    leaving = 1;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return value;
}

/* Cuts the list, a copy of the variable, into endpoints. */
static size_t endpoints_read(char *list, struct lujian_endpoint *endpoints)
{
    size_t count = 0;
    char *rest = list;
    for (char *door; count < LUJIAN_ENDPOINTS_MAX && (door = strtok_r(rest, " ", &rest)); count++) {
        endpoints[count].door = door;
        endpoints[count].server_key = strtok_r(rest, " ", &rest);
    }
    return count;
}

static void options_read(struct lujian_options *options, const char *service, const char *variable,
                         struct lujian_endpoint *endpoints, char *list, size_t size)
{
    snprintf(list, size, "%s", environment(variable));
    options->service = service;
    options->endpoints = endpoints;
    options->endpoint_count = endpoints_read(list, endpoints);
    options->public_key = environment("LUJIAN_PUBLIC_KEY");
    options->secret_key = environment("LUJIAN_SECRET_KEY");
}

/* The legal basis and the Chinese text are for the person at the desk; the code is for programs. */
static int explain(const struct lujian_problem *why)
{
    fprintf(stderr, "%s %s %s: %s %s\n", lujian_error_name(why->error), why->code, why->field,
            *why->detail_zh ? why->detail_zh : why->detail_en, why->basis_zh);
    return lujian_error_is_retryable(why->error) ? TRY_AGAIN : 1;
}

static int file(int argc, char **argv)
{
    struct lujian_endpoint endpoints[LUJIAN_ENDPOINTS_MAX];
    struct lujian_options options = LUJIAN_OPTIONS_INIT;
    struct lujian_complaint complaint = LUJIAN_COMPLAINT_INIT;
    const struct lujian_result *result;
    struct lujian *client;
    char list[4096], why[160];

    options_read(&options, "complaints", "LUJIAN_COMPLAINTS", endpoints, list, sizeof(list));
    if (lujian_open(&client, &options, why) != LUJIAN_OK) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    complaint.source = environment("LUJIAN_SOURCE");
    complaint.external_id = argv[2];
    complaint.division = argv[3];
    complaint.title = argv[4];
    complaint.text = argv[5];
    complaint.channel = LUJIAN_CHANNEL_PHONE;
    complaint.type = LUJIAN_TYPE_COMPLAINT;
    complaint.caller_phone = argc > 6 ? argv[6] : "";
    complaint.caller_wants_reply = argc > 6;

    /* Our own number is a good key: whatever happens to us, the same complaint has the same. */
    int status = 0;
    if (lujian_file(client, &complaint, argv[2], 10000, &result) == LUJIAN_OK)
        printf("%s %s %s%s\n", result->order_no, result->id, result->unit,
               result->replayed ? " replayed" : "");
    else
        status = explain(lujian_problem(client));
    lujian_close(client);
    return status;
}

static void tell(const struct lujian_event *event)
{
    const struct lujian_escalation *e = event->escalation;
    printf("%s %s", event->cursor, event->type);
    if (e && e->kind == LUJIAN_CARD)
        printf(" %s card of %s, for %s", e->color == LUJIAN_COLOR_RED ? "red" : "yellow",
               e->complaint_id, e->unit);
    else if (e)
        printf(" order of %s, for %s, by %s", e->complaint_id, e->unit, e->body);
    printf("\n");
    fflush(stdout);
}

static int follow(int argc, char **argv)
{
    static const char *const types[] = { "card.raised.v1", "order.issued.v1",
                                         "order.escalated.v1" };
    struct lujian_endpoint endpoints[LUJIAN_ENDPOINTS_MAX];
    struct lujian_options options = LUJIAN_OPTIONS_INIT;
    struct lujian_feed_options what = LUJIAN_FEED_OPTIONS_INIT;
    const struct lujian_event *event;
    struct lujian_feed *feed;
    enum lujian_error error = LUJIAN_OK;
    char list[4096], why[160];
    long left = argc > 3 ? strtol(argv[3], NULL, 10) : -1;

    options_read(&options, "supervision", "LUJIAN_SUPERVISION", endpoints, list, sizeof(list));
    what.types = types;
    what.type_count = sizeof(types) / sizeof(types[0]);
    what.cursor_path = argv[2];
    if (lujian_feed_open(&feed, &options, &what, why) != LUJIAN_OK) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    while (!leaving && left != 0) {
        error = lujian_feed_next(feed, 1000, &event);
        if (error == LUJIAN_AGAIN)
            continue; /* nothing yet */
        if (error != LUJIAN_OK)
            break;
        tell(event); /* what has to be done about it; asking for the next says that it is done */
        if (left > 0)
            left--;
    }
    int status = 0;
    if (error != LUJIAN_OK && error != LUJIAN_AGAIN)
        status = explain(lujian_feed_problem(feed));
    else if (lujian_feed_done(feed) != LUJIAN_OK)
        status = explain(lujian_feed_problem(feed));
    lujian_feed_close(feed);
    return status;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = leave };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "file") == 0)
        return file(argc, argv);
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "follow") == 0)
        return follow(argc, argv);
    fprintf(stderr, "usage: example file EXTERNAL_ID DIVISION TITLE TEXT [PHONE]\n"
                    "       example follow CURSOR_FILE [COUNT]\n");
    return 2;
}
