/* SPDX-License-Identifier: MIT
 *
 * text_test - numbers as people read them */
#include "load/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void counts_have_thousands(void **state)
{
    (void)state;
    struct text text = {{0}};
    assert_string_equal(text_count(&text, 0), "0");
    assert_string_equal(text_count(&text, 999), "999");
    assert_string_equal(text_count(&text, 1000), "1,000");
    assert_string_equal(text_count(&text, 1234567), "1,234,567");
    assert_string_equal(text_count(&text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void amounts_have_three_digits(void **state)
{
    (void)state;
    struct text text = {{0}};
    assert_string_equal(text_amount(&text, 0), "0");
    assert_string_equal(text_amount(&text, 9999), "9999");
    assert_string_equal(text_amount(&text, 12345), "12.3k");
    assert_string_equal(text_amount(&text, 999400), "999k");
    assert_string_equal(text_amount(&text, 999600), "1.00M");
    assert_string_equal(text_amount(&text, 99960000), "100M");
    assert_string_equal(text_amount(&text, 1.5e9), "1.50G");
}

static void times_and_sizes_have_units(void **state)
{
    (void)state;
    struct text text = {{0}};
    assert_string_equal(text_time(&text, 999), "999 ns");
    assert_string_equal(text_time(&text, 1234), "1.23 us");
    assert_string_equal(text_time(&text, 999600), "1.00 ms");
    assert_string_equal(text_time(&text, 12345678), "12.3 ms");
    assert_string_equal(text_time(&text, 2500000000), "2.50 s");
    assert_string_equal(text_size(&text, 12), "12 B");
    assert_string_equal(text_size(&text, 61600000), "61.6 MB");
    assert_string_equal(text_size(&text, 5.43e9), "5.43 GB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_thousands),
        cmocka_unit_test(amounts_have_three_digits),
        cmocka_unit_test(times_and_sizes_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
