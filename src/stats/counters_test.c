/* SPDX-License-Identifier: MIT
 *
 * counters_test - the table of counters is one that Prometheus can be given */
#include "stats/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_same_family(const struct counter_info *a, const struct counter_info *b)
{
    return strcmp(a->family, b->family) == 0;
}

/* A family that is begun twice has two HELP lines, which Prometheus refuses. */
static void families_are_contiguous(void **state)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    assert_true(count > 0);
    for (size_t i = 1; i < count; i++) {
        if (is_same_family(&info[i], &info[i - 1]))
            continue;
        for (size_t j = 0; j < i; j++) {
            if (is_same_family(&info[i], &info[j]))
                fail_msg("%s does not stand together", info[i].family);
        }
    }
}

static void help_stands_at_the_first_line_of_a_family(void **state)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const bool is_first = i == 0 || !is_same_family(&info[i], &info[i - 1]);

        if (is_first != (info[i].help[0] != '\0'))
            fail_msg("help of %s{%s}", info[i].family, info[i].labels);
        if (is_first && info[i].help[strlen(info[i].help) - 1] != '.')
            fail_msg("the help of %s is no sentence", info[i].family);
    }
}

static void a_family_has_one_kind_and_one_label(void **state)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    for (size_t i = 1; i < count; i++) {
        if (!is_same_family(&info[i], &info[i - 1]))
            continue;
        assert_int_equal(info[i].kind, info[i - 1].kind);
        const size_t name_size = strcspn(info[i].labels, "=");
        assert_int_equal(name_size, strcspn(info[i - 1].labels, "="));
        assert_memory_equal(info[i].labels, info[i - 1].labels, name_size);
    }
}

static void series_are_unique(void **state)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (is_same_family(&info[i], &info[j]) && strcmp(info[i].labels, info[j].labels) == 0)
                fail_msg("%s{%s} is there twice", info[i].family, info[i].labels);
        }
    }
}

/* The format adds what a kind demands: _total here would become _total_total. */
static void names_are_legal_and_without_suffixes(void **state)
{
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *const family = info[i].family;

        assert_true(strlen(family) > 0);
        assert_int_equal(strspn(family, "abcdefghijklmnopqrstuvwxyz_"), strlen(family));
        assert_null(strstr(family, "_total"));
        if (info[i].labels[0] != '\0') {
            const size_t name_size = strspn(info[i].labels, "abcdefghijklmnopqrstuvwxyz_");
            assert_true(name_size > 0);
            assert_memory_equal(info[i].labels + name_size, "=\"", 2);
            assert_int_equal(info[i].labels[strlen(info[i].labels) - 1], '"');
        }
    }
}

static void info_finds_its_field(void **state)
{
    struct counters *const counters = aligned_alloc(CACHE_LINE_SIZE, sizeof *counters);
    size_t count;
    const struct counter_info *const info = counters_info(&count);
    uint64_t found = 0;

    (void)state;
    assert_non_null(counters);
    memset(counters, 0, sizeof *counters);
    counter_add(&counters->submits_received, 7);
    counter_add(&counters->syscalls_send, 9);
    for (size_t i = 0; i < count; i++) {
        const uint64_t value = counter_read(counters_at(counters, &info[i]));

        if (info[i].offset == offsetof(struct counters, submits_received))
            assert_int_equal(value, 7);
        else if (strcmp(info[i].labels, "call=\"send\"") == 0)
            assert_int_equal(value, 9);
        else
            assert_int_equal(value, 0);
        found += value;
    }
    assert_int_equal(found, 7 + 7 + 9); /* one field has two series */
    free(counters);
}

/* What panels and the documents of the protocol ask for by name. */
static void what_panels_ask_for_is_there(void **state)
{
    static const char *const names[] = {"req_recv", "rsp_send", "client_connected"};
    size_t found_count = 0;
    size_t count;
    const struct counter_info *const info = counters_info(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            if (strcmp(info[i].family, names[j]) != 0)
                continue;
            assert_int_equal(info[i].kind, j == 2 ? COUNTER_KIND_GAUGE : COUNTER_KIND_COUNTER);
            found_count++;
        }
    }
    assert_int_equal(found_count, 3);
}

static void check_ascending(const uint64_t *bounds, size_t count)
{
    assert_true(count <= HISTOGRAM_BOUND_COUNT_MAX);
    assert_true(bounds[0] > 0);
    for (size_t i = 1; i < count; i++)
        assert_true(bounds[i] > bounds[i - 1]);
}

static void bounds_ascend(void **state)
{
    (void)state;
    check_ascending(counters_duration_bounds_ns, DURATION_BOUND_COUNT);
    check_ascending(counters_batch_bounds, BATCH_BOUND_COUNT);
}

/* --- the histogram that counters are made of --- */

static void a_value_falls_below_its_bound_or_on_it(void **state)
{
    static const uint64_t bounds[] = {10, 20};
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, bounds, 2, 0, 1);
    histogram_add(&histogram, bounds, 2, 10, 1);
    histogram_add(&histogram, bounds, 2, 11, 5);
    histogram_add(&histogram, bounds, 2, 20, 1);
    histogram_add(&histogram, bounds, 2, 21, 2);
    histogram_add(&histogram, bounds, 2, 1000, 1);
    assert_int_equal(counter_read(&histogram.bucket[0]), 2);
    assert_int_equal(counter_read(&histogram.bucket[1]), 6);
    assert_int_equal(counter_read(&histogram.bucket[2]), 3);
    assert_int_equal(counter_read(&histogram.sum), 10 + 55 + 20 + 42 + 1000);
}

/* The index that is computed is the one that a search finds. */
static void a_size_falls_below_its_power_of_two_or_on_it(void **state)
{
    struct size_histogram sizes = {0};
    struct histogram searched = {0};

    (void)state;
    for (uint32_t size = 1; size <= 40000; size++) {
        size_histogram_add(&sizes, size);
        histogram_add(&searched, counters_batch_bounds, BATCH_BOUND_COUNT, size, 1);
    }
    for (size_t i = 0; i < BATCH_BOUND_COUNT; i++)
        assert_int_equal(counter_read(&sizes.bucket[i]), counter_read(&searched.bucket[i]));
    size_histogram_add(&sizes, 1U << 31);
    assert_int_equal(counter_read(&sizes.bucket[31]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_contiguous),
        cmocka_unit_test(help_stands_at_the_first_line_of_a_family),
        cmocka_unit_test(a_family_has_one_kind_and_one_label),
        cmocka_unit_test(series_are_unique),
        cmocka_unit_test(names_are_legal_and_without_suffixes),
        cmocka_unit_test(info_finds_its_field),
        cmocka_unit_test(what_panels_ask_for_is_there),
        cmocka_unit_test(bounds_ascend),
        cmocka_unit_test(a_value_falls_below_its_bound_or_on_it),
        cmocka_unit_test(a_size_falls_below_its_power_of_two_or_on_it),
    };
    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
