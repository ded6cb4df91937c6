/* The table of error codes and the per-thread detail of the last failure. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "base/util.h"

/* google.rpc.Code */
enum {
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_ABORTED = 10,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_UNAUTHENTICATED = 16,
};

#define INTERNAL                                                                                   \
    {                                                                                              \
        ERR_INTERNAL, "internal", RPC_INTERNAL, 500, ADVICE_RETRY_SAME_KEY                         \
    }

/* Indexed by -code; slot 0 stands for every code that the table does not know. */
static const struct err_info err_table[] = {
    [0] = INTERNAL,
    [-ERR_INVALID_ARGUMENT] = { ERR_INVALID_ARGUMENT, "invalid_argument", RPC_INVALID_ARGUMENT, 400,
                                ADVICE_DO_NOT_RETRY },
    [-ERR_UNPROCESSABLE] = { ERR_UNPROCESSABLE, "unprocessable", RPC_INVALID_ARGUMENT, 422,
                             ADVICE_DO_NOT_RETRY },
    [-ERR_UNAUTHENTICATED] = { ERR_UNAUTHENTICATED, "unauthenticated", RPC_UNAUTHENTICATED, 401,
                               ADVICE_DO_NOT_RETRY },
    [-ERR_PERMISSION_DENIED] = { ERR_PERMISSION_DENIED, "permission_denied", RPC_PERMISSION_DENIED,
                                 403, ADVICE_DO_NOT_RETRY },
    [-ERR_NOT_FOUND] = { ERR_NOT_FOUND, "not_found", RPC_NOT_FOUND, 404, ADVICE_DO_NOT_RETRY },
    [-ERR_REFUSED] = { ERR_REFUSED, "refused", RPC_FAILED_PRECONDITION, 409, ADVICE_DO_NOT_RETRY },
    [-ERR_IN_PROGRESS] = { ERR_IN_PROGRESS, "in_progress", RPC_ABORTED, 409,
                           ADVICE_RETRY_SAME_KEY },
    [-ERR_VERSION_MISMATCH] = { ERR_VERSION_MISMATCH, "version_mismatch", RPC_ABORTED, 412,
                                ADVICE_DO_NOT_RETRY },
    [-ERR_TOO_LARGE] = { ERR_TOO_LARGE, "too_large", RPC_INVALID_ARGUMENT, 413,
                         ADVICE_DO_NOT_RETRY },
    [-ERR_UNSUPPORTED] = { ERR_UNSUPPORTED, "unsupported", RPC_UNIMPLEMENTED, 415,
                           ADVICE_DO_NOT_RETRY },
    [-ERR_RATE_LIMITED] = { ERR_RATE_LIMITED, "rate_limited", RPC_RESOURCE_EXHAUSTED, 429,
                            ADVICE_RETRY_LATER },
    [-ERR_NOT_EXECUTED] = { ERR_NOT_EXECUTED, "not_executed", RPC_UNAVAILABLE, 503,
                            ADVICE_RETRY_LATER },
    [-ERR_OUTCOME_UNKNOWN] = { ERR_OUTCOME_UNKNOWN, "outcome_unknown", RPC_DEADLINE_EXCEEDED, 504,
                               ADVICE_RETRY_SAME_KEY },
    [-ERR_INTERNAL] = INTERNAL,
    [-ERR_AGAIN] = { ERR_AGAIN, "again", RPC_ABORTED, 500, ADVICE_RETRY_LATER },
    [-ERR_CURSOR_MISMATCH] = { ERR_CURSOR_MISMATCH, "cursor_mismatch", RPC_FAILED_PRECONDITION, 409,
                               ADVICE_DO_NOT_RETRY },
};

static _Thread_local struct err_detail last;

const struct err_info *err_info(int code)
{
    if (code >= 0 || code <= -(int)ARRAY_LEN(err_table))
        return &err_table[0];
    return &err_table[-code];
}

/* A text that was cut may end inside a character: takes that away, so that it can be put into JSON.
 */
static void trim_cut(char text[ERR_TEXT_MAX])
{
    size_t length = strlen(text);
    if (length < ERR_TEXT_MAX - 1)
        return;
    size_t tail = 0;
    while (tail < 3 && ((unsigned char)text[length - tail - 1] & 0xc0) == 0x80)
        tail++;
    const char *start = text + length - tail - 1;
    uint32_t code;
    if (!utf8_decode(start, tail + 1, &code))
        text[start - text] = '\0';
}

static void append(char text[ERR_TEXT_MAX], const char *more)
{
    size_t length = strlen(text);
    size_t size = strnlen(more, ERR_TEXT_MAX - 1 - length);
    memcpy(text + length, more, size);
    text[length + size] = '\0';
    trim_cut(text);
}

/* Formats into a buffer apart, because the arguments may point into `last` itself. */
static void record(int code, const char *reason, int os_errno, const char *format, va_list args)
{
    struct err_detail detail = { .code = code, .os_errno = os_errno };
    vsnprintf(detail.text, sizeof(detail.text), format, args);
    trim_cut(detail.text);
    snprintf(detail.reason, sizeof(detail.reason), "%s", reason);
    last = detail;
}

int err_set(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(code, "", 0, format, args);
    va_end(args);
    return code;
}

int err_set_reason(int code, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(code, reason, 0, format, args);
    va_end(args);
    return code;
}

int err_errno(int code, int os_errno, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(code, "", os_errno, format, args);
    va_end(args);

    const char *name = strerrorname_np(os_errno);
    const char *text = strerrordesc_np(os_errno);
    append(last.text, ": ");
    append(last.text, name ? name : "errno");
    append(last.text, ", ");
    append(last.text, text ? text : "unknown");
    return code;
}

int err_wrap(int code, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    /* A reason belongs to the code that it was recorded with. */
    if (last.code != code)
        last.reason[0] = '\0';
    last.code = code;

    if (last.text[0]) {
        append(text, ": ");
        append(text, last.text);
    }
    trim_cut(text);
    memcpy(last.text, text, sizeof(last.text));
    return code;
}

int err_restore(const struct err_detail *detail)
{
    struct err_detail copy = *detail; /* it may be the last failure itself */
    last = copy;
    return last.code;
}

const struct err_detail *err_last(void)
{
    return &last;
}

void err_clear(void)
{
    memset(&last, 0, sizeof(last));
}

void err_assert_failed(const char *condition, const char *file, int line, const char *function)
{
    log_line(LOG_ERROR, "ASSERT-FAILED", LF_TEXT("condition", condition), LF_TEXT("file", file),
             LF_INT("line", line), LF_TEXT("function", function));
    abort();
}
