/* Errors: one table of codes with what each means on the wire, over HTTP, and to the caller.
 *
 * Functions return 0 or a count on success and a negative `enum err` value on failure. The detail
 * (a text, an SQLSTATE, an errno) is kept per thread: set once where the failure arises, given a
 * phrase by the layers above, read by whoever answers or logs it. */
#ifndef LUJIAN_BASE_ERR_H
#define LUJIAN_BASE_ERR_H

#include <stdbool.h>

enum err {
    ERR_INVALID_ARGUMENT = -1, /* shape: a field missing, malformed, out of range */
    ERR_UNPROCESSABLE =
        -2, /* well-formed, but names what is not there (category, division) or conflicts */
    ERR_UNAUTHENTICATED = -3,   /* no or unknown credentials */
    ERR_PERMISSION_DENIED = -4, /* a method, division or source that is not the caller's */
    ERR_NOT_FOUND = -5, /* absent, or out of the caller's scope: the two are not told apart */
    ERR_REFUSED = -6,   /* the state forbids it; carries a reason code, texts and legal basis */
    ERR_IN_PROGRESS =
        -7, /* the same key or row is being worked on; retry later with the same key */
    ERR_VERSION_MISMATCH = -8, /* If-Match named another version */
    ERR_TOO_LARGE = -9,        /* a body, frame or field over its limit */
    ERR_UNSUPPORTED = -10,     /* unknown method or media type */
    ERR_RATE_LIMITED = -11,    /* over the principal's rate; retry later */
    ERR_NOT_EXECUTED =
        -12, /* certainly not done (queue full, draining, expired while queued); safe to resend */
    ERR_OUTCOME_UNKNOWN = -13, /* may be done; resend with the same key */
    ERR_INTERNAL = -14,        /* a defect or a broken dependency; retry later with the same key */
    ERR_AGAIN =
        -15, /* internal: not now (would block, serialization failure); never leaves a process */
    ERR_CURSOR_MISMATCH = -16, /* the cursor belongs to another epoch of the stream */
};

enum err_advice { ADVICE_DO_NOT_RETRY, ADVICE_RETRY_LATER, ADVICE_RETRY_SAME_KEY };

struct err_info {
    int code;         /* enum err */
    const char *name; /* stable lower_snake name: the default `code` of an answer */
    int rpc_status;   /* google.rpc.Code */
    int http_status;  /* RFC 9110 */
    enum err_advice advice;
};

/* Never NULL: an unknown code is described as ERR_INTERNAL. */
const struct err_info *err_info(int code);

#define ERR_TEXT_MAX   512
#define ERR_REASON_MAX 48

struct err_detail {
    int code;
    char reason[ERR_REASON_MAX]; /* stable lower_snake code of an answer; "" = the table's name */
    char text[ERR_TEXT_MAX];     /* English, for logs and problem details; never personal data */
    char sqlstate[6];            /* "" if none */
    int os_errno;                /* 0 if none */
};

/* Records a failure of this thread and returns `code`. */
int err_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with a stable reason code. */
int err_set_reason(int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with errno's name and text appended. */
int err_errno(int code, int os_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts a phrase ("lock complaint X") before the recorded text and returns `code`. */
int err_wrap(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes a detail that was kept (or put together, as with an SQLSTATE) this thread's last failure;
 * returns its code. */
int err_restore(const struct err_detail *detail);
/* The last failure recorded by this thread; never NULL. */
const struct err_detail *err_last(void);
void err_clear(void);

/* A bug crashes, in production too: the supervisor restarts the process and the log makes that
 * safe. */
#define assert_always(condition)                                                                   \
    ((condition) ? (void)0 : err_assert_failed(#condition, __FILE__, __LINE__, __func__))
_Noreturn void err_assert_failed(const char *condition, const char *file, int line,
                                 const char *function);

#endif
