/* SPDX-License-Identifier: MIT
 *
 * log_limit_test - so many lines a second, and none of those left out is forgotten */
#include "server/log_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t take(struct log_limit *limit, uint32_t now_ms, int count)
{
    uint32_t taken = 0;

    for (int i = 0; i < count; i++)
        taken += log_limit_take(limit, now_ms, 10);
    return taken;
}

static void ten_a_second_and_the_rest_is_counted(void **state)
{
    struct log_limit limit = {0};

    (void)state;
    assert_int_equal(take(&limit, 1000, 7), 7);
    assert_int_equal(log_limit_take_left_out(&limit), 0);
    assert_int_equal(take(&limit, 1999, 7), 3);
    assert_int_equal(take(&limit, 2000, 100), 10);
    assert_int_equal(log_limit_take_left_out(&limit), 94);
    assert_int_equal(log_limit_take_left_out(&limit), 0);
    assert_int_equal(take(&limit, 7001, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_a_second_and_the_rest_is_counted),
    };
    return cmocka_run_group_tests_name("log_limit", tests, NULL, NULL);
}
