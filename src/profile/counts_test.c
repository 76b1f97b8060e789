/* SPDX-License-Identifier: MIT
 *
 * counts_test - what was counted stands in the metrics, each family once */
#include "profile/counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_up_and_are_exposed(void **state)
{
    struct exposition to = {.prefix = "x"};
    size_t family_count = 0;

    (void)state;
    counts_add(COUNT_PROFILES_HEAP, 1);
    counts_add(COUNT_PROFILES_HEAP, 2);
    counts_add(COUNT_LOST_RING, 5);
    assert_int_equal(counts_read(COUNT_PROFILES_HEAP), 3);
    counts_expose(&to);
    assert_non_null(strstr(to.text, "x_profiles_total{kind=\"heap\"} 3\n"));
    assert_non_null(strstr(to.text, "x_profiles_total{kind=\"mutex\"} 0\n"));
    assert_non_null(strstr(to.text, "x_profile_samples_lost_total{reason=\"ring_full\"} 5\n"));
    for (const char *at = to.text; (at = strstr(at, "# TYPE ")); at++)
        family_count++;
    assert_int_equal(family_count, 3);
    free(to.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_up_and_are_exposed),
    };
    return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
