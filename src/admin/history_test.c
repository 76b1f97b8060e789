/* SPDX-License-Identifier: MIT
 *
 * history_test - each range holds its length of samples, spaced as it says, the newest last */
#include "admin/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { DAY_S = 24 * 3600, VALUE_COUNT = 3 };

/* A history of @seconds samples: one a second, value i of second s being s * 10 + i. */
static struct history *make(uint64_t seconds)
{
    struct history *const history = history_new(VALUE_COUNT);

    assert_non_null(history);
    for (uint64_t second = 0; second < seconds; second++) {
        double values[VALUE_COUNT];

        for (int i = 0; i < VALUE_COUNT; i++)
            values[i] = (double)(second * 10) + i;
        history_add(history, second * 1000, values);
    }
    return history;
}

static void an_empty_history_has_no_sample(void **state)
{
    struct history *const history = make(0);

    (void)state;
    for (int range = 0; range < HISTORY_RANGE_COUNT; range++)
        assert_int_equal(history_count(history, (enum history_range)range), 0);
    history_free(history);
    history_free(NULL);
}

/* Checks that @range ends with @newest_s and is spaced evenly, with the values of its seconds. */
static void check(const struct history *history, enum history_range range, uint64_t newest_s)
{
    const uint32_t period_s = history_period_s(range);
    const size_t count = history_count(history, range);

    for (size_t i = 0; i < count; i++) {
        uint64_t time_ms;
        const double *const values = history_at(history, range, i, &time_ms);
        const uint64_t second = newest_s - (count - 1 - i) * period_s;

        assert_int_equal(time_ms, second * 1000);
        for (int value = 0; value < VALUE_COUNT; value++)
            assert_int_equal((uint64_t)values[value], second * 10 + (uint64_t)value);
    }
}

static void each_range_begins_with_the_first_sample(void **state)
{
    struct history *const history = make(25);

    (void)state;
    assert_int_equal(history_count(history, HISTORY_MINUTE), 25);
    assert_int_equal(history_count(history, HISTORY_HOUR), 3);
    assert_int_equal(history_count(history, HISTORY_DAY), 1);
    check(history, HISTORY_MINUTE, 24);
    check(history, HISTORY_HOUR, 20);
    check(history, HISTORY_DAY, 0);
    history_free(history);
}

static void a_full_range_covers_its_length_and_no_more(void **state)
{
    struct history *const history = make(2 * DAY_S + 1);
    static const uint32_t lengths_s[] = {60, 3600, DAY_S};

    (void)state;
    for (int i = 0; i < HISTORY_RANGE_COUNT; i++) {
        const enum history_range range = (enum history_range)i;

        assert_int_equal(history_length_s(range), lengths_s[i]);
        assert_int_equal(history_count(history, range), lengths_s[i] / history_period_s(range) + 1);
        check(history, range, 2 * DAY_S);
    }
    history_free(history);
}

static void only_so_many_values_are_kept(void **state)
{
    struct history *const history = history_new(HISTORY_VALUE_COUNT_MAX + 50);
    double values[HISTORY_VALUE_COUNT_MAX + 50] = {[HISTORY_VALUE_COUNT_MAX - 1] = 17};
    uint64_t time_ms;

    (void)state;
    assert_int_equal(history_value_count(history), HISTORY_VALUE_COUNT_MAX);
    history_add(history, 1, values);
    values[0] = 5;
    history_add(history, 2, values);
    assert_int_equal(
        (int)history_at(history, HISTORY_MINUTE, 0, &time_ms)[HISTORY_VALUE_COUNT_MAX - 1], 17);
    assert_int_equal((int)history_at(history, HISTORY_MINUTE, 1, &time_ms)[0], 5);
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_history_has_no_sample),
        cmocka_unit_test(each_range_begins_with_the_first_sample),
        cmocka_unit_test(a_full_range_covers_its_length_and_no_more),
        cmocka_unit_test(only_so_many_values_are_kept),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
