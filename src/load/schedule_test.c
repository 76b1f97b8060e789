/* SPDX-License-Identifier: MIT
 *
 * schedule_test - due times: their spacing, their number, and the law of their gaps */
#include "load/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

static struct schedule make(const char *rate, uint64_t connection_count, enum arrival arrival)
{
    struct rate_plan plan;
    struct schedule schedule = {
        .start_ns = 1000,
        .connection_count = connection_count,
        .seed = 1,
        .arrival = arrival,
    };
    assert_true(rate_plan_parse(rate, &plan));
    schedule_init(&schedule, &plan, 0);
    return schedule;
}

/* How many messages of all connections are due before @end_ns; their times go to @times, in no
 * order, if it is given. */
static size_t count_due(const struct schedule *schedule, uint64_t end_ns, uint64_t *times)
{
    size_t count = 0;
    for (uint64_t index = 0; index < schedule->connection_count; index++) {
        struct due due;
        uint64_t previous_ns = 0;
        for (schedule_first(schedule, index, &due); due.time_ns < end_ns;
             schedule_next(schedule, &due)) {
            assert_true(due.time_ns >= previous_ns);
            previous_ns = due.time_ns;
            if (times)
                times[count] = due.time_ns;
            count++;
        }
    }
    return count;
}

static void the_schedule_is_even_over_connections(void **state)
{
    (void)state;
    const struct schedule schedule = make("400m", 4, ARRIVAL_CONSTANT);
    struct due due;
    schedule_first(&schedule, 0, &due);
    assert_int_equal(due.time_ns, 1000);
    schedule_first(&schedule, 2, &due);
    assert_int_equal(due.time_ns, 1005);
    schedule_next(&schedule, &due);
    assert_int_equal(due.sequence, 2);
    assert_in_range(due.time_ns, 1015, 1016);
}

/* The number of messages is exact at every rate, to the message. */
static void constant_rates_are_exact(void **state)
{
    (void)state;
    static const char *const rates[] = {"10k", "20k", "33333", "50k", "100k", "250k", "500k"};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const struct schedule schedule = make(rates[i], 7, ARRIVAL_CONSTANT);
        const double wanted = schedule.pieces[0].rate * (double)NS_PER_S;
        assert_in_range(count_due(&schedule, 1000 + NS_PER_S, NULL), wanted, wanted + 1);
    }
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void constant_gaps_are_equal_to_the_nanosecond(void **state)
{
    (void)state;
    const struct schedule schedule = make("500k", 5, ARRIVAL_CONSTANT);
    static uint64_t times[60000];
    const size_t count = count_due(&schedule, 1000 + NS_PER_S / 10, times);
    qsort(times, count, sizeof times[0], compare_times);
    for (size_t i = 1; i < count; i++)
        assert_in_range(times[i] - times[i - 1], 1999, 2001);
}

/* A million messages: their number, and the mean and the variance of the gaps between those of all
 * connections together, each within 3 standard errors of the exponential law. */
static void poisson_is_within_three_sigma(void **state)
{
    (void)state;
    static uint64_t times[1100000];
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct schedule schedule = make("100k", 50, ARRIVAL_POISSON);
        schedule.seed = seed;
        const double wanted = 1e6;
        const size_t count = count_due(&schedule, 1000 + 10 * NS_PER_S, times);
        assert_true(fabs((double)count - wanted) <= 3 * sqrt(wanted));

        qsort(times, count, sizeof times[0], compare_times);
        double sum = 0;
        double squares = 0;
        size_t above_mean = 0;
        for (size_t i = 1; i < count; i++) {
            const double gap = (double)(times[i] - times[i - 1]) / 10000;
            sum += gap;
            squares += gap * gap;
            above_mean += gap > 1;
        }
        const double n = (double)count - 1;
        const double mean = sum / n;
        const double variance = squares / n - mean * mean;
        assert_true(fabs(mean - 1) <= 3 / sqrt(n));
        assert_true(fabs(variance - 1) <= 3 * sqrt(8 / n));
        const double share = (double)above_mean / n;
        assert_true(fabs(share - exp(-1)) <= 3 * sqrt(exp(-1) * (1 - exp(-1)) / n));
    }
}

