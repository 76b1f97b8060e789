/* SPDX-License-Identifier: MIT
 *
 * wheel_test - deadlines: never early, at most a tick late, over the wrap of the clock too */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Runs a wheel from @start_ms until an entry armed @delay_ms ahead expires, in steps of at most
 * what the wheel says it can wait.  Returns when it expired, counted from the start. */
static uint32_t run_one(uint32_t start_ms, uint32_t delay_ms)
{
    struct wheel *const wheel = malloc(sizeof *wheel);
    struct wheel_entry entry = {0};
    uint32_t now_ms = start_ms;

    wheel_init(wheel, start_ms);
    wheel_arm(wheel, &entry, start_ms + delay_ms);
    for (;;) {
        struct wheel_entry *const expired = wheel_take_expired(wheel, now_ms);
        if (expired) {
            assert_ptr_equal(expired, &entry);
            assert_null(wheel_take_expired(wheel, now_ms));
            assert_int_equal(wheel->armed_count, 0);
            free(wheel);
            return now_ms - start_ms;
        }
        const uint32_t wait_ms = wheel_wait_ms(wheel, now_ms);
        assert_int_not_equal(wait_ms, UINT32_MAX);
        now_ms += wait_ms > 0 ? wait_ms : 1;
    }
}

static void expires_on_time(void **state)
{
    static const uint32_t delays[] = {0, 1, 15, 16, 17, 100, 1000, 16383, 16384, 16385, 300000};
    static const uint32_t starts[] = {0, 5, 16, 1000003, UINT32_MAX - 3, UINT32_MAX - 20000};

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (size_t j = 0; j < sizeof delays / sizeof delays[0]; j++) {
            const uint32_t took = run_one(starts[i], delays[j]);
            assert_true(took >= delays[j]);
            assert_true(took <= delays[j] + 2 * WHEEL_TICK_MS);
        }
    }
}

static void an_earlier_deadline_wakes_earlier(void **state)
{
    struct wheel *const wheel = malloc(sizeof *wheel);
    struct wheel_entry late = {0};
    struct wheel_entry early = {0};

    (void)state;
    wheel_init(wheel, 0);
    wheel_arm(wheel, &late, 10000);
    assert_true(wheel_wait_ms(wheel, 0) >= 10000 - WHEEL_TICK_MS);
    wheel_arm(wheel, &early, 100);
    assert_true(wheel_wait_ms(wheel, 0) <= 100 + WHEEL_TICK_MS);
    assert_ptr_equal(wheel_take_expired(wheel, 200), &early);
    assert_null(wheel_take_expired(wheel, 200));
    wheel_disarm(wheel, &late);
    wheel_disarm(wheel, &late);
    assert_int_equal(wheel_wait_ms(wheel, 200), UINT32_MAX);
    free(wheel);
}

static void a_moved_entry_expires_once(void **state)
{
    struct wheel *const wheel = malloc(sizeof *wheel);
    struct wheel_entry entry = {0};
    unsigned seed = 7;

    (void)state;
    wheel_init(wheel, 0);
    for (uint32_t now_ms = 0; now_ms < 100000; now_ms += 50) {
        assert_null(wheel_take_expired(wheel, now_ms));
        wheel_arm(wheel, &entry, now_ms + 100 + (uint32_t)rand_r(&seed) % 1000);
    }
    assert_int_equal(wheel->armed_count, 1);
    assert_ptr_equal(wheel_take_expired(wheel, 102000), &entry);
    assert_null(wheel_take_expired(wheel, 200000));
    free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_on_time),
        cmocka_unit_test(an_earlier_deadline_wakes_earlier),
        cmocka_unit_test(a_moved_entry_expires_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
