/* SPDX-License-Identifier: MIT
 *
 * counters_expose_test - every counter and reason is exposed, once, with the sum that was asked */
#include "stats/counters_expose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PART_COUNT = 3 };

static uint64_t sum_parts(const void *of, size_t offset)
{
    const struct counters *const parts = of;
    uint64_t sum = 0;

    for (size_t i = 0; i < PART_COUNT; i++)
        sum += counter_read((const counter *)(const void *)((const char *)&parts[i] + offset));
    return sum;
}

static char *expose(const struct counters *parts)
{
    struct exposition to = {.prefix = "t"};

    counters_expose(&to, sum_parts, parts);
    assert_false(to.failed);
    return to.text;
}

static size_t count_lines(const char *text, const char *start)
{
    size_t count = 0;

    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        count += strncmp(line, start, strlen(start)) == 0;
    return count;
}

static void sums_are_exposed(void **state)
{
    static struct counters parts[PART_COUNT];

    (void)state;
    for (uint64_t i = 0; i < PART_COUNT; i++) {
        counter_set(&parts[i].submits_received, 10 + i);
        counter_set(&parts[i].connections_open, i);
        counter_set(&parts[i].closed[CLOSE_unknown_command], 100);
    }
    char *const text = expose(parts);
    assert_int_equal(count_lines(text, "# TYPE t_req_recv_total counter\n"), 1);
    assert_int_equal(count_lines(text, "t_req_recv_total 33\n"), 1);
    assert_int_equal(count_lines(text, "t_packets_received_total{command=\"submit\"} 33\n"), 1);
    assert_int_equal(count_lines(text, "# TYPE t_client_connected gauge\n"), 1);
    assert_int_equal(count_lines(text, "t_client_connected 3\n"), 1);
    assert_int_equal(
        count_lines(text, "t_connections_closed_total{reason=\"unknown_command\"} 300\n"), 1);
    free(text);
}

static void nothing_is_left_out(void **state)
{
    static const struct counters parts[PART_COUNT];
    size_t info_count;
    char *const text = expose(parts);

    (void)state;
    counters_info(&info_count);
    assert_int_equal(count_lines(text, "t_"), info_count + CLOSE_REASON_COUNT);
    assert_int_equal(count_lines(text, "t_connections_closed_total{"), CLOSE_REASON_COUNT);
    assert_int_equal(count_lines(text, "# HELP "), count_lines(text, "# TYPE "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_exposed),
        cmocka_unit_test(nothing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
