/* The error table and the thread's last failure. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"
#include "base/util.h"

static void test_table(void **state UNUSED)
{
    static const struct err_info expected[] = {
        { ERR_INVALID_ARGUMENT, "invalid_argument", 3, 400, ADVICE_DO_NOT_RETRY },
        { ERR_UNPROCESSABLE, "unprocessable", 3, 422, ADVICE_DO_NOT_RETRY },
        { ERR_UNAUTHENTICATED, "unauthenticated", 16, 401, ADVICE_DO_NOT_RETRY },
        { ERR_PERMISSION_DENIED, "permission_denied", 7, 403, ADVICE_DO_NOT_RETRY },
        { ERR_NOT_FOUND, "not_found", 5, 404, ADVICE_DO_NOT_RETRY },
        { ERR_REFUSED, "refused", 9, 409, ADVICE_DO_NOT_RETRY },
        { ERR_IN_PROGRESS, "in_progress", 10, 409, ADVICE_RETRY_SAME_KEY },
        { ERR_VERSION_MISMATCH, "version_mismatch", 10, 412, ADVICE_DO_NOT_RETRY },
        { ERR_TOO_LARGE, "too_large", 3, 413, ADVICE_DO_NOT_RETRY },
        { ERR_UNSUPPORTED, "unsupported", 12, 415, ADVICE_DO_NOT_RETRY },
        { ERR_RATE_LIMITED, "rate_limited", 8, 429, ADVICE_RETRY_LATER },
        { ERR_NOT_EXECUTED, "not_executed", 14, 503, ADVICE_RETRY_LATER },
        { ERR_OUTCOME_UNKNOWN, "outcome_unknown", 4, 504, ADVICE_RETRY_SAME_KEY },
        { ERR_INTERNAL, "internal", 13, 500, ADVICE_RETRY_SAME_KEY },
        { ERR_AGAIN, "again", 10, 500, ADVICE_RETRY_LATER },
        { ERR_CURSOR_MISMATCH, "cursor_mismatch", 9, 409, ADVICE_DO_NOT_RETRY },
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct err_info *info = err_info(expected[i].code);
        assert_int_equal(info->code, expected[i].code);
        assert_string_equal(info->name, expected[i].name);
        assert_int_equal(info->rpc_status, expected[i].rpc_status);
        assert_int_equal(info->http_status, expected[i].http_status);
        assert_int_equal(info->advice, expected[i].advice);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(info->name, expected[j].name);
    }
    static const int unknown[] = { 0, 1, -17, -1000, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_int_equal(err_info(unknown[i])->code, ERR_INTERNAL);
}

static void test_set_and_wrap(void **state UNUSED)
{
    err_clear();
    assert_int_equal(err_last()->code, 0);
    assert_int_equal(err_set(ERR_NOT_FOUND, "no row %d", 7), ERR_NOT_FOUND);
    assert_string_equal(err_last()->text, "no row 7");
    assert_string_equal(err_last()->reason, "");
    assert_int_equal(err_wrap(ERR_NOT_FOUND, "lock %s", "x"), ERR_NOT_FOUND);
    assert_int_equal(err_wrap(ERR_NOT_FOUND, "sign"), ERR_NOT_FOUND);
    assert_string_equal(err_last()->text, "sign: lock x: no row 7");

    assert_int_equal(err_set_reason(ERR_REFUSED, "already_closed", "closed"), ERR_REFUSED);
    err_wrap(ERR_REFUSED, "reply");
    assert_string_equal(err_last()->reason, "already_closed");
    err_wrap(ERR_INTERNAL, "apply");
    assert_int_equal(err_last()->code, ERR_INTERNAL);
    assert_string_equal(err_last()->reason, "");
    assert_string_equal(err_last()->text, "apply: reply: closed");

    /* The recorded text may be an argument of the next one. */
    err_set(ERR_INTERNAL, "again: %s", err_last()->text);
    assert_string_equal(err_last()->text, "again: apply: reply: closed");

    err_clear();
    err_wrap(ERR_AGAIN, "alone");
    assert_string_equal(err_last()->text, "alone");
}

static void test_errno(void **state UNUSED)
{
    assert_int_equal(err_errno(ERR_INTERNAL, ENOENT, "open %s", "f"), ERR_INTERNAL);
    assert_string_equal(err_last()->text, "open f: ENOENT, No such file or directory");
    assert_int_equal(err_last()->os_errno, ENOENT);
    err_errno(ERR_INTERNAL, 99999, "odd");
    assert_string_equal(err_last()->text, "odd: errno, unknown");
    err_set(ERR_INTERNAL, "fresh");
    assert_int_equal(err_last()->os_errno, 0);
}

static void test_long_texts_are_cut_at_a_character(void **state UNUSED)
{
    char text[3 * ERR_TEXT_MAX + 1];
    for (size_t i = 0; i < ERR_TEXT_MAX; i++)
        memcpy(text + 3 * i, "\xe9\xb2\x81", 3);
    text[sizeof(text) - 1] = '\0';
    for (int shift = 0; shift < 4; shift++) {
        err_set(ERR_INTERNAL, "%.*s%s", shift, "abcd", text);
        size_t length = strlen(err_last()->text);
        assert_in_range(length, ERR_TEXT_MAX - 4, ERR_TEXT_MAX - 1);
        assert_true(utf8_check(err_last()->text, length));
        err_wrap(ERR_INTERNAL, "%.*s", shift, "wxyz");
        assert_true(utf8_check(err_last()->text, strlen(err_last()->text)));
        err_wrap(ERR_INTERNAL, "%s", text);
        assert_true(utf8_check(err_last()->text, strlen(err_last()->text)));
    }
    err_set_reason(ERR_REFUSED, "a_reason_that_is_longer_than_forty_eight_bytes_is_cut", "x");
    assert_int_equal(strlen(err_last()->reason), ERR_REASON_MAX - 1);
}

static void *other_thread(void *arg)
{
    *(int *)arg = err_last()->code;
    err_set(ERR_TOO_LARGE, "elsewhere");
    return NULL;
}

static void test_threads_are_apart(void **state UNUSED)
{
    err_set(ERR_REFUSED, "here");
    int seen = 1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, 0);
    assert_int_equal(err_last()->code, ERR_REFUSED);
}

static void test_assert_crashes_and_tells(void **state UNUSED)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        assert_always(1 + 1 == 3);
        _exit(0);
    }
    close(fds[1]);
    char line[1024] = "";
    ssize_t n = read(fds[0], line, sizeof(line) - 1);
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_true(n > 0);
    assert_non_null(strstr(line, "\"condition\":\"1 + 1 == 3\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_set_and_wrap),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_long_texts_are_cut_at_a_character),
        cmocka_unit_test(test_threads_are_apart),
        cmocka_unit_test(test_assert_crashes_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
