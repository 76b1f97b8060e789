/* SPDX-License-Identifier: MIT
 *
 * rate_test - a full bucket gives a second's worth at once, and then the rate */
#include "server/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t take_all(struct rate *rate, uint32_t per_second, uint64_t now_ns)
{
    uint32_t count = 0;

    while (rate_take(rate, per_second, now_ns))
        count++;
    return count;
}

static void a_second_is_taken_at_once_and_then_the_rate(void **state)
{
    static const uint32_t rates[] = {1, 2, 10, 1000, 1000000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct rate rate = {0};
        const uint64_t start_ns = 5 * NS_PER_S;

        assert_int_equal(take_all(&rate, rates[i], start_ns), rates[i]);
        assert_int_equal(take_all(&rate, rates[i], start_ns), 0);
        assert_int_equal(take_all(&rate, rates[i], start_ns + NS_PER_S / rates[i] - 1), 0);
        assert_int_equal(take_all(&rate, rates[i], start_ns + NS_PER_S / rates[i]), 1);
        /* It is never fuller than full. */
        assert_int_equal(take_all(&rate, rates[i], start_ns + 1000 * NS_PER_S), rates[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_is_taken_at_once_and_then_the_rate),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
