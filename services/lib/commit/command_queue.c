/* The committers' queue: bounded by its owner, scanned in order of arrival.
 *
 * Invariant: commands in flight share no name (key, matter, subject), so no member of a batch waits
 * for another of this process, and a command that was passed over keeps its place. */
#include "commit/command_queue.h"

#include "base/util.h"

void command_list_add(struct command_list *l, struct command *c)
{
    c->next = NULL;
    if (l->last)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
    l->length++;
}

/* Unlinks the command at *at, whose predecessor is `previous` (NULL = it is the first). */
static struct command *list_take(struct command_list *l, struct command **at,
                                 struct command *previous)
{
    struct command *c = *at;
    *at = c->next;
    if (l->last == c)
        l->last = previous;
    l->length--;
    c->next = NULL;
    return c;
}

struct command *command_list_take_first(struct command_list *l)
{
    return l->first ? list_take(l, &l->first, NULL) : NULL;
}

static uint8_t *busy_slot(struct command_queue *q, uint64_t name)
{
    return &q->busy[name & (COMMAND_NAME_SLOTS - 1)];
}

static bool names_free(struct command_queue *q, const struct command *c)
{
    for (int i = 0; i < COMMAND_NAMES; i++) {
        if (*busy_slot(q, c->names[i]))
            return false;
    }
    return true;
}

static void names_count(struct command_queue *q, const struct command *c, int by)
{
    for (int i = 0; i < COMMAND_NAMES; i++) {
        uint8_t *slot = busy_slot(q, c->names[i]);
        *slot = (uint8_t)(*slot + by);
    }
}

int command_queue_length(const struct command_queue *q)
{
    return q->ready.length + q->later.length;
}

static void crowd_count(struct command_queue *q, int64_t now_us)
{
    int64_t spans = (now_us - q->crowd_since_us) / (COMMAND_CROWD_MS * 1000);
    if (spans > 0) {
        q->crowd_before = spans == 1 ? q->crowd : 0;
        q->crowd = 0;
        q->crowd_since_us = now_us;
    }
    q->crowd = MAX(q->crowd, q->ready.length + q->in_flight);
}

void command_queue_add(struct command_queue *q, struct command *c)
{
    command_list_add(&q->ready, c);
    crowd_count(q, c->submitted_us);
}

void command_queue_add_later(struct command_queue *q, struct command *c, int64_t now_ms,
                             int64_t wait_ms)
{
    c->not_before_ms = now_ms + wait_ms;
    command_list_add(&q->later, c);
}

void command_queue_promote(struct command_queue *q, int64_t now_ms)
{
    struct command *previous = NULL;
    for (struct command **at = &q->later.first; *at;) {
        if ((*at)->not_before_ms <= now_ms) {
            command_list_add(&q->ready, list_take(&q->later, at, previous));
        } else {
            previous = *at;
            at = &(*at)->next;
        }
    }
}

int64_t command_queue_later_ms(const struct command_queue *q)
{
    int64_t soonest = INT64_MAX;
    for (const struct command *c = q->later.first; c; c = c->next)
        soonest = MIN(soonest, c->not_before_ms);
    return soonest;
}

/* How long the first that is ready is kept waiting for company. */
static int64_t patience_us(const struct command_queue *q)
{
    int64_t most_us = COMMAND_PATIENCE_MS * INT64_C(1000);
    return q->in_flight ? most_us
                        : MIN(MAX(q->took_us, COMMAND_GATHER_MS * INT64_C(1000)), most_us);
}

int64_t command_queue_patience_ms(const struct command_queue *q)
{
    const struct command *first = q->ready.first;
    return first ? (first->submitted_us + patience_us(q)) / 1000 + 1 : INT64_MAX;
}

bool command_queue_may_start(const struct command_queue *q, int64_t now_us)
{
    int ready = q->ready.length;
    if (ready == 0)
        return false;
    bool worth = q->in_flight ? ready >= COMMAND_WORTH && ready * 3 >= q->in_flight
                              : ready >= MIN(COMMAND_WORTH, MAX(q->crowd, q->crowd_before));
    return worth || now_us - q->ready.first->submitted_us >= patience_us(q);
}

int command_queue_take(struct command_queue *q, struct command *members[BATCH_MEMBERS_MAX])
{
    int count = 0;
    size_t bytes = 0;
    struct command *previous = NULL;
    for (struct command **at = &q->ready.first; *at && count < BATCH_MEMBERS_MAX;) {
        struct command *c = *at;
        if (count && bytes + c->bytes > BATCH_BYTES_MAX)
            break;
        if (names_free(q, c)) {
            members[count++] = list_take(&q->ready, at, previous);
            names_count(q, c, 1);
            bytes += c->bytes;
        } else {
            previous = c;
            at = &c->next;
        }
    }
    q->in_flight += count;
    return count;
}

void command_queue_release(struct command_queue *q, const struct command *c)
{
    names_count(q, c, -1);
    q->in_flight--;
}

void command_list_take_expired(struct command_list *l, int64_t now_ms, struct command_list *expired)
{
    struct command *previous = NULL;
    for (struct command **at = &l->first; *at;) {
        if ((*at)->deadline_ms <= now_ms) {
            command_list_add(expired, list_take(l, at, previous));
        } else {
            previous = *at;
            at = &(*at)->next;
        }
    }
}

void command_queue_take_expired(struct command_queue *q, int64_t now_ms,
                                struct command_list *expired)
{
    command_list_take_expired(&q->ready, now_ms, expired);
    command_list_take_expired(&q->later, now_ms, expired);
}
