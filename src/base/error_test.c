/* SPDX-License-Identifier: MIT
 *
 * error_test - an operating failure is raised once, with words that fit */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void raise_fills_code_and_text(void **state)
{
    struct ackd_error error = {0};

    (void)state;
    assert_int_equal(error_raise(&error, -EADDRINUSE, "%s: port %d", "bind", 8888), -EADDRINUSE);
    assert_int_equal(error.code, -EADDRINUSE);
    assert_string_equal(error.text, "bind: port 8888");
}

static void raise_replaces_the_last_one(void **state)
{
    struct ackd_error error = {0};

    (void)state;
    error_raise(&error, -EIO, "a long first message");
    error_raise(&error, -ENOMEM, "second");
    assert_int_equal(error.code, -ENOMEM);
    assert_string_equal(error.text, "second");
}

static void raise_without_a_place_for_it(void **state)
{
    (void)state;
    assert_int_equal(error_raise(NULL, -EIO, "nobody %s", "reads this"), -EIO);
}

/* A text that is too long is cut, and still a string. */
static void long_text_is_cut(void **state)
{
    struct ackd_error error;
    char text[2 * ACKD_ERROR_TEXT_SIZE];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t size = ACKD_ERROR_TEXT_SIZE - 2; size < ACKD_ERROR_TEXT_SIZE + 2; size++) {
        const size_t want = size < ACKD_ERROR_TEXT_SIZE ? size : ACKD_ERROR_TEXT_SIZE - 1;

        memset(&error, 0x5a, sizeof error);
        error_raise(&error, -EINVAL, "%.*s", (int)size, text);
        assert_int_equal(strlen(error.text), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raise_fills_code_and_text),
        cmocka_unit_test(raise_replaces_the_last_one),
        cmocka_unit_test(raise_without_a_place_for_it),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
