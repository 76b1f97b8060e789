/* SPDX-License-Identifier: MIT
 *
 * loop_test - exit statuses, and words that are kept and read again */
#include "load/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "load/command.h"

static int status_of(int code)
{
    struct ackd_error error;

    error_raise(&error, code, "a test's error");
    return loop_fail(&error);
}

static void errors_have_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(status_of(-EINVAL), EXIT_USAGE);
    assert_int_equal(status_of(-ENOENT), EXIT_USAGE);
    assert_int_equal(status_of(-EBADMSG), EXIT_VERIFICATION);
    assert_int_equal(status_of(-EIO), EXIT_NO_CONNECTION);
    assert_int_equal(status_of(-EINTR), EXIT_INVALID);
    assert_int_equal(status_of(-EACCES), EXIT_INVALID);
}

static void words_come_back(void **state)
{
    (void)state;
    const struct args args = {.rest = {"-c", "16"}, .rest_count = 2};
    struct args again;
    json_t *const words = loop_pack_words(&args);

    assert_int_equal(loop_unpack_words(words, &again, NULL), 0);
    assert_int_equal(again.rest_count, 2);
    assert_string_equal(again.rest[1], "16");
    json_array_append_new(words, json_integer(1));
    assert_int_equal(loop_unpack_words(words, &again, NULL), -EPROTO);
    json_decref(words);
}

static void a_path_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct ackd_error error = {0};
    json_t *const value = json_object();

    assert_int_equal(loop_write_json("/there/is/none", value, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/there/is/none"));
    assert_int_equal(loop_write_json("/dev/full", value, &error), -ENOSPC);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_exit_statuses),
        cmocka_unit_test(words_come_back),
        cmocka_unit_test(a_path_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
