/* SPDX-License-Identifier: MIT
 *
 * intern_test - equal bytes have one number, in the order they came */
#include "profile/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void equal_bytes_have_one_number(void **state)
{
    struct intern *const intern = intern_new();
    bool is_new;

    (void)state;
    assert_int_equal(intern_add(intern, "a", 1, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(intern_add(intern, "", 0, &is_new), 1);
    assert_int_equal(intern_add(intern, "a\0b", 3, NULL), 2);
    assert_int_equal(intern_add(intern, "a", 1, &is_new), 0);
    assert_false(is_new);
    assert_int_equal(intern_find(intern, "a\0b", 3), 2);
    assert_int_equal(intern_find(intern, "a\0c", 3), INTERN_NONE);
    assert_int_equal(intern_count(intern), 3);
    assert_string_equal(intern_at(intern, 0, NULL), "a");
    intern_free(intern);
}

static void many_keep_their_numbers(void **state)
{
    enum { COUNT = 10000 };
    struct intern *const intern = intern_new();
    size_t size;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(intern_add(intern, &i, sizeof i, NULL), i);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(intern_find(intern, &i, sizeof i), i);
        assert_memory_equal(intern_at(intern, i, &size), &i, sizeof i);
        assert_int_equal(size, sizeof i);
    }
    intern_free(intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_have_one_number),
        cmocka_unit_test(many_keep_their_numbers),
    };
    return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
