/* Structured log: each line is built in one buffer on the stack and leaves in one write(2).
 *
 * Nothing is allocated, so that a failed assertion can still be told. A field that does not fit is
 * left out and the line says so. errno is kept. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/utf8.h"

#define LOG_LINE_MAX 8192
#define LOG_TEXT_MAX 1024 /* of one value, before escaping */
#define LOG_TAIL_MAX 32   /* room kept for what closes a cut line */

static char log_service[64] = "lujian";
static char log_instance[64];
static enum log_level log_level_min = LOG_INFO;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

struct line {
    char text[LOG_LINE_MAX];
    size_t size;
    bool full;
};

void log_init(const char *service, const char *instance, enum log_level level)
{
    snprintf(log_service, sizeof(log_service), "%s", service);
    snprintf(log_instance, sizeof(log_instance), "%s", instance);
    log_level_min = level;
}

static void line_add(struct line *l, const char *text, size_t length)
{
    if (l->full || length > sizeof(l->text) - LOG_TAIL_MAX - l->size) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->size, text, length);
    l->size += length;
}

static void line_add_char(struct line *l, char c)
{
    line_add(l, &c, 1);
}

/* A JSON string (RFC 8259): quotes, backslashes and controls escaped, malformed UTF-8 replaced by
 * U+FFFD. */
static void line_add_string(struct line *l, const char *text)
{
    size_t length = strnlen(text, LOG_TEXT_MAX);
    line_add_char(l, '"');
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t code;
        size_t used = utf8_decode(text + i, length - i, &code);
        if (!used) {
            line_add(l, "\xef\xbf\xbd", 3);
            i++;
        } else if (c == '"' || c == '\\') {
            char pair[2] = { '\\', (char)c };
            line_add(l, pair, 2);
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            char escape[8];
            int n = snprintf(escape, sizeof(escape), "\\u%04x", c);
            line_add(l, escape, (size_t)n);
            i++;
        } else {
            line_add(l, text + i, used);
            i += used;
        }
    }
    line_add_char(l, '"');
}

static void line_add_value(struct line *l, const struct log_field *field)
{
    char number[40];
    switch (field->kind) {
    case LOG_KIND_TEXT:
        if (field->text)
            line_add_string(l, field->text);
        else
            line_add(l, "null", 4);
        return;
    case LOG_KIND_INT:
        snprintf(number, sizeof(number), "%" PRId64, field->integer);
        break;
    case LOG_KIND_REAL:
        if (isfinite(field->real))
            snprintf(number, sizeof(number), "%.9g", field->real);
        else
            snprintf(number, sizeof(number), "null");
        break;
    case LOG_KIND_BOOL:
        snprintf(number, sizeof(number), "%s", field->integer ? "true" : "false");
        break;
    case LOG_KIND_END:
        snprintf(number, sizeof(number), "null");
        break;
    }
    line_add(l, number, strlen(number));
}

static void line_add_field(struct line *l, const struct log_field *field)
{
    size_t before = l->size;
    line_add_char(l, l->size ? ',' : '{');
    line_add_string(l, field->name);
    line_add_char(l, ':');
    line_add_value(l, field);
    if (l->full)
        l->size = before;
}

static void line_write(const struct line *l)
{
    const char *p = l->text;
    size_t left = l->size;
    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads the log: there is no one to tell */
        p += n;
        left -= (size_t)n;
    }
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields)
{
    if (level < log_level_min)
        return;
    int saved_errno = errno;
    char now[TIME_TEXT_SIZE];
    instant_format(wall_ms(), now);

    struct line l;
    l.size = 0;
    l.full = false;
    line_add_field(&l, &LF_TEXT("ts", now));
    line_add_field(&l, &LF_TEXT("level", level_names[level]));
    line_add_field(&l, &LF_TEXT("service", log_service));
    line_add_field(&l, &LF_TEXT("instance", log_instance));
    line_add_field(&l, &LF_TEXT("msg", message));
    bool cut = false;
    for (const struct log_field *f = fields; f->kind != LOG_KIND_END; f++) {
        line_add_field(&l, f);
        cut = cut || l.full;
        l.full = false; /* a shorter field may still fit */
    }
    const char *tail = cut ? ",\"truncated\":true}\n" : "}\n";
    memcpy(l.text + l.size, tail, strlen(tail));
    l.size += strlen(tail);
    line_write(&l);
    errno = saved_errno;
}

void log_error_last(enum log_level level, const char *message)
{
    const struct err_detail *e = err_last();
    struct log_field fields[6] = { LF_TEXT("error", err_info(e->code)->name) };
    int n = 1;
    if (e->reason[0])
        fields[n++] = LF_TEXT("reason", e->reason);
    fields[n++] = LF_TEXT("text", e->text);
    if (e->sqlstate[0])
        fields[n++] = LF_TEXT("sqlstate", e->sqlstate);
    if (e->os_errno)
        fields[n++] = LF_INT("errno", e->os_errno);
    fields[n] = LF_END;
    log_fields(level, message, fields);
}
