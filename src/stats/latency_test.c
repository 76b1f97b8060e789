/* SPDX-License-Identifier: MIT
 *
 * latency_test - bucket bounds, the promised error, merging */
#include "stats/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void free_state(void **state)
{
    free(*state);
    *state = NULL;
}

static struct latency *new_latency(void)
{
    struct latency *const latency = calloc(1, sizeof *latency);
    assert_non_null(latency);
    return latency;
}

static struct latency_sum *new_sum(void)
{
    struct latency_sum *const sum = calloc(1, sizeof *sum);
    assert_non_null(sum);
    return sum;
}

static void each_bucket_follows_the_one_before(void **state)
{
    (void)state;
    uint64_t next = 0;
    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        assert_int_equal(latency_index(next), i);
        assert_int_equal(latency_index(latency_upper_ns(i)), i);
        next = latency_upper_ns(i) + 1;
    }
    assert_true(next == UINT64_C(1) << LATENCY_VALUE_BITS);
    assert_int_equal(latency_index(next), LATENCY_BUCKET_COUNT - 1);
    assert_int_equal(latency_index(UINT64_MAX), LATENCY_BUCKET_COUNT - 1);
}

static void the_error_is_at_most_0_8_percent(void **state)
{
    (void)state;
    for (uint64_t ns = 1; ns < UINT64_C(1) << LATENCY_VALUE_BITS; ns += 1 + ns / 1000) {
        const uint64_t upper_ns = latency_upper_ns(latency_index(ns));
        assert_true(upper_ns >= ns);
        assert_true((double)(upper_ns - ns) <= 0.008 * (double)ns);
    }
}

static void percentiles_of_known_values(void **state)
{
    struct latency *const latency = *state = new_latency();
    struct latency_sum *const sum = new_sum();

    for (uint64_t us = 1; us <= 1000; us++)
        latency_add(latency, us * 1000, 1);
    latency_merge(sum, latency);

    assert_int_equal(sum->count, 1000);
    assert_int_equal(sum->max_ns, 1000000);
    assert_true(latency_mean_ns(sum) == 500500.0);
    assert_in_range(latency_percentile_ns(sum, 0.5), 500000, 504000);
    assert_in_range(latency_percentile_ns(sum, 0.99), 990000, 998000);
    assert_int_equal(latency_percentile_ns(sum, 1), 1000000);
    assert_in_range(latency_percentile_ns(sum, 0), 1000, 1008);
    free(sum);
    free_state(state);
}

static void nothing_measured_is_zero(void **state)
{
    (void)state;
    struct latency_sum *const sum = new_sum();
    assert_int_equal(latency_percentile_ns(sum, 0.99), 0);
    assert_true(latency_mean_ns(sum) == 0);
    free(sum);
}

static void values_beyond_the_range_keep_their_maximum(void **state)
{
    struct latency *const latency = *state = new_latency();
    struct latency_sum *const sum = new_sum();
    const uint64_t hours_ns = UINT64_C(7200) * 1000000000;

    latency_add(latency, hours_ns, 3);
    latency_merge(sum, latency);
    assert_int_equal(sum->count, 3);
    assert_int_equal(latency_percentile_ns(sum, 0.5), hours_ns);
    free(sum);
    free_state(state);
}

static void merging_adds_and_subtracting_leaves_the_interval(void **state)
{
    struct latency *const latency = *state = new_latency();
    struct latency_sum *const earlier = new_sum();
    struct latency_sum *const later = new_sum();

    latency_add(latency, 9000000, 10);
    latency_merge(earlier, latency);
    latency_add(latency, 100, 5);
    latency_merge(later, latency);
    latency_subtract(later, earlier);

    assert_int_equal(later->count, 5);
    assert_int_equal(later->sum_ns, 500);
    assert_int_equal(later->max_ns, 100);
    assert_int_equal(latency_percentile_ns(later, 0.99), 100);

    latency_merge(earlier, latency);
    assert_int_equal(earlier->count, 25);
    free(earlier);
    free(later);
    free_state(state);
}

/* As in a run of minutes in which the server takes half of the rate. */
static void sums_are_longer_than_64_bits(void **state)
{
    const uint64_t minute_ns = UINT64_C(60000000000);
    struct latency *const latency = *state = new_latency();
    struct latency_sum *const earlier = new_sum();
    struct latency_sum *const sum = new_sum();

    for (int i = 0; i < 1000; i++)
        latency_add(latency, minute_ns, 1000000);
    latency_merge(earlier, latency);
    assert_true(fabs(latency_mean_ns(earlier) / (double)minute_ns - 1) < 1e-9);

    latency_add(latency, 2 * minute_ns, 1000000);
    latency_merge(sum, latency);
    latency_subtract(sum, earlier);
    assert_true(fabs(latency_mean_ns(sum) / (2 * (double)minute_ns) - 1) < 1e-9);
    free(earlier);
    free(sum);
    free_state(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_longer_than_64_bits),
        cmocka_unit_test(each_bucket_follows_the_one_before),
        cmocka_unit_test(the_error_is_at_most_0_8_percent),
        cmocka_unit_test(percentiles_of_known_values),
        cmocka_unit_test(nothing_measured_is_zero),
        cmocka_unit_test(values_beyond_the_range_keep_their_maximum),
        cmocka_unit_test(merging_adds_and_subtracting_leaves_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
