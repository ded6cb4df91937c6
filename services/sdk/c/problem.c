/* Problems: a peer's, whose texts live in its answer's head, or the library's own. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define NAMED(name)                                                                                \
    {                                                                                              \
        LUJIAN_##name, #name                                                                       \
    }

static const struct {
    enum lujian_error error;
    const char *name;
} names[] = {
    NAMED(OK),
    NAMED(INVALID_ARGUMENT),
    NAMED(UNPROCESSABLE),
    NAMED(UNAUTHENTICATED),
    NAMED(PERMISSION_DENIED),
    NAMED(NOT_FOUND),
    NAMED(REFUSED),
    NAMED(IN_PROGRESS),
    NAMED(VERSION_MISMATCH),
    NAMED(TOO_LARGE),
    NAMED(UNSUPPORTED),
    NAMED(RATE_LIMITED),
    NAMED(NOT_EXECUTED),
    NAMED(OUTCOME_UNKNOWN),
    NAMED(INTERNAL),
    NAMED(CURSOR_MISMATCH),
    NAMED(AGAIN),
    NAMED(NO_MEMORY),
    NAMED(SYSTEM),
};

_Static_assert((int)LUJIAN_CURSOR_MISMATCH == (int)ERROR_CODE_CURSOR_MISMATCH &&
                   (int)LUJIAN_INTERNAL == (int)ERROR_CODE_INTERNAL &&
                   (int)LUJIAN_NOT_EXECUTED == (int)ERROR_CODE_NOT_EXECUTED &&
                   (int)LUJIAN_INVALID_ARGUMENT == (int)ERROR_CODE_INVALID_ARGUMENT,
               "the header's numbers are the wire's");

API const char *lujian_version(void)
{
    return LUJIAN_VERSION;
}

API const char *lujian_error_name(enum lujian_error error)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].error == error)
            return names[i].name;
    return "INTERNAL"; /* WIRE.md, "Errors": what is not known */
}

API bool lujian_error_is_retryable(enum lujian_error error)
{
    switch (error) {
    case LUJIAN_IN_PROGRESS:
    case LUJIAN_RATE_LIMITED:
    case LUJIAN_NOT_EXECUTED:
    case LUJIAN_OUTCOME_UNKNOWN:
    case LUJIAN_INTERNAL:
    case LUJIAN_AGAIN:
    case LUJIAN_NO_MEMORY:
    case LUJIAN_SYSTEM:
        return true;
    default:
        return false;
    }
}

/* A text is never NULL, so that nobody has to ask. */
static void view_clear(struct lujian_problem *view, enum lujian_error error, const char *code)
{
    *view = (struct lujian_problem){ .error = error,
                                     .code = code,
                                     .detail_zh = "",
                                     .detail_en = "",
                                     .basis_zh = "",
                                     .basis_en = "",
                                     .state = "",
                                     .field = "" };
}

void problem_clear(struct problem *problem)
{
    if (problem->head)
        protobuf_c_message_free_unpacked(&problem->head->base, NULL);
    problem->head = NULL;
    problem->text[0] = 0;
    view_clear(&problem->view, LUJIAN_OK, "");
}

enum lujian_error problem_set(struct problem *problem, enum lujian_error error, const char *code,
                              const char *format, ...)
{
    char text[PROBLEM_TEXT_MAX]; /* an argument may be the text that is replaced */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problem_clear(problem);
    memcpy(problem->text, text, sizeof(text));
    view_clear(&problem->view, error, code);
    problem->view.detail_en = problem->text;
    return error;
}

/* WIRE.md, "Errors": 15 is not used, what is not known is INTERNAL. */
static enum lujian_error error_of(const Problem *p)
{
    int number = (int)p->error;
    bool known = number >= LUJIAN_INVALID_ARGUMENT && number <= LUJIAN_CURSOR_MISMATCH &&
                 number != LUJIAN_INTERNAL + 1;
    return known ? (enum lujian_error)number : LUJIAN_INTERNAL;
}

enum lujian_error problem_take(struct problem *problem, ResponseHead *head)
{
    problem_clear(problem);
    problem->head = head;
    const Problem *p = head->problem;
    problem->view = (struct lujian_problem){
        .error = error_of(p),
        .code = p->code,
        .detail_zh = p->detail_zh,
        .detail_en = p->detail_en,
        .basis_zh = p->basis_zh,
        .basis_en = p->basis_en,
        .state = p->state,
        .allowed = (const char *const *)p->allowed,
        .allowed_count = p->n_allowed,
        .field = p->field,
        .retry_after_ms = p->retry_after_ms,
    };
    return problem->view.error;
}

enum lujian_error problem_copy(struct problem *to, const struct problem *from)
{
    if (!from->head)
        return problem_set(to, from->view.error, from->view.code, "%s", from->text);
    size_t size;
    void *bytes = message_pack(&from->head->base, &size);
    ResponseHead *head =
        bytes ? (void *)protobuf_c_message_unpack(from->head->base.descriptor, NULL, size, bytes)
              : NULL;
    free(bytes);
    if (!head)
        return problem_set(to, from->view.error, "no_memory", "no memory for its reason");
    return problem_take(to, head);
}
