/* SPDX-License-Identifier: MIT
 *
 * freeze_test - timetables, and their percentiles against answers worked out by hand and by trial
 */
#include "load/freeze.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

#define MS NS_PER_MS

static void check_ms(uint64_t got_ns, uint64_t expected_ms)
{
    const uint64_t expected_ns = expected_ms * MS;
    /* Fractions such as 0.9 are not exact in a double. */
    assert_in_range(got_ns + 10, expected_ns, expected_ns + 20);
}

static void nobody_waits_without_a_freeze(void **state)
{
    (void)state;
    assert_int_equal(freeze_response_ns(NULL, 0, 1000 * MS, 0.5), 0);
    assert_int_equal(freeze_response_ns(NULL, 0, 1000 * MS, 1), 0);
}

static void one_freeze_is_a_straight_line(void **state)
{
    (void)state;
    const struct freeze freeze = {200 * MS, 1000 * MS};
    check_ms(freeze_total_ns(&freeze, 1, 1000 * MS), 800);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.1), 0);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.2), 0);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.5), 300);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.9), 700);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 1), 800);
}

static void two_freezes_bend_the_line(void **state)
{
    (void)state;
    /* Waits above 100 ms: only in the longer one, for 300 of 1000 ms. */
    const struct freeze freezes[] = {{0, 400 * MS}, {600 * MS, 700 * MS}};
    check_ms(freeze_response_ns(freezes, 2, 1000 * MS, 0.5), 0);
    check_ms(freeze_response_ns(freezes, 2, 1000 * MS, 0.6), 50);
    check_ms(freeze_response_ns(freezes, 2, 1000 * MS, 0.7), 100);
    check_ms(freeze_response_ns(freezes, 2, 1000 * MS, 0.9), 300);
}

static void a_freeze_may_outlast_the_run(void **state)
{
    (void)state;
    /* Due from 500 to 1000, acked at 1300: the waits are 300 to 800. */
    const struct freeze freeze = {500 * MS, 1300 * MS};
    check_ms(freeze_total_ns(&freeze, 1, 1000 * MS), 500);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.49), 0);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.6), 400);
    check_ms(freeze_response_ns(&freeze, 1, 1000 * MS, 0.9), 700);
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The wait of a message that is due at @due_ns. */
static uint64_t wait_of(const struct freeze *freezes, size_t count, uint64_t due_ns)
{
    for (size_t i = 0; i < count; i++) {
        if (due_ns >= freezes[i].begin_ns && due_ns < freezes[i].end_ns)
            return freezes[i].end_ns - due_ns;
    }
    return 0;
}

/* Every timetable, against a hundred thousand messages one by one. */
static void the_arithmetic_is_that_of_single_messages(void **state)
{
    (void)state;
    enum { MESSAGE_COUNT = 100000 };
    static const double fractions[] = {0.1, 0.5, 0.75, 0.9, 0.99, 0.999};
    uint64_t *const waits = calloc(MESSAGE_COUNT, sizeof *waits);
    assert_non_null(waits);
    for (const struct timetable *table = timetables; table->name; table++) {
        struct freeze freezes[FREEZE_COUNT_MAX];
        const size_t count = timetable_list(table, freezes);
        const uint64_t run_ns = table->run_ms * MS;
        for (uint64_t i = 0; i < MESSAGE_COUNT; i++)
            waits[i] = wait_of(freezes, count, i * run_ns / MESSAGE_COUNT);
        qsort(waits, MESSAGE_COUNT, sizeof *waits, compare);
        for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
            const uint64_t got = freeze_response_ns(freezes, count, run_ns, fractions[i]);
            const uint64_t nearest = waits[(size_t)(fractions[i] * MESSAGE_COUNT) - 1];
            /* A few messages are as far apart as their due times. */
            assert_in_range(got + MS, nearest, nearest + 2 * MS);
        }
    }
    free(waits);
}

static void timetables_are_stopped_for_half_of_their_time(void **state)
{
    (void)state;
    size_t table_count = 0;
    for (const struct timetable *table = timetables; table->name; table++) {
        struct freeze freezes[FREEZE_COUNT_MAX];
        const size_t count = timetable_list(table, freezes);
        const uint64_t run_ns = table->run_ms * MS;
        assert_true(count > 0);
        assert_true(2 * freeze_total_ns(freezes, count, run_ns) >= run_ns);
        for (size_t i = 0; i < count; i++) {
            assert_true(freezes[i].begin_ns < freezes[i].end_ns);
            assert_true(freezes[i].begin_ns < run_ns);
            assert_true(i == 0 || freezes[i - 1].end_ns < freezes[i].begin_ns);
        }
        assert_ptr_equal(timetable_find(table->name), table);
        table_count++;
    }
    assert_int_equal(table_count, 5);
    assert_null(timetable_find("none"));
}

static void spans_repeat(void **state)
{
    (void)state;
    struct freeze freezes[FREEZE_COUNT_MAX];
    assert_int_equal(timetable_list(timetable_find("half"), freezes), 6);
    assert_int_equal(freezes[1].begin_ns, 1450 * MS);
    assert_int_equal(freezes[1].end_ns, 2000 * MS);
    assert_int_equal(timetable_list(timetable_find("edge"), freezes), 3);
    assert_int_equal(freezes[0].begin_ns, 0);
    assert_true(freezes[2].end_ns > 5000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_without_a_freeze),
        cmocka_unit_test(one_freeze_is_a_straight_line),
        cmocka_unit_test(two_freezes_bend_the_line),
        cmocka_unit_test(a_freeze_may_outlast_the_run),
        cmocka_unit_test(the_arithmetic_is_that_of_single_messages),
        cmocka_unit_test(timetables_are_stopped_for_half_of_their_time),
        cmocka_unit_test(spans_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