/* Counts in separate tenths of a second are Poisson too: their variance is their mean. */
static void poisson_counts_have_their_mean_as_variance(void **state)
{
    (void)state;
    enum { SLOT_COUNT = 1000 };
    const struct schedule schedule = make("10k", 20, ARRIVAL_POISSON);
    static uint64_t times[1100000];
    static double slots[SLOT_COUNT];
    const size_t count = count_due(&schedule, 1000 + 100 * NS_PER_S, times);
    for (size_t i = 0; i < count; i++)
        slots[(times[i] - 1000) / (NS_PER_S / 10)]++;
    const double mean = (double)count / SLOT_COUNT;
    double variance = 0;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        variance += (slots[i] - mean) * (slots[i] - mean) / SLOT_COUNT;
    assert_true(fabs(variance / mean - 1) <= 3 * sqrt(2.0 / SLOT_COUNT));
}

static void a_walk_can_be_repeated(void **state)
{
    (void)state;
    const struct schedule schedule = make("1k:9k/1s", 3, ARRIVAL_POISSON);
    struct schedule other = schedule;
    other.seed = 2;
    struct due a, b, c;
    schedule_first(&schedule, 1, &a);
    schedule_first(&schedule, 1, &b);
    schedule_first(&other, 1, &c);
    size_t differing = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(a.time_ns == b.time_ns);
        differing += a.time_ns != c.time_ns;
        schedule_next(&schedule, &a);
        schedule_next(&schedule, &b);
        schedule_next(&other, &c);
    }
    assert_true(differing > 990);
}

static void ramps_bring_the_area_under_the_rate(void **state)
{
    (void)state;
    const struct schedule up = make("0:100k/1s,50k/1s", 3, ARRIVAL_CONSTANT);
    assert_in_range(count_due(&up, 1000 + NS_PER_S / 2, NULL), 12499, 12501);
    assert_in_range(count_due(&up, 1000 + NS_PER_S, NULL), 49999, 50001);
    assert_in_range(count_due(&up, 1000 + 3 * NS_PER_S, NULL), 149999, 150001);

    const struct schedule down = make("100k:0/1s", 3, ARRIVAL_CONSTANT);
    assert_in_range(count_due(&down, 1000 + NS_PER_S, NULL), 49998, 50001);
    assert_in_range(count_due(&down, 1000 + 100 * NS_PER_S, NULL), 49998, 50001);

    const struct schedule poisson = make("0:100k/10s", 3, ARRIVAL_POISSON);
    const double count = (double)count_due(&poisson, 1000 + 10 * NS_PER_S, NULL);
    assert_true(fabs(count - 500000) <= 3 * sqrt(500000));
}

static void the_lead_has_the_first_rate(void **state)
{
    (void)state;
    struct rate_plan plan;
    struct schedule schedule = {.start_ns = 0, .connection_count = 2};
    assert_true(rate_plan_parse("1k:3k/1s", &plan));
    schedule_init(&schedule, &plan, NS_PER_S / 2);
    assert_in_range(count_due(&schedule, NS_PER_S / 2, NULL), 500, 501);
    assert_in_range(count_due(&schedule, 3 * NS_PER_S / 2, NULL), 2499, 2501);

    assert_true(rate_plan_parse("0:3k/1s", &plan));
    schedule_init(&schedule, &plan, NS_PER_S / 2);
    assert_in_range(count_due(&schedule, NS_PER_S / 2, NULL), 0, 1);
    assert_in_range(count_due(&schedule, 3 * NS_PER_S / 2, NULL), 1499, 1501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schedule_is_even_over_connections),
        cmocka_unit_test(constant_rates_are_exact),
        cmocka_unit_test(constant_gaps_are_equal_to_the_nanosecond),
        cmocka_unit_test(poisson_is_within_three_sigma),
        cmocka_unit_test(poisson_counts_have_their_mean_as_variance),
        cmocka_unit_test(a_walk_can_be_repeated),
        cmocka_unit_test(ramps_bring_the_area_under_the_rate),
        cmocka_unit_test(the_lead_has_the_first_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
