/* One request of a batch: what its answers mean, and when it may be sent again.
 *
 * Invariant: `unknown` once true stays so until an answer decides: a sending without an answer may
 * have had its effect. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS   1000
#define IN_PROGRESS_MS 100
#define PENALTY_MAX    64

void member_clear(struct member *member)
{
    problem_clear(&member->problem);
    if (member->complaint)
        protobuf_c_message_free_unpacked(&member->complaint->base, NULL);
    free(member->answer);
    free(member->body);
}

static void decide(struct member *member, enum lujian_error error)
{
    member->state = MEMBER_DECIDED;
    member->view.error = error;
    member->view.problem = error ? &member->problem.view : NULL;
}

static void again(struct member *member, struct link *from, uint32_t least_ms)
{
    bool first = member->pause_ms == 0;
    member->pause_ms = MIN_OF(MAX_OF(member->pause_ms * 2, PAUSE_FIRST_MS), PAUSE_MAX_MS);
    uint32_t pause = MAX_OF(member->pause_ms, least_ms);
    if (first && !least_ms && from && from->hub->link_count > 1)
        pause = 0; /* another replica may have room right now */
    member->state = MEMBER_WAITING;
    member->avoid = from;
    member->retry_ms = now_ms() + pause;
}

static void accept(struct member *member, struct answer *answer)
{
    const ResponseHead *head = answer->head;
    if (member->is_filing) {
        member->complaint = (void *)protobuf_c_message_unpack(
            &lujian__complaints__v1__complaint__descriptor, NULL, answer->body_size, answer->body);
        if (member->complaint)
            complaint_view(member->complaint, &member->view);
    } else {
        member->answer = malloc(answer->body_size ? answer->body_size : 1);
        if (member->answer && answer->body_size)
            memcpy(member->answer, answer->body, answer->body_size);
        member->answer_size = answer->body_size;
    }
    member->view.replayed = head->replayed;
    member->view.created = head->created;
    member->view.version = head->version;
    bool kept = member->complaint || member->answer;
    /* It is done, and what it made cannot be told: the same key asks again. */
    decide(member, kept ? LUJIAN_OK
                        : problem_set(&member->problem, LUJIAN_OUTCOME_UNKNOWN, "answer",
                                      "the answer was not understood, or there is no memory"));
}

void member_take(struct member *member, struct answer *answer)
{
    struct link *link = answer->link;
    member->id = 0;
    member->link = NULL;
    if (!answer->head->problem) {
        link->penalty = 0;
        accept(member, answer);
        return;
    }
    bool draining = strcmp(answer->head->problem->code, "draining") == 0;
    enum lujian_error error = problem_take(&member->problem, answer->head);
    answer->head = NULL;
    uint32_t hint_ms = member->problem.view.retry_after_ms;
    switch (error) {
    case LUJIAN_NOT_EXECUTED:
        link->draining |= draining;
        link->penalty = MIN_OF(link->penalty * 2 + 1, PENALTY_MAX);
        again(member, link, hint_ms);
        break;
    case LUJIAN_OUTCOME_UNKNOWN:
        member->unknown = true;
        again(member, link, hint_ms);
        break;
    case LUJIAN_IN_PROGRESS:
    case LUJIAN_RATE_LIMITED:
        again(member, NULL, MAX_OF(hint_ms, IN_PROGRESS_MS));
        break;
    default:
        decide(member, error);
    }
}

void member_lost(struct member *member)
{
    struct link *link = member->link;
    member->unknown = true;
    member->id = 0;
    member->link = NULL;
    problem_set(&member->problem, LUJIAN_OUTCOME_UNKNOWN, "link_lost",
                "%s was lost before it answered", link->door);
    again(member, link, 0);
}

void member_end(struct member *member, const struct hub *hub)
{
    enum lujian_error last = member->problem.view.error;
    if (member->state == MEMBER_OPEN)
        member->unknown = true;
    /* The last words of a peer, where they say no more and no less than what is known. */
    bool fits = last != LUJIAN_OK && last != LUJIAN_OUTCOME_UNKNOWN;
    if (member->unknown && (!fits || last == LUJIAN_NOT_EXECUTED))
        problem_set(&member->problem, LUJIAN_OUTCOME_UNKNOWN, "outcome_unknown",
                    "no answer in its time: it is done or not done");
    else if (!fits)
        hub_explain(hub, &member->problem);
    member->id = 0;
    member->link = NULL;
    decide(member, member->problem.view.error);
}

void member_restart(struct member *member)
{
    member->state = MEMBER_WAITING;
    member->unknown |= member->view.error == LUJIAN_OUTCOME_UNKNOWN;
    member->retry_ms = 0;
    member->pause_ms = 0;
    member->avoid = NULL;
    member->next = NULL;
    problem_clear(&member->problem);
}
