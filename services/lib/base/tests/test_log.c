/* Log lines: one write, valid JSON whatever the values, fields cut with a mark. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/util.h"

static int saved_stderr, pipe_read;
static char captured[64 * 1024];

static void capture_start(void)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    pipe_read = fds[0];
    fcntl(pipe_read, F_SETFL, O_NONBLOCK);
}

static const char *capture_stop(void)
{
    ssize_t n = read(pipe_read, captured, sizeof(captured) - 1);
    captured[n > 0 ? n : 0] = '\0';
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_read);
    return captured;
}

/* What follows the time, which is checked for its shape. */
static const char *after_time(const char *line)
{
    assert_memory_equal(line, "{\"ts\":\"20", 9);
    const char *end = strstr(line, "+08:00\"");
    assert_non_null(end);
    return end + 7;
}

static void test_line(void **state UNUSED)
{
    log_init("complaints", "c1", LOG_INFO);
    capture_start();
    errno = EBADF;
    log_line(LOG_WARN, "REQ-DONE", LF_TEXT("method", "complaints.Sign"), LF_INT("us", -5),
             LF_REAL("load", 0.25), LF_BOOL("ok", 7), LF_TEXT("none", NULL), LF_REAL("nan", NAN),
             LF_INT("min", INT64_MIN));
    assert_int_equal(errno, EBADF);
    assert_string_equal(after_time(capture_stop()),
                        ",\"level\":\"warn\",\"service\":\"complaints\",\"instance\":\"c1\","
                        "\"msg\":\"REQ-DONE\",\"method\":\"complaints.Sign\",\"us\":-5,"
                        "\"load\":0.25,\"ok\":true,\"none\":null,\"nan\":null,"
                        "\"min\":-9223372036854775808}\n");
}

static void test_no_fields_and_levels(void **state UNUSED)
{
    log_init("s", "i", LOG_WARN);
    capture_start();
    log_line(LOG_DEBUG, "no");
    log_line(LOG_INFO, "no");
    log_line(LOG_ERROR, "yes");
    assert_string_equal(
        after_time(capture_stop()),
        ",\"level\":\"error\",\"service\":\"s\",\"instance\":\"i\",\"msg\":\"yes\"}\n");
}

static void test_escapes(void **state UNUSED)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "a\nb\tc\x01\x7f", "\"a\\u000ab\\u0009c\\u0001\\u007f\"" },
        { "督辦單 \xf0\x9f\x90\x8e", "\"督辦單 \xf0\x9f\x90\x8e\"" },
        { "bad \xff\xc0\x80 end", "\"bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end\"" },
        { "cut \xe7\x9d", "\"cut \xef\xbf\xbd\xef\xbf\xbd\"" },
        { "", "\"\"" },
    };
    log_init("s", "i", LOG_INFO);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        capture_start();
        log_line(LOG_INFO, "m", LF_TEXT("v", cases[i].in));
        const char *value = strstr(capture_stop(), "\"v\":");
        assert_non_null(value);
        assert_memory_equal(value + 4, cases[i].out, strlen(cases[i].out));
        assert_string_equal(value + 4 + strlen(cases[i].out), "}\n");
    }
}

static void test_too_long(void **state UNUSED)
{
    char text[3000];
    memset(text, '\x02', sizeof(text)); /* six bytes each when escaped */
    text[sizeof(text) - 1] = '\0';
    log_init("s", "i", LOG_INFO);
    capture_start();
    log_line(LOG_INFO, "m", LF_TEXT("a", text), LF_TEXT("b", text), LF_INT("c", 5));
    const char *line = capture_stop();
    assert_true(strlen(line) <= 8192);
    assert_non_null(strstr(line, "\"a\":\"\\u0002"));
    assert_null(strstr(line, "\"b\":"));
    assert_non_null(strstr(line, ",\"c\":5,\"truncated\":true}\n"));
}

static void test_error_last(void **state UNUSED)
{
    log_init("s", "i", LOG_INFO);
    err_errno(ERR_INTERNAL, EIO, "read");
    capture_start();
    log_error_last(LOG_ERROR, "APPEND-FAILED");
    assert_non_null(strstr(capture_stop(), "\"msg\":\"APPEND-FAILED\",\"error\":\"internal\","
                                           "\"text\":\"read: EIO, Input/output error\","
                                           "\"errno\":5}\n"));
    err_set_reason(ERR_REFUSED, "redo_limit", "third");
    capture_start();
    log_error_last(LOG_ERROR, "x");
    assert_non_null(strstr(capture_stop(), "\"error\":\"refused\",\"reason\":\"redo_limit\","
                                           "\"text\":\"third\"}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),       cmocka_unit_test(test_no_fields_and_levels),
        cmocka_unit_test(test_escapes),    cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_error_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
