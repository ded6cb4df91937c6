/* Structured log: one JSON object a line on standard error.
 *
 * Values are ids, codes, counts and times. Never pass a name, a phone, a title or a text: messages
 * from the contract are never logged whole, so a (personal) field has no way in. */
#ifndef LUJIAN_BASE_LOG_H
#define LUJIAN_BASE_LOG_H

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_KIND_END, LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_REAL, LOG_KIND_BOOL };

struct log_field {
    const char *name;
    enum log_kind kind;
    const char *text;
    int64_t integer;
    double real;
};

#define LF_TEXT(n, v) ((struct log_field){ .name = (n), .kind = LOG_KIND_TEXT, .text = (v) })
#define LF_INT(n, v)                                                                               \
    ((struct log_field){ .name = (n), .kind = LOG_KIND_INT, .integer = (int64_t)(v) })
#define LF_REAL(n, v) ((struct log_field){ .name = (n), .kind = LOG_KIND_REAL, .real = (v) })
#define LF_BOOL(n, v)                                                                              \
    ((struct log_field){ .name = (n), .kind = LOG_KIND_BOOL, .integer = (v) ? 1 : 0 })
#define LF_END ((struct log_field){ .kind = LOG_KIND_END })

/* `service` and `instance` are added to every line. */
void log_init(const char *service, const char *instance, enum log_level level);
void log_fields(enum log_level level, const char *message, const struct log_field *fields);
/* log_line(LOG_INFO, "REQ-DONE", LF_TEXT("method", m), LF_INT("us", us)); */
#define log_line(level, message, ...)                                                              \
    log_fields((level), (message), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ) LF_END })
/* Logs the thread's last error with a message. */
void log_error_last(enum log_level level, const char *message);

#endif
