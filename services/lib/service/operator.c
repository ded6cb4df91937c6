/* What an operator does to consumers: look at dead letters, try them again, set a stopped cursor.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "log/consumer.h"
#include "lujian/bus/v1/node.lj.h"
#include "service/replica.h"

#define DEAD_LETTERS_MAX 1000 /* of an answer */

/* By what the database says: any replica may have parked them, or had them replayed. */
static void tell_parked(const struct request *rq, const char *stream, int64_t count)
{
    if (count > 0)
        alarm_raise(rq->service, "consumer_parked", stream,
                    arena_printf(rq->arena, "%lld events wait as dead letters", (long long)count));
    else
        alarm_clear(rq->service, "consumer_parked", stream);
}

int operator_consumers(struct request *rq, StatusResponse *out)
{
    struct consumer_status *rows;
    int count;
    int r = consumer_status_read(rq->pg, rq->arena, NULL, &rows, &count);
    if (r < 0)
        return r;
    out->consumers = arena_array(rq->arena, ConsumerStatus *, count);
    for (int i = 0; i < count; i++) {
        ConsumerStatus *c = wire_new(rq->arena, &consumer_status_rules);
        struct log_cursor cursor = { .epoch = rows[i].epoch, .position = rows[i].position };
        char *text = arena_alloc(rq->arena, LOG_CURSOR_TEXT_SIZE);
        snprintf(cursor.stream, sizeof(cursor.stream), "%s", rows[i].stream);
        log_cursor_format(&cursor, text);
        c->stream = (char *)rows[i].stream;
        c->cursor = text;
        c->position = rows[i].position;
        c->dead_letters = rows[i].dead_letters;
        c->stopped = rows[i].stopped;
        out->consumers[i] = c;
        tell_parked(rq, c->stream, rows[i].dead_letters);
    }
    out->n_consumers = (size_t)count;
    return 0;
}

static struct follower *find_stream(struct request *rq, const char *stream)
{
    struct follower *f = follow_find(rq->service, stream);
    if (!f)
        reject(rq, ERR_NOT_FOUND, "unknown_stream", "stream", "no such stream is followed here");
    return f;
}

int operator_list_dead_letters(struct request *rq, const void *message, void *response)
{
    const ListDeadLettersRequest *in = message;
    ListDeadLettersResponse *out = response;
    struct consumer_status *streams;
    int stream_count;
    int r = consumer_status_read(rq->pg, rq->arena, in->stream[0] ? in->stream : NULL, &streams,
                                 &stream_count);
    out->dead_letters = arena_array(rq->arena, DeadLetter *, DEAD_LETTERS_MAX);
    for (int i = 0; i < stream_count && r >= 0; i++) {
        struct dead_letter *letters;
        int count;
        r = dead_letter_list(rq->pg, rq->arena, streams[i].stream,
                             DEAD_LETTERS_MAX - (int)out->n_dead_letters, &letters, &count);
        for (int k = 0; k < count && r >= 0; k++) {
            DeadLetter *d = wire_new(rq->arena, &dead_letter_rules);
            d->stream = (char *)streams[i].stream;
            d->position = letters[k].position;
            d->subject = (char *)letters[k].subject;
            d->type = (char *)letters[k].type;
            d->attempts = (uint32_t)letters[k].attempts;
            d->error = (char *)letters[k].error;
            d->parked_at = letters[k].parked_at;
            out->dead_letters[out->n_dead_letters++] = d;
        }
    }
    return MIN(r, 0);
}

int operator_replay(struct request *rq, const void *message, void *response)
{
    const ReplayRequest *in = message;
    ReplayResponse *out = response;
    struct follower *f = find_stream(rq, in->stream);
    if (!f)
        return ERR_NOT_FOUND;
    struct dead_letter_replay done;
    int r = follow_replay(f, rq, in->subject, &done);
    if (r < 0)
        return r;
    log_line(LOG_WARN, "DEAD-LETTERS-REPLAYED", LF_TEXT("principal", rq->actor->id),
             LF_TEXT("stream", in->stream), LF_TEXT("subject", in->subject),
             LF_INT("replayed", done.replayed), LF_INT("parked", done.parked));
    out->replayed = (uint32_t)done.replayed;
    out->parked = (uint32_t)done.parked;
    return 0;
}

int operator_rebase(struct request *rq, const void *message, void *response)
{
    const RebaseRequest *in = message;
    RebaseResponse *out = response;
    struct log_cursor to, previous;
    struct follower *f = find_stream(rq, in->stream);
    if (!f)
        return ERR_NOT_FOUND;
    int r = log_cursor_parse(in->cursor, &to);
    if (r < 0 || strcmp(to.stream, in->stream) != 0)
        return reject(rq, ERR_INVALID_ARGUMENT, "bad_pattern", "cursor",
                      "a cursor of that stream is stream:epoch:position");
    r = consumer_rebase(rq->pg, rq->arena, &to, &previous);
    if (r < 0)
        return r;
    out->previous = arena_alloc(rq->arena, LOG_CURSOR_TEXT_SIZE);
    log_cursor_format(&previous, out->previous);
    log_line(LOG_WARN, "CURSOR-REBASED", LF_TEXT("principal", rq->actor->id),
             LF_TEXT("previous", out->previous), LF_TEXT("cursor", in->cursor));
    follow_wake(f);
    return 0;
}
