/* SPDX-License-Identifier: MIT
 *
 * clock_test - the real clock, and one that a test owns */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t system_now_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void monotonic_reads_the_systems_clock(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        const uint64_t before = system_now_ns();
        const uint64_t now = clock_now_ns(clock_monotonic());
        const uint64_t after = system_now_ns();

        assert_true(before <= now && now <= after);
    }
}

static void monotonic_never_steps_back(void **state)
{
    uint64_t last = clock_monotonic_ns();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const uint64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

struct fake_clock {
    struct clock clock; /* first: a struct clock * is a struct fake_clock * */
    uint64_t now;
};

static uint64_t fake_now_ns(const struct clock *clock)
{
    return ((const struct fake_clock *)clock)->now;
}

static void a_test_owns_its_clock(void **state)
{
    struct fake_clock fake = {.clock = {.now_ns = fake_now_ns}, .now = 7};

    (void)state;
    assert_int_equal(clock_now_ns(&fake.clock), 7);
    fake.now += 5 * NS_PER_S;
    assert_int_equal(clock_now_ns(&fake.clock), UINT64_C(5000000007));
}

static void units_fit_together(void **state)
{
    (void)state;
    assert_int_equal(NS_PER_MS, 1000 * NS_PER_US);
    assert_int_equal(NS_PER_S, 1000 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_reads_the_systems_clock),
        cmocka_unit_test(monotonic_never_steps_back),
        cmocka_unit_test(a_test_owns_its_clock),
        cmocka_unit_test(units_fit_together),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
