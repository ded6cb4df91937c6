/* The client: opened and closed, and requests one at a time. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static void on_answer(void *owner, struct answer *answer)
{
    struct lujian *client = owner;
    if (client->running)
        batch_answer(client->running, answer);
}

static void on_lost(void *owner, struct link *link)
{
    struct lujian *client = owner;
    if (client->running)
        batch_lost(client->running, link);
}

API enum lujian_error lujian_open(struct lujian **ret_client, const struct lujian_options *options,
                                  char ret_why[160])
{
    *ret_client = NULL;
    struct lujian *client = calloc(1, sizeof(*client));
    struct problem why = { 0 };
    enum lujian_error error;
    if (!client) {
        error = problem_set(&why, LUJIAN_NO_MEMORY, "no_memory", "no memory");
    } else {
        client->hub.on_answer = on_answer;
        client->hub.on_lost = on_lost;
        client->hub.owner = client;
        problem_clear(&client->problem);
        error = hub_open(&client->hub, options, &why);
    }
    if (error && ret_why)
        memcpy(ret_why, why.text, PROBLEM_TEXT_MAX);
    if (error)
        lujian_close(client);
    else
        *ret_client = client;
    return error;
}

API void lujian_close(struct lujian *client)
{
    if (!client)
        return;
    lujian_batch_free(client->one);
    hub_close(&client->hub);
    problem_clear(&client->problem);
    free(client);
}

API const struct lujian_problem *lujian_problem(const struct lujian *client)
{
    return &client->problem.view;
}

static enum lujian_error one_new(struct lujian *client)
{
    lujian_batch_free(client->one);
    client->one = NULL;
    problem_clear(&client->problem);
    return lujian_batch_new(&client->one, client);
}

/* The batch's own word is about what is left to do; the member's is what became of it. */
static enum lujian_error one_run(struct lujian *client, int timeout_ms)
{
    lujian_batch_run(client->one, timeout_ms);
    const struct member *member = batch_member(client->one, 0);
    if (member->view.error)
        problem_copy(&client->problem, &member->problem);
    return member->view.error;
}

API enum lujian_error lujian_file(struct lujian *client, const struct lujian_complaint *complaint,
                                  const char *key, int timeout_ms,
                                  const struct lujian_result **ret_result)
{
    if (ret_result)
        *ret_result = NULL;
    enum lujian_error error = one_new(client);
    if (!error)
        error = lujian_batch_add(client->one, complaint, key);
    if (error)
        return error;
    error = one_run(client, timeout_ms);
    if (ret_result)
        *ret_result = lujian_batch_result(client->one, 0);
    return error;
}

API enum lujian_error lujian_call(struct lujian *client, const struct lujian_request *request,
                                  int timeout_ms, const void **ret_body, size_t *ret_body_size)
{
    *ret_body = NULL;
    *ret_body_size = 0;
    enum lujian_error error = one_new(client);
    if (error)
        return error;
    if (request->size < sizeof(*request))
        return problem_set(&client->problem, LUJIAN_INVALID_ARGUMENT, "options",
                           "a request does not begin with LUJIAN_REQUEST_INIT");
    void *body = malloc(request->body_size ? request->body_size : 1);
    if (!body)
        return problem_set(&client->problem, LUJIAN_NO_MEMORY, "no_memory", "no memory");
    if (request->body_size)
        memcpy(body, request->body, request->body_size);
    error = batch_add(client->one, request->method, request->key, body, request->body_size,
                      request->if_version, false);
    if (!error)
        error = one_run(client, timeout_ms);
    if (error)
        return error;
    const struct member *member = batch_member(client->one, 0);
    *ret_body = member->answer;
    *ret_body_size = member->answer_size;
    return LUJIAN_OK;
}
